"""A case of a primitive: arrays and parameters at which its laws are tested."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from funcgrad.core.primitive import PRIMITIVES, Primitive
from funcgrad.core.tracer import bind

__all__ = ["Case", "arrays", "bits"]


_BOOL = np.dtype(bool)


@dataclass(frozen=True)
class Case:
    """One application of a primitive.

    Attributes:
        name: of the primitive.
        args: plain arrays.
        params: keyword parameters.
        label: what is special here.
        smooth: whether the point is away from kinks, so that differences can be compared.
        second: whether second derivatives are compared too.
        alike: positions of operands that must be the same for all examples of a batch.
    """

    name: str
    args: tuple[Any, ...]
    params: dict[str, Any] = field(default_factory=dict)
    label: str = ""
    smooth: bool = True
    second: bool = True
    alike: tuple[int, ...] = ()

    @property
    def primitive(self) -> Primitive:
        return PRIMITIVES[self.name]

    def __str__(self) -> str:
        shapes = " ".join(str(np.shape(a)) for a in self.args)
        dtypes = " ".join(str(np.asarray(a).dtype) for a in self.args)
        return f"{self.name} {self.label} {shapes} {dtypes}".replace("  ", " ")

    @property
    def active(self) -> list[int]:
        """Positions of the floating-point operands; Python numbers are constants."""
        return [i for i, a in enumerate(self.args) if getattr(a, "dtype", _BOOL).kind in "fc"]

    def function(self) -> tuple[Callable[..., Any], list[Any]]:
        """The application as a function of its floating-point operands, and these."""
        active = self.active

        def apply(*chosen: Any) -> Any:
            args = list(self.args)
            for position, value in zip(active, chosen, strict=True):
                args[position] = value
            return bind(self.primitive, *args, **self.params)

        return apply, [self.args[i] for i in active]


def arrays(
    seed: int,
    shapes: Sequence[tuple[int, ...]],
    domains: Sequence[tuple[float, float]],
    dtype: Any = np.float64,
) -> tuple[Any, ...]:
    """Random arrays inside the domains; complex ones have a small imaginary part."""
    rng = np.random.default_rng(seed)
    made = []
    for shape, (low, high) in zip(shapes, domains, strict=True):
        x = rng.uniform(low, high, shape)
        if np.dtype(dtype).kind == "c":
            x = x + 1j * rng.uniform(0.1, 0.4, shape) * min(1.0, (high - low) / 4)
        made.append(np.asarray(x, dtype))
    return tuple(made)


def bits(x: Any) -> tuple[Any, ...]:
    """What must be kept: shape, dtype, and whether it is an array."""
    return np.shape(x), np.asarray(x).dtype, isinstance(x, np.ndarray)
