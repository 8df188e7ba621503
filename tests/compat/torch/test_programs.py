"""Short programs print with the layer what they print with PyTorch."""

from typing import Any

import pytest

import funcgrad.compat.torch as torch_layer
from tests.compat.torch.snippets import FAMILIES, Program, assert_same, programs_of, recorded, run

CASES = [
    pytest.param(family, program, id=f"{family}: {program.name}")
    for family in FAMILIES
    for program in programs_of(family)
]
FILES: dict[str, Any] = {family: recorded(family) for family in FAMILIES}
RECORDED: dict[str, Any] = {family: FILES[family]["programs"] for family in FAMILIES}


@pytest.mark.parametrize(("family", "program"), CASES)
def test_program_shows_what_was_recorded_with_torch(family: str, program: Program) -> None:
    wanted = RECORDED[family][program.name]
    assert wanted, "a program that shows nothing checks nothing"
    assert_same(run(torch_layer, program), wanted, program.tolerance)


@pytest.mark.oracle
@pytest.mark.parametrize(("family", "program"), CASES)
def test_program_shows_with_torch_what_was_recorded(family: str, program: Program) -> None:
    torch = pytest.importorskip("torch")
    if torch.__version__.split("+")[0] != FILES[family]["torch"]:
        pytest.skip("another version of PyTorch is installed")
    torch.set_num_threads(1)
    assert_same(run(torch, program), RECORDED[family][program.name], program.tolerance)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_recorded_program_is_still_there(family: str) -> None:
    assert list(RECORDED[family]) == [program.name for program in programs_of(family)]
