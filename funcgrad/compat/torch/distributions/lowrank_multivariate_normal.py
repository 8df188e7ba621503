"""The multivariate normal distribution of factor analysis."""

import math
from typing import Any, ClassVar

from typing_extensions import override

from funcgrad.compat.torch.distributions import constraints
from funcgrad.compat.torch.distributions.distribution import Distribution
from funcgrad.compat.torch.distributions.multivariate_normal import batch_mahalanobis, batch_mv
from funcgrad.compat.torch.distributions.names import torch
from funcgrad.compat.torch.distributions.utils import _standard_normal, lazy_property
from funcgrad.compat.torch.dtypes import Size

__all__ = ["LowRankMultivariateNormal"]


class LowRankMultivariateNormal(Distribution):
    """The normal distribution with the covariance matrix W Wᵀ + diag(d).

    It is computed with the capacitance matrix I + Wᵀ diag(d)⁻¹ W, which is small.

    Args:
        loc: the mean, at least a vector.
        cov_factor: W, of shape (…, n, m).
        cov_diag: d.
        validate_args: as of `Distribution`.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {
        "loc": constraints.real_vector,
        "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self, loc: Any, cov_factor: Any, cov_diag: Any, validate_args: bool | None = None
    ) -> None:
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        event_shape = loc.shape[-1:]
        if cov_factor.dim() < 2:
            raise ValueError(
                "cov_factor must be at least two-dimensional, with optional leading batch "
                "dimensions"
            )
        if cov_factor.shape[-2:-1] != event_shape:
            raise ValueError(
                f"cov_factor must be a batch of matrices with shape {event_shape[0]} x m"
            )
        if cov_diag.shape[-1:] != event_shape:
            raise ValueError(f"cov_diag must be a batch of vectors with shape {event_shape}")
        try:
            batch_shape = Size(
                torch.broadcast_shapes(loc.shape[:-1], cov_factor.shape[:-2], cov_diag.shape[:-1])
            )
        except RuntimeError as error:
            raise ValueError(
                f"Incompatible batch shapes: loc {loc.shape}, cov_factor {cov_factor.shape}, "
                f"cov_diag {cov_diag.shape}"
            ) from error
        self.loc = loc.expand(batch_shape + event_shape)
        self.cov_diag = cov_diag.expand(batch_shape + event_shape)
        self.cov_factor = cov_factor.expand(batch_shape + cov_factor.shape[-2:])
        super().__init__(batch_shape, event_shape, validate_args=validate_args)
        self._unbroadcasted_cov_factor = cov_factor
        self._unbroadcasted_cov_diag = cov_diag
        small = torch.matmul(self._scaled_factor(), cov_factor)
        unit = torch.eye(small.shape[-1], dtype=small.dtype)
        self._capacitance_tril = torch.linalg.cholesky(small + unit)

    def _scaled_factor(self) -> Any:
        """Wᵀ diag(d)⁻¹."""
        return self._unbroadcasted_cov_factor.mT / self._unbroadcasted_cov_diag.unsqueeze(-2)

    @override
    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(LowRankMultivariateNormal, _instance)
        batch_shape = Size(batch_shape)
        new.loc = self.loc.expand(batch_shape + self.event_shape)
        new.cov_diag = self.cov_diag.expand(batch_shape + self.event_shape)
        new.cov_factor = self.cov_factor.expand(batch_shape + self.cov_factor.shape[-2:])
        new._unbroadcasted_cov_factor = self._unbroadcasted_cov_factor
        new._unbroadcasted_cov_diag = self._unbroadcasted_cov_diag
        new._capacitance_tril = self._capacitance_tril
        return self._completed(new, batch_shape)

    def _expanded(self, matrix: Any) -> Any:
        return matrix.expand(self._batch_shape + self._event_shape + self._event_shape)

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
        """The diagonal of the covariance matrix."""
        squares = self._unbroadcasted_cov_factor.pow(2).sum(-1) + self._unbroadcasted_cov_diag
        return squares.expand(self._batch_shape + self._event_shape)

    @lazy_property
    def scale_tril(self) -> Any:
        """The Cholesky factor of the covariance matrix."""
        root = self._unbroadcasted_cov_diag.sqrt().unsqueeze(-1)
        scaled = self._unbroadcasted_cov_factor / root
        unit = torch.eye(self._event_shape[0], dtype=root.dtype)
        return self._expanded(root * torch.linalg.cholesky(torch.matmul(scaled, scaled.mT) + unit))

    @lazy_property
    def covariance_matrix(self) -> Any:
        """W Wᵀ + diag(d)."""
        factor = self._unbroadcasted_cov_factor
        product = torch.matmul(factor, factor.mT)
        return self._expanded(product + torch.diag_embed(self._unbroadcasted_cov_diag))

    @lazy_property
    def precision_matrix(self) -> Any:
        """The inverse: diag(d)⁻¹ − Aᵀ A (M. A. Woodbury)."""
        a = torch.linalg.solve_triangular(
            self._capacitance_tril, self._scaled_factor(), upper=False
        )
        inverse = torch.diag_embed(self._unbroadcasted_cov_diag.reciprocal())
        return self._expanded(inverse - torch.matmul(a.mT, a))

    @override
    def rsample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        rank = self.cov_factor.shape[-1:]
        of_factor = _standard_normal(shape[:-1] + rank, self.loc.dtype)
        of_diag = _standard_normal(shape, self.loc.dtype)
        root = self._unbroadcasted_cov_diag.sqrt()
        return self.loc + batch_mv(self._unbroadcasted_cov_factor, of_factor) + root * of_diag

    def _log_det(self) -> Any:
        """Of the covariance matrix (J. J. Sylvester)."""
        small = 2 * self._capacitance_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return small + self._unbroadcasted_cov_diag.log().sum(-1)

    @override
    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        difference = value - self.loc
        along = batch_mv(self._scaled_factor(), difference)
        square = (difference.pow(2) / self._unbroadcasted_cov_diag).sum(-1)
        square = square - batch_mahalanobis(self._capacitance_tril, along)
        constant = self._event_shape[0] * math.log(2 * math.pi)
        return -0.5 * (constant + self._log_det() + square)

    @override
    def entropy(self) -> Any:
        constant = self._event_shape[0] * (1.0 + math.log(2 * math.pi))
        entropy = 0.5 * (constant + self._log_det())
        return entropy.expand(self._batch_shape) if self._batch_shape else entropy
