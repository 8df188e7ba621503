"""What worker processes are told, and how they are spoken to."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from funcgrad.compat.torch.utils.data._utils.fetch import IterableFetcher, MapFetcher

__all__ = ["AGAIN", "BATCH", "END", "FAILURE", "NUMBER", "Job"]

AGAIN, BATCH, END, FAILURE = range(4)
"""Kinds of messages: begin the stream anew; a batch (or the wish for one); there is none; an error.
"""


NUMBER = struct.Struct("<q")
"""How the number of a task is written before its answer."""


@dataclass(frozen=True)
class Job:
    """What all workers of a loader are told.

    Attributes:
        dataset: the set.
        iterable: whether it is a stream.
        batched: whether samples are put together.
        collate_fn: does that.
        drop_last: whether an incomplete batch at the end is left out.
        seed: that of worker 0; those of the others follow.
        init_fn: called with the number of the worker before anything else.
        count: how many workers there are.
    """

    dataset: Any
    iterable: bool
    batched: bool
    collate_fn: Callable[[Any], Any]
    drop_last: bool
    seed: int
    init_fn: Callable[[int], Any] | None
    count: int

    def fetcher(self) -> Any:
        """What makes batches, from the beginning."""
        kind = IterableFetcher if self.iterable else MapFetcher
        return kind(self.dataset, self.batched, self.collate_fn, self.drop_last)
