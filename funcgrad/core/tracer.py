"""Tracers, which remember the transform they belong to, and `bind`, which applies a primitive.

A trace has an identity from one counter. The highest one among the operands of a primitive wins, so
nested transforms never mix, and no stack is kept anywhere. A trace is closed when the user's
function returns or raises; what is left of it raises `LeakedTracerError`.

How a tracer answers to NumPy (operators, protocols, attributes, methods) is in
`funcgrad.core.protocols`, on `ArrayLike`; a tracer adds its value and its trace.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from typing_extensions import override

from funcgrad.core.foreign import NATIVE, apply
from funcgrad.core.modes import MODES
from funcgrad.core.primitive import Primitive
from funcgrad.core.protocols import ArrayLike
from funcgrad.errors import (
    LeakedTracerError,
    ObjectArrayError,
    TracerAssignmentError,
    user_line,
)

__all__ = [
    "Trace",
    "Tracer",
    "bind",
    "check_operand",
    "leaked",
    "next_id",
    "plain_value",
    "unknown_likeness",
]

next_id = itertools.count(1).__next__
"""Identities of traces, from one counter."""


class Trace:
    """The run of one transform: an identity, and what to do with a primitive (`process`).

    Attributes:
        writes: whether a program is written, so that what is made here stands for values.
    """

    __slots__ = ("id", "open", "transform")
    writes = False

    def __init__(self, transform: str) -> None:
        self.id = next_id()
        self.open = True
        self.transform = transform

    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        """Apply a primitive of which at least one operand is a tracer of this trace."""
        raise NotImplementedError

    def likeness(self) -> Any:
        """An empty value of a trace where values are not known, only shapes; `None` elsewhere."""
        return None

    def close(self) -> Any:
        """End the trace: its tracers raise `LeakedTracerError` from now on."""
        self.open = False


class Tracer(ArrayLike):
    """A value inside a transform; immutable. Its `value` belongs to the transform around it."""

    __slots__ = ("owner", "value")
    owner: Any
    value: Any

    @property
    def made_by(self) -> Primitive | None:
        """The primitive this is a result of; `None` for an input of the transform."""
        raise NotImplementedError

    @override
    def _check_plain(self, kind: str) -> None:
        if not self.owner.open:
            raise leaked(self.owner.transform)

    @override
    def _check_not_view(self, symbol: str) -> None:
        if not self.owner.open:
            raise leaked(self.owner.transform)
        for transform, identities in MODES.handed:
            if id(self) in identities and self.shape:
                raise TracerAssignmentError(
                    f"{transform}: x {symbol} y at {user_line()}, where x is what the body was "
                    "handed. It belongs to the loop, and without a derivative it is a read-only "
                    f"array. Write x = x {symbol[:-1]} y, or start from a copy, x = x.copy()."
                )
        made_by = self.made_by
        if made_by is not None and made_by.returns_view and self.shape:
            raise TracerAssignmentError(
                f"x {symbol} y, where x is a view ({made_by}) of another traced value, at "
                f"{user_line()}. In NumPy it would change that value too, but traced values are "
                f"immutable. Write x = x {symbol[:-1]} y, or {_update(symbol)} to update the "
                "viewed value."
            )


_UPDATES = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide", "**": "power"}


def _update(symbol: str) -> str:
    """The functional update of part of an array that does what an in-place operator does."""
    method = _UPDATES.get(symbol[:-1])
    if method is None:
        return f"a = a.at[idx].set(a[idx] {symbol[:-1]} y)"
    return f"a = a.at[idx].{method}(y)"


def leaked(transform: str) -> LeakedTracerError:
    """The error for a tracer of a closed trace."""
    return LeakedTracerError(
        f"{transform}: a traced value was used at {user_line()}, after the transform that made it "
        "had finished. Its derivative can no longer be followed. Return it from the function "
        "(has_aux=True for extra results), or keep stop_gradient(x) instead."
    )


def check_operand(primitive: Primitive, array: Any) -> None:
    """Refuse plain operands that cannot be computed with: object, text, time arrays."""
    dtype = getattr(array, "dtype", None)
    if dtype is not None and dtype.kind in "OSUVMm":
        raise ObjectArrayError(
            f"{primitive.name}: an operand has dtype {dtype}, next to a traced value at "
            f"{user_line()}. funcgrad cannot differentiate through it. Use a numeric array, or "
            "build one from traced values with np.stack([...]) instead of "
            "np.array([...], dtype=object)."
        )


def bind(primitive: Primitive, *args: Any, **params: Any) -> Any:
    """Apply a primitive: the trace of the highest identity among the operands decides how."""
    top: Any = None
    foreign = False
    for arg in args:
        if isinstance(arg, Tracer):
            if top is None or arg.owner.id > top.id:
                top = arg.owner
        elif type(arg) is np.ndarray:
            if arg.dtype.kind in "OSUVMm":
                check_operand(primitive, arg)
        elif type(arg) not in NATIVE:
            foreign = True
    if top is None:
        if foreign:
            return apply(primitive, args, params)
        return primitive.value(*args, **params)
    if not top.open:
        raise leaked(top.transform)
    return top.process(primitive, args, params)


def unknown_likeness(x: Any) -> Any:
    """Of a value of which only the shape is known an empty one of the same trace, else `None`."""
    while isinstance(x, Tracer) and not x.owner.writes:
        like = x.owner.likeness()
        if like is not None:
            return like
        x = x.value
    return None


def plain_value(x: Any) -> Any:
    """The value below every transform: an array or a Python scalar."""
    while isinstance(x, Tracer):
        x = x.value
    return x
