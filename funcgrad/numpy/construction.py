"""Constructors that can hold traced values, and functional updates."""

from typing import Any

import numpy as np

from funcgrad.core.protocols import DISPATCH
from funcgrad.core.tracer import Tracer
from funcgrad.primitives.plain import unshared

__all__ = [
    "array",
    "asanyarray",
    "asarray",
    "ascontiguousarray",
    "asfortranarray",
    "at",
    "full",
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


def array(object: Any, dtype: Any = None, *, copy: bool = True, ndmin: int = 0) -> Any:
    """`numpy.array`, also of nested lists with traced values in them.

    Args:
        object: a number, array, traced value, or nested list of them.
        dtype: of the result; NumPy's promotion by default.
        copy: as in NumPy; traced values are immutable and never copied.
        ndmin: least number of axes.

    Returns:
        A plain array, or a traced value if `object` holds one.

    Example:
        >>> import numpy as np, funcgrad as fg
        >>> fg.jacfwd(lambda x: fg.numpy.array([x * x, 3.0 * x]))(2.0)
        array([4., 3.])
    """
    if not _holds_tracer(object):
        return np.array(object, dtype=dtype, copy=copy, ndmin=ndmin)
    x = object if isinstance(object, Tracer) else _stacked(object)
    if dtype is not None:
        x = x.astype(dtype)
    return x if x.ndim >= ndmin else x.reshape((1,) * (ndmin - x.ndim) + x.shape)


def _stacked(items: Any) -> Any:
    parts = [_stacked(item) if isinstance(item, list | tuple) else item for item in items]
    return DISPATCH[np.stack](parts)


def asarray(a: Any, dtype: Any = None, order: Any = None, *, copy: bool | None = None) -> Any:
    """`numpy.asarray`, also of traced values and nested lists with traced values in them.

    Inside `vmap`, a plain table is wrapped so that it can be indexed by a traced integer:
    `asarray(table)[i]`.
    """
    if _holds_tracer(a):
        return array(a, dtype)
    return np.asarray(a, dtype=dtype, order=order, copy=copy).view(Table)


def asanyarray(a: Any, dtype: Any = None, order: Any = None, *, copy: bool | None = None) -> Any:
    """`numpy.asanyarray`; see `asarray`."""
    return asarray(a, dtype, order, copy=copy)


def ascontiguousarray(a: Any, dtype: Any = None) -> Any:
    """`numpy.ascontiguousarray`; traced values have no memory order."""
    x = asarray(a, dtype, "C")
    return x if x.ndim else x.reshape((1,))


def asfortranarray(a: Any, dtype: Any = None) -> Any:
    """`numpy.asfortranarray`; traced values have no memory order."""
    return asarray(a, dtype, "F")


def full(shape: Any, fill_value: Any, dtype: Any = None, order: Any = "C") -> Any:
    """`numpy.full`, also with a traced fill value, whose derivative it carries."""
    if not _holds_tracer(fill_value):
        return np.full(shape, fill_value, dtype, order)
    filled = unshared(DISPATCH[np.broadcast_to](array(fill_value), shape))
    return filled if dtype is None else filled.astype(dtype)


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
