"""Damaged files raise an error, or are loaded as what they were: never as something else."""

import io
import pickle
import warnings
import zipfile
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funcgrad.compat import torch
from tests.compat.torch.serialization.contents import CONTENTS, describe
from tests.compat.torch.serialization.hostile import archive
from tests.compat.torch.serialization.record import FOLDER, OLD

NAMES = ["tensor", "views", "bfloat16_views", "containers", "state_dict", "checkpoint", "numbers",
         "parameter_with_attributes", "texts", "ordered_with_attributes"]  # fmt: skip
SOUND = {name: (FOLDER / f"{name}.pt").read_bytes() for name in NAMES}
SOUND_OLD = {name: (FOLDER / f"{name}.old").read_bytes() for name in OLD if name in CONTENTS}
ERRORS = (pickle.UnpicklingError, RuntimeError, EOFError, ValueError)


def loaded(data: bytes, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return describe(torch, torch.load(io.BytesIO(data), **options))


WHOLE = {name: loaded(data) for name, data in SOUND.items()}

edits = st.lists(
    st.tuples(
        st.sampled_from(["flip", "set", "cut", "drop", "repeat", "swap"]),
        st.floats(0, 1, exclude_max=True),
        st.integers(0, 255),
    ),
    min_size=1,
    max_size=4,
)


def damaged(data: bytes, changes: list[tuple[str, float, int]]) -> bytes:
    found = bytearray(data)
    for kind, place, number in changes:
        at = int(place * len(found)) if found else 0
        piece = found[at : at + 1 + number]
        if kind == "flip" and found:
            found[at] ^= 1 << (number % 8)
        elif kind == "set" and found:
            found[at] = number
        elif kind == "cut":
            del found[at:]
        elif kind == "drop":
            del found[at : at + 1 + number]
        elif kind == "repeat":
            found[at:at] = piece
        elif kind == "swap":
            found[at : at + len(piece)] = piece[::-1]
    return bytes(found)


@given(st.sampled_from(NAMES), edits)
def test_a_damaged_archive_is_refused_or_unharmed(
    name: str, changes: list[tuple[str, float, int]]
) -> None:
    try:
        found = loaded(damaged(SOUND[name], changes))
    except ERRORS:
        return
    assert found == WHOLE[name]


@given(st.sampled_from(NAMES), st.floats(0, 1, exclude_max=True))
def test_an_archive_that_is_cut_short_is_refused(name: str, place: float) -> None:
    data = SOUND[name]
    with pytest.raises(ERRORS):
        loaded(data[: int(place * len(data))])


@given(st.sampled_from(NAMES), edits)
def test_a_damaged_archive_is_refused_or_unharmed_without_the_list_of_types_too(
    name: str, changes: list[tuple[str, float, int]]
) -> None:
    try:
        found = loaded(damaged(SOUND[name], changes), weights_only=False)
    except ERRORS:
        return
    assert found == WHOLE[name]


@given(st.sampled_from(sorted(SOUND_OLD)), edits)
def test_a_damaged_file_of_the_old_format_raises_errors_of_these_kinds_only(
    name: str, changes: list[tuple[str, float, int]]
) -> None:
    with suppress(*ERRORS):
        loaded(damaged(SOUND_OLD[name], changes))


@given(st.binary(max_size=200))
def test_random_bytes_raise_errors_of_these_kinds_only(data: bytes) -> None:
    for head in (b"", b"PK\3\4", b"\x80\x02", SOUND_OLD["tensor"][:15]):
        with pytest.raises(ERRORS):
            loaded(head + data)


@pytest.mark.parametrize("name", NAMES)
def test_every_single_byte_of_a_record_is_checked(name: str) -> None:
    data = SOUND[name]
    start = data.index(b"Z\x80\x02") + 1
    for at in range(start, min(start + 300, data.index(b"PK\7\x08"))):
        changed = data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]
        with pytest.raises(RuntimeError, match="checksum"):
            loaded(changed)


def test_checksums_are_not_looked_at_where_the_file_has_none() -> None:
    try:
        torch.serialization.set_crc32_options(False)
        assert torch.serialization.get_crc32_options() is False
        stream = io.BytesIO()
        torch.save(torch.ones(2), stream)
    finally:
        torch.serialization.set_crc32_options(True)
    assert torch.load(io.BytesIO(stream.getvalue())).tolist() == [1.0, 1.0]


PICKLES = {
    name: {
        path.removeprefix("archive/"): content.read(path)
        for content in [zipfile.ZipFile(io.BytesIO(data))]
        for path in content.namelist()
    }
    for name, data in SOUND.items()
}


@given(st.sampled_from(NAMES), edits)
def test_a_changed_pickle_with_sound_checksums_raises_errors_of_these_kinds_only(
    name: str, changes: list[tuple[str, float, int]]
) -> None:
    records = {path: data for path, data in PICKLES[name].items() if path.startswith("data/")}
    with suppress(*ERRORS):
        loaded(archive(damaged(PICKLES[name]["data.pkl"], changes), records))
