"""The passes over regions, and how they are applied to a tree of paths.

They come after the passes of `funcgrad.compile.passes`, when it is known what is needed: a pass is
given the equations between two guards and what is read after them, and returns equations that
compute the same, some of them clusters.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from funcgrad.compile.regions.context import Context, Segment
from funcgrad.compile.regions.hoisting import NAME as HOISTED
from funcgrad.compile.regions.hoisting import hoisted
from funcgrad.compile.regions.layout import turned
from funcgrad.compile.regions.layout_sums import shorter_sums
from funcgrad.compile.regions.numba_clusters import in_machine_code
from funcgrad.compile.regions.rows import one_pass_over_rows
from funcgrad.compile.regions.scalars import as_numbers
from funcgrad.compile.regions.softmax import simpler_losses
from funcgrad.compile.regions.softmax_fused import losses_with_slopes
from funcgrad.compile.regions.sorts import with_distinct_values, without_orders
from funcgrad.compile.regions.tiles import in_tiles
from funcgrad.compile.tree import Block, End, Fork
from funcgrad.core.program import Equation, Guard, Program, Variable

__all__ = ["REGIONS", "Region", "in_regions", "over_program", "over_segment"]


@dataclass(frozen=True, slots=True)
class Region:
    """A pass over regions.

    Attributes:
        name: what it does.
        run: `(segment, context) -> equations`. It obeys `context.exact`, and notes in
            `context.decisions` what it has done and why.
        alone: names of operations for which it is asked, too, where they stand alone.
    """

    name: str
    run: Callable[[Segment, Context], Sequence[Equation]]
    alone: tuple[str, ...] = ("scan",)


REGIONS: tuple[Region, ...] = (
    Region(HOISTED, hoisted),
    Region("sums", shorter_sums),
    Region("layout", turned),
    Region("softmax", simpler_losses),
    Region("rows", one_pass_over_rows),
    Region("losses with slopes", losses_with_slopes),
    Region("numba", in_machine_code),
    Region("numbers", as_numbers),
    Region("sorts", without_orders, ("scatter_add",)),
    Region("tiles", in_tiles),
)
"""All passes, in order."""


def over_segment(
    segment: Segment, context: Context, regions: Sequence[Region] | None = None
) -> Sequence[Equation]:
    """The equations of a segment after all passes."""
    equations = segment.equations
    for region in REGIONS if regions is None else regions:
        if len(equations) > 1 or any(e.primitive.name in region.alone for e in equations):
            equations = region.run(Segment(equations, segment.needed), context)
    return equations


def in_regions(
    block: Block, context: Context, regions: Sequence[Region] | None = None
) -> tuple[Block, set[int]]:
    """A tree of paths after the passes; and the variables that it reads."""
    if regions is None:
        block = with_distinct_values(block, context)
    if isinstance(block.end, End):
        needed = {o.number for o in block.end.outputs if isinstance(o, Variable)}
        end: End | Fork = block.end
    else:
        needed = {block.end.guard.variable.number}
        arms = []
        for answer, arm in block.end.arms:
            rewritten, read = in_regions(arm, context, regions)
            needed |= read
            arms.append((answer, rewritten))
        end = Fork(block.end.guard, tuple(arms))
    parts: list[Sequence[Equation | Guard]] = []
    stop = len(block.items)
    for position in range(len(block.items) - 1, -2, -1):
        item = block.items[position] if position >= 0 else None
        if isinstance(item, Equation):
            continue
        between = [e for e in block.items[position + 1 : stop] if isinstance(e, Equation)]
        if between:
            parts.append(over_segment(Segment(between, frozenset(needed)), context, regions))
            for equation in between:
                needed.update(o.number for o in equation.operands if isinstance(o, Variable))
        if item is not None:
            needed.add(item.variable.number)
            parts.append((item,))
        stop = position
    items = tuple(item for part in reversed(parts) for item in part)
    return Block(items, end), needed


def over_program(
    program: Program, context: Context, regions: Sequence[Region] | None = None
) -> Program:
    """A program after passes over regions: for their laws."""
    block = Block(program.items, End(0, program.outputs))
    items = in_regions(block, context, regions)[0].items
    return Program(program.name, program.inputs, items, program.outputs)
