"""What loops and branches need: the rows of an array at once, and a stand-in for examples.

A loop over `x[i]` records one operation for each i. `rows(x)` is one operation with many results,
in every mode, and its transpose is one `stack`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from funcgrad.core.primitive import Primitive
from funcgrad.core.tracer import Tracer, bind
from funcgrad.core.wengert import Partials
from funcgrad.families.batching import same_call
from funcgrad.families.linear import linear
from funcgrad.families.shapes import in_front, rank_of, shape_of, zeros_like
from funcgrad.primitives.joining import stack
from funcgrad.primitives.structural import moveaxis

__all__ = ["rows", "stand_in", "stand_in_p"]

# --- rows ---------------------------------------------------------------------------------------


def _rows_value(x: Any, *, axis: int) -> tuple[Any, ...]:
    return tuple(np.moveaxis(x, axis, 0))


def _rows_transpose(ct: Any, x: Any, *, axis: int) -> Any:
    length = x.shape[axis]
    parts = ct if isinstance(ct, Partials) else {0: ct}
    if len(parts) == length:
        return stack([parts[i] for i in range(length)], axis)
    rest = x.shape[: x.ndim + axis] + x.shape[x.ndim + axis + 1 :]
    zero = zeros_like(x, rest)  # one for all
    return stack([parts.get(i, zero) for i in range(length)], axis)


rows_p = linear("rows", _rows_value, _rows_transpose, batch=same_call, view=True)


def rows(x: Any) -> Any:
    """The parts `x[0], x[1], …` along the first axis, as a sequence: of views, if x is plain."""
    if isinstance(x, Tracer):
        return bind(rows_p, x, axis=-rank_of(x)) if shape_of(x)[0] else ()
    return x


# --- a stand-in for examples --------------------------------------------------------------------


def _stand_in_value(chosen: Any, x: Any, *, lead: int) -> Any:
    if not lead or not np.size(x):
        return x
    shape = shape_of(x)
    first = np.argmax(np.reshape(chosen, -1))
    return np.broadcast_to(np.reshape(x, (-1, *shape[lead:]))[first], shape)


def _stand_in_batch(
    size: int, batched: Sequence[bool], values: Sequence[Any], params: dict[str, Any]
) -> Any:
    (chosen, x), lead = values, params["lead"]
    if batched[0]:
        return bind(stand_in_p, chosen, in_front(size, x, batched[1]), lead=lead + 1)
    return moveaxis(bind(stand_in_p, chosen, moveaxis(x, 0, lead), lead=lead), lead, 0)


# It is not registered: the laws of primitives know no operation between examples.
stand_in_p = Primitive(
    name="stand_in",
    value=_stand_in_value,
    family="between examples",
    jvp=None,
    vjp=None,
    batch=_stand_in_batch,
)


def stand_in(chosen: Any, x: Any) -> Any:
    """For all examples the value of one of the chosen ones, as a constant.

    Args:
        chosen: whether an example is; a boolean of shape `()` for one example.
        x: a value for each example.

    Returns:
        Values of the shape and dtype of `x`, without a derivative.
    """
    return bind(stand_in_p, chosen, x, lead=0)
