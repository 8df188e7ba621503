"""Counts the law tests: `python -m tests.laws` prints primitives × modes × dtypes."""

from collections import Counter

import numpy as np

from funcgrad.core.primitive import PRIMITIVES
from tests.laws import test_laws

MODES = {
    "forward and reverse": test_laws.SMOOTH,
    "difference quotients": [case for case in test_laws.DOUBLE if case.smooth],
    "second order": [case for case in test_laws.DOUBLE if case.smooth and case.second],
    "batching": [case for case in test_laws.CASES if not case.primitive.data_dependent],
    "programs": test_laws.SMOOTH,
    "fast paths": [case for case in test_laws.SMOOTH if case.primitive.family == "elementwise"],
}
DTYPES = ("float64", "float32", "float16", "complex128", "other")


def main() -> None:
    """Print one row a mode, one column a dtype of the first operand."""
    families = Counter(primitive.family for primitive in PRIMITIVES.values())
    print(f"{len(PRIMITIVES)} primitives: " + ", ".join(f"{n} {f}" for f, n in families.items()))
    print(f"{'law':<22}{'primitives':>11}" + "".join(f"{dtype:>12}" for dtype in DTYPES))
    total = 0
    for mode, cases in MODES.items():
        found = Counter(np.asarray(case.args[0]).dtype.name for case in cases)
        known = [found.pop(dtype, 0) for dtype in DTYPES[:-1]]
        row = [*known, sum(found.values())]
        total += sum(row)
        names = len({case.name for case in cases})
        print(f"{mode:<22}{names:>11}" + "".join(f"{count:>12}" for count in row))
    print(f"{total} law tests over {len(test_laws.CASES)} cases")


if __name__ == "__main__":
    main()
