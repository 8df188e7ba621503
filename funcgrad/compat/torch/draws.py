"""Random numbers with PyTorch's values: each function draws a new array from a `Generator`.

Arrays are NumPy's, types are given by PyTorch's names ("float32", "int64", …). "bfloat16" comes as
float32 rounded to it. Where a draw depends on the layout, the order is that of memory. Formulas
are in the docstrings, u being a uniform number of 53 bits.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from funcgrad.compat.torch.cephes32 import BLOCK, normal_blocks
from funcgrad.compat.torch.mersenne import Generator
from funcgrad.compat.torch.rounding import fma32, fma64, round_to_bfloat16

__all__ = [
    "bernoulli",
    "bernoulli_from",
    "cauchy",
    "dropout_mask",
    "exponential",
    "feature_dropout_mask",
    "geometric",
    "log_normal",
    "normal",
    "rounded_to",
    "trunc_normal",
    "uniform",
]

Array = NDArray[Any]
Shape = tuple[int, ...]

_REAL_PART = {"complex32": "float16", "complex64": "float32", "complex128": "float64"}
_COMPLEX = {"complex64": np.complex64, "complex128": np.complex128}
_LARGEST = {"float16": 65504.0, "bfloat16": 3.3895313892515355e38}
_LARGEST |= {name: float(np.finfo(name).max) for name in ("float32", "float64")}
_CXX_NAME = {"float16": "c10::Half", "bfloat16": "c10::BFloat16", "float32": "float"}
_SCALAR_NAME = {"float16": "Half", "bfloat16": "BFloat16", "float32": "Float", "float64": "Double"}

_MASK53, _TINY53, _TWO_PI = 2**53 - 1, 2.0**-53, 2.0 * math.pi
_FEW = 64  # up to here Python's floats are faster than arrays


def rounded_to(values: Any, dtype: str) -> Array:
    """Values converted to a type as C++ does: halves by way of float32."""
    if dtype == "bfloat16":
        return round_to_bfloat16(values)
    with np.errstate(over="ignore", invalid="ignore"):
        if dtype == "float16":
            values = np.asarray(values, np.float32)
        return np.asarray(values, dtype)


# ---------------------------------------------------------------------------------------------
# Uniform


def uniform(
    generator: Generator,
    shape: Shape,
    dtype: str = "float32",
    low: float = 0.0,
    high: float = 1.0,
) -> Array:
    """u (high − low) + low on [low, high), rounded once: u has 24 bits, or 53 in float64.

    A complex type gives its real and imaginary parts in turn.

    Raises:
        RuntimeError: the bounds are not finite in the type, or low > high.

    Examples:
        >>> uniform(Generator().manual_seed(0), (2,))
        array([0.496256, 0.768221], dtype=float32)
    """
    if dtype in _REAL_PART:
        real = uniform(generator, (*shape, 2), _REAL_PART[dtype], low, high)
        return real.view(_COMPLEX[dtype])[..., 0]
    count, standard = math.prod(shape), low == 0 and high == 1
    if not standard:
        _check_bounds(low, high, dtype)
    if dtype == "float64":
        doubles = generator.doubles(count)
        if not standard:
            doubles = fma64(doubles, high - low, low)
            doubles[doubles == high] = low
        return doubles.reshape(shape)
    values: Array = generator.floats(count)
    if standard and dtype == "float32":
        return values.reshape(shape)
    least, end = np.float32(low), np.float32(high)
    if not standard:
        values = fma32(values, float(end - least), float(least))
    values = rounded_to(values, dtype)
    values[values == rounded_to(end, dtype)] = rounded_to(least, dtype)
    return values.reshape(shape)


def _check_bounds(low: float, high: float, dtype: str) -> None:
    largest, cxx = _LARGEST[dtype], _CXX_NAME.get(dtype, "double")
    for name, bound in (("from", low), ("to", high)):
        if not abs(bound) <= largest:
            raise RuntimeError(f"{name} is out of bounds for {cxx}")
    if low > high:
        raise RuntimeError(
            f"uniform_ expects to return a [from, to) range, but found from={low:g} > to={high:g}"
        )
    if high - low > largest:
        raise RuntimeError(
            f"uniform_ expects to-from <= std::numeric_limits<{_SCALAR_NAME[dtype]}>::max(), but "
            f"found to={high:g} and from={low:g} which result in to-from to exceed the limit"
        )


# ---------------------------------------------------------------------------------------------
# Normal


def normal(
    generator: Generator,
    shape: Shape,
    dtype: str = "float32",
    mean: float = 0.0,
    std: float = 1.0,
    *,
    contiguous: bool = True,
) -> Array:
    """mean + std · √(−2 log(1 − u₁)) · (cos, sin)(2π u₂), of pairs (G. E. P. Box, M. E. Muller).

    Fewer than 16 numbers are made one by one, in double; the second of a pair waits in the
    generator for the next such draw. Sixteen and more are made in blocks, in the type
    (halves in float32).

    Args:
        generator: gives the u.
        shape: of the result.
        dtype: a floating or complex type. Real and imaginary part have half the variance each.
        mean: real.
        std: at least 0.
        contiguous: whether the tensor that is filled is. If not, all are made one by one.

    Raises:
        RuntimeError: std < 0.

    Examples:
        >>> normal(Generator().manual_seed(0), (3,))
        array([ 1.540996, -0.293428, -2.178789], dtype=float32)
    """
    if not std >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std:g}")
    if dtype in _REAL_PART:
        real = normal(
            generator,
            (*shape, 2),
            _REAL_PART[dtype],
            mean,
            std / math.sqrt(2.0),
            contiguous=contiguous,
        )
        return real.view(_COMPLEX[dtype])[..., 0]
    count = math.prod(shape)
    if count < BLOCK or not contiguous:
        return rounded_to(_one_by_one(generator, count, mean, std), dtype).reshape(shape)
    if dtype == "float64":
        u = _in_blocks(generator.doubles, count, spill=count % BLOCK)
        values: Array = _scaled64(_normals64(u), mean, std)
    else:
        single = dtype == "float32"
        u = _in_blocks(generator.floats, count, spill=count % BLOCK if single else 0)
        values = normal_blocks(u)
        if not (mean == 0 and std == 1):
            values = fma32(values, float(np.float32(std)), float(np.float32(mean)))
    return rounded_to(_out_of_blocks(values, count), dtype).reshape(shape)


def _in_blocks(draw: Callable[[int], Array], count: int, *, spill: int) -> Array:
    """Uniform numbers in rows of 16, the last of which is for the last 16 places.

    Where count is no multiple of 16, `spill` numbers are drawn before the last row and not used.
    """
    rest = count % BLOCK
    if not rest:
        return draw(count).reshape(-1, BLOCK)
    u = draw(count - rest + spill + BLOCK)
    if spill:
        u = np.concatenate([u[: count - rest], u[-BLOCK:]])
    return u.reshape(-1, BLOCK)


def _out_of_blocks(rows: Array, count: int) -> Array:
    values = rows.reshape(-1)
    if not count % BLOCK:
        return values
    return np.concatenate([values[: count - BLOCK], values[-BLOCK:]])


def _normals64(u: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of 16 by Box and Muller, with the C library's functions, which NumPy's may not equal."""
    radius = np.sqrt(-2.0 * _mapped(math.log, 1.0 - u[:, :8]))
    angle = _TWO_PI * u[:, 8:]
    cosine, sine = _mapped(math.cos, angle), _mapped(math.sin, angle)
    return np.concatenate([radius * cosine, radius * sine], axis=1)


def _one_by_one(generator: Generator, count: int, mean: float, std: float) -> Array:
    """Normal numbers in double: the spare one first, the last one spared."""
    values: list[float] = []
    if count and generator.spare is not None:
        values.append(generator.spare)
        generator.spare = None
    pairs = (count - len(values) + 1) // 2
    if pairs > _FEW:
        u1, u2 = generator.doubles(2 * pairs).reshape(-1, 2).T
        radius = np.sqrt(-2.0 * _mapped(math.log1p, -u2))
        angle = _TWO_PI * u1
        cosine, sine = _mapped(math.cos, angle), _mapped(math.sin, angle)
        values += np.stack([radius * cosine, radius * sine], axis=1).reshape(-1).tolist()
    elif pairs > 0:
        words = generator.words(4 * pairs).tolist()
        for i in range(0, 4 * pairs, 4):
            first = (words[i] << 32 | words[i + 1]) & _MASK53
            second = (words[i + 2] << 32 | words[i + 3]) & _MASK53
            length = math.sqrt(-2.0 * math.log1p(-second * _TINY53))
            turn = _TWO_PI * (first * _TINY53)
            values += (length * math.cos(turn), length * math.sin(turn))
    if len(values) > count:
        generator.spare = values.pop()
    return _scaled64(np.array(values, np.float64), mean, std)


def _scaled64(values: NDArray[np.float64], mean: float, std: float) -> NDArray[np.float64]:
    """values · std + mean, rounded once."""
    if mean == 0:
        return values * std + 0.0
    return fma64(values, std, mean)


def _mapped(function: Callable[[float], float], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """A function of the C library, element by element: NumPy's own may differ in the last bit."""
    return np.fromiter(map(function, x.ravel().tolist()), np.float64, x.size).reshape(x.shape)


def log_normal(
    generator: Generator,
    shape: Shape,
    dtype: str = "float32",
    mean: float = 1.0,
    std: float = 2.0,
) -> Array:
    """exp(mean + std z), the z made one by one.

    Raises:
        RuntimeError: std ≤ 0.
    """
    if not std > 0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std:g}")
    values = _one_by_one(generator, math.prod(shape), mean, std)
    with np.errstate(over="ignore"):
        return rounded_to(_of_doubles(math.exp, np.exp, values, dtype), dtype).reshape(shape)


def trunc_normal(
    generator: Generator,
    shape: Shape,
    dtype: str = "float32",
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    *,
    contiguous: bool = True,
) -> Array:
    """Normal numbers given that they lie in [a, b], by rejection.

    Where [a, b] holds more than 0.3 of the probability, normal numbers outside are drawn again,
    else uniform ones are accepted with probability proportional to the density.
    """
    share = _normal_cdf((b - mean) / std) - _normal_cdf((a - mean) / std)
    if share > 0.3:
        low, high = (rounded_to(bound, dtype) for bound in (a, b))
        result = normal(generator, shape, dtype, mean, std, contiguous=contiguous)
        while (outside := (result < low) | (result > high)).any():
            fresh = normal(generator, shape, dtype, mean, std, contiguous=contiguous)
            result = np.where(outside, fresh, result)
        return result
    return _accepted(generator, shape, dtype, mean, std, a, b)


def _accepted(
    generator: Generator, shape: Shape, dtype: str, mean: float, std: float, a: float, b: float
) -> Array:
    """Uniform numbers on [a, b], drawn until a chance is at most the density at them.

    Each step is rounded to the type: the subtracted number is one of the type, factors need not be.
    """
    working: Any = np.float64 if dtype == "float64" else np.float32
    peak = -0.5 * ((max(a, min(mean, b)) - mean) / std) ** 2
    shift, lift = (rounded_to(number, dtype).astype(working) for number in (mean, peak))

    def rounded(values: Array) -> Array:
        return rounded_to(values, dtype).astype(working, copy=False)

    result, pending = np.zeros(shape, rounded_to(0, dtype).dtype), np.ones(shape, np.bool_)
    while pending.any():
        fresh = uniform(generator, shape, dtype, a, b)
        result = np.where(pending, fresh, result)
        distance = rounded(rounded(fresh.astype(working) - shift) / working(std))
        density = rounded(rounded(rounded(distance * distance) * working(-0.5)) - lift)
        with np.errstate(divide="ignore"):
            chance = rounded(np.log(uniform(generator, shape, dtype).astype(working)))
        pending &= chance > density
    return result


def _normal_cdf(x: float) -> float:
    return (1.0 + math.erf(x / math.sqrt(2.0))) / 2.0


# ---------------------------------------------------------------------------------------------
# Bernoulli and dropout


def bernoulli(generator: Generator, shape: Shape, p: float = 0.5, dtype: str = "float32") -> Array:
    """1 where u < p, else 0.

    Raises:
        RuntimeError: p is not in [0, 1].
    """
    if not 0 <= p <= 1:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p:g}")
    values = generator.doubles(math.prod(shape)) < p
    return rounded_to(values.reshape(shape), dtype)


def bernoulli_from(generator: Generator, p: Array, dtype: str) -> Array:
    """1 where u < p, else 0, for each p; u has 53 bits if p is float64, else 24.

    Raises:
        RuntimeError: some p is not in [0, 1].
    """
    if not bool(((p >= 0) & (p <= 1)).all()):
        raise RuntimeError("Expected p_in >= 0 && p_in <= 1 to be true, but got false.")
    draw = generator.doubles if p.dtype == np.float64 else generator.floats
    return rounded_to(draw(p.size).reshape(p.shape) < p, dtype)


def dropout_mask(generator: Generator, shape: Shape, p: float, dtype: str = "float32") -> Array:
    """What dropout multiplies by: 1 / (1 − p) with probability 1 − p, else 0.

    Nothing is drawn where nothing is left to chance: p = 0, p = 1 or an empty shape.

    Raises:
        ValueError: p is not in [0, 1].
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    if p in (0, 1) or not math.prod(shape):
        return rounded_to(np.full(shape, 1.0 - p), dtype)
    keep = generator.doubles(math.prod(shape)).reshape(shape) < 1.0 - p
    scale = 1.0 / (1.0 - p) if dtype == "float64" else np.float32(1) / np.float32(1.0 - p)
    return keep * rounded_to(scale, dtype)


def feature_dropout_mask(
    generator: Generator, shape: Shape, p: float, dtype: str = "float32"
) -> Array:
    """The mask of `dropout1d`, `dropout2d` and `dropout3d`: shape (n, channels, 1, …).

    Raises:
        ValueError: p is not in [0, 1].
        RuntimeError: the shape has fewer than two axes.
    """
    if len(shape) < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    features = (*shape[:2], *(1 for _ in shape[2:]))
    return dropout_mask(generator, features, p, dtype)


# ---------------------------------------------------------------------------------------------
# Other continuous and waiting times


def exponential(
    generator: Generator, shape: Shape, dtype: str = "float32", lambd: float = 1.0
) -> Array:
    """−log(1 − u) / λ.

    Raises:
        RuntimeError: λ ≤ 0.
    """
    if not lambd > 0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd:g}")
    u = generator.doubles(math.prod(shape))
    values = (-1.0 / lambd) * _of_doubles(math.log1p, np.log1p, -u, dtype)
    return rounded_to(values, dtype).reshape(shape)


def geometric(generator: Generator, shape: Shape, p: float, dtype: str = "float32") -> Array:
    """⌈log u / log(1 − p)⌉: the number of trials up to the first success.

    Raises:
        RuntimeError: p is not in (0, 1).
    """
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p:g}")
    u = np.maximum(generator.doubles(math.prod(shape)), 5e-324)
    values = np.ceil(_mapped(math.log, u) / math.log1p(-p))
    if np.dtype(rounded_to(0, dtype).dtype).kind in "iu":
        values = values.astype(np.int64)
    return rounded_to(values, dtype).reshape(shape)


def cauchy(
    generator: Generator,
    shape: Shape,
    dtype: str = "float32",
    median: float = 0.0,
    sigma: float = 1.0,
) -> Array:
    """Median + σ tan(π (u − ½)), with the sum rounded once.

    Raises:
        RuntimeError: σ ≤ 0.
    """
    if not sigma > 0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma:g}")
    angle = math.pi * (generator.doubles(math.prod(shape)) - 0.5)
    values = fma64(_of_doubles(math.tan, np.tan, angle, dtype), sigma, median)
    return rounded_to(values, dtype).reshape(shape)


def _of_doubles(
    exact: Callable[[float], float],
    fast: Callable[[Array], Array],
    x: NDArray[np.float64],
    dtype: str,
) -> NDArray[np.float64]:
    """The C library's function where its last bit is kept, NumPy's where it is rounded away."""
    return _mapped(exact, x) if dtype == "float64" else fast(x)
