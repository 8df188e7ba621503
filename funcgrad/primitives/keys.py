"""What an index key means: NumPy's rules for x[key], as one static key and one gather.

Nothing is computed here but shapes and, for boolean masks, the places where they are true.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import EllipsisType, NoneType
from typing import Any, TypeAlias

import numpy as np

from funcgrad.core.foreign import is_chunked, is_foreign
from funcgrad.core.tracer import Tracer, plain_value
from funcgrad.errors import UnsupportedFunctionError, user_line

__all__ = ["FULL", "BasicKey", "Selection", "decode", "encode", "is_basic", "select"]

FULL = slice(None)
BasicKey: TypeAlias = tuple[int | slice | EllipsisType | None, ...]
"""A key of integers, slices of integers, None and Ellipsis."""

_PLAIN = frozenset({int, NoneType, EllipsisType})
_BOUNDS = frozenset({int, NoneType})
_VALID = (
    "only integers, slices (`:`), ellipsis (`...`), numpy.newaxis (`None`) and integer or boolean "
    "arrays are valid indices"
)


def encode(key: BasicKey) -> tuple[Any, ...]:
    """The key with slices as tuples: hashable, also where slices are not."""
    return tuple([(k.start, k.stop, k.step) if type(k) is slice else k for k in key])


def decode(key: tuple[Any, ...]) -> BasicKey:
    """The key that `encode` has encoded."""
    return tuple([slice(*k) if type(k) is tuple else k for k in key])


def is_plain_slice(key: slice) -> bool:
    """Whether the bounds are Python integers (or absent), which nobody can change later."""
    return type(key.start) in _BOUNDS and type(key.stop) in _BOUNDS and type(key.step) in _BOUNDS


def is_basic(key: Any) -> bool:
    """Whether a key (or each part of a tuple) is a Python integer, a plain slice, None or ..."""
    for part in key if type(key) is tuple else (key,):
        kind = type(part)
        if kind not in _PLAIN and (kind is not slice or not is_plain_slice(part)):
            return False
    return True


@dataclass(frozen=True, slots=True)
class Selection:
    """x[key] in two steps: `x[basic]`, then a gather along some of its axes.

    Attributes:
        basic: integers, slices and None; it takes no axis that is gathered.
        axes: the axes of `x[basic]` that the index arrays run along, increasing.
        arrays: the index arrays (may be traced), one for each of the axes.
        lead: how many axes stand before those of the index arrays in the result.
        separated: whether the gathered axes have to be moved to the front before.
    """

    basic: BasicKey
    axes: tuple[int, ...]
    arrays: tuple[Any, ...]
    lead: int
    separated: bool

    @property
    def is_trivial(self) -> bool:
        """Whether `x[basic]` is `x`."""
        return all(type(k) is slice and k == FULL for k in self.basic)


class _Gap:
    """An Ellipsis, which keeps index arrays apart even if it stands for no axis."""


_GAP = _Gap()


def select(key: Any, shape: tuple[int, ...], nonzero: Callable[[Any], Sequence[Any]]) -> Selection:
    """What a key means for an array of a shape.

    Args:
        key: anything NumPy takes between brackets; index arrays may be traced.
        shape: of the array.
        nonzero: finds the places where a mask is true.

    Returns:
        The selection.

    Raises:
        IndexError: for a key that NumPy would not take.
    """
    parts = [_normal(part) for part in (key if isinstance(key, tuple) else (key,))]
    items = _without_ellipsis(parts, len(shape))
    advanced = any(_is_array(item) for item in items)
    basic: list[Any] = []
    axes: list[int] = []
    arrays: list[Any] = []
    axis = rank = runs = lead = 0
    in_run = False
    for item in items:
        taken = _is_array(item) or (advanced and type(item) is int)
        if taken and not in_run:
            runs += 1
            if runs == 1:
                lead = rank
        in_run = taken
        if item is _GAP:
            continue
        if not _is_array(item):
            basic.append(item)
            rank += type(item) is not int
            axis += item is not None
        elif item.dtype.kind != "b":
            basic.append(FULL)
            axes.append(rank)
            arrays.append(item)
            rank, axis = rank + 1, axis + 1
        else:
            found = _true_places(item, shape, axis, nonzero)
            basic.extend([FULL] * len(item.shape) or [None])
            axes.extend(range(rank, rank + len(found)))
            arrays.extend(found)
            rank, axis = rank + len(found), axis + len(item.shape)
    separated = runs > 1
    return Selection(tuple(basic), tuple(axes), tuple(arrays), 0 if separated else lead, separated)


def _is_array(item: Any) -> bool:
    return isinstance(item, np.ndarray | Tracer) or is_foreign(item)


def _normal(part: Any) -> Any:
    """A part of a key as int, slice of ints, None, Ellipsis, or integer or boolean array."""
    if type(part) in _PLAIN:
        return part
    if isinstance(part, slice):
        if is_plain_slice(part):
            return part
        bounds = (part.start, part.stop, part.step)
        return slice(*(None if bound is None else operator.index(bound) for bound in bounds))
    if isinstance(part, bool | np.bool):
        return np.asarray(part)
    if isinstance(part, int | np.integer):
        return int(part)
    array = _as_array(part)
    kind = array.dtype.kind
    if kind == "b":
        return array
    if kind not in "iu":
        what = f"an index of dtype {array.dtype}"
        raise IndexError(
            f"{_VALID}, not {what}, at {user_line()}. A floating-point index has no derivative. "
            "Use x[i.astype(int)], or integers to begin with."
            if isinstance(array, Tracer)
            else f"{_VALID}, not {what}"
        )
    return int(array) if type(array) is np.ndarray and array.ndim == 0 else array


def _as_array(part: Any) -> Any:
    if isinstance(part, Tracer) or is_foreign(part):
        return part
    if isinstance(part, np.ndarray):
        return part.view(np.ndarray)  # a subclass may index in ways of its own
    if isinstance(part, list | tuple) and any(isinstance(item, Tracer) for item in part):
        return np.stack(part)
    if isinstance(part, list | tuple):
        array = np.asarray(part)
        return array.astype(np.intp) if array.size == 0 else array
    if hasattr(part, "__index__"):
        return np.asarray(operator.index(part))
    if hasattr(part, "__array__"):
        return np.asarray(part)
    raise IndexError(f"{_VALID}, not {part!r}")


def _without_ellipsis(parts: list[Any], rank: int) -> list[Any]:
    """The parts with full slices for the Ellipsis (behind a gap), or at the end."""
    used = sum(0 if part is None or part is Ellipsis else _axes_of(part) for part in parts)
    if used > rank:
        raise IndexError(
            f"too many indices for array: array is {rank}-dimensional, but {used} were indexed"
        )
    rest = [FULL] * (rank - used)
    places = [i for i, part in enumerate(parts) if part is Ellipsis]
    if len(places) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if not places:
        return parts + rest
    return [*parts[: places[0]], _GAP, *rest, *parts[places[0] + 1 :]]


def _axes_of(part: Any) -> int:
    return len(part.shape) if _is_array(part) and part.dtype.kind == "b" else 1


def _true_places(
    mask: Any, shape: tuple[int, ...], axis: int, nonzero: Callable[[Any], Sequence[Any]]
) -> Sequence[Any]:
    own = mask.shape
    if is_chunked(plain_value(mask)):
        raise UnsupportedFunctionError(
            f"x[mask] with a mask that is a dask array, at {user_line()}. How many elements it "
            "has is not known before it is computed. Use np.where(mask, x, 0), or a plain mask "
            "(mask.compute())."
        )
    for i, length in enumerate(own):
        if shape[axis + i] != length:
            raise IndexError(
                "boolean index did not match indexed array along axis "
                f"{axis + i}; size of axis is {shape[axis + i]} but size of corresponding boolean "
                f"axis is {length}"
            )
    return nonzero(mask if own else mask.reshape(1))
