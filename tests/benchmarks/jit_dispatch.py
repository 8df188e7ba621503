"""What a call of a compiled function costs before any arithmetic."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.benchmarks import report
from tests.benchmarks.targets import DISPATCH, DISPATCH_ARRAY, DISPATCH_NODE
from tests.benchmarks.timing import seconds_per_call

__all__ = ["CASES", "Case", "table"]

CALLS = 20_000
ROUNDS = 15


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of arguments.

    Attributes:
        title: what they are.
        args: the arguments.
        most: seconds that a call may take.
        options: of jit.
    """

    title: str
    args: tuple[Any, ...]
    most: float
    options: Mapping[str, Any]


def _flat(count: int, title: str = "") -> Case:
    arrays = tuple(np.ones(3) for _ in range(count))
    return Case(title or f"{count} arrays", arrays, DISPATCH + count * DISPATCH_ARRAY, {})


def _tree(title: str, tree: Any, nodes: int) -> Case:
    return Case(f"{title}, {nodes} nodes", (tree,), DISPATCH + nodes * DISPATCH_NODE, {})


def _layers(count: int) -> list[dict[str, Any]]:
    return [{"b": np.ones(3), "w": np.ones((5, 3))} for _ in range(count)]


CASES = (
    *(_flat(count) for count in (0, 1, 2, 4, 8)),
    Case("4 Python numbers", (1.0, 2.0, 3.0, 4.0), DISPATCH + 4 * DISPATCH_ARRAY, {}),
    Case(
        "2 arrays, a static string",
        (np.ones(3), np.ones(3), "mean"),
        DISPATCH + 3 * DISPATCH_ARRAY,
        {"static_argnums": (2,)},
    ),
    _tree("a dict of 2 arrays", {"b": np.ones(3), "w": np.ones((5, 3))}, 3),
    _tree("4 dicts in a list", _layers(4), 13),
    _tree("16 dicts in a list", _layers(16), 49),
    _tree("nested tuples", (np.ones(3), (np.ones(3), (np.ones(3), (np.ones(3),)))), 8),
)
"""What is measured."""


def nothing(*_args: Any) -> float:
    """Uses no argument."""
    return 1.0


def _seconds(jit: Callable[..., Any], case: Case) -> float:
    compiled = jit(nothing, **case.options)
    args = case.args

    def many() -> None:
        for _ in range(100):
            compiled(*args)

    many()
    calls = CALLS // 100
    return min(seconds_per_call(many, calls // ROUNDS + 1) for _ in range(ROUNDS)) / 100


def table(libraries: Mapping[str, Callable[..., Any]]) -> str:
    """The costs as Markdown; the first library is judged."""
    rows = []
    for case in CASES:
        times = [_seconds(jit, case) for jit in libraries.values()]
        verdict = "met" if times[0] <= case.most else "missed"
        rows.append(
            [
                case.title,
                *map(report.seconds, times),
                report.quotient(times[1] / times[0] if times[1:] else math.nan),
                report.seconds(case.most),
                verdict,
            ]
        )
    head = ["arguments", *(f"{name}.jit" for name in libraries), "÷", "at most", "verdict"]
    return f"## A call that computes nothing\n\n{report.table(head, rows)}"
