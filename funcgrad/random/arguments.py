"""Arguments of the draws: keys, shapes, dtypes and parameters, and what is said of wrong ones."""

import math
import operator
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from funcgrad.core.tracer import Tracer
from funcgrad.errors import DrawError, RandomKeyError
from funcgrad.families.shapes import as_operand, dtype_of, shape_of
from funcgrad.primitives.structural import astype

__all__ = [
    "as_key",
    "as_shape",
    "check",
    "float_dtype",
    "integer_dtype",
    "is_known",
    "joint_shape",
    "parameter",
    "parameters",
    "refuse",
    "spread",
]

KEY = np.dtype(np.uint64)
FLOATS = frozenset(map(np.dtype, (np.float16, np.float32, np.float64)))


def as_key(name: str, key: Any) -> Any:
    """The key of a draw, checked.

    Raises:
        RandomKeyError: if it is none.
    """
    if (type(key) is np.ndarray or isinstance(key, Tracer)) and key.dtype == KEY:
        if key.shape == (2,):
            return key
        if len(key.shape) > 1 and key.shape[-1] == 2:
            raise RandomKeyError(
                f"{name}: the key has shape {key.shape}, which are {math.prod(key.shape[:-1])} "
                "keys. A draw takes one. Pass one of them, as keys[0], or draw for each with "
                f"vmap(lambda key: {name}(key, ...))(keys)."
            )
    raise RandomKeyError(
        f"{name}: the key is {_described(key)}. A key is a uint64 array of shape (2,), which says "
        "what is drawn. Make one with funcgrad.random.key(0), or several of another one with "
        f"funcgrad.random.split(key), and pass it first: {name}(key, ...)."
    )


def _described(x: Any) -> str:
    if isinstance(x, bool | int | float | str | None):
        return f"the {type(x).__name__} {x!r}" if x is not None else "None"
    dtype, shape = getattr(x, "dtype", None), getattr(x, "shape", None)
    if dtype is not None and shape is not None:
        return f"an array of dtype {dtype} and shape {shape}"
    return f"a {type(x).__name__}"


def refuse(name: str, given: str, why: str, fix: str) -> NoReturn:
    """Raise the error for a parameter that nothing can be drawn with."""
    raise DrawError(f"{name}: {given}. {why} {fix}")


def as_shape(name: str, shape: Any) -> tuple[int, ...]:
    """A shape: one length, or a sequence of them.

    Raises:
        DrawError: for a negative length, or what is no length.
    """
    try:
        found = (
            tuple(map(operator.index, shape))
            if isinstance(shape, Sequence | np.ndarray)
            else (operator.index(shape),)
        )
    except TypeError:
        refuse(
            name,
            f"the shape is {shape!r}",
            "A shape is a tuple of plain integers.",
            "Write (n, m), n, or () for one number.",
        )
    if any(length < 0 for length in found):
        refuse(
            name,
            f"the shape is {found}",
            "No axis has a negative length.",
            "Pass lengths of 0 or more.",
        )
    return found


def joint_shape(name: str, shape: Any, **given: Any) -> tuple[int, ...]:
    """The shape of a draw: the one asked for, or (`None`) that of its parameters together.

    Raises:
        DrawError: if the parameters do not fit into it.
    """
    shapes = [shape_of(x) for x in given.values()]
    found = None if shape is None else as_shape(name, shape)
    try:
        own = np.broadcast_shapes(*shapes)
        if found is None or np.broadcast_shapes(own, found) == found:
            return own if found is None else found
    except ValueError:
        pass
    listed = " and ".join(f"{key} of shape {s}" for key, s in zip(given, shapes, strict=True) if s)
    if found is None:
        refuse(name, listed, "They do not broadcast.", "Pass parameters of one shape.")
    refuse(
        name,
        f"{listed}, for numbers of shape {found}",
        "They do not broadcast to it.",
        "Pass shape=None for one number for each parameter, or parameters of fewer axes.",
    )


def float_dtype(name: str, dtype: Any, extra: str = "") -> np.dtype[Any]:
    """The dtype of real numbers, by default float64; `extra` are further kinds.

    Raises:
        DrawError: for another one.
    """
    found = np.dtype(np.float64 if dtype is None else dtype)
    if found in FLOATS or (found.kind in extra and found.itemsize <= 16):
        return found
    refuse(
        name,
        f"dtype {found}",
        "The numbers are real, of double precision at most.",
        "Pass dtype=np.float64 or np.float32, or round and cast what is drawn.",
    )


def integer_dtype(name: str, dtype: Any, kinds: str = "iu") -> np.dtype[Any]:
    """The dtype of integers, by default int64.

    Raises:
        DrawError: for another one.
    """
    found = np.dtype(np.int64 if dtype is None else dtype)
    if found.kind in kinds:
        return found
    refuse(
        name,
        f"dtype {found}",
        "What is drawn are integers" + (" without a sign." if kinds == "u" else "."),
        f"Pass dtype={'np.uint32' if kinds == 'u' else 'np.int64'}, or cast what is drawn.",
    )


def parameter(name: str, x: Any, dtype: np.dtype[Any]) -> Any:
    """A real parameter, plain or traced, in the dtype of the draw.

    Raises:
        DrawError: if it is complex, or no number.
    """
    if isinstance(x, float | int):
        return dtype.type(x)
    x = as_operand(x)
    found = dtype_of(x)
    if found is not None and found == dtype:  # a traced Python number has none
        return x
    kind = x.dtype if hasattr(x, "dtype") else np.result_type(type(x))
    if kind.kind not in "biuf":
        refuse(
            name,
            f"a parameter has dtype {kind}",
            "The parameters of a distribution are real numbers.",
            "Pass an array of floats.",
        )
    return astype(x, dtype)


def parameters(name: str, dtype: np.dtype[Any], *given: Any) -> list[Any]:
    """Several real parameters."""
    return [parameter(name, x, dtype) for x in given]


def spread(x: Any, shape: tuple[int, ...]) -> Any:
    """A parameter for each number that is drawn."""
    return x if shape_of(x) == shape else np.broadcast_to(x, shape)


def is_known(x: Any) -> bool:
    """Whether a parameter is a plain value, which can be looked at."""
    return not isinstance(x, Tracer)


def check(name: str, label: str, x: Any, holds: Any, why: str, fix: str) -> None:
    """Refuse a known parameter that has a value out of range.

    Args:
        name: of the draw.
        label: of the parameter.
        x: its value.
        holds: `x -> mask` of the values that are in range.
        why: what is true of them.
        fix: what to do.
    """
    if not is_known(x):
        return
    wrong = np.logical_not(holds(x))
    if np.any(wrong):
        value = np.asarray(x)[wrong].flat[0] if np.ndim(x) else x
        refuse(name, f"{label} is {value}" + (" in a place" if np.ndim(x) else ""), why, fix)
