"""The distribution of a number below n."""

import math
from typing import Any, ClassVar

from typing_extensions import override

from funcgrad.compat.torch.distributions import constraints
from funcgrad.compat.torch.distributions.names import torch
from funcgrad.compat.torch.distributions.probs_or_logits import ProbsOrLogits
from funcgrad.compat.torch.dtypes import Size

__all__ = ["Categorical"]


class Categorical(ProbsOrLogits):
    """P(i) = probsᵢ.

    Args:
        probs: weights along the last axis; they are divided by their sum.
        logits: their logarithms, up to a constant.
        validate_args: as of `Distribution`.

    Examples:
        >>> import funcgrad.compat.torch as torch
        >>> Categorical(torch.tensor([1.0, 1.0, 2.0])).probs
        tensor([0.2500, 0.2500, 0.5000])
    """

    arg_constraints: ClassVar[dict[str, Any]] = {
        "probs": constraints.simplex,
        "logits": constraints.real_vector,
    }
    has_enumerate_support = True
    _binary = False
    _fields: ClassVar[dict[str, int]] = {"probs": 1, "logits": 1}

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        shape = self._set_of_many(probs, logits).size()
        self._num_events = shape[-1]
        super().__init__(shape[:-1], validate_args=validate_args)

    @override
    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = super().expand(batch_shape, _instance)
        new._num_events = self._num_events
        return new

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        """Integers below n."""
        return constraints.integer_interval(0, self._num_events - 1)

    @property
    @override
    def mean(self) -> Any:
        return torch.full(self._extended_shape(), math.nan, dtype=self.probs.dtype)

    @property
    @override
    def mode(self) -> Any:
        return self.probs.argmax(dim=-1)

    @property
    @override
    def variance(self) -> Any:
        return torch.full(self._extended_shape(), math.nan, dtype=self.probs.dtype)

    @override
    def sample(self, sample_shape: Any = ()) -> Any:
        if not isinstance(sample_shape, Size):
            sample_shape = Size(sample_shape)
        rows = self.probs.reshape(-1, self._num_events)
        drawn = torch.multinomial(rows, sample_shape.numel(), True).T
        return drawn.reshape(self._extended_shape(sample_shape))

    @override
    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        value, logits = torch.broadcast_tensors(value.long().unsqueeze(-1), self.logits)
        return logits.gather(-1, value[..., :1]).squeeze(-1)

    @override
    def entropy(self) -> Any:
        # Without the infinities of log 0, whose weights are 0.
        logits = torch.clamp(self.logits, min=torch.finfo(self.logits.dtype).min)
        return -(logits * self.probs).sum(-1)

    @override
    def enumerate_support(self, expand: bool = True) -> Any:
        values = torch.arange(self._num_events, dtype=torch.long)
        values = values.view((-1,) + (1,) * len(self._batch_shape))
        return values.expand((-1, *self._batch_shape)) if expand else values
