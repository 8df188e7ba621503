"""What goes wrong, and what PyTorch 2.13 says then: types and texts of errors and warnings.

`python -m tests.compat.torch.test_errors`, where PyTorch is installed, records them anew.
"""

import contextlib
import io
import json
import re
import warnings
from pathlib import Path
from typing import Any

import pytest

import funcgrad.compat.torch as layer

DATA = Path(__file__).resolve().parents[2] / "data" / "torch_errors.json"
RECORDED: dict[str, Any] = json.loads(DATA.read_text(encoding="utf-8"))
CASES: dict[str, dict[str, Any]] = RECORDED["cases"]

LATER = {
    "inference": "tensors made in inference mode are as those made under no_grad",
    "retain deprecated": "an attribute that PyTorch removed in 2018 and warns of",
}
"""Snippets that the layer does not cover yet, with the reason."""

KEY_WORDS: dict[str, str] = {
    # The layer says that it is not PyTorch itself that lacks the name, and which name is near.
    "torch attr": "module 'torch' has no attribute 'foo'",
    # PyTorch goes on about modules whose weights are computed, and refers to its own issues.
    "deepcopy nonleaf": "Only Tensors created explicitly by the user (graph leaves) support the "
    "deepcopy protocol at the moment.",
    "nonleaf grad": "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. "
    "Its .grad attribute won't be populated during autograd.backward(). If you indeed want the "
    ".grad field to be populated for a non-leaf Tensor, use .retain_grad() on the non-leaf Tensor.",
    # PyTorch warns once more of parts of a program that assume equal types.
    "assign grad dtype": "attempting to assign a gradient with dtype 'double' to a tensor with "
    "grad_dtype 'Float'. The gradient must match the tensor's grad_dtype",
    # PyTorch takes the weight for the result of a node of its own; here a leaf has no maker.
    "modified linear": "one of the variables needed for gradient computation has been modified by "
    "an inplace operation: [torch.FloatTensor [2, 2]]",
    # The layer adds the line of the user's program.
    "anomaly": "Function 'SqrtBackward0' returned nan values in its 0th output.",
}
"""Snippets of whose message only these words must be PyTorch's, with the reason."""


def outcome(code: str, torch: Any) -> dict[str, Any]:
    """What a snippet prints, raises (type, text) and warns of (category, text)."""
    names = {"torch": torch, "nn": torch.nn, "F": torch.nn.functional, "__name__": "__main__"}
    printed = io.StringIO()
    raised = None
    with warnings.catch_warnings(record=True) as warned, contextlib.redirect_stdout(printed):
        warnings.simplefilter("always")
        try:
            exec(compile(code, "<snippet>", "exec"), names)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is compared
            raised = [type(error).__name__, shortened(str(error))]
    texts = sorted({(w.category.__name__, shortened(str(w.message))) for w in warned})
    return {"prints": printed.getvalue(), "raises": raised, "warns": [list(w) for w in texts]}


def shortened(text: str) -> str:
    """A message without places in PyTorch's own sources, and without tracebacks."""
    text = re.sub(r"\s*\(Triggered internally at .*\)$", "", text, flags=re.DOTALL)
    text = re.sub(r"\s*Exception raised from .*$", "", text, flags=re.DOTALL)
    text = re.sub(
        r"(Traceback of forward call that caused the error:).*$", r"\1", text, flags=re.DOTALL
    )
    return text.rstrip()


def rows() -> list[Any]:
    def row(name: str) -> Any:
        reason = LATER.get(name)
        return pytest.param(name, marks=[pytest.mark.xfail(reason=reason)] if reason else [])

    return [row(name) for name in CASES]


@pytest.mark.parametrize("name", rows())
def test_snippet_ends_as_with_pytorch(name: str) -> None:
    expected = CASES[name]
    found = outcome(expected["code"], layer)
    assert found["prints"] == expected["prints"]
    words = KEY_WORDS.get(name, "")
    assert cut(found["warns"], words) == cut(expected["warns"], words)
    assert cut([found["raises"]], words) == cut([expected["raises"]], words)


def cut(messages: list[Any], words: str) -> list[Any]:
    """Messages of which those that start with the key words are nothing more."""
    return [
        [one[0], words] if one is not None and words and one[1].startswith(words) else one
        for one in messages
    ]


def test_every_snippet_is_there_and_those_for_later_are_few() -> None:
    assert len(CASES) == 141
    assert len(LATER) == 2


@pytest.mark.oracle
def test_recorded_outcomes_are_those_of_the_installed_pytorch() -> None:
    torch = pytest.importorskip("torch")
    if torch.__version__.split("+")[0] != RECORDED["torch"]:
        pytest.skip("another version of PyTorch is installed")
    assert recorded(torch) == CASES


def recorded(torch: Any) -> dict[str, Any]:
    """The outcomes of all snippets."""
    torch.set_warn_always(True)
    try:
        found = {}
        for name, case in CASES.items():
            torch.manual_seed(0)
            found[name] = {"code": case["code"], **outcome(case["code"], torch)}
    finally:
        torch.set_warn_always(False)
    return found


def record() -> None:
    """Write the outcomes that the installed PyTorch gives."""
    import torch  # noqa: PLC0415  # only here is PyTorch needed

    found = {"torch": torch.__version__.split("+")[0], "cases": recorded(torch)}
    DATA.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    record()
