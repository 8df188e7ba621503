"""Patterns for tests: random ones, and those of well-known graphs."""

import numpy as np

from funcgrad.sparse.pattern import Pattern

__all__ = ["arrow", "banded", "random_pattern", "random_symmetric", "stencil"]


def random_pattern(seed: int, height: int, width: int, density: float) -> Pattern:
    """Each entry with a probability."""
    rng = np.random.default_rng(seed)
    return Pattern.of_dense(rng.random((height, width)) < density)


def random_symmetric(seed: int, size: int, density: float) -> Pattern:
    """Each edge and each diagonal entry with a probability."""
    upper = np.triu(np.random.default_rng(seed).random((size, size)) < density)
    return Pattern.of_dense(upper | upper.T)


def banded(size: int, width: int) -> Pattern:
    """All (i, j) with |i - j| ≤ width."""
    rows = np.arange(size)[:, None]
    columns = rows + np.arange(-width, width + 1)
    rows, columns = np.broadcast_arrays(rows, columns)
    there = (columns >= 0) & (columns < size)
    return Pattern.of(rows[there], columns[there], (size, size))


def stencil(side: int) -> Pattern:
    """Each point of a square grid with itself and its four neighbours."""
    points = np.arange(side * side).reshape(side, side)
    pairs = [
        (points, points),
        (points[1:], points[:-1]),
        (points[:-1], points[1:]),
        (points[:, 1:], points[:, :-1]),
        (points[:, :-1], points[:, 1:]),
    ]
    rows = np.concatenate([a.ravel() for a, _ in pairs])
    columns = np.concatenate([b.ravel() for _, b in pairs])
    return Pattern.of(rows, columns, (side * side, side * side))


def arrow(size: int, hub: int) -> Pattern:
    """A diagonal, and one full row and column."""
    numbers = np.arange(size)
    all_hub = np.full(size, hub)
    return Pattern.of(
        np.concatenate([numbers, numbers, all_hub]),
        np.concatenate([numbers, all_hub, numbers]),
        (size, size),
    )
