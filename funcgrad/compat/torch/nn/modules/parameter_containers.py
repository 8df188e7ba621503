"""Modules that hold parameters: `ParameterList` and `ParameterDict`."""

import operator
from collections import OrderedDict
from collections.abc import Iterable, Iterator, KeysView, Mapping
from typing import Any

from typing_extensions import override

from funcgrad.compat.torch.nn.modules.module import Module
from funcgrad.compat.torch.nn.parameter import Parameter
from funcgrad.compat.torch.settings import typename
from funcgrad.compat.torch.tensor import Tensor

__all__ = ["ParameterDict", "ParameterList"]


def _kept(value: Any) -> Any:
    """A value as a container keeps it: tensors become parameters."""
    return Parameter(value) if isinstance(value, Tensor) and not _is_parameter(value) else value


def _is_parameter(value: Any) -> bool:
    return isinstance(value, Parameter)


def _line(name: Any, value: Any, kind: str) -> str:
    """The line of a container's text for one entry."""
    if not isinstance(value, Tensor):
        return f"  ({name}): Object of type: {type(value).__name__}"
    size = "x".join(str(length) for length in value.shape)
    what = "Parameter" if _is_parameter(value) else "Tensor"
    return f"  ({name}): {what} containing: [{kind} of size {size}]"


class ParameterList(Module):
    """A list of parameters, which belong to the module that has the list.

    Args:
        values: the first entries. Tensors become parameters; other objects are kept as they are.
    """

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self._size = 0
        if values is not None:
            self += values

    def _name_at(self, index: Any) -> str:
        number = operator.index(index)
        if not -len(self) <= number < len(self):
            raise IndexError(f"index {number} is out of range")
        return str(number % len(self))

    def __getitem__(self, idx: Any) -> Any:
        if isinstance(idx, slice):
            return type(self)(getattr(self, str(i)) for i in range(*idx.indices(len(self))))
        return getattr(self, self._name_at(idx))

    def __setitem__(self, idx: Any, param: Any) -> None:
        setattr(self, self._name_at(idx), _kept(param))

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return iter([self[i] for i in range(len(self))])

    def __iadd__(self, parameters: Iterable[Any]) -> Any:
        return self.extend(parameters)

    @override
    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name.isdigit()]

    def append(self, value: Any) -> Any:
        """Add an entry at the end."""
        number = len(self)
        self._size += 1
        self[number] = value
        return self

    def extend(self, values: Iterable[Any]) -> Any:
        """Add entries at the end."""
        if not isinstance(values, Iterable) or isinstance(values, Tensor):
            raise TypeError(
                "ParameterList.extend should be called with an iterable, but got "
                + type(values).__name__
            )
        for value in list(values):
            self.append(value)
        return self

    @override
    def extra_repr(self) -> str:
        return "\n".join(
            _line(i, value, str(value.dtype) if isinstance(value, Tensor) else "")
            for i, value in enumerate(self)
        )

    @override
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("ParameterList should not be called.")


class ParameterDict(Module):
    """A dictionary of parameters, which belong to the module that has it.

    Args:
        parameters: the first entries, a mapping or pairs. Tensors become parameters.
    """

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        self._keys: dict[str, None] = {}
        if parameters is not None:
            self.update(parameters)

    def _attribute(self, key: Any) -> str:
        if not isinstance(key, str):
            raise TypeError(
                "Index given to ParameterDict cannot be used as a key as it is not a string (type "
                f"is '{type(key).__name__}'). Open an issue on github if you need non-string keys."
            )
        return key

    def __getitem__(self, key: str) -> Any:
        return getattr(self, self._attribute(key))

    def __setitem__(self, key: str, value: Any) -> None:
        name = self._attribute(key)
        self._keys[key] = None
        setattr(self, name, _kept(value))

    def __delitem__(self, key: str) -> None:
        del self._keys[key]
        delattr(self, self._attribute(key))

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __reversed__(self) -> Iterator[str]:
        return reversed(list(self._keys))

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def copy(self) -> "ParameterDict":
        """Another dictionary of the same parameters."""
        return ParameterDict(OrderedDict((key, self[key]) for key in self._keys))

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The entry of a key, which is entered if it is not there."""
        if key not in self:
            self[key] = default
        return self[key]

    def clear(self) -> None:
        """Take all entries out."""
        for key in list(self._keys):
            del self[key]

    def pop(self, key: str) -> Any:
        """Take an entry out and return it."""
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple[str, Any]:
        """Take the last entry out and return its key and it."""
        key, _ = self._keys.popitem()
        self._keys[key] = None
        value = self.pop(key)
        return key, value

    def get(self, key: str, default: Any = None) -> Any:
        """The entry of a key, or something else if there is none."""
        return self[key] if key in self._keys else default

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> "ParameterDict":
        """A dictionary with the same value under several keys."""
        return ParameterDict((key, default) for key in keys)

    def keys(self) -> KeysView[str]:
        """The keys."""
        return self._keys.keys()

    def items(self) -> Iterable[tuple[str, Any]]:
        """Keys and parameters."""
        return ((key, self[key]) for key in self._keys)

    def values(self) -> Iterable[Any]:
        """The parameters."""
        return (self[key] for key in self._keys)

    def update(self, parameters: Any) -> None:
        """Take in entries, replacing those of the same keys.

        Args:
            parameters: a mapping, or pairs of a key and a parameter.
        """
        if not isinstance(parameters, Iterable):
            raise TypeError(
                "ParametersDict.update should be called with an iterable of key/value pairs, but "
                "got " + type(parameters).__name__
            )
        if isinstance(parameters, Mapping | ParameterDict):
            plain = isinstance(parameters, Mapping) and not isinstance(parameters, OrderedDict)
            for key, value in sorted(parameters.items()) if plain else parameters.items():
                self[key] = value
            return
        for number, pair in enumerate(parameters):
            if not isinstance(pair, Iterable):
                raise TypeError(
                    f"ParameterDict update sequence element #{number} should be Iterable; is"
                    + type(pair).__name__
                )
            named = tuple(pair)
            if len(named) != 2:
                raise ValueError(
                    f"ParameterDict update sequence element #{number} has length {len(named)}; "
                    "2 is required"
                )
            self[named[0]] = named[1]

    @override
    def extra_repr(self) -> str:
        return "\n".join(
            _line(key, value, typename(value) if isinstance(value, Tensor) else "")
            for key, value in self.items()
        )

    @override
    def __call__(self, input: Any) -> Any:
        raise RuntimeError("ParameterDict should not be called.")

    def __or__(self, other: "ParameterDict") -> "ParameterDict":
        copied = self.copy()
        copied.update(other)
        return copied

    def __ror__(self, other: "ParameterDict") -> "ParameterDict":
        copied = other.copy()
        copied.update(self)
        return copied

    def __ior__(self, other: "ParameterDict") -> Any:
        self.update(other)
        return self
