"""Quantiles, covariances, counts and order on funcgrad and on JAX, where it is installed."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import funcgrad as fg

jax = pytest.importorskip("jax")
pytestmark = pytest.mark.oracle

RNG = np.random.default_rng(5)
M, W, V = RNG.normal(size=(4, 7)), RNG.uniform(0.5, 2.0, 7), RNG.normal(size=9)
HOLED = np.where(RNG.random((4, 7)) < 0.2, np.nan, M)
PLACES = np.array([0, 3, 1, 1, 0, 4, 3])
EDGES = np.array([-2.0, -0.5, 0.4, 2.0])

FUNCTIONS: dict[str, tuple[Callable[..., Any], Any]] = {
    "median": (lambda xp, x: xp.median(x), M),
    "median of rows": (lambda xp, x: xp.median(x, axis=1, keepdims=True), M),
    "nanmedian": (lambda xp, x: xp.nanmedian(x, axis=1), HOLED),
    **{
        f"quantile {method}": (
            lambda xp, x, method=method: xp.quantile(x, np.array([0.13, 0.62]), 1, method=method),
            M,
        )
        for method in ("linear", "lower", "higher", "midpoint", "nearest")
    },
    "quantile by q": (lambda xp, q: xp.quantile(V, q), np.array([0.13, 0.62, 0.9])),
    "percentile": (lambda xp, x: xp.percentile(x, 37.0, axis=(0, 1)), M),
    "nanquantile": (lambda xp, x: xp.nanquantile(x, 0.37, axis=1), HOLED),
    "nanpercentile": (lambda xp, x: xp.nanpercentile(x, 37.0, axis=0), HOLED),
    "cov": (lambda xp, x: xp.cov(x), M),
    "cov of columns": (lambda xp, x: xp.cov(x, rowvar=False, ddof=0), M),
    "cov by weights": (lambda xp, w: xp.cov(M, aweights=w), W),
    "cov with frequencies": (lambda xp, x: xp.cov(x, fweights=PLACES + 1, aweights=W), M),
    "corrcoef": (lambda xp, x: xp.corrcoef(x), M),
    "average": (lambda xp, x: xp.average(x, axis=1, weights=W), M),
    "average by weights": (lambda xp, w: xp.average(M, axis=1, weights=w), W),
    "ptp": (lambda xp, x: xp.ptp(x, axis=0), M),
    "nanvar": (lambda xp, x: xp.nanvar(x, axis=1, ddof=1), HOLED),
    "nanstd": (lambda xp, x: xp.nanstd(x, axis=1), HOLED),
    "std where": (lambda xp, x: xp.std(x, axis=1, where=PLACES > 0), M),
    "bincount": (lambda xp, w: xp.bincount(PLACES, w, length=5), W),
    "histogram": (lambda xp, w: xp.histogram(M[0], EDGES, weights=w)[0], W),
    "density": (lambda xp, w: xp.histogram(M[0], EDGES, weights=w, density=True)[0], W),
    "edges": (lambda xp, x: xp.histogram_bin_edges(x, 4), V),
    "histogram2d": (lambda xp, w: xp.histogram2d(M[0], M[1], 3, weights=w)[0], W),
    "sort": (lambda xp, x: xp.sort(x, axis=0), M),
    "lexsort": (lambda xp, x: x[:, xp.lexsort((x[0], x[1]))], M),
    "digitize": (lambda xp, x: x * xp.digitize(x, EDGES), M),
    "searchsorted": (lambda xp, x: x * xp.searchsorted(EDGES, x), M),
    "unique": (lambda xp, x: xp.unique(x, size=9), V),
}


class _Plain:
    """NumPy, with JAX's names for what says the length of a result."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    @staticmethod
    def bincount(x: Any, weights: Any, *, length: int) -> Any:
        return np.bincount(x, weights, minlength=length)

    @staticmethod
    def unique(x: Any, *, size: int) -> Any:
        assert size == x.size
        return np.unique(x)


class _Jax(_Plain):
    """JAX, whose derivative of `unique` is silently zero: the places of the elements instead."""

    def __getattr__(self, name: str) -> Any:
        return getattr(jax.numpy, name)

    @staticmethod
    def bincount(x: Any, weights: Any, *, length: int) -> Any:
        return jax.numpy.bincount(x, weights, length=length)

    @staticmethod
    def unique(x: Any, *, size: int) -> Any:
        return x[jax.numpy.argsort(x)[:size]]


@pytest.fixture(autouse=True, scope="module")
def _double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_jacobians_are_jaxs(name: str) -> None:
    f, x = FUNCTIONS[name]
    g = lambda x: f(_Jax(), x)
    value, jacobian = jax.jit(lambda x: (g(x), jax.jacrev(g)(x)))(x)  # in one piece: compiled once
    np.testing.assert_allclose(f(_Plain(), x), value, rtol=1e-11, atol=1e-12)
    for transform in (fg.jacrev, fg.jacfwd):
        found = transform(lambda x: f(_Plain(), x))(x)
        np.testing.assert_allclose(found, jacobian, rtol=1e-9, atol=1e-11)
