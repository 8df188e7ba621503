"""Poisson and binomial numbers with PyTorch's values, from a `Generator`: one loop for each number.

Both are rejections from a hat under which a uniform point is drawn, by W. Hörmann: "The transformed
rejection method for generating Poisson random variables" (Insurance: Mathematics and Economics 12,
1993) and "The generation of binomial random variates" (J. Stat. Comput. Simul. 46, 1993); small
means are done by waiting times.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from funcgrad.compat.torch.draws import rounded_to
from funcgrad.compat.torch.mersenne import Generator

__all__ = ["binomial", "poisson"]

Array = NDArray[Any]

_MASK53, _TINY53 = 2**53 - 1, 2.0**-53
_HAT_FROM = 10.0  # the mean from which the hat is used

# log k! − Stirling's formula, for k = 0 … 9.
_STIRLING_TAILS = (
    0.0810614667953272,
    0.0413406959554092,
    0.0276779256849983,
    0.02079067210376509,
    0.0166446911898211,
    0.0138761288230707,
    0.0118967099458917,
    0.0104112652619720,
    0.00925546218271273,
    0.00833056343336287,
)


def poisson(generator: Generator, rates: Array, dtype: str = "") -> Array:
    """Numbers of events in unit time, for each rate.

    Args:
        generator: gives the numbers.
        rates: floating.
        dtype: the rates' type; needed for "bfloat16".

    Raises:
        RuntimeError: a rate is below 0.
    """
    uniform = _uniforms(generator)
    counts = [_poisson(rate, uniform) for rate in rates.ravel().tolist()]
    return rounded_to(np.array(counts, np.float64).reshape(rates.shape), dtype or rates.dtype.name)


def binomial(generator: Generator, counts: Array, probabilities: Array, dtype: str = "") -> Array:
    """Numbers of successes, for each number of trials and its probability of success.

    Args:
        generator: gives the numbers.
        counts: floating.
        probabilities: of the same shape and type.
        dtype: the counts' type; needed for "bfloat16".
    """
    uniform = _uniforms(generator)
    kind = counts.dtype.type
    pairs = zip(counts.ravel(), probabilities.ravel(), strict=True)
    values = [_binomial(n, p, lambda: kind(uniform())) for n, p in pairs]
    return rounded_to(
        np.array(values, np.float64).reshape(counts.shape), dtype or counts.dtype.name
    )


def _uniforms(generator: Generator) -> Callable[[], float]:
    words = generator.words

    def uniform() -> float:
        high, low = words(2).tolist()
        return float((high << 32 | low) & _MASK53) * _TINY53

    return uniform


def _poisson(rate: float, uniform: Callable[[], float]) -> int:
    if not rate >= 0:
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    if rate == 0:
        return 0
    if rate < _HAT_FROM:
        bound, product, count = math.exp(-rate), uniform(), 0
        while product > bound:
            product *= uniform()
            count += 1
        return count
    root, log_rate = math.sqrt(rate), math.log(rate)
    b = 0.931 + 2.53 * root
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    v_r = 0.9277 - 3.6224 / (b - 2)
    while True:
        u, v = uniform() - 0.5, uniform()
        us = 0.5 - abs(u)
        if us == 0 or v == 0:
            continue
        k = math.floor((2 * a / us + b) * u + rate + 0.43)
        if us >= 0.07 and v <= v_r:
            return k
        if k < 0 or (us < 0.013 and v > us):
            continue
        left = math.log(v) + math.log(inverse_alpha) - math.log(a / (us * us) + b)
        if left <= -rate + k * log_rate - math.lgamma(k + 1.0):
            return k


def _binomial(n: Any, p: Any, uniform: Callable[[], Any]) -> Any:
    """One binomial number; n, p and the uniform numbers are NumPy scalars of one type."""
    one = type(n)(1)
    if n <= 0 or p <= 0:
        return 0.0
    if p >= 1:
        return n
    if p > 0.5:
        return n - _binomial_of_rare(n, one - p, uniform)
    if p <= 0.5:
        return _binomial_of_rare(n, p, uniform)
    return math.nan


def _binomial_of_rare(n: Any, p: Any, uniform: Callable[[], Any]) -> Any:
    kind = type(n)
    one, half = kind(1), kind(0.5)
    if n * p < _HAT_FROM:
        log_q, trials, successes = np.log1p(-p), kind(0), 0
        while True:
            trials += np.ceil(np.log(uniform()) / log_q)
            if trials > n:
                return kind(successes)
            successes += 1
    spread = np.sqrt(n * p * (one - p))
    b = kind(1.15 + 2.53 * float(spread))
    a = kind(-0.0873 + 0.0248 * float(b) + 0.01 * float(p))
    c = kind(float(n * p) + 0.5)
    v_r = kind(0.92 - 4.2 / float(b))
    ratio = p / (one - p)
    alpha = kind((2.83 + 5.1 / float(b)) * float(spread))
    mode = np.floor((n + one) * p)
    while True:
        u, v = kind(float(uniform()) - 0.5), uniform()
        us = kind(0.5 - abs(float(u)))
        k = np.floor((2 * a / us + b) * u + c)
        if us >= 0.07 and v <= v_r:
            return k
        if k < 0 or k > n:
            continue
        bound = (
            (mode + half) * np.log((mode + one) / (ratio * (n - mode + one)))
            + (n + one) * np.log((n - mode + one) / (n - k + one))
            + (k + half) * np.log(ratio * (n - k + one) / (k + one))
            + _stirling_tail(mode)
            + _stirling_tail(n - mode)
            - _stirling_tail(k)
            - _stirling_tail(n - k)
        )
        if np.log(v * alpha / (a / (us * us) + b)) <= bound:
            return k


def _stirling_tail(k: Any) -> Any:
    kind = type(k)
    if k <= 9:
        return kind(_STIRLING_TAILS[int(k)])
    square = float(k + 1) * float(k + 1)
    return kind((1 / 12 - (1 / 360 - 1 / 1260 / square) / square) / float(k + 1))
