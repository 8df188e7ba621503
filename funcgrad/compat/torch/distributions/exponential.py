"""The exponential distribution."""

from numbers import Number
from typing import Any, ClassVar

from typing_extensions import override

from funcgrad.compat.torch.distributions import constraints
from funcgrad.compat.torch.distributions.exp_family import ExponentialFamily
from funcgrad.compat.torch.distributions.names import torch
from funcgrad.compat.torch.distributions.utils import broadcast_all
from funcgrad.compat.torch.dtypes import Size

__all__ = ["Exponential"]


class Exponential(ExponentialFamily):
    """p(x) = rate exp(−rate x) for x ≥ 0.

    Args:
        rate: the reciprocal of the mean.
        validate_args: as of `Distribution`.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {"rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    _mean_carrier_measure = 0
    _fields: ClassVar[dict[str, int]] = {"rate": 0}

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        (self.rate,) = broadcast_all(rate)
        shape = Size() if isinstance(rate, Number) else self.rate.size()
        super().__init__(shape, validate_args=validate_args)

    @property
    @override
    def mean(self) -> Any:
        return self.rate.reciprocal()

    @property
    @override
    def mode(self) -> Any:
        return torch.zeros_like(self.rate)

    @property
    @override
    def stddev(self) -> Any:
        return self.rate.reciprocal()

    @property
    @override
    def variance(self) -> Any:
        return self.rate.pow(-2)

    @override
    def rsample(self, sample_shape: Any = ()) -> Any:
        noise = self.rate.new_empty(self._extended_shape(sample_shape)).exponential_()
        return noise / self.rate

    @override
    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        return self.rate.log() - self.rate * value

    @override
    def cdf(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        return 1 - torch.exp(-self.rate * value)

    @override
    def icdf(self, value: Any) -> Any:
        return -torch.log1p(-value) / self.rate

    @override
    def entropy(self) -> Any:
        return 1.0 - torch.log(self.rate)

    @property
    @override
    def _natural_params(self) -> Any:
        return (-self.rate,)

    @override
    def _log_normalizer(self, x: Any) -> Any:
        return -torch.log(-x)
