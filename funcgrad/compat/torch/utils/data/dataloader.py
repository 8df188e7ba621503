"""Loaders: batches of a set's samples, in an order, made here or by worker processes."""

import itertools
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from typing_extensions import override

from funcgrad.compat.torch.mersenne import Generator
from funcgrad.compat.torch.utils.data._utils.collate import default_collate, default_convert
from funcgrad.compat.torch.utils.data._utils.job import END, FAILURE, Job
from funcgrad.compat.torch.utils.data._utils.worker import get_worker_info
from funcgrad.compat.torch.utils.data.dataset import Dataset, IterableDataset
from funcgrad.compat.torch.utils.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    drawn_seed,
)

__all__ = ["DataLoader", "default_collate", "default_convert", "get_worker_info"]

_T_co = TypeVar("_T_co", covariant=True)


class _DatasetKind:
    """How samples are got: by number, or one after the other."""

    Map = 0
    Iterable = 1


class _InfiniteConstantSampler(Sampler[None]):
    """What stands for numbers where a stream has none."""

    @override
    def __iter__(self) -> Iterator[None]:
        return itertools.repeat(None)


class DataLoader(Generic[_T_co]):
    """Batches of the samples of a set: an iterable, once for each epoch.

    Every pass draws a seed from the generator, which worker processes start from, even if there
    are none; then a shuffled order draws its own.

    Attributes:
        dataset: the set.
        batch_size: number of samples in a batch; `None`: samples come one by one.
        sampler: the order; by default 0, 1, ..., or random if `shuffle` is true.
        batch_sampler: the order, in batches.
        num_workers: how many processes make batches; 0: this one.
        collate_fn: makes a batch of a list of samples.
        pin_memory: accepted; there is no other memory here.
        drop_last: whether the last batch is left out if it is incomplete.
        timeout: seconds that a batch of a worker may take; 0: as long as it takes.
        worker_init_fn: called in each worker with its number.
        multiprocessing_context: how processes are started.
        generator: of random numbers; `None`: the default one.
        prefetch_factor: how many batches a worker makes ahead.
        persistent_workers: whether workers stay from one pass to the next.
        in_order: whether batches come in order, also if a later one is ready first.
    """

    dataset: Dataset[_T_co]
    batch_size: int | None
    num_workers: int
    sampler: Sampler[Any] | Iterable[Any]
    __initialized = False

    def __init__(
        self,
        dataset: Dataset[_T_co],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler[Any] | Iterable[Any] | None = None,
        batch_sampler: Sampler[list[Any]] | Iterable[list[Any]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], Any] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers > 0 and prefetch_factor is None else prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.in_order = in_order
        streams = isinstance(dataset, IterableDataset)
        self._dataset_kind = _DatasetKind.Iterable if streams else _DatasetKind.Map
        _check_order(streams, batch_size, shuffle, sampler, batch_sampler, drop_last)
        if batch_sampler is not None:
            batch_size, drop_last = None, False
        if sampler is None:
            if streams:
                sampler = _InfiniteConstantSampler()
            elif shuffle:
                sampler = RandomSampler(dataset, generator=generator)  # type: ignore[arg-type]  # sized
            else:
                sampler = SequentialSampler(dataset)  # type: ignore[arg-type]  # sized
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        if collate_fn is None:
            collate_fn = default_convert if batch_sampler is None else default_collate
        self.collate_fn = collate_fn
        self.persistent_workers = persistent_workers
        self.__initialized = True
        self._IterableDataset_len_called: int | None = None
        self._iterator: _BaseDataLoaderIter | None = None
        self.check_worker_number_rationality()

    @property
    def multiprocessing_context(self) -> Any:
        """How processes are started; `None`: as Python does by default."""
        return self.__multiprocessing_context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context: Any) -> None:
        if context is not None:
            # Imported here: most programs have no processes, whose modules take time to import.
            import multiprocessing.context  # noqa: PLC0415  # as above

            if self.num_workers <= 0:
                raise ValueError(
                    "multiprocessing_context can only be used with multi-process loading "
                    f"(num_workers > 0), but got num_workers={self.num_workers}"
                )
            if isinstance(context, str):
                methods = multiprocessing.get_all_start_methods()
                if context not in methods:
                    raise ValueError(
                        "multiprocessing_context option should specify a valid start method in "
                        f"{methods!r}, but got multiprocessing_context={context!r}"
                    )
                context = multiprocessing.get_context(context)
            if not isinstance(context, multiprocessing.context.BaseContext):
                raise TypeError(
                    "multiprocessing_context option should be a valid context object or a string "
                    f"specifying the start method, but got multiprocessing_context={context}"
                )
        self.__multiprocessing_context = context

    @override
    def __setattr__(self, name: str, value: Any) -> None:
        if self.__initialized and name in _FIXED:
            raise ValueError(
                f"{name} attribute should not be set after {type(self).__name__} is initialized"
            )
        super().__setattr__(name, value)

    def __iter__(self) -> "_BaseDataLoaderIter":
        if not (self.persistent_workers and self.num_workers > 0):
            return self._get_iterator()
        if self._iterator is None:
            self._iterator = self._get_iterator()
        else:
            self._iterator._reset(self)
        return self._iterator

    def _get_iterator(self) -> "_BaseDataLoaderIter":
        if self.num_workers == 0:
            return _SingleProcessDataLoaderIter(self)
        self.check_worker_number_rationality()
        return _MultiProcessingDataLoaderIter(self)

    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Any:
        return self.batch_sampler if self._auto_collation else self.sampler

    def __len__(self) -> int:
        if self._dataset_kind == _DatasetKind.Map:
            return len(self._index_sampler)
        length = self._IterableDataset_len_called = len(self.dataset)  # type: ignore[arg-type]  # or Python says so
        if self.batch_size is None:
            return length
        return length // self.batch_size if self.drop_last else -(-length // self.batch_size)

    def check_worker_number_rationality(self) -> None:
        """Warn if there are to be more workers than processors."""
        if not self.num_workers:
            return
        known = hasattr(os, "sched_getaffinity")  # not everywhere
        most = len(os.sched_getaffinity(0)) if known else os.cpu_count()
        if most is not None and self.num_workers > most:
            warnings.warn(
                f"This DataLoader will create {self.num_workers} worker processes in total. Our "
                f"suggested max number of worker in current system is {most}, which is smaller "
                "than what this DataLoader is going to create. Please be aware that excessive "
                "worker creation might get DataLoader running slow or even freeze, lower the "
                "worker number to avoid potential slowness/freeze if necessary.",
                UserWarning,
                stacklevel=2,
            )


_FIXED = frozenset(
    {"batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"}
)
"""What may not be set any more: other attributes were derived from it."""


def _check_workers(
    num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool
) -> None:
    if num_workers < 0:
        raise ValueError(
            "num_workers option should be non-negative; use num_workers=0 to disable "
            "multiprocessing."
        )
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if num_workers == 0 and prefetch_factor is not None:
        raise ValueError(
            "prefetch_factor option could only be specified in multiprocessing.let num_workers > "
            "0 to enable multiprocessing, otherwise set prefetch_factor to None."
        )
    if prefetch_factor is not None and prefetch_factor < 0:
        raise ValueError("prefetch_factor option should be non-negative")
    if persistent_workers and num_workers == 0:
        raise ValueError("persistent_workers option needs num_workers > 0")


def _check_order(
    streams: bool,
    batch_size: int | None,
    shuffle: Any,
    sampler: Any,
    batch_sampler: Any,
    drop_last: bool,
) -> None:
    """Raise ValueError for options that contradict each other."""
    if streams:
        refused = {"shuffle": shuffle or None, "sampler": sampler, "batch_sampler": batch_sampler}
        for name, value in refused.items():
            if value is not None:
                raise ValueError(
                    f"DataLoader with IterableDataset: expected unspecified {name} option, but got "
                    f"{name}={value}"
                )
    if sampler is not None and shuffle:
        raise ValueError("sampler option is mutually exclusive with shuffle")
    if batch_sampler is not None and (
        batch_size != 1 or shuffle or sampler is not None or drop_last
    ):
        raise ValueError(
            "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and "
            "drop_last"
        )
    if batch_sampler is None and batch_size is None and drop_last:
        raise ValueError(
            "batch_size=None option disables auto-batching and is mutually exclusive with drop_last"
        )


class _BaseDataLoaderIter:
    """A pass over a set."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        self._dataset = loader.dataset
        self._dataset_kind = loader._dataset_kind
        self._num_workers = loader.num_workers
        self._index_sampler = loader._index_sampler
        self._timeout = loader.timeout
        if loader.pin_memory:
            if loader.pin_memory_device:
                warnings.warn(
                    "pin_memory_device is deprecated, the current accelerator will be used as the "
                    f"device,ignore pin_memory_device='{loader.pin_memory_device}'.",
                    UserWarning,
                    stacklevel=2,
                )
            warnings.warn(
                "'pin_memory' argument is set as true but no accelerator is found, then device "
                "pinned memory won't be used.",
                UserWarning,
                stacklevel=2,
            )
        self._begin(loader)
        self._base_seed = drawn_seed(loader.generator)
        self._job = Job(
            dataset=loader.dataset,
            iterable=loader._dataset_kind == _DatasetKind.Iterable,
            batched=loader._auto_collation,
            collate_fn=loader.collate_fn,
            drop_last=loader.drop_last,
            seed=self._base_seed,
            init_fn=loader.worker_init_fn,
            count=loader.num_workers,
        )

    def _begin(self, loader: DataLoader[Any]) -> None:
        self._sampler_iter = iter(self._index_sampler)
        self._num_yielded = 0
        self._promised = loader._IterableDataset_len_called

    def _reset(self, loader: DataLoader[Any]) -> None:
        """Begin another pass."""
        self._begin(loader)

    def __iter__(self) -> "_BaseDataLoaderIter":
        return self

    def __next__(self) -> Any:
        batch = self._next_data()
        self._num_yielded += 1
        promised = self._promised
        if (
            promised is not None
            and self._dataset_kind == _DatasetKind.Iterable
            and self._num_yielded > promised
        ):
            message = (
                f"Length of IterableDataset {self._dataset} was reported to be {promised}(when "
                f"accessing len(dataloader)), but {self._num_yielded} samples have been fetched. "
            )
            if self._num_workers > 0:
                message += (
                    "For multiprocessing data-loading, this could be caused by not properly "
                    "configuring the IterableDataset replica at each worker. Please see "
                    "https://pytorch.org/docs/stable/data.html#torch.utils.data.IterableDataset "
                    "for examples."
                )
            warnings.warn(message, UserWarning, stacklevel=2)
        return batch

    def _next_data(self) -> Any:
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self._index_sampler)

    def __getstate__(self) -> Any:
        raise NotImplementedError("{} cannot be pickled", type(self).__name__)


class _SingleProcessDataLoaderIter(_BaseDataLoaderIter):
    """A pass whose batches are made here."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        super().__init__(loader)
        self._dataset_fetcher = self._job.fetcher()

    @override
    def _next_data(self) -> Any:
        return self._dataset_fetcher.fetch(next(self._sampler_iter))


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    """A pass whose batches are made by worker processes.

    Tasks are numbered in the order of the sampler and go to the workers in turn. As many are under
    way as there are workers, times the prefetch factor; each batch that is taken makes room for one
    more.
    """

    def __init__(self, loader: DataLoader[Any]) -> None:
        assert loader.prefetch_factor, (
            "prefetch_factor must be greater than 0 for MultiProcessingDataLoaderIter"
        )
        super().__init__(loader)
        self._persistent = loader.persistent_workers
        self._in_order = loader.in_order
        self._each = loader.prefetch_factor
        # Imported here: most programs have no processes, whose modules take time to import.
        from funcgrad.compat.torch.utils.data._utils.pool import Pool  # noqa: PLC0415  # as above

        self._pool = Pool(self._job, loader.multiprocessing_context)
        self._start()

    @override
    def _reset(self, loader: DataLoader[Any]) -> None:
        super()._reset(loader)
        self._pool.restart(self._timeout)
        self._start()

    def _start(self) -> None:
        """The first tasks of a pass."""
        self._turns = itertools.cycle(range(self._num_workers))
        self._active = set(range(self._num_workers))
        self._tasks: dict[int, int] = {}  # numbers of tasks under way: their workers, in order
        self._numbers = itertools.count()
        for _ in range(self._each * self._num_workers):
            self._give()

    def _give(self) -> None:
        """Give the next task to the next worker that still has something."""
        index = next(self._sampler_iter, _NOTHING)
        if index is _NOTHING:
            return
        for worker in itertools.islice(self._turns, self._num_workers):
            if worker in self._active and (self._in_order or self._has_room(worker)):
                number = next(self._numbers)
                self._tasks[number] = worker
                self._pool.send(worker, number, index)
                return

    def _has_room(self, worker: int) -> bool:
        under_way = sum(one == worker for one in self._tasks.values())
        return under_way < self._each * self._num_workers // len(self._active)

    @override
    def _next_data(self) -> Any:
        while (number := self._due()) is not None:
            worker = self._tasks.pop(number)
            kind, data = self._pool.take(number)
            if kind == END:
                self._active.discard(worker)
                self._tasks = {one: by for one, by in self._tasks.items() if by != worker}
                self._give()
                continue
            self._give()
            if kind == FAILURE:
                data.reraise()
            return data
        if not self._persistent:
            self._pool.close()
        raise StopIteration

    def _due(self) -> int | None:
        """The number of the next task, whose answer has come; `None` if all are done."""
        while self._tasks:
            first, worker = next(iter(self._tasks.items()))
            if self._in_order:
                if first in self._pool.answers:
                    return first
                self._pool.receive([worker], self._timeout)
            else:
                for number in self._tasks:
                    if number in self._pool.answers:
                        return number
                self._pool.receive(sorted(set(self._tasks.values())), self._timeout)
        return None


_NOTHING: Any = object()
