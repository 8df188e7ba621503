"""Programs of new users: what they try first, and whether the advice of a refusal is right."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
import funcgrad.numpy as fnp
from funcgrad.errors import UnsupportedFunctionError
from funcgrad.testing import check_grads

X = np.array([0.3, -1.2, 2.3, 0.7, -0.4])
V = np.array([1.0, -0.5, 2.0])
TALL = np.array([[1.0, 0.2], [0.3, -1.0], [0.5, 0.9]])
sliding = np.lib.stride_tricks.sliding_window_view


def median(a: Any) -> Any:
    n = len(a)
    return np.mean(np.sort(a)[(n - 1) // 2 : n // 2 + 1])


def quantile(a: Any, q: float) -> Any:
    s, h = np.sort(a), q * (len(a) - 1)
    i = min(int(h), len(a) - 2)
    t = h - i
    return (1 - t) * s[i] + t * s[i + 1]


def interp(x: Any, xp: Any, fp: Any) -> Any:
    i = np.clip(np.searchsorted(xp, x) - 1, 0, len(xp) - 2)
    t = np.clip((x - xp[i]) / (xp[i + 1] - xp[i]), 0, 1)
    return (1 - t) * fp[i] + t * fp[i + 1]


def cond(x: Any) -> Any:
    s = np.linalg.svdvals(x)
    return s[0] / s[-1]


def cov(m: Any) -> Any:
    d = m - np.mean(m, axis=1, keepdims=True)
    return d @ d.T / (d.shape[1] - 1)


GRID = np.linspace(-1.0, 2.0, 5)
BINS = np.array([0, 2, 2, 1, 0])

# What a user would call, what its refusal says to write, and where.
ADVICE: dict[str, tuple[Callable[..., Any], Callable[..., Any], tuple[Any, ...]]] = {
    "bincount": (
        lambda w: np.bincount(BINS, w),
        lambda w: fnp.at(np.zeros(3))[BINS].add(w),
        (X,),
    ),
    "cond": (np.linalg.cond, cond, (TALL[:2],)),
    "convolve": (
        lambda a, v: np.convolve(a, v, "valid"),
        lambda a, v: sliding(a, len(v)) @ v[::-1],
        (X, V),
    ),
    "convolve, full": (
        np.convolve,
        lambda a, v: sliding(np.pad(a, len(v) - 1), len(v)) @ v[::-1],
        (X, V),
    ),
    "correlate": (np.correlate, lambda a, v: sliding(a, len(v)) @ v, (X, V)),
    "correlate, full": (
        lambda a, v: np.correlate(a, v, "full"),
        lambda a, v: sliding(np.pad(a, len(v) - 1), len(v)) @ v,
        (X, V),
    ),
    "cov": (np.cov, cov, (TALL,)),
    "fft": (np.fft.fft, lambda x: x @ np.fft.fft(np.eye(x.shape[-1])), (X,)),
    "ifft": (np.fft.ifft, lambda x: x @ np.fft.ifft(np.eye(x.shape[-1])), (X,)),
    "interp": (np.interp, interp, (X[:4], GRID, GRID**3)),
    "lstsq": (
        lambda a, b: np.linalg.lstsq(a, b)[0],
        lambda a, b: np.linalg.solve(a.T @ a, a.T @ b),
        (TALL, V),
    ),
    "median, odd": (np.median, median, (X,)),
    "median, even": (np.median, median, (X[:4],)),
    "percentile": (lambda a: np.percentile(a, 30.0), lambda a: quantile(a, 0.3), (X,)),
    "pinv": (np.linalg.pinv, lambda a: np.linalg.solve(a.T @ a, a.T), (TALL,)),
    "polyval": (
        np.polyval,
        lambda p, x: functools.reduce(lambda y, c: y * x + c, p),
        (V, X),
    ),
    "quantile": (lambda a: np.quantile(a, 0.3), lambda a: quantile(a, 0.3), (X,)),
    "quantile 1": (lambda a: np.quantile(a, 1.0), lambda a: quantile(a, 1.0), (X,)),
    "rfft": (np.fft.rfft, lambda x: x @ np.fft.rfft(np.eye(x.shape[-1])), (X,)),
    "unique": (
        np.unique,
        lambda x: x[np.unique(fg.stop_gradient(x), return_index=True)[1]],
        (np.array([2.0, 1.0, 0.5]),),
    ),
    "vander": (lambda x: np.vander(x, 4), lambda x: x[:, None] ** np.arange(4)[::-1], (X,)),
}


@pytest.mark.parametrize("name", ADVICE)
def test_the_advice_of_a_refusal_computes_what_the_refused_function_does(name: str) -> None:
    refused, advised, args = ADVICE[name]
    np.testing.assert_allclose(advised(*args), refused(*args), rtol=1e-12, atol=1e-12)
    check_grads(lambda *args: np.abs(advised(*args)) ** 2, args, order=1)


@pytest.mark.parametrize("name", ADVICE)
def test_a_refusal_says_what_to_write_in_its_place(name: str) -> None:
    refused, _, args = ADVICE[name]
    with pytest.raises(UnsupportedFunctionError, match=r"test_users\.py.* Write .*, or use stop_"):
        fg.jacfwd(refused)(*args)


@pytest.mark.parametrize("name", ["eigh", "eigvalsh", "svd", "qr"])
def test_the_refusal_of_a_decomposition_names_the_way_to_a_rule(name: str) -> None:
    with pytest.raises(UnsupportedFunctionError, match=rf"{name}: .*funcgrad\.custom_jvp"):
        fg.jacfwd(getattr(np.linalg, name))(np.eye(2))
