"""Shapes and dtypes of results, without the results: eval_shape."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from funcgrad import tree
from funcgrad.interpreters.shape import ShapeOnly, ShapeTracer
from funcgrad.transforms.arguments import check_callable, result_dtype, run
from funcgrad.transforms.carry import array_leaf

__all__ = ["ShapeDtypeStruct", "eval_shape"]


@dataclass(frozen=True)
class ShapeDtypeStruct:
    """What an array is like: its shape and its dtype.

    Example:
        >>> ShapeDtypeStruct((2, 3), np.float32)
        ShapeDtypeStruct(shape=(2, 3), dtype=float32)
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __post_init__(self) -> None:
        shape = (self.shape,) if hasattr(self.shape, "__index__") else self.shape
        object.__setattr__(self, "shape", tuple(int(length) for length in shape))
        object.__setattr__(self, "dtype", np.dtype(self.dtype))

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(shape={self.shape}, dtype={self.dtype})"


def eval_shape(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Shapes and dtypes of the results of a function: f, x ↦ those of f(x).

    The function runs once on stand-ins that have a shape and a dtype, but no value. Operations are
    not computed, so the size of the arrays makes no difference, and loops take one step. Python
    cannot ask for a value there (`if x > 0`, `float(x)`), nor may a shape or a dtype depend on one
    (the eigenvalues of a real matrix are real or complex). What the function makes without its
    arguments, such as `np.eye(n)`, is made. Operations that funcgrad has no rule for (collectives,
    those of other libraries) are computed on zeros.

    Args:
        fun: function of arrays or pytrees of arrays.
        *args: arrays, numbers, or anything with a `shape` and a `dtype`, in pytrees. Values are not
            used.
        **kwargs: likewise.

    Returns:
        A pytree like the result, with a `ShapeDtypeStruct` in place of each array.

    Raises:
        UnknownValueError: if the function asks for a value, or a shape or dtype depends on values.

    Example:
        >>> eval_shape(lambda a, b: {"c": a @ b}, np.ones((2, 3)), ShapeDtypeStruct((3,), float))
        {'c': ShapeDtypeStruct(shape=(2,), dtype=float64)}
    """
    check_callable("eval_shape", fun)
    leaves, structure = tree.flatten((args, kwargs))
    trace = ShapeOnly("eval_shape", answers=False)
    inputs = []
    for path, leaf in zip(structure.paths(), leaves, strict=True):
        if not (hasattr(leaf, "shape") and hasattr(leaf, "dtype")):
            place = f"{'args' if path[0].idx == 0 else 'kwargs'}{tree.keystr(path[1:])}"
            leaf = array_leaf("eval_shape", place, leaf)
        inputs.append(trace.input(leaf))
    try:
        call_args, call_kwargs = tree.unflatten(structure, inputs)
        out = run(fun, call_args, call_kwargs)
    finally:
        trace.close()
    return tree.map(_outline, out)


def _outline(x: Any) -> ShapeDtypeStruct:
    if not isinstance(x, ShapeTracer):
        x = array_leaf("eval_shape", "a result", x)
    return ShapeDtypeStruct(getattr(x, "shape", ()), result_dtype(x))
