"""Loaders with worker processes give what they give in PyTorch, and no process is left behind."""

import gc
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import funcgrad.compat.torch as torch_layer
from tests.compat.torch.utils.worker_cases import CASES, DATA, Squares, loader

ROOT = Path(__file__).parents[4]
RECORDED: dict[str, Any] = json.loads(DATA.read_text())["cases"]

pytestmark = [
    pytest.mark.skipif(
        "fork" not in multiprocessing.get_all_start_methods(), reason="sets are not pickled here"
    ),
    # Python 3.12 warns of fork where there are threads, such as those of NumPy's BLAS.
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),
    # A machine may have fewer processors than the cases have workers.
    pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning"),
]


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    yield
    gc.collect()
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("name", CASES)
def test_a_loader_with_workers_gives_what_was_recorded_with_torch(name: str) -> None:
    torch_layer.manual_seed(0)
    assert json.loads(json.dumps(CASES[name](torch_layer))) == RECORDED[name]


def test_every_recorded_case_is_still_there() -> None:
    assert list(RECORDED) == list(CASES)


def test_batches_come_in_any_order_if_that_is_allowed() -> None:
    class Uneven(Squares):
        def __getitem__(self, i: int) -> int:
            if i == 0:
                time.sleep(1.0)
            return i

    found = [batch.item() for batch in loader(torch_layer, Uneven(5), in_order=False)]
    assert sorted(found) == [0, 1, 2, 3, 4]
    assert found[0] != 0


@pytest.mark.parametrize("end", ["exit", "kill", "sys.exit"])
def test_a_worker_that_dies_is_noticed(end: str) -> None:
    class Dying(Squares):
        def __getitem__(self, i: int) -> int:
            if i == 2:
                if end == "exit":
                    os._exit(3)
                if end == "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
                sys.exit(1)
            return i

    batches = iter(loader(torch_layer, Dying(8)))
    found = []
    with pytest.raises(RuntimeError, match=r"DataLoader worker \(pid\(s\) \d+\) exited unexpect"):
        found.extend(batch.item() for batch in batches)
    assert found in ([], [0], [0, 1])


@pytest.mark.parametrize("size", [1, 300_000])
def test_a_consumer_that_stops_early_ends_the_workers(size: int) -> None:
    class Large(Squares):
        def __getitem__(self, i: int) -> Any:
            return torch_layer.full((size,), i)

    started = time.monotonic()
    for batch in loader(torch_layer, Large(50), prefetch_factor=4):
        assert batch.shape == (1, size)
        break
    gc.collect()
    assert multiprocessing.active_children() == []
    assert time.monotonic() - started < 4  # they were not waited for in vain


def test_a_worker_that_does_not_listen_is_ended() -> None:
    class Stuck(Squares):
        def __getitem__(self, i: int) -> int:
            if i:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                time.sleep(60)
            return i

    batches = iter(loader(torch_layer, Stuck(3), num_workers=1))
    next(batches)
    time.sleep(0.2)
    started = time.monotonic()
    del batches
    gc.collect()
    assert multiprocessing.active_children() == []
    assert time.monotonic() - started < 20


def test_large_lists_of_numbers_and_large_batches_block_nobody() -> None:
    class Rows(Squares):
        def __getitem__(self, i: int) -> int:
            return i

    batches = loader(torch_layer, Rows(400_000), 40_000, prefetch_factor=3)
    assert sum(int(batch.sum()) for batch in batches) == sum(range(400_000))


def test_workers_of_two_passes_run_side_by_side() -> None:
    first = loader(torch_layer, Squares(6), 2)
    second = loader(torch_layer, Squares(6), 3)
    pairs = [(a.tolist(), b.tolist()) for a, b in zip(first, second, strict=False)]
    assert pairs == [([0, 1], [0, 1, 4]), ([4, 9], [9, 16, 25])]


def test_persistent_workers_are_the_same_processes() -> None:
    class Processes(Squares):
        def __getitem__(self, i: int) -> int:
            return os.getpid()

    batches = loader(torch_layer, Processes(4), persistent_workers=True)
    first = {batch.item() for batch in batches}
    assert len(first) == 2
    assert {batch.item() for batch in batches} == first
    assert os.getpid() not in first
    assert {batch.item() for batch in loader(torch_layer, Processes(4))}.isdisjoint(first)


def test_an_error_that_cannot_be_pickled_is_told_all_the_same() -> None:
    class Hidden(Exception):  # noqa: N818  # any class
        pass

    class Raises(Squares):
        def __getitem__(self, i: int) -> int:
            raise Hidden("from a local class")

    with pytest.raises(RuntimeError, match=r"Caught Hidden in DataLoader worker process 0\."):
        list(loader(torch_layer, Raises(1)))


def test_a_batch_that_cannot_be_pickled_raises_an_error() -> None:
    with pytest.raises((AttributeError, TypeError), match=r"in DataLoader worker process 0\."):
        list(loader(torch_layer, [lambda: 1], None))


def test_gradients_and_types_survive_the_way() -> None:
    samples = [torch_layer.ones(2, dtype=torch_layer.bfloat16), torch_layer.zeros(0, 3)]
    found = list(loader(torch_layer, samples, None))
    assert [one.dtype for one in found] == [torch_layer.bfloat16, torch_layer.float32]
    assert [tuple(one.shape) for one in found] == [(2,), (0, 3)]


KILLED = """
import os
from funcgrad.compat.torch.utils.data import DataLoader

class Ones:
    def __len__(self):
        return 1000
    def __getitem__(self, i):
        return [1.0] * 20000

options = {"num_workers": 2, "multiprocessing_context": "fork"}
iterators = [iter(DataLoader(Ones(), **options)) for _ in range(2)]
for iterator in iterators:
    next(iterator)
print(*[one.process.pid for iterator in iterators for one in iterator._pool.workers], flush=True)
os.kill(os.getpid(), 9)
"""


def test_workers_end_when_the_main_process_is_killed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        timeout=120,
    )
    workers = {int(word) for word in done.stdout.split()}
    assert len(workers) == 4
    limit = time.monotonic() + 20
    while workers and time.monotonic() < limit:
        time.sleep(0.05)
        workers = {number for number in workers if _is_running(number)}
    assert not workers


def _is_running(number: int) -> bool:
    """Whether there is such a process; one that has ended may still wait to be reaped."""
    try:
        os.kill(number, 0)
        status = Path(f"/proc/{number}/stat")
        return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


SCRIPT = """
import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

class Squares(Dataset):
    def __len__(self):
        return 6
    def __getitem__(self, i):
        return torch.tensor([i * i, get_worker_info().id])

if __name__ == "__main__":
    torch.manual_seed(0)
    for method in ("spawn", "forkserver"):
        batches = DataLoader(Squares(), 2, True, num_workers=2, multiprocessing_context=method)
        print([batch.tolist() for batch in batches])
"""
SHOWN = """\
[[[0, 0], [16, 0]], [[9, 1], [25, 1]], [[4, 0], [1, 0]]]
[[[4, 0], [9, 0]], [[1, 1], [25, 1]], [[16, 0], [0, 0]]]
"""


def run_script(folder: Path, *command: str) -> str:
    (folder / "script.py").write_text(SCRIPT, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, *command, "script.py"],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        timeout=300,
    )
    return done.stdout


def test_spawned_workers_of_a_script_find_its_classes(tmp_path: Path) -> None:
    assert run_script(tmp_path, "-m", "funcgrad.compat.torch") == SHOWN


@pytest.mark.oracle
def test_spawned_workers_give_the_same_with_torch(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    assert run_script(tmp_path) == SHOWN


@pytest.mark.oracle
@pytest.mark.parametrize(
    "name",
    # The others end workers in ways that PyTorch's own processes complain about when they end.
    [name for name in CASES if "error" not in name and name not in ("no_time", "init_function")],
)
def test_torch_gives_what_was_recorded(name: str) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    assert json.loads(json.dumps(CASES[name](torch))) == RECORDED[name]
