"""Programs about shapes, indices and writes in place, and what PyTorch makes of them.

``python -m tests.compat.torch.shape_cases --record`` writes ``tests/data/torch_shapes.json``;
without the flag it prints where PyTorch and the layer differ. Both need PyTorch.

A program is a line of statements; the value of the last one is the result. It sees `torch` and the
tensors of `inputs`. Compared are type, shape and values of the results, the nodes behind them, and
the gradients of a weighted sum of the results by the leaves; or type and words of an error.
"""

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from tests.compat.torch.index_programs import INDEXING, INPLACE
from tests.compat.torch.shape_programs import SHAPES

__all__ = ["INDEXING", "INPLACE", "RECORDED", "SHAPES", "difference", "outcome"]

RECORDED = Path(__file__).resolve().parents[2] / "data" / "torch_shapes.json"
DEPTH = 6


def inputs(torch: Any) -> dict[str, Any]:
    """Leaves v, w (3), m (3, 4), b (2, 3, 4), e (0, 3), z (), s (1, 3, 1), q (3, 3), c (2, 2).

    Beside them y = 2 m, u = 2 v, tensors of indices, and `twice` for second derivatives.
    """

    def leaf(*shape: int, start: float = 1.0) -> Any:
        count = int(np.prod(shape))
        values = np.round(np.sin(start + 1.3 * np.arange(count)) * 3, 2).reshape(shape)
        return torch.tensor(values.tolist(), dtype=torch.float64).reshape(shape).requires_grad_()

    found = {
        "v": leaf(3), "w": leaf(3, start=2.0), "m": leaf(3, 4, start=3.0),
        "b": leaf(2, 3, 4, start=4.0), "e": leaf(0, 3), "z": leaf(start=6.0),
        "s": leaf(1, 3, 1, start=7.0), "q": leaf(3, 3, start=8.0),
        "c": torch.tensor([[1 + 2j, 3 - 1j], [0.5j, -2 + 0j]], dtype=torch.complex128),
    }  # fmt: skip
    found["c"].requires_grad_()
    found["y"] = found["m"] * 2
    found["u"] = found["v"] * 2
    found["i"] = torch.tensor([0, 2])
    found["j"] = torch.tensor([[0, 1], [2, 2]])
    found["k"] = torch.tensor([True, False, True])
    found["n"] = torch.arange(12).reshape(3, 4)
    found["f"] = torch.tensor([1.5, -2.0, 0.25])
    found["g"] = torch.tensor([[0, 1, 2, 0], [2, 0, 0, 1]])

    def twice(out: Any, *leaves: Any) -> Any:
        """Gradients of the squares of the gradient of out³."""
        (first,) = torch.autograd.grad((out**3).sum(), leaves[0], create_graph=True)
        return torch.autograd.grad((first**2).sum(), leaves)

    found["twice"] = twice
    return found


def chain(node: Any, depth: int = DEPTH) -> str:
    """The nodes behind a result, as text."""
    if node is None:
        return "None"
    name = type(node).__name__
    if name == "AccumulateGrad" or not depth:
        return name
    return (
        f"{name}({', '.join(chain(following, depth - 1) for following, _ in node.next_functions)})"
    )


def plain(value: Any) -> Any:
    """Values as JSON holds them."""
    array = np.asarray(value)
    if array.dtype.kind == "c":
        return [array.real.tolist(), array.imag.tolist()]
    return array.tolist()


def flat(value: Any) -> list[Any]:
    """The results in nested tuples."""
    if isinstance(value, tuple | list) and not hasattr(value, "numel"):
        return [item for part in value for item in flat(part)]
    return [value]


def weights(shape: tuple[int, ...], kind: Any, torch: Any) -> Any:
    """Cotangents 1, 2, 3, ..."""
    count = int(np.prod(shape))
    return torch.arange(1, count + 1).reshape(shape).to(kind)


def outcome(torch: Any, program: str) -> Any:
    """What a program gives, as JSON holds it."""
    space = inputs(torch)
    tensors = {name: t for name, t in space.items() if isinstance(t, torch.Tensor)}
    leaves = {name: t for name, t in tensors.items() if t.requires_grad and t.is_leaf}
    *statements, last = program.split("; ")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exec("\n".join(statements), {"torch": torch}, space)  # our own programs
            try:
                value = eval(last, {"torch": torch}, space)  # as above
            except SyntaxError:
                exec(last, {"torch": torch}, space)  # as above
                value = ()
            results = [
                described(torch, item) if isinstance(item, torch.Tensor) else repr(item)
                for item in flat(value)
            ]
            roots = [t for t in flat(value) if isinstance(t, torch.Tensor) and t.requires_grad]
            for root in roots:
                root.backward(weights(tuple(root.shape), root.dtype, torch), retain_graph=True)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is the outcome
            return {"error": type(error).__name__, "text": str(error).split("\n")[0]}
    grads = {
        name: plain(t.grad.detach().resolve_conj().numpy())
        for name, t in leaves.items()
        if t.grad is not None
    }
    return {"results": results, "grads": grads}


def described(torch: Any, tensor: Any) -> dict[str, Any]:
    """Type, shape, values and nodes of a tensor."""
    return {
        "dtype": str(tensor.dtype),
        "shape": list(tensor.shape),
        "values": plain(tensor.detach().resolve_conj().numpy()),
        "nodes": chain(tensor.grad_fn),
    }


def same_numbers(a: Any, b: Any) -> bool:
    """Whether nested lists of numbers agree to rounding."""
    x, y = np.asarray(a), np.asarray(b)
    return x.shape == y.shape and bool(np.allclose(x, y, rtol=1e-12, atol=1e-12, equal_nan=True))


def difference(ours: Any, theirs: Any) -> str:
    """How two outcomes differ; "" if they do not."""
    if "error" in ours or "error" in theirs:
        return "" if ours == theirs else f"{ours} != {theirs}"
    if len(ours["results"]) != len(theirs["results"]):
        return f"{ours} != {theirs}"
    for a, b in zip(ours["results"], theirs["results"], strict=True):
        if isinstance(a, str) or isinstance(b, str):
            if a != b:
                return f"{a} != {b}"
            continue
        for key in ("dtype", "shape", "nodes"):
            if a[key] != b[key]:
                return f"{key}: {a[key]} != {b[key]}"
        if not same_numbers(a["values"], b["values"]):
            return f"values: {a['values']} != {b['values']}"
    if sorted(ours["grads"]) != sorted(theirs["grads"]):
        return f"gradients of {sorted(ours['grads'])} != {sorted(theirs['grads'])}"
    for name, grad in ours["grads"].items():
        if not same_numbers(grad, theirs["grads"][name]):
            return f"gradient of {name}: {grad} != {theirs['grads'][name]}"
    return ""


def main() -> None:
    """Compare, or record."""
    import torch  # noqa: PLC0415  # needed for this alone

    programs = [*SHAPES, *INDEXING, *INPLACE]
    if "--record" in sys.argv:
        found = {program: outcome(torch, program) for program in programs}
        recorded = {"torch": torch.__version__.split("+")[0], "outcomes": found}
        RECORDED.write_text(json.dumps(recorded, indent=0) + "\n")
        return
    import funcgrad.compat.torch as layer  # noqa: PLC0415  # as above

    wrong = 0
    for program in programs:
        found = difference(outcome(layer, program), outcome(torch, program))
        if found:
            wrong += 1
            print(f"{program}\n    {found}")
    print(f"{len(programs) - wrong} of {len(programs)} agree")


if __name__ == "__main__":
    main()
