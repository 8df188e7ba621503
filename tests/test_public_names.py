"""Public names: every one is documented, in its docstring and in docs/api.md."""

import importlib
import inspect
import re
import types
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest

ROOT = Path(__file__).resolve().parent.parent

PUBLIC_MODULES = (
    "funcgrad",
    "funcgrad.errors",
    "funcgrad.nn",
    "funcgrad.numpy",
    "funcgrad.testing",
    "funcgrad.tree",
)


def public_objects() -> Iterator[tuple[str, str, object]]:
    for module_name in PUBLIC_MODULES:
        public = importlib.import_module(module_name)
        for name in public.__all__:
            yield module_name, name, getattr(public, name)


def is_documented_by_numpy(module_name: str, name: str) -> bool:
    """Whether a name of `funcgrad.numpy` is NumPy's, whose manual describes its arguments."""
    return module_name.startswith("funcgrad.numpy") and hasattr(numpy, name)


def documentation_faults(value: object, *, full: bool) -> list[str]:
    """What the docstring of a public function, class or module lacks."""
    if not (callable(value) or isinstance(value, types.ModuleType)):
        return []  # a constant is described by a comment or by the module
    text = inspect.getdoc(value) or ""
    if not text:
        return ["a docstring"]
    if not full or not inspect.isfunction(value):
        return []
    signature = inspect.signature(value)
    faults = []
    if signature.parameters and "Args:" not in text:
        faults.append("Args:")
    returned = signature.return_annotation
    if returned not in {None, "None", "NoReturn"} and not re.search(r"(Returns|Yields):", text):
        faults.append("Returns:")
    return faults


def test_every_public_name_is_documented() -> None:
    faults = {
        f"{module_name}.{name}": lacking
        for module_name, name, value in public_objects()
        if (
            lacking := documentation_faults(
                value, full=not is_documented_by_numpy(module_name, name)
            )
        )
    }
    assert not faults, f"docstrings lack: {faults}"


def names_on_page(page: str, module_name: str) -> list[str]:
    """Names in the first cells of the tables in a module's section of docs/api.md."""
    _, _, section = page.partition(f"\n## `{module_name}`\n")
    section, _, _ = section.partition("\n## ")
    cells = re.findall(r"^\|(.*?)\|", section, flags=re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`(\w+)", cell)]


@pytest.mark.parametrize("module_name", PUBLIC_MODULES)
def test_the_api_page_lists_exactly_the_public_names(module_name: str) -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    public = importlib.import_module(module_name).__all__
    assert sorted(names_on_page(page, module_name)) == sorted(public)


def test_the_names_of_a_section_are_the_code_in_its_first_cells() -> None:
    page = "\n## `a`\n| name | what |\n| --- | --- |\n| `f(x)`, `g` | `h` |\n\n## `b`\n| `i` | |\n"
    assert names_on_page(page, "a") == ["f", "g"]


def test_the_public_names_of_a_module_exist_once() -> None:
    for module_name in PUBLIC_MODULES:
        public = importlib.import_module(module_name)
        assert len(public.__all__) == len(set(public.__all__))
        assert all(hasattr(public, name) for name in public.__all__)
