"""Dirichlet's distribution on the simplex."""

from typing import Any, ClassVar

from typing_extensions import override

from funcgrad.compat.torch.distributions import constraints
from funcgrad.compat.torch.distributions.exp_family import ExponentialFamily
from funcgrad.compat.torch.distributions.names import torch
from funcgrad.compat.torch.standard_gamma import dirichlet_sample

__all__ = ["Dirichlet"]


class Dirichlet(ExponentialFamily):
    """p(x) = Π xᵢ^(cᵢ − 1) Γ(Σ cᵢ) / Π Γ(cᵢ), c being the concentration.

    Args:
        concentration: at least a vector.
        validate_args: as of `Distribution`.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {
        "concentration": constraints.independent(constraints.positive, 1)
    }
    support = constraints.simplex
    has_rsample = True
    _fields: ClassVar[dict[str, int]] = {"concentration": 1}

    def __init__(self, concentration: Any, validate_args: bool | None = None) -> None:
        if concentration.dim() < 1:
            raise ValueError("`concentration` parameter must be at least one-dimensional.")
        self.concentration = concentration
        shape = concentration.shape
        super().__init__(shape[:-1], shape[-1:], validate_args=validate_args)

    @override
    def rsample(self, sample_shape: Any = ()) -> Any:
        return dirichlet_sample(self.concentration.expand(self._extended_shape(sample_shape)))

    @override
    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        c = self.concentration
        powers = torch.xlogy(c - 1.0, value).sum(-1)
        return powers + torch.lgamma(c.sum(-1)) - torch.lgamma(c).sum(-1)

    @property
    @override
    def mean(self) -> Any:
        return self.concentration / self.concentration.sum(-1, True)

    @property
    @override
    def mode(self) -> Any:
        excess = (self.concentration - 1).clamp(min=0.0)
        mode = excess / excess.sum(-1, True)
        in_corners = (self.concentration < 1).all(dim=-1)
        corners = torch.nn.functional.one_hot(mode.argmax(dim=-1), excess.shape[-1]).to(mode)
        return torch.where(in_corners.unsqueeze(-1), corners, mode)

    @property
    @override
    def variance(self) -> Any:
        c = self.concentration
        total = c.sum(-1, True)
        return c * (total - c) / (total.pow(2) * (total + 1))

    @override
    def entropy(self) -> Any:
        c = self.concentration
        total = c.sum(-1)
        logs = torch.lgamma(c).sum(-1) - torch.lgamma(total)
        slopes = (c.size(-1) - total) * torch.digamma(total)
        return logs - slopes - ((c - 1.0) * torch.digamma(c)).sum(-1)

    @property
    @override
    def _natural_params(self) -> Any:
        return (self.concentration,)

    @override
    def _log_normalizer(self, x: Any) -> Any:
        return x.lgamma().sum(-1) - torch.lgamma(x.sum(-1))
