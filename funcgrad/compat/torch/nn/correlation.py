"""Correlations of plain arrays with a kernel, and their two transposes, as products of matrices.

With columns X[(c, offset), (n, place)] of the windows of x, a correlation is y = W X. Its transpose
in x adds Wᵀ ct back to where the windows were taken from, its transpose in W is ct Xᵀ. The columns
are many times larger than x: they are made for a few examples at a time, so that they are still in
the cache when they are multiplied, and made again for the derivative rather than kept.
"""

from collections.abc import Callable
from math import isfinite, prod
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

__all__ = ["Grid", "correlate", "spread", "weigh"]

Array = Any  # NumPy's stubs do not know indices with a star
Ints = tuple[int, ...]

BLOCK_BYTES = 1 << 19
"""How large the columns of a block and their products may be together: half of a usual L2 cache."""


class Grid(NamedTuple):
    """Where the windows lie.

    Attributes:
        sizes: lengths of the axes of x behind the channels.
        before: zeros in front of each.
        full: their lengths with zeros on both sides.
        kernel: lengths of a window.
        stride: distances of windows.
        dilation: distances inside of a window.
        counts: numbers of windows.
    """

    sizes: Ints
    before: Ints
    full: Ints
    kernel: Ints
    stride: Ints
    dilation: Ints
    counts: Ints

    @property
    def inside(self) -> tuple[slice, ...]:
        """Where x lies among the zeros."""
        return tuple([slice(p, p + size) for p, size in zip(self.before, self.sizes, strict=True)])

    @property
    def shifts(self) -> list[int]:
        """How far each offset of the kernel is from the first, in elements of the full array."""
        steps = [d * prod(self.full[i + 1 :]) for i, d in enumerate(self.dilation)]
        return [
            sum(o * step for o, step in zip(at, steps, strict=True))
            for at in np.ndindex(*self.kernel)
        ]

    def met(self, axis: int, offset: int) -> slice:
        """What an offset of the kernel meets along an axis, in all windows."""
        start, step = offset * self.dilation[axis], self.stride[axis]
        return slice(start, start + step * (self.counts[axis] - 1) + 1, step)


def correlate(x: Array, weight: Array, bias: Array | None, grid: Grid, groups: int) -> Array:
    """y[n, o] = b[o] + Σ over channels and offsets of weight · window.

    Args:
        x: (N, C, *sizes).
        weight: (O, C / groups, *kernel).
        bias: (O).
        grid: of the windows.
        groups: of channels, each of which is correlated by itself.
    """
    count, channels = len(x), len(weight)
    places = prod(grid.counts)
    y: Array = np.empty((count, channels, *grid.counts), x.dtype)
    flat = y.reshape(count, channels, places)
    added = None if bias is None else bias[:, None]
    step = _step(x, weight, grid, groups)
    columns_of = _columns(x, grid, step)
    for start in range(0, count, step):
        n = min(step, count - start)
        columns = columns_of(start, n)
        if n == 1:
            out = flat[start]
            _times(weight, columns, groups, out)
            if added is not None:
                out += added
            continue
        product = _times(weight, columns, groups).reshape(channels, n, places)
        out = flat[start : start + n]
        if added is None:
            out[...] = product.transpose(1, 0, 2)
        else:
            np.add(product.transpose(1, 0, 2), added, out)
    return y


def spread(ct: Array, weight: Array, grid: Grid, groups: int) -> Array:
    """The transpose of `correlate` as a map of x: Σ of weight · ct in the places of the windows."""
    if max(grid.stride) == 1 and isfinite(np.vdot(weight, weight)):
        return _spread_in_lines(ct, weight, grid, groups)
    count, channels = len(ct), weight.shape[1] * groups
    axes = len(grid.kernel)
    whole: Array = np.empty((count, channels, *grid.sizes), ct.dtype)
    padded = grid.full != grid.sizes
    step = _step(ct, weight, grid, groups)
    scratch: Array = np.empty(step * channels * prod(grid.kernel) * prod(grid.counts), ct.dtype)
    room: Array = np.empty((step, channels, *grid.full), ct.dtype) if padded else None
    swapped = (1, 0, *range(2, 2 + axes))
    for start in range(0, count, step):
        n = min(step, count - start)
        rows = _rows(ct[start : start + n])
        size = channels * prod(grid.kernel) * rows.shape[1]
        columns = scratch[:size].reshape(-1, rows.shape[1])
        _times_transposed(weight, rows, groups, columns)
        out = whole[start : start + n] if room is None else room[:n]
        _fold(
            columns.reshape(channels, *grid.kernel, n, *grid.counts), out.transpose(swapped), grid
        )
        if room is not None:
            whole[start : start + n] = out[(..., *grid.inside)]
    return whole


def _spread_in_lines(ct: Array, weight: Array, grid: Grid, groups: int) -> Array:
    """`spread` where windows move by one element.

    With zeros behind each of its axes ct gets the lengths of x; an offset of the kernel is then one
    distance in memory for all channels, examples and places, and the sums are made of whole lines.
    The zeros stay zeros when they are multiplied, as long as the weight is finite.
    """
    count, outs = ct.shape[:2]
    channels, length = weight.shape[1], prod(grid.full)
    shifts = grid.shifts
    matrices = weight.reshape(groups, outs // groups, channels, len(shifts)).transpose(0, 3, 2, 1)
    matrices = matrices.reshape(groups, -1, outs // groups)
    rows = groups * channels * len(shifts) + outs
    step = min(count, max(1, BLOCK_BYTES // (rows * length * ct.itemsize)))
    whole: Array = np.empty((count, groups * channels, *grid.sizes), ct.dtype)
    room: Array = np.zeros((outs, step, *grid.full), ct.dtype)
    products: Array = np.empty((rows - outs) * step * length, ct.dtype)
    sums: Array = np.empty(groups * channels * step * length, ct.dtype)
    corner = tuple([slice(0, n) for n in grid.counts])
    swapped = (1, 0, *range(2, ct.ndim))
    for start in range(0, count, step):
        n = min(step, count - start)
        if n < step:
            room = np.zeros((outs, n, *grid.full), ct.dtype)
        room[(..., *corner)] = ct[start : start + n].transpose(swapped)
        size = channels * n * length
        lines = products[: groups * len(shifts) * size]
        _products(
            matrices,
            room.reshape(groups, -1, n * length),
            lines.reshape(groups, -1, n * length),
        )
        lines = lines.reshape(groups, len(shifts), size)
        total = sums[: groups * size].reshape(groups, size)
        total[...] = lines[:, 0]
        for i, shift in enumerate(shifts[1:], 1):
            seen = total[:, shift:]
            np.add(seen, lines[:, i, : size - shift], seen)
        found = total.reshape(-1, n, *grid.full)[(..., *grid.inside)]
        whole[start : start + n] = found.transpose(swapped)
    return whole


def weigh(x: Array, ct: Array, grid: Grid, groups: int) -> Array:
    """The transpose of `correlate` as a map of the weight: Σ of ct · window."""
    count, channels = ct.shape[:2]
    shape = (channels, x.shape[1] // groups, *grid.kernel)
    total: Array = None
    step = _step(x, np.broadcast_to(x.dtype.type(0), shape), grid, groups)
    columns_of = _columns(x, grid, step)
    for start in range(0, count, step):
        n = min(step, count - start)
        columns, rows = columns_of(start, n), _rows(ct[start : start + n])
        if groups == 1:
            part = np.dot(columns, rows.T)
        else:
            wide = rows.shape[1]
            part = np.matmul(
                columns.reshape(groups, -1, wide), rows.reshape(groups, -1, wide).swapaxes(1, 2)
            )
        total = part if total is None else np.add(total, part, total)
    return np.ascontiguousarray(np.swapaxes(total, -1, -2)).reshape(shape)


def _step(x: Array, weight: Array, grid: Grid, groups: int) -> int:
    """How many examples make a block."""
    rows = prod(weight.shape[1:]) * groups + len(weight)
    most: int = BLOCK_BYTES // (rows * prod(grid.counts) * x.itemsize)
    return min(len(x), max(1, most))


def _columns(x: Array, grid: Grid, step: int) -> Callable[[int, int], Array]:
    """A function of a first example and a number of them: their columns, in the same memory."""
    channels = x.shape[1]
    padded = grid.full != grid.sizes
    source: Array = np.zeros((step, channels, *grid.full), x.dtype) if padded else x
    inside = source[(..., *grid.inside)] if padded else source
    by_example, by_channel, *by_place = source.strides
    windows = as_strided(
        source,
        (channels, *grid.kernel, len(source), *grid.counts),
        (
            by_channel,
            *[s * d for s, d in zip(by_place, grid.dilation, strict=True)],
            by_example,
            *[s * d for s, d in zip(by_place, grid.stride, strict=True)],
        ),
    )
    lead = (slice(None),) * (1 + len(grid.kernel))
    height, places = channels * prod(grid.kernel), prod(grid.counts)
    scratch: Array = np.empty(height * step * places, x.dtype)

    def columns(start: int, n: int) -> Array:
        if padded:
            inside[:n] = x[start : start + n]
            start = 0
        out = scratch[: height * n * places]
        seen = windows[(*lead, slice(start, start + n))]
        np.copyto(out.reshape(seen.shape), seen)
        return out.reshape(height, n * places)

    return columns


def _rows(ct: Array) -> Array:
    """(n, O, *counts) as a matrix of O rows."""
    n, channels = ct.shape[:2]
    if n == 1:
        return ct.reshape(channels, -1)
    return ct.reshape(n, channels, -1).swapaxes(0, 1).reshape(channels, -1)


def _times(weight: Array, columns: Array, groups: int, out: Array | None = None) -> Array:
    """W X, for each group by itself."""
    if groups == 1:
        matrix = weight.reshape(len(weight), -1)
        return np.dot(matrix, columns, out)
    wide = columns.shape[1]
    product = np.matmul(
        weight.reshape(groups, len(weight) // groups, -1),
        columns.reshape(groups, -1, wide),
        None if out is None else out.reshape(groups, -1, wide),
    )
    return product.reshape(-1, wide)


def _times_transposed(weight: Array, rows: Array, groups: int, out: Array) -> None:
    """Wᵀ ct, for each group by itself."""
    wide = rows.shape[1]
    _products(
        weight.reshape(groups, len(weight) // groups, -1).swapaxes(1, 2),
        rows.reshape(groups, -1, wide),
        out.reshape(groups, -1, wide),
    )


def _products(a: Array, b: Array, out: Array) -> None:
    """Products of matrices, one for each group."""
    if len(a) == 1:
        np.dot(a[0], b[0], out[0])
    elif b.shape[1] == 1:
        np.multiply(a, b, out)  # NumPy's own loop, which matmul would take, is slower
    else:
        np.matmul(a, b, out)


def _fold(columns: Array, whole: Array, grid: Grid) -> None:
    """Σ of columns (C, *kernel, n, *counts) in `whole` (C, n, *full).

    Along the last axis the memory of a sum is in short pieces, so that it is done last, when the
    other offsets of the kernel have been added up.
    """
    last = len(grid.kernel) - 1
    lead = grid.kernel[:-1]
    if grid.full[:-1] == grid.counts[:-1]:
        half: Array = columns.reshape(
            len(columns), grid.kernel[-1], *whole.shape[1:-1], grid.counts[-1]
        )
    else:
        shape = (len(columns), grid.kernel[-1], *whole.shape[1:-1], grid.counts[-1])
        half = np.zeros(shape, columns.dtype)
        for offset in np.ndindex(*lead):
            met = tuple([grid.met(axis, o) for axis, o in enumerate(offset)])
            seen = half[(..., *met, slice(None))]
            np.add(seen, columns[(slice(None), *offset)], seen)
    whole[...] = 0
    for j in range(grid.kernel[-1]):
        seen = whole[..., grid.met(last, j)]
        np.add(seen, half[:, j], seen)
