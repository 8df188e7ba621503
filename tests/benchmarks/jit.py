"""How fast compiled functions are: `python -m tests.benchmarks.jit [--only W1,W6] [--core 1]`.

Six reports: the time of a call beside eager funcgrad and other libraries, the time of the first
call (record, simplify, write, compile) beside JAX's, what a call costs before any arithmetic, what
each pass saves, what the passes over regions bring to programs outside of the benchmark, and the
memory that calls add.
"""

import argparse
import gc
import json
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from time import perf_counter, process_time

from funcgrad.compile.regions.table import REGIONS
from tests.benchmarks import jit_dispatch, jit_regions, memory, pinning, report
from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.jit_compilation import PHASES, Compilation, first_call, phases
from tests.benchmarks.jit_savings import savings
from tests.benchmarks.outside_programs_more import PROGRAMS
from tests.benchmarks.targets import JIT, MEMORY, NUMBA, PER_EQUATION, SCAN, SPARSE, UNROLLED
from tests.benchmarks.timing import Timing, measure
from tests.benchmarks.workloads import WORKLOADS

TIMED = (JIT, SPARSE, NUMBA, "funcgrad", "torch eager", "jax.jit", SCAN, "autograd", "hand")
SMALL = 0.5  # MiB; pages are counted, and Python's own memory moves by a few
REMEMBERED = (JIT, "funcgrad", "torch eager", "jax.jit", SCAN)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.jit", description=__doc__)
    add = parser.add_argument
    add("--only", default=",".join(WORKLOADS), metavar="W1,W6", help="workloads")
    add("--contenders", default=",".join(TIMED), metavar="hand,funcgrad", help="in the first part")
    add("--parts", default="calls,first,dispatch,savings,regions,memory", help="which reports")
    add("--programs", default=",".join(PROGRAMS), help="of the report on regions")
    add("--budget", type=float, default=3.0, metavar="SECONDS", help="timed part of a workload")
    add("--core", type=int, default=0, help="the core to run on (default 0)")
    add("--cpu", action="store_true", help="processor time, for busy machines")
    add("--json", type=Path, metavar="FILE", help="write the raw numbers of the first report")
    return parser


def calls(
    names: list[str], contenders: list[str], budget: float, clock: Callable[[], float]
) -> dict[str, dict[str, Timing]]:
    """The times of every workload; lines for those that could not be timed are printed."""
    known = {name: CONTENDERS[name] for name in contenders if CONTENDERS[name].is_installed}
    measured = {}
    for name in names:
        print(f"{name}: {WORKLOADS[name].title} …", file=sys.stderr, flush=True)
        measured[name] = measure(WORKLOADS[name], known, budget, clock)
        for line in report.problems(name, measured[name]):
            print(line, flush=True)
        gc.collect()
    return measured


def first_calls(names: list[str], clock: Callable[[], float]) -> str:
    """First call of each workload, by phases, beside JAX's."""
    with_jax = CONTENDERS["jax.jit"].is_installed
    head = ["workload", "first call", "of jax.jit", "jax ÷ funcgrad", "equations", "µs each"]
    head += ["at most 100 (50)", *(f"{phase}, µs each" for phase in PHASES), "statements"]
    rows = []
    for name in names:
        workload = WORKLOADS[name]
        print(f"{name}: first call …", file=sys.stderr, flush=True)
        own = first_call(CONTENDERS[JIT], workload, 3, clock)
        peer = float("nan")
        if with_jax:
            peer = first_call(CONTENDERS["jax.jit"], workload, 1, clock)
        parts = phases(workload, clock)
        rows.append([name, report.seconds(own), report.seconds(peer), *_judged(own, peer, parts)])
    lines = ["## First call", report.table(head, rows)]
    if "W6" in names:
        own = first_call(CONTENDERS[JIT], WORKLOADS["W6"], 3, clock)
        verdict = "met" if own < UNROLLED else "missed"
        lines.append(f"W6 unrolled: {report.seconds(own)}, at most {UNROLLED} s: {verdict}")
    return "\n\n".join(lines)


def _judged(own: float, peer: float, parts: Compilation) -> list[str]:
    each = sum(parts.seconds.values()) / parts.equations
    return [
        report.quotient(peer / own),
        str(parts.equations),
        f"{each * 1e6:.1f}",
        PER_EQUATION.verdict(1 / each),
        *(f"{parts.seconds[phase] / parts.equations * 1e6:.1f}" for phase in PHASES),
        str(parts.statements),
    ]


def brought(names: list[str], budget: float) -> str:
    """What each pass over regions brings to these programs."""
    found = {}
    for name in names:
        print(f"{name}: passes over regions …", file=sys.stderr, flush=True)
        found[name] = jit_regions.gains(PROGRAMS[name], budget)
    return jit_regions.table(found, [region.name for region in REGIONS])


def memory_beside_peers(names: list[str]) -> str:
    """MiB that calls of gradients add to the process, and what a compiled one may add."""
    if not memory.CLEAR.exists():
        return "Peak memory is read from /proc, which this system does not have."
    contenders = [name for name in REMEMBERED if CONTENDERS[name].is_installed]
    rows = []
    for name in names:
        print(f"{name}: memory …", file=sys.stderr, flush=True)
        added = {}
        for contender in contenders:
            if CONTENDERS[contender].takes(WORKLOADS[name]):
                added[contender] = memory.added(name, contender)
        own, first = added[JIT]
        most = MEMORY.get(name)
        verdict = report.NOTHING if most is None else "met" if own <= most else "missed"
        cells = [name, f"{own:.1f}", report.NOTHING if most is None else str(most), verdict]
        cells += ["met" if own <= max(added["funcgrad"]) + SMALL else "missed", f"{first:.1f}"]
        for contender in contenders[1:]:
            cells.append(" / ".join(f"{x:.1f}" for x in added.get(contender, ())) or report.NOTHING)
        rows.append(cells)
    head = ["workload", JIT, "at most", "verdict", "at most eager", "its first call"]
    head += [f"{name}: calls / first" for name in contenders[1:]]
    return f"## Peak memory, MiB added\n\n{report.table(head, rows)}"


def main() -> None:
    """Run what the command line asks for."""
    arguments = _parser().parse_args()
    pinning.run_pinned(arguments.core)
    names, parts = arguments.only.split(","), arguments.parts.split(",")
    print(", ".join(f"{key} {value}" for key, value in report.machine().items()))
    clock = process_time if arguments.cpu else perf_counter
    if "calls" in parts:
        measured = calls(names, arguments.contenders.split(","), arguments.budget, clock)
        print(f"\n{report.compiled(measured)}", flush=True)
        if arguments.json is not None:
            arguments.json.write_text(json.dumps(report.raw(measured), indent=1) + "\n")
    if "first" in parts:
        print(f"\n{first_calls(names, clock)}", flush=True)
    if "dispatch" in parts:
        libraries = {"funcgrad": import_module("funcgrad").jit}
        if CONTENDERS["jax.jit"].is_installed:
            libraries["jax"] = partial(import_module("jax").jit)
        print(f"\n{jit_dispatch.table(libraries)}", flush=True)
    if "savings" in parts:
        print(f"\n{savings(names)}", flush=True)
    if "regions" in parts:
        print(f"\n{brought(arguments.programs.split(','), arguments.budget)}", flush=True)
    if "memory" in parts:
        print(f"\n{memory_beside_peers(names)}", flush=True)


if __name__ == "__main__":
    main()
