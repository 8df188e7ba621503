"""Samples of NumPy's functions: contraction."""

from tests.surface.sample import Generator

__all__ = ["GENERATORS"]

GENERATORS: dict[str, Generator] = {}
