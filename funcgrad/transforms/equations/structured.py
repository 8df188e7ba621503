"""Equations that hold programs, under every transform.

A `Structured` is a pure function of a flat list of leaves that reaches no traced value but its
operands: a loop, a choice. It knows what its derivatives and its batched form are, as functions of
the same kind, and `apply` asks for them by the highest trace among the operands. So a program has
one equation for it at every level, and derivatives of any order come free.

Where there is no such form, the function runs step by step on the traced values themselves, which
is right always.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from funcgrad.core.primitive import Primitive
from funcgrad.core.protocols import DISPATCH
from funcgrad.core.tracer import Trace, Tracer, leaked
from funcgrad.core.wengert import Aval
from funcgrad.families.shapes import in_front, shape_of
from funcgrad.interpreters.batch import Axis, Batch, BatchTracer
from funcgrad.interpreters.dual import Dual, DualTracer
from funcgrad.interpreters.outline import is_plain, zeros_of
from funcgrad.interpreters.record import SMALL, Recording
from funcgrad.interpreters.shape import ShapeOnly
from funcgrad.interpreters.stage import Stage, StageTracer
from funcgrad.primitives.slicing import common_of
from funcgrad.transforms.arguments import is_differentiable
from funcgrad.transforms.body import stripped
from funcgrad.transforms.equations.derivation import NeedsValues
from funcgrad.transforms.equations.ends import Flags
from funcgrad.transforms.linear import LinearStage
from funcgrad.transforms.replayed import Replayed, highest, owner_of

__all__ = ["Placed", "Reverse", "Structured", "apply", "moved_axis", "primitive_of"]


@dataclass(frozen=True, slots=True)
class Placed:
    """What is known of the active operands where a structured function was recorded.

    Attributes:
        twins: for each active operand the first one that is the same value, if there are such.
            Their cotangents are one sum, which has one order.
        parts: for each of `Reverse.parted` how many parts of it (at most two) were taken before,
            if the sums of parts have parents of their own.
    """

    twins: tuple[int, ...] = ()
    parts: tuple[int, ...] | None = None


class Reverse:
    """The reverse mode of a structured function, for some active operands."""

    __slots__ = ()

    @property
    def parted(self) -> Sequence[int]:
        """The active operands whose parts are recorded in every step, by number."""
        return ()

    def forward(self, values: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Results, and what `pull` needs."""
        raise NotImplementedError

    def pull(
        self, kept: Sequence[Any], cts: list[Any], seeds: list[Any], how: "Placed"
    ) -> list[Any]:
        """Cotangents of the active operands; `None` is zero, on either side.

        Args:
            kept: what `forward` gave.
            cts: of the results.
            seeds: of the active operands, as far as they have been found; to be added to. Then
                the sums of parts of those of `parted`, if these have parents of their own.
            how: what is known of the operands at this place of the list.

        Returns:
            One for each of the seeds.
        """
        raise NotImplementedError

    def suited(self, *, again: bool, direct: bool) -> "Reverse":
        """The same for operands of some kind, so that sums have the order that they should have.

        Args:
            again: whether the operands are recorded at another level too. There, what is computed
                once in place of many times would change the order of sums.
            direct: as in `Closed.linearised`.
        """
        del again, direct
        return self


class Structured(Replayed):
    """A function that is one equation of a program, of the primitive `primitive`."""

    __slots__ = ()
    primitive: ClassVar[Primitive]

    def avals(self) -> list[Aval]:
        """Shapes and dtypes of the results."""
        raise NotImplementedError

    def zeros(self) -> list[Any]:
        """Results of zeros, in no memory; of Python numbers, where the function gives these."""
        return [zeros_of(aval.shape, aval.dtype) for aval in self.avals()]

    def inlined(self) -> "Structured":
        """The same for values that no derivative is taken by; see `Closed.inlined`."""
        return self

    def reverse_of(self, active: Flags) -> Reverse:
        """Reverse mode by the active operands.

        Raises:
            NeedsValues: if there is no such form.
        """
        raise NotImplementedError

    def push(self, values: Sequence[Any], dots: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Results and their tangents; `None` is zero, on either side.

        Raises:
            NeedsValues: if there is no such form.
        """
        raise NotImplementedError

    def map(
        self, size: int, flags: Flags, values: Sequence[Any]
    ) -> tuple[list[Any], Sequence[bool]]:
        """Results for all examples, with the batch axis in front where they are flagged.

        Raises:
            NeedsValues: if there is no such form.
        """
        raise NotImplementedError


# --- what a trace does with it ----------------------------------------------------------------


def apply(fun: Structured, leaves: Sequence[Any]) -> list[Any]:
    """The results, by the way of the highest trace among the operands."""
    top = highest(leaves)
    if top is None:
        return fun.run(leaves)
    if not top.open:
        raise leaked(top.transform)
    try:
        match top:
            case LinearStage():  # a linear program is made of linear primitives
                return fun.run(leaves)
            case Recording():
                return _record(top, fun, leaves)
            case Dual():
                return _dual(top, fun, leaves)
            case Batch():
                return _batch(top, fun, leaves)
            case ShapeOnly():
                return [top.input(zero) for zero in fun.zeros()]
            case Stage() if not getattr(top, "measures", False):
                return _stage(top, fun, leaves)
    except NeedsValues:
        pass
    return fun.run(leaves)


def _own(trace: Trace, leaves: Sequence[Any]) -> tuple[Flags, list[Any]]:
    flags = tuple(isinstance(leaf, Tracer) and leaf.owner is trace for leaf in leaves)
    return flags, [x.value if flag else x for x, flag in zip(leaves, flags, strict=True)]


def _record(trace: Recording, fun: Structured, leaves: Sequence[Any]) -> list[Any]:
    active, values = _own(trace, leaves)
    again = any(map(_is_recorded, values))
    direct = not any(isinstance(x, Tracer) and type(x) is not StageTracer for x in values)
    reverse = fun.reverse_of(active).suited(again=again, direct=direct)
    outs, kept = reverse.forward(values)
    given = {id(x) for x, flag in zip(values, active, strict=True) if not flag}
    kept = [_captured(trace, x) if id(x) in given else x for x in kept]
    parents = [leaf.index for leaf, flag in zip(leaves, active, strict=True) if flag]
    commons = [common_of(trace, parents[k]) for k in reverse.parted]
    placed = Placed(_twins(parents), tuple(before for _, before in commons))
    parents += [common for common, _ in commons]
    pull = _Pull(fun, reverse, active, len(outs), placed)
    trace.expands = True
    return list(trace.push(fun.primitive, parents, pull, kept, tuple(outs)))


def _twins(parents: list[int]) -> tuple[int, ...]:
    """For each parent the first place of it; nothing if all differ."""
    return tuple(map(parents.index, parents)) if len(set(parents)) < len(parents) else ()


def _is_recorded(x: Any) -> bool:
    while isinstance(x, Tracer):
        if isinstance(x.owner, Recording):
            return True
        x = x.value
    return False


def _captured(trace: Recording, x: Any) -> Any:
    """As `Recording.capture`; of many slices of one array, the array is guarded once."""
    if type(x) is np.ndarray and x.base is not None and x.nbytes > SMALL:
        owner = owner_of(x)
        if id(owner) not in trace.guarded:
            trace.guard(owner)
        return x
    return trace.capture(x)


@dataclass(frozen=True, slots=True)
class _Pull:
    """The pull of a record; see `funcgrad.interpreters.sweep.expanded`."""

    fun: Structured
    how: Reverse
    active: Flags
    results: int
    placed: Placed

    def reached(self, results: set[int]) -> list[bool]:
        """Which parents have an influence on these results."""
        sources = self.fun.sources(results)
        own = [i for i, flag in enumerate(self.active) if flag]
        found = [sources is None or i in sources for i in own]
        return found + [found[k] for k in self.how.parted if self.placed.parts is not None]

    def __call__(self, ct: Any, residuals: Any) -> Any:
        count = sum(self.active) + len(self.placed.parts or ())
        parts = self.with_seeds([ct, [None] * count], residuals)
        return parts[0] if len(parts) == 1 else tuple(parts)

    def with_seeds(self, given: list[Any], residuals: Any) -> list[Any]:
        """Cotangents of the parents, added to what there is of them; `given` is emptied."""
        ct, seeds = given
        given.clear()
        cts = [ct.get(i) for i in range(self.results)]
        return self.how.pull(residuals, cts, seeds, self.placed)


def _dual(trace: Dual, fun: Structured, leaves: Sequence[Any]) -> list[Any]:
    mine, values = _own(trace, leaves)
    dots = [x.tangent if flag else None for x, flag in zip(leaves, mine, strict=True)]
    outs, out_dots = fun.push(values, dots)
    return [
        out
        if dot is None or not is_differentiable(out)
        else DualTracer(out, dot, trace, fun.primitive)
        for out, dot in zip(outs, out_dots, strict=True)
    ]


def _batch(trace: Batch, fun: Structured, leaves: Sequence[Any]) -> list[Any]:
    if any(isinstance(leaf, Axis) for leaf in leaves):  # it has operations between examples
        raise NeedsValues
    _, values = _own(trace, leaves)
    flags = tuple(bool(trace.flag(leaf)) for leaf in leaves)
    if not any(flags):
        return [BatchTracer(x, False, trace, fun.primitive) for x in apply(fun, values)]
    outs, batched = fun.map(trace.size, flags, values)
    pairs = zip(outs, batched, strict=True)
    return [BatchTracer(out, flag, trace, fun.primitive) for out, flag in pairs]


def _stage(trace: Stage, fun: Structured, leaves: Sequence[Any]) -> list[Any]:
    values = _own(trace, leaves)[1]
    make = getattr(trace, "tracer", StageTracer)
    if make is not StageTracer:  # a body, whose values belong to no derivative
        values = list(map(stripped, values))
    if getattr(trace, "inlines", False) and not any(isinstance(x, Tracer) for x in values):
        fun = fun.inlined()
    hollow = not trace.computes and all(map(is_plain, values))
    outs = fun.zeros() if hollow else apply(fun, values)
    operands = tuple(map(trace.operand, leaves))
    equation = trace.equation(fun.primitive, operands, {"fun": fun}, outs)
    if hasattr(trace, "note"):  # a checkpoint around it
        trace.note(equation, values, {"fun": fun}, tuple(outs))
    return [
        make(out, variable, trace, fun.primitive)
        for out, variable in zip(outs, equation.results, strict=True)
    ]


# --- the primitive ----------------------------------------------------------------------------


def _jvp(_out: Any, values: Sequence[Any], dots: Sequence[Any], params: dict[str, Any]) -> Any:
    return tuple(params["fun"].push(values, dots)[1])


def _vjp(out: Any, values: Sequence[Any], active: Flags, params: dict[str, Any]) -> tuple[Any, Any]:
    fun = params["fun"]
    reverse = fun.reverse_of(tuple(active)).suited(again=True, direct=False)
    return _Pull(fun, reverse, tuple(active), len(out), Placed()), reverse.forward(values)[1]


def _batched(
    size: int, batched: Sequence[bool], values: Sequence[Any], params: dict[str, Any]
) -> Any:
    outs, flags = params["fun"].map(size, tuple(batched), values)
    return tuple(in_front(size, out, flag) for out, flag in zip(outs, flags, strict=True))


def primitive_of(name: str) -> Primitive:
    """A primitive for structured functions of one kind, which stand in the parameter `fun`.

    It is not registered: the laws of primitives know no function among the parameters.
    """
    return Primitive(
        name=name,
        value=lambda *leaves, fun: tuple(fun.run(leaves)),
        family="structured",
        jvp=_jvp,
        vjp=_vjp,
        batch=_batched,
        analytic=False,
        apply=lambda leaves, params: tuple(apply(params["fun"], leaves)),
    )


def moved_axis(x: Any, source: int, destination: int) -> Any:
    """`numpy.moveaxis`, of traced values too; itself if nothing moves."""
    if source == destination or len(shape_of(x)) < 2:
        return x
    return DISPATCH[np.moveaxis](x, source, destination)
