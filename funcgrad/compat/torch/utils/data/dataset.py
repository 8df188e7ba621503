"""Sets of samples: numbered ones, streams, and the sets made of others."""

import bisect
import itertools
import math
import warnings
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from typing_extensions import deprecated, override

from funcgrad.compat.torch.mersenne import Generator
from funcgrad.compat.torch.randomness import randperm
from funcgrad.compat.torch.tensor import Tensor

__all__ = [
    "ChainDataset",
    "ConcatDataset",
    "Dataset",
    "IterableDataset",
    "StackDataset",
    "Subset",
    "TensorDataset",
    "random_split",
]

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)


class Dataset(Generic[_T_co]):
    """Samples by their number: `dataset[i]`, and mostly `len(dataset)`."""

    def __getitem__(self, index: Any) -> _T_co:
        raise NotImplementedError("Subclasses of Dataset should implement __getitem__.")

    def __add__(self, other: "Dataset[_T_co]") -> "Dataset[_T_co]":
        return ConcatDataset([self, other])


class IterableDataset(Dataset[_T_co], Iterable[_T_co]):
    """Samples one after the other: `iter(dataset)`."""

    @abstractmethod
    @override
    def __iter__(self) -> Iterator[_T_co]: ...

    @override
    def __add__(self, other: Dataset[_T_co]) -> "ChainDataset":
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Sample i is the tuple of the rows i of tensors.

    Attributes:
        tensors: of equal length.
    """

    tensors: tuple[Tensor, ...]

    def __init__(self, *tensors: Tensor) -> None:
        if len({tensor.size(0) for tensor in tensors}) > 1:
            raise AssertionError("Size mismatch between tensors")
        self.tensors = tensors

    @override
    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple([tensor[index] for tensor in self.tensors])  # type: ignore[index]  # entered

    def __len__(self) -> int:
        return self.tensors[0].size(0)  # type: ignore[no-any-return]  # an int


class StackDataset(Dataset[Any]):
    """Sample i is the tuple, or the dictionary, of the samples i of several sets.

    Attributes:
        datasets: of equal length, in a tuple (given by position) or a dictionary (given by name).
    """

    datasets: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args and kwargs:
            raise ValueError(
                "Supported either ``tuple``- (via ``args``) or``dict``- (via ``kwargs``) like "
                "input/output, but both types are given."
            )
        if not args and not kwargs:
            raise ValueError("At least one dataset should be passed")
        self.datasets = args or kwargs
        lengths = {len(one) for one in self._parts()}
        if len(lengths) > 1:
            raise ValueError("Size mismatch between datasets")
        (self._length,) = lengths

    def _parts(self) -> list[Any]:
        named = isinstance(self.datasets, dict)
        return list(self.datasets.values() if named else self.datasets)

    def _joined(self, samples: Iterable[Any]) -> Any:
        """One sample of the samples of the parts."""
        if isinstance(self.datasets, dict):
            return dict(zip(self.datasets, samples, strict=True))
        return tuple(samples)

    @override
    def __getitem__(self, index: Any) -> Any:
        return self._joined([one[index] for one in self._parts()])

    def __getitems__(self, indices: Sequence[Any]) -> list[Any]:
        """Several samples; a part is asked for all of its own at once if it can answer that."""
        columns = []
        for one in self._parts():
            several = getattr(one, "__getitems__", None)
            column = several(indices) if callable(several) else [one[i] for i in indices]
            if len(column) != len(indices):
                raise ValueError(
                    "Nested dataset's output size mismatch. "
                    f"Expected {len(indices)}, got {len(column)}"
                )
            columns.append(column)
        return [self._joined(row) for row in zip(*columns, strict=True)]

    def __len__(self) -> int:
        return self._length


class ConcatDataset(Dataset[_T_co]):
    """The samples of one set after those of another.

    Attributes:
        datasets: the sets.
        cumulative_sizes: how many samples there are up to the end of each.
    """

    datasets: list[Dataset[_T_co]]
    cumulative_sizes: list[int]

    @staticmethod
    def cumsum(sequence: Iterable[Any]) -> list[int]:
        """The lengths of the first set, of the first two, ..."""
        return list(itertools.accumulate(len(one) for one in sequence))

    def __init__(self, datasets: Iterable[Dataset[Any]]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("datasets should not be an empty iterable")
        if any(isinstance(one, IterableDataset) for one in self.datasets):
            raise AssertionError("ConcatDataset does not support IterableDataset")
        self.cumulative_sizes = self.cumsum(self.datasets)

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    @override
    def __getitem__(self, idx: int) -> _T_co:
        if idx < 0:
            if -idx > len(self):
                raise ValueError("absolute value of index should not exceed dataset length")
            idx += len(self)
        place = bisect.bisect_right(self.cumulative_sizes, idx)
        start = self.cumulative_sizes[place - 1] if place else 0
        return self.datasets[place][idx - start]

    @property
    @deprecated(
        "`cummulative_sizes` attribute is renamed to `cumulative_sizes`", category=FutureWarning
    )
    def cummulative_sizes(self) -> list[int]:
        """An older name of `cumulative_sizes`."""
        return self.cumulative_sizes


class ChainDataset(IterableDataset[Any]):
    """One stream of samples after the other.

    Attributes:
        datasets: the streams.
    """

    def __init__(self, datasets: Iterable[Dataset[Any]]) -> None:
        super().__init__()
        self.datasets = datasets

    def _streams(self) -> Iterator[Any]:
        for one in self.datasets:
            if not isinstance(one, IterableDataset):
                raise AssertionError("ChainDataset only supports IterableDataset")
            yield one

    @override
    def __iter__(self) -> Iterator[Any]:
        return itertools.chain.from_iterable(self._streams())

    def __len__(self) -> int:
        return sum(len(one) for one in self._streams())


class Subset(Dataset[_T_co]):
    """The samples with given numbers of another set.

    Attributes:
        dataset: the other set.
        indices: the numbers.
    """

    dataset: Dataset[_T_co]
    indices: Sequence[int]

    def __init__(self, dataset: Dataset[_T_co], indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    @override
    def __getitem__(self, idx: Any) -> _T_co:
        if isinstance(idx, list):
            return self.dataset[[self.indices[i] for i in idx]]
        return self.dataset[self.indices[idx]]

    def __getitems__(self, indices: list[int]) -> list[_T_co]:
        """Several samples, which the other set is asked for at once if it can answer that."""
        several = getattr(self.dataset, "__getitems__", None)
        if callable(several):
            return several([self.indices[i] for i in indices])  # type: ignore[no-any-return]  # samples
        return [self.dataset[self.indices[i]] for i in indices]

    def __len__(self) -> int:
        return len(self.indices)


def _shares(total: int, fractions: Sequence[float]) -> list[int]:
    """Whole lengths: fractions of a total, rounded down; what is left goes round in turn."""
    lengths = []
    for i, fraction in enumerate(fractions):
        if not 0 <= fraction <= 1:
            raise ValueError(f"Fraction at index {i} is not between 0 and 1")
        lengths.append(math.floor(total * fraction))
    for i in range(total - sum(lengths)):
        lengths[i % len(lengths)] += 1
    for i, length in enumerate(lengths):
        if not length:
            warnings.warn(
                f"Length of split at index {i} is 0. This might result in an empty dataset.",
                UserWarning,
                stacklevel=3,
            )
    return lengths


def random_split(
    dataset: Dataset[_T], lengths: Sequence[int | float], generator: Generator | None = None
) -> list[Subset[_T]]:
    """A random partition of a set into subsets of given lengths.

    Args:
        dataset: of n samples.
        lengths: numbers of samples with sum n, or fractions with sum 1.
        generator: of the permutation of 0 ... n - 1 that is cut; else the default one.
    """
    total = len(dataset)  # type: ignore[arg-type]  # it has a length, or Python says so
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        lengths = _shares(total, lengths)
    if sum(lengths) != total:
        raise ValueError("Sum of input lengths does not equal the length of the input dataset!")
    order: Any = randperm(int(sum(lengths)), generator=generator)
    numbers: list[int] = order.tolist()
    ends = list(itertools.accumulate(lengths))
    return [
        Subset(dataset, numbers[int(end) - int(length) : int(end)])
        for end, length in zip(ends, lengths, strict=True)
    ]
