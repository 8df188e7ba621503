"""Elements laid into places given by index tensors along an axis."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad import stop_gradient
from funcgrad.compat.torch.arguments import outside
from funcgrad.compat.torch.compilation_breaks import check_places
from funcgrad.compat.torch.dims import check_dim
from funcgrad.compat.torch.entering import enter
from funcgrad.compat.torch.filling import value_for
from funcgrad.compat.torch.indexing import with_places
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.outputs import reduced
from funcgrad.compat.torch.shapes import reshape
from funcgrad.compat.torch.taking import checked, flatten_view, key_along
from funcgrad.compat.torch.tensor import Tensor
from funcgrad.core.tracer import Tracer

__all__ = ["index_add", "index_copy", "index_fill", "index_reduce", "scatter", "scatter_add",
           "scatter_reduce"]  # fmt: skip


# --- laying along an axis ---------------------------------------------------------------------


def _scattered(method: str) -> Callable[..., Any]:
    def function(x: Any, src: Any, places: Any, *, dim: int) -> Any:
        if not places.size:
            return x * 1
        if not x.shape:
            return function(
                np.reshape(x, (1,)), np.reshape(src, (-1,)), np.reshape(places, (-1,)), dim=0
            ).reshape(())
        if not places.shape:  # one place of a vector
            places, src = np.reshape(places, (1,)), np.reshape(src, (-1,))
        part = src[tuple([slice(n) for n in places.shape])] if len(src.shape) else src
        return getattr(fnp.at(x)[key_along(places, dim)], method)(part)

    return function


scatter_op = Op("ScatterBackward0", _scattered("set"), linear=True)
scatter_value_op = Op(
    "ScatterBackward1",
    lambda x, places, *, dim, value: _scattered("set")(x, np.asarray(value), places, dim=dim),
    linear=True,
)
scatter_add_op = Op("ScatterAddBackward0", _scattered("add"), linear=True)
scatter_times_op = Op("NotImplemented", _scattered("multiply"))


def _same_type(name: str, input: Tensor, src: Tensor) -> None:
    if src.dtype is not input.dtype:
        raise RuntimeError(f"{name}(): Expected self.dtype to be equal to src.dtype")


@enter("scatter", inplace=True)
def scatter(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Any = None,
    *,
    value: Any = None,
    reduce: str | None = None,
) -> Tensor:
    """The tensor with src[i, j] at [index[i, j], j] for `dim` 0, and so on for other axes."""
    given = value if src is None else src
    if isinstance(given, Tensor):
        _same_type("scatter", input, given)
        at, places = checked("scatter", input, dim, index, given)
    else:
        at, places = checked("scatter", input, dim, index, input)
        number = value_for(input, given)._value
        if reduce is None:
            return with_places(scatter_value_op, (input,), (places,), dim=at, value=number)  # type: ignore[no-any-return]  # a tensor
        given = number
    if reduce is None:
        return with_places(scatter_op, (input, given), (places,), dim=at)  # type: ignore[no-any-return]  # a tensor
    if reduce not in ("add", "multiply"):
        raise RuntimeError("reduce argument must be either add or multiply.")
    if isinstance(given, Tensor):
        warnings.warn(
            "The reduce argument of torch.scatter with Tensor src is deprecated and will be "
            "removed in a future PyTorch release. Use torch.scatter_reduce instead for more "
            "reduction options.",
            UserWarning,
            stacklevel=outside(),
        )
    op = scatter_add_op if reduce == "add" else scatter_times_op
    return with_places(op, (input, given), (places,), dim=at)  # type: ignore[no-any-return]  # a tensor


@enter("scatter_add", inplace=True)
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """The tensor with src[i, j] added at [index[i, j], j] for `dim` 0, and so on."""
    _same_type("scatter", input, src)
    at, places = checked("scatter_add", input, dim, index, src)
    return with_places(scatter_add_op, (input, src), (places,), dim=at)  # type: ignore[no-any-return]  # a tensor


def _reduced(x: Any, src: Any, places: Any, *, key: Any, reduce: str, include_self: bool) -> Any:
    """x with values reduced into places; the values of x there count too, or not."""
    if not places.size:
        return x * 1
    kind = x.dtype
    count = fnp.at(np.zeros(x.shape, np.int64))[key].add(np.ones(src.shape, np.int64))
    touched = count > 0
    if reduce in ("amax", "amin"):
        return _extreme(x, src, key, touched, reduce, include_self)
    neutral = 1 if reduce == "prod" else 0
    start = x if include_self else np.where(touched, kind.type(neutral), x)
    if reduce == "prod":
        return fnp.at(start)[key].multiply(src)
    total = fnp.at(start)[key].add(src)
    if reduce == "sum":
        return total
    count = count + 1 if include_self else np.where(touched, count, 1)
    return (total // count).astype(kind) if kind.kind in "iu" else total / count.astype(kind)


def _extreme(x: Any, src: Any, key: Any, touched: Any, reduce: str, include_self: bool) -> Any:
    """Largest or smallest values; where several are equal, the derivative is split evenly."""
    if x.dtype.kind in "iu":
        ends = np.iinfo(x.dtype)
        low, high = ends.min, ends.max
    elif x.dtype.kind == "b":
        low, high = 0, 1
    else:
        low, high = -np.inf, np.inf  # type: ignore[assignment]  # a float
    worst = x.dtype.type(low if reduce == "amax" else high)
    start = x if include_self else np.where(touched, worst, x)
    best = stop_gradient(getattr(fnp.at(start)[key], reduce[1:])(src))
    if x.dtype.kind in "iub":
        return best
    at_best = best[key]
    ours, theirs = (start == best) & touched, src == at_best
    if not include_self:
        ours = ours & False
    number = fnp.at(ours.astype(np.int64))[key].add(theirs.astype(np.int64))
    zero = x.dtype.type(0)
    with np.errstate(invalid="ignore"):
        change = np.where(ours & np.isfinite(best), start - best, zero)
        change = fnp.at(change)[key].add(
            np.where(theirs & np.isfinite(at_best), src - at_best, zero)
        )
    return np.where(touched, best + change / np.maximum(number, 1).astype(x.dtype), x)


_reduce_ops = {name: Op(f"{name}Backward0", _reduced) for name in ("ScatterReduce", "IndexReduce")}


@enter("scatter_reduce", inplace=True)
def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """The tensor with src reduced (sum, prod, mean, amax, amin) into the places of `scatter`."""
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(
            f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}"
        )
    _same_type("scatter", input, src)
    at, places = checked("scatter_reduce", input, dim, index, src)
    if not input.dim():
        vector, places, source = map(flatten_view, (input, index, src))
        out = scatter_reduce(vector, 0, places, source, reduce, include_self=include_self)
        return reshape(out, ())
    lengths = tuple(index.shape) or (1,)

    def function(x: Any, src: Any, places: Any) -> Any:
        places = np.reshape(places, lengths)
        part = np.reshape(src, src.shape or (1,))[tuple([slice(n) for n in lengths])]
        return _reduced(
            x, part, places, key=key_along(places, at), reduce=reduce, include_self=include_self
        )

    return with_places(Op("ScatterReduceBackward0", function), (input, src), (places,))  # type: ignore[no-any-return]  # a tensor


# --- laying parts -----------------------------------------------------------------------------


def _rows(name: str, input: Tensor, dim: int, index: Tensor) -> tuple[int, Any]:
    """The axis and the indices along it, as a vector."""
    at = check_dim(dim, input.dim())
    places = index._value
    if places.ndim > 1:
        raise IndexError(f"{name}(): Index is supposed to be a vector")
    if index.dtype.category != 1:
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index")
    places = np.reshape(places, (-1,))
    length = input.shape[at] if input.dim() else 1
    check_places(places, 0, length)
    if not isinstance(places, Tracer) and places.size:
        low, high = int(places.min()), int(places.max())
        if name == "index_fill_" and -length <= low and high < length:
            return at, places % length
        if low < 0 or high >= length:
            wrong = low if low < 0 else high
            if name == "index_fill_":
                raise IndexError(
                    f"index {wrong} is out of bounds for dimension {at} with size {length}"
                )
            raise IndexError("index out of range in self")
    return at, places


def _laid(method: str) -> Callable[..., Any]:
    def function(x: Any, src: Any, places: Any, *, dim: int, alpha: Any = 1) -> Any:
        if not x.shape:
            return function(
                np.reshape(x, (1,)), np.reshape(src, (-1,)), places, dim=0, alpha=alpha
            ).reshape(())
        if not len(src.shape) and len(x.shape):
            src = np.reshape(src, (1,) * len(x.shape))
        if alpha != 1:
            src = src * (reduced(alpha, x) if x.dtype.kind in "iu" else x.dtype.type(alpha))
        return getattr(fnp.at(x)[(slice(None),) * dim + (places,)], method)(src)

    return function


index_add_op = Op("IndexAddBackward0", _laid("add"), linear=True)
index_copy_op = Op("IndexCopyBackward0", _laid("set"), linear=True)
index_fill_op = Op(
    "IndexFillBackward0",
    lambda x, places, *, dim, value: _laid("set")(x, np.asarray(value), places, dim=dim),
    linear=True,
)
index_fill_tensor_op = Op("IndexFillBackward1", _laid("set"), linear=True)


def _fitting(name: str, input: Tensor, at: int, places: Any, source: Tensor) -> None:
    if source.dtype is not input.dtype:
        raise RuntimeError(
            f"{name}(): self ({input.dtype.legacy}) and source ({source.dtype.legacy}) must have "
            "the same scalar type"
        )
    own, given = tuple(input.shape), tuple(source.shape)
    if not own:
        return
    wanted = (*own[:at], int(places.size), *own[at + 1 :])
    if given != wanted and not (not given and int(places.size) == 1):
        raise RuntimeError(
            f"{name}(): Source/destination tensor must have same slice shapes. Destination slice "
            f"shape: {list(own[:at] + own[at + 1 :])} at dimension {at} and source slice shape: "
            f"{list(given[:at] + given[at + 1 :])} at dimension 0."
            if int(places.size) == (given[at] if at < len(given) else 1)
            else f"{name}_(): Number of indices ({int(places.size)}) should be equal to "
            f"source.size(dim): ({given[at] if at < len(given) else 1}), for dim: {at}"
        )


@enter("index_add", inplace=True)
def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
    """The tensor with alpha times the parts of another added at given indices along an axis."""
    at, places = _rows("index_add", input, dim, index)
    _fitting("index_add", input, at, places, source)
    return with_places(index_add_op, (input, source), (places,), dim=at, alpha=alpha)  # type: ignore[no-any-return]  # a tensor


@enter("index_copy", inplace=True)
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """The tensor with the parts of another at given indices along an axis."""
    at, places = _rows("index_copy", input, dim, index)
    _fitting("index_copy", input, at, places, source)
    return with_places(index_copy_op, (input, source), (places,), dim=at)  # type: ignore[no-any-return]  # a tensor


@enter("index_fill", inplace=True)
def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """The tensor with one value at given indices along an axis."""
    at, places = _rows("index_fill_", input, dim, index)
    if isinstance(value, Tensor):
        if value.dim():
            raise RuntimeError(
                "index_fill_ only supports a 0-dimensional value tensor, but got tensor with "
                f"{value.dim()} dimension(s)."
            )
        values = value_for(input, value)
        return with_places(index_fill_tensor_op, (input, values), (places,), dim=at)  # type: ignore[no-any-return]  # a tensor
    number = value_for(input, value)._value
    return with_places(index_fill_op, (input,), (places,), dim=at, value=number)  # type: ignore[no-any-return]  # a tensor


@enter("index_reduce", inplace=True)
def index_reduce(
    input: Tensor,
    dim: int,
    index: Tensor,
    source: Tensor,
    reduce: str,
    *,
    include_self: bool = True,
) -> Tensor:
    """The tensor with the parts of another reduced into given indices along an axis."""
    at, places = _rows("index_reduce", input, dim, index)
    _fitting("index_reduce", input, at, places, source)
    if not input.dim():
        vector, parts = flatten_view(input), flatten_view(source)
        out = index_reduce(vector, 0, index, parts, reduce, include_self=include_self)
        return reshape(out, ())

    def function(x: Any, src: Any, places: Any) -> Any:
        key = (slice(None),) * at + (places,)
        return _reduced(x, src, places, key=key, reduce=reduce, include_self=include_self)

    return with_places(Op("IndexReduceBackward0", function), (input, source), (places,))  # type: ignore[no-any-return]  # a tensor
