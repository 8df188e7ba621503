"""Calls that reach the primitives of decompositions and least squares."""

from collections.abc import Callable
from typing import Any

import numpy as np

import funcgrad as fg
from funcgrad.core.tracer import bind
from funcgrad.primitives.spectra import ground_p, inverse_gaps, settle_p

__all__ = ["CALLS"]

Call = tuple[Callable[..., Any], tuple[Any, ...]]


def _draw(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng([seed, *shape]).uniform(-2.0, 2.0, shape)


def _complex(*shape: int) -> Any:
    return _draw(*shape, seed=1) + 1j * _draw(*shape, seed=2)


SQUARE, STACK, TALL, WIDE = _draw(3, 3), _draw(2, 3, 3), _draw(4, 3), _draw(2, 4)
ORDERED = np.diag([3.0, 1.0, 2.0]) + 0.2 * SQUARE  # real eigenvalues
SINGULAR = np.ones((2, 2))


def _gradient(call: Callable[..., Any]) -> Callable[..., Any]:
    return fg.grad(lambda *args: np.sum(np.real(call(*args)) ** 2), 0)


CALLS: list[Call] = [
    (np.linalg.eigh, (SQUARE,)),
    (lambda a: np.linalg.eigh(a, "U"), (_complex(3, 3),)),
    (np.linalg.eigvalsh, (STACK,)),
    (np.linalg.eig, (ORDERED,)),
    (np.linalg.eig, (_complex(3, 3),)),
    (np.linalg.eigvals, (_complex(2, 3, 3),)),
    (np.linalg.svd, (SQUARE,)),
    (lambda a: np.linalg.svd(a, full_matrices=False), (TALL,)),
    (lambda a: np.linalg.svd(a, full_matrices=False), (_complex(2, 4),)),
    (np.linalg.svdvals, (WIDE,)),
    (np.linalg.qr, (TALL,)),
    (np.linalg.qr, (WIDE,)),
    (np.linalg.qr, (_complex(2, 3, 3),)),
    (np.linalg.pinv, (TALL,)),
    (lambda a: np.linalg.pinv(a, 0.3), (_complex(2, 3, 2),)),
    (lambda a, b: np.linalg.lstsq(a, b)[0], (TALL, _draw(4))),
    (np.linalg.matrix_rank, (STACK,)),
    (lambda a: np.linalg.cond(a, 1), (SQUARE,)),
    (lambda x: bind(settle_p, x), (TALL,)),
    (lambda x: bind(ground_p, x), (TALL,)),
    (lambda x: inverse_gaps(x, np.eye(3, dtype=bool)), (SQUARE[0],)),
    (_gradient(np.linalg.eigvalsh), (STACK,)),
    (_gradient(lambda a: np.linalg.norm(a, "nuc")), (TALL,)),
]
