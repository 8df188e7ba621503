"""Operations on inputs that once gave another value, type, shape or error than PyTorch's.

What PyTorch gave is in tests/data/torch_breaking_ops.json, with its version;
`python -m tests.compat.torch.test_breaking_ops` records it anew, which needs PyTorch.
"""

import contextlib
import io
import json
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import funcgrad.compat.torch as layer

RECORDED = Path(__file__).parents[2] / "data" / "torch_breaking_ops.json"
DATA: dict[str, Any] = json.loads(RECORDED.read_text()) if RECORDED.exists() else {"groups": {}}
ADDRESS = re.compile(r"0x[0-9a-f]+")


def outcome(torch: Any, program: str) -> str:
    """The text of what a program's last line gives, or the type of its error."""
    *lines, last = program.split("; ")
    names: dict[str, Any] = {"torch": torch, "F": torch.nn.functional, "np": np}
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            for line in lines:
                exec(line, names)  # the programs are ours
            return ADDRESS.sub("0x", repr(eval(last, names)))  # as above
        except Exception as error:  # noqa: BLE001  # whatever PyTorch raises
            return type(error).__name__


def differences(group: str) -> dict[str, tuple[str, str]]:
    """Programs of a group with what PyTorch gave and what the layer gives, where they differ."""
    found = {}
    for program, expected in DATA["groups"][group].items():
        given = outcome(layer, program)
        if given != expected:
            found[program] = (expected, given)
    return found


def test_tensors_of_mixed_data_have_the_type_or_raise_the_error_of_torch() -> None:
    assert not differences("data")


def test_tensors_behave_as_python_objects_like_those_of_torch() -> None:
    assert not differences("python")


def test_operators_between_tensors_and_arrays_promote_as_numpy_does() -> None:
    assert not differences("arrays")


def test_functions_of_two_python_numbers_give_tensors() -> None:
    assert not differences("numbers")


def test_results_of_whole_numbers_have_the_types_and_values_of_torch() -> None:
    assert not differences("types of results")


def test_empty_operands_and_odd_arguments_are_taken() -> None:
    assert not differences("empty operands, shapes")


def test_indexed_writes_take_a_tensor_for_their_result() -> None:
    assert not differences("out=")


def test_second_derivatives_of_stepwise_slopes_are_zeros_that_hang_on_the_input() -> None:
    assert not differences("derivatives")


def test_whole_numbers_and_mixed_types_are_refused_where_torch_refuses_them() -> None:
    assert not differences("refused")


def test_the_recorded_results_are_those_of_torch_as_installed() -> None:
    torch = pytest.importorskip("torch")
    if torch.__version__.split("+")[0] != DATA["torch"]:
        pytest.skip("recorded with another version")
    wrong = [
        program
        for group in DATA["groups"].values()
        for program, expected in group.items()
        if outcome(torch, program) != expected
    ]
    assert not wrong


def record() -> None:
    """Run the programs on file with PyTorch and write what it gives."""
    import torch  # noqa: PLC0415  # only here is PyTorch needed

    groups = {
        name: {program: outcome(torch, program) for program in group}
        for name, group in DATA["groups"].items()
    }
    data = {"torch": torch.__version__.split("+")[0], "groups": groups}
    RECORDED.write_text(json.dumps(data, indent=1) + "\n")


if __name__ == "__main__":
    record()
