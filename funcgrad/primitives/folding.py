"""Sums over the axes along which an operand was broadcast, as operations of a program.

The rules of elementwise operations call `unbroadcast` and `product_to`, which take short ways with
plain arrays. While a program is written they become these primitives, whose values go the same
ways; so a compiled gradient adds up in the same order, and forms no product that it need not form.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from funcgrad.core.protocols import DISPATCH
from funcgrad.core.tracer import bind
from funcgrad.families.batching import same_call
from funcgrad.families.linear import linear, multilinear
from funcgrad.families.shapes import folded_axes, in_front, shape_of, sum_over
from funcgrad.primitives.structural import broadcast_to, reshape

__all__ = ["folded", "product_folded"]


def _value(x: Any, *, shape: tuple[int, ...], rank: int) -> Any:
    """Σ x down to a shape, of the last `rank` axes."""
    lead, tail = x.shape[: x.ndim - rank], x.shape[x.ndim - rank :]
    axes, whole = folded_axes(tail, shape)
    out = sum_over(x, None, axes)
    return out if whole else np.reshape(out, (*lead, *shape))


def _product_value(a: Any, b: Any, *, shape: tuple[int, ...], rank: int) -> Any:
    """Σ a·b down to a shape, of the last `rank` axes."""
    lead, tail = a.shape[: a.ndim - rank], a.shape[a.ndim - rank :]
    return np.reshape(sum_over(a, b, folded_axes(tail, shape)[0]), (*lead, *shape))


def _spread(ct: Any, full: tuple[int, ...], shape: tuple[int, ...], rank: int) -> Any:
    """The cotangent at every place that was summed."""
    lead = full[: len(full) - rank]
    return broadcast_to(reshape(ct, (*lead, *(1,) * (rank - len(shape)), *shape)), full)


def _product_transpose(
    ct: Any, position: int, *args: Any, shape: tuple[int, ...], rank: int
) -> Any:
    other = args[1 - position]
    return _spread(ct, shape_of(other), shape, rank) * other


def _product_batch(
    size: int, batched: Sequence[bool], values: Sequence[Any], params: dict[str, Any]
) -> Any:
    a, b = (in_front(size, v, flag) for v, flag in zip(values, batched, strict=True))
    return bind(product_p, a, b, **params)


fold_p = linear(
    "unbroadcast",
    _value,
    lambda ct, x, *, shape, rank: _spread(ct, x.shape, shape, rank),
    batch=same_call,
)
product_p = multilinear("product_unbroadcast", _product_value, _product_transpose, _product_batch)


def folded(ct: Any, shape: tuple[int, ...]) -> Any:
    """`unbroadcast(ct, shape)` as one operation."""
    return bind(fold_p, ct, shape=shape, rank=len(ct.shape))


def product_folded(a: Any, b: Any, shape: tuple[int, ...]) -> Any:
    """`product_to(a, b, shape)` as one operation, of operands of one shape and dtype."""
    return bind(product_p, a, b, shape=shape, rank=len(a.shape))


DISPATCH["fold"] = folded
DISPATCH["fold product"] = product_folded
