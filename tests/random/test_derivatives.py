"""Derivatives of draws by their parameters."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad import random
from funcgrad.random.gamma_tail import log_slope
from funcgrad.special_values import gammainc, gammaincc
from funcgrad.testing import check_grads

KEY = random.key(5)
A = np.array([0.05, 0.4, 1.0, 2.5, 30.0, 150.0])

# Of a fixed key, each of these is a smooth function of its parameters.
SMOOTH: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "location and scale": (
        lambda mean, scale: mean + scale * random.normal(KEY, (3,)),
        (np.array([1.0, 2.0, 3.0]), 0.7),
    ),
    "uniform": (
        lambda low, high: random.uniform(KEY, (2, 3), minval=low, maxval=high),
        (np.array([-1.0, 0.0, 1.0]), 2.0),
    ),
    "uniform, one bound": (lambda high: random.uniform(KEY, (2,), maxval=high), (2.0,)),
    "lognormal": (lambda s: random.lognormal(KEY, s, (2, 2)), (np.array([0.5, 1.0]),)),
    "rayleigh": (lambda s: random.rayleigh(KEY, s), (np.array([0.5, 1.0]),)),
    "pareto": (lambda b: random.pareto(KEY, b), (np.array([0.5, 4.0]),)),
    "weibull": (
        lambda s, c: random.weibull_min(KEY, s, c, (3,)),
        (2.0, np.array([0.7, 1.0, 3.0])),
    ),
    "truncated normal": (
        lambda low, high: random.truncated_normal(KEY, low, high),
        (np.array([-1.0, 0.5, -4.0, 5.0]), np.array([0.5, 2.0, -3.0, 7.0])),
    ),
    "truncated normal, one bound": (
        lambda low: random.truncated_normal(KEY, low, np.inf),
        (np.array([-1.0, 0.5, 12.0, 40.0]),),
    ),
    "normal vectors by mean": (
        lambda mean: random.multivariate_normal(KEY, mean, np.eye(2), (3, 2)),
        (np.array([[1.0, 2.0], [3.0, 4.0]]),),
    ),
    "normal vectors by the root of the covariance": (
        lambda root: random.multivariate_normal(KEY, np.zeros(2), root @ root.T, (3,)),
        (np.array([[1.0, 0.3], [-0.4, 0.8]]),),
    ),
    "normal vectors by eigenvalues": (
        lambda root: random.multivariate_normal(
            KEY, np.zeros(2), root @ root.T, (3,), method="eigh"
        ),
        (np.array([[1.0, 0.3], [-0.4, 0.8]]),),
    ),
    "taken elements": (
        lambda x: random.choice(KEY, x, (2, 2)) * random.permutation(KEY, x)[:2],
        (np.array([1.0, 2.0, 3.0]),),
    ),
    "shuffled lines": (
        lambda x: random.permutation(KEY, x, axis=1, independent=True) ** 2,
        (np.arange(6.0).reshape(2, 3),),
    ),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives_at_a_fixed_key_are_difference_quotients(name: str) -> None:
    f, args = SMOOTH[name]
    check_grads(f, args)


def quantile_slope(a: float, x: float) -> float:
    """dx/da at the same P(a, x), from central differences of both and Richardson's rule."""
    f = gammainc if x < a + 1 else gammaincc

    def slope(h: float) -> float:
        by_a = (f(a + h, x) - f(a - h, x)) / 2
        by_x = (f(a, x + h) - f(a, x - h)) / 2
        return float(-by_a / by_x)

    h = 1e-2 * min(a, x, 1.0)
    one, half, quarter = slope(h), slope(h / 2), slope(h / 4)
    first, second = (4 * half - one) / 3, (4 * quarter - half) / 3
    return (16 * second - first) / 15


@pytest.mark.parametrize("seed", range(5))
def test_a_gamma_number_moves_with_its_quantile(seed: int) -> None:
    key = random.fold_in(KEY, seed)
    x, slope = fg.jvp(lambda a: random.gamma(key, a), (A,), (np.ones_like(A),))
    chosen = x > 1e-6  # below, differences lose their digits; see the next tests
    expected = [quantile_slope(*pair) for pair in zip(A[chosen], x[chosen], strict=True)]
    np.testing.assert_allclose(slope[chosen], expected, rtol=1e-6)


def test_the_slope_of_tiny_numbers_is_that_of_the_limit() -> None:
    """P(a, x) = xᵃ / Γ(a + 1) as x goes to 0."""
    a, log_x = np.array([1e-8, 1e-3, 0.3]), np.array([-3e8, -2e3, -300.0])
    expected = (fg.nn.digamma(a + 1) - log_x) / a
    np.testing.assert_allclose(log_slope(a, log_x), expected, rtol=1e-13)


def test_the_slope_of_an_exponential_number_is_continuous_across_the_two_forms() -> None:
    """The series below x = a + 1, and the integral above, are one function there."""
    a = np.array([0.01, 0.5, 1.0, 3.0, 40.0, 99.9, 100.1, 1000.0, 1e5])
    below, above = (log_slope(a, np.log((a + 1) * (1 + eps))) for eps in (-1e-12, 1e-12))
    np.testing.assert_allclose(below, above, rtol=1e-9)


def test_the_slope_of_large_parameters_is_that_of_normal_numbers() -> None:
    """By Cornish and Fisher: x = a + √a z + (z² - 1)/3 + …, so dx/da = 1 + z / (2√a) + O(1/a)."""
    a, z = 1e8, np.linspace(-3, 3, 7)
    x = a + math.sqrt(a) * z + (z**2 - 1) / 3
    slope = x * log_slope(np.full(7, a), np.log(x))
    np.testing.assert_allclose(slope, 1 + z / (2 * math.sqrt(a)), atol=1e-7)


@pytest.mark.parametrize("point", [(0.3, -2.0), (2.0, 1.5), (50.0, 3.8), (200.0, 5.4)])
def test_slopes_have_derivatives_of_higher_order(point: tuple[float, float]) -> None:
    check_grads(log_slope, point, order=2)


def slope_at(a: float, x: float) -> float:
    return x * float(log_slope(np.float64(a), math.log(x)))


def test_the_hessian_of_a_gamma_number_follows_its_quantile() -> None:
    """d²x/da² along P(a, x) = const, from slopes on that curve."""
    for a in (0.4, 2.5, 30.0, 150.0):
        x = float(random.gamma(KEY, a))
        second = fg.grad(fg.grad(lambda a: random.gamma(KEY, a)))(a)
        h = 1e-4 * min(a, 1)
        forward = slope_at(a + h, x + h * slope_at(a, x) + h * h / 2 * second)
        backward = slope_at(a - h, x - h * slope_at(a, x) + h * h / 2 * second)
        assert second == pytest.approx((forward - backward) / (2 * h), rel=1e-5, abs=1e-9)


def test_forward_and_reverse_agree_for_gamma_numbers() -> None:
    f = lambda a: random.gamma(KEY, a) + random.loggamma(KEY, a)
    np.testing.assert_allclose(fg.jacfwd(f)(A), fg.jacrev(f)(A), rtol=1e-14)


def test_logarithm_and_number_have_slopes_that_fit() -> None:
    a = A[3:]  # from 1 on they are made of the same draw
    np.testing.assert_allclose(np.exp(random.loggamma(KEY, a)), random.gamma(KEY, a), rtol=1e-13)
    by_log = fg.jvp(lambda a: np.exp(random.loggamma(KEY, a)), (a,), (np.ones_like(a),))[1]
    direct = fg.jvp(lambda a: random.gamma(KEY, a), (a,), (np.ones_like(a),))[1]
    np.testing.assert_allclose(by_log, direct, rtol=1e-12)


def test_single_precision_has_slopes_of_single_precision() -> None:
    a = A.astype(np.float32)
    x, slope = fg.jvp(lambda a: random.gamma(KEY, a, dtype=np.float32), (a,), (np.ones_like(a),))
    assert x.dtype == slope.dtype == np.float32
    expected = fg.jvp(lambda a: random.gamma(KEY, a), (a.astype(float),), (np.ones_like(A),))[1]
    np.testing.assert_allclose(slope, expected, rtol=1e-5)


def test_a_number_that_has_underflowed_does_not_move() -> None:
    a = np.full(50, 1e-4)
    x, pull = fg.vjp(lambda a: random.gamma(KEY, a), a)
    assert np.any(x == 0)
    (slope,) = pull(np.ones(50))
    assert np.all(np.isfinite(slope))
    assert np.all(slope[x == 0] == 0)


N = 40_000

# name: (f of the parameter, whose mean over keys has the derivative given, the parameter)
EXPECTATIONS: dict[str, tuple[Callable[[Any], Any], float, float]] = {
    "gamma": (lambda a: random.gamma(KEY, a, (N,)), 1.0, 2.0),
    "gamma below 1": (lambda a: random.gamma(KEY, a, (N,)), 1.0, 0.3),
    "square of gamma": (lambda a: random.gamma(KEY, a, (N,)) ** 2, 2 * 3.0 + 1, 3.0),
    "log of gamma": (
        lambda a: random.loggamma(KEY, a, (N,)),
        float(fg.nn.polygamma(1, 0.5)),
        0.5,
    ),
    "chisquare": (lambda df: random.chisquare(KEY, df, (N,)), 1.0, 3.0),
    "beta by a": (lambda a: random.beta(KEY, a, 3.0, (N,)), 3 / 25, 2.0),
    "beta by b": (lambda b: random.beta(KEY, 0.5, b, (N,)), -0.5 / 1.2**2, 0.7),
    "dirichlet": (
        lambda a: random.dirichlet(KEY, fg.numpy.stack([a, 1.0, 2.0]), (N,))[:, 1],
        -1 / 3.5**2,
        0.5,
    ),
}


@pytest.mark.parametrize("name", EXPECTATIONS)
def test_the_mean_of_derivatives_is_the_derivative_of_the_mean(name: str) -> None:
    f, expected, parameter = EXPECTATIONS[name]
    _, slopes = fg.jvp(f, (parameter,), (1.0,))
    # Six standard deviations of the mean: the slopes have finite variance.
    assert abs(np.mean(slopes) - expected) < 6 * np.std(slopes) / math.sqrt(N)
    assert np.std(slopes) / math.sqrt(N) < 0.1 * abs(expected)


def test_t_numbers_move_with_their_degrees_of_freedom() -> None:
    """E √|t| = df^¼ Γ(3/4) Γ(df/2 - 1/4) / (√π Γ(df/2))."""
    f, df = lambda df: np.abs(random.t(KEY, df, (N,))) ** 0.5, 5.0

    def mean(df: Any) -> Any:
        logs = fg.nn.lgamma(df / 2 - 0.25) - fg.nn.lgamma(df / 2)
        return np.exp(logs + np.log(df) / 4) * math.gamma(0.75) / math.sqrt(math.pi)

    values, slopes = fg.jvp(f, (df,), (1.0,))
    for numbers, expected in ((values, mean(df)), (slopes, fg.grad(mean)(df))):
        assert abs(np.mean(numbers) - expected) < 6 * np.std(numbers) / math.sqrt(N)


DISCRETE: dict[str, Callable[[Any], Any]] = {
    "bernoulli": lambda p: random.bernoulli(KEY, p),
    "poisson": lambda p: random.poisson(KEY, p),
    "binomial": lambda p: random.binomial(KEY, 5, p),
    "geometric": lambda p: random.geometric(KEY, p),
    "categorical": lambda p: random.categorical(KEY, np.log(p)),
    "choice": lambda p: random.choice(KEY, 3, (4,), p=p / np.sum(p)),
}


@pytest.mark.parametrize("name", DISCRETE)
def test_discrete_draws_are_integers_without_a_derivative(name: str) -> None:
    p = np.array([0.2, 0.3, 0.4])
    assert DISCRETE[name](p).dtype in (np.int64, np.bool_)
    found = fg.grad(lambda p: np.sum(p * np.sum(DISCRETE[name](p))))(p)
    np.testing.assert_array_equal(found, np.full(3, float(np.sum(DISCRETE[name](p)))))


def test_a_bound_at_infinity_does_not_move() -> None:
    f = lambda low, high: np.sum(random.truncated_normal(KEY, low, high, (5,)))
    low, high = fg.grad(f, (0, 1))(-np.inf, 1.0)
    assert low == 0
    assert 0 < high < 5
    assert fg.grad(f, (0, 1))(-np.inf, np.inf) == (0, 0)


@pytest.mark.oracle
def test_slopes_of_gamma_numbers_are_those_of_jax() -> None:
    jax = pytest.importorskip("jax")
    a = np.repeat(A, 20)
    x = random.gamma(KEY, a)
    with jax.enable_x64(True):
        expected = np.asarray(jax.lax.random_gamma_grad(a, x))
    found = fg.jvp(lambda a: random.gamma(KEY, a), (a,), (np.ones_like(a),))[1]
    chosen = x > 0
    np.testing.assert_allclose(found[chosen], expected[chosen], rtol=1e-4)
