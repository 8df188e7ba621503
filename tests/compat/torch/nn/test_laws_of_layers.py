"""Derivatives of layers where they once were wrong: odd memory, infinite numbers, writes.

What PyTorch gives is written down; no test needs it.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad.compat.torch as torch_layer

F = torch_layer.nn.functional
nn = torch_layer.nn
RNG = np.random.default_rng(7)
Tensor = torch_layer.Tensor


def leaf(array: Any) -> Tensor:
    """A tensor that requires grad."""
    return torch_layer.tensor(array, requires_grad=True)


def draw(*shape: int) -> np.ndarray:
    """Numbers around 0."""
    return RNG.normal(size=shape)


# --- numbers that are not finite --------------------------------------------------------------


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin"])
def test_rows_with_an_infinite_element_have_nan_for_their_gradient(name: str) -> None:
    x = leaf([[1.0, 2.0, -np.inf if name == "softmin" else np.inf], [1.0, 2.0, 3.0]])
    y = getattr(F, name)(x, 1)
    (y * torch_layer.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert np.isnan(y.detach().numpy()[0]).all()
    assert np.isnan(x.grad.numpy()[0]).all()
    assert np.isfinite(x.grad.numpy()[1]).all()


def test_attention_with_an_infinite_score_is_nan_in_transforms_too() -> None:
    query, key = torch_layer.tensor([[np.inf], [1.0]]), torch_layer.tensor([[1.0], [2.0]])

    def attend(q: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, key, key)

    with np.errstate(invalid="ignore"):
        results = attend(query), torch_layer.func.vjp(attend, query)[0]
    for found in results:
        assert np.isnan(found.numpy()[0]).all()
        assert np.isfinite(found.numpy()[1]).all()


@pytest.mark.parametrize("out", [(3,), (2, 3), (2, 2, 3)])
def test_an_infinite_element_reaches_only_the_means_of_its_windows(out: tuple[int, ...]) -> None:
    sizes = (4, 5, 7)[: len(out)]
    array = draw(1, 1, *sizes)
    pool = getattr(F, f"adaptive_avg_pool{len(out)}d")
    clean = pool(torch_layer.tensor(array), out).numpy()
    array[(0, 0, *(0,) * len(out))] = np.inf
    found = pool(torch_layer.tensor(array), out).numpy()
    first = (0, 0, *(0,) * len(out))
    assert found[first] == np.inf
    found[first] = clean[first]
    np.testing.assert_allclose(found, clean, rtol=1e-12)


@pytest.mark.parametrize("size", [(6, 3), (7, 3), (3, 3), (2, 5), (5, 1), (7, 7), (1, 4)])
def test_adaptive_means_are_linear_and_their_transposes_fit(size: tuple[int, int]) -> None:
    length, count = size
    x = leaf(draw(2, 1, length))
    y = F.adaptive_avg_pool1d(x, count)
    start, end = np.arange(count) * length // count, -(-np.arange(1, count + 1) * length // count)
    for i, (a, b) in enumerate(zip(start, end, strict=True)):
        expected = x.detach().numpy()[..., a:b].mean(-1)
        np.testing.assert_allclose(y.detach().numpy()[..., i], expected)
    ct = torch_layer.tensor(draw(*y.shape))
    y.backward(ct)
    assert (x.grad * x).sum().item() == pytest.approx((y * ct).sum().item())


def test_a_cotangent_that_is_infinite_does_not_pass_where_the_slope_is_zero() -> None:
    x = leaf([-5.0, 0.5, 5.0])
    F.hardtanh(x).backward(torch_layer.tensor([np.inf, np.inf, np.nan]))
    assert x.grad.tolist() == [0.0, np.inf, 0.0]


@pytest.mark.parametrize("cell", [False, True])
def test_an_infinite_cotangent_of_a_unit_that_is_off_stays_there(cell: bool) -> None:
    kind = nn.RNNCell if cell else nn.RNN
    layer = kind(1, 2, nonlinearity="relu").double()
    with torch_layer.no_grad():
        for parameter in layer.parameters():
            parameter.fill_(1.0)
        (layer.weight_ih if cell else layer.weight_ih_l0)[0] = -9.0
    x = leaf(np.ones((1, 1)))
    y = layer(x) if cell else layer(x)[0]
    y.backward(torch_layer.tensor([[np.inf, 2.0]], dtype=torch_layer.float64))
    assert y[0, 0].item() == 0
    assert x.grad.item() == 2


# --- memory -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_cotangents_of_last_states_may_lie_in_columns(kind: Any) -> None:
    layer = kind(2, 3, 2, bidirectional=True)
    results = layer(torch_layer.randn(4, 5, 2))
    states = results[1] if isinstance(results[1], tuple) else (results[1],)
    parameters = list(layer.parameters())
    for state in states:
        across = torch_layer.randn(*state.shape[::-1]).permute(2, 1, 0)
        found = [
            torch_layer.autograd.grad(
                state, parameters, ct, retain_graph=True, allow_unused=True, materialize_grads=True
            )
            for ct in (across, across.contiguous())
        ]
        for a, b in zip(*found, strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-6)


def test_a_loss_of_logits_takes_weights_that_lie_in_columns() -> None:
    x, weight, bias = leaf(draw(4, 3)), leaf(draw(3, 2, 5)), leaf(draw(2, 5))
    target = torch_layer.tensor(RNG.integers(0, 5, (4, 2)))
    columns = [weight.permute(2, 1, 0), bias.t()]
    found = []
    for w, b in (columns, [v.contiguous() for v in columns]):
        loss = F.linear_cross_entropy(x, w, target, linear_bias=b)
        found.append(torch_layer.autograd.grad(loss, (x, weight, bias)))
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12)


def test_running_statistics_may_be_written_to_before_two_derivatives() -> None:
    array, weight = draw(3, 2, 4), leaf(draw(2))
    found = []
    for changed in (False, True):
        x = leaf(array)
        mean, variance = torch_layer.tensor([0.5, -1.0]), torch_layer.tensor([2.0, 3.0])
        mean, variance = mean.double(), variance.double()
        y = F.batch_norm(x, mean, variance, weight, training=False)
        if changed:
            mean.add_(1)
            variance.mul_(2)
        parts = torch_layer.autograd.grad((y**2).sum(), (x, weight), create_graph=True)
        inner = sum((part**2).sum() for part in parts)
        found.append([*parts, *torch_layer.autograd.grad(inner, (x, weight))])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12)


# --- equal elements ---------------------------------------------------------------------------


def test_of_equal_largest_rows_of_a_bag_the_first_has_the_gradient() -> None:
    weight = leaf(np.array([[0.0, 1.0], [0.0, 2.0], [0.0, 2.0]]))
    words, starts = torch_layer.tensor([0, 1, 2, 2, 0]), torch_layer.tensor([0, 3, 3])
    y = F.embedding_bag(words, weight, starts, mode="max")
    assert y.tolist() == [[0.0, 2.0], [0.0, 0.0], [0.0, 2.0]]
    y.backward(torch_layer.tensor(np.array([[1.0, 1.0], [5.0, 5.0], [10.0, 10.0]])))
    assert weight.grad.tolist() == [[1.0, 0.0], [0.0, 1.0], [10.0, 10.0]]


def test_the_largest_row_of_a_bag_may_be_infinite() -> None:
    weight = torch_layer.tensor([[np.inf, -np.inf], [1.0, -np.inf]])
    y = F.embedding_bag(torch_layer.tensor([[0, 1]]), weight, mode="max")
    assert y.tolist() == [[np.inf, -np.inf]]


# --- transforms -------------------------------------------------------------------------------


def images_at(grid: Tensor) -> Tensor:
    """The same image at places that are mapped over."""
    image = torch_layer.arange(18.0).reshape(1, 2, 3, 3)
    return F.grid_sample(image, grid, align_corners=True)


def unpooled(places: Tensor) -> Tensor:
    """The same maxima in places that are mapped over."""
    return F.max_unpool2d(torch_layer.arange(1.0, 5.0).reshape(1, 1, 2, 2), places, 2)


def pooled_and_back(x: Tensor) -> Tensor:
    """Maxima of windows in their places."""
    return F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2)


def entropy(p: Tensor) -> Tensor:
    """Binary cross-entropy of one probability."""
    return F.binary_cross_entropy(p, torch_layer.tensor(1.0))


@pytest.mark.parametrize(
    ("function", "batch"),
    [
        (images_at, torch_layer.tensor(np.float32(RNG.uniform(-1, 1, (3, 1, 2, 2, 2))))),
        (unpooled, torch_layer.tensor([[[[[0, 3], [9, 12]]]], [[[[5, 4], [11, 15]]]]])),
        (pooled_and_back, torch_layer.tensor(np.float32(draw(3, 1, 1, 4, 4)))),
        (entropy, torch_layer.tensor([0.2, 0.5, 0.9])),
    ],
    ids=["grid_sample", "max_unpool of places", "max_unpool", "binary_cross_entropy"],
)
def test_vmap_is_the_loop(function: Callable[[Tensor], Tensor], batch: Tensor) -> None:
    together = torch_layer.vmap(function)(batch)
    apart = torch_layer.stack([function(one) for one in batch])
    np.testing.assert_allclose(together.numpy(), apart.numpy(), rtol=1e-6)
    if batch.is_floating_point():
        gradient = torch_layer.func.grad(lambda x: (function(x) ** 2).sum())
        together = torch_layer.vmap(gradient)(batch)
        apart = torch_layer.stack([gradient(one) for one in batch])
        np.testing.assert_allclose(together.numpy(), apart.numpy(), rtol=1e-6, atol=1e-6)


def test_a_probability_beyond_one_is_refused_under_vmap_too() -> None:
    with pytest.raises(RuntimeError, match="between 0 and 1"):
        torch_layer.vmap(entropy)(torch_layer.tensor([0.5, 1.5]))


@pytest.mark.parametrize("name", ["grad", "vjp", "jacrev", "hessian", "vmap"])
def test_transforms_say_nothing_about_infinite_derivatives(name: str) -> None:
    func = torch_layer.func
    x = torch_layer.tensor([0.0, -1.0, np.inf])

    def total(x: Tensor) -> Tensor:
        return (x.sqrt() / x).sum()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if name == "vjp":
            out, pullback = func.vjp(total, x)
            pullback(torch_layer.ones_like(out))
        elif name == "vmap":
            torch_layer.vmap(func.grad(total))(torch_layer.stack([x, x]))
        else:
            getattr(func, name)(total)(x)


def test_transforms_leave_the_arithmetic_of_the_user_alone() -> None:
    def scaled(x: Tensor) -> Tensor:
        return x * float(np.float64(1) / np.array(0.0))

    with pytest.warns(RuntimeWarning, match="divide by zero"):
        torch_layer.func.grad(scaled)(torch_layer.tensor(1.0))


# --- hooks of saved tensors -------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [
        lambda x, y: F.l1_loss(x, y),
        lambda x, y: torch_layer.where(x > y, x, y) * 2,
        lambda x, y: F.hinge_embedding_loss(x, y.sign()),
        lambda x, y: F.normalize(torch_layer.stack([x, y]), p=0.0, dim=0).sum(),
    ],
    ids=["l1_loss", "where", "hinge_embedding_loss", "normalize"],
)
def test_hooks_of_saved_tensors_take_single_numbers(function: Callable[..., Tensor]) -> None:
    found = []
    for hooked in (False, True):
        x, y = leaf(0.25), leaf(0.5)
        if hooked:
            with torch_layer.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
                out = function(x, y)
        else:
            out = function(x, y)
        out.backward()
        found.append([out.item(), *[0.0 if v.grad is None else v.grad.item() for v in (x, y)]])
    assert found[0] == found[1]
