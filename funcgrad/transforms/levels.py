"""At which levels of transforms the body of a checkpoint stands, and what enters it."""

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from funcgrad.core.tracer import Trace, Tracer
from funcgrad.errors import user_line
from funcgrad.interpreters.batch import Batch, BatchTracer
from funcgrad.transforms.body import Body, BodyStage
from funcgrad.transforms.connection import WatchfulRecording
from funcgrad.transforms.linear import LinearStage

__all__ = ["Levels", "is_operand"]

AnyTrace = TypeVar("AnyTrace", bound=Trace)


def is_operand(x: Any) -> bool:
    """Whether a leaf becomes an operand; numbers and integer arrays are constants."""
    return isinstance(x, Tracer) or (type(x) is np.ndarray and x.ndim > 0 and x.dtype.kind in "fc")


def _belongs(x: Any, trace: Trace) -> bool:
    """Whether a trace is among those of a value."""
    while isinstance(x, Tracer):
        if x.owner is trace:
            return True
        x = x.value
    return False


class Levels:
    """The `vmap` levels above all others: the body of a checkpoint stands below them.

    So its program is that of the whole batch, and its operands are what the transforms below see.
    """

    __slots__ = ("batches", "below", "linear", "measured", "watchful")

    def __init__(self, leaves: Sequence[Any]) -> None:
        batches: dict[int, Batch] = {}
        below = 0
        self.linear = self.measured = False
        self.watchful: dict[int, WatchfulRecording] = {}
        for leaf in leaves:
            x = leaf
            while isinstance(x, Tracer):
                if isinstance(x.owner, Batch):
                    batches[x.owner.id] = x.owner
                else:
                    below = max(below, x.owner.id)
                    if isinstance(x.owner, WatchfulRecording):
                        self.watchful[x.owner.id] = x.owner
                    self.linear = self.linear or isinstance(x.owner, LinearStage)
                    self.measured = self.measured or getattr(x.owner, "measures", False)
                x = x.value
        self.batches = [batches[i] for i in sorted(batches) if i > below]
        self.below = below

    def placed(self, stage: AnyTrace) -> AnyTrace:
        """The trace, with an identity below these levels.

        An operation on a value of the trace and one of these levels is that of the level then, as
        it is with every other trace that a `vmap` stands in.
        """
        if self.batches:
            top = self.batches[0].id
            stage.id = math.nextafter(max(self.below, top - 1), top)  # type: ignore[assignment]  # between integers
        return stage

    def watched(self, stage: BodyStage, body: Body, operands: Sequence[Any]) -> None:
        """Tell the recordings that want to know where the body ends their derivatives."""
        for trace in self.watchful.values():
            for item in body.flat([_belongs(x, trace) for x in operands]):
                line = (stage.lines or {}).get(item.results[0].number, user_line())
                trace.note_flat(item.primitive, dict(item.params), line)

    def unwrap(self, x: Any) -> tuple[Any, list[bool]]:
        """A value below these levels, and at which of them it differs between examples."""
        flags = []
        for batch in reversed(self.batches):
            mine = isinstance(x, BatchTracer) and x.owner is batch
            flags.append(mine and x.batched)
            x = x.value if mine else x
        return x, flags[::-1]

    def wrap(self, x: Any, flags: Sequence[bool]) -> Any:
        """The value at these levels."""
        for batch, flag in zip(self.batches, flags, strict=True):
            x = BatchTracer(x, flag, batch)
        return x

    def inside(self, x: Any, enter: Callable[[Any], Any]) -> Any:
        """The value with `enter` applied below these levels."""
        x, flags = self.unwrap(x)
        return self.wrap(enter(x), flags)
