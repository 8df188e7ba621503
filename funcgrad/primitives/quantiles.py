"""Order statistics: medians, quantiles and percentiles, with and without NaN.

A quantile lies between two elements of the sorted axis, (1 - γ) low + γ high. Which elements these
are is piecewise constant; the method says how their places and γ depend on q. Where γ depends on it
continuously, so does the quantile, with the derivative (high - low) ∂γ/∂q; at the q where it passes
an element, that is the derivative towards greater q (and at q = 1, where there is none, towards
smaller q). By the weights of a weighted quantile the derivative is zero.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from funcgrad.core.foreign import any_seen
from funcgrad.core.tracer import Tracer, bind, plain_value
from funcgrad.families.shapes import (
    as_operand,
    is_complex,
    negative_axes,
    rank_of,
    shape_of,
)
from funcgrad.primitives.joining import stack
from funcgrad.primitives.plain import implements_traced, is_traced, refuse_out
from funcgrad.primitives.reduction import kept_shape, last
from funcgrad.primitives.selecting import take_along_axis_p
from funcgrad.primitives.sorting import argsort, search_rows, sorted_elements
from funcgrad.primitives.statistics import nanmean, weights_for
from funcgrad.primitives.structural import (
    astype,
    broadcast_to,
    concatenate,
    moveaxis,
    reshape,
    where,
)

__all__ = ["median", "nanmedian", "nanpercentile", "nanquantile", "percentile", "quantile"]

# --- places -----------------------------------------------------------------------------------


class Between(NamedTuple):
    """The places of two elements of the sorted axis, and how far towards the second one."""

    low: Any
    high: Any
    gamma: Any


def _step(index: Any, stays: Any) -> Any:
    """⌊index⌋ where it stays, else the place behind."""
    below = np.floor(index)
    return np.where(stays(index, below), below, below + 1)


def _hyndman_fan(alpha: float, beta: float) -> Callable[[Any, Any], Any]:
    """R. J. Hyndman and Y. Fan 1996: the sample quantiles Q(q) by two plotting positions."""
    return lambda n, q: n * q + (alpha + q * (1 - alpha - beta)) - 1


# n elements, q: the one place.
DISCRETE: dict[str, Callable[[Any, Any], Any]] = {
    "inverted_cdf": lambda n, q: _step(n * q - 1, lambda index, below: index == below),
    "closest_observation": lambda n, q: _step(
        n * q - 1 - 0.5, lambda index, below: (index == below) & (below % 2 == 1)
    ),
    "lower": lambda n, q: np.floor((n - 1) * q),
    "higher": lambda n, q: np.ceil((n - 1) * q),
    "nearest": lambda n, q: np.round((n - 1) * q),
}

# n elements, q: a real number that stands for a place.
VIRTUAL: dict[str, Callable[[Any, Any], Any]] = {
    "averaged_inverted_cdf": lambda n, q: n * q - 1,
    "midpoint": lambda n, q: 0.5 * (np.floor((n - 1) * q) + np.ceil((n - 1) * q)),
    "linear": lambda n, q: (n - 1) * q,
    "interpolated_inverted_cdf": _hyndman_fan(0, 1),
    "hazen": _hyndman_fan(0.5, 0.5),
    "weibull": _hyndman_fan(0, 0),
    "median_unbiased": _hyndman_fan(1 / 3, 1 / 3),
    "normal_unbiased": _hyndman_fan(3 / 8, 3 / 8),
}

# Of those, the ones that are discrete in q all the same: γ by the number and its fraction.
JUMPING: dict[str, Callable[[Any, Any], Any]] = {
    "averaged_inverted_cdf": lambda _virtual, gamma: np.where(gamma == 0, 0.5, 1.0),
    "midpoint": lambda virtual, _gamma: np.where(virtual % 1 == 0, 0.0, 0.5),
}
REACHING = ("linear", "interpolated_inverted_cdf")
"""Methods that reach the last element only at q = 1."""


def _between(method: str, n: Any, q: Any) -> Between:
    """Where the quantiles q of n sorted elements lie; n is a number, or a column of them."""
    final = np.maximum(n - 1, 0)
    virtual = (DISCRETE if method in DISCRETE else VIRTUAL)[method](n, q)
    if method in DISCRETE or (method == "linear" and virtual.dtype.kind in "iu"):
        place = _place(np.clip(virtual, 0, final))
        return Between(place, place, None)
    below = np.floor(virtual)
    beyond = virtual >= n - 1
    low = np.where(beyond, final, below)
    high = np.where(beyond, final, below + 1)
    if method in REACHING and isinstance(virtual, Tracer):
        low = np.where(virtual == n - 1, final - 1, low)
    low, high = _place(np.clip(low, 0, final)), _place(np.clip(high, 0, final))
    gamma = virtual - astype(low, virtual.dtype)
    if method in JUMPING:
        gamma = astype(JUMPING[method](virtual, gamma), virtual.dtype)
    return Between(low, high, gamma)


def _place(index: Any) -> Any:
    return astype(index, np.dtype(np.intp))


# --- elements ---------------------------------------------------------------------------------


def _lined(a: Any, axis: Any) -> tuple[Any, tuple[int, ...]]:
    """The array with its reduced axes joined to one, the last; and these axes."""
    axes = negative_axes(axis, rank_of(a))
    return (a if axes == (-1,) else last(a, axes)), axes


def _unlined(found: Any, q_shape: tuple[int, ...], shape: Any, axes: Any, keepdims: bool) -> Any:
    """(..., k) as NumPy shapes it: first the axes of q, then those that are left of the array."""
    lead = shape_of(found)[:-1]
    if not lead and not q_shape and not keepdims:
        return found[0]
    found = reshape(found, (*lead, *q_shape))
    if q_shape and lead:
        found = moveaxis(found, tuple(range(-len(q_shape), 0)), tuple(range(len(q_shape))))
    return reshape(found, (*q_shape, *kept_shape(shape, axes))) if keepdims else found


def _keeps(keepdims: Any) -> bool:
    return keepdims is not np._NoValue and bool(keepdims)


def _has_nan(a: Any) -> bool:
    return bool(a.dtype.kind in "fc")


def _or_nan(found: Any, largest: Any) -> Any:
    """NaN in place of what was found in a row with NaN, which is then its largest element."""
    return where(np.isnan(largest), largest, found)


def _beside(*parts: Any) -> Any:
    """Places side by side, each (k,) or (..., k)."""
    lead = np.broadcast_shapes(*(shape_of(part)[:-1] for part in parts))
    return concatenate([broadcast_to(p, (*lead, shape_of(p)[-1])) for p in parts], axis=-1)


def _interpolated(low: Any, high: Any, gamma: Any) -> Any:
    apart = high - low
    return where(gamma >= 0.5, high - apart * (1 - gamma), low + apart * gamma)


def _at(x: Any, n: Any, between: Between) -> Any:
    """The quantiles of rows (..., n) of which n elements count; (..., k)."""
    low, high, gamma = between
    rest = [np.array([n - 1])] if isinstance(n, int) and _has_nan(x) else []
    k = shape_of(low)[-1]
    if gamma is None:
        taken = sorted_elements(x, _beside(low, *rest))
        found = taken[..., :k]
    else:
        taken = sorted_elements(x, _beside(low, high, *rest))
        found = _interpolated(taken[..., :k], taken[..., k : 2 * k], gamma)
    return _or_nan(found, taken[..., -1:]) if rest else found


def _number(x: Any) -> Any:
    """How many elements of each row are no NaN; a column."""
    return np.sum(np.logical_not(np.isnan(x)), axis=-1, keepdims=True)


# --- medians ----------------------------------------------------------------------------------


def _middle(x: Any) -> Any:
    """The two middle places, or the one, of each row."""
    n = shape_of(x)[-1]
    return np.array([n // 2] if n % 2 else [n // 2 - 1, n // 2])


@implements_traced(np.median)
def median(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False
) -> Any:
    """`numpy.median`: the mean of the two middle elements, or the one in the middle."""
    del overwrite_input
    refuse_out("median", out)
    a = as_operand(a)
    x, axes = _lined(a, axis)
    if not shape_of(x)[-1]:
        return np.mean(a, axis=axes, keepdims=_keeps(keepdims))
    places = _middle(x)
    rest = [np.array([shape_of(x)[-1] - 1])] if _has_nan(x) else []
    taken = sorted_elements(x, _beside(places, *rest))
    found = np.mean(taken[..., : len(places)], axis=-1, keepdims=True)
    if rest:
        found = _or_nan(found, taken[..., -1:])
    return _unlined(found, (), shape_of(a), axes, _keeps(keepdims))


@implements_traced(np.nanmedian)
def nanmedian(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False
) -> Any:
    """`numpy.nanmedian`: the median of what is no NaN."""
    a = as_operand(a)
    if not _has_nan(a):
        return median(a, axis, out, overwrite_input, keepdims)
    refuse_out("nanmedian", out)
    x, axes = _lined(a, axis)
    if not shape_of(x)[-1]:
        return nanmean(a, axes, keepdims=_keeps(keepdims))
    n = _number(x)
    places = _beside(np.maximum(n - 1, 0) // 2, np.minimum(n // 2, np.maximum(n - 1, 0)))
    found = np.mean(sorted_elements(x, places), axis=-1, keepdims=True)
    return _unlined(found, (), shape_of(a), axes, _keeps(keepdims))


# --- quantiles --------------------------------------------------------------------------------


def _check(name: str, a: Any, q: Any, weights: Any, method: str, whole: int) -> None:
    if is_complex(a):
        raise TypeError("a must be an array of real numbers")
    if rank_of(q) > 2:
        raise ValueError("q must be a scalar or 1d")
    if method not in DISCRETE and method not in VIRTUAL:
        methods = ", ".join(sorted({*DISCRETE, *VIRTUAL}))
        raise ValueError(f"{method!r} is not a valid method. Use one of: {methods}")
    plain = plain_value(q)
    if any_seen(np.logical_not((plain >= 0) & (plain <= 1))):
        kind = "Percentiles" if whole == 100 else "Quantiles"
        raise ValueError(f"{kind} must be in the range [0, {whole}]")
    if weights is not None:
        if method != "inverted_cdf":
            raise ValueError(f"Only method 'inverted_cdf' supports weights. Got: {method}.")
        if any_seen(plain_value(weights) < 0):
            raise ValueError("Weights must be non-negative.")


def _weighted(x: Any, w: Any, q: Any, skip_nan: bool) -> Any:
    """The first elements at which the share of the weights reaches q."""
    order = argsort(x)
    if skip_nan:
        w = where(np.isnan(x), 0, w)
        final = np.maximum(_number(x) - 1, 0)
    else:
        final = shape_of(x)[-1] - 1
    share = np.cumsum(np.take_along_axis(w, order, -1), axis=-1, dtype=np.float64)
    share = share / share[..., -1:]
    if any_seen(np.isnan(plain_value(share)[..., -1])):
        raise ValueError("Weights included NaN, inf or were all zero.")
    if q.dtype.kind == "f":
        share = astype(share, q.dtype)
    share = where(share == 0, -1, share)
    sought = broadcast_to(q, (*shape_of(x)[:-1], shape_of(q)[-1]))
    place = np.minimum(search_rows(share, sought), final)
    chosen = np.take_along_axis(order, place, -1)
    found = bind(take_along_axis_p, x, chosen, axis=-1, unique=False)
    if skip_nan or not _has_nan(x):
        return found
    return _or_nan(found, np.take_along_axis(x, order[..., -1:], -1))


def _quantile(
    name: str,
    a: Any,
    q: Any,
    axis: Any,
    out: Any,
    method: str,
    keepdims: Any,
    weights: Any,
    *,
    whole: int,
    skip_nan: bool,
) -> Any:
    refuse_out(name, out)
    a = as_operand(a)
    q = stack(q) if type(q) in (list, tuple) and is_traced(q) else as_operand(q)
    weak = type(plain_value(q)) in (int, float)
    if whole != 1:
        q = np.true_divide(q, whole)
    if not isinstance(q, Tracer):
        q = np.asarray(q)
    if weights is not None:
        weights = as_operand(weights)
        weights = weights if hasattr(weights, "dtype") else np.asarray(weights)
        weights = weights_for(weights, a, axis)
    _check(name, a, q, weights, method, whole)
    keepdims = _keeps(keepdims)
    x, axes = _lined(a, axis)
    length = shape_of(x)[-1]
    if skip_nan and not length:
        return nanmean(a, axes, keepdims=keepdims)
    flat = reshape(q, (-1,))
    skip_nan = skip_nan and _has_nan(x)
    if weights is not None:
        w = _lined(broadcast_to(weights, shape_of(a)), axes)[0]
        found = _weighted(x, w, flat, skip_nan)
    else:
        n = _number(x) if skip_nan else length
        number = astype(n, q.dtype) if skip_nan and q.dtype.kind == "f" else n
        between = _between(method, number, flat)
        if weak and between.gamma is not None:
            dtype = x.dtype if x.dtype.kind == "f" else np.dtype(np.float64)
            between = between._replace(gamma=astype(between.gamma, dtype))
        found = _at(x, n, between)
    return _unlined(found, shape_of(q), shape_of(a), axes, keepdims)


@implements_traced(np.quantile)
def quantile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: Any = False,
    *,
    weights: Any = None,
) -> Any:
    """`numpy.quantile`: the value below which a share q of the elements lies."""
    del overwrite_input
    return _quantile(
        "quantile", a, q, axis, out, method, keepdims, weights, whole=1, skip_nan=False
    )


@implements_traced(np.percentile)
def percentile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: Any = False,
    *,
    weights: Any = None,
) -> Any:
    """`numpy.percentile`: the quantile at q / 100."""
    del overwrite_input
    return _quantile(
        "percentile", a, q, axis, out, method, keepdims, weights, whole=100, skip_nan=False
    )


@implements_traced(np.nanquantile)
def nanquantile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: Any = False,
    *,
    weights: Any = None,
) -> Any:
    """`numpy.nanquantile`: the quantile of what is no NaN."""
    del overwrite_input
    return _quantile(
        "nanquantile", a, q, axis, out, method, keepdims, weights, whole=1, skip_nan=True
    )


@implements_traced(np.nanpercentile)
def nanpercentile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: Any = False,
    *,
    weights: Any = None,
) -> Any:
    """`numpy.nanpercentile`: the percentile of what is no NaN."""
    del overwrite_input
    return _quantile(
        "nanpercentile", a, q, axis, out, method, keepdims, weights, whole=100, skip_nan=True
    )
