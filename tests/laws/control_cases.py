"""Calls that reach the primitives which loops and branches are made of."""

from collections.abc import Callable
from typing import Any

import numpy as np

import funcgrad as fg
from funcgrad.primitives.rows import rows

Call = tuple[Callable[..., Any], tuple[Any, ...]]

X = np.random.default_rng(7).normal(size=(3, 4))

CALLS: list[Call] = [
    (lambda x: rows(x), (X,)),
    (lambda x: rows(x), (X[0],)),
    (lambda x: rows(x), (X[:1],)),
    (lambda x: fg.grad(lambda x: np.sum(np.sin(rows(x)[1])))(x), (X,)),
]
