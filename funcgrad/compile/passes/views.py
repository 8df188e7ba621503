"""Arrangements of the same numbers: shapes, orders of axes, parts, dtypes, copies.

    reshape(reshape(x))     reshape(x)        transpose(transpose(x))   x, or one transpose
    x[:, None], x[0:1]      reshape(x)        x[k][l]                   x[kl]
    broadcast(broadcast x)  broadcast(x)      stack(…, x, …)[i]         x
    astype(astype(x))       astype(x)         copy(x)                   x

and what changes nothing is left out. Each holds only where the result lies in memory as before.
That includes the stride of a single element: NumPy does not compute sinh(x[::-1]) as sinh(x).
"""

import math
from typing import Any

from funcgrad.compile.passes.sweep import Found, Rules, Sweep, remade
from funcgrad.core.program import Equation, Variable

__all__ = ["VIEWS"]

Shape = tuple[int, ...]


def _as_it_is(sweep: Sweep, equation: Equation) -> Found:
    """The operand, for a primitive whose value is its operand itself."""
    del sweep
    return equation.operands[0]


def _view_of(x: Variable, equation: Equation) -> Found:
    """x in place of a view of all of it, which is an array."""
    result = equation.results[0]
    return x if x.shape == result.shape != () and x.dtype == result.dtype else None


def _reshape(sweep: Sweep, equation: Equation) -> Found:
    x, result = equation.operands[0], equation.results[0]
    if type(x) is not Variable:
        return None
    if x.shape == result.shape:
        return _view_of(x, equation)
    inner = sweep.definition(x, "reshape")
    if inner is None or type(inner.operands[0]) is not Variable or math.prod(x.shape) == 1:
        return None
    first = inner.operands[0]
    if not (_only_splits(first.shape, x.shape) or _is_plain(sweep, first)):
        return None
    if first.shape == result.shape:
        return first if 1 not in first.shape or _is_plain(sweep, first) else None
    return remade(equation, "reshape", (first,), equation.params)


def _is_plain(sweep: Sweep, x: Variable) -> bool:
    """Whether an array lies in memory in C order without gaps."""
    return len(x.shape) > 0 and sweep.is_dense(x) and bool(sweep.order(x) == "C")


def _only_splits(old: Shape, new: Shape) -> bool:
    """Whether each old axis becomes one or several new ones, besides axes of length 1.

    Then the new array is a view, however the old one lies in memory.
    """
    rest = [n for n in new if n != 1]
    for length in old:
        if length == 1:
            continue
        product = 1
        while rest and product < length:
            product *= rest.pop(0)
        if product != length:
            return False
    return not rest and math.prod(old) > 0


def _transpose(sweep: Sweep, equation: Equation) -> Found:
    x = equation.operands[0]
    if type(x) is not Variable:
        return None
    rank = len(x.shape)
    axes = _all_axes(equation, rank)
    if axes == tuple(range(rank)):
        return _view_of(x, equation)
    inner = sweep.definition(x, "transpose")
    if inner is None:
        return None
    first = _all_axes(inner, rank)
    both = tuple(first[axis] - rank for axis in axes)
    return remade(equation, "transpose", inner.operands, (("axes", both),))


def _all_axes(equation: Equation, rank: int) -> Shape:
    axes = dict(equation.params)["axes"]
    return (*range(rank - len(axes)), *(axis + rank for axis in axes))


def _broadcast(sweep: Sweep, equation: Equation) -> Found:
    x = equation.operands[0]
    params = dict(equation.params)
    if type(x) is not Variable or params.get("like") is not None or x.weak:
        return None
    if x.shape == equation.results[0].shape and math.prod(x.shape) != 1:
        return _view_of(x, equation)
    inner = sweep.definition(x, "broadcast_to")
    if inner is None or dict(inner.params).get("like") is not None:
        return None
    return remade(equation, "broadcast_to", inner.operands, (("shape", params["shape"]),))


# --- parts --------------------------------------------------------------------------------------


def _index(sweep: Sweep, equation: Equation) -> Found:
    x, result = equation.operands[0], equation.results[0]
    if type(x) is not Variable or x.weak or not result.shape:
        return None
    key = _spelled_out(dict(equation.params)["key"], len(x.shape))
    takes_all = _takes_all(key, x.shape)
    if takes_all and all(type(part) is tuple for part in key):
        return x
    found = _index_of_index(sweep, equation, x, key)
    if found is None and takes_all and _is_plain(sweep, x) and math.prod(x.shape) != 1:
        return remade(equation, "reshape", (x,), (("shape", result.shape),))
    return _index_of_stack(sweep, equation, x, key) if found is None else found


def _spelled_out(key: tuple[Any, ...], rank: int) -> list[Any]:
    """A key with one part for each axis, and None: without Ellipsis."""
    used = sum(part is not None and part is not Ellipsis for part in key)
    full = [(None, None, None)] * (rank - used)
    parts = list(key)
    at = parts.index(Ellipsis) if Ellipsis in parts else len(parts)
    return [*parts[:at], *full, *parts[at + 1 :]]


def _takes_all(key: list[Any], shape: Shape) -> bool:
    """Whether a key takes each element, in order, and keeps the strides."""
    lengths = iter(shape)
    for part in key:
        if part is None:
            continue
        length = next(lengths)
        if type(part) is not tuple:
            if length != 1:
                return False
        elif not _is_whole(range(length)[slice(*part)], length):
            return False
    return True


def _is_whole(places: range, length: int) -> bool:
    return places.step == 1 and places == range(length)


def _index_of_stack(sweep: Sweep, equation: Equation, x: Variable, key: list[Any]) -> Found:
    """One of the arrays that were stacked, where it lies in memory as the part would."""
    inner = sweep.definition(x, "stack")
    if inner is None or dict(inner.params)["axis"] != -len(x.shape):
        return None
    if type(key[0]) is not int or not _takes_all(key[1:], x.shape[1:]) or None in key:
        return None
    part, result = inner.operands[key[0]], equation.results[0]
    if type(part) is not Variable or part.shape != result.shape or part.dtype != result.dtype:
        return None
    if part.weak or not all(_is_plain(sweep, o) for o in inner.operands if type(o) is Variable):
        return None
    return part


def _index_of_index(sweep: Sweep, equation: Equation, x: Variable, key: list[Any]) -> Found:
    inner = sweep.definition(x, "index")
    if inner is None or type(inner.operands[0]) is not Variable:
        return None
    array = inner.operands[0]
    first = _spelled_out(dict(inner.params)["key"], len(array.shape))
    both = _composed(first, key, array.shape)
    return None if both is None else remade(equation, "index", (array,), (("key", both),))


def _composed(first: list[Any], second: list[Any], shape: Shape) -> tuple[Any, ...] | None:
    """The key of `x[first][second]`; `None` where there is no simple one."""
    parts: list[Any] = []
    then = iter(second)
    lengths = iter(shape)
    for part in first:
        if part is not None:
            length = next(lengths)
        if part is not None and type(part) is not tuple:
            parts.append(part)
            continue
        own = next(then, _FULL)
        while own is None:
            parts.append(None)
            own = next(then, _FULL)
        if part is None:  # a new axis of length 1: taken away, kept, or too much
            if type(own) is tuple:
                if range(1)[slice(*own)] != range(1):
                    return None
                parts.append(None)
            continue
        places = range(length)[slice(*part)]
        chosen: Any = slice(*own) if type(own) is tuple else own
        taken = places[chosen]
        parts.append(_as_part(taken, length) if type(taken) is range else taken)
        if parts[-1] is _EMPTY:
            return None
    parts.extend(then)
    return tuple(parts)


_FULL = (None, None, None)
_EMPTY = ("empty",)


def _as_part(places: range, length: int) -> tuple[Any, ...]:
    """The slice that takes these places of an axis."""
    if not places:
        return _EMPTY
    if _is_whole(places, length):
        return _FULL
    stop: int | None = places.stop if places.stop >= 0 else None
    return (places.start, stop, None if places.step == 1 else places.step)


def _concatenate(sweep: Sweep, equation: Equation) -> Found:
    x = equation.operands[0]
    if len(equation.operands) > 1 or type(x) is not Variable or not _is_plain(sweep, x):
        return None
    return x


# --- dtypes and copies --------------------------------------------------------------------------


def _astype(sweep: Sweep, equation: Equation) -> Found:
    x, result = equation.operands[0], equation.results[0]
    if type(x) is not Variable:
        return None
    if x.dtype == result.dtype:
        return sweep.stands_for(x, equation)
    inner = sweep.definition(x, "astype")
    if inner is None or type(inner.operands[0]) is not Variable:
        return None
    first = inner.operands[0]
    if first.weak or first.dtype.kind != "f" or x.dtype.kind != "f" or result.dtype.kind != "f":
        return None
    if first.dtype.itemsize > x.dtype.itemsize or inner.errors != equation.errors:
        return None
    if first.dtype == result.dtype:  # there and back again loses nothing
        return sweep.stands_for(first, equation)
    return remade(equation, "astype", (first,), equation.params)


def _copy(sweep: Sweep, equation: Equation) -> Found:
    x = equation.operands[0]
    if type(x) is not Variable or x.weak or not x.shape or not sweep.is_dense(x):
        return None
    keeps = equation.primitive.name == "copy" and dict(equation.params).get("order", "K") == "K"
    return x if keeps or sweep.order(x) == "C" else None


VIEWS: Rules = {
    "settle": (_as_it_is,),
    "ground": (_as_it_is,),
    "reshape": (_reshape,),
    "transpose": (_transpose,),
    "broadcast_to": (_broadcast,),
    "index": (_index,),
    "concatenate": (_concatenate,),
    "astype": (_astype,),
    "copy": (_copy,),
    "stop_gradient": (_copy,),
}
