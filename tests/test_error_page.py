"""docs/errors.md shows every class of funcgrad.errors: failing, and mended."""

import inspect
import re
from pathlib import Path

import pytest

from funcgrad import errors

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "errors.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### `(\w+)`\n(.*?)(?=^##|\Z)", PAGE, re.DOTALL | re.MULTILINE))
CLASSES = [
    name
    for name in errors.__all__
    if inspect.isclass(getattr(errors, name)) and not issubclass(getattr(errors, name), Warning)
]


def test_the_page_has_one_section_for_each_class() -> None:
    assert sorted(SECTIONS) == sorted(CLASSES)


@pytest.mark.parametrize("name", sorted(set(CLASSES) - {"FuncgradError"}))
def test_a_section_shows_the_error_and_a_program_that_works(name: str) -> None:
    section = SECTIONS[name]
    fails = re.search(rf"funcgrad\.errors\.{name}: |except errors\.{name} as", section)
    assert fails
    assert ">>> " in section[fails.end() :]


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_is_a_funcgrad_error_and_a_built_in_one(name: str) -> None:
    error = getattr(errors, name)
    assert issubclass(error, errors.FuncgradError)
    if error is not errors.FuncgradError:
        assert issubclass(error, TypeError | ValueError | RuntimeError)
