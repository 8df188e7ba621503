"""Elements laid into places given by masks, keys and positions."""

from collections.abc import Sequence
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.filling import value_for
from funcgrad.compat.torch.indexing import index_put, index_put_, with_places
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.registry import expose
from funcgrad.compat.torch.taking import flat_within
from funcgrad.compat.torch.tensor import Tensor

__all__ = ["index_put_function", "masked_fill", "masked_scatter", "put"]


# --- by masks, by keys, by flat positions -----------------------------------------------------


def _filled(x: Any, mask: Any, *, value: Any) -> Any:
    return fnp.where(mask, x.dtype.type(value), x)


masked_fill_op = Op("MaskedFillBackward0", _filled, linear=True)
masked_fill_tensor_op = Op(
    "MaskedFillBackward1",
    lambda x, value, mask: fnp.where(mask, value.astype(x.dtype), x),
    linear=True,
)


def _mask_of(name: str, mask: Tensor) -> Any:
    if mask.dtype.name != "bool":
        raise RuntimeError(
            f"{name} only supports boolean masks, but got mask with dtype {mask.dtype.c_name}"
        )
    return mask._value


@expose("masked_fill", inplace=True)
def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """The tensor with one value where a mask is true."""
    chosen = _mask_of("masked_fill_", mask)
    if isinstance(value, Tensor):
        if value.dim():
            raise RuntimeError(
                "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with "
                f"{value.dim()} dimension(s)."
            )
        return with_places(masked_fill_tensor_op, (input, value), (chosen,))  # type: ignore[no-any-return]  # a tensor
    number = value_for(input, value)._value
    return with_places(masked_fill_op, (input,), (chosen,), value=number)  # type: ignore[no-any-return]  # a tensor


def _masked_scatter(x: Any, source: Any, mask: Any) -> Any:
    where = np.nonzero(mask.reshape(-1))[0]
    flat = fnp.at(np.reshape(np.broadcast_to(x, mask.shape), (-1,)))[where]
    return np.reshape(flat.set(np.reshape(source, (-1,))[: where.size]), mask.shape)


masked_scatter_op = Op("MaskedScatterBackward0", _masked_scatter, linear=True)


@expose("masked_scatter", inplace=True)
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """The tensor with the elements of another, in order, where a mask is true."""
    chosen = _mask_of("masked_scatter_", mask)
    if source.dtype is not input.dtype:
        raise RuntimeError(
            "masked_scatter: expected self and source to have same dtypes but got "
            f"{input.dtype.legacy} and {source.dtype.legacy}"
        )
    shape = np.broadcast_shapes(input._value.shape, chosen.shape)
    wide = np.broadcast_to(chosen, shape)
    if int(np.count_nonzero(wide)) > source.numel():
        raise RuntimeError("Number of elements of source < number of ones in mask")
    return with_places(masked_scatter_op, (input, source), (wide,))  # type: ignore[no-any-return]  # a tensor


def _put(x: Any, source: Any, places: Any, *, accumulate: bool) -> Any:
    update = fnp.at(np.reshape(x, (-1,)))[np.reshape(places, (-1,))]
    values = np.reshape(source, (-1,))
    return np.reshape(update.add(values) if accumulate else update.set(values), x.shape)


put_op = Op("PutBackward0", _put, linear=True)


@expose("put", inplace=True)
def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """The tensor with values at positions of the flattened tensor."""
    if source.dtype is not input.dtype:
        raise RuntimeError(
            "put_(): self and source expected to have the same dtype, but got self.dtype = "
            f"{input.dtype.legacy} and source.dtype = {source.dtype.legacy}"
        )
    if index.numel() != source.numel():
        raise RuntimeError(
            "put_(): Expected source and index to have the same number of elements, but got "
            f"source.numel() = {source.numel()}, index.numel() = {index.numel()}"
        )
    flat_within(index._value, input.numel())
    return with_places(put_op, (input, source), (index._value,), accumulate=accumulate)  # type: ignore[no-any-return]  # a tensor


@expose("index_put", method=True)
def index_put_function(
    input: Tensor, indices: Sequence[Any], values: Tensor, accumulate: bool = False
) -> Tensor:
    """The tensor with values at index tensors, as in x[indices] = values."""
    return index_put(input, indices, values, accumulate)


expose("index_put_", index_put_)
