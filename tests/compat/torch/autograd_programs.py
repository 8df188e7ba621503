"""Programs on gradients, with what PyTorch 2.13 makes of each: values, types, graphs or errors.

The programs stand in tests/data/torch_autograd.json, by subject. Each leaves its result in `out`.
`python -m tests.compat.torch.autograd_programs`, where PyTorch is installed, records them anew.
"""

import importlib
import json
import re
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["DATA", "PROGRAMS", "difference", "outcome"]

DATA = Path(__file__).resolve().parents[2] / "data" / "torch_autograd.json"
PROGRAMS: dict[str, list[dict[str, Any]]] = json.loads(DATA.read_text(encoding="utf-8"))["programs"]

SHARED_WORDS = 0.6
"""Share of the words of PyTorch's message that ours must have, too."""


def outcome(torch: Any, program: str) -> Any:
    """What a program leaves in `out`, or the error it ends with, as JSON."""
    names: dict[str, Any] = {"torch": torch, "__name__": "program"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exec(compile(program, "<program>", "exec"), names)
        except Exception as error:  # noqa: BLE001  # whatever a program raises is its outcome
            return {"error": type(error).__name__, "message": str(error)}
    return described(torch, names.get("out"))


def described(torch: Any, value: Any) -> Any:
    """A result as JSON."""
    if isinstance(value, torch.Tensor):
        array = np.asarray(value.detach().numpy())
        flat = array.reshape(-1)
        node = value.grad_fn
        return {
            "dtype": str(value.dtype),
            "shape": list(value.shape),
            "real": [float(x) for x in flat.real],
            "imag": [float(x) for x in flat.imag] if np.iscomplexobj(flat) else [],
            "requires_grad": bool(value.requires_grad),
            "node": None if node is None else type(node).__name__,
        }
    if isinstance(value, dict):
        return {"dict": [[key, described(torch, item)] for key, item in value.items()]}
    if isinstance(value, tuple | list):
        return {type(value).__name__: [described(torch, item) for item in value]}
    if isinstance(value, int | float | str | bool | type(None)):
        return value
    return {"type": type(value).__name__}


def words(text: str) -> set[str]:
    """The words of a message, without the values of tensors."""
    return set(re.findall(r"[A-Za-z_]{3,}", text))


def difference(found: Any, wanted: Any, *, nodes: bool = True) -> str:
    """What is not as it should be; empty if nothing."""
    if isinstance(wanted, dict) and "error" in wanted:
        if not isinstance(found, dict) or found.get("error") != wanted["error"]:
            return f"{found} in place of {wanted}"
        expected = words(wanted["message"])
        shared = len(expected & words(found["message"]))
        if shared < SHARED_WORDS * len(expected):
            return f"{found['message']!r} in place of {wanted['message']!r}"
        return ""
    if isinstance(wanted, dict) and "dtype" in wanted:
        return _tensor_difference(found, wanted, nodes)
    if isinstance(wanted, dict):
        if not isinstance(found, dict) or found.keys() != wanted.keys():
            return f"{found} in place of {wanted}"
        return "".join(difference(found[key], wanted[key], nodes=nodes) for key in wanted)
    if isinstance(wanted, list):
        if not isinstance(found, list) or len(found) != len(wanted):
            return f"{found} in place of {wanted}"
        pairs = zip(found, wanted, strict=True)
        return "".join(difference(one, other, nodes=nodes) for one, other in pairs)
    if isinstance(wanted, float) and isinstance(found, float):
        return "" if np.isclose(found, wanted, 1e-5, 1e-6, equal_nan=True) else f"{found}"
    return "" if found == wanted else f"{found} in place of {wanted}"


def _tensor_difference(found: Any, wanted: dict[str, Any], nodes: bool) -> str:
    if not isinstance(found, dict) or "dtype" not in found:
        return f"{found} in place of {wanted}"
    exact = ["dtype", "shape", "requires_grad", *(["node"] if nodes else [])]
    for key in exact:
        if found[key] != wanted[key]:
            return f"{key} is {found[key]} in place of {wanted[key]}"
    for key in ("real", "imag"):  # float32 sums may be added in another order
        if not np.allclose(found[key], wanted[key], 2e-5, 1e-6, equal_nan=True):
            return f"{key} is {found[key]} in place of {wanted[key]}"
    return ""


def main() -> None:
    """Record what the installed PyTorch makes of the programs."""
    torch = importlib.import_module("torch")
    for entries in PROGRAMS.values():
        for entry in entries:
            entry["outcome"] = outcome(torch, "\n".join(entry["program"]))
    line = ",\n"
    subjects = [
        f"{json.dumps(subject)}: [\n{line.join(map(json.dumps, entries))}\n]"
        for subject, entries in PROGRAMS.items()
    ]
    version = json.dumps(torch.__version__.split("+")[0])
    whole = f'{{"torch": {version}, "programs": {{\n{line.join(subjects)}\n}}}}\n'
    DATA.write_text(whole, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
