"""Laying values into zeros without writing to memory, for values that are not NumPy's arrays.

`numpy.add.at` and `a[i] = v` need an array that can be written to. Another library's arrays may not
have such memory (a dask array has none at all). Here a value is put in place by joining it with
zeros, and repeated indices are added up by sorting: in plain NumPy functions that create.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from funcgrad.core.foreign import (
    add_chunkwise,
    is_chunked,
    is_foreign,
    take_chunkwise,
    take_points,
    zeros_beside,
)
from funcgrad.primitives.keys import FULL, BasicKey

__all__ = ["add_along", "foreign_gather", "foreign_scatter_add", "laid", "laid_over", "put_over"]

# --- static keys ------------------------------------------------------------------------------


def laid(cts: Sequence[Any], keys: Sequence[BasicKey], shape: tuple[int, ...]) -> Any:
    """Zeros of a shape with each of `cts` added at its key of integers and slices."""
    parts = [_spans(ct, key, shape) for ct, key in zip(cts, keys, strict=True)]
    joined = _side_by_side(parts, shape)
    if joined is not None:
        return joined
    total: Any = None
    for ct, spans in parts:
        for axis, span in enumerate(spans):
            ct = _placed(ct, span, shape[axis], axis)
        total = ct if total is None else total + ct
    return total


def _spans(ct: Any, key: BasicKey, shape: tuple[int, ...]) -> tuple[Any, list[range]]:
    """The part with all axes of the whole, and where it lies along each of them."""
    taken = sum(part is not None and part is not Ellipsis for part in key)
    rest = (FULL,) * (len(shape) - taken)
    parts: list[Any] = []
    for part in key:
        parts.extend(rest if part is Ellipsis else (part,))
    if Ellipsis not in key:
        parts.extend(rest)
    spans: list[range] = []
    view: list[Any] = []
    for part in parts:
        if part is None:
            view.append(0)
            continue
        whole = range(shape[len(spans)])
        view.append(FULL if isinstance(part, slice) else None)
        spans.append(
            whole[part] if isinstance(part, slice) else range(whole[part], whole[part] + 1)
        )
    trivial = all(isinstance(one, slice) for one in view)
    return (ct if trivial else ct[tuple(view)]), spans


def _side_by_side(parts: Sequence[tuple[Any, list[range]]], shape: tuple[int, ...]) -> Any:
    """Parts that do not overlap along the first axis, joined in linear time; else `None`."""
    whole = [range(n) for n in shape[1:]]
    rows = sorted((spans[0].start, spans[0].stop, i) for i, (_, spans) in enumerate(parts) if spans)
    if len(rows) < 2 or any(spans[1:] != whole or spans[0].step != 1 for _, spans in parts):
        return None
    pieces, end = [], 0
    for start, stop, i in rows:
        if start < end or stop <= start:
            return None
        ct = parts[i][0]
        pieces += [zeros_beside(ct, 0, start - end), ct] if start > end else [ct]
        end = stop
    if end < shape[0]:
        pieces.append(zeros_beside(pieces[-1], 0, shape[0] - end))
    return np.concatenate(pieces)


def _placed(ct: Any, span: range, length: int, axis: int) -> Any:
    """Zeros of a length along an axis, with `ct` at the places of a range."""
    if span == range(length):
        return ct
    if span.step != 1 and len(span) > 1:
        places = np.full(length, len(span))
        places[list(span)] = np.arange(len(span))
        padded = np.concatenate([ct, zeros_beside(ct, axis, 1)], axis=axis)
        return _rows(padded, places, axis)
    pieces = [(span.start, None), (0, ct), (length - span.start - len(span), None)]
    if not len(span):
        pieces = [(length, None)]
    chosen = [
        zeros_beside(ct, axis, count) if part is None else part
        for count, part in pieces
        if part is not None or count
    ]
    return np.concatenate(chosen, axis=axis) if len(chosen) > 1 else chosen[0]


def _rows(x: Any, places: Any, axis: int) -> Any:
    return x[(FULL,) * axis + (places,)]


def laid_over(x: Any, v: Any, key: BasicKey) -> Any:
    """x with v at a key of integers and slices."""
    old = x[key]
    new = np.broadcast_to(v, old.shape)
    mask = laid([np.ones_like(old if is_foreign(old) else new, dtype=bool)], [key], x.shape)
    if not is_foreign(new):
        new = np.zeros_like(old) + new
    return np.where(mask, laid([new], [key], x.shape), x)


# --- index arrays -----------------------------------------------------------------------------


def foreign_gather(x: Any, idx: Sequence[Any], lead: int) -> Any:
    """Elements at adjacent index arrays behind `lead` axes; x or the indices are foreign."""
    if any(is_chunked(one) for one in idx):
        return take_chunkwise(x, idx, lead)
    if is_chunked(x) and len(idx) > 1:
        return take_points(x, np.broadcast_arrays(*idx), lead)
    if is_chunked(x) and idx[0].ndim != 1:  # dask takes one index array of one axis
        flat = x[(FULL,) * lead + (idx[0].reshape(-1),)]
        return np.reshape(flat, (*x.shape[:lead], *idx[0].shape, *x.shape[lead + 1 :]))
    return x[(FULL,) * lead + tuple(idx)]


def foreign_scatter_add(ct: Any, idx: Sequence[Any], shape: tuple[int, ...], lead: int) -> Any:
    """Zeros of a shape with `ct` added at adjacent index arrays behind `lead` axes.

    Indices are sorted, and what stands next to each other with one index is added up by doubling:
    after k steps each element is the sum of the 2ᵏ in front of it with the same index.
    """
    if any(is_chunked(one) for one in idx):
        return add_chunkwise(ct, idx, shape, lead)
    count = len(idx)
    rank = np.broadcast_shapes(*(one.shape for one in idx))
    front = tuple(range(lead, lead + len(rank)))
    ct = np.moveaxis(ct, front, tuple(range(len(front))))
    lengths, behind = shape[lead : lead + count], (*shape[:lead], *shape[lead + count :])
    flat = _flat(idx, lengths)
    values = np.reshape(ct, (math.prod(rank), *behind))
    full = np.reshape(_added_up(values, flat, math.prod(lengths)), (*lengths, *behind))
    return np.moveaxis(full, tuple(range(count)), tuple(range(lead, lead + count)))


def _flat(idx: Sequence[Any], lengths: Sequence[int]) -> Any:
    """Index arrays as one array of positions in C order."""
    places: Any = 0
    for one, length in zip(idx, lengths, strict=True):
        if isinstance(one, np.ndarray) and np.any((one < -length) | (one >= length)):
            raise IndexError(f"index out of bounds for an axis with size {length}")
        places = places * length + np.where(one < 0, one + length, one)
    return np.reshape(places, (-1,))


def _added_up(values: Any, places: Any, length: int) -> Any:
    """Rows of `values` added at places along a first axis of some length."""
    number = places.shape[0]
    if not number:
        return np.zeros_like(values, shape=(length, *values.shape[1:]))
    order = np.argsort(places, kind="stable")
    plain = isinstance(places, np.ndarray)
    ordered = places[order]
    if not plain or not np.array_equal(order, np.arange(number)):
        values = values[order]
    most = int(np.bincount(places).max()) if plain else number
    distance = 1
    while distance < most:
        same = ordered[distance:] == ordered[:-distance]
        same = np.reshape(same, (number - distance, *(1,) * (values.ndim - 1)))
        further = values[distance:] + np.where(same, values[:-distance], 0)
        values = np.concatenate([values[:distance], further])
        distance *= 2
    last = np.searchsorted(ordered, np.arange(length), side="right") - 1
    found = ordered[np.where(last < 0, 0, last)] == np.arange(length)
    rows = values[np.where(found, last, 0)]
    return np.where(np.reshape(found, (length, *(1,) * (values.ndim - 1))), rows, 0)


def put_over(x: Any, v: Any, idx: Sequence[Any]) -> Any:
    """x with v at index arrays along its first axes; of several for one place the last."""
    count = len(idx)
    rank = np.broadcast_shapes(*(one.shape for one in idx))
    lengths, behind = x.shape[:count], x.shape[count:]
    flat = _flat(idx, lengths)
    values = np.reshape(np.broadcast_to(v, (*rank, *behind)), (flat.size, *behind))
    length = math.prod(lengths)
    last = np.full(length, -1, np.intp)
    np.maximum.at(last, flat, np.arange(flat.size))
    written = np.reshape(last >= 0, (length, *(1,) * len(behind)))
    rows = values[np.maximum(last, 0)] if flat.size else np.zeros((1, *(1,) * len(behind)))
    new = np.where(written, rows, np.reshape(x, (length, *behind)))
    return np.reshape(new, x.shape)


def add_along(ct: Any, indices: Any, length: int, axis: int) -> Any:
    """Zeros of a length along an axis, with `ct` added there at indices of its own shape."""
    moved, rows = np.moveaxis(ct, axis, -1), np.moveaxis(indices, axis, -1)
    lines = moved.shape[:-1]
    rows = np.where(rows < 0, rows + length, rows)
    numbers = np.reshape(np.arange(math.prod(lines)) * length, (*lines, 1)) + rows
    flat = foreign_scatter_add(
        np.reshape(moved, (-1,)), [np.reshape(numbers, (-1,))], (math.prod(lines) * length,), 0
    )
    return np.moveaxis(np.reshape(flat, (*lines, length)), -1, axis)
