"""Pools whose windows stand at random places, so that sizes shrink by any factor."""

import math
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.nn.common import entered, floats, value_of
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.randomness import rand

__all__ = [
    "fractional_max_pool2d",
    "fractional_max_pool2d_with_indices",
    "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices",
]

Ints = tuple[int, ...]

WORDS = {2: ("height", "width"), 3: ("time", "height", "width")}


def _starts(samples: Any, length: int, count: int, width: int) -> Any:
    """First places of windows: ⌊(i + u) α⌋ - ⌊u α⌋, and the last one at the end (B. Graham, 2014).

    Args:
        samples: u, one for each image, (...).
        length: of the axis.
        count: of windows.
        width: of a window.
    """
    kind = samples.dtype.type
    u = samples[..., None]
    i = np.arange(count, dtype=kind)
    alpha = kind(length - width) / kind(count - 1) if count > 1 else kind(0)
    places = ((i + u) * alpha).astype(np.int64) - (u * alpha).astype(np.int64)
    if count:
        places[..., -1] = length - width
    return places


def _pool(x: Any, *, samples: Any, kernel: Ints, out: Ints) -> Any:
    """The largest element of each window, and its place in the image.

    Args:
        x: (N, C, *sizes).
        samples: (N, C, axes), in the order of the sizes.
        kernel: of the window.
        out: numbers of windows.
    """
    axes = len(out)
    lead, sizes = x.shape[:-axes], x.shape[-axes:]
    places: Any = np.zeros((*lead, *(1,) * 2 * axes), np.int64)
    for i, (n, k, m) in enumerate(zip(sizes, kernel, out, strict=True)):
        at = _starts(samples[..., i], n, m, k)[..., None] + np.arange(k)
        form = [1] * 2 * axes
        form[i], form[axes + i] = m, k
        places = places * n + at.reshape(*lead, *form)
    width = math.prod(kernel)
    places = places.reshape(*lead, math.prod(out) * width)
    flat = fnp.reshape(x, (*lead, math.prod(sizes)))
    windows = (*lead, *out, width)
    seen = fnp.reshape(fnp.take_along_axis(flat, places, -1), windows)
    best = fnp.expand_dims(fnp.argmax(seen, axis=-1), -1)
    value = fnp.take_along_axis(seen, best, -1)[..., 0]
    return value, fnp.take_along_axis(places.reshape(windows), best, -1)[..., 0]


ops = {n: Op(f"FractionalMaxPool{n}DBackward0", _pool) for n in (2, 3)}
_refuse_ints = {
    2: floats("fractional_max_pool2d_out_frame"),
    3: floats("fractional_max_pool3d_out_frame"),
}


def _each(value: Any, axes: int) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value,) * axes


def _check(axes: int, x: Any, kernel: Ints, out: Ints) -> None:
    """Refuse what does not fit.

    Raises:
        RuntimeError: in PyTorch's words.
    """
    name = f"fractional_max_pool{axes}d"
    number = "" if axes == 2 else "three "
    for word, given in (("kernel_size", kernel), ("output_size", out)):
        if len(given) != axes:
            raise RuntimeError(
                f"{name}: {word} must either be a single Int or tuple of {number}Ints"
            )
    shape = x._value.shape
    where = f"{name}()" if axes == 2 else f"{name}_out()"
    for axis in range(len(shape) - axes - 1, len(shape)):
        if not shape[axis]:
            raise RuntimeError(
                f"{where}: Expected input to have non-zero size for non-batch dimensions, but got"
                f"{list(shape)} with dimension {axis} being empty."
            )
    rows = list(zip(WORDS[axes], shape[-axes:], kernel, out, strict=True))
    spare = axes - 2  # solids need one place more
    for word, n, k, m in (rows[0], *reversed(rows[1:])):
        if m + k - 1 + spare > n:
            raise RuntimeError(f"{where}: pool {word} {k} too large relative to input {word} {n}")


def _check_samples(axes: int, x: Any, batch: int, samples: Any) -> None:
    """Refuse random numbers of another type or shape than needed.

    Raises:
        RuntimeError: in PyTorch's words.
    """
    found = samples._value.shape
    if samples.dtype is not x.dtype:
        raise RuntimeError("Expect _random_samples to have the same dtype as input")
    if len(found) != 3:
        raise RuntimeError(f"Expect _random_samples to have 3 dimensions, got {len(found)}")
    if found[0] < batch:
        raise RuntimeError("Expect _random_samples.size(0) no less then input batch size.")
    if found[1] != x._value.shape[-axes - 1]:
        raise RuntimeError("Expect _random_samples.size(1) equals to input channel size.")
    if found[2] != axes:
        raise RuntimeError(f"Expect _random_samples.size(2) equals to {axes}; got {found[2]}.")


def _pooled(
    axes: int, input: Any, kernel_size: Any, output_size: Any, output_ratio: Any, samples: Any
) -> Any:
    if output_size is None and output_ratio is None:
        raise ValueError(
            f"fractional_max_pool{axes}d requires specifying either an output_size or an "
            "output_ratio"
        )
    if output_size is None:
        ratios = _each(output_ratio, axes)
        output_size = [int(input.size(i - axes) * ratio) for i, ratio in enumerate(ratios)]
    kernel, out = _each(kernel_size, axes), _each(output_size, axes)
    channels = input.size(-axes - 1)
    batched = input.dim() > axes + 1
    batch = input.size(0) if batched else 1
    if samples is None:
        samples = rand(batch, channels, axes, dtype=input.dtype)
    _refuse_ints[axes](input._value)
    _check(axes, input, kernel, out)
    _check_samples(axes, input, batch, samples)
    drawn = value_of(samples)[:batch]
    order = [1, 0] if axes == 2 else [0, 1, 2]  # in a plane the first is that of the width
    drawn = drawn[..., order]
    return ops[axes](input, samples=drawn if batched else drawn[0], kernel=kernel, out=out)


def _public(axes: int) -> tuple[Any, Any]:
    def both(
        input: Any,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Any = None,
    ) -> Any:
        """Largest elements of windows at random places, and their places in the image."""
        return _pooled(axes, input, kernel_size, output_size, output_ratio, _random_samples)

    def pool(
        input: Any,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Any = None,
    ) -> Any:
        """Largest elements of windows at random places.

        Args:
            input: (N, C, ...) or (C, ...).
            kernel_size: of the window.
            output_size: numbers of windows.
            output_ratio: the same as shares of the sizes.
            return_indices: whether to give the places of the maxima too.
            _random_samples: numbers on [0, 1) that the places depend on, (N, C, axes).
        """
        found = _pooled(axes, input, kernel_size, output_size, output_ratio, _random_samples)
        return found if return_indices else found[0]

    pool.__name__ = pool.__qualname__ = f"fractional_max_pool{axes}d"
    both.__name__ = both.__qualname__ = f"fractional_max_pool{axes}d_with_indices"
    return entered(pool.__name__)(pool), entered(both.__name__)(both)


fractional_max_pool2d, fractional_max_pool2d_with_indices = _public(2)
fractional_max_pool3d, fractional_max_pool3d_with_indices = _public(3)
