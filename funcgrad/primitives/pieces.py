"""`numpy.piecewise`: a function for each of the regions that conditions name."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from funcgrad.core.foreign import is_foreign
from funcgrad.core.tracer import Tracer, bind
from funcgrad.families.shapes import as_operand, rank_of, shape_of
from funcgrad.interpreters.batch import BatchTracer
from funcgrad.primitives.indexing import gather
from funcgrad.primitives.plain import implements_traced
from funcgrad.primitives.structural import (
    as_condition,
    astype,
    broadcast_to,
    ravel,
    reshape,
    truncate_p,
    where,
)
from funcgrad.primitives.updates import at, fitting

__all__ = ["piecewise"]


@implements_traced(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Sequence[Any], *args: Any, **kw: Any) -> Any:
    """`numpy.piecewise`: each function sees only the elements where its condition holds.

    Under `vmap`, where the examples have conditions of their own, each function sees as many
    elements as `x` has: in the place of those that are not its own stands one that is. So there it
    must act on each element by itself.
    """
    x = as_operand(x)
    if _is_number(condlist) or (_is_number(condlist[0]) and rank_of(x) > 0):
        condlist = [condlist]
    conditions = [as_condition(condition) for condition in condlist]
    if len(funclist) == len(conditions) + 1:  # the last one is for the rest
        rest = np.logical_not(functools.reduce(np.logical_or, conditions))
        conditions.append(rest)
    elif len(funclist) != len(conditions):
        count = len(conditions)
        raise ValueError(
            f"with {count} condition(s), either {count} or {count + 1} functions are expected"
        )
    out = np.zeros_like(x)
    for condition, function in zip(conditions, funclist, strict=True):
        if not callable(function):
            out = at(out)[condition].set(_element(function, x.dtype))
        elif _is_batched(condition):
            one = functools.partial(function, *args, **kw)
            if x.dtype.kind not in "fc":
                one = functools.partial(_call_for_element, one, x.dtype)
            out = _choose(condition, x, one, out)
        else:
            chosen = x[condition]
            if chosen.size:
                out = at(out)[condition].set(_element(function(chosen, *args, **kw), x.dtype))
    return out


def _element(value: Any, dtype: np.dtype[Any]) -> Any:
    """A value as one that is assigned to elements of this dtype."""
    value = as_operand(value)
    if dtype.kind in "fc":
        return value
    return astype(value, dtype) if hasattr(value, "dtype") else np.asarray(value, dtype)


def _call_for_element(function: Callable[[Any], Any], dtype: np.dtype[Any], chosen: Any) -> Any:
    return _element(function(chosen), dtype)


def _is_number(condition: Any) -> bool:
    """Whether a condition has no axes, as NumPy asks; a list or tuple of conditions has."""
    if isinstance(condition, Tracer) or is_foreign(condition):
        return rank_of(condition) == 0
    return not isinstance(condition, list | tuple | np.ndarray)


def _is_batched(condition: Any) -> bool:
    while isinstance(condition, Tracer):
        if isinstance(condition, BatchTracer) and condition.batched:
            return True
        condition = condition.value
    return False


def _choose(condition: Any, x: Any, function: Callable[[Any], Any], out: Any) -> Any:
    """The function where the condition holds; elsewhere it sees some element of its own."""
    shape = shape_of(x)
    if not x.size:
        return out
    mask = ravel(broadcast_to(condition, shape))
    flat = ravel(x)
    constant = bind(truncate_p, flat, dtype=flat.dtype)  # no derivative passes
    safe = gather(constant, (np.argmax(mask),), 0)
    masks, values = _all_examples(mask), _all_examples(constant)
    if type(masks) is np.ndarray and type(values) is np.ndarray and masks.shape == values.shape:
        if not masks.any():
            return out
        safe = where(np.any(mask), safe, values[masks][0])  # an element of another example
    found = fitting("piecewise", function(where(mask, flat, safe)), x.dtype)
    return where(condition, reshape(broadcast_to(found, shape_of(flat)), shape), out)


def _all_examples(x: Any) -> Any:
    while isinstance(x, BatchTracer):
        x = x.value
    return x
