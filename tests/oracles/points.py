"""Where the cases are compared: fixed arrays, away from kinks and ties."""

from typing import Any

import numpy as np

__all__ = [
    "COLUMNS",
    "DM",
    "DT",
    "MASK",
    "ONE_ZERO",
    "ORDER",
    "ROWS",
    "ROWS_OF_ZEROS",
    "TWO_ZEROS",
    "ZM",
    "ZN",
    "D",
    "M",
    "N",
    "T",
    "Table",
    "V",
    "W",
    "Z",
    "definite",
    "distinct",
    "draw",
    "drawz",
    "hermitian",
    "well",
]


def draw(*shape: int, low: float = -2.0, high: float = 2.0, seed: int = 0) -> Any:
    """Numbers of three decimals in an interval."""
    rng = np.random.default_rng([seed, *shape])
    return np.round(rng.uniform(low, high, shape), 3)


def drawz(*shape: int, seed: int = 0) -> Any:
    """Complex numbers of the square |Re z|, |Im z| < 1.5."""
    return draw(*shape, low=-1.5, high=1.5, seed=seed) + 1j * draw(
        *shape, low=-1.5, high=1.5, seed=seed + 100
    )


def distinct(*shape: int, seed: int = 0) -> Any:
    """Numbers in any order of which no two are close together, and none is close to zero."""
    count = int(np.prod(shape))
    rng = np.random.default_rng([seed, *shape])
    return np.round((rng.permutation(count) - count / 2 + 0.3) * (4 / count), 3).reshape(shape)


def well(*shape: int, seed: int = 0) -> Any:
    """Well-conditioned matrices."""
    return draw(*shape, seed=seed) + 3 * np.eye(shape[-2], shape[-1])


def definite(*shape: int, seed: int = 0) -> Any:
    """Positive definite matrices."""
    a = draw(*shape, low=-1.0, high=1.0, seed=seed)
    return a @ np.swapaxes(a, -1, -2) + 2 * np.eye(shape[-1])


def hermitian(n: int) -> Any:
    """A positive definite Hermitian matrix."""
    a = drawz(n, n)
    return a @ a.conj().T + 2 * np.eye(n)


V, W, M, N, T = draw(5), draw(5, seed=1), draw(3, 4), draw(3, 4, seed=1), draw(2, 3, 4)
Z, ZM, ZN = drawz(5), drawz(3, 4), drawz(3, 4, seed=1)
D, DM, DT = distinct(6), distinct(3, 4), distinct(2, 3, 4)
ONE_ZERO, TWO_ZEROS = np.array([2.0, 0.0, 3.0, -1.5]), np.array([0.0, 2.0, 0.0, 3.0])
ROWS_OF_ZEROS = np.array([[2.0, 0.0, 3.0], [0.0, 0.0, 1.5], [1.0, -2.0, 0.5]])
MASK = np.array([[True, False, True, False], [False] * 4, [True] * 4])
ROWS, COLUMNS = np.array([2, 0, 2]), np.array([1, 3, 0])
ORDER = np.array([[3, 0, 0], [1, 1, 2], [0, 2, 3]])
Table = dict[str, tuple[Any, ...]]
