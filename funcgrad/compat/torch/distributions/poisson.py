"""Poisson's distribution."""

from numbers import Number
from typing import Any, ClassVar

from typing_extensions import override

from funcgrad.compat.torch.distributions import constraints
from funcgrad.compat.torch.distributions.exp_family import ExponentialFamily
from funcgrad.compat.torch.distributions.names import torch
from funcgrad.compat.torch.distributions.utils import broadcast_all
from funcgrad.compat.torch.dtypes import Size

__all__ = ["Poisson"]


class Poisson(ExponentialFamily):
    """P(k) = rate^k exp(−rate) / k!.

    Args:
        rate: the mean.
        validate_args: as of `Distribution`.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {"rate": constraints.nonnegative}
    support = constraints.nonnegative_integer
    _fields: ClassVar[dict[str, int]] = {"rate": 0}

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        (self.rate,) = broadcast_all(rate)
        shape = Size() if isinstance(rate, Number) else self.rate.size()
        super().__init__(shape, validate_args=validate_args)

    @property
    @override
    def mean(self) -> Any:
        return self.rate

    @property
    @override
    def mode(self) -> Any:
        return self.rate.floor()

    @property
    @override
    def variance(self) -> Any:
        return self.rate

    @override
    def sample(self, sample_shape: Any = ()) -> Any:
        with torch.no_grad():
            return torch.poisson(self.rate.expand(self._extended_shape(sample_shape)))

    @override
    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        rate, value = broadcast_all(self.rate, value)
        return value.xlogy(rate) - rate - (value + 1).lgamma()

    @property
    @override
    def _natural_params(self) -> Any:
        return (torch.log(self.rate),)

    @override
    def _log_normalizer(self, x: Any) -> Any:
        return torch.exp(x)
