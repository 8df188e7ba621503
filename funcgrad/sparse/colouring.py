"""Colourings: which columns, rows or unit vectors of a sparse matrix can share one product.

The vertices are coloured one after the other, each with the first colour that is free (A. H.
Gebremedhin, F. Manne, A. Pothen, "What Color Is Your Jacobian?", SIAM Review 47, 2005). Sets of
colours are the bits of Python integers, so that a vertex costs a few operations for each of its
entries, however many colours there are.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from funcgrad.errors import SparsityError
from funcgrad.sparse.pattern import Indices, Pattern

__all__ = ["Lists", "column_colours", "lists_of", "row_colours", "star_colours", "star_sources"]

Lists = list[list[int]]
"""For each vertex the numbers of its neighbours."""

_LONGEST = 32
"""Longer cycles are not tried."""

_LARGE = 4096
"""In a graph of so many vertices, all of about as many neighbours, bands are not searched for a
better colouring."""

_DENSE = 64
"""Matrices of so many times more places than entries are not laid out."""

_CROWDED = 8
"""A vertex of so many times more neighbours than the mean is a hub."""

_HUBS = 32
"""So many hubs at most have colours of their own."""

_FEW = 3
"""With so many colours there is hardly a better colouring."""


def lists_of(pattern: Pattern) -> Lists:
    """For each row of a pattern its columns."""
    columns = pattern.columns.tolist()
    ends = pattern.indptr().tolist()
    return [columns[a:b] for a, b in pairwise(ends)]


def column_colours(pattern: Pattern) -> Indices:
    """A colour for each column, such that no row has an entry in two columns of one colour.

    This is a distance-2 colouring of the columns in the bipartite graph of rows and columns. With
    S the matrix of ones at (j, colour of j), each entry of the matrix A is an entry of A S. Columns
    without entries have colour 0.

    Args:
        pattern: of a matrix (m, n).

    Returns:
        Colours counted from 0 on, of shape `(n,)`.

    Example:
        >>> column_colours(Pattern.of_dense([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]]))
        array([0, 1, 0, 1])
    """
    fewest = int(np.bincount(pattern.rows, minlength=1).max())
    height, width = pattern.shape

    def cyclic(low: int, high: int) -> Indices | None:
        return _cyclic(width, low, high, lambda colours: _is_apart(pattern, colours))

    colours = cyclic(fewest, fewest + 1)
    if colours is None:
        rows_of = lists_of(pattern.transposed)
        colours = _fewest(rows_of, fewest, lambda order: _distance_two(rows_of, height, order))
        colours = _better(cyclic(fewest + 1, int(colours.max(initial=0)) + 1), colours)
    return colours


def row_colours(pattern: Pattern) -> Indices:
    """A colour for each row, such that no column has an entry in two rows of one colour.

    Args:
        pattern: of a matrix (m, n).

    Returns:
        Colours counted from 0 on, of shape `(m,)`.
    """
    return column_colours(pattern.transposed)


def star_colours(pattern: Pattern) -> Indices:
    """A colour for each vertex: neighbours differ, and paths of four vertices have three colours.

    The graph has the entries of a symmetric pattern as edges. With S the matrix of ones at
    (j, colour of j), each entry a_ij of the symmetric matrix A stands alone in A S: either as (i,
    colour of j) or as (j, colour of i).

    Args:
        pattern: symmetric, of a matrix (n, n).

    Returns:
        Colours counted from 0 on, of shape `(n,)`.

    Example:
        >>> star_colours(Pattern.of([0, 0, 0, 1, 2, 3], [1, 2, 3, 0, 0, 0], (4, 4)))
        array([0, 1, 1, 1])
    """
    count = pattern.shape[0]
    off = pattern.rows != pattern.columns
    graph = Pattern(pattern.shape, pattern.rows[off], pattern.columns[off])
    most = 1 + int(np.bincount(graph.rows, minlength=1).max())

    def cyclic(low: int, high: int) -> Indices | None:
        return _cyclic(count, low, high, lambda colours: _is_star(graph, colours))

    is_even = count >= _LARGE and most * count <= 2 * (graph.nnz + count)
    colours = cyclic(1, max(_FEW, most) + 1) if is_even else cyclic(1, _FEW + 1)
    if colours is not None:
        return colours
    apart = _hubs_apart(graph)
    if apart is not None and count >= _LARGE:
        return apart
    edges = lists_of(graph)
    colours = _better(apart, _fewest(edges, min(2, most), lambda order: _star(edges, order)))
    if colours.max(initial=0) < _FEW:
        return colours
    colours = _better(cyclic(_FEW + 1, int(colours.max()) + 1), colours)
    if colours.max() < most:
        return colours
    # a colouring of columns is a star colouring, too; it has at least so many colours
    return _better(column_colours(pattern | Pattern.diagonal(count)), colours)


def star_sources(pattern: Pattern, colours: Indices) -> tuple[Indices, Indices]:
    """Where the entries of a symmetric matrix A stand in A S: rows and colours.

    Args:
        pattern: symmetric.
        colours: one for each vertex.

    Returns:
        For each entry of the pattern the row of A S, and the column, which is a colour.

    Raises:
        SparsityError: if the colouring is none, so that an entry stands nowhere alone.
    """
    rows, columns = pattern.rows, pattern.columns
    alone, alone_across = _alone(pattern, colours)
    if not np.all(alone | alone_across):
        raise SparsityError(
            "star_sources: an entry of the matrix stands nowhere alone. The colours are no star "
            "colouring of this pattern. Take those of star_colours."
        )
    return np.where(alone, rows, columns), colours[np.where(alone, columns, rows)]


def _hubs_apart(graph: Pattern) -> Indices | None:
    """Colours of their own for the few vertices of very many neighbours, if there are such.

    No path has only two colours then that such a vertex is on, so they count as away.
    """
    degrees = np.bincount(graph.rows, minlength=graph.shape[0])
    hubs = degrees > _CROWDED * max(1.0, float(degrees.mean()))
    number = int(np.count_nonzero(hubs))
    if not 0 < number <= _HUBS:
        return None
    rest = ~(hubs[graph.rows] | hubs[graph.columns])
    colours = star_colours(Pattern(graph.shape, graph.rows[rest], graph.columns[rest]))
    most = int(colours[~hubs].max(initial=0))
    colours[hubs] = most + 1 + np.arange(number)
    return colours


def _better(some: Indices | None, others: Indices) -> Indices:
    """Those of the fewer colours."""
    return others if some is None or some.max() >= others.max() else some


def _cyclic(
    count: int, low: int, high: int, is_colouring: Callable[[Indices], bool]
) -> Indices | None:
    """0, 1, ..., k - 1, 0, 1, ... for the first k from `low` to below `high` that will do.

    So bands and many grids can be coloured; it takes little time to see.
    """
    for period in range(max(low, 1), min(high, _LONGEST + 1)):
        colours = np.arange(count) % period
        if is_colouring(colours):
            return colours
    return None


def _is_apart(pattern: Pattern, colours: Indices) -> bool:
    """Whether no row has an entry in two columns of one colour."""
    count = int(colours.max(initial=0)) + 1
    keys = pattern.rows * count + colours[pattern.columns]
    return bool(np.bincount(keys, minlength=1).max() <= 1)


def _is_star(graph: Pattern, colours: Indices) -> bool:
    """Whether neighbours differ, and each edge is the only one of its colour at one of its ends."""
    if np.any(colours[graph.rows] == colours[graph.columns]):
        return False
    alone, across = _alone(graph, colours)
    return bool(np.all(alone | across))


def _alone(pattern: Pattern, colours: Indices) -> tuple[Any, Any]:
    """Of each entry whether it is alone in A S as (i, colour of j), and as (j, colour of i)."""
    rows, columns = pattern.rows, pattern.columns
    count = int(colours.max(initial=0)) + 1
    forth, back = rows * count + colours[columns], columns * count + colours[rows]
    size = pattern.shape[0] * count
    if size > _DENSE * rows.size:  # the entries stand in few of the places
        places, seen = np.unique(forth, return_counts=True)
        own, across = (seen[np.searchsorted(places, keys)] == 1 for keys in (forth, back))
        return own, across  # all of `back` are places, for the pattern is symmetric
    seen = np.bincount(forth, minlength=size)
    return seen[forth] == 1, seen[back] == 1


def _fewest(
    neighbours: Lists, fewest: int, colour: Callable[[Iterator[int]], list[int]]
) -> Indices:
    """Colours by the natural order; or by falling degrees, where these differ a lot, if fewer."""
    count = len(neighbours)
    best = colour(iter(range(count)))
    degrees = list(map(len, neighbours))
    if best and max(best) + 1 > fewest and max(degrees) * count > 2 * sum(degrees):
        other = colour(iter(sorted(range(count), key=degrees.__getitem__, reverse=True)))
        if max(other) < max(best):
            best = other
    return np.array(best, np.intp)


def _distance_two(rows_of: Lists, height: int, order: Iterator[int]) -> list[int]:
    colours = [0] * len(rows_of)
    used = [0] * height  # in each row
    for vertex in order:
        rows = rows_of[vertex]
        taken = 0
        for row in rows:
            taken |= used[row]
        free = ~taken & (taken + 1)
        colours[vertex] = free.bit_length() - 1
        for row in rows:
            used[row] |= free
    return colours


def _star(edges: Lists, order: Iterator[int]) -> list[int]:
    """The colouring of the vertices in that order; colours are bits until the end.

    A colour is not free for v if it is that of a neighbour; if a neighbour w has a neighbour x of
    that colour, and x another one of the colour of w (w, v and x would be on such a path); or if
    two neighbours of v have one colour, and one of them has a neighbour of that colour.
    """
    colours = [0] * len(edges)
    around = [0] * len(edges)  # colours of the neighbours
    twice = [0] * len(edges)  # those that two neighbours have
    hubs = [0] * len(edges)  # colours of neighbours that have another neighbour of one's own colour
    for vertex in order:
        neighbours = edges[vertex]
        taken = 0
        doubled = twice[vertex]
        for w in neighbours:
            colour = colours[w]
            if colour:
                taken |= colour | hubs[w]
                if colour & doubled:
                    taken |= around[w]
        free = ~taken & (taken + 1)
        colours[vertex] = free
        for x in neighbours:
            if not around[x] & free:
                around[x] |= free
                continue
            hubs[vertex] |= colours[x]
            if not twice[x] & free:
                twice[x] |= free
                first = next(w for w in edges[x] if colours[w] == free and w != vertex)
                hubs[first] |= colours[x]
        # a neighbour may have been coloured after two of its own had been
        own = twice[vertex]
        if own:
            for w in neighbours:
                if colours[w] & own:
                    hubs[w] |= free
    return [colour.bit_length() - 1 for colour in colours]
