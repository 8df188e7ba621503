"""`torch.nn.parallel`: modules on several devices, of which this layer has one."""

from typing import Any

from typing_extensions import override

from funcgrad.compat.torch.nn.modules.module import Module

__all__ = ["DataParallel"]


class DataParallel(Module):
    """The module itself: without a GPU there is nothing to spread the batch over.

    Args:
        module: the module, which becomes the attribute `module`.
        device_ids: ignored, as PyTorch does without a GPU.
        output_device: likewise.
        dim: the axis of the batch.
    """

    def __init__(
        self, module: Any, device_ids: Any = None, output_device: Any = None, dim: int = 0
    ) -> None:
        super().__init__()
        self.module = module
        self.device_ids: list[int] = []

    @override
    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """What the module gives."""
        return self.module(*inputs, **kwargs)
