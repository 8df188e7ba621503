"""`torch.nn.modules.linear_cross_entropy_options`: how a batch of logits might be cut."""

import dataclasses
import re
from typing import Any

__all__ = ["LinearCrossEntropyOptions"]

_METHODS = re.compile(r"auto|aspect_ratio(:\d+(\.\d+)?)?")


@dataclasses.dataclass
class LinearCrossEntropyOptions:
    """Options of `linear_cross_entropy`, which are accepted and change no result.

    Attributes:
        allow_retain_graph: whether the graph may be walked twice; here it always may.
        batch_chunk_size: number of examples at a time.
        chunking_method: how that number is found.
        acc_policy: "accurate", "balanced", "compact" or "auto".
        acc_dtype: type in which parts are added.
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: Any = None

    def __post_init__(self) -> None:
        """Refuse what is no option."""
        size = self.batch_chunk_size
        if size is not None and size <= 0:
            raise ValueError(f"batch_chunk_size must be positive int or None, got {size}")
        method = self.chunking_method
        if method is not None and not _METHODS.fullmatch(method):
            raise ValueError(f"invalid chunking_method: {method!r}")
        if self.acc_policy not in ("accurate", "balanced", "compact", "auto"):
            raise ValueError(f"invalid acc_policy: {self.acc_policy!r}")
