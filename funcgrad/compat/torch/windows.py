"""`torch.signal.windows`: weights that taper a signal towards its ends."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from funcgrad.compat.torch.creation import made
from funcgrad.compat.torch.dtypes import dtype
from funcgrad.compat.torch.registry import expose
from funcgrad.compat.torch.state import SETTINGS
from funcgrad.compat.torch.tensor import Tensor

__all__ = ["window"]


def window(
    name: str,
    M: int,
    sym: bool,
    shape: Callable[[Any, int], Any],
    kind: dtype | None,
    options: dict[str, Any],
) -> Tensor:
    """The first M values of a window.

    Args:
        name: of the function, for messages.
        M: number of values.
        sym: whether the window is symmetric; else it is that of a period M.
        shape: from positions 0, ..., M - 1 and the number of intervals to values.
        kind: type of the result.
        options: layout, device and requires_grad.
    """
    kind = kind or SETTINGS.default_dtype
    if M < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={M}")
    if kind.name not in ("float32", "float64"):
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {kind}")
    places = np.arange(M, dtype=np.float64)
    values = np.ones(1) if M == 1 else shape(places, M - 1 if sym else M)
    needs = bool(options.get("requires_grad", False))
    return made(np.asarray(values), kind, needs, options.get("device"))


def _cosines(coefficients: Any) -> Callable[[Any, int], Any]:
    """Σ (-1)ᵏ aₖ cos(2π k n / N)."""

    def shape(n: Any, last: int) -> Any:
        angles = 2 * np.pi * n / last
        terms = [(-1) ** k * a * np.cos(k * angles) for k, a in enumerate(coefficients)]
        return np.sum(terms, axis=0) if len(n) else n

    return shape


def general_cosine(
    M: int, *, a: Any, sym: bool = True, dtype: dtype | None = None, **options: Any
) -> Tensor:
    """Σ (-1)ᵏ aₖ cos(2π k n / N), for the coefficients a."""
    if not isinstance(a, Iterable):
        raise TypeError("Coefficients must be a list/tuple")
    if not a:
        raise ValueError("Coefficients cannot be empty")
    return window("general_cosine", M, sym, _cosines(a), dtype, options)


def general_hamming(
    M: int,
    *,
    alpha: float = 0.54,
    sym: bool = True,
    dtype: dtype | None = None,
    **options: Any,
) -> Tensor:
    """Α - (1 - α) cos(2π n / N)."""
    return window("general_cosine", M, sym, _cosines((alpha, 1 - alpha)), dtype, options)


def _named(name: str, coefficients: tuple[float, ...]) -> Callable[..., Tensor]:
    def function(M: int, *, sym: bool = True, dtype: dtype | None = None, **options: Any) -> Tensor:
        shown = "blackman" if name == "blackman" else "general_cosine"
        return window(shown, M, sym, _cosines(coefficients), dtype, options)

    function.__name__ = name
    function.__doc__ = f"A sum of cosines with the coefficients {coefficients}."
    return function


def bartlett(M: int, *, sym: bool = True, dtype: dtype | None = None, **options: Any) -> Tensor:
    """1 - |2 n / N - 1|."""
    return window("bartlett", M, sym, lambda n, last: 1 - np.abs(2 * n / last - 1), dtype, options)


def cosine(M: int, *, sym: bool = True, dtype: dtype | None = None, **options: Any) -> Tensor:
    """sin(π (n + ½) / (N + 1))."""
    return window(
        "cosine", M, sym, lambda n, last: np.sin(np.pi * (n + 0.5) / (last + 1)), dtype, options
    )


def exponential(
    M: int,
    *,
    center: float | None = None,
    tau: float = 1.0,
    sym: bool = True,
    dtype: dtype | None = None,
    **options: Any,
) -> Tensor:
    """exp(-|n - c| / τ), about the middle or, for a periodic window, another centre."""
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("Center must be None for symmetric windows")

    def shape(n: Any, last: int) -> Any:
        return np.exp(-np.abs(n - (last / 2 if center is None else center)) / tau)

    return window("exponential", M, sym, shape, dtype, options)


def gaussian(
    M: int,
    *,
    std: float = 1.0,
    sym: bool = True,
    dtype: dtype | None = None,
    **options: Any,
) -> Tensor:
    """exp(-(n - N/2)² / 2σ²)."""
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")
    return window(
        "gaussian",
        M,
        sym,
        lambda n, last: np.exp(-(((n - last / 2) / std) ** 2) / 2),
        dtype,
        options,
    )


def kaiser(
    M: int,
    *,
    beta: float = 12.0,
    sym: bool = True,
    dtype: dtype | None = None,
    **options: Any,
) -> Tensor:
    """I₀(β √(1 - (2n/N - 1)²)) / I₀(β)."""
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")

    def shape(n: Any, last: int) -> Any:
        inside = np.maximum(1 - (2 * n / last - 1) ** 2, 0)
        return np.i0(beta * np.sqrt(inside)) / np.i0(beta)

    return window("kaiser", M, sym, shape, dtype, options)


for _function in (
    bartlett, cosine, exponential, gaussian, general_cosine, general_hamming, kaiser,
    _named("hann", (0.5, 0.5)),
    _named("hamming", (0.54, 0.46)),
    _named("blackman", (0.42, 0.5, 0.08)),
    _named("nuttall", (0.3635819, 0.4891775, 0.1365995, 0.0106411)),
):  # fmt: skip
    expose(_function.__name__, _function, method=False, module="signal.windows")
