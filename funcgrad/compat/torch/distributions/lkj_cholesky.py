"""The distribution of Cholesky factors of correlation matrices."""

import math
from typing import Any, ClassVar

from typing_extensions import override

from funcgrad.compat.torch.distributions import constraints
from funcgrad.compat.torch.distributions.beta import Beta
from funcgrad.compat.torch.distributions.distribution import Distribution
from funcgrad.compat.torch.distributions.names import torch
from funcgrad.compat.torch.distributions.utils import broadcast_all
from funcgrad.compat.torch.dtypes import Size

__all__ = ["LKJCholesky"]


class LKJCholesky(Distribution):
    """p(L) ∝ Π L_kk^(n − k + 2 concentration − 2), k = 2 … n, for L Lᵀ a correlation matrix.

    L Lᵀ then has a density proportional to its determinant to the power concentration − 1. Samples
    are made by the onion method (D. Lewandowski, D. Kurowicka, H. Joe, J. Multivariate Analysis
    100, 2009).

    Args:
        dim: n.
        concentration: 1 for uniform correlation matrices.
        validate_args: as of `Distribution`.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {"concentration": constraints.positive}
    support = constraints.corr_cholesky

    def __init__(
        self, dim: int, concentration: Any = 1.0, validate_args: bool | None = None
    ) -> None:
        if dim < 2:
            raise ValueError(
                f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}."
            )
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        kind = self.concentration.dtype
        offset = torch.arange(dim - 1, dtype=kind)
        offset = torch.cat([offset.new_zeros((1,)), offset])
        first = offset + 0.5
        second = (self.concentration + 0.5 * (dim - 2)).unsqueeze(-1) - 0.5 * offset
        self._beta = Beta(first, second)
        event_shape = Size((dim, dim))
        super().__init__(self.concentration.size(), event_shape, validate_args=validate_args)

    @override
    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(LKJCholesky, _instance)
        batch_shape = Size(batch_shape)
        new.dim = self.dim
        new.concentration = self.concentration.expand(batch_shape)
        new._beta = self._beta.expand(batch_shape + Size((self.dim,)))
        return self._completed(new, batch_shape)

    @override
    def sample(self, sample_shape: Any = ()) -> Any:
        y = self._beta.sample(sample_shape).unsqueeze(-1)
        normal = torch.randn(self._extended_shape(sample_shape), dtype=y.dtype).tril(-1)
        sphere = normal / normal.norm(dim=-1, keepdim=True)
        sphere[..., 0, :].fill_(0.0)
        w = torch.sqrt(y) * sphere
        tiny = torch.finfo(w.dtype).tiny
        diagonal = torch.clamp(1 - torch.sum(w**2, dim=-1), min=tiny).sqrt()
        return w + torch.diag_embed(diagonal)

    @override
    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        diagonal = value.diagonal(dim1=-1, dim2=-2)[..., 1:]
        order = torch.arange(2, self.dim + 1)
        order = 2 * (self.concentration - 1).unsqueeze(-1) + self.dim - order
        powers = torch.sum(order * diagonal.log(), dim=-1)
        rest = self.dim - 1
        alpha = self.concentration + 0.5 * rest
        below = torch.lgamma(alpha) * rest
        above = torch.mvlgamma(alpha - 0.5, rest)
        return powers - (0.5 * rest * math.log(math.pi) + above - below)
