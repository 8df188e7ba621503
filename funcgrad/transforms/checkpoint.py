"""Trading time for memory: checkpoint, and names for the values that policies speak of."""

import contextlib
import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from funcgrad import tree
from funcgrad.core.modes import MODES
from funcgrad.core.primitive import Primitive
from funcgrad.core.program import Variable
from funcgrad.core.tracer import Tracer, bind
from funcgrad.errors import BudgetError
from funcgrad.transforms import policies
from funcgrad.transforms.arguments import Selection, check_callable, function_name, run
from funcgrad.transforms.body import Body, BodyStage, BodyTracer, Policy
from funcgrad.transforms.captures import replaced
from funcgrad.transforms.levels import Levels, is_operand
from funcgrad.transforms.replay import apply
from funcgrad.transforms.replayed import is_recorded
from funcgrad.transforms.sizes import MeasuringStage, planned, read_budget

__all__ = ["checkpoint", "checkpoint_name", "checkpoint_name_p", "remat"]


def checkpoint(
    fun: Callable[..., Any],
    *,
    prevent_cse: bool = True,
    policy: Policy | None = None,
    budget: int | str | None = None,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
) -> Callable[..., Any]:
    """The function, computed again in the reverse sweep: it keeps its arguments only.

    Results are the same to the last bit, in any nesting of transforms; derivatives are, but for the
    order in which the cotangents of a value that is used several times are added.

    Args:
        fun: function of arrays or pytrees of arrays.
        prevent_cse: taken for compatibility: nothing merges the second computation with the first.
        policy: what is kept all the same, see `funcgrad.checkpoint_policies`: a function
            `(primitive, *avals, **params) -> bool`, asked for each operation.
        budget: how much memory the reverse sweep over this function may use, `"200MB"`, `"64KiB"`
            or a number of bytes. The function's operations are cut into segments, and swept over
            one segment at a time, with as many states kept between them as there is room for, so
            that the least number of operations is repeated (binomial checkpointing). Without a
            budget everything is computed again at once.
        static_argnums: positions of arguments that are passed on as they are.
        static_argnames: names of such arguments.

    Returns:
        A function of the same arguments with the same results.

    Raises:
        BudgetError: if no plan stays inside the budget; it tells the least possible one.

    Example:
        >>> import funcgrad as fg, numpy as np
        >>> layer = fg.checkpoint(lambda x: np.tanh(np.sin(x) * x))
        >>> fg.grad(lambda x: np.sum(layer(layer(x))))(np.array([0.5]))
        array([0.39937609])
    """
    check_callable("checkpoint", fun)
    del prevent_cse
    statics = _Statics.of(fun, static_argnums, static_argnames)
    size = None if budget is None else read_budget(budget)
    if size is not None and policy is not None:
        raise BudgetError(
            "checkpoint: both policy and budget are given. Either a policy says what is kept, or "
            "it is chosen to fit into the budget. Leave one of them away."
        )

    @functools.wraps(fun)
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        return _Call(fun, statics, args, kwargs).result(policy, size)

    return checkpointed


remat = checkpoint


class _Statics:
    """Which arguments are passed on as they are."""

    __slots__ = ("names", "numbers", "parameters")

    def __init__(self, fun: Callable[..., Any], numbers: Selection, names: Selection) -> None:
        self.numbers = numbers
        self.names = frozenset(names.names)
        self.parameters: list[str] = []
        if self.names:
            with contextlib.suppress(TypeError, ValueError):  # no signature is known
                self.parameters = list(inspect.signature(fun).parameters)

    @classmethod
    def of(
        cls, fun: Callable[..., Any], numbers: int | Sequence[int], names: str | Sequence[str]
    ) -> "_Statics":
        """From `static_argnums` and `static_argnames` as users write them."""
        return cls(
            fun,
            Selection.of("checkpoint", numbers, None),
            Selection.of("checkpoint", (), names or None),
        )

    def split(
        self, fun: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[set[int], set[str]]:
        """Positions and keywords of this call."""
        positions, _ = self.numbers.positions(fun, args, kwargs)
        named = {i for i, name in enumerate(self.parameters[: len(args)]) if name in self.names}
        return {*positions, *named}, {name for name in kwargs if name in self.names}


class _Call:
    """One call of a checkpointed function."""

    def __init__(
        self,
        fun: Callable[..., Any],
        statics: _Statics,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        self.fun, self.args, self.kwargs = fun, args, kwargs
        positions, names = statics.split(fun, args, kwargs)
        self.numbers = [i for i in range(len(args)) if i not in positions]
        self.names = [name for name in kwargs if name not in names]
        chosen = [args[i] for i in self.numbers], {name: kwargs[name] for name in self.names}
        self.leaves, self.structure = tree.flatten(chosen)
        self.closed_over: list[Any] = []
        self.found = replaced(fun, self._note)

    def _note(self, x: Any) -> Any:
        if x.owner.open:
            self.closed_over.append(x)
        return x

    def _plainly(self) -> Any:
        return self.fun(*self.args, **self.kwargs)

    def result(self, policy: Policy | None, budget: int | None) -> Any:
        """What the function returns; with a checkpoint where something is recorded."""
        reached = [*self.leaves, *self.closed_over]
        if policy is policies.everything_saveable or not any(map(is_recorded, reached)):
            return self._plainly()
        levels = Levels(reached)
        if levels.linear:
            return self._plainly()
        measures = budget is not None or levels.measured
        stage = levels.placed(MeasuringStage(policy) if measures else BodyStage(policy))

        stage.lines = {} if levels.watchful else None

        def enter(x: Any) -> Any:
            return levels.inside(x, stage.enter) if is_operand(x) else x

        args, kwargs = list(self.args), dict(self.kwargs)
        given, named = tree.unflatten(self.structure, map(enter, self.leaves))
        for number, value in zip(self.numbers, given, strict=True):
            args[number] = value
        kwargs |= named
        fun = replaced(self.fun, lambda x: enter(x) if x.owner.open else x)
        try:
            out = run(fun, args, kwargs)
        finally:
            stage.close()
        if MODES.staging and not stage.is_one_program():  # a staging asks for values itself
            return self._plainly()
        return self._finished(stage, levels, out, budget)

    def _finished(self, stage: BodyStage, levels: Levels, out: Any, budget: int | None) -> Any:
        leaves, structure = tree.flatten(out)
        inputs = {variable.number: leaf for leaf, variable in stage.inputs}
        outputs: dict[int, int] = {}
        variables: list[Variable] = []
        values: list[Any] = []
        places: list[Any] = []
        for leaf in leaves:
            x, flags = levels.unwrap(leaf)
            if type(x) is not BodyTracer or x.owner is not stage:
                places.append(None)
                continue
            number = x.variable.number
            if number not in inputs and number not in outputs:
                outputs[number] = len(variables)
                variables.append(x.variable)
                values.append(x.value)
            places.append((number, flags))
        body, operands = stage.body(function_name(self.fun), variables)
        levels.watched(stage, body, operands)
        found = _applied(body, operands, values, stage, budget) if variables else []
        results = []
        for leaf, place in zip(leaves, places, strict=True):
            if place is None:
                results.append(leaf)
                continue
            number, flags = place
            x = inputs[number] if number in inputs else found[outputs[number]]
            results.append(levels.wrap(x, flags))
        return tree.unflatten(structure, results)


def _applied(
    body: Body, operands: list[Any], values: list[Any], stage: BodyStage, budget: int | None
) -> list[Any]:
    """The results of a body at all levels; `values` are the plain ones."""
    if not isinstance(stage, MeasuringStage) or stage.policy is not None:
        return apply(body, operands, [*values, *stage.saved])
    fun, order = planned(body, stage.tape(body.program), budget)
    known: list[Any] = [None] * len(order)
    for value, place in zip(values, order, strict=True):
        known[place] = value
    found = apply(fun, operands, known)
    return [found[place] for place in order]


# --- names ------------------------------------------------------------------------------------


def checkpoint_name(x: Any, name: str) -> Any:
    """The identity, x ↦ x, under a name that checkpoint policies can speak of.

    Args:
        x: an array, a number, or a pytree of them.
        name: such as `"hidden"`.

    Returns:
        The same values; arrays are copies.

    Example:
        >>> import funcgrad as fg, numpy as np
        >>> f = lambda x: np.sin(fg.checkpoint_name(np.exp(x), "grown")) ** 2
        >>> policy = fg.checkpoint_policies.save_only_these_names("grown")
        >>> fg.grad(fg.checkpoint(f, policy=policy))(0.0)
        np.float64(0.909297)
    """
    return tree.map(lambda leaf: _named(leaf, name), x)


def _named(leaf: Any, name: str) -> Any:
    if isinstance(leaf, Tracer):
        return bind(checkpoint_name_p, leaf, name=name)
    return leaf.copy() if isinstance(leaf, np.ndarray) else leaf


checkpoint_name_p: Primitive = Primitive(
    name="checkpoint_name",
    value=lambda x, *, name: x,  # the name is for policies
    family="identity",
    jvp=lambda _out, _primals, dots, _params: dots[0],
    vjp=lambda _out, _primals, _active, params: (None, params["name"]),  # for memory_report
    batch=lambda _size, _batched, values, params: bind(checkpoint_name_p, *values, **params),
    linear_in=all,
)
