"""A staged function under grad, jvp and vmap: its derivative is staged itself, once.

Transforming a compiled function is compiling the transformed one. In reverse mode there are two
programs: the forward one returns its results and the residuals, the backward one takes residuals
and cotangents. It is recorded when the first cotangent arrives; residuals that it does not read are
then left out of the forward program. Inside of another staging the function is simply called.
"""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from typing_extensions import override

from funcgrad.core.modes import MODES
from funcgrad.core.primitive import Primitive
from funcgrad.core.program import Guard, Program, Variable
from funcgrad.core.tracer import Tracer, leaked
from funcgrad.core.wengert import Aval, Partials, aval_of
from funcgrad.families.shapes import cast_like, in_front, zeros_like
from funcgrad.interpreters.batch import Batch, BatchTracer
from funcgrad.interpreters.dual import Dual, DualTracer
from funcgrad.interpreters.notes import Notes, follow
from funcgrad.interpreters.record import Recording
from funcgrad.interpreters.stage import Stage
from funcgrad.interpreters.sweep import expanded, sweep
from funcgrad.jitting.staged import Staged
from funcgrad.jitting.staging import JitStage
from funcgrad.transforms.arguments import is_differentiable
from funcgrad.transforms.cutting import Cutter, filled
from funcgrad.transforms.replayed import highest
from funcgrad.transforms.saving import hollow
from funcgrad.transforms.vmap import lift, unlift

__all__ = ["Tape", "Unprotected", "apply", "forward_of", "is_staged", "prune", "remember"]

Flags = tuple[bool, ...]


def is_staged(leaves: Iterable[Any]) -> bool:
    """Whether a program is being written at some level of some value."""
    for leaf in leaves:
        x = leaf
        while isinstance(x, Tracer):
            if isinstance(x.owner, Stage):
                return True
            x = x.value
    return False


def apply(staged: Staged, leaves: Sequence[Any]) -> tuple[Any, list[Any]]:
    """What a staged function returns, by the way of the highest trace among its leaves."""
    top = highest(leaves)
    if top is None:
        found: tuple[Any, list[Any]] = staged.call(leaves)
        return found
    if not top.open:
        raise leaked(top.transform)
    if not is_staged(leaves):
        if type(top) is Recording:
            return _record(top, staged, leaves)
        if type(top) is Dual:
            return _dual(top, staged, leaves)
        if type(top) is Batch and not MODES.axes:
            return _batch(top, staged, leaves)
    return staged.body(leaves, None)


def _own(trace: Any, leaves: Sequence[Any]) -> tuple[Flags, list[Any]]:
    flags = tuple(isinstance(leaf, Tracer) and leaf.owner is trace for leaf in leaves)
    return flags, [x.value if flag else x for x, flag in zip(leaves, flags, strict=True)]


# --- forward mode and batches -----------------------------------------------------------------


def _dual(trace: Dual, staged: Staged, leaves: Sequence[Any]) -> tuple[Any, list[Any]]:
    moved, values = _own(trace, leaves)
    dots = [x.tangent for x, flag in zip(leaves, moved, strict=True) if flag]
    pushed = staged.derive(("jvp", moved), lambda: _pushed(staged, moved))
    (static, flags), outs = apply(pushed, [*values, *dots])
    given = iter(outs[len(flags) :])
    results = [
        DualTracer(out, next(given), trace, jit_p) if flag else out
        for out, flag in zip(outs[: len(flags)], flags, strict=True)
    ]
    return static, results


def _pushed(staged: Staged, moved: Flags) -> Staged:
    def body(leaves: Sequence[Any], stage: JitStage | None) -> tuple[Any, list[Any]]:
        count = len(moved)
        dots = iter(leaves[count:])
        trace = Dual("jvp")
        try:
            static, outs = staged.body(
                [
                    DualTracer(x, next(dots), trace) if flag else x
                    for x, flag in zip(leaves[:count], moved, strict=True)
                ],
                stage,
            )
        finally:
            trace.close()
        flags, values = _own(trace, outs)
        tangents = [
            cast_like(out.tangent, out.dtype) for out, flag in zip(outs, flags, strict=True) if flag
        ]
        return (static, flags), [*values, *tangents]

    names = [f"{n}_dot" for n, flag in zip(staged.leaf_names, moved, strict=True) if flag]
    return Staged(body, f"{staged.name}_jvp", [*staged.leaf_names, *names], staged.options)


def _batch(trace: Batch, staged: Staged, leaves: Sequence[Any]) -> tuple[Any, list[Any]]:
    own, values = _own(trace, leaves)
    flags = tuple(flag and leaf.batched for leaf, flag in zip(leaves, own, strict=True))
    if not any(flags):
        static, outs = apply(staged, values)
        return static, [BatchTracer(out, False, trace, jit_p) for out in outs]
    key = "vmap", trace.size, flags
    mapped = staged.derive(key, lambda: _mapped(staged, trace.size, flags))
    (static, batched), outs = apply(mapped, values)
    pairs = zip(outs, batched, strict=True)
    return static, [BatchTracer(out, flag, trace, jit_p) for out, flag in pairs]


def _mapped(staged: Staged, size: int, flags: Flags) -> Staged:
    def body(leaves: Sequence[Any], stage: JitStage | None) -> tuple[Any, list[Any]]:
        trace = Batch("vmap", size, None)
        try:
            static, outs = staged.body(
                [lift(trace, x, flag) for x, flag in zip(leaves, flags, strict=True)], stage
            )
        finally:
            trace.close()
        pairs = [unlift(trace, out) for out in outs]
        batched = tuple(flag for _, flag in pairs)
        return (static, batched), [in_front(size, x, flag) if flag else x for x, flag in pairs]

    return Staged(body, f"{staged.name}_batched", staged.leaf_names, staged.options)


# --- reverse mode -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tape:
    """A Wengert list without its residuals: what the forward program knows of the backward one.

    Attributes:
        static: what the function returned beside its results.
        count: number of results.
        records: with a `funcgrad.transforms.cutting.Slot` for each residual.
        places: where the results stand in the list; `None` if they do not depend on the inputs.
        avals: of the active inputs.
        outs: shapes and dtypes of the results.
        expands: as that of the trace.
        origins: the origins of the records, if they are known.
        missing: `{number of a residual: its shape and dtype}` for those that nobody reads.
        backward: the staged backward functions, by which results have a cotangent.
        home: what to change when it is known which residuals are read.
    """

    static: Any
    count: int
    records: tuple[Any, ...]
    places: tuple[int | None, ...]
    avals: tuple[Aval, ...]
    outs: tuple[Aval, ...]
    expands: bool
    origins: tuple[Any, ...]
    missing: dict[int, Aval] = field(default_factory=dict)
    backward: dict[Flags, Staged] = field(default_factory=dict)
    home: list[Any] = field(default_factory=list)

    def rebuilt(self, residuals: Sequence[Any]) -> list[Any]:
        """The records with these residuals."""
        given = iter(residuals)
        total = len(residuals) + len(self.missing)
        found = [
            hollow(self.missing[i]) if i in self.missing else next(given) for i in range(total)
        ]
        return [record and (*record[:3], filled(record[3], found)) for record in self.records]


class Unprotected(Recording):
    """Records for a staged sweep: no array needs protection from later changes."""

    __slots__ = ()

    @override
    def capture(self, array: Any) -> Any:
        return array

    @override
    def guard(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return array


def forward_of(staged: Staged, active: Flags) -> Staged:
    """(x) ↦ (f(x), residuals)."""

    def body(leaves: Sequence[Any], stage: JitStage | None) -> tuple[Any, list[Any]]:
        trace = Unprotected("grad")
        traced = []
        for x, flag in zip(leaves, active, strict=True):
            if flag:
                follow(trace, x)
            traced.append(trace.input(x) if flag else x)
        try:
            static, outs = staged.body(traced, stage)
        finally:
            notes, expands = trace.notes, trace.expands
            records = trace.close()
        mine, values = _own(trace, outs)
        cutter = Cutter(lambda x: isinstance(x, Tracer))
        tape = Tape(
            static,
            len(outs),
            tuple(record and (*record[:3], cutter.cut(record[3])) for record in records),
            tuple(out.index if flag else None for out, flag in zip(outs, mine, strict=True)),
            tuple(aval_of(x) for x, flag in zip(leaves, active, strict=True) if flag),
            tuple(map(aval_of, outs)),
            expands,
            tuple(notes.origins) if notes is not None else (),
        )
        return tape, [*values, *cutter.residuals]

    return Staged(body, f"{staged.name}_forward", staged.leaf_names, staged.options)


def _backward(tape: Tape, name: str, options: Any, count: int, mask: Flags) -> Staged:
    """(residuals, cts) ↦ cotangents of the active inputs; those that are zero are left out.

    A result without a cotangent is left out too: 0 is not the same, where a slope is infinite.
    """

    def body(leaves: Sequence[Any], stage: JitStage | None) -> tuple[Any, list[Any]]:
        records = tape.rebuilt(leaves[:count])
        cts = iter(leaves[count:])
        trace = Unprotected("grad")
        trace.close()
        trace.expands = tape.expands
        if stage is not None and tape.origins:
            trace.notes = Notes(stage, list(tape.origins))
        totals: list[Any] = [None] * len(records)
        for place, flag in zip(tape.places, mask, strict=True):
            ct = next(cts) if flag else None
            if place is not None and ct is not None:
                before = totals[place]
                totals[place] = ct if before is None else before + ct
        latest_first = reversed(records[len(tape.avals) :])
        sweep(expanded(trace, latest_first, totals) if trace.expands else latest_first, totals)
        found = totals[: len(tape.avals)]
        return tuple(x is not None for x in found), [x for x in found if x is not None]

    names = [f"r{number + 1}" for number in range(count)]
    names += ["ct" if tape.count == 1 else f"ct{i + 1}" for i, flag in enumerate(mask) if flag]
    return Staged(body, f"{name}_backward", names, options)


_LOCK = threading.Lock()


class _Pull:
    """The pull of a staged function's record."""

    __slots__ = ("single", "staged", "tape")

    def __init__(self, tape: Tape, staged: Staged, single: bool) -> None:
        self.tape = tape
        self.staged = staged
        self.single = single

    def __call__(self, ct: Any, residuals: Any) -> Any:
        tape = self.tape
        cts = [ct.get(i) for i in range(tape.count)] if type(ct) is Partials else [ct]
        mask = tuple(x is not None for x in cts)
        backward = tape.backward.get(mask)
        if backward is None:
            name, options = self.staged.name, self.staged.options
            made = _backward(tape, name, options, len(residuals), mask)
            backward = tape.backward.setdefault(mask, made)
        given, found = apply(backward, [*residuals, *(x for x in cts if x is not None)])
        if tape.home and all(mask) and backward.recordings:
            prune(tape, backward, len(residuals))
        parts = iter(found)
        result = [next(parts) if flag else None for flag in given]
        if self.single:
            return zeros_like(tape.avals[0]) if result[0] is None else result[0]
        return tuple(result)


def _record(trace: Recording, staged: Staged, leaves: Sequence[Any]) -> tuple[Any, list[Any]]:
    active, values = _own(trace, leaves)
    forward = staged.derive(("vjp", active), lambda: forward_of(staged, active))
    tape, outs = apply(forward, values)
    if not tape.backward and not tape.home:
        remember(tape, forward, values)
    results, residuals = outs[: tape.count], tuple(outs[tape.count :])
    parents = [leaf.index for leaf, flag in zip(leaves, active, strict=True) if flag]
    pull = _Pull(tape, staged, len(parents) == 1)
    if tape.count == 1 and is_differentiable(results[0]):
        return tape.static, [trace.push(jit_p, parents, pull, residuals, results[0])]
    if not any(map(is_differentiable, results)):
        return tape.static, results
    return tape.static, list(trace.push(jit_p, parents, pull, residuals, tuple(results)))


def remember(tape: Tape, forward: Staged, values: Sequence[Any]) -> None:
    """Which recorded path the tape belongs to, so that it can be pruned later."""
    if highest(values) is not None:
        return
    unit = forward.unit(values)
    for path in unit.paths:
        if path.static is tape:
            tape.home.append((forward, unit, path))


def prune(tape: Tape, backward: Staged, count: int) -> None:
    """Leave the residuals that the backward program does not read out of the forward one."""
    with _LOCK:
        if not tape.home:
            return
        forward, unit, path = tape.home.pop()
    programs = [p.raw for u in backward.units.values() for p in u.paths]
    if len(programs) != 1 or any(isinstance(item, Guard) for item in programs[0].items):
        return
    program = programs[0]  # as recorded: with fewer cotangents nothing else is read
    read = _numbers_read(program)
    used = [i for i, v in enumerate(program.inputs[:count]) if v.number in read]
    if len(used) == count:
        return
    missing = {
        i: Aval(v.shape, v.dtype) for i, v in enumerate(program.inputs[:count]) if i not in used
    }
    short = replace(tape, missing=missing, backward={}, home=[])
    outputs = path.program.outputs
    kept = (*outputs[: tape.count], *(outputs[tape.count + i] for i in used))
    new = replace(path, program=replace(path.program, outputs=kept), static=short)
    with forward._lock:
        if path in unit.paths:
            forward.install(unit, [new if p is path else p for p in unit.paths])


def _numbers_read(program: Program) -> set[int]:
    read = {o.number for o in program.outputs if isinstance(o, Variable)}
    for equation in program.equations:
        read.update(o.number for o in equation.operands if isinstance(o, Variable))
    return read


def _called(*_args: Any, **_params: Any) -> Any:
    raise AssertionError("a staged function is called through `apply`")


jit_p = Primitive(
    name="jit",
    value=_called,
    family="jit",
    jvp=_called,
    vjp=_called,
    batch=_called,
    analytic=False,
)
"""What the records and tracers of a staged function say that they are made by."""
