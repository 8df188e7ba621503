"""Weights as a length and a direction: `torch._weight_norm`, `torch.norm_except_dim`."""

from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.registry import expose

__all__ = ["norm_except_dim", "weight_norm_of"]


def _axes(rank: int, dim: int) -> tuple[int, ...]:
    """All axes but one; all for dim = -1."""
    return tuple(axis for axis in range(rank) if axis != dim)


def _scaled(v: Any, g: Any, *, dim: int) -> Any:
    squares = fnp.sum(v * v, axis=_axes(np.ndim(v), dim), keepdims=True)
    return v * (g / fnp.sqrt(squares))


_SCALED = Op("WeightNormInterfaceBackward0", _scaled)


def norm_except_dim(v: Any, pow: int = 2, dim: int = 0) -> Any:
    """The p-norm over all axes but one, which keeps its place.

    Args:
        v: the tensor.
        pow: the order p.
        dim: the axis that is kept; -1 for none.
    """
    if dim == -1:
        return v.norm(pow)
    shape = [1] * v.dim()
    shape[dim] = v.size(dim)
    return v.transpose(0, dim).reshape(v.size(dim), -1).norm(pow, 1).view(shape)


def weight_norm_of(v: Any, g: Any, dim: int = 0) -> Any:
    """g v / ‖v‖, with the norm over all axes but one.

    Args:
        v: the direction.
        g: the lengths.
        dim: the axis whose places have lengths of their own; -1 for one length.
    """
    if dim in (0, v.dim() - 1) and dim != -1:
        return _SCALED(v, g, dim=dim)
    return v * (g / norm_except_dim(v, 2, dim))


expose("norm_except_dim", norm_except_dim, method=False)
expose("_weight_norm", weight_norm_of, method=False)
