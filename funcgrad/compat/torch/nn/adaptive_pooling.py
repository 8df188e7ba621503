"""Pools whose windows share the input evenly among a given number of results."""

import math
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.nn.common import entered, floats
from funcgrad.compat.torch.nn.window_checks import sizes_given
from funcgrad.compat.torch.op import Op

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices",
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d",
    "adaptive_max_pool3d_with_indices",
]

Ints = tuple[int, ...]


def _bounds(length: int, count: int) -> tuple[Any, Any]:
    """First place of each window, and the place behind it."""
    i = np.arange(count)
    return i * length // count, -(-(i + 1) * length // count)


def _avg(x: Any, *, out: Ints) -> Any:
    """Means of windows: sums along one axis after the other, divided at the end."""
    axes = len(out)
    counts = np.ones((), x.dtype)
    lengths = x.shape[x.ndim - axes :]
    for axis, (length, count) in enumerate(zip(lengths, out, strict=True), -axes):
        start, end = _bounds(length, count)
        x = _sums(x, axis, start, end)
        counts = np.multiply.outer(counts, (end - start).astype(x.dtype))
    return x / counts


def _sums(x: Any, axis: int, start: Any, end: Any) -> Any:
    """Sums of windows along an axis; of what lies outside none is read: it may be infinite."""
    longest = int(np.max(end - start, initial=0))
    if longest <= 1:
        return x if len(start) == x.shape[axis] else fnp.take(x, start, axis)
    length, count = x.shape[axis], len(start)
    if length % count == 0:
        at = x.ndim + axis
        parts = fnp.reshape(x, (*x.shape[:at], count, length // count, *x.shape[at + 1 :]))
        return fnp.sum(parts, axis=axis)
    rest = (1,) * (-axis - 1)
    total: Any = 0
    for step in range(longest):
        places = start + step
        inside = places < end
        part = fnp.take(x, np.minimum(places, end - 1), axis)
        if not inside.all():
            part = fnp.where(inside.reshape(-1, *rest), part, part.dtype.type(0))
        total = total + part
    return total


def _max(x: Any, *, out: Ints) -> Any:
    """The first maximum of each window, and its place in the image."""
    axes = len(out)
    sizes = x.shape[x.ndim - axes :]
    if 0 in out:
        nothing = x[(..., *(slice(0, 0),) * axes)]
        nothing = fnp.reshape(nothing, (*x.shape[: x.ndim - axes], *out))
        return nothing, np.zeros(nothing.shape, np.int64)
    chosen = []
    for length, count in zip(sizes, out, strict=True):
        start, end = _bounds(length, count)
        steps = np.arange(int(np.max(end - start)))
        chosen.append(np.minimum(start[:, None] + steps, end[:, None] - 1))
    shape = [(c.shape[0], c.shape[1]) for c in chosen]
    grids = []
    for i, places in enumerate(chosen):
        form = [1] * (2 * axes)
        form[i], form[axes + i] = shape[i]
        grids.append(places.reshape(form))
    width = math.prod(k for _, k in shape)
    seen = fnp.reshape(x[(..., *grids)], (*x.shape[: x.ndim - axes], *out, width))
    numbered = np.arange(math.prod(sizes)).reshape(sizes)[tuple(grids)].reshape(*out, width)
    best = fnp.expand_dims(fnp.argmax(seen, axis=-1), -1)
    place = np.broadcast_to(numbered, seen.shape)
    return (
        fnp.take_along_axis(seen, best, -1)[..., 0],
        fnp.take_along_axis(place, best, -1)[..., 0],
    )


_KERNELS = {2: "2d", 3: "3d_cpu"}
avg_ops = {
    n: Op(
        f"AdaptiveAvgPool{n}DBackward0", _avg, linear=True,
        check=floats(f"adaptive_avg_pool{_KERNELS[n]}"),
    )
    for n in (2, 3)
}  # fmt: skip
max_ops = {
    n: Op(f"AdaptiveMaxPool{n}DBackward0", _max, check=floats(f"adaptive_max_pool{_KERNELS[n]}"))
    for n in (2, 3)
}


def _sizes(name: str, x: Any, given: Any) -> Ints:
    """Numbers of windows; `None` for as many as there are elements.

    Raises:
        RuntimeError: for what does not fit, in PyTorch's words.
        TypeError: for what are no numbers.
    """
    axes = int(name[-2])
    shape = x._value.shape
    lengths = shape[-axes:]
    if axes == 1:
        if len(shape) not in (2, 3):
            raise RuntimeError(
                f"Expected 2 to 3 dimensions, but got {len(shape)}-dimensional tensor for argument "
                f"#1 'self' (while checking arguments for {name})"
            )
        out = sizes_given(name, "output_size", 2, given, 1)
        if len(out) != 1:
            raise RuntimeError(
                f"{name}() argument 'output_size' should contain one int (got {len(out)})"
            )
    else:
        if isinstance(given, int | np.integer):
            given = (int(given),) * axes
        if len(given) != axes:
            inner = "(): internal error: output_size.size()" if "max" in name else ": output_size"
            raise RuntimeError(f"{name}{inner} must be {axes}")
        out = tuple(n if m is None else int(m) for n, m in zip(lengths, given, strict=True))
        if len(shape) not in (axes + 1, axes + 2):
            colon = ":" if "max" in name else ""
            raise RuntimeError(
                f"{name}(): Expected {axes + 1}D or {axes + 2}D tensor, but got{colon} "
                f"{list(shape)}"
            )
    _check_elements(name, shape, out)
    return out


def _check_elements(name: str, shape: Ints, out: Ints) -> None:
    """Refuse images without elements, and negative numbers of windows.

    Raises:
        RuntimeError: in PyTorch's words.
    """
    means = "avg" in name
    axes = len(out)
    if axes == 1 and means:  # as the windows of a plane
        name, shape, out, axes = "adaptive_avg_pool2d", (*shape[:-1], 1, shape[-1]), (1, *out), 2
    if means and min(out) < 0:
        shown = ", ".join(map(str, out)) if axes == 2 else "{}, {},{}".format(*out)
        raise RuntimeError(
            f"{name}: elements of output_size must be greater than or equal to 0 but received "
            f"{{{shown}}}"
        )
    if means and set(out) == {1}:  # a mean of nothing is nan
        return
    first = len(shape) - axes if means and axes == 2 else 1
    for axis in range(first, len(shape)):
        if not shape[axis]:
            raise RuntimeError(
                f"{name}(): Expected input to have non-zero size for non-batch dimensions, but "
                f"input has sizes {list(shape)} with dimension {axis} being empty"
            )
    if min(out) < 0:
        wide = (1, *out) if axes == 1 else out
        raise RuntimeError(
            f"Trying to create tensor with negative dimension {min(out)}: "
            f"{[*shape[: len(shape) - axes], *wide]}"
        )


def _averaged(x: Any, out: Ints) -> Any:
    if all(n == 1 for n in out):
        return x.mean(tuple(range(-len(out), 0)), keepdim=True)
    return avg_ops[len(out)](x, out=out)


def _public_avg(axes: int) -> Any:
    def pool(input: Any, output_size: Any) -> Any:
        """Means of as many windows as asked for."""
        out = _sizes(f"adaptive_avg_pool{axes}d", input, output_size)
        if axes == 1:
            return _averaged(input.unsqueeze(-2), (1, *out)).squeeze(-2)
        return _averaged(input, out)

    pool.__name__ = pool.__qualname__ = f"adaptive_avg_pool{axes}d"
    return entered(pool.__name__, torch=axes == 1)(pool)


adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d = map(_public_avg, (1, 2, 3))


def _largest(axes: int, x: Any, output_size: Any) -> Any:
    out = _sizes(f"adaptive_max_pool{axes}d", x, output_size)
    if axes > 1:
        return max_ops[axes](x, out=out)
    values, places = max_ops[2](x.unsqueeze(-2), out=(1, *out))
    return values.squeeze(-2), places.squeeze(-2)


def _public_max(axes: int) -> tuple[Any, Any]:
    def pool(input: Any, output_size: Any, return_indices: bool = False) -> Any:
        """Largest elements of as many windows as asked for."""
        found = _largest(axes, input, output_size)
        return found if return_indices else found[0]

    def both(input: Any, output_size: Any, return_indices: bool = False) -> Any:
        """Largest elements of as many windows as asked for, and their places."""
        return _largest(axes, input, output_size)

    pool.__name__ = pool.__qualname__ = f"adaptive_max_pool{axes}d"
    both.__name__ = both.__qualname__ = f"adaptive_max_pool{axes}d_with_indices"
    return entered(pool.__name__)(pool), entered(both.__name__)(both)


adaptive_max_pool1d, adaptive_max_pool1d_with_indices = _public_max(1)
adaptive_max_pool2d, adaptive_max_pool2d_with_indices = _public_max(2)
adaptive_max_pool3d, adaptive_max_pool3d_with_indices = _public_max(3)
