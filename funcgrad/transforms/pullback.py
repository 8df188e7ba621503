"""What vjp returns: a Wengert list that can be swept over any number of times."""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from funcgrad import tree
from funcgrad.core.foreign import is_foreign
from funcgrad.core.tracer import Tracer
from funcgrad.errors import CotangentError
from funcgrad.interpreters.record import Recording
from funcgrad.interpreters.sweep import expanded, sweep
from funcgrad.transforms.cotangents import check_cotangent
from funcgrad.transforms.cutting import Cutter, filled

__all__ = ["Pullback"]


class Pullback:
    """`ct ↦ ctᵀ ∂f(x)`, which keeps the Wengert list."""

    __slots__ = ("_avals", "_cut", "_inputs", "_places", "_records", "_structure", "_trace")

    def __init__(
        self,
        trace: Recording,
        records: list[Any],
        inputs: Any,
        places: list[int | None],
        avals: list[tuple[Any, Any]],
        structure: Any,
    ) -> None:
        self._trace = trace
        self._records = records
        self._inputs = inputs
        self._places = places
        self._avals = avals
        self._structure = structure
        self._cut: Any = None

    def __call__(self, ct: Any) -> tuple[Any, ...]:
        """Cotangents of the primals for a cotangent of the result."""
        leaves, structure = tree.flatten(ct)
        if structure != self._structure:
            raise CotangentError(
                "vjp: another structure of the cotangent than of the result: "
                f"{tree.difference(self._structure, structure)}. Each result needs one cotangent. "
                "Pass zeros for the others."
            )
        self._trace.check_unchanged()
        cts: list[Any] = [None] * len(self._records)
        for number, (leaf, place, aval) in enumerate(
            zip(leaves, self._places, self._avals, strict=True)
        ):
            part = check_cotangent(leaf, aval, structure, number)
            if place is not None and part is not None:
                before = cts[place]
                cts[place] = part if before is None else before + part
        trace = self._trace
        latest_first = reversed(self._records[self._inputs.count :])
        sweep(expanded(trace, latest_first, cts) if trace.expands else latest_first, cts)
        return tuple(self._inputs.results(cts, leaves))

    def __repr__(self) -> str:
        return f"<pullback of {len(self._records) - self._inputs.count} records>"

    def flattened(self) -> tuple[list[Any], "_Skeleton"]:
        """The arrays that it keeps, and the rest."""
        if self._cut is not None:
            found: tuple[list[Any], _Skeleton] = self._cut
            return found
        cutter = Cutter(lambda x: isinstance(x, Tracer | np.ndarray) or is_foreign(x))
        records = tuple(record and (*record[:3], cutter.cut(record[3])) for record in self._records)
        primals = tuple(map(cutter.cut, self._inputs.leaves))
        return cutter.residuals, _Skeleton(self, records, primals)


@dataclass(frozen=True, slots=True, eq=False)
class _Skeleton:
    """A pullback without its arrays; known by identity.

    Attributes:
        pullback: it was taken from.
        records: with a slot for each array.
        primals: likewise.
    """

    pullback: Pullback
    records: tuple[Any, ...]
    primals: tuple[Any, ...]

    def filled(self, residuals: Any) -> Pullback:
        """A pullback with other arrays."""
        made = copy.copy(self.pullback)
        made._records = [
            record and (*record[:3], filled(record[3], residuals)) for record in self.records
        ]
        made._inputs = copy.copy(made._inputs)
        made._inputs.leaves = list(filled(self.primals, residuals))
        made._cut = list(residuals), self
        return made


tree.register_node(
    Pullback, Pullback.flattened, lambda skeleton, residuals: skeleton.filled(residuals)
)
