"""Batches: from samples of equal structure to one nest of tensors of that structure."""

import copy
import re
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from funcgrad.compat.torch.creation import as_tensor, made, tensor
from funcgrad.compat.torch.dtypes import DTYPES
from funcgrad.compat.torch.joining import stack
from funcgrad.compat.torch.state import STATE
from funcgrad.compat.torch.tensor import Tensor
from funcgrad.compat.torch.utils.data._utils.worker import get_worker_info

__all__ = ["collate", "default_collate", "default_collate_fn_map", "default_convert"]

default_collate_err_msg_format = (
    "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"
)

_TEXT_OR_OBJECT = re.compile("[SaUO]")

CollateMap = dict[Any, Callable[..., Any]]


def _is_named_tuple(thing: Any) -> bool:
    return isinstance(thing, tuple) and hasattr(thing, "_fields")


def default_convert(data: Any) -> Any:
    """NumPy arrays and numbers in a nest as tensors; everything else stays as it is."""
    kind = type(data)
    if isinstance(data, Tensor):
        return data
    if isinstance(data, np.ndarray | np.generic):
        # A text is a NumPy scalar, too.
        return data if _TEXT_OR_OBJECT.search(data.dtype.str) else as_tensor(data)
    if isinstance(data, Mapping):
        return _mapping_like(data, {key: default_convert(value) for key, value in data.items()})
    if _is_named_tuple(data):
        return kind(*map(default_convert, data))
    if isinstance(data, tuple):
        return [default_convert(one) for one in data]
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return _sequence_like(data, [default_convert(one) for one in data])
    return data


def _mapping_like(example: Mapping[Any, Any], items: dict[Any, Any]) -> Any:
    """A mapping of the example's type; a dictionary if it cannot be made."""
    try:
        if isinstance(example, MutableMapping):
            # A copy keeps what else the example holds, such as the factory of a defaultdict.
            filled = copy.copy(example)
            filled.update(items)
            return filled
        return type(example)(items)  # type: ignore[call-arg]  # tried
    except TypeError:
        return items


def _sequence_like(example: Sequence[Any], entries: list[Any]) -> Any:
    """A sequence of the example's type; a list if it cannot be made."""
    try:
        if isinstance(example, MutableSequence):
            filled = copy.copy(example)
            for i, entry in enumerate(entries):
                filled[i] = entry
            return filled
        return type(example)(entries)  # type: ignore[call-arg]  # tried
    except TypeError:
        return entries


def collate(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """One nest of the samples of a batch: its leaves are the batches of their leaves.

    Args:
        batch: a list of samples of equal structure.
        collate_fn_map: `{type of a leaf: function(batch, collate_fn_map=...)}`; a type's own entry
            goes before those of its bases.

    Raises:
        TypeError: a leaf is of another type.
        RuntimeError: two samples have lists of unequal length.
    """
    example = batch[0]
    kind = type(example)
    functions = collate_fn_map or {}
    if kind in functions:
        return functions[kind](batch, collate_fn_map=collate_fn_map)
    for base, function in functions.items():
        if isinstance(example, base):
            return function(batch, collate_fn_map=collate_fn_map)

    def together(column: Sequence[Any]) -> Any:
        return collate(column, collate_fn_map=collate_fn_map)

    if isinstance(example, Mapping):
        return _mapping_like(
            example, {key: together([sample[key] for sample in batch]) for key in example}
        )
    if _is_named_tuple(example):
        return kind(*map(together, zip(*batch, strict=False)))
    if isinstance(example, Sequence):
        if any(len(sample) != len(example) for sample in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        entries = [together(column) for column in zip(*batch, strict=True)]
        return entries if isinstance(example, tuple) else _sequence_like(example, entries)
    raise TypeError(default_collate_err_msg_format.format(kind))


def collate_tensor_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """Tensors of one shape along a new first axis."""
    if (
        get_worker_info() is not None
        and STATE.grad
        and any(isinstance(one, Tensor) and one._requires for one in batch)
    ):
        # Nothing that is recorded can leave its process.
        raise RuntimeError(
            "stack(): functions with out=... arguments don't support automatic differentiation, "
            "but one of the arguments requires grad."
        )
    return stack(batch, 0)


def collate_numpy_array_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """Arrays of one shape as a tensor, along a new first axis."""
    if _TEXT_OR_OBJECT.search(batch[0].dtype.str):
        raise TypeError(default_collate_err_msg_format.format(batch[0].dtype))
    return collate([as_tensor(one) for one in batch], collate_fn_map=collate_fn_map)


def collate_numpy_scalar_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """NumPy's numbers as a vector."""
    return as_tensor(batch)


def collate_float_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """Numbers as a float64 vector."""
    if all(type(one) is float for one in batch):
        return made(np.array(batch, np.float64))
    return tensor(batch, dtype=DTYPES["float64"])


def collate_int_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """Integers (or bools) as a vector."""
    if all(type(one) is int and -(2**63) <= one < 2**63 for one in batch):
        return made(np.array(batch, np.int64))
    return tensor(batch)


def collate_str_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """Texts as they are."""
    return batch


default_collate_fn_map: CollateMap = {
    Tensor: collate_tensor_fn,
    np.ndarray: collate_numpy_array_fn,
    (np.bool_, np.number, np.object_): collate_numpy_scalar_fn,
    float: collate_float_fn,
    int: collate_int_fn,
    str: collate_str_fn,
    bytes: collate_str_fn,
}
"""What `default_collate` does with leaves; types of one's own may be entered."""


def default_collate(batch: Any) -> Any:
    """One nest of tensors of the samples of a batch.

    Args:
        batch: a list of samples: numbers, texts, tensors, arrays, or lists, tuples, named tuples
            and dictionaries of such.
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)
