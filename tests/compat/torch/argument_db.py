"""How many functions refuse wrong kinds of arguments as PyTorch does: type and first line.

`python -m tests.compat.torch.argument_db [names]` needs PyTorch. It calls every function of
PyTorch's operator database, as function and as method, and every module of its module database with
each of its tensors in turn replaced by what is none, in both libraries.
"""

import argparse
import collections
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

import funcgrad.compat.torch as layer
from tests.compat.torch.module_db import activation, cases, with_kind
from tests.compat.torch.op_db import translated

WRONG: dict[str, Any] = {
    "None": None,
    "array": np.ones((2, 2), np.float32),
    "list": [1.0, 2.0],
    "tuple": (1.0, 2.0),
    "text": "abc",
    "number": 3,
}
INTERNALS = ("_value", "_dtype", "_requires", "<locals>", "DType'")
"""What no message may contain."""

TURNED = frozenset({"nn.functional.embedding", "nn.functional.embedding_bag", "where"})
"""Functions whose first two arguments the database has the other way round."""

Call = tuple[list[Any], dict[str, Any]]


def outcome(function: Callable[..., Any], call: Call) -> tuple[str, str]:
    """Type and first line of the error; ("ok", "") without one."""
    try:
        function(*call[0], **call[1])
    except Exception as error:  # noqa: BLE001  # whatever it is, it is compared
        return type(error).__name__, (str(error).splitlines() or [""])[0]
    return "ok", ""


def spoiled(call: Call, torch: Any, first: int) -> Iterator[tuple[Any, str, Call]]:
    """The call with each of its tensors, from the argument `first` on, replaced by each value."""
    args, kwargs = call
    for place, value in [*list(enumerate(args))[first:], *kwargs.items()]:
        several = isinstance(value, list | tuple) and len(value) > 0
        if not isinstance(value[0] if several else value, torch.Tensor):
            continue
        for word, wrong in WRONG.items():
            if isinstance(place, int):
                yield place, word, ([*args[:place], wrong, *args[place + 1 :]], kwargs)
            else:
                yield place, word, (args, {**kwargs, place: wrong})


def compare(
    label: str, functions: Sequence[Any], call: Call, torch: Any, first: int = 0
) -> Iterator[tuple[str, str]]:
    """Verdict and line of each spoiled call."""
    theirs, ours = functions
    for place, word, bad in spoiled(call, torch, first):
        wanted = outcome(theirs, bad)
        found = outcome(ours, ([translated(x, torch) for x in bad[0]], translated(bad[1], torch)))
        verdict = "same" if wanted == found else "text" if wanted[0] == found[0] else "type"
        if found[0] == "ok" != wanted[0]:
            verdict = "accepted"
        if any(part in found[1] for part in INTERNALS):
            verdict = "internals"
        yield verdict, f"{label} {place} {word}: {': '.join(wanted)} | {': '.join(found)}"


def found_in(root: Any, name: str) -> Any:
    """The function of this name, or `None`."""
    for part in name.split("."):
        root = getattr(root, part, None)
    return root if callable(root) else None


def functions(torch: Any, op: Any) -> Iterator[tuple[str, Any, Any, int]]:
    """The function and the method of an entry, of both libraries."""
    yield op.name, found_in(torch, op.name), found_in(layer, op.name), 0
    name = op.name
    yield f"Tensor.{name}", getattr(torch.Tensor, name, None), getattr(layer.Tensor, name, None), 1


def of_functions(torch: Any, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Verdicts of the operator database."""
    from torch.testing._internal.common_methods_invocations import op_db  # noqa: PLC0415  # PyTorch

    seen = set()
    for op in op_db:
        kind = torch.float32 if torch.float32 in op.dtypes else torch.int64
        if op.name in seen or "lowrank" in op.name or (names and op.name not in names):
            continue
        if kind not in op.dtypes:
            continue
        seen.add(op.name)
        calls = []
        for sample, _ in zip(op.sample_inputs("cpu", kind), range(12), strict=False):
            args = [sample.input, *sample.args]
            calls.append((args[1::-1] + args[2:] if op.name in TURNED else args, sample.kwargs))
        for label, theirs, ours, first in functions(torch, op):
            if not callable(theirs) or not callable(ours):
                continue
            valid = [call for call in calls if outcome(theirs, call)[0] == "ok"]
            if valid:
                longest = max(valid, key=lambda call: len([*spoiled(call, torch, 0)]))
                yield from compare(label, (theirs, ours), longest, torch, first)


def of_modules(torch: Any, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Verdicts of the module database."""
    seen = set()
    for name, cls, made, args, kwargs in cases(torch, torch.float32, False):
        if name in seen or (names and name not in names) or not hasattr(layer.nn, name):
            continue
        seen.add(name)
        options = with_kind(made[1], cls, torch.float32)
        ours = {key: activation(translated(value, torch)) for key, value in options.items()}
        pair = (
            cls(*made[0], **options).eval(),
            getattr(layer.nn, name)(*[activation(translated(x, torch)) for x in made[0]], **ours),
        )
        pair[1].eval()
        call = ([x.detach() if hasattr(x, "detach") else x for x in args], kwargs)
        yield from compare(f"nn.{name}", pair, call, torch)


def main() -> None:
    """Print the verdicts that are not "same", and the counts."""
    import torch  # noqa: PLC0415  # only here is PyTorch needed

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--text", action="store_true", help="print differences of text too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    counts: collections.Counter[str] = collections.Counter()
    for judge in (of_functions, of_modules):
        for verdict, line in judge(torch, options.names):
            counts[verdict] += 1
            if verdict not in ("same", "text") or (verdict == "text" and options.text):
                print(f"{verdict:10s} {line}"[:260])
    print(", ".join(f"{verdict} {count}" for verdict, count in counts.most_common()))


if __name__ == "__main__":
    main()
