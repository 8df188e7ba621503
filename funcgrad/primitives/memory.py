"""The order in memory of traced values, which `order="A"` and `order="K"` ask for."""

from typing import Any

from funcgrad.core.tracer import Tracer
from funcgrad.interpreters.batch import BatchTracer

__all__ = ["has_order", "memory_axes", "memory_order"]


def _plain_example(a: Any) -> Any:
    """The plain array below a value; of a batch, its first example."""
    if not isinstance(a, Tracer):
        return a
    inner = _plain_example(a.value)
    is_batch = isinstance(a, BatchTracer) and a.batched
    return inner[0] if is_batch and getattr(inner, "shape", (0,))[0] else inner


def memory_order(name: str, a: Any, order: str) -> str:
    """`"C"` or `"F"` for an order argument that may ask for the order in memory.

    Args:
        name: of the NumPy function, for the error.
        a: array or traced value.
        order: "C", "F" or "A".
    """
    if order in ("C", "F"):
        return order
    if order != "A":
        raise ValueError(f"{name}: order={order!r} is not one of 'C', 'F', 'A'")
    flags = getattr(_plain_example(a), "flags", None)
    return "F" if flags is not None and flags.fnc else "C"


def memory_axes(a: Any) -> tuple[int, ...]:
    """The axes from the widest to the narrowest step in memory.

    As in NumPy's iterators, an axis without a step (of a broadcast array) stays where it stands.
    """
    example = _plain_example(a)
    if getattr(example, "strides", None) is None:
        return tuple(range(len(a.shape)))
    steps = [abs(s) if n > 1 else 0 for s, n in zip(example.strides, example.shape, strict=True)]
    order: list[int] = []  # from the narrowest
    for axis in reversed(range(len(steps))):
        place = len(order)
        for i in reversed(range(len(order))):
            if steps[axis] and steps[order[i]]:
                if steps[order[i]] <= steps[axis]:
                    break
                place = i
        order.insert(place, axis)
    return tuple(reversed(order))


def has_order(a: Any, order: str) -> bool:
    """Whether the values are known to lie in memory as `"C"` or `"F"` asks."""
    flags = getattr(_plain_example(a), "flags", None)
    return bool(flags is not None and (flags.c_contiguous if order == "C" else flags.f_contiguous))
