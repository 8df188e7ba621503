"""What NumPy-signature functions share: plain arguments go to NumPy itself, `out=` is refused."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from funcgrad.core.protocols import implements
from funcgrad.core.tracer import Tracer
from funcgrad.errors import TracerAssignmentError, user_line

__all__ = [
    "as_scalar",
    "implements_traced",
    "is_complex",
    "is_traced",
    "refuse_out",
    "static_axis",
]


def is_traced(x: Any) -> bool:
    """Whether a value, or one in a list of values, is traced."""
    if isinstance(x, list | tuple):
        return any(is_traced(item) for item in x)
    return isinstance(x, Tracer)


def as_scalar(x: Any) -> Any:
    """An array without axes as a NumPy scalar, which is what reductions return."""
    return x if getattr(x, "shape", None) != () or isinstance(x, np.generic) else x[()]


def is_complex(x: Any) -> bool:
    """Whether a value is complex."""
    dtype = getattr(x, "dtype", None)
    return isinstance(x, complex) if dtype is None else dtype.kind == "c"


def implements_traced(
    function: Any, *aliases: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: as `implements`, for a function that is called with a traced value only.

    Called with plain arguments, the result is that of the NumPy function itself, bit for bit.
    """

    def enter(implementation: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(implementation)
        def either(*args: Any, **kwargs: Any) -> Any:
            for arg in args:
                if isinstance(arg, Tracer) or is_traced(arg):
                    return implementation(*args, **kwargs)
            if kwargs:
                if any(is_traced(arg) for arg in kwargs.values()):
                    return implementation(*args, **kwargs)
                refuse_out(function.__name__, kwargs.get("out"))
            return function(*args, **kwargs)

        implements(function, *aliases)(either)
        return either

    return enter


def refuse_out(name: str, out: Any) -> None:
    """Raise `TracerAssignmentError` if there is an `out=` array."""
    if out is not None and not (isinstance(out, tuple) and out == (None,)):
        raise TracerAssignmentError(
            f"{name}: out= at {user_line()}. A result that is written into an array loses its "
            "derivative. Leave out= away and use the result, or write "
            "a = funcgrad.numpy.at(a)[...].set(result)."
        )


def static_axis(axis: Any) -> Any:
    """An axis argument with NumPy integers as Python's."""
    if axis is None:
        return None
    if np.ndim(axis):
        return tuple(one.__index__() for one in axis)
    return axis.__index__()
