"""`torch.nn.modules.upsampling`: images in another size."""

from typing import Any

from typing_extensions import override

from funcgrad.compat.torch.nn.modules.module import Module
from funcgrad.compat.torch.nn.resampling import interpolate

__all__ = ["Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d"]


class Upsample(Module):
    """Images (N, C, ...) in another size.

    Args:
        size: of the result.
        scale_factor: by which the size is multiplied instead.
        mode: "nearest", "linear", "bilinear", "bicubic" or "trilinear".
        align_corners: whether the outermost values stay where they are, at the borders.
        recompute_scale_factor: whether the scale is that of the whole lengths.
    """

    __constants__ = [  # noqa: RUF012  # PyTorch's name and type
        "size", "scale_factor", "mode", "align_corners", "name", "recompute_scale_factor",
    ]  # fmt: skip

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.name = type(self).__name__
        self.size = size
        self.scale_factor: Any
        if isinstance(scale_factor, tuple):
            self.scale_factor = tuple(float(factor) for factor in scale_factor)
        else:
            self.scale_factor = float(scale_factor) if scale_factor else None
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    @override
    def forward(self, input: Any) -> Any:
        """The images."""
        return interpolate(
            input, self.size, self.scale_factor, self.mode, self.align_corners,
            self.recompute_scale_factor,
        )  # fmt: skip

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("recompute_scale_factor", True)

    @override
    def extra_repr(self) -> str:
        if self.scale_factor is not None:
            return f"scale_factor={self.scale_factor!r}, mode={self.mode!r}"
        return f"size={self.size!r}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """The nearest value of (N, C, H, W) at each place of the result.

    Args:
        size: of the result.
        scale_factor: by which the size is multiplied instead.
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """Weighted means of the four values of (N, C, H, W) around; corners stay where they are.

    Args:
        size: of the result.
        scale_factor: by which the size is multiplied instead.
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)
