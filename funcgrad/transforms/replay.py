"""Functions that are computed again in the reverse sweep, under every transform.

A `Replayed` is a pure function of a flat list of arrays that reaches no traced value but its
operands. `apply` says what each trace does with it, and the answer is always another one:

    reverse     keep the operands; later  (x, ct) ↦ ctᵀ ∂f(x)       Pulled
    forward     (x, ẋ) ↦ (f(x), ∂f(x) ẋ)                            Pushed
    vmap        f for all examples at once                          Mapped
    program     one equation

So a derivative of any order keeps operands only, and never what is computed in between.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from typing_extensions import override

from funcgrad.core.primitive import Primitive
from funcgrad.core.tracer import Trace, Tracer, leaked
from funcgrad.core.wengert import aval_of
from funcgrad.families.shapes import cast_like, in_front, zeros_like
from funcgrad.interpreters.batch import UNKNOWN, Batch, BatchTracer
from funcgrad.interpreters.dual import Dual, DualTracer
from funcgrad.interpreters.record import SMALL, Recording, RecordTracer
from funcgrad.interpreters.stage import Stage, StageTracer
from funcgrad.interpreters.sweep import expanded, sweep
from funcgrad.transforms.arguments import is_differentiable
from funcgrad.transforms.linear import LinearStage
from funcgrad.transforms.replayed import Cut, Replayed, highest, owner_of
from funcgrad.transforms.vmap import lift, unlift

__all__ = ["apply", "checkpoint_p"]

Flags = tuple[bool, ...]


# --- what a trace does with it ----------------------------------------------------------------


def apply(fun: Replayed, leaves: Sequence[Any], known: Sequence[Any] | None = None) -> list[Any]:
    """All results of a function, by the way of the highest trace among its operands.

    Args:
        fun: the function.
        leaves: its operands.
        known: the plain results (with the batches of the operands), if they have been computed.
    """
    top = highest(leaves)
    if top is None:
        return fun.run(leaves) if known is None else list(known)
    if not top.open:
        raise leaked(top.transform)
    match top:
        case LinearStage():  # a linear program is made of linear primitives
            return fun.run(leaves)
        case Recording():
            return _record(top, fun, leaves, known)
        case Dual():
            return _dual(top, fun, leaves)
        case Batch():
            return _batch(top, fun, leaves, known)
        case Stage():
            return _stage(top, fun, leaves, known)
        case _:
            return list(top.process(checkpoint_p, leaves, {"fun": fun}))


def _own(trace: Trace, leaves: Sequence[Any]) -> tuple[Flags, list[Any]]:
    flags = tuple(isinstance(leaf, Tracer) and leaf.owner is trace for leaf in leaves)
    return flags, [x.value if flag else x for x, flag in zip(leaves, flags, strict=True)]


def _record(trace: Recording, fun: Replayed, leaves: Sequence[Any], known: Any) -> list[Any]:
    active, values = _own(trace, leaves)
    outs = apply(fun, list(values), known)
    kept = [x if flag else _captured(trace, x) for x, flag in zip(values, active, strict=True)]
    pull = _Pull(fun, active, len(outs))
    parents = [leaf.index for leaf, flag in zip(leaves, active, strict=True) if flag]
    trace.expands = True
    return list(trace.push(checkpoint_p, parents, pull, (kept, pull.saved(outs)), tuple(outs)))


def _captured(trace: Recording, x: Any) -> Any:
    """As `Recording.capture`; of many slices of one array, the array is guarded once."""
    if type(x) is np.ndarray and x.base is not None and x.nbytes > SMALL:
        owner = owner_of(x)
        if id(owner) not in trace.guarded:
            trace.guard(owner)
        return x
    return trace.capture(x)


def _dual(trace: Dual, fun: Replayed, leaves: Sequence[Any]) -> list[Any]:
    mine, values = _own(trace, leaves)
    dots = [x.tangent for x, flag in zip(leaves, mine, strict=True) if flag]
    both = apply(Pushed(fun, mine), [*values, *dots])
    half = len(both) // 2
    return [
        DualTracer(out, dot, trace, checkpoint_p) if is_differentiable(out) else out
        for out, dot in zip(both[:half], both[half:], strict=True)
    ]


def _batch(trace: Batch, fun: Replayed, leaves: Sequence[Any], known: Any) -> list[Any]:
    values = _own(trace, leaves)[1]
    flags = tuple(map(trace.flag, leaves))
    batched = any(flag is not False for flag in flags)
    if known is not None:
        known = _fronted([unlift(trace, x) for x in known], trace.size, fun, flags)
    outs = apply(Mapped(fun, trace.size, flags, trace) if batched else fun, values, known)
    pairs = zip(outs, fun.varying(flags), strict=True)
    return [BatchTracer(out, flag, trace, checkpoint_p) for out, flag in pairs]


def _fronted(
    pairs: Sequence[tuple[Any, bool]], size: int, fun: Replayed, flags: Sequence[bool | None]
) -> list[Any]:
    """Results with the batch axis in front, where they have it for these operands."""
    found = []
    for (x, batched), flag in zip(pairs, fun.varying(flags), strict=True):
        assert flag or not batched
        found.append(in_front(size, x, batched) if flag else x)
    return found


def _stage(trace: Stage, fun: Replayed, leaves: Sequence[Any], known: Any) -> list[Any]:
    values = _own(trace, leaves)[1]
    outs = apply(fun, list(values), known)
    operands = tuple(map(trace.operand, leaves))
    equation = trace.equation(checkpoint_p, operands, {"fun": fun}, outs)
    if hasattr(trace, "note"):  # a checkpoint around this one
        trace.note(equation, values, {"fun": fun}, tuple(outs))
    make = getattr(trace, "tracer", StageTracer)
    return [make(*pair, trace, checkpoint_p) for pair in zip(outs, equation.results, strict=True)]


# --- its derivatives --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pulled(Replayed):
    """(x, saved, ct, before) ↦ before + ctᵀ ∂f(x), which runs f again.

    Attributes:
        fun: f.
        active: which operands to differentiate by.
        saved: number of saved values.
        given: which results have a cotangent.
        before: for which active operands the sweep has found a part of the cotangent already.
    """

    fun: Replayed
    active: Flags
    saved: int
    given: Flags
    before: Flags

    @override
    def run(self, leaves: Sequence[Any]) -> list[Any]:
        taken = iter(leaves)
        values = [next(taken) for _ in self.active]
        saved = [next(taken) for _ in range(self.saved)]
        cts = [next(taken) if flag else None for flag in self.given]
        seeds = [next(taken) if flag else None for flag in self.before]
        del taken
        if isinstance(leaves, list):  # made for this call: no cotangent lives longer than it must
            leaves.clear()
        avals = [aval_of(x) for x, flag in zip(values, self.active, strict=True) if flag]
        found = _pull_back(self.fun, values, self.active, saved, cts, seeds)
        return [zeros_like(a) if x is None else x for x, a in zip(found, avals, strict=True)]

    @override
    def varying(self, flags: Sequence[bool | None]) -> tuple[bool, ...]:
        return (any(flag is not False for flag in flags),) * sum(self.active)


def _pull_back(
    fun: Replayed,
    values: list[Any],
    active: Flags,
    saved: Sequence[Any],
    cts: list[Any],
    seeds: list[Any],
) -> list[Any]:
    """Cotangents of the active operands, with `seeds` to begin with; `None` is zero.

    A function that can be cut is taken from its end: the rest is run and swept, then the first
    part is what there is to do. What the rest kept is gone by then.
    """
    chosen = [i for i, flag in enumerate(active) if flag]
    totals = dict(zip(chosen, seeds, strict=True))
    places = list(range(len(values)))  # of the operands of `fun` among those of the whole
    seeds.clear()
    while (cut := fun.cut()) is not None:
        found = apply(cut.first, [values[i] for i in cut.first_in])
        first_cts, rest_cts = _shared_out(cut, len(found), cts)
        cts.clear()
        flags = tuple(is_differentiable(found[~i]) if i < 0 else active[i] for i in cut.rest_in)
        own = [i for i, flag in zip(cut.rest_in, flags, strict=True) if flag]
        parts = _sweep_over(
            cut.rest,
            [found[~i] if i < 0 else values[i] for i in cut.rest_in],
            flags,
            (),
            rest_cts,
            [first_cts[~i] if i < 0 else totals.pop(places[i]) for i in own],
        )
        found.clear()
        for i in own:
            if i < 0:
                first_cts[~i] = parts.pop(0)
            else:
                totals[places[i]] = parts.pop(0)
        fun, cts = cut.first, first_cts
        values = [values[i] for i in cut.first_in]
        active = tuple(active[i] for i in cut.first_in)
        places = [places[i] for i in cut.first_in]
    own = [place for place, flag in zip(places, active, strict=True) if flag]
    parts = _sweep_over(fun, values, active, saved, cts, [totals.pop(i) for i in own])
    totals.update(zip(own, parts, strict=True))
    return [totals[i] for i in chosen]


def _shared_out(cut: Cut, count: int, cts: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """The cotangents of the results of the first part (`count` of them), and of the rest."""
    first: list[Any] = [None] * count
    rest: list[Any] = [None] * sum(place >= 0 for place in cut.outs)
    for place, ct in zip(cut.outs, cts, strict=True):
        if place < 0:
            first[~place] = ct
        else:
            rest[place] = ct
    return first, rest


class _Replay(Recording):
    """Records for a sweep that follows at once: no array needs protection from later changes."""

    __slots__ = ()

    @override
    def capture(self, array: Any) -> Any:
        return array

    @override
    def guard(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return array


def _sweep_over(
    fun: Replayed,
    values: list[Any],
    active: Flags,
    saved: Sequence[Any],
    cts: list[Any],
    seeds: list[Any],
) -> list[Any]:
    """As `_pull_back`, in one go: record the function, and sweep over its records."""
    if True not in active:
        return []
    trace = _Replay("checkpoint")
    try:
        traced = [trace.input(x) if flag else x for x, flag in zip(values, active, strict=True)]
        values.clear()
        outs = fun.replay(traced, saved)
    finally:
        records = trace.close()
    count = len(seeds)
    totals = [*seeds, *([None] * (len(records) - count))]
    _seed(trace, totals, outs, cts)
    for done in (seeds, outs, cts):
        done.clear()
    latest_first = iter(records.pop, None)
    sweep(expanded(trace, latest_first, totals) if trace.expands else latest_first, totals)
    return totals[:count]


def _seed(trace: Recording, totals: list[Any], outs: list[Any], cts: list[Any]) -> None:
    """Put the cotangents of the results where the sweep finds them."""
    for out, ct in zip(outs, cts, strict=True):
        if ct is not None and type(out) is RecordTracer and out.owner is trace:
            before = totals[out.index]
            totals[out.index] = ct if before is None else before + ct


@dataclass(frozen=True, slots=True)
class Pushed(Replayed):
    """(x, ẋ) ↦ (f(x), ∂f(x) ẋ); the tangent of an integer is 0.

    Attributes:
        fun: f.
        moved: which operands have a tangent.
    """

    fun: Replayed
    moved: Flags

    @override
    def run(self, leaves: Sequence[Any]) -> list[Any]:
        count = len(self.moved)
        dots = iter(leaves[count:])
        trace = Dual("checkpoint")
        try:
            outs = self.fun.run(
                [
                    DualTracer(x, next(dots), trace) if flag else x
                    for x, flag in zip(leaves[:count], self.moved, strict=True)
                ]
            )
        finally:
            trace.close()
        mine, values = _own(trace, outs)
        return values + [
            cast_like(out.tangent, out.dtype) if flag else _still(out)
            for out, flag in zip(outs, mine, strict=True)
        ]

    @override
    def varying(self, flags: Sequence[bool | None]) -> tuple[bool, ...]:
        count = len(self.moved)
        dots = iter(flags[count:])
        both = [
            flag if not moved else next(dots) or flag
            for flag, moved in zip(flags[:count], self.moved, strict=True)
        ]
        return (*self.fun.varying(flags[:count]), *self.fun.varying(both))


def _still(x: Any) -> Any:
    return zeros_like(x) if is_differentiable(x) else 0.0


@dataclass(frozen=True, slots=True)
class Mapped(Replayed):
    """The function for all examples of a batch.

    Results have the batch axis in front, but for those that no operand with one leads to.

    Attributes:
        fun: the function of one example.
        size: number of examples.
        flags: which operands have the batch axis, in front; `None` for a collective's `Axis`.
        batch: the trace whose examples they are, where it is known.
    """

    fun: Replayed
    size: int
    flags: tuple[bool | None, ...]
    batch: Any = field(default=UNKNOWN, compare=False)

    @override
    def run(self, leaves: Sequence[Any]) -> list[Any]:
        return self._mapped(self.fun.run, leaves)

    @override
    def replay(self, leaves: Sequence[Any], saved: Sequence[Any]) -> list[Any]:
        return self._mapped(lambda values: self.fun.replay(values, ()), leaves)

    def _mapped(
        self, fun: Callable[[Sequence[Any]], list[Any]], leaves: Sequence[Any]
    ) -> list[Any]:
        trace = Batch("vmap", self.size, None, self.batch)
        try:
            outs = fun([lift(trace, x, flag) for x, flag in zip(leaves, self.flags, strict=True)])
        finally:
            trace.close()
        return _fronted([unlift(trace, out) for out in outs], self.size, self.fun, self.flags)

    @override
    def varying(self, flags: Sequence[bool | None]) -> tuple[bool, ...]:
        return self.fun.varying(flags)

    @override
    def sources(self, results: set[int]) -> set[int] | None:
        return self.fun.sources(results)

    @override
    def cut(self) -> Cut | None:
        cut = self.fun.cut()
        if cut is None:
            return None
        first = tuple(self.flags[i] for i in cut.first_in)
        own = cut.first.varying(first)
        rest = tuple(self.flags[i] if i >= 0 else own[~i] for i in cut.rest_in)
        return Cut(
            Mapped(cut.first, self.size, first, self.batch),
            cut.first_in,
            Mapped(cut.rest, self.size, rest, self.batch),
            cut.rest_in,
            cut.outs,
        )


class _Pull:
    """The pull of a record: it runs the function again."""

    __slots__ = ("active", "fun", "results")

    def __init__(self, fun: Replayed, active: Flags, results: int) -> None:
        self.fun = fun
        self.active = active
        self.results = results

    def saved(self, outs: Sequence[Any]) -> list[Any]:
        """The results that the record keeps, to be found instead of computed again."""
        count = self.fun.count
        return [] if count is None else list(outs[count:])

    def reached(self, results: set[int]) -> list[bool]:
        """Which parents have an influence on these results."""
        sources = self.fun.sources(results)
        own = [i for i, flag in enumerate(self.active) if flag]
        return [sources is None or i in sources for i in own]

    def __call__(self, ct: Any, residuals: Any) -> Any:
        parts = self.with_seeds([ct, [None] * sum(self.active)], residuals)
        return parts[0] if len(parts) == 1 else tuple(parts)

    def with_seeds(self, given: list[Any], residuals: Any) -> list[Any]:
        """Cotangents of the parents.

        Args:
            given: the cotangent, and those of the parents as far as they have been added up; the
                list is emptied.
            residuals: operands, and saved values.
        """
        values, saved = residuals
        ct, seeds = given
        given.clear()
        cts = [ct.get(i) for i in range(self.results)]
        fun = Pulled(
            self.fun,
            self.active,
            len(saved),
            tuple(ct is not None for ct in cts),
            tuple(seed is not None for seed in seeds),
        )
        operands = [*values, *saved, *(x for x in (*cts, *seeds) if x is not None)]
        del ct, cts, seeds
        return apply(fun, operands)


# --- the primitive ----------------------------------------------------------------------------


def _jvp(_out: Any, values: Sequence[Any], dots: Sequence[Any], params: dict[str, Any]) -> Any:
    moved = tuple(dot is not None for dot in dots)
    both = apply(Pushed(params["fun"], moved), [*values, *(x for x in dots if x is not None)])
    half = len(both) // 2
    return tuple(
        dot if is_differentiable(out) else None
        for out, dot in zip(both[:half], both[half:], strict=True)
    )


def _vjp(out: Any, values: Sequence[Any], active: Flags, params: dict[str, Any]) -> tuple[Any, Any]:
    pull = _Pull(params["fun"], active, len(out))
    return pull, (list(values), pull.saved(out))


def _batched(
    size: int, batched: Sequence[bool], values: Sequence[Any], params: dict[str, Any]
) -> Any:
    fun = params["fun"]
    outs = apply(Mapped(fun, size, tuple(batched)), values)
    pairs = zip(outs, fun.varying(batched), strict=True)
    return tuple(in_front(size, out, flag) for out, flag in pairs)


checkpoint_p = Primitive(
    name="checkpoint",
    value=lambda *leaves, fun: tuple(fun.run(leaves)),
    family="checkpoint",
    jvp=_jvp,
    vjp=_vjp,
    batch=_batched,
    analytic=False,
    apply=lambda leaves, params: tuple(apply(params["fun"], leaves)),
)
