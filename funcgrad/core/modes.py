"""The only state that is not an argument: modes, one set a thread."""

import threading
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
        axes: the named axes of the open `vmap`s as pairs (name, trace), the innermost last.
    """

    compare_everything = False
    axes: tuple[tuple[Any, Any], ...] = ()
    handed: tuple[tuple[str, set[int]], ...] = ()


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
