"""Operators between Python numbers, as operations of a program.

`2 * 3` of Python's numbers is Python's: integers grow, a division by zero raises. So numbers that
are arguments of a compiled function are not NumPy's before they meet an array.
"""

import operator
from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Any

from funcgrad.core.primitive import Primitive

__all__ = ["BINARY", "FAMILY", "UNARY"]

FAMILY = "python"


def _primitive(symbol: str, function: Callable[..., Any]) -> Primitive:
    def apply(args: Sequence[Any], _params: dict[str, Any]) -> Any:
        return function(*args)  # traced values have the operators too, and derivatives

    def batch(_size: int, _batched: Any, values: Sequence[Any], _params: dict[str, Any]) -> Any:
        return function(*values)

    return Primitive(
        name=symbol,
        value=function,
        family=FAMILY,
        jvp=None,
        vjp=None,
        batch=batch,
        apply=apply,
    )


BINARY: MappingProxyType[str, Primitive] = MappingProxyType(
    {
        name: _primitive(symbol, getattr(operator, name))
        for name, symbol in {
            "__add__": "{} + {}",
            "__sub__": "{} - {}",
            "__mul__": "{} * {}",
            "__truediv__": "{} / {}",
            "__floordiv__": "{} // {}",
            "__mod__": "{} % {}",
            "__pow__": "{} ** {}",
            "__and__": "{} & {}",
            "__or__": "{} | {}",
            "__xor__": "{} ^ {}",
            "__lshift__": "{} << {}",
            "__rshift__": "{} >> {}",
            "__lt__": "{} < {}",
            "__le__": "{} <= {}",
            "__gt__": "{} > {}",
            "__ge__": "{} >= {}",
            "__eq__": "{} == {}",
            "__ne__": "{} != {}",
        }.items()
    }
)
"""By the name of the special method; a primitive's name is how it is written."""

UNARY: MappingProxyType[str, Primitive] = MappingProxyType(
    {
        "__neg__": _primitive("-{}", operator.neg),
        "__pos__": _primitive("+{}", operator.pos),
        "__invert__": _primitive("~{}", operator.invert),
        "__abs__": _primitive("abs({})", abs),
        "__round__": _primitive("round({})", round),
        "real": _primitive("({}).real", operator.attrgetter("real")),
        "imag": _primitive("({}).imag", operator.attrgetter("imag")),
        "conjugate": _primitive("({}).conjugate()", operator.methodcaller("conjugate")),
    }
)
