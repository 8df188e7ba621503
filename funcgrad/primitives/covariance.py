"""Covariances and correlation coefficients of observed variables."""

import warnings
from typing import Any

import numpy as np

from funcgrad.core.foreign import any_seen
from funcgrad.core.primitive import Primitive
from funcgrad.core.tracer import bind, plain_value
from funcgrad.families.batching import same_call
from funcgrad.families.elementwise import constant_call
from funcgrad.families.shapes import as_operand, dtype_of, is_complex, rank_of, shape_of
from funcgrad.primitives.plain import implements_traced
from funcgrad.primitives.statistics import average
from funcgrad.primitives.structural import (
    astype,
    concatenate,
    imag,
    real,
    reshape,
    squeeze,
    transpose,
    where,
)

__all__ = ["corrcoef", "cov"]

excess_p: Primitive = constant_call("excess", lambda x: x - np.clip(x, -1, 1), same_call)


def _within_one(x: Any) -> Any:
    """A number that only rounding takes out of [-1, 1]: cut off, but with the derivative of x."""
    return x - bind(excess_p, x)


def _in(a: Any, dtype: Any) -> Any:
    """The array in a dtype; itself if it has it."""
    return a if dtype_of(a) == dtype else astype(a, dtype)


def _table(a: Any, dtype: Any) -> Any:
    """Observations as a matrix, one variable of them as a row."""
    a = _in(a, dtype)
    return a if rank_of(a) == 2 else reshape(a, (1, -1))


def _weights(name: str, weights: Any, count: int) -> Any:
    w = as_operand(weights)
    w = astype(w if hasattr(w, "dtype") else np.asarray(w), np.dtype(float))
    if name == "fweights" and any_seen(plain_value(w) != np.round(plain_value(w))):
        raise TypeError("fweights must be integer")
    if rank_of(w) > 1:
        raise RuntimeError(f"cannot handle multidimensional {name}")
    if shape_of(w) != (count,):
        raise RuntimeError(f"incompatible numbers of samples and {name}")
    if any_seen(plain_value(w) < 0):
        raise ValueError(f"{name} cannot be negative")
    return w


def _freedom(w: Any, total: Any, ddof: Any, aweights: Any, count: int) -> Any:
    """What the sum of products is divided by."""
    if w is None:
        return count - ddof
    if ddof == 0:
        return total
    if aweights is None:
        return total - ddof
    return total - ddof * np.sum(w * aweights) / total


def _observations(m: Any, y: Any, rowvar: bool, dtype: Any) -> Any:
    """The variables as rows of one matrix."""
    X = _table(m, dtype)
    if not rowvar and rank_of(m) != 1:
        X = transpose(X)
    if y is None or not shape_of(X)[0]:
        return X
    Y = _table(y, dtype)
    if not rowvar and shape_of(Y)[0] != 1:
        Y = transpose(Y)
    return concatenate([X, Y], axis=0)


@implements_traced(np.cov)
def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    """`numpy.cov`: Σₖ wₖ (xᵢₖ - x̄ᵢ) conj(xⱼₖ - x̄ⱼ) / f; also differentiated by the weights."""
    if ddof is not None and ddof != int(ddof):
        raise ValueError("ddof must be integer")
    tables = [as_operand(table) for table in (m, y) if table is not None]
    for name, table in zip("my", tables, strict=False):
        if rank_of(table) > 2:
            raise ValueError(f"{name} has more than 2 dimensions")
    if dtype is None:
        dtype = np.result_type(*(np.result_type(table) for table in tables), np.float64)
    X = _observations(tables[0], None if y is None else tables[1], rowvar, np.dtype(dtype))
    if not shape_of(X)[0]:
        return np.array([]).reshape(0, 0)
    if ddof is None:
        ddof = 1 if bias == 0 else 0
    count = shape_of(X)[1]
    w = None if fweights is None else _weights("fweights", fweights, count)
    if aweights is not None:
        aweights = _weights("aweights", aweights, count)
        w = aweights if w is None else w * aweights
    mean, totals = average(X, axis=1, weights=w, returned=True)
    freedom = _freedom(w, real(totals[0]), ddof, aweights, count)
    if any_seen(plain_value(freedom) <= 0):
        warnings.warn("Degrees of freedom <= 0 for slice", RuntimeWarning, stacklevel=2)
        freedom = where(freedom <= 0, 0.0, freedom)
    X = _in(X - mean[:, None], X.dtype)
    products = np.matmul(X, np.conjugate(transpose(X if w is None else X * w)))
    factor = astype(np.true_divide(1, freedom), real(products).dtype)
    return squeeze(products * factor)


@implements_traced(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    """`numpy.corrcoef`: cᵢⱼ / √(cᵢᵢ cⱼⱼ)."""
    c = cov(x, y, rowvar, dtype=dtype)
    if rank_of(c) == 0:
        return c / c
    deviations = np.sqrt(real(np.diag(c)))
    c = c / deviations[:, None] / deviations[None, :]
    if not is_complex(c):
        return _within_one(c)
    re, im = _within_one(real(c)), _within_one(imag(c))
    return re + astype(im, c.dtype) * c.dtype.type(1j)
