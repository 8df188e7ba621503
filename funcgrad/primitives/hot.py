"""Recording fast paths of the hottest functions that are not elementwise: sum, mean, matmul.

Each handles a recording tracer over a plain array with the usual options, and leaves everything
else to the general function of the same name. Its record has the effect of the one that
the rules of the primitive would have made.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from funcgrad.core.protocols import DISPATCH
from funcgrad.interpreters.record import RecordTracer
from funcgrad.primitives.calls import append_record
from funcgrad.primitives.contraction import matmul, matmul_p
from funcgrad.primitives.reduction import SMALL_FILL, mean, mean_p, spread, sum_, sum_p

__all__ = ["fast_matmul", "fast_mean", "fast_sum"]

_reduce: Any = np.add.reduce
_FAST_DTYPES = "fdD"


def _fill_pull(ct: Any, shape: tuple[int, ...]) -> Any:
    """Transpose of a full sum: the cotangent, which has no axes, at every place."""
    return spread(ct, shape, (), keepdims=True)


def _mean_pull(ct: Any, shape: tuple[int, ...]) -> Any:
    """Transpose of a full mean."""
    return spread(ct / ct.dtype.type(math.prod(shape)), shape, (), keepdims=True)


def _axis_pull(ct: Any, residuals: Any) -> Any:
    """Transpose of a sum over one (negative) axis."""
    shape, axis, keepdims, divisor = residuals
    if divisor is not None:
        ct = ct / ct.dtype.type(divisor)
    if type(ct) is np.ndarray and ct.size:
        if not keepdims:
            kept = list(shape)
            kept[axis] = 1
            ct = ct.reshape(kept)
        size = ct.size * shape[axis]
        if size <= SMALL_FILL:
            full: np.ndarray[Any, Any] = np.empty(shape, ct.dtype)
            full[...] = ct
            return full
        return np.broadcast_to(ct, shape)
    return spread(ct, shape, (axis,), keepdims)


def _reduction(
    primitive: Any, general: Callable[..., Any], divide: bool, full_pull: Any
) -> Callable[..., Any]:
    def function(
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        keepdims: Any = False,
        **options: Any,
    ) -> Any:
        if (
            type(a) is RecordTracer
            and type(a.value) is np.ndarray
            and dtype is None
            and out is None
            and not options
            and a.value.dtype.char in _FAST_DTYPES
        ):
            x = a.value
            if axis is None and keepdims is False:
                z = _reduce(x, axis=None)
                if divide:
                    z = z / x.dtype.type(x.size)
                return append_record(a, primitive, full_pull, x.shape, z)
            rank = x.ndim
            if type(axis) is int and -rank <= axis < rank and type(keepdims) is bool:
                shape = x.shape
                z = _reduce(x, axis=axis, keepdims=keepdims)
                divisor = None
                if divide:
                    divisor = shape[axis]
                    z = z / x.dtype.type(divisor)
                axis = axis if axis < 0 else axis - rank
                return append_record(a, primitive, _axis_pull, (shape, axis, keepdims, divisor), z)
        if out is not None:
            options["out"] = out
        return general(a, axis, dtype, keepdims=keepdims, **options)

    function.__doc__ = general.__doc__
    function.__name__ = general.__name__.rstrip("_")
    return function


fast_sum = _reduction(sum_p, sum_, divide=False, full_pull=_fill_pull)
fast_mean = _reduction(mean_p, mean, divide=True, full_pull=_mean_pull)
DISPATCH[np.sum] = fast_sum
DISPATCH[np.mean] = fast_mean


# --- matmul of one- and two-dimensional arrays of one dtype -----------------------------------


def _pull_left(ct: Any, b: Any) -> Any:
    """a, of shape (m, n), from a @ b of shape (m, k)."""
    return np.dot(ct, b.T)


def _pull_right(ct: Any, a: Any) -> Any:
    return np.dot(a.T, ct)


def _pull_both(ct: Any, residuals: Any) -> tuple[Any, Any]:
    a, b = residuals
    return np.dot(ct, b.T), np.dot(a.T, ct)


def _pull_outer_right(ct: Any, a: Any) -> Any:
    """b, of shape (n, k), from a @ b for a vector a."""
    return a[:, None] * ct


def _pull_outer_left(ct: Any, b: Any) -> Any:
    """a, of shape (m, n), from a @ b for a vector b."""
    return ct[:, None] * b


def _pull_vector_left(ct: Any, b: Any) -> Any:
    return np.dot(b, ct)


def _pull_vector_both(ct: Any, residuals: Any) -> tuple[Any, Any]:
    a, b = residuals
    return np.dot(b, ct), a[:, None] * ct


def _pull_matrix_vector_both(ct: Any, residuals: Any) -> tuple[Any, Any]:
    a, b = residuals
    return ct[:, None] * b, np.dot(ct, a)


def _pull_product(ct: Any, other: Any) -> Any:
    return ct * other


def _pull_product_both(ct: Any, residuals: Any) -> tuple[Any, Any]:
    a, b = residuals
    return ct * b, ct * a


def _pull_matrix_right(ct: Any, a: Any) -> Any:
    return np.dot(ct, a)


# {(rank of a, rank of b): (pull of a, pull of b, pull of both)}
_PULLS = {
    (2, 2): (_pull_left, _pull_right, _pull_both),
    (1, 2): (_pull_vector_left, _pull_outer_right, _pull_vector_both),
    (2, 1): (_pull_outer_left, _pull_matrix_right, _pull_matrix_vector_both),
    (1, 1): (_pull_product, _pull_product, _pull_product_both),
}


def fast_matmul(x1: Any, x2: Any, /, **options: Any) -> Any:
    """`numpy.matmul`."""
    if not options:
        left, right = type(x1) is RecordTracer, type(x2) is RecordTracer
        a = x1.value if left else x1
        b = x2.value if right else x2
        if (
            (left or right)
            and type(a) is np.ndarray
            and type(b) is np.ndarray
            and a.dtype is b.dtype
        ):
            pulls = _PULLS.get((a.ndim, b.ndim))
            if pulls is not None and (not (left and right) or x1.owner is x2.owner):
                z = np.dot(a, b)
                if left and right:
                    owner = x1.owner
                    tracer = object.__new__(RecordTracer)
                    tracer.value = z
                    tracer.owner = owner
                    tracer.index = owner.append((matmul_p, (x1.index, x2.index), pulls[2], (a, b)))
                    return tracer
                if left:
                    return append_record(x1, matmul_p, pulls[0], x1.owner.capture(b), z)
                return append_record(x2, matmul_p, pulls[1], x2.owner.capture(a), z)
    return matmul(x1, x2, **options)


def _matmul_reflected(y: Any, x: Any) -> Any:
    return fast_matmul(x, y)


DISPATCH[np.matmul] = fast_matmul
setattr(RecordTracer, "__matmul__", fast_matmul)  # noqa: B010  # a special method, set on the class
setattr(RecordTracer, "__rmatmul__", _matmul_reflected)  # noqa: B010  # as above
