"""Equations of a cluster that nothing reads, and copies that need not be made."""

from collections.abc import Sequence
from dataclasses import replace

from funcgrad.core.program import Constant, Equation, Variable

__all__ = ["needed_of", "without_copies"]


def without_copies(equations: Sequence[Equation], wanted: frozenset[int]) -> list[Equation]:
    """The equations with values that are copied made where the copy is to be."""
    made = {v.number for e in equations for v in e.results} - wanted
    names: dict[int, Variable] = {}
    for equation in equations:
        if equation.primitive.name == "copy":
            (operand,) = equation.operands
            if isinstance(operand, Variable) and operand.number in made:
                names.setdefault(operand.number, equation.results[0])
    if not names:
        return list(equations)

    def renamed(operand: Variable | Constant) -> Variable | Constant:
        return names.get(operand.number, operand) if isinstance(operand, Variable) else operand

    out = []
    for equation in equations:
        operands = tuple(map(renamed, equation.operands))
        if equation.primitive.name == "copy" and operands == equation.results:
            continue
        results = tuple(names.get(v.number, v) for v in equation.results)
        out.append(replace(equation, operands=operands, results=results))
    return out


def needed_of(equations: Sequence[Equation], wanted: frozenset[int]) -> list[Equation]:
    """The equations that something reads."""
    needed = set(wanted)
    kept = []
    for equation in reversed(equations):
        if needed.isdisjoint(v.number for v in equation.results):
            continue
        needed.update(o.number for o in equation.operands if isinstance(o, Variable))
        kept.append(equation)
    return kept[::-1]
