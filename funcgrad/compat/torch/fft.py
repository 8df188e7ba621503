"""torch.fft: discrete Fourier transforms, their frequencies and shifts."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.creation import made
from funcgrad.compat.torch.dims import check_dim
from funcgrad.compat.torch.entering import enter
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.state import SETTINGS
from funcgrad.compat.torch.tensor import METHODS, Tensor

__all__ = ["fft", "fftn", "ifft", "ifftn", "irfft", "irfftn", "rfft", "rfftn"]

# --- operations -------------------------------------------------------------------------------


def _scaled(y: Any, factor: float) -> Any:
    return y if factor == 1 else y * np.zeros((), y.dtype).real.dtype.type(factor)


def _dft(x: Any, axes: tuple[int, ...], *, inverse: bool) -> Any:
    """Without a factor in front; `inverse` is the direction."""
    if inverse:
        return fnp.fft.ifftn(x, axes=axes, norm="forward")
    return fnp.fft.fftn(x, axes=axes)


def _c2c(x: Any, *, axes: tuple[int, ...], inverse: bool, factor: float) -> Any:
    return _scaled(_dft(x, axes, inverse=inverse), factor)


def _r2c(x: Any, *, axes: tuple[int, ...], half: bool, factor: float) -> Any:
    """Of a real signal; the last of the axes is halved."""
    if not half:
        return _scaled(_dft(x, axes, inverse=False), factor)
    y = fnp.fft.rfft(x, axis=axes[-1])
    return _scaled(_dft(y, axes[:-1], inverse=False) if len(axes) > 1 else y, factor)


def _c2r(y: Any, *, axes: tuple[int, ...], n: int, factor: float) -> Any:
    """To a real signal of length n along the last of the axes."""
    x = _dft(y, axes[:-1], inverse=True) if len(axes) > 1 else y
    return _scaled(fnp.fft.irfft(x, n, axes[-1], "forward"), factor)


c2c_op = Op("FftC2CBackward0", _c2c, linear=True)
r2c_op = Op("FftR2CBackward0", _r2c, linear=True)
c2r_op = Op("FftC2RBackward0", _c2r, linear=True)
conj_op = Op("ConjBackward0", fnp.conjugate, linear=True)
conj_physical_op = Op("ConjPhysicalBackward0", fnp.conjugate, linear=True)
roll_op = Op("RollBackward0", lambda x, *, shifts, axes: fnp.roll(x, shifts, axes), linear=True)
pad_op = Op("ConstantPadNdBackward0", lambda x, *, widths: fnp.pad(x, widths), linear=True)


# --- arguments --------------------------------------------------------------------------------


def _floating(x: Any) -> Any:
    x = x if x.dtype.category >= 2 else METHODS["to"](x, SETTINGS.default_dtype)
    if x.dtype.name in ("float16", "bfloat16"):
        raise RuntimeError(f"Unsupported dtype {x.dtype.legacy}")
    return x


def _complex(x: Any) -> Any:
    x = _floating(x)
    return x if x.dtype.is_complex else METHODS["to"](x, x.dtype.to_complex())


def _resized(x: Any, axis: int, n: int) -> Any:
    """The first n elements along an axis, zeros behind those that are there."""
    return _all_resized(x, (axis,), (n,))


def _all_resized(x: Any, axes: Sequence[int], lengths: Sequence[int]) -> Any:
    """The same along several axes: all are cut first."""
    widths = [(0, 0)] * x.ndim
    for axis, n in zip(axes, lengths, strict=True):
        length = x._value.shape[axis]
        if n < length:
            x = x.narrow(axis, 0, n)
        elif n > length:
            widths[axis] = (0, n - length)
    return pad_op(x, widths=tuple(widths)) if any(w for _, w in widths) else x


def _factor(norm: str | None, count: int, inverse: bool) -> float:
    """What a transform over `count` elements is multiplied by."""
    if norm == "ortho":
        return 1 / math.sqrt(count)
    if norm not in (None, "forward", "backward"):
        raise RuntimeError(f'Invalid normalization mode: "{norm}"')
    return 1 / count if (norm == "forward") != inverse else 1.0


def _length(n: int | None, x: Any, axis: int) -> int:
    length = x._value.shape[axis] if n is None else n
    if length < 1:
        raise RuntimeError(f"Invalid number of data points ({length}) specified")
    return int(length)


def _axis(x: Any, dim: int) -> int:
    if not x.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    return check_dim(dim, x.ndim)


_REFUSALS = {
    "rfftn": "rfftn expects a real-valued input tensor, but got",
    "ihfftn": "Only supports floating-point dtypes, but found:",
}


def _real_only(name: str, x: Any) -> None:
    if x.dtype.is_complex:
        refusal = _REFUSALS.get(name, f"{name} expects a real input tensor, but got")
        raise RuntimeError(f"{refusal} {x.dtype.legacy}")


def _checked(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, after a look at the types of its first two arguments."""

    @functools.wraps(function)
    def checked(input: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(input, Tensor):
            kind = type(input).__name__
            raise TypeError(
                f"fft_{name}(): argument 'input' (position 1) must be Tensor, not {kind}"
            )
        for place, n in (*(("(position 2) ", n) for n in args[:1]), ("", kwargs.get("n"))):
            if isinstance(n, float | bool) and "n" in function.__code__.co_varnames:
                kind = type(n).__name__
                raise TypeError(f"fft_{name}(): argument 'n' {place}must be int, not {kind}")
        return function(input, *args, **kwargs)

    return checked


# --- along one axis ---------------------------------------------------------------------------


def _one(inverse: bool) -> Callable[..., Any]:
    def function(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Any:
        x = _floating(input)
        axis = _axis(x, dim)
        n = _length(n, x, axis)
        x = _resized(x, axis, n)
        axes, factor = (axis - x.ndim,), _factor(norm, n, inverse)
        if x.dtype.is_complex:
            return c2c_op(x, axes=axes, inverse=inverse, factor=factor)
        y = r2c_op(x, axes=axes, half=False, factor=factor)
        return conj_op(y) if inverse else y

    function.__doc__ = "The discrete Fourier transform along an axis" + (
        ", backwards." if inverse else "."
    )
    return function


fft, ifft = _one(inverse=False), _one(inverse=True)


def rfft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Any:
    """The transform of a real signal: its first n // 2 + 1 coefficients."""
    _real_only("rfft", input)
    x = _floating(input)
    axis = _axis(x, dim)
    n = _length(n, x, axis)
    x = _resized(x, axis, n)
    return r2c_op(x, axes=(axis - x.ndim,), half=True, factor=_factor(norm, n, False))


def irfft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Any:
    """The real signal of length n that has these coefficients."""
    y = _complex(input)
    axis = _axis(y, dim)
    n = 2 * (y._value.shape[axis] - 1) if n is None else n
    n = _length(n, y, axis)
    y = _resized(y, axis, n // 2 + 1)
    return c2r_op(y, axes=(axis - y.ndim,), n=n, factor=_factor(norm, n, True))


def hfft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Any:
    """The real transform of a signal of which the first half is given, the rest its conjugate."""
    y = _complex(input)
    axis = _axis(y, dim)
    n = 2 * (y._value.shape[axis] - 1) if n is None else n
    n = _length(n, y, axis)
    y = conj_op(_resized(y, axis, n // 2 + 1))
    return c2r_op(y, axes=(axis - y.ndim,), n=n, factor=_factor(norm, n, False))


def ihfft(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Any:
    """The inverse of `hfft`."""
    _real_only("ihfft", input)
    x = _floating(input)
    axis = _axis(x, dim)
    n = _length(n, x, axis)
    x = _resized(x, axis, n)
    y = r2c_op(x, axes=(axis - x.ndim,), half=True, factor=_factor(norm, n, True))
    return conj_op(y)


# --- along several axes -----------------------------------------------------------------------


def _axes(x: Any, s: Any, dim: Any, name: str = "") -> tuple[list[int], list[int | None]]:
    """Axes, at least one for a function with a name, and the lengths asked for along them."""
    if isinstance(dim, int):
        dim = (dim,)
    if isinstance(s, int):
        s = (s,)
    if dim is None:
        if s is not None and len(s) > x.ndim:
            raise RuntimeError(
                f"Got shape with {len(s)} values but input tensor only has {x.ndim} dimensions."
            )
        dim = list(range(0 if s is None else x.ndim - len(s), x.ndim))
    axes = [check_dim(one, x.ndim) for one in dim]
    if len(set(axes)) < len(axes):
        raise RuntimeError("FFT dims must be unique")
    if name and not axes:
        raise RuntimeError(f"{name} must transform at least one axis")
    lengths: list[int | None] = [None] * len(axes) if s is None else list(s)
    if len(lengths) != len(axes):
        raise RuntimeError("When given, dim and shape arguments must have the same length")
    return axes, [None if n == -1 else n for n in lengths]


def _several(x: Any, axes: Sequence[int], lengths: Sequence[int | None]) -> tuple[Any, int]:
    """The tensor with lengths as asked for, and the number of elements of one transform."""
    found = [_length(n, x, axis) for axis, n in zip(axes, lengths, strict=True)]
    return _all_resized(x, axes, found), math.prod(found)


def _negative(axes: Sequence[int], ndim: int) -> tuple[int, ...]:
    return tuple(axis - ndim for axis in axes)


def _many(inverse: bool) -> Callable[..., Any]:
    def function(input: Any, s: Any = None, dim: Any = None, norm: str | None = None) -> Any:
        x = _complex(input)
        axes, lengths = _axes(x, s, dim)
        x, count = _several(x, axes, lengths)
        factor = _factor(norm, count, inverse)
        return c2c_op(x, axes=_negative(axes, x.ndim), inverse=inverse, factor=factor)

    function.__doc__ = "The transform along several axes" + (", backwards." if inverse else ".")
    return function


fftn, ifftn = _many(inverse=False), _many(inverse=True)


def rfftn(input: Any, s: Any = None, dim: Any = None, norm: str | None = None) -> Any:
    """The transform of a real tensor along several axes, the last of them halved."""
    _real_only("rfftn", input)
    axes, lengths = _axes(input, s, dim, "rfftn")
    x = _floating(input)
    x, count = _several(x, axes, lengths)
    return r2c_op(x, axes=_negative(axes, x.ndim), half=True, factor=_factor(norm, count, False))


def irfftn(input: Any, s: Any = None, dim: Any = None, norm: str | None = None) -> Any:
    """The real tensor with these coefficients, the last axis halved in them."""
    y = _complex(input)
    axes, lengths = _axes(y, s, dim, "irfftn")
    last = lengths[-1]
    n = 2 * (y._value.shape[axes[-1]] - 1) if last is None else last
    if n < 1:
        raise RuntimeError(f"Invalid number of data points ({n}) specified")
    y, count = _several(y, axes, [*lengths[:-1], n // 2 + 1])
    factor = _factor(norm, count // (n // 2 + 1) * n, True)
    return c2r_op(y, axes=_negative(axes, y.ndim), n=n, factor=factor)


def hfftn(input: Any, s: Any = None, dim: Any = None, norm: str | None = None) -> Any:
    """The real transform of a Hermitian tensor of which half is given along the last axis."""
    y = _complex(input)
    axes, lengths = _axes(y, s, dim, "hfftn")
    last = lengths[-1]
    n = 2 * (y._value.shape[axes[-1]] - 1) if last is None else last
    if n < 1:
        raise RuntimeError(f"Invalid number of data points ({n}) specified")
    y, count = _several(y, axes, [*lengths[:-1], n // 2 + 1])
    places = _negative(axes, y.ndim)
    if len(axes) > 1:
        factor = _factor(norm, count // (n // 2 + 1), False)
        y = c2c_op(y, axes=places[:-1], inverse=False, factor=factor)
    return c2r_op(conj_op(y), axes=places[-1:], n=n, factor=_factor(norm, n, False))


def ihfftn(input: Any, s: Any = None, dim: Any = None, norm: str | None = None) -> Any:
    """The inverse of `hfftn`."""
    _real_only("ihfftn", input)
    axes, lengths = _axes(input, s, dim, "ihfftn")
    x = _floating(input)
    x, count = _several(x, axes, lengths)
    places, n = _negative(axes, x.ndim), x._value.shape[axes[-1]]
    y = r2c_op(x, axes=places[-1:], half=True, factor=_factor(norm, n, True))
    if len(axes) == 1:
        return conj_op(y)
    return c2c_op(
        conj_physical_op(y), axes=places[:-1], inverse=True, factor=_factor(norm, count // n, True)
    )


def _plane(function: Callable[..., Any]) -> Callable[..., Any]:
    def of_two(input: Any, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> Any:
        return function(input, s, dim, norm)

    of_two.__doc__ = "The same along two axes."
    return of_two


# --- frequencies and shifts -------------------------------------------------------------------


def _frequencies(name: str, *, half: bool) -> Callable[..., Any]:
    def entered(
        n: int,
        d: float = 1.0,
        *,
        dtype: Any = None,
        layout: Any = None,
        device: Any = None,
        requires_grad: bool = False,
    ) -> Any:
        kind = dtype or SETTINGS.default_dtype
        if kind.category < 2:
            raise RuntimeError(f"{name} requires a floating point or complex dtype")
        if kind.is_complex:
            raise NotImplementedError(f"\"arange_cpu\" not implemented for '{kind.legacy}'")
        if n < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {n}: [{n}]")
        numbers = np.arange(n // 2 + 1 if half else n, dtype=float)
        if not half:
            numbers -= np.where(numbers >= (n + 1) // 2, n, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            values = numbers * np.divide(1.0, n * d)
        return made(values.astype(kind.numpy), kind, requires_grad, device)

    entered.__doc__ = "The frequencies of the coefficients, for samples at a distance d."
    return entered


def _shift(sign: int) -> Callable[..., Any]:
    def entered(input: Any, dim: Any = None) -> Any:
        if dim is None:
            dim = range(input.ndim)
        axes = tuple(
            check_dim(one, input.ndim) for one in ((dim,) if isinstance(dim, int) else dim)
        )
        if not axes and input.ndim:
            raise RuntimeError("`shifts` required")
        lengths = [input._value.shape[axis] for axis in axes]
        shifts = tuple(n // 2 if sign > 0 else (n + 1) // 2 for n in lengths)
        return roll_op(input, shifts=shifts, axes=axes)

    entered.__doc__ = "Coefficients in another order: frequency zero in the middle, or first."
    return entered


for _name, _function in {
    "fft": fft, "ifft": ifft, "rfft": rfft, "irfft": irfft, "hfft": hfft, "ihfft": ihfft,
    "fftn": fftn, "ifftn": ifftn, "rfftn": rfftn, "irfftn": irfftn,
    "hfftn": hfftn, "ihfftn": ihfftn,
    "hfft2": _plane(hfftn), "ihfft2": _plane(ihfftn),
    "fft2": _plane(fftn), "ifft2": _plane(ifftn), "rfft2": _plane(rfftn), "irfft2": _plane(irfftn),
    "fftshift": _shift(1), "ifftshift": _shift(-1),
}.items():  # fmt: skip
    enter(_name, _checked(_name, _function), module="fft", method=False)
for _name in ("fftfreq", "rfftfreq"):
    enter(_name, _frequencies(_name, half=_name == "rfftfreq"), module="fft", method=False)
