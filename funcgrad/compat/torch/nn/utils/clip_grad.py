"""`torch.nn.utils.clip_grad`: gradients kept within bounds, in place."""

import types
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from funcgrad.compat.torch.creation import tensor
from funcgrad.compat.torch.grad_mode import no_grad
from funcgrad.compat.torch.joining import stack
from funcgrad.compat.torch.registry import MODULES
from funcgrad.compat.torch.tensor import Tensor

__all__ = [
    "clip_grad_norm",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
]

NON_FINITE = (
    "The total norm of order {} for gradients from `parameters` is non-finite, so it cannot be "
    "clipped. To disable this error and scale the gradients by the non-finite norm anyway, set "
    "`error_if_nonfinite=False`"
)


def _gradients(parameters: Any) -> list[Any]:
    """The gradients that are there."""
    if isinstance(parameters, Tensor):
        parameters = [parameters]
    return [one._grad for one in parameters if one._grad is not None]


def get_total_norm(
    tensors: Any,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Any:
    """The norm of all elements of several tensors: ‖(‖t₁‖, ‖t₂‖, ...)‖.

    Args:
        tensors: one or several.
        norm_type: the order p; `inf` for the largest absolute value.
        error_if_nonfinite: whether an infinite or undefined norm is an error.
        foreach: accepted; it changes nothing.
    """
    with no_grad():
        del foreach
        listed = [tensors] if isinstance(tensors, Tensor) else list(tensors)
        order = float(norm_type)
        if not listed:
            return tensor(0.0)
        norm = MODULES["linalg"]["vector_norm"]
        total = norm(stack([norm(one.detach(), order) for one in listed]), order)
        if error_if_nonfinite and not np.isfinite(total.item()):
            raise RuntimeError(NON_FINITE.format(order))
        return total


def clip_grads_with_norm_(
    parameters: Any, max_norm: float, total_norm: Any, foreach: bool | None = None
) -> None:
    """Scale gradients by min(1, max_norm / (total_norm + 1e-6)), in place.

    Args:
        parameters: whose gradients they are.
        max_norm: the bound.
        total_norm: the norm they have.
        foreach: accepted; it changes nothing.
    """
    with no_grad():
        del foreach
        factor = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
        for gradient in _gradients(parameters):
            gradient.mul_(factor)


def clip_grad_norm_(
    parameters: Any,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Any:
    """Scale all gradients together so that their norm is at most `max_norm`, in place.

    Args:
        parameters: whose gradients they are.
        max_norm: the bound.
        norm_type: the order of the norm; `inf` for the largest absolute value.
        error_if_nonfinite: whether an infinite or undefined norm is an error.
        foreach: accepted; it changes nothing.

    Returns:
        The norm before.

    Raises:
        RuntimeError: if the norm is not finite and `error_if_nonfinite`.
    """
    if isinstance(parameters, Tensor):
        parameters = [parameters]
    else:
        generated = isinstance(parameters, types.GeneratorType)
        parameters = list(parameters)
        if generated and not parameters:
            warnings.warn(
                "`parameters` is an empty generator, no gradient clipping will occur.",
                stacklevel=2,
            )
    total = get_total_norm(_gradients(parameters), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(parameters, max_norm, total, foreach)
    return total


def clip_grad_norm(
    parameters: Any,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Any:
    """The older name of `clip_grad_norm_`."""
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of "
        "`torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Keep every element of the gradients in [-clip_value, clip_value], in place."""
    with no_grad():
        del foreach
        bound = float(clip_value)
        for gradient in _gradients(parameters):
            gradient.clamp_(min=-bound, max=bound)
