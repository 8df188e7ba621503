"""The command line of the benchmarks."""

import argparse
import json
import sys
from pathlib import Path

from tests.benchmarks import memory, overhead, pinning, report, startup
from tests.benchmarks.contenders import CONTENDERS, Contender
from tests.benchmarks.timing import Timing, measure
from tests.benchmarks.workloads import WORKLOADS


def _names(known: dict[str, object], text: str) -> list[str]:
    """A comma-separated list of names, each of them known."""
    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in known]
    if unknown:
        message = f"{', '.join(unknown)}: not among {', '.join(known)}"
        raise argparse.ArgumentTypeError(message)
    return names


def _workloads(text: str) -> list[str]:
    return _names(dict(WORKLOADS), text)


def _contenders(text: str) -> list[str]:
    return _names(dict(CONTENDERS), text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    add = parser.add_argument
    add("--only", type=_workloads, default=list(WORKLOADS), metavar="W1,W10_10", help="workloads")
    add(
        "--contenders",
        type=_contenders,
        default=list(CONTENDERS),
        metavar="hand,funcgrad",
        help=f"of {', '.join(CONTENDERS)}",
    )
    add("--budget", type=float, default=7.0, metavar="SECONDS", help="timed part of a workload")
    add("--core", type=int, default=0, help="the core to run on (default 0)")
    add("--json", type=Path, metavar="FILE", help="write the raw numbers")
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument(
        "--memory", type=_workloads, metavar="W4,W6", help="peak memory added by gradients"
    )
    modes.add_argument("--imports", action="store_true", help="import time")
    modes.add_argument("--overhead", action="store_true", help="cost of an array operation")
    modes.add_argument("--depth", action="store_true", help="chains of up to 1,000,000 operations")
    return parser


def _installed(names: list[str]) -> dict[str, Contender]:
    """The contenders that can run here; a line is printed for each that cannot."""
    for name in names:
        if not CONTENDERS[name].is_installed:
            print(f"{name}: left out, {CONTENDERS[name].requires} is not installed.")
    return {name: CONTENDERS[name] for name in names if CONTENDERS[name].is_installed}


def _compare(arguments: argparse.Namespace, contenders: dict[str, Contender]) -> None:
    measured: dict[str, dict[str, Timing]] = {}
    for name in arguments.only:
        print(f"{name}: {WORKLOADS[name].title} …", file=sys.stderr, flush=True)
        measured[name] = measure(WORKLOADS[name], contenders, arguments.budget)
        for line in report.problems(name, measured[name]):
            print(line, flush=True)
    print(", ".join(f"{key} {value}" for key, value in report.machine().items()))
    print(f"\n{report.ratios(measured)}")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(report.raw(measured), indent=1) + "\n")


def main() -> None:
    """Run what the command line asks for."""
    arguments = _parser().parse_args()
    pinning.run_pinned(arguments.core)
    if arguments.imports:
        print(startup.report())
    elif arguments.depth:
        print(overhead.depth())
    elif arguments.overhead:
        print(overhead.per_operation(_installed(arguments.contenders), arguments.budget))
    elif arguments.memory is not None:
        for text in memory.report(arguments.memory, _installed(arguments.contenders)):
            print(text + "\n", flush=True)
    else:
        _compare(arguments, _installed(arguments.contenders))


if __name__ == "__main__":
    main()
