"""More functions of one element at a time: remainders, logarithms of sums, combinations."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad import nn
from funcgrad.compat.torch.conversion import cast
from funcgrad.compat.torch.dtypes import DTYPES
from funcgrad.compat.torch.inplace import in_place
from funcgrad.compat.torch.op import Op, result_type
from funcgrad.compat.torch.outputs import (
    binary,
    given,
    of_two,
    only,
    require_tensor,
    with_out,
    wrapping,
)
from funcgrad.compat.torch.pointwise import (
    in_place_operator,
    operator_of,
    power,
    quotient_check,
    reflected,
    set_methods,
)
from funcgrad.compat.torch.registry import expose
from funcgrad.compat.torch.returns import return_type
from funcgrad.compat.torch.tensor import Tensor
from funcgrad.transforms.custom import custom_vjp

__all__ = ["float_power", "frexp", "lerp", "logit", "without_rule", "xlog1py", "xlogy"]


def without_rule(
    function: Callable[..., Any], message: str, error: type[Exception] = RuntimeError
) -> Callable[..., Any]:
    """The function, whose derivative raises: PyTorch has none, and a zero would go unnoticed."""
    ruled = custom_vjp(function)

    def forward(*args: Any) -> Any:
        return function(*args), None

    def backward(_residuals: Any, _ct: Any) -> Any:
        raise error(message)

    ruled.defvjp(forward, backward)
    return ruled


def _kind_of(*operands: Any) -> Any:
    """The common type as NumPy's, or `None` if the first operand has it."""
    kind = result_type(*(x for x in operands if x is not None))
    return None if operands[0].dtype is kind else kind.numpy


def _cast(x: Any, kind: Any) -> Any:
    return x if kind is None else x.astype(kind)


# --- remainders -------------------------------------------------------------------------------

_floor_check, _fmod_check, _remainder_check = (
    quotient_check(word) for word in ("div_floor_cpu", "fmod_cpu", "remainder_cpu")
)
_floor_divided, _fmod_of, _remainder_of = (
    wrapping(function) for function in (fnp.floor_divide, fnp.fmod, fnp.remainder)
)
_floored = without_rule(_floor_divided, "derivative for aten::floor_divide is not implemented")
_unruled = without_rule(_remainder_of, "derivative for aten::remainder is not implemented")


def _of_number(
    node: str, function: Callable[[Any, Any], Any], check: Callable[..., None], first: bool = False
) -> Op:
    """The operation of a tensor and a number, which stands first or second."""
    if first:
        return Op(
            node,
            lambda x, *, number, kind: function(number, _cast(x, kind)),
            check=lambda x, *, number, kind: check(number, x),
        )
    return Op(
        node,
        lambda x, *, number, kind: function(_cast(x, kind), number),
        check=lambda x, *, number, kind: check(x, number),
    )


def _by_number(op: Op, number_op: Op, base_op: Op | None) -> Callable[[Any, Any], Any]:
    def function(x: Any, y: Any) -> Any:
        if not isinstance(y, Tensor):
            return number_op(x, number=y, kind=_kind_of(x, y))
        if not isinstance(x, Tensor) and base_op is not None:
            return base_op(y, number=x, kind=_kind_of(y, x))
        return op(x, y)

    return function


_floor_divide = _by_number(
    Op("NotImplemented", _floored, promote="same", check=_floor_check),
    _of_number("NotImplemented", _floored, _floor_check),
    _of_number("NotImplemented", _floored, _floor_check, first=True),
)
_fmod = _by_number(
    Op("FmodBackward1", _fmod_of, promote="same", check=_fmod_check),
    _of_number("FmodBackward0", _fmod_of, _fmod_check),
    None,
)
_remainder = _by_number(
    Op("RemainderBackward1", _remainder_of, promote="same", check=_remainder_check),
    _of_number("RemainderBackward0", _remainder_of, _remainder_check),
    _of_number("NotImplemented", _unruled, _remainder_check, first=True),
)
for _name, _function, _numbers in (
    ("floor_divide", _floor_divide, "xy"),
    ("fmod", _fmod, "y"),
    ("remainder", _remainder, "xy"),
):
    expose(_name, binary(_name, _function, numbers=_numbers), inplace=True)
set_methods(
    __floordiv__=operator_of(_floor_divide),
    __rfloordiv__=reflected(operator_of(_floor_divide)),
    __ifloordiv__=in_place_operator(operator_of(_floor_divide)),
    __mod__=operator_of(_remainder),
    __rmod__=reflected(operator_of(_remainder)),
    __imod__=in_place_operator(operator_of(_remainder)),
)


# --- two operands -----------------------------------------------------------------------------

_floats_only = {
    name: only("f", f"{name}_cpu") for name in ("hypot", "logaddexp", "logaddexp2", "nextafter")
}
_atan2_op = Op("Atan2Backward0", fnp.arctan2, promote="float", check=only("bif", "atan2_cpu"))
expose(("atan2", "arctan2"), of_two("atan2", _atan2_op), inplace=True)
_hypot_op = Op("HypotBackward0", fnp.hypot, promote="same", check=_floats_only["hypot"])
expose("hypot", of_two("hypot", _hypot_op), inplace=True)


def _log_of_sum(function: Callable[..., Any], exp: Any, log: Any) -> Callable[..., Any]:
    def either(x: Any, y: Any) -> Any:
        if x.dtype.kind != "c":
            return function(x, y)
        top = fnp.where(fnp.real(x) > fnp.real(y), x, y)
        rest = fnp.where(fnp.real(x) > fnp.real(y), y, x)
        return top + log(1 + exp(rest - top))

    return either


for _name, _node, _function in (
    ("logaddexp", "LogaddexpBackward0", _log_of_sum(fnp.logaddexp, fnp.exp, fnp.log)),
    ("logaddexp2", "Logaddexp2Backward0", _log_of_sum(fnp.logaddexp2, fnp.exp2, fnp.log2)),
):
    _check = only("fc", f"{_name}_cpu") if _name == "logaddexp" else _floats_only[_name]
    expose(_name, binary(_name, Op(_node, _function, promote="same", check=_check)))

_nextafter_op = Op(
    "NextafterBackward0", fnp.nextafter, promote="same", check=_floats_only["nextafter"]
)
expose("nextafter", binary("nextafter", _nextafter_op), inplace=True)
_ldexp_op = Op(
    "LdexpBackward0",
    lambda x, y: x * fnp.power(x.dtype.type(2), y),
    promote="float",
    copies=True,
)
expose("ldexp", binary("ldexp", _ldexp_op), inplace=True)
for _name, _integer in (("gcd", fnp.gcd), ("lcm", fnp.lcm)):
    _op = Op(None, _integer, promote="same", check=only("i", f"{_name}_cpu"))
    expose(_name, binary(_name, _op), inplace=True)

_copysign_op = Op(
    "CopysignBackward0",
    fnp.copysign,
    promote="float",
    check=only("bif", "copysign_cpu"),
    copies=True,
)
_copysign_number_op = Op(
    "CopysignBackward1",
    lambda x, *, number: fnp.copysign(x, number),
    promote="float",
    check=only("bif", "copysign_cpu"),
)
expose(
    "copysign",
    binary(
        "copysign",
        lambda x, y: (
            _copysign_op(x, y) if isinstance(y, Tensor) else _copysign_number_op(x, number=y)
        ),
        numbers="y",
    ),
    inplace=True,
)


def _heaviside(x: Any, y: Any) -> Any:
    if x.dtype.kind == "f":
        return fnp.heaviside(x, y)
    return fnp.where(x == 0, y, (x > 0).astype(x.dtype))


_heaviside_op = Op(
    "NotImplemented",
    without_rule(_heaviside, "derivative for aten::heaviside is not implemented"),
)


def heaviside(input: Any, values: Any) -> Any:
    """0 where input is negative, 1 where it is positive, and values where it is 0."""
    require_tensor("heaviside", input)
    require_tensor("heaviside", values, "values", 2)
    if input.dtype.is_complex or values.dtype.is_complex:
        raise RuntimeError("heaviside is not yet implemented for complex tensors.")
    if input.dtype is not values.dtype:
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")
    return _heaviside_op(input, values)


expose("heaviside", with_out(heaviside), inplace=True)


def float_power(input: Any, exponent: Any) -> Any:
    """input ** exponent in double precision."""
    operands = [given(input), given(exponent)]
    for operand, value, what in zip(
        operands, (input, exponent), ("input", "exponent"), strict=True
    ):
        if operand is NotImplemented:
            require_tensor("float_power", value, what, 1 + (what == "exponent"))
    wide = DTYPES["complex128" if result_type(*operands).category == 3 else "float64"]
    x, y = (cast(v, wide) if isinstance(v, Tensor) else v for v in operands)
    if not isinstance(x, Tensor):
        x = complex(x) if wide.category == 3 else float(x)
    elif not isinstance(y, Tensor):
        y = complex(y) if wide.category == 3 else float(y)
    return power(x, y)


def _float_power_in_place(self: Any, exponent: Any) -> Any:
    result = float_power(self, exponent)
    if result.dtype is not self.dtype:
        raise RuntimeError(
            f"the base given to float_power_ has dtype {self.dtype.legacy} but the operation's "
            f"result requires dtype {result.dtype.legacy}"
        )
    return result


expose("float_power", with_out(float_power))
expose("float_power_", in_place(_float_power_in_place, "float_power"))


# --- x log y ----------------------------------------------------------------------------------


def _by_log(log: Callable[[Any], Any], lowest: float) -> Callable[[Any, Any], Any]:
    """x log(y), which is 0 for x = 0 wherever y is a number."""

    def product(x: Any, y: Any) -> Any:
        zero = (x == 0) & ((y <= lowest) | (y == np.inf))
        return x * log(fnp.where(zero, lowest + 1, y))

    return product


def _three(name: str, node: str, function: Callable[..., Any], word: str) -> Callable[..., Any]:
    """An operation with nodes of its own for a number as first, or second operand."""
    check = only("bif", word)
    ops = (
        Op(f"{node}Backward0", function, promote="float", check=check),
        Op(f"{node}Backward1", lambda y, *, number: function(y.dtype.type(number), y),
           promote="float", check=check),
        Op(f"{node}Backward2", lambda x, *, number: function(x, x.dtype.type(number)),
           promote="float", check=check),
    )  # fmt: skip

    def either(x: Any, y: Any) -> Any:
        if not isinstance(x, Tensor):
            return ops[1](y, number=x)
        return ops[0](x, y) if isinstance(y, Tensor) else ops[2](x, number=y)

    return binary(name, either, numbers="xy")


xlogy = _three("xlogy", "Xlogy", _by_log(fnp.log, 0.0), "xlogy_cpu")
xlog1py = _three("xlog1py", "SpecialXlog1Py", _by_log(fnp.log1p, -1.0), "xlog1py_cpu")
expose("xlogy", xlogy, inplace=True)


# --- three operands ---------------------------------------------------------------------------


def _between(x: Any, y: Any, w: Any) -> Any:
    """X + w (y - x), from the nearer end."""
    return fnp.where(fnp.abs(w) < 0.5, x + w * (y - x), y - (y - x) * (1 - w))


def _between_by_number(x: Any, y: Any, *, weight: Any) -> Any:
    return x + weight * (y - x) if abs(weight) < 0.5 else y - (y - x) * (1 - weight)


_lerp_number_op = Op(
    "LerpBackward0", _between_by_number, linear=True, check=only("fc", "lerp_kernel_scalar")
)
_lerp_op = Op("LerpBackward1", _between, check=only("fc", "lerp_kernel_tensor"))


def lerp(input: Any, end: Any, weight: Any) -> Any:
    """input + weight · (end - input)."""
    require_tensor("lerp", input)
    require_tensor("lerp", end, "end", 2)
    for operand, name in ((end, "end"), (weight, "weight")):
        if isinstance(operand, Tensor) and operand.dtype is not input.dtype:
            raise RuntimeError(
                f"expected dtype {input.dtype.c_name} for `{name}` but got dtype "
                f"{operand.dtype.c_name}"
            )
    if isinstance(weight, Tensor):
        return _lerp_op(input, end, weight)
    return _lerp_number_op(input, end, weight=weight)


_addcmul_op = Op("AddcmulBackward0", lambda x, a, b, *, value: x + value * a * b, promote="same")
_addcdiv_op = Op("AddcdivBackward0", lambda x, a, b, *, value: x + value * (a / b), promote="same")


def addcmul(input: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Any:
    """input + value · tensor1 · tensor2."""
    return _addcmul_op(input, tensor1, tensor2, value=value)


def addcdiv(input: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Any:
    """input + value · tensor1 / tensor2."""
    if result_type(tensor1, tensor2).category < 2:
        raise RuntimeError(
            "Integer division with addcdiv is no longer supported, and in a future  release "
            "addcdiv will perform a true division of tensor1 and tensor2. The historic addcdiv "
            "behavior can be implemented as (input + value * torch.trunc(tensor1 / tensor2))"
            ".to(input.dtype) for integer inputs and as (input + value * tensor1 / tensor2) for "
            "float inputs."
        )
    return _addcdiv_op(input, tensor1, tensor2, value=value)


expose("lerp", with_out(lerp), inplace=True)
expose("addcmul", with_out(addcmul), inplace=True)
expose("addcdiv", with_out(addcdiv), inplace=True)


# --- one operand ------------------------------------------------------------------------------

_round_check = only("if", "round_vml_cpu")
_round_op = Op(
    "RoundBackward0",
    lambda x: fnp.rint(x) if x.dtype.kind == "f" else fnp.copy(x),
    check=_round_check,
)
_round_to_op = Op(
    "RoundBackward1",
    lambda x, *, decimals: fnp.round(x, decimals),
    check=only("f", "round_cpu"),
)


def round_(input: Any, *, decimals: int = 0) -> Any:
    """The nearest whole number, or number of so many decimals; halves go to the even one."""
    require_tensor("round", input)
    return _round_op(input) if decimals == 0 else _round_to_op(input, decimals=decimals)


def special_round(input: Any, *, decimals: int = 0) -> Any:
    """As `torch.round`."""
    require_tensor("special_round", input)
    return _round_to_op(input, decimals=decimals)


expose("round", with_out(round_, "round"), inplace=True)
expose("round", with_out(special_round, "special_round"), module="special")


def positive(input: Any) -> Any:
    """The tensor itself."""
    require_tensor("positive", input)
    if input._value.dtype == np.bool_:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


expose("positive", positive)
set_methods(__pos__=positive)


def _logit(x: Any, *, eps: float | None) -> Any:
    """log(x / (1 - x)) of x between eps and 1 - eps."""
    if eps is not None:
        x = fnp.clip(x, eps, 1 - eps)
    else:
        x = x * fnp.where((x < 0) | (x > 1), x.dtype.type(np.nan), x.dtype.type(1))
    return fnp.log(x) - fnp.log1p(-x)


_logit_op = Op("LogitBackward0", _logit, promote="float", check=only("bif", "logit_cpu"))


def logit(input: Any, eps: float | None = None) -> Any:
    """log(input / (1 - input)), of input clamped to [eps, 1 - eps] where eps is given."""
    require_tensor("logit", input)
    return _logit_op(input, eps=eps)


expose("logit", with_out(logit), inplace=True)


def _frexp(x: Any) -> Any:
    mantissa, exponent = fnp.frexp(x)
    return mantissa, exponent.astype(np.int32)


_frexp_op = Op(
    "FrexpBackward0",
    _frexp,
    returns=return_type("frexp", "mantissa exponent"),
    check=only("f", text="torch.frexp() only supports floating-point dtypes"),
)


def frexp(input: Any) -> Any:
    """Mantissa and exponent: input = mantissa · 2^exponent, with the mantissa in [½, 1)."""
    require_tensor("frexp", input)
    return _frexp_op(input)


expose("frexp", with_out(frexp))


# --- gamma functions --------------------------------------------------------------------------


def _polygamma(x: Any, *, n: int) -> Any:
    return nn.digamma(x) if n == 0 else nn.polygamma(n, x)


_polygamma_op = Op("PolygammaBackward0", _polygamma, promote="float")
_polygamma_in_place_op = Op("PolygammaBackward1", _polygamma, promote="float")
_mvlgamma_op = Op(
    "MvlgammaBackward0",
    lambda x, *, p: (
        sum(nn.lgamma(x - j / 2) for j in range(p)) + p * (p - 1) / 4 * math.log(math.pi)
    ),
    promote="float",
)


def polygamma(n: int, input: Any) -> Any:
    """The n-th derivative of the digamma function."""
    require_tensor("polygamma", input, "input", 2)
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    return _polygamma_op(input, n=n)


def mvlgamma(input: Any, p: int) -> Any:
    """The logarithm of the multivariate gamma function of dimension p."""
    require_tensor("mvlgamma", input)
    if p < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    if input._value.dtype == np.bool_:
        raise RuntimeError("The input tensor may not be a boolean tensor.")
    return _mvlgamma_op(input, p=p)


def _polygamma_method(self: Any, n: int) -> Any:
    """The n-th derivative of the digamma function."""
    return polygamma(n, self)


expose("polygamma", with_out(polygamma), method=False)
set_methods(
    polygamma=_polygamma_method,
    polygamma_=in_place(lambda self, n: _polygamma_in_place_op(self, n=n), "polygamma"),
)
expose("mvlgamma", with_out(mvlgamma), inplace=True)
