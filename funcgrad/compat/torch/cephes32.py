"""Normal numbers in float32, 16 at a time, with the arithmetic of PyTorch's AVX2 kernel.

log, sin and cos follow the single-precision functions of the Cephes mathematical library by
S. L. Moshier, whose constants these are, with a · b + c rounded once where the kernel does so. A
float64 holds the product of two float32 exactly; its sum with a third, rounded to float32, is
rounded twice, but for no argument that can occur here do the two roundings differ (tested).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BLOCK", "normal_blocks"]

BLOCK = 16
"""Eight radii and eight angles make sixteen normal numbers."""

_Array = NDArray[Any]

_CHUNK = 1024  # blocks that are worked on at once: their numbers stay in the cache

# fmt: off
_LOG = np.array([
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
    -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
], np.float32)
# fmt: on
_LOG2_LOW, _LOG2_HIGH = np.float32(-2.12194440e-4), np.float32(0.693359375)
_SQRT_HALF = np.float32(0.707106781186547524)
_SIN = np.array([-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1], np.float32)
_COS = np.array([2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2], np.float32)
_FOUR_BY_PI = np.float32(1.27323954473516)
_QUARTER_PI = np.array(
    [-0.78515625, -2.4187564849853515625e-4, -3.77489497744594108e-8], np.float32
)
_TWO_PI = np.float32(2 * np.pi)
# Signs by quadrant, of which the last is the first again.
_SIN_SIGN = np.array([1, 1, -1, -1, 1], np.float32)
_COS_SIGN = np.array([1, -1, -1, 1, 1], np.float32)


def normal_blocks(u: NDArray[np.float32]) -> NDArray[np.float32]:
    """√(−2 log(1 − u₁)) · (cos, sin)(2π u₂) for each pair: G. E. P. Box and M. E. Muller, 1958.

    Args:
        u: uniform numbers of shape (n, 16), multiples of 2⁻²⁴ in [0, 1). In each row the first
            eight are the u₁, the last eight the u₂.

    Returns:
        Normal numbers of shape (n, 16): in each row eight with the cosine, then with the sine.
    """
    out = np.empty_like(u)
    for start in range(0, len(u), _CHUNK):
        part, done = u[start : start + _CHUNK], out[start : start + _CHUNK]
        radius = np.sqrt(np.float32(-2) * log(np.float32(1) - part[:, :8]))
        sine, cosine = sin_cos(part[:, 8:] * _TWO_PI)
        np.multiply(radius, cosine, out=done[:, :8])
        np.multiply(radius, sine, out=done[:, 8:])
    out += np.float32(0)  # the kernel adds the mean, 0, and so has no −0
    return out


def log(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """log x for normal x > 0: log m + e log 2 with √½ ≤ m < √2."""
    bits = x.view(np.int32)
    exponent = (bits >> 23) - 126
    mantissa = ((bits & 0x7FFFFF) | 0x3F000000).view(np.float32)
    small = mantissa < _SQRT_HALF
    exponent -= small
    rest = mantissa - np.float32(1)
    rest += mantissa * small
    e = exponent.astype(np.float32)
    wide = rest.astype(np.float64)
    square = rest * rest
    y = _horner(_LOG, wide)
    y *= rest
    y = _fma(y, square.astype(np.float64), e * _LOG2_LOW)
    y -= np.float32(0.5) * square
    y += rest
    return _fma(e, np.float64(_LOG2_HIGH), y)


def sin_cos(t: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(sin t, cos t) for 0 ≤ t ≤ 2π."""
    octant = (t * _FOUR_BY_PI).astype(np.int32)
    octant += 1
    octant >>= 1
    turns = (octant * 2).astype(np.float64)
    x: NDArray[np.float32] = t
    for part in _QUARTER_PI:
        x = _fma(turns, part, x)
    square = x * x
    wide = square.astype(np.float64)
    cosine = _horner(_COS, wide)
    cosine *= square
    cosine = _fma(cosine, wide, np.float32(-0.5) * square)
    cosine += np.float32(1)
    sine = _horner(_SIN, wide)
    sine *= square
    sine = _fma(sine, x.astype(np.float64), x)
    odd = (octant & 1).view(np.uint32).astype(np.bool_)
    return (
        np.where(odd, cosine, sine) * _SIN_SIGN[octant],
        np.where(odd, sine, cosine) * _COS_SIGN[octant],
    )


def _fma(a: _Array, b: Any, c: Any) -> NDArray[np.float32]:
    """a · b + c in float32, with a float64 operand that makes the product exact."""
    product = np.multiply(a, b, dtype=np.float64)
    out = np.empty(product.shape, np.float32)
    np.add(product, c, out=out, casting="same_kind")
    return out


def _horner(coefficients: NDArray[np.float32], x: NDArray[np.float64]) -> NDArray[np.float32]:
    """A polynomial from its highest coefficient down, each step rounded once."""
    first, *others = coefficients
    y = np.full(x.shape, first)
    product = np.empty_like(x)
    for coefficient in others:
        np.multiply(y, x, out=product)
        np.add(product, coefficient, out=y, casting="same_kind", dtype=np.float64)
    return y
