"""`torch.nn.modules.pixelshuffle`: channels as places, and places as channels."""

from typing import Any

from typing_extensions import override

from funcgrad.compat.torch.nn.modules.module import Module
from funcgrad.compat.torch.nn.rearranging import pixel_shuffle, pixel_unshuffle

__all__ = ["PixelShuffle", "PixelUnshuffle"]


class PixelShuffle(Module):
    """(..., C r², H, W) to (..., C, H r, W r).

    Args:
        upscale_factor: r.
    """

    __constants__ = ["upscale_factor"]  # noqa: RUF012  # PyTorch's name and type

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    @override
    def forward(self, input: Any) -> Any:
        """The same elements in larger images."""
        return pixel_shuffle(input, self.upscale_factor)

    @override
    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """(..., C, H r, W r) to (..., C r², H, W).

    Args:
        downscale_factor: r.
    """

    __constants__ = ["downscale_factor"]  # noqa: RUF012  # PyTorch's name and type

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    @override
    def forward(self, input: Any) -> Any:
        """The same elements in smaller images."""
        return pixel_unshuffle(input, self.downscale_factor)

    @override
    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"
