"""The chain rule: one walk over the Wengert list, latest record first."""

from collections.abc import Iterable
from typing import Any

from funcgrad.core.wengert import Record

__all__ = ["sweep"]


def sweep(latest_first: Iterable[Record], cts: list[Any]) -> None:
    """Move every cotangent from a result to its parents.

    No name is bound to a cotangent on its way into a pull, or to a sum's new part: NumPy then sees
    that nobody else holds a large one, and computes the product or sum in its memory.

    Args:
        latest_first: the records in reverse order, without the inputs.
        cts: cotangents by position (`None` is zero), as many as the list is long, inputs
            included; it is consumed down to the cotangents of the inputs.

    Raises:
        Exception: what a rule raises, with a note that names its primitive.
    """
    pop = cts.pop
    primitive: Any = None
    try:
        for primitive, parents, pull, residuals in latest_first:  # noqa: B007  # named in the note
            if cts[-1] is None:
                pop()
            elif type(parents) is int:
                before = cts[parents]
                if before is not None:
                    cts[parents] = before + (pop() if pull is None else pull(pop(), residuals))
                else:
                    cts[parents] = pop() if pull is None else pull(pop(), residuals)
            else:
                parts = pull(pop(), residuals)  # type: ignore[misc]  # several parents have a pull
                for parent, part in zip(parents, parts, strict=True):  # type: ignore[arg-type]  # a tuple
                    if part is not None:
                        before = cts[parent]
                        cts[parent] = part if before is None else before + part
    except Exception as error:
        error.add_note(f"in the reverse sweep, at the derivative of {primitive}")
        raise
