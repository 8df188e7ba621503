"""The Wengert list: a flat list of records, one for each primitive application.

A record is the plain tuple

    (primitive, parents, pull, residuals)

`parents` are positions in the list: one `int`, or a tuple of them when several operands are
active. `pull(ct, residuals)` maps the cotangent of the result to that of the parent (or to a tuple
of cotangents, one a parent); `None` is the identity. `residuals` are the values the pull reads and
nothing else: a shape stands for an operand of which only the shape matters. The inputs of a trace
hold the first positions, as `None`. Later records only point to earlier ones, so the list read
backwards is in reverse topological order.
"""

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from funcgrad.core.foreign import NATIVE, likeness_of
from funcgrad.core.primitive import Primitive, Pull
from funcgrad.core.tracer import plain_value, unknown_likeness

__all__ = ["Aval", "Partials", "Record", "aval_of"]

Record: TypeAlias = tuple[Primitive, int | tuple[int, ...], Pull | None, Any]


@dataclass(frozen=True, slots=True)
class Aval:
    """Shape and dtype of a value that need not be kept alive, and of what kind it is."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    like: Any = field(default=None, compare=False)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        size = 1
        for length in self.shape:
            size *= length
        return size


def aval_of(value: Any) -> Aval:
    """Shape and dtype of an array, a tracer or a Python scalar."""
    dtype = getattr(value, "dtype", None)
    if dtype is None:
        return Aval((), np.result_type(type(value)))
    if type(value) in NATIVE:
        return Aval(value.shape, dtype)
    return Aval(value.shape, dtype, _likeness(value))


def _likeness(value: Any) -> Any:
    """Of the plain value below all transforms; `vmap` has put axes in front of its chunks.

    A value that is not known is like others of its trace.
    """
    unknown = unknown_likeness(value)
    if unknown is not None:
        return unknown
    like = likeness_of(plain_value(value))
    return like[len(like) - len(value.shape) :] if type(like) is tuple else like


class Partials(dict[int, Any]):
    """Cotangent of a record with several results: `{position of the result: cotangent}`.

    It is owned by one sweep; `+` changes it in place, so that many results cost linear time.
    """

    __slots__ = ()

    def __add__(self, other: "Partials") -> "Partials":
        for position, ct in other.items():
            self[position] = self[position] + ct if position in self else ct
        return self
