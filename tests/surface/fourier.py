"""Samples of NumPy's functions: fourier."""

from tests.surface.sample import Generator

__all__ = ["GENERATORS"]

GENERATORS: dict[str, Generator] = {}
