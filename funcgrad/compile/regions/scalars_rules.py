"""How the equations of small arrays act on single numbers: one rule for each primitive."""

import itertools
import math
from collections.abc import Callable, Sequence
from types import MappingProxyType

import numpy as np

from funcgrad.compile.regions.scalars_moves import MOVES
from funcgrad.compile.regions.scalars_numbers import Number, Unrolled
from funcgrad.compile.regions.scalars_operations import BOOLEAN, OPERATIONS, PYTHON, power
from funcgrad.compile.regions.scalars_values import (
    Expand,
    Rule,
    Value,
    as_floats,
    kind_of,
    kinds_of,
    shape_of_operand,
    spread,
)
from funcgrad.core.primitive import PRIMITIVES
from funcgrad.core.program import Constant, Equation
from funcgrad.families.shapes import folded_axes

__all__ = ["RULES", "rule_of"]

SHORT = 8
"""NumPy adds fewer numbers than that from the first to the last."""


def rule_of(equation: Equation) -> Rule | None:
    """The rule for an equation, if there is one for its primitive."""
    primitive = equation.primitive
    if primitive.family == "python":
        name = PYTHON.get(primitive.name)
        return None if name is None else RULES[name]
    rule = RULES.get(primitive.name)
    return rule if rule is None or PRIMITIVES.get(primitive.name) is primitive else None


def _size(equation: Equation) -> float:
    return float(math.prod(equation.results[0].shape))


def _size_of_operand(equation: Equation) -> float:
    return float(math.prod(shape_of_operand(equation.operands[0])))


# --- elementwise ------------------------------------------------------------------------------


def _elementwise(name: str) -> Expand:
    def expand(
        unrolled: Unrolled, equation: Equation, values: Sequence[Value], exact: bool
    ) -> list[Value]:
        result = equation.results[0]
        operation: str | None = name
        if name == "power":
            exponent = _exponent(equation)
            operation = power(exponent, exact)
            if operation != "pow":
                values = values[:1]
        if name == "where":
            if result.dtype.kind == "f":
                values = [values[0], *(as_floats(unrolled, value) for value in values[1:])]
        elif name not in BOOLEAN and not all(value.boolean for value in values):
            values = [as_floats(unrolled, value) for value in values]
        rows = [spread(value, result.shape) for value in values]
        if operation == "positive":
            items = list(rows[0])
        else:
            assert operation is not None
            items = unrolled.each(operation, rows)
        boolean = result.dtype.kind == "b"
        return [Value(result.shape, items, boolean, not result.shape and name == "where")]

    return expand


def _exponent(equation: Equation) -> float | None:
    """The exponent if it is one known number."""
    operand = equation.operands[1]
    if isinstance(operand, Constant) and not shape_of_operand(operand):
        return float(operand.value)
    return None


def _clip(
    unrolled: Unrolled, equation: Equation, values: Sequence[Value], exact: bool
) -> list[Value]:
    del exact
    shape = equation.results[0].shape
    rows = [spread(as_floats(unrolled, value), shape) for value in values]
    items = []
    for x, low, high in zip(*rows, strict=True):
        items.append(unrolled.apply("minimum", unrolled.apply("maximum", x, low), high))
    return [Value(shape, items)]


def _elementwise_fits(name: str) -> Callable[[Equation, bool], bool]:
    operation = OPERATIONS.get(name)

    def fits(equation: Equation, exact: bool) -> bool:
        kinds = kinds_of(equation)
        floats = equation.results[0].dtype.kind == "f"
        if exact and operation is not None and not operation.exact:
            return False
        if name == "power":
            return floats and power(_exponent(equation), exact) is not None
        if name == "where":
            own = {kind_of(operand) for operand in equation.operands[1:]}
            return kind_of(equation.operands[0]) == "b" and (floats or own == {"b"})
        if name in BOOLEAN:
            return kinds == {"b"}
        return floats or "f" in kinds or (kinds == {"b"} and name in ("equal", "not_equal"))

    return fits


def _elementwise_rule(name: str) -> Rule:
    cost = OPERATIONS[name].cost if name in OPERATIONS else 2.0
    calls = {"where": 1.6, "sign": 1.1}.get(name, 1.0)
    return Rule(
        _elementwise(name), lambda equation: cost * _size(equation), calls, _elementwise_fits(name)
    )


# --- sums and extrema -------------------------------------------------------------------------


def _groups(value: Value, axes: Sequence[int]) -> list[list[Number]]:
    """The elements that are reduced together, for each result."""
    rank = len(value.shape)
    reduced = [axis + rank if axis < 0 else axis for axis in axes]
    kept = [axis for axis in range(rank) if axis not in reduced]
    count = math.prod(value.shape[axis] for axis in reduced)
    places = np.arange(len(value.items)).reshape(value.shape).transpose(kept + reduced)
    return [[value.items[i] for i in row] for row in places.reshape(-1, count).tolist()]


def _reduction(name: str) -> Expand:
    def expand(
        unrolled: Unrolled, equation: Equation, values: Sequence[Value], exact: bool
    ) -> list[Value]:
        (value,) = values
        result = equation.results[0]
        value = as_floats(unrolled, value)
        items = []
        for group in _groups(value, dict(equation.params)["axis"]):
            if name in ("sum", "mean"):
                found = unrolled.total(group, exact)
            else:
                found = group[0]
                for x in group[1:]:
                    found = unrolled.apply(_FOLDS[name], found, x)
            if name == "mean":
                found = unrolled.apply("divide", found, unrolled.literal(float(len(group))))
            items.append(found)
        return [Value(result.shape, items)]

    return expand


_FOLDS = {"max": "maximum", "min": "minimum", "prod": "multiply"}


def _reduction_fits(name: str) -> Callable[[Equation, bool], bool]:
    def fits(equation: Equation, exact: bool) -> bool:
        shape = shape_of_operand(equation.operands[0])
        if not math.prod(shape) or equation.results[0].dtype.kind != "f":
            return False
        if not exact:
            return True
        lengths = [shape[axis] for axis in dict(equation.params)["axis"]]
        several = [length for length in lengths if length > 1]
        return name in ("sum", "mean") and len(several) <= 1 and math.prod(lengths) < SHORT

    return fits


def _folded(
    unrolled: Unrolled, equation: Equation, values: Sequence[Value], exact: bool
) -> list[Value]:
    """Σ x, or Σ x·y, over the axes along which something of a shape was broadcast."""
    params = dict(equation.params)
    result = equation.results[0]
    value = as_floats(unrolled, values[0])
    if len(values) > 1:
        other = as_floats(unrolled, values[1])
        pairs = zip(value.items, other.items, strict=True)
        value = Value(value.shape, [unrolled.apply("multiply", x, y) for x, y in pairs])
    rank = params["rank"]
    axes, _ = folded_axes(value.shape[len(value.shape) - rank :], params["shape"])
    return [Value(result.shape, [unrolled.total(g, exact) for g in _groups(value, axes)])]


def _folded_fits(equation: Equation, exact: bool) -> bool:
    if equation.results[0].dtype.kind != "f":
        return False
    shapes = {shape_of_operand(operand) for operand in equation.operands}
    return not exact and len(shapes) == 1 and math.prod(next(iter(shapes))) > 0


# --- products ---------------------------------------------------------------------------------


def _matmul(
    unrolled: Unrolled, equation: Equation, values: Sequence[Value], exact: bool
) -> list[Value]:
    x, y = (as_floats(unrolled, value) for value in values)
    a = np.arange(len(x.items)).reshape(x.shape)
    b = np.arange(len(y.items)).reshape(y.shape)
    a = a[None, :] if a.ndim == 1 else a
    b = b[:, None] if b.ndim == 1 else b
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    rows = np.broadcast_to(a, (*lead, *a.shape[-2:])).reshape(-1, *a.shape[-2:]).tolist()
    b = b.swapaxes(-1, -2)
    columns = np.broadcast_to(b, (*lead, *b.shape[-2:])).reshape(-1, *b.shape[-2:]).tolist()
    items = [
        unrolled.total(
            (
                unrolled.apply("multiply", x.items[i], y.items[j])
                for i, j in zip(row, column, strict=True)
            ),
            exact,
        )
        for matrix, other in zip(rows, columns, strict=True)
        for row in matrix
        for column in other
    ]
    return [Value(equation.results[0].shape, items)]


def _products(equation: Equation) -> float:
    return 2 * _size(equation) * (shape_of_operand(equation.operands[0]) or (1,))[-1]


def _matmul_fits(equation: Equation, exact: bool) -> bool:
    """The order of the sums, and the sign of their zeros, are a matter of the library of BLAS."""
    if exact or equation.results[0].dtype.kind != "f":
        return False
    return all(math.prod(shape_of_operand(operand)) for operand in equation.operands)


def _einsum(
    unrolled: Unrolled, equation: Equation, values: Sequence[Value], exact: bool
) -> list[Value]:
    spec: str = dict(equation.params)["spec"]
    inputs, output = spec.split("->")
    terms = inputs.split(",")
    values = [as_floats(unrolled, value) for value in values]
    sizes: dict[str, int] = {}
    for term, value in zip(terms, values, strict=True):
        sizes.update(zip(term, value.shape, strict=True))
    summed = [letter for letter in sizes if letter not in output]
    arrays = [np.arange(len(v.items)).reshape(v.shape) for v in values]
    items = []
    for place in itertools.product(*(range(sizes[letter]) for letter in output)):
        at = dict(zip(output, place, strict=True))
        products = []
        for more in itertools.product(*(range(sizes[letter]) for letter in summed)):
            at.update(zip(summed, more, strict=True))
            factors = [
                value.items[int(array[tuple(at[letter] for letter in term)])]
                for term, value, array in zip(terms, values, arrays, strict=True)
            ]
            found = factors[0]
            for factor in factors[1:]:
                found = unrolled.apply("multiply", found, factor)
            products.append(found)
        items.append(unrolled.total(products, exact))
    return [Value(equation.results[0].shape, items)]


def _einsum_sizes(equation: Equation) -> dict[str, int]:
    terms = dict(equation.params)["spec"].split("->")[0].split(",")
    sizes: dict[str, int] = {}
    for term, operand in zip(terms, equation.operands, strict=True):
        sizes.update(zip(term, shape_of_operand(operand), strict=True))
    return sizes


def _einsum_fits(equation: Equation, exact: bool) -> bool:
    spec = dict(equation.params).get("spec")
    floats = equation.results[0].dtype.kind == "f"
    if exact or not floats or not isinstance(spec, str) or "->" not in spec:
        return False
    return bool(math.prod(_einsum_sizes(equation).values()))


def _einsum_work(equation: Equation) -> float:
    return float(math.prod(_einsum_sizes(equation).values()) * len(equation.operands))


_REDUCTIONS = {
    name: Rule(_reduction(name), _size_of_operand, calls, _reduction_fits(name))
    for name, calls in {"sum": 2.6, "mean": 3.3, "max": 2.6, "min": 2.6, "prod": 2.5}.items()
}

RULES: MappingProxyType[str, Rule] = MappingProxyType(
    {
        **{name: _elementwise_rule(name) for name in OPERATIONS if hasattr(np, name)},
        **_REDUCTIONS,
        "power": _elementwise_rule("power"),
        "clip": Rule(_clip, lambda e: 4 * _size(e), 3.0, lambda _e, exact: not exact),
        "unbroadcast": Rule(_folded, _size_of_operand, 3.0, _folded_fits),
        "product_unbroadcast": Rule(_folded, _size_of_operand, 4.0, _folded_fits),
        "matmul": Rule(_matmul, _products, 1.7, _matmul_fits),
        "einsum": Rule(_einsum, _einsum_work, 8.0, _einsum_fits),
        **MOVES,
    }
)
"""By the names of primitives."""
