"""`safe_where`: a function where a condition holds, with derivatives that the rest cannot spoil."""

from collections.abc import Callable
from typing import Any

import numpy as np

from funcgrad import tree
from funcgrad.core.protocols import DISPATCH
from funcgrad.families.shapes import as_operand, dtype_of

__all__ = ["safe_where"]


def safe_where(
    condition: Any,
    f: Callable[..., Any] | Any,
    *args: Any,
    otherwise: Any = 0.0,
    fill: Any = 1.0,
) -> Any:
    """y = f(x) where c holds, b elsewhere, and dy = f'(x) dx where c holds, db elsewhere.

    `np.where(c, f(x), b)` has that value, but not that derivative where f'(x) is not finite:
    elements that are not chosen get the cotangent 0, and the chain rule multiplies it,
    0 · f'(x) = 0 · ∞ = nan. The cure is to choose twice, before f and behind it:

        y = where(c, f(where(c, x, fill)), b)

    f sees only safe points, where f' is finite, and the cotangent of x is where(c, f'ᵀ ct, 0), in
    every mode and order. f must act on each element by itself: a function of rows of a matrix, with
    one condition a row, is mapped by `vmap` first.

    With an array (or pytree) in place of the function, the result is the safe point itself,
    where(c, x, fill), for code that chooses the second time in its own way.

    Args:
        condition: booleans; where they are false, f is not evaluated at x.
        f: function of the arguments, which returns an array or a pytree of arrays; or an array.
        *args: arrays, or pytrees of arrays, that broadcast against the condition.
        otherwise: the result elsewhere: a number, an array, a pytree like the result, or a function
            of the same arguments, which sees only the points where the condition is false.
        fill: a point where f (and `otherwise`, if it is a function) is smooth: a number, or a
            pytree like `args` (like the one argument, if there is one).

    Returns:
        An array, or a pytree of arrays, of the dtype of f's result.

    Example:
        >>> import funcgrad as fg
        >>> x = np.array([0.0, 4.0])
        >>> fg.grad(lambda x: np.sum(safe_where(x > 0, np.sqrt, x)))(x)
        array([0.  , 0.25])
    """
    condition = as_operand(condition)
    if not callable(f):
        if args:
            raise TypeError(
                f"safe_where: a {type(f).__name__} and {len(args)} more argument(s) for it. Only a "
                "function takes arguments. Pass a function, or use np.where(condition, x, y) to "
                "choose between arrays."
            )
        return _safe(condition, f, fill, inside=True)
    point = args[0] if len(args) == 1 else args
    own = _safe(condition, point, fill, inside=True)
    out = f(own) if len(args) == 1 else f(*own)
    if callable(otherwise):
        other = _safe(condition, point, fill, inside=False)
        otherwise = otherwise(other) if len(args) == 1 else otherwise(*other)
    return _leafwise("otherwise", lambda x, y: DISPATCH[np.where](condition, x, y), out, otherwise)


def _safe(condition: Any, point: Any, fill: Any, *, inside: bool) -> Any:
    """The point where the condition is (or is not) met, `fill` elsewhere, in the point's dtypes."""

    def choose(x: Any, safe: Any) -> Any:
        safe = _in_dtype(safe, x)
        return DISPATCH[np.where](condition, *((x, safe) if inside else (safe, x)))

    return _leafwise("fill", choose, point, fill)


def _in_dtype(safe: Any, x: Any) -> Any:
    """A plain number as one of the array's kind: integers stay integers, booleans booleans."""
    dtype = dtype_of(x)
    if dtype is None or dtype.kind not in "iub" or not isinstance(safe, int | float):
        return safe
    return dtype.type(safe) if dtype.type(safe) == safe else safe


def _leafwise(name: str, function: Callable[[Any, Any], Any], one: Any, other: Any) -> Any:
    """The function of the leaves of two trees, of which the second is a prefix of the first."""
    leaves, structure = tree.flatten(one)
    second = tree.broadcast_to_structure(other, structure, caller="safe_where", name=name)
    return tree.unflatten(structure, [function(x, y) for x, y in zip(leaves, second, strict=True)])
