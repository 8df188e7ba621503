"""Loops that wait, from the user's functions to one equation."""

from collections.abc import Callable
from typing import Any

import numpy as np

from funcgrad import tree
from funcgrad.core.protocols import DISPATCH
from funcgrad.interpreters.batch import differs
from funcgrad.transforms.arguments import function_name
from funcgrad.transforms.carry import Carry, read_only, strong
from funcgrad.transforms.choice import predicate
from funcgrad.transforms.equations.branches_sheet import outline_of
from funcgrad.transforms.equations.branches_stage import Misfit, Outlook, attempt
from funcgrad.transforms.equations.structured import apply
from funcgrad.transforms.equations.whiles import Waiting
from funcgrad.transforms.equations.whiles_walk import Walk

__all__ = ["counted_by_equation", "repeated_by_equation"]


def repeated_by_equation(
    going_on: Callable[[Any], Any], body: Callable[[Any], Any], carry: Carry
) -> Any:
    """A `while_loop` as one equation.

    Raises:
        Misfit: if the functions cannot be written down without values.
    """
    return _loop(going_on, lambda value, _: body(value), carry, None)


def counted_by_equation(
    lower: Any, upper: Any, body: Callable[[Any, Any], Any], carry: Carry
) -> Any:
    """A `fori_loop` whose number of steps depends on values as one equation.

    Raises:
        Misfit: if the function cannot be written down without values.
    """
    first = lower if differs(lower) else None

    def number(k: Any) -> Any:
        return k if first is None else first + k

    return _loop(
        lambda _, k: DISPATCH[np.less](number(k), upper),
        lambda value, k: body(number(k), value),
        carry,
        lower if first is None else 0,
    )


def _loop(going_on: Callable[..., Any], body: Callable[..., Any], carry: Carry, start: Any) -> Any:
    """The loop; `start` is what Python numbers of steps start with, if these are counted."""
    transform, leaves = carry.transform, carry.leaves()
    counts = start is not None
    if not leaves:
        raise Misfit
    with attempt(), read_only(carry):
        outlook = Outlook(transform, (going_on, body), [start, *leaves])
        stage = outlook.stage
        try:
            counter = [stage.count(start)] if counts else []
            tracers = [stage.enter_place(x) for x in leaves]
            carry.hand(tracers)
            value = tree.unflatten(carry.structure, tracers)
            given = [value, *counter]
            mask, _, _ = outlook.written(
                lambda *xs: predicate(transform, "the result of cond_fun", going_on(*xs), "b"),
                given,
            )
            middle = len(stage.items)
            carry.hand(tracers)
            new, _, _ = outlook.written(
                lambda *xs: [
                    *([xs[1] + 1] if counts else []),
                    carry.checked(body(xs[0], xs[1] if counts else None), 0),
                ],
                given,
            )
            name = function_name(body)
            going = outlook.program(f"{name}_going", slice(0, middle), mask)
            step = outlook.program(name, slice(middle, None), new)
            state = [x.variable for x in (*counter, *tracers)]
            for variable, out in zip(state, step.outputs, strict=True):
                if outline_of(variable)[:2] != outline_of(out)[:2]:
                    raise Misfit
            (going_closed, step_closed), consts = outlook.closed([going, step], state)
        finally:
            stage.close()
    width = len(state)
    walk = Walk(step_closed, width, (), back=False, given=(True,) * width)
    loop = Waiting(going_closed, [walk], len(consts))
    starts = [*([start] if counts else []), *map(strong, leaves)]
    outs = apply(loop, [*consts, *starts])[counts:]
    return carry.finished(tree.unflatten(carry.structure, outs))
