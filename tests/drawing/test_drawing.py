"""Pictures of programs: every box and arrow is there, nothing overlaps, files are written."""

import re
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import funcgrad as fg
from funcgrad.drawing.layout import GAP, place
from funcgrad.drawing.picture import Box, Picture


def loss(w: np.ndarray, b: np.ndarray) -> np.ndarray:
    z = np.matmul(np.ones(5), w) + b
    return np.mean(np.logaddexp(0, z))


PROGRAM = fg.make_program(fg.grad(loss, (0, 1)))(np.ones((5, 3)), np.ones(3))


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[float], list[tuple[int, int]]]:
    count = draw(st.integers(1, 12))
    widths = draw(st.lists(st.floats(10, 200), min_size=count, max_size=count))
    pairs = [(i, j) for j in range(count) for i in range(j)]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    return widths, edges


@given(graphs())
@settings(max_examples=200, deadline=None)
def test_edges_point_downwards_and_boxes_stand_apart(
    graph: tuple[list[float], list[tuple[int, int]]],
) -> None:
    widths, edges = graph
    placed = place(widths, edges)
    for start, end in edges:
        assert placed.centres[start][1] < placed.centres[end][1]
    rows: dict[int, list[tuple[float, float]]] = {}
    for box, (x, layer) in placed.centres.items():
        assert x - widths[box] / 2 >= -1e-6
        assert x + widths[box] / 2 <= placed.width + 1e-6
        rows.setdefault(layer, []).append((x, widths[box]))
    for row in rows.values():
        row.sort()
        for (x, width), (next_x, next_width) in pairwise(row):
            assert next_x - x >= (width + next_width) / 2 + GAP - 1e-6


@given(graphs())
@settings(max_examples=100, deadline=None)
def test_an_edge_passes_each_layer_between_its_boxes(
    graph: tuple[list[float], list[tuple[int, int]]],
) -> None:
    widths, edges = graph
    placed = place(widths, edges)
    for (start, end), path in zip(edges, placed.paths, strict=True):
        assert path[0] == placed.centres[start]
        assert path[-1] == placed.centres[end]
        assert [layer for _, layer in path] == list(range(path[0][1], path[-1][1] + 1))


def test_a_program_has_a_box_for_each_input_equation_and_result() -> None:
    picture = fg.draw(PROGRAM)
    names = [box.lines[0] for box in picture.boxes]
    assert names == [
        *("ab"),
        *(equation.primitive.name for equation in PROGRAM.equations),
        *("result", "result"),
    ]
    assert picture.boxes[0].lines == ("a", "float64[5, 3]")


def test_arrows_lead_from_operands_to_the_equations_that_use_them() -> None:
    picture = fg.draw(fg.make_program(lambda x: np.sin(x) * np.cos(x))(1.0))
    names = [box.lines[0] for box in picture.boxes]
    arrows = sorted((names[start], names[end]) for start, end in picture.edges)
    assert arrows == [
        ("a", "cos"),
        ("a", "sin"),
        ("cos", "multiply"),
        ("multiply", "result"),
        ("sin", "multiply"),
    ]


def test_dot_text_has_every_box_and_arrow() -> None:
    picture = fg.draw(PROGRAM)
    assert len(re.findall(r"^ +n\d+ \[label=", picture.dot, re.M)) == len(picture.boxes)
    assert len(re.findall(r"^ +n\d+ -> n\d+$", picture.dot, re.M)) == len(picture.edges)
    assert str(picture) == picture.dot


def test_svg_is_well_formed_and_shows_the_text_of_every_box() -> None:
    picture = Picture((Box(("a < b & c", 'say "x"'), "#ffffff", "<title>"),), ())
    root = ET.fromstring(picture.svg)
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["a < b & c", 'say "x"']
    assert r'label="a < b & c\nsay \"x\""' in picture.dot


@pytest.mark.parametrize("suffix", [".svg", ".dot", ".gv"])
def test_save_writes_the_format_of_the_name(tmp_path: Path, suffix: str) -> None:
    picture = fg.draw(PROGRAM)
    file = picture.save(tmp_path / f"graph{suffix}")
    text = file.read_text(encoding="utf-8")
    assert text == (picture.svg if suffix == ".svg" else picture.dot)


def test_a_constant_result_is_a_box_without_arrow() -> None:
    picture = fg.draw(fg.make_program(lambda x: 3.0)(1.0))
    assert [box.lines for box in picture.boxes] == [("a", "float64[]"), ("result", "3.0")]
    assert picture.edges == ()


def test_a_format_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"save: the name ends in '.png'"):
        fg.draw(PROGRAM).save(tmp_path / "graph.png")
    assert not list(tmp_path.iterdir())
