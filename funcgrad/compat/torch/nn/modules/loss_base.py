"""What all losses of `torch.nn.modules.loss` share."""

from typing import Any, ClassVar

from funcgrad.compat.torch.nn.common import reduction_of
from funcgrad.compat.torch.nn.modules.module import Module

__all__ = ["_Loss", "_WeightedLoss"]


class _Loss(Module):
    """A loss, reduced to its mean or sum, or not at all.

    Args:
        size_average: deprecated: whether the reduction is the mean.
        reduce: deprecated: whether there is one.
        reduction: "mean", "sum" or "none".
    """

    __constants__: ClassVar = ["reduction"]

    def __init__(
        self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__()
        if size_average is not None or reduce is not None:
            reduction = reduction_of(reduction, size_average, reduce)
        self.reduction = reduction


class _WeightedLoss(_Loss):
    """A loss with a buffer of weights.

    Args:
        weight: of the classes, or of the elements of a batch.
        size_average: deprecated.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".
    """

    def __init__(
        self,
        weight: Any = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
