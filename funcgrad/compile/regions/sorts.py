"""Elements in an order that nobody else asks for: sorted, parted and counted at once.

Sorting is recorded as x[argsort(x)], for derivatives need the order. Where nothing else reads it,
`numpy.sort` finds the same elements without it, several times as fast; and `numpy.partition` those
at given places of the sorted array, of which medians and quantiles are made. Adding ones at places
is counting them.

Equal elements can be told apart only if they are zeros (of two signs) or NaN (of many patterns).
Where all bits are to be kept, the order is asked for if there are any.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from funcgrad.compile.regions.cluster import cluster, kind_of_cluster, program_of
from funcgrad.compile.regions.context import Context, Segment
from funcgrad.compile.structured import WRITERS
from funcgrad.compile.tree import Block, Fork
from funcgrad.core.primitive import PRIMITIVES
from funcgrad.core.program import Constant, Equation, Guard, Program, Variable

__all__ = ["KIND", "with_distinct_values", "without_orders", "write_sorts"]

NAME = "sorts"
KIND = kind_of_cluster("sorts")

_ORDERS = ("argsort", "partition_order", "argpartition")
_TAKES = ("take_along_axis", "gather")


def without_orders(segment: Segment, context: Context) -> Sequence[Equation]:
    """The equations with elements taken in their own order as one equation each, and counts."""
    equations = segment.equations
    if not any(e.primitive.name in (*_ORDERS, "scatter_add") for e in equations):
        return equations
    made = {v.number: e for e in equations for v in e.results}
    read = Counter(o.number for e in equations for o in e.operands if isinstance(o, Variable))
    read.update(segment.needed)
    found: dict[int, Equation] = {}
    gone: set[int] = set()
    done: Counter[str] = Counter()
    for equation in equations:
        members = _members(equation, made, read) if _is_known(equation) else ()
        how = _how(members, context.exact)
        if how is None:
            continue
        result = equation.results[0].number
        settings = (("how", how), ("exact", context.exact))
        found[result] = cluster(KIND, members, {result}, settings)
        gone.update(member.results[0].number for member in members[:-1])
        done[how] += 1
    for how, count in done.items():
        context.decide(NAME, f"{count} x {_TOLD[how]}")
    if not found:
        return equations
    return [found.get(e.results[0].number, e) for e in equations if e.results[0].number not in gone]


_TOLD = {
    "sort": "elements in rising order sorted without finding the order",
    "partition": "elements parted without finding the order",
    "places": "elements at places of the sorted array found without their order",
    "count": "ones added at places counted by np.bincount",
    "weights": "numbers added at places by np.bincount",
}


def _is_known(equation: Equation) -> bool:
    primitive = equation.primitive
    return equation.errors is None and PRIMITIVES.get(primitive.name) is primitive


def _members(
    equation: Equation, made: dict[int, Equation], read: Counter[int]
) -> tuple[Equation, ...]:
    """The equations that the given one ends, from the order on; none if it does not end such."""
    if equation.primitive.name == "scatter_add":
        return (equation,)
    if equation.primitive.name not in _TAKES or len(equation.operands) != 2:
        return ()
    x, places = equation.operands
    if not isinstance(x, Variable) or not isinstance(places, Variable):
        return ()
    axis = _axis(equation)
    members = [equation]
    while len(members) < 3:
        maker = made.get(places.number)
        if maker is None or read[places.number] != 1 or not _is_known(maker):
            return ()
        members.append(maker)
        if maker.primitive.name in _ORDERS:
            same = maker.operands == (x,) and dict(maker.params)["axis"] == axis
            return tuple(reversed(members)) if same else ()
        places = maker.operands[0]
        if (
            maker.primitive.name not in _TAKES
            or len(maker.operands) != 2
            or _axis(maker) != axis
            or not isinstance(places, Variable)
        ):
            return ()
    return ()


def _axis(equation: Equation) -> int | None:
    """The negative axis along which elements are taken; `None` if rows are taken."""
    params = dict(equation.params)
    if equation.primitive.name == "take_along_axis":
        axis: int = params["axis"]
        return axis
    x = equation.operands[0]
    return -1 if isinstance(x, Variable) and len(x.shape) == 1 and params["lead"] == 0 else None


def _how(members: Sequence[Equation], exact: bool) -> str | None:
    """What is to be done in place of the members; `None` if that would not be the same."""
    if not members:
        return None
    first, last = members[0], members[-1]
    if last.primitive.name == "scatter_add":
        return _how_added(last, exact)
    x = last.operands[0]
    if not isinstance(x, Variable) or x.dtype.kind not in "biufc":
        return None
    rising = first.primitive.name == "argsort"
    if exact and x.dtype.kind not in "biu" and (len(x.shape) > 1 or x.dtype.kind == "c"):
        return None  # sums depend on the order in memory
    if len(members) == 3:
        places = members[1].operands[1]
        if first.primitive.name == "argpartition":
            kth = np.asarray(dict(first.params)["kth"])
            known = isinstance(places, Constant) and bool(np.all(np.isin(places.value, kth)))
            return "places" if known else None
        return "places" if rising else None
    if first.primitive.name == "argpartition":
        return None  # which elements stand in a part's places is left to NumPy
    return "sort" if rising else "partition"


def _how_added(equation: Equation, exact: bool) -> str | None:
    """Numbers added into one line at the places of another."""
    params = dict(equation.params)
    if len(equation.operands) != 2 or len(params["shape"]) != 1 or params["lead"]:
        return None
    added, places = equation.operands
    dtype: Any
    if not isinstance(places, Variable) or len(places.shape) != 1 or places.dtype != np.intp:
        return None
    if isinstance(added, Variable):
        shape, dtype = added.shape, added.dtype
    else:
        shape, dtype = np.shape(added.value), getattr(added.value, "dtype", None)
        if dtype == np.intp and shape == places.shape and bool(np.all(added.value == 1)):
            return "count"
    return "weights" if not exact and shape == places.shape and dtype == np.float64 else None


def with_distinct_values(block: Block, context: Context) -> Block:
    """A block with distinct values found by `numpy.unique`, where nobody asks for their places.

    The number of them is asked between the search for their places and the taking, so that this is
    no pass over what stands between two questions.
    """
    sought = [e for e in block.items if isinstance(e, Equation) and e.primitive.name == "unique"]
    if not sought:
        return block
    readers: dict[int, list[Equation | Guard]] = {}
    for item in block.items:
        for number in _read(item):
            readers.setdefault(number, []).append(item)
    outside = _read_by(block.end)
    values: dict[int, Equation] = {}
    gone: set[int] = set()
    for equation in sought:
        places = equation.results[0].number
        found = readers.get(places, [])
        takes = [e for e in found if isinstance(e, Equation)]
        if places in outside or len(takes) != 1 or not _is_distinct(equation, takes[0], context):
            continue
        if all(isinstance(e, Equation) or e.kind == "shape" for e in found):
            taken = takes[0].results[0]
            settings = (("how", "distinct"), ("exact", context.exact))
            values[places] = cluster(KIND, (equation, takes[0]), {taken.number}, settings)
            gone.add(taken.number)
    if not values:
        return block
    context.decide(NAME, f"{len(values)} x distinct values found without their places")
    items: list[Equation | Guard] = []
    for item in block.items:
        if isinstance(item, Guard):
            value = values.get(item.variable.number)
            items.append(item if value is None else replace(item, variable=value.results[0]))
        elif item.results[0].number not in gone:
            items.append(values.get(item.results[0].number, item))
    return Block(tuple(items), block.end)


def _is_distinct(places: Equation, taken: Equation, context: Context) -> bool:
    """Whether an equation takes the distinct elements of a line from it."""
    (x, *_) = places.operands
    params = dict(places.params)
    if not isinstance(x, Variable) or len(x.shape) != 1 or len(places.results) != 1:
        return False
    if x.dtype.kind not in ("biuf" if context.exact else "biufc"):
        return False
    return (
        _is_known(places)
        and _is_known(taken)
        and taken.primitive.name in _TAKES
        and taken.operands == (x, places.results[0])
        and _axis(taken) == -1
        and params["axis"] is None
        and params["sort"]
        and params["equal_nan"]
    )


def _read(item: Equation | Guard) -> list[int]:
    if isinstance(item, Guard):
        return [item.variable.number]
    return [o.number for o in item.operands if isinstance(o, Variable)]


def _read_by(end: Any) -> set[int]:
    """What is read after a block."""
    if not isinstance(end, Fork):
        return {o.number for o in end.outputs if isinstance(o, Variable)}
    found = {end.guard.variable.number}
    for _, arm in end.arms:
        found |= _read_by(arm.end)
        for item in arm.items:
            found.update(_read(item))
    return found


# --- writing ----------------------------------------------------------------------------------


def write_sorts(writer: Any, equation: Equation, operands: Sequence[str]) -> list[str]:
    """Write the call; the name of its result."""
    params = dict(equation.params)
    program = program_of(equation)
    members = program.equations
    how = params["how"]
    (result,) = equation.results
    work: Any
    if how == "distinct":
        work = _Distinct(program, params["exact"] and result.dtype.kind == "f")
    elif how in ("count", "weights"):
        work = _Added(program, result.shape[0], how == "count")
    else:
        own = dict(members[0].params)
        told_apart = params["exact"] and result.dtype.kind == "f"
        work = _Ordered(program, own["axis"], own.get("kth"), told_apart)
        room = "None" if how == "places" else writer.memory(result)
        operands = (room, *operands)
    name = writer.fresh(result.name or how)
    helper = writer.scope.helper(work, type(work).__name__.strip("_").lower())
    writer.line(f"{name} = {helper}({', '.join(operands)})", equation.origin)
    return [name]


WRITERS[KIND.name] = write_sorts


@dataclass(frozen=True, slots=True, eq=False)
class _Ordered:
    """Elements of an array in their own order, or those at places of it.

    Attributes:
        program: what it stands for.
        axis: along which they are sorted.
        kth: the places that are right; `None`: all of them.
        told_apart: whether zeros and NaN are to keep their bits.
    """

    program: Program
    axis: int
    kth: tuple[int, ...] | None
    told_apart: bool

    def __call__(self, found: Any, x: Any, places: Any = None) -> Any:
        """The elements; those of all places are written into `found`."""
        if places is not None:
            found = x.copy()
        else:
            np.copyto(found, x)
        if self.kth is None:
            found.sort(self.axis)
        else:
            found.partition(self.kth, self.axis)
        if places is not None:
            found = np.take_along_axis(found, places, self.axis)
        if self.told_apart and not (found.all() and np.equal(found, found).all()):
            if places is None:
                (found[...],) = self.program.evaluate(x)
            else:
                (found,) = self.program.evaluate(x, places)
        return np.ascontiguousarray(found)


@dataclass(frozen=True, slots=True, eq=False)
class _Distinct:
    """The distinct elements of a line, in their order.

    Attributes:
        program: what it stands for.
        told_apart: whether zeros and NaN are to keep their bits.
    """

    program: Program
    told_apart: bool

    def __call__(self, x: Any) -> Any:
        found = np.unique(x)
        if self.told_apart and not (found.all() and np.equal(found, found).all()):
            (found,) = self.program.evaluate(x)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class _Added:
    """Numbers added at places of a line of zeros.

    Attributes:
        program: what it stands for.
        length: of the line.
        counting: whether all numbers are one.
    """

    program: Program
    length: int
    counting: bool

    def __call__(self, added: Any, places: Any) -> Any:
        if places.size and places.max() < self.length:
            try:
                found = np.bincount(places, None if self.counting else added, self.length)
            except ValueError:  # of places that count from the end
                pass
            else:
                if self.counting or np.isfinite(found).all():  # else the sum tells why it is not
                    return found
        (found,) = self.program.evaluate(added, places)
        return found
