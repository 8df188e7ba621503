"""The part of `torch.nn.modules.loss` with margins: between classes, and between distances."""

from collections.abc import Callable
from typing import Any, ClassVar

from typing_extensions import override

from funcgrad.compat.torch.nn import functional
from funcgrad.compat.torch.nn.modules.distance import PairwiseDistance
from funcgrad.compat.torch.nn.modules.loss_base import _Loss, _WeightedLoss

__all__ = [
    "CosineEmbeddingLoss",
    "HingeEmbeddingLoss",
    "MarginRankingLoss",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
    "SoftMarginLoss",
    "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
]

LOSS = "funcgrad.compat.torch.nn.modules.loss"
"""Where files look for these classes."""


class _MarginLoss(_Loss):
    """A loss with a margin."""

    __constants__: ClassVar = ["margin", "reduction"]

    def __init__(
        self,
        margin: float = 0.0,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin


class HingeEmbeddingLoss(_MarginLoss):
    """Mean of x where y = 1, and of max(0, margin - x) where y = -1."""

    __module__ = LOSS

    def __init__(
        self,
        margin: float = 1.0,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(margin, size_average, reduce, reduction)

    @override
    def forward(self, input: Any, target: Any) -> Any:
        return functional.hinge_embedding_loss(
            input, target, margin=self.margin, reduction=self.reduction
        )


class SoftMarginLoss(_Loss):
    """Mean of log(1 + exp(-y x)) for y in {-1, 1}."""

    __module__ = LOSS

    @override
    def forward(self, input: Any, target: Any) -> Any:
        return functional.soft_margin_loss(input, target, reduction=self.reduction)


class MultiLabelMarginLoss(_Loss):
    """Mean of Σ max(0, 1 - (x_j - x_i)) / C over labels j, up to the first -1, and others i."""

    __module__ = LOSS

    @override
    def forward(self, input: Any, target: Any) -> Any:
        return functional.multilabel_margin_loss(input, target, reduction=self.reduction)


class MultiLabelSoftMarginLoss(_WeightedLoss):
    """Mean of -(y log σ(x) + (1 - y) log σ(-x)) over labels and examples."""

    __module__ = LOSS

    @override
    def forward(self, input: Any, target: Any) -> Any:
        return functional.multilabel_soft_margin_loss(
            input, target, weight=self._buffers["weight"], reduction=self.reduction
        )


class MultiMarginLoss(_WeightedLoss):
    """Mean of Σ_j max(0, margin - x_t + x_j)^p / C over the classes j other than the target t.

    Args:
        p: 1 or 2.
        margin: by how much x_t shall be greater.
        weight: of the classes.
        size_average: deprecated.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".
    """

    __constants__: ClassVar = ["p", "margin", "reduction"]

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: Any = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        if p not in (1, 2):
            raise ValueError("only p == 1 and p == 2 supported")
        if weight is not None and weight.dim() != 1:
            raise ValueError(
                "MultiMarginLoss: expected weight to be None or 1D tensor, got "
                f"{weight.dim()}D instead"
            )
        self.p = p
        self.margin = margin

    @override
    def forward(self, input: Any, target: Any) -> Any:
        return functional.multi_margin_loss(
            input,
            target,
            p=self.p,
            margin=self.margin,
            weight=self._buffers["weight"],
            reduction=self.reduction,
        )


class CosineEmbeddingLoss(_MarginLoss):
    """Mean of 1 - cos(x₁, x₂) where y = 1, and of max(0, cos(x₁, x₂) - margin) where y = -1."""

    __module__ = LOSS

    @override
    def forward(self, input1: Any, input2: Any, target: Any) -> Any:
        return functional.cosine_embedding_loss(
            input1, input2, target, margin=self.margin, reduction=self.reduction
        )


class MarginRankingLoss(_MarginLoss):
    """Mean of max(0, margin - y (x₁ - x₂)) for y in {-1, 1}."""

    __module__ = LOSS

    @override
    def forward(self, input1: Any, input2: Any, target: Any) -> Any:
        return functional.margin_ranking_loss(
            input1, input2, target, margin=self.margin, reduction=self.reduction
        )


class TripletMarginLoss(_Loss):
    """Mean of max(0, margin + ‖a - p‖ - ‖a - n‖).

    Args:
        margin: by how much the negative shall be further away.
        p: order of the norm.
        eps: added to every difference.
        swap: whether the distance of positive and negative counts, where it is smaller.
        size_average: deprecated.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".
    """

    __constants__: ClassVar = ["margin", "p", "eps", "swap", "reduction"]

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        _check_margin("TripletMarginLoss", margin)
        self.margin = margin
        self.p = p
        self.eps = eps
        self.swap = swap

    @override
    def forward(self, anchor: Any, positive: Any, negative: Any) -> Any:
        return functional.triplet_margin_loss(
            anchor,
            positive,
            negative,
            margin=self.margin,
            p=self.p,
            eps=self.eps,
            swap=self.swap,
            reduction=self.reduction,
        )


def _check_margin(name: str, margin: float) -> None:
    if margin <= 0:
        raise ValueError(f"{name}: expected margin to be greater than 0, got {margin} instead")


class TripletMarginWithDistanceLoss(_Loss):
    """Mean of max(0, margin + d(a, p) - d(a, n)).

    Args:
        distance_function: d; by default the Euclidean distance.
        margin: by how much the negative shall be further away.
        swap: whether the distance of positive and negative counts, where it is smaller.
        reduction: "mean", "sum" or "none".
    """

    __constants__: ClassVar = ["margin", "swap", "reduction"]

    def __init__(
        self,
        *,
        distance_function: Callable[[Any, Any], Any] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        _check_margin("TripletMarginWithDistanceLoss", margin)
        self.distance_function = (
            PairwiseDistance() if distance_function is None else distance_function
        )
        self.margin = margin
        self.swap = swap

    @override
    def forward(self, anchor: Any, positive: Any, negative: Any) -> Any:
        return functional.triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )
