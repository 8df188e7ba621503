"""custom_jvp: the rule is used in every transform, also transposed, and checked."""

import functools
import gc
import re
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.errors import CapturedTracerError, CustomRuleError
from tests.transforms.contexts import CONTEXTS, ROWS, X, plain, same


def make() -> Any:
    """`plain` with a rule that calls the function itself, as users write it."""

    @fg.custom_jvp
    def f(x: Any, y: Any) -> Any:
        return plain(x, y)

    @f.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        (x, y), (x_dot, y_dot) = primals, tangents
        out_dot = {"a": np.cos(x) * y * x_dot + np.sin(x) * y_dot, "b": 2 * x * x_dot}
        return f(x, y), out_dot

    return f


@pytest.mark.parametrize("name", CONTEXTS)
def test_a_right_rule_changes_no_result(name: str) -> None:
    same(CONTEXTS[name](make()), CONTEXTS[name](plain))


def tripled() -> Any:
    """The identity with three times its derivative, so that use of the rule shows."""
    f = fg.custom_jvp(lambda x: x * 1.0)
    f.defjvp(lambda primals, tangents: (primals[0] * 1.0, 3.0 * tangents[0]))
    return f


@pytest.mark.parametrize(
    ("derivative", "expected"),
    [
        (lambda f: fg.grad(lambda x: np.sum(f(x)))(X), np.full(3, 3.0)),
        (lambda f: fg.jvp(f, (X,), (X,))[1], 3 * X),
        (lambda f: fg.linearize(f, X)[1](X), 3 * X),
        (lambda f: fg.jacrev(f)(X), 3 * np.eye(3)),
        (lambda f: fg.vmap(fg.grad(f))(X), np.full(3, 3.0)),
        (lambda f: fg.grad(lambda x: np.sum(fg.vmap(f)(x)))(X), np.full(3, 3.0)),
        (lambda f: fg.grad(lambda x: np.sum(fg.make_program(f)(X)(x)))(X), np.full(3, 3.0)),
        (lambda f: fg.make_program(fg.grad(lambda x: np.sum(f(x))))(X)(X), np.full(3, 3.0)),
    ],
)
def test_the_rule_is_used_in_place_of_the_derivative(derivative: Any, expected: Any) -> None:
    np.testing.assert_allclose(derivative(tripled()), expected)


def test_defjvps_sums_the_rules_of_the_arguments() -> None:
    f = fg.custom_jvp(lambda x, y, n: x * y + n)
    f.defjvps(lambda t, _out, _x, y, _n: t * y, lambda t, out, x, _y, _n: t * x + 0 * out, None)
    same(fg.jvp(f, (2.0, 3.0, 1.0), (1.0, 10.0, 5.0)), (np.float64(7.0), np.float64(23.0)))
    assert fg.grad(f, (0, 1, 2))(2.0, 3.0, 1.0) == (3.0, 2.0, 0.0)
    np.testing.assert_allclose(fg.hessian(lambda x: f(x, x * x, 1.0))(2.0), 12.0)


def test_tangents_are_zeros_where_there_are_none_and_float0_for_integers() -> None:
    seen: list[Any] = []
    f = fg.custom_jvp(lambda x, y, n: x * n)

    @f.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        seen.append(tangents)
        return primals[0] * primals[2], tangents[0] * primals[2]

    assert fg.jvp(lambda x: f(x, X.astype(np.float32), 3), (2.0,), (1.0,))[1] == 3.0
    assert fg.grad(f)(2.0, X.astype(np.float32), 3) == 3.0
    for _, by_y, by_n in seen:
        np.testing.assert_array_equal(by_y, np.zeros(3, np.float32))
        assert by_y.dtype == np.float32
        assert by_n.dtype == fg.float0


def test_nondiff_arguments_come_first_by_value() -> None:
    @functools.partial(fg.custom_jvp, nondiff_argnums=(1,))
    def power(x: Any, n: int) -> Any:
        return x**n

    @power.defjvp
    def rule(n: int, primals: Any, tangents: Any) -> Any:
        (x,), (x_dot,) = primals, tangents
        return power(x, n), n * power(x, n - 1) * x_dot

    assert fg.grad(power)(2.0, 3) == 12.0
    assert fg.grad(fg.grad(power))(2.0, 3) == 12.0
    np.testing.assert_allclose(fg.vmap(fg.grad(lambda x: power(x, n=3)))(X), 3 * X**2)


def test_a_stable_rule_replaces_an_unstable_derivative() -> None:
    @fg.custom_jvp
    def log1pexp(x: Any) -> Any:
        return np.log1p(np.exp(x))

    @log1pexp.defjvp
    def rule(primals: Any, tangents: Any) -> Any:
        (x,), (x_dot,) = primals, tangents
        return log1pexp(x), (1 - 1 / (1 + np.exp(x))) * x_dot

    with np.errstate(over="ignore"):
        assert fg.grad(log1pexp)(800.0) == 1.0
        np.testing.assert_array_equal(fg.vmap(fg.grad(log1pexp))(np.array([0.0, 800.0])), [0.5, 1])


def test_the_rule_may_return_none_for_zero() -> None:
    f = fg.custom_jvp(lambda x: (x * 2, np.floor(x)))
    f.defjvp(lambda p, t: ((p[0] * 2, np.floor(p[0])), (2 * t[0], None)))
    doubled, floored = fg.jvp(f, (X,), (np.ones(3),))[1]
    np.testing.assert_array_equal(doubled, np.full(3, 2.0))
    np.testing.assert_array_equal(floored, np.zeros(3))
    np.testing.assert_array_equal(fg.grad(lambda x: np.sum(f(x)[1]))(X), np.zeros(3))


def test_no_warning_comes_of_zeros_that_reverse_mode_computes_with() -> None:
    f = fg.custom_jvp(lambda x: x * 2)
    f.defjvp(lambda p, t: (p[0] * 2, t[0] * np.inf))
    assert fg.grad(f)(1.0) == np.inf


def test_mapped_with_a_shared_argument_its_cotangent_is_summed() -> None:
    f = make()
    found = fg.grad(lambda y: np.sum(fg.vmap(f, (0, None))(ROWS, y)["a"]))(2.0)
    np.testing.assert_allclose(found, np.sum(np.sin(ROWS)))


@pytest.mark.parametrize("name", ["grad", "jvp", "vmap", "hessian", "grad of vmap", "program"])
def test_nothing_is_left_for_the_garbage_collector(name: str) -> None:
    f = make()
    CONTEXTS[name](f)
    gc.collect()
    gc.disable()
    try:
        CONTEXTS[name](f)
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_defining_a_function_leaves_no_cycle_of_its_own() -> None:
    gc.collect()
    gc.disable()
    try:
        large = np.ones(1000)
        f = fg.custom_jvp(lambda x: np.sum(x * large))
        f.defjvps(lambda t, _out, _x: np.sum(t * large))
        fg.grad(f)(large)
        del f
        assert gc.collect() == 0
    finally:
        gc.enable()


# --- what bad input gets ------------------------------------------------------------------------


def square(x: Any) -> Any:
    return {"y": x * x}


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (lambda p, t: square(p[0]), "its jvp returned a dict, but a pair (result, tangent of the"),
        (
            lambda p, t: (square(p[0]), t[0]),
            "returned an array as tangent of the result, where a dict with the keys 'y' is needed",
        ),
        (
            lambda p, t: (square(p[0]), {"y": t[0][:2]}),
            "returned shape (2,) as tangent of the result['y'], which has shape (3,)",
        ),
        (
            lambda p, t: (square(p[0]), {"y": t[0].astype(np.float32)}),
            "returned dtype float32 as tangent of the result['y'], which has dtype float64",
        ),
    ],
)
def test_a_wrong_tangent_is_refused_with_its_key_path(rule: Any, words: str) -> None:
    f = fg.custom_jvp(square)
    f.defjvp(rule)
    with pytest.raises(CustomRuleError, match=re.escape(words)):
        fg.jvp(f, (X,), (X,))
    with pytest.raises(CustomRuleError, match=re.escape(words)):
        fg.grad(lambda x: np.sum(f(x)["y"]))(X)


@pytest.mark.parametrize(
    ("dot", "reason"),
    [
        (lambda t: t * t, "not linear because of multiply"),
        (lambda t: t + 1, "not linear because of add"),
        (lambda t: np.abs(t), "not linear because of absolute"),
        (lambda t: t * float(t[0]), "asks for float()"),
        (lambda t: X, "does not depend on the arguments and is not zero"),
    ],
)
def test_reverse_mode_of_a_jvp_that_is_not_linear_says_so(dot: Any, reason: str) -> None:
    f = fg.custom_jvp(square)
    f.defjvp(lambda p, t: (square(p[0]), {"y": dot(t[0])}))
    with pytest.raises(CustomRuleError, match=re.escape(reason)) as caught:
        fg.grad(lambda x: np.sum(f(x)["y"]))(X)
    assert str(caught.value).startswith("square: reverse mode transposes its jvp")


def test_a_missing_rule_is_missed_in_a_derivative_only() -> None:
    f = fg.custom_jvp(square)
    np.testing.assert_allclose(fg.vmap(f)(ROWS)["y"], ROWS**2)
    with pytest.raises(CustomRuleError, match="square: it has no derivative rule yet"):
        fg.jvp(f, (X,), (X,))


def test_defjvps_needs_a_rule_for_each_argument() -> None:
    f = fg.custom_jvp(lambda x, y: x * y)
    f.defjvps(lambda t, _out, _x, y: t * y)
    with pytest.raises(
        CustomRuleError, match="defjvps was given 1 rules, but it was called with 2"
    ):
        fg.grad(f)(1.0, 2.0)
    with pytest.raises(CustomRuleError, match="defjvps with nondiff_argnums"):
        fg.custom_jvp(lambda x, n: x, nondiff_argnums=1).defjvps(None)


def test_a_rule_that_captures_the_differentiated_value_is_refused() -> None:
    def f(w: Any) -> Any:
        g = fg.custom_jvp(lambda x: x * 2)
        g.defjvp(lambda p, t: (p[0] * w, t[0] * w))
        return g(w)

    with pytest.raises(CapturedTracerError):
        fg.grad(f)(2.0)
    with pytest.raises(CapturedTracerError):
        fg.jvp(f, (2.0,), (1.0,))
