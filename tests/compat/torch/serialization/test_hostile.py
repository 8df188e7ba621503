"""Nothing in a hostile file is run, and a broken one is never loaded as something else."""

import builtins
import io
import pickle
import re
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from funcgrad.compat import torch
from tests.compat.torch.serialization.hostile import (
    CASES,
    EXEC,
    GOOD,
    PROTO,
    Case,
    archive,
    name,
    storage,
    tensor,
    text,
)

SENTINEL = "hostile_file_ran"
MOST = 2**24
"""Bytes that loading a hostile file may take."""


@pytest.fixture(autouse=True)
def _nothing_ran() -> Iterator[None]:
    assert not hasattr(builtins, SENTINEL)
    yield
    ran = hasattr(builtins, SENTINEL)
    if ran:
        delattr(builtins, SENTINEL)
    assert not ran


def test_there_are_many_cases_and_their_names_differ() -> None:
    names = [case.name for case in CASES]
    assert len(names) == len(set(names)) >= 200


def test_the_file_that_the_others_are_made_of_is_sound() -> None:
    assert torch.load(io.BytesIO(GOOD)).tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_the_code_in_the_files_would_run() -> None:
    pickle.loads(PROTO + EXEC + b".")
    assert getattr(builtins, SENTINEL)
    delattr(builtins, SENTINEL)
    assert torch.load(io.BytesIO(archive(PROTO + EXEC + b".")), weights_only=False) is None
    assert getattr(builtins, SENTINEL)
    delattr(builtins, SENTINEL)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_hostile_file_is_refused(case: Case) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(case.error, match=case.message) as caught:
            torch.load(io.BytesIO(case.data))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert type(caught.value) in (pickle.UnpicklingError, RuntimeError, EOFError, ValueError)
    assert most < MOST + 8 * len(case.data)
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_hostile_file_on_the_disk_is_refused_too(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "hostile.pt"
    path.write_bytes(case.data)
    with pytest.raises(case.error, match=case.message):
        torch.load(path)


LATER = re.compile("checksum|changed bytes|packed record")
"""Cases that a memory map does not notice: it does not look at the bytes of a storage."""


@pytest.mark.parametrize(
    "case", [one for one in CASES if one.data[:4] == b"PK\3\4" and not LATER.search(one.name)],
    ids=lambda case: case.name,
)  # fmt: skip
def test_a_hostile_file_is_refused_when_it_is_mapped(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "hostile.pt"
    path.write_bytes(case.data)
    with pytest.raises(case.error, match=case.message):
        torch.load(path, mmap=True)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_the_names_in_a_hostile_file_are_listed_without_running_it(case: Case) -> None:
    try:
        found = torch.serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(case.data))
    except (RuntimeError, ValueError, EOFError, pickle.UnpicklingError):
        return
    assert all(isinstance(name, str) for name in found)


def test_the_names_that_are_not_allowed_are_listed() -> None:
    data = archive(PROTO + EXEC + b"cos\nsystem\nccollections\nOrderedDict\n.")
    listed = torch.serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(data))
    assert listed == ["exec", "os.system"]


def test_lists_in_lists_in_lists_are_loaded_without_recursion() -> None:
    depth = 200_000
    found = torch.load(io.BytesIO(archive(PROTO + b"]" * depth + b"a" * (depth - 1) + b".")))
    levels = 0
    while found:
        (found,) = found
        levels += 1
    assert levels == depth - 1


def test_many_conjugates_of_one_memory_take_its_memory_once() -> None:
    conjugate = tensor(memory=storage(250_000), more=[b"}" + text("conj") + b"\x88s"])
    content = PROTO + b"](" + conjugate * 300 + b"e."
    kind = name("torch", "ComplexFloatStorage")
    content = content.replace(name("torch", "FloatStorage"), kind)
    data = archive(content, {"data/0": bytes(8 * 250_000)})
    tracemalloc.start()
    found = torch.load(io.BytesIO(data))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) == 300
    assert len({one.untyped_storage().data_ptr() for one in found}) == 1
    assert most < 5 * len(data)


def test_a_class_that_the_user_allows_is_built() -> None:
    stream = io.BytesIO()
    torch.save(Plain(3), stream)
    with pytest.raises(pickle.UnpicklingError, match=r"add_safe_globals\(\[.*Plain\]\)"):
        torch.load(io.BytesIO(stream.getvalue()))
    with torch.serialization.safe_globals([Plain]):
        assert torch.load(io.BytesIO(stream.getvalue())).value == 3
    assert torch.serialization.get_safe_globals() == []
    torch.serialization.add_safe_globals([Plain])
    try:
        assert torch.serialization.get_safe_globals() == [Plain]
        assert torch.load(io.BytesIO(stream.getvalue())).value == 3
    finally:
        torch.serialization.clear_safe_globals()
    with pytest.raises(pickle.UnpicklingError):
        torch.load(io.BytesIO(stream.getvalue()))


def test_a_function_may_be_allowed_under_another_name() -> None:
    data = archive(PROTO + b"cold\nadd\nK\x01K\x02\x86R.")
    with torch.serialization.safe_globals([(lambda a, b: a + b, "old.add")]):
        assert torch.load(io.BytesIO(data)) == 3


def test_blocked_modules_stay_blocked() -> None:
    data = archive(PROTO + b"cos\nsystem\nX\x04\x00\x00\x00true\x85R.")
    with (
        torch.serialization.safe_globals([(len, "os.system")]),
        pytest.raises(pickle.UnpicklingError, match="blocked"),
    ):
        torch.load(io.BytesIO(data))


def test_numpy_needs_to_be_allowed() -> None:
    path = Path(__file__).parents[3] / "data" / "torch_files" / "counted_with_numpy.pt"
    with pytest.raises(pickle.UnpicklingError, match="not an allowed global"):
        torch.load(path)
    listed = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    assert "numpy.dtype" in listed
    np = pytest.importorskip("numpy")
    kinds = [np._core.multiarray.scalar, np._core.multiarray._reconstruct, np.ndarray, np.dtype,
             np.dtypes.Float64DType]  # fmt: skip
    with torch.serialization.safe_globals(kinds):
        found = torch.load(path)
    assert found["mean"] == 1.5
    assert found["row"].tolist() == [0.0, 1.0, 2.0]


class Plain:
    def __init__(self, value: Any) -> None:
        self.value = value
