"""Maxima put back in their places."""

import math
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.nn.common import entered, numbers, value_of
from funcgrad.compat.torch.op import Op

__all__ = ["max_unpool1d", "max_unpool2d", "max_unpool3d"]

Ints = tuple[int, ...]


def _unpool(x: Any, *, places: Any, size: Ints) -> Any:
    """Zeros, but x at its places in each image."""
    lead = x.shape[: x.ndim - len(size)]
    count = math.prod(lead)
    flat = fnp.reshape(x, (count, -1))
    rows = np.arange(count)[:, None]
    zeros = np.zeros((count, math.prod(size)), x.dtype)
    full = fnp.at(zeros)[rows, np.reshape(places, (count, -1))].set(flat)
    return fnp.reshape(full, (*lead, *size))


unpool_ops = {n: Op(f"MaxUnpool{n}DBackward0", _unpool) for n in (2, 3)}


def _size(axes: int, x: Any, kernel: Ints, stride: Ints, padding: Ints, given: Any) -> Ints:
    lengths = x._value.shape[-axes:]
    rows = zip(lengths, kernel, stride, padding, strict=True)
    size = tuple((n - 1) * s - 2 * p + k for n, k, s, p in rows)
    if given is None:
        return size
    wanted = tuple(int(n) for n in given)[-axes:]
    for n, w, s in zip(size, wanted, stride, strict=True):
        if not n - s < w < n + s:
            raise ValueError(
                f'invalid output_size "{list(wanted)}" (dim 0 must be between {n - s} and {n + s})'
            )
    return wanted


def _public(axes: int) -> Any:
    def unpool(
        input: Any,
        indices: Any,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        output_size: Any = None,
    ) -> Any:
        """Zeros, but the input at the places that the pool found it in."""
        kernel, around = numbers(kernel_size, axes), numbers(padding, axes)
        steps = kernel if stride is None else numbers(stride, axes)
        size = _size(axes, input, kernel, steps, around, output_size)
        places = value_of(indices)
        if places.size and (np.min(places) < 0 or np.max(places) >= math.prod(size)):
            raise RuntimeError(
                f"Found an invalid max index: {int(np.max(places))} (output volumes are of size "
                f"{'x'.join(map(str, size))}"
            )
        if axes == 1:
            wide = input.unsqueeze(-1)
            return unpool_ops[2](wide, places=places, size=(*size, 1)).squeeze(-1)
        return unpool_ops[axes](input, places=places, size=size)

    unpool.__name__ = unpool.__qualname__ = f"max_unpool{axes}d"
    return entered(unpool.__name__)(unpool)


max_unpool1d, max_unpool2d, max_unpool3d = (_public(axes) for axes in (1, 2, 3))
