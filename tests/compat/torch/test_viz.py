"""Pictures and trees of the graph behind a tensor."""

import io
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from funcgrad.compat import torch
from funcgrad.compat.torch.viz import make_dot, print_graph


def small_loss() -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    x = torch.ones(5)
    w = torch.ones(5, 3, requires_grad=True)
    b = torch.zeros(3, requires_grad=True)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(x @ w + b, torch.zeros(3))
    return loss, {"w": w, "b": b}


def test_the_picture_has_a_box_for_each_node_leaf_and_result() -> None:
    loss, params = small_loss()
    dot = make_dot(loss, params=params).dot
    labels = re.findall(r'label="([^"]*)"', dot)
    words = {word for label in labels for word in label.split("\\n")}
    assert {"w", "b", "(5, 3)", "AddBackward0", "BinaryCrossEntropyWithLogitsBackward0"} <= words
    assert dot.count("->") == 6  # from w, the product, its squeezed form, b, their sum, the loss


def test_the_picture_is_well_formed_svg() -> None:
    loss, params = small_loss()
    root = ElementTree.fromstring(make_dot(loss, params=params).svg)
    assert root.tag.endswith("svg")
    text = "".join(root.itertext())
    assert "AddBackward0" in text
    assert "(5, 3)" in text


def test_the_picture_is_saved_as_svg_without_other_software(tmp_path: Path) -> None:
    loss, params = small_loss()
    path = tmp_path / "graph.svg"
    make_dot(loss, params=params).save(str(path))
    assert path.read_text(encoding="utf-8").startswith("<")
    assert "svg" in path.read_text(encoding="utf-8")[:200]


def test_names_may_be_pairs_and_boxes_may_tell_what_nodes_keep() -> None:
    x = torch.ones(3, requires_grad=True)
    dot = make_dot((x**2).sum(), params=[("input", x)], show_attrs=True, show_saved=True).dot
    assert "input" in dot
    assert "saves 1" in dot
    assert "made " in dot


def test_a_tensor_without_graph_cannot_be_drawn() -> None:
    with pytest.raises(RuntimeError, match="does not require grad"):
        make_dot(torch.ones(2))


def test_the_tree_shows_shared_nodes_once() -> None:
    x = torch.ones(2, requires_grad=True)
    y = x * 3
    out = io.StringIO()
    print_graph((y * y).sum(), file=out)
    assert out.getvalue().splitlines() == [
        "SumBackward0",
        "  MulBackward0",
        "    MulBackward0",
        "      AccumulateGrad (2)",
        "    MulBackward0 (see above)",
    ]


def test_the_tree_of_a_leaf_is_its_accumulator() -> None:
    out = io.StringIO()
    print_graph(torch.ones(2, 3, requires_grad=True), file=out)
    assert out.getvalue() == "AccumulateGrad (2, 3)\n"
