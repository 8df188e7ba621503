"""memory_report: what the reverse sweep would keep, by the user's line, before it runs."""

import gc
import inspect
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.errors import CallableError
from funcgrad.transforms.checkpoint import checkpoint, checkpoint_name
from funcgrad.transforms.memory import MemoryReport, memory_report, print_saved_residuals

RNG = np.random.default_rng(0)
X = RNG.normal(size=(100, 50))
W = RNG.normal(size=(50, 20))
CONSTANT = RNG.normal(size=(100, 20))


def layer(p: Any, x: Any) -> Any:
    z = x @ p["w"] + 1.0
    a = np.tanh(z)
    return a * np.sin(z)


def loss(p: Any, x: Any) -> Any:
    h = layer(p, x)
    view = h[:50]
    return np.sum(h * CONSTANT) + np.sum(view**2)


def line_of(function: Any, text: str) -> int:
    """Where a text stands in this file."""
    lines, first = inspect.getsourcelines(function)
    return first + next(i for i, line in enumerate(lines) if text in line)


def report() -> MemoryReport:
    return memory_report(loss, {"w": W}, X)


def row_of(found: MemoryReport, **wanted: Any) -> Any:
    (row,) = (row for row in found.rows if all(getattr(row, k) == v for k, v in wanted.items()))
    return row


def test_rows_name_the_users_line_and_variable() -> None:
    row = row_of(report(), name="a")
    assert row.primitive == "tanh"
    assert row.shape == (100, 20)
    assert row.dtype == np.float64
    assert row.nbytes == 100 * 20 * 8
    assert Path(row.file).name == "test_memory_report.py"
    assert row.line == line_of(layer, "a = np.tanh")
    assert row.function == "layer"
    assert row.kind == "value"
    assert row_of(report(), name="z").line == line_of(layer, "z = x @")


def test_values_without_a_name_have_the_line_that_keeps_them() -> None:
    row = row_of(report(), primitive="multiply", kind="value")
    assert row.name == ""
    assert row.line == line_of(layer, "return a * np.sin(z)")


def test_a_view_keeps_what_it_views_and_counts_once() -> None:
    found = report()
    assert row_of(found, primitive="power").nbytes == 100 * 20 * 8
    assert row_of(found, primitive="power").shape == (50, 20)
    # a, z, sin(z) and h by its view; each once, though a and z are read by several records
    assert found.total == 4 * 100 * 20 * 8


def test_arguments_and_constants_are_told_apart_and_not_added() -> None:
    found = report()
    assert row_of(found, name="0['w']").kind == "argument"
    assert row_of(found, name="1").kind == "argument"
    assert row_of(found, kind="constant").primitive == "multiply"
    assert found.arguments == W.nbytes + X.nbytes + CONSTANT.nbytes


def test_rows_are_sorted_by_size_and_lines_summed() -> None:
    found = report()
    sizes = [row.nbytes for row in found.rows]
    assert sizes == sorted(sizes, reverse=True)
    by_line = found.by_line()
    assert sum(by_line.values()) == found.total
    assert by_line[f"{__file__}:{line_of(layer, 'a = np.tanh')}"] == 100 * 20 * 8
    assert list(by_line.values()) == sorted(by_line.values(), reverse=True)


def test_the_text_is_a_table_with_totals() -> None:
    text = str(report())
    head, columns, *lines = text.splitlines()
    assert head == (
        "loss: the reverse sweep keeps 64 kB in 4 arrays, and reads 64 kB of arguments and "
        "constants (11 records)."
    )
    assert columns.split() == ["memory", "array", "name", "for", "line"]
    assert len(lines) == 7
    assert any(
        line.split()[:2] == ["16", "kB"] and "tanh" in line and ", in layer" in line
        for line in lines
    )


def test_a_long_text_is_shortened() -> None:
    def long(x: Any) -> Any:
        for _ in range(50):
            x = np.sin(x) * 1.5
        return np.sum(x)

    lines = str(memory_report(long, X)).splitlines()
    assert len(lines) == 33
    assert lines[-1] == "  and 20 more of 800 kB together"


def test_the_total_is_what_a_pullback_holds() -> None:
    def long(x: Any) -> Any:
        for _ in range(20):
            x = np.tanh(np.sin(x) * x)
        return np.sum(x)

    x = RNG.normal(size=20_000)
    fg.vjp(long, x)
    gc.collect()
    tracemalloc.start()
    try:
        pullback = fg.vjp(long, x)[1]
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert pullback is not None
    total = memory_report(long, x).total
    assert total <= held <= total + 50_000  # records


def test_a_checkpoint_keeps_its_operands_only() -> None:
    found = memory_report(checkpoint(loss), {"w": W}, X)
    assert found.total == 0
    assert {row.primitive for row in found.rows} == {"checkpoint"}
    named = memory_report(lambda p, x: np.sum(checkpoint(layer)(p, np.sin(x))), {"w": W}, X)
    assert named.total == X.nbytes


def test_a_name_for_checkpoints_is_shown() -> None:
    def f(x: Any) -> Any:
        h = checkpoint_name(np.exp(x), "grown")
        return np.sum(np.sin(h))

    assert "grown" in [row.name for row in memory_report(f, X).rows]


def test_all_dtypes_keywords_and_other_arguments_are_taken() -> None:
    def f(x: Any, n: int, *, z: Any, kind: str) -> Any:
        assert kind == "abs"
        return np.sum(np.abs(np.exp(z)) * n) + np.sum(x**3)

    found = memory_report(f, X.astype(np.float32), 3, z=X * 1j, kind="abs")
    assert {str(row.dtype) for row in found.rows} >= {"float32", "complex128"}
    assert row_of(found, name="0").kind == "argument"


def test_a_report_keeps_no_array_alive() -> None:
    memory_report(loss, {"w": W}, X)
    gc.collect()
    tracemalloc.start()
    try:
        found = memory_report(loss, {"w": W}, X)
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert found.total == 64_000
    assert held < 16_000


def test_errors_of_the_function_and_of_its_use_arrive() -> None:
    with pytest.raises(ZeroDivisionError):
        memory_report(lambda x: x / (1 // 0), X)
    with pytest.raises(CallableError, match="memory_report: the first argument is ndarray"):
        memory_report(X, X)  # type: ignore[arg-type]  # the mistake


def test_print_saved_residuals_prints_a_line_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    print_saved_residuals(loss, {"w": W}, x=X)
    lines = capsys.readouterr().out.splitlines()
    assert "float64[100, 50] from the argument ['x']" in lines
    assert "float64[50, 20] from the argument 0['w']" in lines
    place = f"test_memory_report.py:{line_of(layer, 'a = np.tanh')}, in layer"
    assert f"float64[100, 20] a for tanh at {place}" in lines
    assert len(lines) == 7
