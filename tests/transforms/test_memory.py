"""Results have memory of their own: writing into one changes no argument and no other result."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg

X, Y = np.linspace(1.0, 2.0, 3), np.linspace(3.0, 4.0, 3)
CLOSURE = np.array([5.0, 6.0, 7.0])


def total(x: Any, y: Any) -> Any:
    """Its two gradients are one array in the sweep."""
    return np.sum(x + y)


def same(x: Any) -> Any:
    return {"a": x, "b": x, "c": CLOSURE}


CALLS: dict[str, Callable[[], Any]] = {
    "grad": lambda: fg.grad(total, (0, 1))(X, Y),
    "value_and_grad": lambda: fg.value_and_grad(total, (0, 1))(X, Y),
    "aux": lambda: fg.grad(lambda x: (np.sum(x), same(x)), has_aux=True)(X),
    "vjp": lambda: (lambda out, pull: (out, *pull(Y)))(*fg.vjp(lambda x: x, X)),
    "vjp of a sum": lambda: fg.vjp(np.add, X, Y)[1](CLOSURE),
    "jvp": lambda: fg.jvp(same, (X,), (Y,)),
    "linearize": lambda: (lambda out, f_jvp: (out, f_jvp(Y)))(*fg.linearize(same, X)),
    "linear_transpose": lambda: fg.linear_transpose(np.add, X, Y)(CLOSURE),
    "vmap": lambda: fg.vmap(same)(X),
    "jacrev": lambda: fg.jacrev(np.add, (0, 1))(X, Y),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_no_two_results_share_memory_with_each_other_or_an_argument(
    call: Callable[[], Any],
) -> None:
    results = [leaf for leaf in fg.tree.leaves(call()) if isinstance(leaf, np.ndarray)]
    assert results
    for one in results:
        assert one.flags.writeable
        assert not any(np.shares_memory(one, argument) for argument in (X, Y, CLOSURE))
    assert not any(itertools.starmap(np.shares_memory, itertools.combinations(results, 2)))
