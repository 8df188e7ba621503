"""The distribution of unit vectors, relaxed to the simplex."""

from typing import Any, ClassVar

from typing_extensions import override

from funcgrad.compat.torch.distributions import constraints
from funcgrad.compat.torch.distributions.categorical import Categorical
from funcgrad.compat.torch.distributions.distribution import Distribution
from funcgrad.compat.torch.distributions.names import torch
from funcgrad.compat.torch.distributions.transformed_distribution import TransformedDistribution
from funcgrad.compat.torch.distributions.transforms import ExpTransform
from funcgrad.compat.torch.distributions.utils import broadcast_all, clamp_probs
from funcgrad.compat.torch.dtypes import Size

__all__ = ["ExpRelaxedCategorical", "RelaxedOneHotCategorical"]


class ExpRelaxedCategorical(Distribution):
    """The log-softmax of (logits + gumbel noise) / temperature.

    See C. J. Maddison, A. Mnih, Y. W. Teh, "The concrete distribution" (2017), and E. Jang, S. Gu,
    B. Poole, "Categorical reparameterization with Gumbel-softmax" (2017).

    Args:
        temperature: towards 0 the exponentials tend to unit vectors.
        probs: weights along the last axis; they are divided by their sum.
        logits: their logarithms, up to a constant.
        validate_args: as of `Distribution`.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {
        "probs": constraints.simplex,
        "logits": constraints.real_vector,
    }
    support = constraints.real_vector  # of vectors whose exponentials have the sum 1
    has_rsample = True

    def __init__(
        self,
        temperature: Any,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        self._categorical = Categorical(probs, logits)
        self.temperature = temperature
        super().__init__(
            self._categorical.batch_shape,
            self._categorical.param_shape[-1:],
            validate_args=validate_args,
        )

    @override
    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(ExpRelaxedCategorical, _instance)
        new.temperature = self.temperature
        new._categorical = self._categorical.expand(Size(batch_shape))
        return self._completed(new, batch_shape)

    @property
    def _param(self) -> Any:
        return self._categorical._param

    @property
    def logits(self) -> Any:
        """The log-probabilities."""
        return self._categorical.logits

    @property
    def probs(self) -> Any:
        """The probabilities."""
        return self._categorical.probs

    @override
    def rsample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        u = clamp_probs(torch.rand(shape, dtype=self.logits.dtype))
        noise = -((-(u.log())).log())
        scores = (self.logits + noise) / self.temperature
        return scores - scores.logsumexp(dim=-1, keepdim=True)

    @override
    def log_prob(self, value: Any) -> Any:
        n = self._categorical._num_events
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        scale = torch.full_like(self.temperature, float(n)).lgamma() - self.temperature.log().mul(
            -(n - 1)
        )
        score = logits - value.mul(self.temperature)
        return (score - score.logsumexp(dim=-1, keepdim=True)).sum(-1) + scale


class RelaxedOneHotCategorical(TransformedDistribution):
    """The exponential of a vector with the distribution `ExpRelaxedCategorical`.

    Args:
        temperature: towards 0 the vectors tend to unit vectors.
        probs: weights along the last axis; they are divided by their sum.
        logits: their logarithms, up to a constant.
        validate_args: as of `Distribution`.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {
        "probs": constraints.simplex,
        "logits": constraints.real_vector,
    }
    support = constraints.simplex
    has_rsample = True
    base_dist: ExpRelaxedCategorical

    def __init__(
        self,
        temperature: Any,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        base = ExpRelaxedCategorical(temperature, probs, logits, validate_args=validate_args)
        super().__init__(base, ExpTransform(), validate_args=validate_args)

    @override
    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(RelaxedOneHotCategorical, _instance)
        return super().expand(batch_shape, _instance=new)

    @property
    def temperature(self) -> Any:
        """The temperature."""
        return self.base_dist.temperature

    @property
    def logits(self) -> Any:
        """The log-probabilities."""
        return self.base_dist.logits

    @property
    def probs(self) -> Any:
        """The probabilities."""
        return self.base_dist.probs
