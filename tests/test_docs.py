"""Every example in README.md and docs/ runs, and every link to a file leads somewhere.

The ```python blocks of a page run one after the other and share their names, from the top folder of
the project; ```pycon blocks are doctests and must also print what they show.
"""

import doctest
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
BLOCK = re.compile(r"^```(?P<language>\w+)[^\n]*\n(?P<code>.*?)^```\s*$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:|mailto:|#)(?P<target>[^)#\s]+)[^)]*\)")


def torch_modules() -> dict[str, ModuleType]:
    """What `import torch` has found so far."""
    return {name: sys.modules[name] for name in sys.modules if name.split(".")[0] == "torch"}


@pytest.fixture(autouse=True)
def no_torch_is_left_behind() -> Iterator[None]:
    """A page that installs the PyTorch-style layer does so for itself only."""
    before = torch_modules()
    for name in before:
        del sys.modules[name]
    yield
    for name in torch_modules():
        del sys.modules[name]
    sys.modules.update(before)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page and the number of lines that stand above it."""

    language: str
    code: str
    above: int


def blocks(text: str) -> Iterator[Block]:
    for match in BLOCK.finditer(text):
        above = text.count("\n", 0, match.start("code"))
        yield Block(match["language"], match["code"], above)


def run_page(path: Path) -> None:
    """Run the examples of a page; a failure carries the page's own line numbers."""
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(path.read_text(encoding="utf-8")):
        if block.language == "python":
            padded = "\n" * block.above + block.code
            exec(compile(padded, str(path), "exec"), names)
        elif block.language == "pycon":
            parser = doctest.DocTestParser()
            test = parser.get_doctest(block.code, names, path.name, str(path), block.above)
            doctest.DebugRunner(optionflags=FLAGS).run(test, clear_globs=False)
            names |= test.globs


NEEDED = {"other_arrays.md": "dask.array"}
"""Pages whose examples need an extra."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_of_a_page_run(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if page.name in NEEDED:
        pytest.importorskip(NEEDED[page.name])
    monkeypatch.chdir(ROOT)
    run_page(page)


def test_blocks_of_a_page_share_their_names_and_errors_carry_its_lines(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Page\n```python\nx = 1\n```\ntext\n```python\nassert x == 2\n```\n")
    with pytest.raises(AssertionError) as caught:
        run_page(page)
    assert caught.traceback[-1].lineno + 1 == 7
    assert Path(caught.traceback[-1].path) == page


def test_a_console_block_must_print_what_it_shows(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```pycon\n>>> 1 + 1\n3\n```\n")
    with pytest.raises(doctest.DocTestFailure):
        run_page(page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    prose = BLOCK.sub("", page.read_text(encoding="utf-8"))  # f(x)[0](y) in code is no link
    targets = [match["target"] for match in LINK.finditer(prose)]
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert not missing


def test_the_readme_has_one_command_for_the_example_and_one_for_the_tests() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = [block.code.strip() for block in blocks(readme) if block.language == "sh"]
    example, tests = commands[:2]
    assert example.startswith("python3 -m venv ")
    assert example.endswith("python examples/quickstart.py")
    assert tests.startswith("python3 -m venv ")
    assert tests.endswith("-m pytest")
    assert "\n" not in example + tests


def test_ci_takes_its_test_command_from_the_readme() -> None:
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    (pattern,) = re.findall(r"grep -E '([^']+)' README\.md", ci)
    found = subprocess.run(
        ["grep", "-E", pattern, "README.md"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    (command,) = found.stdout.splitlines()
    assert command.endswith("-m pytest")
    assert 'bash -euo pipefail -c "$test_command"' in ci
