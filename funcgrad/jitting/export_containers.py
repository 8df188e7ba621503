"""Pytrees in source text: how arguments come apart, and results together, in plain containers.

Dicts, lists, tuples and None are written as such. Named tuples and all other nodes become tuples of
their children, in the order in which the pytree has them.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from funcgrad import tree
from funcgrad.tree.nodes import NAMEDTUPLE

__all__ = ["container_text", "leaf_places", "nodes_of", "plain_containers"]

_DICTS = (dict, OrderedDict, defaultdict)


def _keys(structure: tree.Structure) -> Sequence[Any]:
    meta: Sequence[Any] = structure.meta
    return meta[1] if structure.node_type is defaultdict else meta


def leaf_places(structure: tree.Structure, place: str) -> Iterator[tuple[tree.Structure, str]]:
    """Where each leaf of a container stands that is called `place`: texts such as `p['w'][0]`."""
    if structure is tree.LEAF:
        yield structure, place
        return
    is_dict = structure.node_type in _DICTS
    keys = _keys(structure) if is_dict else range(len(structure.children))
    for key, child in zip(keys, structure.children, strict=True):
        yield from leaf_places(child, f"{place}[{key!r}]")


def container_text(structure: tree.Structure, names: Iterator[str]) -> str:
    """An expression for a container whose leaves are called so."""
    return _built(structure, names, lambda kind, parts: _written(kind, parts))


def plain_containers(structure: tree.Structure, leaves: Iterator[Any]) -> Any:
    """The container itself, as the written module takes and gives it."""
    if structure is tree.LEAF:
        return next(leaves)
    children = [plain_containers(child, leaves) for child in structure.children]
    if structure.node_type in _DICTS:
        return dict(zip(_keys(structure), children, strict=True))
    if structure.node_type is type(None):
        return None
    return children if structure.node_type is list else tuple(children)


def _built(
    structure: tree.Structure,
    names: Iterator[str],
    write: Callable[[tree.Structure, list[str]], str],
) -> str:
    if structure is tree.LEAF:
        return next(names)
    return write(structure, [_built(child, names, write) for child in structure.children])


def _written(structure: tree.Structure, parts: list[str]) -> str:
    kind = structure.node_type
    if kind in _DICTS:
        pairs = zip(_keys(structure), parts, strict=True)
        return "{" + ", ".join(f"{key!r}: {part}" for key, part in pairs) + "}"
    if kind is list:
        return f"[{', '.join(parts)}]"
    if kind is type(None):
        return "None"
    return f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})"


def nodes_of(structure: tree.Structure) -> Iterator[str]:
    """What is said about nodes that become tuples: `Point: a tuple of .x, .y`."""
    plain = (*_DICTS, tuple, list, type(None))
    kind = structure.node_type
    if structure.kind is NAMEDTUPLE or (kind is not None and kind not in plain):
        keys = ", ".join(map(str, structure.child_keys()))
        yield f"{getattr(kind, '__name__', kind)}: a tuple of {keys}"
    for child in structure.children:
        yield from nodes_of(child)
