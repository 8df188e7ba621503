"""Elements repeated, moved, and laid out as grids."""

import warnings
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.arguments import outside
from funcgrad.compat.torch.dims import check_dim, integers, wrap_dims
from funcgrad.compat.torch.joining import stack
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.registry import expose
from funcgrad.compat.torch.shapes import (
    clone_op,
    contiguous,
    expand,
    flatten,
    unsqueeze,
    view,
)
from funcgrad.compat.torch.static import Static
from funcgrad.compat.torch.tensor import METHODS, Tensor

__all__ = ["flip", "meshgrid", "repeat_interleave", "roll", "tile"]

# --- repeated ---------------------------------------------------------------------------------

repeat_op = Static("RepeatBackward0", lambda x, *, counts: fnp.tile(x, counts))


def _repeat(self: Tensor, *sizes: Any, repeats: Any = ()) -> Tensor:
    """Copies one after the other, so many along each axis."""
    counts = integers(sizes or (repeats,))
    if len(counts) < self.dim():
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of "
            "tensor"
        )
    if min(counts, default=0) < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension: {list(counts)}")
    return repeat_op(self, counts=counts)  # type: ignore[no-any-return]  # a tensor


Tensor.repeat = _repeat  # type: ignore[attr-defined]  # as above


@expose("tile")
def tile(input: Tensor, *sizes: Any, dims: Any = ()) -> Tensor:
    """Copies one after the other; missing counts are 1."""
    counts = integers(sizes or (dims,))
    return _repeat(input, (1,) * (input.dim() - len(counts)) + counts)


index_rows_op = Op(
    "IndexSelectBackward0", lambda x, *, dim, rows: np.take(x, rows, axis=dim), linear=True
)


@expose("repeat_interleave")
def repeat_interleave(
    input: Any, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each element several times in a row."""
    if repeats is None:
        counts = input._array()
        return METHODS["tensor"](np.repeat(np.arange(counts.size), counts))  # type: ignore[no-any-return]  # a tensor
    if dim is None:
        input, dim = flatten(input), 0
    at = check_dim(dim, input.dim())
    if isinstance(repeats, Tensor) and repeats.numel() == 1:
        repeats = int(repeats.item())
    if isinstance(repeats, int):
        if repeats < 0:
            raise RuntimeError("Repeats must be non-negative")
        shape = input.shape
        wide = expand(unsqueeze(input, at + 1), (*shape[: at + 1], repeats, *shape[at + 1 :]))
        dense = contiguous(clone_op(wide))
        return view(dense, (*shape[:at], shape[at] * repeats, *shape[at + 1 :]))
    counts = np.asarray(repeats._array() if isinstance(repeats, Tensor) else repeats)
    if counts.size != input.shape[at]:
        raise RuntimeError(
            "repeats must have the same size as input along dim, but got repeats.size(0) = "
            f"{counts.size} and input.size({at}) = {input.shape[at]}"
        )
    rows = np.repeat(np.arange(counts.size), counts)
    return index_rows_op(input, dim=at, rows=rows)  # type: ignore[no-any-return]  # a tensor


# --- moved within -----------------------------------------------------------------------------

roll_op = Static("RollBackward0", lambda x, *, shifts, dims: fnp.roll(x, shifts, dims))
flip_op = Static("FlipBackward0", lambda x, *, dims: np.flip(x, dims).copy())
rot90_op = Static("Rot90Backward0", lambda x, *, k, dims: np.rot90(x, k, dims).copy())


@expose("roll")
def roll(input: Tensor, shifts: Any, dims: Any = ()) -> Tensor:
    """Elements moved along axes; what leaves at one end comes in at the other."""
    steps, axes = integers((shifts,)), integers((dims,))
    if not axes and len(steps) == 1:
        return roll_op(input, shifts=steps[0], dims=None)  # type: ignore[no-any-return]  # a tensor
    if len(steps) != len(axes):
        raise RuntimeError(
            f"shifts and dimensions must align. shifts: {len(steps)}, dims:{len(axes)}"
        )
    axes = tuple([check_dim(axis, input.dim()) for axis in axes])
    return roll_op(input, shifts=steps, dims=axes)  # type: ignore[no-any-return]  # a tensor


@expose("flip")
def flip(input: Tensor, *axes: Any, dims: Any = ()) -> Tensor:
    """Elements in reversed order along axes, as a copy."""
    axes = wrap_dims(integers(axes or (dims,)), input.dim())
    return flip_op(input, dims=axes if input.dim() else ())  # type: ignore[no-any-return]  # a tensor


@expose("fliplr")
def fliplr(input: Tensor) -> Tensor:
    """Columns in reversed order."""
    if input.dim() < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return flip(input, 1)


@expose("flipud")
def flipud(input: Tensor) -> Tensor:
    """Rows in reversed order."""
    if input.dim() < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return flip(input, 0)


@expose("rot90")
def rot90(input: Tensor, k: int = 1, dims: Any = (0, 1)) -> Tensor:
    """Turned by 90° in the plane of two axes, k times."""
    axes = integers((dims,))
    if len(axes) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(axes)}")
    if axes[0] == axes[1]:
        raise RuntimeError(
            f"expected rotation dims to be different, but got dim0 = {axes[0]} and dim1 = {axes[1]}"
        )
    axes = wrap_dims(axes, input.dim())
    return rot90_op(input, k=k, dims=axes)  # type: ignore[no-any-return]  # a tensor


# --- grids ------------------------------------------------------------------------------------


@expose("meshgrid", method=False)
def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Coordinates of a grid: each vector along an axis of its own."""
    if len(tensors) == 1 and isinstance(tensors[0], tuple | list):
        tensors = tuple(tensors[0])
    if indexing is None:
        warnings.warn(
            "torch.meshgrid: in an upcoming release, it will be required to pass the indexing "
            "argument.",
            UserWarning,
            stacklevel=outside(),
        )
    elif indexing not in ("ij", "xy"):
        raise RuntimeError(
            'torch.meshgrid: indexing must be one of "xy" or "ij", but received: ' + indexing
        )
    for part in tensors:
        if part.dim() > 1:
            raise RuntimeError(
                f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {part.dim()}"
            )
    rank = len(tensors)
    axes = list(range(rank))
    if indexing == "xy" and rank >= 2:
        axes[:2] = [1, 0]
    shape = [0] * rank
    for part, axis in zip(tensors, axes, strict=True):
        shape[axis] = part.numel()
    grids = []
    for part, axis in zip(tensors, axes, strict=True):
        own = [1] * rank
        own[axis] = part.numel()
        grids.append(expand(view(part, tuple(own)), tuple(shape)))
    return tuple(grids)


@expose("cartesian_prod", method=False)
def cartesian_prod(*tensors: Any) -> Tensor:
    """All tuples of elements, as rows."""
    if len(tensors) == 1:
        return tensors[0]  # type: ignore[no-any-return]  # a tensor
    grids = meshgrid(*tensors, indexing="ij")
    return stack([flatten(grid) for grid in grids], 1)  # type: ignore[no-any-return]  # a tensor
