"""Fewer operations in a cluster: numbers are taken out of products, and multiplied once.

Each value is a number times another value, the base, and the number is multiplied with the base
only where something has to see the value itself. Products of the same variables are formed once,
whatever their order was.

The last bits of results change. Where an operation overflows, underflows, divides by zero or is
invalid, the result may be another one altogether: the caller has to be told (`np.errstate`) and to
compute the original then. Where none does, infinite and missing operands lead to the same infinite
and missing results, for no term or factor is left out and none is taken away from itself; but
for products that overflow or underflow in the original order only.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from funcgrad.compile.regions.tiles_needed import needed_of, without_copies
from funcgrad.core.primitive import PRIMITIVES
from funcgrad.core.program import Constant, Equation, Reference, Variable

__all__ = ["with_fewer_products"]

MOST: MappingProxyType[str, float] = MappingProxyType({"d": 2.0**64, "f": 2.0**16})
"""Numbers beyond these, or below their inverse, are not taken through products."""

FEW = 200
"""Of more equations only one form is tried."""

POWER = 30
"""A power takes as long as so many products."""

MANY = 8
"""Products of more variables are not compared."""

FRESH = -(1 << 40)
"""Numbers of new variables go down from here."""

Operand: TypeAlias = Variable | Constant
Scaled: TypeAlias = tuple[float, Operand]
Monomial: TypeAlias = tuple[float, tuple[int, ...]]
Form: TypeAlias = tuple[float, str, tuple[Operand, ...]]
"""A number times an operation of operands; without a name the one operand itself."""


def with_fewer_products(members: Sequence[Equation], wanted: frozenset[int]) -> list[Equation]:
    """The equations of a cluster with as few products with numbers as possible.

    A value that is read again and again is either multiplied with its number at once, or each of
    its readers takes the number further: what comes to fewer equations.

    Args:
        members: in order.
        wanted: numbers of the variables that others read.
    """
    reads = Counter(o.number for e in members for o in e.operands if isinstance(o, Variable))
    lowest = min([FRESH, *(v.number for e in members for v in e.results)])
    several = frozenset(number for number, count in reads.items() if count > 1)
    best = list(members)
    variants = (several, frozenset[int]()) if len(members) <= FEW else (several,)
    for at_once in variants:
        algebra = _Algebra(wanted, at_once, lowest - 1)
        for member in members:
            algebra.take(member)
        found = without_copies(needed_of(algebra.out, wanted), wanted)
        if _work(found) < _work(best):
            best = found
    return best


def _work(equations: Sequence[Equation]) -> int:
    """About how many products the equations take as long as."""
    return sum(POWER if _is_power(equation) else 1 for equation in equations)


def _is_power(equation: Equation) -> bool:
    return equation.primitive.name == "power" and number_of(equation.operands[1]) != 2


class _Algebra:
    """Goes over the equations.

    Attributes:
        at_once: numbers of the variables that are multiplied with their number at once.
        out: the new equations.
        scaled: `{variable: number times base}`, where that is something else; the base has the
            shape of the variable.
        known: results of equations that have been written, by what they compute.
        equation: the one that is rewritten.
    """

    def __init__(self, wanted: frozenset[int], at_once: frozenset[int], fresh: int) -> None:
        self.wanted = wanted
        self.fresh = fresh
        self.at_once = at_once
        self.out: list[Equation] = []
        self.scaled: dict[int, Scaled] = {}
        self.known: dict[Any, Variable] = {}
        self.monomials: dict[int, Monomial] = {}
        self.products: dict[tuple[int, ...], Scaled] = {}
        self.terms: dict[int, tuple[Scaled, Scaled]] = {}
        self.equation: Equation
        self.sum: tuple[Scaled, Scaled] | None = None
        self.monomial_of_result: Monomial | None = None

    def take(self, equation: Equation) -> None:
        """Rewrite one equation."""
        self.equation, self.sum, self.monomial_of_result = equation, None, None
        name, result = equation.primitive.name, equation.results[0]
        rule = _RULES.get(name)
        if name == "unindex":
            self._lay(equation)
        elif rule is None or not self._is_plain(equation):
            operands = tuple(self.value(o) for o in equation.operands)
            same = operands == equation.operands
            self.out.append(equation if same else replace(equation, operands=operands))
        else:
            form = rule(self, *equation.operands)
            if form is None:
                operands = tuple(self.value(o) for o in equation.operands)
                form = (1.0, name, operands)
            self._settle(result, form)

    def _settle(self, result: Variable, form: Form) -> None:
        number, name, operands = form
        is_wanted = result.number in self.wanted
        if name:
            base: Any = self.done(name, operands, result if number == 1 else None)
            if self.monomial_of_result is not None and name == "multiply":
                self.monomials[base.number] = self.monomial_of_result
                known, factors = self.monomial_of_result
                self.products.setdefault(factors, (known, base))
            if self.sum is not None and isinstance(base, Variable):
                (a, u), (b, v) = self.sum
                self.terms.setdefault(base.number, ((a / number, u), (b / number, v)))
        else:
            (base,) = operands
        if not is_wanted:
            if result.number in self.at_once and abs(number) != 1:
                number, base = 1.0, self.times(number, base)
            if number != 1 or base != result:
                self.scaled[result.number] = (number, base)
        elif base != result:
            name, operands = _product(number, base)
            self._write(name, operands, result)

    def _is_plain(self, equation: Equation) -> bool:
        """Whether all operands have the dtype of the result, or are numbers."""
        result = equation.results[0]
        if result.dtype.char not in MOST:
            return False
        operands = equation.operands
        if equation.primitive.name == "where":
            operands = operands[1:]
        for operand in operands:
            if isinstance(operand, Variable):
                if operand.dtype != result.dtype or operand.weak:
                    return False
            elif isinstance(operand, Reference) or number_of(operand) is None:
                return False
        return True

    # --- values -------------------------------------------------------------------------------

    def parts(self, operand: Operand) -> Scaled:
        """An operand as a number times a base."""
        if isinstance(operand, Variable):
            return self.scaled.get(operand.number, (1.0, operand))
        return (1.0, operand)

    def value(self, operand: Operand) -> Operand:
        """An operand as it is, written if it has not been."""
        return self.times(*self.parts(operand))

    def times(self, number: float, base: Operand) -> Operand:
        """A number times a base, written if it has not been."""
        if number == 1:
            return base
        found = self.done(*_product(number, base))
        if isinstance(base, Variable):
            before, factors = self.monomials.get(base.number, (1.0, (base.number,)))
            self.monomials[found.number] = (number * before, factors)
        return found

    def done(
        self, name: str, operands: tuple[Operand, ...], result: Variable | None = None
    ) -> Variable:
        """The result of an operation, which is written unless it has been already."""
        key = (name, *(o.number if isinstance(o, Variable) else o for o in operands))
        found = self.known.get(key)
        if found is None:
            if result is None:
                places = operands[1:] if name == "where" else operands
                result = _like(self.equation.results[0].shape, places, self.fresh - len(self.out))
            found = self.known[key] = result
            self._write(name, operands, result)
        return found

    def monomial(self, u: Operand, v: Operand) -> Monomial | None:
        """The product of two values as a number times variables; `None` if they are too many."""
        if not (isinstance(u, Variable) and isinstance(v, Variable)):
            return None
        a, one = self.monomials.get(u.number, (1.0, (u.number,)))
        b, other = self.monomials.get(v.number, (1.0, (v.number,)))
        factors = tuple(sorted(one + other))
        return (a * b, factors) if len(factors) <= MANY else None

    def square(self, u: Variable) -> Scaled:
        """A product of a value with itself."""
        monomial = self.monomial(u, u)
        if monomial is None:
            return 1.0, self.done("multiply", (u, u))
        number, factors = monomial
        known, product = self.products.get(factors, (0.0, u))
        if known:
            return number / known, product
        found = self.done("multiply", (u, u))
        self.monomials[found.number] = monomial
        self.products[factors] = (number, found)
        return 1.0, found

    def _write(self, name: str, operands: tuple[Operand, ...], result: Variable) -> None:
        own = self.equation
        if result == own.results[0] and operands == own.operands and name == own.primitive.name:
            self.out.append(own)
        else:
            self.out.append(Equation(PRIMITIVES[name], operands, (), (result,), None, own.origin))

    def _lay(self, equation: Equation) -> None:
        """Sums of what is laid in one place."""
        params = dict(equation.params)
        places: dict[Any, list[Operand]] = {}
        for operand, key in zip(equation.operands, params["keys"], strict=True):
            places.setdefault(key, []).append(operand)
        operands = []
        for those in places.values():
            if those[0].dtype.char not in MOST:  # type: ignore[union-attr]  # a variable
                operands.append(those)
                continue
            operands.append([self._sum(those)])
        keys = tuple(key for key, those in zip(places, operands, strict=True) for _ in those)
        own = tuple(self.value(o) for those in operands for o in those)
        changed = (("keys", keys), ("shape", params["shape"]))
        self.out.append(replace(equation, operands=own, params=changed))

    def _sum(self, operands: Sequence[Operand]) -> Operand:
        total: Operand | None = None
        number, base = 1.0, operands[0]
        for operand, count in Counter(operands).items():
            own, part = self.parts(operand)
            own *= count
            if total is None:
                total, number, base = operand, own, part
                continue
            form = _combined(self, own, part, number, base, 1.0)
            if form is None:
                form = (1.0, "add", (self.times(own, part), self.times(number, base)))
            number, name, parts = form
            base = self.done(name, parts) if name else parts[0]
        return self.times(number, base)


def _product(number: float, base: Operand) -> tuple[str, tuple[Operand, ...]]:
    """What computes a number times a base; a copy where that is all."""
    if number == 1:
        return "copy", (base,)
    if number == -1:
        return "negative", (base,)
    if number == 2:
        return "add", (base, base)
    return "multiply", (base, Constant(number))


def _like(shape: tuple[int, ...], operands: Sequence[Operand], number: int) -> Variable:
    """A new variable of the operands' dtype, and of the shape that they have together."""
    variables = [o for o in operands if isinstance(o, Variable)]
    shapes = [v.shape for v in variables]
    if shape not in shapes:
        shape = np.broadcast_shapes(*shapes)
    return Variable(number, shape, variables[0].dtype)


def number_of(operand: Operand) -> float | None:
    """A constant as a float; `None` if it is none, or is inf or nan."""
    if type(operand) is not Constant:
        return None
    value = operand.value
    if type(value) in (int, float, np.float64, np.float32) and abs(value) < 2.0**100:
        return float(value)
    return None


# --- rules ------------------------------------------------------------------------------------


def _scale(algebra: _Algebra, number: float, operand: Operand) -> Form | None:
    """A number times an operand."""
    before, base = algebra.parts(operand)
    result = algebra.equation.results[0]
    if getattr(base, "shape", None) != result.shape or not _within(algebra, number * before):
        return None
    return number * before, "", (base,)


def _within(algebra: _Algebra, number: float) -> bool:
    most = MOST[algebra.equation.results[0].dtype.char]
    return 1 / most <= abs(number) <= most


def _multiply(algebra: _Algebra, x: Operand, y: Operand) -> Form | None:
    for one, other in ((x, y), (y, x)):
        number = number_of(one)
        if number is not None:
            return _scale(algebra, number, other)
    (a, u), (b, v) = algebra.parts(x), algebra.parts(y)
    monomial = algebra.monomial(u, v)
    if monomial is not None:
        number, factors = monomial
        known, product = algebra.products.get(factors, (0.0, u))
        if known and _within(algebra, a * b * number / known):
            return a * b * number / known, "", (product,)
        algebra.monomial_of_result = monomial
    return (a * b, "multiply", (u, v)) if _within(algebra, a * b) else None


def _square(algebra: _Algebra, x: Operand) -> Form | None:
    return _multiply(algebra, x, x) if isinstance(x, Variable) else None


def _power(algebra: _Algebra, x: Operand, y: Operand) -> Form | None:
    """Squares, cubes and fourth powers as products."""
    exponent = number_of(y)
    a, u = algebra.parts(x)
    if exponent not in (2, 3, 4) or not isinstance(u, Variable):
        return None
    result = algebra.equation.results[0]
    b, v = algebra.square(u)
    number = a**exponent * (b * b if exponent == 4 else b)
    if u.shape != result.shape or not _within(algebra, number):
        return None
    if exponent == 2:
        return number, "", (v,)
    return number, "multiply", (v, u if exponent == 3 else v)


def _divide(algebra: _Algebra, x: Operand, y: Operand) -> Form | None:
    number = number_of(y)
    if number is not None:
        return _scale(algebra, 1 / number, x) if number else None
    (a, u), (b, v) = algebra.parts(x), algebra.parts(y)
    return (a / b, "divide", (u, v)) if _within(algebra, a / b) else None


def _negative(algebra: _Algebra, x: Operand) -> Form | None:
    return _scale(algebra, -1.0, x)


def _absolute(algebra: _Algebra, x: Operand) -> Form | None:
    if not isinstance(x, Variable):
        return None
    a, u = algebra.parts(x)
    return abs(a), "absolute", (u,)


def _add(algebra: _Algebra, x: Operand, y: Operand) -> Form | None:
    return _sum_of(algebra, x, y, 1.0)


def _subtract(algebra: _Algebra, x: Operand, y: Operand) -> Form | None:
    return _sum_of(algebra, x, y, -1.0)


def _sum_of(algebra: _Algebra, x: Operand, y: Operand, sign: float) -> Form | None:
    """x + y or x - y."""
    (a, u), (b, v) = algebra.parts(x), algebra.parts(y)
    p, q = number_of(x), number_of(y)
    if p is not None and q is not None:
        return None
    if q is not None:
        return _shifted(a, u, sign * q)
    if p is not None:
        return _shifted(sign * b, v, p)
    return _combined(algebra, a, u, b, v, sign)


def _shifted(a: float, u: Operand, k: float) -> Form:
    """a u + k, as a (u + k/a)."""
    if a == -1:
        return 1.0, "subtract", (Constant(k), u)
    return a, "add", (u, Constant(k / a))


def _combined(
    algebra: _Algebra, a: float, u: Operand, b: float, v: Operand, sign: float
) -> Form | None:
    """a u + sign b v."""
    b *= sign
    if u == v:
        same = getattr(u, "shape", None) == algebra.equation.results[0].shape
        usable = same and a * b > 0 and _within(algebra, a + b)
        return (a + b, "", (u,)) if usable else None
    for c, x, d, y in ((a, u, b, v), (b, v, a, u)):
        form = _merged(algebra, c, x, d, y)
        if form is not None:
            return form
    return _added(algebra, a, u, b, v)


def _merged(algebra: _Algebra, a: float, u: Operand, b: float, v: Operand) -> Form | None:
    """a u + b v, where v is a term of the sum u."""
    if not isinstance(u, Variable) or u.number not in algebra.terms:
        return None
    (c, x), (d, y) = algebra.terms[u.number]
    if y == v:
        c, x, d, y = d, y, c, x
    if x != v or a * c * b <= 0 or not all(_within(algebra, k) for k in (a * c + b, a * d)):
        return None
    return _added(algebra, a * d, y, a * c + b, v)


def _added(algebra: _Algebra, a: float, u: Operand, b: float, v: Operand) -> Form | None:
    """a u + b v."""
    algebra.sum = ((a, u), (b, v))
    if a == b:
        return a, "add", (u, v)
    if a == -b:
        return (a, "subtract", (u, v)) if a > 0 else (b, "subtract", (v, u))
    if abs(b) == 1:
        a, u, b, v = b, v, a, u
    ratio = b / a
    if not _within(algebra, ratio):
        return None
    part = algebra.times(abs(ratio), v)
    return a, "add" if ratio > 0 else "subtract", (u, part)


def _where(algebra: _Algebra, mask: Operand, x: Operand, y: Operand) -> Form | None:
    (a, u), (b, v) = algebra.parts(x), algebra.parts(y)
    mask = algebra.value(mask)
    if a > 0 and _is_zero(y):
        return a, "where", (mask, u, y)
    if b > 0 and _is_zero(x):
        return b, "where", (mask, x, v)
    if a == b and number_of(x) is None and number_of(y) is None:
        return a, "where", (mask, u, v)
    return None


def _is_zero(operand: Operand) -> bool:
    number = number_of(operand)
    return number == 0 and math.copysign(1, number) > 0


_RULES: MappingProxyType[str, Callable[..., Form | None]] = MappingProxyType(
    {
        "absolute": _absolute, "add": _add, "divide": _divide, "multiply": _multiply,
        "negative": _negative, "power": _power, "square": _square, "subtract": _subtract,
        "where": _where,
    }
)  # fmt: skip
"""`(algebra, *operands) -> form`; `None` where the operation stays as it is."""
