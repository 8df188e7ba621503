"""`torch.nn.modules.channelshuffle`: channels in another order."""

from typing import Any

from typing_extensions import override

from funcgrad.compat.torch.nn.modules.module import Module
from funcgrad.compat.torch.nn.rearranging import channel_shuffle

__all__ = ["ChannelShuffle"]


class ChannelShuffle(Module):
    """The first channel of each group, then the second of each, ...

    Args:
        groups: number of groups.
    """

    __constants__ = ["groups"]  # noqa: RUF012  # PyTorch's name and type

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    @override
    def forward(self, input: Any) -> Any:
        """The same channels in another order."""
        return channel_shuffle(input, self.groups)

    @override
    def extra_repr(self) -> str:
        return f"groups={self.groups}"
