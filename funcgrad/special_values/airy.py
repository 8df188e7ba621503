"""The Airy function Ai of real numbers.

From -12.5 to 1.5 by its Taylor series around the nearest integer, whose coefficients follow from
Ai'' = x Ai; above, by K₁/₃ (DLMF 9.6.2); below, by the asymptotic expansion (DLMF 9.7.9).
"""

import math

import numpy as np
import numpy.typing as npt

from funcgrad.special_values.bessel_k import scaled_by_integral
from funcgrad.special_values.evaluation import FloatArray, RealValues, branch, evaluate

__all__ = ["airy_ai"]

LOWEST, HIGHEST = -12, 1
TERMS, TAIL = 28, 20

# Ai and Ai' at 1, 0, -1, ..., -12, computed in 40 digits with mpmath 1.3.0.
_TABLE = np.array(
    [
        (0.13529241631288141, -0.1591474412967932),
        (0.3550280538878172, -0.2588194037928068),
        (0.5355608832923521, -0.01016056711664521),
        (0.22740742820168558, 0.618259020741691),
        (-0.37881429367765806, 0.3145837692165988),
        (-0.07026553294928951, -0.7906285753685813),
        (0.35076100902411433, 0.32719281855444315),
        (-0.3291451736298231, 0.3459354872813429),
        (0.18428083525050565, -0.7710081684101265),
        (-0.0527050503563862, 0.9355609381983065),
        (-0.022133721547341403, -0.9756639809263316),
        (0.04024123848644319, 0.99626504413279),
        (-0.008759589255702381, -1.0273278736645794),
        (-0.06655517505437313, 1.0231104533679707),
    ]
)


def airy_ai(x: npt.ArrayLike) -> RealValues:
    """Ai(x), within 10⁻¹⁴ for |x| <= 30: of the value, and below 0 of the height of its waves.

    Farther out, the error is that of rounding the phase ⅔|x|³ᐟ².
    """
    return evaluate("airy_ai", _airy, x)


def _airy(x: FloatArray) -> FloatArray:
    def outside(x: FloatArray) -> FloatArray:
        return branch(x, x > 0, _decay, _waves)

    return branch(x, (x >= LOWEST - 0.5) & (x <= HIGHEST + 0.5), _taylor, outside)


def _taylor(x: FloatArray) -> FloatArray:
    center = np.rint(x)
    value, slope = _TABLE[(HIGHEST - center).astype(np.intp)].T
    step = x - center
    # y = Σ aₖ stepᵏ with (k + 2) (k + 1) aₖ₊₂ = center aₖ + aₖ₋₁
    coefficients = [value, slope, center * value / 2]
    for k in range(1, TERMS):
        following = center * coefficients[k] + coefficients[k - 1]
        coefficients.append(following / ((k + 2) * (k + 1)))
    total = np.zeros_like(x)
    for one in reversed(coefficients):
        total = total * step + one
    return total


def _decay(x: FloatArray) -> FloatArray:
    finite = np.where(np.isinf(x), 200.0, x)
    phase = 2 / 3 * finite * np.sqrt(finite)
    out = np.sqrt(finite / 3) / math.pi * np.exp(-phase) * scaled_by_integral(phase, 1 / 3)
    return np.where(np.isinf(x), 0.0, out)


def _waves(x: FloatArray) -> FloatArray:
    size = np.where(np.isfinite(x), -x, 20.0)
    phase = 2 / 3 * size * np.sqrt(size)
    even, odd, term = np.zeros_like(x), np.zeros_like(x), np.ones_like(x)
    for k in range(TAIL):
        part = odd if k % 2 else even
        part += -term if k % 4 > 1 else term
        n = k + 1
        factor = (6 * n - 5) * (6 * n - 3) * (6 * n - 1) / ((2 * n - 1) * 216 * n)
        term = term * factor / phase
    cosine, sine = np.cos(phase - math.pi / 4), np.sin(phase - math.pi / 4)
    out = (cosine * even + sine * odd) / (math.sqrt(math.pi) * np.sqrt(np.sqrt(size)))
    return np.where(np.isinf(x), 0.0, np.where(np.isnan(x), x, out))
