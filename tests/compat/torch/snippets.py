"""Short programs run with the layer and with PyTorch: what they show must be the same.

A program is a block of a file in `programs/`, begun by a line `### its name`. It sees `torch`,
`nn`, `F`, `optim`, `np`, and `show(...)`, which notes what it is given: tensors by type, shape and
values, everything else by its text. An error that a program raises is shown last.
`C(2, 3)` makes float32 numbers on [-2, 2] that depend on the program's name only, `R` the same with
`requires_grad`, `D` float64 numbers, `P` float32 numbers on [0.1, 0.9], `I(high, 2, 3)` int64
numbers below `high`. `compiled(f)` is `torch.compile(f, backend="eager")`.
`torch.manual_seed(0)` has been called.

`### name ~ 1e-4: reason` allows a larger error than `TOLERANCE` (relative to the largest value of
the tensor), for the reason given.

`python -m tests.compat.torch.snippets FAMILY...` runs the programs of families with PyTorch and
writes what they show to `tests/data/torch_programs_<family>.json`.
"""

import importlib
import json
import sys
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

__all__ = ["FAMILIES", "Program", "assert_same", "programs_of", "recorded", "run"]

HERE = Path(__file__).parent / "programs"
DATA = Path(__file__).parents[2] / "data"
FAMILIES = sorted(path.stem for path in HERE.glob("*.txt"))

TOLERANCE = {"float64": 1e-9, "complex128": 1e-9, "float16": 2e-3, "bfloat16": 2e-2}
"""Relative to the largest value of a tensor: sums are added in another order than PyTorch's."""

SINGLE = 3e-6
"""The same for every other type."""

MANY = 48
"""Of longer tensors the first and last values and two sums are kept."""


class Program(NamedTuple):
    """A program: its name, its text, and the error it is allowed (0: the usual one)."""

    name: str
    source: str
    tolerance: float


def programs_of(family: str) -> list[Program]:
    """The programs of a file, in order."""
    found = []
    for block in (HERE / f"{family}.txt").read_text().split("\n### "):
        title, _, source = block.removeprefix("### ").partition("\n")
        name, _, allowed = title.partition(" ~ ")
        if source.strip():
            number, _, reason = allowed.partition(":")
            assert bool(number) == bool(reason.strip()), f"{name}: a tolerance needs a reason"
            assert "from torch" not in source, f"{name}: torch is given; do not import it"
            assert "import torch" not in source, f"{name}: torch is given; do not import it"
            found.append(Program(name.strip(), source, float(number or 0)))
    names = [one.name for one in found]
    assert len(set(names)) == len(names), f"{family}: two programs have one name"
    return found


class _Numbers:
    """The makers of tensors that a program sees."""

    def __init__(self, torch: Any, name: str) -> None:
        self.torch = torch
        self.numbers = np.random.default_rng(zlib.crc32(name.encode()))

    def made(self, low: float, high: float, kind: str) -> Callable[..., Any]:
        def make(*shape: int) -> Any:
            values = np.round(self.numbers.uniform(low, high, shape), 3)
            return self.torch.tensor(values.tolist(), dtype=getattr(self.torch, kind)).reshape(
                shape
            )

        return make

    def traced(self, *shape: int) -> Any:
        return self.made(-2.0, 2.0, "float32")(*shape).requires_grad_()

    def whole(self, high: int, *shape: int) -> Any:
        values = self.numbers.integers(0, high, shape)
        return self.torch.tensor(values.tolist(), dtype=self.torch.int64).reshape(shape)


def run(torch: Any, program: Program) -> list[Any]:
    """What a program shows, as JSON values."""
    shown: list[Any] = []
    for late in ("nn.utils.prune", "utils.benchmark"):  # PyTorch itself imports them late
        importlib.import_module(f"{torch.__name__}.{late}")
    numbers = _Numbers(torch, program.name)
    names = {
        "torch": torch, "nn": torch.nn, "F": torch.nn.functional, "np": np,
        "optim": getattr(torch, "optim", None),
        "C": numbers.made(-2.0, 2.0, "float32"), "D": numbers.made(-2.0, 2.0, "float64"),
        "P": numbers.made(0.1, 0.9, "float32"), "R": numbers.traced, "I": numbers.whole,
        "compiled": lambda model: torch.compile(model, backend="eager"),
        "show": lambda *things: shown.extend(_described(torch, one) for one in things),
        "__name__": "__main__",
    }  # fmt: skip
    torch.manual_seed(0)
    if "compile" in program.source:
        torch._dynamo.reset()  # what was compiled of a class counts for the programs after it
    # PyTorch's own test tools, which other tests import, switch this off for the whole process.
    torch.distributions.Distribution.set_default_validate_args(True)
    default = torch.get_default_dtype()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", ".* encountered in ", RuntimeWarning)  # as the layer does
        try:
            exec(compile(program.source, program.name, "exec"), names)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is compared
            text = (str(error).splitlines() or [""])[0]
            shown.append({"error": type(error).__name__, "message": text})
        finally:
            torch.set_default_dtype(default)  # a program may choose another
    lines = [
        f"{one.category.__name__}: {str(one.message).strip().splitlines()[0]}"
        for one in caught
        if "torch.jit" not in str(one.message)  # which PyTorch itself uses
    ]
    return [*shown, {"warnings": lines}] if lines else shown


def _described(torch: Any, thing: Any) -> Any:
    if isinstance(thing, torch.Tensor):
        values = thing.detach().resolve_conj().reshape(-1).tolist()
        found: dict[str, Any] = {
            "tensor": str(thing.dtype).removeprefix("torch."),
            "shape": list(thing.shape),
            "requires_grad": thing.requires_grad,
        }
        if len(values) > MANY:
            numbers = np.array(values, complex if isinstance(values[0], complex) else float)
            weights = np.cos(np.arange(len(values)))
            found["sums"] = _plain([numbers.sum(), np.abs(numbers).sum(), numbers @ weights])
            values = [*values[: MANY // 2], *values[-MANY // 2 :]]
        found["values"] = _plain(values)
        return found
    if isinstance(thing, dict):
        return {"items": [[_described(torch, k), _described(torch, v)] for k, v in thing.items()]}
    if isinstance(thing, list | tuple):
        return [_described(torch, one) for one in thing]
    if isinstance(thing, np.ndarray):
        return {"array": str(thing.dtype), "shape": list(thing.shape),
                "values": _plain(thing.reshape(-1).tolist())}  # fmt: skip
    if isinstance(thing, float):
        return {"float": thing}
    if isinstance(thing, str):
        thing = thing.replace("funcgrad.compat.torch.", "torch.")  # where the classes stand
        return {"text": thing.splitlines()} if "\n" in thing else thing
    return thing if thing is None or isinstance(thing, bool | int) else repr(thing)


def _plain(values: Any) -> list[Any]:
    """Numbers without complex ones: pairs."""
    return [[one.real, one.imag] if isinstance(one, complex) else one for one in values]


def assert_same(found: Any, wanted: Any, tolerance: float, where: str = "shown") -> None:
    """Assert that two descriptions agree: numbers up to rounding, everything else exactly."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        assert list(found) == list(wanted), where
        kind = (
            wanted.get("tensor") or wanted.get("array") or ("float64" if "float" in wanted else "")
        )
        largest = max(_numbers(wanted.get("values", ())), default=0.0)
        error = tolerance or TOLERANCE.get(kind, SINGLE)
        for key, value in wanted.items():
            at = f"{where}[{key!r}]"
            if key in ("values", "float", "sums"):
                scale = max(wanted["sums"][1] if key == "sums" else largest, 1e-3)
                _assert_near(found[key], value, error, scale, at)
            else:
                assert_same(found[key], value, tolerance, at)
    elif isinstance(wanted, list) and isinstance(found, list):
        assert len(found) == len(wanted), f"{where}: {found} instead of {wanted}"
        for i, (one, other) in enumerate(zip(found, wanted, strict=True)):
            assert_same(one, other, tolerance, f"{where}[{i}]")
    else:
        assert found == wanted, where


def _numbers(values: Any) -> Iterator[float]:
    for one in values:
        if isinstance(one, list):
            yield from _numbers(one)
        elif abs(one) < np.inf:
            yield abs(float(one))


def _assert_near(found: Any, wanted: Any, error: float, scale: float, where: str) -> None:
    a, b = np.asarray(found), np.asarray(wanted)
    assert a.shape == b.shape, where
    if b.dtype.kind in "fc" or a.dtype.kind in "fc":
        np.testing.assert_allclose(a, b, rtol=error, atol=error * scale, err_msg=where)
    else:
        np.testing.assert_array_equal(a, b, err_msg=where)


def recorded(family: str) -> dict[str, Any]:
    """What the programs of a family showed with PyTorch, and its version."""
    return json.loads((DATA / f"torch_programs_{family}.json").read_text())  # type: ignore[no-any-return]


def _record(families: list[str]) -> None:
    import torch  # noqa: PLC0415  # needed for recording only

    torch.set_num_threads(1)
    for family in families:
        lines = [
            f"{json.dumps(one.name)}: {json.dumps(run(torch, one))}" for one in programs_of(family)
        ]
        version = torch.__version__.split("+")[0]
        text = f'{{"torch": "{version}", "programs": {{\n' + ",\n".join(lines) + "\n}}\n"
        (DATA / f"torch_programs_{family}.json").write_text(text)
        print(f"{family}: {len(lines)} programs")


if __name__ == "__main__":
    _record(sys.argv[1:] or FAMILIES)
