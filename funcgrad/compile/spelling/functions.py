"""How functions are written that are a call of one NumPy function, or a short formula."""

from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Any

from funcgrad.compile.spelling.elementwise import Speller
from funcgrad.compile.spelling.literals import (
    call,
    keywords,
    literal,
    operand_dtype,
    tuple_text,
)
from funcgrad.compile.spelling.scope import Scope
from funcgrad.core.primitive import PRIMITIVES, Primitive
from funcgrad.core.program import Equation
from funcgrad.primitives.fused import log_softmax_of, softmax_of

__all__ = ["FUNCTIONS"]

_FORMULAS = {
    "relu": "np.maximum({x}, 0)",
    "relu6": "np.minimum(np.maximum({x}, 0), 6)",
    "hard_tanh": "np.minimum(np.maximum({x}, -1), 1)",
    "negative_part": "np.minimum({x}, 0)",
    "softplus": "np.maximum({x}, 0) + np.log1p(np.exp(-np.abs({x})))",
    "log_expit": "np.minimum({x}, 0) - np.log1p(np.exp(-np.abs({x})))",
}
"""Of a floating-point operand that is no Python number."""


def _formula(name: str) -> Speller:
    text = _FORMULAS[name]

    def spell(equation: Equation, operands: Sequence[str], scope: Scope, out: str | None) -> str:
        del out
        dtype = operand_dtype(equation, 0)
        if dtype is None or dtype.kind != "f":
            return f"{scope.helper(equation.primitive.value, name)}({operands[0]})"
        return text.format(x=operands[0])

    return spell


def _special(primitive: Primitive) -> Speller:
    """A function of one number that NumPy does not have: without the look at what it is given."""
    inner = _variable(_variable(primitive.value, "value"), "value")

    def spell(equation: Equation, operands: Sequence[str], scope: Scope, out: str | None) -> str:
        del out
        dtype = operand_dtype(equation, 0)
        known = dtype is not None and dtype.kind == "f"
        function = inner if known else equation.primitive.value
        return f"{scope.helper(function, equation.primitive.name)}({operands[0]})"

    return spell


def _variable(function: Any, name: str) -> Any:
    """What a variable of a closure holds; the function itself if it has none of this name."""
    code = getattr(function, "__code__", None)
    if code is None or name not in code.co_freevars:
        return function
    return function.__closure__[code.co_freevars.index(name)].cell_contents


def _normalised(short: Callable[..., Any]) -> Speller:
    """softmax and log_softmax of floating-point arrays that are not empty."""

    def spell(equation: Equation, operands: Sequence[str], scope: Scope, out: str | None) -> str:
        del out
        name = equation.primitive.name
        ((_, axis),) = equation.params
        dtype, shape = operand_dtype(equation, 0), equation.results[0].shape
        if dtype is None or dtype.kind != "f" or not axis or 0 in shape:
            return f"{scope.helper(equation.primitive.value, name)}({operands[0]}, axis={axis})"
        places = axis[0] if len(axis) == 1 else axis
        return f"{scope.helper(short, name)}({operands[0]}, axis={places})"

    return spell


def _bounded(equation: Equation, operands: Sequence[str], scope: Scope, out: str | None) -> str:
    del out
    bound = dict(equation.params)["bound"]
    low, high = literal(-bound, scope), literal(bound, scope)
    return f"np.minimum(np.maximum({operands[0]}, {low}), {high})"


def _method(method: str) -> Speller:
    """A method of the ufunc that is a parameter, by name."""

    def spell(equation: Equation, operands: Sequence[str], scope: Scope, out: str | None) -> str:
        del out
        params = dict(equation.params)
        ufunc = params.pop("ufunc")
        return call(f"np.{ufunc}.{method}", [*operands, *keywords(tuple(params.items()), scope)])

    return spell


def _calls(function: str) -> Speller:
    """A function of the operands, with the parameters as keywords."""

    def spell(equation: Equation, operands: Sequence[str], scope: Scope, out: str | None) -> str:
        del out
        return call(function, [*operands, *keywords(equation.params, scope)])

    return spell


def _of_list(function: str) -> Speller:
    """A function of the list of operands, with the parameters as keywords."""

    def spell(equation: Equation, operands: Sequence[str], scope: Scope, out: str | None) -> str:
        del out
        listed = tuple_text(list(operands))
        return call(function, [listed, *keywords(equation.params, scope)])

    return spell


def _part(function: str, position: int) -> Speller:
    """One of the results of a function."""

    def spell(equation: Equation, operands: Sequence[str], scope: Scope, out: str | None) -> str:
        del equation, scope, out
        return f"{function}({operands[0]})[{position}]"

    return spell


_CHECKED = PRIMITIVES["expit"].value.__code__
"""The code of the values of all functions that are declared by `primitives.special.special`."""

FUNCTIONS: MappingProxyType[str, Speller] = MappingProxyType(
    {
        **{
            name: _special(primitive)
            for name, primitive in PRIMITIVES.items()
            if getattr(primitive.value, "__code__", None) is _CHECKED
        },
        **{name: _formula(name) for name in _FORMULAS},
        "softmax": _normalised(softmax_of),
        "log_softmax": _normalised(log_softmax_of),
        "bounded": _bounded,
        "accumulate": _method("accumulate"),
        "ufunc.accumulate": _method("accumulate"),
        "ufunc.reduce": _method("reduce"),
        "ufunc.reduceat": _method("reduceat"),
        "add.reduceat": _calls("np.add.reduceat"),
        **{
            f"{name}.reduce": _calls(f"np.{name}.reduce")
            for name in ("hypot", "logaddexp", "logaddexp2")
        },
        **{
            f"{name}.accumulate": _calls(f"np.{name}.accumulate")
            for name in ("maximum", "minimum", "fmax", "fmin")
        },
        **{
            name: _calls(f"np.{name}")
            for name in (
                "all", "any", "argmax", "argmin", "nanargmax", "nanargmin", "argpartition",
                "cumprod", "isclose", "isin", "packbits", "round", "searchsorted", "unpackbits",
            )
        },
        **{name: _calls(f"np.fft.{name}") for name in ("rfft", "irfft")},
        "lexsort": _of_list("np.lexsort"),
        "ravel_multi_index": _of_list("np.ravel_multi_index"),
        "fraction": _part("np.modf", 0),
        "mantissa": _part("np.frexp", 0),
        "exponent": _part("np.frexp", 1),
    }
)  # fmt: skip
"""How a primitive is written, by its name."""
