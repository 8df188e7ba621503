"""Pools: maxima and means of windows."""

import math
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.compilation_breaks import as_one
from funcgrad.compat.torch.nn.activations import relu
from funcgrad.compat.torch.nn.common import entered, numbers
from funcgrad.compat.torch.nn.maxima import Line, maxima, places_of
from funcgrad.compat.torch.nn.pool_checks import check_pool_type, pool_options, pooled_counts
from funcgrad.compat.torch.nn.short import all_plain, short_result, traced_pull
from funcgrad.compat.torch.nn.windows import padded, slices, windows
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.state import STATE

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


@lru_cache(maxsize=512)
def _lines(
    sizes: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, out: Ints
) -> tuple[Line, ...]:
    rows = zip(sizes, kernel, stride, padding, dilation, out, strict=True)
    return tuple(Line(k, s, d, c, p, max(_right(n, k, s, p, d, c), 0)) for n, k, s, p, d, c in rows)


def _max_values(x: Any, **options: Any) -> Any:
    return _max_pool(x, **options)[0]


def _short_max(axes: int, input: Any, options: dict[str, Any]) -> Any:
    """The maxima of windows of plain numbers; `None` if one of them is not finite."""
    x = input._value
    keep = input._requires and STATE.grad
    found = maxima(x, _lines(x.shape[-axes:], **options), keep)
    if found is None:
        return None
    value, chosen = found
    function = partial(_max_values, **options)

    def pull(mask: tuple[bool, ...]) -> Callable[[Any, Any], Any]:
        def pulled(ct: Any, residuals: Any) -> Any:
            if type(ct) is not np.ndarray:
                return traced_pull(function, (x,), mask, ct)
            return places_of(ct, residuals)

        return pulled

    cls = max_ops[axes].cls
    return short_result(cls, f"MaxPool{axes}DWithIndices", (input,), value, function, pull, chosen)


def _max_of(
    axes: int,
    input: Any,
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil: bool,
    places: bool = True,
) -> Any:
    """The maxima of windows and, in a pair with them, their places if they are asked for."""
    name = f"max_pool{axes}d"
    given = pool_options(name, kernel, stride, padding, dilation)
    check_pool_type(name, input._value.dtype.kind, places)
    if axes > 1:
        out = pooled_counts(name, input._value.shape, *given, ceil)
        return _maxima(axes, input, dict(zip(_OPTIONS, (*given, out), strict=True)), places)
    shape = input._value.shape
    ((k,), (s,), (p,), (d,)) = given
    wide = (1, k), (1, s), (0, p), (1, d)
    if places and len(shape) in (2, 3):  # as the windows of a plane
        out = pooled_counts("max_pool2d", (*shape[:-1], 1, shape[-1]), *wide, ceil)
    else:
        out = (1, *pooled_counts(name, shape, *given, ceil))
    options = dict(zip(_OPTIONS, (*wide, out), strict=True))
    found = _maxima(2, input.unsqueeze(-2), options, places)
    return (found[0].squeeze(-2), found[1].squeeze(-2)) if places else found.squeeze(-2)


_OPTIONS = ("kernel", "stride", "padding", "dilation", "out")


@as_one
def _maxima(axes: int, input: Any, options: dict[str, Any], places: bool) -> Any:
    if not places and all_plain(input):
        found = _short_max(axes, input, options)
        if found is not None:
            return found
    found = max_ops[axes](input, **options)
    return found if places else found[0]


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
        options = (kernel_size, stride, padding, dilation, ceil_mode, return_indices)
        return _max_of(axes, input, *options)

    pool.__name__ = pool.__qualname__ = f"max_pool{axes}d"
    return pool


max_pool1d, max_pool2d, max_pool3d = (_public_max(axes) for axes in (1, 2, 3))
max_pool1d_with_indices, max_pool2d_with_indices, max_pool3d_with_indices = (
    _max_with_indices(axes) for axes in (1, 2, 3)
)
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
    name = f"avg_pool{axes}d"
    kernel, stride, padding, ones = pool_options(name, kernel, stride, padding, 1)
    if divisor == 0:
        raise RuntimeError("divisor must be not zero")
    check_pool_type(name, input._value.dtype.kind)
    out = pooled_counts(name, input._value.shape, kernel, stride, padding, ones, ceil)
    if axes == 1:
        wide = input.unsqueeze(-2)
        kernel, stride, padding, out = (1, *kernel), (1, *stride), (0, *padding), (1, *out)
        means = avg_ops[2](
            wide, kernel=kernel, stride=stride, padding=padding, out=out, inclusive=inclusive,
            divisor=None,
        )  # fmt: skip
        return means.squeeze(-2)
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
    return _avg_of(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


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
