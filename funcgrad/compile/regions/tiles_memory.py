"""Memory for tiles that is used again by later calls, and where tiles begin and end."""

from typing import Any, TypeAlias

import numpy as np

__all__ = ["ALIGNED", "Pool", "spans"]

ALIGNED = 64
"""Bytes: on addresses that are multiples of it ufuncs write twice as fast into caches."""

KEPT = 4
MANY = 1 << 25
"""So many sets of arrays are kept at most, of at most so many bytes."""

Arrays: TypeAlias = "list[np.ndarray[Any, Any]]"


class Pool:
    """Sets of arrays for intermediate values; each is used by one call at a time.

    Lists are appended to and popped from in one step, so no lock is needed.

    Attributes:
        nbytes: of one set.
    """

    __slots__ = ("_free", "_specs", "nbytes")

    def __init__(self, specs: tuple[tuple[tuple[int, ...], Any], ...]) -> None:
        self._specs = [(shape, np.dtype(dtype)) for shape, dtype in specs]
        self.nbytes = sum(_rounded(shape, dtype) for shape, dtype in self._specs)
        self._free: list[Arrays] = []

    def take(self) -> Arrays:
        """A set that nobody uses."""
        try:
            return self._free.pop()
        except IndexError:
            return self._made()

    def give(self, arrays: Arrays) -> None:
        """Give a set back."""
        if len(self._free) < KEPT and self.nbytes <= MANY:
            self._free.append(arrays)

    def _made(self) -> Arrays:
        raw = np.empty(self.nbytes + ALIGNED, np.uint8)
        at = -raw.__array_interface__["data"][0] % ALIGNED
        arrays = []
        for shape, dtype in self._specs:
            arrays.append(np.ndarray(shape, dtype, raw, at))
            at += _rounded(shape, dtype)
        return arrays


def _rounded(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    nbytes = dtype.itemsize
    for length in shape:
        nbytes *= length
    return -(-nbytes // ALIGNED) * ALIGNED


def spans(length: int, tile: int) -> tuple[tuple[int, int], ...]:
    """Pairs of begin and end of tiles that are about equally long, and at most `tile`."""
    count = -(-length // tile)
    step = min(tile, -(-length // count // 16) * 16)
    return tuple((at, min(at + step, length)) for at in range(0, length, step))
