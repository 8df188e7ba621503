"""Memory for values that live within one call of a compiled function, kept from call to call.

Fresh memory is slow where it is large: the operating system hands it out page by page, in zeros, at
every call. Values that no result shares memory with and that no unknown code sees are therefore
written into views of one block of bytes. Blocks are taken from a list and put back at the end of
the call: two calls at the same time, in threads or one within the other, have two blocks, and a
call that raises drops its own.

All compiled functions of a process take their blocks from one list. A block has at most `LIMIT`
bytes, the list holds at most `LIMIT` bytes, and it goes with the last function that uses it.
"""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias
from weakref import WeakValueDictionary

import numpy as np

__all__ = ["ALIGNMENT", "LIMIT", "Arena", "Pool", "Room", "Rooms", "shared_pool"]

Room: TypeAlias = tuple[int, tuple[int, ...], np.dtype[Any]]
"""Offset, shape and dtype of an array in a block."""

LIMIT = 1 << 26
"""Bytes that are kept between calls, at most: 64 MiB."""

ALIGNMENT: Final = 64
"""Bytes of a cache line: each view begins with one."""

_MANY = 64
"""So many functions may have their views in one block."""


class Arena:
    """A block of bytes.

    Attributes:
        memory: the bytes.
        views: by function, the arrays that it has in the block.
    """

    __slots__ = ("memory", "views")

    def __init__(self, nbytes: int) -> None:
        memory = np.empty(nbytes + ALIGNMENT, np.uint8)
        start = -memory.ctypes.data % ALIGNMENT
        self.memory = memory[start : start + nbytes]
        self.views: dict[Rooms, tuple[np.ndarray[Any, Any], ...]] = {}


class Pool:
    """Blocks that nobody uses now: appending to a list and popping are one step for threads."""

    __slots__ = ("__weakref__", "free")

    def __init__(self) -> None:
        self.free: list[Arena] = []

    def give(self, arena: Arena) -> None:
        """Put a block back."""
        self.free.append(arena)
        if len(self.free) > 1:
            self._trim()

    def _trim(self) -> None:
        while True:
            kept = list(self.free)
            if len(kept) < 2 or sum(arena.memory.nbytes for arena in kept) <= LIMIT:
                return
            try:
                self.free.pop(0)  # the one that has been idle for longest
            except IndexError:
                return


class Rooms:
    """Where the values of one function lie in a block.

    Args:
        rooms: of the values.
        nbytes: that the block has at least.
        pool: where blocks are taken from.
    """

    __slots__ = ("__weakref__", "give", "nbytes", "pool", "rooms")

    def __init__(self, rooms: Sequence[Room], nbytes: int, pool: Pool) -> None:
        self.rooms = tuple(rooms)
        self.nbytes = nbytes
        self.pool = pool
        self.give = pool.give

    def __repr__(self) -> str:
        return f"<{len(self.rooms)} arrays in {self.nbytes} bytes of scratch memory>"

    def take(self) -> Arena:
        """A block for this call alone, in which this function has its views."""
        try:
            arena = self.pool.free.pop()
        except IndexError:
            arena = Arena(self.nbytes)
        if arena.memory.nbytes < self.nbytes:
            arena = Arena(self.nbytes)
        views = arena.views
        if self not in views:
            if len(views) >= _MANY:
                views.clear()
            views[self] = tuple(
                np.ndarray(shape, dtype, arena.memory, offset)
                for offset, shape, dtype in self.rooms
            )
        return arena


_POOLS: WeakValueDictionary[str, Pool] = WeakValueDictionary()
"""A registry of one: the pool that compiled functions share, while there is one of them."""


def shared_pool() -> Pool:
    """The pool of all compiled functions."""
    pool = _POOLS.get("shared")
    return pool if pool is not None else _POOLS.setdefault("shared", Pool())
