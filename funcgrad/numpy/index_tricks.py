"""What NumPy has behind square brackets and in iterators, for traced values: `r_`, `c_`, `nditer`.

`r_` and `c_` are compositions of `concatenate`, `linspace` and `arange`. Plain values go to NumPy
itself.
"""

import sys
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from funcgrad.core.protocols import DISPATCH, unsupported
from funcgrad.core.tracer import Tracer
from funcgrad.errors import TracerArrayConversionError, UnsupportedFunctionError, user_line
from funcgrad.families.shapes import as_operand, rank_of, shape_of
from funcgrad.numpy.construction import arange
from funcgrad.primitives.plain import is_traced

__all__ = ["c_", "fromiter", "ndenumerate", "nditer", "r_", "require"]


class Joiner:
    """`numpy.r_` or `numpy.c_`: arrays, numbers and slices in brackets, joined along an axis."""

    def __init__(self, name: str, plain: Any, axis: int, ndmin: int, place: int) -> None:
        self.name = name
        self.plain = plain
        self.axis = axis
        self.ndmin = ndmin
        self.place = place

    def __len__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return f"funcgrad.numpy.{self.name}"

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):  # names of the caller's variables
            frame = sys._getframe(1)
            return np.bmat(key, frame.f_locals, frame.f_globals)
        parts = key if isinstance(key, tuple) else (key,)
        if not any(map(_is_traced_part, parts)):
            return self.plain[key]
        axis, ndmin, place = self.axis, self.ndmin, self.place
        if isinstance(parts[0], str):
            axis, ndmin, place = self._directive(parts[0])
            parts = parts[1:]
        if any(isinstance(part, str) for part in parts):
            raise ValueError("special directives must be the first entry.")
        items = [_spread(part) if isinstance(part, slice) else as_operand(part) for part in parts]
        dtype = DISPATCH[np.result_type](*items)
        shaped = [_with_axes(_of_dtype(item, dtype), ndmin, place) for item in items]
        return DISPATCH[np.concatenate](shaped, axis=axis)

    def _directive(self, text: str) -> tuple[int, int, int]:
        """Axis, least number of axes and place of the own axes, of a text such as `"0,2"`."""
        if text in ("r", "c"):
            raise UnsupportedFunctionError(
                f"{self.name}[{text!r}, ...]: called with a traced value at {user_line()}. The "
                "result would be a np.matrix, which is no array as others are. Use "
                "funcgrad.numpy.r_['0,2', ...] for a row, funcgrad.numpy.c_[...] for columns, or "
                "np.concatenate."
            )
        try:
            numbers = [int(number) for number in text.split(",")]
        except ValueError as error:
            raise ValueError(f"unknown special directive {text!r}") from error
        if len(numbers) > 3:
            raise ValueError(f"unknown special directive {text!r}")
        axis, ndmin, place = (*numbers, *(self.axis, self.ndmin, self.place)[len(numbers) :])
        return axis, ndmin, place


def _is_traced_part(part: Any) -> bool:
    if isinstance(part, slice):
        return is_traced([part.start, part.stop, part.step])
    return is_traced(part)


def _spread(part: slice) -> Any:
    """The numbers of a slice; an imaginary step says how many, with both ends."""
    start = 0 if part.start is None else part.start
    step = 1 if part.step is None else part.step
    if isinstance(step, complex | np.complexfloating):
        return DISPATCH[np.linspace](start, part.stop, num=int(np.abs(step)))
    return arange(start, part.stop, step)


def _of_dtype(x: Any, dtype: np.dtype[Any]) -> Any:
    if not isinstance(x, Tracer):
        return np.asarray(x, dtype)
    return x if x.dtype == dtype else DISPATCH[np.astype](x, dtype)


def _with_axes(x: Any, ndmin: int, place: int) -> Any:
    """The value with axes of length 1, so many of them in front of its own as `place` says."""
    missing = ndmin - rank_of(x)
    if missing <= 0:
        return x
    front = place + missing + 1 if place < 0 else place
    if not 0 <= front <= missing:
        raise ValueError("axes don't match array")
    return DISPATCH[np.reshape](x, (1,) * front + shape_of(x) + (1,) * (missing - front))


r_ = Joiner("r_", np.r_, axis=0, ndmin=1, place=-1)
"""`numpy.r_`, also of traced values: joined along the first axis."""

c_ = Joiner("c_", np.c_, axis=-1, ndmin=2, place=0)
"""`numpy.c_`, also of traced values: joined as columns."""


def nditer(op: Any, *args: Any, **kwargs: Any) -> Any:
    """`numpy.nditer`, of plain arrays only.

    Raises:
        UnsupportedFunctionError: for traced values, which have no memory to run through.
    """
    if is_traced(op):
        raise UnsupportedFunctionError(
            f"nditer: called with a traced value at {user_line()}. It runs through the memory of "
            "plain arrays, which traced values do not have. Compute with whole arrays, or use "
            "for i in np.ndindex(x.shape): x[i]."
        )
    return np.nditer(op, *args, **kwargs)


def ndenumerate(arr: Any) -> Iterator[tuple[tuple[int, ...], Any]]:
    """`numpy.ndenumerate`: pairs of an index and the element there, which may be traced.

    Example:
        >>> import funcgrad as fg
        >>> fg.grad(lambda x: sum(i * e for (i,), e in ndenumerate(x)))(np.ones(3))
        array([0., 1., 2.])
    """
    if not is_traced(arr):
        return np.ndenumerate(arr)
    x = as_operand(arr)
    return ((index, x[index]) for index in np.ndindex(shape_of(x)))


def fromiter(iter: Any, dtype: Any, count: int = -1, *, like: Any = None) -> Any:
    """`numpy.fromiter`, of plain numbers only.

    Raises:
        TracerArrayConversionError: if the iterator yields a traced value.
    """
    return np.fromiter(_plain_items(iter), dtype, count, like=like)


def _plain_items(items: Iterable[Any]) -> Iterator[Any]:
    for item in items:
        if is_traced(item):
            raise TracerArrayConversionError(
                f"fromiter: the iterator yields a traced value, at {user_line()}. What is filled "
                "into a plain array loses its derivative. Use funcgrad.numpy.array(list(items)) "
                "or np.stack(list(items))."
            )
        yield item


def require(a: Any, dtype: Any = None, requirements: Any = None, *, like: Any = None) -> Any:
    """`numpy.require`, of plain arrays only.

    Raises:
        UnsupportedFunctionError: for traced values, which have no memory layout.
    """
    if is_traced(a):
        raise unsupported(np.require)
    return np.require(a, dtype, requirements, like=like)
