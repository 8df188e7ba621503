"""Programs about making, converting and showing tensors, and what PyTorch makes of them.

`python -m tests.compat.torch.front_cases --record` writes `tests/data/torch_front.json`; without
the flag it prints where PyTorch and the layer differ. Both need PyTorch.

A program is a line of statements, and its outcome a text: of the value of its last expression, with
type and shape where that is a tensor, followed by the warnings met; or type and words of an error.
"""

import ast
import copy
import json
import math
import pickle
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["CASES", "RECORDED", "outcome", "programs", "recorded", "shortened"]

RECORDED = Path(__file__).resolve().parents[2] / "data" / "torch_front.json"
ADDRESS = re.compile(r"0x[0-9a-f]+")


def read_programs() -> dict[str, list[str]]:
    """Programs by subject; a backslash and an n for the end of a line."""
    found: dict[str, list[str]] = {}
    text = Path(__file__).with_name("front_programs.txt").read_text(encoding="utf-8")
    for line in filter(None, text.splitlines()):
        if line.startswith("["):
            lines = found[line.strip("[]")] = []
        else:
            lines.append(line.replace("\\n", "\n"))
    return found


CASES = read_programs()

NAMES: dict[str, Any] = {"np": np, "math": math, "copy": copy, "pickle": pickle}


def described(value: Any) -> str:
    """A value as text; tensors with what their text leaves out."""
    if isinstance(value, tuple) and type(value) is tuple:
        return f"({', '.join(map(described, value))})"
    if isinstance(value, list):
        return f"[{', '.join(map(described, value))}]"
    if type(value).__name__ in ("Tensor", "Parameter"):
        text = f"{value!r} {value.dtype} {tuple(value.shape)} {value.requires_grad}"
        if value.device.type == "cpu" and value.numel() <= 200:
            text += f" {value.detach().to(value.dtype, copy=True).tolist()}"
        return text
    if isinstance(value, np.ndarray):
        return f"{value!r} {value.dtype} {value.shape}"
    return ADDRESS.sub("0x", f"{value!r}" if not isinstance(value, type) else str(value))


def outcome(torch: Any, program: str) -> str:
    """What a program gives, as text."""
    tree = ast.parse(program)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    names = NAMES | {"torch": torch}
    with resolved(torch), warnings.catch_warnings(record=True) as met:
        warnings.simplefilter("always")
        torch.set_warn_always(True)  # PyTorch gives some warnings once a process
        try:
            exec(compile(tree, "<program>", "exec"), names)
            value = None
            if last is not None:
                value = eval(compile(ast.Expression(last.value), "<program>", "eval"), names)
            text = described(value)
        except Exception as error:  # noqa: BLE001  # it is the outcome
            text = f"{type(error).__name__}: {str(error).strip()}"
        finally:
            torch.set_warn_always(False)
            torch.set_default_dtype(torch.float32)
            torch.use_deterministic_algorithms(False)
            torch.set_printoptions(profile="default", sci_mode=None)
    kinds = sorted({item.category.__name__ for item in met} - {"DeprecationWarning"})
    return ADDRESS.sub("0x", text) + (f" [{', '.join(kinds)}]" if kinds else "")


@contextmanager
def resolved(torch: Any) -> Iterator[None]:
    """While it lasts, `import torch` finds this one."""
    modules = {name: module for name, module in sys.modules.items() if is_torch(name)}
    if modules.get("torch") is torch:
        yield
        return
    for name in modules:
        del sys.modules[name]
    torch.install()
    try:
        yield
    finally:
        for name in [name for name in sys.modules if is_torch(name)]:
            del sys.modules[name]
        sys.modules.update(modules)


def is_torch(name: str) -> bool:
    return name == "torch" or name.startswith("torch.")


CUTS = ("\n", " - got", ". ", ", but expected", "  (Could", " (/")


def shortened(text: str) -> str:
    """An outcome as it is compared: of an error its type and the first clause of its message."""
    if not ERROR.match(text):
        return text
    text = text.split(" [")[0] if text.endswith("Warning]") else text
    return min((text.partition(cut)[0] for cut in CUTS), key=len).rstrip(".")


ERROR = re.compile(r"\w+(Error|Exception): ")


def recorded() -> dict[str, str]:
    """What PyTorch gave, by program."""
    found: dict[str, str] = json.loads(RECORDED.read_text(encoding="utf-8"))["outcomes"]
    return found


def programs() -> Iterator[str]:
    """Every program."""
    for lines in CASES.values():
        yield from lines


def main() -> None:
    """Record, or compare."""
    import torch  # noqa: PLC0415  # only to record

    if "--record" in sys.argv:
        found = {program: outcome(torch, program) for program in programs()}
        text = json.dumps({"torch": torch.__version__, "outcomes": found}, indent=0)
        RECORDED.write_text(text + "\n", encoding="utf-8")
        return
    import funcgrad.compat.torch as layer  # noqa: PLC0415  # only to compare

    equal = total = 0
    for program in programs():
        total += 1
        theirs, ours = outcome(torch, program), outcome(layer, program)
        if shortened(theirs) == shortened(ours):
            equal += 1
            continue
        print(f"{program}\n    torch {theirs[:400]}\n    layer {ours[:400]}")
    print(f"{equal} of {total} equal")


if __name__ == "__main__":
    main()
