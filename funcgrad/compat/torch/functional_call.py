"""`torch.func.functional_call`: a module called with other parameters than its own."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from funcgrad.compat.torch.registry import expose

__all__ = ["functional_call"]


def functional_call(
    module: Any,
    parameter_and_buffer_dicts: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    args: Any = None,
    kwargs: Mapping[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call a module with tensors in place of its parameters and buffers, given by name.

    Args:
        module: any object whose parameters are attributes, of itself or of its attributes.
        parameter_and_buffer_dicts: `{"layer.weight": tensor}`, or several such dictionaries.
        args: the arguments, a tuple; a single one may stand alone.
        kwargs: the named arguments.
        tie_weights: whether a tensor that the module has under several names is replaced under all.
        strict: whether names must be all of the module's, and all there.
    """
    if isinstance(parameter_and_buffer_dicts, Mapping):
        tensors = dict(parameter_and_buffer_dicts)
    else:
        tensors = {}
        for one in parameter_and_buffer_dicts:
            repeated = sorted(tensors.keys() & one.keys())
            if repeated:
                raise ValueError(
                    f"{repeated} appeared in multiple dictionaries; behavior of functional call is "
                    "ambiguous"
                )
            tensors.update(one)
    if strict:
        _check_names(module, tensors)
    given = () if args is None else args if isinstance(args, tuple) else (args,)
    if tie_weights:
        tensors = _tied(module, tensors)
    with _replaced(module, tensors):
        return module(*given, **(kwargs or {}))


def _owner(module: Any, path: str) -> tuple[Any, str]:
    """The object that has an attribute, and its name there."""
    *parents, name = path.split(".")
    for parent in parents:
        if not hasattr(module, parent):
            raise AttributeError(f"{type(module).__name__} has no attribute `{parent}`")
        module = getattr(module, parent)
    return module, name


def _table(owner: Any, name: str) -> dict[str, Any]:
    """Where an object keeps an attribute: among its parameters, its buffers, or its attributes."""
    for table in ("_parameters", "_buffers"):
        found = vars(owner).get(table)
        if found is not None and name in found:
            return found  # type: ignore[no-any-return]  # a dictionary
    attributes: dict[str, Any] = vars(owner)
    if name not in attributes:
        raise AttributeError(f"{type(owner).__name__} has no attribute `{name}`")
    return attributes


@contextmanager
def _replaced(module: Any, tensors: Mapping[str, Any]) -> Iterator[None]:
    places = []
    for path, tensor in tensors.items():
        owner, name = _owner(module, path)
        places.append((_table(owner, name), name, tensor))
    before = [table[name] for table, name, _ in places]
    for table, name, tensor in places:
        table[name] = tensor
    try:
        yield
    finally:
        for (table, name, _), old in zip(places, before, strict=True):
            table[name] = old


def _named(module: Any) -> dict[str, Any]:
    """All parameters and buffers of a module by name, each under every name it has."""
    found: dict[str, Any] = {}
    for method in ("named_parameters", "named_buffers"):
        if hasattr(module, method):
            found.update(getattr(module, method)(remove_duplicate=False))
    return found


def _tied(module: Any, tensors: Mapping[str, Any]) -> dict[str, Any]:
    own = _named(module)
    result = dict(tensors)
    for path, tensor in tensors.items():
        for other, value in own.items():
            if path in own and value is own[path] and other not in tensors:
                result[other] = tensor
    return result


def _check_names(module: Any, tensors: Mapping[str, Any]) -> None:
    own = _named(module)
    missing, unexpected = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
    if missing or unexpected:
        parts = [
            f"{what} key(s): {', '.join(map(repr, names))}."
            for what, names in (("Unexpected", unexpected), ("Missing", missing))
            if names
        ]
        raise RuntimeError(f"Error(s) in reparametrizing: {' '.join(parts)}")


expose("functional_call", functional_call, method=False, module="func")
