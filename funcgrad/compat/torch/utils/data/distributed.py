"""The part of a set that one of several processes works on."""

from collections.abc import Iterator
from typing import Any

from typing_extensions import override

from funcgrad.compat.torch import integer_draws
from funcgrad.compat.torch.mersenne import Generator
from funcgrad.compat.torch.utils.data.sampler import Sampler

__all__ = ["DistributedSampler"]


class DistributedSampler(Sampler[Any]):
    """Every r-th number of an order that all of r processes share.

    The numbers are repeated from the first one on until r divides their count; or as many are left
    out at the end.

    Attributes:
        num_replicas: r.
        rank: which of the processes: 0 ... r - 1.
        shuffle: whether the order is random, drawn from the seed plus the epoch.
        epoch: see `set_epoch`.
        num_samples: how many numbers each process gets.
        total_size: r times that.
    """

    def __init__(
        self,
        dataset: Any,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None or rank is None:  # there are no process groups here
            raise ValueError(
                "Default process group has not been initialized, please make sure to call "
                "init_process_group."
            )
        if not 0 <= rank < num_replicas:
            raise ValueError(
                f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]"
            )
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        count = len(dataset)
        self.num_samples = count // num_replicas if drop_last else -(-count // num_replicas)
        self.total_size = self.num_samples * num_replicas
        self.shuffle = shuffle
        self.seed = seed

    @override
    def __iter__(self) -> Iterator[Any]:
        count = len(self.dataset)
        numbers = list(range(count))
        if self.shuffle:
            generator = Generator().manual_seed(self.seed + self.epoch)
            numbers = integer_draws.randperm(generator, count, "int64").tolist()
        if self.total_size > count:
            numbers = numbers * -(-self.total_size // count)
        return iter(numbers[self.rank : self.total_size : self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Choose another order: in every process the same, before each pass."""
        self.epoch = epoch
