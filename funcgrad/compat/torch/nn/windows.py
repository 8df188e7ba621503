"""Windows of arrays: what convolutions, pools and `unfold` see at each place."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

import funcgrad.numpy as fnp

__all__ = ["added_in_place", "counts_of", "padded", "slices", "windows"]

Ints = Sequence[int]


def slices(kernel: Ints, stride: Ints, dilation: Ints, out: Ints) -> list[tuple[slice, ...]]:
    """For each place of the kernel, what it meets when the window moves over the last axes."""
    return [
        tuple(
            slice(o * d, o * d + s * (n - 1) + 1, s)
            for o, d, s, n in zip(offset, dilation, stride, out, strict=True)
        )
        for offset in product(*map(range, kernel))
    ]


def padded(x: Any, widths: Sequence[tuple[int, int]], value: Any = 0) -> Any:
    """The last axes with constants before and after; negative widths cut off."""
    lead = x.ndim - len(widths)
    if any(before < 0 or after < 0 for before, after in widths):
        cut = tuple(
            slice(max(-before, 0), length - max(-after, 0))
            for (before, after), length in zip(widths, x.shape[lead:], strict=True)
        )
        x = x[(..., *cut)]
    added = [(max(before, 0), max(after, 0)) for before, after in widths]
    if not any(map(any, added)):
        return x
    return fnp.pad(x, [(0, 0)] * lead + added, constant_values=value)


def windows(x: Any, kernel: Ints, stride: Ints, dilation: Ints, out: Ints) -> Any:
    """All windows: the places of the kernel, in row-major order, stand before the last axes."""
    parts = [x[(..., *place)] for place in slices(kernel, stride, dilation, out)]
    return fnp.stack(parts, axis=-len(kernel) - 1)


def added_in_place(columns: Any, full: Ints, kernel: Ints, stride: Ints, dilation: Ints) -> Any:
    """Σ of windows (…, places, *counts) where they were taken from: the transpose of `windows`."""
    axes = len(kernel)
    counts = columns.shape[-axes:]
    out: Any = np.zeros((*columns.shape[: -axes - 1], *full), columns.dtype)
    for i, place in enumerate(slices(kernel, stride, dilation, counts)):
        out = fnp.at(out)[(..., *place)].add(columns[(..., i, *(slice(None),) * axes)])
    return out


def counts_of(
    sizes: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints
) -> tuple[int, ...]:
    """How many windows fit along each axis."""
    rows = zip(sizes, kernel, stride, padding, dilation, strict=True)
    return tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in rows)
