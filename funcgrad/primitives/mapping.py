"""One function of many rows: called once on all of them, or, where it branches, on each.

What `numpy.apply_along_axis`, `numpy.pad` with a function and `funcgrad.numpy.vectorize` share.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from funcgrad.errors import BatchedValueError
from funcgrad.families.shapes import as_operand, in_front
from funcgrad.interpreters.batch import Batch, BatchTracer
from funcgrad.primitives.joining import stack

__all__ = ["over_rows"]


def over_rows(name: str, function: Callable[..., Any], size: int, rows: Sequence[Any]) -> Any:
    """f(row₁ of each), …, f(rowₙ of each), with the results along a new first axis.

    The function is called once, on values that stand for all rows. Only where it asks for what
    differs between them (`if`, `float()`, a shape that depends on values) is it called on one row
    after the other.

    Args:
        name: of the NumPy function, for error messages.
        function: function of one row of each array; returns an array, or a tuple of arrays.
        size: the number of rows n.
        rows: arrays of shape `(n, ...)`.

    Returns:
        An array of shape `(n, ...)`, or a tuple of them.
    """
    trace = Batch(name, size)
    try:
        out = function(*(BatchTracer(row, True, trace) for row in rows))
    except BatchedValueError:
        if not size:
            raise
        return _one_by_one(function, size, rows)
    finally:
        trace.close()
    if isinstance(out, tuple):
        return tuple(_joined(trace, part) for part in out)
    return _joined(trace, out)


def _joined(trace: Batch, out: Any) -> Any:
    """A result for all rows: of the batch, or the same for each."""
    if isinstance(out, list):
        out = stack(out)
    if isinstance(out, BatchTracer) and out.owner is trace:
        return in_front(trace.size, out.value, out.batched)
    return in_front(trace.size, as_operand(out), batched=False)


def _one_by_one(function: Callable[..., Any], size: int, rows: Sequence[Any]) -> Any:
    results = [function(*(row[i] for row in rows)) for i in range(size)]
    if isinstance(results[0], tuple):
        return tuple(np.stack(parts) for parts in zip(*results, strict=True))
    return np.stack(results)
