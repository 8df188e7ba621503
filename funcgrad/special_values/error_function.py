"""The error function and its complement."""

import numpy as np
import numpy.typing as npt

from funcgrad.special_values.evaluation import (
    FloatArray,
    Index,
    Piece,
    PiecewiseRational,
    RealValues,
    evaluate,
)

__all__ = ["erf", "erfc"]

# Both functions use erf(x)/x near 0 and (x + ½) exp(x²) erfc(x), which lies between 0.56 and 0.65,
# farther out. The coefficients are minimax approximations of the relative error by the Remez
# exchange in 70 digits (mpmath 1.3.0; far from 0 as functions of 1/(x + 1)), rounded to float64.

# Below ERF_NEAR: erf(√z)/√z, to 3.1e-19. Beyond: (z + ½) exp(z²) erfc(z), with a relative error
# weighted by erfc(z)/erf(z), 3.8e-18 of erf(z). From ERF_FAR on, erf is 1.
ERF_NEAR = 0.75
ERF_FAR = 6.0
_ERF = PiecewiseRational(
    Piece(
        begins=0.0,
        base=1.1283791670955126,
        numerator=(
            1.499432686522549e-17,
            -0.37612638903183737,
            -0.03992443783693854,
            -0.006969953909457098,
            -0.00011911605066180066,
            -3.43560068631548e-06,
        ),
        denominator=(
            1.0,
            0.40614633538395933,
            0.06894621165826349,
            0.0058789914073726695,
            0.00021629627441621815,
        ),
    ),
    Piece(
        begins=0.75,
        base=0.633672062866431,
        numerator=(
            5.0296627214562695e-17,
            0.046971785723398406,
            0.01628658393908916,
            -0.008450210204189965,
            -0.00746064637527072,
            -0.002027516759484557,
            -0.0002077334496369359,
        ),
        denominator=(
            1.0,
            2.034447055480297,
            1.7918752744673716,
            0.878119700853999,
            0.2538368187114036,
            0.04132241061361164,
            0.0029895464756158445,
        ),
    ),
)

# Below ERFC_NEAR, where erf is ½ and 1 − erf loses nothing: erf(√z)/√z, to 1.4e-20. Beyond:
# (z + ½) exp(z²) erfc(z), to 4.7e-20, 2.1e-18, 6.1e-19 and 9.7e-21. From ERFC_FAR on, erfc is 0:
# half of the least subnormal number is erfc(27.23).
ERFC_NEAR = 0.477
ERFC_FAR = 28.0
_ERFC = PiecewiseRational(
    Piece(
        begins=0.0,
        base=1.1283791670955126,
        numerator=(
            1.5320101807976358e-17,
            -0.3761263890318375,
            -0.05664017671154825,
            -0.008234797001020438,
            -0.0003294324991204202,
        ),
        denominator=(
            1.0,
            0.4505881489925254,
            0.08564156975317266,
            0.008272347878484188,
            0.0003498908924051189,
        ),
    ),
    Piece(
        begins=0.477,
        base=0.6132384920828464,
        numerator=(
            -3.709949173494934e-17,
            0.11027809267972098,
            0.06749648827095325,
            0.014213738941417378,
            -0.002052748308203882,
            -0.001325720891228642,
            -0.00017043752814794365,
        ),
        denominator=(
            1.0,
            2.0913811993908054,
            1.8927793823927086,
            0.9524558402563285,
            0.2823810572435414,
            0.04705446523090882,
            0.0034720291313523888,
        ),
    ),
    Piece(
        begins=1.25,
        base=0.6436901037916319,
        numerator=(
            -2.6202453046063202e-17,
            0.0023846335142934357,
            -0.017549146139033748,
            -0.01790379238127925,
            -0.007316046241454039,
            -0.0014423760422863597,
            -0.00011674263179183556,
        ),
        denominator=(
            1.0,
            1.8369613948024708,
            1.4536793076501238,
            0.6363438898363988,
            0.16316151056677736,
            0.02335401984770428,
            0.001468431955456016,
        ),
    ),
    Piece(
        begins=3.0,
        base=0.6265040291348648,
        numerator=(
            2.3017950579755796e-17,
            -0.01130175884371513,
            -0.014146980325446024,
            -0.00703970280182941,
            -0.0017757259268546858,
            -0.00022967755084328103,
            -1.2315006777660306e-05,
        ),
        denominator=(
            1.0,
            1.3599670272889997,
            0.7883160758340897,
            0.2496708081369205,
            0.04565303185175897,
            0.004580431859552707,
            0.00019762682984769908,
        ),
    ),
    Piece(
        begins=7.0,
        base=0.598500407468647,
        numerator=(
            3.4566420085801526e-17,
            -0.004037994326133328,
            -0.002601655899733273,
            -0.0006784275876091249,
            -8.961352265118074e-05,
            -6.00280815169406e-06,
            -1.6336166893476448e-07,
        ),
        denominator=(
            1.0,
            0.7571373427194357,
            0.24143512942294515,
            0.04150883040241187,
            0.004058920273123972,
            0.0002140993728359599,
            4.761228389950693e-06,
        ),
    ),
)


def erf(x: npt.ArrayLike) -> RealValues:
    """Error function: (2/√π) ∫₀ˣ exp(−t²) dt.

    x times a rational function of x² near 0, and beyond 1 − exp(−x²)/(x + ½) times a rational
    function of x, in the manner of W. J. Cody, "Rational Chebyshev approximations for the error
    function", Math. Comp. 23 (1969) 631-637.

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
    distance: FloatArray = np.minimum(np.abs(x), ERF_FAR)
    near = (distance < ERF_NEAR).nonzero()[0]
    square: FloatArray = distance * distance
    ratio = _ERF(_replaced(distance, near, square))
    np.negative(square, out=square)
    out = np.exp(square, out=square)
    out *= ratio
    distance += 0.5
    out /= distance
    np.subtract(1.0, out, out=out)
    np.copysign(out, x, out=out)
    out[near] = x[near] * ratio[near]
    return out


def _erfc(x: FloatArray) -> FloatArray:
    distance: FloatArray = np.minimum(np.abs(x), ERFC_FAR)
    near = (distance < ERFC_NEAR).nonzero()[0]
    square: FloatArray = distance * distance
    ratio = _ERFC(_replaced(distance, near, square))
    shifted = distance + 0.5
    # The relative errors of exp(−square) and of 1 / shifted from rounding their arguments.
    error = distance - (shifted - 0.5)
    error /= shifted
    error += _square_error(distance, square)
    np.negative(square, out=square)
    out = np.exp(square, out=square)
    out *= ratio
    out /= shifted
    error *= out
    out -= error
    # erfc(−x) = 2 − erfc(x): with s = ±1 the sign of x, (1 − s) + s erfc(|x|).
    sign = np.copysign(1.0, x)
    out *= sign
    out += np.subtract(1.0, sign, out=sign)
    out[near] = 1.0 - x[near] * ratio[near]
    return out


def _replaced(x: FloatArray, index: Index, values: FloatArray) -> FloatArray:
    out = x.copy()
    out[index] = values[index]
    return out


def _square_error(x: FloatArray, square: FloatArray) -> FloatArray:
    """x² − square, where square is x² rounded: up to 2⁻⁴⁴ here, which is 350 ulp of exp(−x²).

    As in T. J. Dekker, "A floating-point technique for extending the available precision", Numer.
    Math. 18 (1971) 224-242, with the upper half of x from rounding to float32: its square is exact.
    """
    upper = x.astype(np.float32).astype(np.float64)
    lower = x - upper
    error = upper * upper
    error -= square
    upper += x
    lower *= upper
    error += lower
    return error
