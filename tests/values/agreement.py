"""What a transform gives for arrays of another library, beside what it gives for NumPy's."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

import funcgrad as fg
from funcgrad.core.primitive import PRIMITIVES
from funcgrad.core.protocols import DISPATCH
from tests.laws.case import arrays
from tests.laws.structured_cases import ALGEBRA, DERIVATIVES, FUNCTIONS, REDUCTIONS, STRUCTURE

__all__ = ["CALLS", "TRANSFORMS", "agree", "function_of", "transformed"]

Call = tuple[Callable[..., Any], tuple[Any, ...]]


def elementwise_calls() -> Iterator[tuple[str, Call]]:
    """Each elementwise function of operands of the shapes (2, 3), and (2, 1) with (3,)."""
    for seed, (name, primitive) in enumerate(PRIMITIVES.items()):
        ufunc = getattr(np, name, None)
        if primitive.family == "elementwise" and ufunc in DISPATCH and name != "ldexp":
            shapes = ((2, 3),) if len(primitive.domain) == 1 else ((2, 1), (3,))
            yield name, (ufunc, arrays(seed, shapes, primitive.domain, np.float64))


def calls() -> Iterator[tuple[str, Call]]:
    """The calls that the laws of the structured primitives are made of, and elementwise ones."""
    groups = {
        "structure": STRUCTURE, "reductions": REDUCTIONS, "algebra": ALGEBRA,
        "functions": FUNCTIONS, "derivatives": DERIVATIVES,
    }  # fmt: skip
    for group, members in groups.items():
        for number, call in enumerate(members):
            f, xs = function_of(call)
            if xs and f(*xs):
                yield f"{group}-{number}", call
    yield from elementwise_calls()


def is_inexact(x: Any) -> bool:
    return getattr(x, "dtype", np.dtype(type(x))).kind in "fc"


def function_of(call: Call) -> tuple[Callable[..., list[Any]], list[Any]]:
    """The inexact results as a function of the inexact arguments, and those."""
    function, args = call
    active = [i for i, arg in enumerate(args) if is_inexact(arg)]

    def apply(*chosen: Any) -> list[Any]:
        full = list(args)
        for i, value in zip(active, chosen, strict=True):
            full[i] = value
        return [out for out in fg.tree.leaves(function(*full)) if is_inexact(out)]

    return apply, [args[i] for i in active]


CALLS = dict(calls())


def _weighted(f: Any) -> Callable[..., Any]:
    def total(weights: Sequence[Any], *xs: Any) -> Any:
        return sum(np.sum(np.real(w * out)) for w, out in zip(weights, f(*xs), strict=True))

    return total


def gradient(f: Any, weights: Any, xs: Any, ones: Any) -> Any:
    del ones
    return fg.value_and_grad(_weighted(f), tuple(range(1, 1 + len(xs))))(weights, *xs)


def forward(f: Any, weights: Any, xs: Any, ones: Any) -> Any:
    del weights
    return fg.jvp(f, tuple(xs), tuple(ones))


def second(f: Any, weights: Any, xs: Any, ones: Any) -> Any:
    places = tuple(range(len(xs)))
    slope = fg.grad(lambda *at: _weighted(f)(weights, *at), places)
    return fg.jvp(slope, tuple(xs), tuple(ones))[1]


def mapped(f: Any, weights: Any, xs: Any, ones: Any) -> Any:
    del weights, ones
    return fg.vmap(f)(*(np.stack([x, x]) for x in xs))


TRANSFORMS = {"gradient": gradient, "forward": forward, "second": second, "mapped": mapped}


def transformed(call: Call, transform: str, wrap: Callable[[Any], Any]) -> Any:
    """The leaves of what a transform gives of a call; `wrap` makes the arrays foreign."""
    f, xs = function_of(call)
    rng = np.random.default_rng(0)
    weights = [wrap(rng.normal(size=np.shape(out))) for out in f(*xs)]
    ones = [wrap(np.ones_like(x)) for x in xs]
    return fg.tree.leaves(TRANSFORMS[transform](f, weights, [wrap(x) for x in xs], ones))


def agree(found: Sequence[Any], expected: Sequence[Any], inputs: Sequence[Any] = ()) -> None:
    """Plain arrays of the same shapes, dtypes and values, up to the order of sums.

    Sums are rounded in the coarsest dtype among results and inputs.
    """
    assert len(found) == len(expected)
    coarse = any(np.asarray(x).dtype in (np.float32, np.complex64) for x in (*expected, *inputs))
    digits = 1e-5 if coarse else 1e-9
    for one, other in zip(found, expected, strict=True):
        one, other = np.asarray(one), np.asarray(other)
        assert one.shape == other.shape
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=digits, atol=digits)
