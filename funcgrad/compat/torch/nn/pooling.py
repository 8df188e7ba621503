"""Pools: maxima and means of windows."""

import math
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.nn.activations import relu
from funcgrad.compat.torch.nn.common import entered, numbers
from funcgrad.compat.torch.nn.windows import padded, slices, windows
from funcgrad.compat.torch.op import Op

__all__ = [
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool2d_with_indices",
    "max_pool3d",
    "max_pool3d_with_indices",
]

Ints = tuple[int, ...]


def _length(n: int, k: int, s: int, p: int, d: int, ceil: bool) -> int:
    """How many windows fit; with `ceil` also one that starts inside and ends outside."""
    rest = n + 2 * p - d * (k - 1) - 1
    count = rest // s + 1
    if ceil:
        count = -(-rest // s) + 1
        if (count - 1) * s >= n + p:
            count -= 1
    return count


def _right(n: int, k: int, s: int, p: int, d: int, count: int) -> int:
    """Padding behind, so that all windows lie inside."""
    return (count - 1) * s + d * (k - 1) + 1 - n - p


def _max_pool(
    x: Any, *, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, out: Ints
) -> Any:
    """The first maximum of each window, and its place in the image."""
    axes = len(kernel)
    sizes = x.shape[-axes:]
    rows = zip(sizes, kernel, stride, padding, dilation, out, strict=True)
    widths = [(p, max(_right(n, k, s, p, d, c), 0)) for n, k, s, p, d, c in rows]
    low: Any = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    seen = windows(padded(x, widths, low), kernel, stride, dilation, out)
    numbered = np.arange(math.prod(sizes)).reshape(sizes)
    places = windows(padded(numbered, widths, -1), kernel, stride, dilation, out)
    axis = -axes - 1
    best = fnp.expand_dims(fnp.argmax(fnp.where(places < 0, low, seen), axis=axis), axis)
    value = fnp.squeeze(fnp.take_along_axis(seen, best, axis), axis)
    place = np.broadcast_to(places, seen.shape)
    return value, fnp.squeeze(fnp.take_along_axis(place, best, axis), axis)


def _avg_pool(
    x: Any, *, kernel: Ints, stride: Ints, padding: Ints, out: Ints, inclusive: bool, divisor: Any
) -> Any:
    """Sum of each window, divided by the number of its elements (with or without padding)."""
    axes = len(kernel)
    sizes = x.shape[-axes:]
    ones = (1,) * axes
    rows = list(zip(sizes, kernel, stride, padding, ones, out, strict=True))
    widths = [(p, max(_right(n, k, s, p, d, c), 0)) for n, k, s, p, d, c in rows]
    inside = padded(x, widths)
    total: Any = None
    for place in slices(kernel, stride, ones, out):
        part = inside[(..., *place)]
        total = part if total is None else total + part
    if divisor is not None:
        return total / divisor if x.dtype.kind in "fc" else _cut(total, divisor)
    counts = np.ones((), x.dtype)
    for n, k, s, p, _, c in rows:
        start = np.arange(c) * s - p
        end = np.minimum(start + k, n + p)
        if not inclusive:
            start, end = np.maximum(start, 0), np.minimum(end, n)
        counts = np.multiply.outer(counts, (end - start).astype(x.dtype))
    return total / counts if x.dtype.kind in "fc" else _cut(total, counts)


def _cut(total: Any, count: Any) -> Any:
    """Quotients of whole numbers, cut off towards zero."""
    whole = np.abs(total) // np.abs(count) * np.sign(total) * np.sign(count)
    return whole.astype(total.dtype)


max_ops = {axes: Op(f"MaxPool{axes}DWithIndicesBackward0", _max_pool) for axes in (2, 3)}
avg_ops = {axes: Op(f"AvgPool{axes}DBackward0", _avg_pool) for axes in (2, 3)}


def _out(
    name: str, x: Any, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil: bool
) -> Ints:
    """Numbers of windows along the last axes.

    Raises:
        RuntimeError: for sizes that fit no window.
    """
    axes = len(kernel)
    shape = x._value.shape
    if len(shape) not in (axes + 1, axes + 2):
        raise RuntimeError(
            f"{name}: Expected {axes + 1}D or {axes + 2}D input, but got input of size: "
            f"{list(shape)}"
        )
    for what, given in (("kernel size", kernel), ("stride", stride)):
        if min(given) <= 0:
            raise RuntimeError(f"{what} should be greater than zero, but got {list(given)}")
    for k, p in zip(kernel, padding, strict=True):
        if p < 0 or 2 * p > k:
            raise RuntimeError(
                "pad should be at most half of effective kernel size, but got "
                f"pad={p}, kernel_size={k} and dilation=1"
            )
    rows = zip(shape[-axes:], kernel, stride, padding, dilation, strict=True)
    out = tuple(_length(n, k, s, p, d, ceil) for n, k, s, p, d in rows)
    if min(out) < 1:
        raise RuntimeError(
            f"Given input size: ({'x'.join(map(str, shape[-axes - 1 :]))}). Calculated output "
            f"size: ({'x'.join(map(str, (shape[-axes - 1], *out)))}). Output size is too small"
        )
    return out


def _max_of(
    axes: int, input: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: bool
) -> Any:
    kernel = numbers(kernel, axes)
    stride = kernel if stride is None or stride == () else numbers(stride, axes)
    padding, dilation = numbers(padding, axes), numbers(dilation, axes)
    out = _out(f"max_pool{axes}d", input, kernel, stride, padding, dilation, ceil)
    return max_ops[axes](
        input, kernel=kernel, stride=stride, padding=padding, dilation=dilation, out=out
    )


def _max_with_indices(axes: int) -> Any:
    def pool(
        input: Any,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:
        """Largest elements of windows, and their places."""
        return _max_of(axes, input, kernel_size, stride, padding, dilation, ceil_mode)

    return pool


def _max_1d(input: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: bool) -> Any:
    (k,), (p,), (d,) = numbers(kernel, 1), numbers(padding, 1), numbers(dilation, 1)
    s = k if stride is None or stride == () else numbers(stride, 1)[0]
    wide = input.unsqueeze(-2)
    values, places = _max_of(2, wide, (1, k), (1, s), (0, p), (1, d), ceil)
    return values.squeeze(-2), places.squeeze(-2)


def _public_max(axes: int) -> Any:
    def pool(
        input: Any,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:
        """Largest elements of windows; the first of equal ones gets the derivative.

        Args:
            input: (N, C, ...) or (C, ...).
            kernel_size: of the window.
            stride: between windows; by default the kernel's size.
            padding: with -inf on both sides.
            dilation: distance of the elements of a window.
            ceil_mode: whether a window may end outside.
            return_indices: whether to give the places of the maxima too.
        """
        if axes == 1:
            found = _max_1d(input, kernel_size, stride, padding, dilation, ceil_mode)
        else:
            found = _max_of(axes, input, kernel_size, stride, padding, dilation, ceil_mode)
        return found if return_indices else found[0]

    pool.__name__ = pool.__qualname__ = f"max_pool{axes}d"
    return pool


def max_pool1d_with_indices(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Largest elements of windows, and their places."""
    return _max_1d(input, kernel_size, stride, padding, dilation, ceil_mode)


max_pool1d, max_pool2d, max_pool3d = (_public_max(axes) for axes in (1, 2, 3))
max_pool2d_with_indices, max_pool3d_with_indices = (_max_with_indices(axes) for axes in (2, 3))
for _axes, _pool, _both in (
    (1, max_pool1d, max_pool1d_with_indices), (2, max_pool2d, max_pool2d_with_indices),
    (3, max_pool3d, max_pool3d_with_indices),
):  # fmt: skip
    entered(f"max_pool{_axes}d", torch=True)(_pool)
    entered(f"max_pool{_axes}d_with_indices")(_both)


def _avg_of(
    axes: int,
    input: Any,
    kernel: Any,
    stride: Any,
    padding: Any,
    ceil: bool,
    inclusive: bool,
    divisor: int | None,
) -> Any:
    kernel = numbers(kernel, axes)
    stride = kernel if stride is None or stride == () else numbers(stride, axes)
    padding = numbers(padding, axes)
    if divisor == 0:
        raise RuntimeError("divisor must be not zero")
    out = _out(f"avg_pool{axes}d", input, kernel, stride, padding, (1,) * axes, ceil)
    return avg_ops[axes](
        input, kernel=kernel, stride=stride, padding=padding, out=out, inclusive=inclusive,
        divisor=divisor,
    )  # fmt: skip


@entered("avg_pool1d", torch=True)
def avg_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """Means of windows of (N, C, L) or (C, L)."""
    (k,), (p,) = numbers(kernel_size, 1), numbers(padding, 1)
    s = k if stride is None or stride == () else numbers(stride, 1)[0]
    wide = input.unsqueeze(-2)
    means = _avg_of(2, wide, (1, k), (1, s), (0, p), ceil_mode, count_include_pad, None)
    return means.squeeze(-2)


@entered("avg_pool2d")
def avg_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """Means of windows of (N, C, H, W) or (C, H, W)."""
    return _avg_of(
        2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


@entered("avg_pool3d")
def avg_pool3d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """Means of windows of (N, C, D, H, W) or (C, D, H, W)."""
    return _avg_of(
        3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def _lp(axes: int) -> Any:
    pools = {1: avg_pool1d, 2: avg_pool2d, 3: avg_pool3d}

    def pool(
        input: Any,
        norm_type: float,
        kernel_size: Any,
        stride: Any = None,
        ceil_mode: bool = False,
    ) -> Any:
        """(Σ x^p)^(1/p) of windows."""
        kernel = numbers(kernel_size, axes)
        mean = pools[axes](input.pow(norm_type), kernel, stride, 0, ceil_mode)
        total = (mean.sign() * relu(mean.abs())).mul(math.prod(kernel))
        return total.pow(1.0 / norm_type)

    pool.__name__ = pool.__qualname__ = f"lp_pool{axes}d"
    return entered(f"lp_pool{axes}d")(pool)


lp_pool1d, lp_pool2d, lp_pool3d = (_lp(axes) for axes in (1, 2, 3))
