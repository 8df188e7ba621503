"""Samples of NumPy's functions: structure."""

from tests.surface.sample import Generator

__all__ = ["GENERATORS"]

GENERATORS: dict[str, Generator] = {}
