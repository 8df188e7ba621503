"""`torch.utils`: data, checkpoints, timing, nests."""

from funcgrad.compat.torch.utils import _pytree, benchmark, checkpoint, data
from funcgrad.compat.torch.utils.swapping import swap_tensors

__all__ = ["_pytree", "benchmark", "checkpoint", "data", "swap_tensors"]
