"""How elements lie in memory: strides, offsets, views by strides and windows, other sizes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from funcgrad.compat.torch.compilation_breaks import is_recorded, refuse
from funcgrad.compat.torch.dims import check_dim, integers
from funcgrad.compat.torch.dtypes import memory_format
from funcgrad.compat.torch.registry import expose
from funcgrad.compat.torch.tensor import Tensor
from funcgrad.compat.torch.views import View, is_dense, native, strides_of

__all__ = ["as_strided", "offset_of", "root_of", "unfold"]


def root_of(array: Any) -> Any:
    """The array that owns the memory another one shows, also through NumPy's strided views."""
    while True:
        base = array.base
        if not isinstance(base, np.ndarray):
            base = getattr(base, "base", None)  # views by strides hang on a holder of their base
            if not isinstance(base, np.ndarray):
                return array
        array = base


def offset_of(tensor: Tensor) -> int:
    """Elements before the first one in the memory that the tensor shows part of."""
    value = native(tensor)
    if is_recorded(value):
        refuse("it asks where a tensor lies in memory")
    if type(value) is not np.ndarray or not value.size:
        return 0
    lowest, _ = np.lib.array_utils.byte_bounds(root_of(value))
    return int((value.__array_interface__["data"][0] - lowest) // value.itemsize)


def _stride(self: Tensor, dim: int | None = None) -> Any:
    """Elements from one index to the next along each axis, or along one."""
    steps = strides_of(self)
    return steps if dim is None else steps[check_dim(dim, self.dim(), scalar=False)]


def _data_ptr(self: Tensor) -> int:
    """Address of the first element; 0 if there is none."""
    value = native(self)
    return int(value.__array_interface__["data"][0]) if value.size else 0


def _is_contiguous(self: Tensor, memory_format: memory_format | None = None) -> bool:
    """Whether the elements lie in C order (or with the axis of channels innermost)."""
    name = "contiguous_format" if memory_format is None else memory_format.name
    if name == "channels_last" and self.dim() == 4:
        return is_dense(_as_last(self, (0, 2, 3, 1)))
    if name == "channels_last_3d" and self.dim() == 5:
        return is_dense(_as_last(self, (0, 2, 3, 4, 1)))
    return name == "contiguous_format" and is_dense(self)


def _as_last(tensor: Tensor, order: Sequence[int]) -> Tensor:
    moved = tensor.detach()
    moved._value = np.transpose(moved._value, order)
    return moved


Tensor.stride = _stride  # type: ignore[attr-defined]  # a method, entered here
Tensor.storage_offset = offset_of  # type: ignore[attr-defined]  # as above
Tensor.data_ptr = _data_ptr  # type: ignore[attr-defined]  # as above
Tensor.is_contiguous = _is_contiguous  # type: ignore[attr-defined]  # as above


# --- views by strides -------------------------------------------------------------------------


def _distances(size: Sequence[int], steps: Sequence[int]) -> Any:
    """Σ iₖ stepₖ for each index."""
    found: Any = np.zeros(tuple(size), np.int64)
    for i, (length, step) in enumerate(zip(size, steps, strict=True)):
        found += (np.arange(length) * step).reshape((length,) + (1,) * (len(size) - 1 - i))
    return found


def _as_strided(x: Any, *, size: Any, steps: Any, shift: int, own: Any) -> Any:
    """Elements at `shift + Σ iₖ stepsₖ` from the first one of x: of an array they are a view."""
    if type(x) is np.ndarray:
        unit = x.itemsize if shift >= 0 else -x.itemsize
        strided = np.lib.stride_tricks.as_strided
        start = strided(x, (abs(shift) + 1,), (unit,))[abs(shift) :]
        return strided(start, size, tuple([step * x.itemsize for step in steps]))
    there = _distances(x.shape, own).reshape(-1)
    wanted = _distances(size, steps) + shift
    order = np.argsort(there, kind="stable")
    at = np.minimum(np.searchsorted(there, wanted, sorter=order), max(there.size - 1, 0))
    places = order[at]
    if not np.array_equal(there[places], wanted):
        raise RuntimeError(
            "as_strided: the view reaches elements that are not part of the input, which requires "
            "grad. Take the view of the tensor that holds them all."
        )
    return np.reshape(x, (-1,))[places]


as_strided_op = View("AsStridedBackward0", _as_strided)


@expose("as_strided")
def as_strided(input: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """A view of the memory by sizes, strides and an offset, all counted in elements."""
    size, steps = integers((size,)), integers((stride,))
    if len(size) != len(steps):
        raise RuntimeError("mismatch in length of strides and shape")
    if min(steps, default=0) < 0:
        raise RuntimeError(
            f"as_strided: Negative strides are not supported at the moment, got strides: "
            f"{list(steps)}"
        )
    own = offset_of(input)
    offset = own if storage_offset is None else int(storage_offset)
    value = native(input)
    if type(value) is np.ndarray and 0 not in size:
        lowest, highest = np.lib.array_utils.byte_bounds(root_of(value))
        count = (highest - lowest) // value.itemsize
        last = offset + sum((n - 1) * s for n, s in zip(size, steps, strict=True))
        if offset < 0 or last >= count:
            raise RuntimeError(
                f"setStorage: sizes {list(size)}, strides {list(steps)}, storage offset {offset}, "
                f"and itemsize {value.itemsize} requiring a storage size of "
                f"{(last + 1) * value.itemsize} are out of bounds for storage of size "
                f"{count * value.itemsize}"
            )
    return as_strided_op(  # type: ignore[no-any-return]  # a tensor
        input, size=size, steps=steps, shift=offset - own, own=strides_of(input)
    )


def _windows(x: Any, *, dim: int, size: int, step: int) -> Any:
    """Windows of a length along an axis, their elements along a new last axis."""
    if type(x) is np.ndarray:
        if not x.ndim:
            return np.lib.stride_tricks.as_strided(x, (size,), (x.itemsize,))
        found = np.lib.stride_tricks.sliding_window_view(x, size, dim, writeable=True)
        return found[(slice(None),) * dim + (slice(None, None, step),)]
    numbers = np.arange(int(x.size)).reshape(x.shape)
    return np.reshape(x, (-1,))[_windows(numbers, dim=dim, size=size, step=step)]


unfold_op = View("UnfoldBackward0", _windows)


def unfold(self: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """All windows of a length along an axis, `step` apart, as a view with a new last axis."""
    at = check_dim(dimension, self.dim())
    length = self.shape[at] if self.dim() else 1
    if size < 0:
        raise RuntimeError(f"size is {size} but must be >= 0")
    if size > length:
        raise RuntimeError(
            f"maximum size for tensor at dimension {at} is {length} but size is {size}"
        )
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    return unfold_op(self, dim=at, size=size, step=step)  # type: ignore[no-any-return]  # a tensor


Tensor.unfold = unfold  # type: ignore[attr-defined]  # as above


# --- other memory -----------------------------------------------------------------------------


def resize_(self: Tensor, *sizes: Any, memory_format: Any = None) -> Tensor:
    """Another size in place: the first elements stay, further ones are zeros."""
    if self._requires:
        raise RuntimeError("cannot resize variables that require grad")
    shape = integers(sizes)
    old = self._array()
    new = np.zeros(shape, old.dtype)
    count = min(old.size, new.size)
    if new.size <= old.size and old.flags.c_contiguous:
        new = old.reshape(-1)[: new.size].reshape(shape)
    else:
        new.reshape(-1)[:count] = old.reshape(-1)[:count]
    self._value = new
    return self


def set_(self: Tensor, source: Tensor | None = None) -> Tensor:
    """Show the memory of another tensor from now on."""
    if source is None:
        self._value, self._cell = np.empty(0, self._value.dtype), [0, None]
        return self
    if source.dtype is not self.dtype:
        raise RuntimeError(
            f"Could not set tensor of type {source.dtype.c_name} to a tensor of type "
            f"{self.dtype.c_name}"
        )
    self._value = native(source)
    return self


Tensor.resize_ = resize_  # type: ignore[attr-defined]  # as above
Tensor.resize_as_ = lambda self, the_template, memory_format=None: resize_(  # type: ignore[attr-defined]  # as above
    self, tuple(the_template.shape)
)
Tensor.set_ = set_  # type: ignore[attr-defined]  # as above


@expose("is_same_size")
def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same lengths along all axes."""
    return tuple(input.shape) == tuple(other.shape)


def _is_set_to(self: Tensor, tensor: Tensor) -> bool:
    """Whether two tensors show the same elements of the same memory."""
    return (
        _data_ptr(self) == _data_ptr(tensor)
        and is_same_size(self, tensor)
        and strides_of(self) == strides_of(tensor)
    )


Tensor.is_set_to = _is_set_to  # type: ignore[attr-defined]  # as above
Tensor.ndimension = Tensor.dim
