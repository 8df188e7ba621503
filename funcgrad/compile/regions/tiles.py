"""Clusters of elementwise operations, and the sums of their results, tile by tile.

NumPy takes one operation after another over whole arrays, which come from memory and go back to it
each time. Done tile by tile, the values between the operations stay in caches, and their memory is
used again for the next tile.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from funcgrad.compile.regions.cluster import cluster
from funcgrad.compile.regions.context import Context, Segment
from funcgrad.compile.regions.grouping import contracted, grouped
from funcgrad.compile.regions.tiles_algebra import with_fewer_products
from funcgrad.compile.regions.tiles_layout import bytes_per_element, laid_out, resolved
from funcgrad.compile.regions.tiles_members import (
    LAY,
    MAP,
    Shape,
    has_place,
    iteration_shape,
    role_of,
    shape_of,
    tiled_axis,
)
from funcgrad.compile.regions.tiles_needed import needed_of
from funcgrad.compile.regions.tiles_writer import TILES
from funcgrad.core.program import Equation, Program, Variable

__all__ = ["in_tiles"]

CACHE = 7 << 18
"""Bytes that are alive in a tile: what a core has for itself."""

SHARED = 8
"""Tiles of several threads are so many times larger: each call asks for Python's lock twice."""

SMALLEST, LARGEST = 1 << 12, 1 << 16
"""Elements of a tile: in smaller ones the calls take longer than the work."""

WORTH_SHARING = 200_000.0
"""Nanoseconds of work from which on handing it over to other threads pays."""

_TIMES = MappingProxyType(
    {
        "arctan2": 8.0, "divide": 0.5, "exp": 0.6, "expm1": 2.0, "log": 0.8, "log1p": 2.0,
        "cos": 2.0, "power": 4.0, "sin": 2.0, "sqrt": 0.7, "tanh": 1.2,
    }
)  # fmt: skip
"""Nanoseconds an element, where it is more than memory takes."""

SAVED = 2
WORTH = 1 << 23
"""So many arrays, and so many bytes of them, are not written and read again, at least."""


def in_tiles(segment: Segment, context: Context) -> Sequence[Equation]:
    """The equations of a segment, those that go together in tiles as clusters."""
    kinds = [iteration_shape(equation, context.exact) for equation in segment.equations]
    if sum(kind is not None for kind in kinds) < 2:
        return segment.equations
    of = {id(e): kind for e, kind in zip(segment.equations, kinds, strict=True)}
    groups = grouped(segment.equations, lambda equation: of[id(equation)])
    return _Tiling(segment, context, groups, kinds).tiled()


@dataclass(slots=True)
class _Plan:
    """A cluster that pays.

    Attributes:
        equation: that holds it.
        text: what is told about it.
    """

    equation: Equation
    text: str


class _Tiling:
    """Decides for each group of a segment."""

    def __init__(
        self,
        segment: Segment,
        context: Context,
        groups: list[list[int]],
        kinds: list[Shape | None],
    ) -> None:
        self.equations = segment.equations
        self.needed = segment.needed
        self.context = context
        self.groups = groups
        self.kinds = kinds
        self.readers: dict[int, list[int]] = {}
        for position, equation in enumerate(segment.equations):
            for operand in equation.operands:
                if isinstance(operand, Variable):
                    self.readers.setdefault(operand.number, []).append(position)

    def tiled(self) -> Sequence[Equation]:
        """The equations, with clusters."""
        steps: dict[int, list[Equation]] = {}
        left = 0
        for number, members in enumerate(self.groups):
            if len(members) < 2:
                left += 1
                continue
            shape = self.kinds[members[0]]
            assert shape is not None
            axis = tiled_axis(shape)
            assert axis is not None
            found: list[Equation] = []
            made = 0
            for level in self._levels(members, axis):
                plan = self._planned(level, shape, axis)
                if plan is None:
                    left += len(level)
                    found += [self.equations[position] for position in level]
                else:
                    made += 1
                    self.context.decide("tiles", plan.text)
                    found.append(plan.equation)
            if made:
                steps[number] = found
        if left:
            self.context.decide("tiles", f"{left} operations on large arrays stay as they are")
        return contracted(self.equations, steps, self.groups) if steps else self.equations

    def _levels(self, members: Sequence[int], axis: int) -> list[list[int]]:
        """The members of a group by how many loops have to be over before."""
        home: dict[int, tuple[int, bool]] = {}
        levels: list[list[int]] = []
        for position in members:
            equation = self.equations[position]
            level = 0
            for operand in equation.operands:
                if isinstance(operand, Variable) and operand.number in home:
                    before, beside = home[operand.number]
                    level = max(level, before if beside else before + 1)
            while level >= len(levels):
                levels.append([])
            levels[level].append(position)
            for variable in equation.results:
                home[variable.number] = (level, has_place(equation, axis))
        return levels

    def _planned(self, positions: list[int], shape: Shape, axis: int) -> _Plan | None:
        """The cluster of one level; `None` if it does not pay."""
        own = set(positions)
        wanted = frozenset(
            v.number
            for position in positions
            for v in self.equations[position].results
            if v.number in self.needed or not own.issuperset(self.readers.get(v.number, ()))
        )
        members = [self.equations[position] for position in positions]
        members = needed_of(resolved(members, wanted), wanted)
        saved = _saved(members, wanted, shape)
        if len(members) < 2 or saved < SAVED:
            return None
        itemsize = max(v.dtype.itemsize for member in members for v in member.results)
        if saved * itemsize * math.prod(shape) < WORTH:
            return None
        draft = cluster(TILES, members, wanted)
        program: Program = dict(draft.params)["program"]
        fast = program
        if not self.context.exact:
            items = tuple(with_fewer_products(program.equations, wanted))
            if items != program.items:
                fast = replace(program, items=items)
        threads = self._threads(members, shape)
        tile = _tile(fast, shape, axis)
        if tile >= shape[axis]:
            return None
        if threads > 1:
            tile = min(_tile(fast, shape, axis, SHARED), -(-shape[axis] // (2 * threads)))
        settings = (
            ("iteration", shape),
            ("axis", axis),
            ("tile", tile),
            ("threads", threads),
            ("fast", fast if fast is not program else None),
        )
        equation = Equation(
            TILES, draft.operands, (*draft.params, *settings), draft.results, None, draft.origin
        )
        count = -(-shape[axis] // tile)
        sizes = "x".join(map(str, shape))
        text = (
            f"{len(fast.items)} operations on arrays of {sizes} in {count} tiles of {tile}: "
            f"{saved} arrays less are written to memory or read from it"
        )
        if fast is not program:
            text += f"; without reordering products it would be {len(members)}"
        if threads > 1:
            text += f", shared by {threads} threads"
        return _Plan(equation, text)

    def _threads(self, members: Sequence[Equation], shape: Shape) -> int:
        """How many threads share the tiles: only one where tiles write to the same places."""
        if self.context.threads < 2 or any(role_of(member) == LAY for member in members):
            return 1
        each = sum(_TIMES.get(member.primitive.name, 0.25) for member in members)
        return self.context.threads if each * math.prod(shape) >= WORTH_SHARING else 1


def _saved(members: Sequence[Equation], wanted: frozenset[int], shape: Shape) -> int:
    """How many arrays of the iteration shape need not be written, or read once more."""
    reads = 0
    outer: set[int] = set()
    made = {v.number for member in members for v in member.results}
    inner = 0
    for member in members:
        seen: set[int] = set()
        for operand in member.operands:
            if not isinstance(operand, Variable) or operand.number in seen:
                continue
            if shape_of(operand) != shape:
                continue
            seen.add(operand.number)
            reads += 1
            if operand.number not in made:
                outer.add(operand.number)
        if role_of(member) == MAP:
            inner += sum(v.number not in wanted for v in member.results)
    return reads - len(outer) + inner


def _tile(program: Program, shape: Shape, axis: int, times: int = 1) -> int:
    """Elements along the axis in one tile, of so many times what a core has for itself."""
    row = math.prod(shape) // shape[axis]
    alive = bytes_per_element(program, laid_out(program, shape))
    elements = min(max(times * CACHE // alive, SMALLEST), LARGEST)
    return max(1, elements // row)
