"""max(x, 0) in compiled functions, with the derivative that eager mode takes for plain arrays."""

from typing import Any, NoReturn

import numpy as np

import funcgrad.numpy as fnp
from funcgrad import nn
from funcgrad.compat.torch.compilation_breaks import takes_blocks
from funcgrad.core.primitive import Primitive
from funcgrad.core.tracer import bind
from funcgrad.families.shapes import masked
from funcgrad.transforms.custom import custom_vjp

__all__ = ["relu_of"]


def _refused(*_args: Any, **_params: Any) -> NoReturn:
    raise AssertionError("operations of compiled functions have no such rule")


masked_p = Primitive(
    name="masked",
    value=masked,
    family="layer",
    jvp=_refused,
    vjp=None,
    batch=_refused,
    apply=lambda args, _params: masked(*args),
)


@custom_vjp
def recorded_relu(x: Any) -> Any:
    """max(x, 0), of a value that is recorded."""
    return np.maximum(x, 0)


def _forward(x: Any) -> tuple[Any, Any]:
    y = recorded_relu(x)
    return y, y


def _backward(y: Any, ct: Any) -> tuple[Any]:
    return (bind(masked_p, y > 0, ct),)


recorded_relu.defvjp(_forward, _backward)


def relu_of(x: Any) -> Any:
    """max(x, 0) of any value; the derivative at 0 is 0."""
    if x.dtype.kind != "f":
        return fnp.maximum(x, 0)
    return recorded_relu(x) if takes_blocks(x) else nn.relu(x)
