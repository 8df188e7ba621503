"""The logarithmic derivative of the gamma function."""

import numpy as np
import numpy.typing as npt

from funcgrad.special_values.evaluation import (
    BERNOULLI,
    FloatArray,
    PiecewiseRational,
    RealValues,
    branch,
    evaluate,
    polynomial,
)

__all__ = ["digamma"]

# The positive zero of digamma is 1 + ZERO + ZERO_REST.
ZERO = 0.46163214496836236
ZERO_REST = -1.5522348162858677e-17

# From here on, seven terms of the asymptotic series are exact to 1e-17.
FAR = 11.0

# ψ(1 + y) / (y − ZERO) on 0 ≤ y ≤ 3, to 9.6e-20, and on 3 ≤ y ≤ 11, to 9.5e-19. The coefficients
# are minimax approximations of the relative error by the Remez exchange in 60 digits (mpmath
# 1.3.0), rounded to float64. Dividing by the zero makes the relative error small at it too.
_WITHOUT_ZERO = PiecewiseRational(
    (3.0,),
    (
        (
            1.2503801375034054,
            2.1350035194250303,
            1.3724956245607915,
            0.42758767493194716,
            0.06856679098671349,
            0.005496586877455192,
            0.00019453544844483928,
            2.1917144654830184e-06,
            1.402613434700157e-09,
        ),
        (
            1.0,
            2.3910303677697975,
            2.13025227505565,
            0.9306500781833718,
            0.21686606427381228,
            0.027105081389092216,
            0.0017139346932061438,
            4.713007993540955e-05,
            3.8347125324643785e-07,
        ),
    ),
    (
        (
            1.2503798742737326,
            1.8304690130920822,
            0.938462429934341,
            0.2140274193160855,
            0.0227919590468144,
            0.001091110622297765,
            2.0627148216911828e-05,
            1.105720376289119e-07,
            2.7507672254822065e-11,
        ),
        (
            1.0,
            2.1474757173763686,
            1.6166533015020776,
            0.5553482929917599,
            0.09362770176856951,
            0.007714671688665146,
            0.00029107520961444035,
            4.309480374305904e-06,
            1.7049636649291604e-08,
        ),
    ),
)

# The asymptotic series (DLMF 5.11.2): Σₖ B₂ₖ / (2k) y^(2−2k).
_SERIES = polynomial(*(b / (2 * k) for k, b in enumerate(BERNOULLI[:7], 1)))


def digamma(x: npt.ArrayLike) -> RealValues:
    """Digamma function: ψ(x) = d/dx log Γ(x) = Γ′(x)/Γ(x).

    For x ≥ 1, x minus the positive zero x₀ times a rational function, after W. J. Cody, A. J.
    Strecok and H. C. Thacher, "Chebyshev approximations for the psi function", Math. Comp. 27
    (1973) 123-127, or the asymptotic series (DLMF 5.11.2); the recurrence ψ(x) = ψ(1 + x) − 1/x
    below 1, as in J. M. Bernardo, "Algorithm AS 103", Applied Statistics 25 (1976) 315-317; the
    reflection formula (DLMF 5.5.4) for x < 0.

    For x > 0 the relative error is at most 4 ulp, also about x₀ = 1.4616…. For x < 0 the error is
    at most 4 ulp of the reflection formula's larger term; the two cancel near the zeros.

    Args:
        x: real array-like of any shape.

    Returns:
        Values of the shape and floating dtype of `x`; float64 for integers. The pole 0.0 gives
        −inf and −0.0 gives inf, as the limits do; −1, −2, … and −inf give nan. None of them warns.

    Raises:
        TypeError: `x` is complex, wider than float64, or holds no numbers.

    Example:
        >>> digamma(np.array([0.0, 1.0, 10.0]))
        array([       -inf, -0.57721566,  2.25175259])
    """
    return evaluate("digamma", _digamma, x)


def _digamma(x: FloatArray) -> FloatArray:
    return branch(x, x < 0.0, _reflected, _not_negative)


def _not_negative(x: FloatArray) -> FloatArray:
    near_pole = x < 1.0
    if not near_pole.any():
        return _of_successor(x - 1.0)
    out = _of_successor(np.where(near_pole, x, x - 1.0))
    out -= np.where(near_pole, 1.0 / x, 0.0)
    return out


def _reflected(x: FloatArray) -> FloatArray:
    """ψ(−y) = ψ(1 + y) + π cot(πy), the cotangent taken of the distance to a pole or a zero."""
    y = -x
    nearest = np.rint(y)
    offset = y - nearest
    distance = np.abs(offset)
    near_pole = distance <= 0.25
    tangent = np.tan(np.pi * np.where(near_pole, distance, 0.5 - distance))
    cotangent = np.pi * np.where(near_pole, 1.0 / tangent, tangent)
    out = _of_successor(y)
    out += np.copysign(cotangent, offset, out=cotangent)
    out[y == nearest] = np.nan
    return out


def _of_successor(y: FloatArray) -> FloatArray:
    """ψ(1 + y) for y ≥ 0: what both sides of the reflection and of the recurrence use exactly."""
    return branch(y, y < FAR, _near, _far)


def _near(y: FloatArray) -> FloatArray:
    out = _WITHOUT_ZERO(y)
    above_zero = y - ZERO
    above_zero -= ZERO_REST
    out *= above_zero
    return out


def _far(y: FloatArray) -> FloatArray:
    """The asymptotic series: ψ(1 + y) = log y + 1/(2y) − (1/y²) Σₖ B₂ₖ / (2k) y^(2−2k)."""
    inverse = 1.0 / y
    square = inverse * inverse
    series = _SERIES(square)
    series *= square
    inverse *= 0.5
    inverse -= series
    inverse += np.log(y)
    return inverse
