"""A function restricted to a line: φ(t) = f(x + t v).

Every numerical derivative is one of φ, a function of one real variable, at t = 0. Pytrees end here:
φ returns one flat vector with an entry for every differentiable number in f's output. float16 and
float32 inputs are promoted to float64 (complex64 to complex128) where f then answers in double
precision too, so that the numerical side of a comparison is better than the side it checks.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from funcgrad import tree

__all__ = ["Entry", "Line", "Vector", "dtype_of", "is_differentiable"]

Vector = npt.NDArray[Any]

# Below this an input counts as zero and steps are absolute: relative ones would be subnormal.
TINY = 1e-30

# What f raises where it is not defined; at such t, φ is NaN (LinAlgError is a ValueError).
OUTSIDE_DOMAIN = (ArithmeticError, ValueError)


def dtype_of(leaf: object) -> np.dtype[Any]:
    """The dtype of an array or of a Python scalar."""
    return np.dtype(getattr(leaf, "dtype", None) or np.asarray(leaf).dtype)


def is_differentiable(leaf: object) -> bool:
    """Whether a leaf is real or complex floating point, hence has a tangent space."""
    return bool(np.issubdtype(dtype_of(leaf), np.inexact))


@dataclass(frozen=True, slots=True)
class Entry:
    """The place of a number: its leaf's key path and its index in the leaf."""

    path: str
    index: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.path}{list(self.index)}" if self.index else self.path


class Line:
    """φ(t) = f(x + t v), as a flat vector.

    Args:
        f: a function of pytrees that returns a pytree.
        primals: x, the arguments of f.
        tangents: v, of the same structure; what stands at integer leaves is not read.

    Attributes:
        origin: φ(0), shape (m,), float64 or complex128 (or long double).
        eps: unit roundoff of each entry of φ, shape (m,).
        position: largest |x| among the entries that move; 1 where all are zero.
        speed: largest |v|.
        is_real: whether all that moves and all that comes out is real.
    """

    def __init__(
        self, f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]
    ) -> None:
        self.f = f
        leaves, self.structure = tree.flatten(tuple(primals))
        directions = tree.flatten_up_to(self.structure, tuple(tangents))
        self.directions = [
            direction(x, v) if is_differentiable(x) else None
            for x, v in zip(leaves, directions, strict=True)
        ]
        self.leaves, self.sample = self.promoted(leaves)
        self.read_scales()

    def promoted(self, leaves: list[Any]) -> tuple[list[Any], Any]:
        """The leaves in double precision and f there, or the leaves as given where f refuses."""
        double = [promote(leaf) for leaf in leaves]
        if any(new is not old for new, old in zip(double, leaves, strict=True)):
            # A function may refuse another dtype in any way it likes.
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    sample = self.f(*tree.unflatten(self.structure, double))
                except Exception:  # noqa: BLE001  # see above
                    sample = None
            if sample is not None and all(map(is_double, tree.leaves(sample))):
                return double, sample
        with np.errstate(all="ignore"):
            return leaves, self.f(*tree.unflatten(self.structure, leaves))

    def read_scales(self) -> None:
        """Fill in the sizes, dtypes and places that do not change along the line."""
        moving = [
            (np.asarray(np.abs(x))[v != 0], np.abs(v))
            for x, v in zip(self.leaves, self.directions, strict=True)
            if v is not None and np.any(v != 0)
        ]
        self.position = max((float(x.max(initial=0.0)) for x, _ in moving), default=0.0)
        if not TINY < self.position < math.inf:
            self.position = 1.0
        self.speed = max((float(v.max(initial=0.0)) for _, v in moving), default=0.0) or 1.0
        inputs = [
            dtype_of(x)
            for x, v in zip(self.leaves, self.directions, strict=True)
            if v is not None and np.any(v != 0)
        ]
        self.input_eps = max((float(np.finfo(dtype).eps) for dtype in inputs), default=2.0**-52)
        with_paths, self.output_structure = tree.flatten_with_path(self.sample)
        self.outputs = [
            (tree.keystr(path), dtype_of(leaf), np.shape(leaf))
            for path, leaf in with_paths
            if is_differentiable(leaf)
        ]
        self.dtype = np.result_type(np.float64, *(dtype for _, dtype, _ in self.outputs))
        self.eps = np.concatenate(
            [
                np.full(math.prod(shape), max(float(np.finfo(dtype).eps), self.input_eps))
                for _, dtype, shape in self.outputs
            ]
            or [np.zeros(0)]
        )
        self.is_real = all(not np.issubdtype(dtype, np.complexfloating) for dtype in inputs) and (
            not np.issubdtype(self.dtype, np.complexfloating)
        )
        self.origin = self.flat(self.sample)

    def __call__(self, t: float) -> Vector:
        """φ(t); NaN where f is not defined there or answers in another shape."""
        return self.at(t, self.dtype)

    def imaginary(self, t: float) -> Vector:
        """φ(i t) for an f that accepts complex numbers; NaN where it does not."""
        with warnings.catch_warnings():
            # "Casting complex values to real discards the imaginary part": then f is not analytic.
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            # A real function may refuse complex numbers in any way it likes.
            try:
                return self.at(1j * t, np.result_type(np.complex128, self.dtype))
            except Exception:  # noqa: BLE001  # see above
                return np.full(self.origin.shape, np.nan, complex)

    def at(self, t: complex, dtype: np.dtype[Any]) -> Vector:
        """φ(t) for a real or imaginary t, as a vector of a dtype."""
        moved = [
            x if v is None else step(x, t, v)
            for x, v in zip(self.leaves, self.directions, strict=True)
        ]
        with np.errstate(all="ignore"):
            try:
                out = self.f(*tree.unflatten(self.structure, moved))
            except OUTSIDE_DOMAIN:
                return np.full(self.origin.shape, np.nan, dtype)
            flat = self.flat(out, dtype)
        return flat if flat.shape == self.origin.shape else np.full(self.origin.shape, np.nan)

    def flat(self, out: Any, dtype: np.dtype[Any] | None = None) -> Vector:
        """The differentiable numbers of an output, one after the other."""
        # float(φ) may be a longer type than an entry's own: sums of entries lose nothing.
        parts = [
            np.asarray(leaf, dtype or self.dtype).ravel()
            for leaf in tree.leaves(out)
            if is_differentiable(leaf)
        ]
        return np.concatenate(parts) if parts else np.zeros(0, dtype or self.dtype)

    def unflat(self, vector: Vector) -> Any:
        """A vector in the structure of f's output, with zeros at the integer leaves."""
        leaves, start = [], 0
        for leaf in tree.leaves(self.sample):
            if is_differentiable(leaf):
                stop = start + math.prod(np.shape(leaf))
                leaves.append(vector[start:stop].reshape(np.shape(leaf)))
                start = stop
            else:
                leaves.append(np.zeros(np.shape(leaf)))
        return tree.unflatten(self.output_structure, leaves)

    def entry(self, position: int) -> Entry:
        """Where in f's output the entry at a position of φ stands."""
        for path, _, shape in self.outputs:
            size = math.prod(shape)
            if position < size:
                index = np.unravel_index(position, shape)
                return Entry(f"output{path}", tuple(int(i) for i in index))
            position -= size
        raise IndexError(position)


def direction(x: Any, v: Any) -> Vector:
    """The tangent v of a leaf x, in double precision and checked to fit."""
    given = np.asarray(v)
    is_too_wide = given.dtype.kind == "c" and dtype_of(x).kind != "c"
    if given.shape != np.shape(x) or is_too_wide:
        raise ValueError(
            f"numerical derivative: a tangent of shape {given.shape} and dtype {given.dtype} for a "
            f"primal of shape {np.shape(x)} and dtype {dtype_of(x)}. A tangent has its primal's "
            "shape, and is real where that is. Reshape the tangent, or make the primal complex."
        )
    kind = np.complex128 if given.dtype.kind == "c" else np.float64
    return given.astype(np.result_type(given.dtype, kind))


def step(x: Any, t: complex, v: Vector) -> Any:
    """X + t v, of x's own dtype (complex for a complex t) and kind."""
    if not isinstance(x, np.ndarray | np.generic):
        return x + t * v.item()
    moved = x + (t * v).astype(np.result_type(x.dtype, t))
    return np.asarray(moved) if isinstance(x, np.ndarray) else moved[()]


def promote(leaf: Any) -> Any:
    """A leaf in double precision; itself where it is that already, or no floating point."""
    dtype = dtype_of(leaf)
    if dtype.char == "F":
        return leaf.astype(np.complex128)
    return leaf.astype(np.float64) if dtype.char in "ef" else leaf


def is_double(leaf: Any) -> bool:
    """Whether an output leaf is no floating point number of less than double precision."""
    return dtype_of(leaf).char not in "efF"
