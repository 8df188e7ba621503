"""A sample: one call of a NumPy function with drawn shapes, axes, dtypes and arguments."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import funcgrad as fg
import funcgrad.numpy as fnp

__all__ = ["Generator", "Sample", "axis_of", "broadcast_shape", "distinct", "draw", "shape"]

Generator = Callable[[np.random.Generator], "Sample"]
"""Draws one call of one function."""

_BOOL = np.dtype(bool)


@dataclass(frozen=True)
class Sample:
    """One call of a function, the same for every namespace.

    Attributes:
        label: the call as text, with every argument that is not an array.
        call: `(xp, *args) -> result`, where `xp` is `numpy` or `funcgrad.numpy`; a result is an
            array or a pytree of arrays.
        args: plain arrays; those with a floating-point or complex dtype are differentiated.
        smooth: whether the point is away from kinks, so that difference quotients hold.
        second: whether second derivatives are compared with difference quotients too.
        mapped: whether `vmap` can map the call (not where the shape depends on values).
        alike: positions of arguments that must be the same for all examples of a batch.
        rounding: how many times the usual roundings the call may lose.
        plain: whether NumPy asks the values, so that `np.*` takes traced ones.
    """

    label: str
    call: Callable[..., Any]
    args: tuple[Any, ...]
    smooth: bool = True
    second: bool = True
    mapped: bool = True
    alike: tuple[int, ...] = ()
    rounding: float = 1.0
    plain: bool = True

    def __str__(self) -> str:
        shapes = " ".join(f"{np.asarray(a).dtype}{np.shape(a)}" for a in self.args)
        return f"{self.label} of {shapes}"

    @property
    def namespaces(self) -> tuple[Any, ...]:
        """What takes traced values: `numpy`, where it can, and `funcgrad.numpy`."""
        return (np, fnp) if self.plain else (fnp,)

    @property
    def active(self) -> list[int]:
        """Positions of the arguments that are differentiated."""
        return [i for i, a in enumerate(self.args) if getattr(a, "dtype", _BOOL).kind in "fc"]

    @property
    def differentiable(self) -> list[Any]:
        """The arguments that are differentiated."""
        return [self.args[i] for i in self.active]

    def results(self, xp: Any, *args: Any) -> tuple[Any, ...]:
        """The arrays of the result, in order."""
        return tuple(fg.tree.leaves(self.call(xp, *args)))

    def function(self, xp: Any) -> Callable[..., list[Any]]:
        """The inexact results as a function of the differentiable arguments."""
        active = self.active

        def apply(*chosen: Any) -> list[Any]:
            args = list(self.args)
            for position, value in zip(active, chosen, strict=True):
                args[position] = value
            return list(inexact(self.results(xp, *args)))

        return apply


def inexact(results: tuple[Any, ...]) -> Iterator[Any]:
    """Those of the results that have a derivative."""
    return (r for r in results if getattr(r, "dtype", np.dtype(type(r))).kind in "fc")


def shape(rng: np.random.Generator, low: int = 0, high: int = 3, longest: int = 4) -> Any:
    """A shape of `low` to `high` axes, each 1 to `longest` long."""
    return tuple(int(n) for n in rng.integers(1, longest + 1, rng.integers(low, high + 1)))


def broadcast_shape(rng: np.random.Generator, whole: tuple[int, ...]) -> tuple[int, ...]:
    """A shape that broadcasts to the whole one: leading axes dropped, others of length 1."""
    kept = whole[int(rng.integers(0, len(whole) + 1)) :]
    return tuple(1 if rng.random() < 0.3 else n for n in kept)


def axis_of(rng: np.random.Generator, rank: int, *, many: bool = False, none: bool = True) -> Any:
    """An axis of an array of this rank: an int of either sign, None, or a tuple of axes."""
    kinds = ["int"] * (rank > 0) + ["none"] * none + ["tuple"] * (many and rank > 0)
    kind = kinds[int(rng.integers(len(kinds)))] if kinds else "none"
    if kind == "none":
        return None
    if kind == "int":
        return int(rng.integers(-rank, rank))
    chosen = rng.permutation(rank)[: int(rng.integers(1, rank + 1))]
    return tuple(int(a) - rank * int(rng.integers(2)) for a in chosen)


def draw(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    dtype: Any = np.float64,
    low: float = -2.0,
    high: float = 2.0,
) -> Any:
    """An array with elements in an interval; complex ones in a square of it."""
    x = rng.uniform(low, high, shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.uniform(low, high, shape)
    return np.asarray(x, dtype)


def distinct(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any = np.float64) -> Any:
    """An array whose elements are at least 0.1 apart from each other and from 0."""
    size = int(np.prod(shape, dtype=int))
    x = rng.permutation(np.arange(size) - size / 2 + 0.25) * 0.3
    x = x.reshape(shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.uniform(0.5, 1.0, shape)
    return np.asarray(x, dtype)
