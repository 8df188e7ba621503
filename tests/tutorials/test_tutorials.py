"""Scripts in the manner of PyTorch's lessons print on the layer, line by line, what PyTorch prints.

What PyTorch printed stands beside each script; `record.py` writes it anew. Addresses in memory are
left out of the comparison.
"""

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.txt"))
ADDRESS = re.compile(r"0x[0-9a-f]+")


def lines_of(text: str) -> list[str]:
    return ADDRESS.sub("0x", text).splitlines()


def recorded(name: str) -> list[str]:
    text = (FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    head, _, rest = text.partition("\n")
    assert head.startswith("PyTorch 2.")
    return lines_of(rest)


def printed(*command: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        check=True,
        cwd=FOLDER,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        timeout=300,
    )
    assert done.stderr == ""
    return lines_of(done.stdout)


def test_every_script_has_its_record() -> None:
    scripts = {path.stem for path in FOLDER.glob("*.py")} - {"conftest", "record", "test_tutorials"}
    assert scripts == set(SCRIPTS)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_prints_what_pytorch_printed(name: str) -> None:
    assert printed("-m", "funcgrad.compat.torch", f"{name}.py") == recorded(name)


@pytest.mark.oracle
@pytest.mark.parametrize("name", SCRIPTS)
def test_the_record_is_what_the_installed_pytorch_prints(name: str) -> None:
    pytest.importorskip("torch", minversion="2.13")
    assert printed(f"{name}.py") == recorded(name)


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["torch_tutorial", "torch_tutorial_ko"])
def test_pytorch_prints_what_the_page_of_the_tutorial_shows(name: str) -> None:
    torch = pytest.importorskip("torch", minversion="2.13")
    page = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    page = page.replace("import funcgrad.compat.torch as torch", "import torch")
    page = page.replace("from funcgrad.compat.torch.func", "from torch.func")
    names: dict[str, object] = {"torch": torch}
    for block in re.findall(r"^```pycon\n(.*?)^```", page, re.DOTALL | re.MULTILINE):
        if "print_graph" in block:  # not in PyTorch
            continue
        test = doctest.DocTestParser().get_doctest(block, names, "page", None, 0)
        doctest.DebugRunner(optionflags=doctest.ELLIPSIS).run(test, clear_globs=False)
        names |= test.globs
