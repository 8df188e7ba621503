"""`torch.nn.utils.convert_parameters`: parameters as one vector, and back."""

from collections.abc import Iterable
from typing import Any

from funcgrad.compat.torch.joining import cat
from funcgrad.compat.torch.tensor import Tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Any]) -> Any:
    """All elements of the parameters in one vector."""
    return cat([one.reshape(-1) for one in parameters])


def vector_to_parameters(vec: Any, parameters: Iterable[Any]) -> None:
    """Give the elements of a vector to the parameters, in order.

    The parameters share its memory afterwards.
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {type(vec).__name__}")
    whole: Any = vec
    start = 0
    for one in parameters:
        end = start + one.numel()
        one.data = whole[start:end].view_as(one).data
        start = end
