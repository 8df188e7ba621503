"""Hooks of tensors, leaves and nodes: what they are given, their order, beside PyTorch's."""

from typing import Any

import pytest

import funcgrad.compat.torch as torch_layer
from tests.compat.torch.autograd_programs import PROGRAMS, difference, outcome

ENTRIES = [
    pytest.param(entry, id=f"{subject}-{number}")
    for subject in ("hooks",)
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


def test_hook_that_changes_the_gradient_works_in_double_backward() -> None:
    x = torch_layer.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    y.register_hook(lambda ct: ct * x)
    (first,) = torch_layer.autograd.grad(y.sum(), x, create_graph=True)
    (second,) = torch_layer.autograd.grad(first.sum(), x)
    assert first.tolist() == [2.0, 8.0]
    assert second.tolist() == [4.0, 8.0]


def test_multi_hook_waits_only_for_gradients_that_this_backward_computes() -> None:
    a, b, c = (torch_layer.ones(1, requires_grad=True) for _ in range(3))
    seen: list[Any] = []
    torch_layer.autograd.graph.register_multi_grad_hook(
        (a, b, c), lambda cts: seen.append([ct is not None for ct in cts])
    )
    (a * b).sum().backward()
    torch_layer.autograd.grad((a * b * c).sum(), [a, b, c])
    assert seen == [[True, True, False], [True, True, True]]


def test_hook_on_a_node_is_told_of_every_operand() -> None:
    x = torch_layer.ones(2, requires_grad=True)
    seen: list[Any] = []
    y = x * torch_layer.ones(2)
    y.grad_fn.register_hook(lambda ins, outs: seen.append((ins[1] is None, len(outs))))
    y.sum().backward()
    assert seen == [(True, 1)]
