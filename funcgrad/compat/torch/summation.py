"""Sums whose roundings are PyTorch's: Σ xᵢ in the order of its kernel for one thread on a CPU.

Floating-point addition is not associative: the last digits of a sum, and so of a printed loss,
tell in which order it was made. Below, a *chain* adds one element after the other, ((0 + x₀) + x₁)
+ …, and w is the number of elements that share a vector of 32 bytes (8 for float32).

A **cascade** of n elements is a chain of chains of chains: blocks of b = 2^p elements are chains,
p = max(4, ⌈log₂ n⌉ // 4); b block sums are chained to one of the next level, four levels in all;
what is left on each level is chained, and the levels are added from the lowest to the highest.
A **four-way** sum of n elements runs one cascade each over the elements i ≡ 0, 1, 2, 3 (mod 4),
adds the last n mod 4 to the first of the four, one by one, and chains the four.

What is summed decides which of them is used, after axes that lie behind one another in memory are
merged, from the axis of those summed that has the shortest stride:

- It is contiguous and has w elements or more: a four-way sum of its vectors leaves w lanes; the
  result is the chain of the n mod w elements behind the last vector, then of the lanes.
- The innermost axis that stays is contiguous and has w columns or more: columns in groups of 4w are
  cascades, the other columns are four-way sums.
- Neither, and the summed axis has the shorter stride: a four-way sum.
- Neither, and it has the longer one: columns in groups of four are cascades, the others four-way.

Sums over further axes are chains of these. float64 and complex numbers differ in w only; 16-bit
floats are added as float32; their vectors are twice as long, and in rows both halves are added
(over axes apart, they are cast before anything is decided).
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

__all__ = ["mean_of", "sum_of"]

Array = npt.NDArray[Any]

WIDTHS = {"e": 8, "f": 8, "d": 4, "F": 4, "D": 2}  # elements in a vector, by the dtype's character

add: Callable[..., Array] = np.add.reduce


# ---------------------------------------------------------------------------------------------
# Chains, cascades, four-way sums: (m, n, c) ↦ (m, c), where c > 1 has the shortest stride


def _chain(x: Array) -> Array:
    """((0 + x₀) + x₁) + … along the middle axis.

    add and einsum do so as long as the axis they sum is not their inner loop, which they add in an
    order of their own; einsum takes longer to start, and less for each row.
    """
    m, n, c = x.shape
    if c == 1:
        return np.add.accumulate(x, 1)[:, -1] + 0
    return add(x, 1, None, None, False, 0) if m * n < 64 else np.einsum("ijk->ik", x)


def _block_chains(x: Array, count: int, size: int) -> Array:
    """Chains of the first count · size rows, by blocks of that size: (m, count, c)."""
    m, n, c = x.shape
    if min(m, count) > 1 and n > count * size and max(m, count) > 32:
        # No view has the blocks on one axis: a loop over the fewer is cheaper than a copy.
        out = np.empty((m, count, c), x.dtype)
        if m < count:
            for i in range(m):
                out[i] = _chain(x[i, : count * size].reshape(count, size, c))
        else:
            for i in range(count):
                out[:, i] = _chain(x[:, i * size : (i + 1) * size])
        return out
    return _chain(x[:, : count * size].reshape(m * count, size, c)).reshape(m, count, c)


def _cascade(x: Array) -> Array:
    """Chains of chains along the middle axis."""
    n = x.shape[1]
    if n <= 16:
        return _chain(x)
    size = 1 << max(4, (n - 1).bit_length() // 4)
    total: Array | None = None
    for level in range(4):
        count = x.shape[1] // size if level < 3 else 0
        if count * size < x.shape[1]:
            rest = _chain(x[:, count * size :])
            total = rest if total is None else np.add(total, rest, out=total)
        if not count:
            break
        x = _block_chains(x, count, size)
    return cast(Array, total)


def _four_way(x: Array) -> Array:
    """Four interleaved cascades, the last rows added to the first, then chained."""
    m, n, c = x.shape
    quarter, rest = divmod(n, 4)
    if n < 8:
        return _chain(x if n < 5 else x.take([0, *range(4, n), 1, 2, 3], 1))
    sums = _cascade(x[:, : n - rest].reshape(m, quarter, 4 * c)).reshape(m, 4, c)
    for i in range(n - rest, n):
        sums[:, 0] += x[:, i]
    return _chain(sums)


def _rows(x: Array, width: int, *, narrow: bool) -> Array:
    """(m, n) ↦ (m,), n contiguous: the vectors four-way, then the n mod w last and the lanes."""
    m, n = x.shape
    step = 2 * width if narrow else width
    tail = n % step
    vectors = x[:, : n - tail].reshape(m, -1, step)
    if narrow:
        vectors = vectors[..., :width] + vectors[..., width:]
    lanes = vectors[:, 0] if n - tail == step else _four_way(vectors)
    parts: Array = np.empty((tail + width, m), x.dtype)
    parts[tail:] = lanes.T
    if tail:
        parts[:tail] = x[:, n - tail :].T
    return _chain(parts[np.newaxis]).reshape(m)


def _columns(x: Array, group: int) -> Array:
    """(m, n, c) ↦ (m, c): cascades for groups of columns, the others four-way."""
    m, _, c = x.shape
    whole = c // group * group
    if whole == c:
        return _cascade(x)
    if not whole:
        return _four_way(x)
    out = np.empty((m, c), x.dtype)
    out[:, :whole] = _cascade(x[..., :whole])
    out[:, whole:] = _four_way(x[..., whole:])
    return out


# ---------------------------------------------------------------------------------------------
# What is summed, and how


class Plan(NamedTuple):
    """How an array of certain strides is summed.

    Attributes:
        order: the array's axes in the order (further summed, kept, summed), in which the innermost
            of those kept stands last where columns are summed.
        shape: (m, n, c), the summed axis in the middle; c is 1 unless columns are summed.
        group: how many columns share a cascade, 0 for four-way sums, −1 for rows of vectors.
        further: how many sums are chained in the end.
        result: the shape of the result.
        is_cheap: whether it takes at most about twice np.sum's time, or sums over all axes.
    """

    order: tuple[int, ...]
    shape: tuple[int, int, int]
    group: int
    further: int
    result: tuple[int, ...]
    is_cheap: bool


def _is_cheap(m: int, n: int, c: int, group: int) -> bool:
    """Whether the order costs at most about twice np.sum's time, as measured for float32."""
    if group <= 0:
        return m >= 32 * (n > 8) if n < 16 else m >= 128 if n < 48 else m * n >= 100_000
    mixed = c > group and c % group > 0
    return (n < 8 and not mixed) or m * n >= (1000 if mixed else 128)


def _merged(axes: Iterable[int], shape: Sequence[int], strides: Sequence[int]) -> list[list[int]]:
    """Runs of axes, innermost first, each of which lies behind the one before in memory."""
    runs: list[list[int]] = []
    for axis in axes:
        if shape[axis] == 1:
            continue
        inner = runs[-1][-1] if runs else axis
        if runs and strides[axis] == shape[inner] * strides[inner]:
            runs[-1].append(axis)
        else:
            runs.append([axis])
    return runs


@lru_cache(maxsize=1024)
def _plan(
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    axes: tuple[int, ...] | None,
    itemsize: int,
    width: int,
    *,
    keepdims: bool,
) -> Plan | None:
    """The plan for an array, or None where np.add.reduce takes over.

    It does where its order is the same, and where memory is shared or reversed along an axis.
    """
    ndim = len(shape)
    summed = set(range(ndim) if axes is None else (axis % ndim for axis in axes))
    if not prod(shape) or any(s <= 0 for n, s in zip(shape, strides, strict=True) if n > 1):
        return None
    backwards = range(ndim - 1, -1, -1)
    inside = sorted((axis for axis in backwards if axis in summed), key=strides.__getitem__)
    sums = _merged(inside, shape, strides)
    kept = _merged((axis for axis in backwards if axis not in summed), shape, strides)
    if not sums:
        return None
    first, *further = sums
    columns = [] if further or not kept else kept[0]
    n, c = (prod(shape[axis] for axis in run) for run in (first, columns))
    near, far = (strides[run[0]] if run else 0 for run in (first, columns))
    if near == itemsize and n >= width:
        group = -1
    elif far == itemsize and c >= width:
        group = 4 * min(width, 8)
    else:
        group = 4 if columns and near > far else 0
    if group > 0:
        kept = kept[1:]
    else:
        columns, c = [], 1
    if (
        width < 16
        and not further
        and (n < 4 <= width or (group > 0 and n <= 16 and c % group == 0))
    ):
        return None
    runs = [columns, first, *kept, *further]
    m = prod(shape) // (n * c)
    ones = (axis for axis, size in enumerate(shape) if size == 1)
    return Plan(
        order=(*ones, *(axis for run in reversed(runs) for axis in reversed(run))),
        shape=(m, n, c),
        group=group,
        further=prod(shape[axis] for run in further for axis in run),
        result=tuple(
            1 if axis in summed else size
            for axis, size in enumerate(shape)
            if keepdims or axis not in summed
        ),
        # A loss is one sum in a program, and the one whose digits are printed.
        is_cheap=not (kept or columns) or _is_cheap(m, n, c, group),
    )


@lru_cache(maxsize=64)
def _line_order(n: int, width: int) -> npt.NDArray[np.intp]:
    """The order in which fewer than two vectors are one chain."""
    if n < width:
        return np.array([0, *range(4, n), 1, 2, 3][:n])
    return np.array([*range(width, n), *range(width)])


def _line(x: Array, width: int) -> Any:
    """The sum of a contiguous array without axes to keep."""
    n = x.size
    if n < 2 * width:
        return np.add.accumulate(x.take(_line_order(n, width)))[-1]
    vectors, tail = divmod(n, width)
    quarter, rest = divmod(vectors, 4)
    parts = np.empty(tail + width, x.dtype)
    if tail:
        parts[:tail] = x[n - tail :]
    if quarter < 2:
        rows = x[: n - tail].reshape(vectors, width)
        if quarter and rest:
            rows = rows.take(_line_order(vectors, 8), 0)
        add(rows, 0, None, parts[tail:])
    else:
        lanes = _vectors_four_way(x[: n - tail], quarter, rest, 4 * width)
        add(lanes.reshape(4, width), 0, None, parts[tail:])
    return np.add.accumulate(parts)[-1]


def _vectors_four_way(x: Array, quarter: int, rest: int, step: int) -> Array:
    """The four sums of a contiguous line of 4 · quarter + rest vectors, before they are chained."""
    blocks, behind = divmod(quarter, 16)
    if blocks > 16:
        sums = _cascade(x[: quarter * step].reshape(1, quarter, step)).reshape(step)
        if not rest:
            return sums
        rows = np.zeros((1 + rest, step), x.dtype)
        rows[0] = sums
    elif not blocks and not rest:
        return add(x.reshape(quarter, step), 0)
    else:
        # One chain: of the blocks, of the sum of what is behind them, of the last vectors.
        rows = np.zeros((blocks + (behind > 0) + rest, step), x.dtype)
        if blocks:
            wide = x[: blocks * 16 * step].reshape(blocks, 16, step)
            if blocks < 4:
                add(wide, 1, None, rows[:blocks])
            else:
                np.einsum("ijk->ik", wide, out=rows[:blocks])
        if behind:
            add(x[blocks * 16 * step : quarter * step].reshape(behind, step), 0, None, rows[blocks])
    if rest:
        rows[-rest:, : step // 4] = x[quarter * step :].reshape(rest, step // 4)
    return add(rows, 0)


def sum_of(
    array: Array,
    axes: tuple[int, ...] | None = None,
    *,
    keepdims: bool = False,
    narrow: bool = False,
    always: bool = False,
) -> Any:
    """Σ x along axes, rounded as PyTorch's kernel rounds it.

    Bit-equal to torch with one thread (with several it splits sums of 32768 elements or more).
    Integers and booleans are summed as int64. Arrays whose memory is shared or reversed along an
    axis (strides that are zero or negative) are left to np.add.reduce.

    A sum over all axes is always made in this order. It costs less than np.sum below 16 elements,
    about twice as much at 100, up to 8 µs more to 32768, and at most twice as much far beyond; a
    loss is summed once, and all its digits are printed. With axes to keep, np.add.reduce takes
    over where the order would cost more than about twice np.sum's time:

    - rows of n elements, n > 8, unless there are 32 (n < 16) or 128 (n < 48) rows, or 100000
      elements (n ≥ 48);
    - columns of 8 to 127 elements, or of fewer than 1000 where they are more than a group and not
      whole groups; but not columns of up to 16 elements in whole groups, which are chains.

    Args:
        array: what is summed.
        axes: the axes to sum along; None for all of them.
        keepdims: whether these remain, with length 1.
        narrow: whether the numbers are bfloat16 that come as float32; the sum is still to be
            rounded to bfloat16.
        always: whether to keep to the order whatever it costs.

    Returns:
        An array of the same dtype, or a NumPy scalar if no axis remains.

    >>> x = np.float32([1e8, 1, 1, 1, -1e8])
    >>> float(sum_of(x)), float(np.add.reduce(x))
    (3.0, 0.0)
    """
    char = array.dtype.char
    width = WIDTHS.get(char)
    if width is None:
        dtype = np.int64 if array.dtype.kind in "biu" else None
        return add(array, axes, dtype, None, keepdims)
    whole = (axes is None or len(axes) == array.ndim) and not (keepdims or narrow or char == "e")
    if whole and array.flags.c_contiguous:
        size = array.size
        if size < 3:
            return add(array, None, None, None, False, 0)
        return _line(array if array.ndim == 1 else array.reshape(-1), width) + 0
    narrow = narrow or char == "e"
    step = 2 * width if narrow else width
    plan = _plan(array.shape, array.strides, axes, array.itemsize, step, keepdims=keepdims)
    if plan is None or not (plan.is_cheap or always):
        return add(array, axes, None, None, keepdims, 0)
    if narrow and plan.further > 1:
        wide = array.astype(np.float32)
        total: Any = sum_of(wide, axes, keepdims=keepdims, always=always)
        return total.astype(array.dtype)
    x = array.astype(np.float32) if char == "e" else array
    x = x.transpose(plan.order).reshape(plan.shape)
    if plan.group > 0:
        out = _columns(x, plan.group)
    elif plan.group:
        out = _rows(x[:, :, 0], width, narrow=narrow)
    else:
        out = _four_way(x)
    if plan.further > 1:
        out = _chain(out.reshape(1, plan.further, -1))
    if char == "e":
        out = out.astype(np.float16)
    return out.reshape(plan.result)[()]


def mean_of(
    array: Array,
    axes: tuple[int, ...] | None = None,
    *,
    keepdims: bool = False,
    narrow: bool = False,
    always: bool = False,
) -> Any:
    """Σ x / n along axes, the sum rounded as `sum_of` does; the arguments are its.

    The mean of no elements is nan. float16 is summed and divided as float32.

    >>> float(mean_of(np.float32([1, 2, 6])))
    3.0
    """
    if array.dtype.char == "e":
        wide = array.astype(np.float32)
        mean = mean_of(wide, axes, keepdims=keepdims, narrow=True, always=always)
        return mean.astype(np.float16)
    total = sum_of(array, axes, keepdims=keepdims, narrow=narrow, always=always)
    shape = array.shape
    count = array.size if axes is None else prod(shape[axis] for axis in axes)
    if not count:
        return total * np.nan
    return total / count
