"""Dead code: equations that no output, no guard and no error needs are left out."""

import dataclasses

from funcgrad.compile.narrowing import is_heard, narrowed
from funcgrad.core.program import Equation, Guard, Program, Variable

__all__ = ["without_dead_code"]


def without_dead_code(program: Program) -> Program:
    """The program without equations that nothing needs.

    Guards stay, and with them what they ask about. So do equations under `np.errstate` with
    "raise", "call" and the like, which are there to be seen.

    Args:
        program: any program.

    Returns:
        The program of the same inputs and outputs.
    """
    needed = {output.number for output in program.outputs if type(output) is Variable}
    kept: list[Equation | Guard] = []
    for item in reversed(program.items):
        if type(item) is Guard:
            needed.add(item.variable.number)
            kept.append(item)
            continue
        equation: Equation = item  # type: ignore[assignment]  # there is nothing else
        for variable in equation.results:
            if variable.number in needed:
                break
        else:
            if not is_heard(equation):
                continue
        equation = narrowed(equation, needed)
        for operand in equation.operands:
            if type(operand) is Variable:
                needed.add(operand.number)
        kept.append(equation)
    kept.reverse()
    return dataclasses.replace(program, items=tuple(kept))
