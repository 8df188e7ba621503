"""How tensors print: `repr`, `str` and format, over the rules of `formatting`."""

from typing import Any

import numpy as np

from funcgrad.compat.torch.ambient import AmbientTracer
from funcgrad.compat.torch.formatting import format_scalar, level_text, tensor_text
from funcgrad.compat.torch.state import SETTINGS
from funcgrad.compat.torch.tensor import METHODS, Tensor
from funcgrad.core.tracer import Tracer
from funcgrad.interpreters.batch import BatchTracer
from funcgrad.interpreters.dual import DualTracer

__all__ = ["text_of"]


def text_of(tensor: Tensor) -> str:
    """`tensor(...)` with PyTorch's layout; inside torch.func the levels around it."""
    value = tensor._value
    if isinstance(value, Tracer):
        return _level(value, tensor)
    node = tensor._node
    tangent = tensor._tangent
    return tensor_text(
        np.asarray(value),
        tensor.dtype.name,
        default_dtype=SETTINGS.default_dtype.name,
        device=str(tensor.device),
        requires_grad=tensor._requires,
        grad_fn=None if node is None else type(node).__name__,
        tangent=None if tangent is None else str(tangent),
    )


def _level(value: Any, tensor: Tensor) -> str:
    levels = []
    inner = value
    while isinstance(inner, Tracer) and type(inner) is not AmbientTracer:
        levels.append(inner)
        inner = inner.value
    plain = inner.value if isinstance(inner, AmbientTracer) else inner
    text = tensor_text(
        np.asarray(plain),
        tensor.dtype.name,
        default_dtype=SETTINGS.default_dtype.name,
        requires_grad=isinstance(inner, AmbientTracer),
    )
    for number, tracer in enumerate(reversed(levels), 1):
        if isinstance(tracer, BatchTracer):
            text = level_text("BatchedTensor", text, lvl=number, bdim=0)
        elif isinstance(tracer, DualTracer):
            text = level_text("GradTrackingTensor", text, lvl=number)
        else:
            text = level_text("GradTrackingTensor", text, lvl=number)
    return text


def formatted(tensor: Tensor, spec: str) -> str:
    """`format(tensor, spec)`: the number itself for a tensor without axes."""
    value = tensor._value
    if isinstance(value, Tracer) or value.ndim:
        if spec:
            raise TypeError("unsupported format string passed to Tensor.__format__")
        return text_of(tensor)
    return format_scalar(value.item(), spec)


METHODS["repr"] = text_of
METHODS["format"] = formatted
