"""The structure of a Jacobian: which results of a program may depend on which inputs.

Nothing is computed: sets of inputs go along the Wengert list, from operation to operation. What is
found holds every entry that may be other than zero on the recorded path, whatever the inputs are.
Constants count with their values: a factor that is zero removes what it is multiplied with, also
where that is infinite and the dense derivative would be NaN.
"""

import math
from collections.abc import Sequence

import numpy as np

from funcgrad.core.program import Program
from funcgrad.errors import SparsityError
from funcgrad.sparse.pattern import Pattern
from funcgrad.sparse.structure_flow import Flow
from funcgrad.sparse.structure_programs import propagate
from funcgrad.sparse.structure_sets import LARGEST, Layer, Table, table_of

__all__ = ["jacobian_pattern"]


def jacobian_pattern(
    program: Program, tracked: Sequence[int] | None = None, *, limit: int | None = None
) -> Pattern:
    """{(i, j)} where result i of a program may depend on input j.

    Rows are the elements of all outputs, one output after the other, each in C order; columns are
    the elements of the tracked inputs likewise. Inputs and outputs of integers have no entries.

    Args:
        program: such as `make_program(f)(x)`, or `optimised` of it, which may have fewer entries.
        tracked: numbers of the inputs that are columns, in this order; by default all.
        limit: so many entries are wanted at most; that there are more is found out quickly.

    Returns:
        The pattern.

    Raises:
        SparsityError: if there are more entries than that, or more than memory is to hold.

    Example:
        >>> import funcgrad as fg
        >>> program = fg.make_program(lambda x: x[1:] * x[:-1])(np.zeros(4))
        >>> print(jacobian_pattern(program))
        Pattern of 3 x 4, 6 entries
        **..
        .**.
        ..**
    """
    numbers = range(len(program.inputs)) if tracked is None else tracked
    flows, width = _inputs(program, numbers)
    outs = propagate(program, flows)
    height = sum(out.size for out in outs)
    tables = _tables(outs, limit)
    if tables is None:
        raise SparsityError(
            f"jacobian_pattern: the Jacobian of {program.name}, of shape ({height}, {width}), has "
            "too many entries to be written down. A result that depends on most inputs makes its "
            "row full. Use the dense jacobian, or products with it (jvp, vjp, hvp)."
        )
    lengths = [np.diff(t.starts) if t else np.zeros(out.size, np.intp) for out, t in tables]
    columns = [t.numbers for _, t in tables if t]
    nothing = np.zeros(0, np.intp)
    rows = np.repeat(np.arange(height), np.concatenate([nothing, *lengths]))
    return Pattern((height, width), rows, np.concatenate([nothing, *columns]).astype(np.intp))


def _inputs(program: Program, tracked: Sequence[int]) -> tuple[list[Flow], int]:
    """What is known of the inputs, and the number of columns."""
    sizes = [math.prod(program.inputs[i].shape) for i in tracked]
    table = Table.identity(sum(sizes))
    flows = [Flow(v.shape) for v in program.inputs]
    start = 0
    for i, size in zip(tracked, sizes, strict=True):
        variable = program.inputs[i]
        if variable.dtype.kind in "fc" and size:
            rows = np.arange(start, start + size).reshape(variable.shape)
            flows[i] = Flow(variable.shape, (Layer(table, rows),))
        start += size
    return flows, start


def _tables(outs: Sequence[Flow], limit: int | None) -> list[tuple[Flow, Table | None]] | None:
    """The sets of all results, if there are any; `None` if they are too many."""
    active = [out for out in outs if out.sets and out.size]
    if limit is not None:
        fewest = (max(map(_count, out.sets)) for out in active)
        if sum(fewest) > limit:
            return None
    found: list[tuple[Flow, Table | None]] = []
    total = 0
    for out in outs:
        table = table_of(out.sets) if out.sets and out.size else None
        if table is None and out.sets and out.size:
            return None
        total += table.numbers.size if table else 0
        found.append((out, table))
    return None if total > (LARGEST if limit is None else limit) else found


def _count(layer: Layer) -> int:
    return int(layer.table.lengths(layer.rows.reshape(-1)).sum())
