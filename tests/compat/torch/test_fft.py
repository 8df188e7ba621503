"""Fourier transforms give what PyTorch gives: values, types, nodes, gradients and errors."""

import itertools
import json
import warnings

import pytest

import funcgrad.compat.torch as layer
from tests.compat.torch.matrix_cases import FOURIER, RECORDED, difference, outcome

OUTCOMES = json.loads(RECORDED.read_text())["outcomes"]


@pytest.mark.parametrize("expression", FOURIER)
def test_expression_gives_what_was_recorded_from_pytorch(expression: str) -> None:
    assert difference(outcome(layer, expression), OUTCOMES[expression]) == ""


@pytest.mark.oracle
def test_recorded_outcomes_are_those_of_the_installed_pytorch() -> None:
    torch = pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        changed = {
            expression: found
            for expression in FOURIER
            if (found := difference(outcome(torch, expression), OUTCOMES[expression]))
        }
    assert not changed


REAL, COMPLEX, BOTH = ("d", "h"), ("zd", "z"), ("d", "zd")
ALONG = {"fft": BOTH, "ifft": BOTH, "rfft": REAL, "irfft": BOTH, "hfft": COMPLEX, "ihfft": REAL}
ACROSS = {
    "fft2": BOTH, "ifft2": BOTH, "rfft2": REAL, "irfft2": COMPLEX, "hfft2": COMPLEX,
    "ihfft2": REAL, "fftn": BOTH, "ifftn": BOTH, "rfftn": REAL, "irfftn": COMPLEX,
    "hfftn": COMPLEX, "ihfftn": REAL,
}  # fmt: skip
NORMS = ("None", "'backward'", "'ortho'", "'forward'")


def grid(name: str) -> list[str]:
    """Calls of one function with several lengths and axes, and every factor in turn."""
    sizes = [
        ("None", "(0,1)"), ("None", "(1,0)"), ("(2,5)", "(0,1)"), ("(-1,3)", "(-1,0)"),
        ("(4,)", "(0,)"), ("(4,)", "-1"), ("None", "(0,0)"), ("(2,)", "(0,1)"),
    ]  # fmt: skip
    if name in ALONG:
        sizes = [*itertools.product(("None", "1", "2", "5"), ("0", "-1"))]
    leaves = ALONG.get(name) or ACROSS[name]
    places = itertools.product(leaves, sizes)
    norms = (NORMS[(i + i // 4) % 4] for i in itertools.count())
    return [
        f"torch.fft.{name}({leaf},{n},{dim},{norm})"
        for (leaf, (n, dim)), norm in zip(places, norms, strict=False)
    ]


@pytest.mark.oracle
@pytest.mark.parametrize("name", [*ALONG, *ACROSS])
def test_factors_lengths_and_axes_give_what_the_installed_pytorch_gives(name: str) -> None:
    torch = pytest.importorskip("torch")
    found = {one: difference(outcome(layer, one), outcome(torch, one)) for one in grid(name)}
    assert not {one: what for one, what in found.items() if what}


@pytest.mark.oracle
def test_every_public_name_of_pytorch_is_there() -> None:
    torch = pytest.importorskip("torch")
    names = {name for name in dir(torch.fft) if callable(getattr(torch.fft, name))} - {"Tensor"}
    names = {name for name in names if not name.startswith("_")}
    assert len(names) >= 22
    assert not {name for name in names if not hasattr(layer.fft, name)}
