"""How functions with NumPy's signature read shapes and append records without a rule's help."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from funcgrad.core.primitive import Primitive
from funcgrad.core.tracer import Tracer, leaked
from funcgrad.interpreters.record import Recording, RecordTracer

__all__ = [
    "append_join",
    "append_record",
    "as_shape",
    "recording_of",
]


def as_shape(shape: Any) -> tuple[int, ...]:
    """A shape argument, an integer or a sequence of them, as a tuple of Python integers."""
    if isinstance(shape, (tuple, list, np.ndarray)):
        return tuple(map(int, shape))
    return (int(shape),)


def append_record(
    x: RecordTracer, primitive: Primitive, pull: Any, residuals: Any, value: Any
) -> RecordTracer:
    """Record the result of a primitive of one recording tracer, without asking its rules."""
    owner = x.owner
    tracer = object.__new__(RecordTracer)
    tracer.value = value
    tracer.owner = owner
    tracer.index = owner.append((primitive, x.index, pull, residuals))
    return tracer


def recording_of(parts: Sequence[Any]) -> Recording | None:
    """The trace that decides about the parts, if it is one of reverse mode."""
    top: Any = None
    for part in parts:
        if isinstance(part, Tracer):
            if top is None or part.owner.id > top.id:
                top = part.owner
        elif type(part) is np.ndarray and part.dtype.kind in "OSUVMm":
            return None
    return top if type(top) is Recording else None


def append_join(
    owner: Recording,
    primitive: Primitive,
    pull: Any,
    residuals: Any,
    parts: Sequence[Any],
    join: Callable[[list[Any]], Any],
) -> Any:
    """Record what joins many parts, by a pull that walks over them once.

    Args:
        owner: the trace.
        primitive: what is recorded.
        pull: `(ct, residuals)` to one cotangent for each part of the trace (a tuple of them, if
            there is more than one).
        residuals: what the pull reads.
        parts: plain values, and at least one tracer of the trace.
        join: the operation on values.
    """
    if not owner.open:
        raise leaked(owner.transform)
    values, parents = [], []
    for part in parts:
        if type(part) is RecordTracer and part.owner is owner:
            values.append(part.value)
            parents.append(part.index)
        else:
            values.append(part)
    return owner.push(primitive, parents, pull, residuals, join(values))
