"""Arrays of sets against Python's sets."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from funcgrad.sparse import structure_sets
from funcgrad.sparse.structure_flow import broadcast, only, reduced
from funcgrad.sparse.structure_sets import (
    Layer,
    Sets,
    Table,
    coarse,
    in_one,
    joined,
    linked,
    table_of,
)

BOUND = 11


def table(sets: list[set[int]]) -> Table:
    lengths = np.array([len(s) for s in sets], np.intp)
    numbers = np.array([n for s in sets for n in sorted(s)], np.int32)
    return Table.of_lengths(lengths, numbers, BOUND)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    width = draw(st.sampled_from([None, None, 0, 1, 2]))
    sizes = {"min_size": width or 0, "max_size": 6 if width is None else width}
    one = st.sets(st.integers(0, BOUND - 1), **sizes)
    return table(draw(st.lists(one, max_size=6)))


@st.composite
def arrays_of_sets(draw: st.DrawFn, shape: tuple[int, ...] | None = None) -> Sets:
    if shape is None:
        shape = draw(st.sampled_from([(), (1,), (5,), (2, 3), (0, 2), (3, 1, 2)]))
    given_tables = draw(st.lists(tables(), min_size=1, max_size=3))
    layers = []
    for one in given_tables:
        size = int(np.prod(shape))
        rows = draw(st.lists(st.integers(-1, one.size - 1), min_size=size, max_size=size))
        layers.append(Layer(one, np.array(rows, np.intp).reshape(shape)))
    return tuple(layers)


def row(one: Table, number: int) -> set[int]:
    if number < 0:
        return set()
    return set(one.numbers[one.starts[number] : one.starts[number + 1]].tolist())


def plain(sets: Sets, size: int = 0) -> list[set[int]]:
    """Of each element, in C order."""
    if not sets:
        return [set() for _ in range(size)]
    columns = [[row(y.table, i) for i in y.rows.reshape(-1).tolist()] for y in sets]
    return [set().union(*parts) for parts in zip(*columns, strict=True)]


def is_in_order(one: Table) -> bool:
    rows = [one.numbers[a:b] for a, b in zip(one.starts[:-1], one.starts[1:], strict=True)]
    return all(bool(np.all(np.diff(numbers) > 0)) for numbers in rows)


@given(sets=arrays_of_sets())
def test_a_table_has_the_union_of_all_layers_for_each_element(sets: Sets) -> None:
    found = table_of(sets)
    assert found is not None
    assert is_in_order(found)
    assert [row(found, i) for i in range(found.size)] == plain(sets)
    assert found.width in (-1, *({len(s) for s in plain(sets)} if plain(sets) else ()))


@given(sets=arrays_of_sets())
def test_sets_in_one_layer_are_the_same(sets: Sets) -> None:
    assert plain(in_one(sets)) == plain(sets)


@given(data=st.data())
def test_many_layers_are_united(data: st.DataObject) -> None:
    parts = [data.draw(arrays_of_sets((2, 2))) for _ in range(6)]
    both = joined([*parts, parts[0]])
    assert len(both) <= structure_sets.FEW
    assert plain(both) == [set().union(*same) for same in zip(*map(plain, parts), strict=True)]


@given(sets=arrays_of_sets((6,)), data=st.data())
def test_linked_elements_are_united(sets: Sets, data: st.DataObject) -> None:
    pairs = data.draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), max_size=9))
    wanted: list[set[int]] = [set() for _ in range(4)]
    for target, source in pairs:
        wanted[target] |= plain(sets)[source]
    targets, sources = np.array(pairs, np.intp).reshape(-1, 2).T
    assert plain(linked(sets, targets, sources, 4), 4) == wanted


@given(sets=arrays_of_sets((2, 3, 2)), axes=st.sets(st.integers(-3, 2)))
def test_reductions_unite_along_axes(sets: Sets, axes: set[int]) -> None:
    along = {axis % 3 for axis in axes}
    kept = [1 if axis in along else n for axis, n in enumerate((2, 3, 2))]
    wanted = np.empty(kept, object)
    for place in np.ndindex(*kept):
        wanted[place] = set()
    for place, one in zip(np.ndindex(2, 3, 2), plain(sets), strict=True):
        wanted[tuple(0 if i in along else k for i, k in enumerate(place))] |= one
    assert plain(reduced(sets, axes), wanted.size) == wanted.reshape(-1).tolist()


@given(sets=arrays_of_sets((3,)))
def test_broadcast_sets_are_repeated(sets: Sets) -> None:
    assert plain(broadcast(sets, (2, 3))) == plain(sets) * 2


@given(sets=arrays_of_sets((4,)), mask=st.lists(st.booleans(), min_size=4, max_size=4))
def test_a_mask_leaves_empty_sets(sets: Sets, mask: list[bool]) -> None:
    wanted = [one if flag else set() for one, flag in zip(plain(sets), mask, strict=True)]
    assert plain(only(sets, np.array(mask)), 4) == wanted


@given(sets=arrays_of_sets((2, 3)))
def test_one_set_for_all_elements_holds_all_others(sets: Sets) -> None:
    everything = set().union(*plain(sets))
    assert plain(coarse(sets)) == [everything] * 6


@pytest.mark.parametrize("largest", [0, 3, 8])
@given(sets=arrays_of_sets((6,)))
def test_tables_that_are_too_large_are_replaced_by_sets_that_hold_them(
    largest: int, sets: Sets
) -> None:
    numbers = np.arange(6)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structure_sets, "LARGEST", largest)
        found: list[Any] = [in_one(sets), linked(sets, numbers, numbers[::-1], 6)]
    for one, wanted in zip(found, [plain(sets), plain(sets)[::-1]], strict=True):
        assert all(a >= b for a, b in zip(plain(one, 6), wanted, strict=True))
