"""Maxima of windows of plain arrays, one axis after the other, the last one first.

In each window the first of equal elements, in row-major order, is the one that counts: the first
along the last axis, and of the rows the first that has the maximum. What is kept for the derivative
is which element of each line that was.
"""

from itertools import pairwise
from math import isfinite
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Line", "maxima", "places_of"]

Array = Any  # NumPy's stubs do not know indices with a star
_BITS = {"f": np.int32, "d": np.int64}


class Line(NamedTuple):
    """Windows along one axis.

    Attributes:
        kernel: length of a window.
        stride: distance of windows.
        dilation: distance inside of a window.
        windows: number of windows.
        before: how many lowest values stand in front of the axis.
        after: how many behind it.
    """

    kernel: int
    stride: int
    dilation: int
    windows: int
    before: int
    after: int

    @property
    def is_apart(self) -> bool:
        """Whether windows have no element in common."""
        return self.stride > (self.kernel - 1) * self.dilation

    def met(self, trailing: int) -> list[tuple[Any, ...]]:
        """For each element of a window, what it meets along an axis before `trailing` others."""
        rest = (slice(None),) * trailing
        reach = self.stride * (self.windows - 1) + 1
        starts = range(0, self.kernel * self.dilation, self.dilation)
        return [(..., slice(start, start + reach, self.stride), *rest) for start in starts]


class Chosen(NamedTuple):
    """What was chosen along one axis.

    Attributes:
        axis: counted from the end.
        shape: of the array, without what was put around it.
        line: the windows.
        masks: for each element of a window but the last, where it was the one.
    """

    axis: int
    shape: tuple[int, ...]
    line: Line
    masks: list[Array]


def maxima(x: Array, lines: tuple[Line, ...], keep: bool) -> tuple[Array, list[Chosen]] | None:
    """The maxima of windows over the last axes; `None` if one of them is not finite.

    Args:
        x: of plain numbers.
        lines: windows along each of the last axes.
        keep: whether to say which elements they are.
    """
    chosen: list[Chosen] = []
    y = x
    for trailing, line in enumerate(reversed(lines)):
        if line == (1, 1, 1, y.shape[-1 - trailing], 0, 0):
            continue
        axis, shape = -1 - trailing, y.shape
        if line.before or line.after:
            y = _surrounded(y, axis, line)
        parts = [y[at] for at in line.met(trailing)]
        best = parts[0] if line.kernel > 1 else parts[0].copy()
        for part in parts[1:]:
            best = np.maximum(best, part)
        if keep:
            chosen.append(Chosen(axis, shape, line, _masks(parts, best)))
        y = best
    if y is x:
        y = x.copy()
    return (y, chosen) if isfinite(np.vdot(y, y)) else None


def _surrounded(x: Array, axis: int, line: Line) -> Array:
    shape = list(x.shape)
    shape[axis] += line.before + line.after
    wide: Array = np.full(shape, -np.inf, x.dtype)
    rest = (slice(None),) * (-1 - axis)
    wide[(..., slice(line.before, shape[axis] - line.after), *rest)] = x
    return wide


def _masks(parts: list[Array], best: Array) -> list[Array]:
    if len(parts) == 2:
        return [parts[0] >= parts[1]]
    masks: list[Array] = []
    taken: Array | None = None
    for part, _ in pairwise(parts):
        mask = part == best
        if taken is None:
            taken = mask.copy()
        else:
            np.greater(mask, taken, mask)
            taken |= mask
        masks.append(mask)
    return masks


def places_of(ct: Array, chosen: list[Chosen]) -> Array:
    """The transpose of choosing: cotangents of maxima, where these come from, and 0 elsewhere.

    Numbers are moved as their bits: they need not be finite.
    """
    bits = _BITS[ct.dtype.char]
    for axis, shape, line, masks in reversed(chosen):
        rest = np.ascontiguousarray(ct).view(bits)
        full = list(shape)
        full[axis] += line.before + line.after
        covered = line.is_apart and line.dilation == 1 and line.kernel * line.windows == full[axis]
        whole: Array = (np.empty if covered and line.kernel == line.stride else np.zeros)(
            full, ct.dtype
        )
        for at, mask in zip(line.met(-1 - axis), [*masks, None], strict=True):
            if mask is None:
                part = rest
            else:
                part = mask.view(np.int8).astype(bits)
                np.negative(part, part)
                part &= rest
                rest = rest ^ part
            if line.is_apart:
                whole[at] = part.view(ct.dtype)
            else:
                seen = whole[at]
                np.add(seen, part.view(ct.dtype), seen)
        if line.before or line.after:
            behind = (slice(None),) * (-1 - axis)
            inside = slice(line.before, full[axis] - line.after)
            whole = whole[(..., inside, *behind)]
        ct = whole
    return ct
