"""Further forms of functions of windows and rows: with other axes, and as `torch.` has them."""

from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.nn.adaptive_pooling import adaptive_max_pool1d_with_indices
from funcgrad.compat.torch.nn.common import entered, value_of
from funcgrad.compat.torch.nn.convolution import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
    convolution_of,
)
from funcgrad.compat.torch.nn.linear import renormalise
from funcgrad.compat.torch.nn.pooling import max_pool1d_with_indices
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.registry import MODULES

__all__ = ["conv_tbc"]


def _conv_tbc(x: Any, weight: Any, bias: Any, *, padding: int) -> Any:
    """The convolution of (T, N, C), with kernels (places, C, channels out)."""
    y = convolution_of(
        fnp.transpose(x, (1, 2, 0)), fnp.transpose(weight, (2, 1, 0)), bias,
        stride=(1,), padding=(padding,), dilation=(1,), groups=1,
    )  # fmt: skip
    return fnp.transpose(y, (2, 0, 1))


conv_tbc_op = Op("ConvTbcBackward0", _conv_tbc)


@entered("conv_tbc", torch=True)
def conv_tbc(input: Any, weight: Any, bias: Any, pad: int = 0) -> Any:
    """Σ over channels and places of the kernel of weight · window, plus bias.

    Args:
        input: (T, N, C).
        weight: (places, C, channels out).
        bias: (channels out).
        pad: of zeros at both ends.
    """
    if input._value.ndim != 3:
        raise RuntimeError("Input must have 3 dims: time, batch, in_channel")
    if weight._value.ndim != 3:
        raise RuntimeError(
            "Weight tensor must have 3 dims: kernel_width, in_channels, out_channels."
        )
    if bias._value.ndim != 1:
        raise RuntimeError("Bias must be 1-D")
    if input._value.shape[2] != weight._value.shape[1]:
        raise RuntimeError("Input dim 2 (input channels) is not == dim 1 in the weight tensor")
    if weight._value.shape[2] != bias._value.shape[0]:
        raise RuntimeError("Bias size must equal dim 2 in the weight tensor (output channels).")
    return conv_tbc_op(input, weight, bias, padding=int(pad))


_PLAIN = {3: conv1d, 4: conv2d, 5: conv3d}
_TRANSPOSED = {3: conv_transpose1d, 4: conv_transpose2d, 5: conv_transpose3d}


def _convolution(
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
) -> Any:
    """A convolution or its transpose, in as many dimensions as the weight has."""
    rank = weight._value.ndim
    if not transposed:
        return _PLAIN[rank](input, weight, bias, stride, padding, dilation, groups)
    return _TRANSPOSED[rank](input, weight, bias, stride, padding, output_padding, groups, dilation)


def _renormalised(input: Any, indices: Any, max_norm: float, norm_type: float) -> Any:
    """Shrink the rows with these numbers, in place, to a norm of at most `max_norm`."""
    renormalise(input, np.asarray(value_of(indices)), max_norm, norm_type)
    return input


for _name, _function in (
    ("adaptive_max_pool1d", adaptive_max_pool1d_with_indices), ("convolution", _convolution),
    ("embedding_renorm_", _renormalised), ("max_pool1d_with_indices", max_pool1d_with_indices),
):  # fmt: skip
    MODULES["torch"].setdefault(_name, _function)
