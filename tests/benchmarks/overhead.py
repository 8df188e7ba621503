"""What a recorded operation costs, and whether a million of them cost a million times as much."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from time import perf_counter
from typing import Any

import numpy as np

from tests.benchmarks.contenders import CONTENDERS, Contender
from tests.benchmarks.report import seconds, table
from tests.benchmarks.targets import PER_OPERATION
from tests.benchmarks.timing import measure
from tests.benchmarks.workloads import WORKLOADS
from tests.benchmarks.workloads.chains import OPERATIONS

LENGTHS = (10_000, 100_000, 1_000_000)
FACTOR = 1.000001
LINEAR_WITHIN = 1.5
"""Largest quotient of the costs per operation of the longest and the shortest chain."""


def per_operation(contenders: Mapping[str, Contender], budget: float) -> str:
    """(contender - hand) / 999 on W10_10, forward and backward together."""
    timings = measure(WORKLOADS["W10_10"], {"hand": CONTENDERS["hand"], **contenders}, budget)
    hand = timings["hand"].median
    rows = []
    for name, timing in timings.items():
        if timing.problem:
            rows.append([name, timing.problem, "", ""])
            continue
        added = (timing.median - hand) / OPERATIONS * 1e6
        verdict = "met" if added <= PER_OPERATION else "missed"
        judged = verdict if name.startswith("funcgrad") else ""
        rows.append([name, seconds(timing.median), f"{added:.3f} µs", judged])
    head = ["W10_10", "median", "over hand per operation", f"at most {PER_OPERATION} µs"]
    return "## Overhead of an array operation\n\n" + table(head, rows)


@dataclass(frozen=True, slots=True)
class Chain:
    """x ← FACTOR x, n times."""

    length: int

    def __call__(self, x: Any) -> Any:
        """The sum of FACTORⁿ x."""
        for _ in range(self.length):
            x = x * FACTOR
        return x.sum()


def _chain_seconds(grad: Callable[..., Any], length: int, start: Any) -> float:
    """Seconds of one gradient; its value, FACTORⁿ, is checked."""
    gradient = grad(Chain(length))
    begin = perf_counter()
    slope = gradient(start)
    elapsed = perf_counter() - begin
    np.testing.assert_allclose(slope, FACTOR**length, rtol=1e-8)
    return elapsed


def depth() -> str:
    """Gradients of chains of 10,000 to 1,000,000 operations, on a number and on an array."""
    grad = import_module("funcgrad").grad
    rows = []
    for title, start in (("number", 1.0), ("array of 1", np.ones(1))):
        _chain_seconds(grad, LENGTHS[0], start)
        times = [_chain_seconds(grad, length, start) for length in LENGTHS]
        growth = (times[-1] / LENGTHS[-1]) / (times[0] / LENGTHS[0])
        verdict = "linear" if growth <= LINEAR_WITHIN else "not linear"
        each = [
            f"{seconds(t)} ({t / n * 1e6:.2f} µs each)" for n, t in zip(LENGTHS, times, strict=True)
        ]
        rows.append([title, *each, f"{growth:.2f}: {verdict}"])
    head = ["chain on a", *(f"{n:,} operations" for n in LENGTHS), "cost each, longest ÷ shortest"]
    return "## Depth\n\n" + table(head, rows)
