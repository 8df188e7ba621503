"""The geometric distribution."""

from typing import Any, ClassVar

from typing_extensions import override

from funcgrad.compat.torch.distributions import constraints
from funcgrad.compat.torch.distributions.names import torch
from funcgrad.compat.torch.distributions.probs_or_logits import ProbsOrLogits
from funcgrad.compat.torch.distributions.utils import broadcast_all

__all__ = ["Geometric"]


class Geometric(ProbsOrLogits):
    """P(k) = (1 − probs)^k probs: the number of failures before the first success.

    Args:
        probs: the probability of success, in (0, 1].
        logits: its log-odds.
        validate_args: as of `Distribution`.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer
    _fields: ClassVar[dict[str, int]] = {"probs": 0, "logits": 0}

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        super().__init__(self._set_of_one(probs, logits), validate_args=validate_args)
        if self._validate_args and probs is not None:
            value = self.probs
            valid = value > 0
            if not valid.all():
                raise ValueError(
                    f"Expected parameter probs ({type(value).__name__} of shape "
                    f"{tuple(value.shape)}) of distribution {self!r} to be positive but found "
                    f"invalid values:\n{value[~valid]}"
                )

    @property
    @override
    def mean(self) -> Any:
        return 1.0 / self.probs - 1.0

    @property
    @override
    def mode(self) -> Any:
        return torch.zeros_like(self.probs)

    @property
    @override
    def variance(self) -> Any:
        return (1.0 / self.probs - 1.0) / self.probs

    @override
    def sample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        tiny = torch.finfo(self.probs.dtype).tiny
        with torch.no_grad():
            u = self.probs.new_empty(shape).uniform_(tiny, 1)
            return (u.log() / (-self.probs).log1p()).floor()

    @override
    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        value, probs = broadcast_all(value, self.probs)
        probs = torch.where((probs == 1) & (value == 0), 0, probs)  # not 0 · log 0
        return value * (-probs).log1p() + self.probs.log()

    @override
    def entropy(self) -> Any:
        cross = torch.nn.functional.binary_cross_entropy_with_logits(
            self.logits, self.probs, reduction="none"
        )
        return cross / self.probs
