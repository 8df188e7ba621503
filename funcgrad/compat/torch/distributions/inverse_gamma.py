"""The distribution of the reciprocal of a gamma number."""

import math
from typing import Any, ClassVar

from typing_extensions import override

from funcgrad.compat.torch.distributions import constraints
from funcgrad.compat.torch.distributions.gamma import Gamma
from funcgrad.compat.torch.distributions.names import torch
from funcgrad.compat.torch.distributions.transformed_distribution import TransformedDistribution
from funcgrad.compat.torch.distributions.transforms import PowerTransform

__all__ = ["InverseGamma"]


class InverseGamma(TransformedDistribution):
    """1 / X, X having a gamma distribution.

    Args:
        concentration: that of X.
        rate: that of X.
        validate_args: as of `Distribution`.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {
        "concentration": constraints.positive,
        "rate": constraints.positive,
    }
    support = constraints.positive
    has_rsample = True
    base_dist: Gamma

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        base = Gamma(concentration, rate, validate_args=validate_args)
        power = PowerTransform(-base.rate.new_ones(()))
        super().__init__(base, power, validate_args=validate_args)

    @override
    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(InverseGamma, _instance)
        return super().expand(batch_shape, _instance=new)

    @property
    def concentration(self) -> Any:
        """That of X."""
        return self.base_dist.concentration

    @property
    def rate(self) -> Any:
        """That of X."""
        return self.base_dist.rate

    @property
    @override
    def mean(self) -> Any:
        mean = self.rate / (self.concentration - 1)
        return torch.where(self.concentration > 1, mean, math.inf)

    @property
    @override
    def mode(self) -> Any:
        return self.rate / (self.concentration + 1)

    @property
    @override
    def variance(self) -> Any:
        c = self.concentration
        found = self.rate.square() / ((c - 1).square() * (c - 2))
        return torch.where(c > 2, found, math.inf)

    @override
    def entropy(self) -> Any:
        c = self.concentration
        return c + self.rate.log() + c.lgamma() - (1 + c) * c.digamma()
