"""Random integers, orders and choices with PyTorch's values, from a `Generator`.

Types are given by PyTorch's names, as in `draws`.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from funcgrad.compat.torch.draws import exponential, rounded_to
from funcgrad.compat.torch.mersenne import Generator

__all__ = ["multinomial", "randint", "random_", "randperm"]

Array = NDArray[Any]
Shape = tuple[int, ...]

# Bits of the integers that a floating type holds without a gap.
_DIGITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}
_CXX_NAME = {
    "bool": "bool",
    "uint8": "unsigned char",
    "int8": "signed char",
    "int16": "short int",
    "int32": "int",
    "int64": "long int",
    "uint16": "short unsigned int",
    "uint32": "unsigned int",
    "uint64": "long unsigned int",
    "float16": "c10::Half",
    "bfloat16": "c10::BFloat16",
    "float32": "float",
    "float64": "double",
}
_LARGEST_FLOAT = {"float16": 65504, "bfloat16": 2**127, "float32": 2**127, "float64": 2**1023}
_LARGE_RANGE = 2**28  # from here on two words make a number
_EXACT_CHOICES = 2**24


# ---------------------------------------------------------------------------------------------
# Integers


def random_(generator: Generator, shape: Shape, dtype: str = "int64") -> Array:
    """r mod m: all integers ≥ 0 of an integer type, or 0 … 2ᵈ of a floating type with d bits."""
    if dtype in ("uint16", "uint32", "uint64"):
        name = dtype.replace("ui", "UI")
        raise NotImplementedError(f"\"random_kernel_cpu\" not implemented for '{name}'")
    size = 2 ** _DIGITS[dtype] + 1 if dtype in _DIGITS else _largest(dtype) + 1
    wide = dtype in ("int64", "float64")
    return _modulo(generator, shape, dtype, 0, size, wide=wide)


def randint(
    generator: Generator,
    shape: Shape,
    low: int,
    high: int | None,
    dtype: str = "int64",
) -> Array:
    """r mod (high − low) + low, an integer of [low, high); two words make r from 2²⁸ numbers on.

    Args:
        generator: gives the r.
        shape: of the result.
        low: smallest result.
        high: one more than the largest result, or None for all the type has.
        dtype: of the result, integer or floating.

    Raises:
        RuntimeError: low ≥ high, or a bound is out of the type's bounds.

    Examples:
        >>> randint(Generator().manual_seed(0), (4,), 0, 10)
        array([4, 9, 3, 0])
    """
    if high is None:
        if low == -(2**63) and dtype in ("int64", "bfloat16", "float32", "float64"):
            return rounded_to(generator.longs(math.prod(shape)).view(np.int64), dtype).reshape(
                shape
            )
        if dtype == "uint64":
            raise RuntimeError(f"to - 1 is out of bounds for {_CXX_NAME[dtype]}")
        last = 2 ** _DIGITS[dtype] if dtype in _DIGITS else _largest(dtype)
        _check_bound("from", low, dtype)
        high = last + 1
    else:
        if low >= high:
            raise RuntimeError(
                f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}"
            )
        _check_bound("from", low, dtype)
        _check_bound("to - 1", high - 1, dtype)
        high = _held_below(high, dtype)
    low = _held_above(low, dtype)
    if low >= high:
        raise RuntimeError(
            "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, but got "
            f"from={low} >= to={high}"
        )
    size = high - low
    return _modulo(generator, shape, dtype, low, size, wide=size >= _LARGE_RANGE)


def _modulo(
    generator: Generator, shape: Shape, dtype: str, low: int, size: int, *, wide: bool
) -> Array:
    count = math.prod(shape)
    numbers = generator.longs(count) if wide else generator.words(count)
    numbers %= np.uint64(size)
    values = numbers.view(np.int64)
    if low:
        values += low
    if dtype == "uint64":
        return values.view(np.uint64).reshape(shape)
    return rounded_to(values, dtype).reshape(shape)


def _largest(dtype: str) -> int:
    return 1 if dtype == "bool" else int(np.iinfo(dtype).max)


def _check_bound(name: str, bound: int, dtype: str) -> None:
    if dtype in _DIGITS:
        least, largest = -_LARGEST_FLOAT[dtype], _LARGEST_FLOAT[dtype]
    else:
        least = 0 if dtype == "bool" else int(np.iinfo(dtype).min)
        largest = _largest(dtype)
    if not least <= bound <= largest:
        raise RuntimeError(f"{name} is out of bounds for {_CXX_NAME[dtype]}")


def _held_below(high: int, dtype: str) -> int:
    """The upper bound, lowered where a floating type rounds the largest result up to it."""
    if dtype not in _DIGITS:
        return high
    rounded = int(rounded_to(high - 1, dtype))
    if rounded < high or rounded == 2**63:  # 2^63 itself is none of PyTorch's integers
        return high
    return rounded - _gap(high - 1, dtype)


def _held_above(low: int, dtype: str) -> int:
    """The lower bound, raised where a floating type rounds the next number down below it."""
    if dtype not in _DIGITS:
        return low
    rounded = int(rounded_to(low + 1, dtype))
    if rounded >= low:
        return low
    return rounded + _gap(low + 1, dtype)


def _gap(number: int, dtype: str) -> int:
    """The distance of a floating type's values at an integer that it cannot hold."""
    return 1 << (abs(number).bit_length() - _DIGITS[dtype])


def randperm(generator: Generator, n: int, dtype: str = "int64") -> Array:
    """0 … n − 1 in random order: place i is swapped with place i + r mod (n − i), i = 0 … n − 2.

    Raises:
        RuntimeError: n < 0.
    """
    if n < 0:
        raise RuntimeError(f"n must be non-negative, got {n}")
    order = list(range(n))
    if n > 1:
        places = np.arange(n - 1)
        others = places + (generator.words(n - 1) % (n - places).view(np.uint64)).view(np.int64)
        for i, j in enumerate(others.tolist()):
            order[i], order[j] = order[j], order[i]
    return rounded_to(np.array(order, np.int64), dtype)


# ---------------------------------------------------------------------------------------------
# Choices


def multinomial(
    generator: Generator,
    weights: Array,
    num_samples: int,
    replacement: bool = False,
    dtype: str = "",
) -> NDArray[np.int64]:
    """Indices drawn with probability proportional to their weights.

    One index, or several without replacement: those of the largest weight / exponential number, in
    falling order. With replacement: the first index whose cumulated weight reaches u.

    Args:
        generator: gives the numbers.
        weights: floating, of shape (k,) or (n, k).
        num_samples: indices of each row.
        replacement: whether an index may come again.
        dtype: the weights' type; needed for "bfloat16".

    Returns:
        Shape (num_samples,) or (n, num_samples).

    Raises:
        RuntimeError: the weights are no floating vector or matrix, have entries below 0, infinite
            or NaN, have no sum above 0, or are too few for num_samples.
    """
    dtype = dtype or weights.dtype.name
    _check_choices(weights, num_samples, dtype, replacement=replacement)
    if replacement and num_samples > 1:
        return _chosen_with_replacement(generator, weights, num_samples)
    if not bool(((weights >= 0) & (weights < np.inf)).all()):
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if bool((weights.sum(-1) == 0).any()):
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        keys = rounded_to(weights / exponential(generator, weights.shape, dtype), dtype)
    if num_samples == 1:
        best: NDArray[np.int64] = np.argmax(keys, axis=-1, keepdims=True)
        return best
    return np.argsort(-keys, axis=-1, kind="stable")[..., :num_samples]


def _check_choices(weights: Array, num_samples: int, dtype: str, *, replacement: bool) -> None:
    if weights.dtype.kind != "f":
        raise RuntimeError(
            f"multinomial only supports floating-point dtypes for input, got: {dtype.title()}"
        )
    if weights.ndim not in (1, 2):
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    if num_samples <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    if not replacement and num_samples > weights.shape[-1]:
        raise RuntimeError(
            "cannot sample n_sample > prob_dist.size(-1) samples without replacement"
        )
    if weights.shape[-1] > _EXACT_CHOICES:
        raise RuntimeError("number of categories cannot exceed 2^24")


def _chosen_with_replacement(
    generator: Generator, weights: Array, num_samples: int
) -> NDArray[np.int64]:
    wide = weights if weights.dtype == np.float64 else weights.astype(np.float32, copy=False)
    if not weights.shape[-1]:
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    rows = wide.reshape(-1, weights.shape[-1])
    if bool((rows < 0).any()):
        raise RuntimeError("invalid multinomial distribution (encountering probability entry < 0)")
    if not bool(np.isfinite(rows).all()):
        raise RuntimeError(
            "invalid multinomial distribution (encountering probability entry = infinity or NaN)"
        )
    chosen = np.empty((len(rows), num_samples), np.int64)
    for row, out in zip(rows, chosen, strict=True):
        cumulated = np.cumsum(row)  # from the left
        total = cumulated[-1]
        if not total > 0:
            raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
        shares = (cumulated / total).astype(np.float64)
        shares[-1] = 1.0
        out[:] = np.searchsorted(shares, generator.doubles(num_samples))
    return chosen.reshape(*weights.shape[:-1], num_samples)
