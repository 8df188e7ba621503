"""Saving that fails half-way: what was there before stays, and the error says why."""

import io
import os
import stat
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from funcgrad.compat import torch
from funcgrad.compat.torch.files import load_npz, replacing, save_npz

FULL = "No space left on device"
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="files of Windows are other ones")


class Full(io.BytesIO):
    """A file on a disk with little space."""

    def __init__(self, space: int) -> None:
        super().__init__()
        self.space = space

    def write(self, data: Any) -> int:
        self.space -= len(data)
        if self.space < 0:
            raise OSError(28, FULL)
        return super().write(data)


class Trickle(io.BytesIO):
    """A file without a buffer, which takes few bytes at once."""

    def write(self, data: Any) -> int:
        return super().write(bytes(data)[:100])


class Stuck(io.BytesIO):
    """A file that takes no more, but raises no error."""

    def write(self, data: Any) -> int:
        return super().write(bytes(data)[: max(0, 500 - self.tell())])


class Mute(io.BytesIO):
    """A file whose `write` does not tell how much it took."""

    def write(self, data: Any) -> Any:
        super().write(data)


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file that is opened for writing soon fails."""
    opened = Path.open

    def limited(path: Path, mode: str = "r", *more: Any, **options: Any) -> Any:
        stream = opened(path, mode, *more, **options)
        if "x" not in mode and "w" not in mode:
            return stream
        write, space = stream.write, [300]

        def fail(data: Any) -> Any:
            space[0] -= len(data)
            if space[0] < 0:
                raise OSError(28, FULL)
            return write(data)

        monkeypatch.setattr(stream, "write", fail)
        return stream

    monkeypatch.setattr(Path, "open", limited)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_full_disk_leaves_the_old_file_alone(
    tmp_path: Path, zipped: bool, request: pytest.FixtureRequest
) -> None:
    path = tmp_path / "model.pt"
    torch.save(torch.ones(3), path)
    request.getfixturevalue("full_disk")
    with pytest.raises(OSError, match=FULL):
        torch.save(torch.zeros(1000), path, _use_new_zipfile_serialization=zipped)
    assert torch.load(path).tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(OSError, match=FULL):
        torch.save(torch.zeros(1000), tmp_path / "new.pt", _use_new_zipfile_serialization=zipped)
    assert os.listdir(tmp_path) == ["model.pt"]


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_leaves_no_half_npz(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=FULL):
        save_npz({"x": torch.zeros(1000)}, tmp_path / "model")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("space", range(0, 1500, 150))
def test_a_file_that_fails_says_so(space: int, zipped: bool) -> None:
    with pytest.raises(OSError, match=FULL):
        torch.save(torch.ones(500), Full(space), _use_new_zipfile_serialization=zipped)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kind", [Trickle, Mute])
def test_files_that_take_few_bytes_at_once_get_all(kind: Any, zipped: bool) -> None:
    stream = kind()
    torch.save(torch.ones(500), stream, _use_new_zipfile_serialization=zipped)
    assert torch.load(io.BytesIO(stream.getvalue())).tolist() == [1.0] * 500


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_that_takes_no_more_is_an_error(zipped: bool) -> None:
    with pytest.raises(OSError, match=r"the file took \d+ bytes of \d+"):
        torch.save(torch.ones(500), Stuck(), _use_new_zipfile_serialization=zipped)


class Broken:
    """What cannot be pickled."""

    def __reduce__(self) -> Any:
        raise ValueError("not today")


def test_what_cannot_be_pickled_touches_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not today"):
        torch.save([torch.ones(2), Broken()], tmp_path / "model.pt")
    stream = io.BytesIO()
    with pytest.raises(ValueError, match="not today"):
        torch.save([torch.ones(2), Broken()], stream)
    assert os.listdir(tmp_path) == []
    assert stream.getvalue() == b""


class Watched:
    """An object whose properties are not looked at by saving."""

    def __init__(self) -> None:
        self.weight = torch.ones(1)

    @property
    def costly(self) -> Any:
        raise AssertionError

    def __len__(self) -> int:
        raise AssertionError

    def __iter__(self) -> Any:
        raise AssertionError

    def __eq__(self, other: object) -> bool:
        raise AssertionError

    def __hash__(self) -> int:
        raise AssertionError

    def __repr__(self) -> str:
        raise AssertionError


def test_saving_calls_nothing_but_what_pickles_call() -> None:
    stream = io.BytesIO()
    torch.save(Watched(), stream)
    found = torch.load(io.BytesIO(stream.getvalue()), weights_only=False)
    assert found.weight.tolist() == [1.0]


# --- the file that is replaced ------------------------------------------------------------------


@POSIX
def test_a_mapped_file_can_be_saved_over(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save(torch.arange(100_000), path)
    found = torch.load(path, mmap=True)
    torch.save({"again": found}, path)  # PyTorch's process ends here: its memory is cut off
    assert torch.equal(torch.load(path)["again"], torch.arange(100_000))
    assert found.sum().item() == sum(range(100_000))


@POSIX
def test_the_rights_of_a_file_stay(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save(1, path)
    (tmp_path / "other").write_bytes(b"")
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode
    path.chmod(0o640)
    torch.save(2, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@POSIX
def test_links_stay_links(tmp_path: Path) -> None:
    path, link, hard = tmp_path / "model.pt", tmp_path / "link.pt", tmp_path / "hard.pt"
    torch.save(torch.ones(1), path)
    link.symlink_to(path)
    torch.save(torch.ones(2), link)
    assert link.is_symlink()
    assert torch.load(path).tolist() == [1.0, 1.0]
    hard.hardlink_to(path)
    torch.save(torch.ones(3), hard)
    assert torch.load(path).tolist() == [1.0, 1.0, 1.0]


@POSIX
def test_devices_are_written_to(tmp_path: Path) -> None:
    torch.save(torch.ones(1), os.devnull)
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)
    if Path("/dev/full").exists():
        with pytest.raises(OSError, match=FULL):
            torch.save(torch.ones(1), "/dev/full")
    with pytest.raises(IsADirectoryError):
        torch.save(torch.ones(1), tmp_path)


def test_files_without_rights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.pt"
    torch.save(torch.ones(1), path)
    opened = Path.open

    def refusing(what: str) -> Any:
        def open_(place: Path, mode: str = "r", *more: Any, **options: Any) -> Any:
            if mode == what:
                raise PermissionError(13, "Permission denied")
            return opened(place, mode, *more, **options)

        return open_

    monkeypatch.setattr(Path, "open", refusing("r+b"))
    with pytest.raises(PermissionError):
        torch.save(torch.ones(2), path)
    monkeypatch.setattr(Path, "open", refusing("xb"))  # a folder that takes no new files
    torch.save(torch.ones(3), path)
    monkeypatch.undo()
    assert torch.load(path).tolist() == [1.0, 1.0, 1.0]
    assert os.listdir(tmp_path) == ["model.pt"]


def test_an_interrupt_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")

    def halfway() -> None:
        with replacing.replacing(path) as stream:
            stream.write(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        halfway()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["x"]


def test_npz_gets_its_ending(tmp_path: Path) -> None:
    save_npz({"x": torch.ones(2)}, tmp_path / "a")
    save_npz({"x": torch.ones(2)}, str(tmp_path / "b.npz"))
    assert sorted(os.listdir(tmp_path)) == ["a.npz", "b.npz"]
    assert np.asarray(load_npz(tmp_path / "a.npz")["x"]).tolist() == [1.0, 1.0]
