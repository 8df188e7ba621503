"""What the passes over regions are told, and what they tell."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from funcgrad.compile.regions.costs import DEFAULT, Costs
from funcgrad.core.program import Equation

__all__ = ["Context", "Decision", "Segment"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a pass has done, or why it has not.

    Attributes:
        name: of the pass.
        text: what, where and why, in one line.
    """

    name: str
    text: str

    def __str__(self) -> str:
        return f"{self.name}: {self.text}"


@dataclass(slots=True)
class Context:
    """How regions are compiled.

    Attributes:
        exact: whether all results keep their last bits.
        backend: `"numpy"` or `"numba"`.
        threads: how many threads may work on one call.
        costs: what operations take on this machine.
        decisions: what the passes have decided so far.
    """

    exact: bool = False
    backend: str = "numpy"
    threads: int = 1
    costs: Costs = DEFAULT
    decisions: list[Decision] = field(default_factory=list)

    def decide(self, name: str, text: str) -> None:
        """Note a decision."""
        self.decisions.append(Decision(name, text))


@dataclass(frozen=True, slots=True)
class Segment:
    """Equations without a guard between them.

    Attributes:
        equations: in order.
        needed: numbers of the variables that are read after them.
    """

    equations: Sequence[Equation]
    needed: frozenset[int]
