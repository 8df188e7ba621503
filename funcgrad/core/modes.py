"""The only state that is not an argument: modes, one set a thread."""

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["MODES", "debug_mutation", "handed_over", "named_axis"]


class _Modes(threading.local):
    """Modes of the current thread.

    Attributes:
        compare_everything: whether captured arrays are compared in full at the sweep.
        handed: for each loop that runs, its name and the identities of the traced values that its
            body was handed, which must not be changed in place.
        copies: while a function is recorded to be compiled, the copies of arrays that records
            keep, by their identities, with weak references to the arrays.
        staging: how many stagings are open that keep loops and branches as equations.
        attempts: how many functions are being written down without values, one inside another.
        axes: the named axes of the open `vmap`s as pairs (name, trace), the innermost last.
    """

    copies: dict[int, tuple[Any, Any]] | None = None

    compare_everything = False
    staging: int = 0
    attempts: int = 0
    axes: tuple[tuple[Any, Any], ...] = ()
    handed: tuple[tuple[str, set[int]], ...] = ()

    def note_copy(self, copy: Any, array: Any) -> None:
        """Remember what a copy is one of, while a function is recorded to be compiled."""
        if self.copies is not None:
            self.copies[id(copy)] = copy, weakref.ref(array)

    def original(self, array: Any) -> Any:
        """The array that a record keeps a copy of, if it is still what it was."""
        found = None if self.copies is None else self.copies.get(id(array))
        if found is None:
            return array
        original = found[1]()
        if original is None or original.tobytes() != array.tobytes():
            return array
        return original


MODES = _Modes()


@contextmanager
def debug_mutation() -> Iterator[None]:
    """Compare every captured array in full when a gradient reads it.

    An array that a recorded operation keeps must not change before the reverse sweep. Small
    arrays are copied, larger ones are compared by a sample of their elements; inside this context
    they are compared whole, so that no change can slip through. It costs a copy of each.

    Returns:
        A context manager.

    Raises:
        MutatedArrayError: at the sweep, if an array was changed in place.

    Example:
        >>> import numpy as np, funcgrad as fg
        >>> with fg.debug_mutation():
        ...     fg.grad(lambda x: np.sum(x * np.ones(3)))(np.ones(3))
        array([1., 1., 1.])
    """
    before = MODES.compare_everything
    MODES.compare_everything = True
    try:
        yield
    finally:
        MODES.compare_everything = before


@contextmanager
def named_axis(name: Any, trace: Any) -> Iterator[None]:
    """Inside the context, collectives find this trace by its name; `None` is no name.

    A collective may have no traced operand (`psum(1, "i")`), so its axis cannot be found through
    them.
    """
    before = MODES.axes
    if name is not None:
        MODES.axes = (*before, (name, trace))
    try:
        yield
    finally:
        MODES.axes = before


@contextmanager
def handed_over(transform: str, identities: set[int]) -> Iterator[None]:
    """Inside the context, traced values of these identities cannot be changed by `+=`.

    Their plain counterparts are read-only arrays, so that a body does the same with both.
    """
    before = MODES.handed
    MODES.handed = (*before, (transform, identities))
    try:
        yield
    finally:
        MODES.handed = before
