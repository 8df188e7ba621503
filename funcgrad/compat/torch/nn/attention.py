"""`torch.nn.attention`: averages of values, weighted by how well keys fit queries."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from functools import lru_cache
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad import nn
from funcgrad.compat.torch.compilation_breaks import as_one
from funcgrad.compat.torch.creation import made
from funcgrad.compat.torch.nn.common import entered, mul_scalar, scalar_name, value_of, widened
from funcgrad.compat.torch.nn.dropout import dropout
from funcgrad.compat.torch.nn.short import all_plain, short_result
from funcgrad.compat.torch.nn.short_several import short_results
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.state import STATE
from funcgrad.primitives.fused import _softmax_pull as softmax_pull
from funcgrad.primitives.fused import without_shift

__all__ = ["SDPBackend", "scaled_dot_product_attention", "sdpa_kernel"]

FUSED = frozenset(("float32", "float64", "float16", "bfloat16"))


def _safe_softmax(x: Any) -> Any:
    """Softmax along the last axis; 0 in rows that are -inf throughout."""
    nothing = fnp.all(x == -np.inf, axis=-1, keepdims=True)
    safe = fnp.where(nothing, 0, x)
    if not x.shape[-1]:
        return safe
    known = fnp.isfinite(fnp.max(safe, axis=-1, keepdims=True))  # the core has limits, PyTorch NaN
    weights = nn.softmax(safe, -1)
    return fnp.where(
        nothing, 0, weights * fnp.where(known, x.dtype.type(1), np.nan).astype(x.dtype)
    )


def _attention(query: Any, key: Any, value: Any, *, bias: Any, scale: float) -> Any:
    scores = fnp.matmul(query, fnp.swapaxes(key, -1, -2)) * scale
    return fnp.matmul(_safe_softmax(scores if bias is None else scores + bias), value)


safe_softmax_op = Op("SafeSoftmaxBackward0", _safe_softmax)
flash_op = Op("ScaledDotProductFlashAttentionForCpuBackward0", widened(_attention))


# --- plain arrays -----------------------------------------------------------------------------


def _softmax_of_products(query: Any, key: Any, bias: Any) -> Any:
    """softmax(Q K + bias); 0 in rows that are -inf throughout."""
    scores = np.matmul(query, key)
    if bias is not None:
        scores += bias
    weights = without_shift(scores, -1, out=scores)
    if weights is not None:
        return weights
    np.matmul(query, key, out=scores)  # its memory may have been used
    if bias is not None:
        scores += bias
    largest = np.maximum.reduce(scores, axis=-1, keepdims=True)
    largest[largest == -np.inf] = 0
    scores -= largest
    np.exp(scores, scores)
    totals = np.add.reduce(scores, axis=-1, keepdims=True)
    totals[totals == 0] = 1
    scores /= totals
    return scores


def _plain_attention(operands: Sequence[Any], bias: Any, scale: float) -> Any:
    """Attention on plain float32 or float64, as one node that keeps the weights."""
    query, key, value = (x._value for x in operands)
    factor = query.dtype.type(scale)
    with np.errstate(all="ignore"):
        scaled = query * factor
        weights = _softmax_of_products(scaled, key.swapaxes(-1, -2), bias)
        result = np.matmul(weights, value)

    def backward(
        cts: Sequence[Any], kept: Any, values: Sequence[Any], mask: Sequence[bool]
    ) -> list[Any]:
        ct = cts[0]
        scaled, weights = kept
        _, key, value = values
        parts: list[Any] = [None, None, None]
        if mask[2]:
            parts[2] = np.matmul(weights.swapaxes(-1, -2), ct)
        if mask[0] or mask[1]:
            grad = np.matmul(ct, value.swapaxes(-1, -2))
            grad -= np.vecdot(grad, weights)[..., None]
            grad *= weights
            if mask[0]:
                parts[0] = np.matmul(grad, key)
                parts[0] *= factor
            if mask[1]:
                parts[1] = np.matmul(grad.swapaxes(-1, -2), scaled)
        return parts

    def function(query: Any, key: Any, value: Any) -> tuple[Any]:
        return (_attention(query, key, value, bias=bias, scale=scale),)

    kept = (scaled, weights)
    return short_results(
        flash_op.cls, flash_op.name, operands, (result,), function, backward, kept
    )[0]  # fmt: skip


@as_one
def _weights_of(scores: Any) -> Any:
    """The safe softmax of scores, the short way where no row needs a shift."""
    weights = without_shift(scores._value, -1) if all_plain(scores) else None
    if weights is None:
        return safe_softmax_op(scores)
    result = short_result(
        safe_softmax_op.cls, safe_softmax_op.name, (scores,), weights, _safe_softmax,
        lambda _mask: softmax_pull, (weights, -1),
    )  # fmt: skip
    if result._node is not None:
        result._node.saved = (result._cell, 0)
    return result


# --- masks and checks -------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _causal(rows: int, columns: int, kind: str) -> Any:
    """0 where a row may look, -inf elsewhere."""
    allowed = np.tril(np.ones((rows, columns), bool))
    bias = np.where(allowed, 0.0, -np.inf).astype(kind)
    bias.flags.writeable = False
    return bias


def _as_bias(mask: Any, kind: Any) -> Any:
    """A mask as numbers to add: truth values become 0 and -inf."""
    if mask is None or mask.dtype is kind:
        return mask
    if mask.dtype.name != "bool":
        return mask.to(kind)
    return made(np.where(np.asarray(value_of(mask)), 0.0, -np.inf), kind)


def _check(query: Any, key: Any, value: Any, mask: Any) -> None:
    """Refuse operands that do not fit each other."""
    ranks = [x.dim() for x in (query, key, value)]
    if query.dtype is not key.dtype or query.dtype is not value.dtype:
        q, k, v = (x.dtype.c_name for x in (query, key, value))
        raise RuntimeError(
            f"Expected query, key, and value to have the same dtype, but got query.dtype: {q} "
            f"key.dtype: {k} and value.dtype: {v} instead."
        )
    if min(ranks) < 2:
        raise RuntimeError(
            "Expected query, key, and value to all be  at least 2 dimensional, but got "
            f"query.dim: {ranks[0]} key.dim: {ranks[1]} and value.dim: {ranks[2]} instead."
        )
    if mask is not None and mask.dtype.name not in ("bool", "float32", query.dtype.name):
        raise RuntimeError(
            "Expected attn_mask dtype to be bool or float or to match query dtype, but got "
            f"attn_mask.dtype: {mask.dtype.c_name} and  query.dtype: {query.dtype.c_name} instead."
        )
    if query.dtype.category < 2:
        raise RuntimeError(f"expected scalar type Float but found {scalar_name(query.dtype)}")
    if query.dtype.category > 2:
        raise NotImplementedError(
            f"\"softmax_lastdim_kernel_impl\" not implemented for '{scalar_name(query.dtype)}'"
        )
    if mask is not None and mask.dim() < 2:
        mask.size(-2)  # raises PyTorch's error


def _grouped(query: Any, key: Any, value: Any) -> tuple[Any, Any]:
    """Keys and values with a head for each of the queries'."""
    heads = query.size(-3)
    for x in (key, value):
        if not x.size(-3) or heads % x.size(-3):
            raise RuntimeError(
                "Number of heads in key and value must divide the number of heads in "
            )
    key, value = (
        x if x.size(-3) == heads else x.repeat_interleave(heads // x.size(-3), -3)
        for x in (key, value)
    )
    return key, value


def _is_fused(query: Any, key: Any, value: Any, mask: Any) -> bool:
    """Whether PyTorch has one operation for it."""
    shapes = [x._value.shape for x in (query, key, value)]
    first = shapes[0]
    for x in (query, key, value):
        v = x._value
        if type(v) is np.ndarray and v.ndim == 4 and v.shape[3] > 1 and v.strides[3] != v.itemsize:
            return False
    return (
        len(first) == len(shapes[1]) == len(shapes[2]) == 4
        and query.dtype.name in FUSED
        and all(shape[:2] == first[:2] and shape[3] == first[3] for shape in shapes[1:])
        and 0 not in (*first, *shapes[1])
        and (mask is None or (mask.dim() in (2, 4) and not mask.requires_grad))
    )


@entered("scaled_dot_product_attention")
def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
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
    for place, (name, x) in enumerate((("query", query), ("key", key), ("value", value)), 1):
        if not hasattr(x, "_value"):
            raise TypeError(
                f"scaled_dot_product_attention(): argument '{name}' (position {place}) must be "
                f"Tensor, not {type(x).__name__}"
            )
    _check(query, key, value, attn_mask)
    fused = not dropout_p > 0
    if enable_gqa:
        fused = fused and key.size(-3) == value.size(-3)
        key, value = _grouped(query, key, value)
    shape = query._value.shape
    if scale is None:
        scale = 1 / math.sqrt(shape[-1]) if shape[-1] else math.nan
    if fused and _is_fused(query, key, value, attn_mask):
        return _fused(query, key, value, attn_mask, dropout_p, is_causal, scale)
    if is_causal and attn_mask is not None:
        raise RuntimeError(
            "_scaled_dot_product_attention: Explicit attn_mask should not be set when "
            "is_causal=True"
        )
    if is_causal:
        columns = key._value.shape[-2]
        bias: Any = made(_causal(shape[-2], columns, "float64"), query.dtype)
    else:
        bias = _as_bias(attn_mask, query.dtype)
    root = math.sqrt(scale) if scale >= 0 else math.sqrt(-scale)
    left = mul_scalar(query, other=root if scale >= 0 else -root)
    scores = left.matmul(mul_scalar(key.transpose(-2, -1), other=root))
    if bias is not None:
        scores = _shifted(scores, bias)
    weights = _weights_of(scores)
    if dropout_p > 0:
        if dropout_p > 1:
            raise RuntimeError(
                f"dropout probability has to be between 0 and 1, but got {dropout_p}"
            )
        weights = dropout(weights, dropout_p)
    return weights.matmul(value)


def _shifted(scores: Any, bias: Any) -> Any:
    """Scores with a mask added, which may not enlarge them."""
    shape = scores._value.shape
    total = scores + bias
    if total._value.shape != shape:
        raise RuntimeError(
            f"output with shape {list(shape)} doesn't match the broadcast shape "
            f"{list(total._value.shape)}"
        )
    return total


def _check_mask(shape: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    """Refuse a mask that does not broadcast to the scores."""
    for at in range(1, len(shape) + 1):
        if shape[-at] not in (1, wanted[-at]):
            raise RuntimeError(
                f"The size of tensor a ({wanted[-at]}) must match the size of tensor b "
                f"({shape[-at]}) at non-singleton dimension {4 - at}"
            )


@as_one
def _fused(
    query: Any, key: Any, value: Any, mask: Any, dropout_p: float, is_causal: bool, scale: float
) -> Any:
    """The case of four axes and equal lengths, as one operation."""
    if dropout_p < 0:
        raise RuntimeError(
            "scaled_dot_product_attention_flash_attention: Currently do not support dropout > 0"
        )
    rows, columns = query._value.shape[-2], key._value.shape[-2]
    if value._value.shape[-2] != columns:
        heads = math.prod(value._value.shape[:2])
        raise RuntimeError(
            "Expected size for first two dimensions of batch2 tensor to be: "
            f"[{heads}, {columns}] but got: [{heads}, {value._value.shape[-2]}]."
        )
    bias = _as_bias(mask, query.dtype)
    if bias is not None:
        _check_mask(bias._value.shape, (*query._value.shape[:2], rows, columns))
        bias = value_of(bias)
    if is_causal:
        lower = _causal(rows, columns, query._value.dtype.name)
        bias = lower if bias is None else bias + lower
    if all_plain(query, key, value):
        if bias is not None and STATE.grad:
            bias = np.array(bias)
        return _plain_attention((query, key, value), bias, scale)
    return flash_op(query, key, value, bias=bias, scale=scale)


# --- the choice of an implementation ----------------------------------------------------------


class SDPBackend(Enum):
    """Implementations that PyTorch can choose from; here there is one."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4

    def __repr__(self) -> str:
        return f"<SDPBackend.{self.name}: {self.value}>"


@contextmanager
def sdpa_kernel(backends: Any, set_priority: bool = False) -> Iterator[dict[Any, Any]]:
    """Accepted: the numbers do not depend on the implementation.

    Args:
        backends: an `SDPBackend` or several.
        set_priority: whether their order counts.
    """
    assert isinstance(backends, list | SDPBackend), (
        "Backend must be an instance of SDPBackend or a list of SDPBackend instances, got "
        f"{type(backends).__name__}"
    )
    del set_priority
    yield {}
