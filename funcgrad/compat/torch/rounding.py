"""Rounding that NumPy has no function for: bfloat16, and a · b + c rounded once.

A sum of doubles is rounded to odd before it is rounded again, which makes two roundings as good as
one (S. Boldo and G. Melquiond, IEEE TC 57, 2008).
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["fma32", "fma64", "round_to_bfloat16"]

_FEW = 8  # up to here Python's floats are faster than arrays
_SPLIT = 2.0**27 + 1  # splits a double into two halves of 26 bits (T. J. Dekker, 1971)


def round_to_bfloat16(x: Any) -> NDArray[np.float32]:
    """x rounded to the 8 significant bits of bfloat16, ties to even, as float32.

    Doubles are rounded to float32 first, as PyTorch converts them.

    Examples:
        >>> round_to_bfloat16(0.1)
        array(0.1000977, dtype=float32)
    """
    with np.errstate(over="ignore"):  # to infinity; and the bits of a NaN may overflow
        single = np.asarray(x, np.float32)
        bits = single.view(np.uint32)
        lowest_kept = (bits >> np.uint32(16)) & np.uint32(1)
        rounded = (bits + (np.uint32(0x7FFF) + lowest_kept)) & np.uint32(0xFFFF0000)
    result: NDArray[np.float32] = np.asarray(rounded).view(np.float32)
    missing = np.isnan(single)
    return np.where(missing, np.float32(np.nan), result) if missing.any() else result


def fma32(a: NDArray[np.float32], b: float, c: float) -> NDArray[np.float32]:
    """a · b + c in float32, rounded once. b and c are float32 values."""
    product = a.astype(np.float64) * b  # exact: 24 and 24 bits
    return _odd_sum(product, np.float64(c)).astype(np.float32)


def fma64(a: NDArray[np.float64], b: float, c: float) -> NDArray[np.float64]:
    """a · b + c in float64, rounded once, unless a product is below 1e-290."""
    if not (abs(b) < 1e290 and math.isfinite(c)):
        return a * b + c  # nothing to split, or a b whose last bit is larger than a usual c
    if a.size <= _FEW:
        return np.array([_fma(x, b, c) for x in a.ravel().tolist()]).reshape(a.shape)
    high, low = _two_product(a, np.float64(b))
    sum_high, sum_low = _two_sum(np.float64(c), low)
    top, rest = _two_sum(high, sum_high)
    result: NDArray[np.float64] = top + _odd_sum(sum_low, rest)
    return result


def _fma(a: float, b: float, c: float) -> float:
    """`fma64` of floats."""
    high, low = _two_product(a, b)
    sum_high, sum_low = _two_sum(c, low)
    top, rest = _two_sum(high, sum_high)
    total, lost = _two_sum(sum_low, rest)
    if lost and not math.frexp(total)[0] * 2.0**53 % 2:
        total = math.nextafter(total, math.copysign(math.inf, lost))
    return float(top + total)


def _two_sum(a: Any, b: Any) -> tuple[Any, Any]:
    """a + b as its rounded value and what the rounding lost (D. E. Knuth)."""
    total = a + b
    other = total - a
    return total, (a - (total - other)) + (b - other)


def _two_product(a: Any, b: Any) -> tuple[Any, Any]:
    """a · b as its rounded value and what the rounding lost (T. J. Dekker, G. W. Veltkamp)."""
    product = a * b
    a_high, b_high = a * _SPLIT - (a * _SPLIT - a), b * _SPLIT - (b * _SPLIT - b)
    a_low, b_low = a - a_high, b - b_high
    return product, a_low * b_low - (
        ((product - a_high * b_high) - a_low * b_high) - a_high * b_low
    )


def _odd_sum(a: Any, b: Any) -> NDArray[np.float64]:
    """a + b rounded to odd: exact, or the neighbour whose last bit is 1."""
    total, lost = _two_sum(a, b)
    total = np.asarray(total)
    bits = total.view(np.int64)
    even = (lost != 0) & ((bits & 1) == 0)
    step = np.where((lost > 0) == (total > 0), 1, -1)
    result: NDArray[np.float64] = np.asarray(bits + even * step).view(np.float64)
    return result
