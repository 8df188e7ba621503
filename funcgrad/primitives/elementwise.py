"""NumPy's elementwise functions: one line each, see `funcgrad.families.elementwise`.

A rule reads `lambda z, x, y, t: ...`: result, operands, tangent; a name with `_` is not used. At
kinks the rules give the mean of the one-sided derivatives (ties of `maximum` split evenly), and 0
where `absolute`, `hypot` and `arctan2` have none. The operand that is the result has the derivative
also where it is NaN: of `maximum` and `minimum` that is the NaN, of `fmax` and `fmin` the other
one, and two NaN split evenly, so that the parts always add up to 1.
"""

import operator
from typing import Any

import numpy as np

from funcgrad.core.foreign import cast
from funcgrad.core.protocols import DISPATCH
from funcgrad.families.batching import same_call
from funcgrad.families.elementwise import elementwise, piecewise_constant
from funcgrad.families.shapes import dtype_of, masked, product_to
from funcgrad.families.smooth import smooth

LOG_2 = 0.6931471805599453
LOG_10 = 2.302585092994046
DEGREE = 0.017453292519943295
X, Y, BOTH = (True, False), (False, True), (True, True)
ONE = (True,)
_PLAIN_BOOLS = (bool, np.bool_)
POSITIVE = (0.2, 4.0)
UNIT = (-0.9, 0.9)


def _power_by_base(_z: Any, x: Any, y: Any, t: Any) -> Any:
    """t · y xʸ⁻¹, and 0 for y = 0 even at x = 0."""
    if type(y) is int or type(y) is float:
        return _power_of_number(t, (x, y))
    base = np.where((x == 0) & (y == 0), 1, x)  # masked in the base: 1/x by y stays right at y = 0
    return t * (y * np.power(base, lowered(y)))


def lowered(y: Any) -> Any:
    """y - 1, the exponent of the derivative; 0 for an unsigned 0, which has no number below it."""
    dtype = dtype_of(y)
    return (np.where(y == 0, 1, y) if dtype is not None and dtype.kind == "u" else y) - 1


def _power_of_number(ct: Any, residuals: Any) -> Any:
    x, y = residuals
    if type(y) is not int and type(y) is not float:
        return _power_by_base(None, x, y, ct)
    if y == 2:  # by far the most frequent exponent
        return ct * (2 * x)
    if y == 0:
        return ct * 0 * np.ones_like(x)
    return ct * (y * np.power(x, y - 1))


def power_by_exponent(z: Any, x: Any, _y: Any, t: Any) -> Any:
    """t · xʸ log x, and 0 at x = 0; log x has the dtype of xʸ, so it may be complex."""
    base = np.where(x == 0, 1, x)
    own = z.dtype if hasattr(z, "dtype") else np.result_type(type(z))
    if base.dtype != own:  # the logarithm of an int8 is a float16
        base = cast(base, own)
    return t * (z * np.log(base))


def _divide_pull(ct: Any, residuals: Any) -> tuple[Any, Any]:
    y, z = residuals
    by_x = ct / y
    return by_x, -(by_x * z)


def larger(_z: Any, x: Any, y: Any, t: Any) -> Any:
    """The tangent where x > y or only x is NaN, half of it for a tie or two NaN, else 0."""
    return _of_further(x, y, t, x > y, x < y)


def smaller(_z: Any, x: Any, y: Any, t: Any) -> Any:
    """The tangent where x < y or only x is NaN, half of it for a tie or two NaN, else 0."""
    return _of_further(x, y, t, x < y, x > y)


def _of_further(x: Any, y: Any, t: Any, by_x: Any, by_y: Any) -> Any:
    if type(by_x) is type(by_y) is np.ndarray:  # saves three passes; the same result
        if np.count_nonzero(by_x) + np.count_nonzero(by_y) == by_x.size:
            return masked(by_x, t)
    elif type(by_x) in _PLAIN_BOOLS and (by_x or by_y):
        return np.where(by_x, t, 0)
    x_nan, y_nan = np.isnan(x), np.isnan(y)
    alike = (x == y) | (x_nan & y_nan)
    whole = by_x | (x_nan & np.logical_not(y_nan))
    return np.where(whole, t, np.where(alike, 0.5 * t, 0))


def _but_nan(rule: Any, x: Any, y: Any, t: Any) -> Any:
    """By a rule of two numbers; beside NaN the tangent is that of the other, for two NaN half."""
    x_nan, y_nan = np.isnan(x), np.isnan(y)
    of_nan = np.where(y_nan, np.where(x_nan, 0.5 * t, t), 0)
    return np.where(x_nan | y_nan, of_nan, rule(None, x, y, t))


def _share(power: Any, z: Any, x: Any, y: Any) -> Any:
    """The part of x in z = log(bˣ + bʸ): bˣ⁻ᶻ, and a half where both equal z (both infinite)."""
    most = x == z
    part = power(np.where(most, 0, x) - np.where(most, 0, z))
    return np.where(most & (y == z), 0.5, part)


def _over_hypot(x: Any, z: Any, t: Any) -> Any:
    zero = z == 0
    return t * (np.where(zero, 0, x) / np.where(zero, 1, z))


def _over_square(x: Any, y: Any, t: Any) -> Any:
    size = np.hypot(x, y)  # the square of small or large operands is out of range
    size = np.where(size == 0, 1, size)
    return t * (x / size / size)


def _complex_sign_jvp(out: Any, z: Any, t: Any) -> Any:
    """The part of ż across z, over |z|; 0 at 0."""
    across = t - out * np.real(np.conjugate(out) * t)
    size = np.absolute(z)
    return np.where(size == 0, 0, across / np.where(size == 0, 1, size))


add = elementwise(
    np.add,
    None,
    None,
    operator="+",
    linear=(X, Y, BOTH),
    pulls={X: ("", None), Y: ("", None), BOTH: ("", lambda ct, _: (ct, ct))},
)
subtract = elementwise(
    np.subtract,
    None,
    lambda _z, _x, _y, t: -t,
    operator="-",
    linear=(X, Y, BOTH),
    pulls={X: ("", None), Y: ("", lambda ct, _: -ct), BOTH: ("", lambda ct, _: (ct, -ct))},
)
multiply = elementwise(
    np.multiply,
    lambda _z, _x, y, t: t * y,
    lambda _z, x, _y, t: t * x,
    operator="*",
    linear=(X, Y),
    pulls={
        X: ("y", operator.mul),
        Y: ("x", operator.mul),
        BOTH: ("xy", lambda ct, xy: (ct * xy[1], ct * xy[0])),
    },
    reducing={
        0: lambda _z, _x, y, ct, shape: product_to(ct, y, shape),
        1: lambda _z, x, _y, ct, shape: product_to(ct, x, shape),
    },
    same=("x", lambda ct, x: ct * (x + x)),
)
divide = elementwise(
    np.true_divide,
    lambda _z, _x, y, t: t / y,
    lambda z, _x, y, t: -(t * z / y),
    operator="/",
    linear=(X,),
    domain=((-3.0, 3.0), POSITIVE),
    pulls={
        X: ("y", operator.truediv),
        Y: ("yz", lambda ct, yz: -(ct * yz[1] / yz[0])),
        BOTH: ("yz", _divide_pull),
    },
    reducing={1: lambda z, _x, y, ct, shape: -(product_to(ct, z, shape) / y)},
)
power = elementwise(
    np.power,
    _power_by_base,
    power_by_exponent,
    operator="**",
    domain=(POSITIVE, (-2.0, 2.0)),
    pulls={X: ("xy", _power_of_number)},
)
negative = elementwise(
    np.negative,
    lambda _y, _x, t: -t,
    operator="__neg__",
    linear=(ONE,),
    pulls={ONE: ("", lambda ct, _: -ct)},
)
positive = elementwise(np.positive, None, linear=(ONE,))
conjugate = elementwise(np.conjugate, lambda _y, _x, t: np.conjugate(t), linear=(ONE,))

exp = elementwise(np.exp, lambda y, _x, t: t * y, pulls={ONE: ("z", operator.mul)})
exp2 = elementwise(np.exp2, lambda y, _x, t: t * y * LOG_2)
expm1 = elementwise(np.expm1, lambda y, _x, t: t * (y + 1))
log = elementwise(
    np.log, lambda _y, x, t: t / x, domain=POSITIVE, pulls={ONE: ("x", operator.truediv)}
)
log2 = elementwise(np.log2, lambda _y, x, t: t / (x * LOG_2), domain=POSITIVE)
log10 = elementwise(np.log10, lambda _y, x, t: t / (x * LOG_10), domain=POSITIVE)
log1p = elementwise(np.log1p, lambda _y, x, t: t / (1 + x), domain=(-0.8, 3.0))
sqrt = elementwise(np.sqrt, lambda y, _x, t: t / (y + y), domain=POSITIVE)
cbrt = elementwise(np.cbrt, lambda y, _x, t: t / (3 * (y * y)), domain=POSITIVE, analytic=False)
square = elementwise(np.square, lambda _y, x, t: t * (x + x))
reciprocal = elementwise(np.reciprocal, lambda y, _x, t: -(t * (y * y)), domain=POSITIVE)

sin = elementwise(
    np.sin, lambda _y, x, t: t * np.cos(x), pulls={ONE: ("x", lambda ct, x: ct * np.cos(x))}
)
cos = elementwise(
    np.cos, lambda _y, x, t: -(t * np.sin(x)), pulls={ONE: ("x", lambda ct, x: -(ct * np.sin(x)))}
)
tan = elementwise(np.tan, lambda y, _x, t: t * (1 + y * y), domain=(-1.2, 1.2))
arcsin = elementwise(np.arcsin, lambda _y, x, t: t / (np.sqrt(1 - x) * np.sqrt(1 + x)), domain=UNIT)
arccos = elementwise(
    np.arccos, lambda _y, x, t: -(t / (np.sqrt(1 - x) * np.sqrt(1 + x))), domain=UNIT
)
arctan = elementwise(np.arctan, lambda _y, x, t: t / (1 + x * x))
sinh = elementwise(np.sinh, lambda _y, x, t: t * np.cosh(x))
cosh = elementwise(np.cosh, lambda _y, x, t: t * np.sinh(x))
tanh = elementwise(
    np.tanh, lambda y, _x, t: t * (1 - y * y), pulls={ONE: ("z", lambda ct, y: ct * (1 - y * y))}
)
arcsinh = elementwise(np.arcsinh, lambda _y, x, t: t / np.sqrt(1 + x * x))
arccosh = elementwise(
    np.arccosh, lambda _y, x, t: t / (np.sqrt(x - 1) * np.sqrt(x + 1)), domain=(1.2, 4.0)
)
arctanh = elementwise(np.arctanh, lambda _y, x, t: t / ((1 - x) * (1 + x)), domain=UNIT)
deg2rad = elementwise(np.deg2rad, lambda _y, _x, t: t * DEGREE, linear=(ONE,), analytic=False)
radians = elementwise(np.radians, lambda _y, _x, t: t * DEGREE, linear=(ONE,), analytic=False)
rad2deg = elementwise(np.rad2deg, lambda _y, _x, t: t / DEGREE, linear=(ONE,), analytic=False)
degrees = elementwise(np.degrees, lambda _y, _x, t: t / DEGREE, linear=(ONE,), analytic=False)

complex_absolute_p = smooth(
    "complex_absolute",
    np.absolute,
    lambda y, z, t: np.real(np.conjugate(z / np.where(y == 0, 1, y)) * t),
    batch=same_call,
    analytic=False,
)
complex_sign_p = smooth("complex_sign", np.sign, _complex_sign_jvp, batch=same_call, analytic=False)
absolute = elementwise(
    np.absolute,
    lambda _y, x, t: t * np.sign(x),
    operator="__abs__",
    analytic=False,
    complex_form=complex_absolute_p,
)
fabs = elementwise(np.fabs, lambda _y, x, t: t * np.sign(x), analytic=False)

maximum = elementwise(np.maximum, larger, lambda _z, x, y, t: larger(None, y, x, t), analytic=False)
minimum = elementwise(
    np.minimum, smaller, lambda _z, x, y, t: smaller(None, y, x, t), analytic=False
)
fmax = elementwise(
    np.fmax,
    lambda _z, x, y, t: _but_nan(larger, x, y, t),
    lambda _z, x, y, t: _but_nan(larger, y, x, t),
    analytic=False,
)
fmin = elementwise(
    np.fmin,
    lambda _z, x, y, t: _but_nan(smaller, x, y, t),
    lambda _z, x, y, t: _but_nan(smaller, y, x, t),
    analytic=False,
)
for _further in (maximum, minimum):
    _further.__doc__ = (
        f"`numpy.{_further.__name__}` on plain and traced values; ties split the derivative evenly."
        "\n\nNaN beside a number is the result, and has the derivative; two NaN split it."
    )
for _further in (fmax, fmin):
    _further.__doc__ = (
        f"`numpy.{_further.__name__}` on plain and traced values; ties split the derivative evenly."
        "\n\nThe number beside NaN is the result, and has the derivative; two NaN split it."
    )
logaddexp = elementwise(
    np.logaddexp,
    lambda z, x, y, t: t * _share(np.exp, z, x, y),
    lambda z, x, y, t: t * _share(np.exp, z, y, x),
    analytic=False,
)
logaddexp2 = elementwise(
    np.logaddexp2,
    lambda z, x, y, t: t * _share(np.exp2, z, x, y),
    lambda z, x, y, t: t * _share(np.exp2, z, y, x),
    analytic=False,
)
hypot = elementwise(
    np.hypot,
    lambda z, x, _y, t: _over_hypot(x, z, t),
    lambda z, _x, y, t: _over_hypot(y, z, t),
    domain=POSITIVE,
    analytic=False,
)
arctan2 = elementwise(
    np.arctan2,
    lambda _z, x, y, t: _over_square(y, x, t),
    lambda _z, x, y, t: -_over_square(x, y, t),
    domain=POSITIVE,
    analytic=False,
)
remainder = elementwise(
    np.remainder,
    None,
    lambda _z, x, y, t: -(t * np.floor_divide(x, y)),
    domain=((2.2, 2.8), (0.95, 1.05)),
    analytic=False,
)
fmod = elementwise(
    np.fmod,
    None,
    lambda _z, x, y, t: -(t * np.trunc(np.divide(x, y))),
    domain=((2.2, 2.8), (0.95, 1.05)),
    analytic=False,
)
copysign = elementwise(
    np.copysign,
    lambda _z, x, y, t: np.where(np.signbit(x) == np.signbit(y), t, -t),
    lambda _z, _x, _y, t: np.zeros_like(t),
    domain=(POSITIVE, (-3.0, -0.2)),
    analytic=False,
)
heaviside = elementwise(
    np.heaviside,
    lambda _z, _x, _y, t: np.zeros_like(t),
    lambda _z, x, _y, t: np.where(x == 0, t, 0),
    domain=(POSITIVE, (-3.0, 3.0)),
    analytic=False,
)
ldexp = elementwise(
    np.ldexp,
    lambda _z, _x, y, t: np.ldexp(t, y),
    lambda _z, _x, _y, t: np.zeros_like(t),
    linear=(X,),
    analytic=False,
    fast=False,
)

for _ufunc in (
    np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal,
    np.logical_and, np.logical_or, np.logical_xor, np.logical_not,
    np.isfinite, np.isnan, np.isinf, np.signbit,
    np.floor, np.ceil, np.trunc, np.rint, np.floor_divide,
    np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert, np.left_shift, np.right_shift,
    np.gcd, np.lcm, np.bitwise_count,
):  # fmt: skip
    piecewise_constant(_ufunc)

sign = piecewise_constant(np.sign, complex_form=complex_sign_p)
greater = DISPATCH[np.greater]
