"""Gumbel's distribution."""

import math
from numbers import Number
from typing import Any, ClassVar

from typing_extensions import override

from funcgrad.compat.torch.distributions import constraints
from funcgrad.compat.torch.distributions.names import torch
from funcgrad.compat.torch.distributions.transformed_distribution import TransformedDistribution
from funcgrad.compat.torch.distributions.transforms import AffineTransform, ExpTransform
from funcgrad.compat.torch.distributions.uniform import Uniform
from funcgrad.compat.torch.distributions.utils import broadcast_all, euler_constant

__all__ = ["Gumbel"]


class Gumbel(TransformedDistribution):
    """p(x) = exp(−z − exp(−z)) / scale with z = (x − loc) / scale.

    Args:
        loc: the mode.
        scale: the spread.
        validate_args: as of `Distribution`.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {
        "loc": constraints.real,
        "scale": constraints.positive,
    }
    support = constraints.real

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        finfo = torch.finfo(self.loc.dtype)
        low, high = finfo.tiny, 1 - finfo.eps
        if isinstance(loc, Number) and isinstance(scale, Number):
            base = Uniform(low, high, validate_args=validate_args)
        else:
            base = Uniform(
                torch.full_like(self.loc, low),
                torch.full_like(self.loc, high),
                validate_args=validate_args,
            )
        # u ↦ loc − scale log(−log u)
        steps = [
            ExpTransform().inv,
            AffineTransform(loc=0, scale=-torch.ones_like(self.scale)),
            ExpTransform().inv,
            AffineTransform(loc=loc, scale=-self.scale),
        ]
        super().__init__(base, steps, validate_args=validate_args)

    @override
    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(Gumbel, _instance)
        new.loc = self.loc.expand(batch_shape)
        new.scale = self.scale.expand(batch_shape)
        return super().expand(batch_shape, _instance=new)

    @override
    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        y = (self.loc - value) / self.scale
        return (y - y.exp()) - self.scale.log()

    @property
    @override
    def mean(self) -> Any:
        return self.loc + self.scale * euler_constant

    @property
    @override
    def mode(self) -> Any:
        return self.loc

    @property
    @override
    def stddev(self) -> Any:
        return (math.pi / math.sqrt(6)) * self.scale

    @property
    @override
    def variance(self) -> Any:
        return self.stddev.pow(2)

    @override
    def entropy(self) -> Any:
        return self.scale.log() + (1 + euler_constant)
