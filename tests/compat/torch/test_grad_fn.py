"""The graphs behind 479 expressions, by the names of their nodes, beside those of PyTorch 2.13.

`python -m tests.compat.torch.test_grad_fn`, where PyTorch is installed, records them anew.
"""

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

import funcgrad.compat.torch as layer

DATA = Path(__file__).resolve().parents[2] / "data" / "torch_grad_fn.json"
RECORDED: dict[str, Any] = json.loads(DATA.read_text(encoding="utf-8"))
CHAINS: dict[str, str] = RECORDED["chains"]

DEEPEST = 6

FUSED = {
    expression: "one node stands for all steps, as PyTorch has it for nn.LSTM only"
    for expression in CHAINS
    if expression.startswith(("nn.RNN", "nn.LSTM", "nn.GRU"))
}
"""Expressions of which the graph is another one, with the reason."""


def chain(node: Any, depth: int = 0) -> str:
    """The names of a node and of those behind it, seven deep."""
    if node is None:
        return "None"
    name = type(node).__name__
    if name == "AccumulateGrad":
        return "AccGrad"
    if depth == DEEPEST:
        return name
    inner = ", ".join(chain(behind, depth + 1) for behind, _ in node.next_functions)
    return f"{name}({inner})" if inner else name


def names_of(torch: Any) -> dict[str, Any]:
    """What the expressions are made of."""
    torch.manual_seed(0)

    def R(*shape: int) -> Any:  # noqa: N802  # the name in the expressions
        return torch.randn(*shape).requires_grad_()

    v, w, v4 = R(3), R(3), R(4)
    idx = torch.tensor([0, 1])

    class MyF(torch.autograd.Function):  # type: ignore[misc]  # of the module that is passed
        @staticmethod
        def forward(_ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(_ctx: Any, ct: Any) -> Any:
            return ct * 2

    changes = {
        "add_": lambda y: y.add_(1),
        "mul_": lambda y: y.mul_(2),
        "copy": lambda y: y.copy_(w),
        "setitem": lambda y: y.__setitem__(0, 5.0),
        "setidx": lambda y: y.__setitem__(idx, w[:2]),
        "zero_": lambda y: y.zero_(),
        "fill_": lambda y: y.fill_(2.0),
        "relu_": lambda y: y.relu_(),
        "exp_": lambda y: y.exp_(),
        "clamp_": lambda y: y.clamp_(0),
        "sub_": lambda y: y.sub_(1),
        "div_": lambda y: y.div_(2),
        "neg_": lambda y: y.neg_(),
        "t_": lambda y: y.t_(),
        "unsq": lambda y: y.unsqueeze_(0),
        "viewadd": lambda y: y[0:2].add_(1),
    }

    def inpl(name: str) -> Any:
        y = v * 2
        changes[name](y)
        return y

    return {
        "torch": torch,
        "F": torch.nn.functional,
        "nn": torch.nn,
        "R": R,
        "v": v,
        "w": w,
        "v4": v4,
        "m": R(3, 4),
        "n": R(4, 5),
        "p": (torch.rand(3) + 0.5).requires_grad_(),
        "sq": R(3, 3),
        "spd": (2 * torch.eye(3)).requires_grad_(),
        "b3": R(2, 3, 4),
        "c3": R(2, 4, 5),
        "img": R(1, 1, 6, 6),
        "cx": torch.randn(3, dtype=torch.complex64).requires_grad_(),
        "idx": idx,
        "tgt": torch.tensor([0, 1, 2]),
        "msk": torch.tensor([True, False, True]),
        "inpl": inpl,
        "custom": lambda: MyF.apply(v),
    }


def chain_of(expression: str, names: dict[str, Any]) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # floor_divide, chain_matmul: deprecated, and named here
        return chain(getattr(eval(expression, names), "grad_fn", None))


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    return names_of(layer)


def rows() -> list[Any]:
    def row(expression: str) -> Any:
        reason = FUSED.get(expression)
        marks = [pytest.mark.xfail(reason=reason)] if reason else []
        return pytest.param(expression, marks=marks)

    return [row(expression) for expression in CHAINS]


@pytest.mark.parametrize("expression", rows())
def test_graph_has_the_nodes_of_pytorch(expression: str, names: dict[str, Any]) -> None:
    assert chain_of(expression, names) == CHAINS[expression]


def test_every_row_is_there_and_fused_ones_are_few() -> None:
    assert len(CHAINS) == 479
    assert len(FUSED) == 6


@pytest.mark.oracle
def test_recorded_graphs_are_those_of_the_installed_pytorch() -> None:
    torch = pytest.importorskip("torch")
    if torch.__version__.split("+")[0] != RECORDED["torch"]:
        pytest.skip("another version of PyTorch is installed")
    __import__("torch.utils.checkpoint")
    names = names_of(torch)
    assert {expression: chain_of(expression, names) for expression in CHAINS} == CHAINS


def record() -> None:
    """Write the graphs that the installed PyTorch makes."""
    import torch  # noqa: PLC0415  # only here is PyTorch needed
    import torch.utils.checkpoint  # noqa: PLC0415  # as above

    names = names_of(torch)
    found = {
        "torch": torch.__version__.split("+")[0],
        "chains": {expression: chain_of(expression, names) for expression in CHAINS},
    }
    DATA.write_text(json.dumps(found, indent=0, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    record()
