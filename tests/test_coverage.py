"""The table of what can be differentiated: complete, true, and what docs and errors quote."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
import funcgrad.numpy as fnp
from funcgrad.coverage import DIFFERENTIABLE, STATUSES, UNSUPPORTED, ZERO_DERIVATIVE, table
from funcgrad.errors import UnsupportedFunctionError
from funcgrad.primitives.reasons import REASONS, ZERO, function_of
from tests.laws.laws import like
from tests.surface.names import CONSTRUCTORS, NAMES
from tests.surface.table import GENERATORS, samples

DOCS = Path(__file__).resolve().parent.parent / "docs"
ROWS = {row.name: row for row in table()}
RECORDED = json.loads((DOCS / "coverage.json").read_text(encoding="utf-8"))
SAME_NUMPY = np.__version__.startswith(RECORDED["numpy"] + ".")
KNOWN = {row["name"] for row in RECORDED["functions"]}


def known(status: str) -> list[str]:
    """Names of this status, without those that only a newer NumPy has."""
    return [row.name for row in ROWS.values() if row.status == status and row.name in KNOWN]


def test_every_public_function_has_one_row():
    for prefix, module in (("", np), ("linalg.", np.linalg), ("fft.", np.fft)):
        for name in dir(module):
            value = getattr(module, name)
            if not name.startswith("_") and callable(value) and not isinstance(value, type):
                assert prefix + name in ROWS
    assert len(table()) == len(ROWS)
    assert {row.status for row in ROWS.values()} <= set(STATUSES)


@pytest.mark.parametrize("name", NAMES)
def test_what_has_a_derivative_is_differentiable(name: str):
    row = ROWS[name]
    assert row.status == DIFFERENTIABLE
    assert row.own
    assert row.plain == (name not in CONSTRUCTORS)


def test_254_functions_are_differentiable_as_plain_numpy():
    assert len(NAMES) == len(set(NAMES)) == 262
    assert sum(ROWS[name].plain for name in NAMES) == 254


@pytest.mark.parametrize("name", known(DIFFERENTIABLE))
def test_what_the_table_calls_differentiable_is_held_to_the_laws(name: str):
    function = function_of(name)
    assert name in GENERATORS or any(
        function is not None and function is function_of(other) for other in GENERATORS
    )


@pytest.mark.parametrize("name", sorted(set(NAMES) & set(GENERATORS)))
def test_some_derivative_of_a_differentiable_function_is_not_zero(name: str):
    largest = 0.0
    for sample in samples(name, 12):
        f = sample.function(fnp)
        args = tuple(sample.differentiable)
        rng = np.random.default_rng(0)
        dots = tuple(like(rng, x) for x in args)
        _, moved = fg.jvp(f, args, dots)
        largest = max([largest, *(np.max(np.abs(m), initial=0.0) for m in moved)])
    assert largest > 1e-3


def test_the_names_of_the_reasons_exist():
    missing = [name for name in (*REASONS, *ZERO) if function_of(name) is None]
    # NumPy 2.0 lacks a few; the newest lacks none.
    assert not missing or tuple(map(int, np.__version__.split(".")[:2])) < (2, 3)


@pytest.mark.parametrize("name", known(UNSUPPORTED))
def test_what_is_unsupported_says_what_to_use(name: str):
    assert ROWS[name].note.strip().endswith((".", ")"))


REFUSED: dict[str, Any] = {
    "save": lambda x: np.save("never_written", x),
    "savetxt": lambda x: np.savetxt("never_written", x),
    "packbits": None,
    "require": None,
    "isnat": None,
    "busday_count": lambda x: np.busday_count(x, x),
}


@pytest.mark.parametrize("name", ["save", "savetxt", "busday_count"])
def test_a_refusal_quotes_the_reason(name: str):
    def f(x):
        REFUSED[name](x)
        return np.sum(x)

    with pytest.raises(UnsupportedFunctionError) as caught:
        fg.grad(f)(np.ones(3))
    assert ROWS[name].note in str(caught.value)
    assert not Path("never_written.npy").exists()


@pytest.mark.skipif(not SAME_NUMPY, reason="the files are of another version of NumPy")
def test_the_files_are_what_the_table_says():
    space: dict[str, Any] = {"__name__": "write_coverage", "__file__": str(DOCS / "x.py")}
    exec((DOCS / "write_coverage.py").read_text(encoding="utf-8"), space)
    rows = table()
    assert (DOCS / "coverage.md").read_text(encoding="utf-8") == space["markdown"](rows)
    assert (DOCS / "coverage.json").read_text(encoding="utf-8") == space["document"](rows)


def test_the_command_prints_every_row():
    out = subprocess.run(
        [sys.executable, "-m", "funcgrad.coverage"], capture_output=True, text=True, check=True
    ).stdout
    count = Counter(row.status for row in ROWS.values())
    assert out.strip().endswith(", ".join(f"{count[s]} {s}" for s in STATUSES))
    rows = json.loads(
        subprocess.run(
            [sys.executable, "-m", "funcgrad.coverage", "--json"],
            capture_output=True, text=True, check=True,
        ).stdout
    )  # fmt: skip
    assert [row["name"] for row in rows] == list(ROWS)


def test_zero_derivatives_are_usable_on_traced_values():
    for name in known(ZERO_DERIVATIVE):
        assert ROWS[name].plain, name
