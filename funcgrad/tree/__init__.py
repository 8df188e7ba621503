"""Pytrees: nested tuples, lists, dicts and registered types with arrays at the leaves.

Every transform takes and returns them. `flatten` takes one apart into a list of leaves and a
`Structure`, `unflatten` puts it together; the rest of the module is made of these two.

Example:
    >>> from funcgrad import tree
    >>> tree.map(lambda x: 2 * x, {"w": [1.0, 2.0], "b": None})
    {'b': None, 'w': [2.0, 4.0]}
"""

from funcgrad.tree.dataclass_nodes import register_dataclass
from funcgrad.tree.flattening import (
    broadcast,
    broadcast_to_structure,
    flatten,
    flatten_up_to,
    flatten_with_path,
    leaves,
    leaves_with_path,
    structure,
    unflatten,
)
from funcgrad.tree.keys import (
    DictKey,
    FlattenedIndexKey,
    GetAttrKey,
    KeyPath,
    SequenceKey,
    keystr,
)
from funcgrad.tree.mismatch import difference
from funcgrad.tree.operations import all, map, map_with_path, reduce, transpose
from funcgrad.tree.partial import Partial
from funcgrad.tree.registry import register_node, register_node_class, register_static
from funcgrad.tree.structure import LEAF, Structure

__all__ = [
    "LEAF",
    "DictKey",
    "FlattenedIndexKey",
    "GetAttrKey",
    "KeyPath",
    "Partial",
    "SequenceKey",
    "Structure",
    "all",
    "broadcast",
    "broadcast_to_structure",
    "difference",
    "flatten",
    "flatten_up_to",
    "flatten_with_path",
    "keystr",
    "leaves",
    "leaves_with_path",
    "map",
    "map_with_path",
    "reduce",
    "register_dataclass",
    "register_node",
    "register_node_class",
    "register_static",
    "structure",
    "transpose",
    "unflatten",
]
