"""Backward, gradients, `autograd.functional`, forward mode and checks, beside PyTorch's."""

import gc
import warnings
import weakref
from typing import Any

import numpy as np
import pytest

import funcgrad.compat.torch as torch_layer
from tests.compat.torch.autograd_programs import PROGRAMS, difference, outcome

ENTRIES = [
    pytest.param(entry, id=f"{subject}-{number}")
    for subject in ("functional", "forward_ad", "errors")
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


def test_a_chain_of_100000_nodes_is_walked_and_freed_without_recursion() -> None:
    x = torch_layer.ones(2, requires_grad=True)
    y = x
    for _ in range(100_000):
        y = y * 1.0
    y.sum().backward()
    del y
    assert x.grad.tolist() == [1.0, 1.0]


GRAPHS = {
    "product": lambda x: x * x * 2,
    "result kept": lambda x: x.exp().sin(),
    "matrix product": lambda x: x @ x,
    "several records": lambda x: x.softmax(0),
    "view": lambda x: (x * 2)[1:].reshape(-1),
    "in place": lambda x: (x * 2).add_(1),
    "double backward": lambda x: torch_layer.autograd.grad((x**3).sum(), x, create_graph=True)[0],
    "vmap": lambda x: torch_layer.vmap(lambda a: a * a)(x),
    "functional gradient": lambda x: torch_layer.func.grad(lambda z: (z * x).sum())(x),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_graph_is_freed_with_its_last_tensor_without_the_garbage_collector(name: str) -> None:
    gc.disable()
    try:
        x = torch_layer.ones(1000, requires_grad=True)
        y = GRAPHS[name](x)
        node = weakref.ref(y.grad_fn)
        del y
        assert node() is None
    finally:
        gc.enable()


def test_retaining_a_gradient_keeps_no_tensor_alive() -> None:
    gc.disable()
    try:
        y = torch_layer.ones(3, requires_grad=True) * 2
        y.retain_grad()
        node = weakref.ref(y.grad_fn)
        del y
        assert node() is None
    finally:
        gc.enable()


def test_gradient_shares_no_memory_with_the_cotangent_that_was_given() -> None:
    x = torch_layer.ones(3, requires_grad=True)
    ct = torch_layer.ones(3)
    (x + 0).backward(ct)
    ct.mul_(5)
    assert x.grad.tolist() == [1.0, 1.0, 1.0]


def test_constant_result_changed_in_place_after_it_was_kept_is_refused() -> None:
    x = torch_layer.ones(2000, requires_grad=True)
    weights = torch_layer.ones(2000, requires_grad=True)
    p = (x * weights).softmax(0)
    p.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        p.sum().backward()


def test_intermediate_gradient_needs_no_residuals_behind_it() -> None:
    x = torch_layer.ones(3, requires_grad=True)
    y = x.exp()
    z = (y * 3).sum()
    torch_layer.autograd.grad(y.sum(), x)
    (found,) = torch_layer.autograd.grad(z, y)
    assert found.tolist() == [3.0, 3.0, 3.0]


def test_anomaly_names_the_line_of_the_forward_pass() -> None:
    x = torch_layer.zeros(1, requires_grad=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with torch_layer.autograd.detect_anomaly():
            y = torch_layer.sqrt(x) * 0  # the line that is named
            with pytest.raises(RuntimeError, match="'SqrtBackward0' returned nan values"):
                y.backward()
    assert any("the line that is named" in str(warning.message) for warning in caught)


def test_batched_cotangents_take_one_walk() -> None:
    calls = []
    x = torch_layer.ones(3, requires_grad=True)
    y = x * 2
    y.register_hook(lambda ct: calls.append(tuple(ct.shape)))
    eye = torch_layer.eye(3)
    (rows,) = torch_layer.autograd.grad(y, x, eye, is_grads_batched=True)
    assert np.array_equal(rows.numpy(), 2 * np.eye(3))
    assert calls == [(3,)]


def test_dual_tensor_refuses_backward_in_place_of_losing_its_tangent() -> None:
    forward_ad = torch_layer.autograd.forward_ad
    x = torch_layer.ones(2, requires_grad=True)
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x, torch_layer.ones(2))
        with pytest.raises(RuntimeError, match="dual level"):
            (dual * dual).sum().backward()


def test_profile_counts_nodes_by_name() -> None:
    x = torch_layer.ones(2, requires_grad=True)
    with torch_layer.autograd.profiler.profile() as profile:
        (x * x).exp().exp()
    assert profile.counts == {"MulBackward0": 1, "ExpBackward0": 2}
    assert "ExpBackward0" in profile.table()
