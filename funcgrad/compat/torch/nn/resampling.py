"""Images in another size: the nearest value, or weighted means of the values around."""

import math
import warnings
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.arguments import outside
from funcgrad.compat.torch.nn.adaptive_pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
)
from funcgrad.compat.torch.nn.common import entered, floats
from funcgrad.compat.torch.op import Op

__all__ = ["interpolate", "upsample", "upsample_bilinear", "upsample_nearest"]

Ints = tuple[int, ...]
Scales = tuple[float | None, ...]


# --- where each place of the result lies in the image -----------------------------------------


def _scale(length: int, count: int, given: float | None, kind: Any) -> Any:
    return kind(1.0 / given) if given else kind(length) / kind(count)


def _source(length: int, count: int, given: float | None, corners: bool, kind: Any) -> Any:
    """The place of each of `count` results among `length` values, as a real number."""
    i = np.arange(count, dtype=kind)
    if corners:
        return i * (kind(length - 1) / kind(count - 1) if count > 1 else kind(0))
    half = kind(0.5)
    return _scale(length, count, given, kind) * (i + half) - half


def _kind(x: Any) -> Any:
    return np.float64 if x.dtype == np.float64 else np.float32


def _nearest(x: Any, *, out: Ints, scales: Scales, exact: bool) -> Any:
    axes = len(out)
    lengths = x.shape[x.ndim - axes :]
    for axis, (length, count, given) in enumerate(zip(lengths, out, scales, strict=True), -axes):
        i = np.arange(count, dtype=np.float32) + np.float32(0.5 if exact else 0)
        place = np.floor(i * _scale(length, count, given, np.float32)).astype(np.int64)
        x = fnp.take(x, np.minimum(place, length - 1), axis=axis)
    return x


def _linear(x: Any, *, out: Ints, scales: Scales, corners: bool) -> Any:
    axes, kind = len(out), _kind(x)
    lengths = x.shape[x.ndim - axes :]
    rows = list(zip(range(-axes, 0), lengths, out, scales, strict=True))
    for axis, length, count, given in reversed(rows):
        place = np.maximum(_source(length, count, given, corners, kind), kind(0))
        below = np.minimum(place.astype(np.int64), length - 1)
        above = np.minimum(below + 1, length - 1)
        share = np.clip(place - below, 0, 1).astype(x.dtype).reshape((-1,) + (1,) * (-axis - 1))
        x = (1 - share) * fnp.take(x, below, axis=axis) + share * fnp.take(x, above, axis=axis)
    return x


def cubic_weights(t: Any, a: float) -> list[Any]:
    """Weights of the four values around, by R. Keys' kernel with parameter a."""

    def near(u: Any) -> Any:
        return ((a + 2) * u - (a + 3)) * u * u + 1

    def far(u: Any) -> Any:
        return ((a * u - 5 * a) * u + 8 * a) * u - 4 * a

    return [far(t + 1), near(t), near(1 - t), far(2 - t)]


def _cubic(x: Any, *, out: Ints, scales: Scales, corners: bool) -> Any:
    axes, kind = len(out), _kind(x)
    lengths = x.shape[x.ndim - axes :]
    rows = list(zip(range(-axes, 0), lengths, out, scales, strict=True))
    for axis, length, count, given in reversed(rows):
        place = _source(length, count, given, corners, kind)
        base = np.floor(place).astype(np.int64)
        shape = (-1,) + (1,) * (-axis - 1)
        total: Any = None
        for i, weight in enumerate(cubic_weights(place - base.astype(kind), -0.75), -1):
            part = fnp.take(x, np.clip(base + i, 0, length - 1), axis=axis)
            part = part * weight.astype(x.dtype).reshape(shape)
            total = part if total is None else total + part
        x = total
    return x


def _triangle(u: Any) -> Any:
    return np.maximum(1 - np.abs(u), 0)


def _bicubic_kernel(u: Any) -> Any:
    u = np.abs(u)
    a = -0.5
    inner = ((a + 2) * u - (a + 3)) * u * u + 1
    outer = ((a * u - 5 * a) * u + 8 * a) * u - 4 * a
    return np.where(u < 1, inner, np.where(u < 2, outer, 0))


def _smooth(x: Any, *, out: Ints, scales: Scales, corners: bool, cubic: bool) -> Any:
    """Means with a kernel as wide as a result, so that nothing is skipped when images shrink."""
    axes = len(out)
    lengths = x.shape[x.ndim - axes :]
    kernel, radius = (_bicubic_kernel, 2.0) if cubic else (_triangle, 1.0)
    rows = list(zip(range(-axes, 0), lengths, out, scales, strict=True))
    for axis, length, count, given in reversed(rows):
        if corners:
            scale = (length - 1) / (count - 1) if count > 1 else 0.0
        else:
            scale = 1.0 / given if given else length / count
        support = radius * max(scale, 1.0)
        centre = scale * (np.arange(count) + 0.5)
        start = np.maximum((centre - support + 0.5).astype(np.int64), 0)
        end = np.minimum((centre + support + 0.5).astype(np.int64), length)
        places = np.arange(length)
        weights = kernel((places - centre[:, None] + 0.5) / max(scale, 1.0))
        weights = np.where((places >= start[:, None]) & (places < end[:, None]), weights, 0)
        weights = (weights / weights.sum(1, keepdims=True)).astype(x.dtype)
        x = fnp.moveaxis(fnp.matmul(fnp.moveaxis(x, axis, -1), weights.T), -1, axis)
    return x


def _no_wide_ints(x: Any, **_: Any) -> None:
    """Refuse whole numbers other than bytes, which would be cut off."""
    if x.dtype != np.uint8:
        _floats(x)


_floats = floats("compute_indices_weights_linear")
NEAREST = {n: Op(f"UpsampleNearest{n}DBackward0", _nearest, linear=True) for n in (1, 2, 3)}
EXACT = {n: Op(f"UpsampleNearestExact{n}DBackward0", _nearest, linear=True) for n in (1, 2, 3)}
SMOOTH = {
    ("linear", 1): Op("UpsampleLinear1DBackward0", _linear, linear=True, check=_no_wide_ints),
    ("bilinear", 2): Op("UpsampleBilinear2DBackward0", _linear, linear=True, check=_no_wide_ints),
    ("trilinear", 3): Op("UpsampleTrilinear3DBackward0", _linear, linear=True, check=_no_wide_ints),
    ("bicubic", 2): Op("UpsampleBicubic2DBackward0", _cubic, linear=True, check=_no_wide_ints),
}
ANTIALIASED = {
    "bilinear": Op("UpsampleBilinear2DAaBackward0", _smooth, linear=True),
    "bicubic": Op("UpsampleBicubic2DAaBackward0", _smooth, linear=True),
}
AREAS = {1: adaptive_avg_pool1d, 2: adaptive_avg_pool2d, 3: adaptive_avg_pool3d}
NEEDS = {"linear": 3, "bilinear": 4, "trilinear": 5, "bicubic": 4}


# --- the public functions ---------------------------------------------------------------------


def _target(
    spatial: Ints, size: Any, scale_factor: Any, recompute: bool | None
) -> tuple[Ints, Scales]:
    """Lengths of the result, and the scales where they count."""
    axes = len(spatial)
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is not None:
        if isinstance(size, tuple | list):
            if len(size) != axes:
                raise ValueError(
                    "Input and output must have the same number of spatial dimensions, but got "
                    f"input with spatial dimensions of {list(spatial)} and output size of {size}. "
                    "Please provide input tensor in (N, C, d1, d2, ...,dK) format and output size "
                    "in (o1, o2, ...,oK) format."
                )
            if not all(hasattr(n, "__index__") for n in size):
                raise TypeError(
                    "expected size to be one of int or Tuple[int] or Tuple[int, int] or "
                    "Tuple[int, int, int], but got size with types "
                    f"{[type(n) for n in size]}"
                )
            return tuple(int(n) for n in size), (None,) * axes
        return (int(size),) * axes, (None,) * axes
    if scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    if isinstance(scale_factor, tuple | list):
        if len(scale_factor) != axes:
            raise ValueError(
                "Input and scale_factor must have the same number of spatial dimensions, but got "
                f"input with spatial dimensions of {list(spatial)} and scale_factor of shape "
                f"{scale_factor}. Please provide input tensor in (N, C, d1, d2, ...,dK) format and "
                "scale_factor in (s1, s2, ...,sK) format."
            )
        scales = tuple(float(s) for s in scale_factor)
    else:
        scales = (float(scale_factor),) * axes
    out = tuple(math.floor(n * s) for n, s in zip(spatial, scales, strict=True))
    return out, (None,) * axes if recompute else scales


def _check_options(
    size: Any, scale: Any, mode: str, recompute: bool | None, antialias: bool, rank: int
) -> None:
    """Refuse options that do not go together.

    Raises:
        ValueError: in PyTorch's words.
    """
    if size is not None and scale is None and recompute:
        raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
    if antialias and not (mode in ("bilinear", "bicubic", "lanczos") and rank == 4):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires "
            "a 4-D tensor as input"
        )


def _unknown(rank: int, mode: str) -> NotImplementedError:
    return NotImplementedError(
        "Input Error: Only 3D, 4D and 5D input Tensors supported (got "
        f"{rank}D) for the modes: nearest | linear | bilinear | bicubic | trilinear | lanczos "
        f"| area | nearest-exact (got {mode})"
    )


def _check_sizes(shape: Ints, out: Ints) -> None:
    """Refuse images without elements.

    Raises:
        RuntimeError: in PyTorch's words.
    """
    sizes = shape[2:]
    if min(sizes) <= 0 or min(out) <= 0:
        letters = "DHW"[3 - len(out) :]
        shown = [
            ", ".join(f"{letter}: {n}" for letter, n in zip(letters, given, strict=True))
            for given in (sizes, out)
        ]
        raise RuntimeError(
            f"Input and output sizes should be greater than 0, but got input ({shown[0]}) "
            f"{'and ' if len(out) == 1 else ''}output ({shown[1]})"
        )
    if not shape[1]:
        raise RuntimeError(
            f"Non-empty {len(shape)}D data tensor expected but got a tensor with sizes "
            f"{list(shape)}"
        )


@entered("interpolate")
def interpolate(
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Any:
    """The image in another size.

    Args:
        input: (N, C, ...), with one to three axes of places.
        size: of the result.
        scale_factor: by which the size is multiplied instead.
        mode: "nearest", "nearest-exact", "linear", "bilinear", "bicubic", "trilinear" or "area".
        align_corners: whether the outermost values stay where they are, at the borders.
        recompute_scale_factor: whether the scale is that of the whole lengths.
        antialias: whether shrinking takes all values into account.
    """
    rank = input._value.ndim
    interpolating = mode in NEEDS
    if mode in ("nearest", "area", "nearest-exact") and align_corners is not None:
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: linear | "
            "bilinear | bicubic | trilinear"
        )
    _check_options(size, scale_factor, mode, recompute_scale_factor, antialias, rank)
    corners = bool(align_corners)
    spatial = tuple(input._value.shape[2:])
    known = rank in (3, 4, 5) and (interpolating or mode in ("nearest", "area", "nearest-exact"))
    if rank > 2 or size is None or isinstance(size, tuple | list):
        out, scales = _target(spatial, size, scale_factor, recompute_scale_factor)
    if not known:
        raise _unknown(rank, mode)
    if mode == "bicubic" and rank != 4:
        raise _unknown(rank, mode)
    axes = rank - 2
    if mode != "area" and rank == NEEDS.get(mode, rank):
        _check_sizes(input._value.shape, out)
    if mode == "nearest":
        return NEAREST[axes](input, out=out, scales=scales, exact=False)
    if mode == "nearest-exact":
        return EXACT[axes](input, out=out, scales=scales, exact=True)
    if mode == "area":
        return AREAS[axes](input, out)
    if NEEDS[mode] != rank:
        raise NotImplementedError(f"Got {rank}D input, but {mode} mode needs {NEEDS[mode]}D input")
    if antialias and mode in ANTIALIASED:
        return ANTIALIASED[mode](
            input, out=out, scales=scales, corners=corners, cubic=mode == "bicubic"
        )
    return SMOOTH[mode, axes](input, out=out, scales=scales, corners=corners)


def _warn(old: str) -> None:
    warnings.warn(
        f"`nn.functional.{old}` is deprecated. Use `nn.functional.interpolate` instead.",
        UserWarning,
        stacklevel=outside(),
    )


@entered("upsample")
def upsample(
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Any:
    """Deprecated name of `interpolate`."""
    _warn("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


@entered("upsample_nearest")
def upsample_nearest(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """Deprecated name of `interpolate` with mode "nearest"."""
    _warn("upsample_nearest")
    return interpolate(input, size, scale_factor)


@entered("upsample_bilinear")
def upsample_bilinear(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """Deprecated name of `interpolate` with mode "bilinear" and aligned corners."""
    _warn("upsample_bilinear")
    return interpolate(input, size, scale_factor, "bilinear", True)
