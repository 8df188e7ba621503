"""The uniform distribution on an interval."""

import math
from numbers import Number
from typing import Any, ClassVar

from typing_extensions import override

from funcgrad.compat.torch.distributions import constraints
from funcgrad.compat.torch.distributions.distribution import Distribution
from funcgrad.compat.torch.distributions.names import torch
from funcgrad.compat.torch.distributions.utils import broadcast_all
from funcgrad.compat.torch.dtypes import Size

__all__ = ["Uniform"]


class Uniform(Distribution):
    """p(x) = 1 / (high − low) on [low, high).

    Args:
        low: the lower end.
        high: the upper end.
        validate_args: as of `Distribution`.
    """

    has_rsample = True
    _fields: ClassVar[dict[str, int]] = {"low": 0, "high": 0}

    def __init__(self, low: Any, high: Any, validate_args: bool | None = None) -> None:
        self.low, self.high = broadcast_all(low, high)
        numbers = isinstance(low, Number) and isinstance(high, Number)
        super().__init__(Size() if numbers else self.low.size(), validate_args=validate_args)

    @property
    @override
    def arg_constraints(self) -> dict[str, Any]:
        return {
            "low": constraints.less_than(self.high),
            "high": constraints.greater_than(self.low),
        }

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        """The interval."""
        return constraints.interval(self.low, self.high)

    @property
    @override
    def mean(self) -> Any:
        return (self.high + self.low) / 2

    @property
    @override
    def mode(self) -> Any:
        return math.nan * self.high

    @property
    @override
    def stddev(self) -> Any:
        return (self.high - self.low) / math.sqrt(12)

    @property
    @override
    def variance(self) -> Any:
        return (self.high - self.low).pow(2) / 12

    @override
    def rsample(self, sample_shape: Any = ()) -> Any:
        share = torch.rand(self._extended_shape(sample_shape), dtype=self.low.dtype)
        return self.low + share * (self.high - self.low)

    @override
    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        inside = self.low.le(value).type_as(self.low) * self.high.gt(value).type_as(self.low)
        return torch.log(inside) - torch.log(self.high - self.low)

    @override
    def cdf(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        return ((value - self.low) / (self.high - self.low)).clamp(min=0, max=1)

    @override
    def icdf(self, value: Any) -> Any:
        return value * (self.high - self.low) + self.low

    @override
    def entropy(self) -> Any:
        return torch.log(self.high - self.low)
