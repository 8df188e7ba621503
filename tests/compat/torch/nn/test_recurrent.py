"""Recurrent layers: the short way of a whole sequence is that of the recorded program."""

from functools import partial

import numpy as np
import pytest

import funcgrad.compat.torch as torch_layer
from funcgrad.compat.torch.nn import recurrence, recurrent
from funcgrad.compat.torch.nn.recorded_steps import recorded_layer
from funcgrad.compat.torch.nn.steps import Steps, steps_of

nn = torch_layer.nn
GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}
SIZES = [(1,), (3,), (2, 2, 2, 2, 2), (4, 3, 3, 1, 1), (5, 1)]


def draw(seed: int, *shape: int) -> np.ndarray:
    """Normal numbers."""
    return np.random.default_rng(seed).standard_normal(shape)


def leaves_of(kind: str, sizes: tuple[int, ...], options: str) -> list:
    """x, h, c, w, u, a, b, r of a layer from 3 to 4, as tensors that require grad."""
    rows, batch, p = 4 * GATES[kind], sizes[0], 2 if "projected" in options else 4
    shapes = [
        (sum(sizes), 3),
        (batch, p),
        (batch, 4),
        (rows, 3),
        (rows, p),
        (rows,),
        (rows,),
        (p, 4),
    ]
    missing = {2} if kind != "LSTM" else set()
    missing |= {5, 6} if "no biases" in options else set()
    missing |= set() if "projected" in options else {7}
    return [
        None if i in missing else torch_layer.tensor(draw(i, *shape) / 2, requires_grad=True)
        for i, shape in enumerate(shapes)
    ]


def both_ways(kind: str, sizes: tuple[int, ...], reverse: bool, options: str) -> list[list]:
    """Results, gradients, and gradients of gradients, by the short way and by the recorded one."""
    steps = steps_of(sizes, reverse)
    found = []
    for way in ("short", "recorded"):
        x, h, c, *weights = leaves = leaves_of(kind, sizes, options)
        if way == "short":
            states = [h] if c is None else [h, c]
            outs = recurrent._layer(kind, x, states, weights, steps, "CatBackward0")
        else:
            outs = recurrent._OPS["CatBackward0"](*leaves, kind=kind, steps=steps)
        given = [leaf for leaf in leaves if leaf is not None]
        loss = sum((i + 1) * (out**3).sum() for i, out in enumerate(outs))
        first = torch_layer.autograd.grad(loss, given, create_graph=True)
        second = torch_layer.autograd.grad(sum((g**2).sum() for g in first), given)
        found.append([*outs, *first, *second])
    return found


@pytest.mark.parametrize("group", [1, 1 << 16], ids=["in groups of a step", "in one group"])
@pytest.mark.parametrize("reverse", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize(
    ("kind", "options"),
    [*((kind, "") for kind in GATES), ("LSTM", "projected"), ("LSTM", "projected, no biases"),
     ("GRU", "no biases"), ("RNN_TANH", "no biases")],
)  # fmt: skip
def test_a_layer_is_that_of_the_recorded_program(
    kind: str,
    options: str,
    sizes: tuple[int, ...],
    reverse: bool,
    group: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recurrence, "GROUP", group)
    short, recorded = both_ways(kind, sizes, reverse, options)
    for a, b in zip(short, recorded, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_the_state_before_a_row_is_that_after_the_one_before(
    sizes: tuple[int, ...], reverse: bool
) -> None:
    steps = Steps(sizes, reverse)
    first, rows = -1 - np.arange(sizes[0])[:, None], np.arange(sum(sizes))[:, None]
    latest, expected = first.copy(), np.empty_like(rows)
    for start, stop in steps.rows:
        expected[start:stop] = latest[: stop - start]
        latest[: stop - start] = rows[start:stop]
    np.testing.assert_array_equal(steps.before(first, rows, 0, sum(sizes)), expected)
    for start, stop in steps.rows:
        np.testing.assert_array_equal(steps.before(first, rows, start, stop), expected[start:stop])
    np.testing.assert_array_equal(steps.last(rows), latest)


@pytest.mark.parametrize("kind", GATES)
def test_a_cotangent_of_one_result_is_enough(kind: str) -> None:
    leaves = leaves_of(kind, (2, 2), "")
    steps = steps_of((2, 2), False)
    states = [leaf for leaf in leaves[1:3] if leaf is not None]
    for port in range(1 + len(states)):
        outs = recurrent._layer(kind, leaves[0], states, leaves[3:], steps, "StackBackward0")
        (short,) = torch_layer.autograd.grad(outs[port].sum(), leaves[0])
        outs = recurrent._OPS["StackBackward0"](*leaves, kind=kind, steps=steps)
        (recorded,) = torch_layer.autograd.grad(outs[port].sum(), leaves[0])
        np.testing.assert_allclose(short.numpy(), recorded.numpy(), rtol=1e-10, atol=1e-14)


LAYERS = [
    partial(nn.RNN, 2, 3), partial(nn.LSTM, 2, 3, 2), partial(nn.GRU, 2, 3, bidirectional=True),
    partial(nn.LSTM, 2, 3, proj_size=2),
]  # fmt: skip


def loss_of(module: object, weights: dict, x: object) -> object:
    """A loss of all states."""
    y, _ = torch_layer.func.functional_call(module, weights, (x,))
    return (y**2).sum()


@pytest.mark.parametrize("make", LAYERS)
def test_gradients_of_each_example_are_those_of_one_at_a_time(make: partial) -> None:
    module = make(dtype=torch_layer.float64)
    weights = {name: p.detach() for name, p in module.named_parameters()}
    xs = torch_layer.tensor(draw(0, 4, 3, 1, 2))
    gradient = torch_layer.func.grad(partial(loss_of, module))
    mapped = torch_layer.func.vmap(gradient, in_dims=(None, 0))(weights, xs)
    for i, x in enumerate(xs):
        for name, part in gradient(weights, x).items():
            np.testing.assert_allclose(
                mapped[name][i].numpy(), part.numpy(), rtol=1e-10, atol=1e-12
            )


@pytest.mark.parametrize("make", LAYERS)
def test_forward_mode_is_the_product_with_the_gradient(make: partial) -> None:
    module = make(dtype=torch_layer.float64)
    weights = {name: p.detach() for name, p in module.named_parameters()}
    x, dot = torch_layer.tensor(draw(0, 3, 2, 2)), torch_layer.tensor(draw(1, 3, 2, 2))
    function = partial(loss_of, module, weights)
    _, moved = torch_layer.func.jvp(function, (x,), (dot,))
    expected = (torch_layer.func.grad(function)(x) * dot).sum()
    np.testing.assert_allclose(moved.numpy(), expected.numpy(), rtol=1e-10)


@pytest.mark.parametrize("make", LAYERS)
def test_many_cotangents_at_once_are_those_one_by_one(make: partial) -> None:
    module = make(dtype=torch_layer.float64)
    x = torch_layer.tensor(draw(0, 2, 1, 2), requires_grad=True)
    y, _ = module(x)
    cts = torch_layer.tensor(draw(1, 5, *y.shape))
    grad = partial(torch_layer.autograd.grad, y, x, retain_graph=True)
    (batched,) = grad(cts, is_grads_batched=True)
    for ct, part in zip(cts, batched, strict=True):
        np.testing.assert_allclose(part.numpy(), grad(ct)[0].numpy(), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("kind", ["RNNCell", "LSTMCell", "GRUCell"])
def test_a_cell_is_a_step_of_its_layer(kind: str) -> None:
    layer = getattr(nn, kind.removesuffix("Cell"))(2, 3, dtype=torch_layer.float64)
    cell = getattr(nn, kind)(2, 3, dtype=torch_layer.float64)
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in layer.state_dict().items()})
    xs = torch_layer.tensor(draw(0, 4, 2, 2))
    expected, _ = layer(xs)
    state = None
    for x, y in zip(xs, expected, strict=True):
        state = cell(x, state)
        shown = state[0] if isinstance(state, tuple) else state
        np.testing.assert_allclose(shown.detach().numpy(), y.detach().numpy(), rtol=1e-12)


def test_a_graph_may_be_walked_twice() -> None:
    x = torch_layer.tensor(draw(0, 3, 2, 2), requires_grad=True)
    y, _ = nn.LSTM(2, 3, dtype=torch_layer.float64)(x)
    y.sum().backward(retain_graph=True)
    once = x.grad.clone()
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), 2 * once.numpy())


def test_types_that_numpy_lacks_take_the_recorded_way() -> None:
    for kind in (torch_layer.float16, torch_layer.bfloat16):
        module = nn.GRU(2, 3, dtype=kind)
        y, h = module(torch_layer.tensor(draw(0, 3, 2, 2)).to(kind))
        y.sum().backward()
        assert y.dtype is h.dtype is module.weight_ih_l0.grad.dtype is kind


def test_the_recorded_program_takes_arrays() -> None:
    leaves = [None if x is None else x.detach().numpy() for x in leaves_of("GRU", (2, 2), "")]
    y, h = recorded_layer(*leaves, kind="GRU", steps=steps_of((2, 2), False))
    assert (y.shape, h.shape) == ((4, 4), (2, 4))
    np.testing.assert_array_equal(y[2:], h)
