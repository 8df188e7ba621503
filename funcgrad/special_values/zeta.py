"""Hurwitz's zeta function."""

import numpy as np
import numpy.typing as npt

from funcgrad.special_values.evaluation import FloatArray, RealValues, evaluate_pairs

__all__ = ["zeta"]

# B₂ₖ / (2k)!, k = 1 ... 12
_BERNOULLI = (
    1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000,
    1 / 74724249600, -3617 / 10670622842880000, 43867 / 5109094217170944000,
    -174611 / 802857662698291200000, 77683 / 14101100039391805440000,
    -236364091 / 1693824136731743669452800000,
)  # fmt: skip
TERMS = 10


def zeta(s: npt.ArrayLike, q: npt.ArrayLike) -> RealValues:
    """Σ (q + k)⁻ˢ over k >= 0, for s > 1: within 8 ulp.

    Ten terms, then Euler and Maclaurin's formula (DLMF 25.11.5); for q < 1, more terms in front.
    nan for s < 1, and for q < 0 unless s is an integer; inf for s = 1 and at q = 0, -1, -2, ...
    """
    return evaluate_pairs("zeta", _zeta, s, q)


def _zeta(s: FloatArray, q: FloatArray) -> FloatArray:
    bad = (s < 1) | np.isnan(s) | np.isnan(q) | ((q <= 0) & (q != np.floor(q)) & (s != np.floor(s)))
    pole = (s == 1) | ((q <= 0) & (q == np.floor(q)))
    s, start = np.where(bad | pole, 2.0, s), np.where(bad | pole, 1.0, q)
    total = np.zeros_like(s)
    for _ in range(100_000):
        low = start < 1
        if not low.any():
            break
        total += np.where(low, np.where(low, start, 1.0) ** -s, 0)
        start = np.where(low, start + 1, start)
    for k in range(TERMS):
        total += (start + k) ** -s
    end = start + TERMS
    power = end**-s
    total += power * end / (s - 1) + power / 2
    factor = s * power / end
    for k, bernoulli in enumerate(_BERNOULLI, 1):
        total += factor * bernoulli
        factor = factor * (s + 2 * k - 1) * (s + 2 * k) / (end * end)
    total = np.where(np.isinf(q) & (q > 0), 0.0, total)
    return np.where(bad, np.nan, np.where(pole, np.inf, total))
