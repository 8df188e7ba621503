"""Compilation without a pause for cyclic garbage.

A program of many equations is many small objects, none of them garbage: to look through them again
and again would take half of the time.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["no_collections"]


@contextmanager
def no_collections() -> Iterator[None]:
    """Inside the context, cyclic garbage is not looked for, in any thread."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
