"""The distribution of the absolute value of a normal number."""

import math
from typing import Any, ClassVar

from typing_extensions import override

from funcgrad.compat.torch.distributions import constraints
from funcgrad.compat.torch.distributions.names import torch
from funcgrad.compat.torch.distributions.normal import Normal
from funcgrad.compat.torch.distributions.transformed_distribution import TransformedDistribution
from funcgrad.compat.torch.distributions.transforms import AbsTransform

__all__ = ["HalfNormal"]


class HalfNormal(TransformedDistribution):
    """|X|, X being normal with mean 0.

    Args:
        scale: the standard deviation of X.
        validate_args: as of `Distribution`.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {"scale": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    base_dist: Normal

    def __init__(self, scale: Any, validate_args: bool | None = None) -> None:
        base = Normal(0, scale, validate_args=False)
        super().__init__(base, AbsTransform(), validate_args=validate_args)

    @override
    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(HalfNormal, _instance)
        return super().expand(batch_shape, _instance=new)

    @property
    def scale(self) -> Any:
        """The standard deviation of X."""
        return self.base_dist.scale

    @property
    @override
    def mean(self) -> Any:
        return self.scale * math.sqrt(2 / math.pi)

    @property
    @override
    def mode(self) -> Any:
        return torch.zeros_like(self.scale)

    @property
    @override
    def variance(self) -> Any:
        return self.scale.pow(2) * (1 - 2 / math.pi)

    @override
    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        found = self.base_dist.log_prob(value) + math.log(2)
        return torch.where(value >= 0, found, -math.inf)

    @override
    def cdf(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        return 2 * self.base_dist.cdf(value) - 1

    @override
    def icdf(self, value: Any) -> Any:
        return self.base_dist.icdf((value + 1) / 2)

    @override
    def entropy(self) -> Any:
        return self.base_dist.entropy() - math.log(2)
