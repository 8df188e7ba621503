"""Maxima put back in their places."""

import math
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad import stop_gradient
from funcgrad.compat.torch.compilation_breaks import known
from funcgrad.compat.torch.nn.common import entered, floats, numbers, scalar_name, value_of
from funcgrad.compat.torch.op import Op
from funcgrad.core.tracer import Tracer

__all__ = ["max_unpool1d", "max_unpool2d", "max_unpool3d"]

Ints = tuple[int, ...]


def _unpool(x: Any, places: Any, *, size: Ints) -> Any:
    """Zeros, but x at its places in each image."""
    lead = x.shape[: x.ndim - len(size)]
    count = math.prod(lead)
    flat = fnp.reshape(x, (count, math.prod(x.shape[len(lead) :])))
    rows = np.arange(count)[:, None]
    zeros = np.zeros((count, math.prod(size)), x.dtype)
    flat_places = fnp.reshape(places, (count, math.prod(x.shape[len(lead) :])))
    full = fnp.at(zeros)[rows, flat_places].set(flat)
    if not _all_differ(rows, flat_places, zeros.shape):
        # The last one stays, but all get its derivative.
        total = fnp.at(zeros)[rows, flat_places].add(flat)
        full = stop_gradient(full) + (total - stop_gradient(total))
    return fnp.reshape(full, (*lead, *size))


def _all_differ(rows: Any, places: Any, shape: Ints) -> bool:
    """Whether places of a row are known to be different."""
    if isinstance(places, Tracer):
        return False
    taken = np.zeros(shape, bool)
    taken[rows, places] = True
    return int(np.count_nonzero(taken)) == int(places.size)


unpool_ops = {
    n: Op(f"MaxUnpool{n}DBackward0", _unpool, check=floats(f"max_unpool{n}d")) for n in (2, 3)
}


def _size(axes: int, x: Any, kernel: Ints, stride: Ints, padding: Ints, given: Any) -> Ints:
    lengths = x._value.shape[-axes:]
    rows = zip(lengths, kernel, stride, padding, strict=True)
    size = tuple((n - 1) * s - 2 * p + k for n, k, s, p in rows)
    if given is None:
        return _not_negative(size)
    wanted = tuple(int(n) for n in given)
    if len(wanted) == axes + 2:
        wanted = wanted[2:]
    if len(wanted) != axes:
        raise ValueError(
            f"output_size should be a sequence containing {axes} or {axes + 2} elements, but it "
            f"has a length of '{len(wanted)}'"
        )
    for i, (n, w, s) in enumerate(zip(size, wanted, stride, strict=True)):
        if not n - s < w < n + s:
            shown = given[2:] if len(given) == axes + 2 else given
            raise ValueError(
                f'invalid output_size "{shown}" (dim {i} must be between {n - s} and {n + s})'
            )
    return _not_negative(wanted)


def _not_negative(size: Ints) -> Ints:
    for i, n in enumerate(size):
        if n < 0:
            raise ValueError(
                "max_unpooling: output_size must contain non-negative spatial dimensions, but got "
                f"output_size[{i}]={n}"
            )
    return size


def _check(axes: int, x: Any, indices: Any, size: Ints, stride: Ints) -> None:
    """Refuse what does not fit; one axis is the first of a plane.

    Raises:
        RuntimeError: in PyTorch's words.
    """
    plane = max(axes, 2)
    extra = (1,) * (plane - axes)
    shape, found = (*x._value.shape, *extra), (*indices._value.shape, *extra)
    kind = indices.dtype
    if kind.name != "int64":
        shown = f" but got: {scalar_name(kind)}" if plane == 2 else ""
        raise RuntimeError(f"elements in indices should be type int64{shown}")
    if len(shape) not in (plane + 1, plane + 2):
        raise RuntimeError(
            f"Input to max_unpooling{plane}d should be a {plane + 1}d or {plane + 2}d Tensor, but "
            f"got a tensor with {len(shape)} dimensions."
        )
    if shape != found:
        raise RuntimeError(
            "Expected shape of indices to be same as that of the input tensor "
            f"({list(shape)}) but got indices tensor with shape: {list(found)}"
        )
    if plane == 3 and min(stride) <= 0:
        raise RuntimeError(f"strides should be greater than zero, but got stride: {list(stride)}")
    for axis in range(1, len(shape)):
        if not shape[axis]:
            raise RuntimeError(
                f"max_unpooling{plane}d_forward_out_cpu(): Expected input to have non-zero size "
                f"for non-batch dimensions, but got {list(shape)} with dimension {axis} being "
                "empty."
            )
    places, count = known(value_of(indices)), math.prod(size)
    outside = (places < 0) | (places >= count)
    if np.any(outside):
        last = int(places[outside][-1])
        shown = "x".join(map(str, (*size, *extra)))
        raise RuntimeError(
            f"Found an invalid max index: {last} (output volumes are of size {shown})"
        )


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
        _check(axes, input, indices, size, steps)
        wide = input.unsqueeze(-1) if axes == 1 else input
        op, whole = unpool_ops[max(axes, 2)], (*size, 1) if axes == 1 else size
        places = value_of(indices)
        if isinstance(places, Tracer):
            result = op(wide, indices, size=whole)
        else:
            result = op(wide, places=places, size=whole)
        return result.squeeze(-1) if axes == 1 else result

    unpool.__name__ = unpool.__qualname__ = f"max_unpool{axes}d"
    return entered(unpool.__name__)(unpool)


max_unpool1d, max_unpool2d, max_unpool3d = (_public(axes) for axes in (1, 2, 3))
