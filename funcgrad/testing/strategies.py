"""Hypothesis strategies: arrays, shapes, axes, pytrees and programs to differentiate.

Values are dyadic rationals (0.5, −1.25): they are exact in every dtype, readable in a failing
example, and shrink to the simplest that still fails. Nothing is random but what Hypothesis draws.

This module needs Hypothesis; the rest of `funcgrad.testing` does not.
"""

import math
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from funcgrad.testing.programs import CHOICES, GeneratedProgram, compose

try:
    from hypothesis import strategies as st
    from hypothesis.extra import numpy as hnp
except ImportError as error:
    raise ImportError(
        "funcgrad.testing.strategies: Hypothesis is not installed. The strategies are built on it. "
        "Install it with `pip install hypothesis`, or use the checks of funcgrad.testing, which "
        "need NumPy only."
    ) from error

__all__ = [
    "arrays",
    "axes",
    "broadcastable_shapes",
    "dtypes",
    "programs",
    "pytrees",
    "shapes",
]

Shape = tuple[int, ...]
Interval = tuple[float, float]

# How far a half-infinite domain is used.
SPAN = 4.0
# The choices of a step of a program; multiples of 60 divide most numbers of options evenly.
STEP = st.tuples(*[st.integers(0, 59)] * CHOICES)
# Binary digits of a position in an interval, at least.
GRID = 8


def dtypes(kinds: str = "fc", *, half: bool = False) -> st.SearchStrategy[np.dtype[Any]]:
    """Dtypes that have a tangent space: float64 first, then the shorter and the complex ones.

    Args:
        kinds: "f" for real, "c" for complex, "fc" for both.
        half: include float16 (numpy.linalg does not take it).

    Returns:
        A strategy of NumPy dtypes.

    Example:
        >>> from hypothesis import find
        >>> find(dtypes(), lambda dtype: dtype.kind == "c")
        dtype('complex128')
    """
    real = [np.float64, np.float32, *([np.float16] if half else [])]
    choices = (real if "f" in kinds else []) + (
        [np.complex128, np.complex64] if "c" in kinds else []
    )
    return st.sampled_from([np.dtype(choice) for choice in choices])


def shapes(
    min_dims: int = 0, max_dims: int = 3, min_side: int = 1, max_side: int = 4
) -> st.SearchStrategy[Shape]:
    """Shapes of small arrays; with `min_side=0`, of empty ones too.

    Args:
        min_dims: least number of axes.
        max_dims: largest number of axes.
        min_side: least length of an axis.
        max_side: largest length of an axis.

    Returns:
        A strategy of tuples.

    Example:
        >>> from hypothesis import find
        >>> find(shapes(), lambda shape: len(shape) == 2)
        (1, 1)
    """
    return hnp.array_shapes(
        min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=max_side
    )


def broadcastable_shapes(
    n: int, *, min_dims: int = 0, max_dims: int = 3, min_side: int = 1, max_side: int = 4
) -> st.SearchStrategy[tuple[Shape, ...]]:
    """Shapes that broadcast with each other.

    Args:
        n: how many.
        min_dims: least number of axes of each.
        max_dims: largest number of axes of each.
        min_side: least length of an axis.
        max_side: largest length of an axis.

    Returns:
        A strategy of n-tuples of shapes.

    Example:
        >>> from hypothesis import find
        >>> find(broadcastable_shapes(2), lambda pair: pair[0] < pair[1])
        ((), (1,))
    """
    return hnp.mutually_broadcastable_shapes(
        num_shapes=n, min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=max_side
    ).map(lambda drawn: tuple(drawn.input_shapes))


def axes(
    ndim: int, *, allow_none: bool = True, allow_tuple: bool = True, negative: bool = True
) -> st.SearchStrategy[int | tuple[int, ...] | None]:
    """Values of an `axis` argument for an array of `ndim` axes.

    Args:
        ndim: number of axes of the array.
        allow_none: include None.
        allow_tuple: include tuples of distinct axes, () among them.
        negative: include axes counted from the end.

    Returns:
        A strategy of None, ints and tuples of ints.

    Example:
        >>> from hypothesis import find
        >>> find(axes(3), lambda axis: isinstance(axis, tuple) and len(axis) == 2)
        (0, 1)
    """
    options: list[st.SearchStrategy[Any]] = [st.none()] if allow_none else []
    if ndim:
        one = st.integers(0, ndim - 1)
        if negative:
            one = st.builds(lambda axis, back: axis - ndim * back, one, st.booleans())
        options.append(one)
    if allow_tuple:
        several = (
            st.lists(one, max_size=ndim, unique_by=lambda axis: axis % ndim)
            if ndim
            else st.just([])
        )
        options.append(several.map(tuple))
    return st.one_of(options)


@st.composite
def arrays(
    draw: st.DrawFn,
    dtype: npt.DTypeLike | st.SearchStrategy[np.dtype[Any]] = np.float64,
    shape: Shape | st.SearchStrategy[Shape] = (),
    *,
    domain: Interval = (-SPAN, SPAN),
    away_from: Sequence[float] = (),
    margin: float = 1 / 16,
    distinct: bool = False,
) -> npt.NDArray[Any]:
    """Arrays of real or complex numbers in a domain and away from kinks.

    Args:
        draw: given by Hypothesis.
        dtype: a floating point dtype, or a strategy of them.
        shape: a shape, or a strategy of them.
        domain: open interval of the values; of real and imaginary parts alike if complex. An
            infinite end is cut off 4 (or 4 beyond the other end).
        away_from: real numbers at which the function has a kink, a jump or a pole.
        margin: distance that is kept from them and from finite ends of the domain (an eighth of
            the room between them where that is smaller).
        distinct: keep the elements apart from each other too, so that maxima and orders are
            unique: by at least a quarter of the distance they would have if evenly spread.

    Returns:
        A strategy of arrays (0-d for the shape ()).

    Example:
        >>> from hypothesis import find
        >>> find(arrays(np.float64, (2,), domain=(0, np.inf)), lambda x: x.sum() > 1)
        array([0.25, 1.  ])
    """
    kind = np.dtype(draw(dtype) if isinstance(dtype, st.SearchStrategy) else dtype)
    size_of = draw(shape) if isinstance(shape, st.SearchStrategy) else shape
    size = math.prod(size_of)
    real = np.finfo(kind).dtype
    pieces = intervals(domain, away_from, margin)
    if distinct:
        first = draw(separated(pieces, size))
    else:
        first = draw(st.lists(grid(pieces, real), min_size=size, max_size=size))
    values = np.asarray(first, dtype=kind)
    if kind.kind == "c":
        second = draw(st.lists(grid(pieces, real), min_size=size, max_size=size))
        values = values + np.asarray(1j, kind) * np.asarray(second, dtype=real)
    return values.astype(kind).reshape(size_of)


def intervals(domain: Interval, away_from: Sequence[float], margin: float) -> tuple[Interval, ...]:
    """The closed intervals that are left of a domain without the neighbourhoods of its kinks."""
    low, high = map(float, domain)
    if not low < high:
        raise ValueError(
            f"arrays: the domain {domain} is empty. Its first number must be less than its second. "
            "Swap them, or leave `domain` out."
        )
    low_end = low if math.isfinite(low) else min(-SPAN, high - SPAN)
    high_end = high if math.isfinite(high) else max(SPAN, low + SPAN)
    cuts = sorted({low_end, high_end, *(float(k) for k in away_from if low_end < k < high_end)})
    pieces = []
    for start, stop in pairwise(cuts):
        gap = min(margin, (stop - start) / 8)
        is_cut_off = (start == low_end != low, stop == high_end != high)
        pieces.append((start + gap * (not is_cut_off[0]), stop - gap * (not is_cut_off[1])))
    # The piece that holds, or is nearest to, zero shrinks best.
    return tuple(sorted(pieces, key=lambda piece: max(piece[0], -piece[1], 0.0)))


@cache  # a draw of an array asks for it again and again
def grid(pieces: tuple[Interval, ...], real: np.dtype[Any]) -> st.SearchStrategy[float]:
    """Dyadic rationals in the union of intervals, exact in a dtype where its precision allows."""

    def multiples(piece: Interval, unit: float) -> st.SearchStrategy[float]:
        first, last = math.ceil(piece[0] / unit), math.floor(piece[1] / unit)
        if first > last:
            return st.just((piece[0] + piece[1]) / 2)
        return st.integers(first, last).map(lambda k: k * unit)

    coarse, fine = [], []
    for low, high in pieces:
        width = math.log2(high - low)
        exact = int(np.finfo(real).nmant) - math.ceil(math.log2(max(-low, high, 2.0**-20)))
        coarse.append(multiples((low, high), 2.0 ** math.ceil(width - 4)))
        fine.append(multiples((low, high), 2.0 ** -min(math.ceil(GRID - width), exact)))
    return st.one_of(coarse + fine)


@st.composite
def separated(draw: st.DrawFn, pieces: Sequence[Interval], size: int) -> list[float]:
    """Numbers in the union of intervals, in any order, no two of them close together."""
    lengths = [high - low for low, high in pieces]
    spacing = sum(lengths) / max(size, 1)
    values = []
    for place in draw(st.permutations(range(size))):
        # Each number has a slot of the union's length to itself and keeps to its lower 3/4.
        offset = (place + draw(st.integers(0, 6)) / 8) * spacing
        for (low, high), length in zip(pieces, lengths, strict=True):
            if offset <= length:
                values.append(min(low + offset, high))
                break
            offset -= length
    return values


def pytrees(leaves: st.SearchStrategy[Any], *, max_leaves: int = 6) -> st.SearchStrategy[Any]:
    """Nested tuples, lists and dicts, with None here and there.

    Args:
        leaves: strategy of the leaves.
        max_leaves: how many leaves a tree has at most (about).

    Returns:
        A strategy of pytrees; a single leaf is one.

    Example:
        >>> from hypothesis import find
        >>> find(pytrees(arrays()), lambda tree: isinstance(tree, dict) and len(tree) > 0)
        {'a': None}
    """
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.tuples(inner),
            st.tuples(inner, inner),
            st.lists(inner, max_size=3),
            st.dictionaries(st.sampled_from("abcd"), st.none() | inner, max_size=3),
        ),
        max_leaves=max_leaves,
    )


@st.composite
def programs(
    draw: st.DrawFn,
    *,
    operations: int = 10,
    inputs: int = 2,
    dtype: npt.DTypeLike = np.float64,
    scalar: bool = True,
) -> GeneratedProgram:
    """Random smooth programs: a graph of elementwise, broadcasting, reducing, indexing, … steps.

    Args:
        draw: given by Hypothesis.
        operations: number of steps; shrinking leaves out those that do not matter.
        inputs: number of input arrays.
        dtype: floating point dtype of the inputs.
        scalar: let the program return one number, as `grad` needs it, instead of a tuple of arrays.

    Returns:
        A strategy of `GeneratedProgram`: callable, with example `inputs` and printable `source`.

    Example:
        >>> from hypothesis import find
        >>> print(
        ...     find(programs(inputs=1, operations=3), lambda program: "@" in program.source).source
        ... )
        def program(xp, x0):
            t0 = x0 @ x0
            return xp.sum(t0)
        <BLANKLINE>
    """
    common = draw(shapes(min_dims=1, max_dims=2, max_side=3))
    several = draw(
        st.lists(
            st.sampled_from([common, common[-1:], common[::-1], ()]),
            min_size=inputs,
            max_size=inputs,
        )
    )
    values = [draw(arrays(dtype, shape, domain=(-2, 2))) for shape in several]
    steps = draw(st.lists(STEP, min_size=operations, max_size=operations))
    return compose(steps, values, scalar=scalar)
