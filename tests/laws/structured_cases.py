"""Cases of the primitives with parameters: one table for each module of `funcgrad.primitives`."""

from collections.abc import Iterator

from tests.laws.case import Case

__all__ = ["structured_cases"]


def structured_cases() -> Iterator[Case]:
    """All of them."""
    yield from ()
