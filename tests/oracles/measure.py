"""What is compared at a case: value, vjp, jvp and Hessian-vector product, by any library.

JAX's transforms and funcgrad's have the same names, so `ad` is either module.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.oracles.cases import Case, Convention

__all__ = ["direction", "gradient", "hvp", "pull", "push", "quantities", "value"]


def direction(number: int, like: Any) -> Any:
    """A fixed array with the shape and dtype of a leaf; another one for each number."""
    angles = 1.0 + 0.7 * number + np.arange(np.size(like)).reshape(np.shape(like))
    found = np.cos(angles) + 1j * np.sin(2 * angles)
    dtype = like.dtype
    return np.asarray(found if dtype.kind == "c" else found.real, dtype)


def _tangents(args: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(direction(10 + number, arg) for number, arg in enumerate(args))


def _cotangents(ad: Any, out: Any) -> Any:
    leaves, structure = ad.tree.flatten(out)
    return ad.tree.unflatten(structure, [direction(k, leaf) for k, leaf in enumerate(leaves)])


def value(ad: Any, xp: Any, case: Case) -> Any:
    """The value f(x), of plain arrays."""
    del ad
    return case.call(xp, *case.args)


def pull(ad: Any, xp: Any, case: Case) -> Any:
    """ctᵀ ∂f(x)."""
    out, pullback = ad.vjp(lambda *args: case.call(xp, *args), *case.args)
    return pullback(_cotangents(ad, out))


def push(ad: Any, xp: Any, case: Case) -> Any:
    """The value f(x), and ∂f(x) ẋ."""
    return ad.jvp(lambda *args: case.call(xp, *args), case.args, _tangents(case.args))


def hvp(ad: Any, xp: Any, case: Case) -> Any:
    """∂(∇ Re⟨ct, f⟩)(x) ẋ, forward over reverse."""

    def paired(*args: Any) -> Any:
        leaves = ad.tree.leaves(case.call(xp, *args))
        terms = [xp.sum(xp.real(direction(k, leaf) * leaf)) for k, leaf in enumerate(leaves)]
        return sum(terms)

    gradient = ad.grad(paired, argnums=tuple(range(len(case.args))))
    return ad.jvp(gradient, case.args, _tangents(case.args))[1]


def gradient(ad: Any, xp: Any, case: Convention) -> Any:
    """∇ of the sum of f, by the first argument."""
    return ad.grad(lambda *args: xp.sum(case.call(xp, *args)))(*case.args)


def quantities(case: Case) -> dict[str, Callable[..., Any]]:
    """What is compared at a case."""
    second = {"hvp": hvp} if case.twice else {}
    return {"value": value, "vjp": pull, "jvp": push, **second}
