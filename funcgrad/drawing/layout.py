"""Layered drawing of a directed acyclic graph.

The three steps of K. Sugiyama, S. Tagawa and M. Toda (IEEE Trans. SMC 11, 1981): each box goes to
a layer, layers are ordered so that few edges cross (every box moves to the mean place of its
neighbours, layer by layer), and boxes are shifted sideways towards their neighbours. An edge over
several layers passes a point in each layer between.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Placed", "place"]

GAP = 22.0
"""Between neighbours in a layer, in pixels."""

SWEEPS = 12
LONG = 40
"""An edge over more layers is drawn straight: points for it would outnumber the boxes."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Where everything is.

    Attributes:
        centres: middle of each box.
        paths: for each edge the points it passes, from box to box.
        width: of the drawing.
        layers: number of layers.
    """

    centres: Mapping[int, tuple[float, int]]
    paths: Sequence[Sequence[tuple[float, int]]]
    width: float
    layers: int


def place(widths: Sequence[float], edges: Sequence[tuple[int, int]]) -> Placed:
    """Places of boxes numbered 0, 1, ... and of the edges between them.

    Args:
        widths: of the boxes, in pixels.
        edges: pairs (from, to) of boxes; no cycles.

    Returns:
        Horizontal places in pixels, vertical ones as numbers of layers from the top.
    """
    layer = _layers(len(widths), edges)
    sizes = list(widths)
    chains = []
    links: list[tuple[int, int]] = []
    for start, end in edges:
        chain = [start]
        span = layer[end] - layer[start]
        for between in range(layer[start] + 1, layer[end]) if span <= LONG else ():
            sizes.append(2.0)
            layer.append(between)
            chain.append(len(sizes) - 1)
        chain.append(end)
        chains.append(chain)
        links += pairwise(chain)
    above: list[list[int]] = [[] for _ in sizes]
    below: list[list[int]] = [[] for _ in sizes]
    for start, end in links:
        below[start].append(end)
        above[end].append(start)
    count = max(layer, default=-1) + 1
    rows: list[list[int]] = [[] for _ in range(count)]
    for box, at in enumerate(layer):
        rows[at].append(box)
    _order(rows, above, below)
    x = _shift(rows, sizes, above, below)
    left = min((x[box] - sizes[box] / 2 for box in range(len(sizes))), default=0.0)
    right = max((x[box] + sizes[box] / 2 for box in range(len(sizes))), default=0.0)
    return Placed(
        {box: (x[box] - left, layer[box]) for box in range(len(widths))},
        [[(x[box] - left, layer[box]) for box in chain] for chain in chains],
        right - left,
        count,
    )


def _layers(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """Length of the longest path to each box, except that sources stand right above their use."""
    after: list[list[int]] = [[] for _ in range(count)]
    waiting = [0] * count
    for start, end in edges:
        after[start].append(end)
        waiting[end] += 1
    sources = [box for box in range(count) if not waiting[box]]
    ready = list(sources)
    layer = [0] * count
    while ready:
        box = ready.pop()
        for end in after[box]:
            layer[end] = max(layer[end], layer[box] + 1)
            waiting[end] -= 1
            if not waiting[end]:
                ready.append(end)
    for box in sources:
        if after[box]:
            layer[box] = min(layer[end] for end in after[box]) - 1
    return layer


def _order(rows: list[list[int]], above: list[list[int]], below: list[list[int]]) -> None:
    place_of: dict[int, float] = {}
    for row in rows:
        place_of.update((box, float(i)) for i, box in enumerate(row))
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for row in rows if down else reversed(rows):
            neighbours = above if down else below
            keys = {
                box: sum(place_of[other] for other in neighbours[box]) / len(neighbours[box])
                if neighbours[box]
                else place_of[box]
                for box in row
            }
            row.sort(key=keys.__getitem__)
            place_of.update((box, float(i)) for i, box in enumerate(row))


def _shift(
    rows: list[list[int]],
    sizes: Sequence[float],
    above: list[list[int]],
    below: list[list[int]],
) -> list[float]:
    """Each box wants to stand at the mean of its neighbours; those of a layer must not overlap."""
    x = [0.0] * len(sizes)
    for row in rows:
        at = 0.0
        for box in row:
            x[box] = at + sizes[box] / 2
            at += sizes[box] + GAP
    for sweep in range(2 * SWEEPS):
        down = sweep % 2 == 0
        for row in rows if down else reversed(rows):
            wanted = []
            for box in row:
                near = (
                    above[box] + below[box] if sweep > SWEEPS else (above if down else below)[box]
                )
                wanted.append(sum(x[other] for other in near) / len(near) if near else x[box])
            for box, position in zip(row, _apart(wanted, [sizes[b] for b in row]), strict=True):
                x[box] = position
    return x


def _apart(wanted: Sequence[float], sizes: Sequence[float]) -> list[float]:
    """The places nearest to the wanted ones, in this order, without overlap (least squares).

    Boxes that would overlap form a block, which stands at the mean of what its members want.
    """
    blocks: list[list[float]] = []  # [sum of wanted places less offsets, members, width so far]
    offset = 0.0
    offsets = []
    for i, size in enumerate(sizes):
        if i:
            offset += (sizes[i - 1] + size) / 2 + GAP
        offsets.append(offset)
    for i, want in enumerate(wanted):
        blocks.append([want - offsets[i], 1.0])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            total, members = blocks.pop()
            blocks[-1][0] += total
            blocks[-1][1] += members
    result: list[float] = []
    for total, members in blocks:
        result += [total / members + offsets[len(result) + i] for i in range(int(members))]
    return result
