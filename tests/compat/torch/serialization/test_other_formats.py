"""State dicts as `.npz` archives and in the format of safetensors."""

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from funcgrad.compat import torch
from funcgrad.compat.torch.files import (
    load_npz,
    load_safetensors,
    save_npz,
    save_safetensors,
)

KINDS = ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64",
         "float16", "bfloat16", "float32", "float64", "complex64"]  # fmt: skip


def state() -> dict[str, Any]:
    """A tensor of every type, and shapes that are easily lost."""
    found = {kind: torch.tensor([[0, 1], [1, 0]]).to(getattr(torch, kind)) for kind in KINDS}
    x = torch.arange(6.0).reshape(2, 3)
    return found | {
        "layer.weight": torch.nn.Parameter(x),
        "turned": x.t(),
        "scalar": torch.tensor(1.5),
        "empty": torch.empty(0, 3),
        "values": torch.tensor([1.5, -3.140625, float("inf"), 1e-40, -0.0]).bfloat16(),
        "bfloat16 scalar": torch.tensor(2.5).bfloat16(),
    }


def assert_equal(found: Any, wanted: Any) -> None:
    assert set(found) == set(wanted)
    for name, tensor in wanted.items():
        assert found[name].dtype is tensor.dtype, name
        assert found[name].shape == tensor.shape, name
        assert torch.equal(found[name], tensor.detach()), name
        assert not found[name].requires_grad


def test_a_state_dict_goes_to_npz_and_back(tmp_path: Path) -> None:
    wanted = {**state(), "complex128": torch.ones(2, dtype=torch.complex128)}
    save_npz(wanted, tmp_path / "model.npz")
    found = load_npz(tmp_path / "model.npz")
    assert_equal(found, wanted)
    assert list(found) == list(wanted)


def test_numpy_reads_the_arrays(tmp_path: Path) -> None:
    save_npz(state(), tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz") as arrays:
        assert arrays["layer.weight"].tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
        assert arrays["bfloat16:bfloat16"].dtype == np.uint16


def test_a_module_is_restored_from_npz() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    stream = io.BytesIO()
    save_npz(net.state_dict(), stream)
    other = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    stream.seek(0)
    other.load_state_dict(load_npz(stream))
    x = torch.ones(4, 2)
    assert torch.equal(net.eval()(x), other.eval()(x))


def test_npz_takes_tensors_only() -> None:
    with pytest.raises(TypeError, match="save_npz: the entry 'epoch' is of int"):
        save_npz({"epoch": 3}, io.BytesIO())
    with pytest.raises(TypeError, match="save_npz: the entry 3 is of Tensor"):
        save_npz({3: torch.ones(1)}, io.BytesIO())
    with pytest.raises(ValueError, match="ends with the mark of bfloat16"):
        save_npz({"x:bfloat16": torch.ones(1)}, io.BytesIO())
    with pytest.raises(ValueError, match="named 'file'"):
        save_npz({"file": torch.ones(1)}, io.BytesIO())


def test_objects_in_npz_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "objects.npz", x=np.array([{}], object))
    with pytest.raises(ValueError, match="allow_pickle"):
        load_npz(tmp_path / "objects.npz")
    np.savez(tmp_path / "texts.npz", x=np.array(["a"]))
    with pytest.raises(TypeError, match="no tensor can hold"):
        load_npz(tmp_path / "texts.npz")
    np.savez(tmp_path / "marked.npz", **{"x:bfloat16": np.ones(2)})
    with pytest.raises(TypeError, match="marked as bfloat16"):
        load_npz(tmp_path / "marked.npz")
    np.save(tmp_path / "one.npy", np.ones(2))
    with pytest.raises(TypeError, match=r"no \.npz archive"):
        load_npz(tmp_path / "one.npy")


# --- safetensors --------------------------------------------------------------------------------


def test_a_state_dict_goes_to_safetensors_and_back(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    save_safetensors(state(), tmp_path / "model.safetensors", {"epoch": "4"})
    assert_equal(load_safetensors(tmp_path / "model.safetensors"), state())


def test_the_header_of_a_file_of_safetensors(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors")
    path = tmp_path / "model.safetensors"
    save_safetensors({"w": torch.ones(2, dtype=torch.bfloat16)}, path, {"epoch": "4"})
    with safetensors.safe_open(path, "np") as file:
        assert file.metadata() == {"format": "pt", "epoch": "4"}
        assert file.get_slice("w").get_dtype() == "BF16"


def test_broken_files_of_safetensors_are_refused(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors")
    path = tmp_path / "model.safetensors"
    save_safetensors({"w": torch.ones(2)}, path)
    for data in (b"", b"hello world", path.read_bytes()[:-1]):
        path.write_bytes(data)
        with pytest.raises(safetensors.SafetensorError):
            load_safetensors(path)


def test_what_safetensors_cannot_hold_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    with pytest.raises(TypeError, match="complex128, which the format does not know"):
        save_safetensors({"w": torch.ones(2, dtype=torch.complex128)}, tmp_path / "x")
    with pytest.raises(TypeError, match="save_safetensors: the entry 'epoch' is of int"):
        save_safetensors({"epoch": 3}, tmp_path / "x")


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(ImportError, match=r"pip install funcgrad\[safetensors\]"):
        save_safetensors({}, tmp_path / "x")
    with pytest.raises(ImportError, match="save_npz and load_npz"):
        load_safetensors(tmp_path / "x")


@pytest.mark.oracle
def test_files_of_safetensors_are_exchanged_with_pytorch(tmp_path: Path) -> None:
    real = pytest.importorskip("torch")
    files = pytest.importorskip("safetensors.torch")
    path = tmp_path / "model.safetensors"
    save_safetensors(state(), path)
    found = files.load_file(path)
    for name, tensor in state().items():
        assert str(found[name].dtype) == str(tensor.dtype)
        assert found[name].tolist() == tensor.tolist()
    files.save_file({"w": real.arange(4).bfloat16().reshape(2, 2)}, path)
    assert load_safetensors(path)["w"].tolist() == [[0.0, 1.0], [2.0, 3.0]]
