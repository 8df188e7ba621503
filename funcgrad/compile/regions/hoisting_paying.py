"""What it is worth to compute something before a loop, and not in each of its steps."""

from collections.abc import Iterable, Sequence

from funcgrad.compile.regions.costs import Costs
from funcgrad.compile.regions.scalars import LIMIT, small_rule, time_of
from funcgrad.compile.regions.stacking_reading import Reading, shape_of, size_of
from funcgrad.core.program import Equation, Variable

__all__ = ["saved", "stays_numbers"]

_VIEWS = frozenset({"reshape", "transpose"})


def stays_numbers(step: Sequence[Equation], left: Iterable[Equation]) -> bool:
    """Whether a step is Python numbers as a whole, and most of it would be left in the loop.

    Such steps take less time than the calls of NumPy by which parts of them are taken out.

    Args:
        step: what a step computes.
        left: what it would still compute.
    """
    if len(step) < 2:
        return False
    total = 0.0
    for equation in step:
        rule = small_rule(equation, False, LIMIT)
        if rule is None:
            return False
        total += rule.work(equation)
    rules = [(small_rule(equation, False, LIMIT), equation) for equation in left]
    return 2 * sum(rule.work(equation) for rule, equation in rules if rule) > total


def saved(
    early: Iterable[Equation], slices: int, body: Reading, length: int, costs: Costs
) -> float:
    """The time in nanoseconds that a step saves.

    Args:
        early: equations of the body that are done for all steps at once.
        slices: how many slices of their results a step reads.
        body: of the loop.
        length: number of steps.
        costs: of this machine.
    """
    found = list(early)
    outside = {v.number for e in found for v in e.results}
    readers: dict[int, list[Equation]] = {}
    for equation in body.equations.values():
        for operand in equation.operands:
            if isinstance(operand, Variable):
                readers.setdefault(operand.number, []).append(equation)
    total = -slices * (costs.ufunc / 3 + costs.to_list)
    numbers: set[int] = set()  # what would be among the Python numbers of a step
    for equation in reversed(found):
        if equation.primitive.name in _VIEWS:
            continue
        result = equation.results[0]
        rule = small_rule(equation, False, LIMIT)
        if rule is None:
            total += costs.product if equation.primitive.name == "matmul" else costs.ufunc
            size = max(size_of(shape_of(x)) for x in (result, *equation.operands))
            nbytes = size * result.dtype.itemsize
            if nbytes * length > costs.level_two:  # while a step has its arrays in the caches
                total -= nbytes * (costs.streamed - costs.cached)
            continue
        for reader in readers.get(result.number, ()):
            number = reader.results[0].number
            if number in numbers or (
                number not in outside and small_rule(reader, False, LIMIT) is not None
            ):
                numbers.add(result.number)
        if result.number in numbers:
            total += rule.work(equation) * costs.number
        else:
            total += time_of(equation, rule, costs)
    return total
