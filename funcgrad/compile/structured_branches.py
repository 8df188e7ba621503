"""Branches as Python's `if`, waiting loops as `while`, and bodies of functions of functions."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from funcgrad.compile.passes import optimised
from funcgrad.compile.schedule import LARGE
from funcgrad.compile.structured import WRITERS
from funcgrad.core.program import Constant, Equation, Program, Variable

__all__ = ["write_again", "write_switch", "write_while"]


# --- branches ---------------------------------------------------------------------------------


def write_switch(writer: Any, equation: Equation, operands: Sequence[str]) -> list[str]:
    """Write a choice between programs: each way assigns the same names."""
    fun: Any = dict(equation.params)["fun"]
    index, *leaves = operands
    names = [writer.fresh(v.name) for v in equation.results]
    last = len(fun.arms) - 1
    if last == 0:
        _arm(writer, fun.arms[0].program, leaves, names)
        return names
    for number, arm in enumerate(fun.arms):
        if number == last:
            head = "else:"
        elif fun.boolean:
            head = f"if {index}:"
        elif number == 0:
            head = f"if {index} <= 0:"
        else:
            head = f"elif {index} == {number}:"
        writer.line(head, equation.origin)
        with writer.indented():
            _arm(writer, arm.program, leaves, names)
    return names


def _arm(writer: Any, program: Program, leaves: Sequence[str], names: Sequence[str]) -> None:
    """One way of a choice."""
    begin = len(writer.lines)
    texts = _outputs(writer, program, leaves)
    texts = _renamed(writer.lines, begin, names, texts)
    _assign(writer, names, texts)
    _forget(writer, [*leaves, *names], texts, program.outputs)
    if not names:
        writer.line("pass")


def _outputs(writer: Any, program: Program, leaves: Sequence[str]) -> list[str]:
    """Write a program; what its outputs are called. Zeros are made where they are returned."""
    kept = [o for o in program.outputs if _zeros(o) is None]
    texts = iter(
        writer.block(
            optimised(
                Program(program.name, program.inputs, program.items, tuple(kept)), exact=True
            )[0],
            leaves,
        )
    )
    return [_zeros(o) or next(texts) for o in program.outputs]


def _zeros(place: Variable | Constant) -> str | None:
    """What is written for zeros in no memory."""
    if isinstance(place, Variable):
        return None
    if type(place).__name__ not in ("Padding", "Zeros") or not np.shape(place.value):
        return None
    value: np.ndarray[Any, Any] = place.value
    if np.signbit(value.flat[0].real):
        return _nothing(value.shape, value.dtype)
    return f"np.zeros({value.shape}, {_dtype(value.dtype)})"


def _renamed(
    lines: list[str],
    begin: int,
    names: Sequence[str],
    texts: Sequence[str],
    others: Sequence[str] = (),
) -> list[str]:
    """Let statements assign the names at once, whose results nothing else reads.

    Args:
        lines: what has been written.
        begin: where the statements begin.
        names: of the results.
        texts: what they are now.
        others: what else is read later.
    """
    found = list(texts)
    for i, (name, text) in enumerate(zip(names, texts, strict=True)):
        if name == text or not text.isidentifier() or [*found, *others].count(text) > 1:
            continue
        places = [k for k in range(begin, len(lines)) if _mentions(lines[k], text)]
        if len(places) != 1 or not lines[places[0]].lstrip().startswith(f"{text} = "):
            continue
        later = [*lines[places[0] + 1 :], *(x for x in found if x != text), *others]
        if not any(_mentions(line, name) for line in later):
            lines[places[0]] = lines[places[0]].replace(f"{text} = ", f"{name} = ", 1)
            found[i] = name
    return found


def _mentions(line: str, name: str) -> bool:
    """Whether a line without its comment has a name in it, once or more."""
    return re.search(rf"\b{name}\b", line.split("  # ")[0]) is not None


def _assign(writer: Any, names: Sequence[str], texts: Sequence[str]) -> None:
    """Give names their values, all at once where one is another's."""
    pairs = [(name, text) for name, text in zip(names, texts, strict=True) if name != text]
    if {name for name, _ in pairs} & {text for _, text in pairs}:
        left, right = zip(*pairs, strict=True)
        writer.line(f"{', '.join(left)} = {', '.join(right)}")
    else:
        for name, text in pairs:
            writer.line(f"{name} = {text}")


def _forget(
    writer: Any, given: Sequence[str], texts: Sequence[str], places: Sequence[Variable | Constant]
) -> None:
    """Let go of second names of large arrays, but for those that were there before."""
    gone = {
        text
        for text, place in zip(texts, places, strict=True)
        if isinstance(place, Variable) and _nbytes(place) >= LARGE and text not in given
    }
    if gone:
        writer.line(f"del {', '.join(sorted(gone))}")


def _nbytes(variable: Variable) -> int:
    return variable.dtype.itemsize * int(np.prod(variable.shape, dtype=np.int64))


def _dtype(dtype: np.dtype[Any]) -> str:
    return f"np.{'bool_' if dtype.kind == 'b' else dtype.name}"


def _nothing(shape: tuple[int, ...], dtype: np.dtype[Any]) -> str:
    """−0, to which anything can be added without a change."""
    if dtype.kind not in "fc":
        return f"np.zeros({shape}, {_dtype(dtype)})" if shape else f"{_dtype(dtype)}(0)"
    zero = "complex(-0.0, -0.0)" if dtype.kind == "c" else "-0.0"
    return f"np.full({shape}, {zero}, {_dtype(dtype)})" if shape else f"{_dtype(dtype)}({zero})"


# --- loops that wait --------------------------------------------------------------------------


def write_while(writer: Any, equation: Equation, operands: Sequence[str]) -> list[str]:
    """Write a loop that waits, and those that go over its steps again."""
    return _Waiting(writer, equation, operands).written()


class _Waiting:
    """One such loop.

    Attributes:
        left: by number of a walk the names of the lists with what it leaves.
        counts: the name of the number of steps, if a later walk finds nothing to go over.
    """

    def __init__(self, writer: Any, equation: Equation, operands: Sequence[str]) -> None:
        self.writer = writer
        self.equation = equation
        self.fun: Any = dict(equation.params)["fun"]
        self.consts = list(operands[: self.fun.consts])
        self.starts = iter([*zip(operands, equation.operands, strict=True)][self.fun.consts :])
        self.results = iter(equation.results)
        self.left: list[list[str]] = []
        self.counts = ""
        if any(not walk.finds for walk in self.fun.walks[1:]):
            self.counts = writer.fresh("steps")

    def written(self) -> list[str]:
        """Write it; names of the last states of all walks."""
        writer, fun = self.writer, self.fun
        names: list[str] = []
        for number, walk in enumerate(fun.walks):
            state = self._start(walk)
            lists = [writer.fresh("left") for _ in range(walk.leaves)]
            for name in lists:
                writer.line(f"{name} = []", self.equation.origin)
            if number == 0:
                self._first(walk, state, lists)
            else:
                self._another(walk, state, lists)
            self.left.append(lists)
            names += state
        gone = [name for lists in self.left for name in lists]
        if gone:
            writer.line(f"del {', '.join(gone)}")
        return names

    def _start(self, walk: Any) -> list[str]:
        """Variables for the state, with its first values."""
        writer = self.writer
        texts, names = [], []
        for v, flag in zip(walk.states(self.fun.consts), walk.given, strict=True):
            result = next(self.results)
            names.append(writer.fresh(v.name or result.name))
            if flag:
                text, place = next(self.starts)
                if v.weak and not _is_weak(place):
                    text += ".item()"
            else:
                text = _nothing(v.shape, v.dtype)
            texts.append(text)
        for name, text in zip(names, texts, strict=True):
            writer.line(f"{name} = {text}", self.equation.origin)
        return names

    def _first(self, walk: Any, state: list[str], lists: list[str]) -> None:
        """The walk that goes on while the condition holds."""
        writer = self.writer
        if self.counts:
            writer.line(f"{self.counts} = 0")
        begin = len(writer.lines)
        writer.line("while True:", self.equation.origin)
        with writer.indented():
            going_on = optimised(self.fun.going.program, exact=True)[0]
            (going,) = writer.block(going_on, [*self.consts, *state])
            if not _joined(writer.lines, begin, going):
                writer.line(f"if not {going}:", self.equation.origin)
                with writer.indented():
                    writer.line("break")
            if self.counts:
                writer.line(f"{self.counts} += 1")
            self._step(walk, state, [], lists)

    def _another(self, walk: Any, state: list[str], lists: list[str]) -> None:
        """A walk over the same steps."""
        writer = self.writer
        found = [writer.fresh("found") for _ in walk.finds]
        sources = [self.left[number][j] for number, j in walk.finds]
        turned = [f"reversed({name})" for name in sources] if walk.back else sources
        if not found:
            head = f"for _ in range({self.counts}):"
        elif len(found) == 1:
            head = f"for {found[0]} in {turned[0]}:"
        else:
            head = f"for {', '.join(found)} in zip({', '.join(turned)}):"
        writer.line(head, self.equation.origin)
        with writer.indented():
            self._step(walk, state, found, lists)
            _forget(writer, [], found, self._found_variables(walk))
        if walk.back:
            for name in lists:
                writer.line(f"{name}.reverse()")

    def _found_variables(self, walk: Any) -> Sequence[Variable]:
        variables: Sequence[Variable] = walk.step.program.inputs[self.fun.consts + walk.width :]
        return variables

    def _step(self, walk: Any, state: list[str], found: list[str], lists: list[str]) -> None:
        writer, program = self.writer, walk.step.program
        variables = walk.states(self.fun.consts)
        counters = {i for i, v in enumerate(variables) if v.weak and _counts(program, v, i)}
        outputs = [
            variables[i] if i in counters else place for i, place in enumerate(program.outputs)
        ]
        program = Program(program.name, program.inputs, program.items, tuple(outputs))
        given = [*self.consts, *state, *found]
        begin = len(writer.lines)
        texts = _outputs(writer, program, given)
        for name, text in zip(lists, texts[walk.width :], strict=True):
            writer.line(f"{name}.append({text})")
        for i, v in enumerate(variables):
            if i in counters:
                writer.line(f"{state[i]} += 1")
            elif v.weak and not _is_weak(program.outputs[i]):
                texts[i] += ".item()"
        ends = _renamed(writer.lines, begin, state, texts[: walk.width], texts[walk.width :])
        texts = [*ends, *texts[walk.width :]]
        _assign(writer, state, ends)
        _forget(writer, given, texts, program.outputs)
        if not texts:
            writer.line("pass")


def _joined(lines: list[str], begin: int, going: str) -> bool:
    """Move the condition of a loop into its head, if it is one expression."""
    text = lines[-1].split("  # ")[0].strip()
    if len(lines) != begin + 2 or not text.startswith(f"{going} = "):
        return False
    lines[begin] = lines[begin].replace("while True:", f"while {text.removeprefix(f'{going} = ')}:")
    del lines[-1]
    return True


def _counts(program: Program, variable: Variable, place: int) -> bool:
    """Whether a step adds one to a value, and to nothing else for it."""
    out = program.outputs[place]
    for equation in program.equations:
        if equation.results[0] is out:
            one = equation.operands[1] if len(equation.operands) == 2 else None
            return (
                equation.primitive.name == "add"
                and equation.operands[0] is variable
                and isinstance(one, Constant)
                and one.value == 1
            )
    return False


def _is_weak(place: Variable | Constant) -> bool:
    if isinstance(place, Variable):
        return place.weak
    return not hasattr(place.value, "dtype")


# --- functions of functions -------------------------------------------------------------------


def write_again(writer: Any, equation: Equation, operands: Sequence[str]) -> list[str]:
    """Write what a function does; if that depends on values, call it."""
    params = dict(equation.params)
    fun: Any = params["fun"] if "fun" in params else params["call"]
    program: Program | None = fun.as_program(equation.operands)
    if program is not None:
        return _outputs(writer, program, operands)
    names = [writer.fresh(v.name) for v in equation.results]
    called = writer.scope.helper(_Listed(fun.run), "again")
    left = ", ".join(names) + ("," if len(names) == 1 else "")
    writer.line(f"{left} = {called}({', '.join(operands)})", equation.origin)
    return names


class _Listed:
    """A function of a list as one of several arguments."""

    __slots__ = ("run",)

    def __init__(self, run: Callable[[list[Any]], Sequence[Any]]) -> None:
        self.run = run

    def __call__(self, *leaves: Any) -> Sequence[Any]:
        return self.run(list(leaves))


WRITERS["switch"] = write_switch
WRITERS["while"] = write_while
WRITERS["checkpoint"] = write_again
WRITERS["custom"] = write_again
