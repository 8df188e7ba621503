"""What is computed again in the reverse sweep: a function of a flat list of arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from funcgrad.core.program import Constant, Program, Variable
from funcgrad.core.tracer import Tracer
from funcgrad.interpreters.record import Recording
from funcgrad.interpreters.stage import Stage
from funcgrad.transforms.later import equations

__all__ = ["Cut", "Replayed", "highest", "is_recorded", "owner_of"]


class Replayed:
    """A pure function of a flat list of arrays, to arrays; its `run` works on values of any kind.

    A list of operands belongs to the function that it is given to, which empties it, so that no
    value lives longer than it must.

    The first `count` results are those that are asked for. The others are values that the reverse
    sweep is to find instead of computing them again: `replay` is given them.
    """

    __slots__ = ()

    @property
    def count(self) -> int | None:
        """Number of results that are asked for; `None` for all."""
        return None

    def run(self, leaves: Sequence[Any]) -> list[Any]:
        """All results."""
        raise NotImplementedError

    def replay(self, leaves: Sequence[Any], saved: Sequence[Any]) -> list[Any]:
        """All results, from operands and the saved values."""
        del saved
        return self.run(leaves)

    def as_program(self, operands: Sequence[Variable | Constant]) -> Program | None:
        """What it does with operands like these; `None` if that depends on their values."""
        program: Program | None = equations("branches_emission").program_of(
            self.run, operands, "again"
        )
        return program

    def varying(self, flags: Sequence[bool | None]) -> tuple[bool, ...]:
        """Which results differ between the examples of a batch, if flagged operands do.

        The flag of the batch's `Axis` is `None`.
        """
        raise NotImplementedError

    def sources(self, results: set[int]) -> set[int] | None:
        """Which operands the derivatives of some results lead to; `None`: it is not known."""
        del results
        return None

    def cut(self) -> "Cut | None":
        """The function as two, one after the other; `None` if the sweep takes it as a whole."""
        return None


@dataclass(frozen=True, slots=True)
class Cut:
    """A function as two.

    Attributes:
        first: what is done first.
        first_in: which of the operands it takes.
        rest: what is done then.
        rest_in: which of the operands it takes; `~i` is result i of `first`.
        outs: which results of `rest` are those of the whole; `~i` is result i of `first`.
    """

    first: Replayed
    first_in: tuple[int, ...]
    rest: Replayed
    rest_in: tuple[int, ...]
    outs: tuple[int, ...]


def highest(leaves: Sequence[Any]) -> Any:
    """The trace with the highest identity among the operands."""
    top: Any = None
    for leaf in leaves:
        if isinstance(leaf, Tracer) and (top is None or leaf.owner.id > top.id):
            top = leaf.owner
    return top


def is_recorded(x: Any) -> bool:
    """Whether a value is recorded at some level: by reverse mode, or in a program."""
    while isinstance(x, Tracer):
        if isinstance(x.owner, Recording | Stage):
            return True
        x = x.value
    return False


def owner_of(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The array whose memory this one views; itself if it has its own."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array
