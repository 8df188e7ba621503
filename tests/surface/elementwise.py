"""Samples of NumPy's functions: elementwise.

A ufunc is drawn inside the domain that its primitive declares, as a plain call, with each of its
options, and beside Python numbers, lists, integers and arrays of other dtypes.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from funcgrad.core.primitive import PRIMITIVES
from tests.surface.sample import Generator, Sample, broadcast_shape, distinct, draw, shape

__all__ = ["GENERATORS", "UFUNCS", "apart", "operand_of", "shape_or_empty"]

REALS = (np.float64, np.float64, np.float32, np.float16)
ALL = (np.float64, np.float64, np.float32, np.complex128, np.complex64)
UFUNCS = {
    name: ufunc
    for name in dir(np)
    if isinstance(ufunc := getattr(np, name), np.ufunc) and ufunc.signature is None
}
INTEGER = {"bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift", "gcd", "lcm"}
EXTREMA = {"maximum", "minimum", "fmax", "fmin"}
SIGNED = {"remainder", "fmod", "floor_divide"}
NOT_DRAWN = {"isnat", "bitwise_count", "invert"}  # of times and integers only


def one_of(rng: np.random.Generator, *choices: Any) -> Any:
    """One of the choices."""
    return choices[int(rng.integers(len(choices)))]


def shape_or_empty(rng: np.random.Generator) -> tuple[int, ...]:
    """Mostly a shape of up to three axes, sometimes one with an axis of length 0."""
    whole = shape(rng)
    if whole and rng.random() < 0.08:
        place = int(rng.integers(len(whole)))
        return (*whole[:place], 0, *whole[place + 1 :])
    return whole


def operand_of(
    rng: np.random.Generator, primitive: str, position: int, shape: tuple[int, ...], dtype: Any
) -> Any:
    """An operand of a primitive inside its domain; where it is complex, off the real axis."""
    low, high = PRIMITIVES[primitive].domain[position]
    x = rng.uniform(low, high, shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.uniform(0.1, 0.4, shape) * min(1.0, (high - low) / 4)
    return np.asarray(x, dtype)


def apart(
    rng: np.random.Generator, dtype: Any, *shapes: tuple[int, ...], offset: float = 0.0
) -> list[Any]:
    """Arrays whose elements are all at least 0.1 apart from each other, and from 0."""
    sizes = [int(np.prod(one, dtype=int)) for one in shapes]
    pool = distinct(rng, (sum(sizes),), dtype) + np.asarray(offset, dtype)
    parts = np.split(pool, np.cumsum(sizes)[:-1])
    return [np.asarray(p.reshape(one), dtype) for p, one in zip(parts, shapes, strict=True)]


# --- options of a ufunc -------------------------------------------------------------------------


def _options(
    rng: np.random.Generator, whole: tuple[int, ...], dtype: Any, real: bool, results: int = 1
) -> tuple[str, dict[str, Any], Any]:
    """A label, options, and the mask among them, outside of which NumPy leaves memory as it is."""
    kind = one_of(rng, *["plain"] * 5, "where", "dtype", "order", "subok", "both")
    options: dict[str, Any] = {}
    mask = None
    if kind in ("where", "both"):
        options["where"] = mask = rng.random(broadcast_shape(rng, whole)) < 0.6
        # NumPy warns of a mask without it
        options["out"] = None if results == 1 else (None,) * results
    if kind in ("dtype", "both"):
        wide = ["f8"] if np.dtype(dtype).kind == "f" else []
        options["dtype"] = one_of(rng, *wide, *([] if real else ["c16"]))
        options["casting"] = one_of(rng, "same_kind", "unsafe")
    if kind == "order":
        options["order"] = one_of(rng, *"CFAK")
    if kind == "subok":
        options["subok"] = False
    label = "".join(
        f", {name}={value!r}" for name, value in options.items() if name not in ("where", "out")
    )
    return label + ", where=mask" * (mask is not None), options, mask


def _called(name: str, label: str, options: dict[str, Any], mask: Any, args: Any) -> Any:
    """The call, and what NumPy leaves undefined made zero."""

    def call(xp: Any, *operands: Any) -> Any:
        out = getattr(xp, name)(*operands, **options)
        if mask is None:
            return out
        if isinstance(out, tuple):
            return tuple(xp.where(mask, one, 0) for one in out)
        return xp.where(mask, out, 0)

    return call


# --- ufuncs of one operand ----------------------------------------------------------------------


def _unary(name: str, primitive: str, dtypes: tuple[Any, ...]) -> Generator:
    def generate(rng: np.random.Generator) -> Sample:
        dtype, whole = one_of(rng, *dtypes), shape_or_empty(rng)
        results = UFUNCS[name].nout
        label, options, mask = _options(rng, whole, dtype, dtypes is REALS, results)
        x = operand_of(rng, primitive, 0, whole, dtype)
        if results == 2 and rng.random() < 0.5:
            x = -x
        if name == "frexp" and "dtype" in options:
            return generate(rng)  # NumPy has no such loops
        call = _called(name, label, options, mask, x)
        return Sample(f"{name}(x{label})", call, (x,))

    return generate


def _steps(name: str) -> Generator:
    """x · f(x) for a function that is constant between integers, and none is near."""

    def generate(rng: np.random.Generator) -> Sample:
        whole, dtype = shape_or_empty(rng), one_of(rng, *REALS)
        x = rng.integers(-3, 3, whole) + rng.uniform(0.2, 0.8, whole)
        x = np.asarray(np.where(np.abs(x % 1 - 0.5) < 0.1, x + 0.15, x), dtype)
        label, options, mask = _options(rng, whole, dtype, real=True)
        if name == "fix":
            label, options, mask = "", {}, None
        call = _called(name, label, options, mask, x)
        return Sample(f"x * {name}(x{label})", lambda xp, x: x * call(xp, x), (x,))

    return generate


def _test(name: str) -> Generator:
    """A choice by a truth value of each element."""

    def generate(rng: np.random.Generator) -> Sample:
        dtype = one_of(rng, *(REALS if name == "signbit" else ALL))
        (x,) = apart(rng, dtype, shape_or_empty(rng))
        return Sample(
            f"where({name}(x), x * x, x)",
            lambda xp, x: xp.where(getattr(xp, name)(x), x * x, x),
            (x,),
        )

    return generate


# --- ufuncs of two operands ---------------------------------------------------------------------


def _partner(rng: np.random.Generator, y: Any) -> tuple[str, Any]:
    """A second operand of another kind: an array, a number or a list of it, a mixed dtype."""
    kind = one_of(rng, *["array"] * 6, "number", "list", "wide", "scalar")
    if kind == "number":
        return "a number", complex(y.flat[0]) if y.dtype.kind == "c" else float(y.flat[0])
    if kind == "list":
        return "a list", y.tolist()
    if kind == "wide":
        return "y", y.astype(np.complex128 if y.dtype.kind == "c" else np.float64)
    if kind == "scalar":
        return "y", y.flat[0]
    return "y", y


def _pairs(
    rng: np.random.Generator, name: str, dtype: Any, one: Any, other: Any
) -> tuple[Any, Any]:
    """Two operands of a ufunc."""
    if name in EXTREMA:
        x, y = apart(rng, dtype, one, other)
        return x, y
    if name in SIGNED:  # no difference reaches a jump, which are looked for far from a constant
        middle = 0.5 if name == "floor_divide" else 2.5
        x = rng.uniform(middle - 0.05, middle + 0.05, one) * rng.choice([-1, 1], one)
        y = rng.uniform(0.98, 1.02, other) * rng.choice([-1, 1], other)
        return np.asarray(x, dtype), np.asarray(y, dtype)
    return operand_of(rng, name, 0, one, dtype), operand_of(rng, name, 1, other, dtype)


def _binary(name: str, primitive: str, dtypes: tuple[Any, ...]) -> Generator:
    def generate(rng: np.random.Generator) -> Sample:
        whole, dtype = shape_or_empty(rng), one_of(rng, *dtypes)
        part = broadcast_shape(rng, whole)
        one, other = (whole, part) if rng.random() < 0.5 else (part, whole)
        x, y = _pairs(rng, primitive, dtype, one, other)
        label, options, mask = _options(rng, whole, dtype, real=dtypes is REALS)
        if "dtype" in options or not y.size or not x.size:
            return Sample(
                f"{name}(x, y{label})", _called(name, label, options, mask, (x, y)), (x, y)
            )
        call = _called(name, label, options, mask, (x, y))
        if rng.random() < 0.5:
            what, partner = _partner(rng, y)
            if hasattr(partner, "dtype"):
                return Sample(f"{name}(x, {what}{label})", call, (x, partner))
            return Sample(f"{name}(x, {what}{label})", lambda xp, x: call(xp, x, partner), (x,))
        what, partner = _partner(rng, x)
        if hasattr(partner, "dtype"):
            return Sample(f"{name}({what}, y{label})", call, (partner, y))
        return Sample(f"{name}({what}, y{label})", lambda xp, y: call(xp, partner, y), (y,))

    return generate


def _comparison(name: str) -> Generator:
    def generate(rng: np.random.Generator) -> Sample:
        whole = shape_or_empty(rng)
        x, y = apart(rng, one_of(rng, *REALS), whole, broadcast_shape(rng, whole))
        return Sample(
            f"where({name}(x, y), x * x, y)",
            lambda xp, x, y: xp.where(getattr(xp, name)(x, y), x * x, y),
            (x, y),
        )

    return generate


def _of_integers(name: str) -> Generator:
    def generate(rng: np.random.Generator) -> Sample:
        whole = shape_or_empty(rng)
        x, k = draw(rng, whole), rng.integers(0, 6, whole)
        return Sample(f"x * {name}(k, 3)", lambda xp, x, k: x * getattr(xp, name)(k, 3), (x, k))

    return generate


def _of_integer(name: str) -> Generator:
    def generate(rng: np.random.Generator) -> Sample:
        whole = shape_or_empty(rng)
        x, k = draw(rng, whole), rng.integers(0, 6, whole)
        return Sample(f"x * {name}(k)", lambda xp, x, k: x * getattr(xp, name)(k), (x, k))

    return generate


def _power(rng: np.random.Generator, name: str) -> Sample:
    """A base of either sign, and exponents that are integers."""
    whole, dtype = shape_or_empty(rng), one_of(rng, *ALL)
    x = apart(rng, dtype, whole)[0]
    exponent = one_of(rng, 0, 1, 2, 3, -1, -2, 2.0, 3.0, rng.integers(-2, 4, whole), [2], True)
    return Sample(f"{name}(x, {exponent})", lambda xp, x: getattr(xp, name)(x, exponent), (x,))


def _any_power(name: str) -> Generator:
    usual = _binary(name, "float_power" if name == "float_power" else "power", ALL)
    return lambda rng: _power(rng, name) if rng.random() < 0.5 else usual(rng)


def _ldexp(rng: np.random.Generator) -> Sample:
    whole, dtype = shape_or_empty(rng), one_of(rng, *REALS)
    x = draw(rng, broadcast_shape(rng, whole), dtype)
    k = one_of(rng, 2, rng.integers(-3, 3, whole), rng.integers(-3, 3, whole).astype(np.int32))
    return Sample("ldexp(x, k)", lambda xp, x: xp.ldexp(x, k), (x,))


def _divmod(rng: np.random.Generator) -> Sample:
    whole, dtype = shape_or_empty(rng), one_of(rng, *REALS)
    x, y = _pairs(rng, "floor_divide", dtype, whole, broadcast_shape(rng, whole))
    label, options, mask = _options(rng, whole, dtype, real=True, results=2)
    return Sample(f"divmod(x, y{label})", _called("divmod", label, options, mask, (x, y)), (x, y))


def _is_test(ufunc: np.ufunc) -> bool:
    return all(kinds.endswith("?") for kinds in ufunc.types if "O" not in kinds)


def _generator(name: str, ufunc: np.ufunc) -> Generator:
    own = ufunc.__name__
    if own in INTEGER:
        return _of_integers(name)
    if _is_test(ufunc):
        return _test(name) if ufunc.nin == 1 else _comparison(name)
    if own in ("floor", "ceil", "trunc", "rint", "sign", "spacing"):
        return _steps(name)
    if own in ("power", "float_power"):
        return _any_power(name)
    primitive = {"modf": "fraction", "frexp": "mantissa", "divide": "divide"}.get(own, own)
    dtypes = ALL if PRIMITIVES[primitive].analytic else REALS
    return (_unary if ufunc.nin == 1 else _binary)(name, primitive, dtypes)


GENERATORS: dict[str, Generator] = {
    name: _generator(name, ufunc)
    for name, ufunc in UFUNCS.items()
    if name not in NOT_DRAWN | {"ldexp", "divmod", "bitwise_not", "bitwise_invert"}
}
GENERATORS |= {
    "ldexp": _ldexp,
    "divmod": _divmod,
    "bitwise_count": _of_integer("bitwise_count"),
    "invert": _of_integer("invert"),
    "bitwise_not": _of_integer("bitwise_not"),
    "bitwise_invert": _of_integer("bitwise_invert"),
}


# --- functions that are no ufuncs ---------------------------------------------------------------


def _function(
    label: str,
    call: Callable[..., Any],
    dtypes: tuple[Any, ...] = ALL,
    make: Callable[..., Any] = draw,
    **traits: Any,
) -> Generator:
    """A function of one array, called in one way."""
    return lambda rng: Sample(
        label, call, (make(rng, shape_or_empty(rng), one_of(rng, *dtypes)),), **traits
    )


def _clip(rng: np.random.Generator) -> Sample:
    whole, dtype = shape_or_empty(rng), one_of(rng, *REALS)
    x, middle = apart(rng, dtype, whole, broadcast_shape(rng, whole))
    low, high = middle - dtype(1), middle + dtype(1)
    x = np.asarray(
        np.where((np.abs(x - low) < 0.05) | (np.abs(x - high) < 0.05), x + dtype(0.1), x), dtype
    )
    label, call = one_of(
        rng,
        ("clip(x, low, high)", lambda xp, x, low, high: xp.clip(x, low, high)),
        ("clip(x, a_min=low, a_max=high)", lambda xp, x, a, b: xp.clip(x, a_min=a, a_max=b)),
        ("clip(x, min=low, max=high)", lambda xp, x, a, b: xp.clip(x, min=a, max=b)),
        ("clip(x, min=low)", lambda xp, x, a, b: xp.clip(x, min=a) * b),
        ("clip(x, max=high)", lambda xp, x, a, b: xp.clip(x, max=b) * a),
        ("clip(x, None, high)", lambda xp, x, a, b: xp.clip(x, None, b) * a),
        ("clip(x, low, None)", lambda xp, x, a, b: xp.clip(x, a, None) * b),
        ("clip(x, None, None)", lambda xp, x, a, b: xp.clip(x, None, None) * a * b),
        ("clip(x)", lambda xp, x, a, b: xp.clip(x) * a * b),
        ("clip(x, -0.5, 1)", lambda xp, x, a, b: xp.clip(x, -0.6, 1) * a * b),
        ("clip(x, low, high, dtype='f8')", lambda xp, x, a, b: xp.clip(x, a, b, dtype="f8")),
        ("x.clip(low, high)", lambda xp, x, a, b: x.clip(a, b)),
    )
    return Sample(label, call, (x, low, high))


def _nan_to_num(rng: np.random.Generator) -> Sample:
    dtype = one_of(rng, *ALL)
    x = draw(rng, shape_or_empty(rng), dtype)
    holes = np.where(rng.random(x.shape) < 0.3, rng.choice([np.nan, np.inf, -np.inf], x.shape), 0)
    holes = holes.astype(x.real.dtype)
    options = {"posinf": 2.0, "neginf": -1.0} | one_of(rng, {}, {"nan": 1.5}, {"copy": True})
    return Sample(
        f"nan_to_num(x * x + holes, {options})",
        lambda xp, x: xp.nan_to_num(x * x + holes, **options),
        (x,),
    )


def _round(name: str) -> Generator:
    def generate(rng: np.random.Generator) -> Sample:
        whole, dtype = shape_or_empty(rng), one_of(rng, *REALS, np.complex128)
        x = rng.integers(-3, 3, whole) + 0.25
        x = np.asarray(x + (0.25j if dtype is np.complex128 else 0), dtype)
        decimals = one_of(rng, 0, 0, -1)
        return Sample(
            f"x * {name}(x, {decimals})",
            lambda xp, x: x * getattr(xp, name)(x, decimals=decimals),
            (x,),
        )

    return generate


def _angle(rng: np.random.Generator) -> Sample:
    dtype, deg = one_of(rng, *ALL), bool(rng.integers(2))
    (x,) = apart(rng, dtype, shape_or_empty(rng))
    return Sample(f"angle(x, deg={deg})", lambda xp, x: xp.angle(x, deg=deg), (x,))


def _real_if_close(rng: np.random.Generator) -> Sample:
    dtype = one_of(rng, *ALL)
    x = draw(rng, shape_or_empty(rng), dtype)
    if x.dtype.kind == "c" and rng.random() < 0.5:
        x = (x.real + 0j).astype(dtype)
        return Sample(
            "real_if_close(real z)", lambda xp, x: xp.real_if_close(x), (x,), smooth=False,
            second=False, mapped=False,
        )  # fmt: skip
    return Sample(
        "real_if_close(x)", lambda xp, x: xp.real_if_close(x, tol=1000), (x,), mapped=False
    )


def _closeness(name: str) -> Generator:
    def generate(rng: np.random.Generator) -> Sample:
        whole = shape_or_empty(rng)
        x, y = apart(rng, one_of(rng, *REALS), whole, broadcast_shape(rng, whole))
        return Sample(
            f"where({name}(x, y), x * y, x)",
            lambda xp, x, y: xp.where(getattr(xp, name)(x, y, atol=1.0), x * y, x),
            (x, y),
            smooth=False,
            second=False,
        )

    return generate


def _tested(name: str, dtypes: tuple[Any, ...] = ALL) -> Generator:
    return _function(
        f"where({name}(x), x * x, x)",
        lambda xp, x: xp.where(getattr(xp, name)(x), x * x, x),
        dtypes,
        lambda rng, shape, dtype: apart(rng, dtype, shape)[0],
    )


GENERATORS |= {
    "angle": _angle,
    "around": _round("around"),
    "allclose": _closeness("allclose"),
    "clip": _clip,
    "fix": _steps("fix"),
    "imag": _function("imag(x)", lambda xp, x: xp.imag(x)),
    "isclose": _closeness("isclose"),
    "iscomplex": _tested("iscomplex"),
    "isneginf": _tested("isneginf", REALS),
    "isposinf": _tested("isposinf", REALS),
    "isreal": _tested("isreal"),
    "nan_to_num": _nan_to_num,
    "real": _function("real(x)", lambda xp, x: xp.real(x)),
    "real_if_close": _real_if_close,
    "round": _round("round"),
    "sinc": _function("sinc(x)", lambda xp, x: xp.sinc(x)),
}
