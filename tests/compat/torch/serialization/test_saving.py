"""`torch.save` and `torch.load`: their arguments, their errors, and what files look like."""

import io
import pickle
import sys
import zipfile
from collections import namedtuple
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from funcgrad.compat import torch
from funcgrad.compat.torch.files import zipping

Point = namedtuple("Point", "x y")


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = torch.nn.Linear(2, 3)
        self.note = {"made": 1}

    def forward(self, x: Any) -> Any:
        return self.inner(x)


def saved(thing: Any, **options: Any) -> io.BytesIO:
    stream = io.BytesIO()
    torch.save(thing, stream, **options)
    stream.seek(0)
    return stream


def load(stream: io.BytesIO, **options: Any) -> Any:
    stream.seek(0)
    return torch.load(stream, **options)


# --- memory -------------------------------------------------------------------------------------


def test_views_of_one_memory_share_it_after_loading() -> None:
    x = torch.arange(6.0).reshape(2, 3)
    stream = saved({"all": x, "row": x[1], "turned": x.t()})
    assert [n for n in zipfile.ZipFile(stream).namelist() if "/data/" in n] == ["archive/data/0"]
    found = load(stream)
    found["row"][0] = 70.0
    assert found["all"][1, 0] == 70.0
    assert found["turned"][0, 1] == 70.0
    assert x[1, 0] == 3.0
    addresses = {one.untyped_storage().data_ptr() for one in found.values()}
    assert len(addresses) == 1


def test_bfloat16_views_share_memory_after_loading() -> None:
    x = torch.arange(6.0).bfloat16()
    all_, part = torch.load(saved([x, x[2:]]))
    part[0] = 70.0
    assert all_[2] == 70.0


def test_tensors_of_their_own_are_not_shared() -> None:
    a, b = torch.load(saved([torch.ones(2), torch.ones(2)]))
    a[0] = 5.0
    assert b.tolist() == [1.0, 1.0]


def test_a_part_brings_its_whole_memory() -> None:
    found = torch.load(saved(torch.arange(100.0)[3:5]))
    assert found.untyped_storage().nbytes() == 400
    assert found.storage_offset() == 3


def test_one_memory_of_two_types_is_refused() -> None:
    x = torch.ones(4)
    with pytest.raises(RuntimeError, match="view the same data as different types"):
        torch.save([x, x.view(torch.int32)], io.BytesIO())


def test_a_loaded_tensor_can_be_trained() -> None:
    weight = torch.load(saved(torch.nn.Parameter(torch.ones(3))))
    (weight * 2).sum().backward()
    assert weight.grad.tolist() == [2.0, 2.0, 2.0]
    assert weight.is_leaf


def test_an_array_with_gaps_or_turned_round_is_written_as_a_copy() -> None:
    x = torch.from_numpy(np.arange(6.0)[::-1].copy())
    x._value = x._value[::-1]
    assert torch.load(saved(x)).tolist() == list(np.arange(6.0))
    assert torch.load(saved(x)).stride() == (1,)


def test_arrays_of_numpy_keep_their_memory() -> None:
    rows = np.arange(6.0).reshape(2, 3)
    found = torch.load(saved(torch.from_numpy(rows[:, 1:])))
    assert found.tolist() == [[1.0, 2.0], [4.0, 5.0]]
    assert found.untyped_storage().nbytes() == 48


# --- files --------------------------------------------------------------------------------------


def test_paths_of_all_kinds(tmp_path: Path) -> None:
    for path in (tmp_path / "a.pt", str(tmp_path / "b.pt"), tmp_path / "ohne Ähnlichkeit.pt"):
        torch.save({"x": torch.ones(1)}, path)
        assert torch.load(path)["x"] == 1.0


@pytest.mark.parametrize(
    ("name", "root"),
    [("model.pt", "model"), ("a.b.pt", "a.b"), ("plain", "plain"), ("häuser.pt", "archive")],
)
def test_the_folder_in_the_archive_is_called_like_the_file(
    tmp_path: Path, name: str, root: str
) -> None:
    torch.save(1, tmp_path / name)
    names = zipfile.ZipFile(tmp_path / name).namelist()
    assert all(entry.startswith(f"{root}/") for entry in names)


def test_a_file_that_cannot_be_pickled_leaves_the_old_one_alone(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save(torch.ones(1), path)
    with pytest.raises(AttributeError, match="Can't pickle local object"):
        torch.save(lambda: 1, path)
    assert torch.load(path) == 1.0


def test_wrong_files_are_refused_with_the_words_of_pytorch(tmp_path: Path) -> None:
    with pytest.raises(AttributeError, match="expected 'f' to be string, path, or a file-like"):
        torch.save(1, 3)
    with pytest.raises(RuntimeError, match=r"Parent directory .* does not exist"):
        torch.save(1, tmp_path / "none" / "x.pt")
    with pytest.raises(FileNotFoundError):
        torch.load(tmp_path / "none.pt")
    with pytest.raises(AttributeError, match="from a file that is seekable"):
        torch.load(3)
    with pytest.raises(AttributeError, match="seekable"):
        torch.load(iter(()))


def test_a_file_without_readinto() -> None:
    class Reader:
        def __init__(self, data: bytes) -> None:
            self.inner = io.BytesIO(data)

        def __getattr__(self, name: str) -> Any:
            if name == "readinto":
                raise AttributeError(name)
            return getattr(self.inner, name)

    found = torch.load(Reader(saved(torch.arange(3.0)).getvalue()))
    assert found.tolist() == [0.0, 1.0, 2.0]


def test_old_files_can_follow_each_other() -> None:
    stream = io.BytesIO()
    for number in range(3):
        torch.save(torch.tensor([number]), stream, _use_new_zipfile_serialization=False)
    stream.seek(0)
    assert [torch.load(stream).item() for _ in range(3)] == [0, 1, 2]


def test_mapped_files(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save({"x": torch.arange(5.0), "none": torch.empty(0)}, path)
    found = torch.load(path, mmap=True)
    found["x"][0] = 7.0
    assert found["x"].tolist() == [7.0, 1.0, 2.0, 3.0, 4.0]
    assert torch.load(path)["x"][0] == 0.0
    with pytest.raises(ValueError, match="f must be a file path"):
        torch.load(saved(1), mmap=True)
    torch.save(1, path, _use_new_zipfile_serialization=False)
    with pytest.raises(RuntimeError, match="mmap can only be used"):
        torch.load(path, mmap=True)


@pytest.mark.skipif(sys.platform == "win32", reason="an open map cannot be written past there")
def test_a_shared_map_writes_to_the_file(tmp_path: Path) -> None:
    options, path = torch.serialization, tmp_path / "model.pt"
    torch.save(torch.zeros(2), path)
    with options.set_default_mmap_options(options.MAP_SHARED):
        torch.load(path, mmap=True)[0] = 3.0
    assert options.get_default_mmap_options() == options.MAP_PRIVATE
    with pytest.raises(RuntimeError, match="checksum"):
        torch.load(path)
    assert torch.load(path, mmap=True)[0] == 3.0
    with pytest.raises(ValueError, match=r"expected mmap\.MAP_PRIVATE or mmap\.MAP_SHARED"):
        options.set_default_mmap_options(77)


def test_records_of_more_than_4_gigabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipping, "LARGE", 100)
    small, large = np.arange(9, dtype=np.uint8), np.arange(200, dtype=np.uint8)
    stream = io.BytesIO()
    writer = zipping.ZipWriter(stream, "archive")
    for name, data in (("small", small), ("large", large), ("last", small)):
        writer.write(name, data)
    writer.close()
    data = stream.getvalue()
    assert struct_of_sizes(data, "archive/large") == 200
    assert struct_of_sizes(data, "archive/last") == 9


def struct_of_sizes(data: bytes, name: str) -> int:
    """The size that the 64-bit field of a directory entry tells, or the one of 32 bits."""
    at = data.rindex(name.encode()) - 46
    size = int.from_bytes(data[at + 24 : at + 28], "little")
    extra = data[at + 46 + len(name) : at + 46 + len(name) + data[at + 30]]
    return int.from_bytes(extra[4:12], "little") if size == 100 else size


def test_64_bit_numbers_of_a_directory_are_read() -> None:
    extra = b"xx\2\0ab" + b"\1\0\x10\0" + (2**33).to_bytes(8, "little") + (7).to_bytes(8, "little")
    assert zipping._wide(extra, 0xFFFFFFFF, 5, 0xFFFFFFFF) == (2**33, 5, 7)
    assert zipping._wide(b"", 3, 5, 9) == (3, 5, 9)
    with pytest.raises(RuntimeError, match="invalid header"):
        zipping._wide(extra, 0xFFFFFFFF, 5, 9)


def test_packed_archives_are_read() -> None:
    source = zipfile.ZipFile(saved({"x": torch.arange(50.0)}))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in reversed(source.namelist()):
            packed.writestr(name, source.read(name))
    assert load(stream)["x"].tolist() == list(range(50))


# --- order of bytes -----------------------------------------------------------------------------


def swapped(thing: Any, byteorder: bool) -> io.BytesIO:
    """The file that a machine with the other order of bytes writes."""
    source = zipfile.ZipFile(saved(thing))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as other:
        for name in source.namelist():
            data = source.read(name)
            if "/data/" in name:
                unit = 4 if thing.is_complex() else thing.element_size()
                data = np.frombuffer(data, f"u{unit}").byteswap().tobytes()
            if name.endswith("byteorder"):
                data = b"big" if sys.byteorder == "little" else b"little"
            if byteorder or not name.endswith("byteorder"):
                other.writestr(name, data)
    stream.seek(0)
    return stream


@pytest.mark.parametrize("kind", ["float32", "int16", "uint8", "float64", "bfloat16", "complex64"])
def test_files_of_machines_with_the_other_order_of_bytes(kind: str) -> None:
    x = torch.tensor([1, 2, 3]).to(getattr(torch, kind))
    assert torch.equal(torch.load(swapped(x, byteorder=True)), x)


def test_files_that_do_not_name_their_order_of_bytes() -> None:
    options = torch.serialization
    x = torch.tensor([1.0, 2.0])
    stream = saved(x, _disable_byteorder_record=True)
    assert "archive/byteorder" not in zipfile.ZipFile(stream).namelist()
    assert torch.equal(load(stream), x)
    assert options.get_default_load_endianness() is None
    try:
        options.set_default_load_endianness(options.LoadEndianness.BIG)
        assert torch.equal(torch.load(swapped(x, byteorder=False)), x)
        options.set_default_load_endianness(options.LoadEndianness.LITTLE)
        assert torch.equal(load(stream), x)
        with pytest.raises(TypeError, match="Invalid argument type"):
            options.set_default_load_endianness("big")
    finally:
        options.set_default_load_endianness(None)


# --- places -------------------------------------------------------------------------------------


def on_gpu() -> io.BytesIO:
    """A file whose tensor was on a GPU."""
    source = zipfile.ZipFile(saved(torch.arange(3.0)))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as other:
        for name in source.namelist():
            data = source.read(name)
            cpu, gpu = b"X\x03\0\0\0cpu", b"X\x06\0\0\0cuda:0"
            other.writestr(name, data.replace(cpu, gpu))
    stream.seek(0)
    return stream


NO_CUDA = "Attempting to deserialize object on a CUDA device but torch.cuda.is_available"


def test_a_tensor_of_a_gpu_needs_a_place() -> None:
    with pytest.raises(RuntimeError, match=NO_CUDA):
        torch.load(on_gpu())


@pytest.mark.parametrize(
    "place",
    ["cpu", torch.device("cpu"), {"cuda:0": "cpu"}, lambda storage, _: storage, b"cpu"],
    ids=["text", "device", "dictionary", "function", "bytes"],
)
def test_a_tensor_of_a_gpu_goes_where_it_is_told(place: Any) -> None:
    assert torch.load(on_gpu(), map_location=place).tolist() == [0.0, 1.0, 2.0]


def test_a_function_of_places_sees_the_storage_and_its_place() -> None:
    seen = []

    def place(storage: Any, location: str) -> Any:
        seen.append((type(storage).__name__, storage.nbytes(), location))

    with pytest.raises(RuntimeError, match=NO_CUDA):  # None: as if there were no function
        torch.load(on_gpu(), map_location=place)
    assert seen == [("UntypedStorage", 12, "cuda:0")]


@pytest.mark.parametrize("place", ["cuda", "cuda:0", torch.device("cuda"), {"cpu": "cuda:0"}])
def test_there_is_no_gpu_to_go_to(place: Any) -> None:
    with pytest.raises(RuntimeError, match=NO_CUDA):
        torch.load(saved(torch.ones(1)), map_location=place)


def test_other_places() -> None:
    stream = saved(torch.ones(2, 3))
    meta = load(stream, map_location="meta")
    assert meta.is_meta
    assert meta.shape == (2, 3)
    with pytest.raises(RuntimeError, match="don't know how to restore data location"):
        load(stream, map_location="nowhere")
    with pytest.raises(TypeError, match="not callable"):
        load(stream, map_location=3)


def test_places_can_be_entered() -> None:
    packages = torch.serialization.PACKAGES
    before = list(packages)

    def restore(storage: Any, location: str) -> Any:
        return storage if location == "attic" else None

    torch.serialization.register_package(5, lambda _: None, restore)
    try:
        assert torch.load(saved(torch.ones(1)), map_location="attic") == 1.0
    finally:
        packages[:] = before
    assert torch.serialization.location_tag(torch.ones(1).untyped_storage()) == "cpu"


# --- whole objects ------------------------------------------------------------------------------


def test_a_module_of_the_user_is_loaded_whole() -> None:
    net = Net()
    stream = saved(net)
    with pytest.raises(pickle.UnpicklingError, match=r"add_safe_globals\(\[.*Net\]\)"):
        load(stream)
    stream.seek(0)
    found = load(stream, weights_only=False)
    x = torch.ones(1, 2)
    assert torch.equal(found(x), net(x))
    assert found.note == {"made": 1}
    stream.seek(0)
    names = set(torch.serialization.get_unsafe_globals_in_checkpoint(stream))
    assert {"torch.nn.modules.linear.Linear", f"{__name__}.Net"} <= names


def test_a_module_is_loaded_with_its_classes_allowed() -> None:
    stream = saved(torch.nn.Linear(2, 1))
    with torch.serialization.safe_globals([torch.nn.Linear]):
        assert isinstance(load(stream), torch.nn.Linear)


def test_named_tuples_are_loaded_whole_or_allowed() -> None:
    stream = saved(Point(1, torch.ones(1)))
    assert load(stream, weights_only=False) == Point(1, torch.ones(1))
    stream.seek(0)
    with torch.serialization.safe_globals([Point]):
        assert load(stream).x == 1


def test_a_subclass_of_tensor_keeps_its_class() -> None:
    x = torch.ones(2)
    x.__class__ = Marked
    x.tag = "first"
    stream = saved(x)
    found = load(stream, weights_only=False)
    assert type(found) is Marked
    assert found.tag == "first"
    stream.seek(0)
    with torch.serialization.safe_globals([Marked]):
        assert type(load(stream)) is Marked


class Marked(torch.Tensor):  # type: ignore[misc]  # of the layer, whose names are entered
    pass


def test_other_modules_for_pickling() -> None:
    other = ModuleType("other")
    other.Pickler, other.Unpickler = pickle.Pickler, pickle.Unpickler
    stream = saved({"x": torch.arange(3.0), "p": Point(1, 2)}, pickle_module=other)
    found = load(stream, pickle_module=other)
    assert found["x"].tolist() == [0.0, 1.0, 2.0]
    with pytest.raises(RuntimeError, match="Can not safely load weights when explicit"):
        load(stream, pickle_module=other, weights_only=True)


@pytest.mark.parametrize("protocol", [1, 2, 3, 4, 5])
def test_protocols_of_pickles(protocol: int) -> None:
    stream = saved({"x": torch.ones(2), "n": torch.nn.ReLU()}, pickle_protocol=protocol)
    assert load(stream, weights_only=False)["x"].tolist() == [1.0, 1.0]


def test_newer_protocols_are_named_when_weights_only_cannot_read_them() -> None:
    stream = saved(torch.ones(2), pickle_protocol=4)
    with (
        pytest.warns(UserWarning, match="Detected pickle protocol 4 in the checkpoint"),
        pytest.raises(pickle.UnpicklingError, match="Unsupported operand 149"),
    ):
        load(stream)


def test_arguments_of_the_unpickler_are_for_whole_objects() -> None:
    stream = saved(torch.ones(2))
    with pytest.warns(UserWarning, match="pickle_load_args only works if `weights_only=False`"):
        load(stream, encoding="ascii")
    assert load(stream, weights_only=False, encoding="ascii").tolist() == [1.0, 1.0]


def test_hooks_are_not_written_and_that_is_said() -> None:
    x = torch.ones(2, requires_grad=True)
    x.register_hook(lambda grad: grad)
    with pytest.warns(UserWarning, match="backward hook .* on tensor will not be serialized"):
        stream = saved(x)
    assert load(stream).requires_grad
    weight = torch.nn.Parameter(torch.ones(2))
    weight.register_hook(lambda grad: grad)
    with pytest.warns(UserWarning, match="backward hook"):
        saved(weight)


def test_a_hook_can_be_marked_as_not_written() -> None:
    x = torch.ones(2, requires_grad=True)
    x.register_hook(torch.utils.hooks.unserializable_hook(lambda grad: grad))
    assert load(saved(x)).requires_grad


def test_memory_formats_are_not_pickled() -> None:
    with pytest.raises(TypeError, match="cannot pickle"):
        torch.save(torch.channels_last, io.BytesIO())


def test_a_generator_goes_on_after_loading() -> None:
    generator = torch.Generator().manual_seed(5)
    torch.rand(3, generator=generator)
    found = torch.load(saved(generator), weights_only=False)
    assert torch.equal(torch.rand(4, generator=found), torch.rand(4, generator=generator))


def test_training_goes_on_as_if_it_had_not_stopped() -> None:
    def step(net: Any, optimizer: Any) -> float:
        optimizer.zero_grad()
        loss = (net(torch.ones(4, 2)) ** 2).sum()
        loss.backward()
        optimizer.step()
        return loss.item()  # type: ignore[no-any-return]  # a float

    net = Net()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
    for _ in range(3):
        step(net, optimizer)
    stream = saved({"net": net.state_dict(), "optimizer": optimizer.state_dict()})
    wanted = [step(net, optimizer) for _ in range(3)]
    again = Net()
    restarted = torch.optim.Adam(again.parameters(), lr=0.5)
    checkpoint = load(stream)
    again.load_state_dict(checkpoint["net"])
    restarted.load_state_dict(checkpoint["optimizer"])
    assert [step(again, restarted) for _ in range(3)] == wanted
