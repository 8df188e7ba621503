"""What is imported when the first program with loops or branches is written, and not before."""

import importlib
from typing import Any

__all__ = ["equations"]


def equations(name: str) -> Any:
    """A module of `funcgrad.transforms.equations`.

    These modules, and the compiler below them, would take a quarter of the time that importing
    funcgrad takes.
    """
    return importlib.import_module(f"funcgrad.transforms.equations.{name}")
