"""Modules that hold others: `Sequential`, `ModuleList`, `ModuleDict`, `ParameterList`, ..."""

import operator
import warnings
from collections import OrderedDict
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from itertools import chain
from typing import Any

from typing_extensions import override

from funcgrad.compat.torch.nn.modules.module import Module

__all__ = ["Container", "ModuleDict", "ModuleList", "Sequential"]


def _place(index: Any, size: int) -> int:
    """A place counted from the start.

    Raises:
        IndexError: if there is no such place.
    """
    number = operator.index(index)
    if not -size <= number < size:
        raise IndexError(f"index {number} is out of range")
    return number % size


class Container(Module):
    """A module of the modules given by name; any `Module` can do that."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__()
        warnings.warn(
            "`nn.Container` is deprecated. All of its functionality is now implemented in "
            "`nn.Module`. Subclass that instead.",
            FutureWarning,
            stacklevel=2,
        )
        for name, module in kwargs.items():
            self.add_module(name, module)


class _Row(Module):
    """Modules under the names "0", "1", ..., used as a list."""

    def _renumber(self, modules: Iterable[Any]) -> None:
        self._modules.clear()
        for number, module in enumerate(modules):
            self.add_module(str(number), module)

    def __getitem__(self, idx: Any) -> Any:
        return list(self._modules.values())[idx]

    def __delitem__(self, idx: Any) -> None:
        modules = list(self._modules.values())
        del modules[idx]
        self._renumber(modules)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    @override
    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name.isdigit()]

    def append(self, module: Any) -> Any:
        """Add a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def pop(self, key: Any) -> Any:
        """Take a module out and return it."""
        found = self[key]
        del self[key]
        return found


class Sequential(_Row):
    """Modules one after another: the output of each is the input of the next.

    Args:
        args: the modules, or one ordered dictionary of them.

    Example:
        >>> import funcgrad.compat.torch as torch
        >>> torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())
        Sequential(
          (0): Linear(in_features=2, out_features=3, bias=True)
          (1): ReLU()
        )
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], OrderedDict):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            for number, module in enumerate(args):
                self.add_module(str(number), module)

    @override
    def forward(self, input: Any) -> Any:
        """All modules in turn."""
        for module in self._modules.values():
            input = module(input)
        return input

    def _name_at(self, index: Any) -> str:
        return list(self._modules)[_place(index, len(self._modules))]

    def __getitem__(self, idx: Any) -> Any:
        if isinstance(idx, slice):
            return type(self)(OrderedDict(list(self._modules.items())[idx]))
        return self._modules[self._name_at(idx)]

    def __setitem__(self, idx: Any, module: Any) -> None:
        setattr(self, self._name_at(idx), module)

    def __delitem__(self, idx: Any) -> None:
        for name in list(self._modules)[idx] if isinstance(idx, slice) else [self._name_at(idx)]:
            delattr(self, name)
        named = self._modules
        self.__dict__["_modules"] = {
            str(number): module for number, module in enumerate(named.values())
        }

    def __add__(self, other: Any) -> Any:
        if not isinstance(other, Sequential):
            raise ValueError(
                "add operator supports only objects of Sequential class, but "
                f"{type(other)} is given."
            )
        return Sequential(*self, *other)

    def __iadd__(self, other: Any) -> Any:
        if not isinstance(other, Sequential):
            raise ValueError(
                "add operator supports only objects of Sequential class, but "
                f"{type(other)} is given."
            )
        return self.extend(other)

    def __mul__(self, other: Any) -> Any:
        return Sequential(*list(self) * self._times(other))

    __rmul__ = __mul__

    def __imul__(self, other: Any) -> Any:
        modules = list(self)
        for _ in range(self._times(other) - 1):
            self.extend(modules)
        return self

    @staticmethod
    def _times(other: Any) -> int:
        if not isinstance(other, int):
            raise TypeError(f"unsupported operand type(s) for *: {Sequential} and {type(other)}")
        if other <= 0:
            raise ValueError(f"Non-positive multiplication factor {other} for {Sequential}")
        return other

    def insert(self, index: int, module: Any) -> Any:
        """Put a module in front of the one at a place; later ones move on."""
        if not isinstance(module, Module):
            raise AssertionError(f"module should be of type: {Module}")
        size = len(self._modules)
        if not -size <= index <= size:
            raise IndexError(f"Index out of range: {index}")
        modules = list(self)
        modules.insert(index + size if index < 0 else index, module)
        self._renumber(modules)
        return self

    def extend(self, sequential: Iterable[Any]) -> Any:
        """Add modules at the end."""
        for module in list(sequential):
            self.append(module)
        return self


class ModuleList(_Row):
    """A list of modules, whose parameters belong to the module that has the list.

    Args:
        modules: the first ones.
    """

    def __init__(self, modules: Iterable[Any] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self += modules

    def __getitem__(self, idx: Any) -> Any:
        if isinstance(idx, slice):
            return type(self)(list(self._modules.values())[idx])
        return self._modules[str(_place(idx, len(self)))]

    def __setitem__(self, idx: Any, module: Any) -> None:
        setattr(self, str(_place(idx, len(self))), module)

    def __delitem__(self, idx: Any) -> None:
        modules = list(self._modules.values())
        if not isinstance(idx, slice):
            idx = _place(idx, len(self))
        del modules[idx]
        self._renumber(modules)

    def __iadd__(self, modules: Iterable[Any]) -> Any:
        return self.extend(modules)

    def __add__(self, other: Iterable[Any]) -> Any:
        combined = ModuleList()
        for number, module in enumerate(chain(self, other)):
            combined.add_module(str(number), module)
        return combined

    def insert(self, index: int, module: Any) -> None:
        """Put a module in front of the one at a place."""
        modules = list(self._modules.values())
        modules.insert(index, module)
        self._renumber(modules)

    def extend(self, modules: Iterable[Any]) -> Any:
        """Add modules at the end."""
        if not isinstance(modules, Iterable):
            raise TypeError(
                "ModuleList.extend should be called with an iterable, but got "
                + type(modules).__name__
            )
        for module in list(modules):
            self.append(module)
        return self

    @override
    def __repr__(self) -> str:
        """As other modules; equal neighbours are shown once, with their number."""
        texts = [repr(module) for module in self]
        if not texts:
            return f"{self._get_name()}()"
        runs = [[0, 0]]
        for number, text in enumerate(texts[1:], 1):
            if text == texts[runs[-1][0]]:
                runs[-1][1] = number
            else:
                runs.append([number, number])
        lines = []
        for first, last in runs:
            text = texts[first].replace("\n", "\n  ")
            lines.append(
                f"({first}): {text}"
                if first == last
                else f"({first}-{last}): {last - first + 1} x {text}"
            )
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"


class ModuleDict(Module):
    """A dictionary of modules, whose parameters belong to the module that has it.

    Args:
        modules: the first ones, a mapping or pairs.
    """

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Any:
        return self._modules[key]

    def __setitem__(self, key: str, module: Any) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: str) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Take all modules out."""
        self._modules.clear()

    def pop(self, key: str) -> Any:
        """Take a module out and return it."""
        return self._modules.pop(key)

    def keys(self) -> KeysView[str]:
        """The names."""
        return self._modules.keys()

    def items(self) -> ItemsView[str, Any]:
        """Names and modules."""
        return self._modules.items()

    def values(self) -> ValuesView[Any]:
        """The modules."""
        return self._modules.values()

    def update(self, modules: Any) -> None:
        """Take in modules, replacing those of the same names.

        Args:
            modules: a mapping, or pairs of a name and a module.
        """
        if not isinstance(modules, Iterable):
            raise TypeError(
                "ModuleDict.update should be called with an iterable of key/value pairs, but got "
                + type(modules).__name__
            )
        if isinstance(modules, Mapping | ModuleDict):
            for name, module in modules.items():
                self[name] = module
            return
        for number, pair in enumerate(modules):
            if not isinstance(pair, Iterable):
                raise TypeError(
                    f"ModuleDict update sequence element #{number} should be Iterable; is"
                    + type(pair).__name__
                )
            named = tuple(pair)
            if len(named) != 2:
                raise ValueError(
                    f"ModuleDict update sequence element #{number} has length {len(named)}; "
                    "2 is required"
                )
            self[named[0]] = named[1]
