"""`torch.nn.modules.distance`: distances and similarities of vectors."""

from typing import Any

from typing_extensions import override

from funcgrad.compat.torch.nn.distances import cosine_similarity, pairwise_distance
from funcgrad.compat.torch.nn.modules.module import Module

__all__ = ["CosineSimilarity", "PairwiseDistance"]


class PairwiseDistance(Module):
    """‖x₁ - x₂ + eps‖ along the last axis.

    Args:
        p: of the norm.
        eps: keeps the derivative finite where both are the same.
        keepdim: whether the axis stays, with length 1.
    """

    __constants__ = ["norm", "eps", "keepdim"]  # noqa: RUF012  # PyTorch's name and type

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    @override
    def forward(self, x1: Any, x2: Any) -> Any:
        """The distances."""
        return pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)


class CosineSimilarity(Module):
    """Σ x₁ x₂ / (max(‖x₁‖, eps) max(‖x₂‖, eps)) along an axis.

    Args:
        dim: the axis.
        eps: the smallest norm.
    """

    __constants__ = ["dim", "eps"]  # noqa: RUF012  # PyTorch's name and type

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim = dim
        self.eps = eps

    @override
    def forward(self, x1: Any, x2: Any) -> Any:
        """The similarities."""
        return cosine_similarity(x1, x2, self.dim, self.eps)
