"""`autograd.Function` everywhere: backward, forward mode, torch.func, beside PyTorch's."""

import gc
import weakref
from typing import Any

import pytest

import funcgrad.compat.torch as torch_layer
from tests.compat.torch.autograd_programs import PROGRAMS, difference, outcome

ENTRIES = [
    pytest.param(entry, id=f"{subject}-{number}")
    for subject in ("function",)
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


class Product(torch_layer.autograd.Function):
    """x y, with factors in the rules that show which rule was used."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Any, y: Any) -> Any:
        """The value."""
        return x * y

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Keep operands and result."""
        ctx.save_for_backward(*inputs, output)

    @staticmethod
    def backward(ctx: Any, ct: Any) -> Any:
        """Twice and three times the derivative."""
        x, y, _ = ctx.saved_tensors
        return 2 * ct * y, 3 * ct * x


A = torch_layer.tensor([[1.0, 2.0], [0.3, 0.5], [0.0, 1.0]])
V = torch_layer.tensor([3.0, -1.0])


def test_gradient_of_a_generated_batch_is_the_stack_of_gradients() -> None:
    def total(a: Any) -> Any:
        return torch_layer.vmap(Product.apply, in_dims=(0, None))(a, V).sum()

    rows = [torch_layer.func.grad(lambda r: Product.apply(r, V).sum())(row) for row in A]
    found = torch_layer.func.grad(total)(A)
    assert found.tolist() == torch_layer.stack(rows).tolist()


def test_gradient_by_a_shared_argument_of_a_generated_batch_is_summed() -> None:
    def total(v: Any) -> Any:
        return torch_layer.vmap(Product.apply, in_dims=(0, None))(A, v).sum()

    found = torch_layer.func.grad(total)(V)
    assert found.tolist() == pytest.approx([3 * 1.3, 3 * 3.5])


def test_backward_through_a_generated_batch_uses_the_users_rule() -> None:
    a = A.clone().requires_grad_()
    torch_layer.vmap(Product.apply, in_dims=(0, None))(a, V).sum().backward()
    assert a.grad.tolist() == [[6.0, -2.0]] * 3


def test_missing_gradient_of_a_used_input_is_zero() -> None:
    class Nothing(torch_layer.autograd.Function):
        @staticmethod
        def forward(_ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(_ctx: Any, _ct: Any) -> Any:
            return None

    x = torch_layer.ones(2, requires_grad=True)
    (Nothing.apply(x) + x).sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]


def test_node_that_keeps_its_own_result_is_freed_without_the_garbage_collector() -> None:
    class Exp(torch_layer.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx: Any, ct: Any) -> Any:
            return ct * ctx.saved_tensors[0]

    gc.disable()
    try:
        y = Exp.apply(torch_layer.ones(3, requires_grad=True))
        node = weakref.ref(y.grad_fn)
        y.sum().backward()
        del y
        assert node() is None
    finally:
        gc.enable()
