"""The node of a compiled function's results: its backward program.

That is recorded when the first cotangent arrives, once for each choice of results that have one.
Where cotangents are to have a graph themselves, the function is recorded anew on its operands.
"""

import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from typing_extensions import override

from funcgrad.compat.torch.ambient import AmbientTracer
from funcgrad.compat.torch.compilation_breaks import MOST
from funcgrad.compat.torch.compilation_recording import Draw, Inputs, Recorder
from funcgrad.compat.torch.node import Node
from funcgrad.compat.torch.recorded import index_in
from funcgrad.compat.torch.state import STATE
from funcgrad.compat.torch.tensor import holder
from funcgrad.core.tracer import Tracer
from funcgrad.core.wengert import Partials
from funcgrad.interpreters.notes import Notes
from funcgrad.interpreters.record import Recording
from funcgrad.interpreters.sweep import expanded, sweep
from funcgrad.jitting.derived import Tape, Unprotected, prune
from funcgrad.jitting.staged import MISSED, Options, Path, Staged
from funcgrad.jitting.staging import JitStage

__all__ = ["RECORDING", "CompiledRule", "Inside", "recorded_call", "used_inputs"]

RECORDING = threading.RLock()
"""Held while a function is recorded: its tensors hold traced values then."""


class Inside(Staged):
    """A staged function of which the user does not see all results."""

    __slots__ = ()

    @override
    def owned(self, path: Path) -> int | None:
        return path.static.count if isinstance(path.static, Tape) else 0


def recorded_call(staged: Staged, leaves: list[Any]) -> Any:
    """The results by the compiled function, also of a call that records.

    Those of the recording itself are copies, laid out in memory in another order.
    """
    before = staged.recordings
    out = staged.call(leaves)
    if staged.recordings != before:
        run = staged.unit(leaves).run
        again = MISSED if run is None else run(*leaves)
        if again is not MISSED:
            return again
    return out


def _backward(tape: Tape, name: str, count: int, given: tuple[int, ...]) -> Staged:
    """(residuals, cotangents of some results) ↦ cotangents of the active inputs but zeros."""

    def body(leaves: Sequence[Any], stage: JitStage | None) -> tuple[Any, list[Any]]:
        records = tape.rebuilt(leaves[:count])
        trace = Unprotected("grad")
        trace.close()
        trace.expands = tape.expands
        if stage is not None and tape.origins:
            trace.notes = Notes(stage, list(tape.origins))
        totals: list[Any] = [None] * len(records)
        for at, ct in zip(given, leaves[count:], strict=True):
            place = tape.places[at]
            if place is not None:
                before = totals[place]
                totals[place] = ct if before is None else before + ct
        latest_first = reversed(records[len(tape.avals) :])
        sweep(expanded(trace, latest_first, totals) if trace.expands else latest_first, totals)
        found = totals[: len(tape.avals)]
        return tuple(x is not None for x in found), [x for x in found if x is not None]

    names = [f"r{number + 1}" for number in range(count)] + [f"ct{at + 1}" for at in given]
    return Inside(body, f"{name}_backward", names, Options(max_traces=MOST, exact=True))


def used_inputs(tape: Tape) -> tuple[bool, ...]:
    """Which active inputs the results depend on."""
    needed = {place for place in tape.places if place is not None}
    count = len(tape.avals)
    for at in range(len(tape.records) - 1, count - 1, -1):
        if at in needed:
            parents = tape.records[at][1]
            needed.update(parents if type(parents) is tuple else (parents,))
    return tuple(at in needed for at in range(count))


def _without(inputs: Inputs, used: Sequence[bool]) -> Inputs:
    """The inputs with tensors outside of the graph in place of those that are not used."""
    flags = iter(used)
    tensors = [t if not t._requires or next(flags) else holder(t._value) for t in inputs.tensors]
    new = {id(old): one for old, one in zip(inputs.tensors, tensors, strict=True)}
    args = [new.get(id(arg), arg) for arg in inputs.args]
    return inputs._replace(args=args, tensors=tensors, reach=None)


class CompiledRule:
    """Rule of the node of a compiled function: its backward program.

    Attributes:
        mask: `None`: every edge is of an active input.
        name: of the function.
        draws: the random numbers that it draws.
        inputs: of the call, without what it reaches, and without the graphs of unused tensors.
        reach: what it reaches, as long as that is so.
        tape: what the forward program knows of the backward one.
        grad: whether operations were recorded outside of the function.
        values: the inputs' values, to record the function again; random numbers last.
        places: for the inputs that are used node or leaf, and which of its results it is.
        versions: of the inputs.
    """

    __slots__ = (
        "active", "draws", "grad", "inputs", "mask", "name", "places", "reach", "tape", "values",
        "versions",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        draws: tuple[Draw, ...],
        inputs: Inputs,
        tape: Tape,
        values: Sequence[Any],
        places: tuple[tuple[Any, ...], tuple[int, ...]],
    ) -> None:
        self.mask = None
        self.name = name
        self.draws = draws
        self.reach = weakref.ref(inputs.reach)
        used = tape.static.used
        self.inputs = inputs._replace(reach=None) if all(used) else _without(inputs, used)
        self.tape = tape
        self.values = values
        self.grad = STATE.grad
        self.active = [t._requires for t in inputs.tensors]
        self.places = places
        self.versions = [t._cell[0] for t in inputs.tensors]
        for write in tape.static.writes:
            self.versions[write.tensor] = -1

    def pull(self, ct: Any, residuals: Any) -> Any:
        """Cotangents of the active inputs."""
        tape = self.tape
        if type(ct) is Partials:
            given = tuple(at for at in range(tape.count) if ct.get(at) is not None)
            cts = [ct.get(at) for at in given]
        else:
            given, cts = (0,), [ct]
        if any(isinstance(x, Tracer) for x in cts):
            return self.again(None, ct)
        table, key = tape.static.backward, (given, tuple(tape.missing))
        backward = table.get(key)
        if backward is None:
            made = _backward(tape, self.name, len(residuals), given)
            backward = table.setdefault(key, made)
        recordings = backward.recordings
        try:
            flags, found = recorded_call(backward, [*residuals, *cts])
        except Exception:
            if recordings:
                raise
            return self._recorded_anew(ct, lambda value, _target, _port: value)
        if tape.home and backward.recordings:
            prune(tape, backward, len(residuals))
        parts = iter(found)
        return self._chosen([next(parts) if flag else None for flag in flags])

    def _chosen(self, parts: Sequence[Any]) -> Any:
        """The cotangents of the inputs that are used; of a single one there has to be one."""
        used = self.tape.static.used
        found = tuple([part for part, flag in zip(parts, used, strict=True) if flag])
        if len(found) != 1 or found[0] is not None:
            return found if len(found) > 1 else found[0]
        aval = self.tape.avals[used.index(True)]
        return np.zeros(aval.shape, aval.dtype)

    def again(self, _node: Any, ct: Any) -> Any:
        """The same with a graph."""
        return self._recorded_anew(
            ct, lambda value, target, port: AmbientTracer(value, target, port, [0, None])
        )

    def _recorded_anew(self, ct: Any, wrapped: Callable[[Any, Any, int], Any]) -> Any:
        """The same by recording the function once more, on its operands' values, without staging.

        Raises:
            RuntimeError: if an operand, or what the function reads, has changed.
        """
        reach = self.reach()
        inputs = self.inputs._replace(reach=reach)
        for tensor, version in zip(inputs.tensors, self.versions, strict=True):
            if version >= 0 and tensor._cell[0] != version:
                raise RuntimeError(
                    "one of the variables needed for gradient computation has been modified by an "
                    f"inplace operation: it is at version {tensor._cell[0]}; expected version "
                    f"{version} instead."
                )
        if reach is None or not reach.unchanged():
            raise RuntimeError(
                "torch.compile: create_graph=True differentiates a compiled function again, and "
                "what it reads (an attribute, a mode or a variable) has changed since the call. "
                "Change it after the backward pass, or do not compile this function."
            )
        trace = Recording("torch")
        count = len(inputs.tensors)
        places = zip(*self.places, strict=True)
        used = iter(self.tape.static.used)
        leaves = []
        for value, flag in zip(self.values[:count], self.active, strict=True):
            leaf = wrapped(value, *next(places)) if flag and next(used) else value
            leaves.append(trace.input(leaf) if flag else leaf)
        before, STATE.grad = STATE.grad, self.grad
        try:
            with RECORDING:
                recorder = Recorder(inputs, self.draws, self.values[count:], None)
                _, outs = recorder.run(leaves)
        finally:
            STATE.grad = before
            records = trace.close()
        cts: list[Any] = [None] * len(records)
        parts = ct if isinstance(ct, Partials) else {0: ct}
        for at, part in parts.items():
            place = index_in(outs[at], trace)
            if place is not None and part is not None:
                cts[place] = part if cts[place] is None else cts[place] + part
        total = sum(self.active)
        latest_first: Any = reversed(records[total:])
        sweep(latest_first, cts)
        return self._chosen(cts[:total])

    def saved_value(self, node: Node, name: str) -> Any:
        """Nothing is shown under PyTorch's names."""
        raise AttributeError(f"'{node.name()}' object has no attribute '_saved_{name}'")
