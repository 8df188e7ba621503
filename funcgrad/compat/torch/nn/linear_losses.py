"""Cross-entropy of logits that are a linear map of the input."""

import math
from typing import Any

from funcgrad.compat.torch.nn.class_losses import cross_entropy
from funcgrad.compat.torch.nn.common import entered
from funcgrad.compat.torch.nn.linear import linear

__all__ = ["linear_cross_entropy"]


def _check(input: Any, weight: Any, bias: Any) -> None:
    """Refuse shapes that do not fit.

    Raises:
        RuntimeError: in PyTorch's words.
    """
    x, w = input._value.shape, weight._value.shape
    if len(x) not in (1, 2):
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {len(x)}")
    if len(w) < 2:
        raise RuntimeError(f"expected linear_weight with dimensionality at least 2, got {len(w)}")
    if x[-1] != w[-1]:
        raise RuntimeError(
            "expected equal input and linear_weight last dimensions (in_features), got "
            f"{x[-1]} and {w[-1]}, respectively"
        )
    if len(w) > 2 and len(x) == 1:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {w} requires batched input, "
            f"(N, {x[-1]}), got unbatched input with shape {x}"
        )
    if bias is not None and bias._value.shape != w[:-1]:
        raise RuntimeError(f"expected linear_bias shape {w[:-1]}, got {bias._value.shape}")


@entered("linear_cross_entropy")
def linear_cross_entropy(
    input: Any,
    linear_weight: Any,
    target: Any,
    *,
    linear_bias: Any = None,
    weight: Any = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> Any:
    """Cross-entropy of the logits x Wᵀ + b.

    Args:
        input: x, of shape (in) or (N, in).
        linear_weight: W, of shape (C, in) or (C, d1, ..., in).
        target: class numbers (N, d1, ...), or probabilities (N, C, d1, ...).
        linear_bias: b, of shape (C, d1, ...).
        weight: (C), of the classes.
        reduction: "mean", "sum" or "none".
        ignore_index: class number of examples that take no part.
        label_smoothing: share of the uniform distribution in the target.
        options: how PyTorch would cut the batch to save memory; here the logits are made whole.
    """
    del options
    _check(input, linear_weight, linear_bias)
    if ignore_index is None:
        ignore_index = -100
    elif target.dtype.category >= 2:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    out = linear_weight._value.shape[:-1]
    if len(out) == 1:
        logits = linear(input, linear_weight, linear_bias)
    else:
        length = math.prod(out)
        flat = linear_weight.reshape(length, input._value.shape[-1])
        bias = None if linear_bias is None else linear_bias.reshape(length)
        logits = linear(input, flat, bias).view(input._value.shape[0], *out)
    return cross_entropy(
        logits, target, weight, ignore_index=ignore_index, reduction=reduction,
        label_smoothing=label_smoothing,
    )  # fmt: skip
