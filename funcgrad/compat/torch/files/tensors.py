"""State dicts in the format of safetensors, read and written by the package of that name."""

import os
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from funcgrad.compat.torch.creation import made
from funcgrad.compat.torch.dtypes import DTYPES
from funcgrad.compat.torch.files.npz import array_of
from funcgrad.compat.torch.storage import from_bfloat16
from funcgrad.compat.torch.tensor import Tensor

__all__ = ["load_safetensors", "save_safetensors"]

_KINDS = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "U16": "uint16", "I16": "int16", "U32": "uint32",
    "I32": "int32", "U64": "uint64", "I64": "int64", "F16": "float16", "BF16": "bfloat16",
    "F32": "float32", "F64": "float64", "C64": "complex64",
}  # fmt: skip
"""Types by the names of the format."""


def _package(function: str) -> Any:
    try:
        # only these two functions need it: it is an extra, not a dependency
        import safetensors  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415
    except ImportError:
        raise ImportError(
            f"{function}: the package safetensors is not installed. Install it by "
            "`pip install funcgrad[safetensors]`, or use save_npz and load_npz."
        ) from None
    return safetensors


def save_safetensors(
    state_dict: Mapping[str, Tensor], path: Any, metadata: dict[str, str] | None = None
) -> None:
    """Write a state dict in the format of safetensors.

    Args:
        state_dict: tensors by name.
        path: where to write.
        metadata: texts by name, kept in the file beside `{"format": "pt"}`.

    Raises:
        ImportError: if the package safetensors is not installed.
        TypeError: if an entry is no tensor, or of complex128, which the format lacks.
    """
    package = _package("save_safetensors")
    entries, kept = {}, []
    for name, tensor in state_dict.items():
        array = np.ascontiguousarray(array_of(name, tensor, "save_safetensors"))
        kind, shape = tensor.dtype.name, list(tensor.shape)
        if kind not in _KINDS.values():
            raise TypeError(
                f"save_safetensors: {name!r} is of {kind}, which the format does not know. Use "
                "save_npz, or torch.view_as_real."
            )
        kept.append(array)  # the package is given an address
        if hasattr(package, "TensorSpec"):
            entries[name] = package.TensorSpec(
                dtype=kind, shape=shape, data_ptr=array.ctypes.data, data_len=array.nbytes
            )
        else:
            entries[name] = {"dtype": kind, "shape": shape, "data": array.tobytes()}
    package.serialize_file(entries, os.fspath(path), {"format": "pt", **(metadata or {})})


def load_safetensors(path: Any) -> "OrderedDict[str, Tensor]":
    """Read a state dict in the format of safetensors.

    Args:
        path: the file.

    Returns:
        Tensors by name, in the order of the names.

    Raises:
        ImportError: if the package safetensors is not installed.
        safetensors.SafetensorError: if the file is broken.
        TypeError: if it holds numbers of a type that no tensor here can hold.
    """
    package = _package("load_safetensors")
    found: OrderedDict[str, Tensor] = OrderedDict()
    for name, entry in sorted(package.deserialize(Path(path).read_bytes())):
        kind = DTYPES.get(_KINDS.get(entry["dtype"], ""))
        if kind is None:
            raise TypeError(
                f"load_safetensors: {name!r} is of {entry['dtype']}, which no tensor can hold."
            )
        wide = kind.name == "bfloat16"
        bits = np.frombuffer(entry["data"], np.uint16 if wide else kind.numpy)
        values = from_bfloat16(bits) if wide else bits.copy()
        found[name] = made(values.reshape(entry["shape"]), kind)
    return found
