"""Class numbers as vectors."""

import operator
from typing import Any

import numpy as np

from funcgrad.families.shapes import as_operand, dtype_of, negative_axis, rank_of
from funcgrad.primitives import loss
from funcgrad.primitives.structural import astype

__all__ = ["one_hot"]


def one_hot(x: Any, num_classes: int, *, dtype: Any = float, axis: int = -1) -> Any:
    """1 at the class, 0 elsewhere, along a new axis.

    Args:
        x: integer array of any shape; numbers outside `range(num_classes)` give zeros.
        num_classes: length of the new axis.
        dtype: of the result.
        axis: place of the new axis in the result.

    Returns:
        An array of one more axis. It carries no derivative.

    Raises:
        TypeError: if `x` does not hold integers.

    Example:
        >>> one_hot(np.array([0, 2]), 3)
        array([[1., 0., 0.],
               [0., 0., 1.]])
    """
    x = as_operand(x)
    found = dtype_of(x) or np.result_type(type(x))
    if found.kind not in "biu":
        raise TypeError(
            f"one_hot: x has dtype {found}. Class numbers are integers. Pass integers, or "
            "x.astype(int) if they are whole."
        )
    place = negative_axis(axis, rank_of(x) + 1)
    return astype(loss.one_hot(x, operator.index(num_classes), place), np.dtype(dtype))
