"""The layer as a whole: importing it, running scripts on it, names it lacks, the machine."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from funcgrad.compat import torch
from tests.compat.torch.front_cases import CASES, outcome, recorded, shortened

ROOT = Path(__file__).resolve().parents[3]
OUTCOMES = recorded()


@pytest.mark.parametrize("program", CASES["machine"])
def test_a_program_gives_what_pytorch_gave(program: str) -> None:
    assert shortened(outcome(torch, program)) == shortened(OUTCOMES[program])


def python(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd or ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        timeout=120,
    )


def run_script(folder: Path, source: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "script.py").write_text(source, encoding="utf-8")
    return python("-m", "funcgrad.compat.torch", "script.py", *arguments, cwd=folder)


# --- importing --------------------------------------------------------------------------------


def test_importing_funcgrad_does_not_import_the_layer() -> None:
    code = "import funcgrad, sys; print([name for name in sys.modules if '.compat' in name])"
    assert python("-c", code).stdout.strip() == "[]"


def test_importing_the_layer_needs_numpy_alone_and_no_random_numbers() -> None:
    code = """
import sys, funcgrad
before = set(sys.modules)
import funcgrad.compat.torch
top = {name.partition('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)
print(sorted(top), 'numpy.random' in sys.modules, 'torch' in sys.modules)
"""
    assert python("-c", code).stdout.strip() == "['funcgrad'] False False"


def test_install_lets_every_form_of_import_find_the_layer() -> None:
    code = """
import funcgrad.compat.torch as layer
layer.install()
import torch
import torch.nn.functional as F
import torch.linalg
import torch.autograd.forward_ad as fwAD
from torch import Tensor, nn
from torch.autograd import Function
from torch.func import grad, vmap
from torch.autograd.functional import jacobian
assert torch is layer and nn.functional is F and Tensor is layer.Tensor
assert Function is torch.autograd.Function and fwAD is torch.autograd.forward_ad
print(F.relu(torch.tensor([-1.0, 2.0])), grad(lambda x: x**2)(torch.tensor(3.0)))
"""
    done = python("-c", code)
    assert done.stderr == ""
    assert done.stdout.strip() == "tensor([0., 2.]) tensor(6.)"


def test_install_refuses_to_take_the_place_of_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", type(sys)("torch"))
    with pytest.raises(RuntimeError, match=r"before anything\s+imports torch|cannot be mixed"):
        torch.install()


def test_installing_twice_changes_nothing() -> None:
    done = python("-c", "import funcgrad.compat.torch as t; t.install(); t.install(); print(1)")
    assert done.stdout == "1\n"


# --- running scripts --------------------------------------------------------------------------


def test_a_script_runs_unmodified_with_its_arguments_and_its_file(tmp_path: Path) -> None:
    source = """
import sys
import torch
print(__name__, __file__, sys.argv[1:], torch.ones(2))
"""
    done = run_script(tmp_path, source, "--lr", "0.1")
    script = tmp_path / "script.py"  # whole, as Python itself gives it
    assert done.stdout == f"__main__ {script} ['--lr', '0.1'] tensor([1., 1.])\n"
    assert done.stderr == ""
    assert done.returncode == 0


def test_a_script_finds_modules_beside_it(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("import torch\nx = torch.zeros(1)\n")
    assert run_script(tmp_path, "import helper; print(helper.x)").stdout == "tensor([0.])\n"


def test_classes_of_a_script_can_be_pickled(tmp_path: Path) -> None:
    source = """
import pickle
class Point: pass
print(type(pickle.loads(pickle.dumps(Point()))) is Point)
"""
    assert run_script(tmp_path, source).stdout == "True\n"


def test_an_error_of_a_script_is_shown_from_the_script_on(tmp_path: Path) -> None:
    done = run_script(tmp_path, "def f():\n    raise ValueError('mine')\n\nf()\n")
    assert done.returncode == 1
    assert "__main__.py" not in done.stderr
    lines = done.stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert "script.py" in lines[1]
    assert lines[-1] == "ValueError: mine"


def test_a_syntax_error_of_a_script_names_its_line(tmp_path: Path) -> None:
    done = run_script(tmp_path, "x = 1\nx = (\n")
    assert done.returncode == 1
    assert 'script.py", line 2' in done.stderr
    assert "SyntaxError" in done.stderr
    assert "__main__.py" not in done.stderr


@pytest.mark.parametrize(("code", "status"), [("0", 0), ("3", 3), ("'stop'", 1), ("", 0)])
def test_a_script_sets_the_exit_status(tmp_path: Path, code: str, status: int) -> None:
    assert run_script(tmp_path, f"import sys; sys.exit({code})").returncode == status


def test_a_missing_script_is_told_with_the_usage() -> None:
    done = python("-m", "funcgrad.compat.torch", "nowhere.py")
    assert done.returncode == 2
    assert done.stderr.startswith("usage:")
    assert "nowhere.py" in done.stderr


def test_without_a_script_the_usage_is_shown() -> None:
    assert python("-m", "funcgrad.compat.torch").returncode == 2
    assert python("-m", "funcgrad.compat.torch", "--help").stdout.startswith("usage:")


# --- names ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "name", "near"),
    [
        (torch, "matmull", "matmul"),
        (torch.nn.functional, "reluu", "relu"),
        (torch.autograd, "Functions", "Function"),
        (torch.linalg, "solved", "solve"),
    ],
)
def test_a_name_the_layer_lacks_is_told_with_the_nearest_one(
    place: Any, name: str, near: str
) -> None:
    with pytest.raises(AttributeError, match=f"{name}.*layer.*'{near}'"):
        getattr(place, name)


def test_a_module_the_layer_lacks_cannot_be_imported() -> None:
    code = "import funcgrad.compat.torch as t; t.install(); import torch.distributed"
    assert "No module named 'torch.distributed'" in python("-c", code).stderr


def test_every_public_name_is_listed_once() -> None:
    assert len(torch.__all__) == len(set(torch.__all__))
    assert {"tensor", "zeros", "arange", "manual_seed", "no_grad", "Tensor"} <= set(dir(torch))


def test_the_device_chosen_by_the_usual_line_is_the_cpu() -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    assert str(torch.ones(1, device=device).device) == "cpu"
