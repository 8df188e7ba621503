"""Pytrees as one vector, for optimisers and solvers that know nothing else."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from math import prod
from typing import Any

import numpy as np

from funcgrad.errors import PytreeError
from funcgrad.tree import KeyPath, Structure, flatten_with_path, keystr, unflatten

__all__ = ["ravel_pytree"]


@dataclass(frozen=True, slots=True)
class _Slot:
    """What a leaf was: its shape and dtype, and whether it was a scalar rather than an array."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    is_scalar: bool

    def restore(self, part: Any) -> Any:
        """The leaf with these elements; a fresh array even where nothing has to be cast."""
        if part.dtype.kind == "c" and self.dtype.kind != "c":
            part = np.real(part)
        leaf = np.reshape(part, self.shape).astype(self.dtype)
        if self.is_scalar and isinstance(leaf, np.ndarray):  # a traced value is 0-d either way
            return leaf[()]
        return leaf


@dataclass(frozen=True, slots=True)
class _Unravel:
    """The inverse of one tree's raveling: vector ↦ tree. Comparable, hashable and picklable."""

    structure: Structure
    slots: tuple[_Slot, ...]
    dtype: np.dtype[Any]

    def __call__(self, flat: Any, /) -> Any:
        """Put the elements of a vector in their places.

        Args:
            flat: A vector as long as the one that `ravel_pytree` returned.

        Returns:
            A tree with the structure, shapes and dtypes of the raveled one, of fresh arrays.

        Raises:
            PytreeError: The vector has another length, or a dtype that cannot be cast back.
        """
        if not hasattr(flat, "dtype"):
            flat = np.asarray(flat)
        ends = list(accumulate(prod(slot.shape) for slot in self.slots))
        self._check(flat, ends[-1] if ends else 0)
        if not ends:
            return unflatten(self.structure, ())
        parts = np.split(flat, ends[:-1])
        leaves = [slot.restore(part) for slot, part in zip(self.slots, parts, strict=True)]
        return unflatten(self.structure, leaves)

    def _check(self, flat: Any, size: int) -> None:
        if flat.shape != (size,):
            raise PytreeError(
                f"unravel: was given shape {flat.shape}, but the raveled tree has "
                f"{size} elements. Each element needs its place in the tree. Pass one vector of "
                f"{size} elements, or map over further axes with vmap(unravel)."
            )
        if size and not np.can_cast(flat.dtype, self.dtype, casting="same_kind"):
            raise PytreeError(
                f"unravel: was given dtype {flat.dtype}, but the tree was raveled to {self.dtype}. "
                "The cast back would lose a part of each number. Cast it yourself, e.g. with "
                f"flat.astype({str(self.dtype)!r}), or ravel a tree that has the wider dtype."
            )


def ravel_pytree(tree: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Concatenate all elements of a pytree: tree ↦ (vector, vector ↦ tree).

    Both directions are plain NumPy, so they are differentiable inside any transform.

    Args:
        tree: A pytree of arrays and scalars, real, complex, integer or boolean. Python's scalars
            count as float64, complex128, int64 and bool.

    Returns:
        A fresh vector of shape (n,), whose dtype is the leaves' common one (float64 if there are no
        leaves), and the inverse function. That one casts each leaf back to its dtype, which
        truncates what an integer leaf cannot hold; scalars come back as NumPy scalars.

    Raises:
        PytreeError: A leaf is not numeric; the message names its key path.

    Example:
        >>> flat, unravel = ravel_pytree({"b": np.float32(3.0), "w": np.ones((1, 2))})
        >>> flat
        array([3., 1., 1.])
        >>> unravel(2 * flat)
        {'b': np.float32(6.0), 'w': array([[2., 2.]])}
    """
    pairs, structure = flatten_with_path(tree)
    slots = tuple(_slot(path, leaf) for path, leaf in pairs)
    if not slots:
        return np.zeros(0), _Unravel(structure, (), np.dtype(np.float64))
    dtype = np.result_type(*(slot.dtype for slot in slots))
    return np.concatenate([np.ravel(leaf) for _, leaf in pairs]), _Unravel(structure, slots, dtype)


def _slot(path: KeyPath, leaf: Any) -> _Slot:
    scalar = isinstance(leaf, bool | int | float | complex | np.generic)
    dtype = np.asarray(leaf).dtype if scalar else getattr(leaf, "dtype", None)
    if dtype is None or dtype.kind not in "biufc":
        kind = type(leaf).__qualname__ if dtype is None else f"dtype {dtype}"
        raise PytreeError(
            f"ravel_pytree: the leaf at {keystr(path) or 'the root'} is of {kind}. Only numbers "
            "have a place in a vector. Keep it out of the tree, or make it part of the structure "
            "with register_static or a meta field."
        )
    return _Slot(() if scalar else leaf.shape, dtype, scalar)
