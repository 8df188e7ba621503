"""Expressions of `torch.nn.functional` evaluated with the layer or with PyTorch, and recorded.

An expression makes its tensors with `R(...)` (values on [-2, 2], requires grad), `P(...)` (on
[0.1, 0.9], requires grad), `C(...)` and `Q(...)` (the same without grad), `I(high, ...)` (int64).
The values depend on the text of the expression and on the order in it only.

`python tests/compat/torch/nn/cases.py` evaluates the expressions of the data file with PyTorch and
writes what it finds. A new expression is a new key in that file, with `null`.
"""

import json
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["DATA", "evaluate", "fault"]

DATA = Path(__file__).parents[3] / "data" / "torch_nn_functional.json"
"""`{"torch": version, "cases": …, "random": …, "graphless": …, "errors": …}`.

The last four are `{expression: what was found}`: `random` draws numbers, which not every processor
draws alike; of `graphless` PyTorch makes another graph; `errors` raise.
"""


class _Tensors:
    """Makes the tensors of an expression, and remembers those that require grad."""

    def __init__(self, torch: Any, expression: str) -> None:
        self.torch = torch
        self.numbers = np.random.default_rng(zlib.crc32(expression.encode()))
        self.leaves: list[Any] = []

    def _made(self, shape: tuple[int, ...], low: float, high: float) -> Any:
        values = np.round(self.numbers.uniform(low, high, shape), 3)
        made = self.torch.tensor(values.tolist(), dtype=self.torch.float32)
        return made if made.shape == shape else made.reshape(shape)

    def constant(self, *shape: int) -> Any:
        return self._made(shape, -2.0, 2.0)

    def probability(self, *shape: int) -> Any:
        return self._made(shape, 0.1, 0.9)

    def leaf(self, make: Callable[..., Any]) -> Callable[..., Any]:
        def made(*shape: int) -> Any:
            tensor = make(*shape).requires_grad_()
            self.leaves.append(tensor)
            return tensor

        return made

    def whole(self, high: int, *shape: int) -> Any:
        values = self.numbers.integers(0, high, shape)
        made = self.torch.tensor(values.tolist(), dtype=self.torch.int64)
        return made if made.shape == shape else made.reshape(shape)

    def names(self) -> dict[str, Any]:
        return {
            "torch": self.torch,
            "F": self.torch.nn.functional,
            "R": self.leaf(self.constant),
            "P": self.leaf(self.probability),
            "C": self.constant,
            "Q": self.probability,
            "I": self.whole,
        }


def chain(node: Any, depth: int = 4) -> str:
    """Names of a node and of those behind it."""
    if node is None:
        return "None"
    name = node.name().removeprefix("torch::autograd::")
    if not node.next_functions or not depth:
        return str(name)
    return f"{name}({', '.join(chain(one, depth - 1) for one, _ in node.next_functions)})"


def listed_values(tensor: Any) -> Any:
    """Values of a tensor as a flat list, with as few digits as its type needs."""
    if tensor is None:
        return None
    values = tensor.detach().reshape(-1).tolist()
    if str(tensor.dtype) != "torch.float32":
        return values
    return [float(str(np.float32(value))) for value in values]


def evaluate(torch: Any, expression: str) -> dict[str, Any]:
    """Value, type, shape, graph, warnings and gradients of an expression."""
    tensors = _Tensors(torch, expression)
    torch.manual_seed(zlib.crc32(expression.encode()))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = eval(expression, tensors.names())  # the tables above
    found: dict[str, Any] = {
        "values": listed_values(result),
        "dtype": str(result.dtype),
        "shape": list(result.shape),
        "graph": chain(result.grad_fn),
        "warnings": [str(one.message).splitlines()[0] for one in caught],
    }
    if result.requires_grad:
        weights = np.random.default_rng(1).uniform(0.5, 1.5, list(result.shape)).round(3)
        gradient = torch.tensor(weights.tolist(), dtype=result.dtype).reshape(tuple(result.shape))
        result.backward(gradient)
        found["grads"] = [listed_values(leaf.grad) for leaf in tensors.leaves]
    return found


def fault(torch: Any, expression: str) -> list[str]:
    """Type and first line of what an expression raises."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            eval(expression, _Tensors(torch, expression).names())  # the tables above
    except Exception as error:  # noqa: BLE001  # whatever it is, it is compared
        return [type(error).__name__, str(error).splitlines()[0]]
    return ["", ""]


def _record() -> None:
    import torch  # noqa: PLC0415  # needed for recording only

    torch.set_num_threads(1)
    tables = json.loads(DATA.read_text())
    tables["torch"] = torch.__version__.split("+")[0]
    for name in ("cases", "random", "graphless"):
        tables[name] = {case: evaluate(torch, case) for case in tables[name]}
    tables["errors"] = {case: fault(torch, case) for case in tables["errors"]}
    lines = []
    for name, found in tables.items():
        if isinstance(found, str):
            lines.append(f"{json.dumps(name)}: {json.dumps(found)}")
            continue
        rows = ",\n".join(f"{json.dumps(key)}: {json.dumps(row)}" for key, row in found.items())
        lines.append(f"{json.dumps(name)}: {{\n{rows}\n}}")
    DATA.write_text("{" + ",\n".join(lines) + "}\n")


if __name__ == "__main__":
    _record()
