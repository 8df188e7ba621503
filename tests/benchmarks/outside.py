"""Programs outside of the benchmark: `python -m tests.benchmarks.outside [--only lstm,heat]`.

Compiled functions beside eager funcgrad, other libraries beside both, with the time of the first
call and the memory that calls add. A compiled function is never to be slower than the eager one.
"""

import argparse
import gc
import math
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from time import perf_counter, process_time

from tests.benchmarks import memory, pinning, report
from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.jit_compilation import first_call
from tests.benchmarks.outside_programs_more import PROGRAMS
from tests.benchmarks.targets import EXACT, JIT, NO_SLOWER
from tests.benchmarks.timing import Timing, measure

__all__ = ["table", "verdict"]

EAGER = "funcgrad"
PEERS = ("torch eager", "jax.jit", "autograd")
TIMED = (EAGER, JIT, EXACT, *PEERS)
REMEMBERED = (EAGER, JIT, "torch eager", "jax.jit")
NOISE = 0.03
"""Of two equally fast functions, the slower one of a measurement is slower by so much."""


def verdict(ratio: float) -> str:
    """Of eager time / compiled time."""
    if math.isnan(ratio):
        return report.NOTHING
    return NO_SLOWER.scaled(1 - NOISE).verdict(ratio) if ratio >= 1 - NOISE else "SLOWER"


def table(measured: Mapping[str, Mapping[str, Timing]]) -> str:
    """Times of a call, and the ratios of their least samples."""
    head = ["program", *TIMED]
    head += [f"{EAGER} ÷ jit", "never slower", f"{EAGER} ÷ exact", "never slower"]
    head += [f"{peer} ÷ jit" for peer in PEERS]
    rows = []
    for name, timings in measured.items():
        known = {contender: timings.get(contender, Timing()) for contender in TIMED}
        cells = [name, *(report.seconds(known[contender].least) for contender in TIMED)]
        for own in (JIT, EXACT):
            ratio = known[EAGER].least / known[own].least
            cells += [report.quotient(ratio), verdict(ratio)]
        cells += [report.quotient(known[peer].least / known[JIT].least) for peer in PEERS]
        rows.append(cells)
    return f"## Outside of the benchmark\n\n{report.table(head, rows)}"


def calls(
    names: Iterable[str], contenders: Iterable[str], budget: float, clock: Callable[[], float]
) -> dict[str, dict[str, Timing]]:
    """The times of every program; lines for what could not be timed are printed."""
    known = {name: CONTENDERS[name] for name in contenders if CONTENDERS[name].is_installed}
    measured = {}
    for name in names:
        print(f"{name}: {PROGRAMS[name].title} …", file=sys.stderr, flush=True)
        measured[name] = measure(PROGRAMS[name], known, budget, clock)
        for line in report.problems(name, measured[name]):
            print(line[:300].replace("\n", " "), flush=True)
        gc.collect()
    return measured


def first_calls(measured: Mapping[str, Mapping[str, Timing]], clock: Callable[[], float]) -> str:
    """Seconds of the first call beside JAX's."""
    rows = []
    for name, timings in measured.items():
        own = first_call(CONTENDERS[JIT], PROGRAMS[name], 3, clock)
        jax = timings.get("jax.jit", Timing())
        peer = float("nan")
        if jax.samples:
            peer = first_call(CONTENDERS["jax.jit"], PROGRAMS[name], 1, clock)
        rows.append([name, report.seconds(own), report.seconds(peer), report.quotient(peer / own)])
    head = ["program", JIT, "jax.jit", "jax ÷ funcgrad"]
    return f"## First call\n\n{report.table(head, rows)}"


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.outside", description=__doc__)
    add = parser.add_argument
    add("--only", default=",".join(PROGRAMS), metavar="lstm,heat", help="programs")
    add(
        "--contenders", default=",".join(TIMED), metavar="funcgrad,torch eager", help="who is timed"
    )
    add("--parts", default="calls,first,memory", help="which reports")
    add("--budget", type=float, default=3.0, metavar="SECONDS", help="timed part of a program")
    add("--core", type=int, default=0, help="the core to run on (default 0)")
    add("--cpu", action="store_true", help="processor time, for busy machines")
    add("--output", type=Path, metavar="FILE", help="append the tables to a file, too")
    arguments = parser.parse_args()
    pinning.run_pinned(arguments.core)
    names, parts = arguments.only.split(","), arguments.parts.split(",")

    def show(text: str) -> None:
        print(f"{text}\n", flush=True)
        if arguments.output is not None:
            with arguments.output.open("a", encoding="utf-8") as file:
                file.write(f"{text}\n\n")

    show(", ".join(f"{key} {value}" for key, value in report.machine().items()))
    if "calls" in parts or "first" in parts:
        clock = process_time if arguments.cpu else perf_counter
        measured = calls(names, arguments.contenders.split(","), arguments.budget, clock)
        show(table(measured))
        if "first" in parts:
            show(first_calls(measured, clock))
    if "memory" in parts:
        for text in memory.report(names, REMEMBERED):
            show(text)


if __name__ == "__main__":
    main()
