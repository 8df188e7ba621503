"""The distribution of f(X)."""

from typing import Any, ClassVar

from funcgrad.compat.torch.distributions import constraints
from funcgrad.compat.torch.distributions.distribution import Distribution
from funcgrad.compat.torch.distributions.independent import Independent
from funcgrad.compat.torch.distributions.names import torch
from funcgrad.compat.torch.distributions.transforms import ComposeTransform, Transform
from funcgrad.compat.torch.distributions.utils import _sum_rightmost
from funcgrad.compat.torch.dtypes import Size

__all__ = ["TransformedDistribution"]


class TransformedDistribution(Distribution):
    """The distribution of Y = f_n(… f_1(X)): p(y) = p(x) / |det ∂f(x)|.

    Args:
        base_distribution: of X.
        transforms: f, or f_1, …, f_n.
        validate_args: as of `Distribution`.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}

    def __init__(
        self, base_distribution: Any, transforms: Any, validate_args: bool | None = None
    ) -> None:
        if isinstance(transforms, Transform):
            self.transforms: list[Any] = [transforms]
        elif isinstance(transforms, list):
            if not all(isinstance(t, Transform) for t in transforms):
                raise ValueError("transforms must be a Transform or a list of Transforms")
            self.transforms = transforms
        else:
            raise ValueError(f"transforms must be a Transform or list, but was {transforms}")
        base_shape = base_distribution.batch_shape + base_distribution.event_shape
        base_event = len(base_distribution.event_shape)
        whole = ComposeTransform(self.transforms)
        if len(base_shape) < whole.domain.event_dim:
            raise ValueError(
                "base_distribution needs to have shape with size at least "
                f"{whole.domain.event_dim}, but got {Size(base_shape)}."
            )
        forward = whole.forward_shape(base_shape)
        expanded = Size(whole.inverse_shape(forward))
        if base_shape != expanded:
            batch = expanded[: len(expanded) - base_event]
            base_distribution = base_distribution.expand(batch)
        missing = whole.domain.event_dim - base_event
        if missing > 0:
            base_distribution = Independent(base_distribution, missing)
        self.base_dist = base_distribution
        grown = whole.codomain.event_dim - whole.domain.event_dim
        event_dim = max(whole.codomain.event_dim, base_event + grown)
        cut = len(forward) - event_dim
        super().__init__(Size(forward[:cut]), Size(forward[cut:]), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same distributions, repeated to a larger batch."""
        new = self._get_checked_instance(TransformedDistribution, _instance)
        new.transforms = self.transforms
        whole = ComposeTransform(self.transforms)
        shape = whole.inverse_shape(Size(batch_shape) + self.event_shape)
        new.base_dist = self.base_dist.expand(shape[: len(shape) - len(self.base_dist.event_shape)])
        return self._completed(new, batch_shape)

    @constraints.dependent_property(is_discrete=False)
    def support(self) -> Any:
        """Where f_n arrives."""
        if not self.transforms:
            return self.base_dist.support
        found = self.transforms[-1].codomain
        missing = len(self.event_shape) - found.event_dim
        return constraints.independent(found, missing) if missing > 0 else found

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]  # computed here
        """Whether X has."""
        return bool(self.base_dist.has_rsample)

    def _mapped(self, x: Any) -> Any:
        for transform in self.transforms:
            x = transform(x)
        return x

    def sample(self, sample_shape: Any = ()) -> Any:
        """Values drawn, without derivative."""
        with torch.no_grad():
            return self._mapped(self.base_dist.sample(sample_shape))

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Values drawn as a differentiable function of the parameters."""
        return self._mapped(self.base_dist.rsample(sample_shape))

    def log_prob(self, value: Any) -> Any:
        """log p(x) − log |det ∂f(x)|."""
        if self._validate_args:
            self._validate_sample(value)
        event_dim = len(self.event_shape)
        y, total = value, 0.0
        for transform in reversed(self.transforms):
            x = transform.inv(y)
            event_dim += transform.domain.event_dim - transform.codomain.event_dim
            total = total - _sum_rightmost(
                transform.log_abs_det_jacobian(x, y), event_dim - transform.domain.event_dim
            )
            y = x
        base = self.base_dist.log_prob(y)
        return total + _sum_rightmost(base, event_dim - len(self.base_dist.event_shape))

    def _monotonize_cdf(self, value: Any) -> Any:
        """P(X ≤ x) or P(X ≥ x), as f rises or falls."""
        sign: Any = 1
        for transform in self.transforms:
            sign = sign * transform.sign
        if isinstance(sign, int) and sign == 1:
            return value
        return sign * (value - 0.5) + 0.5

    def cdf(self, value: Any) -> Any:
        """P(Y ≤ value)."""
        for transform in reversed(self.transforms):
            value = transform.inv(value)
        if self._validate_args:
            self.base_dist._validate_sample(value)
        return self._monotonize_cdf(self.base_dist.cdf(value))

    def icdf(self, value: Any) -> Any:
        """The y with P(Y ≤ y) = value."""
        return self._mapped(self.base_dist.icdf(self._monotonize_cdf(value)))
