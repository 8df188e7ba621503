"""From programs to NumPy source: passes, spelling, emission."""

import funcgrad.compile.structured_branches  # enters how branches are written
import funcgrad.compile.structured_loops  # noqa: F401  # enters how loops are written
