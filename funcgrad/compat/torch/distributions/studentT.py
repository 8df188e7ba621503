# ruff: noqa: N999  # PyTorch's name
"""Student's t distribution."""

import math
from typing import Any, ClassVar

from typing_extensions import override

from funcgrad.compat.torch.distributions import constraints
from funcgrad.compat.torch.distributions.chi2 import Chi2
from funcgrad.compat.torch.distributions.distribution import Distribution
from funcgrad.compat.torch.distributions.names import torch
from funcgrad.compat.torch.distributions.utils import _standard_normal, broadcast_all
from funcgrad.compat.torch.dtypes import Size

__all__ = ["StudentT"]


class StudentT(Distribution):
    """loc + scale · X / √(V / df), X being standard normal and V of the distribution χ²(df).

    Args:
        df: the degrees of freedom.
        loc: the median.
        scale: the spread.
        validate_args: as of `Distribution`.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {
        "df": constraints.positive,
        "loc": constraints.real,
        "scale": constraints.positive,
    }
    support = constraints.real
    has_rsample = True

    def __init__(
        self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: bool | None = None
    ) -> None:
        self.df, self.loc, self.scale = broadcast_all(df, loc, scale)
        self._chi2 = Chi2(self.df)
        super().__init__(self.df.size(), validate_args=validate_args)

    @override
    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(StudentT, _instance)
        batch_shape = Size(batch_shape)
        new.df, new.loc, new.scale = (
            one.expand(batch_shape) for one in (self.df, self.loc, self.scale)
        )
        new._chi2 = self._chi2.expand(batch_shape)
        return self._completed(new, batch_shape)

    @property
    @override
    def mean(self) -> Any:
        return torch.where(self.df <= 1, math.nan, self.loc)

    @property
    @override
    def mode(self) -> Any:
        return self.loc

    @property
    @override
    def variance(self) -> Any:
        df = self.df
        found = self.scale.pow(2) * df / (df - 2)
        found = torch.where(df <= 2, math.inf, found)
        return torch.where(df <= 1, math.nan, found)

    @override
    def rsample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        x = _standard_normal(shape, self.df.dtype)
        v = self._chi2.rsample(sample_shape)
        return self.loc + self.scale * (x * torch.rsqrt(v / self.df))

    @override
    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        y = (value - self.loc) / self.scale
        half = 0.5 * (self.df + 1.0)
        normalizer = (
            self.scale.log()
            + 0.5 * self.df.log()
            + 0.5 * math.log(math.pi)
            + torch.lgamma(0.5 * self.df)
            - torch.lgamma(half)
        )
        return -half * torch.log1p(y**2.0 / self.df) - normalizer

    @override
    def entropy(self) -> Any:
        half = 0.5 * (self.df + 1)
        log_beta = torch.lgamma(0.5 * self.df) + math.lgamma(0.5) - torch.lgamma(half)
        slopes = torch.digamma(half) - torch.digamma(0.5 * self.df)
        return self.scale.log() + half * slopes + 0.5 * self.df.log() + log_beta
