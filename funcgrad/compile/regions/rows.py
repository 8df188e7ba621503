"""Programs that go through the rows of a data matrix X several times go through them once.

In f(X w) and its gradient Xᵀ f'(X w) every row of X is multiplied twice, and the row is far from
the processor the second time. Over a block of some hundred rows that stays in the nearest large
cache, all products and everything row-wise between them are done before the next block: X is read
from memory once, and arrays of n rows that nobody else reads are never there as a whole. Sums over
rows are sums of the blocks' sums, which changes their last bits.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from funcgrad.compile.regions.cluster import cluster
from funcgrad.compile.regions.context import Context, Segment
from funcgrad.compile.regions.grouping import contracted, grouped
from funcgrad.compile.regions.rows_axes import Role, role_of, shape_of
from funcgrad.compile.regions.rows_writing import KIND
from funcgrad.core.program import Constant, Equation, Variable

__all__ = ["one_pass_over_rows"]

NAME = "rows"
LARGE = 1 << 22
"""Bytes of a matrix that does not stay in the nearest caches from one product to the next."""

BLOCK = 1 << 20
"""Bytes of a block of rows of all matrices that are multiplied."""

FEWEST, MOST = 256, 8192
"""Rows of a block, at least and at most."""

PER_BYTE = 0.04
"""Nanoseconds to bring a byte from memory."""

PER_FLOP = 0.02
"""Nanoseconds of a floating-point operation in a product of matrices."""

LOST = 0.05
"""The part of the time of a large product that is lost by doing it in blocks."""

WORTH = 1.3
"""Blocks are used where they are expected to save so many times what they cost."""

_Base = int | Constant


def one_pass_over_rows(segment: Segment, context: Context) -> Sequence[Equation]:
    """The equations, with those that work on rows of a large matrix as one cluster.

    Args:
        segment: the equations.
        context: if it asks for exact results, nothing is done.
    """
    equations = segment.equations
    if context.exact:
        return equations
    for n in _candidates(equations):
        equations = _in_blocks(equations, n, segment.needed, context)
    return equations


def _is_product(equation: Equation) -> bool:
    return (
        equation.primitive.name == "matmul"
        and equation.results[0].dtype.kind in "fc"
        and all(1 <= len(shape_of(o)) <= 2 for o in equation.operands)
    )


def _key(operand: Variable | Constant) -> _Base:
    return operand.number if isinstance(operand, Variable) else operand


def _nbytes(operand: Variable | Constant) -> int:
    value = operand if isinstance(operand, Variable) else operand.value
    size = value.dtype.itemsize
    for length in value.shape:
        size *= length
    return int(size)


def _candidates(equations: Sequence[Equation]) -> list[int]:
    """Numbers of rows of large matrices that are in two products at least."""
    products = [equation for equation in equations if _is_product(equation)]
    if len(products) < 2:
        return []
    views = {
        e.results[0].number: e.operands[0] for e in equations if e.primitive.name == "transpose"
    }
    seen: set[_Base] = set()
    found: list[int] = []
    for equation in products:
        for operand in equation.operands:
            if isinstance(operand, Variable):
                operand = views.get(operand.number, operand)
            shape = shape_of(operand)
            if len(shape) != 2 or _nbytes(operand) < LARGE or shape[0] < 2 * FEWEST:
                continue
            if _key(operand) not in seen:
                seen.add(_key(operand))
            elif shape[0] not in found:
                found.append(shape[0])
    return found


@dataclass(slots=True)
class _Walk:
    """What is known while the equations are gone through.

    Attributes:
        n: the number of rows.
        axes: of variables made of rows.
        roles: of equations, by position.
        phases: of variables: how many totals have to be there before.
    """

    n: int
    axes: dict[int, int] = field(default_factory=dict)
    roles: dict[int, Role] = field(default_factory=dict)
    phases: dict[int, int] = field(default_factory=dict)

    def phase(self, position: int, equation: Equation) -> int | None:
        """The phase of an equation; `None` if it does not work on rows."""
        role = None
        if equation.errors is None and all(v.dtype.char not in "eg" for v in equation.results):
            role = role_of(equation, self.n, self.axes)
        numbers = [o.number for o in equation.operands if isinstance(o, Variable)]
        phase = max((self.phases.get(number, 0) for number in numbers), default=0)
        if role is not None:
            self.roles[position] = role
        later = phase + (role is not None and role.result is None)
        for variable in equation.results:
            if later:
                self.phases[variable.number] = later
            if role is not None and role.result is not None:
                self.axes[variable.number] = role.result
        return None if role is None else phase


def _in_blocks(
    equations: Sequence[Equation], n: int, needed: frozenset[int], context: Context
) -> Sequence[Equation]:
    walk = _Walk(n)
    phases = [walk.phase(position, equation) for position, equation in enumerate(equations)]
    kinds = iter(phases)
    groups = grouped(equations, lambda _equation: next(kinds))
    readers = _readers(equations)
    steps: dict[int, Sequence[Equation]] = {}
    for number, members in enumerate(groups):
        if len(members) < 3:
            continue
        group = _Group(equations, members, walk, readers, needed)
        if group.shared:
            made = group.cluster(context)
            if made is not None:
                steps[number] = (made,)
    return contracted(equations, steps, groups) if steps else equations


def _readers(equations: Sequence[Equation]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for position, equation in enumerate(equations):
        for operand in equation.operands:
            if isinstance(operand, Variable):
                found.setdefault(operand.number, []).append(position)
    return found


class _Group:
    """Equations that work on rows and can be done together.

    Attributes:
        shared: large matrices that are in several products: `{matrix: number of products}`.
    """

    def __init__(
        self,
        equations: Sequence[Equation],
        members: Sequence[int],
        walk: _Walk,
        readers: Mapping[int, Sequence[int]],
        needed: frozenset[int],
    ) -> None:
        self.n = walk.n
        self.members = [equations[position] for position in members]
        self.roles = [walk.roles[position] for position in members]
        self.readers = readers
        inside = set(members)
        self.wanted = {
            v.number
            for e in self.members
            for v in e.results
            if v.number in needed or any(p not in inside for p in readers.get(v.number, ()))
        }
        views: dict[int, Variable | Constant] = {}
        counts: dict[_Base, int] = {}
        self.matrices: dict[_Base, Variable | Constant] = {}
        for equation, role in zip(self.members, self.roles, strict=True):
            if equation.primitive.name == "transpose":
                views[equation.results[0].number] = equation.operands[0]
            if not _is_product(equation):
                continue
            for operand, axis in zip(equation.operands, role.operands, strict=True):
                if axis is None:
                    continue
                if isinstance(operand, Variable):
                    operand = views.get(operand.number, operand)
                counts[_key(operand)] = counts.get(_key(operand), 0) + 1
                self.matrices[_key(operand)] = operand
        self.shared = {
            key: count
            for key, count in counts.items()
            if count > 1 and _nbytes(self.matrices[key]) >= LARGE
        }

    def cluster(self, context: Context) -> Equation | None:
        """The group as one equation, if that is expected to pay."""
        block = self._block()
        if self.n < 2 * block:
            return None
        saved, cost = self._saved(), self._cost(-(-self.n // block), context)
        what = ", ".join(_described(self.matrices[key])
                         for key in self.shared)  # fmt: skip
        reads = sum(self.shared.values())
        if saved < WORTH * cost:
            context.decide(
                NAME,
                f"{self.n} rows of {what} stay {reads} separate passes: blocks would save "
                f"{saved / 1e6:.2f} ms of memory traffic and cost {cost / 1e6:.2f} ms",
            )
            return None
        context.decide(
            NAME,
            f"{len(self.members)} operations on {self.n} rows of {what} in one pass instead of "
            f"{reads}, in blocks of {block} rows: saves about {(saved - cost) / 1e6:.2f} ms",
        )
        settings = (("roles", tuple(self.roles)), ("rows", self.n), ("block", block))
        return cluster(KIND, self.members, self.wanted, settings)

    def _block(self) -> int:
        """How many rows; without a rest if there is such a number nearby."""
        row = sum(_nbytes(matrix) for matrix in self.matrices.values()) // self.n
        block = min(max(BLOCK // max(row, 1), FEWEST), MOST, self.n)
        for size in range(block, block // 2, -1):
            if self.n % size == 0:
                return size
        return block

    def _saved(self) -> float:
        """Nanoseconds of memory traffic."""
        total = sum((count - 1) * _nbytes(self.matrices[key]) for key, count in self.shared.items())
        for variable in self._made():
            size = _nbytes(variable)
            if size >= LARGE and variable.number not in self.wanted:
                total += size * len(self.readers.get(variable.number, ()))
        return total * PER_BYTE

    def _made(self) -> Iterator[Variable]:
        for equation, role in zip(self.members, self.roles, strict=True):
            if role.result is not None and not equation.primitive.returns_view:
                yield from equation.results

    def _cost(self, blocks: int, context: Context) -> float:
        """Nanoseconds of calls, of totals that are added up, and of smaller products."""
        cost = 0.0
        for equation, role in zip(self.members, self.roles, strict=True):
            if not equation.primitive.returns_view:
                cost += blocks * context.costs.ufunc
            if role.result is None:
                cost += blocks * (context.costs.ufunc + 2 * PER_BYTE * _nbytes(equation.results[0]))
            if _is_product(equation):
                cost += LOST * PER_FLOP * _flops(equation)
        return cost


def _flops(equation: Equation) -> int:
    x, y = (shape_of(operand) for operand in equation.operands)
    rows = x[0] if len(x) == 2 else 1
    columns = y[1] if len(y) == 2 else 1
    return 2 * rows * y[0] * columns


def _described(matrix: Variable | Constant) -> str:
    name = getattr(matrix, "name", "") or "a matrix"
    return f"{name} ({_nbytes(matrix) / 1e6:.3g} MB)"
