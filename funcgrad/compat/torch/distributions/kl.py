"""Kullback and Leibler's divergence KL(p ‖ q) = ∫ p log(p / q), by the kinds of p and q."""

import math
import warnings
from collections.abc import Callable
from typing import Any

from funcgrad.compat.torch.distributions.distribution import Distribution

__all__ = ["kl_divergence", "register_kl"]

_KL_REGISTRY: dict[tuple[type, type], Callable[[Any, Any], Any]] = {}


def register_kl(type_p: Any, type_q: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter the decorated function as the divergence of two kinds, and of kinds below them.

    Args:
        type_p: a subclass of `Distribution`.
        type_q: another.

    Raises:
        TypeError: one is not.
    """
    for name, kind in (("type_p", type_p), ("type_q", type_q)):
        if not issubclass(kind, Distribution):
            raise TypeError(f"Expected {name} to be a Distribution subclass but got {kind}")

    def entered(function: Callable[..., Any]) -> Callable[..., Any]:
        _KL_REGISTRY[type_p, type_q] = function
        return function

    return entered


def _dispatch_kl(type_p: type, type_q: type) -> Any:
    """The function of the nearest kinds: nearest by p first, which q first must agree with."""
    above_p, above_q = type_p.__mro__, type_q.__mro__
    left = next(((p, q) for p in above_p for q in above_q if (p, q) in _KL_REGISTRY), None)
    right = next(((p, q) for q in above_q for p in above_p if (p, q) in _KL_REGISTRY), None)
    if left is None or right is None:
        return NotImplemented
    if _KL_REGISTRY[left] is not _KL_REGISTRY[right]:
        warnings.warn(
            f"Ambiguous kl_divergence({type_p.__name__}, {type_q.__name__}). Please "
            f"register_kl({left[0].__name__}, {right[1].__name__})",
            RuntimeWarning,
            stacklevel=3,
        )
    return _KL_REGISTRY[left]


def kl_divergence(p: Distribution, q: Distribution) -> Any:
    """KL(p ‖ q) of the distributions of two batches, pair by pair.

    Args:
        p: what is drawn from.
        q: what it is compared with.

    Returns:
        The divergences, of the batches' common shape; infinite where q lacks values of p.

    Raises:
        NotImplementedError: no function has been entered for the two kinds.

    Examples:
        >>> from funcgrad.compat.torch.distributions.normal import Normal
        >>> kl_divergence(Normal(0.0, 1.0), Normal(1.0, 1.0))
        tensor(0.5000)
    """
    function = _dispatch_kl(type(p), type(q))
    if function is NotImplemented:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {type(p).__name__} and q type "
            f"{type(q).__name__}"
        )
    return function(p, q)


def infinite_like(tensor: Any) -> Any:
    """Infinities of the shape of a tensor."""
    return tensor.new_full(tensor.shape, math.inf)
