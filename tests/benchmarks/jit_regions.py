"""What each pass over regions brings: programs compiled without it and with it."""

import gc
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from time import process_time
from typing import Any
from unittest.mock import patch

import funcgrad
import funcgrad.numpy as fnp
from funcgrad.compile.regions import table as regions
from tests.benchmarks import report
from tests.benchmarks.timing import interleave
from tests.benchmarks.workload import Data, Workload, relative_error

__all__ = ["Gain", "compiled_without", "gains", "shape_of", "table"]

COUNTS = 1.03
"""A gain of less is not told from noise."""


@dataclass(frozen=True, slots=True)
class Gain:
    """One program without and with one pass.

    Attributes:
        without: seconds of a call, the least of all rounds.
        with_it: likewise.
        decisions: what the pass says it has done.
    """

    without: float
    with_it: float
    decisions: tuple[str, ...]


def compiled_without(name: str | None, workload: Workload, data: Data) -> Any:
    """The compiled gradient, called once, with all passes but one."""
    kept = tuple(region for region in regions.REGIONS if region.name != name)
    gradient = funcgrad.value_and_grad(partial(workload.loss, fnp), argnums=data.argnums)
    compiled = funcgrad.jit(gradient)
    with patch.object(regions, "REGIONS", kept):
        compiled(*data.arguments)
    return compiled


def shape_of(source: str) -> str:
    """A source text without comments, its words numbered: equal for equal programs."""
    numbers: dict[str, str] = {}
    text = re.sub("#.*", "", source)
    return re.sub(r"[^\W\d]\w*", lambda m: numbers.setdefault(m[0], f"v{len(numbers)}"), text)


def gains(workload: Workload, budget: float) -> dict[str, Gain]:
    """For each pass that changes a program.

    Raises:
        AssertionError: if a result without a pass is another one.
    """
    data = workload.data()
    arguments = data.arguments
    whole = compiled_without(None, workload, data)
    shape, expected = shape_of(whole.source(*arguments)), whole(*arguments)
    others = {}
    for region in regions.REGIONS:
        other = compiled_without(region.name, workload, data)
        if shape_of(other.source(*arguments)) != shape:
            others[region.name] = other
    for name, other in others.items():
        error = relative_error(other(*arguments), expected)
        assert error <= workload.tolerance, f"{workload.name} without {name}: {error}"
    runs = {name: partial(other, *arguments) for name, other in others.items()}
    samples = interleave({"": partial(whole, *arguments), **runs}, budget, process_time)
    gc.collect()
    said = str(whole.explain(*arguments)).splitlines()
    return {
        name: Gain(
            min(samples[name]),
            min(samples[""]),
            tuple(line.strip() for line in said if line.strip().startswith(f"{name}:")),
        )
        for name in others
    }


def table(found: Mapping[str, Mapping[str, Gain]], names: Iterable[str]) -> str:
    """For each pass the programs that it changes, the greatest gain first."""
    rows = []
    for name in names:
        programs = {program: own[name] for program, own in found.items() if name in own}
        if not programs:
            rows.append([name, "none of them", *[report.NOTHING] * 4])
        order = sorted(programs, key=lambda p: -programs[p].without / programs[p].with_it)
        for program in order:
            gain = programs[program]
            ratio = gain.without / gain.with_it
            verdict = "gains" if ratio >= COUNTS else "LOSES" if ratio <= 1 / COUNTS else "equal"
            times = [report.seconds(gain.without), report.seconds(gain.with_it)]
            rows.append([name, program, *times, report.quotient(ratio), verdict])
    head = ["pass", "program", "without", "with", "without ÷ with", ""]
    return f"## What the passes over regions bring\n\n{report.table(head, rows)}"
