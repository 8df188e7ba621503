"""Discrete Fourier transforms: the primitives fft, ifft, rfft and irfft, and what is made of them.

Each works along one axis, of the first n elements (zeros behind them, where there are fewer): with
the cut or padding P, which is its own transpose but for the lengths, and a factor c,

    F: yₖ = c Σⱼ xⱼ e^(-2πijk/n) is symmetric            Fᵀ ct = F ct.

A real signal of length n has n // 2 + 1 coefficients of its own. With W = 1 for those that are
real, and 2 for the others, which stand for their conjugates too, the transforms R from and C to a
real signal have the transposes

    R: x ↦ y              Rᵀ ct = C (conj(ct) / W),
    C: y ↦ x              Cᵀ ct = W conj(R ct),

where the factor of one is that of the other with the direction swapped.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from funcgrad.core.primitive import Primitive
from funcgrad.core.tracer import bind
from funcgrad.errors import InputDtypeError, user_line
from funcgrad.families.batching import same_call
from funcgrad.families.linear import linear
from funcgrad.families.shapes import as_operand, is_complex, negative_axis, rank_of, shape_of
from funcgrad.primitives.arranging import roll
from funcgrad.primitives.cumulative import along
from funcgrad.primitives.plain import implements_traced, refuse_out
from funcgrad.primitives.structural import concatenate

__all__ = ["fft", "fftn", "ifft", "ifftn", "irfft", "rfft"]

OPPOSITE = {"backward": "forward", "ortho": "ortho", "forward": "backward"}


# --- primitives -------------------------------------------------------------------------------


def _resized(x: Any, length: int, axis: int) -> Any:
    """The first elements along an axis, zeros behind those that are there."""
    shape = list(shape_of(x))
    missing = length - shape[axis]
    if missing < 0:
        return x[along(axis, None, length)]
    if missing == 0:
        return x
    shape[axis] = missing
    return concatenate([x, np.zeros_like(x, shape=tuple(shape))], axis=axis)


def _weights(n: int, axis: int, dtype: Any) -> Any:
    """W of the note, of the real type of this dtype, along the axis."""
    weights = np.full(n // 2 + 1, 2, np.zeros((), dtype).real.dtype)
    weights[0] = 1
    if n % 2 == 0:
        weights[-1] = 1
    return weights.reshape(-1, *(1,) * (-axis - 1))


def _symmetric(name: str, function: Callable[..., Any]) -> Primitive:
    def transpose(ct: Any, x: Any, *, n: int, axis: int, norm: str) -> Any:
        return _resized(bind(primitive, ct, n=n, axis=axis, norm=norm), x.shape[axis], axis)

    primitive = linear(
        name,
        lambda x, *, n, axis, norm: function(x, n, axis, norm),
        transpose,
        batch=same_call,
    )
    return primitive


def _rfft_transpose(ct: Any, x: Any, *, n: int, axis: int, norm: str) -> Any:
    halved = np.conjugate(ct) / _weights(n, axis, ct.dtype)
    signal = bind(irfft_p, halved, n=n, axis=axis, norm=OPPOSITE[norm])
    return _resized(signal, x.shape[axis], axis)


def _irfft_transpose(ct: Any, y: Any, *, n: int, axis: int, norm: str) -> Any:
    half = np.conjugate(bind(rfft_p, ct, n=n, axis=axis, norm=OPPOSITE[norm]))
    return _resized(half * _weights(n, axis, ct.dtype), y.shape[axis], axis)


fft_p = _symmetric("fft", np.fft.fft)
ifft_p = _symmetric("ifft", np.fft.ifft)
rfft_p: Primitive = linear(
    "rfft",
    lambda x, *, n, axis, norm: np.fft.rfft(x, n, axis, norm),
    _rfft_transpose,
    batch=same_call,
)
irfft_p: Primitive = linear(
    "irfft",
    lambda y, *, n, axis, norm: np.fft.irfft(y, n, axis, norm),
    _irfft_transpose,
    batch=same_call,
)


# --- along one axis ---------------------------------------------------------------------------


def _norm(norm: str | None, *, swapped: bool = False) -> str:
    name = "backward" if norm is None else norm
    if name not in OPPOSITE:
        raise ValueError(f'Invalid norm value {norm}; should be "backward","ortho" or "forward".')
    return OPPOSITE[name] if swapped else name


def _line(a: Any, axis: Any) -> tuple[Any, int]:
    a = as_operand(a)
    return a, negative_axis(axis, rank_of(a))


def _real(name: str, a: Any) -> Any:
    a = as_operand(a)
    if is_complex(a):
        raise InputDtypeError(
            f"{name}: a complex operand of shape {shape_of(a)} at {user_line()}. It transforms "
            f"real signals. Use {'fft' if name == 'rfft' else 'ifft'}, or pass its real part."
        )
    return a


def _one(
    primitive: Primitive, a: Any, n: Any, axis: Any, norm: str | None, *, swapped: bool = False
) -> Any:
    a, axis = _line(a, axis)
    if n is None:
        length = shape_of(a)[axis]
        n = 2 * (length - 1) if primitive is irfft_p else length
    return bind(primitive, a, n=n.__index__(), axis=axis, norm=_norm(norm, swapped=swapped))


@implements_traced(np.fft.fft)
def fft(a: Any, n: Any = None, axis: Any = -1, norm: str | None = None, out: Any = None) -> Any:
    """`numpy.fft.fft`: yₖ = Σⱼ xⱼ e^(-2πijk/n)."""
    refuse_out("fft", out)
    return _one(fft_p, a, n, axis, norm)


@implements_traced(np.fft.ifft)
def ifft(a: Any, n: Any = None, axis: Any = -1, norm: str | None = None, out: Any = None) -> Any:
    """`numpy.fft.ifft`: the inverse of `fft`."""
    refuse_out("ifft", out)
    return _one(ifft_p, a, n, axis, norm)


@implements_traced(np.fft.rfft)
def rfft(a: Any, n: Any = None, axis: Any = -1, norm: str | None = None, out: Any = None) -> Any:
    """`numpy.fft.rfft`: the first n // 2 + 1 coefficients of a real signal."""
    refuse_out("rfft", out)
    return _one(rfft_p, _real("rfft", a), n, axis, norm)


@implements_traced(np.fft.irfft)
def irfft(a: Any, n: Any = None, axis: Any = -1, norm: str | None = None, out: Any = None) -> Any:
    """`numpy.fft.irfft`: the real signal of length n that has these coefficients."""
    refuse_out("irfft", out)
    return _one(irfft_p, a, n, axis, norm)


@implements_traced(np.fft.hfft)
def hfft(a: Any, n: Any = None, axis: Any = -1, norm: str | None = None, out: Any = None) -> Any:
    """`numpy.fft.hfft`: the real transform of a signal whose other half is its conjugate."""
    refuse_out("hfft", out)
    return _one(irfft_p, np.conjugate(as_operand(a)), n, axis, norm, swapped=True)


@implements_traced(np.fft.ihfft)
def ihfft(a: Any, n: Any = None, axis: Any = -1, norm: str | None = None, out: Any = None) -> Any:
    """`numpy.fft.ihfft`: the inverse of `hfft`."""
    refuse_out("ihfft", out)
    return np.conjugate(_one(rfft_p, _real("ihfft", a), n, axis, norm, swapped=True))


# --- along several axes -----------------------------------------------------------------------


def _plan(a: Any, s: Any, axes: Any, *, to_real: bool = False) -> list[tuple[Any, int]]:
    """Length and (negative) axis of each transform; an axis may occur twice."""
    rank, shape = rank_of(a), shape_of(a)
    if axes is None:
        axes = range(-(rank if s is None else len(s)), 0)
    places = [negative_axis(axis, rank) for axis in axes]
    if s is None:
        lengths = [shape[axis] for axis in places]
        if to_real:
            lengths[-1] = 2 * (lengths[-1] - 1)
    else:
        lengths = list(s)
    if len(lengths) != len(places):
        raise ValueError("Shape and axes have different lengths.")
    pairs = zip(lengths, places, strict=True)
    return [(shape[axis] if n == -1 else n, axis) for n, axis in pairs]


def _each(primitive: Primitive, a: Any, plan: Sequence[tuple[Any, int]], norm: str | None) -> Any:
    for n, axis in plan:
        a = _one(primitive, a, n, axis, norm)
    return a


@implements_traced(np.fft.fftn)
def fftn(a: Any, s: Any = None, axes: Any = None, norm: str | None = None, out: Any = None) -> Any:
    """`numpy.fft.fftn`: `fft` along each of the axes, the last first."""
    refuse_out("fftn", out)
    a = as_operand(a)
    return _each(fft_p, a, _plan(a, s, axes)[::-1], norm)


@implements_traced(np.fft.ifftn)
def ifftn(a: Any, s: Any = None, axes: Any = None, norm: str | None = None, out: Any = None) -> Any:
    """`numpy.fft.ifftn`: the inverse of `fftn`."""
    refuse_out("ifftn", out)
    a = as_operand(a)
    return _each(ifft_p, a, _plan(a, s, axes)[::-1], norm)


@implements_traced(np.fft.rfftn)
def rfftn(a: Any, s: Any = None, axes: Any = None, norm: str | None = None, out: Any = None) -> Any:
    """`numpy.fft.rfftn`: `rfft` along the last of the axes, then `fft` along the others."""
    refuse_out("rfftn", out)
    a = _real("rfftn", a)
    *others, last = _plan(a, s, axes)
    return _each(fft_p, _one(rfft_p, a, *last, norm), others[::-1], norm)


@implements_traced(np.fft.irfftn)
def irfftn(
    a: Any, s: Any = None, axes: Any = None, norm: str | None = None, out: Any = None
) -> Any:
    """`numpy.fft.irfftn`: the inverse of `rfftn`."""
    refuse_out("irfftn", out)
    a = as_operand(a)
    *others, last = _plan(a, s, axes, to_real=True)
    return _one(irfft_p, _each(ifft_p, a, others, norm), *last, norm)


def _in_plane(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    def of_two(
        a: Any, s: Any = None, axes: Any = (-2, -1), norm: str | None = None, out: Any = None
    ) -> Any:
        refuse_out(name, out)
        return function(a, s, axes, norm)

    of_two.__name__ = name
    of_two.__doc__ = f"`numpy.fft.{name}`: `{function.__name__}` along two axes."
    return of_two


for _plane, _function in {
    np.fft.fft2: fftn, np.fft.ifft2: ifftn, np.fft.rfft2: rfftn, np.fft.irfft2: irfftn
}.items():  # fmt: skip
    implements_traced(_plane)(_in_plane(_function, _plane.__name__))


# --- order of the coefficients ----------------------------------------------------------------


def _shifted(x: Any, axes: Any, shift: Callable[[int], int]) -> Any:
    x = as_operand(x)
    chosen = range(rank_of(x)) if axes is None else axes if np.ndim(axes) else (axes,)
    places = tuple(negative_axis(axis, rank_of(x)) for axis in chosen)
    return roll(x, tuple(shift(shape_of(x)[axis]) for axis in places), places)


@implements_traced(np.fft.fftshift)
def fftshift(x: Any, axes: Any = None) -> Any:
    """`numpy.fft.fftshift`: frequency zero in the middle."""
    return _shifted(x, axes, lambda n: n // 2)


@implements_traced(np.fft.ifftshift)
def ifftshift(x: Any, axes: Any = None) -> Any:
    """`numpy.fft.ifftshift`: frequency zero first."""
    return _shifted(x, axes, lambda n: -(n // 2))
