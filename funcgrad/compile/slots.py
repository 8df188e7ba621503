"""Places in a block of bytes for values that are not alive at the same time."""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from funcgrad.compile.scratch import ALIGNMENT, LIMIT, Room

__all__ = ["Places", "Slots"]

_SPLIT = 4096
"""What is left of a place that was too large is a place of its own from so many bytes on."""

_GAP = 2 * ALIGNMENT
"""Between places, so that arrays of 2^k bytes do not begin at the same place of a page."""


@dataclass(slots=True)
class Slots:
    """The free places at one point of a program.

    Attributes:
        end: of the places so far.
        free: `{bytes: offsets of free places of that size}`.
        sizes: the keys of `free`, in order.
    """

    end: int = 0
    free: dict[int, list[int]] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)

    def copy(self) -> "Slots":
        """The same, to go on with apart from this one."""
        free = {size: list(offsets) for size, offsets in self.free.items()}
        return Slots(self.end, free, list(self.sizes))

    def take(self, nbytes: int) -> tuple[int, int] | None:
        """Offset and size of a place; `None` if there would be too many bytes in all."""
        size = _rounded(nbytes)
        position = bisect_left(self.sizes, size)
        if position < len(self.sizes):
            found = self.sizes[position]
            offsets = self.free[found]
            offset = offsets.pop()
            if not offsets:
                del self.sizes[position], self.free[found]
            if found - size < _SPLIT:
                return offset, found
            self.give(offset + size, found - size)
            return offset, size
        offset = self.end
        if offset + size > LIMIT:
            return None
        self.end = offset + size
        return offset, size

    def give(self, offset: int, size: int) -> None:
        """Nobody reads a place any more."""
        offsets = self.free.get(size)
        if offsets is None:
            self.free[size] = [offset]
            insort(self.sizes, size)
        else:
            offsets.append(offset)


class Places:
    """Names of the arrays in scratch memory that one function uses.

    Args:
        fresh: gives names.

    Attributes:
        begin: where places begin that nothing uses at this line of the function.
        end: of all places.
        rooms: `{(offset, shape, dtype): its name}`.
    """

    def __init__(self, fresh: Callable[[str], str]) -> None:
        self.begin = 0
        self.end = 0
        self.rooms: dict[Room, str] = {}
        self._fresh = fresh

    @contextmanager
    def after(self, end: int) -> Iterator[None]:
        """Inside of the context, the places up to there are taken."""
        before, self.begin = self.begin, end
        try:
            yield
        finally:
            self.begin = before

    def name(self, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> str:
        """The name of the array at a place."""
        key = offset, shape, dtype
        found = self.rooms.get(key)
        if found is None:
            found = self.rooms[key] = self._fresh("s")
            self.end = max(self.end, offset + _size(shape, dtype))
        return found

    def extra(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> str | None:
        """The name of an array that nothing else uses until the context is left, or `None`."""
        offset, size = self.begin, _size(shape, dtype)
        if not size or offset + size > LIMIT:
            return None
        self.begin = offset + size
        return self.name(offset, shape, dtype)


def _size(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    size = dtype.itemsize
    for length in shape:
        size *= length
    return _rounded(size)


def _rounded(nbytes: int) -> int:
    return -(-nbytes // ALIGNMENT) * ALIGNMENT + _GAP
