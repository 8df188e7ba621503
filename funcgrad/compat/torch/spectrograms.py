"""The short-time Fourier transform and its inverse: spectra of windows along a signal."""

import warnings
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.arguments import outside
from funcgrad.compat.torch.complexes import view_as_complex, view_as_real
from funcgrad.compat.torch.constructors import ones
from funcgrad.compat.torch.dtypes import dtype
from funcgrad.compat.torch.fft import c2c_op, c2r_op, r2c_op
from funcgrad.compat.torch.memory import as_strided
from funcgrad.compat.torch.nn.padding import pad
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.registry import expose
from funcgrad.compat.torch.shapes import slice_of
from funcgrad.compat.torch.tensor import Tensor
from funcgrad.compat.torch.views import strides_of

__all__ = ["istft", "stft"]

NO_WINDOW = (
    "A window was not provided. A rectangular window will be applied,which is known to cause "
    "spectral leakage. Other windows such as torch.hann_window or torch.hamming_window are "
    "recommended to reduce spectral leakage.To suppress this warning and use a rectangular window, "
    "explicitly set `window=torch.ones(n_fft, device=<device>)`."
)
NO_WINDOW_BACK = (
    "A window was not provided. A rectangular window will be applied.Please provide the same "
    "window used by stft to make the inversion lossless.To suppress this warning and use a "
    "rectangular window, explicitly set `window=torch.ones(n_fft, device=<device>)`."
)
REAL = (
    "stft with return_complex=False is deprecated. In a future pytorch release, stft will return "
    "complex tensors for all inputs, and return_complex=False will raise an error.\n"
    "Note: you can still call torch.view_as_real on the complex output to recover the old return "
    "format."
)
GIVEN = (
    "stft requires the return_complex parameter be given for real inputs, and will further require "
    "that return_complex=True in a future PyTorch release."
)
ONESIDED = "Cannot have onesided output if window or input is complex"


def _word(value: Any) -> str:
    return "None" if value is None else str(int(value) if isinstance(value, bool) else value)


def _described(window: Any) -> str:
    if window is None:
        return "None"
    return f"torch.{window.dtype.legacy}Tensor{{{list(window.shape)}}}"


def _full(window: Any, n_fft: int, win_length: int, kind: dtype) -> Any:
    """The window with zeros on both sides, n_fft long; `None` for one that is 1 everywhere."""
    if win_length == n_fft:
        return window
    if window is None:
        window = ones(win_length, dtype=kind)
    left = (n_fft - win_length) // 2
    return pad(window, (left, n_fft - win_length - left))


def _complex(*tensors: Any) -> bool:
    return any(x is not None and x.dtype.category > 2 for x in tensors)


def _padded(x: Tensor, amount: int, mode: str) -> Tensor:
    shape = tuple(x.shape)
    extended: Any = x
    extended = extended.view((1,) * (3 - len(shape)) + shape)
    extended = pad(extended, (amount, amount), mode)
    return extended.view(tuple(extended.shape)[3 - len(shape) :])  # type: ignore[no-any-return]  # a tensor


def _misfit(x: Any, n_fft: int, hop: int, long: int, window: Any) -> str:
    """Why a signal cannot be cut into such windows; "" if it can."""
    if x.dtype.category < 2:
        return "expected a tensor of floating point or complex values"
    if not 1 <= x.dim() <= 2:
        return "expected a 1D or 2D tensor"
    if not 0 < n_fft <= x.shape[-1]:
        return f"expected 0 < n_fft < {x.shape[-1]}, but got n_fft={n_fft}"
    if hop <= 0:
        return f"expected hop_length > 0, but got hop_length={hop}"
    if not 0 < long <= n_fft:
        return f"expected 0 < win_length <= n_fft, but got win_length={long}"
    if window is not None and tuple(window.shape) != (long,):
        return (
            f"expected a 1D window tensor of size equal to win_length={long}, but got window with "
            f"size {list(window.shape)}"
        )
    return ""


def _in_complex(x: Any, window: Any, return_complex: bool | None) -> bool:
    """Whether the spectrum is given as complex numbers."""
    if _complex(x, window):
        return return_complex is None or return_complex
    if return_complex is None:
        raise RuntimeError(GIVEN)
    if not return_complex:
        warnings.warn(REAL, UserWarning, stacklevel=outside())
    return return_complex


@expose("stft")
def stft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Any = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Any:
    """Σₖ window[k] x[m hop + k] exp(-2πi f k / n_fft), for each frequency f and window m."""
    if center and align_to_window is not None:
        raise RuntimeError("stft align_to_window should only be set when center = false")
    x: Any = _padded(input, n_fft // 2, pad_mode) if center else input
    hop = n_fft // 4 if hop_length is None else hop_length
    long = n_fft if win_length is None else win_length
    if window is None:
        warnings.warn(NO_WINDOW, UserWarning, stacklevel=outside())
    return_complex = _in_complex(x, window, return_complex)
    flat = x.dim() == 1
    why = _misfit(x, n_fft, hop, long, window)
    if why:
        raise RuntimeError(
            f"stft(torch.{x.dtype.legacy}Tensor{list(x.shape)}, n_fft={n_fft}, hop_length={hop}, "
            f"win_length={long}, window={_described(window)}, normalized={int(normalized)}, "
            f"onesided={_word(onesided)}, return_complex={int(return_complex)}, "
            f"align_to_window={_word(align_to_window)}) : {why}"
        )
    if onesided and _complex(x, window):
        raise RuntimeError(ONESIDED)
    half = not _complex(x, window) if onesided is None else onesided
    frames = _frames(x[None] if flat else x, n_fft, hop, long, center, align_to_window)
    taper = _full(window, n_fft, long, x.dtype)
    if taper is not None:
        frames = frames * taper
    factor = n_fft**-0.5 if normalized else 1.0
    if _complex(frames):
        found = c2c_op(frames, axes=(-1,), inverse=False, factor=factor)
    else:
        found = r2c_op(frames, axes=(-1,), half=half, factor=factor)
    found = found.transpose_(1, 2)
    found = found.squeeze_(0) if flat else found
    return found if return_complex else view_as_real(found)


def _frames(
    x: Any, n_fft: int, hop: int, long: int, center: bool, align_to_window: bool | None
) -> Any:
    """Windows of a signal as rows; aligned to the window, it is padded by what the window lacks."""
    if not center and align_to_window:
        left = (n_fft - long) // 2
        x = pad(x, (left, left))
    count = 1 + (x.shape[1] - n_fft) // hop
    steps = strides_of(x)
    return as_strided(x, (x.shape[0], count, n_fft), (steps[0], hop * steps[1], steps[1]))


def _overlap_added(frames: Any, *, length: int, step: int) -> Any:
    """Rows added up where they stood in a signal of some length."""
    rows, size = frames.shape[-2:]
    places = np.arange(rows)[:, None] * step + np.arange(size)
    lead = frames.shape[:-2]
    flat = fnp.reshape(frames, (*lead, rows * size))
    zeros = np.zeros((*lead, length), frames.dtype)
    return fnp.at(zeros)[..., places.reshape(-1)].add(flat)


overlap_op = Op("UnfoldBackwardBackward0", _overlap_added, linear=True)


@expose("istft")
def istft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Any = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
) -> Any:
    """The signal whose windows have these spectra, in the sense of least squares."""
    if window is None:
        warnings.warn(NO_WINDOW_BACK, UserWarning, stacklevel=outside())
    if not _complex(input):
        raise RuntimeError(
            "istft requires a complex-valued input tensor matching the output from stft with "
            "return_complex=True."
        )
    hop = n_fft // 4 if hop_length is None else hop_length
    long = n_fft if win_length is None else win_length
    named = (
        f"istft(CPU{input.dtype.legacy}Type{list(input.shape)}, n_fft={n_fft}, hop_length={hop}, "
        f"win_length={long}, window={_described(window)}, center={int(center)}, "
        f"normalized={int(normalized)}, onesided={_word(onesided)}, length={_word(length)}, "
        f"return_complex={int(return_complex)})"
    )
    half = _checked(named, input, n_fft, hop, long, window, onesided, return_complex)
    flat = input.dim() == 2
    x: Any = view_as_real(input)
    x = view_as_complex((x[None] if flat else x).transpose(1, 2))
    factor = n_fft**0.5 / n_fft if normalized else 1 / n_fft
    if return_complex:
        frames = c2c_op(x, axes=(-1,), inverse=True, factor=factor)
    else:
        x = x if half else x[..., : n_fft // 2 + 1]
        frames = c2r_op(x, axes=(-1,), n=n_fft, factor=factor)
    rows = frames.shape[1]
    whole = n_fft + hop * (rows - 1)
    weights = _full(window, n_fft, long, frames.dtype)
    if weights is None:
        weights = ones(n_fft, dtype=frames.dtype)
    energy: Any = overlap_op(weights.pow(2).expand(1, rows, n_fft), length=whole, step=hop)
    weighted = frames * weights.view(1, 1, n_fft)
    signal: Any = overlap_op(weighted, length=whole, step=hop)
    start = n_fft // 2 if center else 0
    end = whole - n_fft // 2 if center else whole
    if length is not None:
        end = start + length
    signal, energy = (slice_of(one, 1, start, end) for one in (signal, energy))
    if energy.numel() and bool((energy.detach().abs() < 1e-11).any()):
        raise RuntimeError(f"{named} window overlap add min: 1\n[ CPUBoolType{{}} ]")
    signal = signal / energy
    signal = signal.squeeze(0) if flat else signal
    if end > whole:
        warnings.warn(
            "The length of signal is shorter than the length parameter. Result is being padded "
            "with zeros in the tail. Please check your center and hop_length settings.",
            UserWarning,
            stacklevel=outside(),
        )
        signal = pad(signal, (0, end - whole))
    return signal


def _checked(
    named: str,
    x: Tensor,
    n_fft: int,
    hop: int,
    long: int,
    window: Any,
    onesided: bool | None,
    return_complex: bool,
) -> bool:
    """Whether the spectra are halves; refuses what does not fit."""
    if not x.numel():
        raise RuntimeError(f"{named} : input tensor cannot be empty.")
    if x.dim() not in (2, 3):
        raise RuntimeError(
            f"{named} : expected a tensor with 3 or 4 dimensions, but got {x.dim() + 1}"
        )
    found = x.shape[-2]
    half = found != n_fft if onesided is None else onesided
    if half and found != n_fft // 2 + 1:
        raise RuntimeError(
            f"{named} : expected the frequency dimension (3rd to the last) of the input tensor to "
            f"match n_fft / 2 + 1 when onesided=True, but got {found}"
        )
    if not half and found != n_fft:
        raise RuntimeError(
            f"{named} : expected the frequency dimension (3rd to the last) of the input tensor to "
            f"match n_fft when onesided=False, but got {found}"
        )
    if not 0 < hop <= long:
        raise RuntimeError(f"{named} : expected 0 < hop_length <= win_length")
    if not 0 < long <= n_fft:
        raise RuntimeError(f"{named} : expected 0 < win_length <= n_fft")
    if window is not None and tuple(window.shape) != (long,):
        raise RuntimeError(
            f"{named} : Invalid window shape. window has to be 1D and length of `win_length`"
        )
    if return_complex and half:
        raise RuntimeError(ONESIDED)
    if not return_complex and _complex(window):
        raise RuntimeError("Complex windows are incompatible with return_complex=False")
    return half
