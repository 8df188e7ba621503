"""The chain rule: one walk over the Wengert list, latest record first."""

from collections.abc import Iterable
from typing import Any

from funcgrad.core.wengert import Record

__all__ = ["sweep"]


def sweep(latest_first: Iterable[Record], cts: list[Any]) -> None:
    """Move every cotangent from a result to its parents.

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
        for primitive, parents, pull, residuals in latest_first:  # noqa: B007  # named in the note below
            ct = pop()
            if ct is None:
                continue
            if type(parents) is int:
                before = cts[parents]
                if before is None:
                    cts[parents] = ct if pull is None else pull(ct, residuals)
                else:  # NumPy reuses the buffer of a large unnamed product for the sum
                    cts[parents] = before + (ct if pull is None else pull(ct, residuals))
            else:
                for parent, part in zip(parents, pull(ct, residuals), strict=True):  # type: ignore[arg-type,misc]  # several parents have a pull
                    if part is not None:
                        before = cts[parent]
                        cts[parent] = part if before is None else before + part
    except Exception as error:
        error.add_note(f"in the reverse sweep, at the derivative of {primitive}")
        raise
