"""Mixtures of distributions of one kind."""

from typing import Any, ClassVar

from typing_extensions import override

from funcgrad.compat.torch.distributions import constraints
from funcgrad.compat.torch.distributions.categorical import Categorical
from funcgrad.compat.torch.distributions.distribution import Distribution
from funcgrad.compat.torch.distributions.names import torch
from funcgrad.compat.torch.dtypes import Size

__all__ = ["MixtureSameFamily"]


class MixtureSameFamily(Distribution):
    """p(x) = Σ wᵢ pᵢ(x).

    Args:
        mixture_distribution: the weights, a `Categorical`.
        component_distribution: the pᵢ, along its last batch axis.
        validate_args: as of `Distribution`.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}
    has_rsample = False

    def __init__(
        self,
        mixture_distribution: Any,
        component_distribution: Any,
        validate_args: bool | None = None,
    ) -> None:
        if not isinstance(mixture_distribution, Categorical):
            raise ValueError(  # PyTorch's
                " The Mixture distribution needs to be an  instance of "
                "torch.distributions.Categorical"
            )
        if not isinstance(component_distribution, Distribution):
            raise ValueError(  # PyTorch's
                "The Component distribution needs to be an instance of "
                "torch.distributions.Distribution"
            )
        self._mixture_distribution = mixture_distribution
        self._component_distribution = component_distribution
        own = mixture_distribution.batch_shape
        components = component_distribution.batch_shape[:-1]
        for one, other in zip(own[::-1], components[::-1], strict=False):
            if one != 1 and other not in (1, one):
                raise ValueError(
                    f"`mixture_distribution.batch_shape` ({own}) is not compatible with "
                    f"`component_distribution.batch_shape`({components})"
                )
        weights = mixture_distribution.logits.shape[-1]
        count = component_distribution.batch_shape[-1]
        if weights is not None and count is not None and weights != count:
            raise ValueError(
                f"`mixture_distribution component` ({weights}) does not equal "
                f"`component_distribution.batch_shape[-1]` ({count})"
            )
        self._num_component = weights
        event_shape = component_distribution.event_shape
        self._event_ndims = len(event_shape)
        super().__init__(components, event_shape, validate_args=validate_args)

    @override
    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        batch_shape = Size(batch_shape)
        new = self._get_checked_instance(MixtureSameFamily, _instance)
        new._component_distribution = self._component_distribution.expand(
            batch_shape + Size((self._num_component,))
        )
        new._mixture_distribution = self._mixture_distribution.expand(batch_shape)
        new._num_component = self._num_component
        new._event_ndims = self._event_ndims
        return self._completed(new, batch_shape)

    @constraints.dependent_property
    def support(self) -> Any:
        """That of the components."""
        return constraints.MixtureSameFamilyConstraint(self._component_distribution.support)

    @property
    def mixture_distribution(self) -> Any:
        """The weights."""
        return self._mixture_distribution

    @property
    def component_distribution(self) -> Any:
        """The components."""
        return self._component_distribution

    @property
    @override
    def mean(self) -> Any:
        weights = self._pad_mixture_dimensions(self.mixture_distribution.probs)
        return (weights * self.component_distribution.mean).sum(-1 - self._event_ndims)

    @property
    @override
    def variance(self) -> Any:
        axis = -1 - self._event_ndims
        weights = self._pad_mixture_dimensions(self.mixture_distribution.probs)
        inside = (weights * self.component_distribution.variance).sum(axis)
        apart = (self.component_distribution.mean - self._pad(self.mean)).pow(2.0)
        return inside + (weights * apart).sum(axis)

    @override
    def cdf(self, x: Any) -> Any:
        found = self.component_distribution.cdf(self._pad(x))
        return (found * self.mixture_distribution.probs).sum(-1)

    @override
    def log_prob(self, x: Any) -> Any:
        if self._validate_args:
            self._validate_sample(x)
        found = self.component_distribution.log_prob(self._pad(x))
        weights = torch.log_softmax(self.mixture_distribution.logits, dim=-1)
        return torch.logsumexp(found + weights, dim=-1)

    @override
    def sample(self, sample_shape: Any = ()) -> Any:
        with torch.no_grad():
            axis = len(sample_shape) + len(self.batch_shape)
            event = self.event_shape
            chosen = self.mixture_distribution.sample(sample_shape)
            samples = self.component_distribution.sample(sample_shape)
            chosen = chosen.reshape(chosen.shape + Size([1] * (len(event) + 1)))
            chosen = chosen.repeat(
                Size([1] * len(chosen.shape[: -len(event) - 1])) + Size([1]) + event
            )
            return torch.gather(samples, axis, chosen).squeeze(axis)

    def _pad(self, x: Any) -> Any:
        return x.unsqueeze(-1 - self._event_ndims)

    def _pad_mixture_dimensions(self, x: Any) -> Any:
        """Weights with axes for the batch and the event."""
        missing = len(self.batch_shape) - len(self.mixture_distribution.batch_shape)
        return x.reshape((1,) * missing + tuple(x.shape) + (1,) * self._event_ndims)

    @override
    def __repr__(self) -> str:
        return (
            f"MixtureSameFamily(\n  {self.mixture_distribution},\n  {self.component_distribution})"
        )
