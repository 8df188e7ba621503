"""What the tests of tiles share: small tiles, and programs written with and without them."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.compile.emit import emit
from funcgrad.compile.load import load
from funcgrad.compile.naming import Names
from funcgrad.compile.passes import forward
from funcgrad.compile.regions import tiles, tiles_members
from funcgrad.compile.regions.context import Context
from funcgrad.compile.regions.table import Region, over_program
from funcgrad.compile.regions.tiles import in_tiles
from funcgrad.compile.regions.tiles_writer import TILES
from funcgrad.compile.writer import Writer
from funcgrad.core.program import Program
from funcgrad.jitting.scopes import JitScope

REGIONS = (Region("tiles", in_tiles),)


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tiles of about 16 elements, of arrays of 32 elements and more."""
    monkeypatch.setattr(tiles_members, "LARGE", 32)
    monkeypatch.setattr(tiles_members, "LONG_ROW", 16)
    monkeypatch.setattr(tiles_members, "PARTS", 1)
    monkeypatch.setattr(tiles, "WORTH", 0)
    monkeypatch.setattr(tiles, "SMALLEST", 16)
    monkeypatch.setattr(tiles, "LARGEST", 16)
    return None


def programmed(f: Callable[..., Any], *args: Any) -> Program:
    with np.errstate(all="ignore"):
        program: Program = fg.make_program(f)(*args)
    return forward(program, exact=True, fast_math=False)[0]


def clusters(program: Program, *, exact: bool = False, threads: int = 1) -> Program:
    return over_program(program, Context(exact=exact, threads=threads), REGIONS)


def count_of(program: Program) -> int:
    """Number of clusters."""
    return sum(equation.primitive is TILES for equation in program.equations)


def written(program: Program) -> Callable[..., tuple[Any, ...]]:
    """The function that is written for a program; without passes over regions."""
    names = Names()
    scope = JitScope(names)
    name = names.fresh("compiled")
    emitted = emit(
        name,
        [program],
        Writer(scope, names),
        lambda _path, texts: f"({', '.join(texts)}{',' if texts else ''})",
        lambda guard: f"raise ValueError({guard.kind!r})",
    )
    run: Callable[..., tuple[Any, ...]] = load(emitted.text, name, scope.namespace)
    return run
