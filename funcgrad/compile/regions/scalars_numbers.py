"""Single numbers of a cluster: what each is computed from, and as which text."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from funcgrad.compile.regions.scalars_operations import (
    ABSORBED,
    CHOSEN,
    OPERATIONS,
    Operation,
)
from funcgrad.core.origins import UNKNOWN, Origin

__all__ = ["DEPTH", "Line", "Number", "Unrolled", "literal"]

DEPTH = 12
"""Expressions are not nested deeper than that."""


class Number:
    """One number.

    Attributes:
        operation: that gives it; `None` for a name or a literal.
        parts: its operands.
        text: the name or literal, once there is one.
        reads: how often it is written.
        named: whether it is to have a name.
        hint: for the name.
        origin: the user's line.
        is_literal: whether its value is known.
        risky: whether an operation in its text may raise an error.
        depth: of the nested operations in its text.
    """

    __slots__ = (
        "depth", "hint", "is_literal", "named", "operation", "origin", "parts", "reads", "risky",
        "text",
    )  # fmt: skip

    def __init__(
        self,
        operation: Operation | None,
        parts: Sequence["Number"],
        text: str = "",
        origin: Origin = UNKNOWN,
    ) -> None:
        self.operation = operation
        self.parts = parts
        self.text = text
        self.hint = ""
        self.origin = origin
        self.is_literal = text != ""
        self.risky = False
        self.reads = 0
        self.named = False
        self.depth = 0


Line: TypeAlias = Callable[[Number, str], str]
"""`(number, text) -> name`: writes a statement."""


def literal(value: float | bool) -> Number:
    """A number that is known; negative ones in parentheses."""
    text = repr(value)
    return Number(None, (), f"({text})" if text[0] == "-" else text)


class Unrolled:
    """The numbers of a cluster in the order in which they were made.

    Attributes:
        numbers: those that operations give.
        origin: of the equation whose numbers are made.
    """

    def __init__(self) -> None:
        self.numbers: list[Number] = []
        self.origin: Origin = UNKNOWN
        self._literals: dict[str, Number] = {}

    def literal(self, value: float | bool) -> Number:
        """A known number, the same one for the same value."""
        key = repr(value)
        found = self._literals.get(key)
        if found is None:
            found = self._literals[key] = literal(value)
        return found

    def apply(self, name: str, *parts: Number) -> Number:
        """What an operation gives."""
        if name in ("maximum", "minimum") and parts[1].is_literal:
            name += " of literal"
        number = Number(OPERATIONS[name], parts, "", self.origin)
        self.numbers.append(number)
        return number

    def each(self, name: str, rows: Sequence[Sequence[Number]]) -> list[Number]:
        """What an operation gives of the first numbers of all rows, the second ones, and so on."""
        if name in ("maximum", "minimum"):
            return [self.apply(name, *parts) for parts in zip(*rows, strict=True)]
        operation, origin = OPERATIONS[name], self.origin
        found = [Number(operation, parts, "", origin) for parts in zip(*rows, strict=True)]
        self.numbers += found
        return found

    def total(self, numbers: Iterable[Number], started: bool = False) -> Number:
        """The sum, from left to right; if `started`, from 0 as NumPy's, which is never -0."""
        found = self.literal(0.0) if started else None
        for number in numbers:
            found = number if found is None else self.apply("add", found, number)
        return self.literal(0.0) if found is None else found

    def counted(self, outputs: Iterable[Number]) -> int:
        """Count how often each number is read on the way to the outputs, which get names.

        Returns:
            The number of operations.
        """
        for number in outputs:
            number.reads += 1
            number.named = True
        count = 0
        for number in reversed(self.numbers):
            operation = number.operation
            if not number.reads or operation is None:
                continue
            count += 1
            for part in number.parts:
                part.reads += 1
            for place in operation.repeated:
                number.parts[place].named = True
        return count

    def absorbed(self) -> list[Number]:
        """Computed numbers of which infinities may get lost; they get names, after `counted`."""
        found: dict[Number, None] = {}
        for number in self.numbers:
            places = () if number.operation is None else ABSORBED.get(number.operation, ())
            if number.reads:
                found |= dict.fromkeys(number.parts[place] for place in places)
        kept = [number for number in found if number.operation is not None]
        for number in kept:
            number.named = True
        return kept

    def write(self, line: Line, text_of: Callable[[Operation], str]) -> None:
        """Write a statement for each named number; `text_of` gives texts of operations."""
        texts: dict[str, str] = {}
        for number in self.numbers:
            operation = number.operation
            if not number.reads or operation is None:
                continue
            if operation.text not in texts:
                texts[operation.text] = text_of(operation)
            _compose(number, operation, texts[operation.text], line)
            if number.named or number.reads > 1 or number.depth > DEPTH:
                _name(number, line)


def _compose(number: Number, operation: Operation, text: str, line: Line) -> None:
    """Give a number its text, of the texts of its operands."""
    own: tuple[str, ...] = ()
    depth = 0
    risky = operation.risky
    choice = operation.text == CHOSEN
    for part, need in zip(number.parts, operation.needs, strict=True):
        inner = part.operation
        if inner is not None and choice and part.risky:
            _name(part, line)  # NumPy warns also in the arm of a choice that is not taken
            inner = None
        if inner is None:
            own += (part.text,)
            continue
        if part.depth > depth:  # noqa: PLR1730  # a call less for each of very many numbers
            depth = part.depth
        risky = risky or part.risky
        own += (part.text if inner.level >= need else f"({part.text})",)
    number.text = text.format(*own)
    number.depth = depth + 1
    number.risky = risky


def _name(number: Number, line: Line) -> None:
    number.text = line(number, number.text)
    number.operation = None
