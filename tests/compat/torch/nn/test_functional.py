"""`torch.nn.functional`: values, types, graphs, gradients, warnings and errors as PyTorch's."""

import importlib.util
import inspect
import json
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import funcgrad.compat.torch as torch_layer


def _load() -> ModuleType:
    """The module beside this one; tests are no package."""
    path = Path(__file__).with_name("cases.py")
    spec = importlib.util.spec_from_file_location("functional_cases", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


cases = _load()
RECORDED = json.loads(cases.DATA.read_text())
F = torch_layer.nn.functional

# Sums of products are added in another order than by PyTorch's kernels, so a few units of the last
# place of the largest value are lost; everything else agrees to 1 or 2 units in its own last place.
TOLERANCE = 3e-6


def assert_close(found: Any, wanted: Any) -> None:
    if wanted is None:
        assert found is None
        return
    a, b = np.array(found), np.array(wanted)
    assert a.shape == b.shape
    largest = np.max(np.abs(b[np.isfinite(b)]), initial=1e-3)
    np.testing.assert_allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE * largest)


def assert_agree(found: dict[str, Any], wanted: dict[str, Any], *, graph: bool = True) -> None:
    for key in ("dtype", "shape", "warnings", "graph") if graph else ("dtype", "shape", "warnings"):
        assert found[key] == wanted[key], key
    assert_close(found["values"], wanted["values"])
    assert len(found.get("grads", ())) == len(wanted.get("grads", ()))
    for one, other in zip(found.get("grads", ()), wanted.get("grads", ()), strict=True):
        assert_close(one, other)


@pytest.mark.parametrize("case", [*RECORDED["cases"], *RECORDED["random"]])
def test_value_graph_and_gradients_are_those_recorded(case: str) -> None:
    wanted = RECORDED["cases"].get(case) or RECORDED["random"][case]
    assert_agree(cases.evaluate(torch_layer, case), wanted)


@pytest.mark.parametrize("case", RECORDED["graphless"])
def test_value_and_gradients_are_those_recorded(case: str) -> None:
    assert_agree(cases.evaluate(torch_layer, case), RECORDED["graphless"][case], graph=False)


@pytest.mark.parametrize("case", RECORDED["errors"])
def test_error_is_the_one_recorded(case: str) -> None:
    assert cases.fault(torch_layer, case) == RECORDED["errors"][case]


@pytest.mark.oracle
@pytest.mark.parametrize("case", RECORDED["cases"])
def test_value_graph_and_gradients_are_those_of_torch(case: str) -> None:
    torch = pytest.importorskip("torch")
    assert_agree(cases.evaluate(torch_layer, case), cases.evaluate(torch, case))


def _second(torch: Any, case: str) -> list[Any] | None:
    """Gradients of the squared norm of the gradients; `None` where there are none."""
    tensors = cases._Tensors(torch, case)
    result = eval(case, tensors.names())  # recorded expressions
    if not result.requires_grad:
        return None
    weights = np.random.default_rng(1).uniform(0.5, 1.5, list(result.shape)).round(3)
    gradient = torch.tensor(weights.tolist(), dtype=result.dtype).reshape(tuple(result.shape))
    grads = torch.autograd.grad(result, tensors.leaves, gradient, create_graph=True)
    total = sum((grad * grad).sum() for grad in grads)
    if not total.requires_grad:
        return None
    again = torch.autograd.grad(total, tensors.leaves, allow_unused=True)
    return [None if one is None else one.reshape(-1).tolist() for one in again]


@pytest.mark.oracle
@pytest.mark.parametrize("case", [case for case in RECORDED["cases"] if "inplace" not in case])
def test_gradients_of_gradients_are_those_of_torch(case: str) -> None:
    torch = pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            wanted = _second(torch, case)
        except RuntimeError:
            pytest.skip("PyTorch has no such derivative")
        if wanted is None:
            pytest.skip("nothing to differentiate again")
        found = _second(torch_layer, case) or [None] * len(wanted)
    for one, other in zip(found, wanted, strict=True):
        if one is None or other is None:
            assert not np.any(other if one is None else one)
            continue
        known = np.isfinite(other)  # PyTorch multiplies 0 by infinity in some tails
        largest = np.max(np.abs(np.array(other)[known]), initial=1)
        np.testing.assert_allclose(
            np.array(one)[known], np.array(other)[known], rtol=1e-3, atol=1e-4 * largest
        )


@pytest.mark.oracle
def test_signatures_are_those_of_torch() -> None:
    torch = pytest.importorskip("torch")
    for name in F.__all__ if hasattr(F, "__all__") else dir(F):
        theirs = getattr(torch.nn.functional, name, None)
        if name.startswith("_") or not inspect.isfunction(theirs):
            continue
        rows = [
            [(p.name, p.kind, p.default) for p in inspect.signature(one).parameters.values()]
            for one in (theirs, getattr(F, name))
        ]
        if [row[0] for row in rows[0]] != ["args", "kwargs"]:
            assert rows[0] == rows[1], name


def test_bce_with_logits_is_one_node_that_keeps_its_version() -> None:
    z = torch_layer.tensor([0.5, -1.0, 2.0], requires_grad=True)
    y = torch_layer.zeros(3)
    loss = F.binary_cross_entropy_with_logits(z, y)
    assert loss.grad_fn.name() == "BinaryCrossEntropyWithLogitsBackward0"
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.parametrize("count", [3, 16, 17, 1000])
def test_bce_with_logits_agrees_between_few_and_many_elements(count: int) -> None:
    numbers = np.random.default_rng(count).normal(size=(2, count)).astype(np.float32)
    z = torch_layer.tensor(numbers[0].tolist(), requires_grad=True)
    y = torch_layer.tensor((numbers[1] > 0).astype(np.float32).tolist())
    loss = F.binary_cross_entropy_with_logits(z, y)
    loss.backward()
    wide = numbers[0].astype(np.float64)
    target = numbers[1] > 0
    wanted = np.mean(np.maximum(wide, 0) - wide * target + np.log1p(np.exp(-np.abs(wide))))
    slope = (1 / (1 + np.exp(-wide)) - target) / count
    assert loss.item() == pytest.approx(wanted, rel=1e-6)
    np.testing.assert_allclose(z.grad.tolist(), slope, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("logit", [float("inf"), float("-inf"), 1e30, -1e30])
def test_bce_with_logits_of_a_huge_logit_has_no_overflow(logit: float) -> None:
    z = torch_layer.tensor([logit, 1.0], requires_grad=True)
    y = torch_layer.tensor([1.0 if logit < 0 else 0.0, 1.0])
    loss = F.binary_cross_entropy_with_logits(z, y, reduction="sum")
    loss.backward()
    assert loss.item() == pytest.approx(abs(logit)) or np.isnan(loss.item())
    assert z.grad.tolist()[0] == (-1.0 if logit < 0 else 1.0)


def test_running_statistics_move_towards_those_of_the_batch() -> None:
    x = torch_layer.tensor([[1.0, 2.0], [3.0, 6.0]])
    mean, variance = torch_layer.zeros(2), torch_layer.ones(2)
    F.batch_norm(x, mean, variance, training=True, momentum=0.5)
    assert mean.tolist() == [1.0, 2.0]
    assert variance.tolist() == [1.5, 4.5]


def test_embedding_shrinks_the_rows_it_uses_in_place() -> None:
    weight = torch_layer.tensor([[3.0, 4.0], [0.3, 0.4], [6.0, 8.0]])
    F.embedding(torch_layer.tensor([0, 1]), weight, max_norm=1.0)
    np.testing.assert_allclose(weight.tolist(), [[0.6, 0.8], [0.3, 0.4], [6.0, 8.0]], rtol=1e-6)


def test_in_place_relu_of_a_leaf_that_requires_grad_is_refused() -> None:
    x = torch_layer.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        F.relu(x, inplace=True)


def test_dropout_without_training_returns_the_very_input() -> None:
    x = torch_layer.ones(3)
    assert F.dropout(x, 0.5, training=False) is x


@pytest.mark.parametrize(
    "loss",
    [
        lambda v, t: F.binary_cross_entropy_with_logits(v, t),
        lambda v, t: F.mse_loss(v, t),
        lambda v, t: (F.log_softmax(v, 0) * t).sum(),
        lambda v, t: F.cross_entropy(v, torch_layer.tensor(2)),
        lambda v, t: (F.layer_norm(v, (4,)) * t).sum(),
        lambda v, t: F.pad(v, (1, 1), value=2.0).pow(2).sum(),
    ],
)
def test_functional_transforms_give_the_gradients_of_backward(loss: Any) -> None:
    rows = np.random.default_rng(0).normal(size=(5, 4)).round(3)
    target = torch_layer.tensor([0.0, 1.0, 0.0, 1.0])
    gradient = torch_layer.func.grad(lambda v: loss(v, target))
    mapped = torch_layer.func.vmap(gradient)(torch_layer.tensor(rows.tolist()))
    for row, found in zip(rows, mapped.tolist(), strict=True):
        leaf = torch_layer.tensor(row.tolist(), requires_grad=True)
        loss(leaf, target).backward()
        np.testing.assert_allclose(found, leaf.grad.tolist(), rtol=1e-5, atol=1e-6)
