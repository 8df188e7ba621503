"""Import time of funcgrad beside NumPy's, in fresh processes."""

import os
import statistics
import subprocess
import sys
from tempfile import TemporaryDirectory

from tests.benchmarks.report import seconds, table
from tests.benchmarks.targets import IMPORT

REPETITIONS = 21
PROGRAM = "from time import perf_counter as t; s = t(); import {}; print(t() - s)"


def _import_seconds(module: str, environment: dict[str, str]) -> float:
    command = [sys.executable, "-c", PROGRAM.format(module)]
    return float(subprocess.check_output(command, text=True, env=environment))


def _pairs() -> list[tuple[float, float]]:
    """Seconds for NumPy and for funcgrad, with byte code on disk, as an installation has it."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    with TemporaryDirectory() as cache:
        environment["PYTHONPYCACHEPREFIX"] = cache
        _import_seconds("funcgrad", environment)  # Writes the byte code of both.
        return [
            (_import_seconds("numpy", environment), _import_seconds("funcgrad", environment))
            for _ in range(REPETITIONS)
        ]


def report() -> str:
    """Medians of interleaved processes, and the median of the differences."""
    pairs = _pairs()
    numpy, funcgrad = (statistics.median(times) for times in zip(*pairs, strict=True))
    added = statistics.median(own - base for base, own in pairs)
    verdict = "met" if added <= IMPORT else "missed"
    rows = [["numpy", seconds(numpy)], ["funcgrad", seconds(funcgrad)]]
    rows.append([f"added (at most {seconds(IMPORT)}: {verdict})", seconds(added)])
    return "## Import time\n\n" + table(["import", "median"], rows)
