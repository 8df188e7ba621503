"""State dicts as NumPy's `.npz` archives, which any program with NumPy can read."""

import os
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from tokenize import TokenError
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile

import numpy as np

from funcgrad.compat.torch.creation import made
from funcgrad.compat.torch.dtypes import DTYPES
from funcgrad.compat.torch.files.replacing import replacing
from funcgrad.compat.torch.storage import from_bfloat16, to_bfloat16
from funcgrad.compat.torch.tensor import Tensor, plain_array

__all__ = ["load_npz", "save_npz"]

MARK = ":bfloat16"
"""Behind the name of an array whose numbers are the upper 16 bits of float32 numbers."""


def array_of(name: Any, tensor: Any, function: str) -> Any:
    """The values of an entry of a state dict; bfloat16 as the bits, uint16.

    Raises:
        TypeError: if its name is no text, or it is no tensor.
    """
    if not isinstance(name, str) or not isinstance(tensor, Tensor):
        raise TypeError(
            f"{function}: the entry {name!r} is of {type(tensor).__name__}. These files hold "
            "tensors under names that are texts, and nothing else. Use torch.save for other things."
        )
    array = np.asarray(plain_array(tensor, "numpy"))
    return to_bfloat16(array) if tensor.dtype.name == "bfloat16" else array


def save_npz(state_dict: Mapping[str, Tensor], path: Any) -> None:
    """Write a state dict as an uncompressed `.npz` archive: one array for each name.

    NumPy has no bfloat16: such tensors are written as their bits, uint16, under `<name>:bfloat16`.

    Args:
        state_dict: tensors by name.
        path: a path (NumPy adds `.npz` where it is missing) or a binary file.

    Raises:
        TypeError: if an entry is no tensor.
        ValueError: if a name ends with the mark of bfloat16.

    Example:
        >>> import io
        >>> import funcgrad.compat.torch as torch
        >>> from funcgrad.compat.torch.files import load_npz, save_npz
        >>> file = io.BytesIO()
        >>> save_npz({"weight": torch.ones(2, dtype=torch.bfloat16)}, file)
        >>> load_npz(io.BytesIO(file.getvalue()))["weight"]
        tensor([1., 1.], dtype=torch.bfloat16)
    """
    arrays = {}
    for name, tensor in state_dict.items():
        array = array_of(name, tensor, "save_npz")
        if name.endswith(MARK):
            raise ValueError(f"save_npz: the name {name!r} ends with the mark of bfloat16 numbers.")
        arrays[name + MARK if tensor.dtype.name == "bfloat16" else name] = array
    if "file" in arrays or "allow_pickle" in arrays:
        raise ValueError("save_npz: NumPy cannot save an array named 'file' or 'allow_pickle'.")
    if hasattr(path, "write"):
        np.savez(path, **arrays)
        return
    place = os.fspath(path)
    with replacing(Path(place if place.endswith(".npz") else f"{place}.npz")) as stream:
        np.savez(stream, **arrays)


def load_npz(path: Any) -> "OrderedDict[str, Tensor]":
    """Read a state dict from an `.npz` archive; pickled objects in it are refused.

    Args:
        path: a path or a binary file.

    Returns:
        Tensors by name, each with memory of its own.

    Raises:
        ValueError: if the archive holds Python objects, or is broken.
        TypeError: if it holds arrays that no tensor can hold, such as text.
    """
    try:
        return _loaded(path)
    # what NumPy and zipfile raise for broken files, of which some cannot be read at all
    except (BadZipFile, zlib.error, EOFError, RuntimeError, TokenError, MemoryError) as error:
        why = str(error)[:200] or type(error).__name__
        raise ValueError(f"load_npz: the archive is broken: {why}") from error


def _loaded(path: Any) -> "OrderedDict[str, Tensor]":
    found: OrderedDict[str, Tensor] = OrderedDict()
    arrays: Any = np.load(path, allow_pickle=False)
    if isinstance(arrays, np.ndarray):
        raise TypeError("load_npz: the file is no .npz archive.")
    with arrays:
        for entry in arrays.zip.infolist():
            # NumPy writes no others, and bzip2 makes gigabytes of a few hundred bytes
            if entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
                raise ValueError(f"load_npz: {entry.filename[:100]!r} is packed in a way that "
                                 "NumPy does not write.")  # fmt: skip
        for name in arrays.files:
            array, key = arrays[name], name.removesuffix(MARK)
            if not isinstance(array, np.ndarray):
                raise TypeError(f"load_npz: {name[:100]!r} is no array.")
            if key in found:
                raise ValueError(f"load_npz: there are two arrays of the name {key[:100]!r}.")
            found[key] = tensor_of(array, name.endswith(MARK), name)
    return found


def tensor_of(array: Any, bits: bool, name: str) -> Tensor:
    """A tensor with a copy of the values, or with those whose upper 16 bits they are."""
    if bits and array.dtype != np.uint16:
        raise TypeError(f"load_npz: {name!r} is marked as bfloat16, but is of {array.dtype}.")
    kind = DTYPES.get("bfloat16" if bits else array.dtype.newbyteorder("=").name)
    if kind is None:
        raise TypeError(f"load_npz: {name!r} is of {array.dtype}, which no tensor can hold.")
    return made(from_bfloat16(array) if bits else np.array(array, kind.numpy, order="C"), kind)
