"""Changes of variables that act on vectors and matrices, or on the pieces of an axis."""

import math
from typing import Any

from funcgrad.compat.torch.distributions import constraints
from funcgrad.compat.torch.distributions.names import torch
from funcgrad.compat.torch.distributions.transform_base import Transform
from funcgrad.compat.torch.distributions.transform_scalars import clipped_sigmoid
from funcgrad.compat.torch.distributions.utils import (
    _sum_rightmost,
    tril_matrix_to_vec,
    vec_to_tril_matrix,
)

__all__ = [
    "CatTransform",
    "CorrCholeskyTransform",
    "LowerCholeskyTransform",
    "PositiveDefiniteTransform",
    "SoftmaxTransform",
    "StackTransform",
    "StickBreakingTransform",
]

_SHORT = "Too few dimensions on input"


def _with_one(x: Any, *, before: bool) -> Any:
    """Vectors with a 1 before or after them."""
    return torch.nn.functional.pad(x, [1, 0] if before else [0, 1], value=1)


class SoftmaxTransform(Transform):
    """y = exp(x) / Σ exp(x), whose inverse is taken to be log y."""

    domain = constraints.real_vector
    codomain = constraints.simplex

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SoftmaxTransform)

    __hash__ = None

    def _call(self, x: Any) -> Any:
        weights = (x - x.max(-1, True)[0]).exp()
        return weights / weights.sum(-1, True)

    def _inverse(self, y: Any) -> Any:
        return y.log()

    def forward_shape(self, shape: Any) -> Any:
        """The same."""
        return _of_vectors(shape)

    def inverse_shape(self, shape: Any) -> Any:
        """The same."""
        return _of_vectors(shape)


def _of_vectors(shape: Any) -> Any:
    if len(shape) < 1:
        raise ValueError(_SHORT)
    return shape


class StickBreakingTransform(Transform):
    """Vectors of n numbers to points of the simplex in n + 1: each takes a share of what is left.

    The share is the sigmoid of xᵢ − log(n − i), so that x = 0 has equal parts.
    """

    domain = constraints.real_vector
    codomain = constraints.simplex
    bijective = True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StickBreakingTransform)

    __hash__ = None

    def _call(self, x: Any) -> Any:
        share = clipped_sigmoid(x - _parts_left(x).log())
        left = (1 - share).cumprod(-1)
        return _with_one(share, before=False) * _with_one(left, before=True)

    def _inverse(self, y: Any) -> Any:
        parts = y[..., :-1]
        left = torch.clamp(1 - parts.cumsum(-1), min=torch.finfo(y.dtype).tiny)
        return parts.log() - left.log() + _parts_left(parts).log()

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """Σ of log(1 − share) + log y."""
        logits = x - _parts_left(x).log()
        logs = -logits + torch.nn.functional.logsigmoid(logits) + y[..., :-1].log()
        return logs.sum(-1)

    def forward_shape(self, shape: Any) -> Any:
        """One number more."""
        _of_vectors(shape)
        return (*shape[:-1], shape[-1] + 1)

    def inverse_shape(self, shape: Any) -> Any:
        """One number less."""
        _of_vectors(shape)
        return (*shape[:-1], shape[-1] - 1)


def _parts_left(x: Any) -> Any:
    """n, n − 1, …, 1."""
    n = x.shape[-1]
    return n + 1 - x.new_ones(n).cumsum(-1)


class LowerCholeskyTransform(Transform):
    """Square matrices to lower triangular ones with a positive diagonal, by its exponential."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.lower_cholesky

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LowerCholeskyTransform)

    __hash__ = None

    def _call(self, x: Any) -> Any:
        return x.tril(-1) + x.diagonal(dim1=-2, dim2=-1).exp().diag_embed()

    def _inverse(self, y: Any) -> Any:
        return y.tril(-1) + y.diagonal(dim1=-2, dim2=-1).log().diag_embed()


class PositiveDefiniteTransform(Transform):
    """Square matrices to L Lᵀ, L being what `LowerCholeskyTransform` gives."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.positive_definite

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PositiveDefiniteTransform)

    __hash__ = None

    def _call(self, x: Any) -> Any:
        factor = LowerCholeskyTransform()(x)
        return factor @ factor.mT

    def _inverse(self, y: Any) -> Any:
        return LowerCholeskyTransform()._inverse(torch.linalg.cholesky(y))


class CorrCholeskyTransform(Transform):
    """Vectors of n (n − 1) / 2 numbers to Cholesky factors of correlation matrices.

    The numbers' tanh are partial correlations: each is the share, with its sign, of the length
    that the numbers to its left leave of the row (C. A. Lewandowski, D. Kurowicka, H. Joe, 2009).
    """

    domain = constraints.real_vector
    codomain = constraints.corr_cholesky
    bijective = True

    def _call(self, x: Any) -> Any:
        eps = torch.finfo(x.dtype).eps
        partial = vec_to_tril_matrix(torch.tanh(x).clamp(min=-1 + eps, max=1 - eps), diag=-1)
        left = (1 - partial * partial).sqrt().cumprod(-1)
        partial = partial + torch.eye(partial.shape[-1], dtype=partial.dtype)
        return partial * _with_one(left[..., :-1], before=True)

    def _inverse(self, y: Any) -> Any:
        left = _with_one((1 - (y * y).cumsum(-1))[..., :-1], before=True)
        share = tril_matrix_to_vec(y, diag=-1) / tril_matrix_to_vec(left, diag=-1).sqrt()
        return (share.log1p() - share.neg().log1p()) / 2

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """Of the lengths that are left, and of tanh."""
        left = 1 - (y * y).cumsum(-1)
        of_lengths = 0.5 * tril_matrix_to_vec(left, diag=-2).log().sum(-1)
        softplus = torch.nn.functional.softplus(-2 * x)
        return of_lengths - 2 * (x + softplus - math.log(2.0)).sum(-1)

    def forward_shape(self, shape: Any) -> Any:
        """That of the matrix."""
        count = _of_vectors(shape)[-1]
        n = round((0.25 + 2 * count) ** 0.5 + 0.5)
        if n * (n - 1) // 2 != count:
            raise ValueError("Input is not a flattened lower-diagonal number")
        return (*shape[:-1], n, n)

    def inverse_shape(self, shape: Any) -> Any:
        """That of the vector."""
        if len(shape) < 2:
            raise ValueError(_SHORT)
        if shape[-2] != shape[-1]:
            raise ValueError("Input is not square")
        return (*shape[:-2], shape[-1] * (shape[-1] - 1) // 2)


class _Pieces(Transform):
    """Transforms for the pieces of an axis."""

    transforms: list[Transform]
    dim: int

    def _set_transforms(self, tseq: Any, cache_size: int) -> None:
        found = list(tseq)
        if not all(isinstance(t, Transform) for t in found):
            raise AssertionError("All elements of tseq must be Transform instances")
        if cache_size:
            found = [t.with_cache(cache_size) for t in found]
        Transform.__init__(self, cache_size=cache_size)
        self.transforms = found

    def _pieces(self, x: Any) -> list[Any]:
        raise NotImplementedError

    def _together(self, pieces: list[Any], dim: int) -> Any:
        raise NotImplementedError

    def _axis_of(self, x: Any) -> None:
        if not -x.dim() <= self.dim < x.dim():
            raise AssertionError(f"dim {self.dim} out of range for x with {x.dim()} dimensions")

    def _call(self, x: Any) -> Any:
        self._axis_of(x)
        pieces = self._pieces(x)
        mapped = [t(piece) for t, piece in zip(self.transforms, pieces, strict=True)]
        return self._together(mapped, self.dim)

    def _inverse(self, y: Any) -> Any:
        self._axis_of(y)
        pieces = self._pieces(y)
        mapped = [t.inv(piece) for t, piece in zip(self.transforms, pieces, strict=True)]
        return self._together(mapped, self.dim)

    def _terms(self, x: Any, y: Any) -> list[Any]:
        self._axis_of(x)
        self._axis_of(y)
        triples = zip(self.transforms, self._pieces(x), self._pieces(y), strict=True)
        return [t.log_abs_det_jacobian(one, other) for t, one, other in triples]

    @property
    def bijective(self) -> bool:  # type: ignore[override]  # computed here
        """Whether all are."""
        return all(t.bijective for t in self.transforms)


class CatTransform(_Pieces):
    """Each piece of an axis has a transform of its own.

    Args:
        tseq: the transforms.
        dim: the axis.
        lengths: of the pieces; by default 1 each.
        cache_size: of each transform.
    """

    def __init__(self, tseq: Any, dim: int = 0, lengths: Any = None, cache_size: int = 0) -> None:
        self._set_transforms(tseq, cache_size)
        self.lengths = [1] * len(self.transforms) if lengths is None else list(lengths)
        if len(self.lengths) != len(self.transforms):
            raise AssertionError(
                f"lengths ({len(self.lengths)}) must match tseq ({len(self.transforms)})"
            )
        self.dim = dim

    @property
    def event_dim(self) -> int:
        """The largest of the transforms'."""
        return max(t.event_dim for t in self.transforms)

    @property
    def length(self) -> int:
        """Of the axis."""
        return sum(self.lengths)

    def with_cache(self, cache_size: int = 1) -> Any:
        """The same with another cache."""
        if self._cache_size == cache_size:
            return self
        return CatTransform(self.transforms, self.dim, self.lengths, cache_size)

    def _axis_of(self, x: Any) -> None:
        super()._axis_of(x)
        if x.size(self.dim) != self.length:
            raise AssertionError(
                f"x.size({self.dim}) = {x.size(self.dim)} must equal length {self.length}"
            )

    def _pieces(self, x: Any) -> list[Any]:
        return list(x.split(self.lengths, self.dim))

    def _together(self, pieces: list[Any], dim: int) -> Any:
        return torch.cat(pieces, dim=dim)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """Those of the pieces side by side, or their sum if the axis is one of the event."""
        terms = [
            _sum_rightmost(term, self.event_dim - t.event_dim)
            for t, term in zip(self.transforms, self._terms(x, y), strict=True)
        ]
        dim = (self.dim - x.dim() if self.dim >= 0 else self.dim) + self.event_dim
        return torch.cat(terms, dim=dim) if dim < 0 else sum(terms)

    @constraints.dependent_property
    def domain(self) -> Any:
        """Pieces of the transforms' domains."""
        return constraints.cat([t.domain for t in self.transforms], self.dim, self.lengths)

    @constraints.dependent_property
    def codomain(self) -> Any:
        """Pieces of the transforms' codomains."""
        return constraints.cat([t.codomain for t in self.transforms], self.dim, self.lengths)


class StackTransform(_Pieces):
    """Each slice along an axis has a transform of its own.

    Args:
        tseq: the transforms.
        dim: the axis.
        cache_size: of each transform.
    """

    def __init__(self, tseq: Any, dim: int = 0, cache_size: int = 0) -> None:
        self._set_transforms(tseq, cache_size)
        self.dim = dim

    def with_cache(self, cache_size: int = 1) -> Any:
        """The same with another cache."""
        if self._cache_size == cache_size:
            return self
        return StackTransform(self.transforms, self.dim, cache_size)

    def _axis_of(self, x: Any) -> None:
        super()._axis_of(x)
        if x.size(self.dim) != len(self.transforms):
            raise AssertionError(
                f"x.size({self.dim}) = {x.size(self.dim)} must equal len(transforms) "
                f"{len(self.transforms)}"
            )

    def _pieces(self, x: Any) -> list[Any]:
        return [x.select(self.dim, i) for i in range(x.size(self.dim))]

    def _together(self, pieces: list[Any], dim: int) -> Any:
        return torch.stack(pieces, dim=dim)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """Those of the slices, stacked."""
        return torch.stack(self._terms(x, y), dim=self.dim)

    @constraints.dependent_property
    def domain(self) -> Any:
        """Slices of the transforms' domains."""
        return constraints.stack([t.domain for t in self.transforms], self.dim)

    @constraints.dependent_property
    def codomain(self) -> Any:
        """Slices of the transforms' codomains."""
        return constraints.stack([t.codomain for t in self.transforms], self.dim)
