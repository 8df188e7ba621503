"""The logarithm of the gamma function."""

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

__all__ = ["lgamma"]

HALF_LOG_TWO_PI = 0.9189385332046727

# From here on, seven terms of Stirling's series are exact to 1e-17.
FAR = 11.0

# lgamma(1 + y) / (y (y − 1)) on −1/2 ≤ y ≤ 1/2, to 3.9e-18; on 1/2 ≤ y ≤ 3, to 4.0e-19; and on
# 3 ≤ y ≤ 11, to 4.1e-18: about the intervals and degrees of Cody and Hillstrom. The coefficients
# are minimax approximations of the relative error by the Remez exchange in 60 digits (mpmath
# 1.3.0), rounded to float64. Dividing by the two zeros makes the relative error small at them too.
_WITHOUT_ZEROS = PiecewiseRational(
    (0.5, 3.0),
    (
        (
            0.5772156649015329,
            2.2146488658789063,
            3.438317083185238,
            2.7641584978977147,
            1.220648964678406,
            0.288566823909783,
            0.032573487171543694,
            0.0012971377698289346,
            4.285023300530086e-06,
        ),
        (
            1.0,
            4.26166575853606,
            7.498171723261183,
            7.026547051811148,
            3.7714213760312236,
            1.158946005483339,
            0.19200727247956306,
            0.01477123221684445,
            0.00036087800116533093,
        ),
    ),
    (
        (
            0.5772156648967978,
            1.6035957657117617,
            1.7092011233826045,
            0.8838672752619423,
            0.23186562451817583,
            0.029575723529608054,
            0.0016050179319949463,
            2.6691740665701743e-05,
            2.7649578511441452e-08,
        ),
        (
            1.0,
            3.2030439341359567,
            4.052762093527031,
            2.590186947921254,
            0.890057026573422,
            0.16249332234911062,
            0.014659259252430591,
            0.0005557279342996509,
            5.980093737288736e-06,
        ),
    ),
    (
        (
            0.5772142809017968,
            1.0419625788858555,
            0.6561137744082416,
            0.18041164651200386,
            0.022620378075775473,
            0.0012459939796589403,
            2.6599875416441862e-05,
            1.5941273996691752e-07,
            4.900650910559229e-11,
        ),
        (
            1.0,
            2.230026226581037,
            1.8149537719628408,
            0.6826001737110597,
            0.12567746967783508,
            0.011201349689948584,
            0.0004518165430911697,
            7.0702728773842155e-06,
            2.9270771564597733e-08,
        ),
    ),
)

# Stirling's series (DLMF 5.11.1): Σₖ B₂ₖ / (2k (2k − 1)) y^(2−2k).
_STIRLING = polynomial(*(b / (2 * k * (2 * k - 1)) for k, b in enumerate(BERNOULLI[:7], 1)))


def lgamma(x: npt.ArrayLike) -> RealValues:
    """Logarithm of the absolute value of the gamma function: log |Γ(x)|.

    For x ≥ 1/2, (x − 1)(x − 2) times a rational function in the manner of W. J. Cody and K. E.
    Hillstrom, "Chebyshev approximations for the natural logarithm of the gamma function", Math.
    Comp. 21 (1967) 198-203, or Stirling's series (DLMF 5.11.1); log Γ(x) = log Γ(1 + x) − log x
    below 1/2; Euler's reflection formula (DLMF 5.5.3) for x < 0.

    For x > 0 the relative error is at most 4 ulp, also about the zeros at 1 and 2. For x < 0 the
    error is at most 4 ulp of the reflection formula's larger term; the two cancel near the zeros.

    Args:
        x: real array-like of any shape.

    Returns:
        Values of the shape and floating dtype of `x`; float64 for integers. The poles 0, −1, −2, …
        give inf without a warning, and so do both infinities.

    Raises:
        TypeError: `x` is complex, wider than float64, or holds no numbers.

    Example:
        >>> lgamma(np.array([0.0, 1.0, 0.5, 100.0]))
        array([         inf,   0.        ,   0.57236494, 359.13420537])
    """
    return evaluate("lgamma", _lgamma, x)


def _lgamma(x: FloatArray) -> FloatArray:
    return branch(x, x < 0.0, _reflected, _not_negative)


def _not_negative(x: FloatArray) -> FloatArray:
    near_pole = x < 0.5
    if not near_pole.any():
        return _of_successor(x - 1.0)
    out = _of_successor(np.where(near_pole, x, x - 1.0))
    out -= np.where(near_pole, np.log(x), 0.0)
    return out


def _reflected(x: FloatArray) -> FloatArray:
    """Log |Γ(−y)| = −log |sin(πy)/π| − log Γ(1 + y), the sine taken of the distance to a pole."""
    y = -x
    nearest = np.rint(y)
    distance = np.abs(y - nearest)
    # Below 1e-8 the sine is its argument to 1e-16, and a subnormal one would lose digits in it.
    sine = np.where(distance < 1e-8, distance, np.sin(np.pi * distance) / np.pi)
    out = -np.log(sine)
    out -= _of_successor(y)
    out[y == nearest] = np.inf
    return out


def _of_successor(y: FloatArray) -> FloatArray:
    """Log Γ(1 + y) for y ≥ −1/2: what both sides of the reflection and of 0 can use exactly."""
    return branch(y, y < FAR, _near, _far)


def _near(y: FloatArray) -> FloatArray:
    out = _WITHOUT_ZEROS(y)
    out *= y - 1.0
    out *= y
    return out


def _far(y: FloatArray) -> FloatArray:
    """Stirling's series, the large terms as one product: (y + ½)(log y − 1) + ½ log 2π + ½ + …."""
    inverse = 1.0 / y
    series = _STIRLING(inverse * inverse)
    series *= inverse
    series += HALF_LOG_TWO_PI + 0.5
    out = np.log(y)
    out -= 1.0
    out *= y + 0.5
    out += series
    return out
