"""The reverse mode of a program, as a pair of programs.

What a program computes is recorded, and swept over with cotangents that are inputs, by the same
trace. What was written down before the sweep is the forward program, what came after it is the
backward one, and the variables that the second reads of the first are the residuals.
"""

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from funcgrad.core.origins import UNKNOWN
from funcgrad.core.program import Guard, Program, Variable
from funcgrad.core.wengert import Aval
from funcgrad.interpreters.record import Recording, RecordTracer
from funcgrad.interpreters.stage import StageTracer
from funcgrad.interpreters.sweep import expanded, sweep
from funcgrad.primitives.slicing import common_of, sum_of_parts
from funcgrad.transforms.equations.derivation import Derivation, NeedsValues
from funcgrad.transforms.equations.ends import (
    Flags,
    aval_of_output,
    ct_name,
    fitting,
    merged,
    opened,
)
from funcgrad.transforms.equations.programs import outside, staging

__all__ = ["MANY", "Linearised"]

MANY = 1000
"""Stands for parts that are taken in an inner loop."""

_NO_AVAL = Aval((), np.dtype(np.float64))


class Linearised:
    """The reverse mode of a `Closed` by its active inputs.

    Attributes:
        forward: inputs ↦ results, then the residuals that are not inputs themselves.
        residuals: for each residual its place: `i` is input number i, `~j` is result number j of
            `forward`, which may be one of the function's own results.
        moved: which results of the function have a derivative.
        parted: `{number of an active input: parts of it}` for the constants of which parts are
            taken; the sums of these are further seeds and results of `backward`.
    """

    __slots__ = (
        "_active",
        "_avals",
        "_backward",
        "_closed",
        "_commons",
        "_direct",
        "_lock",
        "_outs",
        "_records",
        "_stage",
        "_trace",
        "_variables",
        "forward",
        "moved",
        "parted",
        "residuals",
    )

    def __init__(self, closed: Any, active: Flags, *, direct: bool, consts: int) -> None:
        self._closed = closed
        self._active = active
        self._lock = threading.Lock()
        self._backward: dict[Any, Any] = {}
        self._stage = stage = Derivation()
        inputs = closed.program.inputs
        values = [stage.start(v) for v in inputs]
        self._trace = stage.recording = trace = Recording("grad")
        trace.notes = stage  # it keeps the origins of the records itself
        traced: list[Any] = []
        for x, flag in zip(values, active, strict=True):
            stage.marks.append((len(trace.records), UNKNOWN._replace(name=x.variable.name)))
            traced.append(trace.input(x) if flag else x)
        count = len(trace.records)
        self._commons = [common_of(trace, k)[0] for k in range(sum(active[:consts]))]
        self._direct = direct
        with staging(direct):
            outs = closed.run(traced, stage, direct=direct)
        self._records: list[Any] = trace.close()
        reads = [_reads(self._records, common) for common in self._commons]
        self.parted = {k: found for k, found in enumerate(reads) if found}
        self._outs = outs
        self.moved = tuple(type(x) is RecordTracer and x.owner is trace for x in outs)
        stage.errors_of = stage.asked_by = None
        mark = len(stage.items)
        self._avals: list[Aval | None] = [None] * sum(active)
        self._variables: tuple[Variable, ...] = ()
        program, found = self._swept(self.moved, (False,) * (count + len(self.parted)))
        ends = iter(program.outputs)
        self._avals = [aval_of_output(next(ends)) if flag else None for flag in found[:count]]
        self._variables = outside(program)
        self._settle(values, mark)

    def _settle(self, values: Sequence[StageTracer], mark: int) -> None:
        """Find where the residuals stand, and write the forward program."""
        stage = self._stage
        places = {x.variable.number: i for i, x in enumerate(values)}
        outputs: list[Any] = [
            x.value if flag else x for x, flag in zip(self._outs, self.moved, strict=True)
        ]
        results = [stage.output(x) for x in outputs]
        for j, o in enumerate(results):
            if isinstance(o, Variable):
                places.setdefault(o.number, ~j)
        for v in self._variables:
            if v.number not in places:
                places[v.number] = ~len(results)
                results.append(v)
        items = tuple(stage.items[:mark])
        if stage.captured or any(isinstance(item, Guard) for item in items):
            raise NeedsValues
        name = self._closed.program.name
        program = Program(name, tuple(x.variable for x in values), items, tuple(results))
        self.forward = self._closed.like(program.pruned())
        self.residuals = tuple(places[v.number] for v in self._variables)

    def backward(
        self,
        given: Flags,
        seeded: Flags,
        same: tuple[tuple[int, int], ...] = (),
        opening: tuple[tuple[int, int], ...] = (),
    ) -> tuple[Any, Flags]:
        """The sweep: `(residuals, cotangents, before) ↦ cotangents of active inputs`.

        Args:
            given: which results of the function have a cotangent.
            seeded: which active inputs have a cotangent already, to be added to.
            same: pairs of active inputs that are one value; the cotangent is that of the second.
            opening: pairs of an input of `parted` and how many parts of it were taken before this
                step, for a step where the sum of parts begins.

        Returns:
            The function, and for which active inputs it finds a cotangent; the others' are zero.
            What has a seed is always found.

        Raises:
            NeedsValues: if there is no such program.
        """
        given = tuple(a and b for a, b in zip(given, self.moved, strict=True))
        with self._lock:
            key = given, seeded, same, opening
            found = self._backward.get(key)
            if found is None:
                program, flags = self._swept(given, seeded, dict(same), dict(opening))
                if outside(program):
                    raise NeedsValues
                function = self._closed.like(program)
                found = self._backward[key] = function, flags
        return found

    def cotangent(self, number: int) -> Aval | None:
        """Shape and dtype of the cotangent of an active input; `None` if it is always zero."""
        return self._avals[number]

    def _swept(
        self,
        given: Flags,
        seeded: Flags,
        same: dict[int, int] | None = None,
        opening: dict[int, int] | None = None,
    ) -> tuple[Program, Flags]:
        stage, records = self._stage, self._records
        if same:
            records = [merged(record, same, self._direct) for record in records]
        start, count = len(stage.items), sum(self._active)
        outputs = self._closed.program.outputs
        cts = [
            stage.start(aval_of_output(o), ct_name(o)) if flag else None
            for o, flag in zip(outputs, given, strict=True)
        ]
        active = [v for v, a in zip(self._closed.program.inputs, self._active, strict=True) if a]
        seeds = [
            stage.start(self._avals[i] or _NO_AVAL) if flag else None
            for i, flag in enumerate(seeded[:count])
        ]
        part_seeds = [
            stage.start(Aval(active[k].shape, active[k].dtype)) if flag else None
            for k, flag in zip(self.parted, seeded[count:], strict=True)
        ]
        totals: list[Any] = [*seeds, *([None] * (len(records) - count))]
        for k, seed in zip(self.parted, part_seeds, strict=True):
            if seed is not None:
                totals[self._commons[k]] = sum_of_parts(seed, seed.shape)
        for k, before in (opening or {}).items():
            records = list(records)
            opened(records, totals, k, self._commons[k], before)
        for out, ct in zip(self._outs, cts, strict=True):
            if ct is not None:
                place = same.get(out.index, out.index) if same else out.index
                before = totals[place]
                totals[place] = ct if before is None else before + ct
        with staging(self._direct):
            first = count + len(self._commons)
            sweep(expanded(self._trace, reversed(records[first:]), totals), totals)
        found = [
            x if x is None or v.weak else fitting(x, aval_of_output(v))
            for v, x in zip(active, totals[:count], strict=True)
        ]
        for k in self.parted:
            parts = totals[self._commons[k]]
            found.append(
                None if parts is None else fitting(parts.dense(), aval_of_output(active[k]))
            )
        variables = (x.variable for x in (*cts, *seeds, *part_seeds) if x is not None)
        program = stage.program(
            f"{self._closed.program.name}_backward",
            (*self._variables, *variables),
            [x for x in found if x is not None],
            start,
        )
        return program, tuple(x is not None for x in found)


def _reads(records: Sequence[Any], common: int) -> int:
    """How many parts of a value are recorded; those in an inner loop count as many."""
    found = 0
    for record in records:
        parents = record[1] if record else ()
        found += MANY * (common in parents) if type(parents) is tuple else parents == common
    return found
