"""A walk over the steps of a loop that waits; see `funcgrad.transforms.equations.whiles`."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from funcgrad.core.program import Variable
from funcgrad.core.wengert import Aval
from funcgrad.transforms.equations.closed import Closed
from funcgrad.transforms.equations.ends import Flags
from funcgrad.transforms.equations.loops_sweep import nothing

__all__ = ["Walk", "number_of"]


@dataclass(frozen=True, slots=True, repr=False)
class Walk:
    """One walk over the steps.

    Attributes:
        step: `(constants, state, what it finds) ↦ (state, what it leaves)`.
        width: number of values in the state.
        finds: `(number of a walk, which of the values that it leaves)`.
        back: whether it goes from the last step to the first.
        given: which values of the state start with an operand; the others start with zeros.
    """

    step: Closed
    width: int
    finds: tuple[tuple[int, int], ...]
    back: bool
    given: Flags

    @property
    def leaves(self) -> int:
        """Number of values that it leaves at every step."""
        return len(self.step.outputs) - self.width

    def states(self, consts: int) -> tuple[Variable, ...]:
        """Variables of the state."""
        return self.step.program.inputs[consts : consts + self.width]

    def start(self, consts: int, leaves: Iterable[Any]) -> list[Any]:
        """The state before the first step, of which operands give a part."""
        taken = iter(leaves)
        return [
            number_of(next(taken), v) if flag else nothing(Aval(v.shape, v.dtype))
            for v, flag in zip(self.states(consts), self.given, strict=True)
        ]


def number_of(x: Any, variable: Variable) -> Any:
    """A Python number, where the state has one."""
    return x.item() if variable.weak and hasattr(x, "dtype") else x
