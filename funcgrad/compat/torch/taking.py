"""Elements taken from places given by index tensors and masks."""

from typing import Any

import numpy as np

from funcgrad.compat.torch.arguments import kind_of
from funcgrad.compat.torch.compilation_breaks import check_places
from funcgrad.compat.torch.dims import check_dim, integers
from funcgrad.compat.torch.indexing import elements, with_places
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.outputs import with_out
from funcgrad.compat.torch.registry import expose
from funcgrad.compat.torch.shapes import expand, flatten
from funcgrad.compat.torch.tensor import Tensor, holder
from funcgrad.core.tracer import Tracer

__all__ = ["checked", "flat_within", "flatten_view", "gather", "index_select", "key_along",
           "masked_select_op", "nonzero", "take"]  # fmt: skip


def key_along(places: Any, dim: int) -> tuple[Any, ...]:
    """Index arrays that vary along one axis by `places`, along the others with the position."""
    rank = len(places.shape)
    return tuple(
        [
            places if axis == dim else np.arange(length).reshape((-1,) + (1,) * (rank - 1 - axis))
            for axis, length in enumerate(places.shape)
        ]
    )


def checked(name: str, input: Tensor, dim: int, index: Any, src: Any = None) -> tuple[int, Any]:
    """The axis, and the places along it.

    Raises:
        RuntimeError: for indices of a wrong type, number of axes or size, and out of bounds.
    """
    at = check_dim(dim, input.dim())
    if not isinstance(index, Tensor):
        raise TypeError(f"{name}(): argument 'index' must be Tensor, not {kind_of(index)}")
    places = index._value
    if not places.size:
        return at, places.astype(np.int64)
    if index.dtype.name not in ("int64", "int32"):
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index")
    if (places.ndim or 1) != (input.dim() or 1):
        raise RuntimeError(
            "Index tensor must have the same number of dimensions as "
            f"{'input' if src is None else 'self'} tensor"
        )
    shape = input._value.shape or (1,)
    for axis, length in enumerate(places.shape):
        if axis != at and length > shape[axis]:
            raise RuntimeError(
                f"Size does not match at dimension {axis} expected index {list(places.shape)} to "
                f"be no larger than self {list(input._value.shape)} apart from dimension {at}"
            )
        if src is not None and length > (src._value.shape or (1,))[axis]:
            raise RuntimeError(
                f"Expected index {list(places.shape)} to be no larger than src "
                f"{list(src._value.shape)}"
            )
    _within(places, at, shape[at])
    return at, places


def _within(places: Any, dim: int, length: int) -> None:
    check_places(places, 0, length)
    if isinstance(places, Tracer) or not np.size(places):
        return
    low, high = int(np.min(places)), int(np.max(places))
    if low < 0 or high >= length:
        raise RuntimeError(
            f"index {low if low < 0 else high} is out of bounds for dimension {dim} with size "
            f"{length}"
        )


# --- taking -----------------------------------------------------------------------------------


def _gather(x: Any, places: Any, *, dim: int) -> Any:
    if not len(places.shape):
        return elements(np.reshape(x, (-1,)), np.reshape(places, (1,))).reshape(())
    if not places.size:
        return elements(np.reshape(x, (-1,)), places)
    if not x.shape:
        x = np.reshape(x, (1,))
    return elements(x, key_along(places, dim))


gather_op = Op("GatherBackward0", _gather, linear=True)
index_select_op = Op(
    "IndexSelectBackward0",
    lambda x, places, *, dim: elements(x, (slice(None),) * dim + (places,)),
    linear=True,
)
take_op = Op("TakeBackward0", lambda x, places: elements(np.reshape(x, (-1,)), places), linear=True)


def _masked_select(x: Any, mask: Any) -> Any:
    shape = np.broadcast_shapes(x.shape, mask.shape)
    chosen = np.nonzero(np.reshape(np.broadcast_to(mask, shape) != 0, (-1,)))[0]
    return np.reshape(np.broadcast_to(x, shape), (-1,))[chosen]


masked_select_op = Op("MaskedSelectBackward0", _masked_select, linear=True)


@expose("gather")
@with_out
def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """out[i, j] = input[index[i, j], j] for `dim` 0, and so on for other axes."""
    at, places = checked("gather", input, dim, index)
    return with_places(gather_op, (input,), (places,), dim=at)  # type: ignore[no-any-return]  # a tensor


@expose("index_select")
@with_out
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The parts at given indices along an axis."""
    at = check_dim(dim, input.dim())
    places = index._value
    if places.ndim > 1:
        raise IndexError("index_select(): Index is supposed to be a vector")
    if index.dtype.category != 1:
        raise RuntimeError("index_select(): Expected dtype int32 or int64 for index")
    check_places(places, 0, input.shape[at] if input.dim() else 1)
    if not isinstance(places, Tracer) and np.size(places):
        length = input.shape[at] if input.dim() else 1
        if int(np.min(places)) < 0 or int(np.max(places)) >= length:
            raise IndexError("index out of range in self")
    if not input.dim():
        return input.clone()  # type: ignore[attr-defined,no-any-return]  # entered
    return with_places(index_select_op, (input,), (np.reshape(places, (-1,)),), dim=at)  # type: ignore[no-any-return]  # a tensor


@expose("take")
@with_out
def take(input: Tensor, index: Tensor) -> Tensor:
    """Elements of the flattened tensor."""
    if index.dtype.name != "int64":
        raise RuntimeError(
            f"take(): Expected a long tensor for index, but got {index.dtype.legacy}"
        )
    flat_within(index._value, input.numel())
    return with_places(take_op, (input,), (index._value,))  # type: ignore[no-any-return]  # a tensor


def flat_within(places: Any, count: int) -> None:
    """Refuse positions beyond a number of elements, counted from either end.

    Raises:
        IndexError: for these.
    """
    check_places(places, -count, count)
    if isinstance(places, Tracer) or not np.size(places):
        return
    low, high = int(np.min(places)), int(np.max(places))
    if low < -count or high >= count:
        raise IndexError(
            f"out of range: tried to access index {low if low < -count else high} on a tensor of "
            f"{count} elements."
        )


@expose("take_along_dim")
@with_out
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """As `gather`, with the other axes broadcast; without an axis, of the flattened tensor."""
    if dim is None:
        flat = flatten_view(input)
        return gather(flat, 0, _counted_on(flatten(indices), input.numel()))  # type: ignore[no-any-return]  # a tensor
    at = check_dim(dim, input.dim())
    if indices.dim() != input.dim():
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of dimensions, "
            f"but got {input.dim()} dimensions for input, and {indices.dim()} dimensions for "
            "indices"
        )
    shape = [
        n if axis == at else max(n, m) if 0 not in (n, m) else 0
        for axis, (n, m) in enumerate(zip(input.shape, indices.shape, strict=True))
    ]
    wide = [
        m if axis == at else n for axis, (n, m) in enumerate(zip(shape, indices.shape, strict=True))
    ]
    indices = _counted_on(indices, shape[at])
    return gather(expand(input, tuple(shape)), at, expand(indices, tuple(wide)))  # type: ignore[no-any-return]  # a tensor


def _counted_on(indices: Tensor, length: int) -> Tensor:
    """Indices from the end as indices from the beginning."""
    places = indices._value
    check_places(places, 0)
    if isinstance(places, Tracer) or not places.size or places.min() >= 0:
        return indices
    return holder(np.where(places < 0, places + length, places))


def flatten_view(tensor: Tensor) -> Tensor:
    """All axes as one, also of a vector as an operation."""
    return tensor.reshape(-1)  # type: ignore[attr-defined,no-any-return]  # entered


@expose("masked_select")
@with_out
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where a mask is true, as a vector."""
    if mask.dtype.category and mask.dtype.name != "uint8":
        raise RuntimeError("masked_select: expected BoolTensor for mask")
    return with_places(masked_select_op, (input,), (mask._value,))  # type: ignore[no-any-return]  # a tensor


def _nonzero(value: Any) -> Any:
    if isinstance(value, Tracer):
        return np.nonzero(value) if value.ndim else (np.nonzero(np.reshape(value, (1,)))[0],)
    return np.nonzero(value) if np.ndim(value) else (np.zeros(int(bool(value)), np.int64),)


nonzero_op = Op(
    None,
    lambda x: np.stack(_nonzero(x), axis=1) if x.ndim else np.zeros((int(bool(x)), 0), np.int64),
)
nonzero_tuple_op = Op(None, lambda x: tuple(_nonzero(x)))


@expose("nonzero")
@with_out
def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """The indices of the elements that are not zero: rows, or a vector for each axis."""
    return (nonzero_tuple_op if as_tuple else nonzero_op)(input)


@expose("argwhere")
def argwhere(input: Tensor) -> Tensor:
    """The indices of the elements that are not zero, as rows."""
    return nonzero_op(input)  # type: ignore[no-any-return]  # a tensor


@expose("unravel_index", method=False)
def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """Positions in C order as indices along each axis."""
    if indices.dtype.category != 1:
        raise ValueError(f"expected 'indices' to be integer dtype, but got {indices.dtype}")
    sizes = integers((shape,))
    return tuple([holder(np.asarray(x)) for x in np.unravel_index(indices._array(), sizes)])
