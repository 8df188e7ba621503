"""What ufuncs have besides a plain call: options, `outer`, several results, and the rarer ones."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from funcgrad.core.foreign import as_array, cast
from funcgrad.core.primitive import PRIMITIVES, Primitive
from funcgrad.core.protocols import DISPATCH, implements, unsupported
from funcgrad.core.tracer import bind, plain_value
from funcgrad.families.batching import same_call
from funcgrad.families.elementwise import constant_call, elementwise, piecewise_constant
from funcgrad.families.shapes import as_operand, dtype_of, is_complex, rank_of, shape_of
from funcgrad.families.smooth import smooth
from funcgrad.primitives.elementwise import lowered, power_by_exponent
from funcgrad.primitives.plain import as_scalar, implements_traced, is_traced, refuse_out
from funcgrad.primitives.structural import astype, reshape, where

__all__ = ["call_with_options", "float_power", "outer"]


# --- options and outer ------------------------------------------------------------------------


def call_with_options(
    ufunc: Any, implementation: Callable[..., Any], args: Sequence[Any], options: dict[str, Any]
) -> Any:
    """A ufunc with `where=`, `dtype=` and the options that only matter for memory.

    Where `where=` is false, NumPy leaves memory as it is; here the result is 0 there, and so is its
    derivative, whatever the operands are.
    """
    options = dict(options)
    out = options.pop("out", None)
    refuse_out(ufunc.__name__, args[ufunc.nin :] or None if out is None else out)
    if ufunc.signature is not None:
        return implementation(*args, **options)
    if not any(map(is_traced, (*args, options.get("where")))):
        return _plain_call(ufunc, args, options)
    mask, dtype = options.pop("where", True), options.pop("dtype", None)
    casting = options.pop("casting", "same_kind")
    if dtype is None and casting in ("no", "equiv", "safe"):
        kinds = (dtype_of(one) or type(plain_value(one)) for one in map(as_operand, args))
        ufunc.resolve_dtypes((*kinds, *(None,) * ufunc.nout), casting=casting)
    for harmless in ("order", "subok"):
        options.pop(harmless, None)
    for name in options:
        raise unsupported(ufunc, f"({name}=...)")
    operands = [as_operand(arg) for arg in args]
    if dtype is not None and not all(kinds.endswith("?") for kinds in ufunc.types[:-1]):
        operands = [
            _cast(ufunc, i, operand, np.dtype(dtype), casting) for i, operand in enumerate(operands)
        ]
    if mask is True:
        return implementation(*operands)
    mask = as_operand(mask)
    out = implementation(*_safe(ufunc, mask, operands))
    if isinstance(out, tuple):
        return tuple(_masked(mask, one) for one in out)
    return _masked(mask, out)


def _plain_call(ufunc: Any, args: Sequence[Any], options: dict[str, Any]) -> Any:
    """NumPy's own result, but 0 where the mask is false."""
    mask = options.get("where", True)
    if mask is True:
        return ufunc(*args, **options)
    # NumPy warns that it leaves memory as it is, unless `out` says that this is known
    options["out"] = None if ufunc.nout == 1 else (None,) * ufunc.nout
    out = ufunc(*args, **options)
    if isinstance(out, tuple):
        return tuple(as_scalar(np.where(mask, one, one.dtype.type(0))) for one in out)
    return as_scalar(np.where(mask, out, out.dtype.type(0)))


def _masked(mask: Any, out: Any) -> Any:
    return where(mask, out, np.zeros((), out.dtype))


def _cast(ufunc: Any, number: int, operand: Any, dtype: np.dtype[Any], casting: Any) -> Any:
    own = dtype_of(operand)
    if own is None:
        return (
            dtype.type(operand)
            if type(operand) in (int, float, complex)
            else astype(operand, dtype)
        )
    if not np.can_cast(own, dtype, casting):
        raise TypeError(
            f"Cannot cast ufunc '{ufunc.__name__}' input {number} from {own!r} to {dtype!r} with "
            f"casting rule '{casting}'"
        )
    return operand if own == dtype else astype(operand, dtype)


def _safe(ufunc: Any, mask: Any, operands: Sequence[Any]) -> list[Any]:
    """Operands with a harmless point of the ufunc's domain where the mask is false."""
    primitive = PRIMITIVES.get(ufunc.__name__)
    domain = primitive.domain if primitive is not None else ()
    common = np.result_type(*(dtype_of(one) or plain_value(one) for one in operands))
    safe = []
    for i, operand in enumerate(operands):
        low, high = domain[i] if i < len(domain) else (0.5, 1.5)
        dtype = dtype_of(operand) or common
        inside = low + 0.7 * (high - low)  # the middle of (-3, 3) is a kink or pole of many
        safe.append(where(mask, operand, np.asarray(inside).astype(dtype)))
    return safe


def outer(ufunc: Any, a: Any, b: Any, /, **options: Any) -> Any:
    """`ufunc.outer`: the ufunc of all pairs of an element of `a` with one of `b`."""
    a, b = as_operand(a), as_operand(b)
    spaced = reshape(a, (*shape_of(a), *(1,) * rank_of(b))) if rank_of(b) else a
    function = DISPATCH[ufunc]
    if options:
        return call_with_options(ufunc, function, (spaced, b), options)
    return function(spaced, b)


DISPATCH["ufunc options"] = call_with_options
DISPATCH["ufunc outer"] = outer


# --- angle ------------------------------------------------------------------------------------


@implements_traced(np.angle)
def angle(z: Any, deg: bool = False) -> Any:
    """`numpy.angle`; at 0 the derivative is 0."""
    z = as_operand(z)
    if is_complex(z):
        turn = np.arctan2(np.imag(z), np.real(z))
    else:
        turn = np.arctan2(np.zeros((), z.dtype) if z.dtype.kind == "f" else 0, z)
    return np.multiply(turn, 180 / np.pi) if deg else turn


# --- ufuncs with several results ----------------------------------------------------------------

fraction = elementwise(
    np.modf, None, name="fraction", value=lambda x: np.modf(x)[0], analytic=False, fast=False,
    domain=(0.1, 0.9),
)  # fmt: skip
mantissa = elementwise(
    np.frexp, lambda _z, x, t: np.ldexp(t, -frexp(x)[1]), name="mantissa",
    value=lambda x: np.frexp(x)[0], analytic=False, fast=False, domain=(0.6, 0.9),
)  # fmt: skip
exponent = piecewise_constant(np.frexp, name="exponent", value=lambda x: np.frexp(x)[1])


@implements(np.modf)
def modf(x: Any, /, **options: Any) -> tuple[Any, Any]:
    """`numpy.modf`: the fractional part, with derivative 1, and the integral part, with 0."""
    if options:
        result: tuple[Any, Any] = call_with_options(np.modf, modf, (x,), options)
        return result
    if not is_traced(x):  # of integers both parts are floating-point numbers
        return np.modf(x)
    x = as_operand(x)
    if x.dtype.kind in "biu":
        x = astype(x, np.modf(x.dtype.type(0))[0].dtype)
    return fraction(x), np.trunc(x)


@implements(np.frexp)
def frexp(x: Any, /, **options: Any) -> tuple[Any, Any]:
    """`numpy.frexp`: mantissa, with derivative 2⁻ᵉ, and exponent e, an integer."""
    if options:
        result: tuple[Any, Any] = call_with_options(np.frexp, frexp, (x,), options)
        return result
    return mantissa(x), exponent(x)


@implements(np.divmod)
def divmod_(x1: Any, x2: Any, /, **options: Any) -> tuple[Any, Any]:
    """`numpy.divmod`: `floor_divide` and `remainder`."""
    if options:
        result: tuple[Any, Any] = call_with_options(np.divmod, divmod_, (x1, x2), options)
        return result
    x1, x2 = as_operand(x1), as_operand(x2)
    return np.floor_divide(x1, x2), np.remainder(x1, x2)


# --- further elementwise functions --------------------------------------------------------------


def _float_power_by_base(_z: Any, x: Any, y: Any, t: Any) -> Any:
    """t · y xʸ⁻¹, and 0 for y = 0 even at x = 0."""
    base = np.where((x == 0) & (y == 0), 1, x)  # as for power: 1/x by y stays right at y = 0
    return t * (y * np.float_power(base, lowered(y)))


def _float_power_by_exponent(z: Any, x: Any, y: Any, t: Any) -> Any:
    """t · xʸ log x, and 0 at x = 0; with the digits that the result has."""
    return power_by_exponent(z, np.float_power(x, 1), y, t)


float_power = elementwise(
    np.float_power, _float_power_by_base, _float_power_by_exponent,
    domain=((0.2, 4.0), (-2.0, 2.0)), fast=False,
)  # fmt: skip
nextafter = elementwise(  # x plus or minus a spacing, which is piecewise constant
    np.nextafter, None, lambda _z, _x, _y, t: np.zeros_like(t), analytic=False, fast=False
)
spacing = piecewise_constant(np.spacing)
round_p = constant_call("round", lambda x, *, decimals: np.round(x, decimals), same_call)


@implements_traced(np.round, np.around)
def round_(a: Any, decimals: int = 0, out: Any = None) -> Any:
    """`numpy.round`; its derivative is zero."""
    refuse_out("round", out)
    return bind(round_p, as_operand(a), decimals=decimals.__index__())


@implements_traced(np.fix)
def fix(x: Any, out: Any = None) -> Any:
    """`numpy.fix`; its derivative is zero."""
    refuse_out("fix", out)
    return np.trunc(x)


# --- sinc -------------------------------------------------------------------------------------
#
# NOTE. With f(u) = sin(u) / u = ∫₀¹ cos(u τ) dτ, the n-th derivative is ∫₀¹ τⁿ cos(u τ + n π/2) dτ.
# Near 0 it is the Taylor series of that, Σₘ cos((n + m) π/2) uᵐ / (m! (n + m + 1)); far from 0 the
# recurrence f⁽ⁿ⁾ = (sin(u + n π/2) - n f⁽ⁿ⁻¹⁾) / u, which loses digits only where n! > |u|ⁿ.


def _sinc_value(x: Any, *, order: int) -> Any:
    if order == 0:
        return np.sinc(x)
    x = as_array(x)  # a Python float has the dtype of float64 here
    kind = np.result_type(x, np.float16)
    u = np.pi * cast(x, np.result_type(x, np.float64))
    bound = 2 + order / 2
    near = np.abs(u) <= bound
    small, large = np.where(near, u, 0), np.where(near, bound, u)
    series, term, m = np.zeros_like(u), np.ones_like(u), 0
    while m < 4 * bound + 30:
        series = series + _quarter_cosine(order + m) * term / (order + m + 1)
        m += 1
        term = term * small / m
    far = np.sin(large) / large
    shifted = (np.sin(large), np.cos(large), -np.sin(large), -np.cos(large))
    for n in range(1, order + 1):
        far = (shifted[n % 4] - n * far) / large
    return cast(np.pi**order * np.where(near, series, far), kind)[()]


def _quarter_cosine(n: int) -> int:
    """cos(n π/2)."""
    return (1, 0, -1, 0)[n % 4]


sinc_p: Primitive = smooth(
    "sinc",
    _sinc_value,
    lambda _out, x, t, *, order: t * bind(sinc_p, x, order=order + 1),
    batch=same_call,
)


@implements_traced(np.sinc)
def sinc(x: Any) -> Any:
    """`numpy.sinc`: sin(π x) / (π x); accurate around 0 in all orders."""
    return bind(sinc_p, as_operand(x), order=0)
