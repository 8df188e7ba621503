"""Staged loops in compiled functions: Python's `for`, with the results of the Python loop."""

import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import funcgrad as fg
from funcgrad.compile.narrowing import narrowed
from tests.jitting.alike import exact_jit
from tests.transforms.control_programs import PROGRAMS, Ours, run
from tests.transforms.equations.loop_cases import (
    CASES,
    HS,
    XS,
    H,
    W,
    assert_same,
    computed,
    counted,
    gated,
    kept,
    loops,
    nested,
    passed_on,
    recurrent,
    unrolled,
)

ALL = (0, 1, 2)
WAYS: dict[str, Callable[[Any], Any]] = {
    "value": lambda f: f,
    "gradient": lambda f: fg.grad(f, argnums=ALL),
    "tangent": lambda f: lambda *args: fg.jvp(f, args, args),
    "examples": lambda f: lambda w, xs, h: fg.vmap(f, in_axes=(None, None, 0))(w, xs, HS * h),
    "gradients": lambda f: (
        lambda w, xs, h: fg.vmap(fg.grad(f), in_axes=(None, None, 0))(w, xs, HS * h)
    ),
    "hessian": lambda f: lambda w, xs, h: fg.hessian(lambda h: f(w, xs, h))(h),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", CASES)
def test_compiled_loops_compute_what_their_programs_do(case: Any, way: str) -> None:
    fun = WAYS[way](case)
    jitted = exact_jit(fun)
    first = jitted(W, XS, H)
    again = jitted(W, XS, H)
    assert "for " in jitted.source(W, XS, H)
    expected = computed(unrolled(fun, W, XS, H), W, XS, H)
    assert_same(first, expected)
    assert_same(again, expected)


@pytest.mark.parametrize("case", CASES)
def test_a_gradient_of_a_compiled_loop_is_that_of_the_loop(case: Any) -> None:
    gradient = fg.grad(exact_jit(case), argnums=ALL)
    for _ in range(2):
        for a, b in zip(gradient(W, XS, H), fg.grad(case, argnums=ALL)(W, XS, H), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("case", [recurrent, gated, nested, counted])
def test_a_batch_of_a_compiled_loop_is_that_of_the_loop(case: Any) -> None:
    batch = fg.vmap(exact_jit(case), in_axes=(None, None, 0))
    for _ in range(2):
        np.testing.assert_allclose(
            batch(W, XS, HS), [case(W, XS, h) for h in HS], rtol=1e-12, atol=1e-13
        )


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PROGRAMS, st.integers(0, 1000))
def test_random_programs_with_loops_are_compiled(program: Any, seed: int) -> None:
    xs = np.random.default_rng(seed).uniform(-1.0, 1.0, (3, 3))
    f = lambda x: np.sum(np.sin(run(program, x, Ours)))
    for fun, args in ((f, xs), (fg.grad(f), xs), (fg.vmap(fg.grad(f)), [xs, xs / 2])):
        jitted = exact_jit(fun, max_traces=64)
        for x in args:
            np.testing.assert_allclose(jitted(x), fun(x), rtol=1e-9, atol=1e-12)


def test_the_source_is_a_loop_with_stacks_made_beforehand() -> None:
    def f(xs: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            h = np.sin(h) + x
            return h, h

        return fg.scan(step, np.zeros(3), xs)[1]

    jitted = exact_jit(f)
    jitted(XS)
    lines = [line.split("#")[0].strip() for line in jitted.source(XS).splitlines()]
    assert "for k in range(5):" in lines
    assert "x = xs[k]" in lines
    assert sum("np.empty((5, 3), np.float64)" in line for line in lines) == 1
    assert not any("stack" in line for line in lines)


def test_backwards_and_counted_loops_are_written_as_such() -> None:
    jitted = exact_jit(
        lambda xs: fg.scan(lambda c, x: (c + x, None), np.zeros(30), xs, reverse=True)
    )
    xs = np.tile(XS, 10)  # smaller arrays would become Python numbers
    jitted(xs)
    assert "in reversed(range(5)):" in jitted.source(xs)
    counting = exact_jit(lambda x: fg.fori_loop(3, 7, lambda i, y: y * 2.0 + i, x))
    counting(H)
    assert "for i in range(3, 7):" in counting.source(H)


def test_sums_of_cotangents_are_added_up_in_place() -> None:
    jitted = exact_jit(fg.grad(recurrent))
    jitted(W, XS, H)
    assert " += " in jitted.source(W, XS, H)


def test_what_is_the_same_in_all_steps_is_written_before_the_loop() -> None:
    jitted = exact_jit(lambda w, xs: fg.map(lambda x: x * np.exp(w), xs))
    jitted(H, XS)
    source = jitted.source(H, XS)
    assert source.index("np.exp") < source.index("    for ")


def test_what_nothing_needs_is_not_computed() -> None:
    def f(xs: Any) -> Any:
        c, _ = fg.scan(lambda c, x: ((c[0] * x, np.cos(c[1])), np.arctan(x)), (H, H), xs)
        return c[0]

    jitted = exact_jit(f)
    expected = f(XS)
    for _ in range(2):
        np.testing.assert_array_equal(jitted(XS), expected)
    source = "".join(line.split("#")[0] for line in jitted.source(XS).splitlines())
    assert "arctan" not in source
    assert "cos" not in source


@pytest.mark.parametrize("used", [(0,), (1,), (2,), (0, 3), (3, 4)])
def test_a_narrowed_loop_computes_the_results_that_are_left(used: tuple[int, ...]) -> None:
    f = lambda a, b, xs: fg.scan(
        lambda c, x: ((c[0] + x, c[1] * c[0], c[2] * 2.0), (c[2], x * a)), (a, b, b), xs
    )
    program = kept(f, H, 2 * H, XS)
    (equation,) = program.equations
    numbers = {equation.results[i].number for i in used}
    narrow = narrowed(equation, numbers)
    fun = dict(narrow.params)["fun"]
    values = dict(zip((v.number for v in program.inputs), (H, 2 * H, XS), strict=True))
    given = [
        values.get(getattr(o, "number", None), getattr(o, "value", None)) for o in narrow.operands
    ]
    whole = dict(zip(equation.results, computed(program, H, 2 * H, XS), strict=True))
    assert numbers <= {v.number for v in narrow.results}
    assert len(narrow.results) < len(equation.results)
    for v, x in zip(narrow.results, fun.run(given), strict=True):
        np.testing.assert_array_equal(x, whole[v])


def test_results_of_compiled_loops_are_nobody_elses_arrays() -> None:
    f = lambda h, xs: fg.scan(lambda c, x: ((c[1], c[0]), x), (h, h * 1.0), xs)
    jitted = exact_jit(f)
    for _ in range(3):
        (a, b), ys = jitted(H, XS)
        assert_same(((a, b), ys), f(H, XS))
        for out in (a, b, ys):
            out[:] = np.nan


def test_carries_that_end_as_views_can_be_computed_with_in_place() -> None:
    step = lambda c, x: (np.broadcast_to(np.sum(c * x), (3,)), None)
    f = lambda h: fg.scan(step, h, XS)[0] * 2.0 + 1.0
    jitted = exact_jit(f)
    for _ in range(2):
        np.testing.assert_array_equal(jitted(H), f(H))


def test_running_sums_do_not_change_what_they_begin_with() -> None:
    f = lambda h, xs: fg.scan(lambda c, x: (c + x, None), h, xs)[0]
    jitted = exact_jit(f)
    before = H.copy()
    for _ in range(3):
        np.testing.assert_array_equal(jitted(H, XS), f(H, XS))
    np.testing.assert_array_equal(H, before)


def test_arrays_of_the_closure_are_read_where_they_are() -> None:
    table = XS.copy()
    jitted = exact_jit(lambda h: fg.scan(lambda c, x: (np.sin(c) * table[0] + x, None), h, XS)[0])
    one, other = jitted(H), jitted(H)
    np.testing.assert_array_equal(one, other)
    table[0] = 2.0
    expected = fg.scan(lambda c, x: (np.sin(c) * 2.0 * np.ones(3) + x, None), H, XS)[0]
    np.testing.assert_array_equal(jitted(H), expected)


def test_branches_on_values_in_the_body_are_right_on_every_call() -> None:
    def f(h: Any, xs: Any) -> Any:
        step = lambda c, x: (c * 2.0 if np.sum(x) > 0 else c - x, None)
        return fg.scan(step, h, xs)[0]

    jitted = exact_jit(f, max_traces=64)
    for seed in range(6):
        xs = np.random.default_rng(seed).normal(size=(3, 3))
        np.testing.assert_array_equal(jitted(H, xs), f(H, xs))


def test_choices_and_checkpoints_in_the_body_are_compiled() -> None:
    part = fg.checkpoint(lambda c, x: np.sin(c * x) * np.exp(-c * c))

    def f(h: Any, xs: Any) -> Any:
        def step(c: Any, x: Any) -> Any:
            c = fg.cond(np.sum(c) > 0, lambda c: part(c, x), lambda c: c + x, c)
            return c, None

        return np.sum(fg.scan(step, h, xs)[0])

    for fun in (f, fg.grad(f)):
        jitted = exact_jit(fun)
        for h in HS:
            np.testing.assert_allclose(jitted(h, XS), fun(h, XS), rtol=1e-12)


def test_rules_of_the_user_are_not_called_by_compiled_loops() -> None:
    calls = []

    @fg.custom_vjp
    def square(x: Any) -> Any:
        calls.append(x)
        return x * x

    square.defvjp(lambda x: (x * x, x), lambda x, ct: (3.0 * x * ct,))
    f = lambda h: np.sum(fg.scan(lambda c, x: (np.sin(square(c)) + x, None), h, XS)[0])
    for fun in (f, fg.grad(f)):
        jitted = exact_jit(fun)
        expected = jitted(H)
        count = len(calls)
        np.testing.assert_array_equal(jitted(H), expected)
        assert len(calls) == count


def test_settings_for_floating_point_errors_hold_in_the_loop() -> None:
    def f(xs: Any) -> Any:
        def step(c: Any, x: Any) -> Any:
            with np.errstate(divide="ignore"):
                return c + 1.0 / x, None

        return fg.scan(step, np.zeros(2), xs)[0]

    xs = np.array([[0.0, 1.0], [2.0, 0.0]])
    jitted = exact_jit(f)
    for _ in range(2):  # a warning is an error here
        np.testing.assert_array_equal(jitted(xs), [np.inf, np.inf])


def test_threads_share_a_compiled_loop() -> None:
    jitted = exact_jit(fg.grad(recurrent, argnums=ALL))
    expected = [jitted(W, XS * k, H) for k in range(4)]
    found: list[Any] = [None] * 4

    def work(k: int) -> None:
        for _ in range(20):
            found[k] = jitted(W, XS * k, H)

    threads = [Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert_same(found, expected)


def test_the_memory_of_a_long_loop_is_that_of_its_stacks() -> None:
    xs = np.ones((1000, 1000))
    f = exact_jit(lambda h, xs: np.sum(fg.scan(lambda c, x: (c * 0.5 + x, None), h, xs)[0]))
    gradient = exact_jit(
        fg.grad(lambda h, xs: np.sum(fg.scan(lambda c, x: (np.sin(c) + x, None), h, xs)[0]))
    )
    h = np.ones(1000)
    peaks = []
    for fun in (f, gradient):
        fun(h, xs)
        tracemalloc.start()
        fun(h, xs)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[0] < 200e3  # no stack
    assert peaks[1] < 18e6  # the carries, as returned and as taken: 8 MB each


@pytest.mark.parametrize("case", [recurrent, passed_on, nested])
def test_a_written_module_with_loops_runs_without_funcgrad(case: Any, tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text(fg.to_source(fg.grad(case, argnums=ALL), W, XS, H), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-I", str(file)], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr


def test_the_number_of_loops_is_seen_in_the_program() -> None:
    jitted = exact_jit(fg.grad(gated))
    jitted(W, XS, H)
    assert len(loops(jitted.program(W, XS, H))) == 2
