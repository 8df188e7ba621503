"""From numbers to a batch: ask a set for samples and put them together."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from funcgrad.compat.torch.creation import made
from funcgrad.compat.torch.tensor import Tensor
from funcgrad.compat.torch.utils.data._utils.collate import (
    collate_tensor_fn,
    default_collate,
    default_collate_fn_map,
)
from funcgrad.compat.torch.utils.data.dataset import Subset, TensorDataset

__all__ = ["IterableFetcher", "MapFetcher"]


class MapFetcher:
    """Samples by number.

    Attributes:
        dataset: is asked.
        batched: whether numbers come in lists, and samples are put together.
        collate_fn: does that.
    """

    def __init__(
        self, dataset: Any, batched: bool, collate_fn: Callable[[Any], Any], drop_last: bool
    ) -> None:
        del drop_last
        self.dataset = dataset
        self.batched = batched
        self.collate_fn = collate_fn
        self.rows = collate_fn is default_collate and type(dataset) in (TensorDataset, Subset)

    def fetch(self, index: Any) -> Any:
        """The batch of a list of numbers; or what is made of one sample."""
        dataset = self.dataset
        if not self.batched:
            return self.collate_fn(dataset[index])
        if self.rows:
            found = _rows(dataset, index)
            if found is not None:
                return found
        several = getattr(dataset, "__getitems__", None)
        return self.collate_fn(several(index) if several else [dataset[i] for i in index])


def _rows(dataset: Any, index: Any) -> list[Tensor] | None:
    """The rows of a TensorDataset at once; `None` where samples may differ from plain rows."""
    while type(dataset) is Subset:
        try:
            index = [dataset.indices[i] for i in index]
        except (IndexError, TypeError):
            return None
        dataset = dataset.dataset
    if (
        type(dataset) is not TensorDataset
        or not all(type(i) is int for i in index)
        or default_collate_fn_map.get(Tensor) is not collate_tensor_fn
    ):
        return None
    numbers = np.array(index, np.intp)
    found = []
    for tensor in dataset.tensors:
        value: Any = getattr(tensor, "_value", None)
        if (
            type(tensor) is not Tensor
            or type(value) is not np.ndarray
            or tensor._requires
            or tensor._where is not None
            or not value.ndim
            or not -len(value) <= numbers.min(initial=0) <= numbers.max(initial=-1) < len(value)
        ):
            return None
        found.append(made(value.take(numbers, 0), tensor.dtype))
    return found


class IterableFetcher:
    """Samples in the order of a stream.

    Attributes:
        stream: over the set.
        batched: whether as many samples are put together as numbers are given.
        collate_fn: does that.
        drop_last: whether an incomplete batch at the end is left out.
        ended: whether the stream has no more.
    """

    def __init__(
        self,
        dataset: Iterable[Any],
        batched: bool,
        collate_fn: Callable[[Any], Any],
        drop_last: bool,
    ) -> None:
        self.stream = iter(dataset)
        self.batched = batched
        self.collate_fn = collate_fn
        self.drop_last = drop_last
        self.ended = False

    def fetch(self, index: Any) -> Any:
        """The next batch; or what is made of the next sample.

        Raises:
            StopIteration: there is none.
        """
        if self.ended:
            raise StopIteration
        if not self.batched:
            return self.collate_fn(next(self.stream))
        samples = []
        for _ in index:
            try:
                samples.append(next(self.stream))
            except StopIteration:
                self.ended = True
                break
        if not samples or (self.drop_last and len(samples) < len(index)):
            raise StopIteration
        return self.collate_fn(samples)
