"""Which functions of NumPy can be differentiated: one table of all of them.

`python -m funcgrad.coverage` prints it, `python -m funcgrad.coverage --json` for programs.
"""

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.core.protocols import DISPATCH, REPLACEMENTS
from funcgrad.primitives.reasons import REASONS, ZERO, function_of

__all__ = ["STATUSES", "Row", "main", "names", "table"]

DIFFERENTIABLE = "differentiable"
ZERO_DERIVATIVE = "zero derivative"
NOT_DIFFERENTIABLE = "not differentiable"
UNSUPPORTED = "unsupported"
STATUSES = (DIFFERENTIABLE, ZERO_DERIVATIVE, NOT_DIFFERENTIABLE, UNSUPPORTED)

# NumPy does not ask the values it is given when these are called.
_CONSTRUCTORS = frozenset(
    {
        "array", "asanyarray", "asarray", "asarray_chkfinite", "ascontiguousarray",
        "asfortranarray", "full", "vectorize",
    }
)  # fmt: skip
_WITHOUT_ASKING = frozenset({"kaiser"})  # computes with what np.array makes of its arguments
_IN_PLACE = frozenset({"copyto", "fill_diagonal", "place", "put", "put_along_axis", "putmask"})


@dataclass(frozen=True, slots=True)
class Row:
    """What holds for one function of NumPy.

    Attributes:
        name: without `numpy.`, such as `"sin"` or `"linalg.inv"`.
        status: one of `STATUSES`.
        plain: whether `np.<name>` takes traced values.
        own: whether `funcgrad.numpy.<name>` does.
        note: the reason, or what to use instead; empty for most.
    """

    name: str
    status: str
    plain: bool
    own: bool
    note: str


def names() -> list[str]:
    """Every public function of numpy, numpy.linalg and numpy.fft, in alphabetical order."""
    found = ["vectorize"]
    for prefix, module in (("", np), ("linalg.", np.linalg), ("fft.", np.fft)):
        for name in dir(module):
            value = getattr(module, name, None)
            if not name.startswith("_") and callable(value) and not isinstance(value, type):
                found.append(prefix + name)
    return sorted(found)


def table() -> tuple[Row, ...]:
    """One row for each public function of the installed numpy, numpy.linalg and numpy.fft.

    Example:
        >>> rows = {row.name: row for row in table()}
        >>> rows["linalg.eigh"].status
        'differentiable'
        >>> rows["floor"].status
        'zero derivative'
    """
    return tuple(map(_row, names()))


def _row(name: str) -> Row:
    function = function_of(name)
    plain = function in DISPATCH or name == "fromfunction"  # which only calls the user's function
    own = _has(name)
    if name in _CONSTRUCTORS:
        note = f"np.{name} cannot hold traced values. Use funcgrad.numpy.{name}."
        return Row(name, DIFFERENTIABLE, False, own, note)
    if name in _WITHOUT_ASKING:
        note = f"np.{name} makes plain arrays of its arguments. Use funcgrad.numpy.{name}."
        return Row(name, DIFFERENTIABLE, False, own, note)
    if name in _IN_PLACE:
        note = (
            f"It changes its argument. funcgrad.numpy.{name}(..., inplace=False) returns the new "
            "array."
        )
        return Row(name, DIFFERENTIABLE, False, own, note)
    if name in REASONS:
        return Row(name, NOT_DIFFERENTIABLE, plain, own and plain, REASONS[name])
    if name in ZERO:
        return Row(name, ZERO_DERIVATIVE, plain, own, "")
    if plain:
        return Row(name, DIFFERENTIABLE, True, own, "")
    note = REPLACEMENTS.get(function, "Use it on stop_gradient(x).")
    return Row(name, UNSUPPORTED, False, False, note)


def _has(name: str) -> bool:
    found: Any = fnp
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is not None


def as_text(rows: Sequence[Row]) -> str:
    """The table for people: names by status, and the notes."""
    lines = []
    for status in STATUSES:
        chosen = [row for row in rows if row.status == status]
        lines.append(f"{status}: {len(chosen)}")
        lines += [
            f"  {row.name}{'' if row.plain else ' (funcgrad.numpy only)' if row.own else ''}"
            f"{': ' if row.note else ''}{row.note}"
            for row in chosen
        ]
    count = Counter(row.status for row in rows)
    lines.append(f"{len(rows)} functions: " + ", ".join(f"{count[s]} {s}" for s in STATUSES))
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m funcgrad.coverage",
        description="Which functions of NumPy can be differentiated.",
    )
    parser.add_argument("--json", action="store_true", help="as a JSON list of rows")
    options = parser.parse_args(arguments)
    rows = table()
    print(json.dumps([asdict(row) for row in rows], indent=1) if options.json else as_text(rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
