"""Colourings are valid on any graph, and small on those that users have."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from funcgrad.errors import SparsityError
from funcgrad.sparse.colouring import column_colours, row_colours, star_colours, star_sources
from funcgrad.sparse.pattern import Indices, Pattern
from tests.sparse.graphs import arrow, banded, random_pattern, random_symmetric, stencil

sizes = st.integers(0, 12)
seeds = st.integers(0, 2**32 - 1)
densities = st.floats(0.0, 0.7)


def neighbours_of(pattern: Pattern) -> list[set[int]]:
    found: list[set[int]] = [set() for _ in range(pattern.shape[0])]
    for row, column in zip(pattern.rows.tolist(), pattern.columns.tolist(), strict=True):
        if row != column:
            found[row].add(column)
    return found


def is_star_colouring(pattern: Pattern, colours: Indices) -> bool:
    """By the definition: neighbours differ; no path of four vertices has two colours."""
    around = neighbours_of(pattern)
    for a, near in enumerate(around):
        for b in near:
            if colours[a] == colours[b]:
                return False
            for c in around[b] - {a}:
                ends = around[c] - {a, b}
                if colours[a] == colours[c] and any(colours[b] == colours[d] for d in ends):
                    return False
    return True


def seeds_of(colours: Indices) -> np.ndarray:
    S = np.zeros((colours.size, colours.max(initial=0) + 1))
    S[np.arange(colours.size), colours] = 1
    return S


@given(seeds, sizes, sizes, densities)
def test_columns_of_one_colour_share_no_row(
    seed: int, height: int, width: int, density: float
) -> None:
    pattern = random_pattern(seed, height, width, density)
    colours = column_colours(pattern)
    assert (pattern.todense().astype(int) @ seeds_of(colours) <= 1).all()


@given(seeds, sizes, sizes, densities)
def test_rows_of_one_colour_share_no_column(
    seed: int, height: int, width: int, density: float
) -> None:
    pattern = random_pattern(seed, height, width, density)
    colours = row_colours(pattern)
    assert (pattern.todense().T.astype(int) @ seeds_of(colours) <= 1).all()


@given(seeds, sizes, densities)
def test_star_colourings_obey_their_definition(seed: int, size: int, density: float) -> None:
    pattern = random_symmetric(seed, size, density)
    assert is_star_colouring(pattern, star_colours(pattern))


def test_the_definition_refuses_two_colours_on_a_path_of_four() -> None:
    path = Pattern.of([0, 1, 1, 2, 2, 3], [1, 0, 2, 1, 3, 2], (4, 4))
    assert not is_star_colouring(path, np.array([0, 1, 0, 1]))
    assert not is_star_colouring(path, np.array([0, 0, 1, 2]))
    assert is_star_colouring(path, np.array([0, 1, 0, 2]))


@given(seeds, sizes, densities)
def test_every_entry_of_a_symmetric_matrix_stands_where_star_sources_say(
    seed: int, size: int, density: float
) -> None:
    pattern = random_symmetric(seed, size, density)
    half = np.random.default_rng(seed).random((size, size))
    A = np.where(pattern.todense(), half + half.T, 0.0)
    colours = star_colours(pattern)
    rows, products = star_sources(pattern, colours)
    found = (A @ seeds_of(colours))[rows, products]
    np.testing.assert_allclose(found, A[pattern.rows, pattern.columns], rtol=1e-14)


def test_star_sources_refuse_colours_that_are_no_star_colouring() -> None:
    path = Pattern.of([0, 1, 1, 2, 2, 3], [1, 0, 2, 1, 3, 2], (4, 4))
    with pytest.raises(SparsityError, match="no star colouring"):
        star_sources(path, np.array([0, 1, 0, 1]))


@pytest.mark.parametrize("width", [0, 1, 2, 4])
def test_a_banded_matrix_needs_as_many_colours_as_bands(width: int) -> None:
    pattern = banded(300, width)
    assert column_colours(pattern).max() == 2 * width
    assert row_colours(pattern).max() == 2 * width
    assert star_colours(pattern).max() <= 2 * width


@pytest.mark.parametrize("hub", [0, 50, 99])
def test_an_arrow_needs_two_colours_wherever_its_head_is(hub: int) -> None:
    assert star_colours(arrow(100, hub)).max() == 1


def test_a_grid_needs_few_colours() -> None:
    pattern = stencil(40)
    assert column_colours(pattern).max() + 1 <= 7
    assert star_colours(pattern).max() + 1 <= 6


def test_a_full_matrix_needs_a_colour_for_each_column() -> None:
    pattern = Pattern.of_dense(np.ones((5, 5)))
    assert sorted(column_colours(pattern)) == list(range(5))
    assert sorted(star_colours(pattern)) == list(range(5))


def test_a_matrix_without_entries_needs_one_colour() -> None:
    pattern = Pattern.of([], [], (3, 3))
    assert column_colours(pattern).tolist() == [0, 0, 0]
    assert star_colours(pattern).tolist() == [0, 0, 0]


@pytest.mark.parametrize("hubs", [1, 5, 20])
@pytest.mark.parametrize("size", [400, 5000])
def test_hubs_that_are_no_neighbours_cost_a_colour_each(hubs: int, size: int) -> None:
    others = np.arange(hubs, size)
    rows = np.concatenate([np.repeat(np.arange(hubs), others.size), np.arange(size - 1)])
    columns = np.concatenate([np.tile(others, hubs), np.arange(1, size)])
    pattern = (Pattern.of(rows, columns, (size, size)) | Pattern.diagonal(size)).symmetric
    colours = star_colours(pattern)
    assert colours.max() < hubs + 3
    star_sources(pattern, colours)  # an entry that stands nowhere alone is an error


def test_sources_of_many_colours_take_memory_by_the_entries() -> None:
    size = 20_000
    pattern = banded(size, 1)
    tracemalloc.start()
    try:
        lines, found = star_sources(pattern, np.arange(size))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(lines, pattern.rows)
    np.testing.assert_array_equal(found, pattern.columns)
    assert peak < 500 * pattern.nnz
