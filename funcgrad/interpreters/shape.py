"""Shapes and dtypes only: nothing is computed, and nobody may ask for a value.

Values are zeros, one number repeated without memory of its own. What a primitive makes of them says
the table in `funcgrad.interpreters.outline`, and floating-point warnings are off. One without a
rule there (an operation of PyTorch's that came in from outside, a collective) is computed on the
zeros, and so is one whose operands do not fit together, for its error.
"""

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
from typing_extensions import override

from funcgrad.core.primitive import Primitive
from funcgrad.core.tracer import Trace, Tracer, bind, plain_value
from funcgrad.errors import UnknownValueError, user_line
from funcgrad.interpreters.outline import REAL_OR_COMPLEX, VIEWS, outlined, zeros_of
from funcgrad.interpreters.stage import StageTracer

__all__ = ["ShapeOnly", "ShapeTracer", "is_unknown"]


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
        return self.zeros(x.shape, x.dtype)

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> ShapeTracer:
        """A tracer with a shape and a dtype."""
        return ShapeTracer(zeros_of(shape, dtype), self)

    @override
    def likeness(self) -> ShapeTracer:
        return self.zeros((0,), float)

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
        if primitive.name in REAL_OR_COMPLEX and not self.answers and args[0].dtype.kind != "c":
            raise UnknownValueError(
                f"{self.transform}: {primitive} of dtype {args[0].dtype} at {user_line()}. Only "
                "shapes and dtypes are computed here, and whether the result is real or complex "
                "depends on the values. Pass x.astype(complex), or call the function itself."
            )
        with np.errstate(all="ignore"):
            out = self._outline(primitive, args, params)
        if type(out) is tuple:
            return tuple(ShapeTracer(_forgotten(item), self, primitive) for item in out)
        return ShapeTracer(_forgotten(out), self, primitive)

    def _outline(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        """What has the shape and the dtype of the result, or of each."""
        if primitive.family == "callback":
            return params["call"].zeros()
        if primitive.family in ("checkpoint", "custom"):  # it calls a function, which is traced
            return primitive.value(*args, **params)
        values = [
            arg.value if type(arg) is ShapeTracer and arg.owner is self else arg for arg in args
        ]
        if primitive.name in VIEWS:
            return bind(primitive, *values, **params)
        if primitive.name in ("gather", "scatter_set"):
            _check_places(args, 1 if primitive.name == "gather" else 2, params.get("lead", 0))
        out = outlined(primitive, values, params)
        return bind(primitive, *values, **params) if out is None else out


def _check_places(args: Sequence[Any], count: int, lead: int) -> None:
    """Let NumPy raise its error for indices that are known, and out of range."""
    idx = tuple(args[count:])
    if not any(isinstance(one, Tracer) for one in idx):
        zeros_of(getattr(args[0], "shape", ())[lead : lead + len(idx)], bool)[idx]


def _forgotten(value: Any) -> Any:
    """Zeros in place of a result."""
    plain = plain_value(value)
    if not hasattr(plain, "dtype"):
        return type(plain)(0)
    return zeros_of(value.shape, value.dtype)


def is_unknown(x: Any) -> bool:
    """Whether there is only a shape and a dtype somewhere in the tower of a value.

    Where a program is written of it, what is written has to hold for values.
    """
    while isinstance(x, Tracer):
        if type(x) is ShapeTracer:
            return True
        if isinstance(x, StageTracer):
            return False
        x = x.value
    return False
