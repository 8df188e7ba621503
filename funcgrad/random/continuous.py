"""Continuous distributions with parameters, by which they are differentiable.

What is drawn for a key are standard numbers; the parameters come in by ordinary functions.
"""

from typing import Any

import numpy as np

from funcgrad.core.tracer import bind
from funcgrad.primitives.fused import softmax
from funcgrad.primitives.special import expit
from funcgrad.primitives.special_functions import log_ndtr
from funcgrad.random.arguments import (
    as_key,
    check,
    float_dtype,
    is_known,
    joint_shape,
    parameter,
    parameters,
    refuse,
    spread,
)
from funcgrad.random.keys import split
from funcgrad.random.primitives import gamma_p, ndtri_exp
from funcgrad.random.standard import exponentials, normals, open_uniforms

__all__ = [
    "beta",
    "chisquare",
    "dirichlet",
    "gamma",
    "loggamma",
    "lognormal",
    "multivariate_normal",
    "pareto",
    "rayleigh",
    "t",
    "truncated_normal",
    "weibull_min",
]


def lognormal(key: Any, sigma: Any = 1.0, shape: Any = None, dtype: Any = None) -> Any:
    """exp(sigma z) of standard normal z.

    Args:
        key: a key.
        sigma: deviation of the logarithm, differentiable.
        shape: of the result; that of `sigma` by default.
        dtype: floating; float64 by default.

    Returns:
        An array of the shape, or a NumPy scalar.
    """
    key, kind = as_key("lognormal", key), float_dtype("lognormal", dtype)
    sigma = parameter("lognormal", sigma, kind)
    shape = joint_shape("lognormal", shape, sigma=sigma)
    return np.exp(sigma * normals(key, shape, kind))


def rayleigh(key: Any, scale: Any = 1.0, shape: Any = None, dtype: Any = None) -> Any:
    """Lengths of normal vectors in the plane: density x / s² exp(-x² / 2s²), s the scale.

    Args:
        key: a key.
        scale: differentiable.
        shape: of the result; that of `scale` by default.
        dtype: floating; float64 by default.

    Returns:
        An array of the shape, or a NumPy scalar.
    """
    key, kind = as_key("rayleigh", key), float_dtype("rayleigh", dtype)
    scale = parameter("rayleigh", scale, kind)
    shape = joint_shape("rayleigh", shape, scale=scale)
    return scale * np.sqrt(2 * exponentials(key, shape, kind))


def pareto(key: Any, b: Any, shape: Any = None, dtype: Any = None) -> Any:
    """Pareto numbers: density b x^(-b - 1) from 1 on.

    Args:
        key: a key.
        b: positive, differentiable.
        shape: of the result; that of `b` by default.
        dtype: floating; float64 by default.

    Returns:
        An array of the shape, or a NumPy scalar.
    """
    key, kind = as_key("pareto", key), float_dtype("pareto", dtype)
    b = _positive("pareto", "b", b, kind)
    return np.exp(exponentials(key, joint_shape("pareto", shape, b=b), kind) / b)


def weibull_min(
    key: Any, scale: Any, concentration: Any, shape: Any = None, dtype: Any = None
) -> Any:
    """Weibull numbers: P(x) = 1 - exp(-(x / s)ᶜ), of scale s and concentration c.

    Args:
        key: a key.
        scale: differentiable.
        concentration: positive, differentiable.
        shape: of the result; that of the parameters by default.
        dtype: floating; float64 by default.

    Returns:
        An array of the shape, or a NumPy scalar.
    """
    key, kind = as_key("weibull_min", key), float_dtype("weibull_min", dtype)
    scale = parameter("weibull_min", scale, kind)
    c = _positive("weibull_min", "concentration", concentration, kind)
    shape = joint_shape("weibull_min", shape, scale=scale, concentration=c)
    logs = np.log(-np.log1p(-open_uniforms(key, shape, kind)))
    return scale * np.exp(logs / c)


def truncated_normal(key: Any, lower: Any, upper: Any, shape: Any = None, dtype: Any = None) -> Any:
    """Standard normal numbers between two bounds, exact in the tails too.

    Args:
        key: a key.
        lower: lower bound, differentiable; -inf for none.
        upper: upper bound, differentiable; inf for none.
        shape: of the result; that of the bounds by default.
        dtype: floating; float64 by default.

    Returns:
        An array of the shape, or a NumPy scalar.

    Raises:
        DrawError: if a lower bound is above its upper bound.

    Example:
        >>> from funcgrad import random
        >>> random.truncated_normal(random.key(0), 10.0, np.inf, (2,))
        array([10.433, 10.14])
    """
    name = "truncated_normal"
    key, kind = as_key(name, key), float_dtype(name, dtype)
    low, high = parameters(name, kind, lower, upper)
    shape = joint_shape(name, shape, lower=low, upper=high)
    if is_known(low) and is_known(high) and not np.all(low <= high):
        refuse(
            name,
            "a lower bound is above its upper bound",
            "No number lies between them.",
            "Exchange them.",
        )
    u = open_uniforms(key, shape, kind)
    mirrored = low > -high  # then the left tail is that of -x, and probabilities are small there
    left, right = np.where(mirrored, -high, low), np.where(mirrored, -low, high)
    log_p = np.logaddexp(_log_probability(left) + np.log1p(-u), _log_probability(right) + np.log(u))
    x = ndtri_exp(np.minimum(log_p, 0))
    return np.clip(np.where(mirrored, -x, x), low, high)


def _log_probability(bound: Any) -> Any:
    """`log_ndtr(bound)`, which does not move with a bound that is infinite."""
    infinite = np.isinf(bound)
    finite = log_ndtr(np.where(infinite, 0, bound))
    return np.where(infinite & (bound < 0), -np.inf, np.where(infinite, 0.0, finite))


def multivariate_normal(
    key: Any, mean: Any, cov: Any, shape: Any = None, dtype: Any = None, method: str = "cholesky"
) -> Any:
    """Normal vectors m + L z of mean m and covariance L Lᵀ.

    Args:
        key: a key.
        mean: shape (..., n), differentiable.
        cov: shape (..., n, n), symmetric, differentiable.
        shape: of the result without its last axis; that of `mean` and `cov` by default.
        dtype: floating; float64 by default.
        method: `"cholesky"`, for positive definite matrices; `"eigh"` or `"svd"`, the symmetric
            root, also for semidefinite ones.

    Returns:
        An array of shape `(*shape, n)`.

    Raises:
        DrawError: if the shapes do not fit together.
        numpy.linalg.LinAlgError: by `"cholesky"`, if a covariance is not positive definite.

    Example:
        >>> from funcgrad import random
        >>> random.multivariate_normal(random.key(0), np.zeros(2), np.eye(2))
        array([ 0.1593, -1.7742])
    """
    name = "multivariate_normal"
    key, kind = as_key(name, key), float_dtype(name, dtype)
    mean, cov = parameters(name, kind, mean, cov)
    n = mean.shape[-1] if mean.shape else 0
    if not mean.shape or cov.shape[-2:] != (n, n):
        refuse(
            name,
            f"the mean has shape {mean.shape}, the covariance {cov.shape}",
            "They must be of shapes (..., n) and (..., n, n).",
            "Pass np.diag(variances) for independent numbers.",
        )
    shape = joint_shape(name, shape, mean=mean[..., 0], cov=cov[..., 0, 0])
    factor = _factor(name, cov, method)
    z = normals(key, (*shape, n), kind)
    if len(cov.shape) == 2:
        return mean + z @ factor.T
    return mean + (factor @ z[..., None])[..., 0]


def _factor(name: str, cov: Any, method: str) -> Any:
    if method == "cholesky":
        return np.linalg.cholesky(cov)
    if method not in ("eigh", "svd"):
        refuse(
            name,
            f"method={method!r}",
            "There is no such one.",
            'Pass "cholesky", or "eigh" for semidefinite covariances.',
        )
    w, v = np.linalg.eigh(cov)
    return (v * np.sqrt(np.maximum(w, 0))[..., None, :]) @ v.mT


def _positive(name: str, label: str, x: Any, kind: np.dtype[Any]) -> Any:
    x = parameter(name, x, kind)
    check(
        name,
        label,
        x,
        lambda x: x > 0,
        "The distribution is defined for positive parameters.",
        "Pass positive ones, such as np.exp(s) or funcgrad.nn.softplus(s).",
    )
    return x


def gamma(key: Any, a: Any, shape: Any = None, dtype: Any = None) -> Any:
    """Gamma numbers of rate 1: density xᵃ⁻¹ e⁻ˣ / Γ(a).

    The derivative by `a` is implicit, -(∂P/∂a) / (∂P/∂x) with the distribution function P(a, x), so
    that the expectation of the derivative is the derivative of the expectation.

    Args:
        key: a key.
        a: positive, differentiable.
        shape: of the result; that of `a` by default.
        dtype: floating; float64 by default.

    Returns:
        An array of the shape, or a NumPy scalar.

    Raises:
        DrawError: if a parameter is not positive.

    Example:
        >>> from funcgrad import random
        >>> random.gamma(random.key(0), np.array([0.5, 20.0]))
        array([0.00013333, 26.155])
    """
    return _gamma("gamma", key, a, shape, dtype, log=False)


def loggamma(key: Any, a: Any, shape: Any = None, dtype: Any = None) -> Any:
    """Logarithms of gamma numbers of rate 1, also where the number itself is too small for a float.

    Args:
        key: a key.
        a: positive, differentiable.
        shape: of the result; that of `a` by default.
        dtype: floating; float64 by default.

    Returns:
        An array of the shape, or a NumPy scalar.

    Raises:
        DrawError: if a parameter is not positive.
    """
    return _gamma("loggamma", key, a, shape, dtype, log=True)


def _gamma(name: str, key: Any, a: Any, shape: Any, dtype: Any, log: bool) -> Any:
    key, kind = as_key(name, key), float_dtype(name, dtype)
    a = _positive(name, "a", a, kind)
    return bind(gamma_p, key, spread(a, joint_shape(name, shape, a=a)), log=log)


def chisquare(key: Any, df: Any, shape: Any = None, dtype: Any = None) -> Any:
    """Sums of `df` squares of standard normal numbers.

    Args:
        key: a key.
        df: degrees of freedom, positive, differentiable.
        shape: of the result; that of `df` by default.
        dtype: floating; float64 by default.

    Returns:
        An array of the shape, or a NumPy scalar.
    """
    kind = float_dtype("chisquare", dtype)
    df = _positive("chisquare", "df", df, kind)
    return 2 * _gamma("chisquare", key, df / 2, shape, kind, log=False)


def t(key: Any, df: Any, shape: Any = None, dtype: Any = None) -> Any:
    """Student's t: a standard normal number over the root of a chi-square number's mean square.

    Args:
        key: a key.
        df: degrees of freedom, positive, differentiable.
        shape: of the result; that of `df` by default.
        dtype: floating; float64 by default.

    Returns:
        An array of the shape, or a NumPy scalar.
    """
    key, kind = as_key("t", key), float_dtype("t", dtype)
    half = _positive("t", "df", df, kind) / 2
    shape = joint_shape("t", shape, df=half)
    first, second = split(key)
    logs = _gamma("t", second, half, shape, kind, log=True)
    return normals(first, shape, kind) * np.exp((np.log(half) - logs) / 2)


def beta(key: Any, a: Any, b: Any, shape: Any = None, dtype: Any = None) -> Any:
    """Beta numbers: density xᵃ⁻¹ (1 - x)ᵇ⁻¹ / B(a, b), as the share of two gamma numbers.

    Args:
        key: a key.
        a: positive, differentiable.
        b: positive, differentiable.
        shape: of the result; that of the parameters by default.
        dtype: floating; float64 by default.

    Returns:
        An array of the shape, or a NumPy scalar.

    Raises:
        DrawError: if a parameter is not positive.
    """
    key, kind = as_key("beta", key), float_dtype("beta", dtype)
    a, b = _positive("beta", "a", a, kind), _positive("beta", "b", b, kind)
    shape = joint_shape("beta", shape, a=a, b=b)
    first, second = split(key)
    log_x = _gamma("beta", first, a, shape, kind, log=True)
    log_y = _gamma("beta", second, b, shape, kind, log=True)
    return expit(log_x - log_y)


def dirichlet(key: Any, alpha: Any, shape: Any = None, dtype: Any = None) -> Any:
    """Points of the simplex: density ∝ Π xᵢ^(αᵢ - 1), as the shares of gamma numbers.

    Args:
        key: a key.
        alpha: shape (..., n), positive, differentiable.
        shape: of the result without its last axis; that of `alpha` by default.
        dtype: floating; float64 by default.

    Returns:
        An array of shape `(*shape, n)`, of sum 1 along the last axis.

    Raises:
        DrawError: if a parameter is not positive, or there are none.
    """
    key, kind = as_key("dirichlet", key), float_dtype("dirichlet", dtype)
    alpha = _positive("dirichlet", "alpha", alpha, kind)
    if not alpha.shape:
        refuse(
            "dirichlet",
            "alpha is one number",
            "The last axis of alpha is that of the simplex.",
            "Pass np.full(n, alpha).",
        )
    shape = joint_shape("dirichlet", shape, alpha=alpha[..., 0])
    logs = _gamma("dirichlet", key, alpha, (*shape, alpha.shape[-1]), kind, log=True)
    return softmax(logs, axis=-1)
