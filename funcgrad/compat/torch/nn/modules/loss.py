"""`torch.nn.modules.loss`: losses as modules."""

import math
import warnings
from typing import Any, ClassVar

from typing_extensions import override

from funcgrad.compat.torch.nn import functional
from funcgrad.compat.torch.nn.modules.linear import Linear
from funcgrad.compat.torch.nn.modules.linear_cross_entropy_options import LinearCrossEntropyOptions
from funcgrad.compat.torch.nn.modules.loss_base import _Loss, _WeightedLoss
from funcgrad.compat.torch.nn.modules.margin_loss import (
    CosineEmbeddingLoss,
    HingeEmbeddingLoss,
    MarginRankingLoss,
    MultiLabelMarginLoss,
    MultiLabelSoftMarginLoss,
    MultiMarginLoss,
    SoftMarginLoss,
    TripletMarginLoss,
    TripletMarginWithDistanceLoss,
)

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CTCLoss",
    "CosineEmbeddingLoss",
    "CrossEntropyLoss",
    "GaussianNLLLoss",
    "HingeEmbeddingLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "LinearCrossEntropyLoss",
    "MSELoss",
    "MarginRankingLoss",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
    "NLLLoss",
    "NLLLoss2d",
    "PoissonNLLLoss",
    "SmoothL1Loss",
    "SoftMarginLoss",
    "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
]


# --- between numbers --------------------------------------------------------------------------


class L1Loss(_Loss):
    """Mean of |x - y|."""

    @override
    def forward(self, input: Any, target: Any) -> Any:
        return functional.l1_loss(input, target, reduction=self.reduction)


class MSELoss(_Loss):
    """Mean of (x - y)²."""

    @override
    def forward(self, input: Any, target: Any) -> Any:
        return functional.mse_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """Mean of (x - y)² / (2 beta) where |x - y| < beta, else of |x - y| - beta / 2."""

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        beta: float = 1.0,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    @override
    def forward(self, input: Any, target: Any) -> Any:
        return functional.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(_Loss):
    """Mean of (x - y)² / 2 where |x - y| <= delta, else of delta (|x - y| - delta / 2)."""

    __constants__: ClassVar = ["reduction", "delta"]

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.delta = delta

    @override
    def forward(self, input: Any, target: Any) -> Any:
        return functional.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


# --- between probabilities --------------------------------------------------------------------


class NLLLoss(_WeightedLoss):
    """Weighted mean of -x at the class of each example, for log-probabilities x.

    Args:
        weight: of the classes.
        size_average: deprecated.
        ignore_index: class number of examples that take no part.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".
    """

    __constants__: ClassVar = ["ignore_index", "reduction"]

    def __init__(
        self,
        weight: Any = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    @override
    def forward(self, input: Any, target: Any) -> Any:
        return functional.nll_loss(
            input,
            target,
            self._buffers["weight"],
            ignore_index=self.ignore_index,
            reduction=self.reduction,
        )


class NLLLoss2d(NLLLoss):
    """The old name of `NLLLoss` for images."""

    def __init__(
        self,
        weight: Any = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        warnings.warn(
            "`NLLLoss2d` has been deprecated. Please use `NLLLoss` instead as a drop-in "
            "replacement and see https://pytorch.org/docs/main/nn.html#torch.nn.NLLLoss for more "
            "details.",
            FutureWarning,
            stacklevel=2,
        )
        super().__init__(weight, size_average, ignore_index, reduce, reduction)


class CrossEntropyLoss(_WeightedLoss):
    """Mean of -Σ y log softmax(z), for class numbers or probabilities y.

    Args:
        weight: of the classes.
        size_average: deprecated.
        ignore_index: class number of examples that take no part.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".
        label_smoothing: share of the uniform distribution in the target.
    """

    __constants__: ClassVar = ["ignore_index", "reduction", "label_smoothing"]

    def __init__(
        self,
        weight: Any = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    @override
    def forward(self, input: Any, target: Any) -> Any:
        return functional.cross_entropy(
            input,
            target,
            self._buffers["weight"],
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class LinearCrossEntropyLoss(_WeightedLoss):
    """Cross-entropy of logits that a linear layer makes.

    Args:
        in_features: length of an input.
        num_classes: number of classes.
        out_features: further axes of the logits.
        bias: whether the layer has a bias.
        device: where its parameters are.
        dtype: their type.
        reduction: "mean", "sum" or "none".
        weight: of the classes.
        ignore_index: class number of examples that take no part.
        label_smoothing: share of the uniform distribution in the target.
        options: accepted; they change no result.
    """

    __constants__: ClassVar = [
        "num_classes", "out_features", "reduction", "ignore_index", "label_smoothing",
    ]  # fmt: skip

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        device: Any = None,
        dtype: Any = None,
        reduction: str = "mean",
        weight: Any = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: LinearCrossEntropyOptions | None = None,
    ) -> None:
        super().__init__(weight, reduction=reduction)
        if weight is not None and weight.shape != (num_classes,):
            raise RuntimeError(
                f"expected weight shape to be {(num_classes,)}, got {tuple(weight.shape)}"
            )
        self.num_classes = num_classes
        self.out_features = tuple(out_features)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing
        self.options = options
        length = math.prod((num_classes, *self.out_features))
        self.linear = Linear(in_features, length, bias, device, dtype)

    @override
    def forward(self, input: Any, target: Any) -> Any:
        shape = (self.num_classes, *self.out_features)
        matrix, bias = self.linear.weight, self.linear.bias
        if self.out_features:
            matrix = matrix.view(*shape, self.linear.in_features)
            bias = None if bias is None else bias.view(shape)
        return functional.linear_cross_entropy(
            input,
            matrix,
            target,
            linear_bias=bias,
            weight=self._buffers["weight"],
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            options=self.options,
        )

    @override
    def extra_repr(self) -> str:
        return (
            f"in_features={self.linear.in_features}, num_classes={self.num_classes}, "
            f"out_features={self.out_features}, bias={self.linear.bias is not None}, "
            f"reduction={self.reduction}, ignore_index={self.ignore_index}, "
            f"label_smoothing={self.label_smoothing}, options={self.options}"
        )


class BCELoss(_WeightedLoss):
    """Mean of -(y log x + (1 - y) log(1 - x)) for probabilities x."""

    @override
    def forward(self, input: Any, target: Any) -> Any:
        return functional.binary_cross_entropy(
            input, target, self._buffers["weight"], reduction=self.reduction
        )


class BCEWithLogitsLoss(_Loss):
    """Mean of -(p y log σ(z) + (1 - y) log(1 - σ(z))) for logits z.

    Args:
        weight: of the elements of a batch.
        size_average: deprecated.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".
        pos_weight: p, of the classes.
    """

    def __init__(
        self,
        weight: Any = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        pos_weight: Any = None,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    @override
    def forward(self, input: Any, target: Any) -> Any:
        buffers = self._buffers
        return functional.binary_cross_entropy_with_logits(
            input,
            target,
            buffers["weight"],
            pos_weight=buffers["pos_weight"],
            reduction=self.reduction,
        )


class KLDivLoss(_Loss):
    """Divergence Σ y (log y - x) of probabilities y from log-probabilities x.

    Args:
        size_average: deprecated.
        reduce: deprecated.
        reduction: "batchmean" (per example), "mean" (per element), "sum" or "none".
        log_target: whether the target is log y.
    """

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        log_target: bool = False,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    @override
    def forward(self, input: Any, target: Any) -> Any:
        return functional.kl_div(
            input, target, reduction=self.reduction, log_target=self.log_target
        )


class PoissonNLLLoss(_Loss):
    """Mean of exp(x) - y x, or of x - y log x.

    Args:
        log_input: whether x is the logarithm of the rate.
        full: whether Stirling's approximation of log y! is added.
        size_average: deprecated.
        eps: added to x in its logarithm.
        reduce: deprecated.
        reduction: "mean", "sum" or "none".
    """

    __constants__: ClassVar = ["log_input", "full", "eps", "reduction"]

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        size_average: bool | None = None,
        eps: float = 1e-8,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_input = log_input
        self.full = full
        self.eps = eps

    @override
    def forward(self, log_input: Any, target: Any) -> Any:
        return functional.poisson_nll_loss(
            log_input,
            target,
            log_input=self.log_input,
            full=self.full,
            eps=self.eps,
            reduction=self.reduction,
        )


class GaussianNLLLoss(_Loss):
    """Mean of (log v + (x - y)² / v) / 2.

    Args:
        full: whether log(2π) / 2 is added.
        eps: what v is at least.
        reduction: "mean", "sum" or "none".
    """

    __constants__: ClassVar = ["full", "eps", "reduction"]

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.full = full
        self.eps = eps

    @override
    def forward(self, input: Any, target: Any, var: Any) -> Any:
        return functional.gaussian_nll_loss(
            input, target, var, full=self.full, eps=self.eps, reduction=self.reduction
        )


class CTCLoss(_Loss):
    """-log of the probability that a sequence reads as its labels.

    Args:
        blank: number of the class that stands for no label.
        reduction: "mean" (of the losses per label), "sum" or "none".
        zero_infinity: whether impossible examples count 0.
    """

    __constants__: ClassVar = ["blank", "reduction"]

    def __init__(
        self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False
    ) -> None:
        super().__init__(reduction=reduction)
        self.blank = blank
        self.zero_infinity = zero_infinity

    @override
    def forward(self, log_probs: Any, targets: Any, input_lengths: Any, target_lengths: Any) -> Any:
        return functional.ctc_loss(
            log_probs,
            targets,
            input_lengths,
            target_lengths,
            self.blank,
            self.reduction,
            self.zero_infinity,
        )
