"""x[key] and x[key] = value.

Integers, slices, None and Ellipsis give views, one step after the other; then tensors, lists and
masks gather elements along the axes that are left, as NumPy does for such keys.
"""

from collections.abc import Sequence
from types import EllipsisType
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.compilation_breaks import check_places
from funcgrad.compat.torch.creation import tensor as make_tensor
from funcgrad.compat.torch.dtypes import DTYPES
from funcgrad.compat.torch.filling import copy_, fill_, value_for, without_leading_ones
from funcgrad.compat.torch.inplace import (
    OVERLAP,
    before,
    check_writable,
    overlaps,
    overwrite,
    written,
)
from funcgrad.compat.torch.keeping import keep_before_write
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.quick import LinearRule, linear_result
from funcgrad.compat.torch.shapes import alias_op, expand, select_op, slice_op, unsqueeze_op
from funcgrad.compat.torch.state import STATE
from funcgrad.compat.torch.static import DeferredRule, deferred, node_for
from funcgrad.compat.torch.tensor import Tensor, holder
from funcgrad.core.tracer import Tracer
from funcgrad.primitives.indexing import scatter_add

__all__ = ["elements", "index_put", "indexed", "positions", "with_places"]

FULL = slice(None)
VALID = (
    "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid "
    "indices (got {})"
)
NO_AXES = (
    "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ "
    "to convert a 0-dim tensor to a number"
)


def _key_of(x: Any, *places: Any, lead: Sequence[int]) -> Any:
    """The key of NumPy for index arrays along some axes."""
    arrays = iter(places)
    return tuple([next(arrays) if taken else FULL for taken in lead])


def elements(x: Any, key: Any) -> Any:
    """x[key], also where the places are traced and the table is not."""
    if not isinstance(x, Tracer):
        parts = key if type(key) is tuple else (key,)
        if any(isinstance(part, Tracer) for part in parts):
            return fnp.asarray(x)[key]
    return x[key]


index_op = Op(
    "IndexBackward0",
    lambda x, *places, lead: elements(x, _key_of(x, *places, lead=lead)),
    linear=True,
)


def _put(x: Any, values: Any, *places: Any, lead: Sequence[int], accumulate: bool) -> Any:
    update = fnp.at(x)[_key_of(x, *places, lead=lead)]
    return update.add(values) if accumulate else update.set(values)


index_put_op = Op("IndexPutBackward0", _put, linear=True)


def with_places(op: Op, operands: Sequence[Any], places: Sequence[Any], **params: Any) -> Any:
    """Apply an operation with index arrays, which are no operands of its node."""
    if any(isinstance(place, Tracer) for place in places):
        return op(*operands, *map(holder, places), **params)
    function = op.function
    if STATE.grad and any(x._requires for x in operands if isinstance(x, Tensor)):
        places = [np.array(place) for place in places]  # the user may change them

    def placed(*xs: Any) -> Any:
        return function(*xs, *places, **params)

    if op.linear:
        result = deferred(op, placed, operands)
        if result is not None:
            return result
    bound = Op(op.cls.__name__ if op.cls is not None else None, placed, linear=op.linear)
    return bound(*operands)


# --- reading a key ----------------------------------------------------------------------------


def _is_sequence_key(key: Any) -> bool:
    """Whether a list is a key of several parts, as old programs write it: with slices in it."""
    return isinstance(key, list) and any(
        isinstance(part, slice | EllipsisType) or part is None for part in key
    )


def _as_index(part: Any) -> Tensor:
    """An index tensor of a list, an array or a range.

    Raises:
        IndexError: for anything else.
    """
    if isinstance(part, Tensor):
        return part
    if isinstance(part, list | tuple | range | np.ndarray):
        if isinstance(part, np.ndarray):
            return make_tensor(part)
        data = list(part)
        found = make_tensor(data)
        return found if data else make_tensor(data, dtype=DTYPES["int64"])
    if isinstance(part, str):
        return make_tensor(part)
    raise IndexError(VALID.format(type(part).__name__))


def _split_key(x: Tensor, key: Any, *, always: bool = True) -> tuple[Tensor, list[Tensor | None]]:
    """The view by the basic parts of a key, and the index tensors for its axes."""
    parts = key if type(key) is tuple else tuple(key) if _is_sequence_key(key) else (key,)
    if len(parts) == 1:
        found = _single(x, parts[0], always)
        if found is not None:
            return found, []
    rank = x._value.ndim
    rest = rank - sum(map(_axes_taken, parts))
    if rest < 0:
        raise IndexError(
            NO_AXES if not rank else f"too many indices for tensor of dimension {rank}"
        )
    view, dim = x, 0
    indices: list[Tensor | None] = []
    for part in parts:
        if part is Ellipsis:
            dim += rest
        elif part is None:
            view = unsqueeze_op(view, dim=dim)
            dim += 1
        elif part is True or part is False or _is_flag(part):
            view = unsqueeze_op(view, dim=dim)
            dim = _enter(indices, dim, make_tensor([bool(part)]))
        elif isinstance(part, slice):
            view = _sliced(view, dim, part)
            dim += 1
        elif (number := _as_number(part)) is not None:
            view = _selected(view, dim, number)
        else:
            dim = _enter(indices, dim, _as_index(part))
    return view, indices


def _axes_taken(part: Any) -> int:
    """How many axes a part of a key stands for."""
    if part is None or part is Ellipsis or part is True or part is False:
        return 0
    if isinstance(part, Tensor):
        return part.ndim if part.dtype in _MASKS else 1
    return part.ndim if isinstance(part, np.ndarray) and part.dtype == np.bool_ else 1


def _is_flag(part: Any) -> bool:
    """Whether a part of a key is a boolean tensor without axes."""
    return (
        isinstance(part, Tensor)
        and part.dtype is _MASKS[0]
        and isinstance(part._value, np.ndarray | np.generic)
        and not part.ndim
    )


def _as_number(part: Any) -> int | None:
    """The integer that a part of a key is, tensors without axes included."""
    if isinstance(part, int | np.integer):
        return int(part)
    if not isinstance(part, Tensor) or part.ndim or isinstance(part._value, Tracer):
        return None
    return int(part.item()) if part.dtype.category == 1 else None


def _enter(indices: list[Tensor | None], dim: int, index: Tensor) -> int:
    """Enter an index tensor for an axis; the next axis that is free."""
    indices.extend([None] * (dim - len(indices)))
    indices.append(index)
    count = int(index._value.ndim) if index.dtype in _MASKS else 1
    indices.extend([None] * (count - 1))
    return dim + count


_MASKS = (DTYPES["bool"], DTYPES["uint8"])


def _single(x: Tensor, part: Any, always: bool) -> Tensor | None:
    """The result for a key of one part, if that part is an integer or a slice."""
    kind = type(part)
    if kind is int or kind is slice:
        if not x._value.ndim:
            raise IndexError(
                NO_AXES if kind is int else "slice() cannot be applied to a 0-dim tensor."
            )
        return _selected(x, 0, part) if kind is int else _sliced(x, 0, part, always=always)
    return None


def _selected(x: Tensor, dim: int, index: int) -> Tensor:
    length = x._value.shape[dim]
    if not -length <= index < length:
        raise IndexError(f"index {index} is out of bounds for dimension {dim} with size {length}")
    return select_op(x, dim=dim, index=index)  # type: ignore[no-any-return]  # a tensor


def _bound_of(value: Any) -> Any:
    return value if value is None or type(value) is int else value.__index__()


def _sliced(x: Tensor, dim: int, part: slice, *, always: bool = False) -> Tensor:
    step = 1 if part.step is None else _bound_of(part.step)
    if not step:
        raise ValueError("slice step cannot be zero")
    if step < 0:
        raise ValueError("step must be greater than zero")
    length = x._value.shape[dim]
    start, end, step = slice(_bound_of(part.start), _bound_of(part.stop), step).indices(length)
    if not always and start == 0 and end == length and step == 1:
        return x
    return slice_op(x, dim=dim, start=start, end=max(start, end), step=step)  # type: ignore[no-any-return]  # a tensor


def positions(x: Tensor, indices: Sequence[Tensor | None]) -> tuple[list[Any], tuple[int, ...]]:
    """Index arrays, masks as the positions where they are true, and which axes they run along.

    Raises:
        IndexError: for other types, shapes that do not fit, and indices out of bounds.
    """
    shape = x._value.shape
    places: list[Any] = []
    lead: list[int] = []
    for index in indices:
        dim = len(lead)
        if index is None:
            if dim < len(shape) and len(lead) < len(shape):
                lead.append(0)
            continue
        value = index._value
        kind = index.dtype
        if kind in _MASKS:
            own = shape[dim : dim + value.ndim]
            for i, (length, wanted) in enumerate(zip(value.shape, own, strict=False)):
                if length != wanted:
                    raise IndexError(
                        f"The shape of the mask {list(value.shape)} at index {i} does not match "
                        f"the shape of the indexed tensor {list(shape)} at index {dim + i}"
                    )
            places += np.nonzero(value)
            lead += [1] * value.ndim
            continue
        if kind.category != 1:
            raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
        check_places(value, -shape[dim], shape[dim])
        if not isinstance(value, Tracer):
            _check_bounds(value, dim, shape[dim])
        places.append(value)
        lead.append(1)
    try:
        np.broadcast_shapes(*[place.shape for place in places])
    except ValueError:
        shapes = ", ".join(str(list(place.shape)) for place in places)
        raise IndexError(
            f"shape mismatch: indexing tensors could not be broadcast together with shapes {shapes}"
        ) from None
    return places, tuple(lead)


def _check_bounds(value: Any, dim: int, length: int) -> None:
    if not np.size(value):
        return
    low, high = int(np.min(value)), int(np.max(value))
    if low < -length or high >= length:
        wrong = low if low < -length else high
        raise IndexError(f"index {wrong} is out of bounds for dimension {dim} with size {length}")


def _without_gaps(indices: list[Tensor | None]) -> list[Tensor | None]:
    """Masks stand for as many axes as they have: drop the places kept for these."""
    found: list[Tensor | None] = []
    skip = 0
    for index in indices:
        if skip:
            skip -= 1
            continue
        found.append(index)
        if index is not None and index.dtype in _MASKS:
            skip = index._value.ndim - 1
    return found


def indexed(x: Tensor, indices: Sequence[Tensor | None]) -> Tensor:
    """Elements at index tensors, `None` standing for whole axes."""
    value = x._value
    if type(value) is np.ndarray and x._dtype is None:
        quick = _quick(x, value, indices)
        if quick is not None:
            return quick
    places, lead = positions(x, indices)
    return with_places(index_op, (x,), places, lead=lead)  # type: ignore[no-any-return]  # a tensor


def _quick(x: Tensor, value: Any, indices: Sequence[Tensor | None]) -> Tensor | None:
    """Elements of a plain tensor at one plain index tensor, with a node of shapes alone."""
    index = indices[-1]
    at = len(indices) - 1
    if index is None or any(other is not None for other in indices[:-1]):
        return None
    place = index._value
    if type(place) is not np.ndarray or place.dtype.kind not in "ib" or at >= value.ndim:
        return None
    if place.dtype.kind == "b":
        if place.ndim != 1 or place.size != value.shape[at]:
            return None
        place = np.nonzero(place)[0]
    try:
        found = value.take(place, at)
    except IndexError:
        return None  # the general way says what is wrong
    shape, name = value.shape, "index"
    if x._requires and STATE.grad and place is index._value:
        place = np.array(place)  # the user may change it
    rule = LinearRule(lambda ct, _: scatter_add(ct, (place,), shape, at))
    return linear_result(index_op.cls, name, x, found, rule)


def getitem(self: Tensor, key: Any) -> Tensor:
    """x[key]: views for integers, slices, None and Ellipsis; else the chosen elements."""
    view, indices = _split_key(self, key)
    if indices:
        return indexed(view, _without_gaps(indices))
    return alias_op(self) if view is self else view


# --- writing ----------------------------------------------------------------------------------


def index_put(
    x: Tensor, indices: Sequence[Any], values: Tensor, accumulate: bool = False
) -> Tensor:
    """The tensor with values at index tensors."""
    places, lead = positions(x, indices)
    shape = _result_shape(x, places, lead)
    try:
        fits = np.broadcast_shapes(values._value.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(values._value.shape)} cannot be "
            f"broadcast to indexing result of shape {list(shape)}"
        )
    if values.dtype is not x.dtype:
        raise RuntimeError(
            "Index put requires the source and destination dtypes match, got "
            f"{x.dtype.legacy} for the destination and {values.dtype.legacy} for the source."
        )
    return with_places(index_put_op, (x, values), places, lead=lead, accumulate=accumulate)  # type: ignore[no-any-return]  # a tensor


def _result_shape(x: Tensor, places: Sequence[Any], lead: Sequence[int]) -> tuple[int, ...]:
    common = np.broadcast_shapes(*[place.shape for place in places])
    shape = tuple(x._value.shape)
    taken = [i for i, flag in enumerate(lead) if flag]
    kept = [n for i, n in enumerate(shape) if i not in taken]
    at = taken[0] if taken[-1] - taken[0] == len(taken) - 1 else 0
    return (*kept[:at], *common, *kept[at:])


def index_put_(
    self: Tensor, indices: Sequence[Any], values: Tensor, accumulate: bool = False
) -> Tensor:
    """Write values at index tensors."""
    check_writable(self)
    if accumulate or _is_traced(self, values) or values.dtype is not self.dtype:
        return overwrite(self, index_put(before(self, (values,)), indices, values, accumulate))
    places, lead = positions(self, indices)
    if not _fits(values, _result_shape(self, places, lead)) or _is_traced(*places):
        return overwrite(self, index_put(before(self, (values,)), indices, values, accumulate))
    node = None
    operands = (self, values)
    mask = (self._requires, values._requires)
    if STATE.grad and True in mask:
        places = [np.array(place) for place in places]  # the user may change them
        rule = DeferredRule(
            lambda x, v: _put(x, v, *places, lead=lead, accumulate=False),
            (self._value, values._value),
            mask,
        )
        node = node_for(index_put_op, rule, operands)
    array = self._array()
    if overlaps(array):
        raise RuntimeError(OVERLAP)
    keep_before_write(self)
    array[_key_of(None, *places, lead=lead)] = values._value
    return written(self, node)


def _fits(values: Tensor, shape: tuple[int, ...]) -> bool:
    own = values._value.shape
    return len(own) <= len(shape) and all(
        a in (1, b) for a, b in zip(own[::-1], shape[::-1], strict=False)
    )


def _is_traced(*values: Any) -> bool:
    """Whether a functional transform traces one of these tensors or arrays."""
    return any(isinstance(getattr(x, "_value", x), Tracer) for x in values)


def setitem(self: Tensor, key: Any, value: Any) -> None:
    """x[key] = value, broadcast to the part and cast to its type."""
    if key is False:
        return
    view, indices = _split_key(self, key, always=False)
    if indices:
        values = value if isinstance(value, Tensor) else value_for(self, value)
        index_put_(view, _without_gaps(indices), values)
        return
    values = value if isinstance(value, Tensor) else value_for(self, value)
    own, shape = tuple(values._value.shape), tuple(view._value.shape)
    if own == shape:
        copy_(view, values)
    elif not own:
        fill_(view, values)
    else:
        values = without_leading_ones(values, len(shape))
        copy_(view, values if tuple(values._value.shape) == shape else expand(values, shape))


def contains(self: Tensor, element: Any) -> bool:
    """Whether any element equals this."""
    if not isinstance(element, Tensor | int | float | complex):
        raise RuntimeError(
            "Tensor.__contains__ only supports Tensor or scalar, but you passed in a "
            f"{type(element)}."
        )
    other = element._value if isinstance(element, Tensor) else element
    return bool(np.any(self._value == other))


for _name, _method in (("getitem", getitem), ("setitem", setitem), ("contains", contains)):
    setattr(Tensor, f"__{_name}__", _method)
