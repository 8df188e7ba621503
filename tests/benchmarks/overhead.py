"""What a recorded operation costs, and whether a million of them cost a million times as much."""

import gc
import math
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
DEPTH_ROUNDS = 5
LINEAR = 1.1
"""Largest k for which time that grows as nᵏ from the shortest to the longest chain is linear."""


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
    gc.collect()
    begin = perf_counter()
    slope = gradient(start)
    elapsed = perf_counter() - begin
    np.testing.assert_allclose(slope, FACTOR**length, rtol=1e-8)
    return elapsed


def _chain_row(grad: Callable[..., Any], title: str, start: Any) -> list[str]:
    """The best of several rounds for each length."""
    rounds = [[_chain_seconds(grad, n, start) for n in LENGTHS] for _ in range(DEPTH_ROUNDS)]
    times = [min(of_one_length) for of_one_length in zip(*rounds, strict=True)]
    power = math.log(times[-1] / times[0]) / math.log(LENGTHS[-1] / LENGTHS[0])
    each = (
        f"{seconds(t)} ({t / n * 1e6:.2f} µs each)" for n, t in zip(LENGTHS, times, strict=True)
    )
    return [title, *each, f"n^{power:.2f}", "linear" if power <= LINEAR else "more than linear"]


COLLECTOR = (
    "Python's cyclic garbage collector goes through all living records again whenever their number"
    " has grown by a quarter, which short chains are spared: only the rows without it show how"
    " funcgrad's own work grows."
)


def depth() -> str:
    """Gradients of chains of 10,000 to 1,000,000 operations, on a number and on an array."""
    grad = import_module("funcgrad").grad
    rows = []
    for title, start in (("number", 1.0), ("array of 1", np.ones(1))):
        rows.append(_chain_row(grad, title, start))
        gc.disable()
        rows.append(_chain_row(grad, f"{title}, no collector", start))
        gc.enable()
    head = ["chain on a", *(f"{n:,} operations" for n in LENGTHS), "time grows as", "verdict"]
    return f"## Depth\n\n{table(head, rows)}\n\n{COLLECTOR}"
