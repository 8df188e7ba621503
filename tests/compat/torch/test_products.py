"""Products give what PyTorch gives: values, types, nodes, gradients and errors."""

import json
import warnings

import pytest

import funcgrad.compat.torch as layer
from tests.compat.torch.matrix_cases import PRODUCTS, RECORDED, difference, outcome

OUTCOMES = json.loads(RECORDED.read_text())["outcomes"]


@pytest.mark.parametrize("expression", PRODUCTS)
def test_expression_gives_what_was_recorded_from_pytorch(expression: str) -> None:
    assert difference(outcome(layer, expression), OUTCOMES[expression]) == ""


@pytest.mark.oracle
def test_recorded_outcomes_are_those_of_the_installed_pytorch() -> None:
    torch = pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        changed = {
            expression: found
            for expression in PRODUCTS
            if (found := difference(outcome(torch, expression), OUTCOMES[expression]))
        }
    assert not changed
