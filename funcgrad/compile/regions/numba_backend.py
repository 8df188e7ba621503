"""Numba, where it is installed: what compiles kernels, and the errors where it cannot be had."""

import importlib
import importlib.util
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from funcgrad.compile.load import load
from funcgrad.compile.regions.scalars_operations import FUNCTIONS as MATH
from funcgrad.core.program import Variable
from funcgrad.errors import ArgumentSelectionError

__all__ = ["FUNCTIONS", "check_backend", "machine_code"]

BACKENDS = ("numpy", "numba")

_OF_NUMPY = ("cbrt", "ceil", "exp2", "floor", "fmod", "trunc")
FUNCTIONS: MappingProxyType[str, Any] = MappingProxyType(
    {**MATH, **{name: getattr(np, name) for name in _OF_NUMPY}, "round": np.rint}
)
"""What the texts of operations call, as Numba compiles it: inf and nan in place of errors."""


def check_backend(backend: Any) -> None:
    """Refuse backends that there are not.

    Raises:
        ArgumentSelectionError: for an unknown one.
        ImportError: for Numba where it is not installed.
    """
    if backend not in BACKENDS:
        raise ArgumentSelectionError(
            f"jit: backend={backend!r}. Functions are compiled to NumPy source, or small arrays "
            'with Numba. Pass backend="numpy" or backend="numba", or leave it away.'
        )
    if backend == "numba" and importlib.util.find_spec("numba") is None:
        raise ImportError(
            'jit: backend="numba", but the package numba is not installed. It compiles programs of '
            "small arrays to machine code. Install funcgrad[numba], or leave the backend away."
        )


def machine_code(
    text: str,
    name: str,
    namespace: dict[str, Any],
    inputs: Sequence[Variable],
    outputs: Sequence[Variable],
) -> Any:
    """The function that a source defines, compiled for inputs, and for arrays to be filled.

    Inputs may be read-only and have any strides. Divisions by zero give inf or nan.

    Raises:
        Exception: where Numba cannot compile it.
    """
    numba: Any = importlib.import_module("numba")  # optional, and takes half a second

    types = []
    for variable in inputs:
        dtype = numba.from_dtype(variable.dtype)
        if variable.shape:
            dtype = numba.types.Array(dtype, len(variable.shape), "A", readonly=True)
        elif variable.dtype.kind != "b":
            dtype = numba.types.float64
        types.append(dtype)
    for variable in outputs:
        dtype = numba.from_dtype(variable.dtype)
        types.append(numba.types.Array(dtype, len(variable.shape), "C"))
    plain = load(text, name, namespace)
    return numba.njit(tuple(types), error_model="numpy")(plain)
