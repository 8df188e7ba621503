"""The multinomial distribution."""

import math
from typing import Any, ClassVar

from typing_extensions import override

from funcgrad.compat.torch.distributions import constraints
from funcgrad.compat.torch.distributions.binomial import Binomial
from funcgrad.compat.torch.distributions.categorical import Categorical
from funcgrad.compat.torch.distributions.distribution import Distribution
from funcgrad.compat.torch.distributions.names import torch
from funcgrad.compat.torch.distributions.utils import broadcast_all
from funcgrad.compat.torch.dtypes import Size

__all__ = ["Multinomial"]


class Multinomial(Distribution):
    """P(k) = n! Π probsᵢ^kᵢ / kᵢ!, n = Σ kᵢ being the total count.

    Args:
        total_count: the number of draws.
        probs: weights along the last axis; they are divided by their sum.
        logits: their logarithms, up to a constant.
        validate_args: as of `Distribution`.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {
        "probs": constraints.simplex,
        "logits": constraints.real_vector,
    }
    total_count: int

    def __init__(
        self,
        total_count: int = 1,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        self.total_count = total_count
        self._categorical = Categorical(probs=probs, logits=logits)
        self._binomial = Binomial(total_count=total_count, probs=self.probs)
        super().__init__(
            self._categorical.batch_shape,
            self._categorical.param_shape[-1:],
            validate_args=validate_args,
        )

    @override
    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(Multinomial, _instance)
        new.total_count = self.total_count
        new._categorical = self._categorical.expand(Size(batch_shape))
        new._binomial = self._binomial.expand(Size(batch_shape) + self.event_shape)
        return self._completed(new, batch_shape)

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self) -> Any:
        """Vectors of counts."""
        return constraints.multinomial(self.total_count)

    @property
    def logits(self) -> Any:
        """The log-probabilities."""
        return self._categorical.logits

    @property
    def probs(self) -> Any:
        """The probabilities."""
        return self._categorical.probs

    @property
    def param_shape(self) -> Any:
        """Shape of the parameter."""
        return self._categorical.param_shape

    @property
    @override
    def mean(self) -> Any:
        return self.probs * self.total_count

    @property
    @override
    def variance(self) -> Any:
        return self.total_count * self.probs * (1 - self.probs)

    @override
    def sample(self, sample_shape: Any = ()) -> Any:
        sample_shape = Size(sample_shape)
        draws = self._categorical.sample(Size((self.total_count,)) + sample_shape)
        draws = draws.permute(*range(1, draws.dim()), 0)  # the draws last
        counts = draws.new_zeros(self._extended_shape(sample_shape))
        counts = counts.scatter_add(-1, draws, torch.ones_like(draws))
        return counts.type_as(self.probs)

    @override
    def entropy(self) -> Any:
        n = torch.tensor(self.total_count)
        first = n * self._categorical.entropy() - torch.lgamma(n + 1)
        counts = self._binomial.enumerate_support(expand=False)[1:]
        chances = torch.exp(self._binomial.log_prob(counts))
        return first + (chances * torch.lgamma(counts + 1)).sum([0, -1])

    @override
    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        logits = torch.where((value == 0) & (logits == -math.inf), 0, logits)  # not 0 · log 0
        choices = torch.lgamma(value.sum(-1) + 1) - torch.lgamma(value + 1).sum(-1)
        return choices + (logits * value).sum(-1)
