"""Standard continuous numbers: what is drawn for a key before any parameter comes in."""

import math
from typing import Any

import numpy as np

from funcgrad.core.tracer import bind
from funcgrad.random.arguments import as_key, as_shape, float_dtype, joint_shape, parameters
from funcgrad.random.primitives import normal_p, uniform_p

__all__ = [
    "cauchy",
    "exponential",
    "exponentials",
    "gumbel",
    "laplace",
    "logistic",
    "normal",
    "normals",
    "open_uniforms",
    "uniform",
    "uniforms",
]

FLOAT32 = np.dtype(np.float32)
LEAST = {2: 2.0**-12, 4: 2.0**-25, 8: 2.0**-54}
"""By bytes of a number: what stands for a uniform 0, half of the least number above it."""


def uniforms(key: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """Uniform numbers on [0, 1)."""
    if dtype.itemsize > 2:
        return bind(uniform_p, key, shape=shape, dtype=dtype)
    single = bind(uniform_p, key, shape=shape, dtype=FLOAT32)
    return np.astype(np.floor(single * 2048) / 2048, dtype)


def open_uniforms(key: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """Uniform numbers on (0, 1)."""
    return np.maximum(uniforms(key, shape, dtype), LEAST[dtype.itemsize])


def normals(key: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """Standard normal numbers."""
    if dtype.itemsize > 2:
        return bind(normal_p, key, shape=shape, dtype=dtype)
    return np.astype(bind(normal_p, key, shape=shape, dtype=FLOAT32), dtype)


def exponentials(key: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """Exponential numbers of rate 1."""
    return -np.log1p(-uniforms(key, shape, dtype))


def uniform(
    key: Any, shape: Any = (), dtype: Any = None, minval: Any = 0.0, maxval: Any = 1.0
) -> Any:
    """Uniform numbers on [minval, maxval).

    Args:
        key: a key.
        shape: of the result; `None` for that of `minval` and `maxval`.
        dtype: floating; float64 by default.
        minval: lower end, differentiable; it must broadcast to `shape`.
        maxval: upper end, likewise. It can come out where minval + (maxval - minval) u is rounded.

    Returns:
        An array of the shape, or a NumPy scalar.

    Example:
        >>> from funcgrad import random
        >>> random.uniform(random.key(0), (2,), maxval=10.0)
        array([0.11547, 2.4155])
    """
    key, kind = as_key("uniform", key), float_dtype("uniform", dtype)
    if type(minval) is type(maxval) is float and shape is not None:
        u = uniforms(key, as_shape("uniform", shape), kind)
        return u if (minval, maxval) == (0.0, 1.0) else u * (maxval - minval) + minval
    low, high = parameters("uniform", kind, minval, maxval)
    shape = joint_shape("uniform", shape, minval=low, maxval=high)
    return uniforms(key, shape, kind) * (high - low) + low


def normal(key: Any, shape: Any = (), dtype: Any = None) -> Any:
    """Standard normal numbers; multiply by a deviation and add a mean for others.

    Args:
        key: a key.
        shape: of the result.
        dtype: floating (float64 by default) or complex, of E |z|² = 1 too.

    Returns:
        An array of the shape, or a NumPy scalar.

    Example:
        >>> from funcgrad import random
        >>> random.normal(random.key(0), (2,))
        array([ 0.1593, -1.7742])
    """
    key, kind = as_key("normal", key), float_dtype("normal", dtype, extra="c")
    shape = as_shape("normal", shape)
    if kind.kind == "f":
        return normals(key, shape, kind)
    real = np.dtype(np.float32 if kind.itemsize == 8 else np.float64)
    parts = normals(key, (2, *shape), real) * math.sqrt(0.5)
    return parts[0] + 1j * parts[1]


def exponential(key: Any, shape: Any = (), dtype: Any = None) -> Any:
    """Exponential numbers of rate 1: density e⁻ˣ.

    Args:
        key: a key.
        shape: of the result.
        dtype: floating; float64 by default.

    Returns:
        An array of the shape, or a NumPy scalar.
    """
    key, kind = as_key("exponential", key), float_dtype("exponential", dtype)
    return exponentials(key, as_shape("exponential", shape), kind)


def laplace(key: Any, shape: Any = (), dtype: Any = None) -> Any:
    """Laplace numbers of scale 1: density e^(-|x|) / 2.

    Args:
        key: a key.
        shape: of the result.
        dtype: floating; float64 by default.

    Returns:
        An array of the shape, or a NumPy scalar.
    """
    key, kind = as_key("laplace", key), float_dtype("laplace", dtype)
    u = open_uniforms(key, as_shape("laplace", shape), kind)
    return np.copysign(np.log(2 * np.minimum(u, 1 - u)), u - 0.5)


def gumbel(key: Any, shape: Any = (), dtype: Any = None) -> Any:
    """Gumbel numbers: P(x) = exp(-e⁻ˣ); a class with logit l wins with a largest l + x.

    Args:
        key: a key.
        shape: of the result.
        dtype: floating; float64 by default.

    Returns:
        An array of the shape, or a NumPy scalar.
    """
    key, kind = as_key("gumbel", key), float_dtype("gumbel", dtype)
    return -np.log(-np.log1p(-open_uniforms(key, as_shape("gumbel", shape), kind)))


def logistic(key: Any, shape: Any = (), dtype: Any = None) -> Any:
    """Logistic numbers: P(x) = 1 / (1 + e⁻ˣ).

    Args:
        key: a key.
        shape: of the result.
        dtype: floating; float64 by default.

    Returns:
        An array of the shape, or a NumPy scalar.
    """
    key, kind = as_key("logistic", key), float_dtype("logistic", dtype)
    u = open_uniforms(key, as_shape("logistic", shape), kind)
    return np.log(u) - np.log1p(-u)


def cauchy(key: Any, shape: Any = (), dtype: Any = None) -> Any:
    """Cauchy numbers: density 1 / (π (1 + x²)).

    Args:
        key: a key.
        shape: of the result.
        dtype: floating; float64 by default.

    Returns:
        An array of the shape, or a NumPy scalar.
    """
    key, kind = as_key("cauchy", key), float_dtype("cauchy", dtype)
    return np.tan(math.pi * (open_uniforms(key, as_shape("cauchy", shape), kind) - 0.5))
