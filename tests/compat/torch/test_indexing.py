"""Programs about indices give what PyTorch gives: values, types, nodes, gradients and errors."""

import json
import warnings

import pytest

import funcgrad.compat.torch as layer
from tests.compat.torch.shape_cases import INDEXING, RECORDED, difference, outcome

OUTCOMES = json.loads(RECORDED.read_text())["outcomes"]


@pytest.mark.parametrize("program", INDEXING)
def test_program_gives_what_was_recorded_from_pytorch(program: str) -> None:
    assert difference(outcome(layer, program), OUTCOMES[program]) == ""


def test_recorded_outcomes_are_those_of_the_installed_pytorch() -> None:
    torch = pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        changed = {
            program: found
            for program in INDEXING
            if (found := difference(outcome(torch, program), OUTCOMES[program]))
        }
    assert not changed
