"""Draws many calls: `python -m tests.surface [--count 100] [--seed 1] [name ...]`."""

import argparse
import traceback
import warnings
from collections import Counter

from tests.surface.laws import LAWS
from tests.surface.table import GENERATORS, samples


def main() -> int:
    """Print what failed, and the number of checks."""
    parser = argparse.ArgumentParser(prog="python -m tests.surface", description=main.__doc__)
    parser.add_argument("names", nargs="*", help="functions as in np.* (linalg.eigh, fft.fft)")
    parser.add_argument("--count", type=int, default=30, help="samples of each function")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--trace", action="store_true", help="print tracebacks")
    options = parser.parse_args()
    failures: Counter[str] = Counter()
    checks = 0
    warnings.simplefilter("error")
    for name in options.names or sorted(GENERATORS):
        for sample in samples(name, options.count, options.seed):
            for law in LAWS:
                checks += 1
                try:
                    law(sample)
                except Exception as error:  # noqa: BLE001  # every failure is a finding
                    failures[name] += 1
                    print(f"{name}: {law.__name__}: {sample}: {type(error).__name__} {error}"[:600])
                    if options.trace:
                        traceback.print_exception(error)
    print(f"{checks} checks of {len(options.names or GENERATORS)} functions, failed: {failures}")
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
