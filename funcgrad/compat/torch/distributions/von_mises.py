"""Von Mises' distribution on the circle."""

import math
from typing import Any, ClassVar

from typing_extensions import override

from funcgrad.compat.torch.distributions import constraints
from funcgrad.compat.torch.distributions.distribution import Distribution
from funcgrad.compat.torch.distributions.names import torch
from funcgrad.compat.torch.distributions.utils import broadcast_all, lazy_property

__all__ = ["VonMises"]


def _log_bessel(x: Any, order: int) -> Any:
    """log of the modified Bessel function of order 0 or 1."""
    scaled = torch.special.i0e(x) if order == 0 else torch.special.i1e(x)
    return scaled.log() + x


class VonMises(Distribution):
    """p(x) = exp(concentration cos(x − loc)) / (2π I₀(concentration)) on [−π, π).

    Args:
        loc: the mean angle.
        concentration: how close the angles are to it.
        validate_args: as of `Distribution`.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {
        "loc": constraints.real,
        "concentration": constraints.positive,
    }
    support = constraints.real
    has_rsample = False

    def __init__(self, loc: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.loc, self.concentration = broadcast_all(loc, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @override
    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        try:
            return super().expand(batch_shape)
        except NotImplementedError:
            validate = self.__dict__.get("_validate_args")
            loc, concentration = (
                self.loc.expand(batch_shape),
                self.concentration.expand(batch_shape),
            )
            return type(self)(loc, concentration, validate_args=validate)

    @property
    @override
    def mean(self) -> Any:
        return self.loc

    @property
    @override
    def mode(self) -> Any:
        return self.loc

    @lazy_property
    def variance(self) -> Any:
        """1 − I₁ / I₀, the circular variance."""
        return 1 - (_log_bessel(self.concentration, 1) - _log_bessel(self.concentration, 0)).exp()

    @lazy_property
    def _loc(self) -> Any:
        return self.loc.to(torch.double)

    @lazy_property
    def _concentration(self) -> Any:
        return self.concentration.to(torch.double)

    @lazy_property
    def _proposal_r(self) -> Any:
        """The parameter of the wrapped Cauchy distribution that is drawn from."""
        kappa = self._concentration
        tau = 1 + (1 + 4 * kappa**2).sqrt()
        rho = (tau - (2 * tau).sqrt()) / (2 * kappa)
        exact = (1 + rho**2) / (2 * rho)
        return torch.where(kappa < 1e-5, 1 / kappa + kappa, exact)

    @override
    def sample(self, sample_shape: Any = ()) -> Any:
        """By rejection (D. J. Best, N. I. Fisher, Applied Statistics 28, 1979)."""
        shape = self._extended_shape(sample_shape)
        with torch.no_grad():
            loc, kappa, r = self._loc, self._concentration, self._proposal_r
            x = torch.zeros(shape, dtype=loc.dtype)
            done = torch.zeros(shape, dtype=torch.bool)
            while not done.all():
                u1, u2, u3 = torch.rand((3, *shape), dtype=loc.dtype).unbind()
                z = torch.cos(math.pi * u1)
                f = (1 + r * z) / (r + z)
                c = kappa * (r - f)
                accept = ((c * (2 - c) - u2) > 0) | ((c / u2).log() + 1 - c >= 0)
                x = torch.where(accept, (u3 - 0.5).sign() * f.acos(), x)
                done = done | accept
            angle = (x + math.pi + loc) % (2 * math.pi) - math.pi
            return angle.to(self.loc.dtype)

    @override
    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        along = self.concentration * torch.cos(value - self.loc)
        return along - math.log(2 * math.pi) - _log_bessel(self.concentration, 0)
