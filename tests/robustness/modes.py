"""Ways to run a function on traced values, for tests of what it may and may not do with them."""

from collections.abc import Callable
from typing import Any

import numpy as np

import funcgrad as fg

__all__ = ["DERIVATIVES", "TRACED", "X", "central", "line_of"]

X = np.array([0.5, 1.2, 2.0])

TRACED: dict[str, Callable[[Callable[..., Any]], Any]] = {
    "grad": lambda f: fg.grad(f)(X),
    "jvp": lambda f: fg.jvp(f, (X,), (X,)),
    "linearize": lambda f: fg.linearize(f, X),
    "jacrev": lambda f: fg.jacrev(f)(X),
    "vmap": lambda f: fg.vmap(f)(np.stack([X, X])),
    "vmap of grad": lambda f: fg.vmap(fg.grad(f))(np.stack([X, X])),
    "grad of vmap": lambda f: fg.grad(lambda x: np.sum(fg.vmap(f)(np.stack([x, x]))))(X),
    "grad of grad": lambda f: fg.grad(lambda x: np.sum(fg.grad(f)(x)))(X),
    "jvp of grad": lambda f: fg.jvp(fg.grad(f), (X,), (X,)),
}
"""Each runs a function of a vector, with scalar result, on a traced vector."""


def _columns(push: Callable[[Any], Any]) -> Any:
    return np.array([push(unit) for unit in np.eye(X.size)])


DERIVATIVES: dict[str, Callable[[Callable[..., Any]], Any]] = {
    "grad": lambda f: fg.grad(f)(X),
    "jvp": lambda f: _columns(lambda unit: fg.jvp(f, (X,), (unit,))[1]),
    "linearize": lambda f: _columns(fg.linearize(f, X)[1]),
    "vmap of grad": lambda f: fg.vmap(fg.grad(f))(np.stack([X, 2 * X]))[0],
    "grad of vmap": lambda f: fg.grad(lambda x: fg.vmap(f)(np.stack([x, np.ones(3)]))[0])(X),
    "program": lambda f: fg.grad(fg.make_program(f)(X))(X),
}
"""Each is the gradient at X of a function of a vector with scalar result."""


def central(f: Callable[..., Any], x: Any = X) -> Any:
    """Central differences of a function with real scalar result."""
    x = np.asarray(x, float)
    found = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        step = np.zeros(x.shape)
        step[place] = 1e-6
        found[place] = (float(f((x + step)[()])) - float(f((x - step)[()]))) / 2e-6
    return found


def line_of(f: Callable[..., Any]) -> str:
    """`file:line`, as messages have it, of a function that is written on one line."""
    code = f.__code__  # type: ignore[attr-defined]  # a lambda
    return f"{code.co_filename}:{code.co_firstlineno}"
