"""The life of a worker process: numbers in, batches out."""

import multiprocessing
import queue
import random
import threading
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np

from funcgrad.compat.torch.randomness import manual_seed
from funcgrad.compat.torch.settings import set_num_threads
from funcgrad.compat.torch.utils.data._utils.failure import Failure
from funcgrad.compat.torch.utils.data._utils.job import AGAIN, BATCH, END, FAILURE, NUMBER, Job
from funcgrad.compat.torch.utils.data._utils.worker import WorkerInfo, enter_worker

__all__ = ["live"]


def _seed_all(seed: int, worker: int) -> None:
    """Start the generators of this process: Python's, the layer's, NumPy's."""
    random.seed(seed + worker)
    manual_seed(seed + worker)
    words = np.random.SeedSequence([worker, seed % 2**32, seed >> 32, 0]).generate_state(4)
    np.random.seed(words)  # noqa: NPY002  # users' datasets draw from the global generator


class _Outbox:
    """Sends messages one after the other without keeping its owner waiting.

    A pipe holds little: while the main process is busy, a worker goes on with its next batch.
    """

    def __init__(self, results: Connection, where: str) -> None:
        self.results = results
        self.where = where
        self.waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.thread = threading.Thread(target=self._send_all, daemon=True)
        self.thread.start()

    def _send_all(self) -> None:
        while (message := self.waiting.get()) is not None:
            try:
                for part in message:
                    self.results.send_bytes(part)
            except OSError:  # nobody listens any more
                return

    def put(self, number: int, kind: int, data: Any = None) -> None:
        """Send an answer; if it cannot be pickled, why."""
        try:
            message = ForkingPickler.dumps((kind, data))
        except Exception:  # noqa: BLE001  # whatever it is, the main process raises it again
            failure = data.plain() if kind == FAILURE else Failure.current(self.where)
            message = ForkingPickler.dumps((FAILURE, failure))
        self.waiting.put((NUMBER.pack(number), message))

    def close(self) -> None:
        """Wait until all is sent."""
        self.waiting.put(None)
        self.thread.join()


def live(job: Job, worker: int, tasks: Connection, results: Connection) -> None:
    """Answer tasks until there are no more: `None` comes, or the main process is gone.

    A task is (number, kind, numbers of samples). Its answer are two messages: the number, and the
    pickle of (kind, batch), which is opened when it is its turn.
    """
    outbox = _Outbox(results, f"in DataLoader worker process {worker}")
    try:
        _answer(job, worker, tasks, outbox)
    except (EOFError, KeyboardInterrupt):  # the main process ends, or is interrupted itself
        return
    except SystemExit:
        outbox.close()
        raise
    outbox.close()


def _begun(job: Job, worker: int) -> Any:
    """What makes batches, when this process is ready to do so."""
    set_num_threads(1)
    _seed_all(job.seed, worker)
    seed = job.seed + worker
    enter_worker(WorkerInfo(worker, job.count, seed, job.dataset, worker_method="multiprocessing"))
    if job.init_fn is not None:
        job.init_fn(worker)
    return job.fetcher()


def _received(tasks: Connection) -> Any:
    """The next task.

    Raises:
        EOFError: the main process is gone. A forked process holds the other end of its own pipe,
            too, and so would wait for ever.
    """
    parent = multiprocessing.parent_process()
    if parent is not None and tasks not in wait([tasks, parent.sentinel]):
        raise EOFError
    return tasks.recv()


def _answer(job: Job, worker: int, tasks: Connection, outbox: _Outbox) -> None:
    fetcher: Any = None
    broken = None
    try:
        fetcher = _begun(job, worker)
    except Exception:  # noqa: BLE001  # whatever it is, the main process raises it again
        broken = Failure.current(outbox.where)
    ended = False
    while (task := _received(tasks)) is not None:
        number, kind, index = task
        try:
            if kind == AGAIN:
                outbox.put(number, AGAIN)
                fetcher = job.fetcher()
                ended = False
            elif broken is not None:
                outbox.put(number, FAILURE, broken)
            elif not ended:
                outbox.put(number, BATCH, fetcher.fetch(index))
        except Exception as error:  # noqa: BLE001  # as above
            ended = job.iterable and isinstance(error, StopIteration)
            if ended:
                outbox.put(number, END)
            else:
                outbox.put(number, FAILURE, Failure.current(outbox.where))
