"""Distributions of probabilities that are given as they are, or by their logits."""

from numbers import Number
from typing import Any, ClassVar

from funcgrad.compat.torch.distributions.distribution import Distribution
from funcgrad.compat.torch.distributions.utils import (
    broadcast_all,
    lazy_property,
    logits_to_probs,
    one_of,
    probs_to_logits,
)
from funcgrad.compat.torch.dtypes import Size

__all__ = ["ProbsOrLogits"]


class ProbsOrLogits(Distribution):
    """A distribution with the parameters `probs` and `logits`, one of which is computed if needed.

    Attributes:
        _binary: whether each probability is of one event (with the sigmoid of its logit), or they
            stand along the last axis and have the sum 1.
    """

    _binary = True
    _fields: ClassVar[dict[str, int]] = {"probs": 0, "logits": 0}

    @lazy_property
    def logits(self) -> Any:
        """The log-odds, or log-probabilities."""
        return probs_to_logits(self.probs, is_binary=self._binary)

    @lazy_property
    def probs(self) -> Any:
        """The probabilities."""
        return logits_to_probs(self.logits, is_binary=self._binary)

    @property
    def _param(self) -> Any:
        """The parameter that was given."""
        return self.__dict__["logits" if "logits" in self.__dict__ else "probs"]

    @property
    def param_shape(self) -> Any:
        """Shape of the parameter."""
        return self._param.size()

    def _set_of_one(self, probs: Any, logits: Any) -> Any:
        """Keep the parameter of single events that was given; return its shape."""
        given = one_of(probs, logits)
        param = probs if given else logits
        (tensor,) = broadcast_all(param)
        self.__dict__["probs" if given else "logits"] = tensor
        return Size() if isinstance(param, Number) else tensor.size()

    def _set_of_many(self, probs: Any, logits: Any) -> Any:
        """Keep the normalised parameter of several events that was given; return it."""
        if one_of(probs, logits):
            if probs.dim() < 1:
                raise ValueError("`probs` parameter must be at least one-dimensional.")
            self.probs = probs / probs.sum(-1, keepdim=True)
            return self.probs
        if logits.dim() < 1:
            raise ValueError("`logits` parameter must be at least one-dimensional.")
        self.logits = logits - logits.logsumexp(dim=-1, keepdim=True)
        return self.logits
