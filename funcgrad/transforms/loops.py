"""Loops that count or wait: fori_loop and while_loop."""

from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any

import numpy as np

from funcgrad import tree
from funcgrad.core.modes import MODES
from funcgrad.core.protocols import DISPATCH
from funcgrad.interpreters.batch import differs
from funcgrad.interpreters.shape import is_unknown
from funcgrad.transforms.arguments import check_callable
from funcgrad.transforms.carry import Carry, read_only
from funcgrad.transforms.choice import Chosen, every, predicate, some
from funcgrad.transforms.later import equations

__all__ = ["fori_loop", "while_loop"]


def while_loop(
    cond_fun: Callable[[Any], Any], body_fun: Callable[[Any], Any], init_val: Any
) -> Any:
    """Repeat while a condition holds: x ← body(x) while cond(x).

    It runs as a Python loop, and every derivative goes through all of its steps: in reverse mode
    memory grows with their number. A loop whose condition fails at once runs none, and its
    derivative is that of the starting value: where the start may be the solution already, test the
    size of the step, as below.

    Under `vmap`, where the condition differs between examples, the loop goes on until it holds for
    none. Examples that have finished keep their value. While others go on, the body is computed for
    them on the values of one that does (as in `cond`, also for batched values in its closure), so
    that they cannot bring in warnings, infinities or derivatives that are not a number.

    Compiled by `jit` it is one loop for any number of steps, unless a function asks for values. In
    reverse mode it keeps its operands, and goes through its steps once more. The derivative by a
    start that the functions read too is the same but for the order in which its parts are added.

    Args:
        cond_fun: takes the value and returns a boolean of shape `()`.
        body_fun: takes the value and returns the next one, of the same structure, shapes and
            dtypes. Plain arrays come read-only.
        init_val: the first value, a pytree of arrays and numbers; Python numbers become NumPy
            scalars.

    Returns:
        The first value for which the condition does not hold.

    Raises:
        CarryError: if a step returns another structure, shape or dtype than `init_val` has.
        ControlFlowError: if the condition is no boolean of shape `()`.
        CapturedTracerError: as for `cond`, if the body of a loop that some examples have finished
            reads a batched value from a global variable or an attribute.

    Example:
        >>> import funcgrad as fg, numpy as np
        >>> def root(a, start=1.0):
        ...     is_moving = lambda pair: abs(pair[0] - pair[1]) > 1e-12
        ...     step = lambda pair: ((pair[0] + a / pair[0]) / 2, pair[0])
        ...     return fg.while_loop(is_moving, step, (start, np.inf))[0]
        >>> fg.value_and_grad(root)(4.0)
        (np.float64(2.0), np.float64(0.25))
        >>> fg.grad(root)(4.0, 2.0)  # it starts with the solution
        np.float64(0.25)
    """
    check_callable("while_loop", cond_fun, "cond_fun")
    check_callable("while_loop", body_fun, "body_fun")
    carry = Carry("while_loop", init_val, "init_val")
    if MODES.staging:
        with suppress(equations("branches_stage").Misfit):
            return equations("whiles_stage").repeated_by_equation(cond_fun, body_fun, carry)
    return _repeat(
        lambda _, value: predicate("while_loop", "the result of cond_fun", cond_fun(value), "b"),
        lambda _, value: body_fun(value),
        carry,
    )


def _repeat(
    going_on: Callable[[int, Any], Any], body: Callable[[int, Any], Any], carry: Carry
) -> Any:
    """Repeat `body(step, value)` while `going_on(step, value)`."""
    value = carry.start()
    with read_only(carry):
        for step in count():
            going = going_on(step, value)
            if is_unknown(going):  # only shapes are computed: one step shows those of all
                return carry.finished(carry.checked(body(step, value), step))
            for_all, for_some = _answers(going)
            if not for_some:
                break
            if for_all:
                value = carry.checked(body(step, value), step)
            else:
                value = _step_of_some(going, body, carry, value, step)
    return carry.finished(value)


def _answers(going: Any) -> tuple[bool, bool]:
    """Whether a condition holds for all examples, and for some."""
    if differs(going):
        for_some = some(going)
        if for_some is not None:
            return for_some and bool(every(going)), for_some
    answer = bool(going)  # raises where examples differ, and staging hides which
    return answer, answer


def _step_of_some(
    going: Any, body: Callable[[int, Any], Any], carry: Carry, value: Any, step: int
) -> Any:
    """One step for the examples that go on; the others keep their value."""
    one = Chosen(carry.transform, going, body)
    inputs = one.given(value)
    carry.hand(tree.leaves(inputs))
    moved = carry.checked(one.run(step, inputs), step)
    return tree.map(lambda new, old: DISPATCH[np.where](going, new, old), moved, value)


def _is_one_number(x: Any) -> bool:
    return not (differs(x) or is_unknown(x))


def _counted(f: Callable[[Any, Any], Any], value: Any, _x: Any, number: Any) -> tuple[Any, Any]:
    """One step, for `staged_loop`."""
    return f(number, value), ()


def fori_loop(
    lower: Any,
    upper: Any,
    body_fun: Callable[[Any, Any], Any],
    init_val: Any,
    *,
    unroll: int | bool | None = None,
) -> Any:
    """Repeat for counted steps: x ← body(i, x) for i = lower, …, upper - 1.

    It runs as a Python loop with every derivative. Under `vmap`, bounds that differ between
    examples make it a `while_loop`. In a function compiled by `jit` it is a loop of the compiled
    code, as `scan` is; the number is a traced integer there, unless `body_fun` needs a Python one,
    as an index of a list: then all steps are recorded.

    Args:
        lower: the first number, an integer.
        upper: the first number that is not reached, an integer.
        body_fun: takes the number (a Python integer, unless `lower` differs between examples) and
            the value, and returns the next value, of the same structure, shapes and dtypes. Plain
            arrays come read-only.
        init_val: the first value, a pytree of arrays and numbers; Python numbers become NumPy
            scalars.
        unroll: taken for compatibility: a Python loop has nothing to unroll.

    Returns:
        The last value; `init_val` if there is no step.

    Raises:
        CarryError: if a step returns another structure, shape or dtype than `init_val` has.
        ControlFlowError: if a bound is no integer.

    Example:
        >>> import funcgrad as fg
        >>> power = lambda x: fg.fori_loop(0, 3, lambda i, y: x * y, 1.0)
        >>> fg.grad(power)(2.0)
        np.float64(12.0)
    """
    del unroll
    check_callable("fori_loop", body_fun, "body_fun")
    lower = predicate("fori_loop", "lower", lower, "iu")
    upper = predicate("fori_loop", "upper", upper, "iu")
    carry = Carry("fori_loop", init_val, "init_val")
    if MODES.staging and any(map(equations("branches_stage").is_staged, (lower, upper))):
        with suppress(equations("branches_stage").Misfit):
            counted = equations("whiles_stage").counted_by_equation
            return counted(lower, upper, body_fun, carry)
    first = int(lower) if _is_one_number(lower) else lower
    if not (_is_one_number(lower) and _is_one_number(upper)):
        return _repeat(
            lambda step, _: DISPATCH[np.less](first + step, upper),
            lambda step, value: body_fun(first + step, value),
            carry,
        )
    value = carry.start()
    numbers = range(first, int(upper))
    if any(map(is_unknown, carry.leaves())):
        numbers = numbers[:1]  # only shapes are computed: one step shows those of all
    elif MODES.staging and len(numbers) > 1:
        nothing: list[Any] = []
        xs = tree.flatten(nothing)
        staged = equations("loops_stage").staged_loop
        kept = staged(body_fun, _counted, carry, xs, len(numbers), reverse=False, first=first)
        if kept is not None:
            return kept[0]
    with read_only(carry):
        for step, i in enumerate(numbers):
            value = carry.checked(body_fun(i, value), step)
    return carry.finished(value)
