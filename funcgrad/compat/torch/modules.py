"""The module objects of the layer: `torch` with its submodules, and names it lacks.

`enter` puts them into `sys.modules`, so that `import torch.nn.functional as F` finds them.
"""

import difflib
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from types import ModuleType
from typing import Any, NoReturn

from funcgrad.compat.torch.registry import MODULES

__all__ = ["build", "enter", "missing"]

PACKAGES = frozenset({"autograd", "autograd.forward_ad", "autograd.function",
                      "autograd.functional", "autograd.graph", "nn", "nn.functional"})  # fmt: skip
"""Modules of PyTorch that are modules here, under the same names."""


def missing(module: str, name: str, known: Mapping[str, Any]) -> NoReturn:
    """Raise the AttributeError for a name that the layer lacks.

    Raises:
        AttributeError: always; it names the nearest name that is there.
    """
    if name.startswith("__"):
        raise AttributeError(f"module '{module}' has no attribute '{name}'")
    shown = "torch" if module == "torch" else f"torch.{module}"
    inner = {key for key in PACKAGES if "." not in key}
    names = [
        key
        for key, value in known.items()
        if not key.startswith("_") and (not isinstance(value, ModuleType) or key in inner)
    ]
    near = difflib.get_close_matches(name, names, 1, 0.7)
    hint = f" The nearest name is '{near[0]}'." if near else ""
    raise AttributeError(
        f"module '{shown}' has no attribute '{name}' in funcgrad's PyTorch-style layer.{hint}"
    )


class Namespace(ModuleType):
    """A module that explains which names it lacks."""

    def __getattr__(self, name: str) -> Any:
        missing(self.__name__.removeprefix("torch."), name, vars(self))


def build(front: ModuleType) -> dict[str, ModuleType]:
    """A module object for each entry of the registry, each an attribute of its parent.

    Args:
        front: the package itself, which stands for `torch`.
    """
    found: dict[str, ModuleType] = {"torch": front}
    for name in sorted({*MODULES, *PACKAGES} - {"torch"}):
        parent = front
        path = "torch"
        for part in name.split("."):
            path = f"{path}.{part}"
            module = found.get(path)
            if module is None:
                module = found[path] = _module(path, parent, part)
            parent = module
        if name not in PACKAGES:
            vars(parent).update(MODULES[name])
    return found


def _module(path: str, parent: ModuleType, part: str) -> ModuleType:
    """The package that stands for a module of PyTorch, or a new namespace."""
    name = path.removeprefix("torch.")
    if name in PACKAGES:
        module: ModuleType = vars(parent).get(part) or Namespace(path)
        vars(module).setdefault("__getattr__", lambda key: missing(name, key, vars(module)))
        return module
    module = Namespace(path)
    module.__path__ = []
    inner = sys.modules.get(f"{__package__}.{name}")  # it defines some of these names
    if inner is not None:
        vars(inner).setdefault("__getattr__", partial(getattr, module))
    setattr(parent, part, module)
    return module


def enter(modules: dict[str, ModuleType]) -> None:
    """Let `import torch` find these modules in the running program.

    Raises:
        RuntimeError: if the real PyTorch has been imported already.
    """
    present = sys.modules.get("torch")
    if present is not None and present is not modules["torch"]:
        raise RuntimeError(
            "install: PyTorch itself has been imported in this program. Its tensors and those of "
            "this layer cannot be mixed. Call install() before anything imports torch."
        )
    sys.modules.update(modules)
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder:
    """Says of `import torch.<name>` that the layer lacks it, and finds no file of this package."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: Any = None
    ) -> None:
        """Refuse submodules of the layer that are not there.

        Raises:
            ModuleNotFoundError: where `torch` is the layer.
        """
        front = sys.modules.get("torch")
        if fullname.startswith("torch.") and getattr(front, "__name__", "") != "torch":
            raise ModuleNotFoundError(
                f"No module named '{fullname}'. funcgrad's PyTorch-style layer, which stands for "
                "torch in this program, has none.",
                name=fullname,
            )
