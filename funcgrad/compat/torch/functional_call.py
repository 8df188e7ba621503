"""`torch.func` on modules: called with other parameters than their own, or stacked."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from funcgrad.compat.torch.joining import stack
from funcgrad.compat.torch.registry import expose

__all__ = ["functional_call", "stack_module_state"]


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
    tensors = _merged(parameter_and_buffer_dicts)
    given = () if args is None else args if isinstance(args, tuple) else (args,)
    if tie_weights:
        tensors = _tied(module, tensors)
    if strict:
        _check_names(module, tensors)
    with _replaced(module, tensors):
        return module(*given, **(kwargs or {}))


def stack_module_state(models: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters and buffers of several modules of one kind, stacked along a new first axis.

    Args:
        models: the modules.

    Returns:
        The parameters by name (leaves) and the buffers by name, for `vmap` of `functional_call`.

    Raises:
        RuntimeError: if there is no module, or if they differ in kind, mode or `requires_grad`.
    """
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if len({model.training for model in models}) > 1:
        raise RuntimeError(
            "stack_module_state: Expected all models to have the same training/eval mode."
        )
    if len({type(model) for model in models}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    tables = [dict(model.named_parameters()) for model in models]
    buffers = [dict(model.named_buffers()) for model in models]
    return (
        {name: _stacked([table[name] for table in tables], name) for name in tables[0]},
        {name: _stacked([table[name] for table in buffers], name) for name in buffers[0]},
    )


def _stacked(tensors: list[Any], name: str) -> Any:
    if len({one.requires_grad for one in tensors}) > 1:
        raise RuntimeError(f"Expected {name} from each model to have the same .requires_grad")
    result = stack(tensors)
    return result.detach().requires_grad_() if tensors[0].requires_grad else result


def _merged(dicts: Any) -> dict[str, Any]:
    """All entries of one or several dictionaries."""
    if isinstance(dicts, Mapping):
        return dict(dicts)
    if not isinstance(dicts, Sequence):
        raise ValueError(
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
            f"{type(dicts)}"
        )
    tensors: dict[str, Any] = {}
    keys = [key for one in dicts for key in one]
    repeated = list(dict.fromkeys(key for key in keys if keys.count(key) > 1))
    if repeated:
        raise ValueError(
            f"{repeated} appeared in multiple dictionaries; behavior of functional call is "
            "ambiguous"
        )
    for one in dicts:
        tensors.update(one)
    return tensors


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
    if name not in attributes and "_parameters" not in attributes:  # a module takes new names
        raise AttributeError(f"{type(owner).__name__} has no attribute `{name}`")
    return attributes


@contextmanager
def _replaced(module: Any, tensors: Mapping[str, Any]) -> Iterator[None]:
    places = []
    for path, tensor in tensors.items():
        owner, name = _owner(module, path)
        places.append((_table(owner, name), name, tensor))
    before = [table.get(name, _ABSENT) for table, name, _ in places]
    for table, name, tensor in places:
        table[name] = tensor
    try:
        yield
    finally:
        for (table, name, _), old in zip(places, before, strict=True):
            if old is _ABSENT:
                table.pop(name, None)
            else:
                table[name] = old


_ABSENT = object()
"""Stands for an attribute that was not there."""


def _named(module: Any) -> dict[str, Any]:
    """All parameters and buffers of a module by name, each under every name it has."""
    found: dict[str, Any] = {}
    for method in ("named_parameters", "named_buffers"):
        if hasattr(module, method):
            found.update(getattr(module, method)(remove_duplicate=False))
    return found


def _tied(module: Any, tensors: Mapping[str, Any]) -> dict[str, Any]:
    """The same, with an entry for every name of a tensor that has several."""
    own = _named(module)
    groups: dict[int, list[str]] = {}
    for name, value in own.items():
        groups.setdefault(id(value), []).append(name)
    result = dict(tensors)
    for names in groups.values():
        given = [name for name in names if name in tensors]
        if len({id(tensors[name]) for name in given}) > 1:
            raise ValueError(
                f"functional_call got multiple values for keys {sorted(names)}, which are tied. "
                "Consider using tie_weights=False"
            )
        if given:
            result.update(dict.fromkeys(names, tensors[given[0]]))
    return result


def _check_names(module: Any, tensors: Mapping[str, Any]) -> None:
    own = _named(module)
    missing, unexpected = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
    if missing or unexpected:
        lines = [
            f"\n\t{what} key(s): {', '.join(map(repr, names))}."
            for what, names in (("Unexpected", unexpected), ("Missing", missing))
            if names
        ]
        raise RuntimeError(
            f"Error(s) in reparametrizing for {type(module).__name__}:{''.join(lines)}"
        )


expose("functional_call", functional_call, method=False, module="func")
expose("stack_module_state", stack_module_state, method=False, module="func")
