"""Discrete distributions, orders and choices. Their derivative is zero, so results carry none."""

import math
import operator
from typing import Any

import numpy as np

from funcgrad.core.tracer import Tracer, bind
from funcgrad.families.shapes import as_operand, negative_axis, rank_of, shape_of
from funcgrad.primitives.selecting import take
from funcgrad.primitives.sorting import searchsorted
from funcgrad.random.arguments import (
    as_key,
    as_shape,
    check,
    float_dtype,
    integer_dtype,
    is_known,
    joint_shape,
    parameter,
    refuse,
    spread,
)
from funcgrad.random.primitives import binomial_p, integers_p, permutation_p, poisson_p
from funcgrad.random.standard import gumbel, uniform

__all__ = [
    "bernoulli",
    "binomial",
    "bits",
    "categorical",
    "choice",
    "geometric",
    "permutation",
    "poisson",
    "rademacher",
    "randint",
]

DOUBLE = np.dtype(np.float64)


# --- integers ---------------------------------------------------------------------------------


def bits(key: Any, shape: Any = (), dtype: Any = None) -> Any:
    """Random bits, as unsigned integers.

    Args:
        key: a key.
        shape: of the result.
        dtype: unsigned; uint64 by default.

    Returns:
        An array of the shape, or a NumPy scalar.
    """
    key = as_key("bits", key)
    kind = integer_dtype("bits", np.uint64 if dtype is None else dtype, "u")
    shape = as_shape("bits", shape)
    return bind(integers_p, key, 0, 2 ** (8 * kind.itemsize), shape=shape, dtype=kind)


def randint(key: Any, shape: Any, minval: Any, maxval: Any, dtype: Any = None) -> Any:
    """Integers of [minval, maxval), all with the same probability.

    Args:
        key: a key.
        shape: of the result; `None` for that of `minval` and `maxval`.
        minval: the least integer; it must broadcast to `shape`.
        maxval: above the largest integer; likewise.
        dtype: of the result; int64 by default.

    Returns:
        An array of the shape, or a NumPy scalar.

    Raises:
        DrawError: if `minval` is not below `maxval`, or they are no integers.

    Example:
        >>> from funcgrad import random
        >>> random.randint(random.key(0), (4,), 0, 10)
        array([0, 0, 6, 2])
    """
    key, kind = as_key("randint", key), integer_dtype("randint", dtype)
    low, high = _integer("minval", minval), _integer("maxval", maxval)
    shape = joint_shape("randint", shape, minval=low, maxval=high)
    if is_known(low) and is_known(high):
        limits = np.iinfo(kind)
        if not np.all(np.less(low, high)):
            refuse(
                "randint",
                f"minval is {minval}, maxval {maxval}",
                "No integer is at least minval and below maxval.",
                "Pass a larger maxval.",
            )
        if np.any(np.less(low, limits.min)) or np.any(np.greater(high, limits.max + 1)):
            refuse(
                "randint",
                f"minval is {minval}, maxval {maxval}, dtype {kind}",
                "Not all of these integers are numbers of that dtype.",
                "Pass a larger dtype.",
            )
    return bind(integers_p, key, low, high, shape=shape, dtype=kind)


def _integer(label: str, x: Any) -> Any:
    if type(x) is int:
        return x
    x = as_operand(x)
    dtype = x.dtype if hasattr(x, "dtype") else np.result_type(type(x))
    if dtype.kind not in "iu":
        refuse(
            "randint",
            f"{label} has dtype {dtype}" if shape_of(x) else f"{label} is {x}",
            "It bounds integers.",
            "Pass integers, or use funcgrad.random.uniform for real numbers.",
        )
    return x


def rademacher(key: Any, shape: Any = (), dtype: Any = None) -> Any:
    """-1 or 1, each with probability 1/2.

    Args:
        key: a key.
        shape: of the result.
        dtype: signed integer or floating; int64 by default.

    Returns:
        An array of the shape, or a NumPy scalar.
    """
    key = as_key("rademacher", key)
    kind = np.dtype(np.int64 if dtype is None else dtype)
    if kind.kind not in "if":
        refuse("rademacher", f"dtype {kind}", "It has no -1.", "Pass dtype=np.int64 or np.float64.")
    signs = bind(integers_p, key, 0, 2, shape=as_shape("rademacher", shape), dtype=np.dtype("i1"))
    return np.astype(2 * signs - np.int8(1), kind)


def poisson(key: Any, lam: Any, shape: Any = None, dtype: Any = None) -> Any:
    """Poisson numbers: P(k) = λᵏ e^(-λ) / k!.

    Args:
        key: a key.
        lam: means λ, not negative.
        shape: of the result; that of `lam` by default.
        dtype: of the result; int64 by default.

    Returns:
        An array of the shape, or a NumPy scalar. It carries no derivative.

    Raises:
        DrawError: if a mean is negative.

    Example:
        >>> from funcgrad import random
        >>> random.poisson(random.key(0), 4.0, (5,))
        array([0, 2, 5, 3, 5])
    """
    key, kind = as_key("poisson", key), integer_dtype("poisson", dtype)
    lam = parameter("poisson", lam, DOUBLE)
    check(
        "poisson",
        "lam",
        lam,
        lambda lam: (lam >= 0) & (lam < 9.2e18),
        "A mean number of events is not negative, and an int64 has to hold the number.",
        "Pass means from 0 to 9.2e18, such as np.exp(s).",
    )
    shape = joint_shape("poisson", shape, lam=lam)
    return bind(poisson_p, key, spread(lam, shape), dtype=kind)


def binomial(key: Any, n: Any, p: Any, shape: Any = None, dtype: Any = None) -> Any:
    """Numbers of successes in n trials, each of probability p.

    Args:
        key: a key.
        n: numbers of trials, not negative.
        p: probabilities.
        shape: of the result; that of the parameters by default.
        dtype: of the result; int64 by default.

    Returns:
        An array of the shape, or a NumPy scalar. It carries no derivative.

    Raises:
        DrawError: if a parameter is out of range.
    """
    key, kind = as_key("binomial", key), integer_dtype("binomial", dtype)
    n, p = parameter("binomial", n, DOUBLE), _probability("binomial", p)
    check(
        "binomial",
        "n",
        n,
        lambda n: (n >= 0) & (n == np.floor(n)),
        "It is a number of trials.",
        "Pass integers of 0 or more.",
    )
    shape = joint_shape("binomial", shape, n=n, p=p)
    whole = np.astype(n, np.int64)
    return bind(binomial_p, key, spread(whole, shape), spread(p, shape), dtype=kind)


def geometric(key: Any, p: Any, shape: Any = None, dtype: Any = None) -> Any:
    """Numbers of trials until the first success, of probability p each: 1, 2, ...

    Args:
        key: a key.
        p: probabilities above 0.
        shape: of the result; that of `p` by default.
        dtype: of the result; int64 by default.

    Returns:
        An array of the shape, or a NumPy scalar. It carries no derivative.

    Raises:
        DrawError: if a probability is out of range.
    """
    kind = integer_dtype("geometric", dtype)
    p = _probability("geometric", p)
    check(
        "geometric",
        "p",
        p,
        lambda p: p > 0,
        "There is never a success then.",
        "Pass probabilities above 0.",
    )
    u = uniform(as_key("geometric", key), joint_shape("geometric", shape, p=p))
    with np.errstate(divide="ignore"):
        failures = np.log1p(-u) / np.log1p(-p)
    return np.astype(np.floor(failures) + 1, kind)


# --- events and classes -----------------------------------------------------------------------


def _probability(name: str, p: Any) -> Any:
    p = parameter(name, p, DOUBLE)
    check(
        name,
        "p",
        p,
        lambda p: (p >= 0) & (p <= 1),
        "A probability lies between 0 and 1.",
        "Pass such ones, e.g. funcgrad.nn.sigmoid(logits).",
    )
    return p


def bernoulli(key: Any, p: Any = 0.5, shape: Any = None) -> Any:
    """True with probability p.

    Args:
        key: a key.
        p: probabilities.
        shape: of the result; that of `p` by default.

    Returns:
        A boolean array of the shape, or a NumPy bool. It carries no derivative.

    Raises:
        DrawError: if a probability is out of range.

    Example:
        >>> from funcgrad import random
        >>> random.bernoulli(random.key(0), 0.3, (3,))
        array([ True,  True,  True])
    """
    key, p = as_key("bernoulli", key), _probability("bernoulli", p)
    return uniform(key, joint_shape("bernoulli", shape, p=p)) < p


def categorical(
    key: Any, logits: Any, axis: int = -1, shape: Any = None, replace: bool = True
) -> Any:
    """Class numbers of which i has the probability softmax(logits)ᵢ, by the largest l + Gumbel.

    Args:
        key: a key.
        logits: logarithms of probabilities, up to a constant; -inf for none.
        axis: of the classes.
        shape: of the result; by default that of `logits` without `axis`, and it must end so.
        replace: whether a class may come several times along the axes that `shape` has in front.

    Returns:
        An array of int64 of the shape, or a NumPy scalar. It carries no derivative.

    Raises:
        DrawError: if the shape does not end so, or there are too few classes.

    Example:
        >>> from funcgrad import random
        >>> random.categorical(random.key(0), np.log([0.1, 0.2, 0.7]), shape=(6,))
        array([0, 2, 2, 2, 1, 2])
    """
    key, logits = as_key("categorical", key), parameter("categorical", logits, DOUBLE)
    if not logits.shape or not logits.shape[negative_axis(axis, rank_of(logits))]:
        refuse("categorical", f"logits of shape {logits.shape}", "There is no class.", "Pass some.")
    place = negative_axis(axis, rank_of(logits))
    rows = np.moveaxis(logits, place, -1)
    *lead, count = rows.shape
    full = tuple(lead) if shape is None else as_shape("categorical", shape)
    front = full[: len(full) - len(lead)]
    if full[len(front) :] != tuple(lead) or len(full) < len(lead):
        refuse(
            "categorical",
            f"logits of shape {logits.shape} with axis={axis}, for a result of shape {full}",
            f"The shape must end with that of the other axes, {tuple(lead)}.",
            "Put axes for more draws in front.",
        )
    if replace:
        return np.argmax(rows + gumbel(key, (*front, *rows.shape)), axis=-1)
    number = math.prod(front)
    if number > count:
        refuse(
            "categorical",
            f"{number} different ones of {count} classes",
            "There are not so many.",
            "Pass replace=True, or a smaller shape.",
        )
    order = np.argsort(-(rows + gumbel(key, rows.shape)), axis=-1)[..., :number]
    return np.reshape(np.moveaxis(order, -1, 0), full)


# --- orders and choices -----------------------------------------------------------------------


def permutation(key: Any, x: Any, axis: int = 0, independent: bool = False) -> Any:
    """The parts of an array in random order.

    Args:
        key: a key.
        x: an array, or an integer n for the numbers 0 ... n - 1. It is differentiable.
        axis: along which the parts are taken.
        independent: whether each line along the axis has an order of its own.

    Returns:
        An array of the shape and dtype of `x`.

    Raises:
        DrawError: for a negative integer.

    Example:
        >>> from funcgrad import random
        >>> random.permutation(random.key(0), 5)
        array([4, 1, 2, 0, 3])
    """
    key, x = as_key("permutation", key), _population("permutation", x)
    if type(x) is int:
        return bind(permutation_p, key, n=x, shape=())
    place = negative_axis(axis, rank_of(x)) + rank_of(x)
    n = x.shape[place]
    if not independent:
        return take(x, bind(permutation_p, key, n=n, shape=()), axis=place)
    others = (*x.shape[:place], *x.shape[place + 1 :])
    order = np.moveaxis(bind(permutation_p, key, n=n, shape=others), -1, place)
    return np.take_along_axis(x, order, axis=place)


def _population(name: str, x: Any) -> Any:
    """What is chosen from: an array with axes, or a number of integers."""
    if not isinstance(x, Tracer | np.ndarray | list | tuple) or not shape_of(as_operand(x)):
        try:
            number = operator.index(x)
        except TypeError:
            refuse(
                name,
                f"the population is {x!r}",
                "It is an array, or a number of integers.",
                "Pass np.array([...]), or an integer.",
            )
        if number < 0:
            refuse(
                name,
                f"the population has {number} elements",
                "No number of elements is negative.",
                "Pass 0 or more.",
            )
        return number
    return as_operand(x)


def choice(
    key: Any, a: Any, shape: Any = (), replace: bool = True, p: Any = None, axis: int = 0
) -> Any:
    """Random parts of an array.

    Args:
        key: a key.
        a: an array, or an integer n for the numbers 0 ... n - 1. It is differentiable.
        shape: of the places that are chosen.
        replace: whether a place may come several times.
        p: a probability for each place, of sum 1; by default they are equal.
        axis: along which the parts are taken.

    Returns:
        An array of which `shape` stands in the place of `axis` of `a`.

    Raises:
        DrawError: if there are too few places, or probabilities do not fit.

    Example:
        >>> from funcgrad import random
        >>> random.choice(random.key(0), np.array([1.5, 2.5, 3.5]), (4,))
        array([1.5, 1.5, 2.5, 1.5])
    """
    key, a = as_key("choice", key), _population("choice", a)
    shape = as_shape("choice", shape)
    place = 0 if type(a) is int else negative_axis(axis, rank_of(a)) + rank_of(a)
    n = a if type(a) is int else a.shape[place]
    number = math.prod(shape)
    if number and (n == 0 or (not replace and number > n)):
        refuse(
            "choice",
            f"{number} of {n} elements" + ("" if replace else " without repetition"),
            "There are too few.",
            "Pass a smaller shape" + (" or a larger array." if replace else ", or replace=True."),
        )
    if p is not None:
        p = _probabilities(p, n, 1 if replace else number)
    if p is None and replace:
        chosen = bind(integers_p, key, 0, max(n, 1), shape=shape, dtype=np.dtype(np.int64))
    elif p is None:
        chosen = np.reshape(bind(permutation_p, key, n=n, shape=())[:number], shape)
    elif replace:
        shares = np.cumsum(p)
        u = (1 - uniform(key, shape)) * shares[-1]  # above 0: no place of probability 0 is found
        chosen = searchsorted(shares, u)
    else:
        with np.errstate(divide="ignore"):
            order = np.argsort(-(np.log(p) + gumbel(key, (n,))))
        chosen = np.reshape(order[:number], shape)
    return chosen if type(a) is int else take(a, chosen, axis=place)


def _probabilities(p: Any, n: int, least: int) -> Any:
    p = parameter("choice", p, float_dtype("choice", None))
    if p.shape != (n,):
        refuse(
            "choice",
            f"p has shape {p.shape}, for {n} elements",
            "There is one probability for each.",
            f"Pass p of shape ({n},).",
        )
    _probability("choice", p)
    if is_known(p) and n:
        total = float(np.sum(p))
        if abs(total - 1) > 1e-6:
            refuse(
                "choice",
                f"p has the sum {total:g}",
                "Probabilities have the sum 1.",
                "Pass p / np.sum(p), or use funcgrad.random.categorical(key, np.log(weights)).",
            )
        if np.count_nonzero(p) < least:
            refuse(
                "choice",
                f"{least} of {np.count_nonzero(p)} elements with a probability above 0",
                "There are too few.",
                "Pass a smaller shape, or replace=True.",
            )
    return p
