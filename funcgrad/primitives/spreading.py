"""Repeating a value until it is as large as another, cut into chunks as that one is."""

from typing import Any

import numpy as np

from funcgrad.core.protocols import DISPATCH
from funcgrad.core.tracer import bind
from funcgrad.core.wengert import Aval, aval_of
from funcgrad.families.shapes import shape_of
from funcgrad.primitives.structural import broadcast_p, broadcast_to

__all__ = ["spread_as"]


def spread_as(x: Any, like: Any) -> Any:
    """`np.broadcast_to(x, like.shape)`, of the kind of `like`: an `Aval`, an array or a tracer."""
    shape = like.shape
    if type(like) is np.ndarray:
        return broadcast_to(x, shape)
    kind = like.like if type(like) is Aval else aval_of(like).like
    if type(kind) is not tuple:
        return broadcast_to(x, shape)
    return x if shape_of(x) == shape else bind(broadcast_p, x, shape=shape, like=kind)


DISPATCH["spread as"] = spread_as
