"""What holds of the state of a loop after any number of steps.

A state is widened, from one step to the next, to what holds before the step and after it, until
nothing changes.
"""

from collections.abc import Callable, Sequence

import numpy as np

from funcgrad.sparse.structure_flow import Flow
from funcgrad.sparse.structure_sets import Layer, Sets, coarse, joined, table_of

__all__ = ["either", "widened"]

WIDENED = 12
"""After so many rounds values that still change have one set for all of their elements."""


def either(a: Flow, b: Flow) -> Flow:
    """What holds of a value that is one of two."""
    if a is b:
        return a
    zeros = None
    first, second = a.known_zeros(), b.known_zeros()
    if first is not None and second is not None and np.any(both := first & second):
        zeros = both
    same = a.value is not None and a.value is b.value
    return Flow(a.shape, joined((a.sets, b.sets)), zeros, a.value if same else None)


def widened(
    step: Callable[[Sequence[Flow]], list[Flow]], state: list[Flow], most: int | None = None
) -> tuple[list[Flow], list[Flow]]:
    """States after any number of steps, and what is known of the other results of all steps.

    Args:
        step: gives the next state, and the other results.
        state: the first one.
        most: number of steps at most, if that is known.
    """
    number = 0
    while most is None or number < most:
        outs = step(state)
        again = []
        for old, out in zip(state, outs[: len(state)], strict=True):
            new = either(old, out)
            if not _alike(old, new):
                new = _settled(new, whole=number >= WIDENED)
            again.append(old if _alike(old, new) else new)
        if all(old is new for old, new in zip(state, again, strict=True)):
            return state, outs[len(state) :]
        state = again
        number += 1
    return state, step(state)[len(state) :]


def _settled(x: Flow, *, whole: bool) -> Flow:
    """With its sets in one table, or one set for all elements."""
    if not x.sets or not x.size:
        return x
    table = None if whole else table_of(x.sets)
    if table is None:
        return Flow(x.shape, coarse(x.sets), x.zeros, x.value)
    return Flow(x.shape, (Layer(table, np.arange(x.size).reshape(x.shape)),), x.zeros, x.value)


def _alike(old: Flow, new: Flow) -> bool:
    """Whether a wider state is the same."""
    if (old.value is None) is not (new.value is None):
        return False
    first, second = old.known_zeros(), new.known_zeros()
    if first is None or second is None:
        if first is not second:
            return False
    elif not np.array_equal(first, second):
        return False
    if old.sets == new.sets:
        return True
    before, after = _count(old.sets), _count(new.sets)
    return before == after and before is not None


def _count(sets: Sets) -> int | None:
    """How many numbers are in all sets; `None` if these are too many.

    Sets that hold others are the same if these numbers are.
    """
    if not sets or not sets[0].rows.size:
        return 0
    if len(sets) == 1 and sets[0].table.size == 1 and bool(np.all(sets[0].rows == 0)):
        return sets[0].table.numbers.size * sets[0].rows.size
    table = table_of(sets)
    return None if table is None else table.numbers.size
