"""Layers where PyTorch's own answer is not the yardstick, or is not the same on every processor."""

import numpy as np
import pytest

from funcgrad.compat import torch

nn = torch.nn


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_cross_map_normalisation_divides_by_the_channels_nearby(size: int) -> None:
    """PyTorch's kernel counts channel 0 at every channel."""
    x = numbers(2, 7, 2, 3)
    reach = (size - 1) // 2
    sums = np.stack(
        [(x[:, max(c - reach, 0) : c + reach + 1] ** 2).sum(1) for c in range(7)], axis=1
    )
    layer = nn.CrossMapLRN2d(size, alpha=0.5, beta=0.6, k=1.5)
    found = layer(torch.tensor(x)).numpy()
    np.testing.assert_allclose(found, x / (1.5 + 0.5 / size * sums) ** 0.6, rtol=1e-12)


@pytest.mark.parametrize(
    "layer",
    [
        nn.CrossMapLRN2d(3, alpha=0.5),
        nn.LocalResponseNorm(3, alpha=0.5),
        nn.BatchNorm2d(4, affine=False, track_running_stats=False),
        nn.InstanceNorm2d(4),
        nn.GroupNorm(2, 4, affine=False),
        nn.LayerNorm((4, 2, 3), elementwise_affine=False),
        nn.RMSNorm((4, 2, 3), elementwise_affine=False),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_derivative_of_a_normalisation_is_that_of_its_value(layer: nn.Module) -> None:
    x = torch.tensor(numbers(3, 4, 2, 3), requires_grad=True)
    assert torch.autograd.gradcheck(layer, x)
    assert torch.autograd.gradgradcheck(layer, x)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(5, 3), (2, 3, 4), (2, 3, 2, 2)])
def test_the_short_way_of_batch_normalisation_has_the_derivatives_of_the_recorded_way(
    shape: tuple[int, ...], training: bool
) -> None:
    x, w, b = (torch.tensor(numbers(*s, seed=i)) for i, s in enumerate((shape, (3,), (3,))))
    mean, variance = torch.tensor(numbers(3, seed=3)), torch.tensor(numbers(3, seed=4)) ** 2

    def loss(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        kept = (None, None) if training else (mean, variance)
        return (nn.functional.batch_norm(x, *kept, w, b, training) ** 3).sum()

    wanted = torch.func.grad(loss, argnums=(0, 1, 2))(x, w, b)  # traced, so recorded
    leaves = [t.clone().requires_grad_() for t in (x, w, b)]
    found = torch.autograd.grad(loss(*leaves), leaves)
    for a, c in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a.numpy(), c.numpy(), rtol=1e-9, atol=1e-9)


def test_what_dropout_keeps_has_the_gradient_of_its_factor() -> None:
    torch.manual_seed(0)
    x = torch.ones(50, 40, requires_grad=True)
    y = nn.Dropout(0.25)(x)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())
    assert set(y.detach().unique().tolist()) == {0.0, float(np.float32(1) / np.float32(0.75))}


def test_alpha_dropout_drops_to_the_limit_of_selu() -> None:
    torch.manual_seed(0)
    p, limit = 0.4, -1.7580993408473766
    scale = ((1 - p) * (1 + p * limit**2)) ** -0.5
    y = nn.AlphaDropout(p)(torch.zeros(1000, dtype=torch.float64))
    shift = -scale * limit * p
    np.testing.assert_allclose(sorted(set(y.tolist())), [scale * limit + shift, shift], rtol=1e-12)


def test_options_of_a_linear_cross_entropy_change_no_gradient() -> None:
    torch.manual_seed(0)
    plain = nn.LinearCrossEntropyLoss(4, 3)
    cut = nn.LinearCrossEntropyLoss(4, 3, options=nn.LinearCrossEntropyOptions(batch_chunk_size=2))
    cut.load_state_dict(plain.state_dict())
    x, y = torch.randn(5, 4), torch.tensor([0, 1, 2, 1, 0])
    for layer in (plain, cut):
        layer(x, y).backward()
    assert torch.equal(plain.linear.weight.grad, cut.linear.weight.grad)


@pytest.mark.parametrize("name", ["relu", "elu", "leaky_relu", "hardtanh", "hardswish", "gelu"])
def test_activations_at_infinity_have_the_slopes_of_their_asymptotes(name: str) -> None:
    x = torch.tensor([np.inf, 1e30], requires_grad=True)
    y = getattr(nn.functional, name)(x)
    y[1].backward() if name == "gelu" else y.sum().backward()
    slope = 0.0 if name == "hardtanh" else 1.0
    assert x.grad[1].item() == slope
    if name != "gelu":
        assert x.grad[0].item() == slope
