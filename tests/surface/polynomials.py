"""Samples of NumPy's functions: signals and polynomials."""

from typing import Any

import numpy as np

from tests.surface.calls import DTYPES, Rng, arrays, call, one_of, some
from tests.surface.sample import Generator, Sample, distinct, draw, shape

__all__ = ["GENERATORS"]

FLOATS = (np.float64, np.float64, np.float32)

# --- signals ----------------------------------------------------------------------------------


def _product(name: str) -> Generator:
    def generator(rng: Rng) -> Sample:
        operands = arrays(rng, [(int(n),) for n in rng.integers(1, 7, 2)])
        options = some(rng, mode=lambda: one_of(rng, "full", "same", "valid"))
        return call(name, operands, **options)

    return generator


def _interp(rng: Rng) -> Sample:
    """Points between and beyond the data, none at a kink."""
    n = int(rng.integers(1, 6))
    xp = np.sort(distinct(rng, (n,), one_of(rng, *FLOATS)))
    x = draw(rng, shape(rng, high=2), one_of(rng, *FLOATS))
    x = x + 0.02 * np.any(np.abs(x[..., None] - xp) < 0.02, axis=-1, keepdims=False)
    fp = draw(rng, (n,), one_of(rng, *DTYPES))
    options = some(rng, left=lambda: 0.5, right=lambda: -1.0)
    if rng.random() < 0.3:
        options = {"period": 3.7}
        xp = rng.permutation(xp)
    return call("interp", (x.astype(xp.dtype), xp, fp), **options)


def _unwrap(rng: Rng) -> Sample:
    p = draw(rng, shape(rng, low=1), one_of(rng, *FLOATS), -9.0, 9.0)
    options = some(
        rng,
        axis=lambda: int(rng.integers(-p.ndim, p.ndim)),
        discont=lambda: 4.0,
        period=lambda: one_of(rng, 3.3, 7),
    )
    return call("unwrap", p, **options)


def _i0(rng: Rng) -> Sample:
    return call("i0", draw(rng, shape(rng), one_of(rng, *FLOATS), -12.0, 12.0))


# --- differences ------------------------------------------------------------------------------


def _diff(rng: Rng) -> Sample:
    """With one or both ends longer, by an array or by a number."""
    whole = shape(rng, low=1)
    axis = int(rng.integers(-len(whole), len(whole)))
    ends = [list(whole) for _ in range(2)]
    for end in ends:
        end[axis] = int(rng.integers(1, 3))
    shapes = [whole, *(one_of(rng, (), tuple(end)) for end in ends)]
    names = ["prepend", "append"][: int(rng.integers(0, 3))]
    operands = arrays(rng, shapes)[: 1 + len(names)]
    n = int(rng.integers(0, 4))
    return Sample(
        f"diff(_, {n}, {axis}, {names})",
        lambda xp, x, *others: xp.diff(x, n, axis, **dict(zip(names, others, strict=True))),
        operands,
    )


def _ediff1d(rng: Rng) -> Sample:
    """With ends of other precision too."""
    dtypes = one_of(rng, (np.float64, np.float32), (np.complex128, np.complex64))
    names = ["to_end", "to_begin"][: int(rng.integers(0, 3))]
    operands = [draw(rng, shape(rng, high=2), one_of(rng, *dtypes)) for _ in range(len(names) + 1)]
    return Sample(
        f"ediff1d(_, {names})",
        lambda xp, x, *others: xp.ediff1d(x, **dict(zip(names, others, strict=True))),
        tuple(operands),
    )


def _trapezoid(rng: Rng) -> Sample:
    whole = shape(rng, low=1)
    axis = int(rng.integers(-len(whole), len(whole)))
    kind = one_of(rng, "x", "full x", "dx", "none")
    if kind == "none":
        return call("trapezoid", arrays(rng, [whole]), axis=axis)
    if kind == "dx":
        steps = list(whole)
        steps[axis] = max(1, whole[axis] - 1)
        y, dx = arrays(rng, [whole, one_of(rng, (), tuple(steps))])
        return Sample(f"trapezoid(_, dx=_, axis={axis})",
                      lambda xp, y, dx: xp.trapezoid(y, dx=dx, axis=axis), (y, dx))  # fmt: skip
    return call(
        "trapezoid",
        arrays(rng, [whole, whole if kind == "full x" else whole[axis : axis + 1 or None]]),
        axis=axis,
    )


def _gradient(rng: Rng) -> Sample:
    """Spacings for all axes, for each axis, as numbers and as places."""
    whole = tuple(int(n) for n in rng.integers(3, 6, int(rng.integers(1, 4))))
    f = draw(rng, whole, one_of(rng, *DTYPES))
    options = some(rng, edge_order=lambda: int(rng.integers(1, 3)))
    axes: tuple[int, ...] = tuple(range(len(whole)))
    if rng.random() < 0.6:
        axes = tuple(int(a) for a in rng.permutation(len(whole))[: int(rng.integers(1, 4))])
        options["axis"] = one_of(rng, axes, axes) if len(axes) > 1 else one_of(rng, axes, axes[0])
    kind = one_of(rng, "none", "one", "each")
    dtype = one_of(rng, *FLOATS)
    spacings: list[Any] = []
    if kind == "one":
        spacings = [draw(rng, (), dtype, 0.5, 2.0)]
    if kind == "each":
        for axis in axes:
            places = np.cumsum(draw(rng, (whole[axis],), dtype, 0.5, 2.0), dtype=dtype)
            spacings.append(one_of(rng, places, draw(rng, (), dtype, 0.5, 2.0)))
    return call("gradient", (f, *spacings), **options)


# --- polynomials ------------------------------------------------------------------------------


def _pair(name: str) -> Generator:
    return lambda rng: call(name, arrays(rng, [(int(n),) for n in rng.integers(1, 6, 2)]))


def _polydiv(rng: Rng) -> Sample:
    """The divisor begins with a number that is not small.

    How many rounding errors NumPy leaves in front of the remainder is chance in float32, so that a
    batch of them does not fit into one array; complex64 is left out, where scalars round otherwise.
    """
    dtypes = [one_of(rng, np.float64, np.complex128, np.float32) for _ in range(2)]
    u, v = (draw(rng, (int(rng.integers(1, 7)),), dtype) for dtype in dtypes)
    v[0] = v[0] + (1.0 if v[0].real >= 0 else -1.0)
    laws = {"rounding": 100.0, "mapped": np.float32 not in dtypes}
    return call("polydiv", (u, v), laws=laws)


def _polyder(rng: Rng) -> Sample:
    return call(
        "polyder",
        *arrays(rng, [(int(rng.integers(1, 6)),)]),
        **some(rng, m=lambda: int(rng.integers(0, 4))),
    )


def _polyint(rng: Rng) -> Sample:
    m = int(rng.integers(0, 4))
    p, k = arrays(rng, [(int(rng.integers(1, 6)),), one_of(rng, (), (1,), (max(m, 1),))])
    if rng.random() < 0.5:
        return call("polyint", p, m)
    return Sample(f"polyint(_, {m}, _)", lambda xp, p, k: xp.polyint(p, m, k), (p, k))


def _polyval(rng: Rng) -> Sample:
    return call("polyval", arrays(rng, [(int(rng.integers(1, 6)),), shape(rng)]))


def _vander(rng: Rng) -> Sample:
    options = some(rng, N=lambda: int(rng.integers(0, 6)), increasing=lambda: True)
    return call("vander", *arrays(rng, [(int(rng.integers(1, 5)),)]), **options)


def _poly(rng: Rng) -> Sample:
    if rng.random() < 0.4:
        n = int(rng.integers(1, 5))
        return call("poly", *arrays(rng, [(n, n)]), laws={"rounding": 100.0})
    (z,) = arrays(rng, [(int(rng.integers(1, 7)),)])
    return call("poly", z, laws={"rounding": 10.0})


def _roots(rng: Rng) -> Sample:
    """Of polynomials whose roots are not near each other; in order, as np.roots has none."""
    z = distinct(rng, (int(rng.integers(0, 5)),), one_of(rng, np.float64, np.complex128)) * 4
    p = np.atleast_1d(np.poly(z)) * draw(rng, (), np.float64, 0.5, 2.0)
    if len(z) and rng.random() < 0.3:
        p = np.append(p, 0.0)
    return Sample(
        "sort_complex(roots(_))", lambda xp, p: xp.sort_complex(xp.roots(p)), (p,), rounding=1e4
    )


def _polyfit(rng: Rng) -> Sample:
    deg = int(rng.integers(0, 4))
    count = deg + int(rng.integers(3, 6))
    x = distinct(rng, (count,), one_of(rng, *FLOATS)) / count * 4
    y = draw(rng, one_of(rng, (count,), (count, 2)), one_of(rng, *DTYPES))
    options = some(rng, full=lambda: True, cov=lambda: one_of(rng, True, "unscaled"))
    if rng.random() < 0.5:
        w = draw(rng, (count,), one_of(rng, *FLOATS), 0.5, 2.0)
        return Sample(
            f"polyfit(_, _, {deg}, w=_, {options})",
            lambda xp, x, y, w: xp.polyfit(x, y, deg, w=w, **options),
            (x, y, w),
            rounding=1e4,
        )
    return call("polyfit", (x, y), deg, laws={"rounding": 1e4}, **options)


GENERATORS: dict[str, Generator] = {
    "convolve": _product("convolve"),
    "correlate": _product("correlate"),
    "diff": _diff,
    "ediff1d": _ediff1d,
    "gradient": _gradient,
    "i0": _i0,
    "interp": _interp,
    "poly": _poly,
    "polyadd": _pair("polyadd"),
    "polyder": _polyder,
    "polydiv": _polydiv,
    "polyfit": _polyfit,
    "polyint": _polyint,
    "polymul": _pair("polymul"),
    "polysub": _pair("polysub"),
    "polyval": _polyval,
    "roots": _roots,
    "trapezoid": _trapezoid,
    "unwrap": _unwrap,
    "vander": _vander,
}
