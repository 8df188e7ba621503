"""The part of an exported module that checks the module: recorded values, and how they compare."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from funcgrad.compile.bundling import Bundle, array_text

__all__ = ["CHECK", "DIFFERENCE", "Given", "expected_text", "given_values"]

EMBEDDED = 65536
"""So many bytes of values are written into a module."""
SAMPLES = 64
"""Of larger results so many elements are compared, and their sum."""

CHECK = '''\
def check_argument(name, value, shape, dtype):
    """Refuse an argument of another shape or dtype than this module was written for."""
    other = np.shape(value) != shape or np.asarray(value).dtype != dtype
    if other or isinstance(value, (list, tuple)):
        raise TypeError(
            f"{name}: this module was written for shape {shape} and dtype {dtype}, not for "
            f"shape {np.shape(value)} and dtype {np.asarray(value).dtype}"
        )
'''

DIFFERENCE = '''\
def difference(name, found, expected, shape, sample=None):
    """What is wrong with a result; rounding may differ between versions and machines."""
    found = np.asarray(found)
    if found.shape != shape or found.dtype != expected.dtype:
        return f"{name}: {found.dtype}{list(found.shape)}, not {expected.dtype}{list(shape)}"
    if sample is not None:
        flat = found.reshape(-1)
        found = np.append(flat[sample], np.sum(flat, dtype=expected.dtype))
    if expected.dtype.kind not in "fc":
        return "" if np.array_equal(found, expected) else f"{name}: other values"
    usual = np.isfinite(expected)
    if not np.array_equal(found[~usual], expected[~usual], equal_nan=True):
        return f"{name}: other infinities or nans"
    scale = np.max(np.abs(expected[usual]), initial=0.0)
    error = np.max(np.abs(found[usual] - expected[usual]), initial=0.0)
    bound = scale * float(np.finfo(expected.dtype).eps) ** (2 / 3)
    return "" if error <= bound else f"{name}: differs by {error}, values are up to {scale}"
'''


class Given:
    """Arguments for the check.

    Attributes:
        values: the leaves.
        texts: expressions that give them; they may use `rng`.
        generated: whether some are drawn by `rng`.
    """

    def __init__(self, values: list[Any], texts: list[str], *, generated: bool) -> None:
        self.values = values
        self.texts = texts
        self.generated = generated


def given_values(
    leaves: Sequence[Any], bundle: Bundle, holds: Callable[[Sequence[Any]], bool]
) -> Given:
    """The recorded arguments, or where they are too large, others between the same bounds.

    Args:
        leaves: the recorded arguments.
        bundle: writes numbers.
        holds: whether the module takes the recorded path for these arguments.
    """
    texts = [_leaf_text(leaf, bundle) for leaf in leaves]
    recorded = Given(list(leaves), texts, generated=False)
    total = sum(leaf.nbytes for leaf in leaves if isinstance(leaf, np.ndarray))
    if total <= EMBEDDED:
        return recorded
    rng = np.random.default_rng(0)
    values, drawn = [], []
    for leaf, text in zip(leaves, texts, strict=True):
        other = _drawn_text(leaf) if isinstance(leaf, np.ndarray) and leaf.size > SAMPLES else None
        drawn.append(text if other is None else other)
        values.append(
            leaf if other is None else eval(other, {"np": np, "rng": rng})
        )  # written above
    return Given(values, drawn, generated=True) if holds(values) else recorded


def _leaf_text(leaf: Any, bundle: Bundle) -> str:
    if isinstance(leaf, np.ndarray):
        return array_text(leaf)
    return bundle.constant(leaf, "value")


def _drawn_text(array: np.ndarray[Any, Any]) -> str | None:
    """Random numbers between the least and the largest of an array, of its shape and dtype."""
    shape, dtype = array.shape, array.dtype
    if dtype.kind == "b":
        return f"rng.random({shape}) < 0.5"
    if dtype.kind in "iu":
        low, high = int(array.min()), int(array.max())
        return f"rng.integers({low}, {high}, {shape}, endpoint=True).astype(np.{dtype.name})"
    bounds = [_bounds(part) for part in _parts(array)]
    texts = [f"rng.uniform({low!r}, {high!r}, {shape})" for low, high in bounds]
    text = texts[0] if len(texts) == 1 else f"({texts[0]} + 1j * {texts[1]})"
    return f"{text}.astype(np.{dtype.name})"


def _parts(array: np.ndarray[Any, Any]) -> Sequence[Any]:
    return (array.real, array.imag) if array.dtype.kind == "c" else (array,)


def _bounds(part: Any) -> tuple[float, float]:
    finite = part[np.isfinite(part)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)


def expected_text(values: Sequence[Any]) -> list[str]:
    """The last arguments of `difference` for each result: values, shape, and which were sampled."""
    arrays = [np.asarray(value) for value in values]
    whole = sum(array.nbytes for array in arrays) <= EMBEDDED
    texts = []
    for array in arrays:
        if whole or array.size <= SAMPLES:
            texts.append(f"{array_text(array)}, {array.shape}")
            continue
        step = math.ceil(array.size / SAMPLES)
        flat = array.reshape(-1)
        sampled = np.append(flat[::step], np.sum(flat, dtype=array.dtype))
        texts.append(f"{array_text(sampled)}, {array.shape}, slice(None, None, {step})")
    return texts
