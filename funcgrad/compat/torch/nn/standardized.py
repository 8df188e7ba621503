"""Normalisation of plain arrays in few passes over memory: values, statistics, derivatives.

With x̂ = (x - mean) / √(variance + eps) over n elements, y = w x̂ + b and c = w ct, the cotangents
are (c - mean(c) - x̂ mean(c x̂)) / √(variance + eps) of x, Σ ct x̂ of w, and Σ ct of b.
"""

from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any

import numpy as np

from funcgrad.compat.torch.nn.short import short_result, traced_pull

__all__ = ["by_batch", "by_given", "by_group", "by_layer"]

Function = Callable[..., Any]
_einsum: Any = np.einsum


class _Rows:
    """Statistics of each row of a matrix."""

    def __init__(self, rows: int, count: int, kind: Any) -> None:
        self.shape = (rows, count)
        self.count = count
        self.ones = np.ones(count, kind)

    def sums(self, v: Any) -> Any:
        """Σ v."""
        return v @ self.ones

    def dots(self, v: Any, u: Any) -> Any:
        """Σ v u."""
        return _einsum("ij,ij->i", v, u)


class _Channels:
    """Statistics of each channel of (N, C, S), or of (N, C) where S is 1."""

    def __init__(self, shape: tuple[int, ...], kind: Any) -> None:
        size = prod(shape[2:])
        self.shape = (shape[0], shape[1], size) if size > 1 else (shape[0], shape[1])
        self.count = shape[0] * size
        self.ones = np.ones(shape[0], kind)
        self.inner = np.ones(size, kind) if size > 1 else None

    def sums(self, v: Any) -> Any:
        """Σ v."""
        return self.ones @ (v if self.inner is None else v @ self.inner)

    def dots(self, v: Any, u: Any) -> Any:
        """Σ v u."""
        return _einsum("ij,ij->j" if self.inner is None else "ijk,ijk->j", v, u)

    def spread(self, v: Any) -> Any:
        """One number for each channel, in a shape that broadcasts."""
        return v if self.inner is None else v[:, None]


def _standard(v: Any, of: Any, eps: float, spread: Function) -> tuple[Any, Any, Any, Any]:
    """x̂, the factor 1 / √(variance + eps), mean and variance."""
    mean = of.sums(v) / of.count
    centred = v - spread(mean)
    variance = of.dots(centred, centred) / of.count
    factor = 1 / np.sqrt(variance + eps)
    centred *= spread(factor)
    return centred, factor, mean, variance


def _column(v: Any) -> Any:
    return v[:, None]


def _back(c: Any, xhat: Any, mean_c: Any, mean_cx: Any, factor: Any) -> Any:
    """(c - mean(c) - x̂ mean(c x̂)) · factor, for statistics that broadcast."""
    part = xhat * -mean_cx
    part += c
    part -= mean_c
    part *= factor
    return part


def _affine(xhat: Any, weight: Any, bias: Any, spread: Function | None = None) -> Any:
    """W x̂ + b."""
    if weight is not None:
        y = xhat * (weight if spread is None else spread(weight))
        if bias is not None:
            y += bias if spread is None else spread(bias)
        return y
    return xhat.copy() if bias is None else xhat + (bias if spread is None else spread(bias))


def _values(operands: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple([None if t is None else t._value for t in operands])


def _chosen(parts: tuple[Any, ...], mask: tuple[bool, ...]) -> Any:
    found = tuple([part for part, flag in zip(parts, mask, strict=True) if flag])
    return found if len(found) > 1 else found[0]


def _finished(
    op: Any, name: str, operands: tuple[Any, ...], y: Any, function: Function, parts_of: Function
) -> Any:
    """The result with its node.

    Args:
        op: the operation.
        name: its name.
        operands: input, weight and bias.
        y: the value.
        function: the same of any values.
        parts_of: `(ct, mask) -> parts` of all operands, those that are not active `None`.
    """
    values = _values(operands)

    def pull(mask: tuple[bool, ...]) -> Function:
        def pulled(ct: Any, kept: Any) -> Any:
            if type(ct) is not np.ndarray:
                return traced_pull(function, kept, mask, ct)
            return _chosen(parts_of(ct, mask), mask)

        return pulled

    return short_result(
        op.cls, name, operands, y, function, pull, residuals=values, linear=(2,)
    )  # fmt: skip


def by_layer(op: Any, function: Function, operands: tuple[Any, ...], rank: int, eps: float) -> Any:
    """Over the last axes."""
    x, w, b = _values(operands)
    count = prod(x.shape[x.ndim - rank :])
    of = _Rows(x.size // count, count, x.dtype)
    xhat, factor, _, _ = _standard(x.reshape(of.shape), of, eps, _column)
    flat = None if w is None else w.reshape(-1)
    y = _affine(xhat, flat, None if b is None else b.reshape(-1)).reshape(x.shape)

    def parts_of(ct: Any, mask: tuple[bool, ...]) -> tuple[Any, ...]:
        c = ct.reshape(of.shape)
        dx = dw = db = None
        if mask[1]:
            dw = _einsum("ij,ij->j", c, xhat).reshape(w.shape)
        if mask[2]:
            db = (np.ones(of.shape[0], x.dtype) @ c).reshape(b.shape)
        if mask[0]:
            c = c if flat is None else c * flat
            means = (of.sums(c) / count)[:, None], (of.dots(c, xhat) / count)[:, None]
            dx = _back(c, xhat, *means, factor[:, None]).reshape(x.shape)
        return dx, dw, db

    return _finished(op, "NativeLayerNorm", operands, y, function, parts_of)


def by_group(
    op: Any, function: Function, operands: tuple[Any, ...], groups: int, eps: float
) -> Any:
    """Over groups of channels."""
    x, w, b = _values(operands)
    count = prod(x.shape[1:]) // groups
    of = _Rows(x.shape[0] * groups, count, x.dtype)
    xhat, factor, _, _ = _standard(x.reshape(of.shape), of, eps, _column)
    channels = _Channels(x.shape, x.dtype)
    seen = xhat.reshape(channels.shape)
    y = _affine(seen, w, b, channels.spread).reshape(x.shape)

    def parts_of(ct: Any, mask: tuple[bool, ...]) -> tuple[Any, ...]:
        c = ct.reshape(channels.shape)
        dx = None
        dw = channels.dots(c, seen) if mask[1] else None
        db = channels.sums(c) if mask[2] else None
        if mask[0]:
            c = (c if w is None else c * channels.spread(w)).reshape(of.shape)
            means = (of.sums(c) / count)[:, None], (of.dots(c, xhat) / count)[:, None]
            dx = _back(c, xhat, *means, factor[:, None]).reshape(x.shape)
        return dx, dw, db

    return _finished(op, "NativeGroupNorm", operands, y, function, parts_of)


def by_batch(
    op: Any, function: Function, operands: tuple[Any, ...], eps: float
) -> tuple[Any, Any, Any]:
    """Over the batch, for each channel.

    Returns:
        The result, mean and unbiased variance.
    """
    x, w, b = _values(operands)
    of = _Channels(x.shape, x.dtype)
    spread, count = of.spread, of.count
    xhat, factor, mean, variance = _standard(x.reshape(of.shape), of, eps, spread)
    y = _affine(xhat, w, b, spread).reshape(x.shape)
    scale = factor if w is None else factor * w

    def parts_of(ct: Any, mask: tuple[bool, ...]) -> tuple[Any, ...]:
        c = ct.reshape(of.shape)
        dx = None
        dw, db = of.dots(c, xhat), of.sums(c)
        if mask[0]:
            means = spread(db / count), spread(dw / count)
            dx = _back(c, xhat, *means, spread(scale)).reshape(x.shape)
        return dx, dw, db

    unbiased = variance * (count / max(count - 1, 1))
    return _finished(op, "NativeBatchNorm", operands, y, function, parts_of), mean, unbiased


def by_given(
    op: Any, function: Function, operands: tuple[Any, ...], mean: Any, variance: Any, eps: float
) -> Any:
    """By given statistics of each channel, which may be written to afterwards."""
    x, w, b = _values(operands)
    mean, variance = mean.copy(), variance.copy()
    function = partial(function, mean=mean, variance=variance)
    of = _Channels(x.shape, x.dtype)
    spread = of.spread
    factor = 1 / np.sqrt(variance + eps)
    scale = factor if w is None else factor * w
    v = x.reshape(of.shape)
    y = v * spread(scale)
    y += spread(-mean * scale if b is None else b - mean * scale)

    def parts_of(ct: Any, mask: tuple[bool, ...]) -> tuple[Any, ...]:
        c = ct.reshape(of.shape)
        dx = (c * spread(scale)).reshape(x.shape) if mask[0] else None
        db = of.sums(c) if mask[1] or mask[2] else None
        dw = (of.dots(c, v) - mean * db) * factor if mask[1] else None
        return dx, dw, db

    return _finished(op, "NativeBatchNorm", operands, y.reshape(x.shape), function, parts_of)
