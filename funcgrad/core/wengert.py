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

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from funcgrad.core.primitive import Primitive, Pull

__all__ = ["Aval", "Partials", "Record", "aval_of"]

Record: TypeAlias = tuple[Primitive, int | tuple[int, ...], Pull | None, Any]


@dataclass(frozen=True, slots=True)
class Aval:
    """Shape and dtype of a value that need not be kept alive."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

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
    return Aval(value.shape, dtype)


class Partials(dict[int, Any]):
    """Cotangent of a record with several results: `{position of the result: cotangent}`."""

    __slots__ = ()

    def __add__(self, other: "Partials") -> "Partials":
        total = Partials(self)
        for position, ct in other.items():
            total[position] = total[position] + ct if position in total else ct
        return total
