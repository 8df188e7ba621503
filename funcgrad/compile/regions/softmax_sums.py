"""Sums that vanish for real numbers, such as the cotangent of the largest element in a softmax.

exp(x - max x) / Σ exp(x - max x) is the same whatever is subtracted, so the cotangent that reaches
the maximum is zero but for rounding. Here that is found by computing with monomials: what varies
along the summed axes are factors of a term, and a sum of terms along them is a new factor, Σ e, of
which powers may cancel.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from funcgrad.compile.regions.softmax_rewriting import Operand, Rewriting, number_of
from funcgrad.core.program import Equation, Variable
from funcgrad.families.shapes import folded_axes

__all__ = ["Sums", "sums_of"]

MOST = 24
"""Terms of a sum; a longer one is taken as it is."""

DEEPEST = 60
"""So many operations are looked through, one behind the other."""

_Factors: TypeAlias = frozenset[tuple[Any, int]]
_Term: TypeAlias = tuple[_Factors, _Factors]
"""Powers of what varies along the axes, and of what does not."""

_Sum: TypeAlias = dict[_Term, float]
_ONE: _Term = (frozenset(), frozenset())


class Sums:
    """Values of a segment as polynomials, for arrays of one shape that are summed over some axes.

    Args:
        rewriting: the segment.
        shape: of the arrays.
        axes: over which is summed, not negative.
        rounding: coefficients are rounded numbers; a difference that is at most so large, relative
            to its parts, is none.
    """

    def __init__(
        self,
        rewriting: Rewriting,
        shape: tuple[int, ...],
        axes: tuple[int, ...],
        rounding: float,
    ) -> None:
        self._rewriting = rewriting
        self._rounding = rounding
        self._depth = 0
        self._shape = shape
        self._axes = axes
        self._kept = tuple(1 if a in axes else n for a, n in enumerate(shape))
        self._left = tuple(n for a, n in enumerate(shape) if a not in axes)
        self._count = int(np.prod([shape[a] for a in axes]))
        self._known: dict[tuple[Any, bool], _Sum] = {}

    def vanishes(self, operand: Operand) -> bool:
        """Whether a value, one for each sum over the axes, is zero for all real numbers."""
        found = self._of(operand, summed=True)
        return all(value == 0 for value in found.values())

    def _of(self, operand: Operand, *, summed: bool) -> _Sum:
        """The polynomial of a value; `summed` if it stands among values one for each sum."""
        operand = self._rewriting.seen(operand)
        number = number_of(operand)
        if number is not None:
            return {_ONE: number}
        key = (operand.number if isinstance(operand, Variable) else operand), summed
        found = self._known.get(key)
        if found is None:
            if self._depth > DEEPEST:
                return _atom(operand, summed)
            self._depth += 1
            found = self._computed(operand, summed)
            self._depth -= 1
            if found is None or len(found) > MOST:
                found = _atom(operand, summed)
            self._known[key] = found
        return found

    def _computed(self, operand: Operand, summed: bool) -> _Sum | None:
        if not isinstance(operand, Variable):
            return None
        if not summed and self._is_even(operand.shape):
            return self._of(operand, summed=True)
        equation = self._rewriting.made(operand)
        if equation is None:
            return None
        rule = _ARITHMETIC.get(equation.primitive.name)
        if rule is not None:
            if summed and not all(map(self._is_row, (operand, *equation.operands))):
                return None
            parts = [self._of(part, summed=summed) for part in equation.operands]
            return rule(*parts, rounding=self._rounding)
        return self._of_sums(equation) if summed else None

    def _is_even(self, shape: tuple[int, ...]) -> bool:
        """Whether a part of an expression of the full shape does not vary along the axes."""
        rank = len(self._shape)
        return all(a + len(shape) < rank or shape[a + len(shape) - rank] == 1 for a in self._axes)

    def _is_row(self, operand: Operand) -> bool:
        operand = self._rewriting.seen(operand)
        return not isinstance(operand, Variable) or operand.shape in (self._kept, self._left, ())

    def _of_sums(self, equation: Equation) -> _Sum | None:
        """The polynomial of a view or of a sum of values of the full shape."""
        first = self._rewriting.seen(equation.operands[0])
        if not isinstance(first, Variable):
            return None
        if equation.primitive.name in ("reshape", "index"):
            shapes = (self._kept, self._left)
            key = dict(equation.params).get("key", ())
            if first.shape in shapes and equation.results[0].shape in shapes and _drops_ones(key):
                return self._of(first, summed=True)
            return None
        if first.shape != self._shape or self._reduced(equation) != sorted(self._axes):
            return None
        parts = [self._of(part, summed=False) for part in equation.operands]
        total = parts[0] if len(parts) == 1 else _times(parts[0], parts[1], self._rounding)
        if total is None:
            return None
        scale = 1.0 / self._count if equation.primitive.name == "mean" else 1.0
        out: _Sum = {}
        for (varying, even), value in total.items():
            if varying:
                even = _joined(even, frozenset({(varying, 1)}))
            else:
                value *= self._count
            _gather(out, (frozenset(), even), value * scale, self._rounding)
        return _present(out)

    def _reduced(self, equation: Equation) -> list[int] | None:
        """The axes over which an equation sums."""
        name, params = equation.primitive.name, dict(equation.params)
        rank = len(self._shape)
        if name in ("sum", "mean"):
            return sorted(a % rank for a in params["axis"])
        if name in ("unbroadcast", "product_unbroadcast"):
            axes, _ = folded_axes(self._shape[rank - params["rank"] :], params["shape"])
            return sorted(a % rank for a in axes)
        return None


def sums_of(
    rewriting: Rewriting, shape: tuple[int, ...], axes: tuple[int, ...], rounding: float
) -> Sums:
    """As `Sums`, once for each segment."""
    found: Sums | None = rewriting.kept.get((shape, axes))
    if found is None:
        found = rewriting.kept[shape, axes] = Sums(rewriting, shape, axes, rounding)
    return found


def _atom(operand: Operand, summed: bool) -> _Sum:
    key = operand.number if isinstance(operand, Variable) else operand
    factors = frozenset({(key, 1)})
    return {(frozenset(), factors) if summed else (factors, frozenset()): 1.0}


def _drops_ones(key: tuple[Any, ...]) -> bool:
    """Whether an index takes position 0 of some axes and the whole of all others."""
    return all(part in (0, (None, None, None)) and part is not False for part in key)


def _joined(one: _Factors, other: _Factors) -> _Factors:
    if not other:
        return one
    powers = Counter(dict(one))
    for factor, power in other:
        powers[factor] += power
    return frozenset((factor, power) for factor, power in powers.items() if power)


def _gather(out: _Sum, term: _Term, value: float, rounding: float) -> None:
    before = out.get(term, 0.0)
    total = before + value
    out[term] = 0.0 if abs(total) <= rounding * max(abs(before), abs(value)) else total


def _plus(x: _Sum, y: _Sum, rounding: float) -> _Sum | None:
    out = dict(x)
    for term, value in y.items():
        _gather(out, term, value, rounding)
    return _present(out)


def _minus(x: _Sum, y: _Sum, rounding: float) -> _Sum | None:
    return _plus(x, _negative(y, rounding), rounding)


def _negative(x: _Sum, rounding: float) -> _Sum:
    del rounding
    return {term: -value for term, value in x.items()}


def _times(x: _Sum, y: _Sum, rounding: float) -> _Sum | None:
    out: _Sum = {}
    if len(x) * len(y) > 2 * MOST:
        return None
    for (a, b), value in x.items():
        for (c, d), other in y.items():
            _gather(out, (_joined(a, c), _joined(b, d)), value * other, rounding)
    return _present(out)


def _over(x: _Sum, y: _Sum, rounding: float) -> _Sum | None:
    if len(y) != 1:
        return None
    (((varying, even), value),) = y.items()
    if not value:
        return None
    turned = (
        frozenset((factor, -power) for factor, power in varying),
        frozenset((factor, -power) for factor, power in even),
    )
    return _times(x, {turned: 1.0 / value}, rounding)


def _present(x: _Sum) -> _Sum:
    return {term: value for term, value in x.items() if value} or {_ONE: 0.0}


_ARITHMETIC: dict[str, Callable[..., _Sum | None]] = {
    "add": _plus,
    "subtract": _minus,
    "negative": _negative,
    "multiply": _times,
    "divide": _over,
}
