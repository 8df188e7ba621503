"""Every way to transform a function of x, shape (3,), and a number y."""

from collections.abc import Callable
from typing import Any

import numpy as np

import funcgrad as fg

X = np.array([0.4, 0.9, 1.7])
Y = 2.0
ROWS = np.stack([X, X + 0.5, 2 * X])

Function = Callable[[Any, Any], dict[str, Any]]


def plain(x: Any, y: Any) -> dict[str, Any]:
    """The function that custom rules are written for, differentiated as it stands."""
    return {"a": np.sin(x) * y, "b": x * x}


def total(f: Function) -> Callable[[Any, Any], Any]:
    """A scalar of its results, not linear in them."""

    def scalar(x: Any, y: Any) -> Any:
        out = f(x, y)
        return np.sum(out["a"] ** 2) + np.sum(out["b"] * x)

    return scalar


def mapped(f: Function) -> Function:
    return fg.vmap(f, in_axes=(0, None))


CONTEXTS: dict[str, Callable[[Function], Any]] = {
    "call": lambda f: f(X, Y),
    "keywords": lambda f: f(y=Y, x=X),  # type: ignore[call-arg]  # all functions here have these
    "grad": lambda f: fg.grad(total(f), (0, 1))(X, Y),
    "grad by one": lambda f: fg.grad(lambda y: total(f)(X, y))(Y),
    "vjp": lambda f: fg.vjp(f, X, Y)[1]({"a": X, "b": np.cos(X)}),
    "vjp of one result": lambda f: fg.vjp(lambda x: f(x, Y)["b"], X)[1](X),
    "jvp": lambda f: fg.jvp(f, (X, Y), (np.cos(X), 1.0)),
    "jvp by one": lambda f: fg.jvp(lambda x: f(x, Y), (X,), (np.cos(X),)),
    "linearize": lambda f: fg.linearize(f, X, Y)[1](np.cos(X), 1.0),
    "jacfwd": lambda f: fg.jacfwd(f, (0, 1))(X, Y),
    "jacrev": lambda f: fg.jacrev(f, (0, 1))(X, Y),
    "hessian": lambda f: fg.hessian(total(f), (0, 1))(X, Y),
    "reverse over reverse": lambda f: fg.jacrev(fg.jacrev(total(f)))(X, Y),
    "forward over forward": lambda f: fg.jacfwd(fg.jacfwd(total(f)))(X, Y),
    "reverse over forward": lambda f: fg.jacrev(fg.jacfwd(total(f)))(X, Y),
    "third derivative": lambda f: fg.grad(fg.grad(fg.grad(lambda x: f(x, Y)["a"] * x)))(1.5),
    "hvp": lambda f: fg.hvp(total(f), (X, Y), (np.cos(X), 1.0)),
    "vmap": lambda f: mapped(f)(ROWS, Y),
    "vmap over the other": lambda f: fg.vmap(f, in_axes=(None, 0))(X, X),
    "vmap over both": lambda f: fg.vmap(f)(ROWS, X),
    "vmap over none": lambda f: fg.vmap(f, in_axes=None, axis_size=2)(X, Y),
    "vmap of vmap": lambda f: fg.vmap(mapped(f), in_axes=(None, 0))(ROWS, X),
    "vmap of grad": lambda f: fg.vmap(fg.grad(total(f), (0, 1)), (0, None))(ROWS, Y),
    "vmap of jvp": lambda f: fg.vmap(lambda x: fg.jvp(f, (x, Y), (x, 1.0)))(ROWS),
    "vmap of hessian": lambda f: fg.vmap(fg.hessian(total(f)), (0, None))(ROWS, Y),
    "grad of vmap": lambda f: fg.grad(
        lambda x, y: np.sum(fg.vmap(total(f), (0, None))(x, y)), (0, 1)
    )(ROWS, Y),
    "jvp of vmap": lambda f: fg.jvp(mapped(f), (ROWS, Y), (np.cos(ROWS), 1.0)),
    "linearize of vmap": lambda f: fg.linearize(mapped(f), ROWS, Y)[1](np.cos(ROWS), 1.0),
    "grad of vmap of vmap": lambda f: fg.grad(
        lambda x, y: np.sum(fg.vmap(mapped(f), (None, 0))(x, y)["a"]), (0, 1)
    )(ROWS, X),
    "hessian of vmap": lambda f: fg.hessian(lambda x: np.sum(mapped(f)(x, Y)["a"] ** 2))(ROWS),
    "program": lambda f: fg.make_program(f)(X, 3.0)(X, Y),
    "program of grad": lambda f: fg.make_program(fg.grad(total(f), (0, 1)))(X, 3.0)(X, Y),
    "program of vmap": lambda f: fg.make_program(mapped(f))(ROWS, 3.0)(ROWS, Y),
    "grad of a program": lambda f: fg.grad(total(fg.make_program(f)(X, 3.0)), (0, 1))(X, Y),
    "jvp of a program": lambda f: fg.jvp(fg.make_program(f)(X, 3.0), (X, Y), (X, 1.0)),
    "vmap of a program": lambda f: mapped(fg.make_program(f)(X, 3.0))(ROWS, Y),
    "hessian of a program": lambda f: fg.hessian(total(fg.make_program(f)(X, 3.0)))(X, Y),
    "grad of a program of vmap": lambda f: fg.grad(
        lambda x: np.sum(fg.make_program(mapped(f))(ROWS, 3.0)(x, Y)["a"])
    )(ROWS),
    "grad through an inner jvp": lambda f: fg.grad(
        lambda x, y: np.sum(fg.jvp(f, (x, y), (x * x, y))[1]["a"]), (0, 1)
    )(X, Y),
    "jvp through an inner grad": lambda f: fg.jvp(fg.grad(total(f)), (X, Y), (X, 1.0)),
}
"""What to do with the function; results are pytrees to be compared."""


def same(found: Any, expected: Any) -> None:
    """The same tree with the same values, shapes and dtypes."""
    assert fg.tree.structure(found) == fg.tree.structure(expected)
    for one, other in zip(fg.tree.leaves(found), fg.tree.leaves(expected), strict=True):
        assert np.asarray(one).dtype == np.asarray(other).dtype
        assert type(one) is type(other)
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-13)
