"""`torch.autograd.graph`: nodes, edges and hooks for what is kept, beside PyTorch's."""

from typing import Any

import numpy as np
import pytest

import funcgrad.compat.torch as torch_layer
from tests.compat.torch.autograd_programs import PROGRAMS, difference, outcome

ENTRIES = [
    pytest.param(entry, id=f"{subject}-{number}")
    for subject in ("graph",)
    for number, entry in enumerate(PROGRAMS[subject])
]


@pytest.mark.parametrize("entry", ENTRIES)
def test_program_gives_what_was_recorded_from_pytorch(entry: dict[str, Any]) -> None:
    found = outcome(torch_layer, "\n".join(entry["program"]))
    assert difference(found, entry["outcome"], nodes=entry.get("nodes", True)) == ""


@pytest.mark.oracle
@pytest.mark.parametrize("entry", ENTRIES)
def test_program_gives_what_the_installed_pytorch_gives(entry: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    program = "\n".join(entry["program"])
    found, wanted = outcome(torch_layer, program), outcome(torch, program)
    assert difference(found, wanted, nodes=entry.get("nodes", True)) == ""


def test_packed_values_of_every_operation_give_the_same_gradients() -> None:
    def loss(x: Any) -> Any:
        y = (x.exp() * x).softmax(0).log() + x.sqrt() / (x + 1)
        return (y**2).sum() + torch_layer.relu(x).max() + (x @ x).tanh()

    x = torch_layer.tensor([0.5, 2.0, 1.5], requires_grad=True)
    (wanted,) = torch_layer.autograd.grad(loss(x), x)
    counts = {"packed": 0, "unpacked": 0}

    def pack(tensor: Any) -> Any:
        counts["packed"] += 1
        return tensor.tolist()

    def unpack(kept: Any) -> Any:
        counts["unpacked"] += 1
        return torch_layer.tensor(kept)

    with torch_layer.autograd.graph.saved_tensors_hooks(pack, unpack):
        value = loss(x)
    assert counts["packed"] > 8
    assert counts["unpacked"] == 0
    (found,) = torch_layer.autograd.grad(value, x)
    assert counts["unpacked"] == counts["packed"]
    assert found.tolist() == pytest.approx(wanted.tolist())


def test_packed_values_can_be_differentiated_twice() -> None:
    x = torch_layer.tensor([0.5, 2.0], requires_grad=True)
    with torch_layer.autograd.graph.save_on_cpu():
        y = (x.exp() * x).sum()
    (first,) = torch_layer.autograd.grad(y, x, create_graph=True)
    (second,) = torch_layer.autograd.grad(first.sum(), x)
    assert second.tolist() == pytest.approx(((x + 2) * x.exp()).tolist())


def test_recording_is_short_again_after_the_hooks() -> None:
    x = torch_layer.ones(2, requires_grad=True)
    with torch_layer.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
        pass
    calls: list[Any] = []
    (x * x).sum().backward()
    assert calls == []
    assert x.grad.tolist() == [2.0, 2.0]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_gradient_by_one_operand_takes_no_account_of_the_shapes_of_the_others(number: int) -> None:
    numbers = np.random.default_rng(0)
    leaves = [
        torch_layer.tensor(numbers.normal(size=shape), requires_grad=True)
        for shape in ((5, 3), (4, 3), (4,))
    ]
    loss = torch_layer.nn.functional.linear(*leaves).tanh().sum() + (leaves[0] @ leaves[1].T).sum()
    loss.backward(retain_graph=True)
    (found,) = torch_layer.autograd.grad(loss, leaves[number])
    assert torch_layer.equal(found, leaves[number].grad)
