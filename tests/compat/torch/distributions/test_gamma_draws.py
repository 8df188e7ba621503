"""Gamma and Dirichlet numbers: PyTorch's values, exact slopes."""

import copy
from typing import Any

import numpy as np
import pytest

from funcgrad.compat import torch
from funcgrad.compat.torch.gamma_draws import dirichlet_slope, gamma_slope

T = torch.distributions


@pytest.mark.oracle
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(8))
def test_draws_are_pytorchs_bit_for_bit(seed: int, dtype: str) -> None:
    real = pytest.importorskip("torch")
    shapes = np.exp(np.random.default_rng(seed).uniform(-4, 5, (40, 5))).astype(dtype)
    real.manual_seed(seed)
    wanted = [real._standard_gamma(real.from_numpy(shapes)), real.randn(3)]
    wanted += [real._sample_dirichlet(real.from_numpy(shapes)), real.rand(3)]
    torch.manual_seed(seed)
    found = [torch._standard_gamma(torch.tensor(shapes)), torch.randn(3)]
    found += [torch._sample_dirichlet(torch.tensor(shapes)), torch.rand(3)]
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


@pytest.mark.oracle
def test_slope_of_a_gamma_number_keeps_its_probability() -> None:
    special = pytest.importorskip("scipy.special")
    numbers = np.random.default_rng(0)
    a = np.exp(numbers.uniform(-3, 8, 600))
    share = numbers.uniform(0.01, 0.99, 600)
    x = special.gammaincinv(a, share)
    step = 1e-6 * a
    wanted = (special.gammaincinv(a + step, share) - special.gammaincinv(a - step, share)) / (
        2 * step
    )
    usual = x > 1e-200
    np.testing.assert_allclose(gamma_slope(a, x)[usual], wanted[usual], rtol=1e-6)


@pytest.mark.oracle
def test_slope_of_a_beta_number_keeps_its_probability() -> None:
    special = pytest.importorskip("scipy.special")
    numbers = np.random.default_rng(1)
    a, b = np.exp(numbers.uniform(-2, 6, (2, 600)))
    share = numbers.uniform(0.01, 0.99, 600)
    x = special.betaincinv(a, b, share)
    step = 1e-6 * a
    above, below = (special.betaincinv(a + d, b, share) for d in (step, -step))
    usual = (x > 1e-100) & (x < 0.9)  # beyond, 1 − x has too few digits for the quotient
    wanted = ((above - below) / (2 * step) / (1 - x))[usual]
    np.testing.assert_allclose(dirichlet_slope(x, a, a + b)[usual], wanted, rtol=1e-6)


@pytest.mark.oracle
def test_slopes_are_within_pytorchs_approximation() -> None:
    real = pytest.importorskip("torch")
    a = np.exp(np.random.default_rng(2).uniform(-4, 8, (400, 3)))
    real.manual_seed(0)
    x = real._standard_gamma(real.from_numpy(a)).numpy()
    wanted = real._standard_gamma_grad(real.from_numpy(a), real.from_numpy(x)).numpy()
    np.testing.assert_allclose(gamma_slope(a, x), wanted, rtol=2e-3)
    shares = real._sample_dirichlet(real.from_numpy(a)).numpy()
    totals = np.broadcast_to(a.sum(-1, keepdims=True), a.shape).copy()
    wanted = real._dirichlet_grad(*map(real.from_numpy, (shares, a, totals))).numpy()
    found = dirichlet_slope(shares, a, totals)
    inside = (shares > 1e-30) & (shares < 1 - 1e-9)
    np.testing.assert_allclose(found[inside], wanted[inside], rtol=2e-2)


@pytest.mark.parametrize("a", [1e-3, 0.5, 1.0, 99.0, 101.0, 1e4, 1e8])
def test_slope_is_finite_from_end_to_end(a: float) -> None:
    x = np.array([1e-30, 1e-3, 0.5, 1.0, 5.0]) * a
    slopes = gamma_slope(np.full(5, a), x)
    assert np.isfinite(slopes).all()
    assert (slopes >= 0).all()


def test_both_formulas_for_the_slope_meet() -> None:
    below, above = gamma_slope(np.array([99.999, 100.001]), np.array([95.0, 95.0]))
    assert abs(below - above) < 1e-5


def test_mean_of_the_slopes_is_the_slope_of_the_mean() -> None:
    torch.manual_seed(0)
    c = torch.tensor(1.7, requires_grad=True)
    rate = torch.tensor(2.0, requires_grad=True)
    T.Gamma(c, rate).rsample((4000,)).mean().backward()
    assert abs(float(c.grad) - 0.5) < 0.02  # of c / rate
    assert abs(float(rate.grad) + 1.7 / 4) < 0.02
    a = torch.tensor([0.7, 2.0, 1.3], requires_grad=True)
    weights = torch.tensor([1.0, 0.0, 0.0])
    (T.Dirichlet(a).rsample((4000,)) * weights).sum(-1).mean().backward()
    wanted = np.array([3.3, -0.7, -0.7]) / 16.0  # of a₀ / Σ a
    np.testing.assert_allclose(a.grad.numpy(), wanted, atol=0.01)


def test_a_second_derivative_is_refused() -> None:
    a = torch.tensor([1.0, 2.0], requires_grad=True)
    (slope,) = torch.autograd.grad(torch._standard_gamma(a).sum(), a, create_graph=True)
    with pytest.raises(NotImplementedError, match="_standard_gamma_grad"):
        slope.sum().backward()
    (slope,) = torch.autograd.grad(T.Dirichlet(a).rsample()[0], a, create_graph=True)
    with pytest.raises(NotImplementedError, match="_dirichlet_grad"):
        slope.sum().backward()


def test_slopes_of_mapped_draws_are_those_of_each() -> None:
    a = torch.tensor([0.5, 2.0, 7.0])
    torch.manual_seed(0)
    mapped = torch.func.vmap(torch.func.grad(torch._standard_gamma), randomness="different")(a)
    torch.manual_seed(0)
    leaf = a.clone().requires_grad_()
    torch._standard_gamma(leaf).sum().backward()
    np.testing.assert_allclose(mapped.numpy(), leaf.grad.numpy(), rtol=1e-6)


def test_draws_of_a_type_that_is_not_floating_are_refused() -> None:
    with pytest.raises(NotImplementedError, match="\"gamma_cpu\" not implemented for 'Long'"):
        torch._standard_gamma(torch.tensor([1, 2]))


def test_tiny_draws_stay_above_zero_and_keep_their_slope() -> None:
    torch.manual_seed(0)
    c = torch.full((50,), 1e-4, requires_grad=True)
    value = T.Gamma(c, 1e6).rsample()
    assert float(value.detach().min()) == torch.finfo(torch.float32).tiny
    value.sum().backward()
    assert bool(torch.isfinite(c.grad).all())


@pytest.mark.parametrize("module", ["normal", "studentT", "kl", "constraints", "transforms"])
def test_modules_of_pytorch_are_found_under_their_names(module: str) -> None:
    found: Any = torch._MODULES[f"torch.distributions.{module}"]
    assert found is getattr(torch.distributions, module)


def test_a_copy_of_a_distribution_is_its_own() -> None:
    loc = torch.zeros(2, requires_grad=True)
    d = T.Normal(loc, 1.0)
    other = copy.copy(d)
    assert other.loc is d.loc
    assert repr(other) == repr(d)


@pytest.mark.oracle
def test_the_public_names_and_divergences_are_pytorchs() -> None:
    real = pytest.importorskip("torch.distributions")
    assert set(T.__all__) == set(real.__all__)
    assert set(T.constraints.__all__) == set(real.constraints.__all__)
    assert set(real.transforms.__all__) <= set(T.transforms.__all__)
    names = [{(p.__name__, q.__name__) for p, q in module.kl._KL_REGISTRY} for module in (T, real)]
    assert names[0] == names[1]
