"""`torch._utils`: the functions that files name for making tensors and parameters again.

A file may be hostile: they check everything they are given.
"""

from typing import Any

import numpy as np

from funcgrad.compat.torch.creation import made
from funcgrad.compat.torch.dtypes import device, dtype
from funcgrad.compat.torch.nn.parameter import Parameter
from funcgrad.compat.torch.op import BFLOAT16
from funcgrad.compat.torch.storage import TypedStorage, UntypedStorage, tensor_at
from funcgrad.compat.torch.tensor import Tensor

__all__ = ["INTERNAL", "set_state"]

INTERNAL = frozenset(Tensor.__annotations__) | {"grad", "data", "requires_grad"}
"""What a tensor itself keeps: no state of a file may replace it."""


def set_state(tensor: Any, state: Any) -> Any:
    """Give a tensor the attributes that a user had given it.

    Raises:
        RuntimeError: if they are no dictionary, or would replace what a tensor consists of.
    """
    if state is None:
        return tensor
    own, slots = state if type(state) is tuple and len(state) == 2 else (state, None)
    for part in (own, slots):
        for name, value in _items(part):
            if name in INTERNAL or name.startswith("__") or hasattr(Tensor, name):
                raise RuntimeError(f"The state of a tensor may not replace its attribute {name!r}")
            setattr(tensor, name, value)
    return tensor


def _items(state: Any) -> list[tuple[str, Any]]:
    if state is None:
        return []
    if type(state) is not dict or not all(type(name) is str for name in state):
        raise RuntimeError(f"Invalid state of a tensor: {type(state).__name__}")
    return list(state.items())


def _made(
    storage: Any, kind: Any, offset: Any, size: Any, stride: Any, requires_grad: Any, metadata: Any
) -> Any:
    if type(kind) is not dtype or not isinstance(storage, UntypedStorage):
        raise RuntimeError("A tensor is made of a storage and a dtype; the file gives other things")
    if type(requires_grad) is not bool:
        raise RuntimeError(f"requires_grad must be a bool, not {type(requires_grad).__name__}")
    if requires_grad and kind.category < 2:
        raise RuntimeError("only Tensors of floating point and complex dtype can require gradients")
    if storage.device.type == "meta":
        tensor = _without_values(kind, size)
    else:
        if metadata:
            storage = _changed(storage, kind, metadata)
        tensor = tensor_at(storage, kind, offset, size, stride)
    tensor._requires = requires_grad
    return tensor


def _changed(storage: UntypedStorage, kind: dtype, metadata: Any) -> UntypedStorage:
    """The memory of a tensor that PyTorch had only marked as conjugate or negative."""
    if type(metadata) is not dict or not set(metadata) <= {"conj", "neg"}:
        raise RuntimeError("Invalid metadata of a tensor")
    if metadata.get("conj") is True and kind.category < 3:
        raise RuntimeError(f"Invalid metadata of a tensor: {kind} has no conjugate")
    if metadata.get("neg") is True and kind.category < 2:
        raise RuntimeError(f"Invalid metadata of a tensor: {kind} is never marked as negative")

    def change() -> Any:
        array = storage.flat(kind)
        if metadata.get("conj") is True:
            array = np.conj(array)
        return np.negative(array) if metadata.get("neg") is True else array

    way = kind, metadata.get("conj") is True, metadata.get("neg") is True
    found: UntypedStorage | None = storage.made.get(way)
    if found is not None:
        return found
    found = storage.made[way] = UntypedStorage.of(change(), storage._wide)
    if storage.pending is not None:
        storage.pending.append(lambda: np.copyto(found._array, change()))
    return found


def _without_values(kind: dtype, size: Any) -> Any:
    one = UntypedStorage.of(np.zeros(1, kind.numpy), kind is BFLOAT16)
    steps = [0] * len(size) if isinstance(size, tuple | list) else size
    tensor = tensor_at(one, kind, 0, size, steps)
    tensor._where = device("meta")
    return tensor


def _parts(storage: Any) -> tuple[Any, Any]:
    if not isinstance(storage, TypedStorage):
        raise RuntimeError(f"A tensor is made of a storage, not of {type(storage).__name__}")
    return storage.untyped(), storage.dtype


def _rebuild_tensor(storage: Any, storage_offset: Any, size: Any, stride: Any) -> Any:
    """A tensor of the first files: without a place in the graph."""
    return _made(*_parts(storage), storage_offset, size, stride, False, None)


def _rebuild_tensor_v2(
    storage: Any,
    storage_offset: Any,
    size: Any,
    stride: Any,
    requires_grad: Any,
    backward_hooks: Any,
    metadata: Any = None,
) -> Any:
    """A tensor that shows part of a storage of its type."""
    del backward_hooks  # they are not written
    return _made(*_parts(storage), storage_offset, size, stride, requires_grad, metadata)


def _rebuild_tensor_v3(
    storage: Any,
    storage_offset: Any,
    size: Any,
    stride: Any,
    requires_grad: Any,
    backward_hooks: Any,
    dtype: Any,
    metadata: Any = None,
) -> Any:
    """A tensor that shows part of a storage of bytes."""
    del backward_hooks  # they are not written
    untyped = storage.untyped() if isinstance(storage, TypedStorage) else storage
    return _made(untyped, dtype, storage_offset, size, stride, requires_grad, metadata)


def _rebuild_parameter(data: Any, requires_grad: Any, backward_hooks: Any) -> Any:
    """A parameter of a tensor."""
    del backward_hooks  # they are not written
    if not isinstance(data, Tensor) or type(requires_grad) is not bool:
        raise RuntimeError(
            "A parameter is made of a tensor and a bool; the file gives other things"
        )
    return Parameter(data, requires_grad)


def _rebuild_parameter_with_state(
    data: Any, requires_grad: Any, backward_hooks: Any, state: Any
) -> Any:
    """A parameter that a user gave attributes."""
    return set_state(_rebuild_parameter(data, requires_grad, backward_hooks), state)


def _rebuild_meta_tensor_no_storage(dtype: Any, size: Any, stride: Any, requires_grad: Any) -> Any:
    """A tensor without values."""
    return _made(meta_storage(), dtype, 0, size, stride, requires_grad, None)


def _rebuild_device_tensor_from_numpy(
    data: Any, dtype: Any, device: Any, requires_grad: Any
) -> Any:
    """A tensor of a device whose memory PyTorch writes as a NumPy array."""
    del device  # here it is the CPU
    plain = isinstance(data, np.ndarray) and data.dtype.kind in "biufc"
    if not plain or type(dtype) is not type(BFLOAT16):
        raise RuntimeError("A tensor of a device is made of an array; the file gives other things")
    return made(data, dtype, bool(requires_grad))


def meta_storage() -> UntypedStorage:
    """A storage without memory."""
    storage = UntypedStorage(0)
    storage._device = device("meta")
    return storage
