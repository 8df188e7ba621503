"""Functions of `torch.` below those of `torch.nn.functional`: with statistics and masks."""

import math
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.creation import made
from funcgrad.compat.torch.dims import check_dim
from funcgrad.compat.torch.nn.bags import embedding_bag
from funcgrad.compat.torch.nn.common import floats, value_of
from funcgrad.compat.torch.nn.grids import affine_grid, grid_sample
from funcgrad.compat.torch.nn.normalization import batch_norm, instance_norm, layer_norm
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.registry import expose
from funcgrad.compat.torch.tensor import Tensor, holder

__all__ = ["native_batch_norm", "native_dropout", "native_group_norm", "native_layer_norm"]

# --- normalisation with its statistics ----------------------------------------------------------


def _statistics(x: Any, axes: tuple[int, ...], eps: float, keepdims: bool) -> tuple[Any, Any]:
    """Mean and 1 / √(variance + eps), without a derivative."""
    values = np.asarray(value_of(x.detach()))
    wide = values.astype(np.float64)
    mean = wide.mean(axes, keepdims=keepdims)
    factor = 1 / np.sqrt(wide.var(axes, keepdims=keepdims) + eps)
    return tuple(made(np.asarray(v, values.dtype), x.dtype) for v in (mean, factor))  # type: ignore[return-value]  # two


@expose("native_layer_norm", method=False)
def native_layer_norm(
    input: Any, normalized_shape: Any, weight: Any, bias: Any, eps: float
) -> tuple[Any, Any, Any]:
    """`layer_norm`, the mean and 1 / √(variance + eps)."""
    result = layer_norm(input, normalized_shape, weight, bias, eps)
    count = 1 if isinstance(normalized_shape, int) else len(normalized_shape)
    return (result, *_statistics(input, tuple(range(-count, 0)), eps, keepdims=True))


def _group_norm(x: Any, weight: Any, bias: Any, *, groups: int, eps: float) -> tuple[Any, ...]:
    """(x - mean) / √(variance + eps) of groups of channels, weighted, with mean and factor."""
    shape = x.shape
    rows = fnp.reshape(x, (shape[0], groups, -1))
    mean = fnp.mean(rows, axis=-1)
    centred = rows - fnp.expand_dims(mean, -1)
    factor = 1 / fnp.sqrt(fnp.mean(centred * centred, axis=-1) + eps)
    y = fnp.reshape(centred * fnp.expand_dims(factor, -1), shape)
    lined = (-1,) + (1,) * (len(shape) - 2)
    if weight is not None:
        y = y * fnp.reshape(weight, lined)
    return y if bias is None else y + fnp.reshape(bias, lined), mean, factor


native_group_op = Op("NativeGroupNormBackward0", _group_norm, check=floats("GroupNormKernelImpl"))


@expose("native_group_norm", method=False)
def native_group_norm(
    input: Any,
    weight: Any,
    bias: Any,
    N: int,
    C: int,
    HxW: int,
    group: int,
    eps: float,
) -> Any:
    """`group_norm`, the means and 1 / √(variance + eps) of the groups."""
    del N, C, HxW
    return native_group_op(input, weight, bias, groups=group, eps=eps)


@expose("native_batch_norm", method=False)
def native_batch_norm(
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Any, Any, Any]:
    """`batch_norm`, the means and 1 / √(variance + eps) of a batch (empty unless training)."""
    result = batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    if training:
        axes = (0, *range(2, input.dim()))
        return (result, *_statistics(input, axes, eps, keepdims=False))
    return result, *(made(np.zeros(0, input._value.dtype), input.dtype) for _ in range(2))


@expose("instance_norm", method=False)
def _instance_norm(
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Any:
    """As `torch.nn.functional.instance_norm`."""
    del cudnn_enabled
    return instance_norm(
        input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps
    )


# --- dropout with its mask ----------------------------------------------------------------------

dropout_op = Op("NativeDropoutBackward0", lambda x, *, mask, scale: x * mask * scale, linear=True)


@expose("native_dropout", method=False)
def native_dropout(input: Any, p: float, train: bool | None) -> tuple[Any, Any]:
    """Elements zeroed with probability p, the others divided by 1 - p; and which were kept."""
    kind = input._value.dtype
    if train is False or not input.numel():
        mask = np.ones(input._value.shape, np.bool_)
        return dropout_op(input, mask=mask, scale=kind.type(1)), made(mask)
    drawn: Any = holder(np.empty(input._value.shape, np.bool_))
    mask = np.asarray(value_of(drawn.bernoulli_(1 - p)))
    scale = kind.type(0 if p == 1 else 1 / (1 - p))
    return dropout_op(input, mask=mask, scale=scale), made(mask)


# --- grids and bags, with numbers for options ---------------------------------------------------

_MODES = ("bilinear", "nearest", "bicubic")
_PADDINGS = ("zeros", "border", "reflection")


def _grid_sampler(
    input: Any, grid: Any, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Any:
    """As `torch.nn.functional.grid_sample`."""
    return grid_sample(
        input, grid, _MODES[interpolation_mode], _PADDINGS[padding_mode], align_corners
    )


for _name in ("grid_sampler", "grid_sampler_2d", "grid_sampler_3d"):
    expose(_name, _grid_sampler, method=False)


@expose("affine_grid_generator", method=False)
def _affine_grid_generator(theta: Any, size: Any, align_corners: bool) -> Any:
    """As `torch.nn.functional.affine_grid`."""
    return affine_grid(theta, size, align_corners)


@expose("embedding_bag", method=False)
def _embedding_bag(
    weight: Any,
    indices: Any,
    offsets: Any,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> tuple[Any, ...]:
    """As `torch.nn.functional.embedding_bag`, with each index' bag, sizes, and whose maximum it is.

    Sums need no sizes: they are zeros; nor, of short types, bags.
    """
    skipped = None if padding_idx is not None and padding_idx < 0 else padding_idx
    how = ("sum", "mean", "max")[mode]
    result = embedding_bag(
        indices, weight, offsets, None, 2, scale_grad_by_freq, how, sparse, per_sample_weights,
        include_last_offset, skipped,
    )  # fmt: skip
    words = np.asarray(value_of(indices)).reshape(-1)
    starts = np.asarray(value_of(offsets))
    starts = starts[:-1] if include_last_offset else starts
    owners = np.searchsorted(starts, np.arange(words.size), side="right") - 1
    kept = np.ones(words.size, np.bool_) if skipped is None else words != skipped
    kind = words.dtype
    counts = np.bincount(owners[kept], minlength=len(starts)).astype(kind)
    if how == "sum":
        short = skipped is None and weight.dtype.itemsize < 8
        bags = np.zeros(0, kind) if short else owners.astype(kind)
        none = np.zeros(len(starts), kind)
        return result, holder(bags), holder(none), holder(none.copy())
    if how == "mean":
        return result, holder(owners.astype(kind)), holder(counts), holder(counts.copy())
    rows = np.asarray(value_of(weight.detach()))
    best = np.zeros((len(starts), rows.shape[1]), kind)
    for bag in range(len(starts)):
        mine = words[kept & (owners == bag)]
        if mine.size:
            best[bag] = mine[np.argmax(rows[mine], axis=0)]
    return result, holder(owners.astype(kind)), holder(counts), holder(best)


# --- reductions of segments ---------------------------------------------------------------------


def _segments(
    x: Any, *, owners: Any, taken: Any, counts: Any, how: str, initial: float | None, shape: Any
) -> Any:
    """Sum, mean, product or extreme of the rows with one owner."""
    rows = fnp.reshape(x, (-1, *x.shape[counts.ndim :]))[taken]
    sizes = counts.reshape(-1)
    kind = x.dtype
    where = (len(sizes), *rows.shape[1:])
    lined = (-1,) + (1,) * (len(where) - 1)
    if how in ("sum", "mean"):
        found = fnp.at(np.zeros(where, kind))[owners].add(rows)
        found = found if initial is None else found + kind.type(initial)
        if how == "mean":
            empty = np.nan if initial is None else initial
            divisor = np.maximum(sizes, 1).astype(kind).reshape(lined)
            found = fnp.where((sizes == 0).reshape(lined), kind.type(empty), found / divisor)
    elif how == "prod":
        found = fnp.at(np.ones(where, kind))[owners].multiply(rows)
        found = found if initial is None else found * kind.type(initial)
    else:
        worst = kind.type(-np.inf if how == "max" else np.inf)
        start = fnp.at(np.full(where, worst))[owners]
        found = start.max(rows) if how == "max" else start.min(rows)
        if initial is not None:
            first = kind.type(initial)
            found = fnp.where(found >= first if how == "max" else found <= first, found, first)
    return fnp.reshape(found, shape)


segment_op = Op("SegmentReduceBackward0", _segments, check=floats("_segment_reduce_cpu"))
_HOW = {"sum": "sum", "mean": "mean", "prod": "prod", "max": "max", "min": "min",
        "amax": "max", "amin": "min"}  # fmt: skip


@expose("segment_reduce", method=False)
def segment_reduce(
    data: Any,
    reduce: str,
    *,
    lengths: Any = None,
    indices: Any = None,
    offsets: Any = None,
    axis: int = 0,
    unsafe: bool = False,
    initial: float | None = None,
) -> Any:
    """Reduce stretches of an axis, which follow each other.

    Args:
        data: (..., n, ...), with the leading axes of the lengths.
        reduce: "sum", "mean", "prod", "max" or "min".
        lengths: (..., segments), of the stretches.
        indices: not taken.
        offsets: (..., segments + 1), the same as where each begins.
        axis: the axis of n: the last of the lengths'.
        unsafe: whether the lengths may leave something over.
        initial: what a reduction begins with.
    """
    how = _HOW.get(reduce)
    if how is None:
        raise RuntimeError(
            f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}"
        )
    at = check_dim(axis, data.dim())
    if indices is not None:
        raise RuntimeError("segment_reduce(): indices based reduction is not supported yet.")
    if lengths is None and offsets is None:
        raise RuntimeError("segment_reduce(): Either lengths or offsets must be defined.")
    starts, counts = _stretches(data, lengths, offsets, at, unsafe)
    lead = math.prod(counts.shape[:-1])
    base = np.arange(lead)[:, None] * data.shape[at]
    flat = counts.reshape(-1)
    first = (starts.reshape(lead, -1) + base).reshape(-1)
    owners = np.repeat(np.arange(flat.size), flat)
    within = np.arange(owners.size) - np.repeat(np.cumsum(flat) - flat, flat)
    return segment_op(
        data, owners=owners, taken=first[owners] + within, counts=counts, how=how, initial=initial,
        shape=(*counts.shape, *tuple(data.shape)[at + 1 :]),
    )  # fmt: skip


def _stretches(data: Any, lengths: Any, offsets: Any, at: int, unsafe: bool) -> tuple[Any, Any]:
    """Where each stretch begins, and its length."""
    given = lengths if lengths is not None else offsets
    what = "lengths" if lengths is not None else "offsets"
    values = np.asarray(value_of(given))
    if values.dtype.kind not in "iu":
        raise NotImplementedError(
            f"\"_segment_reduce_{what}_cpu_kernel1\" not implemented for '{given.dtype.legacy}'"
        )
    if at != values.ndim - 1:
        raise RuntimeError(
            f"segment_reduce(): Expected axis to be the last dimension of {what} but got {at}."
        )
    if lengths is None:
        return values[..., :-1], np.diff(values, axis=-1)
    if not unsafe:
        if (values < 0).any():
            raise RuntimeError("lengths contains negative value!")
        if (values.sum(-1) != data.shape[at]).any():
            raise RuntimeError(
                "segment_reduce(): Expected all rows of lengths along axis to sum to "
                "data.size(lengths.dim()-1) when !unsafe."
            )
    return np.cumsum(values, axis=-1) - values, values


@expose("hash_tensor")
def hash_tensor(input: Any, dim: Any = (), *, keepdim: bool = False, mode: int = 0) -> Tensor:
    """Exclusive or of the elements' 64 bits along axes: of an int64, or of a float64."""
    if mode:
        raise RuntimeError(f"Unknown hash_tensor mode: {mode}")
    values = np.asarray(value_of(input.detach()))
    if values.dtype.kind == "c":
        raise NotImplementedError(f"\"xor_sum_cpu\" not implemented for '{input.dtype.legacy}'")
    axes = (dim,) if isinstance(dim, int) else tuple(dim)
    if not axes and not values.size:
        raise RuntimeError(
            "hash_tensor: Expected reduction dim to be specified for input.numel() == 0. Specify "
            "the reduction dim with the 'dim' argument."
        )
    for axis in axes:
        if values.ndim and not values.shape[check_dim(axis, values.ndim)]:
            raise IndexError(f"hash_tensor: Expected reduction dim {axis} to have non-zero size.")
    wide = values.astype(np.float64 if values.dtype.kind == "f" else np.int64)
    places = tuple(check_dim(axis, values.ndim) for axis in axes) if axes and values.ndim else None
    bits: Any = np.ascontiguousarray(wide).view(np.uint64).reshape(values.shape)
    reduced: Any = np.bitwise_xor.reduce  # NumPy's types do not know this use of it
    return made(np.asarray(reduced(bits, axis=places, keepdims=keepdim)))
