"""Sums of many small products as one product of stacks: Σ aₜᵀ bₜ = [a₁; a₂; …]ᵀ [b₁; b₂; …].

The gradient by a matrix that is used at each step is such a sum; by a bias it is a sum of sums of
rows, 1ᵀ [b₁; b₂; …]. The terms are added in another order: inexact.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from funcgrad.compile.regions.stacking_reading import Operand, Reading, shape_of, size_of
from funcgrad.core.program import Equation, Variable

__all__ = [
    "LARGE_STACK",
    "LARGE_TERM",
    "LEAST",
    "SMALL_TERM",
    "Sum",
    "Term",
    "is_large",
    "sums",
    "term_of",
]

LEAST = 4
"""Fewer terms are added one by one."""

SMALL_TERM = 24
"""Products of fewer multiplications are left to be done with Python numbers."""

LARGE_TERM = 1 << 22
"""Products of so many multiplications are not stacked: they take much longer than their calls."""

OFTEN = 8
"""A transposed matrix that is used so often in small products is copied into C order."""

LARGE_STACK = 1 << 26
"""Bytes that a stack has at most."""


@dataclass(frozen=True, slots=True)
class Term:
    """`aᵀ b` of rows (m, k) and (m, n), or `1ᵀ b` if there is no a; of vectors: m = 1."""

    b: Operand
    a: Operand | None


@dataclass(slots=True)
class Sum:
    """A sum of many terms.

    Attributes:
        root: the last addition.
        like: the terms that can be stacked, by their kinds.
        others: what is added as it is.
        gone: places of the equations that are not needed any more.
    """

    root: Equation
    like: dict[Any, list[Term]] = field(default_factory=dict)
    others: list[Operand] = field(default_factory=list)
    gone: list[float] = field(default_factory=list)


def sums(reading: Reading) -> Iterator[Sum]:
    """The sums that have many terms of one kind."""
    trees: dict[int, list[tuple[Operand, float]]] = {}
    home: dict[int, int] = {}  # the root that a part of a sum belongs to
    for place in sorted(reading.equations, reverse=True):
        equation = reading.equations[place]
        if not _is_addition(equation):
            continue
        number = equation.results[0].number
        root = home.get(number, number)
        tree = trees.setdefault(root, [])
        for operand in equation.operands:
            maker = reading.maker(operand)
            if (
                maker is not None
                and isinstance(operand, Variable)
                and _is_addition(maker)
                and reading.is_single(operand.number)
            ):
                home[operand.number] = root
            else:
                tree.append((operand, place))
    for root, tree in trees.items():
        if len(tree) >= LEAST:
            found = _sum(reading, root, tree)
            if found is not None:
                yield found


def _is_addition(equation: Equation) -> bool:
    if equation.primitive.name != "add" or equation.errors is not None:
        return False
    result = equation.results[0]
    return result.dtype.kind in "fc" and all(
        isinstance(o, Variable) and o.shape == result.shape and o.dtype == result.dtype
        for o in equation.operands
    )


def _sum(reading: Reading, root: int, tree: list[tuple[Operand, float]]) -> Sum | None:
    found = Sum(reading.equations[reading.made[root]])
    kinds: dict[Any, list[tuple[Term, Operand]]] = {}
    for operand, _ in tree:
        term = term_of(reading, operand)
        if term is None:
            found.others.append(operand)
            continue
        a = None if term.a is None else (shape_of(term.a), _dtype(term.a))
        kinds.setdefault((shape_of(term.b), _dtype(term.b), a), []).append((term, operand))
    gone: set[float] = {place for _, place in tree}
    for kind, terms in kinds.items():
        distinct = {x.number for t, _ in terms for x in (t.a, t.b) if isinstance(x, Variable)}
        if len(terms) < LEAST or 2 * len(distinct) < len(terms) or is_large(kind, len(terms)):
            found.others += [operand for _, operand in terms]
            continue
        found.like[kind] = [term for term, _ in terms]
        gone.update(reading.made[o.number] for _, o in terms if isinstance(o, Variable))
    found.gone = sorted(gone)
    return found if found.like else None


def is_large(kind: Any, count: int) -> bool:
    """Whether terms of a kind are too large to be stacked, or too small."""
    b, dtype, a = kind
    sizes = [size_of(b), 0 if a is None else size_of(a[0])]
    work = sizes[0] * (1 if a is None else a[0][-1])
    if a is not None and work < SMALL_TERM:
        return True
    return work > LARGE_TERM or count * max(sizes) * dtype.itemsize > LARGE_STACK


def _dtype(operand: Operand) -> Any:
    return operand.dtype if isinstance(operand, Variable) else operand.value.dtype


def term_of(reading: Reading, operand: Operand, alone: bool = True) -> Term | None:
    """What a part of a sum is made of; `alone`: if nobody else reads it."""
    equation = reading.maker(operand)
    if (
        equation is None
        or equation.errors is not None
        or not isinstance(operand, Variable)
        or (alone and not reading.is_single(operand.number))
    ):
        return None
    name = equation.primitive.name
    if name == "matmul":
        return _product(reading, operand, equation)
    if name == "multiply" and len(operand.shape) == 2:
        return _outer(reading, operand, equation)
    if name in ("unbroadcast", "sum"):
        (b,) = equation.operands
        params = dict(equation.params)
        rank = len(shape_of(b))
        lead = rank - len(operand.shape)
        whole = shape_of(b)[lead:] == operand.shape and len(operand.shape) == 1 and lead == 1
        if name == "sum":
            whole = whole and params["axis"] == (-rank,) and not params["keepdims"]
        if whole and isinstance(b, Variable) and b.dtype == operand.dtype:
            return Term(b, None)
    return None


def _product(reading: Reading, result: Variable, equation: Equation) -> Term | None:
    left, b = equation.operands
    flip = reading.maker(left)
    if flip is None or flip.primitive.name != "transpose" or len(shape_of(b)) != 2:
        return None
    (a,) = flip.operands
    if len(shape_of(a)) != 2 or not _alike(result, a, b) or flip.errors is not None:
        return None
    return Term(b, a)


def _outer(reading: Reading, result: Variable, equation: Equation) -> Term | None:
    """`a[:, None] * b` of two vectors."""
    for column, b in (equation.operands, equation.operands[::-1]):
        maker = reading.maker(column)
        if maker is None or maker.primitive.name != "reshape" or maker.errors is not None:
            continue
        (a,) = maker.operands
        k, n = result.shape
        if shape_of(column) == (k, 1) and shape_of(a) == (k,) and shape_of(b) == (n,):
            return Term(b, a) if _alike(result, a, b) else None
    return None


def _alike(result: Variable, *operands: Operand) -> bool:
    return all(
        _dtype(o) == result.dtype and np.dtype(result.dtype).kind in "fc" for o in operands
    ) and not any(isinstance(o, Variable) and o.weak for o in operands)
