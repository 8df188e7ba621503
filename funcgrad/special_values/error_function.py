"""The error function and its complement."""

import numpy as np
import numpy.typing as npt

from funcgrad.special_values.evaluation import (
    FloatArray,
    PiecewiseRational,
    RealValues,
    branch,
    evaluate,
    polynomial,
)

__all__ = ["erf", "erfc"]

# The branches are W. J. Cody's: erf below NEAR, where erf is below 1/2 and 1 − erf loses nothing,
# and a rational function times exp(−x²) beyond. The coefficients are not his: they are minimax
# approximations of the relative error by the Remez exchange in 60 digits (mpmath 1.3.0), rounded
# to float64.
NEAR = 0.46875

# erfc(27.23) is half of the least subnormal number: beyond FAR, erfc is 0.
FAR = 28.0

# erf(√z)/√z on 0 ≤ z ≤ NEAR², to 1.2e-18.
_ERF_NEAR = polynomial(
    1.1283791670955126,
    -0.3761263890318365,
    0.11283791670942721,
    -0.02686617063934874,
    0.005223977490234595,
    -0.0008548309237030463,
    0.0001205395553991137,
    -1.4863238430656283e-05,
    1.4923263331914491e-06,
)

# exp(x²) erfc(x) on NEAR ≤ x ≤ FAR, to 4.1e-18 (fitted as a function of 1/(x + 2)).
_ERFCX = PiecewiseRational(
    (),
    (
        (
            0.9999999999763476,
            2.268268582297362,
            2.5390683980315227,
            1.8069922830491576,
            0.8935803229402197,
            0.3175417606816748,
            0.08120383277621389,
            0.014491622240571773,
            0.0016563703608088976,
            9.462028585819951e-05,
        ),
        (
            1.0,
            3.3966477490101665,
            5.371774958881833,
            5.2239962521979715,
            3.471591655935277,
            1.6543269632882172,
            0.5755871284487856,
            0.14539796608667646,
            0.025769586692066696,
            0.0029358400245293142,
            0.00016771009004322324,
        ),
    ),
)


def erf(x: npt.ArrayLike) -> RealValues:
    """Error function: (2/√π) ∫₀ˣ exp(−t²) dt.

    Piecewise rational approximation in the manner of W. J. Cody, "Rational Chebyshev
    approximations for the error function", Math. Comp. 23 (1969) 631-637.

    Args:
        x: real array-like of any shape.

    Returns:
        Values between −1 and 1, of the shape and floating dtype of `x`; float64 for integers.

    Raises:
        TypeError: `x` is complex, wider than float64, or holds no numbers.

    Example:
        >>> erf(np.array([-np.inf, 0.0, 0.5]))
        array([-1.        ,  0.        ,  0.52049988])
    """
    return evaluate("erf", _erf, x)


def erfc(x: npt.ArrayLike) -> RealValues:
    """Complementary error function: 1 − erf(x) = (2/√π) ∫ₓ^∞ exp(−t²) dt.

    As `erf` (W. J. Cody 1969), without cancellation: the right tail keeps its relative accuracy
    down to the normal numbers' end at x = 26.54, and is within one unit of the subnormal numbers
    beyond, until it underflows at x = 27.23.

    Args:
        x: real array-like of any shape.

    Returns:
        Values between 0 and 2, of the shape and floating dtype of `x`; float64 for integers.

    Raises:
        TypeError: `x` is complex, wider than float64, or holds no numbers.

    Example:
        >>> erfc(np.array([-np.inf, 0.0, 10.0]))
        array([2.00000000e+00, 1.00000000e+00, 2.08848758e-45])
    """
    return evaluate("erfc", _erfc, x)


def _erf(x: FloatArray) -> FloatArray:
    return branch(x, np.abs(x) < NEAR, _erf_near, _erf_far)


def _erfc(x: FloatArray) -> FloatArray:
    return branch(x, np.abs(x) < NEAR, _erfc_near, _erfc_far)


def _erf_near(x: FloatArray) -> FloatArray:
    out = _ERF_NEAR(x * x)
    out *= x
    return out


def _erf_far(x: FloatArray) -> FloatArray:
    out = _tail(np.abs(x))
    np.subtract(1.0, out, out=out)
    return np.copysign(out, x, out=out)


def _erfc_near(x: FloatArray) -> FloatArray:
    out = _erf_near(x)
    return np.subtract(1.0, out, out=out)


def _erfc_far(x: FloatArray) -> FloatArray:
    tail = _tail(np.abs(x))
    return np.where(x < 0.0, 2.0 - tail, tail)


def _tail(x: FloatArray) -> FloatArray:
    """erfc(x) = exp(−x²) R(x) for x ≥ NEAR.

    An error of half an ulp in x² would be one of 350 ulp in exp(−x²). So x² is split, as Cody does,
    into the exact square of x cut to a multiple of 1/16 and a small rest.
    """
    x = np.minimum(x, FAR)
    out = _ERFCX(x)
    cut = x * 16.0
    np.rint(cut, out=cut)
    cut *= 0.0625
    rest = x - cut
    x += cut
    rest *= x
    cut *= cut
    for square in (rest, cut):
        np.negative(square, out=square)
        out *= np.exp(square, out=square)
    return out
