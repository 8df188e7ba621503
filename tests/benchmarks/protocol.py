"""What NumPy's protocols add to a call: `python -m tests.benchmarks.protocol [--worst 10]`.

For each function that NumPy dispatches, the smallest of a few samples (tests/surface) is recorded
with plain `np.*` and with `funcgrad.numpy.*`, in turn. The difference, for one NumPy call, is to be
at most `LIMIT`. Times are the least of many rounds; pin the process to a core (`taskset -c 0`).
"""

import argparse
import gc
import time
import warnings
from dataclasses import dataclass
from itertools import repeat
from types import ModuleType
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.interpreters.record import Recording
from tests.surface.names import CONSTRUCTORS, NAMES
from tests.surface.sample import Sample
from tests.surface.table import GENERATORS, samples

__all__ = ["LIMIT", "Detour", "functions", "measure"]

LIMIT = 1.5e-6
ITERATED = frozenset({"choose", "poly", "roots"})
"""NumPy goes through their argument to find who answers, and makes a value of each element."""
DRAWN = 12
ROUND_SECONDS = 2e-3


@dataclass(frozen=True, slots=True)
class Detour:
    """Seconds of one call of a function on traced values, in both ways.

    Attributes:
        name: of the function, as in `np.*`.
        label: the call.
        plain: seconds of the call as `np.*`.
        direct: seconds of the call as `funcgrad.numpy.*`.
        calls: how many functions of NumPy the call names.
    """

    name: str
    label: str
    plain: float
    direct: float
    calls: int

    @property
    def added(self) -> float:
        """What one call through the protocols costs more."""
        return (self.plain - self.direct) / self.calls


class _Counted:
    """A namespace that notes each function that is taken from it."""

    def __init__(self, namespace: Any, taken: list[str]) -> None:
        self._namespace = namespace
        self._taken = taken

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._namespace, name)
        if isinstance(found, ModuleType):
            return _Counted(found, self._taken)
        self._taken.append(name)
        return found


def functions() -> list[str]:
    """Those of the functions with a derivative that NumPy dispatches, and that have samples."""
    names = [name for name in NAMES if name in GENERATORS and name not in CONSTRUCTORS]
    return [name for name in names if _usable(name)]


def measure(name: str, rounds: int = 15, patience: int = 20) -> Detour:
    """The times of one function; the rounds of both ways alternate.

    Long calls are noisy: where the difference is over the limit, more rounds are made, up to
    `patience` times as many.
    """
    sample = _smallest(name)
    taken: list[str] = []
    sample.call(_Counted(np, taken), *sample.args)
    times = {np: float("inf"), fnp: float("inf")}
    once = max(_seconds(sample, np, 5), 1e-7)
    calls = max(3, min(500, round(ROUND_SECONDS / once)))
    count = max(1, len(taken))
    for done in range(rounds * patience):
        if done >= rounds and times[np] - times[fnp] <= LIMIT * count:
            break
        for namespace in times:
            times[namespace] = min(times[namespace], _seconds(sample, namespace, calls))
    return Detour(name, sample.label, times[np], times[fnp], count)


def _usable(name: str) -> list[Sample]:
    return [s for s in samples(name, DRAWN) if s.plain and s.active and _size(s)]


def _smallest(name: str) -> Sample:
    return min(_usable(name), key=lambda s: (_size(s) > 64, len(s.label), _size(s)))


def _size(sample: Sample) -> int:
    return sum(np.size(x) for x in sample.args)


def _seconds(sample: Sample, namespace: Any, calls: int) -> float:
    """Seconds of a call, the mean of some that are recorded into one trace."""
    trace = Recording("protocol benchmark")
    args = list(sample.args)
    for position in sample.active:
        args[position] = trace.input(args[position])
    call = sample.call
    start = time.perf_counter()
    for _ in repeat(None, calls):
        call(namespace, *args)
    elapsed = time.perf_counter() - start
    trace.close()
    return elapsed / calls


def main() -> None:
    """Print the functions whose detour is the longest."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.protocol", description=__doc__
    )
    parser.add_argument("names", nargs="*", help="functions, as in np.*")
    parser.add_argument("--worst", type=int, default=10, help="how many are printed")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    gc.disable()
    found = []
    for name in options.names or functions():
        try:
            found.append(measure(name))
        except Exception as problem:  # noqa: BLE001  # the report goes on
            print(f"{name}: {type(problem).__name__}: {problem}")
    found.sort(key=lambda one: -one.added)
    print(f"{'function':24}{'np.*':>10}{'fnp.*':>10}{'added':>10}   call")
    for one in found[: options.worst]:
        times = "".join(f"{t * 1e6:8.2f}µs" for t in (one.plain, one.direct, one.added))
        print(f"{one.name:24}{times}   {one.label[:60]}")
    over = [one.name for one in found if one.added > LIMIT and one.name not in ITERATED]
    print(f"{len(found)} functions, over {LIMIT * 1e6} µs: {', '.join(over) or 'none'}")
    print(f"Not judged, for NumPy iterates over their argument: {', '.join(sorted(ITERATED))}")


if __name__ == "__main__":
    main()
