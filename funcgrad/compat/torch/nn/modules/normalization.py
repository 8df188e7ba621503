"""`torch.nn.modules.normalization`: normalisation of layers, of groups, and among neighbours."""

from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from funcgrad.compat.torch.constructors import empty
from funcgrad.compat.torch.nn.init import ones_, zeros_
from funcgrad.compat.torch.nn.modules.module import Module
from funcgrad.compat.torch.nn.normalization import (
    group_norm,
    layer_norm,
    local_response_norm,
    rms_norm,
)
from funcgrad.compat.torch.nn.parameter import Parameter
from funcgrad.compat.torch.op import Op

__all__ = ["CrossMapLRN2d", "GroupNorm", "LayerNorm", "LocalResponseNorm", "RMSNorm"]


def _parameter(present: bool, shape: Any, device: Any, dtype: Any) -> Any:
    return Parameter(empty(shape, device=device, dtype=dtype)) if present else None


class _Affine(Module):
    """A module that may have a weight and a bias."""

    def reset_parameters(self) -> None:
        """Weight 1 and bias 0."""
        parameters = self._parameters
        weight, bias = parameters["weight"], parameters.get("bias")
        if weight is not None:
            ones_(weight)
        if bias is not None:
            zeros_(bias)


class LayerNorm(_Affine):
    """w (x - mean) / √(variance + eps) + b, over the last axes, of the given lengths.

    Args:
        normalized_shape: the lengths.
        eps: added to the variance.
        elementwise_affine: whether there are parameters w and b of this shape.
        bias: whether there is b.
        device: where they are.
        dtype: their type.
    """

    __constants__: ClassVar = ["normalized_shape", "eps", "elementwise_affine"]

    def __init__(
        self,
        normalized_shape: Any,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _lengths(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        for name, present in (("weight", True), ("bias", bias)):
            made = _parameter(elementwise_affine and present, self.normalized_shape, device, dtype)
            self.register_parameter(name, made)
        self.reset_parameters()

    @override
    def forward(self, input: Any) -> Any:
        """The normalised last axes."""
        parameters = self._parameters
        return layer_norm(
            input, self.normalized_shape, parameters["weight"], parameters["bias"], self.eps
        )

    @override
    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


def _lengths(normalized_shape: Any) -> tuple[int, ...]:
    if isinstance(normalized_shape, int | np.integer):
        return (int(normalized_shape),)
    return tuple(normalized_shape)


class RMSNorm(_Affine):
    """w x / √(mean of x² + eps), over the last axes, of the given lengths.

    Args:
        normalized_shape: the lengths.
        eps: added to the mean; by default the distance from 1 to the next number of the type.
        elementwise_affine: whether there is a parameter w of this shape.
        device: where it is.
        dtype: its type.
    """

    __constants__: ClassVar = ["normalized_shape", "eps", "elementwise_affine"]

    def __init__(
        self,
        normalized_shape: Any,
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _lengths(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        made = _parameter(elementwise_affine, self.normalized_shape, device, dtype)
        self.register_parameter("weight", made)
        self.reset_parameters()

    @override
    def forward(self, x: Any) -> Any:
        """The normalised last axes."""
        return rms_norm(x, self.normalized_shape, self.weight, self.eps)

    @override
    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


class GroupNorm(_Affine):
    """w (x - mean) / √(variance + eps) + b, over groups of channels (axis 1).

    Args:
        num_groups: number of groups.
        num_channels: number of channels, a multiple of it.
        eps: added to the variance.
        affine: whether there are parameters w and b for each channel.
        device: where they are.
        dtype: their type.
        bias: whether there is b.
    """

    __constants__: ClassVar = ["num_groups", "num_channels", "eps", "affine"]

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_channels % num_groups:
            raise ValueError(
                f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})"
            )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        for name, present in (("weight", affine), ("bias", affine and bias)):
            self.register_parameter(name, _parameter(present, num_channels, device, dtype))
        self.reset_parameters()

    @override
    def forward(self, input: Any) -> Any:
        """The normalised groups."""
        parameters = self._parameters
        return group_norm(
            input, self.num_groups, parameters["weight"], parameters["bias"], self.eps
        )

    @override
    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class _AmongChannels(Module):
    """Normalisation by channels nearby.

    Args:
        size: number of the channels.
        alpha: factor of the mean of their squares.
        beta: exponent.
        k: summand.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    @override
    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class LocalResponseNorm(_AmongChannels):
    """x / (k + alpha · mean of x² over neighbouring channels)^beta."""

    __constants__: ClassVar = ["size", "alpha", "beta", "k"]

    @override
    def forward(self, input: Any) -> Any:
        """The normalised channels."""
        return local_response_norm(input, self.size, self.alpha, self.beta, self.k)


def _cross_map(x: Any, *, size: int, alpha: float, beta: float, k: float) -> Any:
    """x (k + alpha / size · Σ x² over channels nearby)^-beta, for (N, C, H, W)."""
    places = np.arange(x.shape[1])
    near = abs(places[:, None] - places) <= (size - 1) // 2
    flat = (x * x).reshape(*x.shape[:2], -1)
    sums = (near.astype(x.dtype) @ flat).reshape(x.shape)
    return x * (k + sums * (alpha / size)) ** -beta


cross_map_op = Op("CrossMapLRN2dBackward", _cross_map)


class CrossMapLRN2d(_AmongChannels):
    """x / (k + alpha / size · Σ x² over neighbouring channels)^beta, for (N, C, H, W)."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1) -> None:
        super().__init__(size, alpha, beta, k)

    @override
    def forward(self, input: Any) -> Any:
        """The normalised channels."""
        if input.dim() != 4:
            raise ValueError(f"CrossMapLRN2d: Expected input to be 4D, got {input.dim()}D instead.")
        return cross_map_op(input, size=self.size, alpha=self.alpha, beta=self.beta, k=self.k)
