"""Softmax, its logarithm, and the logarithm of a sum of exponentials, each as one primitive.

All start from x - max(x), so that nothing overflows. Where the maximum is infinite, the elements
that reach it share it evenly: logsumexp([inf, 1]) = inf and softmax([inf, 1]) = [1, 0].
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from funcgrad.core.foreign import as_array, is_foreign
from funcgrad.core.primitive import Pull
from funcgrad.core.tracer import bind
from funcgrad.families.batching import same_call
from funcgrad.families.elementwise import constant_call
from funcgrad.families.shapes import as_operand, negative_axes, rank_of, shape_of
from funcgrad.families.smooth import smooth
from funcgrad.interpreters.record import RecordTracer
from funcgrad.primitives.calls import append_record
from funcgrad.primitives.reduction import kept_shape
from funcgrad.primitives.special import FLOATS, real_operand

__all__ = [
    "log_softmax",
    "logsumexp",
    "normalised",
    "quiet",
    "shift",
    "shifted",
    "softmax",
    "total",
]

Axes = tuple[int, ...]
_reduce: Any = np.add.reduce  # its overloads know no axis that is an int or a tuple


def quiet() -> np.errstate:
    """No warnings of inf - inf and 0 · inf, which are then put right."""
    return np.errstate(invalid="ignore")


def total(x: Any, axis: Axes | int, keepdims: bool = True) -> Any:
    """Sum over axes, of arrays and tracers."""
    if type(x) is np.ndarray:
        return _reduce(x, axis=axis, keepdims=keepdims)
    return np.sum(x, axis=axis, keepdims=keepdims)


def shifted(x: Any, axis: Axes | int) -> tuple[Any, Any]:
    """max(x), with reduced axes kept, and x - max(x), which is fresh.

    Args:
        x: plain floating-point array, not empty.
        axis: over which to reduce.
    """
    if type(x) is not np.ndarray:  # of another library: nothing is computed to find out
        top = np.max(x, axis=axis, keepdims=True)
        below = x - np.where(np.isinf(top), 0, top)
        return top, np.where(np.isinf(top), np.where(x == top, 0, -np.inf), below)
    top = np.maximum.reduce(x, axis=axis, keepdims=True)
    if np.isfinite(top).all():
        return top, x - top
    with quiet():
        below = np.where(np.isinf(top), np.where(x == top, 0, -np.inf), x - top)
    return top, below.astype(x.dtype)


def normalised(below: Any, axis: Axes | int) -> tuple[Any, Any]:
    """exp(x - max(x)) and its sum, in place; the first is not divided yet."""
    if type(below) is not np.ndarray:
        grown = np.exp(below)
        return grown, np.sum(grown, axis=axis, keepdims=True)
    grown = np.exp(below, out=below)
    return grown, np.add.reduce(grown, axis=axis, keepdims=True)


# --- values on plain arrays -------------------------------------------------------------------


def _softmax_value(x: Any, *, axis: Axes) -> Any:
    x = as_array(real_operand("softmax", x))
    return softmax_of(x, axis) if x.size and axis else np.ones_like(x)[()]


def softmax_of(x: Any, axis: Axes | int) -> Any:
    """softmax(x) of a plain array that is not empty."""
    if type(x) is np.ndarray and x.size >= MANY and x.dtype in FLOATS:
        weights = without_shift(x, axis)
        if weights is not None:
            return weights
    weights, norm = normalised(shifted(x, axis)[1], axis)
    if type(weights) is not np.ndarray:
        return weights / norm
    weights /= norm
    return weights


NEAR = 30.0
"""Exponentials of numbers up to here do not overflow, nor do their sums."""

FAR = 1e-3
"""Of a sum of this size, float32 elements that are no normal numbers are parts below 1e-35."""

MANY = 2048
"""From how many elements on it pays to look whether a shift is needed."""


def without_shift(x: Any, axis: Axes | int, out: Any = None) -> Any:
    """softmax(x) of a plain array, without looking for the maximum of each row.

    Args:
        x: the array.
        axis: over which to sum.
        out: memory for the result.

    Returns:
        The result, or `None` if an exponential or a sum is too large or too small.
    """
    found = _exponentials(x, axis, out)
    if found is None:
        return None
    weights, sums = found
    weights /= sums
    return weights


def _exponentials(x: Any, axis: Axes | int, out: Any = None) -> tuple[Any, Any] | None:
    """exp(x) and its sums, with reduced axes kept; `None` as in `without_shift`."""
    if not np.maximum.reduce(x, axis=None) <= NEAR:
        return None
    grown = np.exp(x, out=out)
    sums = _sum_along(grown, axis)
    return None if np.minimum.reduce(sums, axis=None) < FAR else (grown, sums)


def _sum_along(x: Any, axis: Axes | int) -> Any:
    """Σ x with reduced axes kept; along the last one as a product of matrices."""
    if axis not in (-1, (-1,)) or not x.flags.c_contiguous:
        return _reduce(x, axis=axis, keepdims=True)
    n = x.shape[-1]
    return np.dot(x.reshape(-1, n), np.ones(n, x.dtype)).reshape(*x.shape[:-1], 1)


def _log_softmax_value(x: Any, *, axis: Axes) -> Any:
    x = as_array(real_operand("log_softmax", x))
    return log_softmax_of(x, axis) if x.size and axis else np.zeros_like(x)[()]


def log_softmax_of(x: Any, axis: Axes | int) -> Any:
    """log(softmax(x)) of a plain array that is not empty."""
    _, below = shifted(x, axis)
    if type(x) is not np.ndarray:
        return below - np.log(total(np.exp(below), axis))
    below -= np.log(total(np.exp(below), axis))
    return below


def _logsumexp_value(x: Any, *, axis: Axes, keepdims: bool) -> Any:
    x = real_operand("logsumexp", x)
    if not axis:
        return +x
    x = as_array(x)
    if not x.size:
        return np.full_like(np.sum(x, axis=axis, keepdims=keepdims), -np.inf)[()]
    out = _normaliser(x, axis)[0]
    return out if keepdims else np.squeeze(out, axis)[()]


def _normaliser(x: Any, axis: Axes | int) -> tuple[Any, Any, Any]:
    """log Σ exp(x) of a plain array that is not empty, with reduced axes kept.

    Returns:
        It, and what softmax(x) is a quotient of: each result has the bits of `softmax_of`.
    """
    if type(x) is np.ndarray and x.size >= MANY and x.dtype in FLOATS:
        found = _exponentials(x, axis)
        if found is not None:
            return np.log(found[1]), *found
    top, below = shifted(x, axis)
    weights, norm = normalised(below, axis)
    return np.log(norm) + top, weights, norm


def _shift_value(x: Any, *, axis: Axes) -> Any:
    x = real_operand("logsumexp", x)
    # The max of dask knows no initial.
    start: Any = {} if is_foreign(x) and x.size else {"initial": -np.inf}
    top = np.max(x, axis=axis, keepdims=True, **start)
    return np.where(np.isfinite(top), top, np.zeros_like(top))


# --- rules ------------------------------------------------------------------------------------


def _softmax_jvp(y: Any, _x: Any, t: Any, *, axis: Axes) -> Any:
    return y * (t - total(y * t, axis))


def _softmax_pull(ct: Any, residuals: Any) -> Any:
    y, axis = residuals
    part = ct - total(ct * y, axis)
    if type(part) is np.ndarray:
        part *= y
        return part
    return part * y


def _log_softmax_jvp(y: Any, _x: Any, t: Any, *, axis: Axes) -> Any:
    return t - total(np.exp(y) * t, axis)


def _log_softmax_pull(ct: Any, residuals: Any) -> Any:
    y, axis = residuals
    return ct - np.exp(y) * total(ct, axis)


def _logsumexp_jvp(_y: Any, x: Any, t: Any, *, axis: Axes, keepdims: bool) -> Any:
    return total(bind(softmax_p, x, axis=axis) * t, axis, keepdims)


def _logsumexp_pull(ct: Any, residuals: Any) -> Any:
    """ct · softmax(x): the residuals are softmax(x), and the shape of ct with all axes."""
    weights, kept = residuals
    if shape_of(ct) != kept:
        ct = np.reshape(ct, kept)
    return ct * weights


def _by_result(
    pull: Pull,
) -> Callable[[Any, Sequence[Any], tuple[bool, ...], dict[str, Any]], tuple[Pull, Any]]:
    return lambda out, _args, _active, params: (pull, (out, params["axis"]))


def _logsumexp_vjp(
    out: Any, args: Sequence[Any], active: tuple[bool, ...], params: dict[str, Any]
) -> tuple[Pull, Any]:
    del out, active
    x, axis = args[0], params["axis"]
    return _logsumexp_pull, (bind(softmax_p, x, axis=axis), kept_shape(shape_of(x), axis))


softmax_p = smooth(
    "softmax", _softmax_value, _softmax_jvp, same_call,
    vjp=_by_result(_softmax_pull), analytic=False,
)  # fmt: skip
log_softmax_p = smooth(
    "log_softmax", _log_softmax_value, _log_softmax_jvp, same_call,
    vjp=_by_result(_log_softmax_pull), analytic=False,
)  # fmt: skip
logsumexp_p = smooth(
    "logsumexp", _logsumexp_value, _logsumexp_jvp, same_call,
    vjp=_logsumexp_vjp, analytic=False,
)  # fmt: skip
shift_p = constant_call("shift", _shift_value, same_call)


# --- functions, with a recording fast path ----------------------------------------------------


def _is_fast(x: Any, axis: Any) -> bool:
    if type(x) is not RecordTracer or type(axis) is not int:
        return False
    value = x.value
    return (
        type(value) is np.ndarray
        and value.dtype in FLOATS
        and -value.ndim <= axis < value.ndim
        and value.size > 0
    )


def softmax(x: Any, axis: Any = -1) -> Any:
    """exp(x) / Σ exp(x), the sum over one or several axes."""
    if _is_fast(x, axis):
        y = softmax_of(x.value, axis)
        return append_record(x, softmax_p, _softmax_pull, (y, axis), y)
    x = as_operand(x)
    return bind(softmax_p, x, axis=negative_axes(axis, rank_of(x)))


def log_softmax(x: Any, axis: Any = -1) -> Any:
    """x - log Σ exp(x), the sum over one or several axes."""
    if _is_fast(x, axis):
        y = log_softmax_of(x.value, axis)
        return append_record(x, log_softmax_p, _log_softmax_pull, (y, axis), y)
    x = as_operand(x)
    return bind(log_softmax_p, x, axis=negative_axes(axis, rank_of(x)))


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """log Σ exp(x), the sum over one, several or all axes."""
    if axis is None and rank_of(x) == 1:
        axis = 0
    if _is_fast(x, axis):
        z, weights, norm = _normaliser(x.value, axis)
        weights /= norm
        residuals = weights, z.shape
        z = z if keepdims else z.squeeze(axis)[()]
        return append_record(x, logsumexp_p, _logsumexp_pull, residuals, z)
    x = as_operand(x)
    axes = negative_axes(axis, rank_of(x))
    return bind(logsumexp_p, x, axis=axes, keepdims=bool(keepdims))


def shift(x: Any, axis: Axes) -> Any:
    """max(x) with reduced axes kept, 0 where it is infinite; a constant of derivatives."""
    return bind(shift_p, x, axis=axis)
