"""Writes docs/api.md from the docstrings: `python docs/write_api.py`.

tests/test_public_names.py fails when the page is not what this prints.
"""

import ast
import functools
import importlib
import inspect
import sys
import types
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "api.md"

MODULES = {
    "funcgrad": "Transforms: functions in, functions out.",
    "funcgrad.numpy": "NumPy's functions for plain and traced arrays, with the least overhead.",
    "funcgrad.nn": "Functions of neural networks, stable at large arguments.",
    "funcgrad.random": "Random numbers as functions of keys, with derivatives.",
    "funcgrad.sparse": "Jacobians and Hessians that are sparse.",
    "funcgrad.tree": "Pytrees: nested containers of arrays.",
    "funcgrad.testing": "Checks of derivatives, for the rules of users too.",
    "funcgrad.errors": "What is raised, one class a mistake.",
}

HEAD = """\
# Public names

Written by `python docs/write_api.py` from the docstrings, which say more: `help(funcgrad.grad)`.
"""


def call(name: str, value: object) -> str:
    """The name of a value, with its parameters if it is a function."""
    if not inspect.isfunction(value):
        return name
    parameters = [
        parameter.replace(
            annotation=inspect.Parameter.empty,
            default=parameter.default if is_plain(parameter.default) else ...,
        )
        for parameter in inspect.signature(value).parameters.values()
    ]
    return name + str(inspect.Signature(parameters)).replace("Ellipsis", "...")


def is_plain(default: object) -> bool:
    """Whether a default reads the same in every process."""
    plain = bool | int | float | str | tuple | None
    return default is inspect.Parameter.empty or isinstance(default, plain)


def summary(module: types.ModuleType, name: str) -> str:
    """What a name is: the first line of its docstring, or of the string below a constant."""
    value = getattr(module, name)
    is_alias = isinstance(value, types.GenericAlias)
    has_own = (callable(value) and not is_alias) or inspect.ismodule(value)
    text = (inspect.getdoc(value) if has_own else constants(module).get(name)) or ""
    return text.strip().partition("\n")[0].replace("|", "\\|")


@functools.cache
def constants(module: types.ModuleType) -> dict[str, str]:
    """The strings that stand below assignments in the files of a module or package."""
    path = Path(module.__file__ or "")
    found = {}
    for file in path.parent.rglob("*.py") if path.name == "__init__.py" else [path]:
        body = ast.parse(file.read_text(encoding="utf-8")).body
        for statement, below in pairwise(body):
            match statement, below:
                case (
                    ast.Assign(targets=[ast.Name(id=name)])
                    | ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ):
                    found[name] = text
    return found


def rows(module_name: str) -> Iterator[str]:
    """The lines of a module's table; NumPy's own names share one line."""
    module = importlib.import_module(module_name)
    of_numpy = []
    for name in sorted(module.__all__, key=lambda name: (name.lower(), name)):
        value = getattr(module, name)
        if module_name == "funcgrad.numpy" and hasattr(np, name):
            of_numpy.append(name)
        else:
            code = call(name, value).replace("|", "\\|")
            yield f"| `{code}` | {summary(module, name)} |"
    if of_numpy:
        yield f"| {', '.join(f'`{name}`' for name in of_numpy)} | NumPy's. |"


def page() -> str:
    """The whole text of docs/api.md."""
    sections = [HEAD]
    for module_name, title in MODULES.items():
        table = "\n".join(["| name | what it is |", "| --- | --- |", *rows(module_name)])
        sections.append(f"## `{module_name}`\n\n{title}\n\n{table}\n")
    return "\n".join(sections)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    PAGE.write_text(page(), encoding="utf-8")
