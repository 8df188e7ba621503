"""funcgrad.compat.torch.formatting beside texts that PyTorch 2.13 printed, recorded and live.

`python tests/compat/torch/test_formatting.py`, where torch is installed, records them anew.
"""

import base64
import json
import math
import random
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from funcgrad.compat.torch.formatting import (
    format_scalar,
    get_printoptions,
    level_text,
    printoptions,
    return_type_text,
    set_printoptions,
    tensor_text,
)

Array = np.ndarray[Any, np.dtype[Any]]

DATA = Path(__file__).resolve().parents[2] / "data" / "torch_formatting.json"

DTYPES = (
    "float16", "float32", "float64", "bfloat16", "complex64", "complex128",
    "bool", "uint8", "int8", "int16", "int32", "int64",
)  # fmt: skip

# Operations that keep every value, by the class of the node they make.
NODES: dict[str, Callable[[Any], Any]] = {
    "CloneBackward0": lambda tensor: tensor.clone(),
    "ViewBackward0": lambda tensor: tensor.view(tensor.shape),
    "AsStridedBackward0": lambda tensor: tensor.as_strided(tensor.shape, tensor.stride()),
}


# ---------------------------------------------------------------------------------------------
# Random cases


@dataclass(frozen=True)
class Case:
    """An array with what else shows in the text of its tensor."""

    values: Array  # bfloat16 as float32
    dtype: str
    options: dict[str, Any]
    facts: dict[str, Any]  # keyword arguments of tensor_text

    def text(self) -> str:
        with printoptions(**self.options):
            return tensor_text(self.values, self.dtype, **self.facts)


def random_case(choose: random.Random, largest: int) -> Case:
    rng = np.random.default_rng(choose.getrandbits(32))
    dtype = choose.choice(DTYPES)
    shape = random_shape(choose, largest)
    inexact = dtype.startswith(("float", "bfloat", "complex"))
    options = random_options(choose) if choose.random() < 0.3 else {}
    facts: dict[str, Any] = {}
    if choose.random() < 0.1:
        facts["default_dtype"] = choose.choice(["float16", "float64"])
    if inexact and choose.random() < 0.4:
        facts["requires_grad"] = True
        if choose.random() < 0.5:
            facts["grad_fn"] = choose.choice(list(NODES))
    return Case(random_values(choose, rng, dtype, shape), dtype, options, facts)


def random_shape(choose: random.Random, largest: int) -> tuple[int, ...]:
    ndim = choose.choice([0, 1, 1, 2, 2, 3, 4])
    if ndim and choose.random() < 0.1:
        shape = [choose.choice([1, 2, 3, 5, 6, 7, 8, 12]) for _ in range(ndim - 1)]
        shape.append(max(1, choose.randint(largest // 5, largest) // math.prod(shape)))
        choose.shuffle(shape)
        return tuple(shape)
    lengths = [1, 2, 3, 4, 5, 7, 9, 12] + [0] * (choose.random() < 0.1)
    return tuple(choose.choice(lengths) for _ in range(ndim))


def random_options(choose: random.Random) -> dict[str, Any]:
    values: dict[str, list[Any]] = {
        "precision": [0, 1, 2, 6, 8, 12],
        "threshold": [0, 5, 20, 1000, math.inf],
        "edgeitems": [0, 1, 2, 3, 5],
        "linewidth": [10, 40, 60, 120, 1000],
        "profile": ["default", "short", "full"],
        "sci_mode": [True, False],
    }
    return {name: choose.choice(some) for name, some in values.items() if choose.random() < 0.6}


def random_values(
    choose: random.Random, rng: np.random.Generator, dtype: str, shape: tuple[int, ...]
) -> Array:
    n = math.prod(shape)
    if dtype == "bool":
        return (rng.random(n) < 0.5).reshape(shape)
    if "int" in dtype:
        bounds = np.iinfo(dtype)
        limit = min(choose.choice([3, 100, bounds.max]), bounds.max)
        low = max(-limit, bounds.min)
        return rng.integers(low, limit, n, dtype=dtype, endpoint=True).reshape(shape)
    values = random_floats(choose, rng, n)
    with np.errstate(over="ignore"):  # float16 ends at 65504
        if dtype.startswith("complex"):
            both = np.empty(n, dtype)
            both.real, both.imag = values, random_floats(choose, rng, n)
            return both.reshape(shape)
        if dtype == "bfloat16":
            bits = values.astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)
            return bits.view(np.float32).reshape(shape)
        return values.astype(dtype).reshape(shape)


def random_floats(choose: random.Random, rng: np.random.Generator, n: int) -> Array:
    kinds = {
        "normal": lambda: rng.standard_normal(n),
        "unit": lambda: rng.random(n),
        "whole": lambda: rng.integers(-20, 20, n) * 1.0,
        "large": lambda: rng.integers(-(10**9), 10**9, n) * 1.0,
        "cents": lambda: rng.integers(-3000, 3000, n) / 100,
        "wide": lambda: rng.standard_normal(n) * 10.0 ** rng.integers(-6, 7, n),
        "huge": lambda: rng.standard_normal(n) * 10.0 ** rng.integers(0, 300, n),
        "tiny": lambda: rng.standard_normal(n) * 10.0 ** rng.integers(-310, 0, n),
        "zero": lambda: np.zeros(n),
    }
    values = kinds[choose.choice(list(kinds))]()
    if choose.random() < 0.35:
        special = rng.choice([np.nan, np.inf, -np.inf, -0.0, 0.0], n)
        values = np.where(rng.random(n) < choose.choice([0.1, 0.5, 1.0]), special, values)
    return values


# ---------------------------------------------------------------------------------------------
# Against torch


def torch_text(torch: Any, case: Case) -> str:
    """What torch prints for a case."""
    tensor = torch.from_numpy(case.values.reshape(-1)).reshape(case.values.shape)
    tensor = tensor.to(getattr(torch, case.dtype)).requires_grad_("requires_grad" in case.facts)
    if "grad_fn" in case.facts:
        tensor = NODES[case.facts["grad_fn"]](tensor)
    torch.set_printoptions(**{"profile": "default", **case.options})
    torch.set_default_dtype(getattr(torch, case.facts.get("default_dtype", "float32")))
    try:
        return repr(tensor)
    finally:
        torch.set_printoptions(profile="default")
        torch.set_default_dtype(torch.float32)


@pytest.mark.oracle
def test_random_texts_are_torch_s_today():
    torch = pytest.importorskip("torch")
    choose = random.Random(1)
    for _ in range(500):
        case = random_case(choose, 3000)
        assert case.text() == torch_text(torch, case), case


# ---------------------------------------------------------------------------------------------
# Against what torch printed


def encode(case: Case, text: str) -> dict[str, Any]:
    values = case.values
    return {
        "dtype": case.dtype,
        "array": values.dtype.str,
        "shape": values.shape,
        "bytes": base64.b64encode(zlib.compress(values.tobytes(), 9)).decode("ascii"),
        "options": case.options,
        "facts": case.facts,
        "text": text,
    }


def decode(record: dict[str, Any]) -> tuple[Case, str]:
    content = zlib.decompress(base64.b64decode(record["bytes"]))
    values = np.frombuffer(content, record["array"]).reshape(record["shape"])
    return Case(values, record["dtype"], record["options"], record["facts"]), record["text"]


def test_recorded_texts_are_found_again():
    recorded = json.loads(DATA.read_text("utf-8"))
    assert recorded["torch"].startswith("2.13.")
    assert len(recorded["cases"]) >= 400
    for case, text in map(decode, recorded["cases"]):
        assert case.text() == text


@pytest.fixture
def repr_examples() -> dict[str, str]:
    return json.loads(DATA.read_text("utf-8"))["examples"]


EXAMPLES: dict[str, tuple[Any, str]] = {
    "torch.tensor(3.)": (np.float32(3), "float32"),
    "torch.tensor(3)": (np.int64(3), "int64"),
    "torch.tensor(True)": (np.bool_(True), "bool"),
    "torch.tensor(1e-9)": (np.float32(1e-9), "float32"),
    "torch.tensor([1.,float('inf'),-2])": (np.float32([1, np.inf, -2]), "float32"),
    "torch.tensor([1e10,1])": (np.float32([1e10, 1]), "float32"),
    "torch.tensor([1.5+2j,-1])": (np.complex64([1.5 + 2j, -1]), "complex64"),
    "torch.empty(2,0,dtype=torch.int32)": (np.empty((2, 0), np.int32), "int32"),
    "torch.zeros(2,2,2)": (np.zeros((2, 2, 2), np.float32), "float32"),
    "torch.arange(1001)": (np.arange(1001), "int64"),
    "torch.arange(2000.).reshape(50,40)": (
        np.arange(2000, dtype=np.float32).reshape(50, 40),
        "float32",
    ),
}


@pytest.mark.parametrize("expression", EXAMPLES)
def test_a_known_expression_prints_as_in_torch(expression: str, repr_examples: dict[str, str]):
    values, dtype = EXAMPLES[expression]
    assert tensor_text(np.asarray(values), dtype) == repr_examples[expression]


# ---------------------------------------------------------------------------------------------
# What no array shows


def test_a_meta_tensor_shows_its_size_and_every_dtype_but_the_default():
    values = np.broadcast_to(0, (2, 3))
    assert (
        tensor_text(values, "float32", device="meta") == "tensor(..., device='meta', size=(2, 3))"
    )
    assert tensor_text(values[0], "int64", device="meta", requires_grad=True) == (
        "tensor(..., device='meta', size=(3,), dtype=torch.int64, requires_grad=True)"
    )


def test_a_tangent_comes_last_and_keeps_its_own_layout():
    x = np.array([[0.5, 1], [2, 3]])
    tangent = tensor_text(x, "float32")
    assert tensor_text(x[0], "float32", grad_fn="MulBackward0", tangent=tangent) == (
        "tensor([0.5000, 1.0000], grad_fn=<MulBackward0>,\n"
        "       tangent=tensor([[0.5000, 1.0000],\n        [2.0000, 3.0000]]))"
    )


def test_further_remarks_follow_and_break_lines_as_others_do():
    remarks = ["names=('N', 'C')", "x" * 60]
    assert tensor_text(np.ones(2), "float32", suffixes=remarks) == (
        f"tensor([1., 1.], names=('N', 'C'),\n       {'x' * 60})"
    )


def test_a_subclass_is_indented_by_the_length_of_its_name():
    assert tensor_text(np.ones((2, 2)), "float32", name="M") == "M([[1., 1.],\n   [1., 1.]])"


def test_return_types_name_their_fields():
    fields = {"Q": tensor_text(np.eye(2), "float32"), "R": "tensor(1.)"}
    assert return_type_text("linalg_qr", fields) == (
        "torch.return_types.linalg_qr(\nQ=tensor([[1., 0.],\n        [0., 1.]]),\nR=tensor(1.))"
    )


def test_levels_of_transforms_are_nested_by_four_spaces():
    inner = level_text("BatchedTensor", tensor_text(np.ones((2, 2)), "float32"), lvl=1, bdim=0)
    assert level_text("GradTrackingTensor", inner, lvl=2) == (
        "GradTrackingTensor(lvl=2, value=\n"
        "    BatchedTensor(lvl=1, bdim=0, value=\n"
        "        tensor([[1., 1.],\n"
        "                [1., 1.]])\n"
        "    )\n"
        ")"
    )


@pytest.mark.parametrize(
    ("value", "spec", "text"),
    [
        (np.float32(2.5), "", "2.5"),
        (np.array(2.5), ".3f", "2.500"),
        (np.float32(0.1), "", "0.10000000149011612"),
        (np.array(3), "04d", "0003"),
        (np.bool_(True), "", "True"),
        (1 + 2j, ".1f", "1.0+2.0j"),
    ],
)
def test_a_number_is_formatted_as_python_s(value: Any, spec: str, text: str):
    assert format_scalar(value, spec) == text


def test_the_array_stays_as_it_is():
    x = np.array([[np.nan, -0.0], [1.0, 2.0]], np.float16)
    before = x.tobytes()
    tensor_text(x, "float16")
    assert x.tobytes() == before


# ---------------------------------------------------------------------------------------------
# Print options


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    with printoptions():
        yield


def test_options_start_as_torch_s():
    assert get_printoptions() == {
        "precision": 4,
        "threshold": 1000,
        "edgeitems": 3,
        "linewidth": 80,
        "sci_mode": None,
    }


def test_what_is_not_given_stays_but_for_sci_mode():
    set_printoptions(precision=2, sci_mode=True)
    set_printoptions(linewidth=100)
    options = get_printoptions()
    assert (options["precision"], options["linewidth"]) == (2, 100)
    assert options["sci_mode"] is None


def test_a_profile_is_a_start_that_other_options_change():
    set_printoptions(profile="short", edgeitems=7)
    options = get_printoptions()
    assert (options["precision"], options["edgeitems"]) == (2, 7)
    set_printoptions(profile="full")
    assert get_printoptions()["threshold"] == math.inf
    set_printoptions(profile="default")
    assert get_printoptions()["threshold"] == 1000


def test_options_of_a_block_end_with_it_even_by_an_error():
    before = get_printoptions()
    with pytest.raises(TypeError, match="presision"), printoptions(precision=1):
        set_printoptions(**{"presision": 2})
    assert get_printoptions() == before


def test_options_hold_in_threads_started_later():
    set_printoptions(precision=1)
    texts: list[str] = []
    thread = Thread(target=lambda: texts.append(tensor_text(np.array([0.25]), "float32")))
    thread.start()
    thread.join()
    assert texts == ["tensor([0.2])"]


# ---------------------------------------------------------------------------------------------
# The record


def record() -> None:
    """Write what the installed torch prints."""
    import torch  # noqa: PLC0415 - needed only to record

    choose = random.Random(0)
    drawn = (random_case(choose, 1100) for _ in range(1000))
    cases = [(case, torch_text(torch, case)) for case in drawn]
    examples = {expression: repr(eval(expression, {"torch": torch})) for expression in EXAMPLES}
    content = {
        "torch": torch.__version__,
        "cases": [encode(*case) for case in cases if case[0].values.nbytes + len(case[1]) < 1500],
        "examples": examples,
    }
    DATA.write_text(json.dumps(content, indent=0, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    record()
