"""Distributions of the exponential family: exp(⟨η, t(x)⟩ − A(η)) h(x)."""

from typing import Any

from funcgrad.compat.torch.distributions.distribution import Distribution
from funcgrad.compat.torch.distributions.names import torch

__all__ = ["ExponentialFamily"]


class ExponentialFamily(Distribution):
    """A distribution with natural parameters η and log-normaliser A."""

    @property
    def _natural_params(self) -> Any:
        """The natural parameters η."""
        raise NotImplementedError

    def _log_normalizer(self, *natural_params: Any) -> Any:
        """A(η)."""
        raise NotImplementedError

    @property
    def _mean_carrier_measure(self) -> Any:
        """The mean of log h."""
        raise NotImplementedError

    def entropy(self) -> Any:
        """A(η) − ⟨η, ∇A(η)⟩ − E log h."""
        constant = -self._mean_carrier_measure
        naturals = [one.detach().requires_grad_() for one in self._natural_params]
        normalizer = self._log_normalizer(*naturals)
        slopes = torch.autograd.grad(normalizer.sum(), naturals, create_graph=True)
        result = normalizer + constant
        for natural, slope in zip(naturals, slopes, strict=True):
            result = result - (natural * slope).reshape((*self._batch_shape, -1)).sum(-1)
        return result
