"""Checkpoints between other transforms: below a vmap, around custom rules, inside of Jacobians."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.errors import BudgetError, DisconnectedError

X = np.array([[0.3, -0.7, 1.2], [0.9, 0.4, -0.2]])


@fg.custom_vjp
def sine_vjp(x: Any) -> Any:
    return np.sin(x)


sine_vjp.defvjp(lambda x: (np.sin(x), x), lambda x, ct: (ct * np.cos(x),))


@fg.custom_jvp
def sine_jvp(x: Any) -> Any:
    return np.sin(x)


sine_jvp.defjvp(lambda primals, dots: (np.sin(primals[0]), np.cos(primals[0]) * dots[0]))


@fg.custom_vmap
def sine_vmap(x: Any) -> Any:
    return np.sin(x)


@sine_vmap.def_vmap
def sine_rule(_size: int, _batched: Any, x: Any) -> Any:
    return np.sin(x), True


def sine_callback(x: Any) -> Any:
    return fg.pure_callback(
        np.sin,
        x,
        x,
        vmap_method="expand_dims",
        jvp=lambda primals, dots: (np.sin(primals[0]), np.cos(primals[0]) * dots[0]),
    )


RULES = [sine_vjp, sine_jvp, sine_vmap, sine_callback, fg.sequential_vmap(np.sin)]


@pytest.mark.parametrize("rule", RULES, ids=["vjp", "jvp", "vmap", "callback", "sequential"])
@pytest.mark.parametrize("budget", [None, "1MB"])
def test_a_function_with_a_rule_stands_in_a_checkpoint_below_a_vmap(rule: Any, budget: Any) -> None:
    f = fg.checkpoint(lambda x: np.sum(rule(x) * x), budget=budget)
    expected = np.cos(X) * X + np.sin(X)
    np.testing.assert_allclose(fg.grad(lambda x: np.sum(fg.vmap(f)(x)))(X), expected)
    np.testing.assert_allclose(fg.vmap(fg.grad(f))(X), expected)
    g = fg.checkpoint(lambda x: np.sum(fg.vmap(f)(x)))
    np.testing.assert_allclose(fg.grad(g)(X), expected)


@pytest.mark.parametrize("policy", ["everything_saveable", "save_anything_except_these_names"])
def test_a_batching_rule_stands_in_a_checkpoint_that_keeps_values(policy: str) -> None:
    chosen = getattr(fg.checkpoint_policies, policy)
    chosen = chosen if policy == "everything_saveable" else chosen("none")
    f = fg.checkpoint(lambda x: np.sum(sine_vmap(x * x)), policy=chosen)
    np.testing.assert_allclose(fg.vmap(fg.grad(f))(X), np.cos(X * X) * 2 * X)


def test_a_policy_can_keep_the_result_of_a_checkpoint_inside() -> None:
    keep = lambda primitive, *_avals, **_params: primitive.name == "checkpoint"  # a policy
    f = fg.checkpoint(lambda x: np.sum(fg.checkpoint(np.sin)(x) ** 2), policy=keep)
    np.testing.assert_allclose(fg.grad(f)(X), np.sin(2 * X))
    np.testing.assert_allclose(fg.hessian(f)(X[0]), np.diag(2 * np.cos(2 * X[0])), atol=1e-15)


@pytest.mark.parametrize("seed", range(40))
def test_any_choice_of_kept_values_gives_the_same_gradient(seed: int) -> None:
    weights = np.linspace(0.2, 1.0, 9).reshape(3, 3)

    def loop(y: Any) -> Any:  # steps with constants, and results that are operands
        def step(carry: Any, row: Any) -> Any:
            i, (h, k), z = carry
            new = (h + weights @ row * 0.1)[::-1] * 0.66
            now = k if i % 2 == 0 else 0.3 * k + new * 0.1
            return (i + 1, (new, now), z), (h, now * y[0])

        rows = np.stack([y * (j + 1) / 3 for j in range(4)])
        init = (0, (y, np.ones(3)), np.zeros(3))
        (_, (h, k), z), (hs, ks) = fg.scan(step, init, rows, checkpoint=0)
        return np.tanh(h) * k + np.sin(np.sum(hs, axis=0) + np.sum(ks, axis=0)) + z

    def f(v: Any, y: Any) -> Any:
        return np.sum(np.sin(loop(y * v) + v * y[1]))

    choose = np.random.default_rng(seed)
    limited = fg.checkpoint(f, policy=lambda *_avals, **_params: choose.random() < 0.5)
    np.testing.assert_allclose(
        fg.grad(limited, 1)(np.cos(X[0]), X[0]), fg.grad(f, 1)(np.cos(X[0]), X[0]), rtol=1e-12
    )


@pytest.mark.parametrize("jacobian", [fg.jacfwd, fg.jacrev, fg.hessian])
def test_python_branches_on_results_of_a_checkpoint_in_a_jacobian(
    jacobian: Callable[..., Any],
) -> None:
    def steps(f: Any) -> Any:
        def program(x: Any) -> Any:
            y = f(x)
            return np.sum(y * y) if y[0] > 0 else np.sum(y)

        return program

    found = jacobian(steps(fg.checkpoint(lambda x: np.sin(x) * x)))(X[0])
    np.testing.assert_allclose(found, jacobian(steps(lambda x: np.sin(x) * x))(X[0]))


def test_a_budget_cuts_before_a_branch_in_a_jacobian() -> None:
    def branching(x: Any) -> Any:
        for _ in range(6):
            x = np.sin(x) if np.sum(x) > 0 else np.cos(x)
        return np.sum(x * x)

    x = np.linspace(-1.0, 1.0, 40)
    expected = fg.hessian(branching)(x)
    for budget in (4_000, 6_000, 8_000, 10_000):
        found = fg.hessian(fg.checkpoint(branching, budget=budget))(x)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


def test_a_scan_that_repeats_steps_may_branch_in_a_jacobian() -> None:
    def loop(x: Any, checkpoint: Any) -> Any:
        step = lambda c, r: (np.sin(c) * r if np.sum(c) > 0 else c + r, None)
        return np.sum(fg.scan(step, x, np.ones(6), checkpoint=checkpoint)[0])

    expected = fg.hessian(loop)(X[0], None)
    np.testing.assert_allclose(fg.hessian(loop)(X[0], 1), expected, rtol=1e-12, atol=1e-14)


# --- memory -----------------------------------------------------------------------------------


def test_arrays_that_the_function_makes_by_itself_count_for_the_budget() -> None:
    rng = np.random.default_rng(0)

    def dropout(x: Any) -> Any:
        for _ in range(20):
            x = np.sin(x) * rng.random(10_000)
        return np.sum(x)

    with pytest.raises(BudgetError, match=r"1\.6 MB of it are arrays that it makes"):
        fg.grad(fg.checkpoint(dropout, budget="1MB"))(np.ones(10_000))


def test_arrays_that_the_steps_of_a_scan_make_count_for_the_budget() -> None:
    rng = np.random.default_rng(0)
    step = lambda c, x: (np.tanh(c + x) * rng.random(1000), None)  # a step

    def loop(xs: Any, checkpoint: str) -> Any:
        return np.sum(fg.scan(step, np.zeros(1000), xs, checkpoint=checkpoint)[0])

    with pytest.raises(BudgetError, match=r"400 kB of it are arrays that the steps make"):
        fg.grad(loop)(np.ones((50, 1000)), "300kB")


def test_constants_that_live_elsewhere_do_not_count_for_the_budget() -> None:
    masks = np.random.default_rng(0).random((20, 10_000))
    rows = [row.copy() for row in masks]

    def dropout(x: Any) -> Any:
        for row in rows:
            x = np.sin(x) * row
        return np.sum(x)

    x = np.ones(10_000)
    found = fg.grad(fg.checkpoint(dropout, budget="1MB"))(x)
    np.testing.assert_array_equal(found, fg.grad(dropout)(x))


def test_a_part_of_integers_only_has_no_derivative_to_be_swept() -> None:
    def f(x: Any) -> Any:
        total, order = np.sum(np.sin(x)), np.argsort(x)
        for _ in range(10):
            order = (order * 3) % 4000
        return total, order

    x = np.random.default_rng(0).normal(size=4000)
    for budget in (130_000, 140_000, 160_000):
        gradient = fg.grad(lambda x, budget=budget: fg.checkpoint(f, budget=budget)(x)[0])(x)
        np.testing.assert_array_equal(gradient, np.cos(x))


def test_the_least_budget_that_is_told_is_enough() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.sin(x)[np.argsort(x)])

    x = np.random.default_rng(0).normal(size=4000)
    with pytest.raises(BudgetError) as caught:
        fg.grad(fg.checkpoint(f, budget=1))(x)
    told = float(str(caught.value).split("at least ")[1].split(" kB")[0])
    fg.grad(fg.checkpoint(f, budget=int(told * 1000) + 1000))(x)


def test_a_report_counts_what_only_the_records_hold() -> None:
    kept = np.linspace(0.5, 2.0, 1000)
    report = fg.memory_report(lambda x: np.sum(x * np.linspace(0.5, 2.0, 1000) * kept), kept + 1)
    assert report.total == 8000  # the array that was made; `kept` is alive anyway
    assert fg.memory_report(np.sort, kept[::-1].copy()).total == 8000  # the order


# --- disconnected -----------------------------------------------------------------------------


@pytest.mark.parametrize("budget", [None, "1MB", 20_000])
def test_each_result_of_a_checkpoint_has_its_own_arguments(budget: Any) -> None:
    f = fg.checkpoint(lambda a, b: (np.sin(a), np.cos(b)), budget=budget)
    x = np.linspace(0.0, 1.0, 500)
    gradient = fg.grad(lambda a, b: np.sum(f(a, b)[0]), argnums=(0, 1), disconnected="error")
    with pytest.raises(DisconnectedError, match="1 does not influence"):
        gradient(x, x)
    both = fg.grad(lambda a, b: np.sum(f(a, b)[0] + f(a, b)[1]), (0, 1), disconnected="error")
    np.testing.assert_array_equal(both(x, x)[1], -np.sin(x))


def test_an_argument_that_only_chooses_is_disconnected_through_a_checkpoint() -> None:
    f = fg.checkpoint(lambda a, b: np.sum(np.where(b > 0, a, -a)))
    with pytest.raises(DisconnectedError, match=r"greater at .*test_checkpoint_levels\.py"):
        fg.grad(f, argnums=(0, 1), disconnected="error")(X[0], X[1])


def test_a_result_of_a_repeated_scan_that_is_not_used_connects_nothing() -> None:
    def last(c: Any, xs: Any, checkpoint: Any) -> Any:
        return fg.scan(lambda c, x: (np.sin(c), c * x), c, xs, checkpoint=checkpoint)[0]

    for checkpoint in (None, 1, 3, "1MB"):
        gradient = fg.grad(last, argnums=(0, 1), disconnected="error")
        with pytest.raises(DisconnectedError, match="1 does not influence"):
            gradient(0.5, np.ones(6), checkpoint)
        connected = fg.grad(last, disconnected="error")(0.5, np.ones(6), checkpoint)
        np.testing.assert_allclose(connected, fg.grad(last)(0.5, np.ones(6), None))


def test_a_cast_inside_of_a_checkpoint_is_named_with_its_line() -> None:
    f = fg.checkpoint(lambda x: np.sum(x + x.astype(int)))
    with pytest.raises(DisconnectedError, match=r"a cast to int64 at .*test_checkpoint_levels\.py"):
        fg.grad(f, disconnected="error")(X[0])


def test_a_cast_of_something_else_inside_of_a_checkpoint_is_no_complaint() -> None:
    plain = np.array([1.5, 2.5, 3.5])
    f = fg.checkpoint(lambda x, y: np.sum(x * y.astype(int)))
    gradient = fg.grad(lambda x: f(x, plain), disconnected="error")(X[0])
    np.testing.assert_array_equal(gradient, [1.0, 2.0, 3.0])
