"""`torch.nn.modules.batchnorm`: normalisation of channels over a batch."""

from typing import Any, ClassVar

from typing_extensions import override

from funcgrad.compat.torch.constructors import empty, ones, zeros
from funcgrad.compat.torch.creation import tensor
from funcgrad.compat.torch.grad_mode import no_grad
from funcgrad.compat.torch.nn.init import ones_, zeros_
from funcgrad.compat.torch.nn.modules.lazy import LazyModuleMixin
from funcgrad.compat.torch.nn.modules.module import Module
from funcgrad.compat.torch.nn.normalization import batch_norm
from funcgrad.compat.torch.nn.parameter import (
    Parameter,
    UninitializedBuffer,
    UninitializedParameter,
    is_lazy,
)
from funcgrad.compat.torch.randomness import INT64
from funcgrad.compat.torch.registry import expose

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyBatchNorm3d",
    "SyncBatchNorm",
    "replace_all_batch_norm_modules_",
]


class _NormBase(Module):
    """Statistics and parameters of channels.

    Args:
        num_features: number of channels.
        eps: added to the variance.
        momentum: how far running statistics move towards those of a batch; `None` for the mean of
            all batches.
        affine: whether there are a weight and a bias for each channel.
        track_running_stats: whether running statistics are kept, and used unless training.
        device: where parameters and buffers are.
        dtype: their type.
        bias: whether there is a bias beside the weight.
    """

    _version = 2
    __constants__: ClassVar = ["track_running_stats", "momentum", "eps", "num_features", "affine"]

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        for name, present in (("weight", affine), ("bias", affine and bias)):
            made = Parameter(empty(num_features, device=device, dtype=dtype)) if present else None
            self.register_parameter(name, made)
        mean = variance = count = None
        if track_running_stats:
            mean = zeros(num_features, device=device, dtype=dtype)
            variance = ones(num_features, device=device, dtype=dtype)
            count = tensor(0, dtype=INT64, device=device)
        self.register_buffer("running_mean", mean)
        self.register_buffer("running_var", variance)
        self.register_buffer("num_batches_tracked", count)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Mean 0 and variance 1, of no batch so far."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Weight 1 and bias 0, and statistics of no batch."""
        self.reset_running_stats()
        if self.affine:
            ones_(self.weight)
            if self.bias is not None:
                zeros_(self.bias)

    def _check_input_dim(self, input: Any) -> None:
        raise NotImplementedError

    @override
    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )

    @override
    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """As a module; dictionaries of the first version lack the number of batches."""
        version = local_metadata.get("version")
        key = f"{prefix}num_batches_tracked"
        if (version is None or version < 2) and self.track_running_stats and key not in state_dict:
            own = self.num_batches_tracked
            state_dict[key] = tensor(0, dtype=INT64) if own is None or own.is_meta else own
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


class _BatchNorm(_NormBase):
    """w (x - mean) / √(variance + eps) + b for each channel (axis 1).

    Mean and variance are those of the batch while training, or without running statistics; else the
    running ones. Arguments as of `_NormBase`.
    """

    @override
    def forward(self, input: Any) -> Any:
        """The normalised channels."""
        self._check_input_dim(input)
        buffers, parameters = self._buffers, self._parameters
        mean, variance = buffers["running_mean"], buffers["running_var"]
        training = self.training
        momentum = self.momentum
        if training and self.track_running_stats:
            count = buffers["num_batches_tracked"]
            if count is not None:
                count.add_(1)
                if momentum is None:
                    momentum = 1.0 / float(count)
        elif training:
            mean = variance = None
        return batch_norm(
            input,
            mean,
            variance,
            parameters["weight"],
            parameters["bias"],
            training or (mean is None and variance is None),
            0.0 if momentum is None else momentum,
            self.eps,
        )


class _LazyNormBase(LazyModuleMixin, _NormBase):
    """A normalisation that learns the number of channels from its first input."""

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, False, False, device, dtype, bias=bias)
        self.affine = affine
        self.track_running_stats = track_running_stats
        if affine:
            self.weight = UninitializedParameter(device=device, dtype=dtype)
            if bias:
                self.bias = UninitializedParameter(device=device, dtype=dtype)
        if track_running_stats:
            self.running_mean = UninitializedBuffer(device=device, dtype=dtype)
            self.running_var = UninitializedBuffer(device=device, dtype=dtype)
            self.num_batches_tracked = tensor(0, dtype=INT64, device=device)

    @override
    def reset_parameters(self) -> None:
        if self.num_features != 0 and not self.has_uninitialized_params():
            super().reset_parameters()

    @override
    def initialize_parameters(self, input: Any) -> None:
        """Shapes from axis 1 of the input, and first values."""
        if self.has_uninitialized_params():
            self.num_features = input.shape[1]
            for one in (*self._parameters.values(), *self._buffers.values()):
                if one is not None and is_lazy(one):
                    one.materialize((self.num_features,))
            self.reset_parameters()


def _refuse(wanted: str, input: Any) -> None:
    raise ValueError(f"expected {wanted} input (got {input.dim()}D input)")


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of (N, C) or (N, C, L)."""

    @override
    def _check_input_dim(self, input: Any) -> None:
        if input.dim() not in (2, 3):
            _refuse("2D or 3D", input)


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of (N, C, H, W)."""

    @override
    def _check_input_dim(self, input: Any) -> None:
        if input.dim() != 4:
            _refuse("4D", input)


class BatchNorm3d(_BatchNorm):
    """Batch normalisation of (N, C, D, H, W)."""

    @override
    def _check_input_dim(self, input: Any) -> None:
        if input.dim() != 5:
            _refuse("5D", input)


class LazyBatchNorm1d(_LazyNormBase, BatchNorm1d):
    """`BatchNorm1d` that learns `num_features` from its first input."""

    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(_LazyNormBase, BatchNorm2d):
    """`BatchNorm2d` that learns `num_features` from its first input."""

    cls_to_become = BatchNorm2d


class LazyBatchNorm3d(_LazyNormBase, BatchNorm3d):
    """`BatchNorm3d` that learns `num_features` from its first input."""

    cls_to_become = BatchNorm3d


class SyncBatchNorm(_BatchNorm):
    """Batch normalisation over all processes, of which there is one here."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )
        self.process_group = process_group

    @override
    def _check_input_dim(self, input: Any) -> None:
        if input.dim() < 2:
            _refuse("at least 2D", input)
        if input.size(1) == 0:
            raise ValueError("SyncBatchNorm number of input channels should be non-zero")

    @classmethod
    def convert_sync_batchnorm(cls, module: Any, process_group: Any = None) -> Any:
        """The module with every batch normalisation below it put into this class."""
        converted = module
        if isinstance(module, _BatchNorm):
            converted = cls(
                module.num_features, module.eps, module.momentum, module.affine,
                module.track_running_stats, process_group, bias=module.bias is not None,
            )  # fmt: skip
            if module.affine:
                with no_grad():
                    converted.weight = module.weight
                    converted.bias = module.bias
            for name in ("running_mean", "running_var", "num_batches_tracked", "training"):
                setattr(converted, name, getattr(module, name))
        for name, child in module.named_children():
            converted.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return converted


def replace_all_batch_norm_modules_(root: Any) -> Any:
    """Let every batch normalisation of a module keep no statistics, so that `vmap` can map it.

    Args:
        root: changed in place, and returned.
    """
    for module in root.modules():
        if isinstance(module, _BatchNorm) and module.track_running_stats:
            module.running_mean = module.running_var = module.num_batches_tracked = None
            module.track_running_stats = False
    return root


expose(
    "replace_all_batch_norm_modules_", replace_all_batch_norm_modules_, method=False, module="func"
)
