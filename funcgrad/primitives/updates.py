"""Functional updates: `at(x)[key].set(v)` is x with v at key, as a new value.

Where a key names an element more than once, all operations count, in C order of the key: the last
`set` wins (the values before it have derivative zero), `add` adds all values, `multiply(v)`
multiplies by each, and so on.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from funcgrad.core.foreign import is_foreign
from funcgrad.core.primitive import Primitive
from funcgrad.core.protocols import DISPATCH
from funcgrad.core.tracer import Tracer, bind
from funcgrad.errors import user_line
from funcgrad.families.elementwise import constant_call
from funcgrad.families.linear import linear
from funcgrad.families.shapes import align, as_operand, in_front, rank_of, shape_of, zeros_like
from funcgrad.interpreters.batch import BatchTracer
from funcgrad.primitives.indexing import (
    MAX_INDICES,
    flat_places,
    gather,
    getitem,
    index,
    scatter_add,
    unindex,
)
from funcgrad.primitives.joining import stack
from funcgrad.primitives.keys import FULL, BasicKey, decode, encode, is_basic, select
from funcgrad.primitives.placing import laid_over, put_over
from funcgrad.primitives.plain import is_traced, unshared
from funcgrad.primitives.structural import (
    astype,
    broadcast_to,
    concatenate,
    reshape,
    where,
)

__all__ = ["At", "Updates", "at", "fitting"]

# --- static keys ------------------------------------------------------------------------------


def _index_set_value(x: Any, v: Any, *, key: tuple[Any, ...]) -> Any:
    if is_foreign(x) or is_foreign(v):
        return laid_over(x, v, decode(key))
    out = np.array(x)
    out[decode(key)] = v
    return out


def _index_set_batch(
    size: int, batched: Sequence[bool], values: Sequence[Any], params: dict[str, Any]
) -> Any:
    x, v = (in_front(size, value, flag) for value, flag in zip(values, batched, strict=True))
    return bind(index_set_p, x, v, key=encode((FULL, *decode(params["key"]))))


index_set_p: Primitive = linear(
    "index_set",
    _index_set_value,
    lambda ct, _x, v, *, key: bind(index_set_p, ct, zeros_like(v, dtype=ct.dtype), key=key),
    lambda ct, _x, _v, *, key: index(ct, decode(key)),
    batch=_index_set_batch,
)

# --- index arrays along the first axes --------------------------------------------------------


def _last_value(*idx: Any, lengths: tuple[int, ...]) -> Any:
    """Where an index is the last one of its place, in C order."""
    places = flat_places(idx, lengths)
    flat = places.reshape(-1)
    last = np.full(int(np.prod(lengths)), -1, np.intp)
    np.maximum.at(last, flat, np.arange(flat.size))
    return (last[flat] == np.arange(flat.size)).reshape(places.shape)


def _turn_value(*idx: Any, lengths: tuple[int, ...]) -> Any:
    """How many indices of the same place stand before each index, in C order."""
    places = flat_places(idx, lengths)
    flat = places.reshape(-1)
    order = np.argsort(flat, kind="stable")
    ordered = flat[order]
    first = np.concatenate(([True], ordered[1:] != ordered[:-1]))[: flat.size]
    count = np.arange(flat.size)
    turn = np.empty(flat.size, np.intp)
    turn[order] = count - np.maximum.accumulate(np.where(first, count, 0))
    return turn.reshape(places.shape)


def _of_each_example(primitive: Callable[[], Any]) -> Any:
    """Batching: examples are told apart by one more index, so that their places differ."""

    def batch(
        size: int, batched: Sequence[bool], values: Sequence[Any], params: dict[str, Any]
    ) -> Any:
        idx = align(batched, values)
        rank = max(rank_of(one) - flag for one, flag in zip(idx, batched, strict=True))
        numbers = np.arange(size).reshape(size, *(1,) * rank)
        return bind(primitive(), numbers, *idx, lengths=(size, *params["lengths"]))

    return batch


is_last_p: Primitive = constant_call("is_last", _last_value, _of_each_example(lambda: is_last_p))
turn_p: Primitive = constant_call("turn", _turn_value, _of_each_example(lambda: turn_p))


def _scatter_set_value(x: Any, v: Any, *idx: Any) -> Any:
    if is_foreign(x) or is_foreign(v):
        return put_over(x, v, idx)
    out = np.array(x)
    last = _last_value(*idx, lengths=out.shape[: len(idx)])
    if last.all():
        out[idx] = v
    else:
        full = [np.broadcast_to(one, last.shape)[last] for one in idx]
        out[tuple(full)] = np.broadcast_to(v, last.shape + out.shape[len(idx) :])[last]
    return out


def _scatter_set_batch(
    size: int, batched: Sequence[bool], values: Sequence[Any], params: dict[str, Any]
) -> Any:
    del params
    x, v = (
        in_front(size, value, flag) for value, flag in zip(values[:2], batched[:2], strict=True)
    )
    idx = align(batched[2:], values[2:])
    rank = max(rank_of(one) - flag for one, flag in zip(idx, batched[2:], strict=True))
    return bind(scatter_set_p, x, v, np.arange(size).reshape(size, *(1,) * rank), *idx)


def _scatter_set_by_value(ct: Any, x: Any, v: Any, *idx: Any) -> Any:
    part = gather(ct, idx, 0)
    last = bind(is_last_p, *idx, lengths=x.shape[: len(idx)])
    if not isinstance(last, Tracer) and last.all():
        return part
    behind = len(v.shape) - len(last.shape)
    return where(reshape(last, (*last.shape, *(1,) * behind)), part, 0)


scatter_set_p: Primitive = linear(
    "scatter_set",
    _scatter_set_value,
    lambda ct, _x, v, *idx: bind(scatter_set_p, ct, zeros_like(v, dtype=ct.dtype), *idx),
    _scatter_set_by_value,
    *(None,) * MAX_INDICES,
    batch=_scatter_set_batch,
)

# --- the object -------------------------------------------------------------------------------


class At:
    """`at(x)`: its items are the places to update."""

    __slots__ = ("_x",)

    def __init__(self, x: Any) -> None:
        self._x = x

    def __getitem__(self, key: Any) -> "Updates":
        return Updates(self._x, key)


def at(x: Any) -> At:
    """Functional updates of an array: `at(x)[key].set(v)` is x with v at key.

    `x.at` is short for it on traced values. The methods are those of `Updates`; all return a new
    value of x's shape and dtype, and leave x alone.

    Args:
        x: an array or a traced value.

    Returns:
        An object to be indexed by anything that `x` itself can be indexed by.

    Example:
        >>> import numpy as np
        >>> at(np.zeros(4))[1:3].set(5.0)
        array([0., 5., 5., 0.])
        >>> at(np.zeros(3))[np.array([0, 0, 2])].add(1.0)
        array([2., 0., 1.])
    """
    x = stack(x) if type(x) in (list, tuple) and is_traced(x) else as_operand(x)
    return At(x if hasattr(x, "dtype") else np.asarray(x))


class Updates:
    """The places of an array that a key names, and what can be done to them.

    Values are broadcast to the places and cast to the array's dtype, which must hold them (numbers
    with a fraction do not go into an array of integers). Where a key names a place more than once,
    each update counts, in order.
    """

    __slots__ = ("_key", "_x")

    def __init__(self, x: Any, key: Any) -> None:
        self._x = x
        self._key = key

    def get(self) -> Any:
        """The elements: x[key]."""
        return getitem(self._x, self._key) if is_traced((self._key,)) else self._x[self._key]

    def set(self, values: Any) -> Any:
        """The array with `values` at the key; of several for one place the last."""
        return self._update("set", values, None)

    def add(self, values: Any) -> Any:
        """The array with `values` added at the key, all of them where a place is repeated."""
        return self._add("add", values, 1)

    def subtract(self, values: Any) -> Any:
        """The array with `values` subtracted at the key."""
        return self._add("subtract", values, -1)

    def multiply(self, values: Any) -> Any:
        """The array multiplied by `values` at the key."""
        return self._update("multiply", values, np.multiply)

    def divide(self, values: Any) -> Any:
        """The array divided by `values` at the key."""
        return self._update("divide", values, np.true_divide)

    def power(self, values: Any) -> Any:
        """The array raised to the power `values` at the key."""
        return self._update("power", values, np.power)

    def min(self, values: Any) -> Any:
        """The array, at most `values` at the key."""
        return self._update("min", values, np.minimum)

    def max(self, values: Any) -> Any:
        """The array, at least `values` at the key."""
        return self._update("max", values, np.maximum)

    def _add(self, name: str, values: Any, sign: int) -> Any:
        x = self._x
        values = fitting(name, values, x.dtype)
        if rank_of(values) == 0 and _is_mask(self._key):
            return where(_mask_on(x, self._key), x + sign * values, x)
        places = _places(x, self._key)
        values = _broadcast(values, places.shape)
        out = places.target + places.added(values if sign == 1 else -values)
        return out if shape_of(out) == shape_of(x) else unshared(reshape(out, shape_of(x)))

    def _update(self, name: str, values: Any, operation: Callable[..., Any] | None) -> Any:
        x = self._x

        def updated(old: Any, new: Any) -> Any:
            return new if operation is None else fitting(name, operation(old, new), x.dtype)

        values = fitting(name, values, x.dtype)
        if rank_of(values) == 0 and _is_mask(self._key):
            return where(_mask_on(x, self._key), updated(x, values), x)
        places = _places(x, self._key)
        values = _broadcast(values, places.shape)
        if operation is not None and places.repetitions() > 1:
            out = places.updated_in_turns(values, updated)
        else:
            old = None if operation is None else places.taken()
            out = places.replaced(updated(old, values))
        return out if shape_of(out) == shape_of(x) else unshared(reshape(out, shape_of(x)))


def fitting(name: str, values: Any, dtype: np.dtype[Any]) -> Any:
    """Values in the array's dtype; never by cutting off a fraction or an imaginary part."""
    values = stack(values) if type(values) in (list, tuple) and is_traced(values) else values
    values = as_operand(values)
    own = getattr(values, "dtype", None)
    if own is None:  # a Python number is weak
        fits = np.result_type(values, dtype) == dtype
    else:
        fits = np.can_cast(own, dtype, "same_kind")
    if not fits:
        raise TypeError(
            f"at: {name} with values of dtype {own or type(values).__name__} for an array of "
            f"dtype {dtype}, at {user_line()}. The array's dtype cannot hold them, and their "
            "derivative would be lost. Convert the array, at(x.astype(float)), or the values."
        )
    if own is None:
        return np.asarray(values, dtype)
    return values if own == dtype else astype(values, dtype)


def _broadcast(values: Any, shape: tuple[int, ...]) -> Any:
    own = shape_of(values)
    if len(own) > len(shape):  # as in an assignment, axes of length 1 in front do not matter
        extra = len(own) - len(shape)
        if any(length != 1 for length in own[:extra]):
            raise ValueError(f"at: values of shape {own} cannot be broadcast to shape {shape}")
        values = reshape(values, own[extra:])
    return broadcast_to(values, shape)


def _is_mask(key: Any) -> bool:
    known = isinstance(key, Tracer | np.ndarray | np.bool | bool) or is_foreign(key)
    return known and np.result_type(key).kind == "b"


def _mask_on(x: Any, mask: Any) -> Any:
    """A mask over the first axes, to be broadcast against the array."""
    mask = mask if isinstance(mask, Tracer) or is_foreign(mask) else np.asarray(mask)
    own, shape = mask.shape, shape_of(x)
    if own and own != shape[: len(own)]:
        raise IndexError(
            f"boolean index did not match indexed array: the mask has shape {own}, the array "
            f"{shape}"
        )
    return reshape(mask, (*own, *(1,) * (len(shape) - len(own))))


class _StaticPlaces:
    """A key of integers and slices: every place once."""

    def __init__(self, x: Any, key: BasicKey) -> None:
        self.target = x
        self.key = key
        self.shape = np.broadcast_to(0, shape_of(x))[key].shape

    def taken(self) -> Any:
        return index(self.target, self.key)

    def replaced(self, values: Any) -> Any:
        return bind(index_set_p, self.target, values, key=encode(self.key))

    def added(self, values: Any) -> Any:
        return unindex(values, self.key, shape_of(self.target))

    def repetitions(self) -> int:
        return 1

    def updated_in_turns(self, values: Any, updated: Callable[[Any, Any], Any]) -> Any:
        return self.replaced(updated(self.taken(), values))


class _ArrayPlaces:
    """Index arrays along the first axes of the target."""

    def __init__(self, target: Any, idx: tuple[Any, ...]) -> None:
        self.target = target
        self.idx = idx
        shape = shape_of(target)
        self.lengths, self.behind = shape[: len(idx)], shape[len(idx) :]
        self.own = np.broadcast_shapes(*map(shape_of, idx))
        self.shape = self.own + self.behind

    def taken(self) -> Any:
        return gather(self.target, self.idx, 0)

    def replaced(self, values: Any) -> Any:
        return bind(scatter_set_p, self.target, values, *self.idx)

    def added(self, values: Any) -> Any:
        return scatter_add(values, self.idx, shape_of(self.target), 0)

    def turns(self) -> Any:
        """How many indices of the same place stand before each index."""
        return bind(turn_p, *self.idx, lengths=self.lengths)

    def repetitions(self) -> int:
        """How often a place is named at most, in any example."""
        turns = self.turns()
        while isinstance(turns, BatchTracer):
            turns = turns.value
        return int(np.max(turns, initial=0)) + 1

    def updated_in_turns(self, values: Any, updated: Callable[[Any, Any], Any]) -> Any:
        """Update by the first index of each place, then by the second, and so on."""
        if any(isinstance(one, Tracer) for one in self.idx):
            return self._updated_by_masks(values, updated)
        places = flat_places(self.idx, self.lengths)
        places = np.broadcast_to(places, self.own).reshape(-1)
        named, which, counts = np.unique(places, return_inverse=True, return_counts=True)
        most = np.argsort(-counts, kind="stable")  # first the places that are named most often
        rank = np.empty_like(most)
        rank[most] = np.arange(most.size)
        turns = np.broadcast_to(self.turns(), self.own).reshape(-1)
        order = np.lexsort((rank[which], turns))
        starts = np.searchsorted(turns[order], np.arange(counts.max() + 1))
        number = math.prod(self.lengths)
        rows = reshape(self.target, (number, *self.behind))
        due = gather(reshape(values, (places.size, *self.behind)), (order,), 0)
        state = gather(rows, (named[most],), 0)
        levels = []
        for start, stop in itertools.pairwise(starts.tolist()):
            if stop - start < shape_of(state)[0]:
                state = index(state, (slice(0, stop - start),))
            state = updated(state, index(due, (slice(start, stop),)))
            levels.append(state)
        last = starts[counts[most] - 1] + np.arange(most.size)
        final = gather(concatenate(levels, 0), (last,), 0)
        return bind(scatter_set_p, rows, final, named[most])

    def _updated_by_masks(self, values: Any, updated: Callable[[Any, Any], Any]) -> Any:
        """The same for indices of each example: what is not due goes to a row that is dropped."""
        number = math.prod(self.lengths)
        rows = reshape(self.target, (number, *self.behind))
        spare = np.ones((1, *self.behind), self.target.dtype)
        rows = concatenate((rows, spare), 0)
        place = np.ravel_multi_index(self.idx, self.lengths, mode="wrap")
        turns = self.turns()
        for turn in range(self.repetitions()):
            due = turns == turn
            spot = np.where(due, place, number)
            new = np.where(reshape(due, (*self.own, *(1,) * len(self.behind))), values, spare[0])
            rows = bind(scatter_set_p, rows, updated(gather(rows, (spot,), 0), new), spot)
        return index(rows, (slice(0, number),))


def _places(x: Any, key: Any) -> _StaticPlaces | _ArrayPlaces:
    if is_basic(key):
        return _StaticPlaces(x, key if type(key) is tuple else (key,))
    shape = shape_of(x)
    chosen = select(key, shape, np.nonzero)
    if not chosen.arrays:
        return _StaticPlaces(x, chosen.basic)
    if chosen.is_trivial and not chosen.lead and not chosen.separated:
        return _ArrayPlaces(x, chosen.arrays)
    positions = getitem(np.arange(math.prod(shape)).reshape(shape), key)
    return _ArrayPlaces(reshape(x, (-1,)), (positions,))


DISPATCH["at"] = at
