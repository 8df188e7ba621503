"""Arithmetic of one element at a time, and the arithmetic operators."""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.arguments import kind_of, refuse
from funcgrad.compat.torch.compilation_breaks import takes_blocks
from funcgrad.compat.torch.dtypes import category_of, dtype_of_numpy
from funcgrad.compat.torch.elementary import absolute, negative, reciprocal
from funcgrad.compat.torch.fast import fast_binary, fast_unary
from funcgrad.compat.torch.inplace import in_place
from funcgrad.compat.torch.numbered import numbered
from funcgrad.compat.torch.op import Op, result_type
from funcgrad.compat.torch.outputs import (
    binary,
    given,
    only,
    operand_of,
    require_tensor,
    with_out,
    wrapping,
)
from funcgrad.compat.torch.registry import expose
from funcgrad.compat.torch.state import STATE
from funcgrad.compat.torch.tensor import METHODS, Tensor
from funcgrad.core.primitive import PRIMITIVES

__all__ = [
    "BINARY",
    "add",
    "div",
    "in_place_operator",
    "multiply",
    "operator_of",
    "power",
    "quotient_check",
    "reflected",
    "set_methods",
    "sub",
]

BINARY: dict[str, Callable[..., Any]] = {}
"""Functions of two operands by PyTorch's name."""


# --- operators --------------------------------------------------------------------------------


def _as_numpy_promotes(x: Tensor, array: Tensor) -> tuple[Tensor, Tensor]:
    """A tensor and an array in the type that NumPy computes in, as PyTorch leaves it to NumPy."""
    kind = dtype_of_numpy(np.result_type(x._value.dtype, array._value.dtype))
    to = METHODS["to"]
    return (x if x._dtype is not None else to(x, kind)), to(array, kind)


def operator_of(op: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """An operation as an operator, which leaves foreign operands to their own classes."""

    def general(input: Any, other: Any, *, out: Any = None) -> Any:
        del out
        x, y = operand_of(input), operand_of(other)
        if isinstance(other, np.ndarray):
            x, y = _as_numpy_promotes(x, y)
        elif isinstance(input, np.ndarray):
            y, x = _as_numpy_promotes(y, x)
        return NotImplemented if x is NotImplemented or y is NotImplemented else op(x, y)

    return general


def reflected(function: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    """The same with operands exchanged."""

    def method(self: Any, other: Any) -> Any:
        return function(other, self)

    return method


def in_place_operator(function: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    """`x += y` and the like."""
    changing = in_place(function)

    def method(self: Any, other: Any) -> Any:
        if operand_of(other) is NotImplemented:
            return NotImplemented
        return changing(self, other)

    return method


def set_methods(**methods: Any) -> None:
    """Enter methods that Python's syntax calls."""
    for name, function in methods.items():
        setattr(Tensor, name, function)


# --- sum, difference, product, quotient -------------------------------------------------------

TWO_BOOLS = (
    "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or "
    "`logical_xor()` operator instead."
)
ONE_BOOL = (
    "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to "
    "invert a mask, use the `~` or `logical_not()` operator instead."
)


def _no_bools(x: Any, y: Any, **_: Any) -> None:
    by_x, by_y = (type(v) is bool or getattr(v, "dtype", None) == np.bool_ for v in (x, y))
    if by_x or by_y:
        raise RuntimeError(TWO_BOOLS if by_x and by_y else ONE_BOOL)


_times = wrapping(fnp.multiply)
add_op = Op("AddBackward0", wrapping(fnp.add), promote="same", linear=True)
sub_op = Op("SubBackward0", wrapping(fnp.subtract), promote="same", linear=True, check=_no_bools)
mul_op = Op("MulBackward0", wrapping(fnp.multiply), promote="same")
div_op = Op("DivBackward0", fnp.divide, promote="float")
add_scaled_op = Op(
    "AddBackward0", lambda x, y, *, alpha: x + _times(y, alpha), promote="same", linear=True
)
sub_scaled_op = Op(
    "SubBackward0",
    lambda x, y, *, alpha: x - _times(y, alpha),
    promote="same",
    linear=True,
    check=_no_bools,
)
rsub_op = Op(
    "RsubBackward0",
    lambda x, y, *, alpha=1: y - (x if alpha == 1 else _times(x, alpha)),
    promote="same",
    linear=True,
    check=_no_bools,
)
rsub_number_op = Op(
    "RsubBackward1",
    lambda x, *, number, alpha, kind: (
        number - _cast(x if alpha == 1 else _cast(x, kind) * alpha, kind)
    ),
    linear=True,
    check=lambda x, *, number, **_: _no_bools(x, number),
)

_add = fast_binary(add_op, "add", operator.add, operator_of(add_op))
_sub = fast_binary(sub_op, "subtract", operator.sub, operator_of(sub_op))
_mul = fast_binary(mul_op, "multiply", operator.mul, operator_of(mul_op))
_div = fast_binary(div_op, "divide", operator.truediv, operator_of(div_op))
_plus = fast_binary(add_op, "add", operator.add, binary("add", add_op, numbers="xy"))
_minus = fast_binary(sub_op, "subtract", operator.sub, binary("sub", sub_op, numbers="xy"))
_over = fast_binary(div_op, "divide", operator.truediv, binary("div", div_op, numbers="xy"))
multiply = fast_binary(
    mul_op, "multiply", operator.mul, binary("mul", mul_op, numbers="xy", doc="input · other.")
)
multiply.__name__, multiply.__doc__ = "mul", "input · other."


def _cast(x: Any, kind: Any) -> Any:
    return x if kind is None or x.dtype == kind else x.astype(kind)


def _number_of(value: Any) -> Any:
    return value.item() if isinstance(value, Tensor | np.generic) else value


def _scale(input: Any, other: Any, alpha: Any) -> Any:
    """The factor of the second operand.

    Raises:
        RuntimeError: for a float beside integers.
    """
    alpha = _number_of(alpha)
    if category_of(alpha) >= 2 and result_type(input, other).category < 2:
        raise RuntimeError(
            "For integral input tensors, argument alpha must not be a floating point number."
        )
    return alpha


def _operands(name: str, input: Any, other: Any) -> tuple[Any, Any]:
    x, y = given(input), given(other)
    if x is NotImplemented:
        require_tensor(name, input)
    if y is NotImplemented:
        require_tensor(name, other, "other", 2)
    return x, y


def add(input: Any, other: Any, *, alpha: Any = 1, out: Any = None) -> Any:
    """input + alpha · other."""
    if type(alpha) is int and alpha == 1:
        return _plus(input, other) if out is None else _plus(input, other, out=out)
    return _add_scaled(input, other, alpha, out=out)


def sub(input: Any, other: Any, *, alpha: Any = 1, out: Any = None) -> Any:
    """input - alpha · other."""
    if type(alpha) is int and alpha == 1:
        return _minus(input, other) if out is None else _minus(input, other, out=out)
    return _sub_scaled(input, other, alpha, out=out)


def _with_alpha(input: Any, other: Any, alpha: Any) -> Any:
    x, y = _operands("add", input, other)
    return add_scaled_op(x, y, alpha=_scale(x, y, alpha))


def _less_alpha(input: Any, other: Any, alpha: Any) -> Any:
    x, y = _operands("sub", input, other)
    return sub_scaled_op(x, y, alpha=_scale(x, y, alpha))


_add_scaled, _sub_scaled = with_out(_with_alpha, "add"), with_out(_less_alpha, "sub")


def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """other - alpha · input."""
    if (type(other) is float or type(other) is int) and type(alpha) is int and alpha == 1:
        return _from_number(input, other)
    return _rsub(input, other, alpha)


def _rsub(input: Any, other: Any, alpha: Any = 1) -> Any:
    require_tensor("rsub", input)
    other = operand_of(other)
    if other is NotImplemented:
        return NotImplemented
    alpha = _scale(input, other, alpha)
    if isinstance(other, Tensor):
        return rsub_op(input, other, alpha=alpha)
    kind = result_type(input, other)
    if input.dtype is kind:
        return rsub_number_op(input, number=other, alpha=alpha, kind=None)
    return rsub_number_op(input, number=other, alpha=alpha, kind=kind.numpy)


_from_number = numbered(
    rsub_number_op, lambda v, number: number - v, lambda _: lambda ct, _x: -ct, _rsub, letters=""
)


def quotient_check(word: str) -> Callable[..., None]:
    """A check of operands to be divided: real numbers, and no integer by zero."""
    check_kind = only("if", word)

    def check(x: Any, y: Any, **_: Any) -> None:
        check_kind(x, y)
        if any(getattr(v, "dtype", np.dtype(type(v))).kind == "f" for v in (x, y)):
            return
        if not hasattr(y, "owner") and not np.all(y):
            raise RuntimeError("ZeroDivisionError")

    return check


def _truncated(x: Any, y: Any) -> Any:
    """x / y, towards zero."""
    quotient = fnp.floor_divide(x, y)
    if quotient.dtype.kind == "f":
        return fnp.trunc(fnp.divide(x, y))
    rest = fnp.remainder(x, y)
    return fnp.where((rest != 0) & ((rest < 0) != (x < 0)), quotient + 1, quotient)


floor_div_op = Op(
    "DivBackward2", wrapping(fnp.floor_divide), promote="same",
    check=quotient_check("div_floor_cpu"),
)  # fmt: skip
trunc_div_op = Op(
    "DivBackward2", wrapping(_truncated), promote="same", check=quotient_check("div_trunc_cpu")
)
_MODES = {
    "floor": binary("div", floor_div_op, numbers="xy"),
    "trunc": binary("div", trunc_div_op, numbers="xy"),
}


def div(input: Any, other: Any, *, rounding_mode: str | None = None, out: Any = None) -> Any:
    """input / other, rounded down or towards zero if asked for."""
    if rounding_mode is None:
        return _over(input, other) if out is None else _over(input, other, out=out)
    if rounding_mode not in _MODES:
        raise RuntimeError(
            "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found "
            f"'{rounding_mode}'"
        )
    return _MODES[rounding_mode](input, other, out=out)


# --- powers -----------------------------------------------------------------------------------

NEGATIVE_POWER = "Integers to negative integer powers are not allowed."


def _power_of_number(x: Any, *, exponent: Any, kind: Any) -> Any:
    """xᵏ; small whole exponents are products, as PyTorch computes them."""
    x = _cast(x, kind)
    if exponent == 2:
        return x * x
    if exponent == 3:
        return x * x * x
    if exponent == 0.5:
        return fnp.sqrt(x)
    return fnp.power(x, exponent)


def _power(x: Any, y: Any) -> Any:
    """xʸ; integers to negative powers are 0, except of 1 and -1."""
    kinds = [getattr(v, "dtype", np.dtype(type(v))).kind for v in (x, y)]
    if any(kind in "fc" for kind in kinds):
        return fnp.power(x, y)
    odd = fnp.where(fnp.bitwise_and(y, 1) == 1, x, 1)
    inverse = fnp.where(x == 1, 1, fnp.where(x == -1, odd, 0))
    return fnp.where(y < 0, inverse, fnp.power(x, fnp.maximum(y, 0)))


def _no_bool_powers(x: Any, y: Any) -> None:
    if all(getattr(v, "dtype", np.dtype(type(v))) == np.bool_ for v in (x, y)):
        raise NotImplementedError("\"pow\" not implemented for 'Bool'")


square_op = Op("PowBackward0", lambda x: x * x)
pow_number_op = Op("PowBackward0", _power_of_number)
pow_op = Op("PowBackward1", _power, promote="same", check=_no_bool_powers)
pow_base_op = Op("PowBackward2", lambda x, *, base, kind: _power(_cast(base, kind), _cast(x, kind)))


def _to_number(input: Any, exponent: Any) -> Any:
    if takes_blocks(getattr(input, "_value", None)):
        return STATE.compiling.block(power, (input, exponent), {})
    kind = result_type(input, exponent)
    if kind.category == 1 and exponent < 0:
        raise RuntimeError(NEGATIVE_POWER)
    if input.dtype is kind:
        return pow_number_op(input, exponent=exponent, kind=None)
    return pow_number_op(input, exponent=exponent, kind=kind.numpy)


_POWER: Any = PRIMITIVES["power"].vjp.__self__  # type: ignore[union-attr]  # an elementwise table
_, _pull_of_base = _POWER.pull((True, False))


def _power_pull(exponent: Any) -> Any:
    return lambda ct, x: _pull_of_base(ct, (x, exponent))


def _plain_power(v: Any, exponent: Any) -> Any:
    with np.errstate(all="ignore"):
        return _power_of_number(v, exponent=exponent, kind=None)


_square = fast_unary(square_op, "square", lambda x: _to_number(x, 2))
_to_plain_number = numbered(
    pow_number_op,
    _plain_power,
    _power_pull,
    _to_number,
)


def power(input: Any, exponent: Any) -> Any:
    """input ** exponent."""
    kind = type(exponent)
    if (kind is int or kind is float) and isinstance(input, Tensor):
        return _square(input) if exponent == 2 else _to_plain_number(input, exponent)
    x, y = operand_of(input), operand_of(exponent)
    if x is NotImplemented or y is NotImplemented:
        return NotImplemented
    if isinstance(exponent, np.ndarray):
        x, y = _as_numpy_promotes(x, y)
    if not isinstance(y, Tensor):
        return _to_number(x, y)
    if isinstance(x, Tensor):
        return pow_op(x, y)
    common = result_type(x, y)
    return pow_base_op(y, base=np.array(x, common.numpy)[()], kind=common.numpy)


def pow_(input: Any, exponent: Any) -> Any:
    """input ** exponent."""
    if not isinstance(input, Tensor) and not isinstance(exponent, Tensor):
        raise TypeError(
            "pow() received an invalid combination of arguments - got "
            f"({kind_of(input)}, {kind_of(exponent)})"
        )
    array = type(exponent) is np.ndarray or type(input) is np.ndarray
    result = NotImplemented if array else power(input, exponent)
    if result is NotImplemented:
        refuse("pow", pow_, input, exponent)
        require_tensor("pow", input)
        require_tensor("pow", exponent, "exponent", 2)
    return result


def square(input: Any) -> Any:
    """input²."""
    require_tensor("square", input)
    return _square(input)


# --- entering ---------------------------------------------------------------------------------

for _names, _function in (
    (("add",), add),
    (("sub", "subtract"), sub),
    (("mul", "multiply"), multiply),
    (("div", "divide", "true_divide"), div),
    (("square",), with_out(square)),
    (("pow",), with_out(pow_, "pow")),
):
    expose(_names, _function, inplace=True)
    BINARY.update(dict.fromkeys(_names, _function))
expose("rsub", rsub)

set_methods(
    __add__=_add,
    __radd__=lambda self, other: _add(self, other),
    __iadd__=in_place_operator(_add),
    __sub__=_sub,
    __rsub__=rsub,
    __isub__=in_place_operator(_sub),
    __mul__=_mul,
    __rmul__=lambda self, other: _mul(self, other),
    __imul__=in_place_operator(_mul),
    __truediv__=_div,
    __rtruediv__=lambda self, other: _mul(reciprocal(self), other),
    __rdiv__=lambda self, other: _mul(reciprocal(self), other),
    __itruediv__=in_place_operator(_div),
    __neg__=negative,
    __abs__=absolute,
    __pow__=power,
    __rpow__=lambda self, other: power(other, self),
    __ipow__=in_place_operator(power),
)
