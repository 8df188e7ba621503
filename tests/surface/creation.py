"""Samples of NumPy's functions: creation, sequences, padding, diagonals, grids, lines."""

import warnings
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from tests.surface.calls import COARSE, Rng, array, arrays, call, chosen, one_of, some
from tests.surface.sample import Generator, Sample, axis_of, broadcast_shape, distinct, draw, shape

__all__ = ["GENERATORS"]

# --- constructors -----------------------------------------------------------------------------


def _nested(name: str) -> Generator:
    """`name([[a, b], [c, 2.0]])` of arrays of one shape."""

    def generator(rng: Rng) -> Sample:
        inner = () if name in ("ascontiguousarray", "asfortranarray") else shape(rng, 0, 1)
        a, b, c = arrays(rng, [inner] * 3)
        options = some(rng, dtype=lambda: one_of(rng, np.complex128, np.complex64))
        last = np.full(inner, 2.0)

        return Sample(
            f"{name}([[a, b], (c, 2)], {options})",
            lambda xp, a, b, c: getattr(xp, name)([[a, b], (c, last)], **options),
            (a, b, c),
            smooth=options.get("dtype") not in COARSE,
            plain=False,
        )

    return generator


def _converted(name: str) -> Generator:
    """`name(x)` with its options."""
    orders = "CFAK" if name not in ("ascontiguousarray", "asfortranarray") else ""

    def generator(rng: Rng) -> Sample:
        options = some(
            rng,
            dtype=lambda: one_of(rng, np.complex128, np.complex64),
            **({"order": lambda: one_of(rng, *orders)} if orders else {}),
        )
        if name == "array":
            options |= some(rng, ndmin=lambda: int(rng.integers(0, 4)), copy=lambda: True)
        return Sample(
            f"{name}(x, {options})",
            lambda xp, x: getattr(xp, name)(x, **options),
            (array(rng),),
            smooth=options.get("dtype") not in COARSE,
            plain=False,
        )

    return generator


def _full(rng: Rng) -> Sample:
    whole = shape(rng)
    (fill,) = arrays(rng, [broadcast_shape(rng, whole)])
    options = some(rng, dtype=lambda: np.complex128, order=lambda: one_of(rng, *"CF"))
    target = one_of(rng, whole, list(whole), whole[0] if len(whole) == 1 else whole)
    return Sample(
        f"full({target}, v, {options})",
        lambda xp, v: xp.full(target, v, **options),
        (fill,),
        plain=False,
    )


def _full_like(rng: Rng) -> Sample:
    whole = shape(rng)
    x, fill = arrays(rng, [whole, broadcast_shape(rng, whole)])
    options = some(rng, dtype=lambda: np.complex128, order=lambda: one_of(rng, *"CFAK"))
    if rng.random() < 0.3:
        options["shape"] = (2, *whole)
    if np.iscomplexobj(fill) and not np.iscomplexobj(x):
        options["dtype"] = np.complex128
    smooth = x.dtype not in COARSE
    return call("full_like", (x, fill), laws={"smooth": smooth, "plain": False}, **options)


def _like(name: str) -> Generator:
    def generator(rng: Rng) -> Sample:
        options = some(rng, dtype=lambda: np.complex64, shape=lambda: one_of(rng, 3, (2, 1)))
        return Sample(
            f"{name}(x, {options}) + sum(x)",
            lambda xp, x: getattr(xp, name)(x, **options) + xp.sum(x),
            (draw(rng, shape(rng)),),
        )

    return generator


def _arange(rng: Rng) -> Sample:
    start, step = float(rng.uniform(-2, 2)), float(rng.uniform(0.2, 0.7)) * one_of(rng, 1, -1)
    stop = start + step * (int(rng.integers(0, 6)) + 0.5)
    ends = [np.asarray(v)[()] for v in (start, stop, step)]
    return Sample(
        "arange(start, stop, step)",
        lambda xp, a, b, s: xp.arange(a, b, s),
        tuple(ends),
        mapped=False,
        plain=False,
    )


def _kaiser(rng: Rng) -> Sample:
    count = int(rng.integers(0, 7))
    beta = np.asarray(rng.uniform(0.2, 9.0), one_of(rng, np.float64, np.float32))[()]
    return Sample(f"kaiser({count}, beta)", lambda xp, b: xp.kaiser(count, b), (beta,), plain=False)


def _space(name: str, low: float) -> Generator:
    def generator(rng: Rng) -> Sample:
        whole = shape(rng, 0, 2)
        dtype = one_of(rng, np.float64, np.float32)
        ends = tuple(
            np.asarray(draw(rng, broadcast_shape(rng, whole), dtype, low, 2.0))[()] for _ in "ab"
        )
        rank = max(np.ndim(end) for end in ends)
        options = some(
            rng,
            num=lambda: int(rng.integers(0, 6)),
            endpoint=lambda: bool(rng.integers(2)),
            axis=lambda: int(rng.integers(-rank - 1, rank + 1)),
            dtype=lambda: one_of(rng, np.float64, np.complex128),
        )
        if name == "linspace":
            options |= some(rng, retstep=lambda: options.get("num", 9) > 1)
        if name == "logspace":
            options |= some(rng, base=lambda: one_of(rng, 2.0, 3, np.float32(5.0)))
        # powers of ten in float32, of float32 exponents, lose as many roundings as they are large
        return call(name, ends, laws={"rounding": 50.0, "smooth": dtype != np.float32}, **options)

    return generator


def _meshgrid(rng: Rng) -> Sample:
    lines = arrays(rng, [shape(rng, 0, 1) for _ in range(int(rng.integers(1, 4)))])
    return call("meshgrid", lines, **some(
        rng,
        indexing=lambda: one_of(rng, "xy", "ij"),
        sparse=lambda: bool(rng.integers(2)),
        copy=lambda: bool(rng.integers(2)),
    ))  # fmt: skip


# --- diagonals and triangles ------------------------------------------------------------------


def _triangle(name: str) -> Generator:
    return lambda rng: call(
        name, array(rng, low=1), **some(rng, k=lambda: int(rng.integers(-4, 5)))
    )


def _diagonal(rng: Rng) -> Sample:
    x = array(rng, low=2)
    first, second = rng.permutation(x.ndim)[:2].tolist()
    if rng.random() < 0.5:
        return call("diagonal", x, **some(rng, offset=lambda: int(rng.integers(-4, 5))))
    return call("diagonal", x, int(rng.integers(-4, 5)), first - x.ndim, second)


def _trace(rng: Rng) -> Sample:
    x = array(rng, low=2)
    first, second = rng.permutation(x.ndim)[:2].tolist()
    options = some(rng, dtype=lambda: np.complex128)
    return call("trace", x, int(rng.integers(-4, 5)), first, second - x.ndim, **options)


def _of_matrices(name: str) -> Generator:
    return lambda rng: call(
        name, array(rng, low=2), **some(rng, offset=lambda: int(rng.integers(-3, 4)))
    )


def _diag(name: str, high: int) -> Generator:
    return lambda rng: call(
        name, array(rng, low=1, high=high), **some(rng, k=lambda: int(rng.integers(-4, 5)))
    )


# --- pad --------------------------------------------------------------------------------------


def _width(rng: Rng, rank: int, high: int = 5) -> Any:
    """Widths in one of the forms that NumPy takes."""
    each = rng.integers(0, high, (rank, 2)).tolist()
    pair = rng.integers(0, high, 2).tolist()
    forms = [int(pair[0]), (int(pair[0]),), tuple(pair), [pair], each, np.array(each)]
    if DICTS:
        axis = int(rng.integers(-rank, rank))
        forms.append({axis: one_of(rng, tuple(pair), int(pair[0]))})
    return one_of(rng, *forms)


DICTS = np.lib.NumpyVersion(np.__version__) >= "2.3.0"


def _pad_plain(rng: Rng) -> Sample:
    x = array(rng, low=1)
    mode = one_of(rng, "edge", "wrap", "reflect", "symmetric")
    options = {}
    if mode in ("reflect", "symmetric") and rng.random() < 0.5:
        options["reflect_type"] = one_of(rng, "even", "odd")
    return call("pad", x, _width(rng, x.ndim), mode, laws={"rounding": 20.0}, **options)


def _pad_statistic(rng: Rng) -> Sample:
    mode = one_of(rng, "maximum", "mean", "median", "minimum")
    high = 1 if mode == "median" else 3  # medians of padded lines would be equal
    x = distinct(rng, shape(rng, 1, high), one_of(rng, np.float64, np.float32))
    if mode == "mean" and rng.random() < 0.4:
        x = array(rng, low=1)
    length = one_of(rng, None, int(rng.integers(1, 4)), (1, 2), [rng.integers(1, 5, 2).tolist()])
    options = {} if rng.random() < 0.4 else {"stat_length": length}
    return call("pad", x, _width(rng, x.ndim), mode, laws={"rounding": 20.0}, **options)


def _pad_values(rng: Rng) -> Sample:
    mode, name = one_of(rng, ("constant", "constant_values"), ("linear_ramp", "end_values"))
    dtype = one_of(rng, np.float64, np.float32, np.complex128)
    x = draw(rng, shape(rng, 1), dtype)
    width = _width(rng, x.ndim)
    own = one_of(rng, (), (1,), (2,), (1, 2), (x.ndim, 2))
    v = draw(rng, own, dtype)
    laws = {"rounding": 20.0}
    return Sample(
        f"pad(x, {width}, {mode!r}, {name}=v)",
        lambda xp, x, v: xp.pad(x, width, mode, **{name: v}),
        (x, v),
        **laws,
    )


def _pad_constants(rng: Rng) -> Sample:
    x = array(rng, low=1)
    own = one_of(rng, 0, 1.5, (1, -2.0), [[0.5, 2.0]], [[1, 2]] * x.ndim)
    options = {} if rng.random() < 0.3 else {"constant_values": own}
    return call("pad", x, _width(rng, x.ndim), **options)


def _pad_by_function(rng: Rng) -> Sample:
    x = array(rng, low=1)
    width = _width(rng, x.ndim)

    def scaled_edges(vector: Any, pair: tuple[int, int], axis: int, options: dict) -> Any:
        inner = vector[pair[0] : len(vector) - pair[1]]
        before, behind = inner[:1] * (axis + 2.0), inner[-1:] * options.get("factor", 1.0)
        if isinstance(vector, np.ndarray):
            vector[: pair[0]] = before
            vector[len(vector) - pair[1] :] = behind
            return None
        out = fnp.concatenate([fnp.repeat(before, pair[0]), inner, fnp.repeat(behind, pair[1])])
        return fnp.astype(out, vector.dtype)

    options = some(rng, factor=lambda: 3.0)
    return call("pad", x, width, scaled_edges, **options)


# --- lines ------------------------------------------------------------------------------------


def _apply_along_axis(rng: Rng) -> Sample:
    x = array(rng, low=1)
    function, text = one_of(
        rng,
        (lambda v: v[:2] * v[-1], "v[:2] * v[-1]"),
        (lambda v: v[0] * v[-1], "v[0] * v[-1]"),
        (lambda v: np.outer(v, v), "outer(v, v)"),
        (lambda v: v[::-1] ** 2, "v[::-1] ** 2"),
        (lambda v: v[:0], "v[:0]"),
    )
    axis = axis_of(rng, x.ndim, none=False)
    return Sample(
        f"apply_along_axis({text}, {axis}, x)",
        lambda xp, x: xp.apply_along_axis(function, axis, x),
        (x,),
    )


def _apply_over_axes(rng: Rng) -> Sample:
    x = draw(rng, shape(rng, 1))
    axes = axis_of(rng, x.ndim, many=True, none=False)
    function = one_of(rng, np.sum, np.mean, np.cumsum)
    return Sample(
        f"apply_over_axes({function.__name__}, x, {axes})",
        lambda xp, x: xp.apply_over_axes(function, x, axes),
        (x,),
        rounding=20.0,
    )


def _fromfunction(rng: Rng) -> Sample:
    x = draw(rng, (), one_of(rng, np.float64, np.complex128))
    return Sample(
        "fromfunction(lambda i, j: x * x * i + j, (2, 3))",
        lambda xp, x: xp.fromfunction(lambda i, j: x * x * i + j, (2, 3)),
        (x[()],),
    )


def _vectorize(rng: Rng) -> Sample:
    whole = shape(rng, 0, 2)
    dtype = one_of(rng, np.float64, np.complex128)
    a, b = (draw(rng, broadcast_shape(rng, whole), dtype) for _ in "ab")
    kind = int(rng.integers(3))
    options, function = (
        ({}, lambda a, b: a * b + np.sin(b)),
        ({"signature": "(n),()->(n)"}, lambda a, b: np.cumsum(a) * b),
        ({"signature": "(n),(n)->()"}, lambda a, b: np.dot(a, b)),
    )[kind]
    if kind:
        a = draw(rng, (*np.shape(a), 3), dtype)
        b = draw(rng, np.shape(b) + (3,) * (kind - 1), dtype)
    return Sample(
        f"vectorize(..., {options})(a, b)",
        lambda xp, a, b: xp.vectorize(function, **options)(a, b),
        (a, b),
        rounding=20.0,
        plain=False,
    )


def _astype(rng: Rng) -> Sample:
    x = array(rng)
    real = [] if np.iscomplexobj(x) else [np.float64, np.float32]
    target = one_of(rng, np.complex128, np.complex64, *real)
    smooth = {"smooth": target not in COARSE}
    return call("astype", x, target, laws=smooth, **some(rng, copy=lambda: True))


def _broken_into_reals(rng: Rng) -> Sample:
    """Casting complex numbers to real ones, of which NumPy warns."""
    x = draw(rng, shape(rng), np.complex128)

    def cast(xp: Any, x: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", np.exceptions.ComplexWarning)
            return xp.astype(x, np.float64)

    return Sample("astype(z, float)", cast, (x,))


GENERATORS: dict[str, Generator] = {
    **{
        name: chosen([_nested(name), _converted(name)])
        for name in (
            "array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray",
            "asarray_chkfinite",
        )
    },
    "full": _full,
    "full_like": _full_like,
    "zeros_like": _like("zeros_like"),
    "ones_like": _like("ones_like"),
    "arange": _arange,
    "kaiser": _kaiser,
    "linspace": _space("linspace", -2.0),
    "logspace": _space("logspace", -1.0),
    "geomspace": _space("geomspace", 0.5),
    "meshgrid": _meshgrid,
    "fromfunction": _fromfunction,
    "tril": _triangle("tril"),
    "triu": _triangle("triu"),
    "diag": _diag("diag", 2),
    "diagflat": _diag("diagflat", 2),
    "diagonal": _diagonal,
    "linalg.diagonal": _of_matrices("linalg.diagonal"),
    "trace": _trace,
    "linalg.trace": _of_matrices("linalg.trace"),
    "pad": chosen([_pad_plain, _pad_statistic, _pad_values, _pad_constants, _pad_by_function]),
    "apply_along_axis": _apply_along_axis,
    "apply_over_axes": _apply_over_axes,
    "vectorize": _vectorize,
    "astype": chosen([_astype, _broken_into_reals]),
}  # fmt: skip
