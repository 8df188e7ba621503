"""Tables made of tensors: powers, histograms of several variables, places of nonzero elements."""

from typing import Any

import numpy as np

from funcgrad.compat.torch.creation import made
from funcgrad.compat.torch.registry import MODULES, expose
from funcgrad.compat.torch.returns import return_type
from funcgrad.compat.torch.tensor import Tensor, new_tensor, plain_array

__all__ = ["histogramdd", "nonzero_static", "vander"]

TORCH = MODULES["torch"]
"""The functions of `torch`, by name; filled before any of them is called."""


@expose("vander", method=False)
def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Any:
    """Powers of each element as a row: xⁿ⁻¹, ..., x, 1, or the other way round.

    Args:
        x: (m).
        N: number of columns; m by default.
        increasing: whether the powers increase from left to right.
    """
    if x.dim() != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    count = x.shape[0] if N is None else int(N)
    if count < 0:
        raise RuntimeError("N must be non-negative.")
    kind = TORCH["result_type"](x, 1)
    table = TORCH["empty"]((x.shape[0], count), dtype=kind)
    if count:
        table.select(1, 0).fill_(1)
    if count > 1:
        table.narrow(1, 1, count - 1).copy_(x.unsqueeze(1))  # type: ignore[attr-defined]  # entered
        table.narrow(1, 1, count - 1).copy_(_kept(table.narrow(1, 1, count - 1)).cumprod(1))
    return table if increasing else table.flip(1)


def _kept(part: Any) -> Any:
    """The same place in the graph with values of its own, which later writes do not reach."""
    found = new_tensor(part._array().copy(), part)
    node = part.grad_fn  # of a view: made anew after a write to its base
    found._node, found._port, found._requires = node, part._port, node is not None
    return found


_histogramdd = return_type("histogramdd", "hist bin_edges")


@expose("histogramdd", method=False)
def histogramdd(
    input: Tensor,
    bins: Any,
    *,
    range: Any = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> Any:
    """How many points lie in each box of a grid.

    Args:
        input: (..., d), points.
        bins: one number, a number for each axis, or the edges along each.
        range: lowest and highest edge of each axis, one after the other.
        weight: (...), of the points.
        density: whether to give a density, whose integral is 1.
    """
    points = plain_array(input, "histogramdd")
    points = points.reshape(-1, points.shape[-1])
    axes = points.shape[1]
    if isinstance(bins, int):
        wanted: Any = [bins] * axes
    else:
        wanted = [
            plain_array(one, "histogramdd") if isinstance(one, Tensor) else one for one in bins
        ]
    bounds = None
    if range is not None:
        bounds = [tuple(range[2 * i : 2 * i + 2]) for i in np.arange(axes)]
    weights = None if weight is None else plain_array(weight, "histogramdd").reshape(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        if any(isinstance(one, np.ndarray) and (np.diff(one) < 0).any() for one in wanted):
            counts, edges = _unsorted(points, wanted, density, weights)
        else:
            counts, edges = np.histogramdd(points, wanted, bounds, density=density, weights=weights)
    kind = points.dtype
    return _histogramdd(
        made(counts.astype(kind)), tuple([made(np.asarray(one).astype(kind)) for one in edges])
    )


def _above(edges: Any, values: Any) -> Any:
    """How many edges bisection finds not above each value; edges need not be in order."""
    low = np.zeros(values.shape, np.int64)
    left = np.full(values.shape, len(edges))
    while (left > 0).any():
        half = left >> 1
        middle = np.minimum(low + half, len(edges) - 1)
        right = (left > 0) & ~(values < edges[middle])
        low = np.where(right, middle + 1, low)
        left = np.where(right, left - half - 1, np.where(left > 0, half, 0))
    return low


def _unsorted(points: Any, edges: Any, density: bool, weights: Any) -> tuple[Any, Any]:
    """Counts by bisection in edges that are not in order: boxes may have negative sides."""
    inside = np.ones(len(points), np.bool_)
    places = []
    for axis, line in enumerate(edges):
        values = points[:, axis]
        inside &= (values >= line[0]) & (values <= line[-1])
        at = _above(line, values) - 1
        places.append(np.where(at == len(line) - 1, at - 1, at))
    shape = tuple(len(line) - 1 for line in edges)
    counts = np.zeros(shape, points.dtype)
    share = 1 if weights is None else weights[inside]
    np.add.at(counts, tuple(at[inside] for at in places), share)
    if density:
        counts = counts / counts.sum()
        for axis, line in enumerate(edges):
            sides = [-1 if i == axis else 1 for i in np.arange(len(edges))]
            counts = counts / np.diff(line).reshape(sides)
    return counts, edges


@expose("nonzero_static")
def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1) -> Tensor:
    """Places of the first `size` nonzero elements; rows of the fill value where there are fewer."""
    if size < 0:
        raise RuntimeError("nonzero_static: 'size' must be an non-negative integer")
    places = np.argwhere(plain_array(input, "nonzero_static"))[:size]
    found = np.full((size, places.shape[1]), fill_value, np.int64)
    found[: len(places)] = places
    return made(found)
