"""Reading elements: keys of integers and slices, and gathers by index arrays; their transposes.

Two pairs of primitives, each the transpose of the other:

    index    x ↦ x[key]          unindex      cts ↦ Σᵢ ctᵢ laid into zeros at keyᵢ
    gather   x ↦ x[…, *idx, …]   scatter_add  ct ↦ ct added into zeros at idx, repetitions added up

A static key is a parameter, written so that it can be hashed (`encode`). Index arrays are operands,
for they may be traced (under `vmap` each example has its own). They stand next to each other,
behind `lead` axes; what NumPy allows beyond that is brought into this form by transposes.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from funcgrad.core.foreign import is_foreign
from funcgrad.core.primitive import Primitive
from funcgrad.core.protocols import DISPATCH
from funcgrad.core.tracer import bind
from funcgrad.families.elementwise import constant_call
from funcgrad.families.linear import linear
from funcgrad.families.shapes import align, in_front, rank_of, shape_of
from funcgrad.interpreters.record import RecordTracer
from funcgrad.primitives.calls import append_join, recording_of
from funcgrad.primitives.keys import FULL, BasicKey, decode, encode, is_basic, select
from funcgrad.primitives.placing import foreign_gather, foreign_scatter_add, laid
from funcgrad.primitives.plain import implements_traced
from funcgrad.primitives.structural import as_condition, moveaxis

__all__ = [
    "add_at",
    "axis_range",
    "gather",
    "gather_p",
    "getitem",
    "index",
    "index_p",
    "nonzero",
    "scatter_add",
    "unindex",
    "unindex_all",
    "unindex_p",
]

MAX_INDICES = 64
"""NumPy's greatest number of axes, hence of index arrays."""

FEW = 2000
"""For at most so many elements numpy.add.at is as fast as anything."""

# --- static keys ------------------------------------------------------------------------------


def _index_value(x: Any, *, key: tuple[Any, ...]) -> Any:
    return x[decode(key)] if hasattr(x, "dtype") else np.asarray(x)[decode(key)]


def _unindex_value(*cts: Any, keys: tuple[Any, ...], shape: tuple[int, ...]) -> Any:
    if any(map(is_foreign, cts)):
        return laid(cts, [decode(key) for key in keys], shape)
    full = np.zeros(shape, np.asarray(cts[0]).dtype)
    if len(cts) == 1:
        full[decode(keys[0])] = cts[0]  # keeps signs of zeros
    else:
        for ct, key in zip(cts, keys, strict=True):
            full[decode(key)] += ct
    return full if shape else full[()]


def _unindex_batch(
    size: int, batched: Sequence[bool], values: Sequence[Any], params: dict[str, Any]
) -> Any:
    cts = [in_front(size, v, b) for v, b in zip(values, batched, strict=True)]
    keys = tuple((encode((FULL,))[0], *key) for key in params["keys"])
    return bind(unindex_p, *cts, keys=keys, shape=(size, *params["shape"]))


index_p: Primitive = linear(
    "index",
    _index_value,
    lambda ct, x, *, key: unindex(ct, decode(key), x.shape),
    batch=lambda _size, _batched, values, params: index(values[0], (FULL, *decode(params["key"]))),
    view=True,
)
unindex_p: Primitive = linear(
    "unindex",
    _unindex_value,
    variadic=lambda ct, position, *_cts, keys, shape: index(ct, decode(keys[position])),
    batch=_unindex_batch,
)


def index(x: Any, key: BasicKey) -> Any:
    """The part of a value that a static key names: `x[key]`."""
    return x[key] if hasattr(x, "dtype") else bind(index_p, x, key=encode(key))


def unindex(ct: Any, key: BasicKey, shape: tuple[int, ...]) -> Any:
    """Zeros of a shape with `ct` at a static key."""
    return bind(unindex_p, ct, keys=(encode(key),), shape=shape)


def unindex_all(
    cts: Sequence[Any], keys: tuple[tuple[Any, ...], ...], shape: tuple[int, ...]
) -> Any:
    """Zeros of a shape with each of `cts` added at its (encoded) key."""
    owner = recording_of(cts)
    if owner is None:
        return bind(unindex_p, *cts, keys=keys, shape=shape)
    own = tuple(
        decode(key)
        for ct, key in zip(cts, keys, strict=True)
        if type(ct) is RecordTracer and ct.owner is owner
    )
    return append_join(
        owner,
        unindex_p,
        _unindex_pull,
        own,
        cts,
        lambda values: unindex_all(values, keys, shape),
    )


def _unindex_pull(ct: Any, keys: tuple[BasicKey, ...]) -> Any:
    """One walk over the parts, where the general rule takes one for each part."""
    parts = tuple([ct[key] for key in keys])
    return parts if len(parts) > 1 else parts[0]


# --- index arrays -----------------------------------------------------------------------------


def _gather_value(x: Any, *idx: Any, lead: int) -> Any:
    if len(idx) == 1 and x.ndim > 1 and type(x) is np.ndarray and not is_foreign(idx[0]):
        return x.take(idx[0], axis=lead)
    if is_foreign(x) or any(map(is_foreign, idx)):
        return foreign_gather(x, idx, lead)
    return x[(FULL,) * lead + idx]


def _scatter_add_value(ct: Any, *idx: Any, shape: tuple[int, ...], lead: int) -> Any:
    if is_foreign(ct) or any(map(is_foreign, idx)):
        return foreign_scatter_add(ct, idx, shape, lead)
    count = len(idx)
    if lead:  # bring the gathered axes to the front: there rows can be added as a whole
        rank = np.broadcast(*idx).ndim
        ct = np.moveaxis(ct, range(lead, lead + rank), range(rank))
        front = (*shape[lead : lead + count], *shape[:lead], *shape[lead + count :])
        full = np.zeros_like(ct, shape=front, order="C")
        add_at(full, idx, ct)
        return np.moveaxis(full, range(count), range(lead, lead + count))
    full = np.zeros_like(ct, shape=shape, order="C")
    add_at(full, idx, ct)
    return full


def add_at(full: Any, idx: tuple[Any, ...], ct: Any) -> None:
    """Add `ct` into contiguous `full` at index arrays along its first axes, repetitions too.

    `numpy.add.at` is fast on one axis only, so several are taken as one.
    """
    count = len(idx)
    if full.ndim == 1 or ct.size <= FEW:
        np.add.at(full, idx, ct)
        return
    rows = flat_places(idx, full.shape[:count]).reshape(-1)
    number, width = math.prod(full.shape[:count]), math.prod(full.shape[count:])
    if not rows.size or not width:
        return
    table, added = full.reshape(number, width), ct.reshape(rows.size, width)
    if width > 1 and np.bincount(rows, minlength=number).max() <= 1:
        table[rows] += added
    else:
        places = rows[:, None] * width + np.arange(width)
        np.add.at(table.reshape(-1), places.reshape(-1), added.reshape(-1))


def flat_places(idx: Sequence[Any], lengths: Sequence[int]) -> Any:
    """Index arrays along axes of some lengths as one array of positions in C order."""
    places: Any = 0
    for one, length in zip(idx, lengths, strict=True):
        if np.any((one < -length) | (one >= length)):
            raise IndexError(f"index out of bounds for an axis with size {length}")
        places = places * length + np.where(one < 0, one + length, one)
    return places


def _gather_batch(
    size: int, batched: Sequence[bool], values: Sequence[Any], params: dict[str, Any]
) -> Any:
    lead = params["lead"]
    x, *idx = values
    if not any(batched[1:]):
        return gather(x, idx, lead + 1)
    idx = align(batched[1:], idx)
    rank = _own_rank(batched[1:], idx)
    if not batched[0]:
        return moveaxis(gather(x, idx, lead), lead, 0)
    count = len(idx)
    if lead:  # the index arrays of an example have to stand next to that of the batch
        x = moveaxis(x, tuple(range(1, lead + 1)), tuple(range(count + 1, count + 1 + lead)))
    out = gather(x, (_example_numbers(size, rank), *idx), 0)
    if lead:
        out = moveaxis(out, tuple(range(1, rank + 1)), tuple(range(1 + lead, 1 + lead + rank)))
    return out


def _scatter_add_batch(
    size: int, batched: Sequence[bool], values: Sequence[Any], params: dict[str, Any]
) -> Any:
    lead, shape = params["lead"], params["shape"]
    ct, *idx = values
    if not any(batched[1:]):
        return scatter_add(ct, idx, (size, *shape), lead + 1)
    ct = in_front(size, ct, batched[0])
    idx = align(batched[1:], idx)
    count, rank = len(idx), _own_rank(batched[1:], idx)
    if lead:
        ct = moveaxis(ct, tuple(range(1 + lead, 1 + lead + rank)), tuple(range(1, rank + 1)))
        shape = (*shape[lead : lead + count], *shape[:lead], *shape[lead + count :])
    out = scatter_add(ct, (_example_numbers(size, rank), *idx), (size, *shape), 0)
    if lead:
        out = moveaxis(out, tuple(range(count + 1, count + 1 + lead)), tuple(range(1, lead + 1)))
    return out


def _own_rank(batched: Sequence[bool], idx: Sequence[Any]) -> int:
    """Axes that the broadcast index arrays of one example have."""
    return max(rank_of(one) - flag for one, flag in zip(idx, batched, strict=True))


def _example_numbers(size: int, rank: int) -> Any:
    """The number of each example, to be broadcast against its index arrays."""
    return np.arange(size).reshape(size, *(1,) * rank)


gather_p: Primitive = linear(
    "gather",
    _gather_value,
    lambda ct, x, *idx, lead: scatter_add(ct, idx, x.shape, lead),
    *(None,) * MAX_INDICES,
    batch=_gather_batch,
)
scatter_add_p: Primitive = linear(
    "scatter_add",
    _scatter_add_value,
    lambda ct, _x, *idx, shape, lead: gather(ct, idx, lead),
    *(None,) * MAX_INDICES,
    batch=_scatter_add_batch,
)


def gather(x: Any, idx: Sequence[Any], lead: int) -> Any:
    """Elements at adjacent index arrays, which take the place of axes `lead`, `lead + 1`, ..."""
    return bind(gather_p, x, *idx, lead=lead)


def scatter_add(ct: Any, idx: Sequence[Any], shape: tuple[int, ...], lead: int) -> Any:
    """Zeros of a shape with `ct` added at adjacent index arrays."""
    return bind(scatter_add_p, ct, *idx, shape=shape, lead=lead)


# --- masks ------------------------------------------------------------------------------------

nonzero_p: Primitive = constant_call(
    "nonzero",
    np.nonzero,
    lambda _size, _batched, values, _params: bind(nonzero_p, *values),
    data_dependent=True,
)


@implements_traced(np.nonzero)
def nonzero(a: Any) -> tuple[Any, ...]:
    """`numpy.nonzero`: one index array for each axis."""
    if rank_of(a) == 0:
        raise ValueError("Calling nonzero on 0d arrays is not allowed. Use np.atleast_1d(x).")
    found: tuple[Any, ...] = bind(nonzero_p, as_condition(a))
    return found


# --- x[key] -----------------------------------------------------------------------------------


def getitem(x: Any, key: Any) -> Any:
    """`x[key]` for every key that NumPy takes."""
    if is_basic(key):
        own_key = key if type(key) is tuple else (key,)
        return bind(index_p, x, key=encode(own_key))
    chosen = select(key, shape_of(x), np.nonzero)
    if not chosen.is_trivial:
        x = index(x, chosen.basic)
    if not chosen.arrays:
        return x
    if chosen.separated:
        x = moveaxis(x, chosen.axes, tuple(range(len(chosen.axes))))
    return gather(x, chosen.arrays, chosen.lead)


def axis_range(x: Any, start: int | None, stop: int | None, axis: int) -> Any:
    """`x[..., start:stop, ...]` along a negative axis."""
    return index(x, (..., slice(start, stop), *(FULL,) * (-axis - 1)))


DISPATCH["getitem"] = getitem
