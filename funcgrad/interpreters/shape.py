"""Shapes and dtypes only: every operation runs on zeros, and nobody may ask for a value.

No primitive needs a second, abstract rule: the value of one on zeros has the shape and dtype of any
other. The zeros are one number repeated without memory of its own, floating-point warnings are off,
and where zeros have no result (the inverse of a matrix), ones on the diagonal have.
"""

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
from typing_extensions import override

from funcgrad.core.primitive import Primitive
from funcgrad.core.tracer import Trace, Tracer, bind
from funcgrad.errors import UnknownValueError, user_line

__all__ = ["ShapeOnly", "ShapeTracer", "is_unknown", "zeros_of"]


class ShapeTracer(Tracer):
    """A shape and a dtype; its value is zeros of no meaning."""

    __slots__ = ("made_by",)
    made_by: Primitive | None
    owner: "ShapeOnly"

    def __init__(self, value: Any, owner: "ShapeOnly", made_by: Primitive | None = None) -> None:
        self.value = value
        self.owner = owner
        self.made_by = made_by

    @override
    def _check_plain(self, kind: str) -> None:
        super()._check_plain(kind)
        if not self.owner.answers:
            self.owner.refuse(f"{kind} of a value")

    def _number(self, kind: str, convert: Any) -> Any:
        self._check_plain(kind)
        return convert(self.value)

    def __float__(self) -> Any:
        return self._number("float()", float)

    def __complex__(self) -> Any:
        return self._number("complex()", complex)

    def __int__(self) -> Any:
        return self._number("int()", int)

    def __index__(self) -> Any:
        self._check_plain("use as an integer index")
        return self.value.__index__()

    def item(self) -> Any:
        """A zero, where answers are allowed."""
        self._check_plain(".item()")
        return self.value.item()

    def __repr__(self) -> str:
        return f"ShapeTracer({self.dtype}[{', '.join(map(str, self.shape))}])"

    def __str__(self) -> str:
        return repr(self)

    def __format__(self, _spec: str) -> str:
        return repr(self)


class ShapeOnly(Trace):
    """The trace that computes shapes and dtypes.

    Attributes:
        answers: whether Python gets the answer for zeros when it asks for a value (an `if` in the
            body of a loop that never runs), or an error.
    """

    __slots__ = ("answers",)

    def __init__(self, transform: str, *, answers: bool) -> None:
        super().__init__(transform)
        self.answers = answers

    def input(self, x: Any) -> ShapeTracer:
        """A tracer with the shape and dtype of a value; a Python number stays weak."""
        if not hasattr(x, "dtype"):
            return ShapeTracer(type(x)(0), self)
        return ShapeTracer(zeros_of(x.shape, x.dtype), self)

    def refuse(self, what: str) -> NoReturn:
        """Raise the error that a value is asked for."""
        raise UnknownValueError(
            f"{self.transform}: {what} at {user_line()}. Only shapes and dtypes are computed here, "
            "and what comes next depends on the value. Use np.where, cond or while_loop in place "
            "of Python's if and while, a mask in place of a shape that depends on values, or call "
            "the function itself."
        )

    @override
    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        if primitive.data_dependent:
            self.refuse(f"{primitive}, whose result has a shape that depends on values,")
        values = [
            arg.value if type(arg) is ShapeTracer and arg.owner is self else arg for arg in args
        ]
        with np.errstate(all="ignore"):
            if primitive.family == "callback":
                out = params["call"].zeros()
            else:
                try:
                    out = bind(primitive, *values, **params)
                except np.linalg.LinAlgError:
                    out = bind(primitive, *map(_identity, values), **params)
        if type(out) is tuple:
            return tuple(ShapeTracer(_forgotten(item), self, primitive) for item in out)
        return ShapeTracer(_forgotten(out), self, primitive)


def zeros_of(shape: tuple[int, ...], dtype: Any) -> Any:
    """Zeros that take no memory."""
    zero = np.zeros((), dtype)
    return np.broadcast_to(zero, shape) if shape else zero[()]


def _forgotten(value: Any) -> Any:
    """Zeros in place of a plain result."""
    if isinstance(value, Tracer):
        return value
    if not hasattr(value, "dtype"):
        return type(value)(0)
    return zeros_of(value.shape, value.dtype)


def _identity(x: Any) -> Any:
    """Identity matrices in place of zeros."""
    shape: tuple[int, ...] = getattr(x, "shape", ())
    if isinstance(x, Tracer) or len(shape) < 2 or shape[-1] != shape[-2]:
        return x
    return np.broadcast_to(np.eye(shape[-1], dtype=x.dtype), shape)


def is_unknown(x: Any) -> bool:
    """Whether there is only a shape and a dtype somewhere in the tower of a value."""
    while isinstance(x, Tracer):
        if type(x) is ShapeTracer:
            return True
        x = x.value
    return False
