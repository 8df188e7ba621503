"""`torch.func` and `torch.vmap`, in any order and through graphs, beside PyTorch's."""

from typing import Any

import pytest

import funcgrad.compat.torch as torch_layer
from tests.compat.torch.autograd_programs import PROGRAMS, difference, outcome

ENTRIES = [
    pytest.param(entry, id=f"{subject}-{number}")
    for subject in ("func",)
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


func = torch_layer.func


def test_nested_gradients_keep_perturbations_apart() -> None:
    def outer(x: Any) -> Any:
        return x * func.grad(lambda y: x + y)(torch_layer.tensor(1.0))

    assert func.grad(outer)(torch_layer.tensor(1.0)).item() == 1.0


def test_derivative_of_a_derivative_by_another_variable_keeps_both_apart() -> None:
    def outer(x: Any) -> Any:
        return x * func.grad(lambda y: x * y)(torch_layer.tensor(2.0))

    assert func.grad(outer)(torch_layer.tensor(3.0)).item() == 6.0


def test_gradient_of_a_function_that_closes_over_a_leaf_keeps_the_leafs_graph() -> None:
    w = torch_layer.tensor([1.0, 2.0], requires_grad=True)
    found = func.grad(lambda x: (w * x**2).sum())(torch_layer.tensor([3.0, 4.0]))
    found.sum().backward()
    assert w.grad.tolist() == [6.0, 8.0]


def test_detach_hides_a_value_from_every_level() -> None:
    def f(x: Any) -> Any:
        return func.grad(lambda y: (y.detach() * y * x.detach()).sum())(x).sum()

    assert func.grad(f)(torch_layer.tensor([2.0])).tolist() == [0.0]


def test_no_grad_hides_values_from_every_level() -> None:
    def f(x: Any) -> Any:
        def g(y: Any) -> Any:
            with torch_layer.no_grad():
                c = x * y
            return (c * y).sum()

        return func.grad(g)(x).sum()

    assert func.grad(f)(torch_layer.tensor([3.0])).tolist() == [0.0]


def test_write_under_no_grad_changes_values_and_keeps_derivatives() -> None:
    def f(x: Any) -> Any:
        y = x * 2
        with torch_layer.no_grad():
            y.clamp_(max=3.0)
        return (y * y).sum()

    x = torch_layer.tensor([1.0, 2.0])
    assert func.grad(f)(x).tolist() == [8.0, 12.0]
    assert func.grad(lambda x: func.grad(f)(x).sum())(x).tolist() == [8.0, 8.0]


class Linear:
    """An object with parameters, called like a module."""

    def __init__(self) -> None:
        self.weight = torch_layer.tensor([2.0, 3.0])
        self.bias = torch_layer.tensor(1.0)

    def __call__(self, x: Any) -> Any:
        return (self.weight * x).sum() + self.bias


def test_functional_call_uses_other_parameters_and_puts_the_own_ones_back() -> None:
    module = Linear()
    x = torch_layer.tensor([1.0, 4.0])
    found = func.grad(lambda p: func.functional_call(module, p, (x,)))({"weight": x * 0})
    assert found["weight"].tolist() == [1.0, 4.0]
    assert module.weight.tolist() == [2.0, 3.0]


def test_functional_call_refuses_a_name_that_the_module_lacks() -> None:
    with pytest.raises(AttributeError, match="has no attribute `wieght`"):
        func.functional_call(Linear(), {"wieght": torch_layer.zeros(2)}, (torch_layer.ones(2),))


def test_values_leaked_from_a_gradient_are_refused() -> None:
    leaked: list[Any] = []

    def f(x: Any) -> Any:
        leaked.append(x)
        return x.sum()

    func.grad(f)(torch_layer.ones(2))
    with pytest.raises(RuntimeError, match="after the transform"):
        leaked[0] * 2
