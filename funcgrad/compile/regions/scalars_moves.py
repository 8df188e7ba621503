"""How equations that move elements act on single numbers: at the time of compilation alone."""

import functools
import math
from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from funcgrad.compile.regions.scalars_numbers import Number, Unrolled
from funcgrad.compile.regions.scalars_values import (
    Expand,
    Rule,
    Value,
    as_floats,
    kind_of,
    kinds_of,
    moved,
    spread,
)
from funcgrad.core.program import Constant, Equation, Reference
from funcgrad.primitives.keys import decode

__all__ = ["MOVES"]


def _rearranged(move: Callable[[Any, dict[str, Any]], Any]) -> Expand:
    def expand(
        unrolled: Unrolled, equation: Equation, values: Sequence[Value], exact: bool
    ) -> list[Value]:
        del unrolled, exact
        params = dict(equation.params)
        value = values[0]
        found = moved(lambda x: move(x, params), value)
        name = equation.primitive.name
        boxed = not found.shape and (
            value.boxed
            or (name == "reshape" and bool(value.shape))
            or name == "broadcast_to"
            or (name == "index" and Ellipsis in params["key"])
        )
        return [Value(found.shape, found.items, value.boolean, boxed)]

    return expand


def _transposed(x: Any, params: dict[str, Any]) -> Any:
    axes = params["axes"]
    return x.transpose(*range(x.ndim - len(axes)), *(a + x.ndim for a in axes))


def _same(
    unrolled: Unrolled, equation: Equation, values: Sequence[Value], exact: bool
) -> list[Value]:
    del exact
    result = equation.results[0]
    value = as_floats(unrolled, values[0]) if result.dtype.kind == "f" else values[0]
    return [Value(result.shape, value.items, value.boolean)]


def _same_fits(equation: Equation, exact: bool) -> bool:
    """Without axes it may be an array or a scalar, as the operand is."""
    del exact
    result = equation.results[0]
    return bool(result.shape) and (result.dtype.kind == "f" or kinds_of(equation) == {"b"})


def _joined(
    unrolled: Unrolled, equation: Equation, values: Sequence[Value], exact: bool
) -> list[Value]:
    del exact
    ((_, axis),) = equation.params
    result = equation.results[0]
    if result.dtype.kind == "f":
        values = [as_floats(unrolled, value) for value in values]
    items = [x for value in values for x in value.items]
    arrays, start = [], 0
    for value in values:
        count = len(value.items)
        arrays.append(np.arange(start, start + count).reshape(value.shape))
        start += count
    join: Any = getattr(np, equation.primitive.name)
    places = join(arrays, axis=axis)
    picked = [items[i] for i in places.ravel().tolist()]
    return [Value(result.shape, picked, result.dtype.kind == "b")]


def _rows(
    unrolled: Unrolled, equation: Equation, values: Sequence[Value], exact: bool
) -> list[Value]:
    del unrolled, exact
    value = values[0]
    axis = dict(equation.params)["axis"]
    rank = len(value.shape)
    front = axis + rank if axis < 0 else axis
    count = range(len(equation.results))
    return [moved(functools.partial(np.take, indices=i, axis=front), value) for i in count]


def _laid(
    unrolled: Unrolled, equation: Equation, values: Sequence[Value], exact: bool
) -> list[Value]:
    """Zeros with the operands added at their keys."""
    params = dict(equation.params)
    result = equation.results[0]
    if "keys" in params:
        keys = [decode(key) for key in params["keys"]]
    else:
        lead = params["lead"]
        index = [np.asarray(o.value) for o in equation.operands[1:] if isinstance(o, Constant)]
        keys = [(slice(None),) * lead + tuple(index)]
        values = values[:1]
    places = np.arange(math.prod(params["shape"])).reshape(params["shape"])
    found: list[Number | None] = [None] * places.size
    adds = exact and (len(keys) > 1 or "keys" not in params)
    zero = unrolled.literal(0.0)
    for key, value in zip(keys, values, strict=True):
        at = np.asarray(places[key])
        for place, x in zip(at.ravel().tolist(), spread(value, at.shape), strict=True):
            before = found[place]
            if before is not None:
                found[place] = unrolled.apply("add", before, x)
            else:
                found[place] = unrolled.apply("add", zero, x) if adds else x
    items = [zero if x is None else x for x in found]
    return [Value(result.shape, items, result.dtype.kind == "b")]


def _laid_fits(equation: Equation, exact: bool) -> bool:
    del exact
    shape = dict(equation.params)["shape"]
    return equation.results[0].shape == shape and kinds_of(equation) == {"f"}


def _gathered(
    unrolled: Unrolled, equation: Equation, values: Sequence[Value], exact: bool
) -> list[Value]:
    del unrolled, exact
    lead = dict(equation.params)["lead"]
    index = [np.asarray(o.value) for o in equation.operands[1:] if isinstance(o, Constant)]
    return [moved(lambda x: x[(slice(None),) * lead + tuple(index)], values[0])]


def _known_index(equation: Equation, exact: bool) -> bool:
    del exact
    if equation.primitive.name == "scatter_add" and (
        equation.results[0].shape != dict(equation.params)["shape"]
        or kind_of(equation.operands[0]) != "f"
    ):
        return False
    return bool(equation.results[0].shape) and all(
        isinstance(o, Constant) and not isinstance(o, Reference) for o in equation.operands[1:]
    )


def _free(_equation: Equation) -> float:
    return 0.0


def _few(equation: Equation) -> float:
    return 0.2 * math.prod(equation.results[0].shape)


MOVES: MappingProxyType[str, Rule] = MappingProxyType(
    {
        "reshape": Rule(_rearranged(lambda x, p: x.reshape(p["shape"])), _free, 0.5),
        "transpose": Rule(_rearranged(_transposed), _free, 0.5),
        "broadcast_to": Rule(_rearranged(lambda x, p: np.broadcast_to(x, p["shape"])), _free, 8.0),
        "index": Rule(_rearranged(lambda x, p: x[decode(p["key"])]), _free, 0.4),
        "astype": Rule(_same, _free, 1.0, _same_fits),
        "copy": Rule(_same, _free, 1.0, _same_fits),
        "stop_gradient": Rule(_same, _free, 1.0, _same_fits),
        "rows": Rule(_rows, _free, 1.0),
        "concatenate": Rule(_joined, _free, 2.0),
        "stack": Rule(_joined, _free, 8.0),
        "unindex": Rule(_laid, _few, 2.0, _laid_fits),
        "gather": Rule(_gathered, _free, 2.0, _known_index),
        "scatter_add": Rule(_laid, _few, 4.0, _known_index),
    }
)
"""By the names of primitives."""
