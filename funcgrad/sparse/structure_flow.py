"""What is known of one value of a program: sets of inputs, zeros, and its value if it is constant.

A rule is a function `(primitive, operands, params, shapes) -> flows of the results`. Whatever the
program computes, a rule's sets hold all inputs that an element has a derivative by.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from funcgrad.core.primitive import Primitive
from funcgrad.sparse.pattern import Indices
from funcgrad.sparse.structure_sets import (
    FEW,
    NOTHING,
    Layer,
    Sets,
    joined,
    linked,
    once,
    repeated,
)

__all__ = [
    "Flow",
    "Mask",
    "Rule",
    "Shape",
    "broadcast",
    "constant",
    "numbers_of",
    "only",
    "reduced",
    "spread",
]

Shape: TypeAlias = tuple[int, ...]
Mask: TypeAlias = npt.NDArray[np.bool_]


@dataclass(slots=True, eq=False)
class Flow:
    """One value of a program.

    Attributes:
        shape: its shape.
        sets: for each element the inputs that it may depend on.
        zeros: where it is known to be zero, for all inputs; `None` if that is nowhere.
        value: what it is for all inputs; `None` if that is not known.
    """

    shape: Shape
    sets: Sets = NOTHING
    zeros: Mask | None = None
    value: Any = None
    _nonzero: Any = field(default=None, init=False, repr=False)
    _spread: dict[Shape, Sets] = field(default_factory=dict, init=False, repr=False)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def nonzero(self) -> Mask | None:
        """Where it may be other than zero; `None`: everywhere."""
        if self._nonzero is None:
            zeros = self.zeros
            if zeros is None and self.value is not None:
                value = np.asarray(self.value)
                found = value == 0 if value.dtype.kind in "biufc" else None
                zeros = found if found is not None and np.any(found) else None
            self._nonzero = (None if zeros is None else ~zeros,)
        found_mask: Mask | None = self._nonzero[0]
        return found_mask

    def known_zeros(self) -> Mask | None:
        """Where it is zero; `None`: nowhere, as far as is known."""
        nonzero = self.nonzero()
        return None if nonzero is None else ~nonzero

    def spread_to(self, shape: Shape) -> Sets:
        """Its sets, broadcast to a shape."""
        if shape == self.shape or not self.sets:
            return self.sets
        found = self._spread.get(shape)
        if found is None:
            found = self._spread[shape] = broadcast(self.sets, shape)
        return found


Rule: TypeAlias = Callable[
    [Primitive, Sequence[Flow], dict[str, Any], Sequence[Shape]], Sequence[Flow]
]
"""`(primitive, operands, params, shapes of the results) -> flows of the results`."""


def constant(value: Any) -> Flow:
    """Of a plain value."""
    return Flow(np.shape(value), value=value)


def numbers_of(shape: Shape) -> Indices:
    """0, 1, ... in C order."""
    return np.arange(math.prod(shape)).reshape(shape)


def broadcast(sets: Sets, shape: Shape) -> Sets:
    """Sets of an array that is broadcast to a shape."""
    return tuple(Layer(layer.table, np.broadcast_to(layer.rows, shape)) for layer in sets)


def only(sets: Sets, mask: Mask | None) -> Sets:
    """Sets where a mask is true, and empty sets elsewhere; `None` is true everywhere."""
    if mask is None or not sets:
        return sets
    if not np.any(mask):
        return NOTHING
    return tuple(Layer(layer.table, np.where(mask, layer.rows, -1)) for layer in sets)


def spread(parts: Iterable[Flow], shape: Shape) -> Sets:
    """The unions of the sets of several values that are broadcast to a shape."""
    return joined(part.spread_to(shape) for part in parts)


def reduced(sets: Sets, axes: Iterable[int]) -> Sets:
    """The unions along some axes, which stay as axes of length 1."""
    if not sets:
        return NOTHING
    shape = sets[0].rows.shape
    gone = {axis % len(shape) for axis in axes} if shape else set()
    kept = tuple(1 if axis in gone else n for axis, n in enumerate(shape))
    group = math.prod(shape[axis] for axis in gone)
    if kept == shape:
        return sets
    if group == 0:
        return NOTHING
    if group * len(sets) <= FEW:
        return joined(_parts(layer, gone, kept) for layer in sets)
    alike: dict[tuple[bool, ...], list[Layer]] = {}
    for layer in sets:
        axes = repeated(layer.rows)
        alike.setdefault(axes, []).append(Layer(layer.table, once(layer.rows, axes)))
    return joined(broadcast(_united(tuple(own), gone), kept) for own in alike.values())


def _united(sets: Sets, gone: set[int]) -> Sets:
    shape = sets[0].rows.shape
    kept = tuple(1 if axis in gone else n for axis, n in enumerate(shape))
    if kept == shape:
        return sets
    targets = np.broadcast_to(numbers_of(kept), shape).reshape(-1)
    size = math.prod(kept)
    return shaped(linked(sets, targets, np.arange(targets.size), size), kept)


def _parts(layer: Layer, gone: set[int], kept: Shape) -> Sets:
    last = [axis for axis in range(layer.rows.ndim) if axis not in gone] + sorted(gone)
    table = layer.rows.transpose(last).reshape(math.prod(kept), -1)
    return tuple(Layer(layer.table, column.reshape(kept)) for column in table.T)


def shaped(sets: Sets, shape: Shape) -> Sets:
    """Sets of an array that is reshaped."""
    return tuple(Layer(layer.table, layer.rows.reshape(shape)) for layer in sets)
