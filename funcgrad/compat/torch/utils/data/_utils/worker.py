"""What a worker process knows of itself."""

from dataclasses import dataclass
from typing import Any

__all__ = ["WorkerInfo", "enter_worker", "get_worker_info"]


@dataclass(frozen=True)
class WorkerInfo:
    """A worker process.

    Attributes:
        id: its number: 0 ... num_workers - 1.
        num_workers: how many there are.
        seed: what its random numbers were started from.
        dataset: its copy of the set.
        rng: generators of its own, where it shares a process (never).
        worker_method: how it runs.
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any
    rng: Any = None
    worker_method: str | None = None


_CURRENT: dict[str, WorkerInfo] = {}


def enter_worker(info: WorkerInfo) -> None:
    """Say that this process is a worker."""
    _CURRENT["info"] = info


def get_worker_info() -> WorkerInfo | None:
    """The worker that this process is; `None` in the main process."""
    return _CURRENT.get("info")
