"""Compiled training steps: `python -m tests.benchmarks.compiled [--only W3]`.

The steps are those of `tests.benchmarks.layer`, with the model given to `torch.compile` of the
layer; beside them the same steps of the layer without it, and of PyTorch without it. Losses are
compared before anything is timed. Recording is not part of a step; its time is shown by itself.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

from tests.benchmarks import pinning, report
from tests.benchmarks.layer import OWN, PEER, SEED, STEPS, TOLERANCE, Step, Training, losses
from tests.benchmarks.timing import Timing, interleave

__all__ = ["compare", "main"]

COMPILED = "compiled"


def _step(name: str, training: Training, compiled: bool) -> tuple[Step, list[float], float]:
    """A step from the seed, its first losses, and the seconds of the first step."""
    torch = import_module(name)
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    wrap: Callable[[Any], Any] = torch.compile if compiled else lambda model: model
    step = training.build(torch, wrap)
    start = time.perf_counter()
    first = float(step().detach())
    seconds = time.perf_counter() - start
    return step, [first, *losses(step)], seconds


def compare(training: Training, budget: float) -> tuple[dict[str, Timing], float]:
    """Seconds of a step of all three, and of the first compiled one.

    Raises:
        AssertionError: if their losses differ.
    """
    found = {
        name: _step(module, training, name == COMPILED)
        for name, module in ((PEER, PEER), (OWN, OWN), (COMPILED, OWN))
    }
    for name in (OWN, COMPILED):
        for a, b in zip(found[name][1], found[PEER][1], strict=True):
            assert abs(a - b) <= TOLERANCE * abs(b), f"losses of {name}: {found[name][1]}"
    runs = {name: step for name, (step, _, _) in found.items()}
    timings = {name: Timing(samples=s) for name, s in interleave(runs, budget).items()}
    return timings, found[COMPILED][2]


def _row(name: str, timings: dict[str, Timing], first: float) -> list[str]:
    own, peer, compiled = timings[OWN], timings[PEER], timings[COMPILED]
    times = [report.seconds(statistics.median(t.samples)) for t in (peer, own, compiled)]
    ratios = [f"{compiled.over(other):.2f}" for other in (own, peer)]
    return [name, *times, *ratios, report.seconds(first)]


def main() -> None:
    """Print the table of ratios."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.compiled", description=__doc__
    )
    add = parser.add_argument
    add("--only", default="", metavar="W3,LeNet", help="those whose name contains one of these")
    add("--budget", type=float, default=5.0, metavar="SECONDS", help="timed part of each")
    add("--core", type=int, default=0, help="the core to run on (default 0)")
    arguments = parser.parse_args()
    pinning.run_pinned(arguments.core)
    rows = []
    for name, training in STEPS.items():
        if not any(part in name for part in arguments.only.split(",")):
            continue
        print(f"{name} …", file=sys.stderr, flush=True)
        try:
            rows.append(_row(name, *compare(training, arguments.budget)))
        except Exception as problem:  # noqa: BLE001  # the report goes on
            rows.append([f"{name}: {type(problem).__name__}: {problem}", *[report.NOTHING] * 6])
    print(", ".join(f"{key} {value}" for key, value in report.machine().items()) + "\n")
    head = [
        "training step", "torch", "layer", "compiled", "compiled ÷ layer", "compiled ÷ torch",
        "first step",
    ]  # fmt: skip
    print(report.table(head, rows))


if __name__ == "__main__":
    main()
