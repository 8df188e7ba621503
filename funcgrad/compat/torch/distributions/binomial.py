"""The binomial distribution."""

from typing import Any, ClassVar

from typing_extensions import override

from funcgrad.compat.torch.distributions import constraints
from funcgrad.compat.torch.distributions.names import torch
from funcgrad.compat.torch.distributions.probs_or_logits import ProbsOrLogits
from funcgrad.compat.torch.distributions.utils import broadcast_all, one_of

__all__ = ["Binomial"]


def _above_zero(x: Any) -> Any:
    """max(x, 0), with the derivative 1/2 at 0."""
    return (x.clamp(min=0) + x - x.clamp(max=0)) / 2


class Binomial(ProbsOrLogits):
    """P(k) = n! / (k! (n − k)!) probs^k (1 − probs)^(n − k), n being the total count.

    Args:
        total_count: the number of trials.
        probs: the probability of success in each.
        logits: its log-odds.
        validate_args: as of `Distribution`.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {
        "total_count": constraints.nonnegative_integer,
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    has_enumerate_support = True
    _fields: ClassVar[dict[str, int]] = {"total_count": 0, "probs": 0, "logits": 0}

    def __init__(
        self,
        total_count: Any = 1,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        given = one_of(probs, logits)
        count, param = broadcast_all(total_count, probs if given else logits)
        self.total_count = count.type_as(param)
        self.__dict__["probs" if given else "logits"] = param
        super().__init__(param.size(), validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        """Integers up to the total count."""
        return constraints.integer_interval(0, self.total_count)

    @property
    @override
    def mean(self) -> Any:
        return self.total_count * self.probs

    @property
    @override
    def mode(self) -> Any:
        return ((self.total_count + 1) * self.probs).floor().clamp(max=self.total_count)

    @property
    @override
    def variance(self) -> Any:
        return self.total_count * self.probs * (1 - self.probs)

    @override
    def sample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        with torch.no_grad():
            return torch.binomial(self.total_count.expand(shape), self.probs.expand(shape))

    @override
    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        n, logits = self.total_count, self.logits
        choices = torch.lgamma(value + 1) + torch.lgamma(n - value + 1) - torch.lgamma(n + 1)
        # log(1 + exp(x)) = max(x, 0) + log(1 + exp(−|x|)), which does not overflow.
        normalizer = n * _above_zero(logits) + n * torch.log1p(torch.exp(-torch.abs(logits)))
        return value * logits - choices - normalizer

    def _single_count(self, name: str) -> int:
        n = int(self.total_count.max())
        if not self.total_count.min() == n:
            raise NotImplementedError(f"Inhomogeneous total count not supported by `{name}`.")
        return n

    @override
    def entropy(self) -> Any:
        self._single_count("entropy")
        log_prob = self.log_prob(self.enumerate_support(False))
        return -(torch.exp(log_prob) * log_prob).sum(0)

    @override
    def enumerate_support(self, expand: bool = True) -> Any:
        n = self._single_count("enumerate_support")
        values = torch.arange(1 + n, dtype=self._param.dtype)
        values = values.view((-1,) + (1,) * len(self._batch_shape))
        return values.expand((-1, *self._batch_shape)) if expand else values
