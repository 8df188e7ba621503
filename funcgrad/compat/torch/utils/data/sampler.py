"""Orders of samples: which numbers a loader asks a set for, one after the other or in batches."""

import itertools
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any, Generic, TypeVar

from typing_extensions import override

from funcgrad.compat.torch import integer_draws
from funcgrad.compat.torch.creation import as_tensor
from funcgrad.compat.torch.dtypes import DTYPES
from funcgrad.compat.torch.mersenne import Generator, default_generator
from funcgrad.compat.torch.randomness import multinomial, randperm
from funcgrad.compat.torch.tensor import Tensor

__all__ = [
    "BatchSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
    "drawn_seed",
]

_T_co = TypeVar("_T_co", covariant=True)

_ROWS = 32
"""So many numbers are drawn at a time with replacement."""


def drawn_seed(generator: Generator | None) -> int:
    """A seed below 2⁶³, drawn from a generator (`None`: the default one)."""
    source = default_generator() if generator is None else generator
    return int(source.longs(1)[0]) % 2**63


def _check_count(name: str, count: Any, bools: bool = False) -> None:
    """Raise ValueError unless `count` is a positive integer."""
    if not isinstance(count, int) or (isinstance(count, bool) and not bools) or count <= 0:
        raise ValueError(f"{name} should be a positive integer value, but got {name}={count}")


class Sampler(Generic[_T_co]):
    """An order: `iter(sampler)` gives numbers of samples, or lists of them."""

    def __iter__(self) -> Iterator[_T_co]:
        raise NotImplementedError


class SequentialSampler(Sampler[int]):
    """0, 1, ..., n - 1."""

    data_source: Sized

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    @override
    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """Random numbers below n: permutations one after the other, or independent draws.

    Attributes:
        data_source: has length n.
        replacement: whether draws are independent.
        generator: of the draws; `None`: one that each pass seeds from the default generator.
    """

    data_source: Sized
    replacement: bool

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if not isinstance(replacement, bool):
            raise TypeError(
                f"replacement should be a boolean value, but got replacement={replacement}"
            )
        _check_count("num_samples", self.num_samples, bools=True)

    @property
    def num_samples(self) -> int:
        """How many numbers a pass gives: n, unless told otherwise."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    @override
    def __iter__(self) -> Iterator[int]:
        n = len(self.data_source)
        generator = self.generator
        if generator is None:
            generator = Generator().manual_seed(drawn_seed(None))
        count = self.num_samples
        if self.replacement:
            for start in range(0, count, _ROWS):
                size = (min(_ROWS, count - start),)
                yield from integer_draws.randint(generator, size, 0, n, "int64").tolist()
        else:
            for _ in range(count // n):
                yield from integer_draws.randperm(generator, n, "int64").tolist()
            # Drawn even if nothing of it is used: the generator goes on as in PyTorch.
            yield from integer_draws.randperm(generator, n, "int64").tolist()[: count % n]

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """Given numbers in random order.

    Attributes:
        indices: the numbers.
        generator: of the permutation; `None`: the default one.
    """

    indices: Sequence[int]

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices = indices
        self.generator = generator

    @override
    def __iter__(self) -> Iterator[int]:
        order: Any = randperm(len(self.indices), generator=self.generator)
        for i in order.tolist():
            yield self.indices[i]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Numbers i drawn with probability in proportion to weight i.

    Attributes:
        weights: float64, one for each number; their sum need not be 1.
        num_samples: how many numbers a pass gives.
        replacement: whether a number can come twice.
        generator: of the draws; `None`: the default one.
    """

    weights: Tensor
    num_samples: int
    replacement: bool

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        _check_count("num_samples", num_samples)
        if not isinstance(replacement, bool):
            raise ValueError(  # as in PyTorch
                f"replacement should be a boolean value, but got replacement={replacement}"
            )
        values: Any = as_tensor(weights, dtype=DTYPES["float64"])
        if values.ndim != 1:
            raise ValueError(
                "weights should be a 1d sequence but given weights have shape "
                f"{tuple(values.shape)}"
            )
        self.weights = values
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    @override
    def __iter__(self) -> Iterator[int]:
        drawn: Any = multinomial(
            self.weights, self.num_samples, self.replacement, generator=self.generator
        )
        yield from drawn.tolist()

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """The numbers of another order in lists of equal length.

    Attributes:
        sampler: the other order.
        batch_size: length of a list; the last one may be shorter,
        drop_last: unless it is to be left out then.
    """

    def __init__(
        self, sampler: Sampler[Any] | Iterable[Any], batch_size: int, drop_last: bool
    ) -> None:
        _check_count("batch_size", batch_size)
        if not isinstance(drop_last, bool):
            raise ValueError(  # as in PyTorch
                f"drop_last should be a boolean value, but got drop_last={drop_last}"
            )
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    @override
    def __iter__(self) -> Iterator[list[int]]:
        numbers = iter(self.sampler)
        size = self.batch_size
        while batch := list(itertools.islice(numbers, size)):
            if self.drop_last and len(batch) < size:
                return
            yield batch

    def __len__(self) -> int:
        count = len(self.sampler)  # type: ignore[arg-type]  # it has a length, or Python says so
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)
