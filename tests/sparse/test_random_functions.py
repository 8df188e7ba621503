"""Random functions of long vectors: right for other values, other branches and changed arrays."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.sparse.derivatives import sparse_hessian, sparse_jacobian

SIZE = 24


@dataclass(frozen=True)
class Arrays:
    """What one step reads."""

    positions: Any
    matrix: Any
    mask: Any
    weights: Any
    shift: int


STEPS: list[Callable[..., Any]] = [
    lambda x, y, p, m, mask, w, s: np.sin(y) * w,
    lambda x, y, p, m, mask, w, s: y[p] + x,
    lambda x, y, p, m, mask, w, s: np.roll(y, s) * y,
    lambda x, y, p, m, mask, w, s: m @ y,
    lambda x, y, p, m, mask, w, s: np.where(mask, y, x * x),
    lambda x, y, p, m, mask, w, s: np.concatenate([y[s:] * y[:-s], y[:s]]),
    lambda x, y, p, m, mask, w, s: y if y[0] > 0.3 else np.exp(-y) + x[::-1],
    lambda x, y, p, m, mask, w, s: np.pad(np.diff(y), (0, 1)),
    lambda x, y, p, m, mask, w, s: y.reshape(4, 6).T.ravel() * w,
    lambda x, y, p, m, mask, w, s: fg.scan(lambda c, a: (a, np.tanh(c * a)), 1.0, y)[1],
    lambda x, y, p, m, mask, w, s: np.where(y > 0.2, y**2, 0.5 * x),
    lambda x, y, p, m, mask, w, s: fg.numpy.at(y)[::s].add(x[::s] ** 2),
]


def arrays_of(rng: np.random.Generator) -> Arrays:
    matrix = np.where(rng.random((SIZE, SIZE)) < 0.06, rng.normal(size=(SIZE, SIZE)), 0.0)
    return Arrays(
        rng.integers(0, SIZE, size=SIZE),
        matrix,
        rng.random(SIZE) < 0.5,
        rng.normal(size=SIZE),
        int(rng.integers(1, 4)),
    )


def random_function(rng: np.random.Generator) -> tuple[Callable[[Any], Any], list[Arrays]]:
    """A chain of steps, and the arrays that it reads."""
    count = rng.integers(1, 5)
    steps = [STEPS[k] for k in rng.integers(0, len(STEPS), size=count)]
    arrays = [arrays_of(rng) for _ in steps]
    chosen = [(a.positions, a.matrix, a.mask, a.weights, a.shift) for a in arrays]

    def fun(x: Any) -> Any:
        y = x
        for step, read in zip(steps, chosen, strict=True):
            y = step(x, y, *read)
        return y

    return fun, arrays


def scalar(fun: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: np.sum(np.sin(fun(x)))


def sparse_and_dense(fun: Callable[[Any], Any]) -> list[tuple[Any, Any]]:
    """Ways to a derivative, each with the plain one."""
    total = scalar(fun)
    jacobian, hessian = sparse_jacobian(fun), sparse_hessian(total)
    return [
        (lambda x: jacobian(x).todense(), fg.jacobian(fun)),
        (lambda x: hessian(x).todense(), fg.hessian(total)),
        (fg.jit(fg.jacobian(fun)), fg.jacobian(fun)),
        (fg.jit(fg.hessian(total)), fg.hessian(total)),
        (fg.jit(lambda x: sparse_jacobian(fun)(x).todense()), fg.jacobian(fun)),
    ]


def require_same(ways: list[tuple[Any, Any]], x: Any) -> None:
    for number, (way, plain) in enumerate(ways):
        expected = plain(x)
        slack = 1e-9 * (1.0 + np.max(np.abs(expected)))  # sums are in another order
        np.testing.assert_allclose(way(x), expected, 1e-7, slack, err_msg=f"way {number}")


@pytest.mark.parametrize("seed", range(10))
def test_a_random_function_has_its_dense_derivatives(seed: int) -> None:
    rng = np.random.default_rng(seed)
    fun, arrays = random_function(rng)
    x, y = rng.normal(size=SIZE), rng.normal(size=SIZE)
    ways = sparse_and_dense(fun)
    for point in (x, y, -x, x):
        require_same(ways, point)
    for read in arrays:
        read.positions[0] = (read.positions[0] + 5) % SIZE
        read.matrix[0, 5] = 1.7
    require_same(ways, x)
