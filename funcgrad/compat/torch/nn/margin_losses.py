"""Losses of pairs and triples of inputs, composed as PyTorch composes them."""

from collections.abc import Callable
from typing import Any

from funcgrad.compat.torch.constructors import zeros_like
from funcgrad.compat.torch.nn.common import (
    add_scalar,
    entered,
    reduced_tensor,
    reduction_of,
    sub_scalar,
)
from funcgrad.compat.torch.nn.distances import pairwise_distance
from funcgrad.compat.torch.pointwise import sub

__all__ = [
    "cosine_embedding_loss",
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]


@entered("hinge_embedding_loss")
def hinge_embedding_loss(
    input: Any,
    target: Any,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """Mean of x where y = 1, and of max(0, margin - x) where y = -1."""
    reduction = reduction_of(reduction, size_average, reduce)
    nothing = zeros_like(input)
    far = sub(margin, input).clamp_min(0).where(target != 1, nothing)
    return reduced_tensor(far + input.where(target != -1, nothing), reduction)


@entered("margin_ranking_loss")
def margin_ranking_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """Mean of max(0, -y (x₁ - x₂) + margin)."""
    reduction = reduction_of(reduction, size_average, reduce)
    if not input1._value.ndim == input2._value.ndim == target._value.ndim:
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {input1.size()!r}, input2: {input2.size()!r}, target: {target.size()!r} "
        )
    losses = add_scalar(-target * (input1 - input2), other=margin).clamp_min(0)
    return reduced_tensor(losses, reduction)


@entered("cosine_embedding_loss")
def cosine_embedding_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """Mean of 1 - cos where y = 1, and of max(0, cos - margin) where y = -1."""
    reduction = reduction_of(reduction, size_average, reduce)
    rank, labels = input1._value.ndim, target._value.ndim
    sizes = f"{_sizes(input1)} and {_sizes(input2)}."
    if labels > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if labels == 1 and rank != 2:
        raise RuntimeError(
            f"1D target tensor expects 2D input tensors, but found inputs with sizes {sizes}"
        )
    if labels == 0 and rank != 1:
        raise RuntimeError(
            f"0D target tensor expects 1D input tensors, but found inputs with sizes {sizes}"
        )
    product = (input1 * input2).sum(labels)
    square1 = add_scalar((input1 * input1).sum(labels), other=1e-12)
    square2 = add_scalar((input2 * input2).sum(labels), other=1e-12)
    cos = product / (square1 * square2).sqrt()
    nothing = zeros_like(cos)
    near = sub(1, cos).where(target == 1, nothing)
    far = sub_scalar(cos, other=margin).clamp_min(0).where(target == -1, nothing)
    return reduced_tensor(near + far, reduction)


def _sizes(x: Any) -> str:
    return str(list(x._value.shape))


@entered("triplet_margin_loss")
def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """Mean of max(0, margin + ‖a - p‖ - ‖a - n‖)."""
    reduction = reduction_of(reduction, size_average, reduce)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    _check_ranks(anchor, positive, negative)
    near = pairwise_distance(anchor, positive, p, eps)
    far = pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = far.minimum(pairwise_distance(positive, negative, p, eps))
    return reduced_tensor((add_scalar(near, other=margin) - far).clamp_min(0), reduction)


@entered("triplet_margin_with_distance_loss")
def triplet_margin_with_distance_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    distance_function: Callable[[Any, Any], Any] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Any:
    """Mean of max(0, margin + d(a, p) - d(a, n)) for a distance d."""
    reduction = reduction_of(reduction)
    distance = distance_function or pairwise_distance
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    _check_ranks(anchor, positive, negative)
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = far.minimum(distance(positive, negative))
    return reduced_tensor((margin + near - far).clamp_min(0), reduction)


def _check_ranks(anchor: Any, positive: Any, negative: Any) -> None:
    a, p, n = (x._value.ndim for x in (anchor, positive, negative))
    if not a == p == n:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of "
            f"dimensions, but got: anchor {a}D, positive {p}D, and negative {n}D inputs"
        )
