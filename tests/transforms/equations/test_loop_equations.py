"""Loops that are staged: one equation, with the values of the Python loop, or the Python loop."""

import gc
import threading
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.core.modes import MODES
from funcgrad.errors import CarryError, ControlFlowError, TracerAssignmentError
from funcgrad.transforms.equations.loops import Loop
from tests.transforms.equations.loop_cases import (
    CASES,
    HS,
    XS,
    H,
    W,
    assert_same,
    computed,
    kept,
    loops,
    unrolled,
)


@pytest.mark.parametrize("case", CASES)
def test_a_loop_is_one_equation_with_the_value_of_the_python_loop(case: Any) -> None:
    program = kept(case, W, XS, H)
    assert len(loops(program)) == 1
    assert_same(computed(program, W, XS, H), case(W, XS, H))


@pytest.mark.parametrize("case", CASES)
def test_the_number_of_equations_does_not_grow_with_the_number_of_steps(case: Any) -> None:
    longer = np.concatenate([XS, XS])
    few, many = (len(kept(case, W, xs, H).equations) for xs in (XS, longer))
    assert few == many


def test_outside_of_a_staging_that_keeps_loops_they_run_in_python() -> None:
    program = unrolled(lambda x: fg.scan(lambda c, x: (c + x, None), 0.0, x)[0], XS[:, 0])
    assert not loops(program)
    assert len(program.equations) > len(XS)


def test_a_loop_over_values_that_are_not_staged_runs_in_python() -> None:
    seen = []
    kept(lambda x: x * fg.scan(lambda c, x: (c + x, seen.append(x)), 0.0, np.ones(3))[0], 2.0)
    assert len(seen) == 3


def test_other_threads_do_not_see_that_loops_are_kept() -> None:
    found = []

    def other() -> None:
        found.append(MODES.staging)

    def f(x: Any) -> Any:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        return x

    kept(f, 1.0)
    assert found == [0]


def test_the_body_is_called_once() -> None:
    calls = []

    def step(c: Any, x: Any) -> Any:
        calls.append(c)
        return c * x, None

    kept(lambda xs: fg.scan(step, np.ones(3), xs)[0], XS)
    assert len(calls) == 1


def test_captured_values_of_all_transforms_are_operands() -> None:
    def f(w: Any, h: Any) -> Any:
        helper = lambda c: c @ w  # one closure further
        return fg.scan(lambda c, x: (np.tanh(helper(c)) + x, None), h, XS)[0]

    program = kept(lambda w, h: fg.jacfwd(lambda w: f(w * 2.0, h))(w), W, H)
    assert len(loops(program)) == 1
    assert_same(
        computed(program, W, H), computed(unrolled(fg.jacfwd(lambda w: f(w * 2.0, H)), W), W)
    )


def test_two_stagings_of_the_same_loop_are_equal() -> None:
    one, other = (kept(gated, W, XS, H) for gated in (CASES[1], CASES[1]))
    assert one == other
    assert hash(one) == hash(other)
    assert one != kept(CASES[2], W, XS, H)


def test_a_program_names_the_loop_and_its_length() -> None:
    text = str(kept(lambda xs: fg.scan(lambda c, x: (c + x, None), np.zeros(3), xs)[0], XS))
    assert "scan(" in text
    assert "5 times" in text


def test_results_are_nobody_elses_arrays() -> None:
    program = kept(lambda h: fg.scan(lambda c, _: (c, c), h, length=3), H)
    last, ys = program(H)
    last[:] = 0.0
    ys[:] = 0.0
    assert np.all(H != 0.0)


def test_python_numbers_as_carries_have_the_dtypes_of_the_python_loop() -> None:
    step = lambda c, x: ((c[0] + x, c[1] + 1, ~c[2]), c)
    f = lambda x: fg.scan(step, (0.0, 0, False), x)
    program = kept(f, XS[:, 0])
    assert len(loops(program)) == 1
    assert_same(computed(program, XS[:, 0]), f(XS[:, 0]))


@pytest.mark.parametrize("dtype", [np.float32, np.complex128, np.int32])
def test_dtypes_are_kept(dtype: Any) -> None:
    step = lambda c, x: (c * x + c, c * 2)
    f = lambda h, xs: fg.scan(step, h, xs)
    h, xs = (3 * H).astype(dtype), (3 * XS).astype(dtype)
    program = kept(f, h, xs)
    assert len(loops(program)) == 1
    assert_same(computed(program, h, xs), f(h, xs))


def test_a_length_without_slices_and_structures_without_leaves() -> None:
    f = lambda x: fg.scan(lambda c, _: (c * x, None), x, length=4)
    program = kept(f, H)
    assert len(loops(program)) == 1
    last, ys = program(H)
    np.testing.assert_array_equal(last, f(H)[0])
    assert ys is None


@pytest.mark.parametrize("length", [0, 1])
def test_no_step_and_one_step_are_no_loop(length: int) -> None:
    f = lambda h, xs: fg.scan(lambda c, x: (c * x, c), h, xs)
    program = kept(f, H, XS[:length])
    assert not loops(program)
    assert_same(program(H, XS[:length]), f(H, XS[:length]))


# --- what is no equation ----------------------------------------------------------------------


def branching(c: Any, x: Any) -> Any:
    return (c * 2.0 if np.sum(x) > 0 else c - x), None


def counting_by_value(c: Any, x: Any) -> Any:
    return c * x[: int(abs(x[0])) % 2 + 1][0], None


def writing(c: Any, x: Any) -> Any:
    return c * float(f"{np.sum(x)}"), None


@pytest.mark.parametrize("step", [branching, counting_by_value, writing])
def test_a_body_that_asks_for_values_is_unrolled(step: Any) -> None:
    f = lambda h, xs: fg.scan(step, h, xs)[0]
    program = kept(f, H, XS)
    assert not loops(program)
    assert_same(computed(program, H, XS), f(H, XS))


def test_a_body_without_guards_in_one_with_guards_stays_a_loop() -> None:
    inner = lambda c, v: (np.tanh(c + v), None)
    outer = lambda c, x: (fg.scan(inner, c, XS)[0] if np.sum(x) > 0 else c, None)
    program = kept(lambda h, xs: fg.scan(outer, h, xs)[0], H, np.abs(XS))
    assert len(loops(program)) == len(XS)


def test_a_mask_in_the_body_is_unrolled() -> None:
    step = lambda c, x: (c + np.sum(x[x > 0]), None)
    f = lambda xs: fg.scan(step, 0.0, xs)[0]
    program = kept(f, XS)
    assert not loops(program)
    assert program(XS) == f(XS)


def test_an_array_that_the_body_changes_is_seen_as_it_was_when_it_was_read() -> None:
    def step(c: Any, x: Any) -> Any:
        scratch = np.ones(3)
        first = c * scratch
        scratch[:] = 2.0
        return first + x * scratch, None

    f = lambda xs: fg.scan(step, np.zeros(3), xs)[0]
    assert_same(computed(kept(f, XS), XS), f(XS))


def test_the_number_of_a_counted_step_as_an_index_of_a_list_is_unrolled() -> None:
    table = [1.0, 2.0, 3.0]
    f = lambda x: fg.fori_loop(0, 3, lambda i, y: y * table[i] + x, x)
    program = kept(f, H)
    assert not loops(program)
    assert_same(program(H), f(H))


@pytest.mark.parametrize(
    "key", [lambda i: i, lambda i: f"{i}", lambda i: (i, "x"), lambda i: int(i)]
)
def test_the_number_of_a_counted_step_as_a_key_is_unrolled(key: Any) -> None:
    table = {key(i): float(i) for i in range(3)}
    f = lambda x: fg.fori_loop(0, 3, lambda i, y: y * 0.5 + table.get(key(i), 9.0) * x, x)
    assert_same(computed(kept(f, H), H), f(H))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "body",
    [
        lambda x: lambda i, y: y * i + x,
        lambda x: lambda i, y: y * (i + 1) + x,
        lambda x: lambda i, y: y + x**i,
        lambda x: lambda i, y: np.where(i > 1, y * x, y + i),
        lambda x: lambda i, y: y * x[i % 3],
        lambda x: lambda i, y: fg.numpy.at(y)[i].set(x[i - 1]),
    ],
)
def test_the_number_of_a_counted_step_is_as_good_as_a_python_integer(body: Any, dtype: Any) -> None:
    f = lambda x: fg.fori_loop(0, 3, body(x), x * 1)
    x = H.astype(dtype)
    assert_same(computed(kept(f, x), x), computed(unrolled(f, x), x))


def test_counting_begins_with_the_lower_bound() -> None:
    f = lambda x: fg.fori_loop(-2, 3, lambda i, y: 2.0 * y + i, x)
    program = kept(f, 1.0)
    assert [loop.first for loop in loops(program)] == [-2]
    assert program(1.0) == f(1.0)


def test_values_in_globals_and_attributes_are_captured() -> None:
    class Cell:
        w: Any = None

    cell = Cell()

    def f(w: Any, h: Any) -> Any:
        cell.w = w
        return fg.scan(lambda c, x: (np.tanh(c @ cell.w) + x, None), h, XS)[0]

    program = kept(f, W, H)
    assert len(loops(program)) == 1
    assert_same(computed(program, W, H), f(W, H))


def test_debugging_output_in_the_body_appears_in_each_step(capsys: Any) -> None:
    def step(c: Any, x: Any) -> Any:
        print(c)
        return c + x, None

    kept(lambda xs: fg.scan(step, np.zeros(3), xs)[0], XS)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(XS)


# --- errors -----------------------------------------------------------------------------------


def test_errors_are_those_of_the_python_loop() -> None:
    with pytest.raises(CarryError, match=r"step 0 returned dtype float64 and shape \(2,\)"):
        kept(lambda xs: fg.scan(lambda c, x: (c[:2], None), np.zeros(3), xs), XS)
    with pytest.raises(ControlFlowError, match="A step gives the next carry and a result"):
        kept(lambda xs: fg.scan(lambda c, x: c + x, np.zeros(3), xs), XS)
    with pytest.raises(ZeroDivisionError):
        kept(lambda xs: fg.scan(lambda c, x: (c + x / (1 // 0), None), np.zeros(3), xs), XS)
    with pytest.raises(ControlFlowError, match="the result of a step is a str"):
        kept(lambda xs: fg.scan(lambda c, x: (c + x, "text"), np.zeros(3), xs), XS)


def test_what_the_body_is_handed_cannot_be_changed_in_place() -> None:
    def step(c: Any, x: Any) -> Any:
        c += x
        return c, None

    with pytest.raises(TracerAssignmentError, match="what the body was handed"):
        kept(lambda h, xs: fg.scan(step, h, xs), H, XS)


def test_an_error_in_the_body_leaves_no_state() -> None:
    with pytest.raises(ZeroDivisionError):
        kept(lambda xs: fg.scan(lambda c, x: (1 // 0, None), np.zeros(3), xs), XS)
    assert MODES.staging == 0
    assert MODES.handed == ()
    assert len(loops(kept(CASES[0], W, XS, H))) == 1


# --- memory -----------------------------------------------------------------------------------


def test_constants_and_slices_are_not_stacked_for_the_backward_pass() -> None:
    step = lambda w: lambda c, x: (c * w + x * np.exp(w), None)
    f = lambda w, xs: np.sum(fg.scan(step(w), np.ones(3), xs)[0])
    program = kept(fg.grad(f, argnums=(0, 1)), H, XS)
    forward, _ = loops(program)
    assert len(forward.body.outputs) == 2  # the carry, and its stack


def test_results_that_are_residuals_are_stacked_once() -> None:
    def f(xs: Any) -> Any:
        h, hs = fg.scan(lambda h, x: ((h := np.tanh(h + x)), h), np.zeros(3), xs)
        return np.sum(h) + np.sum(hs)

    forward, _ = loops(kept(fg.grad(f), XS))
    assert len(forward.body.outputs) == 2


def test_what_is_the_same_in_all_steps_is_kept_once() -> None:
    f = lambda w, xs: np.sum(fg.map(lambda x: x * np.exp(np.sin(w)), xs))
    forward, backward = loops(kept(fg.grad(f), H, XS))
    assert len(forward.body.outputs) == 1
    assert backward.consts >= 2


def test_nothing_is_left_in_cycles() -> None:
    gc.collect()
    before = sum(isinstance(x, np.ndarray) for x in gc.get_objects())
    kept(fg.grad(CASES[0], argnums=(0, 1, 2)), W, XS, H)
    gc.collect()
    assert sum(isinstance(x, np.ndarray) for x in gc.get_objects()) <= before


@pytest.mark.parametrize("case", CASES)
def test_long_loops_are_compiled_while_they_are_recorded(
    case: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    longer = np.concatenate([XS, XS / 2, XS / 3])
    gradient = fg.grad(case, argnums=(0, 1, 2))
    found = [kept(f, W, longer, H) for f in (case, gradient)]
    values = [computed(program, W, longer, H) for program in found]
    monkeypatch.setattr("funcgrad.transforms.equations.loops.LONG", 10**6)
    for program, value in zip(found, values, strict=True):
        assert_same(value, computed(program, W, longer, H))


def test_a_loop_run_on_values_of_any_kind_is_the_loop() -> None:
    (loop,) = loops(kept(CASES[0], W, XS, H))
    assert isinstance(loop, Loop)
    batched = fg.vmap(lambda h: loop.run([W, h, XS]))(HS)
    np.testing.assert_allclose(batched[0][1], loop.run([W, HS[1], XS])[0], rtol=1e-12)
