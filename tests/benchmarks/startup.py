"""Import time of funcgrad beside NumPy's, in fresh processes."""

import statistics
import subprocess
import sys

from tests.benchmarks.report import seconds, table
from tests.benchmarks.targets import IMPORT

REPETITIONS = 21
PROGRAM = "from time import perf_counter as t; s = t(); import {}; print(t() - s)"


def _import_seconds(module: str) -> float:
    command = [sys.executable, "-c", PROGRAM.format(module)]
    return float(subprocess.check_output(command, text=True))


def report() -> str:
    """Medians of interleaved processes, and the median of the differences."""
    for module in ("numpy", "funcgrad"):
        _import_seconds(module)  # Writes byte code and fills the file cache.
    pairs = [(_import_seconds("numpy"), _import_seconds("funcgrad")) for _ in range(REPETITIONS)]
    numpy, funcgrad = (statistics.median(times) for times in zip(*pairs, strict=True))
    added = statistics.median(own - base for base, own in pairs)
    verdict = "met" if added <= IMPORT else "missed"
    rows = [["numpy", seconds(numpy)], ["funcgrad", seconds(funcgrad)]]
    rows.append([f"added (at most {seconds(IMPORT)}: {verdict})", seconds(added)])
    return "## Import time\n\n" + table(["import", "median"], rows)
