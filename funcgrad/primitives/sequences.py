"""Sequences between two ends, differentiable in the ends: linspace, logspace, geomspace.

The steps are NumPy's own, so that traced values equal those of plain arrays bit for bit (but for
`geomspace` of complex numbers, where NumPy divides scalars in another way than arrays).
"""

import operator
from typing import Any

import numpy as np

from funcgrad.core.foreign import any_seen
from funcgrad.core.tracer import Tracer, plain_value
from funcgrad.families.shapes import as_operand, dtype_of, rank_of, shape_of
from funcgrad.primitives.plain import implements_traced
from funcgrad.primitives.structural import astype, moveaxis, reshape, where

__all__ = ["geomspace", "linspace", "logspace"]


def _model(x: Any) -> Any:
    """What promotes like a value: the number itself if it is weak, else a zero of its dtype."""
    value = plain_value(as_operand(x))
    dtype = dtype_of(value)
    return value if dtype is None else np.zeros((), dtype)


def _as(x: Any, dtype: np.dtype[Any]) -> Any:
    x = as_operand(x)
    if isinstance(x, Tracer):
        return x if dtype_of(x) == dtype else astype(x, dtype)
    return np.asarray(x, dtype)[()]


def _of_rank(x: Any, rank: int) -> Any:
    return reshape(x, (1,) * (rank - rank_of(x)) + shape_of(x))


def _numbers(num: int, dtype: np.dtype[Any], rank: int) -> Any:
    """0, 1, ..., num - 1 along the first axis, with `rank` axes of length 1 behind."""
    return np.reshape(np.arange(num, dtype=dtype), (num,) + (1,) * rank)


def _finished(y: Any, axis: Any, dtype: Any) -> Any:
    if axis != 0:
        y = moveaxis(y, 0, axis)
    return y if y.dtype == dtype else astype(y, dtype)


@implements_traced(np.linspace)
def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,
) -> Any:
    """`numpy.linspace`: yᵢ = start + i (stop - start) / n; ∂yᵢ = (1 - i/n) ∂start + (i/n) ∂stop."""
    num = operator.index(num)
    if num < 0:
        raise ValueError(f"Number of samples, {num}, must be non-negative.")
    intervals = num - 1 if endpoint else num
    working = np.linspace(_model(start), _model(stop), 0, device=device).dtype
    dtype = working if dtype is None else np.dtype(dtype)
    start, stop = _as(start, working), _as(stop, working)
    delta = stop - start
    i = _numbers(num, working, rank_of(delta))
    step: Any = np.nan
    if intervals > 0:
        step = delta / intervals
        underflow = np.any(step == 0)  # of a subnormal difference; NumPy multiplies first then
        y = where(underflow, (i / intervals) * delta, i * step)
    else:
        y = i * delta
    y = y + start
    if endpoint and num > 1:
        y = where(i == num - 1, stop, y)
    if dtype.kind in "iu":
        y = np.floor(y)
    y = _finished(y, axis, dtype)
    return (y, step) if retstep else y


@implements_traced(np.logspace)
def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """`numpy.logspace`: powers of the base, whose exponents are evenly spaced."""
    start, stop, base = as_operand(start), as_operand(stop), as_operand(base)
    if rank_of(base):
        rank = max(rank_of(x) for x in (start, stop, base))
        start, stop, base = (_of_rank(x, rank) for x in (start, stop, base))
        base = np.expand_dims(base, axis)
    y = np.power(base, np.linspace(start, stop, num, endpoint=endpoint, axis=axis))
    return y if dtype is None or y.dtype == dtype else astype(y, np.dtype(dtype))


@implements_traced(np.geomspace)
def geomspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """`numpy.geomspace`: start (stop / start)^(i/n), exactly `start` and `stop` at the ends."""
    if any_seen(plain_value(start) == 0) or any_seen(plain_value(stop) == 0):
        raise ValueError("Geometric sequence cannot include zero")
    ends = np.result_type(_model(start)), np.result_type(_model(stop))  # no weak ones here
    working = np.result_type(*ends, np.zeros((), dtype), float(num))
    dtype = working if dtype is None else np.dtype(dtype)
    start, stop = _as(start, working), _as(stop, working)
    turn = np.sign(start)
    start, stop = start / turn, stop / turn
    y = logspace(np.log10(start), np.log10(stop), num, endpoint, dtype=working)
    i = _numbers(num, np.dtype(np.int64), rank_of(y) - 1)
    y = where(i == 0, start, y)
    if endpoint and num > 1:
        y = where(i == num - 1, stop, y)
    return _finished(y * turn, axis, dtype)
