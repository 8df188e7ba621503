"""Runs the public array-api-tests on NumPy and on funcgrad.numpy, and compares the figures.

    python -m tests.array_api FOLDER [--examples 50]

FOLDER is a checkout of github.com/data-apis/array-api-tests with its submodule (the specification)
in `array-api`; it needs hypothesis, ndindex and pytest. The exit status says whether funcgrad.numpy
passes all that NumPy passes.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

VERSION = "2024.12"
ROOT = Path(__file__).resolve().parent.parent


def run(folder: Path, module: str, examples: int) -> tuple[str, set[str]]:
    """The last line of pytest's report, and the tests that failed."""
    environment = {
        **os.environ,
        "ARRAY_API_TESTS_MODULE": module,
        "ARRAY_API_TESTS_VERSION": VERSION,
        "PYTHONPATH": str(ROOT),
    }
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-rfE", "--tb=no", "--disable-warnings"),
        *("-p", "no:cacheprovider", "--max-examples", str(examples), "--derandomize"),
        "array_api_tests",
    ]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    lines = done.stdout.strip().splitlines()
    names = {
        m[1] for line in lines if (m := re.match(r"(?:FAILED|ERROR) (\S+::.*?)(?: - |$)", line))
    }
    return lines[-1] if lines else done.stderr, names


def main() -> int:
    """Print both figures and the differences."""
    parser = argparse.ArgumentParser(prog="python -m tests.array_api", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--examples", type=int, default=50, help="hypothesis examples a test")
    options = parser.parse_args()
    failed = {}
    for module in ("numpy", "funcgrad.numpy"):
        line, failed[module] = run(options.folder, module, options.examples)
        print(f"{module:<15} {line}")
    worse = failed["funcgrad.numpy"] - failed["numpy"]
    better = failed["numpy"] - failed["funcgrad.numpy"]
    print(f"only funcgrad.numpy fails: {sorted(worse) or 'none'}")
    print(f"only numpy fails: {sorted(better) or 'none'}")
    return 1 if worse else 0


if __name__ == "__main__":
    raise SystemExit(main())
