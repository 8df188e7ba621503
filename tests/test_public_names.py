"""Public names: every one is documented, in its docstring and in docs/api.md."""

import importlib
import inspect
import re
import runpy
import types
from collections.abc import Iterator
from pathlib import Path

import numpy

ROOT = Path(__file__).resolve().parent.parent
API_PAGE = runpy.run_path(str(ROOT / "docs" / "write_api.py"))
PUBLIC_MODULES = tuple(API_PAGE["MODULES"])


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
        return []  # a constant is described by the string below it, see docs/write_api.py
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


def test_the_api_page_is_what_the_docstrings_say() -> None:
    written = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert written == API_PAGE["page"](), "run `python docs/write_api.py`"


def test_the_api_page_says_what_every_name_is() -> None:
    assert not re.findall(r"^.*\|\s*\|$", API_PAGE["page"](), flags=re.MULTILINE)


def test_the_public_names_of_a_module_exist_once() -> None:
    for module_name in PUBLIC_MODULES:
        public = importlib.import_module(module_name)
        assert len(public.__all__) == len(set(public.__all__))
        assert all(hasattr(public, name) for name in public.__all__)
