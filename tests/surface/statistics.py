"""Samples of NumPy's functions: statistics."""

from tests.surface.sample import Generator

__all__ = ["GENERATORS"]

GENERATORS: dict[str, Generator] = {}
