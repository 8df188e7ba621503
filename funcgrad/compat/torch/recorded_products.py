"""Products of matrices in compiled functions, to the last bit what the short way computes.

The derivative by a second matrix that is the transpose of rows is laid out as it is, so that an
optimiser's step goes through both in one order.
"""

from functools import lru_cache
from typing import Any

import numpy as np

from funcgrad.compat.torch.compilation_breaks import concrete, takes_blocks
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.tensor import Tensor
from funcgrad.transforms.custom import custom_vjp

__all__ = ["MANY", "recorded_product"]

MANY = 4096
"""From how many elements on rows are added by a product of matrices."""


def recorded_product(name: str, bias: Tensor | None, x: Tensor, w: Tensor) -> Tensor | None:
    """(bias +) x w as a node of this name; `None` unless they are recorded, and alike."""
    operands = (x, w) if bias is None else (x, w, bias)
    if not any(takes_blocks(one._value) for one in operands):
        return None
    kinds = {one.dtype.name for one in operands}
    if x.ndim != 2 or w.ndim != 2 or kinds not in ({"float32"}, {"float64"}):
        return None
    shape = (x.shape[0], w.shape[1])
    if x.shape[1] != w.shape[0] or 0 in (*shape, x.shape[1]):
        return None
    if bias is not None and tuple(bias.shape) != shape[1:]:
        return None
    value = concrete(w._value)
    turned = type(value) is np.ndarray and value.strides[0] < value.strides[1]
    found: Tensor = _operation(name, turned)(*operands)
    return found


@lru_cache(maxsize=16)
def _operation(name: str, turned: bool) -> Op:
    @custom_vjp
    def product(x: Any, w: Any, *bias: Any) -> Any:
        value = np.dot(x, w)
        return value + bias[0] if bias else value

    def forward(*values: Any) -> Any:
        return product(*values), values

    def backward(values: Any, ct: Any) -> tuple[Any, ...]:
        x, w, *bias = values
        of_w = np.dot(ct.T, x).T if turned else np.dot(x.T, ct)
        return (np.dot(ct, w.T), of_w, *(_rows(ct) for _ in bias))

    product.defvjp(forward, backward)
    return Op(name, product)


def _rows(ct: Any) -> Any:
    """The sum of rows."""
    if ct.size < MANY:
        return np.sum(ct, axis=0)
    return np.dot(np.ones(len(ct), ct.dtype), ct)
