"""Derivatives of staged loops are loops, and are those of the Python loop to the last bit."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import funcgrad as fg
from tests.transforms.control_programs import PROGRAMS, Ours, Python, run
from tests.transforms.equations.loop_cases import (
    CASES,
    HS,
    XS,
    H,
    W,
    assert_same,
    backwards,
    computed,
    counted,
    counting,
    gated,
    kept,
    loops,
    mapped,
    nested,
    passed_on,
    recurrent,
    unrolled,
)

ALL = (0, 1, 2)


def check(fun: Callable[..., Any], *args: Any, count: int | None = None) -> None:
    """The program with loops computes what the program without them does."""
    program = kept(fun, *args)
    assert loops(program)
    if count is not None:
        assert len(loops(program)) == count
    assert_same(computed(program, *args), computed(unrolled(fun, *args), *args))


@pytest.mark.parametrize("case", CASES)
def test_the_gradient_is_one_loop_forwards_and_one_backwards(case: Any) -> None:
    check(fg.grad(case, argnums=ALL), W, XS, H, count=2)


@pytest.mark.parametrize("case", CASES)
def test_forward_mode_is_one_loop(case: Any) -> None:
    check(lambda *args: fg.jvp(case, args, (2 * W, 3 * XS, H * H)), W, XS, H, count=1)


@pytest.mark.parametrize("case", CASES)
def test_a_batch_is_one_loop(case: Any) -> None:
    check(fg.vmap(case, in_axes=(None, None, 0)), W, XS, HS, count=1)


@pytest.mark.parametrize("case", CASES)
def test_a_batch_of_slices_is_one_loop(case: Any) -> None:
    check(fg.vmap(case, in_axes=(None, 0, None)), W, np.stack([XS, -XS]), H, count=1)


@pytest.mark.parametrize("case", CASES)
def test_gradients_of_all_examples_are_two_loops(case: Any) -> None:
    check(fg.vmap(fg.grad(case, argnums=ALL), in_axes=(None, None, 0)), W, XS, HS, count=2)


# Left out are a loop in a loop, whose inner carry begins alike for all examples (sums over them
# come later), and one whose constant is a result (its cotangents are added step by step).
@pytest.mark.parametrize("case", [recurrent, gated, backwards, mapped, counting, counted])
def test_the_gradient_of_a_batch_is_two_loops(case: Any) -> None:
    batch = fg.vmap(case, in_axes=(None, None, 0))
    check(fg.grad(lambda *args: np.sum(np.sin(batch(*args))), argnums=ALL), W, XS, HS, count=2)


@pytest.mark.parametrize("case", CASES)
def test_the_hessian_is_two_loops(case: Any) -> None:
    check(fg.hessian(lambda h: case(W, XS, h)), H)


@pytest.mark.parametrize("case", [recurrent, backwards, mapped, counting, passed_on])
def test_the_gradient_of_a_gradient_is_a_loop_for_each_sweep(case: Any) -> None:
    square = lambda *args: np.sum(fg.grad(case)(*args) ** 2)
    program = kept(fg.grad(square, argnums=(0, 1)), W, XS, H)
    assert len(loops(program)) <= 4
    expected = computed(unrolled(fg.grad(square, argnums=(0, 1)), W, XS, H), W, XS, H)
    assert_same(computed(program, W, XS, H), expected)


@pytest.mark.parametrize("case", [gated, nested, counted])
def test_second_derivatives_of_other_loops_are_right_up_to_rounding(case: Any) -> None:
    """A first carry that is read elsewhere too has its cotangents added in another order."""
    square = lambda *args: np.sum(fg.grad(case)(*args) ** 2)
    program = kept(fg.grad(square, argnums=ALL), W, XS, H)
    expected = computed(unrolled(fg.grad(square, argnums=ALL), W, XS, H), W, XS, H)
    for a, b in zip(computed(program, W, XS, H), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)


def test_third_derivatives_are_right() -> None:
    f = lambda x: fg.scan(lambda c, a: (np.sin(c * a) * x, None), x * x, XS[:, 0])[0]
    third = fg.grad(fg.grad(fg.grad(f)))
    np.testing.assert_allclose(kept(third, 0.7)(0.7), third(0.7), rtol=1e-10)


def test_jacobians_of_both_modes_agree() -> None:
    f = lambda h: fg.scan(lambda c, x: (np.tanh(c @ W + x), c), h, XS)[1]
    forward, reverse = (kept(jac(f), H)(H) for jac in (fg.jacfwd, fg.jacrev))
    np.testing.assert_allclose(forward, reverse, rtol=1e-12, atol=1e-14)


def test_two_batches_around_a_loop() -> None:
    inner = fg.vmap(gated, in_axes=(None, None, 0))
    both = fg.vmap(inner, in_axes=(0, None, None))
    check(both, np.stack([W, 2 * W]), XS, HS, count=1)


def test_a_batch_inside_and_outside_of_a_gradient() -> None:
    inner = fg.vmap(gated, in_axes=(None, 0, None))
    outer = fg.vmap(fg.grad(lambda *args: np.sum(inner(*args))), in_axes=(None, None, 0))
    args = W, np.stack([XS, XS + 1]), HS
    program = kept(outer, *args)
    assert len(loops(program)) == 2
    # The first carry is the same for all inner examples: sums over them come later.
    np.testing.assert_allclose(computed(program, *args)[0], outer(*args), rtol=1e-11, atol=1e-13)


def test_batches_of_results_lie_in_memory_as_those_of_the_python_loop() -> None:
    f = fg.vmap(lambda h: fg.scan(lambda c, x: (c * x, c), h, XS)[1])
    found = computed(kept(f, HS), HS)[0]
    expected = computed(unrolled(f, HS), HS)[0]
    assert found.strides == expected.strides


def test_a_carry_that_is_the_same_for_all_examples_at_first_may_differ_later() -> None:
    f = lambda x: fg.scan(lambda c, a: (np.sin(c) * a + x, c), np.zeros(3), XS)
    check(fg.vmap(f), HS, count=1)
    check(fg.vmap(fg.grad(lambda x: np.sum(f(x)[0]))), HS, count=2)


def test_linearize_and_vjp_inside_of_a_staging() -> None:
    f = lambda h: fg.scan(lambda c, x: (np.sin(c) * x, c), h, XS)[0]
    tangent = lambda h: fg.linearize(f, h)[1](2 * h)
    np.testing.assert_allclose(kept(tangent, H)(H), fg.jvp(f, (H,), (2 * H,))[1], rtol=1e-13)
    check(lambda h: fg.vjp(f, h)[1](h * h)[0], H, count=2)


def test_a_loop_in_a_checkpoint_and_a_checkpoint_in_a_loop() -> None:
    part = fg.checkpoint(lambda c, x: np.sin(c * x) * np.exp(-c * c))
    inside = lambda h: np.sum(fg.scan(lambda c, x: (part(c, x), c), h, XS)[0])
    around = fg.checkpoint(lambda h: np.sum(fg.scan(lambda c, x: (np.sin(c * x) * h, c), h, XS)[1]))
    for f in (inside, lambda h: around(2 * h)):
        # The first carry is read elsewhere too: sums come in another order.
        np.testing.assert_allclose(kept(fg.grad(f), H)(H), fg.grad(f)(H), rtol=1e-13)


def test_rules_of_the_user_hold_in_the_body() -> None:
    @fg.custom_vjp
    def square(x: Any) -> Any:
        return x * x

    square.defvjp(lambda x: (x * x, x), lambda x, ct: (3.0 * x * ct,))
    f = lambda h: np.sum(fg.scan(lambda c, x: (np.sin(square(c)) + x, c), h, XS)[0])
    check(fg.grad(f), H, count=2)
    check(fg.vmap(fg.grad(f)), HS, count=2)
    check(fg.hessian(f), H)


def test_an_integer_result_has_no_derivative_and_does_not_disturb() -> None:
    def f(h: Any) -> Any:
        c, largest = fg.scan(lambda c, x: (np.sin(c) + x, np.argmax(c)), h, XS)
        return np.sum(c) * np.sum(largest)

    check(fg.grad(f), H, count=2)


def test_an_active_value_that_does_not_reach_the_result_has_derivative_zero() -> None:
    f = lambda h, w: np.sum(fg.scan(lambda c, x: (c * x, np.sum(c @ w)), h, XS)[0])
    found = kept(fg.grad(f, argnums=(0, 1)), H, W)(H, W)
    np.testing.assert_array_equal(found[1], np.zeros((3, 3)))


def test_a_carry_that_forgets_its_past_passes_no_cotangent_on() -> None:
    f = lambda h, w: np.sum(fg.scan(lambda c, x: (np.sin(x @ w), c * c), h, XS)[1])
    check(fg.grad(f, argnums=(0, 1)), H, W, count=2)


def test_infinite_derivatives_stay_where_they_are() -> None:
    f = lambda h: np.sum(fg.scan(lambda c, x: (np.sqrt(c), np.sum(x * c)), h, XS)[1])
    zero = np.array([0.0, 1.0, 4.0])
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = computed(unrolled(fg.grad(f), zero), zero)
        assert_same(computed(kept(fg.grad(f), zero), zero), expected)


def test_the_sum_of_cotangents_of_an_integer_table_is_linear_in_time() -> None:
    xs = np.arange(4)
    f = lambda t: np.sum(fg.scan(lambda c, i: (c * t[i] + t[0], t[i]), 1.0, xs)[1])
    check(fg.grad(f), H.repeat(2), count=2)


def test_complex_loops_have_the_derivatives_of_the_python_loop() -> None:
    def f(z: Any) -> Any:
        c, ys = fg.scan(lambda c, x: (c * z * (0.3 + 1j) + x, np.abs(c)), z * 1, XS)
        return np.sum(np.real(c * c)) + np.sum(ys)

    check(fg.grad(f), H * (1 + 2j), count=2)
    check(fg.vmap(fg.grad(f)), HS * (1 - 1j), count=2)


def test_floats_of_single_precision_stay_single() -> None:
    args = [x.astype(np.float32) for x in (W, XS, H)]
    program = kept(fg.grad(recurrent, argnums=ALL), *args)
    assert {o.dtype for o in program.outputs} == {np.dtype(np.float32)}
    check(fg.grad(recurrent, argnums=ALL), *args)


def test_python_numbers_are_differentiated_as_in_the_python_loop() -> None:
    f = lambda x: np.sum(fg.scan(lambda c, _: (c * x, c * x), 1.0, length=5)[1])
    for transform in (fg.grad, fg.hessian, fg.jacfwd):
        check(transform(f), 0.5)
    single = np.float32(0.5) * np.ones(2, np.float32)
    g = lambda x: np.sum(fg.scan(lambda c, _: (c * x, None), single, length=3)[0])
    check(fg.grad(g), 0.5)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(PROGRAMS, st.integers(0, 1000))
def test_random_programs_with_loops_are_those_of_plain_python(program: Any, seed: int) -> None:
    x, x_dot = np.random.default_rng(seed).uniform(-1.0, 1.0, (2, 3))
    ours, plain = (
        lambda x, lib=lib: np.sum(np.sin(run(program, x, lib))) for lib in (Ours, Python)
    )
    for way in (
        lambda f: f,
        fg.grad,
        fg.hessian,
        lambda f: lambda x: fg.jvp(f, (x,), (x_dot,))[1],
    ):
        found = fg.tree.leaves(kept(way(ours), x)(x))
        # Rounding only: sums of cotangents come in another order.
        for a, b in zip(found, fg.tree.leaves(way(plain)(x)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10)
