"""An array of another library, as small as one can be: it speaks NEP 13 and NEP 18, nothing else.

It has no methods of `ndarray` but `x[key]`, no memory that can be written to, and it is never
converted: `np.asarray(x)`, `float(x)` and `bool(x)` raise `ConvertedError`. What works with it
demands nothing of a value but NumPy's protocols.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

import funcgrad as fg

__all__ = ["ConvertedError", "Foreign", "plain"]


class ConvertedError(Exception):
    """Something asked a foreign array for its elements."""


def _refuse(what: str) -> Callable[..., Any]:
    def refuse(self: "Foreign", *_args: Any, **_kwargs: Any) -> Any:
        raise ConvertedError(f"{what} of a foreign array of shape {self.shape}")

    return refuse


class Foreign(NDArrayOperatorsMixin):
    """Wraps a plain array, which only `plain` takes out again."""

    __slots__ = ("_array",)

    def __init__(self, array: Any) -> None:
        self._array = np.asarray(array)

    shape = property(lambda self: self._array.shape)
    dtype = property(lambda self: self._array.dtype)
    ndim = property(lambda self: self._array.ndim)
    size = property(lambda self: self._array.size)

    __array__ = _refuse("np.asarray()")
    __bool__ = _refuse("bool()")
    __float__ = _refuse("float()")
    __int__ = _refuse("int()")
    __index__ = _refuse("use as an index")

    def __len__(self) -> int:
        return len(self._array)

    def __iter__(self) -> Iterator["Foreign"]:
        return map(Foreign, self._array)

    def __getitem__(self, key: Any) -> "Foreign":
        return Foreign(self._array[plain(key)])

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        if method == "at" or "out" in kwargs or not _mine((*args, *kwargs.values())):
            return NotImplemented
        return wrapped(getattr(ufunc, method)(*plain(args), **plain(kwargs)))

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if not all(issubclass(kind, Foreign | np.ndarray) for kind in types):
            return NotImplemented
        if function in CHANGING or "out" in kwargs:
            raise ConvertedError(f"{function.__name__} changes a foreign array")
        return wrapped(function(*plain(args), **plain(kwargs)))

    def __repr__(self) -> str:
        return f"Foreign(shape={self.shape}, dtype={self.dtype})"


CHANGING = (np.copyto, np.fill_diagonal, np.place, np.put, np.put_along_axis, np.putmask)


def _mine(args: tuple[Any, ...]) -> bool:
    return not any(
        hasattr(arg, "__array_ufunc__") and not isinstance(arg, Foreign | np.ndarray | np.generic)
        for arg in args
    )


def plain(value: Any) -> Any:
    """The plain arrays in a value, or in a pytree of values."""
    return fg.tree.map(lambda leaf: leaf._array if isinstance(leaf, Foreign) else leaf, value)


def wrapped(value: Any) -> Any:
    """The arrays and NumPy scalars in a result as foreign arrays."""
    kinds = np.ndarray | np.generic
    return fg.tree.map(lambda leaf: Foreign(leaf) if isinstance(leaf, kinds) else leaf, value)
