"""A linear program that can be applied and transposed."""

from collections.abc import Sequence
from typing import Any

from funcgrad.core.program import Constant, Equation, Program, Variable
from funcgrad.core.tracer import Tracer
from funcgrad.core.wengert import Aval, Partials
from funcgrad.interpreters.record import Recording

__all__ = ["LinearMap"]


class LinearMap:
    """A linear program, with the traced values of outer transforms that it reads."""

    __slots__ = ("_captured", "_keeper", "_places", "program")

    def __init__(
        self,
        program: Program,
        captured: tuple[Tracer, ...],
        places: list[Variable | None],
        keeper: Recording,
    ) -> None:
        self.program = program
        self._captured = captured
        self._places = places
        self._keeper = keeper

    def parts(self) -> tuple[Tracer, ...]:
        """The traced values that it reads."""
        return self._captured

    def with_parts(self, parts: tuple[Any, ...]) -> "LinearMap":
        """The same map of other values."""
        return LinearMap(self.program, parts, self._places, self._keeper)

    def apply(self, dots: Sequence[Any]) -> list[Any]:
        """Outputs for inputs; `None` is zero."""
        self._keeper.check_unchanged()
        found = iter(self.program.evaluate(*dots, *self._captured))
        return [None if place is None else next(found) for place in self._places]

    def transpose(self, cts: Sequence[Any]) -> list[Any]:
        """Cotangents of the inputs for those of the outputs; `None` is zero."""
        self._keeper.check_unchanged()
        inputs = self.program.inputs
        count = len(inputs) - len(self._captured)
        known = {
            variable.number: tracer
            for variable, tracer in zip(inputs[count:], self._captured, strict=True)
        }
        found: dict[int, Any] = {}
        for place, ct in zip(self._places, cts, strict=True):
            if place is not None and ct is not None:
                _accumulate(found, place, ct)
        for equation in reversed(self.program.equations):
            parts = {
                position: found.pop(result.number)
                for position, result in enumerate(equation.results)
                if result.number in found
            }
            if parts:
                for operand, part in _transpose_equation(equation, parts, known):
                    _accumulate(found, operand, part)
        return [found.get(variable.number) for variable in inputs[:count]]


def _accumulate(found: dict[int, Any], variable: Variable, ct: Any) -> None:
    before = found.get(variable.number)
    found[variable.number] = ct if before is None else before + ct


def _transpose_equation(
    equation: Equation, parts: dict[int, Any], known: dict[int, Tracer]
) -> list[tuple[Variable, Any]]:
    """The linear operands of an equation with their cotangents."""
    targets: list[Variable] = []
    values: list[Any] = []
    active: list[bool] = []
    for operand in equation.operands:
        linear = isinstance(operand, Variable) and operand.number not in known
        active.append(linear)
        if isinstance(operand, Constant):
            values.append(operand.value)
        elif linear:
            targets.append(operand)
            values.append(Aval(operand.shape, operand.dtype, operand.like))
        else:
            values.append(known[operand.number])
    outs = tuple(Aval(result.shape, result.dtype, result.like) for result in equation.results)
    several = len(outs) > 1
    rule: Any = equation.primitive.vjp
    pull, residuals = rule(
        outs if several else outs[0], values, tuple(active), dict(equation.params)
    )
    ct = Partials(parts) if several else parts[0]
    moved = ct if pull is None else pull(ct, residuals)
    pairs = zip(targets, moved if len(targets) > 1 else (moved,), strict=True)
    return [(target, part) for target, part in pairs if part is not None]
