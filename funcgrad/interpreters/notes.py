"""Where the records of a trace come from, for programs of derivatives.

While a program is written, the derivative of an operation is given that operation's line, and what
it computes for a parent is named after it: `d_h` for the cotangent of `h`. The notes are kept
beside the Wengert list, and only where some value of the trace is staged.
"""

from typing import Any

from funcgrad.core.origins import UNKNOWN, Origin
from funcgrad.core.tracer import Tracer
from funcgrad.core.wengert import Record
from funcgrad.interpreters.record import Recording
from funcgrad.interpreters.stage import Stage, StageTracer

__all__ = ["Notes", "follow"]


class Notes:
    """The origins of records, by position."""

    __slots__ = ("before", "origins", "stage")

    def __init__(self, stage: Stage, origins: list[Origin] | None = None) -> None:
        self.stage = stage
        self.origins: list[Origin] = [] if origins is None else origins
        self.before: list[Origin | None] = []

    def ask(self, position: int, parents: int | tuple[int, ...]) -> None:
        """What is written from now on belongs to the derivative of this record."""
        if not self.before:
            self.before.append(self.stage.asked_by)
        origin = self.origins[position] if position < len(self.origins) else UNKNOWN
        parent = self.origins[parents].name if isinstance(parents, int) else ""
        name = f"d_{parent}" if parent else ""
        self.stage.asked_by = origin._replace(name=name)

    def done(self) -> None:
        """The sweep is over."""
        if self.before:
            self.stage.asked_by = self.before.pop()


class _NotedRecords(list[Record | None]):
    """A Wengert list that notes where each record comes from."""

    __slots__ = ("notes",)
    notes: Notes

    def append(self, record: Record | None) -> None:
        """Append it, with the origin of the latest equation."""
        super().append(record)
        self.notes.origins.append(self.notes.stage.last)


def follow(trace: Recording, leaf: Any) -> None:
    """Before a traced value becomes an input of the trace: keep notes, if it is staged."""
    x = leaf
    while isinstance(x, Tracer):
        if isinstance(x, StageTracer):
            break
        x = x.value
    else:
        return
    stage: Stage = x.owner
    if trace.notes is None and stage.computes:
        records = _NotedRecords(trace.records)
        records.notes = trace.notes = Notes(stage)
        trace.notes.origins.extend(UNKNOWN for _ in trace.records)
        trace.records = records
        trace.expands = True
    if trace.notes is not None and x is leaf:
        stage.last = stage.last._replace(name=x.variable.name)
