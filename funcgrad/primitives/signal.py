"""Signals: convolution, interpolation, phases, and the Bessel function i0."""

import functools
import operator
from typing import Any

import numpy as np

from funcgrad import special_values
from funcgrad.core.foreign import each_element, is_foreign
from funcgrad.core.primitive import Primitive
from funcgrad.core.tracer import bind, plain_value
from funcgrad.errors import InputDtypeError, user_line
from funcgrad.families.batching import aligned, same_call
from funcgrad.families.linear import multilinear
from funcgrad.families.shapes import (
    as_operand,
    is_complex,
    negative_axis,
    rank_of,
    shape_of,
    unbroadcast,
)
from funcgrad.families.smooth import smooth
from funcgrad.primitives.cumulative import along
from funcgrad.primitives.differences import diff
from funcgrad.primitives.indexing import getitem
from funcgrad.primitives.padding import pad
from funcgrad.primitives.plain import implements_traced
from funcgrad.primitives.special import real_operand
from funcgrad.primitives.structural import astype, concatenate, reshape, where

__all__ = ["convolve", "convolved"]

# --- convolution ------------------------------------------------------------------------------

MODES = ("valid", "same", "full")


def _overhang(mode: str, m: int) -> tuple[int, int]:
    """How far a kernel of length m stands out of the signal on its left and on its right."""
    if mode == "valid":
        return 0, 0
    return (m // 2, m - m // 2 - 1) if mode == "same" else (m - 1, m - 1)


def _convolve_value(a: Any, v: Any, *, mode: Any) -> Any:
    """Along the last axis; the axes in front are those of batches, and broadcast."""
    if type(a) is np.ndarray and type(v) is np.ndarray and a.ndim == v.ndim == 1:
        return np.convolve(a, v, mode)
    m = v.shape[-1]
    padded = np.pad(a, ((0, 0),) * (a.ndim - 1) + (_overhang(mode, m),))
    windows = np.lib.stride_tricks.sliding_window_view(padded, m, axis=-1)
    kernel = v[..., None, ::-1]
    kernel = kernel if v.dtype.kind == "b" else np.conjugate(kernel)  # that would be an int8
    kernel = kernel if is_foreign(kernel) else np.ascontiguousarray(kernel)
    return np.vecdot(kernel, windows)  # it conjugates its first operand


def _convolve_transpose(ct: Any, position: int, a: Any, v: Any, *, mode: str) -> Any:
    """Convolutions of the cotangent with the other operand backwards.

    Of a full one they are valid, and the other way round.
    """
    if mode == "same":
        left, right = _overhang(mode, v.shape[-1])
        most = v.shape[-1] - 1
        ct = pad(ct, ((0, 0),) * (rank_of(ct) - 1) + ((most - left, most - right),))
        mode = "full"
    backwards = (v if position == 0 else a)[..., ::-1]
    if mode == "full":
        part = bind(convolve_p, ct, backwards, mode="valid")
    elif position == 0:
        part = convolved(ct, backwards, "full")
    else:
        part = bind(convolve_p, backwards, ct, mode="valid")
    return unbroadcast(part, (a, v)[position].shape)


convolve_p: Primitive = multilinear("convolve", _convolve_value, _convolve_transpose, batch=aligned)


def convolved(a: Any, v: Any, mode: str) -> Any:
    """Convolution along the last axis; the operands may stand in either order."""
    if shape_of(v)[-1] > shape_of(a)[-1]:
        a, v = v, a
    return bind(convolve_p, a, v, mode=mode)


def _signal(name: str, x: Any) -> Any:
    x = as_operand(x)
    if rank_of(x) == 0:
        x = reshape(x, (1,))
    if rank_of(x) != 1:
        raise ValueError(
            f"{name}: an operand of shape {shape_of(x)}. It has to be a vector. Map the function "
            "with vmap, or pass one row."
        )
    if shape_of(x) == (0,):
        raise ValueError(f"{name}: an operand is empty. It needs at least one element.")
    return x


def _mode(name: str, mode: Any) -> str:
    if mode in MODES:
        return str(mode)
    try:
        return MODES[operator.index(mode)]
    except (TypeError, IndexError) as error:
        raise ValueError(f"{name}: mode {mode!r}. It is one of 'valid', 'same', 'full'.") from error


@implements_traced(np.convolve)
def convolve(a: Any, v: Any, mode: Any = "full") -> Any:
    """`numpy.convolve`: zₖ = Σⱼ aₖ₋ⱼ vⱼ."""
    return convolved(_signal("convolve", a), _signal("convolve", v), _mode("convolve", mode))


@implements_traced(np.correlate)
def correlate(a: Any, v: Any, mode: Any = "valid") -> Any:
    """`numpy.correlate`: cₖ = Σⱼ aₖ₊ⱼ conj(vⱼ)."""
    if rank_of(a := as_operand(a)) == 0 or rank_of(v := as_operand(v)) == 0:
        raise ValueError("correlate: an operand without axes. It has to be a vector.")
    a, v, mode = _signal("correlate", a), _signal("correlate", v), _mode("correlate", mode)
    if is_complex(v):
        v = np.conjugate(v)
    if shape_of(v)[0] > shape_of(a)[0]:
        return bind(convolve_p, v, a[::-1], mode=mode)[::-1]
    return bind(convolve_p, a, v[::-1], mode=mode)


# --- interpolation ----------------------------------------------------------------------------


def _double(name: str, x: Any) -> Any:
    x = as_operand(x)
    if is_complex(x):
        raise InputDtypeError(
            f"interp: {name} is complex, at {user_line()}. Points on the line are real; only fp "
            "may be complex. Pass the real part, or interpolate by the modulus."
        )
    return _as(x, np.float64)


def _as(x: Any, dtype: Any) -> Any:
    if not hasattr(x, "dtype"):
        return dtype(x)
    return x if x.dtype == dtype else astype(x, dtype)


@implements_traced(np.interp)
def interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Any:
    """`numpy.interp`: fpⱼ + sⱼ (x - xpⱼ) for xpⱼ ≤ x < xpⱼ₊₁, with the slopes sⱼ.

    At a point xpⱼ the derivative by x is that of the interval on its right, at the last one that
    of the interval on its left; beyond them it is 0.
    """
    x, xp, fp = _double("x", x), _double("xp", xp), as_operand(fp)
    fp = _as(fp, np.complex128 if is_complex(fp) else np.float64)
    if rank_of(xp) != 1 or rank_of(fp) != 1:
        raise ValueError("Data points must be 1-D sequences")
    n = shape_of(xp)[0]
    if n != shape_of(fp)[0]:
        raise ValueError("fp and xp are not of the same length.")
    if n == 0:
        raise ValueError("array of sample points is empty")
    if period is not None:
        x, xp, fp = _one_period(x, xp, fp, period)
        left = right = None
    return _interpolated(
        x, xp, fp, fp[0] if left is None else left, fp[-1] if right is None else right
    )


def _one_period(x: Any, xp: Any, fp: Any, period: Any) -> tuple[Any, Any, Any]:
    """The points in one period, in order, and one more on each side."""
    if np.any(plain_value(period) == 0):
        raise ValueError("period must be a non-zero value")
    period = np.absolute(as_operand(period))
    x, xp = x % period, xp % period
    order = np.argsort(xp)
    xp, fp = getitem(xp, order), getitem(fp, order)
    xp = concatenate([xp[-1:] - period, xp, xp[:1] + period])
    return x, xp, concatenate([fp[-1:], fp, fp[:1]])


def _interpolated(x: Any, xp: Any, fp: Any, left: Any, right: Any) -> Any:
    n = shape_of(xp)[0]
    place = np.clip(np.searchsorted(xp, x, side="right") - 1, 0, n - 1)
    if n == 1:
        y = getitem(fp, place)
    else:
        last = place == n - 1
        start = np.minimum(place, n - 2)
        x0, x1, f0, f1 = (getitem(t, i) for t in (xp, fp) for i in (start, start + 1))
        width = x1 - x0
        slope = where(width == 0, 0, (f1 - f0) / where(width == 0, 1, width))
        inside = (x >= xp[0]) & (x <= xp[-1])
        distance = where(inside, x - where(last, x1, x0), 0)
        exact = (distance == 0) & ~np.isfinite(slope)
        y = where(last, f1, f0) + where(exact, 0, slope) * distance
    y = where(x < xp[0], left, where(x > xp[-1], right, y))
    return where(np.isnan(x), x, y)


# --- phases -----------------------------------------------------------------------------------


@implements_traced(np.unwrap)
def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: Any = 2 * np.pi) -> Any:
    """`numpy.unwrap`: whole periods are added, so that no step is larger than half of one."""
    p = as_operand(p)
    axis = negative_axis(axis, rank_of(p))
    steps = diff(p, axis=axis)
    if discont is None:
        discont = period / 2
    dtype = np.result_type(steps.dtype, _model(period))
    if dtype.kind in "iu":
        half, odd = divmod(period, 2)
        ambiguous = not odd
    else:
        half, ambiguous = period / 2, True
    wrapped = np.mod(steps + half, period) - half
    if ambiguous:
        wrapped = where((wrapped == -half) & (steps > 0), wrapped + period, wrapped)
    correction = where(np.absolute(steps) < discont, 0, wrapped - steps)
    first, others = p[along(axis, None, 1)], p[along(axis, 1, None)]
    moved = others + np.cumsum(correction, axis=axis)
    return concatenate([first, moved], axis=axis, dtype=dtype, casting="unsafe")


def _model(x: Any) -> Any:
    """What promotes like a number: the number itself if it is weak, else its dtype."""
    return x if isinstance(x, int | float) else x.dtype


# --- i0 ---------------------------------------------------------------------------------------


def _bessel_value(x: Any, *, order: int) -> Any:
    if order == 0:
        return np.i0(x)
    if is_foreign(x):
        return each_element("i1", functools.partial(special_values.bessel_i, order), x)
    return special_values.bessel_i(order, x)


def _bessel_jvp(_out: Any, x: Any, t: Any, *, order: int) -> Any:
    """Iₙ′ = (Iₙ₋₁ + Iₙ₊₁) / 2, and I₋₁ = I₁ (DLMF 10.29.1)."""
    if order == 0:
        return t * bessel_i(x, 1)
    return t * ((bessel_i(x, order - 1) + bessel_i(x, order + 1)) / 2)


bessel_i_p: Primitive = smooth(
    "bessel_i",
    _bessel_value,
    _bessel_jvp,
    batch=same_call,
    domain=((-4.0, 4.0),),
    analytic=False,
)


def bessel_i(x: Any, order: int) -> Any:
    """Iₙ(x), the modified Bessel function of the first kind, n = 0, 1, 2, ..."""
    return bind(bessel_i_p, x, order=order)


@implements_traced(np.i0)
def i0(x: Any) -> Any:
    """`numpy.i0`: the modified Bessel function of the first kind, of order 0; i0' = I₁."""
    return bessel_i(real_operand("i0", as_operand(x)), 0)
