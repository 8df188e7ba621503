"""Medians of interleaved batches, each at least 10 ms long."""

import gc
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import repeat
from time import perf_counter

from tests.benchmarks.contenders import Contender
from tests.benchmarks.workload import Run, Workload, relative_error

BATCH_SECONDS = 0.01
SLOW_SECONDS = 0.2
FEWEST_ROUNDS = 5
MOST_ROUNDS = 80
SLOW_ROUNDS = 3


@dataclass(slots=True)
class Timing:
    """What is known of one contender on one workload.

    Attributes:
        first: Seconds from nothing to the first result: imports, tracing, compilation, a call.
        error: Largest relative difference from the hand-written result.
        problem: Why it was not timed; empty if it was.
        samples: Seconds of a call, one per round.
    """

    first: float = float("nan")
    error: float = float("nan")
    problem: str = ""
    samples: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Seconds of a call; nan if there was none."""
        return statistics.median(self.samples) if self.samples else float("nan")

    @property
    def least(self) -> float:
        """Seconds of the fastest call; nan if there was none."""
        return min(self.samples, default=float("nan"))

    def over(self, other: "Timing") -> float:
        """Median of the quotients round by round, so that both saw the same machine; or nan."""
        quotients = [a / b for a, b in zip(self.samples, other.samples, strict=False)]
        return statistics.median(quotients) if quotients else float("nan")


def seconds_per_call(run: Run, calls: int, clock: Callable[[], float] = perf_counter) -> float:
    """One batch."""
    start = clock()
    for _ in repeat(None, calls):
        run()
    return (clock() - start) / calls


def interleave(
    runs: Mapping[str, Run], budget: float, clock: Callable[[], float] = perf_counter
) -> dict[str, list[float]]:
    """Seconds per call, a list for each run, by a clock: that of the wall if none is given.

    Every round has one batch of every run, so that a change of the machine's speed meets all of
    them. What takes longer than 0.2 s is left out after three rounds.
    """
    estimates = {name: seconds_per_call(run, 1) for name, run in runs.items()}
    calls = {name: max(1, round(BATCH_SECONDS / t)) for name, t in estimates.items()}
    samples: dict[str, list[float]] = {name: [] for name in runs}
    gc.collect()
    gc.freeze()
    start = perf_counter()
    for done in range(MOST_ROUNDS):
        if done >= FEWEST_ROUNDS and perf_counter() - start > budget:
            break
        for name, run in runs.items():
            if estimates[name] > SLOW_SECONDS and done >= SLOW_ROUNDS:
                continue
            run()  # Brings its code and data back into the caches.
            samples[name].append(seconds_per_call(run, calls[name], clock))
    gc.unfreeze()
    return samples


def measure(
    workload: Workload,
    contenders: Mapping[str, Contender],
    budget: float,
    clock: Callable[[], float] = perf_counter,
) -> dict[str, Timing]:
    """Check every contender against the hand-written result, then time those that are right."""
    data = workload.data()
    reference = workload.hand(*data.arguments)
    timings: dict[str, Timing] = {}
    runs: dict[str, Run] = {}
    for name, contender in contenders.items():
        if not contender.takes(workload):
            continue
        timing = timings[name] = Timing()
        start = perf_counter()
        try:
            run = contender.build(workload, data)
            result = run()
        except Exception as problem:  # noqa: BLE001 - the report goes on, whatever a library raises
            timing.problem = f"{type(problem).__name__}: {problem}"
            continue
        timing.first = perf_counter() - start
        timing.error = relative_error(result, reference)
        if timing.error <= workload.tolerance:
            runs[name] = run
        else:
            timing.problem = f"wrong result: relative error {timing.error:.1e}"
    for name, samples in interleave(runs, budget, clock).items():
        timings[name].samples = samples
    return timings
