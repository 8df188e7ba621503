"""What the distributions share: broadcasting, lazy attributes, probabilities and their logits."""

import functools
import math
from collections.abc import Callable
from numbers import Number
from typing import Any

import numpy as np

from funcgrad.compat.torch.compilation_breaks import known
from funcgrad.compat.torch.distributions.names import torch
from funcgrad.compat.torch.tensor import Tensor

__all__ = [
    "all_true",
    "broadcast_all",
    "clamp_probs",
    "euler_constant",
    "lazy_property",
    "logits_to_probs",
    "one_of",
    "probs_to_logits",
    "tril_matrix_to_vec",
    "vec_to_tril_matrix",
]

euler_constant = 0.57721566490153286060
"""γ, Euler and Mascheroni's constant."""


def all_true(tensor: Any) -> bool:
    """Whether all elements are true; under `vmap`, those of all examples."""
    return bool(np.all(known(tensor._value)))


def broadcast_all(*values: Any) -> tuple[Any, ...]:
    """Tensors and numbers as tensors of one shape; numbers take the type of the first tensor.

    Raises:
        ValueError: a value is neither.
    """
    tensors = [value for value in values if isinstance(value, Tensor)]
    if len(tensors) == len(values):
        return tuple(torch.broadcast_tensors(*values))
    if not all(isinstance(value, Tensor | Number) for value in values):
        raise ValueError(
            "Input arguments must all be instances of Number, torch.Tensor or objects implementing "
            "__torch_function__."
        )
    kind = tensors[0].dtype if tensors else torch.get_default_dtype()
    return tuple(
        torch.broadcast_tensors(
            *(x if isinstance(x, Tensor) else torch.tensor(x, dtype=kind) for x in values)
        )
    )


def _standard_normal(shape: Any, dtype: Any, device: Any = None) -> Any:
    return torch.normal(torch.zeros(shape, dtype=dtype), torch.ones(shape, dtype=dtype))


def _sum_rightmost(value: Any, dim: int) -> Any:
    """Sum over the last `dim` axes."""
    if dim == 0:
        return value
    return value.reshape((*value.shape[: value.dim() - dim], -1)).sum(-1)


def logits_to_probs(logits: Any, is_binary: bool = False) -> Any:
    """Probabilities: the sigmoid of each logit, or the softmax along the last axis."""
    return torch.sigmoid(logits) if is_binary else torch.softmax(logits, dim=-1)


def clamp_probs(probs: Any) -> Any:
    """Probabilities moved into [ε, 1 − ε], ε being the spacing of the type at 1."""
    eps = torch.finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs: Any, is_binary: bool = False) -> Any:
    """log p − log(1 − p) of each probability, or log p; of clamped probabilities."""
    inside = clamp_probs(probs)
    return torch.log(inside) - torch.log1p(-inside) if is_binary else torch.log(inside)


def one_of(probs: Any, logits: Any) -> bool:
    """Whether probs were given, not logits.

    Raises:
        ValueError: both were given, or neither.
    """
    if (probs is None) == (logits is None):
        raise ValueError("Either `probs` or `logits` must be specified, but not both.")
    return probs is not None


class lazy_property:
    """An attribute that is computed, with a graph, when it is first asked for."""

    def __init__(self, wrapped: Callable[[Any], Any]) -> None:
        self.wrapped = wrapped
        functools.update_wrapper(self, wrapped)  # type: ignore[arg-type]  # it has the attributes

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return _lazy_property_and_property(self.wrapped)
        with torch.enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.wrapped.__name__, value)
        return value


class _lazy_property_and_property(lazy_property, property):
    """What a lazy property looks like on the class."""

    def __init__(self, wrapped: Callable[[Any], Any]) -> None:
        property.__init__(self, wrapped)


def tril_matrix_to_vec(mat: Any, diag: int = 0) -> Any:
    """The lower triangle of a matrix, up to a diagonal, row by row.

    Raises:
        ValueError: there is no such diagonal.
    """
    n = mat.shape[-1]
    if diag < -n or diag >= n:
        raise ValueError(f"diag ({diag}) provided is outside [{-n}, {n - 1}].")
    row, column = torch.tril_indices(n, n, diag)
    return mat[..., row, column]


def vec_to_tril_matrix(vec: Any, diag: int = 0) -> Any:
    """The matrix whose lower triangle, up to a diagonal, holds a vector row by row.

    Raises:
        ValueError: the vector's length is that of no triangle.
    """
    # For k = max(diag, 0) the length is (n² + (1 + 2k) n − k (k + 1)) / 2, n being the number of
    # rows that hold something.
    length = vec.shape[-1]
    k = max(diag, 0)
    size = (math.sqrt((1 + 2 * k) ** 2 + 8 * length + 4 * k * (k + 1)) - (1 + 2 * k)) / 2
    size -= min(diag, 0)
    n = round(size)
    if n - size > torch.finfo(vec.dtype).eps:
        raise ValueError(
            f"The size of last dimension is {length} which cannot be expressed as the lower "
            "triangular part of a square D x D matrix."
        )
    matrix = vec.new_zeros((*vec.shape[:-1], n, n))
    row, column = torch.tril_indices(n, n, diag)
    matrix[..., row, column] = vec
    return matrix
