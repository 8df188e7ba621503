"""Windows of the short-time Fourier transform: `torch.hann_window` and its like."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from funcgrad.compat.torch.creation import made
from funcgrad.compat.torch.dtypes import as_dtype
from funcgrad.compat.torch.registry import expose
from funcgrad.compat.torch.state import SETTINGS
from funcgrad.compat.torch.tensor import Tensor

__all__ = ["bartlett_window", "blackman_window", "hamming_window", "hann_window", "kaiser_window"]


def _window(
    name: str,
    length: int,
    periodic: bool,
    form: Callable[[Any, int], Any],
    options: dict[str, Any],
) -> Tensor:
    """The values of `form(k, length - 1)` at k = 0, 1, ...; a periodic one leaves out the last."""
    kind = as_dtype(options.pop("dtype", None), name) or SETTINGS.default_dtype
    requires_grad, device = options.pop("requires_grad", False), options.pop("device", None)
    for key in options:
        if key not in ("layout", "pin_memory", "out"):
            raise TypeError(f"{name}() got an unexpected keyword argument '{key}'")
    if isinstance(length, bool) or not hasattr(length, "__index__"):
        raise TypeError(
            f"{name}(): argument 'window_length' (position 1) must be int, not "
            f"{type(length).__name__}"
        )
    if kind.category < 2:
        raise RuntimeError(f"{name} expects floating point dtypes, got: {kind!r}")
    if kind.category > 2:
        raise NotImplementedError(f"\"arange_cpu\" not implemented for '{kind.legacy}'")
    if length < 0:
        raise RuntimeError(
            f"{name} requires non-negative window_length, got window_length={length}"
        )
    wide = kind.numpy if kind.itemsize > 2 else np.float32
    if length < 2:
        values = np.ones(length, wide)
    else:
        count = length + 1 if periodic else length
        values = np.asarray(form(np.arange(count, dtype=wide), count - 1), wide)[:length].copy()
    return made(values, kind, requires_grad, device)


def _cosine(k: Any, last: int, alpha: float, beta: float) -> Any:
    """alpha - beta cos(2π k / last)."""
    return np.cos(k * (2 * math.pi / last)) * -beta + alpha


@expose("hann_window", method=False)
def hann_window(window_length: int, periodic: bool = True, **options: Any) -> Tensor:
    """½ - ½ cos(2π k / n)."""
    return _window("hann_window", window_length, periodic,
                   lambda k, last: _cosine(k, last, 0.5, 0.5), options)  # fmt: skip


@expose("hamming_window", method=False)
def hamming_window(
    window_length: int,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    **options: Any,
) -> Tensor:
    """alpha - beta cos(2π k / n)."""
    return _window("hamming_window", window_length, periodic,
                   lambda k, last: _cosine(k, last, alpha, beta), options)  # fmt: skip


@expose("blackman_window", method=False)
def blackman_window(window_length: int, periodic: bool = True, **options: Any) -> Tensor:
    """0.42 - ½ cos(2π k / n) + 0.08 cos(4π k / n)."""

    def form(k: Any, last: int) -> Any:
        angle = k * (math.pi / last)
        return np.cos(angle * 4) * 0.08 - np.cos(angle * 2) * 0.5 + 0.42

    return _window("blackman_window", window_length, periodic, form, options)


@expose("bartlett_window", method=False)
def bartlett_window(window_length: int, periodic: bool = True, **options: Any) -> Tensor:
    """1 - |2 k / n - 1|."""

    def form(k: Any, last: int) -> Any:
        rising = k * (2 / last)
        return np.where(np.arange(len(k)) <= last >> 1, rising, 2 - rising)

    return _window("bartlett_window", window_length, periodic, form, options)


@expose("kaiser_window", method=False)
def kaiser_window(
    window_length: int, periodic: bool = True, beta: float = 12.0, **options: Any
) -> Tensor:
    """I₀(beta √(1 - (2 k / n - 1)²)) / I₀(beta)."""
    return _window("kaiser_window", window_length, periodic,
                   lambda k, last: _kaiser(k, last, beta), options)  # fmt: skip


def _kaiser(k: Any, last: float, beta: float) -> Any:
    inner = 1 - (k.astype(np.float64) * (2 / last) - 1) ** 2
    return np.i0(beta * np.sqrt(np.maximum(inner, 0))) / np.i0(beta)
