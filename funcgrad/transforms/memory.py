"""What a reverse sweep would keep, told before it runs: memory_report, print_saved_residuals."""

import sys
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePath
from types import FrameType
from typing import Any

import numpy as np

from funcgrad import tree
from funcgrad.families.shapes import as_operand
from funcgrad.interpreters.record import Recording, RecordTracer
from funcgrad.transforms.arguments import (
    check_callable,
    check_primal,
    function_name,
    is_differentiable,
    run,
)
from funcgrad.transforms.replayed import owner_of
from funcgrad.transforms.sizes import Buffers, arrays_in, readable

__all__ = ["KeptArray", "MemoryReport", "memory_report", "print_saved_residuals"]

SHOWN = 30
"""Rows that a printed report has at most."""


@dataclass(frozen=True, slots=True)
class KeptArray:
    """An array that the records of a function keep for its reverse sweep.

    Attributes:
        nbytes: of memory. A view keeps all of what it views.
        shape: of the array.
        dtype: of the array.
        primitive: the operation that keeps it (the first, if there are several).
        file: of the user's line.
        line: number of the user's line: where the array was made, if a variable holds it, else
            where it is kept.
        function: in which the line stands.
        name: of the variable that holds it, of the argument it belongs to, or what
            `checkpoint_name` calls it; `""` if it has none.
        kind: `"value"` for what the function computed; `"argument"`, or `"constant"` of its
            closure, for what is alive anyway.
    """

    nbytes: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    primitive: str
    file: str
    line: int
    function: str
    name: str
    kind: str

    @property
    def declaration(self) -> str:
        """Dtype and shape, such as `float64[3, 2]`."""
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"

    @property
    def place(self) -> str:
        """Such as `model.py:12, in loss`."""
        return f"{PurePath(self.file).name}:{self.line}, in {self.function}"

    def __str__(self) -> str:
        if self.kind == "argument":
            return f"{self.declaration} from the argument {self.name}"
        if self.kind == "constant":
            return f"{self.declaration} from the closure, for {self.primitive} at {self.place}"
        name = f" {self.name}" if self.name else ""
        return f"{self.declaration}{name} for {self.primitive} at {self.place}"


@dataclass(frozen=True, slots=True)
class MemoryReport:
    """What a reverse sweep would keep; the largest first.

    Attributes:
        function: name of the function.
        rows: one for each array.
        records: number of operations recorded.
    """

    function: str
    rows: tuple[KeptArray, ...]
    records: int

    @property
    def total(self) -> int:
        """Bytes kept beside arguments and constants, which are alive anyway."""
        return sum(row.nbytes for row in self.rows if row.kind == "value")

    @property
    def arguments(self) -> int:
        """Bytes of arguments and constants that are read."""
        return sum(row.nbytes for row in self.rows if row.kind != "value")

    def by_line(self) -> dict[str, int]:
        """Bytes of computed values for each of the user's lines, `file:line`, the largest first."""
        sums: dict[str, int] = {}
        for row in self.rows:
            if row.kind == "value":
                place = f"{row.file}:{row.line}"
                sums[place] = sums.get(place, 0) + row.nbytes
        return dict(sorted(sums.items(), key=lambda item: -item[1]))

    def __str__(self) -> str:
        head = (
            f"{self.function}: the reverse sweep keeps {readable(self.total)} in "
            f"{sum(row.kind == 'value' for row in self.rows)} arrays, and reads "
            f"{readable(self.arguments)} of arguments and constants ({self.records} records)."
        )
        table = [("memory", "array", "name", "for", "line")]
        table += [
            (
                readable(row.nbytes),
                row.declaration,
                row.name if row.kind == "value" else f"{row.name} ({row.kind})".strip(),
                row.primitive,
                row.place,
            )
            for row in self.rows[:SHOWN]
        ]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in table
        ]
        if len(self.rows) > SHOWN:
            rest = self.rows[SHOWN:]
            size = readable(sum(row.nbytes for row in rest))
            lines.append(f"and {len(rest)} more of {size} together")
        return "\n".join([head, *(f"  {line}" for line in lines)])


def memory_report(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> MemoryReport:
    """What the gradient of a function would keep from its run to its reverse sweep.

    The function is run and recorded, as for a derivative by all its floating-point arguments; then
    the records are looked at, and dropped. Arrays that several records keep, or that view the same
    memory, count once.

    Args:
        fun: function of arrays or pytrees of arrays.
        *args: its arguments.
        **kwargs: its keyword arguments.

    Returns:
        The report: `report.total` in bytes, `report.rows`, `report.by_line()`, and a table when it
        is printed.

    Example:
        >>> import funcgrad as fg, numpy as np
        >>> report = fg.memory_report(lambda x: np.sum(np.tanh(x * 2.0)), np.ones((100, 10)))
        >>> report.total, report.rows[0].primitive
        (8000, 'tanh')
    """
    check_callable("memory_report", fun)
    leaves, structure = tree.flatten((args, kwargs))
    trace = Recording("memory_report")
    noted = trace.records = _Noted(trace)
    traced = []
    arguments: dict[int, str] = {}
    for path, leaf in zip(structure.paths(), leaves, strict=True):
        name = tree.keystr(path[1:]) if path[0].idx else f"{path[1].idx}{tree.keystr(path[2:])}"
        if not is_differentiable(leaf):
            traced.append(leaf)
            continue
        check_primal("memory_report", leaf, f"argument {name}")
        x = as_operand(leaf)
        arguments.update((noted.buffers.number(array), name) for array in arrays_in(x))
        traced.append(trace.input(x))
    call_args, call_kwargs = tree.unflatten(structure, traced)
    try:
        run(fun, call_args, call_kwargs)
    finally:
        records = trace.close()
    del traced, call_args, call_kwargs
    rows = list(noted.rows(records, arguments))
    count = sum(record is not None for record in records)
    owners = noted.owners
    records.clear()
    trace.guarded.clear()
    del records, noted, trace
    rows = [  # what nobody else held is gone now
        replace(row, kind="value") if row.kind == "constant" and owner() is None else row
        for row, owner in zip(rows, owners, strict=True)
    ]
    rows.sort(key=lambda row: -row.nbytes)
    return MemoryReport(function_name(fun), tuple(rows), count)


def print_saved_residuals(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Print what `memory_report` finds, a line for each array.

    Args:
        fun: function of arrays or pytrees of arrays.
        *args: its arguments.
        **kwargs: its keyword arguments.

    Example:
        >>> import funcgrad as fg, numpy as np
        >>> fg.print_saved_residuals(lambda x: np.sum(x * x), np.ones(3))
        float64[3] from the argument 0
    """
    for row in memory_report(fun, *args, **kwargs).rows:
        print(row)


@dataclass(frozen=True, slots=True)
class _Place:
    """A line of the user's code."""

    file: str
    line: int
    function: str


class _Noted(list[Any]):
    """A Wengert list that notes the user's line of each record, and the names of values."""

    def __init__(self, trace: Recording) -> None:
        super().__init__()
        self.guarded = trace.guarded
        self.trace_id = trace.id
        self.places: list[_Place] = []
        self.names: dict[int, str] = {}
        self.makers: dict[int, int] = {}
        self.buffers = Buffers()
        self.owners: list[weakref.ref[Any]] = []
        """The memory of each row, to see whether it lives on."""

    def append(self, record: Any) -> None:
        """Append, and note."""
        super().append(record)
        frame = _user_frame(sys._getframe(1))
        if frame is None:
            self.places.append(_Place("<unknown>", 0, "?"))
            return
        code = frame.f_code
        self.places.append(_Place(code.co_filename, frame.f_lineno, code.co_name))
        if record is not None and record[0].name == "checkpoint_name":
            self.names[len(self) - 1] = record[3]
        for name, x in frame.f_locals.items():
            if isinstance(x, RecordTracer) and x.owner.id == self.trace_id:
                self.names.setdefault(x.index, name)
                for array in arrays_in(x):
                    self.makers.setdefault(self.buffers.number(array), x.index)

    def rows(self, records: list[Any], arguments: dict[int, str]) -> Iterator[KeptArray]:
        """What the records keep."""
        constants = {self.buffers.number(array) for array, _ in self.guarded.values()}
        seen: set[int] = set()
        for index, record in enumerate(records):
            if record is None:
                continue
            for array in arrays_in(record[3]):
                number = self.buffers.number(array)
                if number in seen:
                    continue
                seen.add(number)
                kind, name, place = "value", "", self.places[index]
                if number in arguments:
                    kind, name = "argument", arguments[number]
                elif number in constants:
                    kind = "constant"
                elif number in self.makers:
                    maker = self.makers[number]
                    name, place = self.names.get(maker, ""), self.places[maker]
                owner = owner_of(array)
                self.owners.append(weakref.ref(owner))
                yield KeptArray(
                    owner.nbytes,
                    array.shape,
                    array.dtype,
                    record[0].name,
                    place.file,
                    place.line,
                    place.function,
                    name,
                    kind,
                )


def _user_frame(frame: FrameType | None) -> FrameType | None:
    """The innermost caller outside of funcgrad and NumPy."""
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.split(".", 1)[0] not in ("funcgrad", "numpy"):
            return frame
        frame = frame.f_back
    return None
