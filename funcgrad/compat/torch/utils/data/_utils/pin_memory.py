"""Memory that a graphics card reads directly: there is none here."""

from typing import Any

__all__ = ["pin_memory"]


def pin_memory(data: Any, device: Any = None) -> Any:
    """The nest itself."""
    del device
    return data
