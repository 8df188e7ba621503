"""At which levels of transforms the body of a checkpoint stands, and what enters it."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from funcgrad.core.tracer import Tracer
from funcgrad.interpreters.batch import Batch, BatchTracer
from funcgrad.transforms.linear import LinearStage

__all__ = ["Levels", "is_operand"]


def is_operand(x: Any) -> bool:
    """Whether a leaf becomes an operand; numbers and integer arrays are constants."""
    return isinstance(x, Tracer) or (type(x) is np.ndarray and x.ndim > 0 and x.dtype.kind in "fc")


class Levels:
    """The `vmap` levels above all others: the body of a checkpoint stands below them.

    So its program is that of the whole batch, and its operands are what the transforms below see.
    """

    __slots__ = ("batches", "linear", "measured")

    def __init__(self, leaves: Sequence[Any]) -> None:
        batches: dict[int, Batch] = {}
        below = 0
        self.linear = self.measured = False
        for leaf in leaves:
            x = leaf
            while isinstance(x, Tracer):
                if isinstance(x.owner, Batch):
                    batches[x.owner.id] = x.owner
                else:
                    below = max(below, x.owner.id)
                    self.linear = self.linear or isinstance(x.owner, LinearStage)
                    self.measured = self.measured or getattr(x.owner, "measures", False)
                x = x.value
        self.batches = [batches[i] for i in sorted(batches) if i > below]

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
