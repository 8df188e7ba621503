"""What a loader is made of: making batches of samples, and the processes that do so."""

from funcgrad.compat.torch.utils.data._utils import collate, fetch, pin_memory, worker

__all__ = ["collate", "fetch", "pin_memory", "worker"]
