"""How equations are turned: see `funcgrad.compile.regions.layout`."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from funcgrad.core.primitive import PRIMITIVES
from funcgrad.core.program import Constant, Equation, Variable

__all__ = ["SHIFT", "Turning", "is_long", "key_of"]

Operand = Variable | Constant

SHORT = 32
"""A row has at most so many elements,"""

LONG = 64
"""and a column at least so many."""

SMALLEST = 1 << 13
"""Elements of the smallest value that is turned."""

SHIFT = 48
"""New variables have numbers from multiples of 2⁴⁸."""

# Nanoseconds for each row, measured for rows of ten elements.
_SPREAD = 2.0
"""An operation with an operand that is broadcast."""

_SUMMED = 12.0
"""A sum along rows."""

_FOLDED = 2.0
"""A sum along rows by `einsum`, or a sum of rows."""

_PRODUCT = 3.0
"""A product with a small matrix."""

_COPIED = 2.0
"""An element of a copy in the other order."""

_SUMS = ("max", "mean", "min", "prod", "sum")
_FOLDS = ("product_unbroadcast", "unbroadcast")
_VIEWED = frozenset({"matmul", "transpose"})
"""What reads views in another order without a loss."""


def key_of(shape: tuple[int, ...]) -> tuple[int, int]:
    """The length of columns and of rows."""
    return shape[-2], shape[-1]


def is_long(shape: tuple[int, ...]) -> bool:
    """Whether a shape is one of long columns and short rows."""
    n, d = key_of(shape)
    return 1 < d <= SHORT and n >= LONG and n >= 4 * d and math.prod(shape) >= SMALLEST


def _swapped(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[:-2], shape[-1], shape[-2])


def _shape(operand: Operand) -> tuple[int, ...]:
    if isinstance(operand, Variable):
        return operand.shape
    shape: tuple[int, ...] = getattr(operand.value, "shape", ())
    return shape


def _dtype(operand: Operand) -> np.dtype[Any]:
    dtype: np.dtype[Any] = (operand if isinstance(operand, Variable) else operand.value).dtype
    return dtype


class Turning:
    """The equations of a segment, with the values of one pair (n, d) turned.

    Attributes:
        equations: so far.
        count: of values that are turned.
        gain: nanoseconds that are saved.
        loss: nanoseconds that copies take.
    """

    def __init__(self, key: tuple[int, int], needed: frozenset[int], begin: int) -> None:
        self.key = key
        self.needed = needed
        self.equations: list[Equation] = []
        self.count = 0
        self.gain = 0.0
        self.loss = 0.0
        self._next = begin
        self._turned: dict[int, Variable] = {}  # values that are there in turned form
        self._plain: dict[int, Variable] = {}  # views of turned values
        self._copies: dict[Any, Operand] = {}  # turned forms of values that are not turned
        self._same: dict[int, Variable] = {}  # values that another one stands for

    def add(self, equation: Equation) -> None:
        """Add an equation, in turned form if there is one."""
        operands = [
            self._same.get(o.number, o) if isinstance(o, Variable) else o for o in equation.operands
        ]
        rule = None if equation.errors is not None else self._rule(equation, operands)
        if rule is None:
            plain = [self._as_plain(o, equation) for o in operands]
            if all(a is b for a, b in zip(plain, equation.operands, strict=True)):
                self.equations.append(equation)
            else:
                self._append(equation, plain, equation.params, equation.results[0])
        else:
            rule(equation, operands)

    def _rule(self, equation: Equation, operands: Sequence[Operand]) -> Any:
        name = equation.primitive.name
        if PRIMITIVES.get(name) is not equation.primitive or len(equation.results) != 1:
            return None
        shape = equation.results[0].shape
        fits = self._fits(shape)
        own = [o for o in operands if isinstance(o, Variable) and o.number in self._turned]
        if fits and (name == "where" or _is_ufunc(equation)):
            if own or any(self._is_spread(o) for o in operands):
                return self._elementwise
        elif fits and name == "matmul":
            return self._product if len(shape) > 2 or own else None
        elif fits and name == "broadcast_to":
            return self._spread
        if not own:
            return None
        if name in _SUMS:
            return self._sum
        if name in _FOLDS:
            return self._fold
        if name == "transpose":
            return self._transpose if _swaps(equation) else None
        if name == "astype" or (name == "reshape" and fits):
            return self._moved
        return None

    def _fits(self, shape: tuple[int, ...]) -> bool:
        return len(shape) > 1 and shape[-2:] == self.key

    # operands ---------------------------------------------------------------------------------
    def _is_spread(self, operand: Operand) -> bool:
        """Whether an operand of an elementwise operation is broadcast along rows or columns."""
        shape = _shape(operand)
        return math.prod(shape[-2:]) > 1 and not self._fits(shape)

    def _as_plain(self, operand: Operand, reader: Equation) -> Operand:
        """An operand as it is for an equation that is not turned."""
        if not isinstance(operand, Variable):
            return operand
        found = self._turned.get(operand.number)
        if found is None:
            return operand
        plain = self._plain.get(operand.number)
        if plain is not operand and reader.primitive.name not in _VIEWED:
            self.loss += _COPIED * math.prod(operand.shape)
        if plain is None:
            plain = self._plain[operand.number] = self._swap(found)
        return plain

    def _as_turned(self, operand: Operand, copied: bool = True) -> Operand:
        """An operand for an equation that is turned."""
        shape = _shape(operand)
        if math.prod(shape) < 2 and len(shape) < 2:
            return operand
        if isinstance(operand, Variable) and operand.number in self._turned:
            return self._turned[operand.number]
        key = operand.number if isinstance(operand, Variable) else operand
        found = self._copies.get((key, copied))
        if found is None:
            found = self._copies[key, copied] = self._made_turned(operand, shape, copied)
        return found

    def _made_turned(self, operand: Operand, shape: tuple[int, ...], copied: bool) -> Operand:
        if len(shape) == 1:
            return self._reshape(operand, (*shape, 1))
        if type(operand) is Constant:
            return Constant(np.ascontiguousarray(np.swapaxes(operand.value, -1, -2)))
        if 1 in shape[-2:]:
            return self._reshape(operand, _swapped(shape))
        view = self._swap(operand)
        if not copied:
            return view
        self.loss += _COPIED * math.prod(shape)
        return self._new("copy", [view], view.shape, view.dtype, ("order", "C"))

    def _swap(self, operand: Operand) -> Variable:
        shape = _shape(operand)
        rank = len(shape)
        axes = (*range(-rank, -2), -1, -2)
        return self._new("transpose", [operand], _swapped(shape), _dtype(operand), ("axes", axes))

    def _reshape(self, operand: Operand, shape: tuple[int, ...]) -> Variable:
        return self._new("reshape", [operand], shape, _dtype(operand), ("shape", shape))

    # equations --------------------------------------------------------------------------------
    def _variable(self, shape: tuple[int, ...], dtype: np.dtype[Any], name: str = "") -> Variable:
        self._next += 1
        return Variable(self._next, shape, dtype, name=name)

    def _new(
        self,
        name: str,
        operands: Sequence[Operand],
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        param: tuple[str, Any],
    ) -> Variable:
        result = self._variable(shape, dtype)
        self.equations.append(Equation(PRIMITIVES[name], tuple(operands), (param,), (result,)))
        return result

    def _append(
        self, equation: Equation, operands: Sequence[Operand], params: Any, result: Variable
    ) -> None:
        results = (result, *equation.results[1:])
        self.equations.append(
            Equation(
                equation.primitive,
                tuple(operands),
                params,
                results,
                equation.errors,
                equation.origin,
            )
        )

    def _emit_turned(
        self, equation: Equation, operands: Sequence[Operand], params: Any = None
    ) -> None:
        """Add an equation whose result is turned."""
        result = equation.results[0]
        turned = self._variable(_swapped(result.shape), result.dtype, result.name)
        params = equation.params if params is None else params
        self._append(equation, operands, params, turned)
        self._turned[result.number] = turned
        self.count += 1
        if result.number in self.needed:
            self.loss += _COPIED * math.prod(result.shape)
            self._append(_COPY, [self._swap(turned)], _COPY.params, result)
            self._plain[result.number] = result

    def _emit_sum(
        self,
        equation: Equation,
        operands: Sequence[Operand],
        params: Any,
        shape: tuple[int, ...],
    ) -> None:
        """Add an equation whose result has other shapes than (…, n, d), which may be turned."""
        result = equation.results[0]
        if shape == result.shape:
            self._append(equation, operands, params, result)
            return
        turned = self._variable(shape, result.dtype, result.name)
        self._append(equation, operands, params, turned)
        back = Equation(
            PRIMITIVES["reshape"], (turned,), (("shape", result.shape),), (result,), None
        )
        self.equations.append(back)

    # rules ------------------------------------------------------------------------------------
    def _elementwise(self, equation: Equation, operands: Sequence[Operand]) -> None:
        if any(self._is_spread(o) for o in operands):
            self.gain += _SPREAD * self._rows(equation.results[0])
        self._emit_turned(equation, [self._as_turned(o) for o in operands])

    def _spread(self, equation: Equation, operands: Sequence[Operand]) -> None:
        params = (("shape", _swapped(equation.results[0].shape)),)
        self._emit_turned(equation, [self._as_turned(o) for o in operands], params)

    def _product(self, equation: Equation, operands: Sequence[Operand]) -> None:
        """(a b)ᵀ = bᵀ aᵀ."""
        a, b = operands
        if min(len(_shape(a)), len(_shape(b))) < 2:
            plain = [self._as_plain(o, equation) for o in operands]
            self._append(equation, plain, equation.params, equation.results[0])
            return
        if max(_shape(b)[-2:]) <= SHORT and len(equation.results[0].shape) > 2:
            self.gain += _PRODUCT * self._rows(equation.results[0])
        turned = [self._as_turned(b, copied=False), self._as_turned(a, copied=False)]
        self._emit_turned(equation, turned)

    def _sum(self, equation: Equation, operands: Sequence[Operand]) -> None:
        (x,) = operands
        params = dict(equation.params)
        axes: tuple[int, ...] = params["axis"]
        rows, columns = -1 in axes, -2 in axes
        assert isinstance(x, Variable)
        if rows and not columns:
            self.gain += _SUMMED * self._rows(x)
        elif columns and not rows:
            self.gain += _FOLDED * self._rows(x)
        params["axis"] = tuple(sorted({-1: -2, -2: -1}.get(axis, axis) for axis in axes))
        items = tuple(params.items())
        result = equation.results[0]
        if not rows and not columns:
            self._emit_turned(equation, [self._turned[x.number]], items)
            return
        swapped = params["keepdims"] and rows != columns
        shape = _swapped(result.shape) if swapped else result.shape
        self._emit_sum(equation, [self._turned[x.number]], items, shape)

    def _fold(self, equation: Equation, operands: Sequence[Operand]) -> None:
        params = dict(equation.params)
        shape: tuple[int, ...] = params["shape"]
        rank = params["rank"]
        if rank < 2:
            plain = [self._as_plain(o, equation) for o in operands]
            self._append(equation, plain, equation.params, equation.results[0])
            return
        full = _shape(operands[0])
        target = shape if len(shape) > 1 else (1,) * (2 * len(shape) - 1) + shape
        turned = _swapped(target) if len(target) > 1 else target
        params["shape"] = turned
        items = tuple(params.items())
        own = [self._as_turned(o) for o in operands]
        if self._fits(target):
            self._emit_turned(equation, own, items)
            return
        if len(target) < 2 or target[-2:] != (1, 1):
            self.gain += _FOLDED * math.prod(full[:-1])
        self._emit_sum(equation, own, items, (*full[: len(full) - rank], *turned))

    def _transpose(self, equation: Equation, operands: Sequence[Operand]) -> None:
        """The transpose of a turned value is there already."""
        (x,) = operands
        assert isinstance(x, Variable)
        result = equation.results[0]
        if result.number in self.needed:
            plain = self._as_plain(x, equation)
            self._append(equation, [plain], equation.params, result)
        else:
            self._same[result.number] = self._turned[x.number]

    def _moved(self, equation: Equation, operands: Sequence[Operand]) -> None:
        params = equation.params
        if equation.primitive.name == "reshape":
            params = (("shape", _swapped(equation.results[0].shape)),)
            if not self._fits(_shape(operands[0])):
                plain = [self._as_plain(o, equation) for o in operands]
                self._append(equation, plain, equation.params, equation.results[0])
                return
        self._emit_turned(equation, [self._as_turned(o) for o in operands], params)

    @staticmethod
    def _rows(variable: Variable) -> int:
        return math.prod(variable.shape[:-1])


def _is_ufunc(equation: Equation) -> bool:
    primitive = equation.primitive
    if primitive.family not in ("elementwise", "piecewise constant"):
        return False
    return isinstance(getattr(np, primitive.name, None), np.ufunc)


def _swaps(equation: Equation) -> bool:
    """Whether a transpose exchanges the last two axes, and these only."""
    ((_, axes),) = equation.params
    return tuple(axes[-2:]) == (-1, -2) and tuple(axes[:-2]) == tuple(range(-len(axes), -2))


_COPY = Equation(PRIMITIVES["copy"], (), (("order", "C"),), ())
