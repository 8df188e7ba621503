"""Draws have the distribution that they are said to have.

Of n numbers, the largest distance D between the empirical distribution function and the true one
has P(D > ε) ≤ 2 exp(-2nε²) (A. Dvoretzky, J. Kiefer, J. Wolfowitz, with P. Massart's constant),
whatever the distribution, discrete ones included. The bounds below are those of probability 1e-6;
the keys are fixed, so a test that passes stays so.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad import random
from funcgrad.special_values import gammaincc

N = 20_000
BOUND = math.sqrt(math.log(2 / 1e-6) / (2 * N))
KEY = random.key(11)


def ndtr(x: Any) -> Any:
    return 0.5 * fg.nn.erfc(-x / math.sqrt(2))


def truncated(low: float, high: float) -> Callable[[Any], Any]:
    if low > 0:  # in the tail that has digits
        mirrored = truncated(-high, -low)
        return lambda x: 1 - mirrored(-x)
    return lambda x: (ndtr(x) - ndtr(low)) / (ndtr(high) - ndtr(low))


def student(df: int) -> Callable[[Any], Any]:
    if df == 1:
        return lambda x: 0.5 + np.arctan(x) / math.pi
    return lambda x: 0.5 + x / (2 * np.sqrt(2 + x * x))


# name: (draw of n numbers, distribution function)
CONTINUOUS: dict[str, tuple[Callable[[Any, int], Any], Callable[[Any], Any]]] = {
    "uniform": (lambda key, n: random.uniform(key, (n,)), lambda x: x),
    "uniform float32": (lambda key, n: random.uniform(key, (n,), np.float32), lambda x: x),
    "uniform float16": (lambda key, n: random.uniform(key, (n,), np.float16), lambda x: x),
    "uniform between": (
        lambda key, n: random.uniform(key, (n,), minval=-1.0, maxval=3.0),
        lambda x: (x + 1) / 4,
    ),
    "normal": (lambda key, n: random.normal(key, (n,)), ndtr),
    "normal float32": (lambda key, n: random.normal(key, (n,), np.float32), ndtr),
    "normal complex, real": (
        lambda key, n: random.normal(key, (n,), complex).real,
        lambda x: ndtr(x * math.sqrt(2)),
    ),
    "normal complex, angle": (
        lambda key, n: np.angle(random.normal(key, (n,), complex)),
        lambda x: 0.5 + x / (2 * math.pi),
    ),
    "exponential": (lambda key, n: random.exponential(key, (n,)), lambda x: -np.expm1(-x)),
    "laplace": (
        lambda key, n: random.laplace(key, (n,)),
        lambda x: 0.5 + 0.5 * np.sign(x) * -np.expm1(-np.abs(x)),
    ),
    "gumbel": (lambda key, n: random.gumbel(key, (n,)), lambda x: np.exp(-np.exp(-x))),
    "logistic": (lambda key, n: random.logistic(key, (n,)), lambda x: 1 / (1 + np.exp(-x))),
    "cauchy": (lambda key, n: random.cauchy(key, (n,)), student(1)),
    "lognormal": (lambda key, n: random.lognormal(key, 2.0, (n,)), lambda x: ndtr(np.log(x) / 2)),
    "rayleigh": (
        lambda key, n: random.rayleigh(key, 2.0, (n,)),
        lambda x: -np.expm1(-x * x / 8),
    ),
    "pareto": (lambda key, n: random.pareto(key, 3.0, (n,)), lambda x: 1 - x**-3),
    "weibull": (
        lambda key, n: random.weibull_min(key, 2.0, 1.5, (n,)),
        lambda x: -np.expm1(-((x / 2) ** 1.5)),
    ),
    "truncated normal": (
        lambda key, n: random.truncated_normal(key, -0.5, 2.0, (n,)),
        truncated(-0.5, 2.0),
    ),
    "truncated normal, whole": (
        lambda key, n: random.truncated_normal(key, -np.inf, np.inf, (n,)),
        ndtr,
    ),
    "truncated normal, left": (
        lambda key, n: random.truncated_normal(key, -9.0, -6.0, (n,)),
        truncated(-9.0, -6.0),
    ),
    "truncated normal, right": (
        lambda key, n: random.truncated_normal(key, 7.0, np.inf, (n,)),
        truncated(7.0, np.inf),
    ),
    # From 1000 on the excess times 1000 is exponential but for a relative error of 1e-6.
    "truncated normal, far": (
        lambda key, n: 1000 * (random.truncated_normal(key, 1000.0, np.inf, (n,)) - 1000),
        lambda x: -np.expm1(-x),
    ),
    "gamma 1/2": (lambda key, n: random.gamma(key, 0.5, (n,)), lambda x: fg.nn.erf(np.sqrt(x))),
    "gamma 3": (
        lambda key, n: random.gamma(key, 3.0, (n,)),
        lambda x: 1 - np.exp(-x) * (1 + x + x * x / 2),
    ),
    "gamma float32": (
        lambda key, n: random.gamma(key, 3.0, (n,), np.float32),
        lambda x: 1 - np.exp(-x) * (1 + x + x * x / 2),
    ),
    "loggamma": (
        lambda key, n: random.loggamma(key, 0.5, (n,)),
        lambda x: fg.nn.erf(np.exp(x / 2)),
    ),
    "loggamma 3": (
        lambda key, n: np.exp(random.loggamma(key, 3.0, (n,))),
        lambda x: 1 - np.exp(-x) * (1 + x + x * x / 2),
    ),
    # Of tiny a, P(a, x) = xᵃ but for a relative error of a.
    "loggamma, tiny": (
        lambda key, n: random.loggamma(key, 1e-7, (n,)),
        lambda x: np.exp(1e-7 * np.minimum(x, 0)),
    ),
    "chisquare": (
        lambda key, n: random.chisquare(key, 3.0, (n,)),
        lambda x: fg.nn.erf(np.sqrt(x / 2)) - np.sqrt(2 * x / math.pi) * np.exp(-x / 2),
    ),
    "t, 1 degree": (lambda key, n: random.t(key, 1.0, (n,)), student(1)),
    "t, 2 degrees": (lambda key, n: random.t(key, 2.0, (n,)), student(2)),
    "beta": (lambda key, n: random.beta(key, 2.0, 1.0, (n,)), lambda x: x * x),
    "beta, arcsine": (
        lambda key, n: random.beta(key, 0.5, 0.5, (n,)),
        lambda x: 2 / math.pi * np.arcsin(np.sqrt(x)),
    ),
    # The mass is in the corners: half of it next to 0.
    "beta, tiny": (
        lambda key, n: np.round(random.beta(key, 1e-5, 1e-5, (n,))),
        lambda x: np.where(x < 1, 0.5, 1.0),
    ),
    "dirichlet, first": (
        lambda key, n: random.dirichlet(key, np.ones(3), (n,))[:, 0],
        lambda x: 1 - (1 - x) ** 2,
    ),
}


def distance(values: Any, distribution: Any) -> float:
    """Largest distance from the empirical distribution function, ties being steps."""
    ordered, counts = np.unique(np.asarray(values, float), return_counts=True)
    above = np.cumsum(counts) / len(values)
    return float(np.max(np.abs(distribution(ordered) - above)))


@pytest.mark.parametrize("name", CONTINUOUS)
def test_numbers_follow_their_distribution_function(name: str) -> None:
    draw, distribution = CONTINUOUS[name]
    values = draw(KEY, N)
    assert values.shape == (N,)
    assert np.all(np.isfinite(values))
    # At its steps the empirical function is right, below them it is 1/n less, or a step of float16.
    slack = 2**-11 if values.dtype == np.float16 else 1 / N
    assert distance(values, distribution) < BOUND + slack


@pytest.mark.parametrize("name", CONTINUOUS)
def test_numbers_of_many_keys_follow_it_too(name: str) -> None:
    draw, distribution = CONTINUOUS[name]
    values = np.concatenate([draw(key, 100) for key in random.split(KEY, N // 100)])
    slack = 2**-11 if values.dtype == np.float16 else 1 / N
    assert distance(values, distribution) < BOUND + slack


def test_a_wrong_distribution_would_be_seen() -> None:
    assert distance(random.normal(KEY, (N,)) * 1.15, ndtr) > BOUND + 1 / N


def binomials(n: int, p: float) -> Callable[[Any], Any]:
    weights = np.array([math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)])
    return lambda k: np.cumsum(weights)[np.asarray(k, int)]


P = np.array([0.1, 0.6, 0.0, 0.3])
DISCRETE: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "poisson": (
        lambda key: random.poisson(key, 3.5, (N,)),
        lambda k: gammaincc(k + 1.0, 3.5),
    ),
    "poisson, large": (
        lambda key: random.poisson(key, 100.0, (N,)),
        lambda k: gammaincc(k + 1.0, 100.0),
    ),
    "binomial": (lambda key: random.binomial(key, 9, 0.3, (N,)), binomials(9, 0.3)),
    "geometric": (lambda key: random.geometric(key, 0.2, (N,)), lambda k: 1 - 0.8**k),
    "bernoulli": (lambda key: random.bernoulli(key, 0.3, (N,)), lambda k: 0.7 + 0.3 * k),
    "rademacher": (lambda key: random.rademacher(key, (N,)), lambda k: 0.75 + 0.25 * k),
    "randint": (lambda key: random.randint(key, (N,), -3, 9), lambda k: (k + 4) / 12),
    "bits": (
        lambda key: random.bits(key, (N,), np.uint16),
        lambda k: (k + 1) / 2**16,
    ),
    "categorical": (
        lambda key: random.categorical(key, np.log(P + 1e-300), shape=(N,)),
        lambda k: np.cumsum(P)[k.astype(int)],
    ),
    "choice": (lambda key: random.choice(key, 4, (N,)), lambda k: (k + 1) / 4),
    "choice by p": (
        lambda key: random.choice(key, 4, (N,), p=P),
        lambda k: np.cumsum(P)[k.astype(int)],
    ),
    "first of a permutation": (
        lambda key: fg.vmap(lambda key: random.permutation(key, 5)[0])(random.split(key, N)),
        lambda k: (k + 1) / 5,
    ),
    "first of a choice without repetition": (
        lambda key: fg.vmap(lambda key: random.choice(key, 4, (2,), replace=False, p=P)[0])(
            random.split(key, N)
        ),
        lambda k: np.cumsum(P)[k.astype(int)],
    ),
}


@pytest.mark.parametrize("name", DISCRETE)
def test_integers_follow_their_distribution_function(name: str) -> None:
    draw, distribution = DISCRETE[name]
    assert distance(draw(KEY), distribution) < BOUND


def test_what_has_probability_zero_never_comes() -> None:
    assert not np.any(random.choice(KEY, 4, (N,), p=P) == 2)
    with np.errstate(divide="ignore"):
        assert not np.any(random.categorical(KEY, np.log(P), shape=(N,)) == 2)
    assert not np.any(random.bernoulli(KEY, 0.0, (N,)))
    assert np.all(random.bernoulli(KEY, 1.0, (N,)))


def test_all_orders_come_equally_often() -> None:
    keys = random.split(KEY, N)
    orders = fg.vmap(lambda key: random.permutation(key, 4))(keys)
    number = orders @ np.array([64, 16, 4, 1])
    assert len(np.unique(number)) == 24
    counts = np.unique(number, return_counts=True)[1]
    assert np.max(np.abs(counts / N - 1 / 24)) < BOUND  # Hoeffding's bound is of the same form


def test_independent_lines_have_orders_of_their_own() -> None:
    x = np.tile(np.arange(4), (N, 1))
    orders = random.permutation(KEY, x, axis=1, independent=True)
    np.testing.assert_array_equal(np.sort(orders, axis=1), x)
    counts = np.unique(orders @ np.array([64, 16, 4, 1]), return_counts=True)[1]
    assert np.max(np.abs(counts / N - 1 / 24)) < BOUND


def test_vectors_have_their_mean_and_covariance() -> None:
    mean, root = np.array([1.0, -2.0]), np.array([[2.0, 0.0], [0.5, 1.0]])
    for method in ("cholesky", "eigh", "svd"):
        x = random.multivariate_normal(KEY, mean, root @ root.T, (N,), method=method)
        z = np.linalg.solve(root, (x - mean).T)
        for direction in np.linspace(0, math.pi, 7):
            along = np.cos(direction) * z[0] + np.sin(direction) * z[1]
            assert distance(along, ndtr) < BOUND + 1 / N


def test_a_singular_covariance_has_vectors_in_its_image() -> None:
    x = random.multivariate_normal(KEY, np.zeros(2), np.ones((2, 2)), (N,), method="eigh")
    np.testing.assert_allclose(x[:, 0], x[:, 1], atol=1e-7)
    assert distance(x[:, 0], ndtr) < BOUND + 1 / N


# Of independent uniform u, v in [-1, 1], the mean of n products uv is beyond ε with probability
# 2 exp(-nε²/2) at most (Hoeffding).
HOEFFDING = math.sqrt(2 * math.log(2 / 1e-6) / N)

PAIRS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "siblings": lambda: tuple(random.split(KEY)),
    "parent and first child": lambda: (KEY, random.split(KEY)[0]),
    "parent and second child": lambda: (KEY, random.split(KEY)[1]),
    "folded neighbours": lambda: (random.fold_in(KEY, 0), random.fold_in(KEY, 1)),
    "split and folded": lambda: (random.split(KEY)[0], random.fold_in(KEY, 0)),
    "neighbouring seeds": lambda: (random.key(0), random.key(1)),
    "seeds in other words": lambda: (random.key(1), random.key(2**64)),
    "grandchildren": lambda: (
        random.split(random.split(KEY)[0])[0],
        random.split(random.split(KEY)[1])[0],
    ),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_numbers_of_two_keys_are_not_correlated(pair: str) -> None:
    u, v = (random.uniform(key, (N + 9,), minval=-1.0) for key in PAIRS[pair]())
    for lag in range(10):
        assert abs(np.mean(u[:N] * v[lag : N + lag])) < HOEFFDING
        assert abs(np.mean(v[:N] * u[lag : N + lag])) < HOEFFDING


def test_first_numbers_of_sibling_keys_are_not_correlated() -> None:
    u = fg.vmap(lambda key: random.uniform(key, (), minval=-1.0))(random.split(KEY, N + 1))
    assert abs(np.mean(u[1:] * u[:-1])) < HOEFFDING


def test_the_bits_of_child_keys_are_half_ones() -> None:
    words = random.split(KEY, N)
    ones = np.unpackbits(words.view(np.uint8), axis=1).mean(axis=0)
    assert ones.shape == (128,)
    assert np.max(np.abs(ones - 0.5)) < BOUND * 1.2  # of 128 such, each with probability 1e-8
