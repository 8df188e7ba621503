"""Node types of every kind, and random trees of them."""

import dataclasses
from collections import OrderedDict, defaultdict
from typing import Any, NamedTuple

from hypothesis import strategies as st

from funcgrad import tree
from funcgrad.tree import (
    GetAttrKey,
    Structure,
)


class Point(NamedTuple):
    x: Any
    y: Any


@tree.register_dataclass(meta_fields=["name"])
@dataclasses.dataclass(frozen=True)
class Layer:
    weight: Any
    bias: Any
    name: str = "layer"


@tree.register_static
@dataclasses.dataclass(frozen=True)
class Setting:
    value: Any


class Interval:
    def __init__(self, low: Any, high: Any) -> None:
        self.low, self.high = low, high

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Interval) and (self.low, self.high) == (other.low, other.high)

    def __hash__(self) -> int:
        return hash((self.low, self.high))


tree.register_node(
    Interval,
    lambda interval: ((interval.low, interval.high), None),
    lambda _meta, children: Interval(*children),
    lambda interval: (
        ((GetAttrKey("low"), interval.low), (GetAttrKey("high"), interval.high)),
        None,
    ),
)


def function(*args: Any, **keywords: Any) -> tuple[Any, ...]:
    return args, keywords


NAMES = st.text("abcxyz", min_size=1, max_size=2)
LEAVES = st.integers(-9, 9)


def nodes(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    items = st.dictionaries(NAMES, children, max_size=3)
    return st.one_of(
        st.lists(children, max_size=3),
        st.lists(children, max_size=3).map(tuple),
        items,
        items.map(OrderedDict),
        items.map(lambda content: defaultdict(list, content)),
        st.builds(Point, children, children),
        st.builds(Layer, children, children, NAMES),
        st.builds(Interval, children, children),
    )


BASES = st.one_of(LEAVES, st.none(), st.builds(Setting, LEAVES))
TREES = st.recursive(BASES, nodes, max_leaves=12)


def with_fresh_leaves(shape: Structure, start: int = 0) -> Any:
    """A tree whose leaves are start, start + 1, …"""
    return tree.unflatten(shape, range(start, start + shape.num_leaves))
