"""A function on one slice after the other: map."""

from collections.abc import Callable
from typing import Any

from funcgrad.transforms.arguments import check_callable
from funcgrad.transforms.scan import scan_as
from funcgrad.transforms.vmap import checked_chunk, vmap

__all__ = ["map"]


def map(f: Callable[[Any], Any], xs: Any, *, batch_size: int | None = None) -> Any:
    """Apply a function to one slice after the other: (x₀, …, xₙ₋₁) ↦ (f(x₀), …, f(xₙ₋₁)).

    The result is that of `vmap(f)(xs)`, but the slices are computed one by one, so that `f` may
    branch on their values, and intermediate values take the memory of one slice.

    Args:
        f: function of one slice, with a pytree of arrays as result.
        xs: arrays of shape `(n, …)` in a pytree.
        batch_size: how many slices to compute at once, by `vmap`; one by default, without it.

    Returns:
        The results stacked along a new first axis.

    Raises:
        ControlFlowError: as for `scan`.
        CarryError: if the results cannot be stacked.

    Example:
        >>> import numpy as np
        >>> map(lambda x: x if x > 2 else -x, np.array([1.0, 2.0, 3.0]))
        array([-1., -2.,  3.])
    """
    check_callable("map", f, "f")
    if batch_size is not None:
        return vmap(f, chunk_size=checked_chunk("map", batch_size))(xs)
    _, ys = scan_as("map", lambda _, x: ((), f(x)), (), xs)
    return ys
