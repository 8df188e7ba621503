"""Values written in place: one value everywhere, or those of another tensor."""

from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.inplace import (
    CAST,
    before,
    check_writable,
    constant_op,
    overwrite,
    write,
)
from funcgrad.compat.torch.memory import as_strided
from funcgrad.compat.torch.op import rounded
from funcgrad.compat.torch.registry import expose
from funcgrad.compat.torch.shapes import reshape
from funcgrad.compat.torch.state import STATE
from funcgrad.compat.torch.static import Static
from funcgrad.compat.torch.tensor import METHODS, Tensor, holder
from funcgrad.compat.torch.views import strides_of
from funcgrad.core.tracer import Tracer

__all__ = ["copy_", "fill_", "value_for", "zero_"]


def _copied(x: Any, y: Any) -> Any:
    """The values y in the shape and type of x."""
    if y.dtype != x.dtype:
        y = np.real(y) if y.dtype.kind == "c" and x.dtype.kind != "c" else y
        with np.errstate(invalid="ignore", over="ignore"):
            y = y.astype(x.dtype)
    return fnp.where(False, x, y)


copy_op = Static("CopyBackwards", _copied)
zero_op = Static("ZeroBackward0", lambda x: fnp.where(False, x, x.dtype.type(0)))
fill_op = Static("FillBackward2", lambda x: fnp.where(False, x, x.dtype.type(0)))
fill_tensor_op = Static("FillBackward3", _copied)


def _written(self: Tensor, op: Static, others: tuple[Tensor, ...], values: Any) -> Tensor:
    """Write values that do not depend on the old ones, with the node of an operation."""
    operands = (self, *others)
    mask = tuple([x._requires for x in operands])
    node = None
    if STATE.grad and True in mask:
        arrays = [x._value for x in operands]
        if any(value.dtype.kind not in "fc" for value in arrays):
            others = tuple([CAST["to"](x, self.dtype) for x in others])
            operands = (self, *others)
            arrays = [x._value for x in operands]
        node = op.node_of(operands, arrays, mask, {})
    return write(self, values, node)


def _is_plain(*tensors: Tensor) -> bool:
    return not any(isinstance(x._value, Tracer) for x in tensors)


def value_for(tensor: Tensor, value: Any) -> Tensor:
    """A value to be written into a tensor, as a tensor of its type."""
    if isinstance(value, Tensor):
        return value if value.dtype is tensor.dtype else CAST["to"](value, tensor.dtype)
    if isinstance(value, list | tuple):
        raise TypeError(
            f"can't assign a {type(value).__name__} to a torch.{tensor.dtype.legacy}Tensor"
        )
    if isinstance(value, complex) and not tensor.dtype.is_complex:
        raise RuntimeError(
            f"value cannot be converted to type {tensor.dtype.c_name} without overflow"
        )
    if not isinstance(value, int | float | complex | np.generic | np.ndarray):
        raise TypeError(
            f"can't assign a {type(value).__name__} to a torch.{tensor.dtype.legacy}Tensor"
        )
    with np.errstate(invalid="ignore", over="ignore"):
        made = holder(np.asarray(value).astype(tensor._value.dtype))
    made._dtype = tensor._dtype
    return made


def copy_(self: Tensor, src: Any, non_blocking: bool = False) -> Tensor:
    """Write the values of another tensor, broadcast to this one's shape and cast to its type."""
    check_writable(self)
    values = src if isinstance(src, Tensor) else value_for(self, src)
    shape = tuple(self._value.shape)
    if tuple(values._value.shape) != shape:
        expanded_check(shape, tuple(values._value.shape))
    if _is_plain(self, values) and self.dtype.category >= values.dtype.category:
        given = rounded(values._value) if self._dtype is not None else values._value
        return _written(self, copy_op, (values,), given)
    return overwrite(self, copy_op(before(self, (values,)), values))


def expanded_check(shape: tuple[int, ...], own: tuple[int, ...]) -> None:
    """Refuse values that cannot be broadcast to a shape.

    Raises:
        RuntimeError: for these.
    """
    rank = max(len(shape), len(own))
    for i in range(1, rank + 1):
        a = shape[-i] if i <= len(shape) else 1
        b = own[-i] if i <= len(own) else 1
        if b not in (a, 1):
            if a == 1 or i > len(shape):
                raise RuntimeError(
                    f"output with shape {list(shape)} doesn't match the broadcast shape "
                    f"{list(np.broadcast_shapes(shape, own))}"
                )
            raise RuntimeError(
                f"The size of tensor a ({a}) must match the size of tensor b ({b}) at "
                f"non-singleton dimension {rank - i}"
            )


def fill_(self: Tensor, value: Any) -> Tensor:
    """Write one value everywhere."""
    check_writable(self)
    if isinstance(value, Tensor):
        if value.dim():
            raise RuntimeError(
                "fill_ only supports 0-dimension value tensor but got tensor with "
                f"{value.dim()} dimensions."
            )
        if _is_plain(self, value) and self.dtype.category >= value.dtype.category:
            given = rounded(value._value) if self._dtype is not None else value._value
            return _written(self, fill_tensor_op, (value,), given)
        return overwrite(self, fill_tensor_op(before(self, (value,)), value))
    number = value_for(self, value)._value
    if _is_plain(self):
        return _written(self, fill_op, (), rounded(number) if self._dtype is not None else number)
    return overwrite(self, holder(np.broadcast_to(number, self._value.shape)))


def zero_(self: Tensor) -> Tensor:
    """Write zeros."""
    check_writable(self)
    if _is_plain(self):
        return _written(self, zero_op, (), 0)
    return overwrite(self, zero_op(self))


METHODS["copy_"] = copy_
Tensor.copy_ = copy_  # type: ignore[attr-defined]  # a method, entered here
Tensor.fill_ = fill_  # type: ignore[attr-defined]  # as above
Tensor.zero_ = zero_  # type: ignore[attr-defined]  # as above
expose("zero_", zero_, method=False)
expose("fill_", fill_, method=False)


@expose("fill", method=False)
def fill(input: Tensor, value: Any) -> Tensor:
    """A tensor of the same size and type with one value everywhere."""
    if isinstance(value, Tensor):
        return fill_tensor_op(input, value)  # type: ignore[no-any-return]  # a tensor
    result: Tensor = fill_op(input)
    number = value_for(input, value)._value
    if _is_plain(input):
        result._value = np.full(input._value.shape, number)
        return result
    full = holder(np.broadcast_to(number, input._value.shape))
    if STATE.compiling is not None and STATE.grad and input.requires_grad:
        return constant_op(input, full)  # type: ignore[no-any-return]  # a tensor
    return full


def fill_diagonal_(self: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """Write one value along the main diagonal (of a tall matrix, with `wrap`, again and again)."""
    check_writable(self)
    shape = self.shape
    if len(shape) < 2:
        raise RuntimeError("dimensions must larger than 1")
    if len(shape) > 2 and len(set(shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    steps = strides_of(self)
    size = min(shape)
    fill_(as_strided(self, (size,), (sum(steps),)), fill_value)
    if wrap and len(shape) == 2 and shape[0] > shape[1] + 1:
        start = shape[1] * steps[0] + steps[0]
        more = (shape[0] * shape[1] - (shape[1] + 1) * shape[1] + shape[1]) // (shape[1] + 1)
        fill_(
            as_strided(self, (more,), (sum(steps),), self.storage_offset() + start),  # type: ignore[attr-defined]  # entered
            fill_value,
        )
    return self


Tensor.fill_diagonal_ = fill_diagonal_  # type: ignore[attr-defined]  # as above


def without_leading_ones(tensor: Tensor, rank: int) -> Tensor:
    """A value with leading axes of length 1 taken away, until it has no more axes than `rank`."""
    shape = tensor._value.shape
    lead = 0
    while lead < len(shape) - rank and shape[lead] == 1:
        lead += 1
    return reshape(tensor, tuple(shape[lead:])) if lead else tensor
