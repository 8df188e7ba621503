"""Writes docs/coverage.md and docs/coverage.json: `python docs/write_coverage.py`.

tests/test_coverage.py fails when they are not what this writes.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

import numpy as np

from funcgrad.coverage import STATUSES, Row, table

FOLDER = Path(__file__).resolve().parent

HEAD = """\
# What of NumPy can be differentiated

Written by `python docs/write_coverage.py`; `python -m funcgrad.coverage` prints the table for the
NumPy that is installed, and [coverage.json](coverage.json) holds it for programs. Every public
function of numpy, numpy.linalg and numpy.fft {version} is in it once.

- **differentiable**: in reverse and forward mode, to any order, under `vmap`. Names marked
  *(funcgrad.numpy only)* refuse traced values as `np.*`, and have their derivative as
  `funcgrad.numpy.*`.
- **zero derivative**: constant in pieces, so usable anywhere on traced values, with derivative 0.
- **not differentiable**: the result is no number, or the arguments are none.
- **unsupported**: could have a derivative, but traced values are refused.
"""


def markdown(rows: Sequence[Row]) -> str:
    """The page."""
    version = ".".join(np.__version__.split(".")[:2])
    lines = [HEAD.format(version=version)]
    lines += ["| | numpy | numpy.linalg | numpy.fft | total |", "|---|---|---|---|---|"]
    for status in STATUSES:
        count = Counter(row.name.rpartition(".")[0] for row in rows if row.status == status)
        cells = [count[part] for part in ("", "linalg", "fft")]
        lines.append(f"| {status} | {' | '.join(map(str, cells))} | {sum(cells)} |")
    for status in STATUSES:
        lines += ["", f"## {status.capitalize()}", ""]
        chosen = sorted((row for row in rows if row.status == status), key=lambda row: row.note)
        for note, group in groupby(chosen, key=lambda row: row.note):
            listed = ", ".join(f"`{row.name}`{_mark(row)}" for row in group)
            lines += [f"{note} {listed}".strip(), ""]
    return "\n".join(lines).rstrip() + "\n"


def _mark(row: Row) -> str:
    return " *(funcgrad.numpy only)*" if row.own and not row.plain else ""


def document(rows: Sequence[Row]) -> str:
    """The JSON text: the version of NumPy, and one object a row."""
    objects = ",\n".join(" " + json.dumps(asdict(row)) for row in rows)
    version = ".".join(np.__version__.split(".")[:2])
    return f'{{"numpy": "{version}", "functions": [\n{objects}\n]}}\n'


if __name__ == "__main__":
    found = table()
    (FOLDER / "coverage.md").write_text(markdown(found), encoding="utf-8")
    (FOLDER / "coverage.json").write_text(document(found), encoding="utf-8")
