"""Cotangents as users pass them: checked, and in the dtype of their result."""

from typing import Any

import numpy as np

from funcgrad import tree
from funcgrad.core.foreign import is_foreign
from funcgrad.core.tracer import Tracer
from funcgrad.errors import CotangentError
from funcgrad.families.shapes import as_operand, cast_like
from funcgrad.transforms.arguments import float0, result_dtype

__all__ = ["check_cotangent"]


def check_cotangent(ct: Any, aval: tuple[Any, Any], structure: Any, number: int) -> Any:
    """A cotangent in the dtype of its result; `None` for an integer one. `number` is its leaf."""
    shape, dtype = aval
    if dtype.kind not in "fc":
        return None
    found = np.shape(ct) if not isinstance(ct, Tracer) else ct.shape
    if found != shape:
        raise CotangentError(
            f"vjp: the cotangent{_place(structure, number)} has shape {found}, but the result has "
            f"shape {shape}. They must be the same. Pass an array of shape {shape}, e.g. "
            "np.ones_like(out)."
        )
    own_dtype = result_dtype(ct)
    if own_dtype == float0:
        return None
    if own_dtype.kind not in "biufc" or (own_dtype.kind == "c" and dtype.kind != "c"):
        raise CotangentError(
            f"vjp: the cotangent{_place(structure, number)} has dtype {own_dtype}, but the result "
            f"has dtype {dtype}. The one cannot be converted to the other without loss. Pass it "
            "with the dtype of the result."
        )
    if isinstance(ct, np.ndarray | np.generic | Tracer) or is_foreign(ct):
        ct = as_operand(ct)
        return ct if own_dtype == dtype else cast_like(ct, dtype)
    return dtype.type(ct)


def _place(structure: Any, number: int) -> str:
    path = tree.keystr([*structure.paths()][number])
    return f" at {path}" if path else ""
