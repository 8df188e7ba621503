"""How fast compiled functions are: `python -m tests.benchmarks.jit [--only W1,W6] [--core 1]`.

Four reports: the time of a call beside eager funcgrad and other libraries, the time of the first
call (record, simplify, write, compile) beside JAX's, what a call costs before any arithmetic, and
what each pass saves.
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

from tests.benchmarks import jit_dispatch, pinning, report
from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.jit_compilation import PHASES, Compilation, first_call, phases
from tests.benchmarks.jit_savings import savings
from tests.benchmarks.targets import JIT, PER_EQUATION, UNROLLED
from tests.benchmarks.timing import Timing, measure
from tests.benchmarks.workloads import WORKLOADS

TIMED = (JIT, "funcgrad", "torch eager", "jax.jit", "autograd", "hand")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.jit", description=__doc__)
    add = parser.add_argument
    add("--only", default=",".join(WORKLOADS), metavar="W1,W6", help="workloads")
    add("--contenders", default=",".join(TIMED), metavar="hand,funcgrad", help="in the first part")
    add("--parts", default="calls,first,dispatch,savings", help="which reports")
    add("--budget", type=float, default=3.0, metavar="SECONDS", help="timed part of a workload")
    add("--core", type=int, default=0, help="the core to run on (default 0)")
    add("--cpu", action="store_true", help="processor time in the first part, for busy machines")
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


def first_calls(names: list[str]) -> str:
    """First call of each workload, by phases, beside JAX's."""
    with_jax = CONTENDERS["jax.jit"].is_installed
    head = ["workload", "first call", "of jax.jit", "jax ÷ funcgrad", "equations", "µs each"]
    head += ["at most 100 (50)", *(f"{phase}, µs each" for phase in PHASES), "statements"]
    rows = []
    for name in names:
        workload = WORKLOADS[name]
        print(f"{name}: first call …", file=sys.stderr, flush=True)
        own = first_call(CONTENDERS[JIT], workload, rounds=3)
        peer = first_call(CONTENDERS["jax.jit"], workload, rounds=1) if with_jax else float("nan")
        parts = phases(workload)
        rows.append([name, report.seconds(own), report.seconds(peer), *_judged(own, peer, parts)])
    lines = ["## First call", report.table(head, rows)]
    if "W6" in names:
        own = first_call(CONTENDERS[JIT], WORKLOADS["W6"], rounds=3)
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


def main() -> None:
    """Run what the command line asks for."""
    arguments = _parser().parse_args()
    pinning.run_pinned(arguments.core)
    names, parts = arguments.only.split(","), arguments.parts.split(",")
    print(", ".join(f"{key} {value}" for key, value in report.machine().items()))
    if "calls" in parts:
        clock = process_time if arguments.cpu else perf_counter
        measured = calls(names, arguments.contenders.split(","), arguments.budget, clock)
        print(f"\n{report.compiled(measured)}", flush=True)
        if arguments.json is not None:
            arguments.json.write_text(json.dumps(report.raw(measured), indent=1) + "\n")
    if "first" in parts:
        print(f"\n{first_calls(names)}", flush=True)
    if "dispatch" in parts:
        libraries = {"funcgrad": import_module("funcgrad").jit}
        if CONTENDERS["jax.jit"].is_installed:
            libraries["jax"] = partial(import_module("jax").jit)
        print(f"\n{jit_dispatch.table(libraries)}", flush=True)
    if "savings" in parts:
        print(f"\n{savings(names)}", flush=True)


if __name__ == "__main__":
    main()
