"""Distances and similarities of vectors."""

from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.dims import check_dim
from funcgrad.compat.torch.dtypes import promote_types
from funcgrad.compat.torch.entering import write_out
from funcgrad.compat.torch.grad_mode import no_grad
from funcgrad.compat.torch.nn.common import add_scalar, entered, scalar_name
from funcgrad.compat.torch.norms import check_inexact
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.shapes import broadcast_tensors

__all__ = ["cosine_similarity", "normalize", "pairwise_distance", "pdist"]


def _norm(x: Any, *, order: float, axis: int, keepdim: bool) -> Any:
    return fnp.linalg.norm(x, order, axis, keepdim) if x.ndim else fnp.abs(x)


def _pdist(x: Any, *, order: float) -> Any:
    first, second = np.triu_indices(x.shape[0], 1)
    return fnp.linalg.norm(x[first] - x[second], order, -1)


vector_norm_op = Op("LinalgVectorNormBackward0", _norm, promote="float")
norm_op = Op("NormBackward1", _norm, promote="float")
pdist_op = Op("PdistBackward0", _pdist)


@entered("pairwise_distance", torch=True)
def pairwise_distance(
    x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Any:
    """‖x₁ - x₂ + eps‖ along the last axis."""
    difference = add_scalar(x1 - x2, other=eps)
    return norm_op(difference, order=float(p), axis=-1, keepdim=keepdim)


@entered("cosine_similarity", torch=True)
def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    """Σ x₁ x₂ / (max(‖x₁‖, eps) max(‖x₂‖, eps)) along an axis."""
    if x1._value.shape != x2._value.shape:
        x1, x2 = broadcast_tensors(x1, x2)
    kind = promote_types(x1.dtype, x2.dtype)
    if kind.category < 2:
        raise RuntimeError(
            f"expected common dtype to be floating point, yet common dtype is {scalar_name(kind)}"
        )
    x1, x2 = (x.to(kind) if x.dtype.category < 2 else x for x in (x1, x2))
    dim = check_dim(dim, x1._value.ndim)
    norms = [vector_norm_op(x, order=2.0, axis=dim, keepdim=True).clone() for x in (x1, x2)]
    with no_grad():
        for norm in norms:
            norm.clamp_(min=eps)
    return ((x1 / norms[0]) * (x2 / norms[1])).sum(dim)


@entered("normalize")
def normalize(
    input: Any,
    p: float = 2.0,
    dim: int = 1,
    eps: float = 1e-12,
    out: Any = None,
) -> Any:
    """x / max(‖x‖, eps) along an axis."""
    check_inexact("linalg.vector_norm", input)
    norm = vector_norm_op(input, order=float(p), axis=dim, keepdim=True)
    length = norm.clamp_min(eps).expand_as(input)
    return input / length if out is None else write_out("div", out, input / length)


@entered("pdist", torch=True)
def pdist(input: Any, p: float = 2.0) -> Any:
    """Distances of the pairs i < j of rows."""
    if input._value.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input._value.ndim}D")
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    return pdist_op(input, order=float(p))
