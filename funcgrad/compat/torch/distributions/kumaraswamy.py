"""Kumaraswamy's distribution."""

import math
from typing import Any, ClassVar

from typing_extensions import override

from funcgrad.compat.torch.distributions import constraints
from funcgrad.compat.torch.distributions.names import torch
from funcgrad.compat.torch.distributions.transformed_distribution import TransformedDistribution
from funcgrad.compat.torch.distributions.transforms import AffineTransform, PowerTransform
from funcgrad.compat.torch.distributions.uniform import Uniform
from funcgrad.compat.torch.distributions.utils import broadcast_all, euler_constant

__all__ = ["Kumaraswamy"]


class Kumaraswamy(TransformedDistribution):
    """P(X ≤ x) = 1 − (1 − xᵃ)ᵇ on [0, 1].

    Args:
        concentration1: a.
        concentration0: b.
        validate_args: as of `Distribution`.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {
        "concentration1": constraints.positive,
        "concentration0": constraints.positive,
    }
    support = constraints.unit_interval
    has_rsample = True

    def __init__(
        self, concentration1: Any, concentration0: Any, validate_args: bool | None = None
    ) -> None:
        self.concentration1, self.concentration0 = broadcast_all(concentration1, concentration0)
        base = Uniform(
            torch.full_like(self.concentration0, 0),
            torch.full_like(self.concentration0, 1),
            validate_args=validate_args,
        )
        # u ↦ (1 − u^(1 / b))^(1 / a)
        steps = [
            PowerTransform(exponent=self.concentration0.reciprocal()),
            AffineTransform(loc=1.0, scale=-1.0),
            PowerTransform(exponent=self.concentration1.reciprocal()),
        ]
        super().__init__(base, steps, validate_args=validate_args)

    @override
    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(Kumaraswamy, _instance)
        new.concentration1 = self.concentration1.expand(batch_shape)
        new.concentration0 = self.concentration0.expand(batch_shape)
        return super().expand(batch_shape, _instance=new)

    def _moment(self, power: int) -> Any:
        """b B(1 + power / a, b)."""
        b, first = self.concentration0, 1 + power / self.concentration1
        return b * (first.lgamma() + b.lgamma() - (first + b).lgamma()).exp()

    @property
    @override
    def mean(self) -> Any:
        return self._moment(1)

    @property
    @override
    def mode(self) -> Any:
        a, b = self.concentration1, self.concentration0
        # PyTorch's formula: nan but for b = 1.
        log_mode = b.reciprocal() * (-b).log1p() - (-b * a).log1p()
        log_mode = torch.where((b < 1) | (a < 1), math.nan, log_mode)
        return log_mode.exp()

    @property
    @override
    def variance(self) -> Any:
        return self._moment(2) - self._moment(1).pow(2)

    @override
    def entropy(self) -> Any:
        a, b = self.concentration1, self.concentration0
        harmonic = torch.digamma(b + 1) + euler_constant
        return (1 - b.reciprocal()) + (1 - a.reciprocal()) * harmonic - a.log() - b.log()
