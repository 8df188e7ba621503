"""Attention: averages of values, weighted by how well keys fit queries."""

import math
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad import nn
from funcgrad.compat.torch.creation import made
from funcgrad.compat.torch.nn.common import entered, mul_scalar, value_of
from funcgrad.compat.torch.nn.dropout import dropout
from funcgrad.compat.torch.op import Op

__all__ = ["scaled_dot_product_attention"]


def _safe_softmax(x: Any) -> Any:
    """Softmax along the last axis; 0 in rows that are -inf throughout."""
    nothing = fnp.all(x == -np.inf, axis=-1, keepdims=True)
    return fnp.where(nothing, 0, nn.softmax(fnp.where(nothing, 0, x), -1))


def _attention(query: Any, key: Any, value: Any, *, bias: Any, scale: float) -> Any:
    scores = fnp.matmul(query, fnp.swapaxes(key, -1, -2)) * scale
    return fnp.matmul(_safe_softmax(scores if bias is None else scores + bias), value)


safe_softmax_op = Op("SafeSoftmaxBackward0", _safe_softmax)
flash_op = Op("ScaledDotProductFlashAttentionForCpuBackward0", _attention)


def _as_bias(mask: Any, kind: Any) -> Any:
    """A mask of truth values as numbers to add: 0 and -inf."""
    if mask is None or mask.dtype.name != "bool":
        return mask
    return made(np.where(np.asarray(value_of(mask)), 0.0, -np.inf), kind)


@entered("scaled_dot_product_attention")
def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """softmax(Q Kᵀ scale + mask) V.

    Args:
        query: Q, (..., n, d).
        key: K, (..., m, d).
        value: V, (..., m, e).
        attn_mask: truth values (where to look), or numbers to add; broadcasts to (..., n, m).
        dropout_p: probability of dropping a weight.
        is_causal: whether row i sees the columns up to i only.
        scale: by default 1/√d.
        enable_gqa: whether each head of K and V serves several of Q.
    """
    if is_causal and attn_mask is not None:
        raise RuntimeError(
            "_scaled_dot_product_attention: Explicit attn_mask should not be set when "
            "is_causal=True"
        )
    shape = query._value.shape
    if min(x._value.ndim for x in (query, key, value)) < 2:
        raise RuntimeError(
            "scaled_dot_product_attention: Expected query, key, and value to all be  at least 2 "
            f"dimensional, but got: {query._value.ndim}, {key._value.ndim}, {value._value.ndim} "
            "instead."
        )
    if enable_gqa and len(shape) > 2:
        share = shape[-3] // key._value.shape[-3]
        if share > 1:
            key, value = (x.repeat_interleave(share, -3) for x in (key, value))
    factor = 1 / math.sqrt(shape[-1]) if scale is None else scale
    if is_causal:
        allowed = np.tril(np.ones((shape[-2], key._value.shape[-2]), bool))
        bias: Any = made(np.where(allowed, 0.0, -np.inf), query.dtype)
    else:
        bias = _as_bias(attn_mask, query.dtype)
    equal = shape[-1] == key._value.shape[-1] == value._value.shape[-1]
    masked = bias is not None and bias.requires_grad
    if len(shape) == 4 and equal and not dropout_p and not masked:
        return flash_op(query, key, value, bias=value_of(bias), scale=factor)
    root = math.sqrt(factor)
    scores = mul_scalar(query, other=root).matmul(mul_scalar(key.transpose(-2, -1), other=root))
    if bias is not None:
        scores = scores + bias
    weights = safe_softmax_op(scores)
    if dropout_p:
        weights = dropout(weights, dropout_p)
    return weights.matmul(value)
