"""Covariances and correlations: weights, complex numbers, degenerate variables."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from funcgrad import grad, hessian, jacrev, jvp, vmap
from tests.primitives.checking import check, normal

M, Y = normal(3, 5), normal(2, 5, seed=1)
F = np.array([1, 2, 1, 3, 1])
W = np.array([0.5, 1.0, 2.0, 1.5, 0.7])

OPTIONS: dict[str, dict[str, Any]] = {
    "": {},
    "columns": {"rowvar": False},
    "bias": {"bias": True},
    "ddof": {"ddof": 2},
    "frequencies": {"fweights": F},
    "weights": {"aweights": W},
    "both": {"aweights": W, "fweights": F, "ddof": 0},
}


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("dtype", [float, complex])
def test_covariances_by_the_observations(name: str, dtype: Any):
    options = OPTIONS[name]
    m = normal(3, 5, dtype=dtype)
    m = m.T if "rowvar" in options else m
    check(lambda m: np.cov(m, **options), m, exact=False)


@pytest.mark.parametrize("dtype", [float, complex])
def test_covariances_by_two_sets_of_variables(dtype: Any):
    check(np.cov, normal(2, 4, dtype=dtype), normal(4, dtype=dtype), exact=False)
    check(lambda m, y: np.cov(m, y, rowvar=False), normal(4, 2), normal(4, 1), exact=False)


@pytest.mark.parametrize("ddof", [0, 1])
def test_covariances_by_the_weights(ddof: int):
    check(lambda w: np.cov(M, aweights=w, ddof=ddof), W, exact=False)
    check(lambda w: np.cov(M, aweights=w, fweights=F, ddof=ddof), W, exact=False)


@pytest.mark.parametrize("dtype", [float, complex])
def test_correlations_by_the_observations(dtype: Any):
    check(np.corrcoef, normal(3, 5, dtype=dtype), exact=False)
    check(
        lambda m, y: np.corrcoef(m, y),
        normal(2, 4, dtype=dtype),
        normal(4, dtype=dtype),
        exact=False,
    )


def test_the_covariance_of_one_variable_is_its_variance():
    x = normal(6)
    np.testing.assert_allclose(grad(np.cov)(x), grad(lambda x: np.var(x, ddof=1))(x), rtol=1e-13)
    assert np.shape(jvp(np.cov, (x,), (x,))[1]) == ()


def test_the_correlation_of_one_variable_with_itself_does_not_move():
    assert np.max(np.abs(grad(np.corrcoef)(normal(6)))) < 1e-15


def test_the_diagonal_of_correlations_does_not_move():
    jacobian = jacrev(lambda m: np.diag(np.corrcoef(m)))(M)
    assert np.max(np.abs(jacobian)) < 1e-15


def test_a_correlation_cut_off_at_one_keeps_its_second_derivative():
    x = normal(7)
    for scale in (1.0, 3.0, 7.0, -2.0):  # rounding takes some of these correlations beyond 1
        f = lambda y, c=scale: np.corrcoef(x, c * x + y)[0, 1]
        y = np.zeros(7)
        assert np.max(np.abs(grad(f)(y))) < 1e-12
        centred = (x - np.mean(x)) / np.sqrt(np.sum((x - np.mean(x)) ** 2))
        scatter = np.eye(7) - 1 / 7 - np.outer(centred, centred)
        expected = -np.sign(scale) * scatter / (scale**2 * np.sum((x - np.mean(x)) ** 2))
        np.testing.assert_allclose(hessian(f)(y), expected, atol=1e-11)


def test_single_precision_becomes_double_as_in_numpy_and_stays_where_asked():
    m = M.astype(np.float32)
    assert jvp(np.cov, (m,), (m,))[0].dtype == np.float64
    assert jvp(lambda m: np.cov(m, dtype=np.float32), (m,), (m,))[1].dtype == np.float32
    assert grad(lambda m: np.sum(np.cov(m)))(m).dtype == np.float32


def test_covariances_of_a_batch_are_those_of_its_examples():
    stack = normal(4, 3, 5)
    np.testing.assert_allclose(vmap(np.cov)(stack), [np.cov(m) for m in stack], rtol=1e-12)
    weights = np.abs(normal(4, 5)) + 0.1
    found = vmap(lambda w: np.cov(M, aweights=w))(weights)
    np.testing.assert_allclose(found, [np.cov(M, aweights=w) for w in weights], rtol=1e-12)


def test_too_few_observations_warn_as_in_numpy():
    with (
        pytest.warns(RuntimeWarning, match="Degrees of freedom"),
        np.errstate(divide="ignore", invalid="ignore"),
    ):
        value, _ = jvp(lambda m: np.cov(m), (M[:, :1],), (M[:, :1],))
    assert np.all(np.isnan(value))


MISTAKES: dict[str, tuple[Callable[[Any], Any], type[Exception], str]] = {
    "rank": (lambda m: np.cov(m[None]), ValueError, "m has more than 2 dimensions"),
    "rank of y": (lambda m: np.cov(m, m[None]), ValueError, "y has more than 2 dimensions"),
    "ddof": (lambda m: np.cov(m, ddof=0.5), ValueError, "ddof must be integer"),
    "fractions": (lambda m: np.cov(m, fweights=W), TypeError, "fweights must be integer"),
    "negative": (lambda m: np.cov(m, aweights=-W), ValueError, "aweights cannot be negative"),
    "length": (lambda m: np.cov(m, aweights=W[:2]), RuntimeError, "incompatible numbers"),
    "deep weights": (lambda m: np.cov(m, fweights=F[None]), RuntimeError, "multidimensional"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_wrong_arguments_are_refused(name: str):
    f, error, message = MISTAKES[name]
    with pytest.raises(error, match=message):
        grad(lambda m: np.sum(f(m)))(M)
