"""What NumPy's functions that change an array in place do, as functions that return the result.

`numpy.put(a, ...)` on traced values raises, and names `put` here, in JAX's signature: nothing can
be changed in place, so `inplace=False` has to be said, and the result has to be used. With traced
values the result is differentiable by the array and by the values; plain ones go through NumPy
itself, on a copy.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from funcgrad.core.protocols import REPLACEMENTS
from funcgrad.core.tracer import Tracer
from funcgrad.errors import TracerAssignmentError, user_line
from funcgrad.families.shapes import as_operand, negative_axis, rank_of, shape_of
from funcgrad.primitives.arranging import resize
from funcgrad.primitives.plain import is_traced, unshared
from funcgrad.primitives.selecting import as_index, in_range
from funcgrad.primitives.structural import (
    as_condition,
    astype,
    broadcast_to,
    ravel,
    reshape,
    where,
)
from funcgrad.primitives.updates import at

__all__ = ["copyto", "fill_diagonal", "place", "put", "put_along_axis", "putmask"]


def _refuse_in_place(name: str, arguments: str, inplace: bool) -> None:
    if inplace:
        raise TracerAssignmentError(
            f"{name}: inplace=True at {user_line()}. funcgrad's arrays are values that nothing "
            f"changes, or derivatives would be lost. Write a = funcgrad.numpy.{name}({arguments}, "
            f"inplace=False), which returns the result, or use numpy.{name} on a plain array."
        )


def _on_copy(function: Callable[..., None], a: Any, *args: Any) -> Any:
    """What NumPy's function leaves in a copy of a plain array."""
    out = np.array(a)
    function(out, *args)
    return out


def _to_dtype(name: str, values: Any, a: Any, casting: Any = "same_kind") -> Any:
    """Values in the array's dtype, if the rule allows it."""
    values = as_operand(values)
    if not hasattr(values, "dtype"):  # a Python number is weak
        weak = np.result_type(values, a.dtype) == a.dtype
        values = np.asarray(values, a.dtype if weak else None)
    if not np.can_cast(values.dtype, a.dtype, casting):
        raise TypeError(
            f"{name}: values of dtype {values.dtype} for an array of dtype {a.dtype}, at "
            f"{user_line()}. The rule {casting!r} forbids the cast, and their derivative would be "
            "lost. Convert the array, a.astype(float), or the values."
        )
    return values if values.dtype == a.dtype else astype(values, a.dtype)


def _repeated(values: Any, count: int) -> Any:
    """The elements over and over, `count` of them; no values are enough for no places."""
    if count and not math.prod(shape_of(values)):
        raise ValueError("Cannot insert from an empty array!")
    return resize(values, count)


def put(a: Any, ind: Any, v: Any, mode: str | None = None, *, inplace: bool = True) -> Any:
    """`numpy.put` as a function: the array with values at positions in C order.

    Args:
        a: array of any shape.
        ind: integers, the positions in the flattened array.
        v: values, repeated where there are fewer than positions; the last one of a position wins.
        mode: "raise", "wrap" or "clip", for positions out of range; "raise" by default.
        inplace: must be False.

    Returns:
        An array like `a`, differentiable by `a` and `v`.

    Raises:
        TracerAssignmentError: if `inplace` is true.

    Example:
        >>> import numpy as np
        >>> put(np.zeros(4), [0, 2], [5.0, 7.0], inplace=False)
        array([5., 0., 7., 0.])
    """
    _refuse_in_place("put", "a, ind, v", inplace)
    mode = "raise" if mode is None else mode
    if not is_traced([a, ind, v]):
        return _on_copy(np.put, a, ind, v, mode)
    a = as_operand(a)
    size = math.prod(shape_of(a))
    indices = np.ravel(in_range("put", as_index("put", ind), size, mode))
    values = _repeated(_to_dtype("put", v, a), math.prod(shape_of(indices)))
    return reshape(at(ravel(a))[indices].set(values), shape_of(a))


def place(arr: Any, mask: Any, vals: Any, *, inplace: bool = True) -> Any:
    """`numpy.place` as a function: the n-th place where the mask is true gets the n-th value.

    Args:
        arr: array of any shape.
        mask: booleans, as many as `arr` has elements.
        vals: values, repeated where there are fewer than places.
        inplace: must be False.

    Returns:
        An array like `arr`, differentiable by `arr` and `vals`.

    Raises:
        TracerAssignmentError: if `inplace` is true.

    Example:
        >>> import numpy as np
        >>> x = np.arange(4.0)
        >>> place(x, x > 1, [8.0, 9.0], inplace=False)
        array([0., 1., 8., 9.])
    """
    _refuse_in_place("place", "arr, mask, vals", inplace)
    if not is_traced([arr, mask, vals]):
        return _on_copy(np.place, arr, mask, vals)
    arr = as_operand(arr)
    chosen = _mask_of("place", mask, arr)
    values = ravel(_to_dtype("place", vals, arr))
    count = math.prod(shape_of(values))
    if not count:
        if isinstance(chosen, Tracer) or np.any(chosen):
            raise ValueError("Cannot insert from an empty array!")
        return unshared(arr)
    numbers = (np.cumsum(ravel(chosen)) - 1) % count
    return where(chosen, reshape(values[numbers], shape_of(arr)), arr)


def putmask(a: Any, mask: Any, values: Any, *, inplace: bool = True) -> Any:
    """`numpy.putmask` as a function: position n of the array gets value n where the mask is true.

    Args:
        a: array of any shape.
        mask: booleans, as many as `a` has elements.
        values: values, repeated until there are as many as `a` has elements.
        inplace: must be False.

    Returns:
        An array like `a`, differentiable by `a` and `values`.

    Raises:
        TracerAssignmentError: if `inplace` is true.

    Example:
        >>> import numpy as np
        >>> x = np.arange(4.0)
        >>> putmask(x, x > 1, [8.0, 9.0], inplace=False)
        array([0., 1., 8., 9.])
    """
    _refuse_in_place("putmask", "a, mask, values", inplace)
    if not is_traced([a, mask, values]):
        return _on_copy(np.putmask, a, mask, values)
    a = as_operand(a)
    chosen = _mask_of("putmask", mask, a)
    values = _to_dtype("putmask", values, a)
    if not math.prod(shape_of(values)):
        return unshared(a)
    return where(chosen, reshape(resize(values, math.prod(shape_of(a))), shape_of(a)), a)


def _mask_of(name: str, mask: Any, a: Any) -> Any:
    chosen = as_condition(mask)
    if math.prod(shape_of(chosen)) != math.prod(shape_of(a)):
        raise ValueError(
            f"{name}: the mask has shape {shape_of(chosen)}, the array {shape_of(a)}. They need "
            "as many elements."
        )
    chosen = reshape(chosen, shape_of(a))
    return chosen if chosen.dtype.kind == "b" else chosen != 0


def copyto(
    dst: Any, src: Any, casting: Any = "same_kind", where: Any = True, *, inplace: bool = True
) -> Any:
    """`numpy.copyto` as a function: the values of one array in the place of another's.

    Args:
        dst: array whose shape and dtype the result has.
        src: values, broadcast to it.
        casting: which casts are allowed.
        where: booleans, broadcast to `dst`; where false, the result keeps its elements.
        inplace: must be False.

    Returns:
        An array like `dst`, differentiable by `dst` (where `where` is false) and `src`.

    Raises:
        TracerAssignmentError: if `inplace` is true.

    Example:
        >>> import numpy as np
        >>> copyto(np.zeros(3), np.arange(3.0), where=[True, False, True], inplace=False)
        array([0., 0., 2.])
    """
    _refuse_in_place("copyto", "dst, src", inplace)
    if not is_traced([dst, src, where]):
        out = np.array(dst)
        np.copyto(out, src, casting, where)
        return out
    dst = as_operand(dst)
    values = _in_shape(_to_dtype("copyto", src, dst, casting), shape_of(dst))
    if where is True:
        return unshared(values)
    chosen = as_condition(where)
    if chosen.dtype.kind != "b":
        raise TypeError(f"copyto: where has dtype {chosen.dtype}. Use booleans, e.g. mask != 0.")
    return np.where(broadcast_to(chosen, shape_of(dst)), values, dst)


def _in_shape(values: Any, shape: tuple[int, ...]) -> Any:
    own = shape_of(values)
    extra = len(own) - len(shape)
    if extra > 0 and own[:extra] == (1,) * extra:  # as in an assignment
        values = reshape(values, own[extra:])
    return broadcast_to(values, shape)


def fill_diagonal(a: Any, val: Any, wrap: bool = False, *, inplace: bool = True) -> Any:
    """`numpy.fill_diagonal` as a function: the array with values on its main diagonal.

    Args:
        a: array with at least two axes, of one length if there are more than two.
        val: a number, or values to be repeated along the diagonal.
        wrap: whether the diagonal of a tall matrix starts again behind its end.
        inplace: must be False.

    Returns:
        An array like `a`, differentiable by `a` and `val`.

    Raises:
        TracerAssignmentError: if `inplace` is true.

    Example:
        >>> import numpy as np
        >>> fill_diagonal(np.zeros((2, 2)), 3.0, inplace=False)
        array([[3., 0.],
               [0., 3.]])
    """
    _refuse_in_place("fill_diagonal", "a, val", inplace)
    if not is_traced([a, val]):
        return _on_copy(np.fill_diagonal, a, val, wrap)
    a = as_operand(a)
    shape = shape_of(a)
    if len(shape) < 2:
        raise ValueError("array must be at least 2-d")
    size, end = math.prod(shape), None
    if len(shape) == 2:
        step = shape[1] + 1
        end = None if wrap else shape[1] * shape[1]
    elif len(set(shape)) > 1:
        raise ValueError("All dimensions of input must be of equal length")
    else:
        step = 1 + sum(math.prod(shape[:i]) for i in range(1, len(shape)))
    count = len(range(*slice(0, end, step).indices(size)))
    values = _repeated(_to_dtype("fill_diagonal", val, a), count)
    return reshape(at(ravel(a))[0:end:step].set(values), shape)


def put_along_axis(
    arr: Any, indices: Any, values: Any, axis: int | None, inplace: bool = True
) -> Any:
    """`numpy.put_along_axis` as a function: the array with values at positions along an axis.

    Args:
        arr: array of any shape.
        indices: integers, with as many axes as `arr`; its axes broadcast, but the chosen one.
        values: what to put there, broadcast to the indices; the last one of a place wins.
        axis: the axis that the indices run along; `None` for the flattened array.
        inplace: must be False.

    Returns:
        An array like `arr`, differentiable by `arr` and `values`.

    Raises:
        TracerAssignmentError: if `inplace` is true.

    Example:
        >>> import numpy as np
        >>> put_along_axis(np.zeros((2, 3)), np.array([[1], [2]]), 4.0, 1, inplace=False)
        array([[0., 4., 0.],
               [0., 0., 4.]])
    """
    _refuse_in_place("put_along_axis", "arr, indices, values, axis", inplace)
    if not is_traced([arr, indices, values]):
        return _on_copy(np.put_along_axis, arr, indices, values, axis)
    arr, indices = as_operand(arr), as_operand(indices)
    if indices.dtype.kind not in "iu":
        raise IndexError("`indices` must be an integer array")
    values = _to_dtype("put_along_axis", values, arr)
    shape = shape_of(arr)
    if axis is None:
        if rank_of(indices) != 1:
            raise ValueError("when axis=None, `indices` must have a single dimension.")
        return reshape(at(ravel(arr))[indices].set(values), shape)
    if rank_of(indices) != len(shape):
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    along = negative_axis(axis, len(shape)) + len(shape)
    lines = [
        indices if i == along else np.arange(n).reshape((n,) + (1,) * (len(shape) - 1 - i))
        for i, n in enumerate(shape)
    ]
    return at(arr)[tuple(lines)].set(values)


_WRITES = (
    "It changes an array in place, but traced values are immutable, and a plain array cannot hold "
    "one. Use"
)
_FILLED = (
    " (funcgrad.numpy.full(shape, v) and full_like(x, v) in place of np.full and np.full_like)"
)
REPLACEMENTS.update(
    {
        getattr(np, name): f"{_WRITES} a = funcgrad.numpy.{name}({arguments}, "
        f"inplace=False){_FILLED * (name == 'copyto')}, which returns the result, or "
        "funcgrad.numpy.at(a)[...].set(v)."
        for name, arguments in {
            "copyto": "a, source, where=mask",
            "fill_diagonal": "a, value",
            "place": "a, mask, values",
            "put": "a, indices, values",
            "put_along_axis": "a, indices, values, axis",
            "putmask": "a, mask, values",
        }.items()
    }
)
