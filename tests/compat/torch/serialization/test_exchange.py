"""Files go both ways between the layer and PyTorch."""

import io
import json
import pickletools
import sys
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import funcgrad.compat.torch as layer
from tests.compat.torch.serialization.contents import CONTENTS, WHOLE, describe, make
from tests.compat.torch.serialization.record import FOLDER, MARKED, READ_WHOLE

RECORDED: dict[str, Any] = json.loads((FOLDER / "contents.json").read_text())
FILES = sorted(set(RECORDED) - {"torch"})
OURS = {**CONTENTS, **WHOLE}
NOT_OLD = {"uint16", "uint32", "uint64", "storages", "generator"}
"""What PyTorch itself cannot read again from the format before 1.6."""


@pytest.fixture(autouse=True)
def _storages_may_be_old() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "TypedStorage is deprecated")
        yield


def written(torch: Any, thing: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(thing, stream, **options)
    return stream.getvalue()


def read(torch: Any, data: bytes, name: str, **options: Any) -> Any:
    weights_only = name.partition(".")[0] not in READ_WHOLE
    return describe(torch, torch.load(io.BytesIO(data), weights_only=weights_only, **options))


def records(data: bytes) -> dict[str, bytes]:
    archive = zipfile.ZipFile(io.BytesIO(data))
    assert archive.testzip() is None
    return {name: archive.read(name) for name in archive.namelist()}


def steps(content: bytes) -> list[Any]:
    """The opcodes of a pickle; other interpreters share other texts, so texts are written out."""
    found: list[Any] = []
    kept: dict[int, Any] = {}
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name in ("BINPUT", "LONG_BINPUT"):
            kept[argument] = found[-1] if found[-1][0] in ("BINUNICODE", "GLOBAL") else len(found)
        elif opcode.name in ("BINGET", "LONG_BINGET"):
            known = kept[argument]
            found.append(known if isinstance(known, tuple) else ("GET", known))
        else:
            found.append((opcode.name, argument))
    return found


def test_every_recorded_file_is_there() -> None:
    there = {path.name for path in FOLDER.iterdir()} - {"contents.json"}
    assert there == set(FILES)
    assert {name.partition(".")[0] for name in FILES} == {*OURS, *MARKED}


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_pytorch_is_read_as_pytorch_reads_it(name: str) -> None:
    assert read(layer, (FOLDER / name).read_bytes(), name) == RECORDED[name]


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".pt")])
def test_a_file_of_pytorch_can_stay_mapped(name: str) -> None:
    options = {"mmap": True, "weights_only": name.partition(".")[0] not in READ_WHOLE}
    assert describe(layer, layer.load(FOLDER / name, **options)) == RECORDED[name]


@pytest.mark.parametrize("name", OURS)
def test_the_pickle_written_is_the_one_of_pytorch(name: str) -> None:
    ours = records(written(layer, make(layer, OURS[name])))
    wanted = records((FOLDER / f"{name}.pt").read_bytes())
    assert list(ours) == list(wanted)
    for key, content in wanted.items():
        if key.endswith("data.pkl"):
            assert steps(ours[key]) == steps(content)
            assert ours[key] == content or sys.version_info[:2] != (3, 11)  # that wrote the files
        elif not key.endswith("serialization_id"):
            assert ours[key] == content, key
    identity = ours["archive/.data/serialization_id"]
    assert identity.isdigit()
    assert len(identity) == 40


@pytest.mark.parametrize("name", OURS)
def test_the_layer_reads_what_it_wrote(name: str) -> None:
    data = written(layer, make(layer, OURS[name]))
    assert read(layer, data, name) == RECORDED[f"{name}.pt"]


@pytest.mark.parametrize("name", sorted({*OURS} - {"generator"}))
def test_the_layer_reads_what_it_wrote_in_the_old_format(name: str) -> None:
    data = written(layer, make(layer, OURS[name]), _use_new_zipfile_serialization=False)
    assert data[:2] == b"\x80\x02"
    assert read(layer, data, name) == RECORDED[f"{name}.pt"]


def test_storages_lie_at_multiples_of_64_bytes_and_are_not_packed() -> None:
    data = written(layer, [layer.ones(n) for n in range(1, 9)])
    archive = zipfile.ZipFile(io.BytesIO(data))
    for entry in archive.infolist():
        assert entry.compress_type == zipfile.ZIP_STORED
        assert entry.date_time == (1980, 0, 0, 0, 0, 0)
        at = entry.header_offset
        name_length, extra_length = data[at + 26 : at + 30 : 2]
        assert (at + 30 + name_length + extra_length) % 64 == 0


@pytest.mark.parametrize("name", ["tensor", "views", "empty", "state_dict", "many", "checkpoint"])
def test_the_archive_differs_from_that_of_pytorch_in_its_identity_only(name: str) -> None:
    ours = written(layer, make(layer, OURS[name]))
    wanted = (FOLDER / f"{name}.pt").read_bytes()
    identities = [records(data)["archive/.data/serialization_id"] for data in (ours, wanted)]
    checksums = [
        zipfile.ZipFile(io.BytesIO(data))
        .getinfo("archive/.data/serialization_id")
        .CRC.to_bytes(4, "little")
        for data in (ours, wanted)
    ]
    for one, other in (identities, checksums):
        ours = ours.replace(one, other)
    assert ours == wanted


@pytest.mark.oracle
@pytest.mark.parametrize("name", OURS)
def test_pytorch_reads_what_the_layer_wrote(name: str) -> None:
    torch = pytest.importorskip("torch", minversion="2.13")
    data = written(layer, make(layer, OURS[name]))
    assert read(torch, data, name) == RECORDED[f"{name}.pt"]


@pytest.mark.oracle
@pytest.mark.parametrize("name", sorted({*OURS} - NOT_OLD))
def test_pytorch_reads_what_the_layer_wrote_in_the_old_format(name: str) -> None:
    torch = pytest.importorskip("torch", minversion="2.13")
    data = written(layer, make(layer, OURS[name]), _use_new_zipfile_serialization=False)
    assert read(torch, data, name) == RECORDED[f"{name}.pt"]


@pytest.mark.oracle
@pytest.mark.parametrize("name", {**OURS, **MARKED})
def test_the_layer_reads_what_the_installed_pytorch_writes(name: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", minversion="2.13")
    path = tmp_path / "file.pt"
    torch.save(make(torch, {**OURS, **MARKED}[name]), path)
    assert read(layer, path.read_bytes(), name) == RECORDED[f"{name}.pt"]


@pytest.mark.oracle
@pytest.mark.parametrize("name", OURS)
def test_pytorch_writes_what_was_recorded(name: str) -> None:
    torch = pytest.importorskip("torch", minversion="2.13")
    data = written(torch, make(torch, OURS[name]))
    assert read(torch, data, name) == RECORDED[f"{name}.pt"]
