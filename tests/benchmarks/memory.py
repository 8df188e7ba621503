"""Peak memory added by gradients, each contender in a process of its own."""

import gc
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.report import table
from tests.benchmarks.workloads import WORKLOADS

CALLS = 3
STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")


def _mebibytes(field: str) -> float:
    """VmRSS (resident now) or VmHWM (resident at most) of this process."""
    (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith(field + ":"))
    return int(line.split()[1]) / 1024


def added_here(workload_name: str, contender_name: str) -> float:
    """MiB by which three calls raise this process' peak over what it holds before them.

    Library and code paths are loaded by a small input first, and not counted. The result of a
    call is alive during the next one, as in a loop that assigns it.
    """
    workload, contender = WORKLOADS[workload_name], CONTENDERS[contender_name]
    contender.build(workload, workload.small())()
    run = contender.build(workload, workload.data())
    gc.collect()
    CLEAR.write_text("5")  # Sets the peak back to what is resident now.
    before = _mebibytes("VmRSS")
    for _ in range(CALLS):
        result = run()
    del result
    return _mebibytes("VmHWM") - before


def _added(workload: str, contender: str) -> str:
    """The same in a new process."""
    command = [sys.executable, "-m", "tests.benchmarks.memory", workload, contender]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    if child.returncode:
        return "failed: " + (child.stderr.strip().splitlines() or ["no message"])[-1]
    return f"{float(child.stdout):.1f}"


def report(workloads: Iterable[str], contenders: Iterable[str]) -> Iterator[str]:
    """A table for every workload."""
    if not CLEAR.exists():
        yield "Peak memory is read from /proc, which this system does not have."
        return
    for name in workloads:
        rows = [
            [contender, _added(name, contender)]
            for contender in contenders
            if CONTENDERS[contender].takes(WORKLOADS[name])
        ]
        yield f"## Peak memory of {name}\n\n" + table(["contender", "MiB added"], rows)


if __name__ == "__main__":
    print(added_here(*sys.argv[1:]))
