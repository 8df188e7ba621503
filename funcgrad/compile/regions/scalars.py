"""Tiny arrays as Python numbers: a call of NumPy takes as long as twenty of their operations.

Equations of arrays of at most a few elements become one cluster, whose elements are Python floats
with names of their own. What is rearranged costs nothing then. A cluster is made where it saves
time: reading arrays into numbers and making arrays of numbers takes some, too, so equations at its
edge that do not pay are taken out first.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from funcgrad.compile.regions.cluster import cluster, kind_of_cluster
from funcgrad.compile.regions.context import Context, Segment
from funcgrad.compile.regions.costs import Costs
from funcgrad.compile.regions.grouping import contracted, grouped
from funcgrad.compile.regions.scalars_rules import rule_of
from funcgrad.compile.regions.scalars_values import Rule, shape_of_operand
from funcgrad.compile.regions.scalars_writing import KIND
from funcgrad.core.program import Constant, Equation, Reference, Variable

__all__ = [
    "LIMIT", "NUMBERS", "OPERATIONS", "as_numbers", "small_rule", "time_of",
]  # fmt: skip

LIMIT = 16
"""Elements of the largest array that is taken apart."""

OPERATIONS = 50_000
"""Operations of all clusters together: compiling one takes about 5 µs."""

NUMBERS = kind_of_cluster(KIND)
_FLOAT = np.dtype(np.float64)
_BOOL = np.dtype(np.bool_)
_LARGEST = 2.0**53


def as_numbers(segment: Segment, context: Context) -> Sequence[Equation]:
    """The pass: equations with clusters in them."""
    equations = segment.equations
    rules = [small_rule(equation, context.exact, LIMIT) for equation in equations]
    if sum(rule is not None for rule in rules) < 2:
        return equations
    kinds = dict(zip(map(id, equations), rules, strict=True))
    groups = grouped(equations, lambda e: None if kinds[id(e)] is None else KIND)
    readers = _readers(equations)
    parts: list[list[int]] = []
    steps: dict[int, list[Equation]] = {}
    report = _Report(context)
    for group in groups:
        for part in _connected(equations, group):
            found = _Part(equations, part, rules, readers, segment.needed, context.costs)
            found.peel()
            kept = sorted(found.members)
            if len(kept) < 2 or not found.pays():
                continue
            if report.operations + found.work > OPERATIONS:
                report.too_long += 1
                continue
            report.took(kept, found)
            wanted = found.wanted
            members = [equations[i] for i in kept]
            settings = [("exact", context.exact)]
            steps[len(parts)] = [cluster(NUMBERS, members, wanted, settings, lifted=False)]
            parts.append(kept)
    report.tell()
    return contracted(equations, steps, parts) if steps else equations


class _Report:
    """What has been done."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.clusters = 0
        self.equations = 0
        self.operations = 0.0
        self.before = 0.0
        self.after = 0.0
        self.too_long = 0

    def took(self, members: Sequence[int], part: "_Part") -> None:
        """A cluster has been made."""
        self.clusters += 1
        self.equations += len(members)
        self.operations += part.work
        self.before += part.before
        self.after += part.after

    def tell(self) -> None:
        """Note it."""
        if self.clusters:
            clusters = "one cluster" if self.clusters == 1 else f"{self.clusters} clusters"
            self.context.decide(
                "numbers",
                f"{self.equations} equations of small arrays are {self.operations:.0f} operations "
                f"of Python floats in {clusters}: {self.before / 1e3:.3g} µs become about "
                f"{self.after / 1e3:.3g}",
            )
        if self.too_long:
            self.context.decide(
                "numbers",
                f"{self.too_long} more clusters are left to NumPy: they would be more than "
                f"{OPERATIONS} operations, which take too long to compile",
            )


# --- which equations --------------------------------------------------------------------------


def small_rule(equation: Equation, exact: bool, limit: int) -> Rule | None:
    """The rule by which an equation of arrays of so many elements is taken apart, if it can be."""
    if equation.errors is not None:
        return None
    rule = rule_of(equation)
    if rule is None:
        return None
    for variable in equation.results:
        if variable.dtype not in (_FLOAT, _BOOL) or not _is_small(variable.shape, limit):
            return None
        if exact and sum(length > 1 for length in variable.shape) > 1:
            return None  # sums and products depend on how NumPy would lay it out in memory
    for operand in equation.operands:
        if not _is_operand(operand, limit):
            return None
    return rule if rule.fits(equation, exact) else None


def _is_small(shape: tuple[int, ...], limit: int) -> bool:
    return not shape or math.prod(shape) <= limit


def _is_operand(operand: Variable | Constant, limit: int) -> bool:
    """Whether an operand is small, of floats, truth values or integers, and known as numbers."""
    if type(operand) is Variable:
        kind = operand.dtype.kind
        known = kind in "biu" or operand.dtype == _FLOAT
        return known and _is_small(operand.shape, limit)
    value: Any = operand.value  # type: ignore[union-attr]  # a Constant
    cls = type(value)
    if cls is float:
        return math.isfinite(value)
    if cls is bool:
        return True
    if cls is int:
        return bool(abs(value) <= _LARGEST)
    if isinstance(operand, Reference):
        known = bool(value.shape and value.dtype == _FLOAT)
        return known and _is_small(value.shape, limit)
    if not isinstance(value, np.ndarray | np.generic) or not _is_small(value.shape, limit):
        return False
    kind = value.dtype.kind
    if kind == "b":
        return True
    if kind in "iu":
        return bool(np.all(np.abs(value.astype(float)) <= _LARGEST))
    return bool(value.dtype == _FLOAT and np.isfinite(value).all())


def _connected(equations: Sequence[Equation], group: Sequence[int]) -> list[list[int]]:
    """The parts of a group that have no results in common."""
    parents = {i: i for i in group}

    def root(i: int) -> int:
        while parents[i] != i:
            parents[i] = parents[parents[i]]
            i = parents[i]
        return i

    made: dict[int, int] = {}
    for i in group:
        for operand in equations[i].operands:
            if isinstance(operand, Variable) and operand.number in made:
                parents[root(made[operand.number])] = root(i)
        for variable in equations[i].results:
            made[variable.number] = i
    found: dict[int, list[int]] = {}
    for i in group:
        found.setdefault(root(i), []).append(i)
    return list(found.values())


def _readers(equations: Sequence[Equation]) -> dict[int, list[int]]:
    """Which equations read a variable."""
    readers: dict[int, list[int]] = {}
    for i, equation in enumerate(equations):
        for operand in equation.operands:
            if isinstance(operand, Variable):
                readers.setdefault(operand.number, []).append(i)
    return readers


# --- what pays --------------------------------------------------------------------------------


class _Part:
    """Equations that may become one cluster.

    Attributes:
        members: their positions.
        wanted: the variables that others read, once `pays` has been asked; so the others, too.
        work: operations of two numbers.
        before: the time that NumPy takes.
        after: the time of the cluster.
    """

    def __init__(
        self,
        equations: Sequence[Equation],
        members: Iterable[int],
        rules: Sequence[Rule | None],
        readers: dict[int, list[int]],
        needed: frozenset[int],
        costs: Costs,
    ) -> None:
        self.equations = equations
        self.members = set(members)
        self.readers = readers
        self.needed = needed
        self.costs = costs
        self.made = {v.number: i for i in self.members for v in equations[i].results}
        self.inside: dict[int, int] = {}  # how many members read a variable
        self._numpy: dict[int, float] = {}
        self._numbers: dict[int, float] = {}
        self._operands: dict[int, dict[int, Variable]] = {}
        inside = self.inside
        for i in self.members:
            equation, rule = equations[i], rules[i]
            assert rule is not None
            operands = {o.number: o for o in equation.operands if isinstance(o, Variable)}
            for number in operands:
                inside[number] = inside.get(number, 0) + 1
            self._operands[i] = operands
            self._numpy[i] = time_of(equation, rule, costs)
            self._numbers[i] = rule.work(equation) * costs.number
        self.wanted: set[int] = set()
        self.work = self.before = self.after = 0.0

    def _is_wanted(self, variable: Variable) -> bool:
        number = variable.number
        if number in self.needed:
            return True
        return not self.members.issuperset(self.readers.get(number, ()))

    # times in nanoseconds
    def _in(self, variable: Variable) -> float:
        if not variable.shape:
            return self.costs.number
        return self.costs.to_list + math.prod(variable.shape) * self.costs.per_item / 2

    def _out(self, variable: Variable) -> float:
        if not variable.shape:
            return 4 * self.costs.number
        return 0.8 * self.costs.from_list + math.prod(variable.shape) * self.costs.per_item

    def pays(self) -> bool:
        """Whether the cluster saves time worth mentioning."""
        after = 0.0
        seen = set()
        for i in self.members:
            self.before += self._numpy[i]
            after += self._numbers[i]
            for number, variable in self._operands[i].items():
                if number not in seen and self.made.get(number) not in self.members:
                    seen.add(number)
                    after += self._in(variable)
            for v in self.equations[i].results:
                if self._is_wanted(v):
                    self.wanted.add(v.number)
                    after += self._out(v)
            self.work += self._numbers[i] / self.costs.number
        self.after = after + 5 * self.costs.number
        return self.after + 0.2 * self.costs.ufunc < 0.9 * self.before

    def peel(self) -> None:
        """Take out equations at the edge for as long as that saves time."""
        queue = sorted(self.members)
        while queue:
            i = queue.pop()
            if i in self.members and self._gain(i) > 0:
                self.members.discard(i)
                operands = self._operands[i]
                for number in operands:
                    self.inside[number] -= 1
                    home = self.made.get(number)
                    if home in self.members:
                        queue.append(home)
                for v in self.equations[i].results:
                    queue += [r for r in self.readers.get(v.number, ()) if r in self.members]

    def _gain(self, i: int) -> float:
        """What taking out an equation saves; negative for one that is not at the edge."""
        results = self.equations[i].results
        operands = self._operands[i]
        inside, made, members = self.inside, self.made, self.members
        below = above = False  # in plain loops: most equations are neither first nor last
        for v in results:
            below = below or (v.number in inside and inside[v.number] > 0)
        for number in operands:
            above = above or (number in made and made[number] in members)
        if below and above:
            return -1.0
        gain = self._numbers[i] - self._numpy[i]
        for v in results:
            if below:
                gain -= self._in(v) if self.inside.get(v.number, 0) else 0.0
            if self._is_wanted(v):
                gain += self._out(v)
        for number, variable in operands.items():
            if self.made.get(number) in self.members:
                if not self._is_wanted(variable):
                    gain -= self._out(variable)
            elif self.inside[number] == 1:
                gain += self._in(variable)
        return gain


_QUICK = frozenset({"add", "subtract", "multiply", "divide", "negative", "absolute", "square"})


def time_of(equation: Equation, rule: Rule, costs: Costs) -> float:
    """What an equation takes in NumPy, in nanoseconds."""
    result = equation.results[0]
    shapes = [shape_of_operand(operand) for operand in equation.operands]
    if result.shape or any(shapes):
        if equation.primitive.name == "matmul":
            ranks = [len(shape) for shape in shapes]
            return (1.0 if min(ranks) < 2 else 1.5 if max(ranks) < 3 else 2.5) * costs.product
        calls = rule.calls
        if calls == 1.0 and len(result.shape) > 1:
            calls += 1.5 * any(shape != result.shape and math.prod(shape) > 1 for shape in shapes)
        return calls * costs.ufunc
    name = equation.primitive.name
    if result.weak or name in _QUICK:
        return (1 if result.weak else 2.5) * costs.number
    if rule.calls < 1.0:
        return rule.calls * costs.ufunc
    return min(rule.calls, 1.5) * max(0.4 * costs.ufunc, 3 * costs.function)
