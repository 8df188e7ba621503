"""The logarithm of the gamma function."""

import numpy as np
import numpy.typing as npt

from funcgrad.special_values.evaluation import (
    FloatArray,
    Piece,
    PiecewiseRational,
    RealValues,
    branch,
    evaluate,
)

__all__ = ["lgamma"]

# From here on, the rest of Stirling's formula.
FAR = 7.0

# The rest is below 1e-31 here, which keeps the powers of y from overflowing.
FARTHEST = 1e30

# Below FAR: log Γ(1 + y) / (y (y − 1)), which has no zeros, so that the relative error is small at
# those of log Γ too; relative errors 6.0e-18, 6.3e-18, 6.2e-18, 6.1e-18. From FAR on: what is left
# of log Γ(1 + y) without (y + ½)(log y − 1), that is ½ log 2π + ½ + 1/(12y) − …; its variable part
# has the relative error 2.7e-17. The coefficients are minimax approximations of the relative error
# by the Remez exchange in 70 digits (mpmath 1.3.0; from FAR on as a function of 1/y), rounded to
# float64.
_PART = PiecewiseRational(
    Piece(
        begins=-0.5,
        base=0.7631532572329335,
        numerator=(
            -3.471386107060539e-17,
            -0.5829380154074045,
            -2.6275871761777267,
            -4.165389501242983,
            -2.773303620296729,
            -0.7201843876870948,
            -0.05061390372920039,
        ),
        denominator=(
            1.0,
            5.738888476513377,
            12.414114965688052,
            12.570337001620251,
            6.007114955091782,
            1.1976471829719562,
            0.06857145053369416,
        ),
    ),
    Piece(
        begins=0.0,
        base=0.5772156649015329,
        numerator=(
            -8.52778708644639e-18,
            -0.24525136852257864,
            -0.5568170191693678,
            -0.44638141039999146,
            -0.15111069022671725,
            -0.020043242641187592,
            -0.0007243351347826679,
        ),
        denominator=(
            1.0,
            2.904168442866837,
            3.191183651358674,
            1.6512202722073306,
            0.40695038565603414,
            0.04234194056550055,
            0.001285056077694087,
        ),
    ),
    Piece(
        begins=1.0,
        base=0.42278433509846713,
        numerator=(
            2.3783025535434107e-18,
            -0.10031730167435329,
            -0.11471004060345058,
            -0.046336675065184595,
            -0.007901697752141985,
            -0.0005286824077452482,
            -9.69328209934279e-06,
        ),
        denominator=(
            1.0,
            1.4720794794098326,
            0.8221870250564219,
            0.21704351238683775,
            0.02742962589363181,
            0.0014739330520788536,
            2.3321603887360005e-05,
        ),
    ),
    Piece(
        begins=3.0,
        base=0.2986265782046758,
        numerator=(
            2.3958697403386928e-17,
            -0.03950253709859621,
            -0.022610567222500128,
            -0.004576847089803445,
            -0.0003918907516687752,
            -1.3208890105040487e-05,
            -1.227380068088719e-07,
        ),
        denominator=(
            1.0,
            0.744513312530623,
            0.21095700670355572,
            0.02836785310778775,
            0.0018353470185325808,
            5.0777583390115654e-05,
            4.162005538040082e-07,
        ),
    ),
    Piece(
        begins=7.0,
        origin=0.0,
        base=1.4189385332046727,
        numerator=(
            0.0,
            0.02726921847701393,
            0.06610803412031098,
            0.17269170984980706,
            0.08245798489477782,
            0.08333333333333333,
        ),
        denominator=(
            0.0,
            0.018120024238451413,
            0.3878945654401478,
            0.8262796042841842,
            2.105633851521553,
            0.989495818737373,
            1.0,
        ),
    ),
)


def lgamma(x: npt.ArrayLike) -> RealValues:
    """Logarithm of the absolute value of the gamma function: log |Γ(x)|.

    For x ≥ ½, (x − 1)(x − 2) times a piecewise rational function in the manner of W. J. Cody and
    K. E. Hillstrom, "Chebyshev approximations for the natural logarithm of the gamma function",
    Math. Comp. 21 (1967) 198-203, or Stirling's formula (DLMF 5.11.1) with a rational rest;
    log Γ(x) = log Γ(1 + x) − log x below ½; Euler's reflection formula (DLMF 5.5.3) for x < 0.

    For x > 0 the relative error is at most 4 ulp, also about the zeros at 1 and 2. For x < 0 the
    error is at most 4 ulp of the largest of the value and the reflection formula's two terms, which
    cancel near the zeros.

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
    near_pole = (x < 0.5).nonzero()[0]
    y = x - 1.0
    y[near_pole] = x[near_pole]
    out = _of_successor(y)
    out[near_pole] -= np.log(x[near_pole])
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
    """Log Γ(1 + y) for y ≥ −½: what both sides of the reflection and of 0 can use exactly."""
    part = _PART(np.minimum(y, FARTHEST))
    out = y - 1.0
    out *= part
    out *= y
    out += 0.0  # log Γ(1) is 0, not −0
    far = (y >= FAR).nonzero()[0]
    if far.size:
        out[far] = _far(y[far], part[far])
    return out


def _far(y: FloatArray, rest: FloatArray) -> FloatArray:
    """Stirling's formula, its two large terms as one product, in which nothing cancels."""
    out = np.log(y)
    out -= 1.0
    out *= y + 0.5
    out += rest
    return out
