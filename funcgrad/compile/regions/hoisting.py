"""Many small operations of one kind as one on stacks: products above all.

A loop that Python ran is a program of many alike steps. What does not depend on the step before is
done for all steps together: x₁ W, x₂ W, … is one product [x₁; x₂; …] W, before the first step; what
is added to each of the results is added to all at once; and sums over the steps of products are one
product after the last step (`funcgrad.compile.regions.stacking`). Values that are used so are
written side by side from the start.

Larger products round differently, and sums are added in another order: inexact.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from funcgrad.compile.narrowing import is_heard
from funcgrad.compile.regions.context import Context, Segment
from funcgrad.compile.regions.grouping import contracted
from funcgrad.compile.regions.hoisting_building import Building
from funcgrad.compile.regions.hoisting_lanes import Lanes, Stack, progression
from funcgrad.compile.regions.hoisting_loops import lighter_loop
from funcgrad.compile.regions.stacking import LARGE_TERM, LEAST, OFTEN, SMALL_TERM, Sum, Term, sums
from funcgrad.compile.regions.stacking_fading import with_fading
from funcgrad.compile.regions.stacking_reading import Operand, Reading, shape_of, size_of
from funcgrad.core.primitive import PRIMITIVES
from funcgrad.core.program import Constant, Equation, Variable

__all__ = ["NAME", "hoisted"]

NAME = "products of all steps at once"

MATRICES = 60
"""So many matrices are looked at; those that are used more often first."""


def hoisted(segment: Segment, context: Context) -> Sequence[Equation]:
    """The equations, with products of all steps at once."""
    equations = segment.equations
    if context.exact:
        return equations
    names = [e.primitive.name for e in equations]
    if "scan" in names:
        equations = _with_lighter_loops(segment, context)
        segment = Segment(equations, segment.needed)
        names = [e.primitive.name for e in equations]
    if names.count("matmul") < LEAST:
        return equations
    return _Hoisting(segment, context).run()


def _with_lighter_loops(segment: Segment, context: Context) -> Sequence[Equation]:
    reading = Reading(segment)
    out: list[Equation] = []
    for equation in segment.equations:
        found = (
            lighter_loop(reading, equation, context) if equation.primitive.name == "scan" else None
        )
        out += [equation] if found is None else found
    return out


class _Hoisting:
    def __init__(self, segment: Segment, context: Context) -> None:
        self.segment = segment
        self.context = context
        self.reading = Reading(segment)

    def run(self) -> Sequence[Equation]:
        """The new equations."""
        reading = self.reading
        lanes = Lanes(reading)
        found = list(sums(reading))
        stacks = {id(s): [self._stacks(lanes, terms) for terms in s.like.values()] for s in found}
        gone = {place for s in found for place in s.gone}
        lists, early = _early(reading, gone)
        for values in lists:
            lanes.together(values)
        lanes.find(gone, early)
        if not found and not lanes.groups:
            return self._flipped(list(self.segment.equations))
        building = Building(reading, lanes)
        building.gone |= gone
        for group in lanes.groups:
            building.whole(group)
        for one in found:
            building.sum(one, stacks)
        building.take_apart()
        placed = [(p, e) for p, e in reading.equations.items() if p not in building.gone]
        placed += building.equations
        placed.sort(key=lambda pair: pair[0])
        after = self._ordered([equation for _, equation in placed])
        if after is None:
            return self.segment.equations
        after, chains = with_fading(reading, self._flipped(after))
        self._tell(lanes, found)
        if chains:
            text = (
                f"{chains} long chains of cotangents: numbers near the smallest ones become zeros"
            )
            self.context.decide(NAME, text)
        return after

    def _stacks(self, lanes: Lanes, terms: list[Term]) -> tuple[Stack | None, Stack]:
        """The stacks of the values of like terms, where they are computed one by one."""
        lefts = [t.a for t in terms if t.a is not None]
        rights = [t.b for t in terms]
        order = list(range(len(terms)))
        slots = _slots(lanes, lefts) or _slots(lanes, rights)
        if slots is None:
            made = self.reading.made
            keys = [
                made.get(v.number, -1.0) if isinstance(v, Variable) else -1.0
                for v in (lefts or rights)
            ]
            order.sort(key=keys.__getitem__)
        else:
            order.sort(key=slots.__getitem__)
        terms[:] = [terms[i] for i in order]
        right = lanes.together([t.b for t in terms])
        return (lanes.together([t.a for t in terms if t.a is not None]) if lefts else None), right

    def _ordered(self, equations: list[Equation]) -> list[Equation] | None:
        """The equations that are needed, in an order in which they can be done."""
        makers = {v.number: e for e in equations for v in e.results}
        kept: set[int] = set()
        pending = [makers[n] for n in self.segment.needed if n in makers]
        pending += [e for e in equations if is_heard(e)]
        while pending:
            equation = pending.pop()
            if id(equation) in kept:
                continue
            kept.add(id(equation))
            for operand in equation.operands:
                if isinstance(operand, Variable):
                    maker = makers.get(operand.number)
                    if maker is not None:
                        pending.append(maker)
        alive = [e for e in equations if id(e) in kept]
        try:
            after = contracted(alive, {}, [])
        except AssertionError:
            return None
        return after if len(after) == len(alive) else None

    def _flipped(self, equations: list[Equation]) -> list[Equation]:
        """Transposes that many small products read, in C order."""
        flips: dict[int, int] = {}
        for place, equation in enumerate(equations):
            if equation.primitive.name == "transpose" and len(equation.results[0].shape) == 2:
                flips[equation.results[0].number] = place
        counts: dict[int, int] = {}
        for equation in equations:
            if equation.primitive.name == "matmul":
                for operand in equation.operands:
                    if isinstance(operand, Variable) and operand.number in flips:
                        counts[operand.number] = counts.get(operand.number, 0) + 1
        copied: dict[int, Equation] = {}
        for number, count in counts.items():
            flip = equations[flips[number]]
            result = flip.results[0]
            if (
                count >= OFTEN
                and size_of(result.shape) <= LARGE_TERM
                and flip.errors is None
                and number not in self.segment.needed
            ):
                copied[flips[number]] = flip
        if not copied:
            return equations
        out: list[Equation] = []
        for place, equation in enumerate(equations):
            if place not in copied:
                out.append(equation)
                continue
            result = equation.results[0]
            view = self.reading.variable(result.shape, result.dtype)
            out += (replace(equation, results=(view,)), self._copy(view, result))
        return out

    @staticmethod
    def _copy(x: Variable, result: Variable) -> Equation:
        return Equation(PRIMITIVES["copy"], (x,), (("order", "C"),), (result,))

    def _tell(self, lanes: Lanes, found: list[Sum]) -> None:
        decide = self.context.decide
        together: dict[int, list[str]] = {}
        for group in lanes.groups:
            assert group.first is not None
            name = group.first.primitive.name
            if name == "matmul":
                name += " of " + " and ".join(str(shape_of(o)) for o in group.first.operands)
            if not group.is_view:
                together.setdefault(len(group.places), []).append(name)
        for count, names in together.items():
            decide(NAME, f"{count} times {', '.join(names)}: one of each")
        for one in found:
            for terms in one.like.values():
                term = terms[0]
                what = f"of rows {shape_of(term.b)}"
                if term.a is not None:
                    what = f"of products {shape_of(term.a)}ᵀ {shape_of(term.b)}"
                decide(NAME, f"a sum {what}, {len(terms)} times, as one product of stacks")


def _slots(lanes: Lanes, values: list[Operand]) -> list[int] | None:
    """Places in one stack."""
    found = [lanes.lane.get(v.number) for v in values if isinstance(v, Variable)]
    if not found or len(found) < len(values) or found[0] is None:
        return None
    slots = [x[1] for x in found if x is not None and x[0] is found[0][0]]
    return slots if len(slots) == len(values) and progression(sorted(slots)) else None


def _early(reading: Reading, gone: set[float]) -> tuple[list[list[Operand]], set[float]]:
    """Products with one matrix that do not depend on each other: their operands, and places."""
    counts: dict[Any, int] = {}
    found: dict[float, list[tuple[Any, Operand]]] = {}
    for place, equation in reading.equations.items():
        if equation.primitive.name != "matmul" or place in gone or equation.errors is not None:
            continue
        found[place] = sides = list(_sides(equation))
        for key, _ in sides:
            counts[key] = counts.get(key, 0) + 1
    often = sorted((k for k, n in counts.items() if n >= LEAST), key=lambda k: -counts[k])
    bits = {key: 1 << i for i, key in enumerate(often[:MATRICES])}
    if not bits:
        return [], set()
    lists = _first(reading, bits, found)
    kept = [values for values in lists.values() if len(values) >= LEAST]
    places = {place for values in kept for place, _ in values}
    return [[x for _, x in values] for values in kept], places


def _first(
    reading: Reading, bits: dict[Any, int], found: dict[float, list[tuple[Any, Operand]]]
) -> dict[Any, list[tuple[float, Operand]]]:
    """For each matrix the products that do not depend on other products with it."""
    needs: dict[int, int] = {}
    lists: dict[Any, list[tuple[float, Operand]]] = {}
    for place in sorted(reading.equations):
        equation = reading.equations[place]
        waits = 0
        for operand in equation.operands:
            if type(operand) is Variable:
                waits |= needs.get(operand.number, 0)
        own = 0
        for key, x in found.get(place, ()):
            bit = bits.get(key, 0)
            if bit and not waits & bit:
                lists.setdefault(key, []).append((place, x))
            own |= bit
        waits |= own
        if waits:
            for result in equation.results:
                needs[result.number] = waits
    return lists


def _sides(equation: Equation) -> Iterator[tuple[Any, Operand]]:
    """The operands that may be a matrix for many products, with the other ones."""
    a, b = equation.operands
    for side, matrix, x in ((1, b, a), (0, a, b)):
        shape = shape_of(x)
        work = size_of(shape) * (equation.results[0].shape or (1,))[-1]
        if (
            len(shape_of(matrix)) == 2
            and len(shape) in ((1, 2) if side else (1,))
            and isinstance(x, Variable)
            and SMALL_TERM <= work < LARGE_TERM
        ):
            name = matrix if isinstance(matrix, Constant) else matrix.number
            yield (side, name, shape, x.dtype), x
