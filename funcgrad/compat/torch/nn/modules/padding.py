"""`torch.nn.modules.padding`: places added before and after the last axes."""

from typing import Any

from typing_extensions import override

from funcgrad.compat.torch.nn.modules.families import of_family
from funcgrad.compat.torch.nn.modules.module import Module
from funcgrad.compat.torch.nn.modules.utils import _ntuple
from funcgrad.compat.torch.nn.padding import pad

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _PadNd(Module):
    """What all have: the numbers of places, and where their values come from."""

    __constants__ = ["padding"]  # noqa: RUF012  # PyTorch's name and type

    _axes = 0
    _mode = ""

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = _ntuple(2 * self._axes)(padding)

    @override
    def forward(self, input: Any) -> Any:
        """The input with borders."""
        return pad(input, self.padding, self._mode)

    @override
    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPadNd(_PadNd):
    """A constant around (N, C, ...) or (C, ...).

    Args:
        padding: numbers of places: before and after the last axis, then the last but one, ...
        value: the constant.
    """

    __constants__ = ["padding", "value"]  # noqa: RUF012  # PyTorch's name and type

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    @override
    def forward(self, input: Any) -> Any:
        """The input with borders."""
        return pad(input, self.padding, "constant", self.value)

    @override
    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


@of_family
class ConstantPad1d(_ConstantPadNd):
    """A constant around (N, C, L) or (C, L)."""

    _axes = 1


@of_family
class ConstantPad2d(_ConstantPadNd):
    """A constant around (N, C, H, W) or (C, H, W)."""

    _axes = 2


@of_family
class ConstantPad3d(_ConstantPadNd):
    """A constant around (N, C, D, H, W) or (C, D, H, W)."""

    _axes = 3


class _ZeroPad(_ConstantPadNd):
    """Zeros in place of any constant."""

    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    @override
    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(_ZeroPad, ConstantPad1d):
    """Zeros before and after the last axis."""


class ZeroPad2d(_ZeroPad, ConstantPad2d):
    """Zeros before and after the last two axes."""


class ZeroPad3d(_ZeroPad, ConstantPad3d):
    """Zeros before and after the last three axes."""


class _ReflectionPadNd(_PadNd):
    """The mirror image, without the border, around (N, C, ...) or (C, ...).

    Args:
        padding: numbers of places: before and after the last axis, then the last but one, ...
    """

    _mode = "reflect"


@of_family
class ReflectionPad1d(_ReflectionPadNd):
    """The mirror image around (N, C, L) or (C, L)."""

    _axes = 1


@of_family
class ReflectionPad2d(_ReflectionPadNd):
    """The mirror image around (N, C, H, W) or (C, H, W)."""

    _axes = 2


@of_family
class ReflectionPad3d(_ReflectionPadNd):
    """The mirror image around (N, C, D, H, W)."""

    _axes = 3


class _ReplicationPadNd(_PadNd):
    """The value at the border, around (N, C, ...) or (C, ...).

    Args:
        padding: numbers of places: before and after the last axis, then the last but one, ...
    """

    _mode = "replicate"


@of_family
class ReplicationPad1d(_ReplicationPadNd):
    """The border's values around (N, C, L) or (C, L)."""

    _axes = 1


@of_family
class ReplicationPad2d(_ReplicationPadNd):
    """The border's values around (N, C, H, W) or (C, H, W)."""

    _axes = 2


@of_family
class ReplicationPad3d(_ReplicationPadNd):
    """The border's values around (N, C, D, H, W)."""

    _axes = 3


class _CircularPadNd(_PadNd):
    """The values of the other end, around (N, C, ...) or (C, ...).

    Args:
        padding: numbers of places: before and after the last axis, then the last but one, ...
    """

    _mode = "circular"

    @override
    def forward(self, input: Any) -> Any:
        """The input with borders."""
        self._check_input_dim(input)
        return pad(input, self.padding, "circular")

    def _check_input_dim(self, input: Any) -> None:
        low, high = self._axes + 1, self._axes + 2
        if input.dim() not in (low, high):
            raise ValueError(f"expected {low}D or {high}D input (got {input.dim()}D input)")


@of_family
class CircularPad1d(_CircularPadNd):
    """The other end's values around (N, C, L) or (C, L)."""

    _axes = 1


@of_family
class CircularPad2d(_CircularPadNd):
    """The other end's values around (N, C, H, W) or (C, H, W)."""

    _axes = 2


@of_family
class CircularPad3d(_CircularPadNd):
    """The other end's values around (N, C, D, H, W)."""

    _axes = 3
