"""A tree of paths as one Python function."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from funcgrad.compile.regions.context import Decision
from funcgrad.compile.regions.table import in_regions
from funcgrad.compile.schedule import CONSTANTS, Plan, planned
from funcgrad.compile.scratch import Rooms, shared_pool
from funcgrad.compile.tree import Block, End, Fork, joined
from funcgrad.compile.writer import Writer
from funcgrad.core.program import Constant, Equation, Guard, Program

__all__ = ["Emitted", "emit"]

_NAMES = 12
"""So many arrays in scratch memory are named in one line."""

Return = Callable[[int, Sequence[str]], str]
"""`(number of the path, names of its outputs) -> what the function returns`."""

_ASKED: dict[str, str] = {
    "bool": "bool({})",
    "int": "int({})",
    "index": "int({})",
    "float": "float({})",
    "complex": "complex({})",
    "shape": "np.shape({})",
    "any": "bool(np.any({}))",
    "all": "bool(np.all({}))",
}


@dataclass(frozen=True, slots=True)
class Emitted:
    """A written function.

    Attributes:
        name: its name.
        rows: its text, in lines with their ends.
        statements: number of equations written.
        reused: number of results written into memory of earlier ones.
        decisions: of the passes over regions.
        scratch: bytes of memory that is kept between calls.
    """

    name: str
    rows: tuple[str, ...]
    statements: int
    reused: int
    decisions: tuple[Decision, ...] = ()
    scratch: int = 0

    @property
    def text(self) -> str:
        """The text as one string."""
        return "".join(self.rows)

    @property
    def lines(self) -> list[str]:
        """The text, in lines without their ends."""
        return [row.removesuffix("\n") for row in self.rows]


def emit(
    name: str,
    paths: Sequence[Program],
    writer: Writer,
    returned: Return,
    missed: Callable[[Guard], str],
    docstring: str = "",
    owned: Callable[[int], int | None] = lambda _path: None,
    ordered: Sequence[bool] = (),
) -> Emitted:
    """Write a function that goes the way through the guards that its arguments ask for.

    Args:
        name: of the function.
        paths: programs with the same inputs, after the passes.
        writer: to write with.
        returned: gives the text of what is returned at the end of a path.
        missed: gives the statement for an answer that no path has had.
        docstring: lines of text.
        owned: gives for a path how many of its outputs, the first ones, are memory of their own;
            `None`: all of them.
        ordered: for each input whether it is taken to be in C order, see `planned`.
    """
    tree = joined(paths)
    context = writer.context
    if context is not None:
        tree, _ = in_regions(tree, context)
    inputs = paths[0].inputs
    places = writer.places
    in_order = frozenset(v.number for v, flag in zip(inputs, ordered, strict=False) if flag)
    begin = None if places is None else places.begin
    plan = planned(tree, inputs, writer.takes_out, writer.smallest, in_order, begin)
    if places is not None:
        places.begin = plan.end
    env = {variable.number: writer.fresh(variable.name) for variable in inputs}
    emitter = _Emitter(writer, plan, CONSTANTS.union(env), returned, missed, owned)
    writer.line(f"def {name}({', '.join(env.values())}):")
    with writer.indented():
        for line in docstring.splitlines():
            writer.line(line)
        start = len(writer.lines)
        emitter.block(tree, env)
        emitter.scratch(start)
    decisions = () if context is None else tuple(context.decisions)
    scratch = 0 if places is None else places.end
    rows = tuple(f"{line}\n" for line in writer.lines)
    writer.lines.clear()
    return Emitted(name, rows, emitter.statements, plan.reused, decisions, scratch)


class _Emitter:
    """Writes the blocks of a tree."""

    def __init__(
        self,
        writer: Writer,
        plan: Plan,
        given: frozenset[int],
        returned: Return,
        missed: Callable[[Guard], str],
        owned: Callable[[int], int | None],
    ) -> None:
        self.writer = writer
        self.plan = plan
        self.given = given
        self.returned = returned
        self.missed = missed
        self.owned = owned
        self.statements = 0
        self._leaves: list[int] = []  # the lines before which scratch memory is given back

    def block(self, block: Block, env: dict[int, str]) -> None:
        """Write the equations, and then the arms: the longest one without further indentation."""
        while True:
            start = 0
            for position, item in enumerate(block.items):
                if isinstance(item, Guard):
                    self._equations(block.items[start:position], env)
                    self._check(item, env)
                    start = position + 1
            self._equations(block.items[start:], env)
            if isinstance(block.end, End):
                self._return(block.end, env)
                return
            block = self._fork(block.end, env)

    def scratch(self, start: int) -> None:
        """Take scratch memory where the body starts, and give it back wherever it is left."""
        writer = self.writer
        places = writer.places
        if places is None or not places.rooms:
            return
        rooms: Any = Rooms(list(places.rooms), places.end, shared_pool())
        name = writer.scope.helper(rooms, "rooms")
        scratch = writer.fresh("scratch")
        lines = writer.lines
        for place in reversed(self._leaves):
            pad = lines[place][: -len(lines[place].lstrip())]
            lines.insert(place, f"{pad}{name}.give({scratch})")
        body = lines[start:]
        del lines[start:]
        writer.line(f"{scratch} = {name}.take()")
        names = list(places.rooms.values())
        for first in range(0, len(names), _NAMES):
            some = names[first : first + _NAMES]
            part = "" if len(names) <= _NAMES else f"[{first}:{first + len(some)}]"
            comma = "," if len(some) == 1 else ""
            writer.line(f"{', '.join(some)}{comma} = {scratch}.views[{name}]{part}")
        lines += body

    def _leave(self, text: str) -> None:
        """Write a statement that leaves the function."""
        self._leaves.append(len(self.writer.lines))
        self.writer.line(text)

    def _equations(self, items: Sequence[Equation | Guard], env: dict[int, str]) -> None:
        equations = [item for item in items if isinstance(item, Equation)]
        self.writer.equations(equations, env, self.plan, self.given)
        self.statements += len(equations)

    def _check(self, guard: Guard, env: dict[int, str]) -> None:
        """Write a guard that has had one answer."""
        asked = _ASKED[guard.kind].format(env[guard.variable.number])
        self.writer.line(f"if {_fails(asked, guard.answer)}:", guard.origin)
        with self.writer.indented():
            self._leave(self.missed(guard))

    def _fork(self, fork: Fork, env: dict[int, str]) -> Block:
        """Write the question and all arms but the last; that one is returned."""
        writer, guard = self.writer, fork.guard
        planned_arms = zip(fork.arms, self.plan.arms, strict=True)
        arms = sorted(planned_arms, key=lambda arm: _length(arm[0][1]))
        asked = _ASKED[guard.kind].format(env[guard.variable.number])
        if guard.kind != "bool":
            answer = writer.fresh("answer")
            writer.line(f"{answer} = {asked}", guard.origin)
            asked = answer
        for (value, arm), self.plan in arms[:-1]:
            writer.line(f"if {_holds(asked, value)}:", guard.origin)
            with writer.indented():
                self.block(arm, dict(env))
        (value, last), self.plan = arms[-1]
        if guard.kind != "bool":
            writer.line(f"if {_fails(asked, value)}:", guard.origin)
            with writer.indented():
                self._leave(self.missed(guard))
        return last

    def _return(self, end: End, env: dict[int, str]) -> None:
        names = []
        seen: set[int] = set()
        owned = self.owned(end.path)
        for place, output in enumerate(end.outputs):
            text = self.writer.operand(output, env)
            if owned is not None and place >= owned:
                pass
            elif isinstance(output, Constant):
                if isinstance(output.value, np.ndarray):
                    text += ".copy()"
            else:
                roots = self.plan.roots.get(output.number, frozenset((output.number,)))
                shared = roots & self.given or roots & seen or output.number in self.plan.spread
                if shared and not output.weak:
                    text += '.copy("K")' if len(output.shape) > 1 else ".copy()"
                seen |= roots
            names.append(text)
        self._leave(f"return {self.returned(end.path, names)}")


def _length(block: Block) -> int:
    if isinstance(block.end, End):
        return len(block.items)
    return len(block.items) + max(_length(arm) for _, arm in block.end.arms)


def _holds(asked: str, value: Any) -> str:
    if value is True:
        return asked.removeprefix("bool(").removesuffix(")") if asked[:5] == "bool(" else asked
    if value is False:
        return f"not {_holds(asked, True)}"
    if isinstance(value, float | complex) and not _is_usual(value):
        return f"repr({asked}) == {repr(value)!r}"
    return f"{asked} == {value!r}"


def _fails(asked: str, value: Any) -> str:
    if value is True:
        return f"not {_holds(asked, True)}"
    if value is False:
        return _holds(asked, True)
    if isinstance(value, float | complex) and not _is_usual(value):
        return f"repr({asked}) != {repr(value)!r}"
    return f"{asked} != {value!r}"


def _is_usual(value: float | complex) -> bool:
    """Whether `==` tells the value from all others: zeros have signs, and nan equals nothing."""
    parts = (value.real, value.imag) if isinstance(value, complex) else (value,)
    return all(part != 0 and math.isfinite(part) for part in parts)
