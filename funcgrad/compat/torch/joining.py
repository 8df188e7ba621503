"""Tensors put together, one after the other or one beside the other."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from funcgrad.compat.torch.dims import check_dim
from funcgrad.compat.torch.outputs import with_out
from funcgrad.compat.torch.registry import expose
from funcgrad.compat.torch.shapes import (
    reshape,
    unsqueeze,
)
from funcgrad.compat.torch.static import Static
from funcgrad.compat.torch.tensor import METHODS, Tensor

__all__ = ["atleast_1d", "cat", "stack"]


def _cat(*xs: Any, dim: int) -> Any:
    """The arrays one after the other; empty vectors fit everywhere."""
    return np.concatenate([x for x in xs if x.shape != (0,)] or xs, axis=dim)


cat_op = Static("CatBackward0", _cat, promote="same")
stack_op = Static("StackBackward0", lambda *xs, dim: np.stack(xs, axis=dim), promote="same")


def _listed(tensors: Any, name: str) -> list[Any]:
    if isinstance(tensors, Tensor) or not isinstance(tensors, Sequence):
        raise TypeError(
            f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not "
            f"{type(tensors).__name__}"
        )
    for i, tensor in enumerate(tensors):
        if not isinstance(tensor, Tensor):
            kind = "numpy." * isinstance(tensor, np.ndarray | np.generic) + type(tensor).__name__
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {kind}")
    return list(tensors)


@expose(("cat", "concat", "concatenate"), method=False)
@with_out
def cat(tensors: Any, dim: int = 0) -> Tensor:
    """Tensors one after the other along an axis."""
    parts = _listed(tensors, "cat")
    if not parts:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    for i, part in enumerate(parts):
        if not part._value.ndim:
            raise RuntimeError(f"zero-dimensional tensor (at position {i}) cannot be concatenated")
    full = [part for part in parts if part._value.shape != (0,)] or parts
    first = full[0]._value.shape
    at = check_dim(dim, len(first))
    for number, part in enumerate(full):
        shape = part._value.shape
        if len(shape) != len(first):
            raise RuntimeError(
                f"Tensors must have same number of dimensions: got {len(first)} and {len(shape)}"
            )
        for axis, (a, b) in enumerate(zip(first, shape, strict=True)):
            if axis != at and a != b:
                raise RuntimeError(
                    f"Sizes of tensors must match except in dimension {at}. Expected size {a} but "
                    f"got size {b} for tensor number {number} in the list."
                )
    return cat_op(*parts, dim=at)  # type: ignore[no-any-return]  # a tensor


@expose("stack", method=False)
@with_out
def stack(tensors: Any, dim: int = 0) -> Tensor:
    """Tensors of one shape along a new axis."""
    parts = _listed(tensors, "stack")
    if not parts:
        raise RuntimeError("stack expects a non-empty TensorList")
    first = parts[0]._value.shape
    for number, part in enumerate(parts):
        if part._value.shape != first:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(first)} at entry 0 and "
                f"{list(part._value.shape)} at entry {number}"
            )
    return stack_op(*parts, dim=check_dim(dim, len(first) + 1))  # type: ignore[no-any-return]  # a tensor


METHODS["stack"] = stack


def _at_least(rank: int) -> Any:
    def grown(tensor: Tensor) -> Tensor:
        own = tensor.dim()
        if own >= rank:
            return tensor
        if not own:
            return reshape(tensor, (1,) * rank)
        if own == 1:
            tensor = unsqueeze(tensor, 0)
        return tensor if rank == 2 else unsqueeze(tensor, -1)

    def at_least(*tensors: Any) -> Any:
        """With at least so many axes; of several tensors, a tuple."""
        if len(tensors) == 1 and isinstance(tensors[0], Tensor):
            return grown(tensors[0])
        if len(tensors) == 1:
            tensors = tuple(tensors[0])
        return tuple([grown(tensor) for tensor in tensors])

    return at_least


atleast_1d, atleast_2d, atleast_3d = _at_least(1), _at_least(2), _at_least(3)
for _rank, _function in ((1, atleast_1d), (2, atleast_2d), (3, atleast_3d)):
    expose(f"atleast_{_rank}d", _function, method=False)


@expose("hstack", method=False)
@with_out
def hstack(tensors: Any) -> Tensor:
    """Tensors side by side: along the second axis, vectors along the first."""
    parts = [atleast_1d(part) for part in _listed(tensors, "hstack")]
    if not parts:
        raise RuntimeError("hstack expects a non-empty TensorList")
    return cat(parts, 0 if parts[0].dim() == 1 else 1)  # type: ignore[no-any-return]  # a tensor


@expose(("vstack", "row_stack"), method=False)
@with_out
def vstack(tensors: Any) -> Tensor:
    """Tensors one above the other."""
    return cat([atleast_2d(part) for part in _listed(tensors, "vstack")], 0)  # type: ignore[no-any-return]  # a tensor


@expose("dstack", method=False)
@with_out
def dstack(tensors: Any) -> Tensor:
    """Tensors one behind the other, along the third axis."""
    return cat([atleast_3d(part) for part in _listed(tensors, "dstack")], 2)  # type: ignore[no-any-return]  # a tensor


@expose("column_stack", method=False)
@with_out
def column_stack(tensors: Any) -> Tensor:
    """Vectors as the columns of a matrix."""
    parts = [
        reshape(part, (part.numel(), 1)) if part.dim() < 2 else part
        for part in _listed(tensors, "column_stack")
    ]
    return hstack(parts)  # type: ignore[no-any-return]  # a tensor


def _block_diag(*parts: Any) -> Any:
    """Matrices along the diagonal, zeros elsewhere."""
    width = sum(part.shape[1] for part in parts)
    rows, before = [], 0
    for part in parts:
        height, own = part.shape
        after = width - before - own
        rows.append(
            np.concatenate(
                [
                    np.zeros((height, before), part.dtype),
                    part,
                    np.zeros((height, after), part.dtype),
                ],
                axis=1,
            )
        )
        before += own
    return np.concatenate(rows, axis=0)


block_diag_op = Static(
    "BlockDiagBackward0",
    lambda *xs: _block_diag(*[x if x.ndim == 2 else x.reshape(1, -1) for x in xs]),
    promote="same",
)


@expose("block_diag", method=False)
def block_diag(*tensors: Any) -> Tensor:
    """A block diagonal matrix; vectors and numbers are rows."""
    for i, tensor in enumerate(tensors):
        if tensor.dim() > 2:
            raise RuntimeError(
                "torch.block_diag: Input tensors must have 2 or fewer dimensions. Input "
                f"{i} has {tensor.dim()} dimensions"
            )
    return block_diag_op(*tensors)  # type: ignore[no-any-return]  # a tensor
