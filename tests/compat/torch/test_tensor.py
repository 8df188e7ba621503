"""How tensors show themselves, and what they are, beside what PyTorch printed."""

import pytest

from funcgrad.compat import torch
from tests.compat.torch.front_cases import CASES, outcome, recorded, shortened

OUTCOMES = recorded()


@pytest.mark.parametrize("program", [*CASES["texts"], *CASES["close"]])
def test_a_program_gives_what_pytorch_gave(program: str) -> None:
    assert shortened(outcome(torch, program)) == shortened(OUTCOMES[program])


def test_the_text_of_a_result_names_its_node() -> None:
    x = torch.ones(2, requires_grad=True)
    assert str(x) == "tensor([1., 1.], requires_grad=True)"
    assert str(x + 1) == "tensor([2., 2.], grad_fn=<AddBackward0>)"
    assert str((x + 1).detach()) == "tensor([2., 2.])"


def test_a_number_formats_as_a_python_number() -> None:
    assert f"{torch.tensor(2.0):.3f}" == "2.000"
    assert f"{torch.tensor([2.0])}" == "tensor([2.])"


def test_tensors_hash_by_identity() -> None:
    x, y = torch.ones(1), torch.ones(1)
    assert {x: 1, y: 2}[x] == 1


def test_a_tensor_with_several_elements_has_no_truth_value() -> None:
    with pytest.raises(RuntimeError, match="ambiguous"):
        bool(torch.ones(2))


def test_the_gradient_of_an_inner_tensor_warns_and_is_none() -> None:
    y = torch.ones(2, requires_grad=True) * 2
    with pytest.warns(UserWarning, match="not a leaf"):
        assert y.grad is None


def test_meta_tensors_have_a_shape_and_no_values() -> None:
    x = torch.empty(2, 3, device="meta")
    assert x.shape == (2, 3)
    assert x.is_meta
    with pytest.raises(NotImplementedError, match="meta tensor"):
        x.tolist()
