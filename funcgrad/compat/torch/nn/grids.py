"""Values of images at the places of a grid, and grids that are affine maps."""

import warnings
from itertools import product
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.arguments import outside
from funcgrad.compat.torch.indexing import elements
from funcgrad.compat.torch.nn.common import entered
from funcgrad.compat.torch.nn.resampling import cubic_weights
from funcgrad.compat.torch.op import Op

__all__ = ["affine_grid", "grid_sample"]

CORNERS = (
    "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. "
    "Please specify align_corners=True if the old behavior is desired. See the documentation of "
    "grid_sample for details."
)


def _places(x: Any, length: int, corners: bool) -> Any:
    """From [-1, 1] to the numbers of pixels."""
    return (x + 1) / 2 * (length - 1) if corners else ((x + 1) * length - 1) / 2


def _bounded(x: Any, length: int) -> Any:
    """min(max(x, 0), length - 1), flat at both ends."""
    top = x.dtype.type(length - 1)
    return fnp.where(x <= 0, x.dtype.type(0), fnp.where(x >= top, top, x))


def _inside(x: Any, length: int, padding: str, corners: bool) -> Any:
    """Places beyond the image, moved or mirrored into it; zeros are left where they are."""
    if padding == "zeros":
        return x
    if padding == "reflection":
        low, span = (0.0, length - 1.0) if corners else (-0.5, float(length))
        if span <= 0:
            return x * 0
        distance = fnp.abs(x - low)
        turns = fnp.floor(distance / span)
        rest = distance - turns * span
        x = fnp.where(turns % 2 == 0, rest + low, span - rest + low)
    return _bounded(x, length)


def _picked(x: Any, places: list[Any]) -> Any:
    """Values (N, C, ...) at whole places (N, ...) along each axis; 0 beyond the image."""
    lengths = x.shape[2:]
    rank = places[0].ndim - 1
    rows = np.arange(x.shape[0]).reshape((-1,) + (1,) * rank)
    known: Any = True
    index = []
    for place, length in zip(places, lengths, strict=True):
        known = known & (place >= 0) & (place < length)
        index.append(fnp.where(known, fnp.clip(place, 0, length - 1), 0).astype(np.int64))
    values = elements(fnp.moveaxis(x, 1, -1), (rows, *index))
    return fnp.moveaxis(fnp.where(fnp.expand_dims(known, -1), values, 0), -1, 1)


def _sample(x: Any, grid: Any, *, mode: str, padding: str, corners: bool) -> Any:
    """The last axis of the grid holds (x, y, ...): the last axis of the image comes first."""
    lengths = x.shape[2:]
    axes = len(lengths)
    raw = [_places(grid[..., axes - 1 - i], n, corners) for i, n in enumerate(lengths)]
    if mode == "bicubic":
        return _bicubic(x, raw, padding, corners)
    at = [_inside(r, n, padding, corners) for r, n in zip(raw, lengths, strict=True)]
    if mode == "nearest":
        return _picked(x, [fnp.rint(a) for a in at]) + 0 * fnp.expand_dims(sum(at), 1)
    base = [fnp.floor(a) for a in at]
    share = [a - b for a, b in zip(at, base, strict=True)]
    total: Any = 0
    for corner in product((0, 1), repeat=axes):
        weight: Any = 1
        for s, c in zip(share, corner, strict=True):
            weight = weight * (s if c else 1 - s)
        values = _picked(x, [b + c for b, c in zip(base, corner, strict=True)])
        total = total + values * fnp.expand_dims(weight, 1)
    return total


def _bicubic(x: Any, raw: list[Any], padding: str, corners: bool) -> Any:
    lengths = x.shape[2:]
    base = [fnp.floor(r) for r in raw]
    weights = [cubic_weights(r - b, -0.75) for r, b in zip(raw, base, strict=True)]
    total: Any = 0
    for i, j in product(range(4), repeat=2):
        places = [
            _inside(b + k - 1, n, padding, corners)
            for b, k, n in zip(base, (i, j), lengths, strict=True)
        ]
        weight = weights[0][i] * weights[1][j]
        total = total + _picked(x, places) * fnp.expand_dims(weight, 1)
    return total


def _affine(theta: Any, *, size: tuple[int, ...], corners: bool) -> Any:
    """theta · (x, y, ..., 1) at every place of the image."""
    lengths = size[2:]
    lines = []
    for n in reversed(lengths):
        line = np.linspace(-1, 1, n, dtype=theta.dtype) if n > 1 else np.zeros(1, theta.dtype)
        lines.append(line if corners else line * theta.dtype.type((n - 1) / n))
    mesh = np.meshgrid(*reversed(lines), indexing="ij")
    base = np.stack([*reversed(mesh), np.ones(lengths, theta.dtype)], axis=-1)
    flat = fnp.matmul(base.reshape(-1, len(lengths) + 1), fnp.swapaxes(theta, 1, 2))
    return fnp.reshape(flat, (size[0], *lengths, len(lengths)))


sample_ops = {n: Op(f"GridSampler{n}DBackward0", _sample) for n in (2, 3)}
affine_op = Op("AffineGridGeneratorBackward0", _affine, linear=True)


@entered("grid_sample")
def grid_sample(
    input: Any,
    grid: Any,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Any:
    """Values of an image at the places of a grid.

    Args:
        input: (N, C, H, W) or (N, C, D, H, W).
        grid: (N, ..., 2 or 3), places (x, y) or (x, y, z) on [-1, 1].
        mode: "bilinear", "nearest" or "bicubic".
        padding_mode: what lies beyond the image: "zeros", "border" or "reflection".
        align_corners: whether -1 and 1 are the middles of the outermost pixels, not their borders.
    """
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError(
            "nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', "
            f"but got: '{mode}'"
        )
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or "
            f"'reflection', but got: '{padding_mode}'"
        )
    if align_corners is None:
        warnings.warn(CORNERS, UserWarning, stacklevel=outside())
    rank = input._value.ndim
    if rank not in (4, 5) or grid._value.ndim != rank:
        raise RuntimeError(
            "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but "
            f"got input with sizes {list(input._value.shape)} and grid with sizes "
            f"{list(grid._value.shape)}"
        )
    if mode == "bicubic" and rank == 5:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")
    return sample_ops[rank - 2](
        input, grid, mode=mode, padding=padding_mode, corners=bool(align_corners)
    )


@entered("affine_grid")
def affine_grid(theta: Any, size: Any, align_corners: bool | None = None) -> Any:
    """The grid of an affine map, for `grid_sample`.

    Args:
        theta: (N, 2, 3) or (N, 3, 4).
        size: (N, C, H, W) or (N, C, D, H, W).
        align_corners: as for `grid_sample`.
    """
    if theta.dtype.category != 2:
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    if align_corners is None:
        warnings.warn(CORNERS, UserWarning, stacklevel=outside())
    sizes = tuple(int(n) for n in size)
    wanted = (len(sizes) - 2, len(sizes) - 1)
    if theta._value.ndim != 3 or theta._value.shape[1:] != wanted:
        raise ValueError(
            f"Expected a batch of {wanted[0]}D affine matrices of shape Nx{wanted[0]}x{wanted[1]} "
            f"for size {size!r}. Got {theta.shape!r}."
        )
    return affine_op(theta, size=sizes, corners=bool(align_corners))
