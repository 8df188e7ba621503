"""Tiles of one call shared between threads.

NumPy lets other threads run while it works on a long array. Workers are started when they are
first needed, wait for work without using any processor time, and end with the program. A worker
runs in a copy of the caller's context, so it sees the caller's `np.errstate`.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextvars import Context, copy_context
from typing import Any, TypeAlias

__all__ = ["processors", "share"]

Tiles: TypeAlias = "Iterator[tuple[int, tuple[int, int]]]"
Work: TypeAlias = Callable[[Tiles], None]

MOST = 64
"""So many workers are started at most."""

IDLE: "list[_Worker]" = []
"""Workers without work; a list is appended to and popped from in one step."""

_started: "list[_Worker]" = []


class _Job:
    """Tiles that are drawn from one queue until it is empty."""

    __slots__ = ("done", "error", "queue", "work")

    def __init__(self, work: Work, queue: "deque[Any]") -> None:
        self.work = work
        self.queue = queue
        self.error: BaseException | None = None
        self.done = threading.Lock()
        self.done.acquire()

    def run(self) -> None:
        """Work on tiles as long as there are any; after an error nobody takes another one."""
        try:
            self.work(_drawn(self.queue))
        except BaseException as error:  # noqa: BLE001  # raised again by the caller
            self.error = error
            self.queue.clear()


def _drawn(queue: "deque[Any]") -> Iterator[Any]:
    while True:
        try:
            tile = queue.popleft()
        except IndexError:
            return
        yield tile


class _Worker:
    """A thread that waits for jobs."""

    __slots__ = ("_context", "_job", "_wake")

    def __init__(self) -> None:
        self._wake = threading.Lock()
        self._wake.acquire()
        self._job: _Job | None = None
        self._context: Context | None = None
        threading.Thread(target=self._loop, name="funcgrad tiles", daemon=True).start()

    def start(self, job: _Job) -> None:
        """Hand over a job."""
        self._job, self._context = job, copy_context()
        self._wake.release()

    def _loop(self) -> None:
        while True:
            self._wake.acquire()
            job, context = self._job, self._context
            assert job is not None
            assert context is not None
            self._job = self._context = None
            context.run(job.run)
            IDLE.append(self)
            job.done.release()
            del job, context


def processors() -> int:
    """How many processors this process may use."""
    known = hasattr(os, "sched_getaffinity")  # not everywhere
    return len(os.sched_getaffinity(0)) if known else os.cpu_count() or 1


def share(work: Work, spans: Iterable[tuple[int, int]], threads: int) -> None:
    """Call `work` in some threads, with iterators over numbered tiles that each get their own."""
    queue = deque(enumerate(spans))
    jobs = []
    for _ in range(min(threads, len(queue)) - 1):
        worker = _worker()
        if worker is None:
            break
        job = _Job(work, queue)
        jobs.append(job)
        worker.start(job)
    own = _Job(work, queue)
    own.run()
    for job in jobs:
        job.done.acquire()
    for job in (own, *jobs):
        if job.error is not None:
            raise job.error


def _worker() -> _Worker | None:
    try:
        return IDLE.pop()
    except IndexError:
        if len(_started) >= MOST:
            return None
        worker = _Worker()
        _started.append(worker)
        return worker


def _forget() -> None:
    """A process that has been forked off has no workers."""
    IDLE.clear()
    _started.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
