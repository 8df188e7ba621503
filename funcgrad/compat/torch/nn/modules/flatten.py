"""`torch.nn.modules.flatten`: axes made one, and one made several."""

from typing import Any

from typing_extensions import override

from funcgrad.compat.torch.nn.modules.module import Module

__all__ = ["Flatten", "Unflatten"]


class Flatten(Module):
    """The axes from one to another as one; by default all but the first.

    Args:
        start_dim: the first of them.
        end_dim: the last of them.
    """

    __constants__ = ["start_dim", "end_dim"]  # noqa: RUF012  # PyTorch's name and type

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    @override
    def forward(self, input: Any) -> Any:
        """The same elements with fewer axes."""
        return input.flatten(self.start_dim, self.end_dim)

    @override
    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """One axis as several.

    Args:
        dim: the axis.
        unflattened_size: lengths of those that take its place; one may be -1.
    """

    __constants__ = ["dim", "unflattened_size"]  # noqa: RUF012  # PyTorch's name and type

    def __init__(self, dim: int, unflattened_size: Any) -> None:
        super().__init__()
        if not isinstance(unflattened_size, tuple | list):
            raise TypeError(
                "unflattened_size must be a tuple of ints, but found type "
                f"{type(unflattened_size).__name__}"
            )
        for place, length in enumerate(unflattened_size):
            if not isinstance(length, int):
                raise TypeError(
                    "unflattened_size must be tuple of ints, but found element of type "
                    f"{type(length).__name__} at pos {place}"
                )
        self.dim = dim
        self.unflattened_size = unflattened_size

    @override
    def forward(self, input: Any) -> Any:
        """The same elements with more axes."""
        return input.unflatten(self.dim, self.unflattened_size)

    @override
    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
