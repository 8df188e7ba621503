"""Calls that reach the primitives of statistics, counts and sets."""

from collections.abc import Callable
from typing import Any

import numpy as np

import funcgrad as fg

__all__ = ["CALLS"]

Call = tuple[Callable[..., Any], tuple[Any, ...]]


def _draw(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng([seed, *shape]).uniform(-2.0, 2.0, shape)


M, V = _draw(3, 4), _draw(5)
TABLES = np.sort(_draw(3, 5), axis=-1)
MASK = np.array([True, True, False, True])

CALLS: list[Call] = [
    (np.median, (M,)),
    (lambda x: np.quantile(x, 0.3, axis=0), (M,)),
    (lambda x, w: np.quantile(x, 0.4, axis=1, weights=w, method="inverted_cdf"), (M, np.abs(M))),
    (lambda x: np.std(x, axis=1, where=MASK), (M,)),
    (lambda x: np.var(np.sign(x).astype(np.int64), axis=1, dtype=np.int64), (M,)),
    (lambda x: np.std(x, where=MASK), (M + 1j * M[::-1],)),
    (np.corrcoef, (M,)),
    (fg.vmap(np.searchsorted), (TABLES, M)),
    (lambda t, x: fg.vmap(lambda t, x: np.searchsorted(t, x, "right"))(t, x), (TABLES, M)),
    (lambda x: np.histogram_bin_edges(x, "sturges"), (V,)),
    (lambda x: np.histogram_bin_edges(x, "auto", (-1.0, 1.0)), (V,)),
    (lambda x: np.unique(x, return_inverse=True, return_counts=True)[0], (M,)),
    (lambda x: np.unique(x, axis=1), (M,)),
    (lambda x, t: np.isin(np.round(x), np.round(t)), (M, V)),
    (lambda x, t: np.isin(np.round(x), np.round(t), invert=True), (M, V)),
    (lambda x: np.packbits(x > 0, axis=1), (M,)),
    (lambda x: np.unpackbits(np.packbits(x > 0, axis=1), axis=1, count=3), (M,)),
]
