"""What a number of an equation is added up of, read off its operations."""

from collections.abc import Iterator

from funcgrad.compile.regions.scalars_numbers import Number
from funcgrad.compile.regions.scalars_operations import OPERATIONS

__all__ = ["Terms"]


class Terms:
    """A number of an equation as a sum of products, or another fold, of elements.

    Attributes:
        fold: the operation between the terms.
        terms: the elements of each product.
        divisor: text of what the sum is divided by.
        started: whether the sum starts with 0.
        is_element: whether it is an element itself.
    """

    def __init__(self, number: Number, name: str) -> None:
        self.divisor = ""
        self.started = False
        if name == "mean":
            self.divisor = number.parts[1].text
            number = number.parts[0]
        self.fold = {"max": "maximum", "min": "minimum", "prod": "multiply"}.get(name, "add")
        operation = OPERATIONS[self.fold]
        leaves = []
        while number.operation is operation:
            leaves.append(number.parts[1])
            number = number.parts[0]
        leaves.append(number)
        leaves.reverse()
        if leaves[0].is_literal:
            self.started = len(leaves) > 1
            leaves = leaves[1:]
        self.terms = [
            (_converted(leaf),) if name == "prod" else tuple(_factors(leaf)) for leaf in leaves
        ]
        self.is_element = (
            not self.divisor
            and not self.started
            and len(leaves) == 1
            and leaves[0].operation is None
        )


def _factors(number: Number) -> Iterator[Number]:
    """The factors of a product; conversions are made when elements are read."""
    operation = number.operation
    if operation is OPERATIONS["multiply"]:
        for part in number.parts:
            yield from _factors(part)
    else:
        yield _converted(number)


def _converted(number: Number) -> Number:
    """What a number is made of that is a truth value as a float."""
    return number.parts[0] if number.operation is OPERATIONS["convert"] else number
