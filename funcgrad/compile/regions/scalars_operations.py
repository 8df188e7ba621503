"""Elementwise operations of single Python floats and bools, as text.

Each has the value of NumPy's ufunc, up to the last bits; where a function of `math` raises an error
NumPy gives inf or nan and warns, and the whole cluster is evaluated by NumPy.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from funcgrad.compile.spelling.elementwise import SQUARES

__all__ = [
    "ABSORBED", "BOOLEAN", "CHOSEN", "FUNCTIONS", "OPERATIONS", "PYTHON", "Operation", "power",
]  # fmt: skip

CHOICE, TEST, SUM, PRODUCT, SIGN, ATOM = range(6)
"""How tightly an expression holds together: `a if c else b`, `a < b`, `a + b`, `a * b`, `-a`, `a`.
"""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of numbers.

    Attributes:
        text: with places for the operands.
        level: how tightly the text holds together.
        needs: how tightly each operand has to.
        functions: the functions that the text calls, by their names.
        cost: in operations of two numbers.
        exact: whether the value is NumPy's to the last bit.
        risky: whether it may raise an error.
        boolean: whether the value is a truth value.
        repeated: operands that the text names twice.
    """

    text: str
    level: int = ATOM
    needs: tuple[int, ...] = (CHOICE,)
    functions: tuple[str, ...] = ()
    cost: float = 1.0
    exact: bool = False
    risky: bool = False
    boolean: bool = False
    repeated: tuple[int, ...] = ()


FUNCTIONS: MappingProxyType[str, Callable[..., Any]] = MappingProxyType(
    {
        name: function
        for name, function in vars(math).items()
        if callable(function) and not name.startswith("_")
    }
)
"""What the texts call, beside `abs`, `float` and `round`."""


def _function(name: str, operands: int = 1, risky: bool = True, exact: bool = False) -> Operation:
    places = ", ".join(f"{{{i}}}" for i in range(operands))
    needs = (CHOICE,) * operands
    return Operation(f"{name}({places})", ATOM, needs, (name,), 2.0, exact, risky)


def _test(symbol: str) -> Operation:
    return Operation(f"{{0}} {symbol} {{1}}", TEST, (SUM, SUM), exact=True, boolean=True)


def _both(symbol: str) -> Operation:
    return Operation(f"{{0}} {symbol} {{1}}", TEST, (ATOM, ATOM), exact=True, boolean=True)


def _chosen(text: str, repeated: tuple[int, ...], cost: float = 1.5, **more: Any) -> Operation:
    needs = (SUM,) * (1 + max(i for i in range(3) if f"{{{i}}}" in text))
    return Operation(text, CHOICE, needs, cost=cost, repeated=repeated, **more)


def _rounded(name: str) -> Operation:
    """The sign keeps that of zeros."""
    functions = ("copysign",) if name == "round" else ("copysign", name)
    text = f"copysign({name}({{0}}), {{0}})"
    return Operation(text, ATOM, (CHOICE,), functions, 4.0, True, True, repeated=(0,))


_SECOND = bool(np.signbit(np.maximum(0.0, -0.0))) and not np.signbit(np.maximum(-0.0, 0.0))
"""Whether of equal zeros `np.maximum` gives the second one, as the text below does."""

CHOSEN = "{1} if {0} else {2}"
"""The text of `where`, which computes the arm that it takes."""

_NOT = Operation("not {0}", CHOICE, (TEST,), exact=True, boolean=True)
_ABS = Operation("abs({0})", exact=True)

OPERATIONS: MappingProxyType[str, Operation] = MappingProxyType(
    {
        "add": Operation("{0} + {1}", SUM, (SUM, PRODUCT), exact=True),
        "subtract": Operation("{0} - {1}", SUM, (SUM, PRODUCT), exact=True),
        "multiply": Operation("{0} * {1}", PRODUCT, (PRODUCT, SIGN), exact=True),
        "divide": Operation("{0} / {1}", PRODUCT, (PRODUCT, SIGN), exact=True, risky=True),
        "negative": Operation("-{0}", SIGN, (SIGN,), exact=True),
        "reciprocal": Operation("1.0 / {0}", PRODUCT, (SIGN,), exact=True, risky=True),
        "square": Operation("{0} * {0}", PRODUCT, (PRODUCT,), exact=True, repeated=(0,)),
        "absolute": _ABS,
        "fabs": _ABS,
        "sqrt": _function("sqrt", exact=True),
        "sign": _chosen("1.0 if {0} > 0.0 else -1.0 if {0} < 0.0 else {0} + 0.0", (0,), exact=True),
        "exp": _function("exp"),
        "exp2": _function("exp2"),
        "expm1": _function("expm1"),
        "log": _function("log"),
        "log2": _function("log2"),
        "log10": _function("log10"),
        "log1p": _function("log1p"),
        "cbrt": _function("cbrt", risky=False),
        "sin": _function("sin"),
        "cos": _function("cos"),
        "tan": _function("tan"),
        "arcsin": _function("asin"),
        "arccos": _function("acos"),
        "arctan": _function("atan", risky=False),
        "sinh": _function("sinh"),
        "cosh": _function("cosh"),
        "tanh": _function("tanh", risky=False),
        "arcsinh": _function("asinh", risky=False),
        "arccosh": _function("acosh"),
        "arctanh": _function("atanh"),
        "hypot": _function("hypot", 2, risky=False),
        "arctan2": _function("atan2", 2, risky=False),
        "fmod": _function("fmod", 2),
        "copysign": _function("copysign", 2, risky=False, exact=True),
        "remainder": Operation("{0} % {1}", PRODUCT, (PRODUCT, SIGN), cost=2.0, risky=True),
        "floor_divide": Operation("{0} // {1}", PRODUCT, (PRODUCT, SIGN), cost=2.0, risky=True),
        "deg2rad": Operation(f"{{0}} * {math.pi / 180!r}", PRODUCT, (PRODUCT,)),
        "radians": Operation(f"{{0}} * {math.pi / 180!r}", PRODUCT, (PRODUCT,)),
        "rad2deg": Operation(f"{{0}} * {180 / math.pi!r}", PRODUCT, (PRODUCT,)),
        "degrees": Operation(f"{{0}} * {180 / math.pi!r}", PRODUCT, (PRODUCT,)),
        "floor": _rounded("floor"),
        "ceil": _rounded("ceil"),
        "trunc": _rounded("trunc"),
        "rint": _rounded("round"),
        "maximum": _chosen(
            "{0} if {0} > {1} or {0} != {0} else {1}", (0, 1), 2.0, exact=_SECOND
        ),
        "minimum": _chosen(
            "{0} if {0} < {1} or {0} != {0} else {1}", (0, 1), 2.0, exact=_SECOND
        ),
        "maximum of literal": _chosen("{1} if {0} <= {1} else {0}", (0,), exact=_SECOND),
        "minimum of literal": _chosen("{1} if {0} >= {1} else {0}", (0,), exact=_SECOND),
        "fmax": _chosen("{0} if {0} >= {1} or {1} != {1} else {1}", (0, 1), 2.0),
        "fmin": _chosen("{0} if {0} <= {1} or {1} != {1} else {1}", (0, 1), 2.0),
        "heaviside": _chosen(
            "{1} if {0} == 0.0 else 0.0 if {0} < 0.0 else 1.0 if {0} > 0.0 else {0}", (0,), 2.5
        ),
        "logaddexp": Operation(
            f"{{0}} + {math.log(2)!r} if {{0}} == {{1}} else {{0}} + log1p(exp({{1}} - {{0}})) "
            "if {0} > {1} else {1} + log1p(exp({0} - {1}))",
            CHOICE, (SUM, SUM), ("log1p", "exp"), 7.0, risky=True, repeated=(0, 1),
        ),
        "where": Operation(CHOSEN, CHOICE, (TEST, TEST, TEST), exact=True),
        "greater": _test(">"),
        "greater_equal": _test(">="),
        "less": _test("<"),
        "less_equal": _test("<="),
        "equal": _test("=="),
        "not_equal": _test("!="),
        "logical_and": _both("&"),
        "logical_or": _both("|"),
        "logical_xor": _both("^"),
        "logical_not": _NOT,
        "bitwise_and": _both("&"),
        "bitwise_or": _both("|"),
        "bitwise_xor": _both("^"),
        "invert": _NOT,
        "isnan": Operation(
            "{0} != {0}", TEST, (SUM,), exact=True, boolean=True, repeated=(0,)
        ),
        "isfinite": Operation(
            "isfinite({0})", functions=("isfinite",), cost=2.0, exact=True, boolean=True
        ),
        "isinf": Operation(
            "isinf({0})", functions=("isinf",), cost=2.0, exact=True, boolean=True
        ),
        "signbit": Operation(
            "copysign(1.0, {0}) < 0.0", TEST, (CHOICE,), ("copysign",), 3.0, True, False, True
        ),
        "convert": Operation("float({0})", exact=True, risky=True),
        "pow": _function("pow", 2),
        "cube": Operation("{0} * {0} * {0}", PRODUCT, (PRODUCT,), cost=2.0, repeated=(0,)),
    }
)  # fmt: skip
"""By the names of NumPy's ufuncs, and a few more."""

ABSORBED: MappingProxyType[Operation, tuple[int, ...]] = MappingProxyType(
    {
        OPERATIONS[name]: places
        for places, names in (
            ((0,), ("reciprocal", "sign", "isnan", "isfinite", "isinf", "signbit")),
            ((1,), ("divide",)),
            ((1, 2), ("where",)),
            ((0, 1), ("copysign", "maximum", "minimum", "maximum of literal", "minimum of literal",
                      "greater", "greater_equal", "less", "less_equal", "equal", "not_equal")),
        )
        for name in names
    }
)  # fmt: skip
"""Operands that may be infinite or nan where the value is not, by exact operations."""

BOOLEAN = frozenset(
    {"logical_and", "logical_or", "logical_xor", "logical_not", "bitwise_and", "bitwise_or",
     "bitwise_xor", "invert"}
)  # fmt: skip
"""Operations of truth values alone."""

PYTHON: MappingProxyType[str, str] = MappingProxyType(
    {
        "{} + {}": "add", "{} - {}": "subtract", "{} * {}": "multiply", "{} / {}": "divide",
        "-{}": "negative", "abs({})": "absolute", "{} < {}": "less", "{} <= {}": "less_equal",
        "{} > {}": "greater", "{} >= {}": "greater_equal", "{} == {}": "equal",
        "{} != {}": "not_equal",
    }
)  # fmt: skip
"""The operators of Python's numbers that are the same of floats."""

_POWERS = {2.0: "square", 3.0: "cube", 1.0: "positive", -1.0: "reciprocal"}


def power(exponent: float | None, exact: bool) -> str | None:
    """The operation that a power with this exponent is; `None` for one that is not wanted."""
    name = _POWERS.get(exponent, "pow") if exponent is not None else "pow"
    if exact and (name != "square" or not SQUARES):
        return None
    return name
