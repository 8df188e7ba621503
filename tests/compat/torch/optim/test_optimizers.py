"""Optimisers: memory, versions, threads, copies, and agreement of their several ways."""

import copy
import pickle
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from funcgrad.compat import torch
from funcgrad.compat.torch.optim import stepping

optim = torch.optim
ELEMENTWISE: dict[str, tuple[Any, dict[str, Any]]] = {
    "SGD": (optim.SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1, "nesterov": True}),
    "plain SGD": (optim.SGD, {"lr": 0.1}),
    "Adam": (optim.Adam, {"lr": 0.1, "amsgrad": True}),
    "AdamW": (optim.AdamW, {"lr": 0.1}),
    "Adamax": (optim.Adamax, {"lr": 0.1}),
    "NAdam": (optim.NAdam, {"lr": 0.1}),
    "RAdam": (optim.RAdam, {"lr": 0.1}),
    "Adagrad": (optim.Adagrad, {"lr": 0.1}),
    "Adadelta": (optim.Adadelta, {}),
    "RMSprop": (optim.RMSprop, {"lr": 0.1, "centered": True, "momentum": 0.5}),
    "Rprop": (optim.Rprop, {"lr": 0.1}),
    "ASGD": (optim.ASGD, {"lr": 0.1, "t0": 1}),
}
EVERY: dict[str, tuple[Any, dict[str, Any]]] = {
    **ELEMENTWISE,
    "Adafactor": (optim.Adafactor, {"lr": 0.1}),
    "Muon": (optim.Muon, {"lr": 0.1}),
}
elementwise = pytest.mark.parametrize(("cls", "options"), ELEMENTWISE.values(), ids=ELEMENTWISE)
every = pytest.mark.parametrize(("cls", "options"), EVERY.values(), ids=EVERY)
# Loading gives every number of the state but the count the parameter's type, here float64: their
# products go on with more digits than those of float32 that a run without a break has.
LOADED = {optim.NAdam: 1e-7, optim.ASGD: 1e-7}
LBFGS = (optim.LBFGS, {"line_search_fn": "strong_wolfe", "max_iter": 3})


def leaf(array: Any) -> Any:
    return torch.tensor(np.array(array), requires_grad=True)


def grad_at(step: int, shape: tuple[int, ...]) -> Any:
    return np.random.default_rng(step).standard_normal(shape)


def walked(cls: Any, options: dict[str, Any], start: Any, steps: int = 4, **more: Any) -> Any:
    """The parameter after some steps, and its optimiser."""
    p = leaf(start)
    opt = cls([p], **options, **more)
    for i in range(steps):
        p.grad = torch.from_numpy(grad_at(i, p.shape))
        opt.step()
    return p, opt


@every
def test_a_step_keeps_the_memory_of_the_parameter(cls: Any, options: dict[str, Any]) -> None:
    p = leaf(np.ones((3, 4)))
    array, part, address = p.detach().numpy(), p.detach()[1], p.data_ptr()
    opt = cls([p], **options)
    for i in range(2):
        p.grad = torch.from_numpy(grad_at(i, (3, 4)))
        opt.step()
    assert p.data_ptr() == address
    assert not np.array_equal(array, np.ones((3, 4)))
    np.testing.assert_array_equal(array, p.detach().numpy())
    np.testing.assert_array_equal(array[1], part.numpy())


@every
def test_a_step_raises_the_version_of_the_parameter(cls: Any, options: dict[str, Any]) -> None:
    p = leaf(np.full((2, 2), 2.0))
    opt = cls([p], **options)
    loss = (p * p).sum()
    loss.backward(retain_graph=True)
    opt.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@every
def test_the_state_keeps_its_memory(cls: Any, options: dict[str, Any]) -> None:
    p, opt = walked(cls, options, np.ones((3, 4)), steps=2)
    before = {name: (held, held._array()) for name, held in opt.state[p].items()}
    p.grad = torch.from_numpy(grad_at(9, (3, 4)))
    opt.step()
    for name, (tensor, array) in before.items():
        assert opt.state[p][name] is tensor
        np.testing.assert_array_equal(array, tensor.numpy())


@elementwise
@pytest.mark.parametrize("shape", [(), (1,), (1000,), (37, 41)])
def test_blocks_give_what_the_whole_gives(
    cls: Any, options: dict[str, Any], shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, opt = walked(cls, options, grad_at(5, shape))
    monkeypatch.setattr(stepping, "BLOCK", 512)
    parts, other = walked(cls, options, grad_at(5, shape))
    np.testing.assert_array_equal(whole.detach().numpy(), parts.detach().numpy())
    for one, two in zip(opt.state[whole].values(), other.state[parts].values(), strict=True):
        np.testing.assert_array_equal(one.numpy(), two.numpy())


@elementwise
@pytest.mark.parametrize("block", [64, 1 << 18])
def test_layouts_do_not_matter(
    cls: Any, options: dict[str, Any], block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stepping, "BLOCK", block)
    start = grad_at(5, (6, 10))
    wanted, _ = walked(cls, options, start)
    every_other = torch.zeros((6, 20), dtype=torch.float64)[:, ::2]
    for p in (torch.from_numpy(start.T.copy()).t(), every_other.copy_(torch.from_numpy(start))):
        p.requires_grad_()
        opt = cls([p], **options)
        for i in range(4):
            p.grad = torch.from_numpy(grad_at(i, (6, 10)).T.copy()).t()
            opt.step()
        np.testing.assert_allclose(p.detach().numpy(), wanted.detach().numpy(), rtol=1e-14)


@elementwise
def test_recorded_steps_give_what_plain_ones_give(cls: Any, options: dict[str, Any]) -> None:
    start = grad_at(5, (5,))
    wanted, opt = walked(cls, options, start)
    leaf_of_all = leaf(start)
    p = leaf_of_all.clone()
    recorded = cls([p], differentiable=True, **options)
    for i in range(4):
        p.grad = torch.from_numpy(grad_at(i, (5,)))
        recorded.step()
    np.testing.assert_allclose(p.detach().numpy(), wanted.detach().numpy(), rtol=1e-12)
    for one, two in zip(opt.state[wanted].values(), recorded.state[p].values(), strict=True):
        np.testing.assert_allclose(two.detach().numpy(), one.numpy(), rtol=1e-12)


@elementwise
def test_derivatives_through_steps_are_those_of_differences(
    cls: Any, options: dict[str, Any]
) -> None:
    def end(start: Any, slope: Any, **more: Any) -> Any:
        p = start.clone() if more else leaf(start.detach().numpy())
        opt = cls([p], **options, **more)
        for i in range(3):
            p.grad = (
                (slope * (i + 1) + slope**2).detach() if not more else slope * (i + 1) + slope**2
            )
            opt.step()
        return (p**3).sum()

    start, slope = leaf([0.5, -1.5, 2.0]), leaf([0.7, -0.4, 1.1])
    found = torch.autograd.grad(end(start, slope, differentiable=True), [start, slope])
    for which, gradient in enumerate(found):
        direction = torch.from_numpy(grad_at(3, (3,)))
        h = 1e-6

        def shifted(t: float, which: int = which, direction: Any = direction) -> Any:
            moved = [start.detach(), slope.detach()]
            moved[which] = moved[which] + direction * t
            return end(moved[0], moved[1]).item()

        slope_along = (shifted(h) - shifted(-h)) / (2 * h)
        assert (gradient * direction).sum().item() == pytest.approx(slope_along, rel=1e-5, abs=1e-6)


@every
def test_threads_do_not_disturb_each_other(cls: Any, options: dict[str, Any]) -> None:
    start = grad_at(5, (40, 30))
    wanted, _ = walked(cls, options, start, steps=15)
    found: list[Any] = [None] * 4

    def work(i: int) -> None:
        found[i] = walked(cls, options, start, steps=15)[0]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for p in found:
        np.testing.assert_array_equal(p.detach().numpy(), wanted.detach().numpy())


@every
def test_copies_pickles_and_state_dicts_go_on_to_the_same_numbers(
    cls: Any, options: dict[str, Any], tmp_path: Path
) -> None:
    wanted, _ = walked(cls, options, np.ones((3, 4)), steps=6)
    p, opt = walked(cls, options, np.ones((3, 4)), steps=3)
    (tmp_path / "optimiser").write_bytes(pickle.dumps(opt))
    q = leaf(p.detach().numpy())
    fresh = cls([q], **options)
    fresh.load_state_dict(copy.deepcopy(opt.state_dict()))
    read = pickle.loads((tmp_path / "optimiser").read_bytes())
    for one in (copy.deepcopy(opt), read, fresh):
        (r,) = one.param_groups[0]["params"]
        assert r is not p
        for i in range(3, 6):
            r.grad = torch.from_numpy(grad_at(i, (3, 4)))
            one.step()
        np.testing.assert_allclose(
            r.detach().numpy(),
            wanted.detach().numpy(),
            rtol=0 if one is not fresh else LOADED.get(cls, 0),
        )


def test_lbfgs_resumes_to_the_same_numbers() -> None:
    def descend(p: Any, opt: Any, steps: int) -> None:
        def closure() -> Any:
            opt.zero_grad()
            loss = ((p - 2) ** 4).sum() + (p[1:] * p[:-1]).sum() ** 2
            loss.backward()
            return loss

        for _ in range(steps):
            opt.step(closure)

    cls, options = LBFGS
    whole, p = leaf(np.arange(4.0)), leaf(np.arange(4.0))
    descend(whole, cls([whole], **options), 5)
    first = cls([p], **options)
    descend(p, first, 2)
    state = copy.deepcopy(first.state_dict())
    second = cls([p], **options)
    second.load_state_dict(state)
    descend(p, second, 3)
    np.testing.assert_allclose(p.detach().numpy(), whole.detach().numpy(), rtol=1e-12)


def test_no_gradient_leaves_parameter_and_state_alone() -> None:
    p = leaf(np.ones(3))
    for cls, options in ELEMENTWISE.values():
        opt = cls([p], **options)
        opt.step()
        assert "step" not in opt.state.get(p, {}) or opt.state[p]["step"].item() == 0
    assert p._version == 0
    np.testing.assert_array_equal(p.detach().numpy(), np.ones(3))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@elementwise
def test_gradients_that_are_no_numbers_pass_without_a_warning(
    cls: Any, options: dict[str, Any], value: float
) -> None:
    p = leaf(np.ones(2))
    opt = cls([p], **options)
    p.grad = torch.from_numpy(np.array([value, 1.0]))
    opt.step()
    assert np.isfinite(p.detach().numpy()[1])


def test_parameters_of_modules_are_trained() -> None:
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 1)
    x = torch.randn(20, 3)
    y = x @ torch.tensor([[1.0], [-2.0], [0.5]]) + 0.25
    opt = optim.Adam(model.parameters(), lr=0.1)
    for _ in range(200):
        opt.zero_grad()
        ((model(x) - y) ** 2).mean().backward()
        opt.step()
    np.testing.assert_allclose(model.weight.detach().numpy(), [[1.0, -2.0, 0.5]], atol=1e-2)
    np.testing.assert_allclose(model.bias.detach().numpy(), [0.25], atol=1e-2)
    assert type(model.weight) is torch.nn.Parameter


@pytest.mark.parametrize("name", ["adam", "adamw", "lr_scheduler", "optimizer", "sgd", "swa_utils"])
def test_submodules_have_the_names_of_pytorch(name: str) -> None:
    assert getattr(optim, name).__name__.endswith(f"optim.{name}")


@pytest.mark.oracle
@every
def test_states_go_to_pytorch_and_back(cls: Any, options: dict[str, Any]) -> None:
    real = pytest.importorskip("torch")
    p, opt = walked(cls, options, np.ones((3, 4)), steps=3)
    q = real.tensor(p.detach().numpy(), requires_grad=True)
    other = getattr(real.optim, cls.__name__)([q], **options)
    saved = opt.state_dict()
    state = {
        i: {name: real.tensor(held.numpy()) for name, held in one.items()}
        for i, one in saved["state"].items()
    }
    other.load_state_dict({"state": state, "param_groups": saved["param_groups"]})
    for i in range(3, 6):
        p.grad = torch.from_numpy(grad_at(i, (3, 4)))
        q.grad = real.from_numpy(grad_at(i, (3, 4)))
        opt.step()
        other.step()
    # Muon's iteration is made in bfloat16
    tolerance = 2e-2 if cls is optim.Muon else LOADED.get(cls, 1e-12)
    np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=tolerance)
