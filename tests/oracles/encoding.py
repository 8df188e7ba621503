"""Pytrees of arrays as JSON, and their comparison leaf by leaf."""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["differences", "digest", "encode"]

# Of a number that is nearly cancelled: relative to the largest one of its leaf, and absolute.
CANCELLED, TINY = 1e-12, 1e-13


def encode(tree: Any) -> Any:
    """A pytree as JSON: a leaf is `["float64", shape, numbers]`, and a container names its type."""
    if tree is None:
        return None
    if isinstance(tree, dict):
        return {"dict": {str(key): encode(tree[key]) for key in sorted(tree)}}
    if isinstance(tree, list):
        return {"list": [encode(item) for item in tree]}
    if isinstance(tree, tuple):
        kind = "tuple" if type(tree) is tuple else type(tree).__name__
        return {kind: [encode(item) for item in tree]}
    leaf = np.asarray(tree)
    numbers = leaf.ravel()
    if leaf.dtype.kind == "V":
        return ["float0", list(leaf.shape), []]  # the tangent of an integer
    if leaf.dtype.kind == "c":
        numbers = numbers.view(numbers.real.dtype)  # real and imaginary parts in turn
    return [str(leaf.dtype), list(leaf.shape), numbers.tolist()]


def digest(args: Any) -> str:
    """A short name of the arguments of a case: a changed case needs another recording."""
    text = "".join(f"{np.shape(a)}{np.asarray(a).tolist()}" for a in args)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def differences(found: Any, wanted: Any, rtol: float, path: str = "") -> Iterator[str]:
    """What distinguishes two encoded trees, in words.

    Args:
        found: encoded.
        wanted: encoded.
        rtol: allowed relative error of a number. A number that is small beside the largest of its
            leaf is the rest of a cancellation, and may be off by 1e-12 of that one; in float16
            and float32 by what rounding that one once makes (the dtype's eps).
        path: where in the whole tree this is.

    Yields:
        One sentence for each leaf or container that differs.
    """
    if isinstance(found, dict) and isinstance(wanted, dict) and found.keys() == wanted.keys():
        [kind] = found
        one, other = _items(found[kind]), _items(wanted[kind])
        if one.keys() != other.keys():
            yield f"{path} has {kind} keys {list(one)}, not {list(other)}"
            return
        for key in one:
            yield from differences(one[key], other[key], rtol, f"{path}[{key}]")
    elif isinstance(found, list) and isinstance(wanted, list):
        if found[:2] != wanted[:2]:
            yield f"{path} is {found[0]}{found[1]}, not {wanted[0]}{wanted[1]}"
            return
        x, y = (np.asarray(numbers, dtype=float) for numbers in (found[2], wanted[2]))
        scale = np.max(np.abs(y), initial=0.0, where=np.isfinite(y))
        atol = TINY + max(CANCELLED, rtol / 1000, _eps(wanted[0])) * scale
        if not np.allclose(x, y, rtol=rtol, atol=atol, equal_nan=True):
            yield f"{path} is {x}, not {y} (off by {np.max(np.abs(x - y)):.2g})"
    elif found != wanted:
        yield f"{path} is {_kind(found)}, not {_kind(wanted)}"


def _eps(dtype: str) -> float:
    return float(np.finfo(dtype).eps) if dtype != "float0" and np.dtype(dtype).kind in "fc" else 0.0


def _items(children: Any) -> dict[Any, Any]:
    return children if isinstance(children, dict) else dict(enumerate(children))


def _kind(encoded: Any) -> str:
    return next(iter(encoded)) if isinstance(encoded, dict) else "a leaf" if encoded else "None"
