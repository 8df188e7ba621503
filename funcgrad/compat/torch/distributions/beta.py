"""The beta distribution."""

from numbers import Number
from typing import Any, ClassVar

from typing_extensions import override

from funcgrad.compat.torch.distributions import constraints
from funcgrad.compat.torch.distributions.dirichlet import Dirichlet
from funcgrad.compat.torch.distributions.exp_family import ExponentialFamily
from funcgrad.compat.torch.distributions.names import torch
from funcgrad.compat.torch.distributions.utils import broadcast_all
from funcgrad.compat.torch.dtypes import Size

__all__ = ["Beta"]


class Beta(ExponentialFamily):
    """p(x) = x^(a − 1) (1 − x)^(b − 1) / B(a, b) on [0, 1].

    Args:
        concentration1: a.
        concentration0: b.
        validate_args: as of `Distribution`.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {
        "concentration1": constraints.positive,
        "concentration0": constraints.positive,
    }
    support = constraints.unit_interval
    has_rsample = True

    def __init__(
        self, concentration1: Any, concentration0: Any, validate_args: bool | None = None
    ) -> None:
        if isinstance(concentration1, Number) and isinstance(concentration0, Number):
            numbers: Any = (concentration1, concentration0)
            both = torch.tensor([float(one) for one in numbers])
        else:
            both = torch.stack(broadcast_all(concentration1, concentration0), -1)
        self._dirichlet = Dirichlet(both, validate_args=validate_args)
        super().__init__(self._dirichlet._batch_shape, validate_args=validate_args)

    @override
    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(Beta, _instance)
        new._dirichlet = self._dirichlet.expand(Size(batch_shape))
        return self._completed(new, batch_shape)

    @property
    def concentration1(self) -> Any:
        """The exponent of x, and 1."""
        return self._dirichlet.concentration[..., 0]

    @property
    def concentration0(self) -> Any:
        """The exponent of 1 − x, and 1."""
        return self._dirichlet.concentration[..., 1]

    @property
    @override
    def mean(self) -> Any:
        return self.concentration1 / (self.concentration1 + self.concentration0)

    @property
    @override
    def mode(self) -> Any:
        return self._dirichlet.mode[..., 0]

    @property
    @override
    def variance(self) -> Any:
        total = self.concentration1 + self.concentration0
        return self.concentration1 * self.concentration0 / (total.pow(2) * (total + 1))

    @override
    def rsample(self, sample_shape: Any = ()) -> Any:
        return self._dirichlet.rsample(sample_shape).select(-1, 0)

    @override
    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        return self._dirichlet.log_prob(torch.stack([value, 1.0 - value], -1))

    @override
    def entropy(self) -> Any:
        return self._dirichlet.entropy()

    @property
    @override
    def _natural_params(self) -> Any:
        return self.concentration1, self.concentration0

    @override
    def _log_normalizer(self, x: Any, y: Any) -> Any:
        return torch.lgamma(x) + torch.lgamma(y) - torch.lgamma(x + y)
