"""Values that count as constants in every derivative: stop_gradient."""

from typing import Any

import numpy as np

from funcgrad import tree
from funcgrad.core.tracer import Tracer, bind
from funcgrad.families.batching import same_call
from funcgrad.families.elementwise import constant_call

__all__ = ["stop_gradient"]

stop_gradient_p = constant_call(
    "stop_gradient", lambda x: x.copy() if isinstance(x, np.ndarray) else x, same_call
)


def stop_gradient(x: Any) -> Any:
    """The identity with derivative zero: x ↦ x, ∂x = 0.

    Inside `grad`, `jvp` and the like the result is the plain value, however deep they are nested,
    so that `float(stop_gradient(x))` works. Inside `vmap` it stays a batched value, and in a
    program (`make_program`) an operation.

    Args:
        x: an array, a number, or a pytree of them; other leaves are returned as they are.

    Returns:
        The same values; arrays are copies that share no memory with `x`.

    Example:
        >>> import funcgrad as fg
        >>> fg.grad(lambda x: x * fg.stop_gradient(x))(3.0)
        np.float64(3.0)
    """
    return tree.map(_stop, x)


def _stop(leaf: Any) -> Any:
    if isinstance(leaf, Tracer | np.ndarray | np.generic):
        return bind(stop_gradient_p, leaf)
    return leaf
