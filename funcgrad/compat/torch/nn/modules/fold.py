"""`torch.nn.modules.fold`: windows as columns, and columns summed in their places."""

from typing import Any

from typing_extensions import override

from funcgrad.compat.torch.nn.modules.module import Module
from funcgrad.compat.torch.nn.rearranging import fold, unfold

__all__ = ["Fold", "Unfold"]


class Fold(Module):
    """Σ of columns (N, C · places, windows) in the places that `Unfold` takes them from.

    Args:
        output_size: of the images.
        kernel_size: of the window.
        dilation: distance of the elements of a window.
        padding: on both sides, which is cut off.
        stride: between windows.
    """

    __constants__ = ["output_size", "kernel_size", "dilation", "padding", "stride"]  # noqa: RUF012  # as in PyTorch

    def __init__(
        self,
        output_size: Any,
        kernel_size: Any,
        dilation: Any = 1,
        padding: Any = 0,
        stride: Any = 1,
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    @override
    def forward(self, input: Any) -> Any:
        """The images."""
        return fold(
            input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride
        )

    @override
    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, "
            f"dilation={self.dilation}, padding={self.padding}, stride={self.stride}"
        )


class Unfold(Module):
    """The windows of (N, C, H, W) as columns (N, C · places, windows).

    Args:
        kernel_size: of the window.
        dilation: distance of the elements of a window.
        padding: with 0 on both sides.
        stride: between windows.
    """

    __constants__ = ["kernel_size", "dilation", "padding", "stride"]  # noqa: RUF012  # as in PyTorch

    def __init__(
        self, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    @override
    def forward(self, input: Any) -> Any:
        """The columns."""
        return unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    @override
    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, "
            f"stride={self.stride}"
        )
