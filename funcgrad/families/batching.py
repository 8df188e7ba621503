"""The two batching rules that most primitives have, so that a declaration only names them."""

from collections.abc import Callable, Sequence
from typing import Any

from funcgrad.core.primitive import BatchRule, Primitive
from funcgrad.core.tracer import bind
from funcgrad.families.shapes import align

__all__ = ["aligned", "batch_rule", "same_call"]


def same_call(_size: int, _batched: Sequence[bool], _values: Sequence[Any], _params: Any) -> Any:
    """Batching of an operation that leaves leading axes alone: filled in by the families."""
    raise AssertionError("replaced when the primitive is made")


def aligned(_size: int, _batched: Sequence[bool], _values: Sequence[Any], _params: Any) -> Any:
    """Batching of an operation that broadcasts: ranks are aligned, filled in by the families."""
    raise AssertionError("replaced when the primitive is made")


def batch_rule(rule: BatchRule, find: Callable[[], Primitive]) -> BatchRule:
    """The rule itself, or what `same_call` and `aligned` stand for."""
    if rule is same_call:
        return lambda _size, _batched, values, params: bind(find(), *values, **params)
    if rule is aligned:
        return lambda _size, batched, values, params: bind(
            find(), *align(batched, values), **params
        )
    return rule
