"""Softmax and its kin."""

import warnings
from functools import partial
from typing import Any

from funcgrad import nn
from funcgrad.compat.torch import sums
from funcgrad.compat.torch.arguments import outside
from funcgrad.compat.torch.compilation_breaks import as_one
from funcgrad.compat.torch.constructors import empty_like, zeros_like
from funcgrad.compat.torch.dtypes import dtype
from funcgrad.compat.torch.nn.common import entered
from funcgrad.compat.torch.nn.short import are_plain, short_loss
from funcgrad.compat.torch.node import node_class
from funcgrad.compat.torch.tensor import Tensor
from funcgrad.primitives.fused import _log_softmax_pull as log_softmax_pull
from funcgrad.primitives.fused import log_softmax_of

__all__ = ["gumbel_softmax", "log_softmax", "softmax", "softmin"]


_LOG_NODE = node_class("LogSoftmaxBackward0")


def _axis(name: str, x: Tensor, dim: int | None) -> int:
    """The axis; the one that was once implied, with a warning, where none is given."""
    if dim is not None:
        return dim
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include "
        "dim=X as an argument.",
        UserWarning,
        stacklevel=outside(),
    )
    return 0 if x._value.ndim in (0, 1, 3) else 1


def log_softmax_along(input: Any, dim: int, dtype: dtype | None = None) -> Any:
    """log(exp(x) / Σ exp(x)) along an axis, the short way for plain arrays."""
    x = input._value
    short = dtype is None and are_plain(input, input) and -x.ndim <= dim < x.ndim
    if not short or not sums.is_finite(x):
        return sums.log_softmax(input, dim, dtype)
    axis = dim if dim < 0 else dim - x.ndim
    value = log_softmax_of(x, axis)
    again = partial(nn.log_softmax, axis=axis)
    result = short_loss(
        _LOG_NODE, "log_softmax", (input,), value, (value, axis), again, log_softmax_pull
    )
    if result._node is not None:
        result._node.saved = (result._cell, 0)
    return result


@entered("softmax")
@as_one
def softmax(
    input: Any,
    dim: int | None = None,
    _stacklevel: int = 3,
    dtype: dtype | None = None,
) -> Any:
    """exp(x) / Σ exp(x) along an axis."""
    return sums.softmax(input, _axis("softmax", input, dim), dtype)


@entered("log_softmax")
@as_one
def log_softmax(
    input: Any,
    dim: int | None = None,
    _stacklevel: int = 3,
    dtype: dtype | None = None,
) -> Any:
    """log(exp(x) / Σ exp(x)) along an axis."""
    return log_softmax_along(input, _axis("log_softmax", input, dim), dtype)


@entered("softmin")
def softmin(
    input: Any,
    dim: int | None = None,
    _stacklevel: int = 3,
    dtype: dtype | None = None,
) -> Any:
    """exp(-x) / Σ exp(-x) along an axis."""
    return sums.softmax(-input, _axis("softmin", input, dim), dtype)


@entered("gumbel_softmax")
def gumbel_softmax(
    logits: Any, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Any:
    """softmax((logits + g) / tau) with g = -log of exponential draws (E. Jang et al., 2016).

    Args:
        logits: unnormalised log-probabilities.
        tau: temperature.
        hard: whether to give one-hot vectors, whose derivatives are those of the soft ones.
        eps: unused.
        dim: along which the softmax is taken.
    """
    del eps
    draws = -empty_like(logits).exponential_().log()
    soft = softmax((logits + draws) / tau, dim)
    if not hard:
        return soft
    index = soft.max(dim, keepdim=True)[1]
    return zeros_like(logits).scatter_(dim, index, 1.0) - soft.detach() + soft
