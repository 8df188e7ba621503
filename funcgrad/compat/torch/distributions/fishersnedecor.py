"""Fisher and Snedecor's F distribution."""

import math
from numbers import Number
from typing import Any, ClassVar

from typing_extensions import override

from funcgrad.compat.torch.distributions import constraints
from funcgrad.compat.torch.distributions.distribution import Distribution
from funcgrad.compat.torch.distributions.gamma import Gamma
from funcgrad.compat.torch.distributions.names import torch
from funcgrad.compat.torch.distributions.utils import broadcast_all
from funcgrad.compat.torch.dtypes import Size

__all__ = ["FisherSnedecor"]


class FisherSnedecor(Distribution):
    """(V₁ / df1) / (V₂ / df2), the V being of the distributions χ²(df1) and χ²(df2).

    Args:
        df1: degrees of freedom of the numerator.
        df2: degrees of freedom of the denominator.
        validate_args: as of `Distribution`.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {
        "df1": constraints.positive,
        "df2": constraints.positive,
    }
    support = constraints.positive
    has_rsample = True

    def __init__(self, df1: Any, df2: Any, validate_args: bool | None = None) -> None:
        self.df1, self.df2 = broadcast_all(df1, df2)
        self._gamma1 = Gamma(self.df1 * 0.5, self.df1)
        self._gamma2 = Gamma(self.df2 * 0.5, self.df2)
        numbers = isinstance(df1, Number) and isinstance(df2, Number)
        super().__init__(Size() if numbers else self.df1.size(), validate_args=validate_args)

    @override
    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(FisherSnedecor, _instance)
        batch_shape = Size(batch_shape)
        for name in ("df1", "df2", "_gamma1", "_gamma2"):
            setattr(new, name, getattr(self, name).expand(batch_shape))
        return self._completed(new, batch_shape)

    @property
    @override
    def mean(self) -> Any:
        df2 = torch.where(self.df2 <= 2, math.nan, self.df2)
        return df2 / (df2 - 2)

    @property
    @override
    def mode(self) -> Any:
        mode = (self.df1 - 2) / self.df1 * self.df2 / (self.df2 + 2)
        return torch.where(self.df1 <= 2, math.nan, mode)

    @property
    @override
    def variance(self) -> Any:
        df1 = self.df1
        df2 = torch.where(self.df2 <= 4, math.nan, self.df2)
        above = 2 * df2.pow(2) * (df1 + df2 - 2)
        return above / (df1 * (df2 - 2).pow(2) * (df2 - 4))

    @override
    def rsample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        tiny = torch.finfo(self.df2.dtype).tiny
        x1 = self._gamma1.rsample(sample_shape).view(shape)
        x2 = self._gamma2.rsample(sample_shape).view(shape)
        return (x1 / x2.clamp(min=tiny)).clamp(min=tiny)

    @override
    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        half1, half2, ratio = self.df1 * 0.5, self.df2 * 0.5, self.df1 / self.df2
        log_beta = half1.lgamma() + half2.lgamma() - (half1 + half2).lgamma()
        powers = half1 * ratio.log() + (half1 - 1) * torch.log(value)
        return powers - (half1 + half2) * torch.log1p(ratio * value) - log_beta
