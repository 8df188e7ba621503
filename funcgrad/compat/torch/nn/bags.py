"""Sums, means and maxima of the rows of bags of words."""

from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.nn.common import entered, value_of
from funcgrad.compat.torch.nn.linear import renormalise
from funcgrad.compat.torch.op import Op

__all__ = ["embedding_bag"]


def _bags(weight: Any, factors: Any, *, indices: Any, owners: Any, count: int, mode: str) -> Any:
    """Rows of each bag, summed, averaged or compared; empty bags give 0."""
    rows = weight[indices]
    if factors is not None:
        rows = rows * factors[:, None]
    shape = (count, weight.shape[1])
    if mode == "max":
        low = fnp.at(np.full(shape, -np.inf, weight.dtype))[owners].max(rows)
        return fnp.where(fnp.isinf(low), 0, low)
    total = fnp.at(np.zeros(shape, weight.dtype))[owners].add(rows)
    if mode == "sum":
        return total
    sizes = np.maximum(np.bincount(owners, minlength=count), 1).astype(weight.dtype)
    return total / sizes[:, None]


bag_op = Op("EmbeddingBagBackward0", _bags)


def _split(input: Any, offsets: Any, include_last: bool) -> tuple[Any, Any]:
    """The words, and where each bag starts among them.

    Raises:
        ValueError: for other numbers of axes, and offsets where they say nothing.
    """
    words = np.asarray(value_of(input))
    if words.ndim == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch "
                f"of fixed length sequences. However, found offsets of type {type(offsets)}"
            )
        starts = np.arange(words.shape[0]) * words.shape[1]
    elif words.ndim == 1:
        if offsets is None:
            raise ValueError("offsets has to be a 1D Tensor but got None")
        starts = np.asarray(value_of(offsets))
        if include_last:
            starts = starts[:-1]
    else:
        raise ValueError(
            f"input has to be 1D or 2D Tensor, but got Tensor of dimension {words.ndim}"
        )
    return words, starts


@entered("embedding_bag")
def embedding_bag(
    input: Any,
    weight: Any,
    offsets: Any = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Any:
    """Sum, mean or maximum of the rows of each bag.

    Args:
        input: indices, (bags, words), or (words) of all bags in a row.
        weight: (n, d).
        offsets: where each bag starts, if the input has one axis.
        max_norm: rows that are used are shrunk to this norm, in place.
        norm_type: the p of that norm.
        scale_grad_by_freq: not supported.
        mode: "sum", "mean" or "max".
        sparse: no difference: gradients are dense.
        per_sample_weights: factor of each row, for sums.
        include_last_offset: whether the last offset is the end of the last bag.
        padding_idx: words that take no part.
    """
    if scale_grad_by_freq:
        raise RuntimeError(
            "embedding_bag: scale_grad_by_freq is not supported by funcgrad's PyTorch-style layer"
        )
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum or mean")
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported "
            f"for mode='sum' (got mode='{mode}'). Please open a feature request on GitHub."
        )
    words, starts = _split(input, offsets, include_last_offset)
    flat = words.reshape(-1)
    owners = np.searchsorted(starts, np.arange(flat.size), side="right") - 1
    factors = None if per_sample_weights is None else per_sample_weights.reshape(-1)
    if np.any((flat < 0) | (flat >= weight._value.shape[0])):
        raise RuntimeError("embedding_bag: Expected idx >= 0 && idx < num_embeddings")
    if padding_idx is not None:
        kept = flat != padding_idx % weight._value.shape[0]
        flat, owners = flat[kept], owners[kept]
        if factors is not None:
            factors = factors[np.flatnonzero(kept).tolist()]
    if max_norm is not None:
        renormalise(weight, flat, max_norm, norm_type)
    return bag_op(weight, factors, indices=flat, owners=owners, count=len(starts), mode=mode)
