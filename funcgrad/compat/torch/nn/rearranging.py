"""Elements moved to other places: windows as columns, and channels as elements of images."""

import math
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.nn.common import entered, floats
from funcgrad.compat.torch.nn.window_checks import check_columns, check_columns_of, pair_of
from funcgrad.compat.torch.nn.windows import added_in_place, counts_of, padded, windows
from funcgrad.compat.torch.op import Op

__all__ = [
    "channel_shuffle",
    "fold",
    "native_channel_shuffle",
    "pixel_shuffle",
    "pixel_unshuffle",
    "unfold",
]

Ints = tuple[int, ...]


# --- functions of values ----------------------------------------------------------------------


def _unfold(x: Any, *, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints) -> Any:
    out = counts_of(x.shape[-2:], kernel, stride, padding, dilation)
    columns = windows(padded(x, [(p, p) for p in padding]), kernel, stride, dilation, out)
    lead = x.shape[:-3]
    return fnp.reshape(columns, (*lead, x.shape[-3] * math.prod(kernel), math.prod(out)))


def _fold(
    x: Any, *, size: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, counts: Ints
) -> Any:
    lead = x.shape[:-2]
    channels = x.shape[-2] // math.prod(kernel)
    columns = fnp.reshape(x, (*lead, channels, math.prod(kernel), *counts))
    full = tuple(n + 2 * p for n, p in zip(size, padding, strict=True))
    whole = added_in_place(columns, full, kernel, stride, dilation)
    inside = tuple(slice(p, p + n) for n, p in zip(size, padding, strict=True))
    return whole[(..., *inside)]


def _shuffle(x: Any, *, factor: int) -> Any:
    """(…, C r², H, W) to (…, C, H r, W r)."""
    *lead, c, h, w = x.shape
    n = len(lead)
    parts = fnp.reshape(x, (*lead, c // factor**2, factor, factor, h, w))
    order = (*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return fnp.reshape(fnp.transpose(parts, order), (*lead, c // factor**2, h * factor, w * factor))


def _unshuffle(x: Any, *, factor: int) -> Any:
    """(…, C, H r, W r) to (…, C r², H, W)."""
    *lead, c, h, w = x.shape
    n = len(lead)
    parts = fnp.reshape(x, (*lead, c, h // factor, factor, w // factor, factor))
    order = (*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return fnp.reshape(
        fnp.transpose(parts, order), (*lead, c * factor**2, h // factor, w // factor)
    )


def _channel_shuffle(x: Any, *, groups: int) -> Any:
    n, c, *rest = x.shape
    parts = fnp.reshape(x, (n, groups, c // groups, *rest))
    return fnp.reshape(fnp.swapaxes(parts, 1, 2), x.shape)


unfold_op = Op("Im2ColBackward0", _unfold, linear=True, check=floats("im2col_out_cpu"))
fold_op = Op("Col2ImBackward0", _fold, linear=True, check=floats("col2im_out_cpu"))
shuffle_op = Op("PixelShuffleBackward0", _shuffle, linear=True)
unshuffle_op = Op("PixelUnshuffleBackward0", _unshuffle, linear=True)
channel_shuffle_op = Op("ChannelShuffleBackward0", _channel_shuffle, linear=True)


# --- the public functions ---------------------------------------------------------------------


@entered("unfold")
def unfold(
    input: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Any = 0,
    stride: Any = 1,
) -> Any:
    """The windows of (N, C, H, W) as columns (N, C · places, windows)."""
    kernel = pair_of("im2col", "kernel_size", 2, kernel_size)
    wide = pair_of("im2col", "dilation", 3, dilation)
    around = pair_of("im2col", "padding", 4, padding)
    steps = pair_of("im2col", "stride", 5, stride)
    check_columns_of(input._value.shape, kernel, wide, around, steps)
    return unfold_op(input, kernel=kernel, stride=steps, padding=around, dilation=wide)


@entered("fold")
def fold(
    input: Any,
    output_size: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Any = 0,
    stride: Any = 1,
) -> Any:
    """Σ of columns in the places that `unfold` takes them from."""
    size = pair_of("col2im", "output_size", 2, output_size)
    kernel = pair_of("col2im", "kernel_size", 3, kernel_size)
    wide = pair_of("col2im", "dilation", 4, dilation)
    around = pair_of("col2im", "padding", 5, padding)
    steps = pair_of("col2im", "stride", 6, stride)
    check_columns(input._value.shape, kernel, wide, around, steps)
    counts = counts_of(size, kernel, steps, around, wide)
    found = input._value.shape[-1]
    if math.prod(counts) != found:
        raise RuntimeError(
            f"Given output_size={size}, kernel_size={kernel}, dilation={wide}, padding={around}, "
            f"stride={steps}, expected size of input's dimension 2 to match the calculated number "
            f"of sliding blocks {counts[0]} * {counts[1]} = {math.prod(counts)}, but got "
            f"input.size(2)={found}."
        )
    return fold_op(
        input, size=size, kernel=kernel, stride=steps, padding=around, dilation=wide,
        counts=counts,
    )  # fmt: skip


def _check_image(name: str, word: str, input: Any, factor: Any) -> None:
    """Refuse factors that are no positive number, and what is no image with channels."""
    if not hasattr(factor, "__index__"):
        raise TypeError(
            f"{name}(): argument '{word}' (position 2) must be int, not {type(factor).__name__}"
        )
    if input._value.ndim < 3:
        raise RuntimeError(
            f"{name} expects input to have at least 3 dimensions, but got input with "
            f"{input._value.ndim} dimension(s)"
        )
    if factor <= 0:
        raise RuntimeError(f"{name} expects a positive {word}, but got {factor}")


@entered("pixel_shuffle", torch=True)
def pixel_shuffle(input: Any, upscale_factor: int) -> Any:
    """(..., C r², H, W) to (..., C, H r, W r)."""
    _check_image("pixel_shuffle", "upscale_factor", input, upscale_factor)
    channels = input._value.shape[-3]
    if channels % upscale_factor**2:
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square "
            f"of upscale_factor, but input.size(-3)={channels} is not divisible by "
            f"{upscale_factor**2}"
        )
    return _apart(shuffle_op(input, factor=upscale_factor), input)


@entered("pixel_unshuffle", torch=True)
def pixel_unshuffle(input: Any, downscale_factor: int) -> Any:
    """(..., C, H r, W r) to (..., C r², H, W)."""
    _check_image("pixel_unshuffle", "downscale_factor", input, downscale_factor)
    for word, axis in (("height", -2), ("width", -1)):
        length = input._value.shape[axis]
        if length % downscale_factor:
            raise RuntimeError(
                f"pixel_unshuffle expects {word} to be divisible by downscale_factor, but "
                f"input.size({axis})={length} is not divisible by {downscale_factor}"
            )
    return _apart(unshuffle_op(input, factor=downscale_factor), input)


def _apart(result: Any, input: Any) -> Any:
    """The result in memory of its own, where NumPy only shows the operand in another shape."""
    value = result._value
    if type(value) is np.ndarray and np.may_share_memory(value, input._value):
        result._value = value.copy()
    return result


@entered("channel_shuffle", torch=True)
def channel_shuffle(input: Any, groups: int) -> Any:
    """The first channel of each group, then the second of each, ..."""
    shape = input._value.shape
    if len(shape) < 3:
        raise RuntimeError(
            f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(shape)}"
        )
    if groups <= 0:
        raise RuntimeError(
            f"Number of groups to divide channels in must be positive. Value of groups:{groups}"
        )
    if shape[1] % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {shape[1]} channels and {groups} "
            "groups."
        )
    return channel_shuffle_op(input, groups=groups)


@entered("native_channel_shuffle", torch=True)
def native_channel_shuffle(input: Any, groups: int) -> Any:
    """As `channel_shuffle`."""
    return channel_shuffle(input, groups)
