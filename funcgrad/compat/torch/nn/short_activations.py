"""Activation functions of plain arrays in few passes over memory, with their derivatives."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from funcgrad.compat.torch.compilation_breaks import as_one
from funcgrad.compat.torch.nn.short import are_plain, short_loss
from funcgrad.compat.torch.op import Op

__all__ = ["short_hardtanh", "short_leaky"]


def _result(
    op: Op, x: Any, value: Any, kept: Any, pull: Callable[[Any, Any], Any], **params: Any
) -> Any:
    return short_loss(op.cls, op.name, (x,), value, kept, partial(op.function, **params), pull)


@as_one
def short_leaky(op: Op, x: Any, slope: Any) -> Any:
    """x where x > 0, else slope · x; by the operation unless the array is plain."""
    if not are_plain(x, x) or not 0 < slope <= 1:
        return op(x, slope=slope)
    v = x._value

    def pull(ct: Any, v: Any) -> Any:
        slopes = (v > 0).astype(v.dtype)
        return ct * np.maximum(slopes, slope)

    return _result(op, x, np.maximum(v, v * slope), v, pull, slope=slope)


@as_one
def short_hardtanh(op: Op, x: Any, low: Any, high: Any) -> Any:
    """min(max(x, low), high); by the operation unless the array is plain."""
    if not are_plain(x, x):
        return op(x, low=low, high=high)
    v = x._value

    def pull(ct: Any, v: Any) -> Any:
        return np.where((v > low) & (v < high), ct, ct.dtype.type(0))

    return _result(op, x, np.clip(v, low, high), v, pull, low=low, high=high)
