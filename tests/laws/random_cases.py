"""Calls that reach the primitives of random numbers."""

from collections.abc import Callable
from typing import Any

import numpy as np

import funcgrad as fg
from funcgrad import random

__all__ = ["CALLS"]

Call = tuple[Callable[..., Any], tuple[Any, ...]]

KEY = random.key(3)
MEANS = np.array([[0.3, 2.0, 50.0], [1.0, 0.7, 5.0]])
BOUNDS = np.array([-1.5, 0.2, 2.5])


def _half(x: Any) -> Any:
    return np.asarray(x, np.float32)


CALLS: list[Call] = [
    (lambda seed: random.key(seed), (np.int64(5),)),
    (lambda key: random.split(key, 3), (KEY,)),
    (lambda key: random.split(key, (2, 1)), (KEY,)),
    (lambda key, step: random.fold_in(key, step), (KEY, np.int64(7))),
    (lambda key: random.uniform(key, (2, 3)), (KEY,)),
    (lambda key: random.uniform(key, dtype=np.float32), (KEY,)),
    (lambda key: random.normal(key, (3,)), (KEY,)),
    (lambda key: random.normal(key, (0, 2), np.float32), (KEY,)),
    (lambda key: random.bits(key, (3,), np.uint8), (KEY,)),
    (lambda key, n: random.randint(key, (2, 3), 0, n, np.int32), (KEY, np.array([3, 4, 1000]))),
    (lambda key: random.permutation(key, 5), (KEY,)),
    (lambda key, x: random.permutation(key, x, 1, independent=True), (KEY, MEANS)),
    (lambda key, lam: random.poisson(key, lam), (KEY, MEANS)),
    (lambda key, p: random.binomial(key, 7, p), (KEY, MEANS / 100)),
    (lambda key, a: random.gamma(key, a), (KEY, MEANS)),
    (lambda key, a: random.gamma(key, a), (KEY, _half(MEANS))),
    (lambda key, a: random.loggamma(key, a), (KEY, MEANS)),
    (lambda key, a: fg.grad(lambda a: np.sum(random.gamma(key, a)))(a), (KEY, MEANS)),
    (lambda key, low: random.truncated_normal(key, low, 3.0), (KEY, BOUNDS)),
]
