"""What is imported when the first program that needs it is written, and not before."""

import importlib
from typing import Any

__all__ = ["equations", "sparse"]


def equations(name: str) -> Any:
    """A module of `funcgrad.transforms.equations`.

    These modules, and the compiler below them, would take a quarter of the time that importing
    funcgrad takes.
    """
    return importlib.import_module(f"funcgrad.transforms.equations.{name}")


def sparse(name: str) -> Any:
    """A module of `funcgrad.sparse`, which stands below the transforms: compiled Jacobians use it.

    It makes a derivative by other transforms, and is one itself to whoever calls it.
    """
    return importlib.import_module(f"funcgrad.sparse.{name}")
