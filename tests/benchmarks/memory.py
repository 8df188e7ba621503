"""Peak memory added by gradients, each contender in a process of its own."""

import gc
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.benchmarks.contenders import CONTENDERS, Contender
from tests.benchmarks.outside_programs_more import PROGRAMS
from tests.benchmarks.report import NOTHING, table
from tests.benchmarks.workload import Workload
from tests.benchmarks.workloads import WORKLOADS

KNOWN = WORKLOADS | PROGRAMS
CALLS = 3
STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")


def _mebibytes(field: str) -> float:
    """VmRSS (resident now) or VmHWM (resident at most) of this process."""
    (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith(field + ":"))
    return int(line.split()[1]) / 1024


def added_here(workload: Workload, contender: Contender) -> tuple[float, float]:
    """MiB by which calls raise this process' peak over what it held before the first of them.

    Library and code paths are loaded by a small input before, and not counted. The first call is
    counted by itself: it may record and compile. Then there are three calls, and the result of one
    is alive during the next, as in a loop that assigns it.

    Returns:
        Peak of the later calls; peak of the first call.
    """
    contender.build(workload, workload.small())()
    run = contender.build(workload, workload.data())
    gc.collect()
    CLEAR.write_text("5")  # Sets the peak back to what is resident now.
    before = _mebibytes("VmRSS")
    result = run()
    first = _mebibytes("VmHWM") - before
    gc.collect()
    CLEAR.write_text("5")
    for _ in range(CALLS):
        result = run()
    del result
    return _mebibytes("VmHWM") - before, first


def added(workload: str, contender: str) -> tuple[float, float]:
    """The same in a new process.

    Raises:
        RuntimeError: if that fails.
    """
    command = [sys.executable, "-m", "tests.benchmarks.memory", workload, contender]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    if child.returncode:
        raise RuntimeError((child.stderr.strip().splitlines() or ["no message"])[-1])
    later, first = map(float, child.stdout.split())
    return later, first


def _cells(workload: str, contender: str) -> list[str]:
    try:
        return [f"{mebibytes:.1f}" for mebibytes in added(workload, contender)]
    except RuntimeError as problem:
        return [f"failed: {str(problem)[:80]}", NOTHING]


def report(workloads: Iterable[str], contenders: Iterable[str]) -> Iterator[str]:
    """A table for every workload."""
    if not CLEAR.exists():
        yield "Peak memory is read from /proc, which this system does not have."
        return
    names = list(contenders)
    for workload in workloads:
        rows = [
            [name, *_cells(workload, name)]
            for name in names
            if CONTENDERS[name].takes(KNOWN[workload]) and CONTENDERS[name].is_installed
        ]
        head = ["contender", "MiB added", "MiB added by the first call"]
        yield f"## Peak memory of {workload}\n\n" + table(head, rows)


if __name__ == "__main__":
    print(*added_here(KNOWN[sys.argv[1]], CONTENDERS[sys.argv[2]]))
