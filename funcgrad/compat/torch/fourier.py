"""Discrete Fourier transforms on plain and traced arrays, without a factor in front.

F: yₖ = Σₙ xₙ e^(-2πikn/N) over several axes is symmetric, so it is its own transpose. A real
signal of length N has N // 2 + 1 coefficients of its own; with W = 1 for those that are real, and 2
for the others, which stand for their conjugates too, the transposes of the transforms from and to a
real signal are

    R: x ↦ y          Rᵀ ct = C(conj(ct) / W),
    C: y ↦ x          Cᵀ ct = W conj(R ct).

The primitives are known to this layer only.
"""

from typing import Any

import numpy as np

from funcgrad.compat.torch.decompositions import private
from funcgrad.core.primitive import Primitive
from funcgrad.core.tracer import bind
from funcgrad.families.batching import same_call
from funcgrad.families.linear import linear

__all__ = ["dft", "from_half", "to_half"]


def _dft_value(x: Any, *, axes: tuple[int, ...], inverse: bool) -> Any:
    if inverse:
        return np.fft.ifftn(x, axes=axes, norm="forward")
    return np.fft.fftn(x, axes=axes, norm="backward")


def _weights(n: int, dtype: Any) -> Any:
    """W of the note, of the real type of this dtype."""
    weights = np.full(n // 2 + 1, 2, np.zeros((), dtype).real.dtype)
    weights[0] = 1
    if n % 2 == 0:
        weights[-1] = 1
    return weights


def _along(weights: Any, axis: int) -> Any:
    return weights.reshape(-1, *(1,) * (-axis - 1))


def _to_half_transpose(ct: Any, x: Any, *, axis: int) -> Any:
    n = x.shape[axis]
    scaled = np.conjugate(ct) / _along(_weights(n, ct.dtype), axis)
    return bind(from_half_p, scaled, n=n, axis=axis)


def _from_half_transpose(ct: Any, _x: Any, *, n: int, axis: int) -> Any:
    return np.conjugate(bind(to_half_p, ct, axis=axis)) * _along(_weights(n, ct.dtype), axis)


dft_p: Primitive = private(
    linear(
        "dft",
        _dft_value,
        lambda ct, _x, *, axes, inverse: bind(dft_p, ct, axes=axes, inverse=inverse),
        batch=same_call,
    )
)
to_half_p: Primitive = private(
    linear(
        "real_dft",
        lambda x, *, axis: np.fft.rfft(x, axis=axis),
        _to_half_transpose,
        batch=same_call,
    )
)
from_half_p: Primitive = private(
    linear(
        "inverse_real_dft",
        lambda y, *, n, axis: np.fft.irfft(y, n, axis=axis, norm="forward"),
        _from_half_transpose,
        batch=same_call,
    )
)


def dft(x: Any, axes: tuple[int, ...], *, inverse: bool) -> Any:
    """F, or with conjugate coefficients, over (negative) axes."""
    return bind(dft_p, x, axes=axes, inverse=inverse)


def to_half(x: Any, axis: int) -> Any:
    """R, along a (negative) axis of a real array."""
    return bind(to_half_p, x, axis=axis)


def from_half(y: Any, n: int, axis: int) -> Any:
    """C, along a (negative) axis, to a real signal of length n."""
    return bind(from_half_p, y, n=n, axis=axis)
