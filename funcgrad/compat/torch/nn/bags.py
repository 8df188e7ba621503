"""Sums, means and maxima of the rows of bags of words."""

from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad import stop_gradient
from funcgrad.compat.torch.nn.common import entered, scalar_name, value_of
from funcgrad.compat.torch.nn.linear import embedding, renormalise
from funcgrad.compat.torch.op import Op
from funcgrad.core.tracer import Tracer

__all__ = ["embedding_bag"]


def _bags(
    weight: Any,
    factors: Any,
    *,
    indices: Any,
    owners: Any,
    count: int,
    mode: str,
    scaled: bool = False,
) -> Any:
    """Rows of each bag, summed, averaged or compared; empty bags give 0."""
    rows = weight[indices]
    if scaled:
        used = np.bincount(indices, minlength=weight.shape[0])[indices].astype(weight.dtype)
        fixed = stop_gradient(rows)
        rows = fixed + (rows - fixed) / used[:, None]
    if factors is not None:
        rows = rows * factors[:, None]
    shape = (count, weight.shape[1])
    if mode == "max":
        return _largest(rows, owners, shape)
    total = fnp.at(np.zeros(shape, weight.dtype))[owners].add(rows)
    if mode == "sum":
        return total
    sizes = np.maximum(np.bincount(owners, minlength=count), 1).astype(weight.dtype)
    return total / sizes[:, None]


def _largest(rows: Any, owners: Any, shape: tuple[int, ...]) -> Any:
    """The largest elements of the rows of each bag, the first of equal ones."""
    fixed = stop_gradient(rows)
    top = fnp.at(np.full(shape, -np.inf, rows.dtype))[owners].max(fixed)
    count = rows.shape[0]
    numbers = np.arange(count)[:, None]
    is_top = (fixed == top[owners]) | (fixed != fixed)  # noqa: PLR0124  # NaN
    first = fnp.at(np.full(shape, count))[owners].min(fnp.where(is_top, numbers, count))
    known = first < count
    if not count:
        return np.zeros(shape, rows.dtype)
    found = fnp.take_along_axis(rows, fnp.where(known, first, 0), 0)
    return fnp.where(known, found, rows.dtype.type(0))


bag_op = Op("EmbeddingBagBackward0", _bags)


def _split(input: Any, offsets: Any, include_last: bool) -> tuple[Any, Any]:
    """The words, and where each bag starts among them.

    Raises:
        RuntimeError: for offsets that are none of these words.
        ValueError: for other numbers of axes, and offsets where they say nothing.
    """
    words = np.asarray(value_of(input))
    if words.ndim == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch "
                f"of fixed length sequences. However, found offsets of type {type(offsets)}"
            )
        if words.shape[0] and not words.shape[1]:
            raise RuntimeError("step must be nonzero")
        return words.reshape(-1), np.arange(words.shape[0]) * words.shape[1]
    if words.ndim != 1:
        raise ValueError(
            f"input has to be 1D or 2D Tensor, but got Tensor of dimension {words.ndim}"
        )
    if offsets is None:
        raise ValueError("offsets has to be a 1D Tensor but got None")
    starts = np.asarray(value_of(offsets))
    if starts.ndim != 1:
        raise ValueError("offsets has to be a 1D Tensor")
    if include_last and not starts.size:
        raise RuntimeError("include_last_offset: number of offset should be at least 1")
    if starts.size and starts[0] != 0:
        raise RuntimeError(
            "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from "
            f"position 0. However, got {starts[0]}"
        )
    if starts.size and starts[-1] > words.size:
        raise RuntimeError(
            f"offsets[-1] can not be greater than input's length {words.size} but got offsets[-1] "
            f"of {starts[-1]}"
        )
    return words, starts[:-1] if include_last else starts


def _check(weight: Any, input: Any, factors: Any, mode: str, scaled: bool, sparse: bool) -> None:
    """Refuse options and types that do not go together.

    Raises:
        NotImplementedError: for factors of rows that are not summed.
        RuntimeError: for other types of indices and factors.
        ValueError: for other modes, and for what maxima do not have.
    """
    if factors is not None and factors._value.shape != input._value.shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({factors.shape}) is not None, then it must "
            f"have the same shape as the input ({input.shape})"
        )
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max" and scaled:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if mode == "max" and sparse:
        raise ValueError("max mode does not support sparse weights")
    if factors is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported "
            f"for mode='sum' (got mode='{mode}'). Please open a feature request on GitHub."
        )
    if input.dtype.name not in ("int64", "int32"):
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: "
            f"Long, Int; but got torch.{scalar_name(input.dtype)}Tensor instead (while checking "
            "arguments for embedding_bag)"
        )
    if factors is not None and factors.dtype is not weight.dtype:
        kinds = [f"torch.{scalar_name(one.dtype)}Tensor" for one in (weight, factors)]
        raise RuntimeError(
            "Expected tensor for argument #1 'weight' to have the same type as tensor for argument "
            f"#1 'per_sample_weights'; but type {kinds[0]} does not equal {kinds[1]} (while "
            "checking arguments for embedding_bag)"
        )


def _of_rows(rows: Any, factors: Any, mode: str) -> Any:
    """Bags of one length, from their rows: for indices that a transform maps."""
    if mode == "max":
        return rows.max(1).values
    if factors is not None:
        rows = rows * factors.unsqueeze(-1)
    return rows.sum(1) if mode == "sum" else rows.mean(1)


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
        scale_grad_by_freq: whether gradients are divided by how often an index occurs.
        mode: "sum", "mean" or "max".
        sparse: no difference: gradients are dense.
        per_sample_weights: factor of each row, for sums.
        include_last_offset: whether the last offset is the end of the last bag.
        padding_idx: words that take no part.
    """
    factors = per_sample_weights
    simple = not scale_grad_by_freq and padding_idx is None and max_norm is None
    if simple and isinstance(input._value, Tracer) and input._value.ndim == 2:
        return _of_rows(embedding(input, weight), factors, mode)
    _check(weight, input, factors, mode, scale_grad_by_freq, sparse)
    flat, starts = _split(input, offsets, include_last_offset)
    owners = np.searchsorted(starts, np.arange(flat.size), side="right") - 1
    outside = (flat < 0) | (flat >= weight._value.shape[0])
    if np.any(outside):
        place = int(np.argmax(outside))
        raise RuntimeError(
            f"Index {place} of input takes value {flat[place]} which is not in the valid range [0, "
            f"{weight._value.shape[0]})"
        )
    if factors is not None:
        factors = factors.reshape(-1)
    if padding_idx is not None:
        kept = flat != padding_idx % weight._value.shape[0]
        flat, owners = flat[kept], owners[kept]
        if factors is not None:
            factors = factors[np.flatnonzero(kept).tolist()]
    if max_norm is not None:
        renormalise(weight, flat, max_norm, norm_type)
    return bag_op(
        weight, factors, indices=flat, owners=owners, count=len(starts), mode=mode,
        scaled=scale_grad_by_freq,
    )  # fmt: skip
