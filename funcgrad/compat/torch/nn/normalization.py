"""Normalisation by mean and variance, of layers, batches, groups and instances."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.compilation_breaks import as_one, takes_blocks
from funcgrad.compat.torch.dtypes import DTYPES, Size
from funcgrad.compat.torch.grad_mode import no_grad
from funcgrad.compat.torch.levels import check_batched
from funcgrad.compat.torch.nn.common import (
    add_scalar,
    entered,
    floats,
    not_differentiable,
    value_of,
    widened,
)
from funcgrad.compat.torch.nn.padding import pad
from funcgrad.compat.torch.nn.pooling import avg_pool2d, avg_pool3d
from funcgrad.compat.torch.nn.running import statistics, update, update_plain
from funcgrad.compat.torch.nn.short import all_plain
from funcgrad.compat.torch.nn.standardized import by_batch, by_given, by_group, by_layer
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.registry import MODULES
from funcgrad.compat.torch.state import STATE
from funcgrad.compat.torch.tensor import holder

__all__ = [
    "batch_norm",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "local_response_norm",
    "rms_norm",
]


# --- functions of values ----------------------------------------------------------------------


def _statistics_of(x: Any, axes: tuple[int, ...], eps: float) -> tuple[Any, Any]:
    """Mean and 1 / √(variance + eps) over some axes, computed in double precision."""
    wide = x if x.dtype == np.float64 else x.astype(np.float64)
    mean = fnp.mean(wide, axis=axes, keepdims=True)
    centred = wide - mean
    factor = 1 / fnp.sqrt(fnp.mean(centred * centred, axis=axes, keepdims=True) + eps)
    if wide is x:
        return mean, factor
    return mean.astype(x.dtype), factor.astype(x.dtype)


@widened
def _layer_norm(x: Any, weight: Any, bias: Any, *, rank: int, eps: float) -> Any:
    mean, factor = _statistics_of(x, tuple(range(-rank, 0)), eps)
    y = (x - mean) * factor
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def _along_channels(v: Any, rank: int) -> Any:
    return fnp.reshape(v, (-1,) + (1,) * (rank - 2))


def _affine(x: Any, mean: Any, factor: Any, weight: Any, bias: Any) -> Any:
    """(x - mean) factor weight + bias as one product and one sum; channels stand along axis 1."""
    scale = factor if weight is None else factor * _along_channels(weight, x.ndim)
    shift = -mean * scale if bias is None else _along_channels(bias, x.ndim) - mean * scale
    return x * scale + shift


@widened
def _batch_norm(x: Any, weight: Any, bias: Any, *, mean: Any, variance: Any, eps: float) -> Any:
    """With statistics of the batch, or with given ones."""
    if mean is None:
        middle, factor = _statistics_of(x, (0, *range(2, x.ndim)), eps)
    else:
        middle = _along_channels(mean, x.ndim)
        factor = 1 / fnp.sqrt(_along_channels(variance, x.ndim) + eps)
    return _affine(x, middle, factor, weight, bias)


@widened
def _group_norm(x: Any, weight: Any, bias: Any, *, groups: int, eps: float) -> Any:
    shape = x.shape
    each = math.prod(shape[1:]) // groups
    statistics = _statistics_of(fnp.reshape(x, (shape[0], groups, each)), (-1,), eps)
    mean, factor = (
        fnp.reshape(fnp.repeat(v, shape[1] // groups, 1), (*shape[:2], *(1,) * (len(shape) - 2)))
        for v in statistics
    )
    return _affine(x, mean, factor, weight, bias)


layer_norm_op = Op("NativeLayerNormBackward0", _layer_norm, check=floats("LayerNormKernelImpl"))
batch_norm_op = Op("NativeBatchNormBackward0", _batch_norm, check=floats("batch_norm"))
group_norm_op = Op("NativeGroupNormBackward0", _group_norm, check=floats("GroupNormKernelImpl"))


# --- the public functions ---------------------------------------------------------------------


def _check_types(x: Any, *parameters: Any) -> None:
    """Parameters have the type of the input, or float32 where that is a short one."""
    kind = x.dtype
    for parameter in parameters:
        if parameter is not None and parameter.dtype is not kind:
            if parameter.dtype.name != "float32":
                raise RuntimeError(
                    "mixed dtype (CPU): expect parameter to have scalar type of Float"
                )
            if kind.itemsize != 2:
                raise RuntimeError("mixed dtype (CPU): all inputs must share same datatype.")


def _check_shapes(
    x: Any, shape: tuple[int, ...], weight: Any, bias: Any, *, comma: str = ", "
) -> None:
    if not shape:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one "
            "element, but got normalized_shape = []"
        )
    for what, tensor in (("weight", weight), ("bias", bias)):
        if tensor is not None and tensor._value.shape != shape:
            raise RuntimeError(
                f"Expected {what} to be of same shape as normalized_shape, but got {what} of shape "
                f"{list(tensor._value.shape)} and normalized_shape = {list(shape)}"
            )
    found = x._value.shape
    if found[len(found) - len(shape) :] != shape or len(found) < len(shape):
        tail = ", ".join(map(str, shape))
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [*{comma}{tail}], "
            f"but got input of size{list(found)}"
        )


_check_floats, _check_batch_floats = floats("rms_norm"), floats("batch_norm")


def _sizes(normalized_shape: Any) -> tuple[int, ...]:
    if isinstance(normalized_shape, int):
        return (normalized_shape,)
    return tuple(int(n) for n in normalized_shape)


@entered("layer_norm")
def layer_norm(
    input: Any,
    normalized_shape: Any,
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
) -> Any:
    """w (x - mean) / √(variance + eps) + b, over the last axes, of the given lengths."""
    shape = _sizes(normalized_shape)
    _check_shapes(input, shape, weight, bias)
    if all_plain(input, weight, bias):
        function = partial(_layer_norm, rank=len(shape), eps=eps)
        return by_layer(layer_norm_op, function, (input, weight, bias), len(shape), eps)
    if STATE.compiling is not None and takes_blocks(input._value):
        return STATE.compiling.block(layer_norm, (input, shape, weight, bias, eps), {})
    _check_types(input, weight, bias)
    return layer_norm_op(input, weight, bias, rank=len(shape), eps=eps)


@entered("rms_norm", torch=True)
def rms_norm(
    input: Any,
    normalized_shape: Any,
    weight: Any = None,
    eps: float | None = None,
) -> Any:
    """w x / √(mean of x² + eps), over the last axes, of the given lengths."""
    shape = _sizes(normalized_shape)
    _check_shapes(input, shape, weight, None, comma="")
    _check_floats(input._value)
    x = input.to(DTYPES["float32"]) if input.dtype.itemsize == 2 else input
    if eps is None:
        eps = float(fnp.finfo(x._value.dtype).eps)
    mean = x.pow(2).mean(tuple(range(-len(shape), 0)), keepdim=True)
    result = x * add_scalar(mean, other=eps).rsqrt()
    if weight is not None:
        result = result * weight
    return result if result.dtype is input.dtype else result.to(input.dtype)


def _check_batch(size: tuple[int, ...], shown: Any) -> None:
    """Refuse a batch in which each channel has one value."""
    if size[0] * math.prod(size[2:]) == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {shown}"
        )


BATCHED = (
    "Batch norm got a batched tensor as input while the running_mean or running_var, which will be "
    "updated in place, were not batched.\nIf you are using a module and do not need eval mode, "
    "please set `track_running_stats` to be False.If you are using a prebuilt module and do not "
    "need eval mode, please see the functorch website for resources on how to patch your module "
    "to work with vmap"
)


def _of_nothing(input: Any, weight: Any, bias: Any) -> Any:
    """The batch normalisation of a tensor without elements."""
    result = input.clone()
    if weight is not None:
        result = result * weight[0]
    return result if bias is None else result + bias[0]


def _check_channels(input: Any, training: bool, named: dict[str, Any]) -> None:
    shape = input._value.shape
    if len(shape) < 2 and training:
        raise IndexError(
            "Dimension out of range (expected to be in range of [-1, 0], but got 1)"
            if shape
            else "tuple index out of range"
        )
    channels = shape[1] if len(shape) > 1 else 0
    for what, tensor in named.items():
        if tensor is None:
            if not training and what.startswith("running"):
                raise RuntimeError(f"{what} must be defined in evaluation mode")
        elif tensor._value.size != channels:
            raise RuntimeError(
                f"{what} should contain {channels} elements not {tensor._value.size}"
            )


@as_one
def _by_running(input: Any, mean: Any, variance: Any, weight: Any, bias: Any, eps: float) -> Any:
    """Batch normalisation by running statistics."""
    return batch_norm(input, mean, variance, weight, bias, eps=eps)


@as_one
def _by_own(input: Any, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any]:
    """Batch normalisation by the batch's statistics, and these."""
    function = partial(_batch_norm, mean=None, variance=None, eps=eps)
    result, now, spread = by_batch(batch_norm_op, function, (input, weight, bias), eps)
    return result, holder(now), holder(spread)


def _is_single(tensors: Sequence[Any]) -> bool:
    """Whether tensors are all float32 or all float64."""
    kinds = {x.dtype.name for x in tensors if x is not None}
    return kinds in ({"float32"}, {"float64"})


def _recorded_batch_norm(
    input: Any, given: Sequence[Any], momentum: float, eps: float, *, training: bool
) -> Any:
    """Batch normalisation while a function is recorded, the short way as one operation.

    `given` are running mean and variance, weight and bias.
    """
    mean, variance, weight, bias = given
    if not training:
        return _by_running(input, mean, variance, weight, bias, eps)
    result, now, spread = _by_own(input, weight, bias, eps)
    update(mean, now, momentum)
    update(variance, spread, momentum)
    return result


@entered("batch_norm")
def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """w (x - mean) / √(variance + eps) + b for each channel (axis 1).

    Args:
        input: (N, C, ...).
        running_mean: (C); used unless training, else moved towards the mean of the batch.
        running_var: (C), likewise.
        weight: (C).
        bias: (C).
        training: whether mean and variance are those of the batch.
        momentum: how far the running statistics move.
        eps: added to the variance.
    """
    shape = input._value.shape
    if training and len(shape) > 1:
        _check_batch(shape, repr(Size(shape)))
    if not input._value.size:
        return _of_nothing(input, weight, bias)
    named = {
        "running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias,
    }  # fmt: skip
    _check_channels(input, training, named)
    operands = (input, weight, bias)
    if (
        STATE.compiling is not None
        and len(shape) > 1
        and (running_mean is None) == (running_var is None)
        and _is_single((input, *named.values()))
    ):
        return _recorded_batch_norm(input, [*named.values()], momentum, eps, training=training)
    mean, variance = value_of(running_mean), value_of(running_var)
    plain = all_plain(input, weight, bias, running_mean, running_var)
    if not plain:
        _check_batch_floats(input._value)
        _check_types(input, weight, bias, running_mean, running_var)
        for what in ("running_mean", "running_var"):
            not_differentiable("native_batch_norm", what, named[what])
    elif not training:
        function = partial(_batch_norm, eps=eps)
        return by_given(batch_norm_op, function, operands, mean, variance, eps)
    if not training:
        return batch_norm_op(*operands, mean=mean, variance=variance, eps=eps)
    if (mean is None) != (variance is None):
        raise ValueError("running_mean and running_var must either both be None or neither be None")
    if plain and len(shape) > 1:
        function = partial(_batch_norm, mean=None, variance=None, eps=eps)
        result, now, spread = by_batch(batch_norm_op, function, operands, eps)
        update_plain(running_mean, now, momentum)
        update_plain(running_var, spread, momentum)
        return result
    if mean is not None:
        now, spread = statistics(input)
        for old in (mean, variance):
            check_batched(old, now._value, BATCHED)
        update(running_mean, now, momentum)
        update(running_var, spread, momentum)
    return batch_norm_op(*operands, mean=None, variance=None, eps=eps)


@entered("group_norm")
@as_one
def group_norm(
    input: Any,
    num_groups: int,
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
) -> Any:
    """w (x - mean) / √(variance + eps) + b, over groups of channels."""
    shape = input._value.shape
    if len(shape) < 2:
        raise RuntimeError(
            f"Expected at least 2 dimensions for input tensor but received {len(shape)}"
        )
    _check_batch((shape[0] * shape[1] // num_groups, num_groups, *shape[2:]), list(shape))
    if shape[1] % num_groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of "
            f"shape {list(shape)} and num_groups={num_groups}"
        )
    for what, tensor in (("weight", weight), ("bias", bias)):
        if tensor is not None and tensor._value.shape != (shape[1],):
            raise RuntimeError(
                f"Expected {what} to be a vector of size equal to the number of channels in input, "
                f"but got {what} of shape {list(tensor._value.shape)} and input of shape "
                f"{list(shape)}"
            )
    if all_plain(input, weight, bias):
        function = partial(_group_norm, groups=num_groups, eps=eps)
        return by_group(group_norm_op, function, (input, weight, bias), num_groups, eps)
    _check_types(input, weight, bias)
    return group_norm_op(input, weight, bias, groups=num_groups, eps=eps)


@entered("instance_norm")
def instance_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Batch normalisation of each example by itself."""
    shape = tuple(input._value.shape)
    if use_input_stats:
        spatial = shape[2:]
        if math.prod(spatial) == 1:
            raise ValueError(
                "Expected more than 1 spatial element when training, got input size "
                f"{Size(shape)!r}"
            )
    elif running_mean is None or running_var is None:
        raise RuntimeError(
            "Expected running_mean and running_var to be defined when use_input_stats is false"
        )
    count, channels = shape[:2]
    wide = [
        tensor if tensor is None else tensor.repeat(count)
        for tensor in (weight, bias, running_mean, running_var)
    ]
    flat = input.contiguous().view(1, count * channels, *shape[2:])
    result = batch_norm(flat, wide[2], wide[3], wide[0], wide[1], use_input_stats, momentum, eps)
    with no_grad():
        for running, each in ((running_mean, wide[2]), (running_var, wide[3])):
            if running is not None and each is not None and use_input_stats:
                running.copy_(each.view(count, channels).mean(0))
    return result.view(shape)


@entered("local_response_norm")
@as_one
def local_response_norm(
    input: Any,
    size: int,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 1.0,
) -> Any:
    """x / (k + alpha · mean of x² over neighbouring channels)^beta."""
    rank = input._value.ndim
    if rank < 3:
        raise ValueError(
            f"Expected 3D or higher dimensionality {' ' * 25}input (got {rank} dimensions)"
        )
    if not input._value.size:
        return input
    square = input.mul(input)
    if rank == 3:
        square = square.unsqueeze(1)
        square = pad(square, (0, 0, size // 2, (size - 1) // 2))
        square = avg_pool2d(square, (size, 1), stride=1).squeeze(1)
    else:
        shape = tuple(input._value.shape)
        square = square.view(shape[0], 1, shape[1], shape[2], -1)
        square = pad(square, (0, 0, 0, 0, size // 2, (size - 1) // 2))
        square = avg_pool3d(square, (size, 1, 1), stride=1).squeeze(1)
        square = square.view(shape)
    return input / square.mul(alpha).add(k).pow(beta)


def _torch_batch_norm(
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = False,
) -> Any:
    """As `torch.nn.functional.batch_norm`."""
    del cudnn_enabled
    return batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


def _torch_layer_norm(
    input: Any,
    normalized_shape: Any,
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Any:
    """As `torch.nn.functional.layer_norm`."""
    del cudnn_enable
    return layer_norm(input, normalized_shape, weight, bias, eps)


def _torch_group_norm(
    input: Any,
    num_groups: int,
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Any:
    """As `torch.nn.functional.group_norm`."""
    del cudnn_enabled
    return group_norm(input, num_groups, weight, bias, eps)


for _name, _function in (
    ("batch_norm", _torch_batch_norm), ("layer_norm", _torch_layer_norm),
    ("group_norm", _torch_group_norm),
):  # fmt: skip
    MODULES["torch"].setdefault(_name, _function)
