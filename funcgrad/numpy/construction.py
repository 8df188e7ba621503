"""Constructors that can hold traced values, and functional updates."""

import functools
from typing import Any

import numpy as np

from funcgrad.core.protocols import DISPATCH
from funcgrad.core.tracer import Tracer, plain_value
from funcgrad.primitives.memory import has_order
from funcgrad.primitives.plain import unshared

__all__ = [
    "arange",
    "array",
    "asanyarray",
    "asarray",
    "asarray_chkfinite",
    "ascontiguousarray",
    "asfortranarray",
    "at",
    "full",
    "kaiser",
]


class Table(np.ndarray[Any, np.dtype[Any]]):
    """A plain array that may be indexed by traced integers; everything made of it is an ndarray."""

    def __getitem__(self, key: Any) -> Any:
        parts = key if isinstance(key, tuple) else (key,)
        if any(isinstance(part, Tracer) for part in parts):
            return DISPATCH["getitem"](self.view(np.ndarray), key)
        return self.view(np.ndarray)[key]

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        del context
        return array[()] if return_scalar else array.view(np.ndarray)


def _holds_tracer(x: Any) -> bool:
    if isinstance(x, Tracer):
        return True
    return isinstance(x, list | tuple) and any(_holds_tracer(item) for item in x)


def array(
    object: Any,
    dtype: Any = None,
    *,
    copy: bool | None = True,
    order: Any = "K",
    subok: bool = False,
    ndmin: int = 0,
    like: Any = None,
) -> Any:
    """`numpy.array`, also of nested lists with traced values in them.

    Args:
        object: a number, array, traced value, or nested list of them.
        dtype: of the result; NumPy's promotion by default.
        copy: as in NumPy; traced values are immutable and never copied.
        order: as in NumPy; a later `order="K"` asks for it.
        subok: as in NumPy.
        ndmin: least number of axes.
        like: as in NumPy.

    Returns:
        A plain array, or a traced value if `object` holds one.

    Example:
        >>> import numpy as np, funcgrad as fg
        >>> fg.jacfwd(lambda x: fg.numpy.array([x * x, 3.0 * x]))(2.0)
        array([4., 3.])
    """
    if not _holds_tracer(object):
        return np.array(object, dtype, copy=copy, order=order, subok=subok, ndmin=ndmin, like=like)
    x = object if isinstance(object, Tracer) else _stacked(object)
    if dtype is not None and np.dtype(dtype) != x.dtype:
        x = x.astype(dtype)
    if order in ("C", "F") and not has_order(x, order):
        x = x.copy(order)
    return x if x.ndim >= ndmin else x.reshape((1,) * (ndmin - x.ndim) + x.shape)


def _stacked(items: Any) -> Any:
    parts = [_stacked(item) if isinstance(item, list | tuple) else item for item in items]
    return DISPATCH[np.stack](parts)


def asarray(
    a: Any,
    dtype: Any = None,
    order: Any = None,
    *,
    device: Any = None,
    copy: bool | None = None,
    like: Any = None,
) -> Any:
    """`numpy.asarray`, also of traced values and nested lists with traced values in them.

    Inside `vmap`, a plain table is wrapped so that it can be indexed by a traced integer:
    `asarray(table)[i]`.
    """
    if _holds_tracer(a):
        return array(a, dtype, order=order)
    plain: np.ndarray[Any, Any] = np.asarray(
        a, dtype=dtype, order=order, device=device, copy=copy, like=like
    )
    return plain.view(Table)


def asanyarray(
    a: Any,
    dtype: Any = None,
    order: Any = None,
    *,
    device: Any = None,
    copy: bool | None = None,
    like: Any = None,
) -> Any:
    """`numpy.asanyarray`; see `asarray`."""
    return asarray(a, dtype, order, device=device, copy=copy, like=like)


def asarray_chkfinite(a: Any, dtype: Any = None, order: Any = None) -> Any:
    """`numpy.asarray_chkfinite`: as `asarray`, for finite numbers only.

    Under `vmap`, where no one answer is right for all examples, nothing is checked.
    """
    x = asarray(a, dtype, order)
    value = plain_value(x)
    if np.result_type(value).kind in "fc" and not np.all(np.isfinite(value)):
        raise ValueError("array must not contain infs or NaNs")
    return x


def ascontiguousarray(a: Any, dtype: Any = None, *, like: Any = None) -> Any:
    """`numpy.ascontiguousarray`, also of traced values."""
    x = asarray(a, dtype, "C", like=like)
    return x if x.ndim else x.reshape((1,))


def asfortranarray(a: Any, dtype: Any = None, *, like: Any = None) -> Any:
    """`numpy.asfortranarray`, also of traced values."""
    x = asarray(a, dtype, "F", like=like)
    return x if x.ndim else x.reshape((1,))


def arange(
    start: Any,
    stop: Any = None,
    step: Any = None,
    dtype: Any = None,
    *,
    device: Any = None,
    like: Any = None,
) -> Any:
    """`numpy.arange`: yᵢ = start + i step, also with traced ends; ∂yᵢ = ∂start + i ∂step.

    How many elements there are is piecewise constant, so `stop` has the derivative zero. Under
    `vmap` it must be the same for all examples.

    Args:
        start: first element; where it is the only argument, it is `stop`, and the first is 0.
        stop: bound that is not reached.
        step: difference of neighbours; 1 by default.
        dtype: of the result; NumPy's promotion of the arguments by default.
        device: as in NumPy.
        like: as in NumPy.

    Returns:
        Array of shape `(n,)`.

    Example:
        >>> import funcgrad as fg
        >>> fg.jacfwd(lambda step: arange(1.0, 2.0, step))(0.25)
        array([0., 1., 2., 3.])
    """
    if not any(isinstance(x, Tracer) for x in (start, stop, step)):
        plain: Any = np.arange  # its overloads do not cover absent ends
        ends = (start,) if stop is None and step is None else (start, stop, step)
        return plain(*ends, dtype=dtype, device=device, like=like)
    if stop is None:
        start, stop = 0, start
    step = 1 if step is None else step
    found = np.result_type(np.int_, *(np.result_type(plain_value(x)) for x in (start, stop, step)))
    count = max(int(np.ceil((stop - start) / step)), 0)
    cast = functools.partial(_in_dtype, dtype=found if dtype is None else np.dtype(dtype))
    first, second = cast(start), cast(start + step)  # the others follow from them, as in NumPy
    i = np.arange(count)
    y = first + i.astype(first.dtype) * (second - first)
    return DISPATCH[np.where](i == 1, second, y)


def _in_dtype(x: Any, dtype: np.dtype[Any]) -> Any:
    if not isinstance(x, Tracer):
        return dtype.type(x)
    return x if x.dtype == dtype else DISPATCH[np.astype](x, dtype)


def full(
    shape: Any,
    fill_value: Any,
    dtype: Any = None,
    order: Any = "C",
    *,
    device: Any = None,
    like: Any = None,
) -> Any:
    """`numpy.full`, also with a traced fill value, whose derivative it carries."""
    if not _holds_tracer(fill_value):
        return np.full(shape, fill_value, dtype, order, device=device, like=like)
    filled = unshared(DISPATCH[np.broadcast_to](array(fill_value), shape))
    return filled if dtype is None else filled.astype(dtype)


def kaiser(M: Any, beta: Any) -> Any:
    """`numpy.kaiser`: I₀(β √(1 - t²)) / I₀(β) at M points t from -1 to 1, also with a traced β.

    Args:
        M: how many points; a plain number.
        beta: the shape of the window, one number.

    Returns:
        Array of shape `(M,)`, differentiable by `beta`.

    Example:
        >>> import funcgrad as fg
        >>> fg.jacfwd(lambda beta: kaiser(3, beta))(0.0)
        array([0., 0., 0.])
    """
    if not isinstance(M, Tracer) and not _holds_tracer(beta):
        return np.kaiser(M, beta)
    if isinstance(M, Tracer):
        M = M.__index__()  # which says that the number of points has no derivative
    beta = array(beta)
    if beta.ndim:
        raise ValueError(f"kaiser: beta has shape {beta.shape}. It is one number. Use vmap.")
    if M == 1:
        return full(1, 0.0 * beta + 1.0, np.float64)
    half = (M - 1) / 2
    t = (np.arange(0, M) - half) / half
    beta = _in_dtype(beta, np.result_type(np.float64, beta.dtype))
    return DISPATCH[np.i0](beta * np.sqrt(1 - t**2.0)) / DISPATCH[np.i0](beta)


def at(x: Any) -> Any:
    """Functional updates of a plain or traced array: `at(x)[idx].set(v)` returns a new one.

    Args:
        x: a plain or traced array of any shape; it is left as it is.

    Returns:
        What `[idx]` is put behind; then come the methods `set`, `add`, `subtract`, `multiply`,
        `divide`, `min`, `max`, `power` and `get`, all differentiable by `x` and by the values.

    Example:
        >>> import numpy as np, funcgrad.numpy as fnp
        >>> fnp.at(np.zeros(3))[1].set(2.0)
        array([0., 2., 0.])
    """
    return DISPATCH["at"](x)
