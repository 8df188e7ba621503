"""A drawn graph: DOT text, SVG text, files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from funcgrad.drawing.layout import place

__all__ = ["Box", "Picture"]

LETTER = 7.0
LINE = 16.0
PADDING = 9.0
LAYER_GAP = 38.0
MARGIN = 12.0
ROUND = 5
FONT = "font-family='DejaVu Sans Mono, Menlo, Consolas, monospace' font-size='11'"


@dataclass(frozen=True, slots=True)
class Box:
    """A node of a picture.

    Attributes:
        lines: its text.
        colour: of its ground, as `#rrggbb`.
        title: longer text, shown when the pointer rests on it.
    """

    lines: tuple[str, ...]
    colour: str
    title: str = ""

    @property
    def width(self) -> float:
        """In pixels."""
        return LETTER * max(map(len, self.lines)) + 2 * PADDING

    @property
    def height(self) -> float:
        """In pixels."""
        return LINE * len(self.lines) + PADDING


@dataclass(frozen=True, slots=True)
class Picture:
    """Boxes and arrows; `dot` and `svg` are its texts, `save` writes a file.

    Attributes:
        boxes: the nodes.
        edges: pairs (from, to) of numbers of boxes.
    """

    boxes: tuple[Box, ...]
    edges: tuple[tuple[int, int], ...]

    @property
    def dot(self) -> str:
        """The graph in the DOT language of Graphviz."""
        lines = [
            "digraph {",
            '    node [shape=box style=filled fontname="monospace" fontsize=10 height=0.2]',
        ]
        for number, box in enumerate(self.boxes):
            label = "\\n".join(_quoted(line) for line in box.lines)
            lines.append(f'    n{number} [label="{label}" fillcolor="{box.colour}"]')
        lines += [f"    n{start} -> n{end}" for start, end in self.edges]
        return "\n".join([*lines, "}"]) + "\n"

    source = dot

    @property
    def svg(self) -> str:
        """The graph as a drawing, from top to bottom."""
        placed = place([box.width for box in self.boxes], self.edges)
        heights = [0.0] * placed.layers
        for number, box in enumerate(self.boxes):
            layer = placed.centres[number][1]
            heights[layer] = max(heights[layer], box.height)
        middles = []
        y = MARGIN
        for height in heights:
            middles.append(y + height / 2)
            y += height + LAYER_GAP
        width = placed.width + 2 * MARGIN
        total = max(y - LAYER_GAP, MARGIN) + MARGIN
        parts = [
            f"<svg xmlns='http://www.w3.org/2000/svg' width='{width:.0f}' height='{total:.0f}' "
            f"viewBox='0 0 {width:.0f} {total:.0f}'>",
            "<defs><marker id='tip' viewBox='0 0 8 8' refX='7' refY='4' markerWidth='7' "
            "markerHeight='7' orient='auto'><path d='M0,0 L8,4 L0,8 z' fill='#444444'/></marker>"
            "</defs>",
            "<rect width='100%' height='100%' fill='#ffffff'/>",
        ]
        for (start, end), path in zip(self.edges, placed.paths, strict=True):
            points = [(x + MARGIN, middles[layer]) for x, layer in path]
            points[0] = (points[0][0], points[0][1] + self.boxes[start].height / 2)
            points[-1] = (points[-1][0], points[-1][1] - self.boxes[end].height / 2)
            parts.append(
                f"<path d='{_curve(points)}' fill='none' stroke='#444444' marker-end='url(#tip)'/>"
            )
        for number, box in enumerate(self.boxes):
            x, layer = placed.centres[number]
            parts.append(_drawn(box, x + MARGIN, middles[layer]))
        return "\n".join([*parts, "</svg>"]) + "\n"

    def save(self, path: str | Path) -> Path:
        """Write a file: SVG for a name that ends in .svg, else DOT.

        Args:
            path: name of the file.

        Returns:
            Its path.

        Raises:
            ValueError: for another ending than .svg, .dot, .gv or none.
        """
        file = Path(path)
        if file.suffix not in ("", ".dot", ".gv", ".svg"):
            raise ValueError(
                f"save: the name ends in {file.suffix!r}. A picture is written as SVG or as DOT "
                "text. Use a name that ends in .svg, or in .dot for Graphviz."
            )
        file.write_text(self.svg if file.suffix == ".svg" else self.dot, encoding="utf-8")
        return file

    def _repr_svg_(self) -> str:
        return self.svg

    @override
    def __str__(self) -> str:
        return self.dot


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _curve(points: Sequence[tuple[float, float]]) -> str:
    """Upright at each point, curved between."""
    x, y = points[0]
    path = f"M{x:.1f},{y:.1f}"
    for next_x, next_y in points[1:]:
        half = (y + next_y) / 2
        path += f" C{x:.1f},{half:.1f} {next_x:.1f},{half:.1f} {next_x:.1f},{next_y:.1f}"
        x, y = next_x, next_y
    return path


def _drawn(box: Box, x: float, y: float) -> str:
    left, top = x - box.width / 2, y - box.height / 2
    title = f"<title>{_escaped(box.title)}</title>" if box.title else ""
    first = y - LINE * (len(box.lines) - 1) / 2 + 4
    text = "".join(
        f"<text x='{x:.1f}' y='{first + LINE * i:.1f}' text-anchor='middle' {FONT}>"
        f"{_escaped(line)}</text>"
        for i, line in enumerate(box.lines)
    )
    return (
        f"<g>{title}<rect x='{left:.1f}' y='{top:.1f}' width='{box.width:.1f}' "
        f"height='{box.height:.1f}' rx='{ROUND}' fill='{box.colour}' stroke='#444444'/>{text}</g>"
    )
