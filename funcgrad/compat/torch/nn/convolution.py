"""Convolutions and their transposes: columns of windows, and their sum back in place."""

import math
import warnings
from collections.abc import Callable
from functools import cache, lru_cache, partial
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.arguments import outside
from funcgrad.compat.torch.compilation_breaks import as_one
from funcgrad.compat.torch.nn.common import entered
from funcgrad.compat.torch.nn.correlation import Grid, correlate, spread, weigh
from funcgrad.compat.torch.nn.padding import pad
from funcgrad.compat.torch.nn.short import all_plain, short_result, traced_pull
from funcgrad.compat.torch.nn.window_checks import (
    check_bias_type,
    check_convolution_types,
    convolved_sizes,
    not_tensors,
    sizes_given,
    transposed_sizes,
)
from funcgrad.compat.torch.nn.windows import added_in_place, counts_of, padded, windows
from funcgrad.compat.torch.op import Op

__all__ = [
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "convolution_of",
]

Ints = tuple[int, ...]


# --- functions of values ----------------------------------------------------------------------


def _with_bias(y: Any, bias: Any) -> Any:
    return y if bias is None else y + fnp.reshape(bias, (-1,) + (1,) * (y.ndim - 2))


def convolution_of(
    x: Any, weight: Any, bias: Any, *, stride: Ints, padding: Ints, dilation: Ints, groups: int
) -> Any:
    """Σ over channels and places of the kernel of weight · window, as products of matrices."""
    kernel = weight.shape[2:]
    out = counts_of(x.shape[2:], kernel, stride, padding, dilation)
    inside = padded(x, [(p, p) for p in padding])
    columns = windows(inside, kernel, stride, dilation, out)
    width = weight.shape[1] * math.prod(kernel)
    columns = fnp.reshape(columns, (x.shape[0], groups, width, math.prod(out)))
    rows = fnp.reshape(weight, (groups, weight.shape[0] // groups, width))
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
    each = weight.shape[0] // groups
    rows = fnp.reshape(weight, (groups, each, weight.shape[1] * math.prod(kernel)))
    inputs = fnp.reshape(x, (count, groups, each, math.prod(sizes)))
    columns = fnp.matmul(fnp.swapaxes(rows, -1, -2), inputs)
    columns = fnp.reshape(columns, (count, channels, math.prod(kernel), *sizes))
    full = tuple(
        max((n - 1) * s + d * (k - 1) + 1, p + o)
        for n, s, d, k, p, o in zip(sizes, stride, dilation, kernel, padding, out, strict=True)
    )
    whole = added_in_place(columns, full, kernel, stride, dilation)
    inside = tuple(slice(p, p + o) for p, o in zip(padding, out, strict=True))
    return _with_bias(whole[(..., *inside)], bias)


convolution_op = Op("ConvolutionBackward0", convolution_of)
transposed_op = Op("ConvolutionBackward0", _transposed)


# --- the short way ----------------------------------------------------------------------------


@lru_cache(maxsize=512)
def _grid_of(sizes: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints) -> Grid:
    full = tuple(n + 2 * p for n, p in zip(sizes, padding, strict=True))
    counts = counts_of(sizes, kernel, stride, padding, dilation)
    return Grid(sizes, padding, full, kernel, stride, dilation, counts)


@lru_cache(maxsize=512)
def _grid_to(
    sizes: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, out: Ints
) -> Grid:
    """The grid whose windows are the elements that a transposed convolution spreads."""
    rows = zip(sizes, stride, dilation, kernel, padding, out, strict=True)
    full = tuple(max((n - 1) * s + d * (k - 1) + 1, p + o) for n, s, d, k, p, o in rows)
    return Grid(out, padding, full, kernel, stride, dilation, sizes)


def _short(
    input: Any, weight: Any, bias: Any, grid: Grid, groups: int, function: Any, *, flipped: bool
) -> Any:
    """A convolution of plain arrays, or its transpose.

    Args:
        input: (N, C, *sizes).
        weight: of the convolution that it is, or that it is the transpose of.
        bias: of the channels of the result.
        grid: of that convolution.
        groups: of channels.
        function: the same of any values.
        flipped: whether it is the transpose.
    """
    x, w = input._value, weight._value
    b = None if bias is None else bias._value
    if not flipped:
        value = correlate(x, w, b, grid, groups)
    else:
        value = spread(x, w, grid, groups)
        if b is not None:
            value += b.reshape(-1, *(1,) * len(grid.kernel))
    shape = value.shape

    def pull(mask: tuple[bool, ...]) -> Callable[[Any, Any], Any]:
        def pulled(ct: Any, residuals: Any) -> Any:
            v, u = residuals
            if type(ct) is not np.ndarray:
                return traced_pull(function, (v, u, b), mask, ct)
            parts = []
            if mask[0]:
                back = correlate(ct, u, None, grid, groups) if flipped else None
                parts.append(spread(ct, u, grid, groups) if back is None else back)
            if mask[1]:
                seen, came = (ct, v) if flipped else (v, ct)
                parts.append(weigh(seen, came, grid, groups))
            if mask[2]:
                sums = _sum(ct.reshape(shape[0], shape[1], -1), 2)
                parts.append(_sum(sums, 0))
            return tuple(parts) if len(parts) > 1 else parts[0]

        return pulled

    return short_result(
        convolution_op.cls, "Convolution", (input, weight, bias), value, function, pull,
        residuals=(x, w), linear=(2,),
    )  # fmt: skip


_sum: Any = np.add.reduce  # its stubs know no positional axis


# --- convolutions -----------------------------------------------------------------------------


_EVEN = (
    "Using padding='same' with even kernel lengths and odd dilation may require a zero-padded copy "
    "of the input be created"
)


@cache
def warn_of_even_kernels() -> None:
    """Warn, once in a program, of what "same" may cost."""
    warnings.warn(_EVEN, UserWarning, stacklevel=outside())


def _same(x: Any, kernel: Ints, dilation: Ints, stride: Ints) -> tuple[Any, Ints]:
    """The input, padded where the padding is uneven, and the even padding."""
    if any(s != 1 for s in stride):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    total = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    if any(t % 2 for t in total):
        warn_of_even_kernels()
        x = pad(x, [n for t in reversed(total) for n in (0, t % 2)])
    return x, tuple(t // 2 for t in total)


@as_one
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
    name = f"conv{axes}d"
    stride = sizes_given(name, "stride", 4, stride, axes)
    dilation = sizes_given(name, "dilation", 6, dilation, axes)
    try:
        found, shape = input._value.shape, weight._value.shape
    except AttributeError:
        raise not_tensors(name, input, weight, bias, stride, padding, dilation, groups) from None
    single = len(found) == axes + 1
    x, kernel = input, tuple(shape[2:])
    if isinstance(padding, str):
        if padding == "same" and len(found) in (axes + 1, axes + 2):
            x, padding = _same(x, kernel, dilation, stride)
            found = x._value.shape
        elif padding not in ("same", "valid"):
            raise RuntimeError(f"Invalid padding string: '{padding}'")
        else:
            padding = 0
    padding = sizes_given(name, "padding", 5, padding, axes)
    bias_shape = None if bias is None else bias._value.shape
    try:
        convolved_sizes(name, found, shape, bias_shape, stride, padding, dilation, groups)
    except RuntimeError:
        check_bias_type(input, bias)
        raise
    check_convolution_types(x, weight, bias, flipped=False)
    if single:
        x = x.unsqueeze(0)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    if x._value.size and all_plain(x, weight, bias):
        grid = _grid_of(x._value.shape[2:], kernel, stride, padding, dilation)
        function = partial(convolution_of, **options)
        y = _short(x, weight, bias, grid, groups, function, flipped=False)
    else:
        y = convolution_op(x, weight, bias, **options)
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


def _conv_transpose(axes: int) -> Any:
    @as_one
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
        name = f"conv_transpose{axes}d"
        steps = sizes_given(name, "stride", 4, stride, axes)
        around = sizes_given(name, "padding", 5, padding, axes)
        extra = sizes_given(name, "output_padding", 6, output_padding, axes)
        wide = sizes_given(name, "dilation", 8, dilation, axes)
        try:
            found, shape = input._value.shape, weight._value.shape
        except AttributeError:
            given = (input, weight, bias, steps, around, extra, groups, wide)
            raise not_tensors(name, *given) from None
        bias_shape = None if bias is None else bias._value.shape
        out = transposed_sizes(name, found, shape, bias_shape, steps, around, extra, wide, groups)
        check_convolution_types(input, weight, bias, flipped=True)
        if bias is not None and bias.dtype is not input.dtype:
            bias = bias.to(input.dtype)
        single = len(found) == axes + 1
        x = input.unsqueeze(0) if single else input
        options: dict[str, Any] = {
            "stride": steps, "padding": around, "dilation": wide, "groups": groups, "out": out
        }  # fmt: skip
        if x._value.size and all_plain(x, weight, bias):
            kernel = weight._value.shape[2:]
            grid = _grid_to(x._value.shape[2:], kernel, steps, around, wide, out)
            function = partial(_transposed, **options)
            y = _short(x, weight, bias, grid, groups, function, flipped=True)
        else:
            y = transposed_op(x, weight, bias, **options)
        return y.squeeze(0) if single else y

    conv_transpose.__name__ = conv_transpose.__qualname__ = f"conv_transpose{axes}d"
    return entered(conv_transpose.__name__, torch=True)(conv_transpose)


conv_transpose1d, conv_transpose2d, conv_transpose3d = (_conv_transpose(n) for n in (1, 2, 3))
