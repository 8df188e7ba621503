"""Memory that others made or read: Python's buffers and the array protocol of DLPack."""

from typing import Any

import numpy as np

from funcgrad.compat.torch.creation import from_numpy, made
from funcgrad.compat.torch.dtypes import dtype
from funcgrad.compat.torch.registry import MODULES, expose
from funcgrad.compat.torch.tensor import Tensor, holder

__all__ = ["from_dlpack", "frombuffer", "to_dlpack"]


@expose("frombuffer", method=False)
def frombuffer(
    buffer: Any, *, dtype: dtype, count: int = -1, offset: int = 0, requires_grad: bool = False
) -> Tensor:
    """A tensor of the bytes of a buffer, whose memory it shares.

    Raises:
        ValueError: for what is no buffer, and for more or other bytes than there are.
    """
    try:
        length = memoryview(buffer).nbytes
    except TypeError:
        raise ValueError("object does not implement Python buffer protocol.") from None
    size = dtype.itemsize
    if not length or not count:
        raise ValueError(f"both buffer length ({length}) and count ({count}) must not be 0")
    if not 0 <= offset < length:
        raise ValueError(
            f"offset ({offset} bytes) must be non-negative and no greater than buffer length "
            f"({length} bytes) minus 1"
        )
    if count < 0 and (length - offset) % size:
        raise ValueError(
            f"buffer length ({length - offset} bytes) after offset ({offset} bytes) must be a "
            f"multiple of element size ({size})"
        )
    if count > 0 and offset + count * size > length:
        raise ValueError(
            f"requested buffer length ({count} * {size} bytes) after offset ({offset} bytes) must "
            f"not be greater than actual buffer length ({length} bytes)"
        )
    if dtype.name == "bfloat16":
        short = np.frombuffer(buffer, np.uint16, count, offset)
        return made((short.astype(np.uint32) << 16).view(np.float32), dtype, requires_grad)
    return made(np.frombuffer(buffer, dtype.numpy, count, offset), dtype, requires_grad)


class _Capsule:
    """What `to_dlpack` gave, for NumPy, which asks an object for it."""

    def __init__(self, capsule: Any) -> None:
        self._capsule = capsule

    def __dlpack__(self, **_options: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor that shares the memory of an array of another library (or copies it)."""
    del device
    if isinstance(ext_tensor, Tensor):
        _exported(ext_tensor)
        return holder(np.array(ext_tensor._array()) if copy else ext_tensor._array(), ext_tensor)
    source = ext_tensor if hasattr(ext_tensor, "__dlpack__") else _Capsule(ext_tensor)
    array = np.from_dlpack(source)
    return made(np.array(array)) if copy else from_numpy(array)


def _exported(tensor: Tensor) -> Any:
    """The array of a tensor outside the graph.

    Raises:
        BufferError: for one that requires grad.
    """
    if tensor.requires_grad:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    if tensor._dtype is not None:
        raise BufferError("bfloat16 tensors cannot be exported: NumPy has no such type")
    return tensor._array()


def to_dlpack(tensor: Tensor) -> Any:
    """A capsule with the memory of a tensor, to be taken once."""
    return _exported(tensor).__dlpack__()


def _dlpack(
    self: Tensor,
    *,
    stream: Any = None,
    max_version: tuple[int, int] | None = None,
    dl_device: Any = None,
    copy: bool | None = None,
) -> Any:
    """The capsule that other libraries ask for."""
    del stream
    return _exported(self).__dlpack__(max_version=max_version, dl_device=dl_device, copy=copy)


Tensor.__dlpack__ = _dlpack  # type: ignore[attr-defined]  # a method, entered here
Tensor.__dlpack_device__ = lambda self: (1, 0)  # type: ignore[attr-defined]  # as above

for _function in (from_dlpack, to_dlpack):
    expose(_function.__name__, _function, method=False)
    MODULES.setdefault("utils.dlpack", {})[_function.__name__] = _function
