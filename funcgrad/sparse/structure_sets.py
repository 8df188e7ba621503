"""Sets of numbers, one for each element of an array, and what unites them.

The set of an element says which inputs of a program it depends on. Most operations only move
elements about, so sets are written down once, in a table, and an array of sets is a few layers,

    sets[i] = ∪ₗ tableₗ[rowsₗ[i]]        (row −1: the empty set),

whose rows are moved like the elements themselves. Layers are united when there are many of them, or
when the elements of groups are joined; then there is a new table.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from funcgrad.sparse.pattern import Indices

__all__ = [
    "FEW",
    "LARGEST",
    "NOTHING",
    "PADDED",
    "Layer",
    "Sets",
    "Table",
    "coarse",
    "in_one",
    "joined",
    "linked",
    "linked_all",
    "once",
    "repeated",
    "table_of",
]

FEW = 12
"""So many layers are kept apart at most."""

LARGEST = 1 << 26
"""A table of more numbers than that is not made: one set stands for many then."""

PADDED = 3
"""Rows of different lengths are sorted as a matrix if it has at most so many times their size."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Sets of numbers, one after the other: `numbers[starts[i]:starts[i + 1]]`, each increasing.

    Attributes:
        starts: where each set starts, and where the last one ends, of shape `(n + 1,)`.
        numbers: those of all sets, of shape `(nnz,)`.
        bound: all numbers are less.
        width: of all sets, if they are of one size; else -1.
    """

    starts: Indices
    numbers: npt.NDArray[np.signedinteger[Any]]
    bound: int
    width: int = field(default=-1)

    @property
    def size(self) -> int:
        """How many sets there are."""
        return self.starts.size - 1

    @classmethod
    def of_lengths(cls, lengths: Indices, numbers: Indices, bound: int) -> "Table":
        """Of the sizes of the sets."""
        starts = np.zeros(lengths.size + 1, np.intp)
        np.cumsum(lengths, out=starts[1:])
        uniform = lengths.size > 0 and bool(np.all(lengths == lengths[0]))
        return cls(starts, numbers, bound, int(lengths[0]) if uniform else -1)

    @classmethod
    def identity(cls, size: int) -> "Table":
        """{0}, {1}, ..."""
        return cls(np.arange(size + 1), np.arange(size, dtype=_dtype_of(size)), size, 1)

    def lengths(self, rows: Indices) -> Indices:
        """Sizes of the sets in some rows."""
        if self.width >= 0:
            return np.where(rows >= 0, self.width, 0)
        if not self.size:
            return np.zeros(rows.shape, np.intp)
        safe = np.maximum(rows, 0)
        return np.where(rows >= 0, self.starts[safe + 1] - self.starts[safe], 0)

    def taken(self, rows: Indices) -> tuple[Indices, Indices]:
        """Sizes of the sets in some rows, and their numbers, one after the other."""
        if self.width == 1 and (rows.size == 0 or rows.min() >= 0):
            return np.ones(rows.size, np.intp), self.numbers[rows]
        lengths = self.lengths(rows)
        if self.width > 0:
            return lengths, self.numbers.reshape(-1, self.width)[rows[rows >= 0]].ravel()
        ends = np.cumsum(lengths)
        total = int(ends[-1]) if ends.size else 0
        offsets = self.starts[np.maximum(rows, 0)] - (ends - lengths)
        return lengths, self.numbers[np.repeat(offsets, lengths) + np.arange(total)]


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """For each element of an array a row of a table; -1 is the empty set."""

    table: Table
    rows: Indices


Sets = tuple[Layer, ...]
"""The sets of the elements of one array: the rows of all layers have its shape."""

NOTHING: Sets = ()


def joined(parts: Iterable[Sets]) -> Sets:
    """The unions of sets of several arrays of one shape, element by element."""
    layers = tuple(dict.fromkeys(layer for part in parts for layer in part))
    return layers if len(layers) <= FEW else in_one(layers)


def in_one(layers: Sets) -> Sets:
    """The same sets in a table of their own."""
    shape = layers[0].rows.shape
    alike = [all(own) for own in zip(*(repeated(y.rows) for y in layers), strict=True)]
    small = tuple(Layer(y.table, once(y.rows, alike)) for y in layers)
    table = table_of(small)
    if table is None:
        return coarse(layers)
    rows = np.arange(table.size).reshape(small[0].rows.shape)
    return (Layer(table, np.broadcast_to(rows, shape)),)


def repeated(rows: Indices) -> tuple[bool, ...]:
    """Along which axes an array is broadcast, or has length 1."""
    return tuple(
        n == 1 or (stride == 0 and n > 1)
        for n, stride in zip(rows.shape, rows.strides, strict=True)
    )


def once(rows: Indices, axes: Sequence[bool]) -> Indices:
    """Of what is repeated along some axes the first, along axes of length 1."""
    return rows[tuple(slice(0, 1) if flag else slice(None) for flag in axes)]


def table_of(sets: Sets) -> Table | None:
    """A table with one row for each element, in C order; `None` if it would be too large."""
    bound = sets[0].table.bound
    flat = [layer.rows.reshape(-1) for layer in sets]
    size = flat[0].size
    if len(sets) == 1 and sets[0].table.size == size and _counts_up(flat[0]):
        return sets[0].table
    widest = [int(layer.table.width) for layer in sets]
    if min(widest) >= 0 and not _is_padding(widest, flat):
        if sum(widest) * size > LARGEST:
            return None
        columns = [_wide(layer.table, rows) for layer, rows in zip(sets, flat, strict=True)]
        matrix = columns[0] if len(columns) == 1 else np.concatenate(columns, axis=1)
        return _of_matrix(matrix, bound, ordered=len(columns) == 1)
    lengths = [layer.table.lengths(rows) for layer, rows in zip(sets, flat, strict=True)]
    total = sum(int(n.sum()) for n in lengths)
    if total > LARGEST:
        return None
    if len(sets) == 1:
        sizes, numbers = sets[0].table.taken(flat[0])
        return Table.of_lengths(sizes, numbers, bound)
    most = sum(int(n.max(initial=0)) for n in lengths)
    if most * size <= PADDED * total + 64:
        matrix = np.full((size, most), -1, _dtype_of(bound))
        place = 0
        for layer, rows, sizes in zip(sets, flat, lengths, strict=True):
            wide = int(sizes.max(initial=0))
            inside = np.arange(wide) < sizes[:, None]
            matrix[:, place : place + wide][inside] = layer.table.taken(rows)[1]
            place += wide
        return _of_matrix(matrix, bound, ordered=False)
    owners, numbers_of = [], []
    for layer, rows in zip(sets, flat, strict=True):
        sizes, numbers = layer.table.taken(rows)
        owners.append(np.repeat(np.arange(size), sizes))
        numbers_of.append(numbers)
    return _of_pairs(np.concatenate(owners), np.concatenate(numbers_of), size, bound)


def _is_padding(widest: Sequence[int], flat: Sequence[Indices]) -> bool:
    """Whether most of a matrix of all sets, side by side, would stand for empty ones."""
    if sum(widest) <= FEW:
        return False
    total = sum(w * np.count_nonzero(rows >= 0) for w, rows in zip(widest, flat, strict=True))
    return bool(sum(widest) * flat[0].size > PADDED * total + 64)


def _counts_up(rows: Indices) -> bool:
    return rows.size == 0 or (int(rows[0]) == 0 and bool(np.all(rows[1:] == rows[:-1] + 1)))


def _wide(table: Table, rows: Indices) -> Indices:
    """The sets of rows, all of one size, as a matrix; of the empty set all are -1."""
    if table.width == 0:
        return np.zeros((rows.size, 0), table.numbers.dtype)
    matrix = table.numbers.reshape(-1, table.width)
    found: Indices = matrix[rows]
    empty = rows < 0
    if empty.any():
        found[empty] = -1
    return found


def _of_matrix(matrix: Indices, bound: int, *, ordered: bool) -> Table:
    """Of the numbers in each row of a matrix; -1 is none, and a number may be there twice."""
    kept = matrix >= 0
    if not ordered and matrix.shape[1] > 1:
        matrix.sort(axis=1)
        np.greater_equal(matrix, 0, out=kept)
        kept[:, 1:] &= matrix[:, 1:] != matrix[:, :-1]
    if kept.all():
        width = matrix.shape[1]
        starts = np.arange(0, (matrix.shape[0] + 1) * width, width) if width else None
        if starts is not None:
            return Table(starts, matrix.reshape(-1), bound, width)
    return Table.of_lengths(np.count_nonzero(kept, axis=1), matrix[kept], bound)


def _of_pairs(owners: Indices, numbers: Indices, size: int, bound: int) -> Table:
    """Of pairs (set, number) in any order, which may be there more than once."""
    keys = distinct(owners * bound + numbers, size * bound)
    owners, numbers = _parted(keys, bound)
    numbers = numbers.astype(_dtype_of(bound), copy=False)
    return Table.of_lengths(np.bincount(owners, minlength=size), numbers, bound)


def _parted(keys: Indices, bound: int) -> tuple[Indices, Indices]:
    """Quotients and remainders: several times as fast as `numpy.divmod`."""
    quotients = keys // max(bound, 1)
    return quotients, keys - quotients * bound


def _dtype_of(bound: int) -> type[np.signedinteger[Any]]:
    """Of numbers less than a bound: short ones are sorted in half of the time."""
    return np.int32 if bound <= np.iinfo(np.int32).max else np.int64


def distinct(keys: Indices, bound: int) -> Indices:
    """Numbers less than a bound, each once and in order."""
    if not keys.size:
        return keys
    if bound <= 8 * keys.size:
        seen = np.zeros(bound, bool)
        seen[keys] = True
        return np.flatnonzero(seen)
    keys = np.sort(keys)
    new = np.ones(keys.size, bool)
    np.not_equal(keys[1:], keys[:-1], out=new[1:])
    found: Indices = keys[new]
    return found


# --- elements that are joined -------------------------------------------------------------------


def linked(sets: Sets, targets: Indices, sources: Indices, size: int) -> Sets:
    """For each element of a new array the union of the sets of all elements linked to it.

    Args:
        sets: of an array.
        targets: of each link the element of the new array.
        sources: of each link the element of the array, in C order.
        size: number of elements of the new array, of shape `(size,)`.
    """
    if not sets or not targets.size:
        return NOTHING
    counts = np.bincount(targets, minlength=size)
    most = int(counts.max())
    if most <= FEW:
        few = sets if most * len(sets) <= FEW else in_one(sets)
        return _in_layers(few, targets, sources, counts, most)
    return linked_all([(layer, targets, layer.rows.reshape(-1)[sources]) for layer in sets], size)


def _in_layers(sets: Sets, targets: Indices, sources: Indices, counts: Indices, most: int) -> Sets:
    """The first links of all elements, the second ones, ...: nothing is united yet."""
    if np.any(targets[1:] < targets[:-1]):
        order = np.argsort(targets, kind="stable")
        targets, sources = targets[order], sources[order]
    turn = np.arange(targets.size) - np.repeat(np.cumsum(counts) - counts, counts)
    found = []
    for number in range(most):
        own = turn == number
        places, chosen = targets[own], sources[own]
        for layer in sets:
            rows = np.full(counts.size, -1, np.intp)
            rows[places] = layer.rows.reshape(-1)[chosen]
            found.append(Layer(layer.table, rows))
    return tuple(found)


def linked_all(links: Sequence[tuple[Layer, Indices, Indices]], size: int) -> Sets:
    """As `linked`, of links from rows of the tables of layers."""
    by_table: dict[int, tuple[Table, list[Indices], list[Indices]]] = {}
    for layer, targets, rows in links:
        used = rows >= 0
        if not used.all():
            targets, rows = targets[used], rows[used]
        group = by_table.setdefault(id(layer.table), (layer.table, [], []))
        group[1].append(targets)
        group[2].append(rows)
    found: list[tuple[Table, Indices, Indices]] = []
    total = 0
    for table, all_targets, all_rows in by_table.values():
        keys = np.concatenate(all_targets) * table.size + np.concatenate(all_rows)
        targets, rows = _parted(distinct(keys, size * table.size), table.size)
        if rows.size:
            found.append((table, targets, rows))
            total += int(table.lengths(rows).sum())
    if not found:
        return NOTHING
    bound = found[0][0].bound
    if total > LARGEST:
        return _one_for_all(found, size)
    owners, numbers = [], []
    for table, targets, rows in found:
        sizes, own = table.taken(rows)
        owners.append(np.repeat(targets, sizes))
        numbers.append(own)
    table = _of_pairs(np.concatenate(owners), np.concatenate(numbers), size, bound)
    return (Layer(table, np.arange(size)),)


def coarse(sets: Sets) -> Sets:
    """The union of the sets of all elements, for each element."""
    shape = sets[0].rows.shape
    size = sets[0].rows.size
    links = [(layer.table, layer.rows.reshape(-1), layer.rows.reshape(-1)) for layer in sets]
    (layer,) = _one_for_all(
        [(table, rows, rows[rows >= 0]) for table, _, rows in links], max(size, 1)
    )
    return (Layer(layer.table, np.zeros(shape, np.intp)),)


def _one_for_all(found: Sequence[tuple[Table, Indices, Indices]], size: int) -> Sets:
    """One set for all elements that are linked to anything, which holds all others."""
    bound = found[0][0].bound
    seen = np.zeros(bound, bool)
    for table, _, rows in found:
        seen[table.taken(distinct(rows, table.size))[1]] = True
    numbers = np.flatnonzero(seen).astype(_dtype_of(bound))
    places = np.zeros(size, np.intp)
    return (Layer(Table(np.array([0, numbers.size]), numbers, bound, numbers.size), places),)
