"""Bernoulli's density, normalised on [0, 1]."""

import math
from typing import Any, ClassVar

from typing_extensions import override

from funcgrad.compat.torch.distributions import constraints
from funcgrad.compat.torch.distributions.exp_family import ExponentialFamily
from funcgrad.compat.torch.distributions.names import torch
from funcgrad.compat.torch.distributions.probs_or_logits import ProbsOrLogits
from funcgrad.compat.torch.distributions.utils import (
    broadcast_all,
    clamp_probs,
    lazy_property,
    logits_to_probs,
)

__all__ = ["ContinuousBernoulli"]


class ContinuousBernoulli(ProbsOrLogits, ExponentialFamily):
    """p(x) ∝ probs^x (1 − probs)^(1 − x) on [0, 1].

    Close to probs = 1/2 the formulas are 0/0, and series take their place.

    Args:
        probs: the parameter, in (0, 1).
        logits: its log-odds.
        lims: between these series are used.
        validate_args: as of `Distribution`.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    support = constraints.unit_interval
    has_rsample = True
    _mean_carrier_measure = 0
    _fields: ClassVar[dict[str, int]] = {"probs": 0, "logits": 0}

    def __init__(
        self,
        probs: Any = None,
        logits: Any = None,
        lims: tuple[float, float] = (0.499, 0.501),
        validate_args: bool | None = None,
    ) -> None:
        shape = self._set_of_one(probs, logits)
        if probs is not None:
            checked = validate_args is not None and validate_args
            if checked and not self.arg_constraints["probs"].check(self.probs).all():
                raise ValueError("The parameter probs has invalid values")
            self.probs = clamp_probs(self.probs)
        self._lims = lims
        super().__init__(shape, validate_args=validate_args)

    @override
    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = super().expand(batch_shape, _instance)
        new._lims = self._lims
        return new

    @lazy_property
    def probs(self) -> Any:
        """The parameter, inside of (0, 1)."""
        return clamp_probs(logits_to_probs(self.logits, is_binary=True))

    def _outside_unstable_region(self) -> Any:
        return (self.probs <= self._lims[0]) | (self.probs > self._lims[1])

    def _cut_probs(self) -> Any:
        """The parameter outside of the unstable region, and its lower end inside."""
        return torch.where(
            self._outside_unstable_region(),
            self.probs,
            self._lims[0] * torch.ones_like(self.probs),
        )

    def _or_series(self, formula: Any, series: Any) -> Any:
        return torch.where(self._outside_unstable_region(), formula, series)

    def _cont_bern_log_norm(self) -> Any:
        """The logarithm of the constant: 2 artanh(1 − 2 p) / (1 − 2 p)."""
        p = self._cut_probs()
        below = torch.where(p <= 0.5, p, torch.zeros_like(p))
        above = torch.where(p >= 0.5, p, torch.ones_like(p))
        log_norm = torch.log(torch.abs(torch.log1p(-p) - torch.log(p))) - torch.where(
            p <= 0.5, torch.log1p(-2.0 * below), torch.log(2.0 * above - 1.0)
        )
        square = torch.pow(self.probs - 0.5, 2)
        series = math.log(2.0) + (4.0 / 3.0 + 104.0 / 45.0 * square) * square
        return self._or_series(log_norm, series)

    @property
    @override
    def mean(self) -> Any:
        p = self._cut_probs()
        mean = p / (2.0 * p - 1.0) + 1.0 / (torch.log1p(-p) - torch.log(p))
        x = self.probs - 0.5
        return self._or_series(mean, 0.5 + (1.0 / 3.0 + 16.0 / 45.0 * torch.pow(x, 2)) * x)

    @property
    @override
    def stddev(self) -> Any:
        return torch.sqrt(self.variance)

    @property
    @override
    def variance(self) -> Any:
        p = self._cut_probs()
        variance = p * (p - 1.0) / torch.pow(1.0 - 2.0 * p, 2) + 1.0 / torch.pow(
            torch.log1p(-p) - torch.log(p), 2
        )
        square = torch.pow(self.probs - 0.5, 2)
        return self._or_series(
            variance, 1.0 / 12.0 - (1.0 / 15.0 - 128.0 / 945.0 * square) * square
        )

    @override
    def sample(self, sample_shape: Any = ()) -> Any:
        with torch.no_grad():
            return self.rsample(sample_shape)

    @override
    def rsample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        return self.icdf(torch.rand(shape, dtype=self.probs.dtype))

    @override
    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        return (
            -torch.nn.functional.binary_cross_entropy_with_logits(logits, value, reduction="none")
            + self._cont_bern_log_norm()
        )

    @override
    def cdf(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        p = self._cut_probs()
        powers = torch.pow(p, value) * torch.pow(1.0 - p, 1.0 - value)
        inside = self._or_series((powers + p - 1.0) / (2.0 * p - 1.0), value)
        upper = torch.where(torch.ge(value, 1.0), torch.ones_like(value), inside)
        return torch.where(torch.le(value, 0.0), torch.zeros_like(value), upper)

    @override
    def icdf(self, value: Any) -> Any:
        p = self._cut_probs()
        return self._or_series(
            (torch.log1p(-p + value * (2.0 * p - 1.0)) - torch.log1p(-p))
            / (torch.log(p) - torch.log1p(-p)),
            value,
        )

    @override
    def entropy(self) -> Any:
        log_0, log_1 = torch.log1p(-self.probs), torch.log(self.probs)
        return self.mean * (log_0 - log_1) - self._cont_bern_log_norm() - log_0

    @property
    @override
    def _natural_params(self) -> Any:
        return (self.logits,)

    @override
    def _log_normalizer(self, x: Any) -> Any:
        """log((eˣ − 1) / x)."""
        outside = (x <= self._lims[0] - 0.5) | (x > self._lims[1] - 0.5)
        cut = torch.where(outside, x, (self._lims[0] - 0.5) * torch.ones_like(x))
        log_norm = torch.log(torch.abs(torch.exp(cut) - 1.0)) - torch.log(torch.abs(cut))
        series = 0.5 * x + torch.pow(x, 2) / 24.0 - torch.pow(x, 4) / 2880.0
        return torch.where(outside, log_norm, series)
