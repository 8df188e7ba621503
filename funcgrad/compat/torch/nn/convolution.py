"""Convolutions, and what they are made of: columns of windows, and their sum back in place."""

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.nn.common import entered, numbers, scalar_name
from funcgrad.compat.torch.nn.padding import pad
from funcgrad.compat.torch.nn.windows import padded, slices, windows
from funcgrad.compat.torch.op import Op

__all__ = [
    "channel_shuffle",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "fold",
    "pixel_shuffle",
    "pixel_unshuffle",
    "unfold",
]

Ints = tuple[int, ...]


# --- functions of values ----------------------------------------------------------------------


def _added_in_place(columns: Any, full: Ints, kernel: Ints, stride: Ints, dilation: Ints) -> Any:
    """Σ of windows (…, places, *counts) where they were taken from: the transpose of `windows`."""
    axes = len(kernel)
    counts = columns.shape[-axes:]
    out: Any = np.zeros((*columns.shape[: -axes - 1], *full), columns.dtype)
    for i, place in enumerate(slices(kernel, stride, dilation, counts)):
        out = fnp.at(out)[(..., *place)].add(columns[(..., i, *(slice(None),) * axes)])
    return out


def _counts(
    sizes: Sequence[int], kernel: Ints, stride: Ints, padding: Ints, dilation: Ints
) -> Ints:
    rows = zip(sizes, kernel, stride, padding, dilation, strict=True)
    return tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in rows)


def _with_bias(y: Any, bias: Any) -> Any:
    return y if bias is None else y + fnp.reshape(bias, (-1,) + (1,) * (y.ndim - 2))


def _convolution(
    x: Any, weight: Any, bias: Any, *, stride: Ints, padding: Ints, dilation: Ints, groups: int
) -> Any:
    """Σ over channels and places of the kernel of weight · window, as products of matrices."""
    kernel = weight.shape[2:]
    out = _counts(x.shape[2:], kernel, stride, padding, dilation)
    inside = padded(x, [(p, p) for p in padding])
    columns = windows(inside, kernel, stride, dilation, out)
    columns = fnp.reshape(columns, (x.shape[0], groups, -1, math.prod(out)))
    rows = fnp.reshape(weight, (groups, weight.shape[0] // groups, -1))
    y = fnp.matmul(rows, columns)
    return _with_bias(fnp.reshape(y, (x.shape[0], weight.shape[0], *out)), bias)


def _transposed(
    x: Any,
    weight: Any,
    bias: Any,
    *,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    groups: int,
    out: Ints,
) -> Any:
    """The transpose of a convolution, as a map of its input."""
    kernel, sizes = weight.shape[2:], x.shape[2:]
    count, channels = x.shape[0], weight.shape[1] * groups
    rows = fnp.reshape(weight, (groups, weight.shape[0] // groups, -1))
    inputs = fnp.reshape(x, (count, groups, weight.shape[0] // groups, -1))
    columns = fnp.matmul(fnp.swapaxes(rows, -1, -2), inputs)
    columns = fnp.reshape(columns, (count, channels, math.prod(kernel), *sizes))
    full = tuple(
        max((n - 1) * s + d * (k - 1) + 1, p + o)
        for n, s, d, k, p, o in zip(sizes, stride, dilation, kernel, padding, out, strict=True)
    )
    whole = _added_in_place(columns, full, kernel, stride, dilation)
    inside = tuple(slice(p, p + o) for p, o in zip(padding, out, strict=True))
    return _with_bias(whole[(..., *inside)], bias)


def _unfold(x: Any, *, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints) -> Any:
    out = _counts(x.shape[-2:], kernel, stride, padding, dilation)
    columns = windows(padded(x, [(p, p) for p in padding]), kernel, stride, dilation, out)
    lead = x.shape[:-3]
    return fnp.reshape(columns, (*lead, x.shape[-3] * math.prod(kernel), math.prod(out)))


def _fold(
    x: Any, *, size: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, counts: Ints
) -> Any:
    lead = x.shape[:-2]
    columns = fnp.reshape(x, (*lead, -1, math.prod(kernel), *counts))
    full = tuple(n + 2 * p for n, p in zip(size, padding, strict=True))
    whole = _added_in_place(columns, full, kernel, stride, dilation)
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


convolution_op = Op("ConvolutionBackward0", _convolution)
transposed_op = Op("ConvolutionBackward0", _transposed)
unfold_op = Op("Im2ColBackward0", _unfold, linear=True)
fold_op = Op("Col2ImBackward0", _fold, linear=True)
shuffle_op = Op("PixelShuffleBackward0", _shuffle, linear=True)
unshuffle_op = Op("PixelUnshuffleBackward0", _unshuffle, linear=True)
channel_shuffle_op = Op("ChannelShuffleBackward0", _channel_shuffle, linear=True)


# --- convolutions -----------------------------------------------------------------------------


def _check(
    name: str, axes: int, x: Any, weight: Any, bias: Any, stride: Ints, groups: int, flipped: bool
) -> None:
    """Refuse what does not fit.

    Raises:
        RuntimeError: in PyTorch's words.
    """
    found, shape = list(x._value.shape), list(weight._value.shape)
    if len(found) not in (axes + 1, axes + 2):
        raise RuntimeError(
            f"Expected {axes + 1}D (unbatched) or {axes + 2}D (batched) input to {name}, but got "
            f"input of size: {found}"
        )
    if len(found) == axes + 1:
        found = [1, *found]
    if min(stride) <= 0:
        raise RuntimeError("non-positive stride is not supported")
    if not flipped and shape[0] < groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, but "
            f"got weight of size {shape} instead"
        )
    if not flipped and shape[0] % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, "
            f"but got weight of size {shape} instead"
        )
    wanted = shape[0] if flipped else shape[1] * groups
    if found[1] != wanted:
        given = "transposed=1" if flipped else f"groups={groups}"
        raise RuntimeError(
            f"Given {given}, weight of size {shape}, expected input{found} to have {wanted} "
            f"channels, but got {found[1]} channels instead"
        )
    channels = shape[1] * groups if flipped else shape[0]
    if bias is not None and bias._value.shape != (channels,):
        raise RuntimeError(
            f"Given {'transposed=1, ' if flipped else ''}weight of size {shape}, expected bias to "
            f"be 1-dimensional with {channels} elements, but got bias of size "
            f"{list(bias._value.shape)} instead"
        )
    for tensor in (weight, bias):
        if tensor is not None and tensor.dtype is not x.dtype:
            raise RuntimeError(
                f"expected scalar type {scalar_name(x.dtype)} but found {scalar_name(tensor.dtype)}"
            )


_EVEN = (
    "Using padding='same' with even kernel lengths and odd dilation may require a zero-padded copy "
    "of the input be created"
)


def _same(x: Any, kernel: Ints, dilation: Ints, stride: Ints) -> tuple[Any, Ints]:
    """The input, padded where the padding is uneven, and the even padding."""
    if any(s != 1 for s in stride):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    total = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    if any(t % 2 for t in total):
        warnings.warn(_EVEN, UserWarning, stacklevel=4)
        x = pad(x, [n for t in reversed(total) for n in (0, t % 2)])
    return x, tuple(t // 2 for t in total)


def _convolved(
    axes: int,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Any:
    stride, dilation = numbers(stride, axes), numbers(dilation, axes)
    _check(f"conv{axes}d", axes, input, weight, bias, stride, groups, False)
    single = input._value.ndim == axes + 1
    x = input.unsqueeze(0) if single else input
    kernel = tuple(weight._value.shape[2:])
    if isinstance(padding, str):
        if padding == "same":
            x, padding = _same(x, kernel, dilation, stride)
        elif padding == "valid":
            padding = 0
        else:
            raise RuntimeError(f"Invalid padding string: '{padding}'")
    padding = numbers(padding, axes)
    if min(padding) < 0:
        raise RuntimeError("negative padding is not supported")
    sizes = [n + 2 * p for n, p in zip(x._value.shape[2:], padding, strict=True)]
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    if any(n < r for n, r in zip(sizes, reach, strict=True)):
        shown = " x ".join(map(str, sizes)), " x ".join(map(str, reach))
        raise RuntimeError(
            f"Calculated padded input size per channel: ({shown[0]}). Kernel size: ({shown[1]}). "
            "Kernel size can't be greater than actual input size"
        )
    y = convolution_op(
        x, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups
    )
    return y.squeeze(0) if single else y


def _conv(axes: int) -> Any:
    def conv(
        input: Any,
        weight: Any,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Any:
        """Σ over channels and places of the kernel of weight · window, plus bias.

        Args:
            input: (N, C, ...) or (C, ...).
            weight: (channels out, C / groups, *kernel).
            bias: (channels out).
            stride: of the windows.
            padding: of zeros on both sides, or "same" or "valid".
            dilation: distance of the elements of a window.
            groups: of channels, each of which is convolved by itself.
        """
        return _convolved(axes, input, weight, bias, stride, padding, dilation, groups)

    conv.__name__ = conv.__qualname__ = f"conv{axes}d"
    return entered(conv.__name__, torch=True)(conv)


conv1d, conv2d, conv3d = (_conv(axes) for axes in (1, 2, 3))


def _uneven(extra: Ints, stride: Ints, dilation: Ints) -> RuntimeError:
    words = (("output_padding", extra), ("stride", stride), ("dilation", dilation))
    names = ("depth", "height", "width")[-max(len(extra), 2) :]
    shown = " ".join(
        f"{word}_{name}: {n}"
        for word, given in words
        for name, n in zip(names, (1,) * (len(names) - len(given)) + given, strict=True)
    )
    return RuntimeError(
        f"output padding must be smaller than either stride or dilation, but got {shown}"
    )


def _conv_transpose(axes: int) -> Any:
    def conv_transpose(
        input: Any,
        weight: Any,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        dilation: Any = 1,
    ) -> Any:
        """The transpose of a convolution, plus bias.

        Args:
            input: (N, C, ...) or (C, ...).
            weight: (C, channels out / groups, *kernel).
            bias: (channels out).
            stride: of the convolution.
            padding: of the convolution.
            output_padding: how much longer the result is at its end.
            groups: of channels.
            dilation: of the convolution.
        """
        steps, spread = numbers(stride, axes), numbers(dilation, axes)
        around, extra = numbers(padding, axes), numbers(output_padding, axes)
        _check(f"conv_transpose{axes}d", axes, input, weight, bias, steps, groups, True)
        if any(e >= max(s, d) for e, s, d in zip(extra, steps, spread, strict=True)):
            raise _uneven(extra, steps, spread)
        single = input._value.ndim == axes + 1
        x = input.unsqueeze(0) if single else input
        out = tuple(
            (n - 1) * s - 2 * p + d * (k - 1) + e + 1
            for n, s, p, d, k, e in zip(
                x._value.shape[2:], steps, around, spread, weight._value.shape[2:], extra,
                strict=True,
            )
        )  # fmt: skip
        y = transposed_op(
            x, weight, bias, stride=steps, padding=around, dilation=spread, groups=groups, out=out
        )
        return y.squeeze(0) if single else y

    conv_transpose.__name__ = conv_transpose.__qualname__ = f"conv_transpose{axes}d"
    return entered(conv_transpose.__name__, torch=True)(conv_transpose)


conv_transpose1d, conv_transpose2d, conv_transpose3d = (_conv_transpose(n) for n in (1, 2, 3))


# --- columns and shuffles ---------------------------------------------------------------------


@entered("unfold")
def unfold(
    input: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Any = 0,
    stride: Any = 1,
) -> Any:
    """The windows of (N, C, H, W) as columns (N, C · places, windows)."""
    input.size(-3)
    kernel, steps, around, spread = (
        numbers(n, 2) for n in (kernel_size, stride, padding, dilation)
    )
    return unfold_op(input, kernel=kernel, stride=steps, padding=around, dilation=spread)


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
    size, kernel, steps, around, spread = (
        numbers(n, 2) for n in (output_size, kernel_size, stride, padding, dilation)
    )
    counts = _counts(size, kernel, steps, around, spread)
    found = input._value.shape[-1]
    if math.prod(counts) != found:
        raise RuntimeError(
            f"Given output_size={size}, kernel_size={kernel}, dilation={spread}, padding={around}, "
            f"stride={steps}, expected size of input's dimension 2 to match the calculated number "
            f"of sliding blocks {counts[0]} * {counts[1]} = {math.prod(counts)}, but got "
            f"input.size(2)={found}."
        )
    return fold_op(
        input, size=size, kernel=kernel, stride=steps, padding=around, dilation=spread,
        counts=counts,
    )  # fmt: skip


@entered("pixel_shuffle", torch=True)
def pixel_shuffle(input: Any, upscale_factor: int) -> Any:
    """(..., C r², H, W) to (..., C, H r, W r)."""
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
    """Channels of each group in turn."""
    return channel_shuffle_op(input, groups=groups)
