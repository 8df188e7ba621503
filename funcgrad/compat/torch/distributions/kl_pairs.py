"""Divergences of two distributions of different kinds."""

import math
from typing import Any

from funcgrad.compat.torch.distributions.bernoulli import Bernoulli
from funcgrad.compat.torch.distributions.beta import Beta
from funcgrad.compat.torch.distributions.binomial import Binomial
from funcgrad.compat.torch.distributions.continuous_bernoulli import ContinuousBernoulli
from funcgrad.compat.torch.distributions.exponential import Exponential
from funcgrad.compat.torch.distributions.gamma import Gamma
from funcgrad.compat.torch.distributions.gumbel import Gumbel
from funcgrad.compat.torch.distributions.kl import infinite_like, register_kl
from funcgrad.compat.torch.distributions.laplace import Laplace
from funcgrad.compat.torch.distributions.names import torch
from funcgrad.compat.torch.distributions.normal import Normal
from funcgrad.compat.torch.distributions.pareto import Pareto
from funcgrad.compat.torch.distributions.poisson import Poisson
from funcgrad.compat.torch.distributions.uniform import Uniform
from funcgrad.compat.torch.distributions.utils import euler_constant

__all__: list[str] = []

_LOG_2PI = math.log(2 * math.pi)


def _half_log_2pi_square(scale: Any) -> Any:
    """log(scale √(2π))."""
    return 0.5 * (scale.pow(2) * (2 * math.pi)).log()


# --- where q lacks values of p: infinite whatever the parameters ------------------------------

_LACKING = (
    (Beta, (Pareto,)),
    (ContinuousBernoulli, (Pareto,)),
    (Exponential, (Beta, ContinuousBernoulli, Pareto, Uniform)),
    (Gamma, (Beta, ContinuousBernoulli, Pareto, Uniform)),
    (Gumbel, (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform)),
    (Laplace, (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform)),
    (Normal, (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform)),
    (Pareto, (Beta, ContinuousBernoulli, Uniform)),
    (Poisson, (Bernoulli, Binomial)),
)


def _parameter(p: Any) -> Any:
    """A parameter of the batch's shape."""
    for name in ("rate", "concentration", "concentration1", "probs", "loc", "scale"):
        if name in type(p).arg_constraints:
            return getattr(p, name)
    raise NotImplementedError


def _infinite(p: Any, q: Any) -> Any:
    return infinite_like(_parameter(p))


for _p, _kinds in _LACKING:
    for _q in _kinds:
        register_kl(_p, _q)(_infinite)


# --- from 0 and 1, and numbers between --------------------------------------------------------


@register_kl(Bernoulli, Poisson)
def _bernoulli_poisson(p: Any, q: Any) -> Any:
    return -p.entropy() - (p.probs * q.rate.log() - q.rate)


@register_kl(Beta, ContinuousBernoulli)
def _beta_continuous_bernoulli(p: Any, q: Any) -> Any:
    return -p.entropy() - p.mean * q.logits - torch.log1p(-q.probs) - q._cont_bern_log_norm()


@register_kl(Beta, Exponential)
def _beta_exponential(p: Any, q: Any) -> Any:
    return -p.entropy() - q.rate.log() + q.rate * p.mean


@register_kl(Beta, Gamma)
def _beta_gamma(p: Any, q: Any) -> Any:
    a, b = p.concentration1, p.concentration0
    constant = q.concentration.lgamma() - q.concentration * q.rate.log()
    mean_log = a.digamma() - (a + b).digamma()
    return -p.entropy() + constant - (q.concentration - 1) * mean_log + q.rate * p.mean


@register_kl(Beta, Normal)
def _beta_normal(p: Any, q: Any) -> Any:
    return -p.entropy() + _against_normal(p.mean, p.variance + p.mean.pow(2), q)


def _against_normal(mean: Any, square: Any, q: Any) -> Any:
    """The mean of −log q, for a given mean of x and of x²."""
    spread = square * 0.5 - mean * q.loc + q.loc.pow(2) * 0.5
    return _half_log_2pi_square(q.scale) + spread / q.scale.pow(2)


@register_kl(Beta, Uniform)
def _beta_uniform(p: Any, q: Any) -> Any:
    found = -p.entropy() + (q.high - q.low).log()
    outside = (q.low > p.support.lower_bound) | (q.high < p.support.upper_bound)
    return torch.where(outside, math.inf, found)


@register_kl(ContinuousBernoulli, Exponential)
def _continuous_bernoulli_exponential(p: Any, q: Any) -> Any:
    return -p.entropy() - torch.log(q.rate) + q.rate * p.mean


@register_kl(ContinuousBernoulli, Normal)
def _continuous_bernoulli_normal(p: Any, q: Any) -> Any:
    square = torch.square(q.loc / q.scale)
    constant = 0.5 * (_LOG_2PI + square) + torch.log(q.scale)
    spread = p.variance + torch.square(p.mean) - 2.0 * q.loc * p.mean
    return -p.entropy() + constant + spread / (2.0 * torch.square(q.scale))


@register_kl(ContinuousBernoulli, Uniform)
def _continuous_bernoulli_uniform(p: Any, q: Any) -> Any:
    found = -p.entropy() + (q.high - q.low).log()
    outside = (torch.max(q.low, p.support.lower_bound * torch.ones_like(q.low)) > 0) | (
        torch.min(q.high, p.support.upper_bound * torch.ones_like(q.high)) < 1
    )
    return torch.where(outside, math.inf, found)


# --- from positive numbers --------------------------------------------------------------------


@register_kl(Exponential, Gamma)
def _exponential_gamma(p: Any, q: Any) -> Any:
    ratio = q.rate / p.rate
    powers = q.concentration * ratio.log()
    constant = q.concentration.lgamma() + q.concentration * euler_constant
    return -powers + ratio + constant - (1 + euler_constant)


@register_kl(Exponential, Gumbel)
def _exponential_gumbel(p: Any, q: Any) -> Any:
    product = p.rate * q.scale
    loc = q.loc / q.scale
    first = product.log() - 1
    second = product.reciprocal()
    third = torch.exp(loc) * product / (product + 1)
    return first - loc + second + third


@register_kl(Exponential, Normal)
def _exponential_normal(p: Any, q: Any) -> Any:
    return p.rate.log() - 1 + _against_normal(1 / p.rate, 2 / p.rate.pow(2), q)


@register_kl(Gamma, Exponential)
def _gamma_exponential(p: Any, q: Any) -> Any:
    return -p.entropy() - q.rate.log() + q.rate * p.concentration / p.rate


@register_kl(Gamma, Gumbel)
def _gamma_gumbel(p: Any, q: Any) -> Any:
    product = p.rate * q.scale
    loc = q.loc / q.scale
    c = p.concentration
    first = (c - 1) * c.digamma() - c.lgamma() - c
    second = product.log() + c / product
    third = torch.exp(loc) * (1 + product.reciprocal()).pow(-c) - loc
    return first + second + third


@register_kl(Gamma, Normal)
def _gamma_normal(p: Any, q: Any) -> Any:
    c = p.concentration
    own = p.rate.log() + (c - 1) * c.digamma() - c.lgamma() - c
    return own + _against_normal(c / p.rate, (c + c.pow(2)) / p.rate.pow(2), q)


@register_kl(Pareto, Exponential)
def _pareto_exponential(p: Any, q: Any) -> Any:
    product = p.scale * q.rate
    found = (p.alpha / product).log() - p.alpha.reciprocal() + p.alpha * product / (p.alpha - 1) - 1
    return torch.where(p.alpha <= 1, math.inf, found)


@register_kl(Pareto, Gamma)
def _pareto_gamma(p: Any, q: Any) -> Any:
    mean_log = p.scale.log() + p.alpha.reciprocal()
    own = p.alpha.log() - mean_log
    constant = q.concentration.lgamma() - q.concentration * q.rate.log()
    powers = (1 - q.concentration) * mean_log
    found = own + constant + powers + q.rate * p.alpha * p.scale / (p.alpha - 1) - 1
    return torch.where(p.alpha <= 1, math.inf, found)


@register_kl(Pareto, Normal)
def _pareto_normal(p: Any, q: Any) -> Any:
    variance = 2 * q.scale.pow(2)
    mean = p.scale * p.alpha / (p.alpha - 1)
    own = (math.sqrt(2 * math.pi) * q.scale * p.alpha / p.scale).log() - p.alpha.reciprocal()
    spread = p.alpha * p.scale.pow(2) / (p.alpha - 2) - 2 * q.loc * mean + q.loc.pow(2)
    return torch.where(p.alpha <= 2, math.inf, own + spread / variance - 1)


# --- from numbers of both signs ---------------------------------------------------------------


@register_kl(Gumbel, Normal)
def _gumbel_normal(p: Any, q: Any) -> Any:
    ratio = p.scale / q.scale
    own = (ratio / math.sqrt(2 * math.pi)).log()
    spread = (math.pi * ratio * 0.5).pow(2) / 3
    shift = ((p.loc + p.scale * euler_constant - q.loc) / q.scale).pow(2) * 0.5
    return -own + spread + shift - (euler_constant + 1)


@register_kl(Laplace, Normal)
def _laplace_normal(p: Any, q: Any) -> Any:
    ratio = (p.scale / q.scale).pow(2)
    own = 0.5 * (2 * ratio / math.pi).log()
    shift = ((p.loc - q.loc) / q.scale).pow(2) * 0.5
    return -own + ratio + shift - 1


@register_kl(Normal, Gumbel)
def _normal_gumbel(p: Any, q: Any) -> Any:
    mean = (p.loc - q.loc) / q.scale
    ratio = (p.scale / q.scale).pow(2)
    own = -(math.sqrt(2 * math.pi) * p.scale / q.scale).log() - 0.5
    return mean + torch.exp(-mean + 0.5 * ratio) + own


@register_kl(Normal, Laplace)
def _normal_laplace(p: Any, q: Any) -> Any:
    difference = p.loc - q.loc
    z = difference / p.scale
    near = math.sqrt(2 / math.pi) * p.scale * torch.exp(-0.5 * z.pow(2))
    far = difference * torch.erf(math.sqrt(0.5) * z)
    own = -((math.sqrt(math.pi * 0.5) * p.scale) / q.scale).log() - 0.5
    return (near + far) / q.scale + own


@register_kl(Uniform, Beta)
def _uniform_beta(p: Any, q: Any) -> Any:
    width = p.high - p.low
    a, b = q.concentration1, q.concentration0
    log_x = _xlogx(p.high) - _xlogx(p.low) - width
    log_rest = _xlogx(1 - p.high) - _xlogx(1 - p.low) + width
    constant = a.lgamma() + b.lgamma() - (a + b).lgamma()
    found = -((a - 1) * log_x - (b - 1) * log_rest) / width + constant - width.log()
    outside = (p.high > q.support.upper_bound) | (p.low < q.support.lower_bound)
    return torch.where(outside, math.inf, found)


def _xlogx(x: Any) -> Any:
    return x.xlogy(x)


@register_kl(Uniform, ContinuousBernoulli)
def _uniform_continuous_bernoulli(p: Any, q: Any) -> Any:
    found = -p.entropy() - p.mean * q.logits - torch.log1p(-q.probs) - q._cont_bern_log_norm()
    outside = (p.high > q.support.upper_bound) | (p.low < q.support.lower_bound)
    return torch.where(outside, math.inf, found)


@register_kl(Uniform, Exponential)
def _uniform_exponential(p: Any, q: Any) -> Any:
    found = q.rate * (p.high + p.low) / 2 - ((p.high - p.low) * q.rate).log()
    return torch.where(p.low < q.support.lower_bound, math.inf, found)


@register_kl(Uniform, Gamma)
def _uniform_gamma(p: Any, q: Any) -> Any:
    width = p.high - p.low
    log_x = (_xlogx(p.high) - _xlogx(p.low)) / width - 1
    constant = -q.concentration * q.rate.log() + q.concentration.lgamma()
    found = -width.log() + constant + (1 - q.concentration) * log_x + q.rate * (p.high + p.low) / 2
    return torch.where(p.low < q.support.lower_bound, math.inf, found)


@register_kl(Uniform, Gumbel)
def _uniform_gumbel(p: Any, q: Any) -> Any:
    ratio = q.scale / (p.high - p.low)
    high, low = (p.high - q.loc) / q.scale, (p.low - q.loc) / q.scale
    return ratio.log() + 0.5 * (high + low) - ratio * (torch.exp(-high) - torch.exp(-low))


@register_kl(Uniform, Normal)
def _uniform_normal(p: Any, q: Any) -> Any:
    width = p.high - p.low
    own = (math.sqrt(math.pi * 2) * q.scale / width).log()
    spread = width.pow(2) / 12
    shift = ((p.high + p.low - 2 * q.loc) / 2).pow(2)
    return own + 0.5 * (spread + shift) / q.scale.pow(2)


@register_kl(Uniform, Pareto)
def _uniform_pareto(p: Any, q: Any) -> Any:
    width = p.high - p.low
    log_x = (_xlogx(p.high) - _xlogx(p.low) - width) / width
    found = log_x * (q.alpha + 1) - (q.alpha * q.scale.pow(q.alpha) * width).log()
    return torch.where(p.low < q.support.lower_bound, math.inf, found)
