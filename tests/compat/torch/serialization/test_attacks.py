"""More hostile files: those that ask for time, memory or addresses by what is allowed."""

import io
import pickle
import time
import tracemalloc
import zipfile
from typing import Any

import numpy as np
import pytest

from funcgrad.compat import torch
from tests.compat.torch.serialization.hostile import (
    GOOD,
    HOOKS,
    PROTO,
    REFUSED,
    Case,
    archive,
    called,
    name,
    number,
    pickled_tensor,
    sizes,
    storage,
    tensor,
    text,
)

ORDERED = name("collections", "OrderedDict")
MADE = called(ORDERED)
SET = name("builtins", "set")
PRIME = 2**61 - 1
"""The hash of an integer is its remainder by this number."""


def pickled(run: bytes) -> bytes:
    return archive(PROTO + run + b".")


def _addresses() -> list[Case]:
    """States by which NumPy would read at any address, or Python call what is in the file."""
    names = ["__array_interface__", "__array_struct__", "__array__", "__deepcopy__",
             "__torch_function__", "__reduce_ex__", "__dict__"]  # fmt: skip
    with_state = name("torch._utils", "_rebuild_parameter_with_state")

    def ordered(key: str) -> bytes:
        return pickled(MADE + b"}" + text(key) + b"}sb")

    def parameter(key: str) -> bytes:
        state = b"}" + text(key) + b"}s"
        return pickled(called(with_state, tensor(), b"\x88", HOOKS, state))

    return [
        *(Case(f"an OrderedDict with {key}", ordered(key), REFUSED, "may not replace")
          for key in names),
        *(Case(f"a Parameter with {key}", parameter(key), RuntimeError, "may not replace")
          for key in names),
    ]  # fmt: skip


def _slow() -> list[Case]:
    """Keys that are compared again and again."""
    alike = [number(k * PRIME) for k in range(1, 4000)]
    signs = [b"(" + b"".join(number(-1 - (k >> i & 1)) for i in range(12)) + b"t"
             for k in range(2**12)]  # fmt: skip
    twice = text("x" * 300_000) + b"q\x00" + text("x" * 300_000) + b"q\x01"
    wide = b"(" + b"N" * 98 + b"tq\x00"
    same = "have the same hash"
    long = "longer than the file allows"
    return [
        Case("integers of one hash", pickled(b"}(" + b"".join(key + b"N" for key in alike) + b"u"),
             REFUSED, same),
        Case("integers of one hash, one by one",
             pickled(b"}" + b"".join(key + b"Ns" for key in alike)), REFUSED, same),
        Case("a set of one hash", pickled(called(SET, b"](" + b"".join(alike) + b"e")),
             REFUSED, same),
        Case("an OrderedDict of one hash",
             pickled(called(ORDERED, b"](" + b"".join(key + b"N\x86" for key in alike) + b"e")),
             REFUSED, same),
        Case("tuples of one hash", pickled(b"}(" + b"".join(key + b"N" for key in signs) + b"u"),
             REFUSED, same),
        Case("a long text and the same text",
             pickled(twice + b"}" + b"h\x00Nsh\x01Ns" * 40_000), REFUSED, long),
        Case("a set of a long text and the same text",
             pickled(twice + called(SET, b"](" + b"h\x00h\x01" * 80_000 + b"e")), REFUSED, long),
        Case("a tuple of many parts again and again",
             pickled(wide + b"}" + b"h\x00Ns" * 100_000), REFUSED, long),
    ]  # fmt: skip


def _large() -> list[Case]:
    """Small archives of large pickles."""
    return [
        Case(f"a packed pickle of a million times {what}",
             archive(PROTO + b"]q\x00" + run * 1_000_000 + b".", method=zipfile.ZIP_DEFLATED),
             RuntimeError, "packed pickle would swell")
        for what, run in {"an empty set": b"\x8f", "an empty list": b"]", "a mark": b"(",
                          "a value": b"h\x00", "the protocol": b"\x80\x02"}.items()
    ]  # fmt: skip


def _wrong() -> list[Case]:
    """What raised an error of another kind, or one as long as the file."""
    device, complex_ = name("torch", "device"), name("builtins", "complex")
    path = "is a path"
    integers = tensor(memory=storage(2, kind=name("torch", "LongStorage")), size=sizes(2),
                      stride=sizes(1), more=[b"}" + text("neg") + b"\x88s"])  # fmt: skip
    return [
        Case("a complex number of a huge integer", pickled(called(complex_, number(2**1500))),
             REFUSED, "too large"),
        Case("a device with a huge number", pickled(called(device, text("cpu"), number(2**100))),
             REFUSED, "no device has"),
        Case("a device with a negative number", pickled(called(device, text("cpu"), number(-5))),
             REFUSED, "no device has"),
        Case("a device with many digits", pickled(called(device, text("cpu:" + "9" * 5000))),
             REFUSED, "no device has"),
        Case("a device with a long name", pickled(called(device, text("x" * 100_000))),
             REFUSED, "no device has"),
        Case("a device with half a character", pickled(called(device, text("\ud800"))),
             REFUSED, "no device has"),
        Case("a storage in a place that cannot be printed",
             pickled(tensor(memory=storage(where="\x1b[2J"))), REFUSED, "cannot be printed"),
        Case("a storage with half a character as its key",
             pickled(tensor(memory=storage(key="\ud800"))), REFUSED, "cannot be printed"),
        Case("a name that clears the screen", pickled(b"cevil\x1b[2J\r\nname\x07\n"), REFUSED,
             r"'evil\\x1b\[2J\\r', 'name\\x07' is no name"),
        Case("a conjugate of real numbers",
             pickled(tensor(more=[b"}" + text("conj") + b"\x88s"])), RuntimeError,
             "has no conjugate"),
        Case("a negative of integers", pickled(integers), RuntimeError, "never marked"),
        Case("a long path upwards",
             archive(pickled_tensor(), more=[("archive/../" + "n" * 60_000, b"")]),
             RuntimeError, path),
        Case("a long name without a folder",
             archive(pickled_tensor(), more=[("n" * 60_000, b"")]), RuntimeError, "subdirectory"),
        Case("a long other folder",
             archive(pickled_tensor(), more=[("n" * 60_000 + "/x", b"")]), RuntimeError,
             "subdirectory archive/"),
    ]  # fmt: skip


CASES = [*_addresses(), *_slow(), *_large(), *_wrong()]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_hostile_file_is_refused_soon(case: Case) -> None:
    start = time.process_time()
    with pytest.raises(case.error, match=case.message) as caught:
        torch.load(io.BytesIO(case.data))
    assert time.process_time() - start < 0.5 + len(case.data) / 100_000  # 10 us for each byte
    assert len(str(caught.value)) < 2000
    assert str(caught.value).isascii()


@pytest.mark.parametrize("run", [b"\x8f", b"]", b"}", b"(", b"h\x00", b"N"])
def test_a_small_file_takes_little_memory(run: bytes) -> None:
    content = PROTO + b"]q\x00" + run * (120_000 // len(run)) + b"."
    data = archive(content, method=zipfile.ZIP_DEFLATED)
    assert len(data) < 1024
    tracemalloc.start()
    try:
        torch.load(io.BytesIO(data))
    except pickle.UnpicklingError:
        assert run == b"("
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 50e6


def test_honest_keys_are_kept() -> None:
    grid = {(i, j, k): 0 for i in range(-2, 3) for j in range(-2, 3) for k in range(-2, 3)}
    words = {"x" * 5000: 1, b"x" * 5000: 2, 2**70: 3, 1.5: 4, 2 + 1j: 5, None: 6, True: 7}
    many = [{("layer", n, "weight"): n} for n in range(300)] * 2
    again = [words, grid, *many, {"a" * 3000: 1}, {"a" * 3000: 2}]
    stream = io.BytesIO()
    torch.save(again, stream)
    assert torch.load(io.BytesIO(stream.getvalue()), weights_only=False) == again
    again[0] = {key: value for key, value in words.items() if not isinstance(key, bytes)}
    stream = io.BytesIO()
    torch.save(again, stream)
    assert torch.load(io.BytesIO(stream.getvalue())) == again


def test_a_packed_file_of_a_large_state_dict_is_loaded() -> None:
    net = torch.nn.Sequential(*[torch.nn.Linear(1, 1) for _ in range(800)])
    stream, other = io.BytesIO(), io.BytesIO()
    torch.save(net.state_dict(), stream)
    with zipfile.ZipFile(stream) as source, zipfile.ZipFile(other, "w", 8) as packed:
        assert source.getinfo("archive/data.pkl").file_size > 2**17
        for entry in source.namelist():
            packed.writestr(entry, source.read(entry))
    other.seek(0)
    assert list(torch.load(other)) == list(net.state_dict())


@pytest.mark.filterwarnings("error")
def test_another_protocol_is_named_once() -> None:
    with pytest.warns(UserWarning, match="Detected pickle protocol 3") as caught:
        assert torch.load(io.BytesIO(pickled(b"\x80\x03" * 1000 + b"N"))) is None
    assert len(caught) == 1


HIDDEN = {
    "behind a text that is dropped": b"\x8c\x02os\x8c\x06system\x8c\x01x0\x93",
    "in the memo": b"\x8c\x02os\x94\x8c\x06system\x94\x8c\x01a\x8c\x01b00h\x00h\x01\x93",
    "in a registry": b"\x82\x01",
}


@pytest.mark.parametrize("run", HIDDEN.values(), ids=HIDDEN)
def test_names_cannot_hide_from_the_list_of_names(run: bytes) -> None:
    data = archive(b"\x80\x04" + run + b".")
    with pytest.raises(pickle.UnpicklingError, match="cannot be listed"):
        torch.serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(data))


def test_an_expanded_tensor_of_a_file_is_printed_at_once() -> None:
    data = pickled(tensor(size=sizes(2**20, 2**38), stride=sizes(0, 0)))
    start = time.process_time()
    assert "..., 1., 1., 1.]" in repr(torch.load(io.BytesIO(data)))
    assert time.process_time() - start < 1


def test_loops_and_deep_levels_are_loaded_and_freed() -> None:
    looped = torch.load(io.BytesIO(pickled(MADE + b"q\x00}" + text("a") + b"h\x00sb")))
    assert looped.a is looped
    depth = 20_000
    with_state = name("torch._utils", "_rebuild_parameter_with_state") + b"("
    inward = (with_state + tensor() + b"\x88" + HOOKS + b"}" + text("a")) * depth
    found = torch.load(io.BytesIO(pickled(inward + b"N" + b"stR" * depth)))
    assert type(found.a.a) is torch.nn.Parameter
    del found
    deep = (ORDERED + b")\x81}" + text("a")) * depth + b"N" + b"sb" * depth
    assert torch.load(io.BytesIO(pickled(deep))).a is not None


# --- files that are odd, but sound --------------------------------------------------------------


class Silent(io.BytesIO):
    """A file whose `seek` returns nothing, as that of some wrappers."""

    def seek(self, *place: int) -> Any:
        super().seek(*place)


def test_a_file_need_not_say_where_it_is_when_it_is_sought() -> None:
    assert torch.load(Silent(GOOD)).tolist() == [[1.0, 2.0], [3.0, 4.0]]


class Liar(io.BytesIO):
    """A file that says to be longer than it is."""

    def tell(self) -> int:
        found = super().tell()
        return found + 10**15 if found == len(self.getvalue()) else found


def test_a_file_that_lies_about_its_length_is_refused() -> None:
    with pytest.raises(RuntimeError, match="ends too early"):
        torch.load(Liar(GOOD))


# --- .npz ---------------------------------------------------------------------------------------


def npz(*entries: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> io.BytesIO:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as file:
        for path, data in entries:
            file.writestr(path, data)
    stream.seek(0)
    return stream


def npy(header: str, data: bytes = bytes(16)) -> bytes:
    text_ = header.encode()
    return b"\x93NUMPY\x01\x00" + len(text_).to_bytes(2, "little") + text_ + data


def shaped(shape: str, kind: str = "<f8") -> bytes:
    return npy(f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}")


def test_hostile_npz_archives_are_refused() -> None:
    sound = shaped("(2,)")
    assert torch.files.load_npz(npz(("a.npy", sound)))["a"].tolist() == [0.0, 0.0]
    cases = {
        "packed by bzip2": npz(("a.npy", sound), method=zipfile.ZIP_BZIP2),
        "packed by LZMA": npz(("a.npy", sound), method=zipfile.ZIP_LZMA),
        "a text": npz(("a.txt", b"hello")),
        "a text that is called an array": npz(("a.npy", b"hello")),
        "two of one name": npz(("a.npy", sound), ("a:bfloat16.npy", shaped("(8,)", "<u2"))),
        "a tebibyte": npz(("a.npy", shaped("(1099511627776,)"))),
        "a deep header": npz(("a.npy", npy("(" * 9000))),
        "a header of signs": npz(("a.npy", npy("-" * 9000 + "1"))),
        "objects": npz(("a.npy", shaped("(2,)", "|O"))),
        "a file that is cut": io.BytesIO(npz(("a.npy", sound)).getvalue()[:-10]),
        "an empty file": io.BytesIO(),
    }
    for what, stream in cases.items():
        with pytest.raises((ValueError, TypeError)):
            pytest.fail(f"{what} was loaded: {torch.files.load_npz(stream)}")


def test_damaged_npz_archives_raise_errors_of_these_kinds_only() -> None:
    data = npz(("a.npy", shaped("(2,)")), method=zipfile.ZIP_DEFLATED).getvalue()
    for at in range(len(data)):
        for flip in (1, 0x80, 0xFF):
            damaged = data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :]
            try:
                found = torch.files.load_npz(io.BytesIO(damaged))
            except (ValueError, TypeError):
                continue
            assert all(np.asarray(one).nbytes == 16 for one in found.values())
