"""The batching rules that most primitives have, so that a declaration only names them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from funcgrad.core.primitive import BatchRule, Primitive
from funcgrad.core.tracer import bind
from funcgrad.families.shapes import align

__all__ = ["aligned", "batch_rule", "looped", "same_call"]


def same_call(_size: int, _batched: Sequence[bool], _values: Sequence[Any], _params: Any) -> Any:
    """Batching of an operation that leaves leading axes alone: filled in by the families."""
    raise AssertionError("replaced when the primitive is made")


def aligned(_size: int, _batched: Sequence[bool], _values: Sequence[Any], _params: Any) -> Any:
    """Batching of an operation that broadcasts: ranks are aligned, filled in by the families."""
    raise AssertionError("replaced when the primitive is made")


def looped(_size: int, _batched: Sequence[bool], _values: Sequence[Any], _params: Any) -> Any:
    """Batching by a Python loop over the examples, the last resort: filled in by the families.

    A primitive that needs it says why; `tests/laws/test_laws.py` lists them all.
    """
    raise AssertionError("replaced when the primitive is made")


def batch_rule(rule: BatchRule, find: Callable[[], Primitive]) -> BatchRule:
    """The rule itself, or what `same_call`, `aligned` and `looped` stand for."""
    if rule is same_call:
        return lambda _size, _batched, values, params: bind(find(), *values, **params)
    if rule is aligned:
        return lambda _size, batched, values, params: bind(
            find(), *align(batched, values), **params
        )
    if rule is looped:
        return lambda size, batched, values, params: loop_over_examples(
            find(), size, batched, values, params
        )
    return rule


def loop_over_examples(
    primitive: Primitive,
    size: int,
    batched: Sequence[bool],
    values: Sequence[Any],
    params: dict[str, Any],
) -> Any:
    """Apply a primitive to one example after the other, and stack the results."""
    rows = [
        bind(
            primitive,
            *(v[i] if flag else v for v, flag in zip(values, batched, strict=True)),
            **params,
        )
        for i in range(size)
    ]
    if type(rows[0]) is tuple:
        return tuple(np.stack(parts) for parts in zip(*rows, strict=True))
    return np.stack(rows)
