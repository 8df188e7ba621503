"""The distribution of unit vectors."""

from typing import Any, ClassVar

from typing_extensions import override

from funcgrad.compat.torch.distributions import constraints
from funcgrad.compat.torch.distributions.categorical import Categorical
from funcgrad.compat.torch.distributions.distribution import Distribution
from funcgrad.compat.torch.distributions.names import torch
from funcgrad.compat.torch.dtypes import Size

__all__ = ["OneHotCategorical", "OneHotCategoricalStraightThrough"]


class OneHotCategorical(Distribution):
    """P(eᵢ) = probsᵢ, eᵢ being the unit vectors.

    Args:
        probs: weights along the last axis; they are divided by their sum.
        logits: their logarithms, up to a constant.
        validate_args: as of `Distribution`.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {
        "probs": constraints.simplex,
        "logits": constraints.real_vector,
    }
    support = constraints.one_hot
    has_enumerate_support = True

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        self._categorical = Categorical(probs, logits)
        super().__init__(
            self._categorical.batch_shape,
            self._categorical.param_shape[-1:],
            validate_args=validate_args,
        )

    @override
    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(OneHotCategorical, _instance)
        new._categorical = self._categorical.expand(Size(batch_shape))
        return self._completed(new, batch_shape)

    @property
    def _param(self) -> Any:
        return self._categorical._param

    @property
    def probs(self) -> Any:
        """The probabilities."""
        return self._categorical.probs

    @property
    def logits(self) -> Any:
        """Their logarithms."""
        return self._categorical.logits

    @property
    @override
    def mean(self) -> Any:
        return self._categorical.probs

    @property
    @override
    def mode(self) -> Any:
        return self._one_hot(self._categorical.mode)

    @property
    @override
    def variance(self) -> Any:
        return self._categorical.probs * (1 - self._categorical.probs)

    @property
    def param_shape(self) -> Any:
        """Shape of the parameter."""
        return self._categorical.param_shape

    def _one_hot(self, indices: Any) -> Any:
        probs = self._categorical.probs
        return torch.nn.functional.one_hot(indices, num_classes=self._event_shape[-1]).to(probs)

    @override
    def sample(self, sample_shape: Any = ()) -> Any:
        return self._one_hot(self._categorical.sample(Size(sample_shape)))

    @override
    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        return self._categorical.log_prob(value.max(-1)[1])

    @override
    def entropy(self) -> Any:
        return self._categorical.entropy()

    @override
    def enumerate_support(self, expand: bool = True) -> Any:
        n = self.event_shape[0]
        values = torch.eye(n, dtype=self._param.dtype)
        values = values.view((n,) + (1,) * len(self.batch_shape) + (n,))
        return values.expand((n, *self.batch_shape, n)) if expand else values


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """The same, whose samples have the derivatives of the probabilities.

    See Y. Bengio, N. Léonard, A. Courville, "Estimating or propagating gradients through
    stochastic neurons for conditional computation" (2013).
    """

    has_rsample = True

    @override
    def rsample(self, sample_shape: Any = ()) -> Any:
        samples = self.sample(sample_shape)
        probs = self._categorical.probs
        return samples + (probs - probs.detach())
