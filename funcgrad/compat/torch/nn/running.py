"""Running mean and variance of batches."""

from typing import Any

from funcgrad.compat.torch.dtypes import DTYPES
from funcgrad.compat.torch.grad_mode import no_grad

__all__ = ["statistics", "update", "update_plain"]


def update(running: Any, now: Any, momentum: float) -> None:
    """Running statistics, moved towards those of the batch in place."""
    if running is not None:
        with no_grad():
            running.copy_(running * (1 - momentum) + now * momentum)


def update_plain(running: Any, now: Any, momentum: float) -> None:
    """The same of plain arrays."""
    if running is not None:
        array = running._array()
        array *= 1 - momentum
        array += now * momentum
        running._cell[0] += 1


def statistics(x: Any) -> tuple[Any, Any]:
    """Mean and unbiased variance of each channel."""
    axes = (0, *range(2, x._value.ndim))
    plain = x.detach()
    if x.dtype.itemsize == 2:
        plain = plain.to(DTYPES["float32"])
    return plain.mean(axes), plain.var(axes)
