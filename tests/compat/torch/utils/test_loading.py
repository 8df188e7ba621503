"""Loaders in one process: the short way to rows of tensors, types of results, and imports."""

import copy
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from funcgrad.compat import torch
from funcgrad.compat.torch.utils.data import DataLoader, Dataset, Subset, TensorDataset
from funcgrad.compat.torch.utils.data._utils.fetch import MapFetcher, _rows

ROOT = Path(__file__).parents[4]


def batches_both_ways(data: Any, monkeypatch: pytest.MonkeyPatch, **options: Any) -> list[Any]:
    """Batches got by the short way, asserted to be those of samples put together."""
    short = list(DataLoader(data, **options))
    with monkeypatch.context() as patch:
        patch.setattr("funcgrad.compat.torch.utils.data._utils.fetch._rows", lambda *_: None)
        long = list(DataLoader(data, **options))
    assert len(short) == len(long)
    for one, other in zip(short, long, strict=True):
        assert type(one) is type(other) is list
        for a, b in zip(one, other, strict=True):
            assert (a.dtype, tuple(a.shape)) == (b.dtype, tuple(b.shape))
            assert torch.equal(a, b)
            assert a.grad_fn is None
            assert b.grad_fn is None
    return short


@pytest.mark.parametrize("kind", ["float32", "bfloat16", "int64", "bool", "complex64", "float16"])
def test_rows_of_tensors_are_samples_put_together(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = (torch.arange(24).reshape(6, 4) % 5).to(getattr(torch, kind))
    turned = torch.arange(30).reshape(5, 6).T
    data = TensorDataset(x, turned, torch.arange(6))
    batches_both_ways(data, monkeypatch, batch_size=4)
    batches_both_ways(data, monkeypatch, batch_size=2, sampler=[-1, 0, 5, 5])
    batches_both_ways(Subset(data, [5, 0, -2]), monkeypatch, batch_size=2)
    batches_both_ways(Subset(Subset(data, [5, 0, -2]), [2, 2, 0]), monkeypatch, batch_size=2)


def test_rows_got_the_short_way_have_memory_of_their_own() -> None:
    x = torch.zeros(4, 2)
    (batch,) = next(iter(DataLoader(TensorDataset(x), batch_size=4)))
    batch += 1
    assert float(x.sum()) == 0
    x[0, 0] = 5
    assert float(batch[0, 0]) == 1


def test_the_short_way_is_left_where_samples_are_more_than_rows() -> None:
    class Doubled(TensorDataset):
        def __getitem__(self, index: Any) -> Any:
            return tuple(2 * one for one in super().__getitem__(index))

    x = torch.arange(4.0)
    assert MapFetcher(Doubled(x), True, DataLoader(x).collate_fn, False).rows is False
    ((found,),) = list(DataLoader(Doubled(x), batch_size=4))
    assert found.tolist() == [0, 2, 4, 6]
    assert _rows(TensorDataset(x.clone().requires_grad_()), [0]) is None
    assert _rows(TensorDataset(x), [torch.tensor(0)]) is None
    assert _rows(TensorDataset(x), [4]) is None
    assert _rows(Subset(TensorDataset(x), [0]), [1]) is None


def test_a_number_out_of_range_raises_the_error_of_the_tensor() -> None:
    with pytest.raises(IndexError, match="index 9 is out of bounds for dimension 0 with size 3"):
        list(DataLoader(TensorDataset(torch.ones(3)), sampler=[9]))


def test_sets_and_loaders_can_be_copied_and_pickled() -> None:
    data = TensorDataset(torch.arange(4))
    again = pickle.loads(pickle.dumps(Subset(data, [1, 3])))
    assert [sample[0].item() for sample in again] == [1, 3]
    loader = copy.deepcopy(DataLoader(data, batch_size=3))
    assert [batch[0].tolist() for batch in loader] == [[0, 1, 2], [3]]
    iterator = iter(loader)
    with pytest.raises(NotImplementedError, match="cannot be pickled"):
        pickle.dumps(iterator)


def test_classes_take_types_in_brackets() -> None:
    class Numbers(Dataset[int]):
        def __getitem__(self, index: int) -> int:
            return index

    assert Numbers()[3] == 3
    assert DataLoader[int] is not None


def test_an_array_is_not_copied_when_it_is_converted() -> None:
    array = np.zeros(3)
    (found,) = list(DataLoader([array], batch_size=None))
    found += 1
    assert array.tolist() == [1, 1, 1]


FORMS = """
import torch
import torch.utils.data
import torch.utils.data as data
import torch.utils.checkpoint
import torch.utils.benchmark as benchmark
from torch.utils import data as other, checkpoint as module
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.dataset import TensorDataset
from torch.utils.data.dataloader import default_collate
from torch.utils.data.sampler import RandomSampler
from torch.utils.data.distributed import DistributedSampler
from torch.utils.data._utils.collate import default_collate_fn_map
from torch.utils.checkpoint import checkpoint, checkpoint_sequential
from torch.utils.benchmark import Timer, Compare
from torch.utils._pytree import tree_map
from torch.utils import swap_tensors

print(data is other is torch.utils.data, module is torch.utils.checkpoint)
print(torch.utils.checkpoint.checkpoint is checkpoint, torch.utils.data.DataLoader is DataLoader)
for name in ("tensorboard", "data.datapipes", "mobile_optimizer"):
    try:
        __import__(f"torch.utils.{name}")
    except ImportError as error:
        print(type(error).__name__, error.name, str(error)[:60])
try:
    from torch.utils.tensorboard import SummaryWriter
except ImportError as error:
    print(error)
try:
    torch.utils.data.Datset
except AttributeError as error:
    print(error)
"""


def test_every_form_of_import_works(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(FORMS, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "funcgrad.compat.torch", "script.py"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        timeout=120,
    )
    lines = done.stdout.splitlines()
    assert lines[:2] == ["True True", "True True"]
    assert lines[2].startswith("ModuleNotFoundError torch.utils.tensorboard torch.utils.tensorboar")
    assert lines[3].startswith("ModuleNotFoundError torch.utils.data.datapipes No module named")
    assert lines[4].startswith("ModuleNotFoundError torch.utils.mobile_optimizer No module named")
    assert "depends on NumPy alone" in lines[5]
    assert "Write the numbers yourself" in lines[5]
    assert lines[6].endswith("The nearest name is 'Dataset'.")


def test_tensorboard_of_the_package_says_why_it_is_absent() -> None:
    with pytest.raises(ImportError, match="writing event files needs the package tensorboard"):
        from funcgrad.compat.torch.utils.tensorboard import (  # noqa: PLC0415  # what is tested
            SummaryWriter,  # noqa: F401  # there is none
        )


def test_a_timer_measures_time() -> None:
    timer = torch.utils.benchmark.Timer("x @ x", globals={"x": torch.ones(8, 8)}, label="product")
    measured = timer.blocked_autorange(min_run_time=0.01)
    assert 0 < measured.median < 0.1
    assert measured.number_per_run * len(measured.times) > 1
    assert sum(measured.raw_times) >= 0.01
    lines = repr(measured).splitlines()
    assert lines[0].startswith("<torch.utils.benchmark.utils.common.Measurement object at 0x")
    assert lines[1] == "product"
    table = torch.utils.benchmark.Compare([measured])
    assert "1 threads: " in str(table)


def test_a_timer_refuses_other_languages_and_machine_instructions() -> None:
    with pytest.raises(ValueError, match=r"the language is C\+\+"):
        torch.utils.benchmark.Timer("x", language="c++")
    with pytest.raises(RuntimeError, match="Measure times with timeit or blocked_autorange"):
        torch.utils.benchmark.Timer("x").collect_callgrind()
    with pytest.raises(ValueError, match="No times"):
        _ = torch.utils.benchmark.Measurement(1, [], torch.utils.benchmark.TaskSpec("x", "")).median


def test_a_statement_sees_the_layer_without_being_told() -> None:
    assert torch.utils.benchmark.Timer("torch.ones(2) + 1").timeit(2).number_per_run == 2


def test_swapped_tensors_must_be_held_by_nobody_weakly() -> None:
    a, b = torch.ones(2), torch.zeros(3)
    reference = __import__("weakref").ref(a)
    with pytest.raises(RuntimeError, match="Cannot swap t1 because it has weakref"):
        torch.utils.swap_tensors(a, b)
    with pytest.raises(RuntimeError, match="Cannot swap t2 because it has weakref"):
        torch.utils.swap_tensors(b, a)
    assert reference() is a
    with pytest.raises(TypeError, match="t2 is of type int, not a tensor"):
        torch.utils.swap_tensors(b, 1)


def test_a_debugged_checkpoint_lists_what_was_saved() -> None:
    calls = []

    def changing(x: Any) -> Any:
        calls.append(1)
        return x.sin() if len(calls) == 1 else x[:1].sin()

    x = torch.ones(3, requires_grad=True)
    y = torch.utils.checkpoint.checkpoint(changing, x, use_reentrant=False, debug=True)
    with pytest.raises(torch.utils.checkpoint.CheckpointError, match="Saved in recomputation"):
        y.sum().backward()


def test_a_checkpoint_keeps_less() -> None:
    sizes = []

    def packed(tensor: Any) -> Any:
        sizes.append(tensor.numel())
        return tensor

    def deep(x: Any) -> Any:
        for _ in range(10):
            x = x.sin()
        return x

    x = torch.ones(100, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(packed, lambda tensor: tensor):
        y = torch.utils.checkpoint.checkpoint(deep, x, use_reentrant=True)
    assert sum(sizes) == 100
    y.sum().backward()
    expected = torch.ones(100, requires_grad=True)
    deep(expected).sum().backward()
    assert torch.equal(x.grad, expected.grad)
