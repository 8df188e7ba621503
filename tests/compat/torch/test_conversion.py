"""Types, devices and sizes; promotion; conversions, copies and pickles: as in PyTorch."""

import copy
import itertools
import pickle
from typing import Any

import numpy as np
import pytest

from funcgrad.compat import torch
from funcgrad.compat.torch.dtypes import DTYPES
from tests.compat.torch.front_cases import CASES, outcome, recorded, shortened

OUTCOMES = recorded()
KINDS = list(DTYPES)
PAIRS = list(itertools.product(KINDS, KINDS))


@pytest.mark.parametrize("program", [*CASES["types"], *CASES["convert"]])
def test_a_program_gives_what_pytorch_gave(program: str) -> None:
    assert shortened(outcome(torch, program)) == shortened(OUTCOMES[program])


def promoted(torch: Any, a: str, b: str) -> str:
    try:
        return str(torch.promote_types(getattr(torch, a), getattr(torch, b)))
    except RuntimeError as error:
        return str(error)


def results(torch: Any, a: str, b: str) -> list[str]:
    """Types of a sum for operands with and without axes, and for numbers."""
    x, y = getattr(torch, a), getattr(torch, b)
    found = []
    for left, right in (((1,), ()), ((), (1,)), ((), ())):
        try:
            one, other = torch.zeros(left, dtype=x), torch.zeros(right, dtype=y)
            found.append(str(torch.result_type(one, other)))
        except RuntimeError as error:
            found.append(str(error))
    return found


@pytest.mark.oracle
def test_every_pair_of_types_promotes_as_in_pytorch() -> None:
    real = pytest.importorskip("torch")
    differing = [pair for pair in PAIRS if promoted(torch, *pair) != promoted(real, *pair)]
    assert not differing


@pytest.mark.oracle
def test_results_of_operands_with_and_without_axes_have_the_types_of_pytorch() -> None:
    real = pytest.importorskip("torch")
    differing = []
    for pair in PAIRS:
        theirs = results(real, *pair)
        ours = results(torch, *pair)
        # complex32, which the layer lacks, is complex64 here
        if ours != [text.replace("complex32", "complex64") for text in theirs]:
            differing.append((pair, ours, theirs))
    assert not differing


@pytest.mark.oracle
@pytest.mark.parametrize("number", [True, 2, 2.5, 1j])
@pytest.mark.parametrize("kind", KINDS)
def test_numbers_change_only_the_category_of_a_tensor(kind: str, number: Any) -> None:
    real = pytest.importorskip("torch")

    def found(torch: Any) -> list[str]:
        with_axes = torch.zeros(1, dtype=getattr(torch, kind))
        return [
            str(torch.result_type(with_axes, number)),
            str(torch.result_type(with_axes.reshape(()), number)),
        ]

    # complex32, which the layer lacks, is complex64 here
    assert found(torch) == [text.replace("complex32", "complex64") for text in found(real)]


@pytest.mark.oracle
def test_what_can_be_cast_to_what_is_what_pytorch_allows() -> None:
    real = pytest.importorskip("torch")

    def allowed(torch: Any, pair: tuple[str, str]) -> bool:
        return bool(torch.can_cast(*(getattr(torch, name) for name in pair)))

    assert [p for p in PAIRS if allowed(torch, p) != allowed(real, p)] == []


@pytest.mark.oracle
def test_values_convert_between_all_types_as_in_pytorch() -> None:
    real = pytest.importorskip("torch")
    numbers = [0, 1, 2, 3, 100]  # in range of every type: beyond, C leaves the result open

    def found(torch: Any, pair: tuple[str, str]) -> Any:
        a, b = (getattr(torch, name) for name in pair)
        return torch.tensor(numbers).to(a).to(b).to(torch.complex128).tolist()

    with pytest.warns(UserWarning, match="imaginary part"):  # of both
        differing = [pair for pair in PAIRS if found(torch, pair) != found(real, pair)]
    assert not differing


def test_promotion_is_the_same_either_way() -> None:
    for a, b in PAIRS:
        one, other = promoted(torch, a, b), promoted(torch, b, a)
        assert one == other or one.startswith("Promotion")


def test_promotion_needs_no_pytorch_to_be_checked() -> None:
    expected = {
        ("uint8", "int8"): "torch.int16",
        ("int64", "float16"): "torch.float16",
        ("float16", "bfloat16"): "torch.float32",
        ("bool", "uint8"): "torch.uint8",
        ("float64", "complex64"): "torch.complex128",
        ("bfloat16", "complex64"): "torch.complex64",
    }
    assert {pair: promoted(torch, *pair) for pair in expected} == expected


@pytest.mark.parametrize("kind", KINDS)
def test_a_pickle_keeps_values_and_type(kind: str) -> None:
    x = torch.tensor([0, 1, 2]).to(getattr(torch, kind))
    loaded = pickle.loads(pickle.dumps(x))
    assert loaded.dtype is x.dtype
    assert loaded.tolist() == x.tolist()


def test_a_pickle_of_a_leaf_is_a_leaf_that_requires_grad() -> None:
    loaded = pickle.loads(pickle.dumps(torch.ones(2, requires_grad=True)))
    assert loaded.requires_grad
    assert loaded.is_leaf


@pytest.mark.parametrize("thing", [torch.float16, torch.Size([1, 2]), torch.device("cuda:1")])
def test_types_sizes_and_devices_survive_a_pickle(thing: Any) -> None:
    assert pickle.loads(pickle.dumps(thing)) == thing
    assert copy.deepcopy(thing) == thing


def test_a_deep_copy_keeps_gradient_and_shared_parts() -> None:
    x = torch.ones(2, requires_grad=True)
    (x * 3).sum().backward()
    first, second = copy.deepcopy([x, x])
    assert first is second
    assert first.grad.tolist() == [3, 3]
    first.grad.zero_()
    assert x.grad.tolist() == [3, 3]


def test_a_shallow_copy_shares_memory() -> None:
    x = torch.ones(2)
    copy.copy(x).add_(1)
    assert x.tolist() == [2, 2]


def test_conversions_of_a_traced_tensor_are_differentiated() -> None:
    x = torch.ones(2, requires_grad=True)
    (x.double() * 3).float().sum().backward()
    assert x.grad.dtype is torch.float32
    assert x.grad.tolist() == [3, 3]


def test_numpy_functions_of_a_tensor_give_a_tensor() -> None:
    found = np.cos(torch.zeros(3))
    assert isinstance(found, torch.Tensor)
    assert found.tolist() == [1, 1, 1]


def test_numpy_of_a_tensor_that_requires_grad_is_refused() -> None:
    with pytest.raises(RuntimeError, match="detach"):
        torch.ones(2, requires_grad=True).numpy()
