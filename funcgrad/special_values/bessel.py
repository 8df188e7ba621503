"""Modified Bessel functions of the first kind, of integer order."""

import functools
import math

import numpy as np
import numpy.typing as npt

from funcgrad.special_values.evaluation import FloatArray, RealValues, evaluate

__all__ = ["bessel_i", "scaled_bessel_i"]

SERIES_TO = 30.0
SERIES_TERMS, TAIL_TERMS = 70, 22


def bessel_i(order: int, x: npt.ArrayLike) -> RealValues:
    """Iₙ(x), n = 0, 1, 2, ...: within 20 units in the last place for orders up to 4.

    The power series, whose terms are all positive, up to |x| = 30; from there on the asymptotic
    series (DLMF 10.25.2 and 10.40.1).
    """
    return evaluate("bessel_i", functools.partial(_kernel, order), x)


def scaled_bessel_i(order: int, x: npt.ArrayLike) -> RealValues:
    """exp(-|x|) Iₙ(x), n = 0, 1, 2, ..., which does not overflow; as accurate."""
    return evaluate("scaled_bessel_i", functools.partial(_scaled_kernel, order), x)


def _scaled_kernel(order: int, x: FloatArray) -> FloatArray:
    size = np.abs(x)
    near = np.minimum(size, SERIES_TO)
    out = np.exp(-near) * _kernel(order, near)
    far = np.maximum(size, SERIES_TO)
    out = np.where(size > SERIES_TO, _tail(order, far) / np.sqrt(2 * math.pi * far), out)
    out = np.where(np.isinf(size), 0.0, np.where(np.isnan(x), x, out))
    return np.where(x < 0, -out, out) if order % 2 else out


def _tail(order: int, x: FloatArray) -> FloatArray:
    """√(2πx) exp(-x) Iₙ(x) for large x."""
    tail = np.ones_like(x)
    for k in range(TAIL_TERMS, 0, -1):
        tail = 1 - tail * (4 * order * order - (2 * k - 1) ** 2) / (k * 8 * x)
    return tail


def _kernel(order: int, x: FloatArray) -> FloatArray:
    size = np.abs(x)
    near = np.minimum(size, SERIES_TO)
    quarter = near * near / 4
    total = np.ones_like(near)
    for k in range(SERIES_TERMS, 0, -1):
        total = 1 + total * quarter / (k * (k + order))
    out = (near / 2) ** order / math.factorial(order) * total
    if np.any(size > SERIES_TO):
        far = np.maximum(size, SERIES_TO)
        tail = _tail(order, far)
        root = np.exp(far / 2)  # its square overflows earlier than the function
        out = np.where(size > SERIES_TO, tail / np.sqrt(2 * math.pi * far) * root * root, out)
        out = np.where(np.isinf(size), np.inf, out)
    out = np.where(np.isnan(x), np.nan, out)
    return np.where(x < 0, -out, out) if order % 2 else out
