"""The logarithmic derivative of the gamma function."""

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

__all__ = ["digamma"]

# The positive zero of digamma is 1 + ZERO + ZERO_REST.
ZERO = 0.46163214496836236
ZERO_REST = -1.5522348162858677e-17

# From here on, the rest of the asymptotic formula.
FAR = 7.0

# The rest is below 1e-29 here, which keeps the powers of y from overflowing.
FARTHEST = 1e30

# Below FAR: ψ(1 + y) / (y − ZERO), which has no zero, so that the relative error is small at that
# of ψ too; relative errors 1.7e-20, 5.0e-19, 2.9e-18. From FAR on: ψ(1 + y) − log y, that is
# 1/(2y) − 1/(12y²) + …, with the relative error 1.3e-18. The coefficients are minimax
# approximations of the relative error by the Remez exchange in 70 digits (mpmath 1.3.0; from FAR on
# as a function of 1/y), rounded to float64.
_PART = PiecewiseRational(
    Piece(
        begins=0.0,
        base=1.2503801375034054,
        numerator=(
            -1.6555050497573315e-17,
            -0.8546933606017874,
            -1.1099889628515982,
            -0.4995766185079807,
            -0.09463652586733139,
            -0.007131793211091567,
            -0.00015232573085000189,
        ),
        denominator=(
            1.0,
            2.1790940716213227,
            1.666954633892164,
            0.5736315494451301,
            0.09182479874529226,
            0.006176528394017729,
            0.0001227195188228421,
        ),
    ),
    Piece(
        begins=1.0,
        base=0.7853075386041053,
        numerator=(
            -2.5091826558179935e-17,
            -0.26073895468300134,
            -0.2341111248802128,
            -0.07385278827122493,
            -0.009855801816984248,
            -0.000521693329120629,
            -7.741460471856775e-06,
        ),
        denominator=(
            1.0,
            1.315917839415219,
            0.6433127372770395,
            0.14657977847001474,
            0.015871686058145918,
            0.0007299865021446338,
            9.936526382311013e-06,
        ),
    ),
    Piece(
        begins=3.0,
        base=0.4948524958436903,
        numerator=(
            -1.4180124517250624e-17,
            -0.0831359173132707,
            -0.0444731076268674,
            -0.008407516867220476,
            -0.0006735099229047057,
            -2.134800253847065e-05,
            -1.8851363712870086e-07,
        ),
        denominator=(
            1.0,
            0.7392574419928201,
            0.20711341645050796,
            0.02745488028333236,
            0.001747950061962601,
            4.7566860113626343e-05,
            3.837987504636196e-07,
        ),
    ),
    Piece(
        begins=7.0,
        origin=0.0,
        base=0.0,
        numerator=(
            -0.0045456971474764725,
            0.3322267430952393,
            0.5849052615842641,
            1.3755538420429225,
            0.5742536739325571,
            0.5,
        ),
        denominator=(
            0.0,
            0.10221237957253147,
            0.9172329839071317,
            1.6481944154430668,
            2.970303353173783,
            1.3151740145317834,
            1.0,
        ),
    ),
)


def digamma(x: npt.ArrayLike) -> RealValues:
    """Digamma function: ψ(x) = d/dx log Γ(x) = Γ′(x)/Γ(x).

    For x ≥ 1, the distance from the positive zero x₀ times a piecewise rational function in the
    manner of W. J. Cody, A. J. Strecok and H. C. Thacher, "Chebyshev approximations for the psi
    function", Math. Comp. 27 (1973) 123-127, or the asymptotic formula (DLMF 5.11.2) with a
    rational rest; the recurrence ψ(x) = ψ(1 + x) − 1/x below 1, as in J. M. Bernardo, "Algorithm AS
    103", Applied Statistics 25 (1976) 315-317; the reflection formula (DLMF 5.5.4) for x < 0.

    For x > 0 the relative error is at most 4 ulp, also about x₀ = 1.4616…. For x < 0 the error is
    at most 4 ulp of the largest of the value and the reflection formula's two terms, which cancel
    near the zeros.

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
    near_pole = (x < 1.0).nonzero()[0]
    y = x - 1.0
    y[near_pole] = x[near_pole]
    out = _of_successor(y)
    out[near_pole] -= 1.0 / x[near_pole]
    return out


def _reflected(x: FloatArray) -> FloatArray:
    """ψ(−y) = ψ(1 + y) + π cot(πy), the cotangent taken of the distance to a pole or a zero."""
    y = -x
    nearest = np.rint(y)
    offset = y - nearest
    distance = np.abs(offset)
    near_pole = distance <= 0.25
    tangent = np.tan(np.pi * np.where(near_pole, distance, 0.5 - distance))
    cotangent = np.where(near_pole, np.pi / tangent, np.pi * tangent)
    out = _of_successor(y)
    out += np.copysign(cotangent, offset, out=cotangent)
    out[y == nearest] = np.nan
    return out


def _of_successor(y: FloatArray) -> FloatArray:
    """ψ(1 + y) for y ≥ 0: what both sides of the reflection and of the recurrence use exactly."""
    part = _PART(np.minimum(y, FARTHEST))
    out = y - ZERO
    out -= ZERO_REST
    out *= part
    far = (y >= FAR).nonzero()[0]
    if far.size:
        out[far] = np.log(y[far]) + part[far]
    return out
