"""The worker processes of a loader, as the main process sees them."""

import contextlib
import os
import time
import weakref
from collections.abc import Iterable
from multiprocessing import get_context
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext
from multiprocessing.reduction import ForkingPickler
from typing import Any

from funcgrad.compat.torch.utils.data._utils.job import AGAIN, BATCH, NUMBER, Job
from funcgrad.compat.torch.utils.data._utils.process import live

__all__ = ["Pool"]

PATIENCE = 5.0
"""Seconds that workers have for what they are doing, when they are told to end."""


class _Worker:
    """A process, and the pipes to and from it."""

    def __init__(self, job: Job, number: int, context: Any) -> None:
        there, self.tasks = context.Pipe(duplex=False)
        self.results, back = context.Pipe(duplex=False)
        self.process = context.Process(target=live, args=(job, number, there, back), daemon=True)
        try:
            self.process.start()
        finally:
            # The process has these ends to itself: when it dies, reading ends.
            there.close()
            back.close()

    def read(self) -> tuple[int, bytes] | None:
        """The number of a task and its answer; `None` if the process is dead and all is read."""
        try:
            if not self.results.poll():
                return None
            (number,) = NUMBER.unpack(self.results.recv_bytes())
            return number, self.results.recv_bytes()
        except (EOFError, OSError):  # it ends, perhaps amid a message
            return None

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        process = self.process
        if process.is_alive():
            process.terminate()
            process.join(1.0)
        if process.is_alive():
            process.kill()
        process.join()
        self.results.close()


def _end(workers: list[_Worker], owner: int) -> None:
    """Tell processes to end; read what they still send; end those that do not listen."""
    if os.getpid() != owner:  # a copy in a forked process owns none of them
        return
    for worker in workers:
        with contextlib.suppress(OSError):
            worker.tasks.send(None)
        worker.tasks.close()
    limit = time.monotonic() + PATIENCE
    alive = {worker.process.sentinel: worker for worker in workers}
    pipes: dict[Any, _Worker] = {worker.results: worker for worker in workers}
    while alive and (left := limit - time.monotonic()) > 0:
        for ready in wait([*alive, *pipes], left):
            if ready in alive:
                del alive[ready]
                continue
            try:
                pipes[ready].results.recv_bytes()
            except (EOFError, OSError):
                del pipes[ready]
    for worker in workers:
        worker.stop()
    workers.clear()


class Pool:
    """Workers that answer tasks.

    It ends with the process, or when nobody refers to it; before, by `close`.

    Attributes:
        workers: each with two pipes; they need no locks, so that a worker that dies holds none.
        answers: those that came before they were asked for, by the number of their task.
    """

    def __init__(self, job: Job, context: BaseContext | None) -> None:
        self.workers: list[_Worker] = []
        self.answers: dict[int, bytes] = {}
        self.close = weakref.finalize(self, _end, self.workers, os.getpid())
        for number in range(job.count):
            self.workers.append(_Worker(job, number, context or get_context()))

    def send(self, worker: int, number: int, index: Any, kind: int = BATCH) -> None:
        """Give a task to a worker; if it is dead, that is noticed when its answer is due."""
        with contextlib.suppress(OSError):
            self.workers[worker].tasks.send((number, kind, index))

    def receive(self, among: Iterable[int], timeout: float) -> None:
        """Wait until one of these workers has sent something, and keep that.

        Args:
            among: numbers of workers.
            timeout: seconds to wait at most; 0: as long as it takes.

        Raises:
            RuntimeError: nothing came in time, or a worker has died.
        """
        workers = [self.workers[number] for number in among]
        sources: dict[Any, _Worker] = {one.results: one for one in workers}
        sources |= {one.process.sentinel: one for one in workers}
        ready = {sources[one] for one in wait(list(sources), timeout or None)}
        if not ready:
            raise RuntimeError(f"DataLoader timed out after {timeout} seconds")
        messages = {one: one.read() for one in ready}
        if not any(messages.values()):
            numbers = ", ".join(str(one.process.pid) for one in workers if one in ready)
            raise RuntimeError(f"DataLoader worker (pid(s) {numbers}) exited unexpectedly")
        for message in messages.values():
            if message is not None:
                number, answer = message
                self.answers[number] = answer

    def take(self, number: int) -> tuple[int, Any]:
        """The answer to a task, which has come."""
        return ForkingPickler.loads(self.answers.pop(number))  # type: ignore[no-any-return]  # a pair

    def restart(self, timeout: float) -> None:
        """Let all streams begin anew, and forget the answers of before."""
        numbers = range(len(self.workers))
        for worker in numbers:
            self.send(worker, ~worker, None, AGAIN)
        for worker in numbers:
            while ~worker not in self.answers:
                self.receive([worker], timeout)
        self.answers.clear()
