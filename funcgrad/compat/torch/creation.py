"""Making tensors from data."""

import functools
import operator
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from funcgrad.compat.torch.dtypes import (
    CPU,
    DTYPES,
    Size,
    as_dtype,
    category_of,
    check_device,
    dtype,
    dtype_of_numpy,
    promote_types,
)
from funcgrad.compat.torch.op import rounded
from funcgrad.compat.torch.state import SETTINGS, STATE
from funcgrad.compat.torch.tensor import METHODS, Tensor, holder, plain_array
from funcgrad.core.tracer import Tracer

__all__ = ["as_tensor", "filled", "from_numpy", "made", "sizes_of", "tensor"]

BFLOAT16 = DTYPES["bfloat16"]


def made(
    array: Any, kind: dtype | None = None, requires_grad: bool = False, where: Any = CPU
) -> Tensor:
    """A new tensor around an array that nobody else holds; `None` is the default device."""
    if kind is not None and array.dtype != kind.numpy:
        array = np.asarray(array).astype(kind.numpy)
    result = holder(array if kind is not BFLOAT16 else np.asarray(rounded(array)))
    if kind is BFLOAT16:
        result._dtype = kind
    if where is None:
        where = STATE.device
    if where is not None and where is not CPU:
        found = check_device(where)
        if found is not CPU and found != CPU:
            result._where = found
    if requires_grad:
        if result.dtype.category < 2:
            raise RuntimeError(
                "Only Tensors of floating point and complex dtype can require gradients"
            )
        result._requires = True
    return result


def sizes_of(args: Sequence[Any], function: str = "empty") -> tuple[int, ...]:
    """Sizes given one by one, or as one sequence.

    Raises:
        TypeError: for what is no integer.
        RuntimeError: for a negative size.
    """
    if len(args) == 1:
        only = args[0]
        if isinstance(only, tuple | list):
            args = only
        elif isinstance(only, bool) or not hasattr(only, "__index__"):
            raise TypeError(
                f"{function}(): argument 'size' (position 1) must be tuple of ints, not "
                f"{type(only).__name__}"
            )
    sizes = tuple([_size_at(function, place, n) for place, n in enumerate(args, 1)])
    for n in sizes:
        if n < 0:
            if function == "zeros":
                raise RuntimeError("zeros: Dimension size must be non-negative.")
            raise RuntimeError(
                f"Trying to create tensor with negative dimension {n}: {list(sizes)}"
            )
    return sizes


def _size_at(function: str, place: int, n: Any) -> int:
    try:
        return operator.index(n)
    except TypeError:
        raise TypeError(
            f"{function}(): argument 'size' failed to unpack the object at pos {place} with error "
            f'"type must be tuple of ints,but got {type(n).__name__}"'
        ) from None


def _kinds(wide: bool) -> tuple[Any, ...]:
    """Types of Python numbers by category: the default ones, or wide ones that are cast later."""
    if wide:
        return np.bool_, np.int64, np.float64, np.complex128
    kind = SETTINGS.default_dtype
    return np.bool_, np.int64, kind.numpy, kind.to_complex().numpy


def _from_data(data: Any, wide: bool = False) -> Any:
    """An array of nested lists, numbers, arrays and tensors, of the type PyTorch gives it."""
    if isinstance(data, np.ndarray):
        _check_array(data)
        return np.array(data)
    if isinstance(data, np.generic):
        dtype_of_numpy(data.dtype)
        return np.array(data)
    if isinstance(data, str):
        raise TypeError("new(): invalid data type 'str'")
    if isinstance(data, bool | int | float | complex):
        try:
            with np.errstate(over="ignore"):
                return np.array(data, _kinds(wide)[category_of(data)])
        except OverflowError:
            raise ValueError("Overflow when unpacking long long") from None
    if isinstance(data, Sequence) and not isinstance(data, str):
        return _from_sequence(data, wide)
    if hasattr(data, "__array__"):
        return np.array(data)
    if isinstance(data, str):
        raise TypeError("new(): invalid data type 'str'")
    raise RuntimeError(f"Could not infer dtype of {type(data).__name__}")


def _shape_of(data: Any) -> tuple[int, ...]:
    if isinstance(data, np.ndarray):
        return tuple(data.shape)
    if isinstance(data, Sequence) and not isinstance(data, str):
        return (len(data), *_shape_of(data[0])) if len(data) else (0,)
    return ()


def _leaves(data: Any, shape: tuple[int, ...], dim: int, out: list[Any]) -> None:
    """Collect the numbers of nested sequences; arrays and tensors give those they hold."""
    array: Any = None
    if isinstance(data, np.ndarray):
        array = data
    elif isinstance(data, Tensor) and dim < len(shape) and not isinstance(data._value, Tracer):
        array = np.asarray(data._value)
    if array is not None:
        if tuple(array.shape) != shape[dim:]:
            raise ValueError(
                f"expected sequence of length {shape[dim]} at dim {dim} (got {len(array)})"
            )
        out.extend(array.reshape(-1))
        return
    if dim == len(shape):
        if isinstance(data, str):
            if out:
                raise TypeError("new(): invalid data type 'str'")
            raise ValueError("too many dimensions 'str'")
        if isinstance(data, Sequence):
            raise TypeError(f"'{type(data).__name__}' object cannot be interpreted as an integer")
        out.append(_number_in(data) if isinstance(data, Tensor) else data)
        return
    if not isinstance(data, Sequence):
        raise TypeError("not a sequence")
    if len(data) != shape[dim]:
        raise ValueError(f"expected sequence of length {shape[dim]} at dim {dim} (got {len(data)})")
    for item in data:
        _leaves(item, shape, dim + 1, out)


def _number_in(tensor: Tensor) -> Any:
    """The element of a tensor of one element, as a NumPy scalar of its type."""
    if tensor._value.size != 1:
        raise ValueError("only one element tensors can be converted to Python scalars")
    return np.asarray(plain_array(tensor, "item")).reshape(())[()]


def _common_kind(items: Sequence[Any], wide: bool) -> Any:
    """The NumPy type of numbers among which are NumPy scalars, which keep theirs."""
    kinds = []
    for found in {type(item): item for item in items}.values():
        of_numpy = isinstance(found, np.generic)
        numbers = found.dtype if of_numpy else np.dtype(_kinds(wide)[category_of(found)])
        kinds.append(dtype_of_numpy(numbers))
    return functools.reduce(promote_types, kinds).numpy


def _from_sequence(data: Sequence[Any], wide: bool) -> Any:
    shape = _shape_of(data)
    items: list[Any] = []
    _leaves(data, shape, 0, items)
    if not items:
        return np.empty(shape, SETTINGS.default_dtype.numpy)
    for item in items:
        if not isinstance(item, bool | int | float | complex | np.generic):
            raise RuntimeError(f"Could not infer dtype of {type(item).__name__}")
    if any(isinstance(item, np.generic) for item in items):
        kind = _common_kind(items, wide)
    else:
        kind = _kinds(wide)[max(category_of(item) for item in items)]
    try:
        with np.errstate(over="ignore"):
            return np.array(items, kind).reshape(shape)
    except OverflowError:
        raise ValueError("Overflow when unpacking long long") from None


def _checked_cast(array: Any, kind: dtype) -> Any:
    """An array of numbers in the type asked for; integers must fit, as in PyTorch."""
    if 0 < kind.category < 3 and array.dtype.kind == "c":
        raise TypeError("must be real number, not complex")
    if kind.category == 1 and array.dtype.kind in "iuf" and array.size:
        limits = np.iinfo(kind.numpy)
        lowest = limits.min - limits.max - 1 if limits.min == 0 else limits.min
        if not (array.max() <= limits.max and array.min() >= lowest):
            word = _C_INTEGERS.get(kind.name, kind.name)
            raise RuntimeError(f"value cannot be converted to type {word} without overflow")
    with np.errstate(over="ignore", invalid="ignore"):
        return array.astype(kind.numpy)


_C_INTEGERS = {
    "uint8": "uint8", "int8": "int8", "int16": "int16", "int32": "int",
    "uint16": "uint16", "uint32": "uint32",
}  # fmt: skip


def tensor(
    data: Any,
    *,
    dtype: dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A new leaf tensor with a copy of the data.

    Args:
        data: number, nested sequence, array or tensor.
        dtype: type of the elements; found from the data by default.
        device: "cpu".
        requires_grad: whether operations on it are recorded.
        pin_memory: accepted, without effect.
    """
    if isinstance(data, Tensor):
        warnings.warn(
            "To copy construct from a tensor, it is recommended to use "
            "sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than "
            "torch.tensor(sourceTensor).",
            UserWarning,
            stacklevel=2,
        )
        same = as_dtype(dtype, "tensor") or data.dtype
        return made(np.array(data.detach()._array()), same, requires_grad, device)
    kind = as_dtype(dtype, "tensor")
    array = _from_data(data, kind is not None)
    if kind is not None and not hasattr(data, "__array__") and array.dtype != kind.numpy:
        array = _checked_cast(array, kind)
    return made(array, kind, requires_grad, device)


def as_tensor(data: Any, dtype: dtype | None = None, device: Any = None) -> Tensor:
    """The data as a tensor, sharing memory where it can."""
    kind = as_dtype(dtype, "as_tensor")
    if isinstance(data, Tensor):
        check_device(device)
        return data if kind in (None, data.dtype) else METHODS["to"](data, kind)
    if isinstance(data, np.ndarray) and (kind is None or data.dtype == kind.numpy):
        return from_numpy(data)
    return tensor(data, dtype=kind, device=device)


def asarray(
    obj: Any,
    *,
    dtype: dtype | None = None,
    device: Any = None,
    copy: bool | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """An object as a tensor; `copy=True` gives new memory."""
    if copy:
        data = obj.detach()._array() if isinstance(obj, Tensor) else obj
        result = tensor(data, dtype=dtype, device=device)
    else:
        result = as_tensor(obj, dtype, device)
    return result.requires_grad_() if requires_grad else result


def scalar_tensor(s: Any, *, dtype: dtype | None = None, **options: Any) -> Tensor:
    """A tensor without axes, of the default type unless told otherwise."""
    return tensor(s, dtype=dtype or SETTINGS.default_dtype, **options)


def _check_array(array: Any) -> None:
    """Refuse arrays that PyTorch cannot hold.

    Raises:
        TypeError: for NumPy types without a counterpart.
        ValueError: for a foreign byte order, and for negative strides.
    """
    if not array.dtype.isnative:
        raise ValueError(
            "given numpy array has byte order different from the native byte order. Conversion "
            "between byte orders is currently not supported."
        )
    dtype_of_numpy(array.dtype)
    if any(step < 0 for step in array.strides):
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative "
            "strides are not currently supported. (You can probably work around this by making a "
            "copy of your array  with array.copy().)"
        )


def from_numpy(ndarray: Any) -> Tensor:
    """A tensor that shares the memory of an array."""
    if not isinstance(ndarray, np.ndarray):
        kind = type(ndarray)
        name = kind.__name__ if kind.__module__ == "builtins" else f"numpy.{kind.__name__}"
        raise TypeError(f"expected np.ndarray (got {name})")
    _check_array(ndarray)
    if not ndarray.flags.writeable:
        warnings.warn("The given NumPy array is not writable, and PyTorch does not support "
                      "non-writable tensors.", UserWarning, stacklevel=2)  # fmt: skip
    return holder(ndarray.view(np.ndarray))


def filled(
    function: str, value: Any, sizes: Sequence[Any], kind: dtype, requires_grad: bool = False,
    where: Any = CPU,
) -> Tensor:  # fmt: skip
    """A tensor of one value, of sizes given one by one or as one sequence."""
    shape = sizes_of(sizes, function)
    if kind.category == 1 and isinstance(value, float) and not np.isfinite(value):
        word = "int64_t" if kind.name == "int64" else _C_INTEGERS.get(kind.name, kind.name)
        raise RuntimeError(f"value cannot be converted to type {word} without overflow")
    array = np.empty(shape, kind.numpy)
    with np.errstate(over="ignore", invalid="ignore"):
        array[...] = np.asarray(value).astype(kind.numpy)
    return made(array, kind, requires_grad, where)


def _legacy(cls: Any, *args: Any, device: Any = None) -> Tensor:
    """`torch.Tensor(2, 3)` or `torch.Tensor([1, 2])`, in the default type."""
    kind = SETTINGS.default_dtype
    if not args:
        result = made(np.empty(0, kind.numpy), kind)
    elif all(isinstance(arg, int) for arg in args) or type(args[0]) is Size:
        result = filled("new", 0, args, kind, False, device)
    elif isinstance(args[0], Tensor):
        result = args[0].detach()
    elif isinstance(args[0], float | complex):
        raise TypeError(f"new(): data must be a sequence (got {type(args[0]).__name__})")
    else:
        result = made(_from_data(args[0]), kind, False, device)
    if cls is not Tensor:
        typed = object.__new__(cls)
        typed.__dict__.update(result.__dict__)
        result = typed
    return result


METHODS["filled"] = filled
METHODS["legacy"] = _legacy
METHODS["tensor"] = tensor
PUBLIC = ("as_tensor", "asarray", "from_numpy", "scalar_tensor", "tensor")
"""Names of `torch` that are defined here."""
