"""The distribution of the absolute value of a number with Cauchy's distribution."""

import math
from typing import Any, ClassVar

from typing_extensions import override

from funcgrad.compat.torch.distributions import constraints
from funcgrad.compat.torch.distributions.cauchy import Cauchy
from funcgrad.compat.torch.distributions.names import torch
from funcgrad.compat.torch.distributions.transformed_distribution import TransformedDistribution
from funcgrad.compat.torch.distributions.transforms import AbsTransform

__all__ = ["HalfCauchy"]


class HalfCauchy(TransformedDistribution):
    """|X|, X having Cauchy's distribution with median 0.

    Args:
        scale: that of X.
        validate_args: as of `Distribution`.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {"scale": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    base_dist: Cauchy

    def __init__(self, scale: Any, validate_args: bool | None = None) -> None:
        base = Cauchy(0, scale, validate_args=False)
        super().__init__(base, AbsTransform(), validate_args=validate_args)

    @override
    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(HalfCauchy, _instance)
        return super().expand(batch_shape, _instance=new)

    @property
    def scale(self) -> Any:
        """That of X."""
        return self.base_dist.scale

    @property
    @override
    def mean(self) -> Any:
        return torch.full(self._extended_shape(), math.inf, dtype=self.scale.dtype)

    @property
    @override
    def mode(self) -> Any:
        return torch.zeros_like(self.scale)

    @property
    @override
    def variance(self) -> Any:
        return self.base_dist.variance

    @override
    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        value = torch.as_tensor(value, dtype=self.scale.dtype)
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
