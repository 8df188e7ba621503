"""What each pass of the compiler saves on the workloads."""

from funcgrad.compile.passes import forward
from tests.benchmarks import report
from tests.benchmarks.jit_compilation import recorded, written
from tests.benchmarks.workloads import WORKLOADS

__all__ = ["savings"]


def savings(names: list[str]) -> str:
    """A row for each pass: by how many equations and, in brackets, elements it shortens each."""
    columns: list[list[str]] = []
    passes: list[str] = []
    for name in names:
        workload = WORKLOADS[name]
        program = recorded(workload, workload.data())
        simpler, found = forward(program)
        passes = [saving.name for saving in found]
        column = [str(len(program.equations))]
        for saving in found:
            equations = saving.equations_before - saving.equations_after
            elements = saving.elements_before - saving.elements_after
            share = round(100 * elements / max(1, found[0].elements_before))
            column.append(f"{equations} ({share} %)" if equations or share else "·")
        columns.append([*column, str(written(simpler)[2])])
    head = ["equations recorded", *passes, "statements written"]
    rows = [list(row) for row in zip(head, *columns, strict=True)]
    return f"## What the passes save\n\n{report.table(['', *names], rows)}"
