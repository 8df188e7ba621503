"""`torch.nn.utils.fusion`: a normalisation in evaluation mode taken into the layer before it."""

import copy
from typing import Any

from funcgrad.compat.torch.constructors import ones_like, zeros_like
from funcgrad.compat.torch.nn.parameter import Parameter

__all__ = [
    "fuse_conv_bn_eval",
    "fuse_conv_bn_weights",
    "fuse_linear_bn_eval",
    "fuse_linear_bn_weights",
]


def _factor(bn_rv: Any, bn_eps: float, bn_w: Any) -> Any:
    """What a normalisation multiplies by: w / √(variance + ε)."""
    return bn_w * (bn_rv + bn_eps).rsqrt()


def fuse_conv_bn_weights(
    conv_w: Any,
    conv_b: Any,
    bn_rm: Any,
    bn_rv: Any,
    bn_eps: float,
    bn_w: Any,
    bn_b: Any,
    transpose: bool = False,
) -> tuple[Any, Any]:
    """Weight and bias of the convolution that does both.

    Args:
        conv_w: weight of the convolution.
        conv_b: its bias, or `None`.
        bn_rm: running mean of the normalisation.
        bn_rv: its running variance.
        bn_eps: what is added to the variance.
        bn_w: its weight, or `None`.
        bn_b: its bias, or `None`.
        transpose: whether the convolution is a transposed one.
    """
    before = zeros_like(bn_rm) if conv_b is None else conv_b
    weight = ones_like(bn_rm) if bn_w is None else bn_w
    bias = zeros_like(bn_rm) if bn_b is None else bn_b
    factor = _factor(bn_rv, bn_eps, weight)
    shape = [1] * conv_w.dim()
    shape[1 if transpose else 0] = -1
    fused = (conv_w * factor.reshape(shape)).to(conv_w.dtype)
    moved = ((before - bn_rm) * factor + bias).to(before.dtype)
    return (
        Parameter(fused, conv_w.requires_grad),
        Parameter(moved, before.requires_grad),
    )


def fuse_conv_bn_eval(conv: Any, bn: Any, transpose: bool = False) -> Any:
    """A convolution that does what `conv` and then `bn` do, both in evaluation mode."""
    if conv.training or bn.training:
        raise AssertionError("Fusion only for eval!")
    fused = copy.deepcopy(conv)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias,
        transpose,
    )  # fmt: skip
    return fused


def fuse_linear_bn_weights(
    linear_w: Any, linear_b: Any, bn_rm: Any, bn_rv: Any, bn_eps: float, bn_w: Any, bn_b: Any
) -> tuple[Any, Any]:
    """Weight and bias of the affine map that does both; arguments as `fuse_conv_bn_weights`."""
    before = zeros_like(bn_rm) if linear_b is None else linear_b
    factor = _factor(bn_rv, bn_eps, bn_w)
    fused = linear_w * factor.unsqueeze(-1)
    moved = (before - bn_rm) * factor + bn_b
    return Parameter(fused, linear_w.requires_grad), Parameter(moved, before.requires_grad)


def fuse_linear_bn_eval(linear: Any, bn: Any) -> Any:
    """An affine map that does what `linear` and then `bn` do, both in evaluation mode."""
    if linear.training or bn.training:
        raise AssertionError("Fusion only for eval!")
    if bn.num_features not in (linear.out_features, 1):
        raise AssertionError(
            "To fuse, linear.out_features == bn.num_features or bn.num_features == 1"
        )
    fused = copy.deepcopy(linear)
    fused.weight, fused.bias = fuse_linear_bn_weights(
        fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
    )
    return fused
