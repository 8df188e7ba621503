"""Padding with a constant, by reflection, by the value at the border, and around a circle."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import funcgrad.numpy as fnp
from funcgrad.compat.torch.nn.common import entered
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.registry import MODULES

__all__ = ["pad"]

Widths = tuple[tuple[int, int], ...]
"""(before, after) for each of the last axes; negative ones cut off."""


def _split(x: Any, widths: Widths) -> tuple[Any, list[tuple[int, int]]]:
    """What is left after cutting, and the padding of every axis that is added then."""
    lead = x.ndim - len(widths)
    cut = tuple(
        slice(max(-before, 0), length - max(-after, 0))
        for (before, after), length in zip(widths, x.shape[lead:], strict=True)
    )
    added = [(0, 0)] * lead + [(max(before, 0), max(after, 0)) for before, after in widths]
    if any(before < 0 or after < 0 for before, after in widths):
        x = x[(..., *cut)]
    return x, added


def _constant(x: Any, *, widths: Widths, value: Any) -> Any:
    x, added = _split(x, widths)
    if not x.ndim:
        return +x
    return fnp.pad(x, added, constant_values=np.asarray(value).astype(x.dtype)[()])


def _reflected(x: Any, *, widths: Widths) -> Any:
    x, added = _split(x, widths)
    return fnp.pad(x, added, mode="reflect")


def _taken(x: Any, widths: Widths, places: Callable[[int, int, int], Any]) -> Any:
    """Values at `places(length, before, after)` along each of the last axes."""
    lead = x.ndim - len(widths)
    for i, (before, after) in enumerate(widths, lead):
        x = fnp.take(x, places(x.shape[i], before, after), axis=i)
    return x


def _replicated(x: Any, *, widths: Widths) -> Any:
    def places(length: int, before: int, after: int) -> Any:
        return np.clip(np.arange(-before, length + after), 0, length - 1)

    return _taken(x, widths, places)


def _circular(x: Any, *, widths: Widths) -> Any:
    x, added = _split(x, widths)

    def places(length: int, before: int, after: int) -> Any:
        return np.arange(-before, length + after) % length

    return _taken(x, tuple(added[x.ndim - len(widths) :]), places)


constant_op = Op("ConstantPadNdBackward0", _constant)
zero_op = Op("ConstantPadNdBackward0", _constant, linear=True)
circular_op = Op("CopySlices", _circular)
BORDER_OPS = {
    (mode, axes): Op(f"{name}Pad{axes}DBackward0", function)
    for mode, name, function in (
        ("reflect", "Reflection", _reflected),
        ("replicate", "Replication", _replicated),
    )
    for axes in (1, 2, 3)
}

_SUPPORTED = """Supported combinations for non-constant padding:
  - 2D or 3D input: padding size = 2 (pads last dimension)
  - 3D or 4D input: padding size = 4 (pads last 2 dimensions)
  - 4D or 5D input: padding size = 6 (pads last 3 dimensions)"""


def _check_border(shape: tuple[int, ...], widths: Widths, mode: str) -> None:
    """Refuse paddings that the input cannot fill.

    Raises:
        NotImplementedError: for other numbers of axes than PyTorch's.
        RuntimeError: for too wide ones.
    """
    axes, rank = len(widths), len(shape)
    if axes not in (1, 2, 3) or rank not in (axes + 1, axes + 2):
        raise NotImplementedError(
            f"Padding size {2 * axes} is not supported for {rank}D input tensor.\n{_SUPPORTED}"
        )
    if mode != "circular" and 0 in shape[rank - axes - 1 :]:
        raise RuntimeError(
            f"Expected {axes + 1}D or {axes + 2}D (batch mode) tensor with possibly 0 batch size "
            f"and other non-zero dimensions for input, but got: {list(shape)}"
        )
    rows = list(enumerate(zip(shape[rank - axes :], widths, strict=True)))
    for i, (length, (before, after)) in reversed(rows):
        if mode == "reflect" and max(before, after) >= length:
            raise RuntimeError(
                f"Argument #{4 + 2 * (axes - 1 - i)}: Padding size should be less than the "
                "corresponding input dimension, "
                f"but got: padding ({before}, {after}) at dimension {rank - axes + i} of input "
                f"{list(shape)}"
            )
        if mode == "circular" and max(before, after) > length:
            raise RuntimeError("Padding value causes wrapping around more than once.")
    sizes = [length + before + after for _, (length, (before, after)) in rows]
    if mode == "circular" and min(sizes) < 0:
        raise RuntimeError("Negative padding value is resulting in an empty dimension")
    if mode != "circular" and max(sizes) < 1:
        raise _too_small(shape[rank - axes :], sizes)
    if min(sizes) < 0:
        raise RuntimeError(
            f"Trying to create tensor with negative dimension {min(sizes)}: "
            f"{[*shape[: rank - axes], *sizes]}"
        )


def _too_small(lengths: Sequence[int], sizes: Sequence[int]) -> RuntimeError:
    letters = "DHW"[3 - len(sizes) :]
    shown = [
        " ".join(f"{letter}: {n}" for letter, n in zip(letters, given, strict=True))
        for given in (lengths, sizes)
    ]
    return RuntimeError(f"input ({shown[0]}) is too small. Calculated output {shown[1]}")


@entered("pad")
def pad(input: Any, pad: Any, mode: str = "constant", value: float | None = None) -> Any:
    """Add places before and after the last axes.

    Args:
        input: of any shape.
        pad: (before, after) of the last axis, then of the last but one, ...; negative ones cut.
        mode: "constant", "reflect" (without the border), "replicate" or "circular".
        value: of the constant.
    """
    given = tuple(int(n) for n in pad)
    shape = tuple(input._value.shape)
    rank = len(shape)
    if len(given) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if len(given) > 2 * rank:
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got "
            f"padding length {len(given)} and input of dimension {rank}"
        )
    widths = tuple((given[i], given[i + 1]) for i in range(len(given) - 2, -1, -2))
    axes = len(widths)
    lengths = shape[rank - axes :]
    if mode == "constant":
        for length, (before, after) in zip(lengths, widths, strict=True):
            if length + before + after < 0 or -before > length or -after > length:
                raise RuntimeError("narrow(): length must be non-negative.")
        if not value:
            return zero_op(input, widths=widths, value=0)
        return constant_op(input, widths=widths, value=value)
    if value is not None and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    _check_border(shape, widths, mode)
    if mode == "circular":
        return circular_op(input, widths=widths)
    return BORDER_OPS[mode, axes](input, widths=widths)


MODULES["torch"].setdefault(
    "constant_pad_nd", lambda input, pad_, value=0: pad(input, pad_, "constant", value)
)
