"""Sets through operations that move elements: views, joins, index arrays, and adding into zeros.

What moves elements moves the rows of their sets: the operation itself is applied to them.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from funcgrad.core.primitive import Primitive
from funcgrad.primitives.keys import FULL, decode
from funcgrad.sparse.pattern import Indices
from funcgrad.sparse.structure_flow import (
    Flow,
    Rule,
    Shape,
    broadcast,
    constant,
    numbers_of,
    reduced,
    shaped,
)
from funcgrad.sparse.structure_sets import (
    FEW,
    NOTHING,
    PADDED,
    Layer,
    Sets,
    Table,
    coarse,
    in_one,
    joined,
    linked_all,
    table_of,
)

__all__ = ["RULES"]

Operands = Sequence[Flow]
Params = dict[str, Any]
Shapes = Sequence[Shape]

# --- elements that are moved --------------------------------------------------------------------


def _moved(primitive: Primitive, operands: Operands, params: Params, shapes: Shapes) -> list[Flow]:
    """Each element of the results is one of the (first) operand; the others are known."""
    x, *others = operands
    values = [other.value for other in others]

    def move(rows: Any) -> Sequence[Any]:
        out = primitive.value(rows, *values, **params)
        return out if isinstance(out, tuple) else (out,)

    found = [(layer.table, move(layer.rows)) for layer in x.sets]
    mask = x.known_zeros()
    zeros = None if mask is None else move(mask)
    return [
        Flow(
            shape,
            tuple(Layer(table, np.asarray(rows[i], np.intp)) for table, rows in found),
            None if zeros is None else np.asarray(zeros[i], bool),
        )
        for i, shape in enumerate(shapes)
    ]


def _put_together(primitive: Primitive, operands: Operands, params: Params, idx: Any) -> Flow:
    """Each element of the result is one of some operand."""

    def put(parts: Sequence[Any]) -> Any:
        return primitive.value(*parts, *idx, **params)

    if all(x.value is not None for x in operands):
        return constant(put([np.asarray(x.value) for x in operands]))
    masks = [x.known_zeros() for x in operands]
    zeros = None
    if any(mask is not None for mask in masks):
        pairs = zip(operands, masks, strict=True)
        zeros = np.asarray(put([_full(x, mask, False) for x, mask in pairs]))
    layers = _by_table([x.sets for x in operands])
    if len(layers) > FEW:
        tables = [table_of(x.sets) if x.sets else None for x in operands]
        if any(t is None and x.sets for t, x in zip(tables, operands, strict=True)):
            return _one_set(put([np.zeros(x.shape) for x in operands]), operands)
        layers = _stacked_tables(operands, tables)
    sets = tuple(
        Layer(table, np.asarray(put([_full(x, rows.get(i), -1) for i, x in enumerate(operands)])))
        for table, rows in layers
    )
    shape = sets[0].rows.shape if sets else np.shape(put([np.zeros(x.shape) for x in operands]))
    return Flow(shape, sets, zeros)


def _full(x: Flow, given: Any, default: Any) -> Any:
    return np.broadcast_to(np.asarray(default), x.shape) if given is None else given


def _one_set(like: Any, operands: Operands) -> Flow:
    parts = [coarse(x.sets)[0] for x in operands if x.sets]
    tables = joined((Layer(y.table, np.zeros((), np.intp)),) for y in parts)
    return Flow(np.shape(like), broadcast(tables, np.shape(like)))


def _by_table(parts: Sequence[Sets]) -> list[tuple[Table, dict[int, Indices]]]:
    """Layers of several arrays side by side: of one table, one of each array."""
    found: list[tuple[Table, dict[int, Indices]]] = []
    places: dict[tuple[int, int], int] = {}
    for i, sets in enumerate(parts):
        counts: dict[int, int] = {}
        for layer in sets:
            key = id(layer.table)
            number = counts[key] = counts.get(key, -1) + 1
            place = places.setdefault((key, number), len(found))
            if place == len(found):
                found.append((layer.table, {}))
            found[place][1][i] = layer.rows
    return found


def _stacked_tables(
    operands: Operands, tables: Sequence[Table | None]
) -> list[tuple[Table, dict[int, Indices]]]:
    """One table for all operands, one after the other."""
    made = [table for table in tables if table is not None]
    lengths = np.concatenate([np.diff(table.starts) for table in made])
    numbers = np.concatenate([table.numbers for table in made])
    whole = Table.of_lengths(lengths, numbers, made[0].bound)
    rows: dict[int, Indices] = {}
    start = 0
    for i, (x, table) in enumerate(zip(operands, tables, strict=True)):
        if table is not None:
            rows[i] = (start + np.arange(x.size)).reshape(x.shape)
            start += x.size
    return [(whole, rows)]


def _join(primitive: Primitive, operands: Operands, params: Params, shapes: Shapes) -> list[Flow]:
    del shapes
    return [_put_together(primitive, operands, params, ())]


# --- index arrays -------------------------------------------------------------------------------


def _values(flows: Operands) -> list[Any] | None:
    values = [x.value for x in flows]
    return None if any(value is None for value in values) else [np.asarray(v) for v in values]


def _gather(primitive: Primitive, operands: Operands, params: Params, shapes: Shapes) -> list[Flow]:
    x, *idx = operands
    if _values(idx) is not None:
        return _moved(primitive, operands, params, shapes)
    lead, count = params["lead"], len(idx)
    sets = reduced(x.sets, range(lead, lead + count))
    rest = x.shape[lead + count :]
    behind = (*x.shape[:lead], *(1,) * (len(shapes[0]) - lead - len(rest)), *rest)
    return [Flow(shapes[0], _spread(shaped(sets, behind), shapes[0]))]


def _spread(sets: Sets, shape: Shape) -> Sets:
    return broadcast(sets, shape) if math.prod(shape) else NOTHING


def _take_along(
    primitive: Primitive, operands: Operands, params: Params, shapes: Shapes
) -> list[Flow]:
    x, indices = operands
    if indices.value is not None:
        return _moved(primitive, operands, params, shapes)
    return [Flow(shapes[0], _spread(reduced(x.sets, (params["axis"],)), shapes[0]))]


def _index_set(
    primitive: Primitive, operands: Operands, params: Params, shapes: Shapes
) -> list[Flow]:
    del shapes
    return [_put_together(primitive, operands[:2], params, ())]


def _scatter_set(
    primitive: Primitive, operands: Operands, params: Params, shapes: Shapes
) -> list[Flow]:
    x, v, *idx = operands
    values = _values(idx)
    if values is not None:
        return [_put_together(primitive, operands[:2], params, values)]
    shape = shapes[0]
    rest = len(shape) - len(idx)
    behind = v.shape[max(len(v.shape) - rest, 0) :]
    sets = shaped(reduced(v.sets, range(len(v.shape) - len(behind))), behind)
    return [Flow(shape, joined((x.sets, _spread(sets, shape))))]


# --- adding into zeros --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Part:
    """Elements that are added into zeros.

    Attributes:
        x: the value.
        index: the places: a key of integers and slices, or numbers in C order.
    """

    x: Flow
    index: Any

    def of(self, whole: Any) -> Any:
        """An array such that `[index]` of it are the places."""
        return whole if isinstance(self.index, tuple) else whole.reshape(-1)

    @property
    def shape(self) -> Shape:
        """As which the elements stand at the index."""
        return self.x.shape if isinstance(self.index, tuple) else (self.x.size,)


def _into_zeros(parts: Sequence[_Part], shape: Shape, *, several: bool = False) -> Flow:
    """Elements that are added into zeros of a shape.

    Args:
        parts: the elements.
        shape: of the result.
        several: whether elements of one part may have one place.
    """
    reached = np.zeros(shape, bool)
    for part in parts:
        mask = part.x.nonzero()
        whole = part.of(reached)
        if mask is None:
            whole[part.index] = True
        elif several:
            whole[part.index[np.broadcast_to(mask, part.x.shape).reshape(-1)]] = True
        else:
            whole[part.index] |= np.broadcast_to(mask, part.x.shape).reshape(part.shape)
    zeros = None if reached.all() else ~reached
    pairs = [(part, layer) for part, sets in _shared(parts) for layer in sets]
    found = None if several else _laid(pairs, shape)
    if found is None:
        numbers = numbers_of(shape)
        links = [
            (layer, part.of(numbers)[part.index].reshape(-1), layer.rows.reshape(-1))
            for part, layer in pairs
        ]
        found = shaped(linked_all(links, math.prod(shape)), shape)
    return Flow(shape, found, zeros)


def _shared(parts: Sequence[_Part]) -> list[tuple[_Part, Sets]]:
    """The sets of parts; those that several parts have are united before."""
    counts = Counter(id(part.x.sets) for part in parts)
    united: dict[int, Sets] = {}
    found = []
    for part in parts:
        sets = part.x.sets
        key = id(sets)
        if counts[key] > 1 and len(sets) > 1:
            if key not in united:
                united[key] = in_one(sets)
            sets = united[key]
        found.append((part, sets))
    return found


def _laid(pairs: Sequence[tuple[_Part, Layer]], shape: Shape) -> Sets | None:
    """Layers in which no two parts overlap; `None` if there would be too many."""
    size = math.prod(shape)
    total = sum(part.x.size for part, _ in pairs)
    layers: dict[int, list[Layer]] = {}
    count = 0
    for part, layer in pairs:
        own = layers.setdefault(id(layer.table), [])
        for before in own:
            rows = part.of(before.rows)
            if (rows[part.index] < 0).all():
                break
        else:
            count += 1
            if count > FEW and count * size > PADDED * total:
                return None
            own.append(Layer(layer.table, np.full(shape, -1, np.intp)))
            rows = part.of(own[-1].rows)
        rows[part.index] = layer.rows.reshape(part.shape)
    return joined([tuple(layer for own in layers.values() for layer in own)])


def _unindex(
    primitive: Primitive, operands: Operands, params: Params, shapes: Shapes
) -> list[Flow]:
    del primitive
    parts = [_Part(x, decode(key)) for x, key in zip(operands, params["keys"], strict=True)]
    return [_into_zeros(parts, shapes[0])]


def _scatter_add(
    primitive: Primitive, operands: Operands, params: Params, shapes: Shapes
) -> list[Flow]:
    del primitive
    ct, *idx = operands
    shape, lead = shapes[0], params["lead"]
    values = _values(idx)
    if values is not None:
        places = numbers_of(shape)[(FULL,) * lead + tuple(values)].reshape(-1)
        return [_into_zeros([_Part(ct, places)], shape, several=not _is_distinct(places, shape))]
    rest = shape[lead + len(idx) :]
    middle = range(lead, len(ct.shape) - len(rest))
    behind = (*shape[:lead], *(1,) * len(idx), *rest)
    return [Flow(shape, _spread(shaped(reduced(ct.sets, middle), behind), shape))]


def _is_distinct(places: Indices, shape: Shape) -> bool:
    counts = np.bincount(places, minlength=math.prod(shape))
    return bool(counts.max(initial=0) <= 1)


def _add_along(
    primitive: Primitive, operands: Operands, params: Params, shapes: Shapes
) -> list[Flow]:
    del primitive
    ct, indices = operands
    shape, axis = shapes[0], params["axis"]
    if indices.value is not None:
        own = np.broadcast_to(indices.value, ct.shape)
        places = np.take_along_axis(numbers_of(shape), own, axis).reshape(-1)
        return [_into_zeros([_Part(ct, places)], shape, several=not _is_distinct(places, shape))]
    return [Flow(shape, _spread(reduced(ct.sets, (axis,)), shape))]


# --- the table ----------------------------------------------------------------------------------

RULES: dict[str, Rule] = {
    **dict.fromkeys(("index", "reshape", "transpose", "broadcast_to", "rows"), _moved),
    **dict.fromkeys(("concatenate", "stack"), _join),
    "gather": _gather,
    "take_along_axis": _take_along,
    "index_set": _index_set,
    "scatter_set": _scatter_set,
    "unindex": _unindex,
    "scatter_add": _scatter_add,
    "add_along_axis": _add_along,
}
"""By name of the primitive."""
