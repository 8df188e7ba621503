"""Wishart's distribution of positive definite matrices."""

import math
import warnings
from numbers import Number
from typing import Any

from typing_extensions import override

from funcgrad.compat.torch.distributions import constraints
from funcgrad.compat.torch.distributions.chi2 import Chi2
from funcgrad.compat.torch.distributions.exp_family import ExponentialFamily
from funcgrad.compat.torch.distributions.multivariate_normal import precision_to_scale_tril
from funcgrad.compat.torch.distributions.names import torch
from funcgrad.compat.torch.distributions.utils import lazy_property
from funcgrad.compat.torch.dtypes import Size

__all__ = ["Wishart"]


_MATRICES = ("covariance_matrix", "precision_matrix", "scale_tril")


class Wishart(ExponentialFamily):
    """Σ xᵢ xᵢᵀ for df normal vectors with the covariance matrix Σ; df need not be whole.

    p(V) ∝ det(V)^((df − n − 1) / 2) exp(−tr(Σ⁻¹ V) / 2).

    Args:
        df: the degrees of freedom, above n − 1.
        covariance_matrix: Σ, of shape (…, n, n).
        precision_matrix: or its inverse.
        scale_tril: or its Cholesky factor.
        validate_args: as of `Distribution`.
    """

    support = constraints.positive_definite
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(
        self,
        df: Any,
        covariance_matrix: Any = None,
        precision_matrix: Any = None,
        scale_tril: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        given = dict(zip(_MATRICES, (covariance_matrix, precision_matrix, scale_tril), strict=True))
        named = [(name, matrix) for name, matrix in given.items() if matrix is not None]
        if len(named) != 1:
            raise AssertionError(
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be "
                "specified."
            )
        name, matrix = named[0]
        if matrix.dim() < 2:
            raise ValueError(
                "scale_tril must be at least two-dimensional, with optional leading batch "
                "dimensions"
            )
        if isinstance(df, Number):
            batch_shape = Size(matrix.shape[:-2])
            self.df = torch.tensor(df, dtype=matrix.dtype)
        else:
            batch_shape = Size(torch.broadcast_shapes(matrix.shape[:-2], df.shape))
            self.df = df.expand(batch_shape)
        event_shape = matrix.shape[-2:]
        if self.df.le(event_shape[-1] - 1).any():
            raise ValueError(
                f"Value of df={df} expected to be greater than ndim - 1 = {event_shape[-1] - 1}."
            )
        self.__dict__[name] = matrix.expand(batch_shape + Size((-1, -1)))
        if self.df.lt(event_shape[-1]).any():
            warnings.warn(
                "Low df values detected. Singular samples are highly likely to occur for ndim - 1 "
                "< df < ndim.",
                stacklevel=2,
            )
        super().__init__(batch_shape, event_shape, validate_args=validate_args)
        self._batch_dims = [-(x + 1) for x in range(len(self._batch_shape))]
        if name == "scale_tril":
            self._unbroadcasted_scale_tril = scale_tril
        elif name == "covariance_matrix":
            self._unbroadcasted_scale_tril = torch.linalg.cholesky(covariance_matrix)
        else:
            self._unbroadcasted_scale_tril = precision_to_scale_tril(precision_matrix)
        # The squares of the diagonal of a standard sample's Cholesky factor.
        self._dist_chi2 = Chi2(
            df=self.df.unsqueeze(-1)
            - torch.arange(event_shape[-1], dtype=matrix.dtype).expand(batch_shape + Size((-1,)))
        )

    @property
    @override
    def arg_constraints(self) -> dict[str, Any]:
        return {
            "covariance_matrix": constraints.positive_definite,
            "precision_matrix": constraints.positive_definite,
            "scale_tril": constraints.lower_cholesky,
            "df": constraints.greater_than(self.event_shape[-1] - 1),
        }

    @override
    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(Wishart, _instance)
        batch_shape = Size(batch_shape)
        new._unbroadcasted_scale_tril = self._unbroadcasted_scale_tril.expand(
            batch_shape + self.event_shape
        )
        new.df = self.df.expand(batch_shape)
        new._batch_dims = [-(x + 1) for x in range(len(batch_shape))]
        for name in _MATRICES:
            if name in self.__dict__:
                new.__dict__[name] = self.__dict__[name].expand(batch_shape + self.event_shape)
        new._dist_chi2 = Chi2(
            df=new.df.unsqueeze(-1)
            - torch.arange(self.event_shape[-1], dtype=new.df.dtype).expand(
                batch_shape + Size((-1,))
            )
        )
        return self._completed(new, batch_shape)

    def _expanded(self, matrix: Any) -> Any:
        return matrix.expand(self._batch_shape + self._event_shape)

    @lazy_property
    def scale_tril(self) -> Any:
        """The Cholesky factor of Σ."""
        return self._expanded(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self) -> Any:
        """Σ."""
        factor = self._unbroadcasted_scale_tril
        return self._expanded(factor @ factor.mT)

    @lazy_property
    def precision_matrix(self) -> Any:
        """Σ⁻¹."""
        unit = torch.eye(self._event_shape[-1], dtype=self._unbroadcasted_scale_tril.dtype)
        return self._expanded(torch.cholesky_solve(unit, self._unbroadcasted_scale_tril))

    def _matrix_df(self) -> Any:
        return self.df.view((*self._batch_shape, 1, 1))

    @property
    @override
    def mean(self) -> Any:
        return self._matrix_df() * self.covariance_matrix

    @property
    @override
    def mode(self) -> Any:
        factor = self.df - self.covariance_matrix.shape[-1] - 1
        factor = torch.where(factor <= 0, math.nan, factor)
        return factor.view((*self._batch_shape, 1, 1)) * self.covariance_matrix

    @property
    @override
    def variance(self) -> Any:
        sigma = self.covariance_matrix
        diagonal = sigma.diagonal(dim1=-2, dim2=-1)
        outer = torch.einsum("...i,...j->...ij", diagonal, diagonal)
        return self._matrix_df() * (sigma.pow(2) + outer)

    def _bartlett_sampling(self, sample_shape: Any = ()) -> Any:
        """Samples by their Cholesky factors (M. S. Bartlett, 1933)."""
        p = self._event_shape[-1]
        noise = self._dist_chi2.rsample(sample_shape).sqrt().diag_embed(dim1=-2, dim2=-1)
        i, j = torch.tril_indices(p, p, offset=-1)
        noise[..., i, j] = torch.randn(
            Size(sample_shape) + self._batch_shape + Size((p * (p - 1) // 2,)), dtype=noise.dtype
        )
        factor = self._unbroadcasted_scale_tril @ noise
        return factor @ factor.mT

    @override
    def rsample(self, sample_shape: Any = (), max_try_correction: Any = None) -> Any:
        """Values drawn; singular ones are drawn again, up to `max_try_correction` times."""
        # PyTorch takes regular samples for singular ones, and keeps what it draws after them.
        self._bartlett_sampling(sample_shape)
        sample = self._bartlett_sampling(sample_shape)
        wrong = self._is_singular(sample)
        if wrong.any():
            warnings.warn("Singular sample detected.", stacklevel=2)
            for _ in range(3 if max_try_correction is None else max_try_correction):
                fresh = self._bartlett_sampling(wrong[wrong].shape)
                sample[wrong] = fresh
                wrong[wrong.clone()] = self._is_singular(fresh)
                if not wrong.any():
                    break
        return sample

    def _is_singular(self, sample: Any) -> Any:
        """Whether a matrix of each sample is not positive definite."""
        wrong = ~self.support.check(sample)
        return wrong.amax(self._batch_dims) if self._batch_shape else wrong

    def _half_log_det(self) -> Any:
        return self._unbroadcasted_scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    @override
    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        nu, p = self.df, self._event_shape[-1]
        solved = torch.cholesky_solve(value, self._unbroadcasted_scale_tril)
        return (
            -nu * (p * math.log(2) / 2 + self._half_log_det())
            - torch.mvlgamma(nu / 2, p=p)
            + (nu - p - 1) / 2 * torch.linalg.slogdet(value).logabsdet
            - solved.diagonal(dim1=-2, dim2=-1).sum(dim=-1) / 2
        )

    @override
    def entropy(self) -> Any:
        nu, p = self.df, self._event_shape[-1]
        return (
            (p + 1) * (p * math.log(2) / 2 + self._half_log_det())
            + torch.mvlgamma(nu / 2, p=p)
            - (nu - p - 1) / 2 * _mvdigamma(nu / 2, p)
            + nu * p / 2
        )

    @property
    @override
    def _natural_params(self) -> Any:
        nu, p = self.df, self._event_shape[-1]
        return -self.precision_matrix / 2, (nu - p - 1) / 2

    @override
    def _log_normalizer(self, x: Any, y: Any) -> Any:
        p = self._event_shape[-1]
        half = y + (p + 1) / 2
        log_det = torch.linalg.slogdet(-2 * x).logabsdet
        return half * (-log_det + math.log(2) * p) + torch.mvlgamma(half, p=p)


def _mvdigamma(x: Any, p: int) -> Any:
    """The derivative of log Γₚ."""
    halves = torch.arange(p, dtype=x.dtype).div(2)
    return torch.digamma(x.unsqueeze(-1) - halves.expand((*x.shape, -1))).sum(-1)
