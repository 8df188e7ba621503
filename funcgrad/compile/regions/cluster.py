"""Several equations as one, which a writer of its own writes."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from funcgrad.core.primitive import Primitive
from funcgrad.core.program import Constant, Equation, Program, Variable

__all__ = ["FAMILY", "SLOTS", "cluster", "kind_of_cluster", "program_of"]

FAMILY = "cluster"
"""Results of equations of this family have memory of their own, in C order."""

SLOTS = "slots"
"""Results of equations of this family have the memory of the first operand, in C order."""


def _evaluated(*args: Any, program: Program, **_settings: Any) -> tuple[Any, ...]:
    return tuple(program.evaluate(*args))


def _no_batch(*_args: Any) -> Any:
    raise AssertionError("clusters are made when a program is written, after all transforms")


def kind_of_cluster(name: str) -> Primitive:
    """A primitive whose equations hold a program; a writer is to be entered under its name."""
    return Primitive(name, _evaluated, FAMILY, None, None, _no_batch)


def cluster(
    kind: Primitive,
    members: Sequence[Equation],
    wanted: Iterable[int],
    settings: Sequence[tuple[str, Any]] = (),
    lifted: bool = True,
) -> Equation:
    """One equation that computes what its members compute.

    Args:
        kind: made by `kind_of_cluster`.
        members: the equations, in an order in which they can be done.
        wanted: numbers of the variables that others read.
        settings: parameters for the writer, beside `program`.
        lifted: whether constants that are arrays with axes become operands, too.
    """
    wanted = set(wanted)
    inside = {v.number for member in members for v in member.results}
    operands: dict[Any, Variable | Constant] = {}
    inputs: dict[Any, Variable] = {}
    items = []
    for member in members:
        own: list[Variable | Constant] = []
        for operand in member.operands:
            if isinstance(operand, Variable):
                if operand.number not in inside:
                    operands.setdefault(operand.number, operand)
                    inputs.setdefault(operand.number, operand)
            elif lifted and np.ndim(operand.value):
                if operand not in operands:
                    value: Any = operand.value
                    operands[operand] = operand
                    number = -2 - len(inputs)  # not that of a variable
                    inputs[operand] = Variable(number, value.shape, value.dtype)
                operand = inputs[operand]
            own.append(operand)
        items.append(
            Equation(
                member.primitive,
                tuple(own),
                member.params,
                member.results,
                member.errors,
                member.origin,
            )
        )
    outputs = tuple(v for member in members for v in member.results if v.number in wanted)
    program = Program(kind.name, tuple(inputs.values()), tuple(items), outputs)
    params = (("program", program), *settings)
    return Equation(kind, tuple(operands.values()), params, outputs, None, members[0].origin)


def program_of(equation: Equation) -> Program:
    """The program in a cluster."""
    program: Program = dict(equation.params)["program"]
    return program
