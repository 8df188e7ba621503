"""Samples of NumPy's functions: linalg."""

from tests.surface.sample import Generator

__all__ = ["GENERATORS"]

GENERATORS: dict[str, Generator] = {}
