"""Samples of NumPy's functions: reductions, running totals, and the methods of ufuncs."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.surface.elementwise import ALL, REALS, UFUNCS, apart, one_of, shape_or_empty
from tests.surface.sample import Generator, Sample, axis_of, broadcast_shape, draw, shape

__all__ = ["GENERATORS"]

SINGLE = (np.float64, np.float64, np.float32)
MIXED = (np.float64, np.float32, np.complex128, np.complex64)

Options = dict[str, Any]


def _text(options: Options) -> str:
    return "".join(
        f", {name}={'...' if name in ('where', 'initial') else repr(value)}"
        for name, value in options.items()
    )


def _axis(rng: np.random.Generator, x: Any, *, many: bool = True) -> Options:
    return {"axis": axis_of(rng, x.ndim, many=many)}


def _mask(rng: np.random.Generator, x: Any) -> Any:
    return rng.random(broadcast_shape(rng, x.shape)) < 0.6


def _wide(x: Any) -> str:
    return "c16" if x.dtype.kind == "c" else "f8"


# --- sums and products --------------------------------------------------------------------------


def _holes(rng: np.random.Generator, x: Any, share: float = 0.3) -> Any:
    """Zeros, and NaN in some places, in the precision of x."""
    return np.where(rng.random(x.shape) < share, np.nan, 0).astype(x.real.dtype)


def _sum_options(rng: np.random.Generator, x: Any) -> Options:
    options: Options = {}
    if rng.random() < 0.8:
        options |= _axis(rng, x)
    if rng.random() < 0.3:
        options["keepdims"] = bool(rng.integers(2))
    if rng.random() < 0.3:
        options["dtype"] = _wide(x)
    if rng.random() < 0.3:
        options["initial"] = one_of(rng, 2, 0.5, np.float32(1.5), 0, 1)
    if rng.random() < 0.3:
        options["where"] = _mask(rng, x)
    return options


def _total(name: str) -> Generator:
    def generate(rng: np.random.Generator) -> Sample:
        x = draw(rng, shape_or_empty(rng), one_of(rng, *MIXED))
        options = _sum_options(rng, x)
        label = f"{name}(x{_text(options)})"
        # float32 sums stay in float32: NumPy adds in pairs, masked sums one by one
        if name.startswith("nan"):
            holes = _holes(rng, x)
            return Sample(
                f"{label} with NaN",
                lambda xp, x: getattr(xp, name)(x + holes, **options),
                (x,),
                smooth=not _is_zero(x),
            )
        if "initial" in options and rng.random() < 0.4:
            del options["initial"]
            start = draw(rng, (), x.dtype)[()]
            plain = bool(rng.integers(2))  # NumPy does not ask `initial`, which alone may be mapped
            return Sample(
                f"{label} of x and start",
                lambda xp, x, start: getattr(xp, name)(x, initial=start, **options),
                (x, start),
                plain=plain,
                mapped=not plain,
            )
        return Sample(label, lambda xp, x: getattr(xp, name)(x, **options), (x,))

    return generate


def _is_zero(x: Any) -> bool:
    return bool(np.any(np.abs(x) < 1e-3))


def _hides_all(holes: Any, options: Options) -> bool:
    """Whether all elements of one reduction are NaN or masked out, of which NumPy warns."""
    hidden = np.isnan(holes) | np.logical_not(options.get("where", True))
    return bool(np.any(np.all(hidden, axis=options.get("axis"))))


def _extremum(name: str) -> Generator:
    def generate(rng: np.random.Generator) -> Sample:
        whole = shape(rng)
        (x,) = apart(rng, one_of(rng, *REALS), whole)
        options = _axis(rng, x) if rng.random() < 0.8 else {}
        if rng.random() < 0.3:
            options["keepdims"] = bool(rng.integers(2))
        kind = one_of(rng, "plain", "plain", "initial", "where", "method")
        if kind in ("initial", "where"):
            options["initial"] = one_of(rng, 0.05, -9.0, 9, 0.05)
        if kind == "where":
            options["where"] = _mask(rng, x)
        label = f"{name}(x{_text(options)})"
        if name.startswith("nan"):
            if x.ndim == 0:
                options.pop("where", None)  # NumPy warns of NaN if it hides a number
            holes = _holes(rng, x)
            holes = np.zeros_like(x) if _hides_all(holes, options) else holes
            return Sample(
                f"{label} with NaN",
                lambda xp, x: getattr(xp, name)(x + holes, **options),
                (x,),
            )
        if kind == "method" and name in ("max", "min"):
            return Sample(f"x.{label}", lambda xp, x: getattr(x, name)(**options), (x,))
        return Sample(label, lambda xp, x: getattr(xp, name)(x, **options), (x,))

    return generate


# --- running totals -----------------------------------------------------------------------------


def _running(name: str) -> Generator:
    def generate(rng: np.random.Generator) -> Sample:
        x = draw(rng, shape_or_empty(rng), one_of(rng, *MIXED))
        options = _axis(rng, x, many=False) if rng.random() < 0.8 else {}
        if rng.random() < 0.3:
            options["dtype"] = _wide(x)
        label = f"{name}(x{_text(options)})"
        if name.startswith("nan"):
            holes = _holes(rng, x)
            return Sample(
                f"{label} with NaN",
                lambda xp, x: getattr(xp, name)(x + holes, **options),
                (x,),
            )
        return Sample(label, lambda xp, x: getattr(xp, name)(x, **options), (x,))

    return generate


def _cumulative(name: str) -> Generator:
    def generate(rng: np.random.Generator) -> Sample:
        x = draw(rng, shape(rng, 1), one_of(rng, *MIXED))
        axis = None if x.ndim == 1 and rng.random() < 0.4 else int(rng.integers(-x.ndim, x.ndim))
        options: Options = {"axis": axis, "include_initial": bool(rng.integers(2))}
        if rng.random() < 0.3:
            options["dtype"] = _wide(x)
        return Sample(
            f"{name}(x{_text(options)})", lambda xp, x: getattr(xp, name)(x, **options), (x,)
        )

    return generate


# --- results without derivative -----------------------------------------------------------------


def _chosen(name: str) -> Generator:
    """The elements at the positions that `argmax` and the like find, or a factor of the count."""

    def generate(rng: np.random.Generator) -> Sample:
        (x,) = apart(rng, one_of(rng, *REALS), shape(rng, 1))
        options = _axis(rng, x, many=False) | {"keepdims": bool(rng.integers(2))}
        holes = _holes(rng, x, 0.2) if name.startswith("nan") else np.zeros_like(x)
        if np.any(np.all(np.isnan(holes), axis=options["axis"])):
            holes = np.zeros_like(x)

        def call(xp: Any, x: Any) -> Any:
            found = getattr(xp, name)(x + holes, **options)
            return xp.sum(xp.take(xp.ravel(x), found)) * x

        return Sample(f"x.take({name}(x{_text(options)})) x", call, (x,))

    return generate


def _truth(name: str) -> Generator:
    def generate(rng: np.random.Generator) -> Sample:
        (x,) = apart(rng, one_of(rng, *ALL), shape_or_empty(rng))
        options = _axis(rng, x) | {"keepdims": bool(rng.integers(2))}
        if name != "count_nonzero" and rng.random() < 0.3:
            options["where"] = _mask(rng, x)

        def call(xp: Any, x: Any) -> Any:
            found = getattr(xp, name)(xp.real(x) > 0, **options)
            total = xp.sum(x, **options)
            return xp.where(found, total * total, total)

        return Sample(f"where({name}(x > 0{_text(options)}), ...)", call, (x,))

    return generate


GENERATORS: dict[str, Generator] = {
    name: make(name)
    for make, names in {
        _total: ("sum", "prod", "nansum", "nanprod"),
        _extremum: ("max", "min", "amax", "amin", "nanmax", "nanmin"),
        _running: ("cumsum", "cumprod", "nancumsum", "nancumprod"),
        _cumulative: ("cumulative_sum", "cumulative_prod"),
        _chosen: ("argmax", "argmin", "nanargmax", "nanargmin"),
        _truth: ("all", "any", "count_nonzero"),
    }.items()
    for name in names
    if hasattr(np, name)  # cumulative_sum: since NumPy 2.1
}


# --- methods of ufuncs --------------------------------------------------------------------------

LOGICAL = ("logical_and", "logical_or", "logical_xor")
TESTS = ("greater", "greater_equal", "less", "less_equal", "equal", "not_equal")
INTEGER = ("gcd", "lcm", "bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift")
REORDERABLE = ("add", "multiply", "hypot", "logaddexp", "logaddexp2")
EXTREMA = ("maximum", "minimum", "fmax", "fmin")
JUMPING = ("remainder", "fmod", "floor_divide", "heaviside")
INTERVALS = {
    "power": (0.7, 1.4), "float_power": (0.7, 1.4), "arctan2": (0.5, 2.0), "divide": (0.5, 2.0),
    "remainder": (0.5, 2.0), "fmod": (0.5, 2.0), "floor_divide": (0.5, 2.0),
}  # fmt: skip
FLOATING = tuple(
    name
    for name, ufunc in UFUNCS.items()
    if ufunc.nin == 2 and ufunc.nout == 1 and name == ufunc.__name__
    if name not in (*LOGICAL, *TESTS, *INTEGER, "ldexp")
)


def _elements(rng: np.random.Generator, name: str, whole: tuple[int, ...]) -> Any:
    if name in INTERVALS:
        return draw(rng, whole, one_of(rng, *SINGLE), *INTERVALS[name])
    if name in ("add", "subtract", "multiply"):
        return draw(rng, whole, one_of(rng, *MIXED))
    return apart(rng, one_of(rng, *SINGLE), whole)[0]


def _method(name: str, method: str, options: Options, x: Any, *rest: Any) -> Sample:
    text = "".join(f", {one!r}" for one in rest) + _text(options)
    return Sample(
        f"{name}.{method}(x{text})",
        lambda xp, x: getattr(getattr(xp, name), method)(x, *rest, **options),
        (x,),
        smooth=name not in JUMPING,
        second=name not in JUMPING,
    )


# NumPy reduces contiguous elements wrongly with these, on processors with AVX-512 (see the note in
# funcgrad/primitives/reducers.py): drawn are rows that it adds up one by one, and pairs.
WRONG = ("power", "arctan2")


def _reduce_rows(name: str) -> Generator:
    def generate(rng: np.random.Generator) -> Sample:
        x = _elements(rng, name, (int(rng.integers(1, 5)), 3))
        options: Options = {"keepdims": bool(rng.integers(2))}
        return _method(name, "reduce", options, x)

    return generate


def _reduce_pairs(name: str) -> Generator:
    def generate(rng: np.random.Generator) -> Sample:
        x = _elements(rng, name, (int(rng.integers(1, 7)), 2))
        return _method(name, "reduceat", {}, x, list(range(0, len(x), 2)))

    return generate


def _reduce(name: str) -> Generator:
    if name in WRONG:
        return _reduce_rows(name)

    def generate(rng: np.random.Generator) -> Sample:
        x = _elements(rng, name, shape(rng, 1))
        many = name in REORDERABLE or name in EXTREMA
        options: Options = {"axis": axis_of(rng, x.ndim, many=many, none=many)}
        if rng.random() < 0.3:
            options["keepdims"] = bool(rng.integers(2))
        if rng.random() < 0.2:
            options["dtype"] = _wide(x)
        if rng.random() < 0.3:
            options["initial"] = one_of(rng, 1.25, np.float32(0.85))
            if rng.random() < 0.5:
                options["where"] = _mask(rng, x)
        elif name in REORDERABLE and rng.random() < 0.3:
            options["where"] = mask = _mask(rng, x)
            if _hides_all(np.zeros(x.shape), options):
                options["where"] = np.logical_not(np.zeros_like(mask))
        return _method(name, "reduce", options, x)

    return generate


def _accumulate(name: str) -> Generator:
    def generate(rng: np.random.Generator) -> Sample:
        x = _elements(rng, name, shape(rng, 1, longest=6))
        options: Options = {"axis": int(rng.integers(-x.ndim, x.ndim))} if rng.integers(4) else {}
        if rng.random() < 0.2:
            options["dtype"] = _wide(x)
        return _method(name, "accumulate", options, x)

    return generate


def _reduceat(name: str) -> Generator:
    if name in WRONG:
        return _reduce_pairs(name)

    def generate(rng: np.random.Generator) -> Sample:
        x = _elements(rng, name, shape(rng, 1, longest=6))
        axis = int(rng.integers(-x.ndim, x.ndim))
        options: Options = {"axis": axis} if rng.integers(4) else {}
        length = x.shape[options.get("axis", 0)]
        indices = rng.integers(0, length, int(rng.integers(0, length + 2))).tolist()
        if rng.random() < 0.5:
            indices = sorted(set(indices))
        if rng.random() < 0.2:
            options["dtype"] = _wide(x)
        return _method(name, "reduceat", options, x, indices)

    return generate


def _outer(name: str) -> Generator:
    def generate(rng: np.random.Generator) -> Sample:
        one, other = shape(rng, high=2, longest=3), shape(rng, high=2, longest=3)
        if name in INTERVALS or name in ("add", "subtract", "multiply"):
            x = _elements(rng, name, one)
            low, high = INTERVALS.get(name, (-2.0, 2.0))
            y = draw(rng, other, x.dtype, low, high)
        else:
            x, y = apart(rng, one_of(rng, *SINGLE), one, other)
        options: Options = {"dtype": _wide(x)} if rng.random() < 0.2 else {}
        return Sample(
            f"{name}.outer(x, y{_text(options)})",
            lambda xp, x, y: getattr(xp, name).outer(x, y, **options),
            (x, y),
            smooth=name not in JUMPING,
            second=name not in JUMPING,
        )

    return generate


def _of_truth(name: str, method: str) -> Generator:
    """A choice by what a logical ufunc makes of the signs."""

    def generate(rng: np.random.Generator) -> Sample:
        (x,) = apart(rng, np.float64, (int(rng.integers(1, 5)),))
        rest = ([0, x.size - 1],) if method == "reduceat" else ()

        def call(xp: Any, x: Any) -> Any:
            more = (x < 0,) if method == "outer" else rest
            found = getattr(getattr(xp, name), method)(x > 0, *more)
            return xp.sum(xp.where(found, 2, 1)) * x

        return Sample(f"sum({name}.{method}(x > 0)) x", call, (x,))

    return generate


def _of_integers(name: str, method: str) -> Generator:
    def generate(rng: np.random.Generator) -> Sample:
        x, k = draw(rng, (3,)), rng.integers(1, 4, 3)
        rest = {"reduceat": ([0, 2],), "outer": (k,)}.get(method, ())
        return Sample(
            f"sum({name}.{method}(k)) x",
            lambda xp, x, k: xp.sum(getattr(getattr(xp, name), method)(k, *rest)) * x,
            (x, k),
        )

    return generate


def _outer_test(name: str) -> Generator:
    def generate(rng: np.random.Generator) -> Sample:
        x, y = apart(rng, one_of(rng, *SINGLE), shape(rng, high=2), shape(rng, high=1))
        return Sample(
            f"sum({name}.outer(x, y)) x",
            lambda xp, x, y: xp.sum(getattr(xp, name).outer(x, y)) * x * xp.sum(y),
            (x, y),
        )

    return generate


def _ldexp_outer(rng: np.random.Generator) -> Sample:
    x = draw(rng, shape(rng), one_of(rng, *REALS))
    return Sample("ldexp.outer(x, [1, -1])", lambda xp, x: xp.ldexp.outer(x, [1, -1]), (x,))


METHODS: dict[str, Callable[[str], Generator]] = {
    "reduce": _reduce, "accumulate": _accumulate, "reduceat": _reduceat, "outer": _outer,
}  # fmt: skip
GENERATORS |= {
    f"{name}.{method}": make(name) for name in FLOATING for method, make in METHODS.items()
}
GENERATORS |= {
    f"{name}.{method}": _of_truth(name, method) for name in LOGICAL for method in METHODS
}
GENERATORS |= {
    f"{name}.{method}": _of_integers(name, method) for name in INTEGER for method in METHODS
}
GENERATORS |= {f"{name}.outer": _outer_test(name) for name in TESTS}
GENERATORS |= {"ldexp.outer": _ldexp_outer}
