"""Softmax and its kin: stable at any logits, also at infinite ones where there is a limit."""

from typing import Any

import numpy as np

from funcgrad.families.shapes import negative_axes
from funcgrad.primitives import fused
from funcgrad.primitives.special import as_real

__all__ = ["log_softmax", "logsumexp", "softmax"]


def softmax(x: Any, axis: Any = -1, where: Any = None) -> Any:
    """exp(x) / Σ exp(x): positive numbers with sum 1.

    Args:
        x: real array of any shape.
        axis: an int or a tuple of ints, over which the sum goes; `None` for all.
        where: which elements take part (broadcast against `x`); the others get 0. By default all.

    Returns:
        An array of the shape and dtype of `x`.

    Example:
        >>> softmax(np.array([0.0, 0.0, 1000.0]))
        array([0., 0., 1.])
    """
    if where is None:
        return fused.softmax(x, axis)
    return np.where(where, fused.softmax(_masked("softmax", x, where), axis), 0)


def log_softmax(x: Any, axis: Any = -1, where: Any = None) -> Any:
    """log(softmax(x)) = x - log Σ exp(x).

    Args:
        x: real array of any shape.
        axis: an int or a tuple of ints, over which the sum goes; `None` for all.
        where: which elements take part (broadcast against `x`); the others get -inf. By default
            all.

    Returns:
        An array of the shape and dtype of `x`.

    Example:
        >>> log_softmax(np.array([0.0, 1000.0]))
        array([-1000.,     0.])
    """
    if where is None:
        return fused.log_softmax(x, axis)
    return np.where(where, fused.log_softmax(_masked("log_softmax", x, where), axis), -np.inf)


def logsumexp(
    a: Any,
    axis: Any = None,
    b: Any = None,
    keepdims: bool = False,
    return_sign: bool = False,
    where: Any = None,
) -> Any:
    """log Σ b exp(a).

    Args:
        a: real array of any shape.
        axis: an int or a tuple of ints, over which the sum goes; `None` for all.
        b: real weights (broadcast against `a`), 1 by default. Where the sum is negative the result
            is nan, unless `return_sign` is set.
        keepdims: whether the axes stay, with length 1.
        return_sign: whether to return `(log |Σ b exp(a)|, sign)`.
        where: which elements take part (broadcast against `a`); by default all.

    Returns:
        An array of the remaining shape, or a pair of them. An empty sum gives -inf.

    Example:
        >>> logsumexp(np.array([1000.0, 1000.0]))
        np.float64(1000.6931471805599)
    """
    if where is not None:
        a = _masked("logsumexp", a, where)
    if b is None and not return_sign:
        return fused.logsumexp(a, axis, keepdims)
    a = as_real("logsumexp", a)
    b = 1.0 if b is None else as_real("logsumexp", b)
    a = np.where(b == 0, -np.inf, a)
    axes = negative_axes(axis, len(a.shape))
    top = fused.shift(a, axes)
    total = np.sum(b * np.exp(a - top), axis=axes, keepdims=keepdims)
    if not keepdims:
        top = np.squeeze(top, axis=axes)
    with np.errstate(divide="ignore"):  # log(0) = -inf is the limit
        if not return_sign:
            return np.log(np.where(total < 0, np.nan, total)) + top
        return np.log(np.abs(total)) + top, np.sign(total)


def _masked(name: str, x: Any, where: Any) -> Any:
    return np.where(where, as_real(name, x), -np.inf)
