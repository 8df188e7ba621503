"""The generalised Pareto distribution."""

import math
from numbers import Number
from typing import Any, ClassVar

from typing_extensions import override

from funcgrad.compat.torch.distributions import constraints
from funcgrad.compat.torch.distributions.distribution import Distribution
from funcgrad.compat.torch.distributions.names import torch
from funcgrad.compat.torch.distributions.utils import broadcast_all
from funcgrad.compat.torch.dtypes import Size

__all__ = ["GeneralizedPareto"]


class GeneralizedPareto(Distribution):
    """P(X > x) = (1 + ξ z)^(−1 / ξ) with z = (x − loc) / scale; exp(−z) for ξ = 0.

    Args:
        loc: the smallest value.
        scale: the spread.
        concentration: the shape ξ.
        validate_args: as of `Distribution`.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {
        "loc": constraints.real,
        "scale": constraints.positive,
        "concentration": constraints.real,
    }
    has_rsample = True
    _fields: ClassVar[dict[str, int]] = {"loc": 0, "scale": 0, "concentration": 0}

    def __init__(
        self, loc: Any, scale: Any, concentration: Any, validate_args: bool | None = None
    ) -> None:
        self.loc, self.scale, self.concentration = broadcast_all(loc, scale, concentration)
        numbers = all(isinstance(one, Number) for one in (loc, scale, concentration))
        super().__init__(Size() if numbers else self.loc.size(), validate_args=validate_args)

    def _is_zero(self) -> Any:
        return torch.isclose(self.concentration, torch.tensor(0.0, dtype=self.concentration.dtype))

    def _safe(self) -> Any:
        """The shape where it is not 0."""
        return torch.where(self._is_zero(), torch.ones_like(self.concentration), self.concentration)

    def _z(self, x: Any) -> Any:
        return (x - self.loc) / self.scale

    @override
    def rsample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        return self.icdf(torch.rand(shape, dtype=self.loc.dtype))

    @override
    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        z, safe = self._z(value), self._safe()
        power = 1 / safe + torch.ones_like(z)
        found = torch.where(power == 0, power, power * torch.log1p(safe * z))
        return -self.scale.log() - torch.where(self._is_zero(), z, found)

    def log_survival_function(self, value: Any) -> Any:
        """log P(X > value)."""
        if self._validate_args:
            self._validate_sample(value)
        z, safe = self._z(value), self._safe()
        return torch.where(self._is_zero(), -z, -torch.log1p(safe * z) / safe)

    def log_cdf(self, value: Any) -> Any:
        """log P(X ≤ value)."""
        if self._validate_args:
            self._validate_sample(value)
        return torch.log1p(-torch.exp(self.log_survival_function(value)))

    @override
    def cdf(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        return torch.exp(self.log_cdf(value))

    @override
    def icdf(self, value: Any) -> Any:
        safe = self._safe()
        logs = torch.log1p(-value)
        powers = self.loc + self.scale / safe * torch.expm1(-safe * logs)
        return torch.where(self._is_zero(), self.loc - self.scale * logs, powers)

    @property
    @override
    def mean(self) -> Any:
        c = self.concentration
        exists = c < 1
        safe = torch.where(exists, c, 0.5)
        return torch.where(exists, self.loc + self.scale / (1 - safe), math.nan)

    @property
    @override
    def variance(self) -> Any:
        c = self.concentration
        exists = c < 0.5
        safe = torch.where(exists, c, 0.25)
        found = self.scale**2 / ((1 - safe) ** 2 * (1 - 2 * safe))
        return torch.where(exists, found, math.nan)

    @override
    def entropy(self) -> Any:
        return (torch.log(self.scale) + self.concentration + 1).expand(self._batch_shape)

    @property
    @override
    def mode(self) -> Any:
        return self.loc

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        """From loc on; up to loc − scale / ξ where ξ < 0."""
        end = torch.where(
            self.concentration < 0, self.loc - self.scale / self.concentration, math.inf
        )
        return constraints.interval(self.loc, end)
