"""How shapes, reductions, indexing, joining, products and the like are written.

Each function writes one primitive exactly as its value function computes it for plain arrays.
"""

import math
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from funcgrad.compile.spelling.elementwise import Speller
from funcgrad.compile.spelling.literals import (
    axis_text,
    dtype_text,
    is_weak,
    key_text,
    literal,
    operand_dtype,
    places_text,
    rank_of_operand,
    shape_of_operand,
    tuple_text,
)
from funcgrad.compile.spelling.scope import Scope
from funcgrad.core.program import Constant, Equation, Variable
from funcgrad.primitives.contraction import MANY_PRODUCTS

__all__ = ["ARRAYS", "WITH_OUT", "is_plain_mean"]

# --- shape, dtype -----------------------------------------------------------------------------


def _reshape(equation: Equation, operands: Sequence[str], scope: Scope, out: str | None) -> str:
    del scope, out
    ((_, shape),) = equation.params
    if is_weak(equation.operands[0]):
        return f"np.reshape({operands[0]}, {shape})"
    return f"{operands[0]}.reshape({', '.join(map(str, shape)) or '()'})"


def _transpose(equation: Equation, operands: Sequence[str], scope: Scope, out: str | None) -> str:
    del scope, out
    ((_, axes),) = equation.params
    rank = rank_of_operand(equation.operands[0])
    order = [*range(rank - len(axes)), *(a + rank for a in axes)]
    if order == list(range(rank - 1, -1, -1)):
        return f"{operands[0]}.T"
    return f"{operands[0]}.transpose({', '.join(map(str, order))})"


def _broadcast_to(
    equation: Equation, operands: Sequence[str], scope: Scope, out: str | None
) -> str:
    del scope, out
    return f"np.broadcast_to({operands[0]}, {dict(equation.params)['shape']})"


def _astype(equation: Equation, operands: Sequence[str], scope: Scope, out: str | None) -> str:
    del scope, out
    ((_, dtype),) = equation.params
    if is_weak(equation.operands[0]):
        text = dtype_text(dtype)
        return (
            f"{text}({operands[0]})" if text[0] != "'" else f"np.dtype({text}).type({operands[0]})"
        )
    return f"{operands[0]}.astype({dtype_text(dtype)})"


def _copy(equation: Equation, operands: Sequence[str], scope: Scope, out: str | None) -> str:
    del scope, out
    order = dict(equation.params).get("order", "K")
    if not equation.results[0].shape:
        return f"np.copy({operands[0]})"
    return f'{operands[0]}.copy("{order}")'


def _stop_gradient(
    equation: Equation, operands: Sequence[str], scope: Scope, out: str | None
) -> str:
    del scope, out
    return operands[0] if is_weak(equation.operands[0]) else f"{operands[0]}.copy()"


def _real(equation: Equation, operands: Sequence[str], scope: Scope, out: str | None) -> str:
    del scope, out
    return f"{operands[0]}.{equation.primitive.name}"


def _same(equation: Equation, operands: Sequence[str], scope: Scope, out: str | None) -> str:
    del equation, scope, out
    return operands[0]


def _rows(equation: Equation, operands: Sequence[str], scope: Scope, out: str | None) -> str:
    del scope, out
    ((_, axis),) = equation.params
    x, rank = operands[0], rank_of_operand(equation.operands[0])
    moved = x if axis == -rank else f"np.moveaxis({x}, {axis_text(axis, rank)}, 0)"
    return f"tuple({moved})" if len(equation.results) > 1 else f"{moved}[0]"


# --- reductions -------------------------------------------------------------------------------


def _reduced(equation: Equation, rank: int) -> tuple[str, str, bool]:
    """The axis and keepdims as arguments; and whether all axes are reduced."""
    params = dict(equation.params)
    axis = params["axis"]
    whole = len(axis) == rank
    kept = ", keepdims=True" if params["keepdims"] else ""
    return "None" if whole else axis_text(axis, rank), kept, whole


def _plain_reduction(name: str, equation: Equation, operands: Sequence[str]) -> str:
    """By NumPy's function, of scalars and of what its `reduce` would not do."""
    params = dict(equation.params)
    return f"np.{name}({operands[0]}, axis={params['axis']}, keepdims={params['keepdims']})"


def _reduction(name: str, ufunc: str) -> Speller:
    def spell(equation: Equation, operands: Sequence[str], scope: Scope, out: str | None) -> str:
        del scope
        rank = rank_of_operand(equation.operands[0])
        if not rank:
            return _plain_reduction(name, equation, operands)
        axis, kept, _ = _reduced(equation, rank)
        into = "" if out is None else f", out={out}"
        return f"np.{ufunc}.reduce({operands[0]}, axis={axis}{into}{kept})"

    return spell


def _by_tuple(name: str, ufunc: str) -> Speller:
    """As `_reduction`, of functions that are given all axes as a tuple."""

    def spell(equation: Equation, operands: Sequence[str], scope: Scope, out: str | None) -> str:
        del scope
        rank = rank_of_operand(equation.operands[0])
        if not rank:
            return _plain_reduction(name, equation, operands)
        params = dict(equation.params)
        kept = ", keepdims=True" if params["keepdims"] else ""
        into = "" if out is None else f", out={out}"
        axis = axis_text(params["axis"], rank)
        return f"np.{ufunc}.reduce({operands[0]}, axis={axis}{into}{kept})"

    return spell


def is_plain_mean(equation: Equation) -> bool:
    """Whether a mean is a sum divided by a number, as it is of most arrays."""
    shape, dtype = shape_of_operand(equation.operands[0]), operand_dtype(equation, 0)
    if not shape or dtype is None:
        return False
    return dtype.kind in "fc" and dtype.itemsize > 2 and 0 not in shape


def _mean(equation: Equation, operands: Sequence[str], scope: Scope, out: str | None) -> str:
    if not is_plain_mean(equation):
        return _plain_reduction("mean", equation, operands)
    shape = shape_of_operand(equation.operands[0])
    total = _reduction("sum", "add")(equation, operands, scope, out)
    number = math.prod(shape[a] for a in dict(equation.params)["axis"])
    return f"{total} / {number}" if out is None else f"np.divide({total}, {number}, {out})"


def _masked_sum(equation: Equation, operands: Sequence[str], scope: Scope, out: str | None) -> str:
    del scope, out
    text = _plain_reduction("sum", equation, operands)
    return f"{text[:-1]}, where={operands[1]})"


def _spread(name: str) -> Speller:
    """Variance and standard deviation."""

    def spell(equation: Equation, operands: Sequence[str], scope: Scope, out: str | None) -> str:
        del out
        params = dict(equation.params)
        rank = rank_of_operand(equation.operands[0])
        axis = axis_text(params["axis"], rank) if rank else "()"
        ddof = literal(params["ddof"], scope)
        kept = ", keepdims=True" if params["keepdims"] else ""
        return f"np.{name}({operands[0]}, axis={axis}, ddof={ddof}{kept})"

    return spell


def _cumsum(equation: Equation, operands: Sequence[str], scope: Scope, out: str | None) -> str:
    del scope
    params = dict(equation.params)
    axis = axis_text(params["axis"], rank_of_operand(equation.operands[0]))
    if params["reverse"]:
        return f"np.flip(np.cumsum(np.flip({operands[0]}, {axis}), axis={axis}), {axis})"
    into = "" if out is None else f", out={out}"
    return f"np.cumsum({operands[0]}, axis={axis}{into})"


# --- indexing ---------------------------------------------------------------------------------


def _index(equation: Equation, operands: Sequence[str], scope: Scope, out: str | None) -> str:
    del scope, out
    ((_, key),) = equation.params
    x = f"np.asarray({operands[0]})" if is_weak(equation.operands[0]) else operands[0]
    return key_text(x, key)


def _unindex(equation: Equation, operands: Sequence[str], scope: Scope, out: str | None) -> str:
    del out
    params = dict(equation.params)
    keys, shape = params["keys"], params["shape"]
    if len(keys) > 1 or not shape or is_weak(equation.operands[0]):
        name = scope.helper(_laid_all, "lay_all")
        texts = [places_text(key) for key in keys]
        return f"{name}({tuple_text(list(operands))}, {tuple_text(texts)}, {shape})"
    name = scope.helper(_laid, "lay")
    return f"{name}({operands[0]}, {places_text(keys[0])}, {shape})"


def _laid(ct: Any, key: tuple[Any, ...], shape: tuple[int, ...]) -> Any:
    full = np.zeros(shape, ct.dtype)
    full[key] = ct
    return full


def _laid_all(cts: Sequence[Any], keys: Sequence[Any], shape: tuple[int, ...]) -> Any:
    full = np.zeros(shape, np.asarray(cts[0]).dtype)
    if len(cts) == 1:
        full[keys[0]] = cts[0]
    else:
        for ct, key in zip(cts, keys, strict=True):
            full[key] += ct
    return full if shape else full[()]


def _gather(equation: Equation, operands: Sequence[str], scope: Scope, out: str | None) -> str:
    del scope, out
    ((_, lead),) = equation.params
    x, *idx = operands
    if len(idx) == 1 and rank_of_operand(equation.operands[0]) > 1:
        return f"{x}.take({idx[0]}, axis={lead})"
    return f"{x}[{', '.join([':'] * lead + idx)}]"


def _take_along_axis(
    equation: Equation, operands: Sequence[str], scope: Scope, out: str | None
) -> str:
    del scope, out
    x, indices = operands
    rank = rank_of_operand(equation.operands[0])
    if rank == 1:
        return f"{x}[{indices}]"
    return f"np.take_along_axis({x}, {indices}, {axis_text(dict(equation.params)['axis'], rank)})"


def _nonzero(equation: Equation, operands: Sequence[str], scope: Scope, out: str | None) -> str:
    del scope, out
    text = f"np.nonzero({operands[0]})"
    return text if len(equation.results) > 1 else f"{text}[0]"


def _where(equation: Equation, operands: Sequence[str], scope: Scope, out: str | None) -> str:
    del equation, scope, out
    return f"np.where({', '.join(operands)})"


# --- joining, products ------------------------------------------------------------------------


def _joined(name: str) -> Speller:
    def spell(equation: Equation, operands: Sequence[str], scope: Scope, out: str | None) -> str:
        del scope
        ((_, axis),) = equation.params
        axis = axis_text(axis, len(equation.results[0].shape))
        into = "" if out is None else f", out={out}"
        return f"np.{name}({tuple_text(list(operands))}, axis={axis}{into})"

    return spell


def _dtype(operand: Variable | Constant) -> Any:
    if isinstance(operand, Variable):
        return operand.dtype
    return getattr(operand.value, "dtype", None)


def _matmul(equation: Equation, operands: Sequence[str], scope: Scope, out: str | None) -> str:
    del scope
    x, y = operands
    plain = all(rank_of_operand(operand) <= 2 for operand in equation.operands)
    # Of two dtypes they may differ in the last bits.
    same = len({_dtype(operand) for operand in equation.operands}) == 1
    function = "np.dot" if plain and same else "np.matmul"
    return f"{function}({x}, {y})" if out is None else f"{function}({x}, {y}, {out})"


def _einsum(equation: Equation, operands: Sequence[str], scope: Scope, out: str | None) -> str:
    del scope, out
    ((_, spec),) = equation.params
    if len(operands) < 2:
        return f'np.copy(np.einsum("{spec}", {operands[0]}))[()]'
    sizes: dict[str, int] = {}
    for term, operand in zip(spec.split("->")[0].split(","), equation.operands, strict=True):
        sizes.update(zip(term, shape_of_operand(operand), strict=True))
    optimised = math.prod(sizes.values()) >= MANY_PRODUCTS or len(operands) > 2
    return f'np.einsum("{spec}", {", ".join(operands)}{", optimize=True" if optimised else ""})'


def _clip(equation: Equation, operands: Sequence[str], scope: Scope, out: str | None) -> str:
    del equation, scope, out
    return f"np.clip({', '.join(operands)})"


ARRAYS: MappingProxyType[str, Speller] = MappingProxyType(
    {
        "reshape": _reshape, "transpose": _transpose, "broadcast_to": _broadcast_to,
        "astype": _astype, "truncate": _astype, "copy": _copy, "stop_gradient": _stop_gradient,
        "real": _real, "imag": _real, "ground": _same, "settle": _same, "rows": _rows,
        "sum": _reduction("sum", "add"), "mean": _mean, "masked_sum": _masked_sum,
        "prod": _by_tuple("prod", "multiply"), "max": _by_tuple("max", "maximum"),
        "min": _by_tuple("min", "minimum"), "var": _spread("var"), "std": _spread("std"),
        "cumsum": _cumsum, "index": _index, "unindex": _unindex, "gather": _gather,
        "take_along_axis": _take_along_axis, "nonzero": _nonzero, "where": _where,
        "concatenate": _joined("concatenate"), "stack": _joined("stack"), "matmul": _matmul,
        "einsum": _einsum, "clip": _clip,
    }
)  # fmt: skip
"""How a primitive is written, by its name."""

WITH_OUT = frozenset(
    {"sum", "mean", "prod", "max", "min", "concatenate", "stack", "matmul", "cumsum"}
)
"""Those that can be given memory for the result."""
