"""Calls that reach the primitives of Fourier transforms, signals and polynomials."""

from collections.abc import Callable
from typing import Any

import numpy as np

import funcgrad as fg

__all__ = ["CALLS"]


def _draw(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng([seed, *shape]).normal(size=shape)


V, M, T = _draw(5), _draw(3, 4), _draw(2, 3, 5)
Z, C = _draw(3, 4) + 1j * _draw(3, 4, seed=1), _draw(4) + 1j * _draw(4, seed=1)
SQUARE = _draw(3, 3)

CALLS: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    (lambda x: np.fft.fft(x), (M,)),
    (lambda x: np.fft.fft(x, 7, 0, "ortho"), (Z,)),
    (lambda x: np.fft.ifft(x, 3), (Z,)),
    (lambda x: np.fft.fftn(x, (4, 4), (0, 2), "forward"), (T,)),
    (lambda x: np.fft.rfft(x), (M,)),
    (lambda x: np.fft.rfft(x, norm="forward"), (T,)),
    (lambda x: np.fft.rfft(x, 3, 0), (np.asarray(M, np.float32),)),
    (lambda x: np.fft.irfft(x), (Z,)),
    (lambda x: np.fft.irfft(x, 5, -1, "ortho"), (Z,)),
    (lambda x: np.fft.irfft(x, 9, 0), (M,)),
    (lambda a, v: np.convolve(a, v), (V, C)),
    (lambda a, v: np.convolve(a, v, "same"), (C, V)),
    (lambda a, v: np.correlate(a, v), (C, C[:2])),
    (lambda x: np.i0(x), (M,)),
    (lambda x: fg.jvp(np.i0, (x,), (x,))[1], (V,)),
    (lambda u, v: np.polydiv(u, v), (V, np.array([2.0, -1.0, 0.5]))),
    (lambda u, v: np.polydiv(u, v), (C, np.array([1.0 + 1j, 0.3]))),
    (lambda x: np.vander(x), (V,)),
    (lambda x: np.vander(x, 3, increasing=True), (C,)),
    (lambda x: np.poly(x), (SQUARE,)),
    (lambda p: np.roots(p), (np.array([1.0, -6.0, 11.0, -5.0]),)),
    (lambda p: np.roots(p), (np.array([1.0, 2.0, 5.0]),)),
]
