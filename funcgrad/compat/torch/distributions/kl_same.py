"""Divergences of two distributions of one kind."""

import math
from typing import Any

from funcgrad.compat.torch.distributions.bernoulli import Bernoulli
from funcgrad.compat.torch.distributions.beta import Beta
from funcgrad.compat.torch.distributions.binomial import Binomial
from funcgrad.compat.torch.distributions.categorical import Categorical
from funcgrad.compat.torch.distributions.cauchy import Cauchy
from funcgrad.compat.torch.distributions.continuous_bernoulli import ContinuousBernoulli
from funcgrad.compat.torch.distributions.dirichlet import Dirichlet
from funcgrad.compat.torch.distributions.exp_family import ExponentialFamily
from funcgrad.compat.torch.distributions.exponential import Exponential
from funcgrad.compat.torch.distributions.gamma import Gamma
from funcgrad.compat.torch.distributions.geometric import Geometric
from funcgrad.compat.torch.distributions.gumbel import Gumbel
from funcgrad.compat.torch.distributions.half_normal import HalfNormal
from funcgrad.compat.torch.distributions.independent import Independent
from funcgrad.compat.torch.distributions.kl import kl_divergence, register_kl
from funcgrad.compat.torch.distributions.laplace import Laplace
from funcgrad.compat.torch.distributions.lowrank_multivariate_normal import (
    LowRankMultivariateNormal,
)
from funcgrad.compat.torch.distributions.multivariate_normal import (
    MultivariateNormal,
    batch_mahalanobis,
)
from funcgrad.compat.torch.distributions.names import torch
from funcgrad.compat.torch.distributions.normal import Normal
from funcgrad.compat.torch.distributions.one_hot_categorical import OneHotCategorical
from funcgrad.compat.torch.distributions.pareto import Pareto
from funcgrad.compat.torch.distributions.poisson import Poisson
from funcgrad.compat.torch.distributions.transformed_distribution import TransformedDistribution
from funcgrad.compat.torch.distributions.uniform import Uniform
from funcgrad.compat.torch.distributions.utils import _sum_rightmost, euler_constant
from funcgrad.compat.torch.dtypes import Size

__all__: list[str] = []


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p: Any, q: Any) -> Any:
    softplus = torch.nn.functional.softplus
    ones = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    ones = torch.where(q.probs == 0, math.inf, ones)
    ones = torch.where(p.probs == 0, 0, ones)
    zeros = (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))
    zeros = torch.where(q.probs == 1, math.inf, zeros)
    zeros = torch.where(p.probs == 1, 0, zeros)
    return ones + zeros


@register_kl(Beta, Beta)
def _beta(p: Any, q: Any) -> Any:
    p1, p0, q1, q0 = p.concentration1, p.concentration0, q.concentration1, q.concentration0
    p_sum, q_sum = p1 + p0, q1 + q0
    logs = q1.lgamma() + q0.lgamma() + p_sum.lgamma() - (p1.lgamma() + p0.lgamma() + q_sum.lgamma())
    slopes = (p1 - q1) * torch.digamma(p1) + (p0 - q0) * torch.digamma(p0)
    return logs + slopes + (q_sum - p_sum) * torch.digamma(p_sum)


@register_kl(Binomial, Binomial)
def _binomial(p: Any, q: Any) -> Any:
    if (p.total_count < q.total_count).any():
        raise NotImplementedError(
            "KL between Binomials where q.total_count > p.total_count is not implemented"
        )
    kl = p.total_count * (p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p())
    return torch.where(p.total_count > q.total_count, math.inf, kl)


@register_kl(Categorical, Categorical)
def _categorical(p: Any, q: Any) -> Any:
    terms = p.probs * (p.logits - q.logits)
    terms = torch.where((q.probs == 0).expand_as(terms), math.inf, terms)
    terms = torch.where((p.probs == 0).expand_as(terms), 0, terms)
    return terms.sum(-1)


@register_kl(ContinuousBernoulli, ContinuousBernoulli)
def _continuous_bernoulli(p: Any, q: Any) -> Any:
    means = p.mean * (p.logits - q.logits)
    own = p._cont_bern_log_norm() + torch.log1p(-p.probs)
    other = q._cont_bern_log_norm() + torch.log1p(-q.probs)
    return means + own - other


@register_kl(Dirichlet, Dirichlet)
def _dirichlet(p: Any, q: Any) -> Any:
    p_sum, q_sum = p.concentration.sum(-1), q.concentration.sum(-1)
    logs = (p.concentration.lgamma() - q.concentration.lgamma()).sum(-1)
    slopes = p.concentration.digamma() - p_sum.digamma().unsqueeze(-1)
    inner = ((p.concentration - q.concentration) * slopes).sum(-1)
    return p_sum.lgamma() - q_sum.lgamma() - logs + inner


@register_kl(Exponential, Exponential)
def _exponential(p: Any, q: Any) -> Any:
    ratio = q.rate / p.rate
    return -ratio.log() + ratio - 1


@register_kl(ExponentialFamily, ExponentialFamily)
def _exponential_family(p: Any, q: Any) -> Any:
    """Bregman's divergence of the log-normaliser."""
    if type(p) is not type(q):
        raise NotImplementedError(
            "The cross KL-divergence between different exponential families cannot"
            "                             be computed using Bregman divergences"
        )
    own = [one.detach().requires_grad_() for one in p._natural_params]
    others = q._natural_params
    normalizer = p._log_normalizer(*own)
    slopes = torch.autograd.grad(normalizer.sum(), own, create_graph=True)
    result = q._log_normalizer(*others) - normalizer
    for one, other, slope in zip(own, others, slopes, strict=True):
        result = result - _sum_rightmost((other - one) * slope, len(q.event_shape))
    return result


@register_kl(Gamma, Gamma)
def _gamma(p: Any, q: Any) -> Any:
    return (
        q.concentration * (p.rate / q.rate).log()
        + torch.lgamma(q.concentration)
        - torch.lgamma(p.concentration)
        + (p.concentration - q.concentration) * torch.digamma(p.concentration)
        + (q.rate - p.rate) * (p.concentration / p.rate)
    )


@register_kl(Gumbel, Gumbel)
def _gumbel(p: Any, q: Any) -> Any:
    p_loc, q_loc = p.loc / q.scale, q.loc / q.scale
    ratio = p.scale / q.scale
    first = -ratio.log() - q_loc + p_loc
    second = ratio * euler_constant
    third = torch.exp(q_loc + (1 + ratio).lgamma() - p_loc)
    return first + second + third - (1 + euler_constant)


@register_kl(Geometric, Geometric)
def _geometric(p: Any, q: Any) -> Any:
    return -p.entropy() - torch.log1p(-q.probs) / p.probs - q.logits


@register_kl(HalfNormal, HalfNormal)
def _half_normal(p: Any, q: Any) -> Any:
    return _normal(p.base_dist, q.base_dist)


@register_kl(Laplace, Laplace)
def _laplace(p: Any, q: Any) -> Any:
    ratio = p.scale / q.scale
    apart = (p.loc - q.loc).abs()
    return -ratio.log() + apart / q.scale + ratio * torch.exp(-apart / p.scale) - 1


@register_kl(LowRankMultivariateNormal, LowRankMultivariateNormal)
def _lowrank_lowrank(p: Any, q: Any) -> Any:
    _check_events("Low Rank Multivariate Normals", p, q)
    logs = q._log_det() - p._log_det()
    square = _lowrank_square(q, p.loc)
    # tr(Q⁻¹ P) with Woodbury's Q⁻¹ = diag(d)⁻¹ − Aᵀ A.
    scaled = q._scaled_factor()
    a = torch.linalg.solve_triangular(q._capacitance_tril, scaled, upper=False)
    diagonal = (p._unbroadcasted_cov_diag / q._unbroadcasted_cov_diag).sum(-1)
    root = q._unbroadcasted_cov_diag.rsqrt().unsqueeze(-1)
    factor = _squared(p._unbroadcasted_cov_factor * root)
    spread = _squared(a * p._unbroadcasted_cov_diag.sqrt().unsqueeze(-2))
    both = _squared(a.matmul(p._unbroadcasted_cov_factor))
    trace = diagonal + factor - spread - both
    return 0.5 * (logs + trace + square - p.event_shape[0])


def _lowrank_square(q: Any, x: Any) -> Any:
    """(x − loc)ᵀ Σ⁻¹ (x − loc)."""
    difference = x - q.loc
    along = torch.matmul(q._scaled_factor(), difference.unsqueeze(-1)).squeeze(-1)
    square = (difference.pow(2) / q._unbroadcasted_cov_diag).sum(-1)
    return square - batch_mahalanobis(q._capacitance_tril, along)


def _squared(matrix: Any) -> Any:
    """tr(M Mᵀ)."""
    return matrix.pow(2).sum((-1, -2))


def _check_events(names: str, p: Any, q: Any) -> None:
    if p.event_shape != q.event_shape:
        raise ValueError(
            f"KL-divergence between two {names} with                          different event "
            "shapes cannot be computed"
        )


@register_kl(MultivariateNormal, LowRankMultivariateNormal)
def _normal_lowrank(p: Any, q: Any) -> Any:
    _check_events("(Low Rank) Multivariate Normals", p, q)
    logs = q._log_det() - 2 * p._half_log_det()
    square = _lowrank_square(q, p.loc)
    a = torch.linalg.solve_triangular(q._capacitance_tril, q._scaled_factor(), upper=False)
    root = q._unbroadcasted_cov_diag.rsqrt().unsqueeze(-1)
    trace = _squared(p._unbroadcasted_scale_tril * root) - _squared(
        a.matmul(p._unbroadcasted_scale_tril)
    )
    return 0.5 * (logs + trace + square - p.event_shape[0])


@register_kl(LowRankMultivariateNormal, MultivariateNormal)
def _lowrank_normal(p: Any, q: Any) -> Any:
    _check_events("(Low Rank) Multivariate Normals", p, q)
    logs = 2 * q._half_log_det() - p._log_det()
    square = batch_mahalanobis(q._unbroadcasted_scale_tril, q.loc - p.loc)
    shape = Size(torch.broadcast_shapes(q._batch_shape, p._batch_shape))
    n = p.event_shape[0]
    factor = q._unbroadcasted_scale_tril.expand(shape + Size((n, n)))
    of_factor = p.cov_factor.expand(shape + Size((n, p.cov_factor.size(-1))))
    of_diag = torch.diag_embed(p.cov_diag.sqrt()).expand(shape + Size((n, n)))
    trace = _squared(torch.linalg.solve_triangular(factor, of_factor, upper=False)) + _squared(
        torch.linalg.solve_triangular(factor, of_diag, upper=False)
    )
    return 0.5 * (logs + trace + square - n)


@register_kl(MultivariateNormal, MultivariateNormal)
def _multivariate_normal(p: Any, q: Any) -> Any:
    _check_events("Multivariate Normals", p, q)
    shape = Size(torch.broadcast_shapes(q._batch_shape, p._batch_shape))
    n = p.event_shape[0]
    q_factor = q._unbroadcasted_scale_tril.expand(shape + Size((n, n)))
    p_factor = p._unbroadcasted_scale_tril.expand(shape + Size((n, n)))
    trace = _squared(torch.linalg.solve_triangular(q_factor, p_factor, upper=False))
    square = batch_mahalanobis(q._unbroadcasted_scale_tril, q.loc - p.loc)
    return q._half_log_det() - p._half_log_det() + 0.5 * (trace + square - n)


@register_kl(Normal, Normal)
def _normal(p: Any, q: Any) -> Any:
    ratio = (p.scale / q.scale).pow(2)
    square = ((p.loc - q.loc) / q.scale).pow(2)
    return 0.5 * (ratio + square - 1 - ratio.log())


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hot_categorical(p: Any, q: Any) -> Any:
    return _categorical(p._categorical, q._categorical)


@register_kl(Pareto, Pareto)
def _pareto(p: Any, q: Any) -> Any:
    scales, alphas = p.scale / q.scale, q.alpha / p.alpha
    found = q.alpha * scales.log() - alphas.log() + alphas - 1
    return torch.where(p.support.lower_bound < q.support.lower_bound, math.inf, found)


@register_kl(Poisson, Poisson)
def _poisson(p: Any, q: Any) -> Any:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(p: Any, q: Any) -> Any:
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError
    return kl_divergence(p.base_dist, q.base_dist)


@register_kl(Uniform, Uniform)
def _uniform(p: Any, q: Any) -> Any:
    found = ((q.high - q.low) / (p.high - p.low)).log()
    return torch.where((q.low > p.low) | (q.high < p.high), math.inf, found)


@register_kl(Independent, Independent)
def _independent(p: Any, q: Any) -> Any:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError
    return _sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(Cauchy, Cauchy)
def _cauchy(p: Any, q: Any) -> Any:
    """By F. Chyzak and F. Nielsen (2019)."""
    together = ((p.scale + q.scale).pow(2) + (p.loc - q.loc).pow(2)).log()
    return together - (4 * p.scale * q.scale).log()
