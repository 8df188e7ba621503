"""The gamma distribution."""

from numbers import Number
from typing import Any, ClassVar

from typing_extensions import override

from funcgrad.compat.torch.distributions import constraints
from funcgrad.compat.torch.distributions.exp_family import ExponentialFamily
from funcgrad.compat.torch.distributions.names import torch
from funcgrad.compat.torch.distributions.utils import broadcast_all
from funcgrad.compat.torch.dtypes import Size
from funcgrad.core.tracer import Tracer

__all__ = ["Gamma"]


def _kept_above_zero(value: Any) -> Any:
    """Values that are no less than the smallest normal number, with the same derivatives."""
    tiny = torch.finfo(value.dtype).tiny
    small = value.detach() < tiny
    if not isinstance(value._value, Tracer) and not small.any():
        return value
    return torch.where(small, tiny + (value - value.detach()), value)


class Gamma(ExponentialFamily):
    """p(x) = rate^c x^(c − 1) exp(−rate x) / Γ(c) for x ≥ 0, c being the concentration.

    Args:
        concentration: the shape c.
        rate: the reciprocal of the scale.
        validate_args: as of `Distribution`.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {
        "concentration": constraints.positive,
        "rate": constraints.positive,
    }
    support = constraints.nonnegative
    has_rsample = True
    _mean_carrier_measure = 0
    _fields: ClassVar[dict[str, int]] = {"concentration": 0, "rate": 0}

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        self.concentration, self.rate = broadcast_all(concentration, rate)
        numbers = isinstance(concentration, Number) and isinstance(rate, Number)
        shape = Size() if numbers else self.concentration.size()
        super().__init__(shape, validate_args=validate_args)

    @property
    @override
    def mean(self) -> Any:
        return self.concentration / self.rate

    @property
    @override
    def mode(self) -> Any:
        return ((self.concentration - 1) / self.rate).clamp(min=0)

    @property
    @override
    def variance(self) -> Any:
        return self.concentration / self.rate.pow(2)

    @override
    def rsample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        standard = torch._standard_gamma(self.concentration.expand(shape))
        value = standard / self.rate.expand(shape)
        return _kept_above_zero(value)

    @override
    def log_prob(self, value: Any) -> Any:
        value = torch.as_tensor(value, dtype=self.rate.dtype)
        if self._validate_args:
            self._validate_sample(value)
        c, rate = self.concentration, self.rate
        return torch.xlogy(c, rate) + torch.xlogy(c - 1, value) - rate * value - torch.lgamma(c)

    @override
    def cdf(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        return torch.special.gammainc(self.concentration, self.rate * value)

    @override
    def entropy(self) -> Any:
        c = self.concentration
        return c - torch.log(self.rate) + torch.lgamma(c) + (1.0 - c) * torch.digamma(c)

    @property
    @override
    def _natural_params(self) -> Any:
        return self.concentration - 1, -self.rate

    @override
    def _log_normalizer(self, x: Any, y: Any) -> Any:
        return torch.lgamma(x + 1) + (x + 1) * torch.log(-y.reciprocal())
