"""The negative binomial distribution."""

from typing import Any, ClassVar

from typing_extensions import override

from funcgrad.compat.torch.distributions import constraints
from funcgrad.compat.torch.distributions.gamma import Gamma
from funcgrad.compat.torch.distributions.names import torch
from funcgrad.compat.torch.distributions.probs_or_logits import ProbsOrLogits
from funcgrad.compat.torch.distributions.utils import broadcast_all, lazy_property, one_of

__all__ = ["NegativeBinomial"]


class NegativeBinomial(ProbsOrLogits):
    """P(k) = Γ(n + k) / (k! Γ(n)) (1 − probs)^n probs^k, n being the total count.

    The number of successes before the n-th failure.

    Args:
        total_count: the number of failures; it need not be whole.
        probs: the probability of success, in [0, 1).
        logits: its log-odds.
        validate_args: as of `Distribution`.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {
        "total_count": constraints.greater_than_eq(0),
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer
    _fields: ClassVar[dict[str, int]] = {"total_count": 0, "probs": 0, "logits": 0}

    def __init__(
        self,
        total_count: Any,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        given = one_of(probs, logits)
        count, param = broadcast_all(total_count, probs if given else logits)
        self.total_count = count.type_as(param)
        self.__dict__["probs" if given else "logits"] = param
        super().__init__(param.size(), validate_args=validate_args)

    @property
    @override
    def mean(self) -> Any:
        return self.total_count * torch.exp(self.logits)

    @property
    @override
    def mode(self) -> Any:
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0.0)

    @property
    @override
    def variance(self) -> Any:
        return self.mean / torch.sigmoid(-self.logits)

    @lazy_property
    def _gamma(self) -> Any:
        """The distribution of the rate of a Poisson number that has this distribution."""
        return Gamma(
            concentration=self.total_count, rate=torch.exp(-self.logits), validate_args=False
        )

    @override
    def sample(self, sample_shape: Any = ()) -> Any:
        with torch.no_grad():
            return torch.poisson(self._gamma.sample(sample_shape=sample_shape))

    @override
    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        n, logits = self.total_count, self.logits
        log_sigmoid = torch.nn.functional.logsigmoid
        powers = n * log_sigmoid(-logits) + value * log_sigmoid(logits)
        choices = -torch.lgamma(n + value) + torch.lgamma(1.0 + value) + torch.lgamma(n)
        return powers - choices.masked_fill(n + value == 0.0, 0.0)
