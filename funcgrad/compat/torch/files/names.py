"""Names of classes and functions in files: those of PyTorch, whatever module defines them here.

`funcgrad.compat.torch.nn.modules.linear.Linear` is written as `torch.nn.modules.linear.Linear`, and
that is looked up here when a file is read.
"""

import sys
from functools import cache
from types import ModuleType
from typing import Any

from funcgrad.compat.torch.dtypes import dtype
from funcgrad.compat.torch.mersenne import Generator
from funcgrad.compat.torch.registry import MODULES
from funcgrad.compat.torch.tensor import Tensor

__all__ = ["find", "path_of"]

LAYER = __package__.rpartition(".")[0]

_IN_C = {("torch._C", "Generator"): Generator, ("torch._C", "TensorBase"): Tensor}
"""What PyTorch pickles under names of its compiled part."""


_ELSEWHERE = {
    "distributions.transform_base": "distributions.transforms",
    "distributions.transform_scalars": "distributions.transforms",
    "distributions.transform_vectors": "distributions.transforms",
    "nn.modules.margin_loss": "nn.modules.loss",
    "nn.modules.parameter_containers": "nn.modules.container",
    "nn.parallel": "nn.parallel.data_parallel",
}
"""Modules here whose classes stand in another one of PyTorch."""


def find(module: str, name: str) -> Any:
    """What a name of PyTorch means here.

    Raises:
        AttributeError: if the layer has nothing of that name.
    """
    known = _IN_C.get((module, name))
    if known is not None:
        return known
    if module == "torch._C" and name == "_VariableFunctionsClass":
        return sys.modules[LAYER]
    if module == "torch._C._nn":
        module = "torch.nn.functional"
    found = _lookup(module, name)
    package = module
    while found is None and "." in package:  # a class may stand in another module of its package
        package = package.rpartition(".")[0]
        found = _lookup(package, name)
        found = found if isinstance(found, type) else None
    if found is None:
        raise AttributeError(
            f"Can't get attribute '{name}' of module '{module}': funcgrad's PyTorch-style layer "
            "has nothing of that name"
        )
    return found


def _lookup(module: str, name: str) -> Any:
    found: Any = _module(module)
    if found is not None:
        for part in name.split("."):
            if isinstance(found, ModuleType):
                found = vars(found).get(part, MODULES.get(_inner(module), {}).get(part))
            else:
                found = getattr(found, part, None)
    return None if isinstance(found, ModuleType) else found


def _inner(module: str) -> str:
    return "torch" if module == "torch" else module.removeprefix("torch.")


def _module(module: str) -> Any:
    """The module that stands here for one of PyTorch's."""
    rest = module.removeprefix("torch")
    found: Any = sys.modules.get(f"{LAYER}{rest}")
    if found is not None:
        return found
    found = sys.modules[LAYER]
    for part in rest.split(".")[1:]:
        found = vars(found).get(part)
        if not isinstance(found, ModuleType):
            return None
    return found


def path_of(thing: Any) -> tuple[str, str] | None:
    """PyTorch's module and name of a type, class or function of the layer; None for all others."""
    if type(thing) is dtype:
        return "torch", thing.name
    if thing is Generator:
        return "torch._C", "Generator"
    module = getattr(thing, "__module__", None)
    if not isinstance(module, str):
        return None
    if module == "torch" or module.startswith("torch."):  # unless it is PyTorch's own
        name = thing.__qualname__
        return (module, name) if _is_named(module, name, thing) else None
    if not module.startswith(f"{LAYER}."):
        return None
    if not isinstance(thing, type):
        public = _public().get(id(thing))
        if public is not None:
            return public
    inner = module.removeprefix(f"{LAYER}.")
    return f"torch.{_ELSEWHERE.get(inner, inner)}", thing.__qualname__


def _is_named(module: str, name: str, thing: Any) -> bool:
    try:
        return find(module, name) is thing
    except AttributeError:
        return False


@cache
def _public() -> dict[int, tuple[str, str]]:
    """Public names of functions, by identity."""
    found = {}
    for module in ("nn.init", "linalg", "special", "fft", "torch", "nn.functional"):
        names = MODULES.get(module) or vars(_module(f"torch.{module}") or ModuleType("none"))
        path = "torch" if module == "torch" else f"torch.{module}"
        for name, thing in names.items():
            if callable(thing) and not isinstance(thing, type) and not name.startswith("_"):
                found[id(thing)] = path, name
                inner = getattr(thing, "__wrapped__", thing)  # as the layer's modules call it
                found.setdefault(id(inner), (path, name))
    return found
