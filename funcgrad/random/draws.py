"""What is drawn for a key: the values of the primitives, in plain NumPy.

A key is the 128-bit key of Philox-4x64 (J. K. Salmon et al., "Parallel random numbers: as easy as
1, 2, 3", SC 2011), two words of 64 bits. Draws read its stream from the counter 0 on; child keys
are read from counters whose highest word is `SPLIT` or `FOLD`, which no draw ever reaches.

Keys may have axes in front of their last one, and the other operands then have the same: each key
draws for itself, exactly as it would alone. Every function stands for itself: it needs NumPy and
what is in this file, and keeps nothing between calls.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = [
    "random_binomial",
    "random_fold_in",
    "random_gamma",
    "random_integers",
    "random_key",
    "random_normal",
    "random_permutation",
    "random_poisson",
    "random_split",
    "random_uniform",
]

SPLIT, FOLD = 1, 2


def each_key(
    key: Any,
    shape: tuple[int, ...],
    dtype: Any,
    draw: Callable[[Any, tuple[int, ...]], Any],
    counter: Any = None,
) -> Any:
    """What `draw(philox, place)` gives for the key at each place, from a counter on (by default 0).

    Args:
        key: shape `(..., 2)`, uint64.
        shape: of what is drawn for one key.
        dtype: of what is drawn.
        draw: given a bit generator and the key's place among its axes in front.
        counter: shape `(..., 4)`, uint64, lowest word first.
    """
    if key.ndim == 1:
        philox = np.random.Philox(key=key, counter=counter)
        return np.asarray(draw(philox, ()), dtype)[()]
    out = np.empty((*key.shape[:-1], *shape), dtype)
    philox = np.random.Philox(key=0)
    state = philox.state
    start = np.zeros(4, np.uint64)
    for place in np.ndindex(key.shape[:-1]):
        state["state"] = {
            "counter": start if counter is None else counter[place],
            "key": key[place],
        }
        philox.state = state
        out[place] = draw(philox, place)
    return out


def part(operand: Any, place: tuple[int, ...]) -> Any:
    """What belongs to one key; a Python number belongs to all."""
    return operand[place] if hasattr(operand, "dtype") else operand


def random_key(seed: Any) -> Any:
    """The two words of an integer, lowest first, negative ones modulo 2¹²⁸."""
    high = np.where(np.less(seed, 0), np.uint64(2**64 - 1), np.uint64(0))
    return np.stack([np.asarray(seed).astype(np.uint64), high], axis=-1)


def random_split(key: Any, *, shape: tuple[int, ...]) -> Any:
    """Child keys: the words of the stream at the counters of `SPLIT`."""
    counter = np.zeros((*key.shape[:-1], 4), np.uint64)
    counter[..., 3] = SPLIT
    full = (*shape, 2)
    count = math.prod(full)
    return each_key(
        key, full, np.uint64, lambda philox, _: philox.random_raw(count).reshape(full), counter
    )


def random_fold_in(key: Any, data: Any) -> Any:
    """The child key of a number: two words at the counter that it says, of those of `FOLD`."""
    counter = np.zeros((*key.shape[:-1], 4), np.uint64)
    counter[..., 0] = np.asarray(data).astype(np.uint64)
    counter[..., 3] = FOLD
    return each_key(key, (2,), np.uint64, lambda philox, _: philox.random_raw(2), counter)


def random_uniform(key: Any, *, shape: tuple[int, ...], dtype: Any) -> Any:
    """Uniform numbers on [0, 1): multiples of 2⁻⁵³, or of 2⁻²⁴ in float32."""
    return each_key(
        key, shape, dtype, lambda philox, _: np.random.Generator(philox).random(shape, dtype)
    )


def random_normal(key: Any, *, shape: tuple[int, ...], dtype: Any) -> Any:
    """Standard normal numbers."""
    return each_key(
        key,
        shape,
        dtype,
        lambda philox, _: np.random.Generator(philox).standard_normal(shape, dtype),
    )


def random_integers(key: Any, low: Any, high: Any, *, shape: tuple[int, ...], dtype: Any) -> Any:
    """Integers of [low, high)."""

    def draw(philox: Any, place: tuple[int, ...]) -> Any:
        rng = np.random.Generator(philox)
        return rng.integers(part(low, place), part(high, place), shape, dtype)

    return each_key(key, shape, dtype, draw)


def random_permutation(key: Any, *, n: int, shape: tuple[int, ...]) -> Any:
    """The numbers 0 ... n - 1 in random order, along the last axis; another one at each place."""
    full = (*shape, n)
    return each_key(
        key,
        full,
        np.int64,
        lambda philox, _: np.random.Generator(philox).permuted(
            np.broadcast_to(np.arange(n), full), axis=-1
        ),
    )


def random_poisson(key: Any, lam: Any, *, dtype: Any) -> Any:
    """Poisson numbers, for each mean."""
    return each_key(
        key,
        lam.shape[key.ndim - 1 :],
        dtype,
        lambda philox, place: np.random.Generator(philox).poisson(lam[place]),
    )


def random_binomial(key: Any, n: Any, p: Any, *, dtype: Any) -> Any:
    """Numbers of successes among n trials of probability p, for each pair."""
    return each_key(
        key,
        p.shape[key.ndim - 1 :],
        dtype,
        lambda philox, place: np.random.Generator(philox).binomial(n[place], p[place]),
    )


def random_gamma(key: Any, a: Any, *, log: bool) -> Any:
    """Gamma numbers of rate 1, for each shape parameter; or their logarithms.

    x of a + 1 times u^(1 / a) has the parameter a, so that the logarithm of one too small for a
    floating-point number is right.
    """

    def draw(philox: Any, place: tuple[int, ...]) -> Any:
        rng = np.random.Generator(philox)
        shape = np.asarray(a[place], np.float64)
        if not log:
            return rng.standard_gamma(shape)
        with np.errstate(divide="ignore"):
            large = np.log(rng.standard_gamma(np.where(shape < 1, shape + 1, shape)))
            shift = np.log1p(-rng.random(shape.shape)) / np.where(shape < 1, shape, 1)
        return np.where(shape < 1, large + shift, large)

    return each_key(key, a.shape[key.ndim - 1 :], a.dtype, draw)
