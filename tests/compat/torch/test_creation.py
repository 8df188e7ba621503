"""Tensors are made as PyTorch makes them: from data, by size, of ranges and of random numbers."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from funcgrad.compat import torch
from tests.compat.torch.front_cases import CASES, outcome, recorded, shortened

SUBJECTS = ("tensor", "by_size", "ranges", "random")
OUTCOMES = recorded()


@pytest.mark.parametrize("program", [line for name in SUBJECTS for line in CASES[name]])
def test_a_program_gives_what_pytorch_gave(program: str) -> None:
    assert shortened(outcome(torch, program)) == shortened(OUTCOMES[program])


@pytest.mark.oracle
@pytest.mark.parametrize("name", CASES)
def test_the_recorded_outcomes_are_those_of_the_installed_pytorch(name: str) -> None:
    real = pytest.importorskip("torch", minversion="2.13")
    if real is torch:
        pytest.skip("torch is the layer here")
    changed = [p for p in CASES[name] if shortened(outcome(real, p)) != shortened(OUTCOMES[p])]
    assert not changed


def test_a_tensor_of_data_has_memory_of_its_own() -> None:
    array = np.zeros(3)
    made = torch.tensor(array)
    array[0] = 1
    assert made.tolist() == [0, 0, 0]


def test_from_numpy_shares_memory_both_ways() -> None:
    array = np.zeros(3)
    shared = torch.from_numpy(array)
    array[0] = 1
    shared[1] = 2
    assert shared.tolist() == array.tolist() == [1, 2, 0]


def test_a_tensor_from_a_read_only_array_warns() -> None:
    array = np.zeros(3)
    array.flags.writeable = False
    with pytest.warns(UserWarning, match="not writable"):
        torch.from_numpy(array)


def test_copying_a_tensor_by_its_constructor_warns() -> None:
    with pytest.warns(UserWarning, match="sourceTensor"):
        torch.tensor(torch.ones(2))


@pytest.mark.parametrize(("kind", "step"), [("float32", 0.01), ("float64", 0.1)])
def test_ranges_round_within_one_unit_of_the_exact_values(kind: str, step: float) -> None:
    values = torch.arange(0, 20, step, dtype=getattr(torch, kind)).numpy()
    exact = np.arange(len(values)) * np.longdouble(step)
    assert np.all(np.abs(values - exact) <= np.spacing(values))


DRAWS: dict[str, Callable[[], Any]] = {
    "rand": lambda: torch.rand(5),
    "randn": lambda: torch.randn(5),
    "randint": lambda: torch.randint(0, 1000, (5,)),
    "randperm": lambda: torch.randperm(50),
    "normal": lambda: torch.normal(0.0, 1.0, (5,)),
    "uniform_": lambda: torch.empty(5).uniform_(),
    "exponential_": lambda: torch.empty(5).exponential_(),
}


@pytest.mark.parametrize("name", DRAWS)
def test_a_seed_gives_the_same_numbers_again_and_the_next_draw_others(name: str) -> None:
    torch.manual_seed(5)
    first, second = DRAWS[name](), DRAWS[name]()
    torch.manual_seed(5)
    again = DRAWS[name]()
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


def test_fork_rng_gives_the_state_back() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    with torch.random.fork_rng():
        torch.rand(100)
    assert torch.equal(torch.rand(3), expected)


def test_draws_in_place_fill_a_transposed_tensor_in_the_order_of_memory() -> None:
    torch.manual_seed(2)
    straight = torch.empty(3, 4).exponential_()
    torch.manual_seed(2)
    turned = torch.empty(3, 4).t().exponential_()
    assert torch.equal(turned.t(), straight)


def test_a_draw_in_place_cuts_the_gradient_of_what_was_there() -> None:
    x = torch.ones(3, requires_grad=True)
    y = x * 2
    y.uniform_()
    y.sum().backward()
    assert x.grad.tolist() == [0, 0, 0]


DRAWING = (
    "rand", "randn", "randint", "randn_like", "uniform_", "normal_", "exponential_", "bernoulli_",
    "random_", "cauchy_", "log_normal_",
)  # fmt: skip


def drawn(torch: Any, name: str, seed: int, size: list[int], kind: str) -> Any:
    """The bytes of a draw, or the error."""
    torch.manual_seed(seed)
    dtype = getattr(torch, kind)
    try:
        if name in ("rand", "randn"):
            result = getattr(torch, name)(size, dtype=dtype)
        elif name == "randint":
            result = torch.randint(-5, 50, size, dtype=dtype)
        else:
            start = torch.zeros(size, dtype=dtype)
            if len(size) > 1 and seed % 2:
                start = start.transpose(0, -1)
            bounds = (0, 100) if name == "random_" else ()
            result = torch.randn_like(start) if "like" in name else getattr(start, name)(*bounds)
    except (RuntimeError, NotImplementedError) as error:
        return type(error), str(error).lower()
    return result.dtype.itemsize, tuple(result.shape), result.double().numpy().tobytes()


@pytest.mark.oracle
@pytest.mark.parametrize("name", DRAWING)
@pytest.mark.parametrize(
    "kind", ["float32", "float64", "float16", "bfloat16", "int64", "int32", "uint8"]
)
def test_draws_of_any_size_are_those_of_pytorch(name: str, kind: str) -> None:
    real = pytest.importorskip("torch")
    choose = random.Random(f"{name} {kind}")
    for _ in range(12):
        seed = choose.randrange(10**6)
        size = [choose.randint(0, 6) for _ in range(choose.randint(0, 3))]
        if name == "randint" and kind == "uint8":
            continue  # -5 is no uint8
        assert drawn(torch, name, seed, size, kind) == drawn(real, name, seed, size, kind)
