"""`torch.nn`: its functions."""

from funcgrad.compat.torch.nn import functional, numbered

__all__ = ["functional", "numbered"]
