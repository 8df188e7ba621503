"""The chain rule: one walk over the Wengert list, latest record first."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from funcgrad.core.primitive import Pull
from funcgrad.core.wengert import Record
from funcgrad.interpreters.record import Recording

__all__ = ["expanded", "sweep"]


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


def expanded(trace: Recording, latest_first: Iterable[Record], cts: list[Any]) -> Iterator[Record]:
    """The records of a trace with checkpoints or notes, for a sweep with these cotangents.

    The operations inside of a checkpoint would each add to the cotangents of its operands, one
    after the other. Sums of floating-point numbers depend on the order, so the pull of a checkpoint
    (which has `with_seeds`) is given what has been added up so far, and returns the new sums. The
    cotangents are passed on in lists that are emptied, so that none lives longer than it must.

    Where a program is written, each record's line is that of what its derivative computes.
    """
    notes = trace.notes
    try:
        for record in latest_first:
            primitive, parents, pull, residuals = record
            if notes is not None:
                notes.ask(len(cts) - 1, parents)
            with_seeds = getattr(pull, "with_seeds", None)
            if with_seeds is not None:
                own = (parents,) if isinstance(parents, int) else parents
                yield primitive, (), _into(cts, own, with_seeds), residuals
            else:
                yield record
    finally:
        if notes is not None:
            notes.done()


def _into(cts: list[Any], parents: Sequence[int], pull: Any) -> Pull:
    """A pull that puts the new sums where they belong itself, and returns nothing."""

    def pull_into(ct: Any, residuals: Any) -> tuple[()]:
        seeds = []
        for parent in parents:
            seeds.append(cts[parent])
            cts[parent] = None
        given = [ct, seeds]
        del ct, seeds
        for parent, part in zip(parents, pull(given, residuals), strict=True):
            if part is not None:
                before = cts[parent]
                cts[parent] = part if before is None else before + part
        return ()

    return pull_into
