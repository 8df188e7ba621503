"""`torch.storage`: the memory that tensors show parts of, as bytes and as elements of a type."""

import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from typing_extensions import override

from funcgrad.compat.torch.dtypes import CPU, DTYPES, device, dtype
from funcgrad.compat.torch.memory import root_of
from funcgrad.compat.torch.op import BFLOAT16
from funcgrad.compat.torch.registry import MODULES
from funcgrad.compat.torch.tensor import Tensor
from funcgrad.compat.torch.views import native, strides_of

__all__ = ["STORAGE_TYPES", "TypedStorage", "UntypedStorage", "place_of", "tensor_at"]

UINT8 = DTYPES["uint8"]
FLOAT32: np.dtype[Any] = np.dtype(np.float32)

DEPRECATED = (
    "TypedStorage is deprecated. It will be removed in the future and UntypedStorage will be the "
    "only storage class. This should only matter to you if you are using storages directly.  To "
    "access UntypedStorage directly, use tensor.untyped_storage() instead of tensor.storage()"
)


def flat_view(array: Any) -> Any:
    """The elements of an array in the order of memory, as a view; None if they leave gaps."""
    order = sorted(range(array.ndim), key=lambda axis: -array.strides[axis])
    turned = array.transpose(order)
    return turned.reshape(-1) if turned.flags.c_contiguous else None


def to_bfloat16(array: Any) -> Any:
    """The upper 16 bits of float32 numbers, rounded to even; NaN stays NaN."""
    bits = np.asarray(array, order="C").view(np.uint32)
    if not (bits & np.uint32(0xFFFF)).any():  # as everything that a tensor of bfloat16 holds
        return (bits >> 16).astype(np.uint16)
    upper = ((bits + np.uint32(0x7FFF) + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    nan = (bits & np.uint32(0x7FFFFFFF)) > 0x7F800000
    if nan.any():
        upper = np.where(nan, (bits >> 16).astype(np.uint16) | np.uint16(0x40), upper)
    return upper


def from_bfloat16(bits: Any) -> Any:
    """The float32 numbers whose upper 16 bits are given."""
    return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)


def _as(array: Any, kind: np.dtype[Any]) -> Any:
    """The same bytes as elements of another type, without those left over."""
    if array.dtype == kind:
        return array
    array = array.view(np.uint8)
    return array[: array.size // kind.itemsize * kind.itemsize].view(kind)


class UntypedStorage:
    """The bytes of a memory that tensors show parts of.

    Args:
        size: so many bytes, or the bytes.
    """

    __slots__ = ("_array", "_device", "_wide", "made", "pending")
    __module__ = "torch.storage"

    _array: Any
    """The array that owns the memory."""

    _wide: bool
    """Whether it holds, as float32, what is bfloat16 to its readers."""

    _device: device

    made: dict[Any, Any]
    """What has been made of it, by the way of making: many tensors may ask for the same."""

    pending: list[Any] | None
    """What to do when a file has filled it, where that comes later."""

    def __init__(self, size: int | Sequence[int] = 0) -> None:
        self._array = (
            np.zeros(size, np.uint8) if isinstance(size, int) else np.array(size, np.uint8)
        )
        self._wide = False
        self._device = CPU
        self.pending = None
        self.made = {}

    @classmethod
    def of(cls, array: Any, wide: bool = False) -> "UntypedStorage":
        """The storage of an array that owns its memory."""
        made = cls.__new__(cls)
        made._array, made._wide, made._device, made.pending = array, wide, CPU, None
        made.made = {}
        return made

    def flat(self, kind: dtype) -> Any:
        """The memory as an array of one axis, which writes through to it, of a type."""
        array = flat_view(self._array)
        if array is None:
            array = self._array = np.ascontiguousarray(self._array).reshape(-1)
        if self._wide:
            # No float32 memory can show what another type makes of bfloat16: that is a copy.
            array = _as(array, FLOAT32)  # its owner may have made it of bits
            if kind is BFLOAT16:
                return array
            if kind not in self.made:
                self.made[kind] = _as(to_bfloat16(array), kind.numpy)
            return self.made[kind]
        if kind is BFLOAT16:
            self._array, self._wide = from_bfloat16(_as(array, np.dtype(np.uint16))), True
            return self._array
        return _as(array, kind.numpy)

    def content(self) -> Any:
        """The bytes as a file holds them: an array of uint8."""
        flat = flat_view(self._array)
        if flat is None:
            flat = np.ascontiguousarray(self._array).reshape(-1)
        return (to_bfloat16(flat) if self._wide else flat).view(np.uint8)

    def data_ptr(self) -> int:
        """Address of its first byte; 0 if it has none."""
        if not self._array.size:
            return 0
        lowest, _ = np.lib.array_utils.byte_bounds(self._array)
        return int(lowest)

    def nbytes(self) -> int:
        """Number of bytes."""
        return int(self._array.size) * (2 if self._wide else int(self._array.itemsize))

    size = __len__ = nbytes

    def element_size(self) -> int:
        """Bytes of an element: one."""
        return 1

    @property
    def device(self) -> device:
        """Where it is kept."""
        return self._device

    is_cuda = property(lambda self: False)

    def cpu(self) -> "UntypedStorage":
        """Itself: it is kept on the CPU."""
        return self

    def clone(self) -> "UntypedStorage":
        """A copy."""
        return self.of(np.array(self._array), self._wide)

    def tolist(self) -> list[int]:
        """The bytes as integers."""
        return self.content().tolist()  # type: ignore[no-any-return]  # of an array of uint8

    def __getitem__(self, place: Any) -> Any:
        found = self.content()[place]
        return self.of(found) if isinstance(place, slice) else int(found)

    def __iter__(self) -> Iterator[int]:
        return iter(self.tolist())

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, UntypedStorage) and other._array is self._array

    @override
    def __hash__(self) -> int:
        return id(self._array)

    @override
    def __repr__(self) -> str:
        rows = "".join(f" {number}\n" for number in self.tolist())
        return f"{rows}[torch.storage.UntypedStorage(device={self._device}) of size {len(self)}]"

    def __deepcopy__(self, memo: dict[int, Any]) -> "UntypedStorage":
        return self.of(copied(self._array, memo), self._wide)

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        return _stored, (self._array.view(), self._wide)  # a view: PyTorch does not share it either


def _stored(array: Any, wide: bool) -> UntypedStorage:
    return UntypedStorage.of(array, wide)


class TypedStorage:
    """A memory as elements of a type."""

    __slots__ = ("_untyped", "dtype")
    __module__ = "torch.storage"

    def __init__(self, *, wrap_storage: UntypedStorage, dtype: Any) -> None:
        self._untyped = wrap_storage
        self.dtype = dtype

    def untyped(self) -> UntypedStorage:
        """The same memory as bytes."""
        return self._untyped

    def _flat(self) -> Any:
        return self._untyped.flat(self.dtype)

    def size(self) -> int:
        """Number of elements."""
        return self._untyped.nbytes() // int(self.dtype.itemsize)

    __len__ = size

    def nbytes(self) -> int:
        """Number of bytes."""
        return self._untyped.nbytes()

    def data_ptr(self) -> int:
        """Address of its first element."""
        return self._untyped.data_ptr()

    def element_size(self) -> int:
        """Bytes of an element."""
        return int(self.dtype.itemsize)

    @property
    def device(self) -> device:
        """Where it is kept."""
        return self._untyped.device

    def tolist(self) -> list[Any]:
        """The elements as Python numbers."""
        return self._flat().tolist()  # type: ignore[no-any-return]  # of an array of one axis

    def __getitem__(self, place: int) -> Any:
        return self._flat()[place].item()

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def cpu(self) -> "TypedStorage":
        """Itself: it is kept on the CPU."""
        return self

    def clone(self) -> "TypedStorage":
        """A copy."""
        return TypedStorage(wrap_storage=self._untyped.clone(), dtype=self.dtype)

    @override
    def __repr__(self) -> str:
        rows = "".join(f" {number}\n" for number in self.tolist())
        return (
            f"{rows}[torch.storage.TypedStorage(dtype={self.dtype}, device={self.device}) of size "
            f"{len(self)}]"
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> "TypedStorage":
        copied = self._untyped.__deepcopy__(memo)
        return TypedStorage(wrap_storage=copied, dtype=self.dtype)

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        return _typed, (self._untyped, self.dtype)


def _typed(untyped: UntypedStorage, kind: Any) -> TypedStorage:
    return TypedStorage(wrap_storage=untyped, dtype=kind)


def _made_typed(cls: Any, size: Any = 0) -> TypedStorage:
    """`torch.FloatStorage(3)` or `torch.FloatStorage([1, 2])`."""
    array = np.zeros(size, cls.kind.numpy) if isinstance(size, int) else np.array(
        size, cls.kind.numpy
    )  # fmt: skip
    return _typed(UntypedStorage.of(array, cls.kind is BFLOAT16), cls.kind)


STORAGE_TYPES: dict[str, Any] = {
    f"{kind.legacy}Storage": type(
        f"{kind.legacy}Storage",
        (TypedStorage,),
        {"__module__": "torch", "__slots__": (), "kind": kind, "__new__": _made_typed,
         "__doc__": f"A memory of elements of {kind}."},
    )
    for kind in DTYPES.values()
    if not kind.legacy.startswith("UInt")
}  # fmt: skip
"""torch.FloatStorage, torch.LongStorage, ...: in files they name the type of a storage."""

MODULES["torch"].update(STORAGE_TYPES)
MODULES["torch"].update(UntypedStorage=UntypedStorage, TypedStorage=TypedStorage)


def storage_of(tensor: Tensor) -> UntypedStorage:
    """The memory that a tensor shows part of."""
    return UntypedStorage.of(root_of(native(tensor)), tensor.dtype is BFLOAT16)


def _storage(self: Tensor) -> TypedStorage:
    """The memory of a tensor as elements of its type."""
    warnings.warn(DEPRECATED, UserWarning, stacklevel=2)
    return _typed(storage_of(self), self.dtype)


Tensor.untyped_storage = storage_of  # type: ignore[attr-defined]  # a method, entered here
Tensor.storage = _storage  # type: ignore[attr-defined]  # as above


def place_of(tensor: Tensor) -> tuple[UntypedStorage, int, tuple[int, ...], tuple[int, ...]]:
    """Its memory, the elements before its first one, its lengths, and its strides in elements.

    What no file can say (gaps in memory, negative strides, halves of elements) is copied first.
    """
    value = native(tensor)
    wide = tensor.dtype is BFLOAT16
    root = root_of(value)
    unit = value.itemsize
    shift = 0
    plain = flat_view(root) is not None and value.dtype.isnative
    if plain and value.size:
        lowest, _ = np.lib.array_utils.byte_bounds(root)
        shift = value.__array_interface__["data"][0] - lowest
        plain = all(step >= 0 and step % unit == 0 for step in value.strides)
        plain = plain and shift % unit == 0 and root.nbytes % unit == 0
    if not plain:
        root = value = np.array(value, value.dtype.newbyteorder("="), order="C")
        shift = 0
    steps = tuple([step // unit for step in value.strides]) if value.size else strides_of(tensor)
    return UntypedStorage.of(root, wide), shift // unit, tuple(value.shape), steps


def tensor_at(
    storage: UntypedStorage, kind: dtype, offset: Any, size: Any, stride: Any, cls: Any = Tensor
) -> Any:
    """The tensor that shows some elements of a memory.

    Args:
        storage: the memory.
        kind: type of the elements.
        offset: elements before the first one.
        size: lengths of the axes.
        stride: elements from one index to the next along each axis.
        cls: class of the tensor.

    Raises:
        RuntimeError: if it would reach outside the memory, or if the numbers make no sense.
    """
    size, stride = _counts(size, "size"), _counts(stride, "stride")
    if not _is_count(offset):
        raise RuntimeError(f"Tensor: invalid storage offset {_shown(offset)}")
    if len(size) != len(stride):
        raise RuntimeError(f"unequal size length ({len(size)}) and stride length ({len(stride)})")
    flat = storage.flat(kind)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if 0 not in size and last >= flat.size:
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset}, and "
            f"itemsize {kind.itemsize} requiring a storage size of {(last + 1) * kind.itemsize} "
            f"are out of bounds for storage of size {flat.size * kind.itemsize}"
        )
    unit = flat.itemsize
    result = object.__new__(cls)
    try:
        if 0 in size:
            result._value = flat[:0].reshape(size)
        else:
            steps = tuple([step * unit for step in stride])
            result._value = np.ndarray(size, flat.dtype, flat, offset * unit, steps)
    except (ValueError, OverflowError, MemoryError):
        raise RuntimeError(
            f"A tensor of sizes {_shown(list(size))} and strides {_shown(list(stride))} has more "
            "axes or elements than an array can have."
        ) from None
    result._cell = [0, None]
    if kind is BFLOAT16:
        result._dtype = kind
    return result


def _counts(numbers: Any, what: str) -> tuple[int, ...]:
    if not isinstance(numbers, tuple | list) or not all(type(n) is int for n in numbers):
        raise RuntimeError(f"The {what} of a tensor must be a tuple of ints, not {_shown(numbers)}")
    for n in numbers:
        if not _is_count(n):
            raise RuntimeError(f"The {what} of a tensor has {_shown(n)}, which is no length")
    return tuple(numbers)


def _is_count(number: Any) -> bool:
    return type(number) is int and 0 <= number <= sys.maxsize


def _shown(thing: Any) -> str:
    """A short text, also for what would take forever to print."""
    if isinstance(thing, int):
        return str(thing) if abs(thing) < 2**128 else "a number of more than 128 bits"
    if isinstance(thing, list) and len(thing) < 70 and all(isinstance(n, int) for n in thing):
        return f"[{', '.join(map(_shown, thing))}]"
    return type(thing).__name__


def copied(root: Any, memo: dict[int, Any]) -> Any:
    """The copy of a memory in a deep copy: one for all tensors that show it."""
    found = memo.get(id(root))
    if found is None:
        found = memo[id(root)] = np.array(root)
        memo.setdefault(id(memo), []).append(root)
    return found
