"""The examples run, alone and from any folder, and find what they say they find."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"

# Printed by a fresh interpreter: what an example imports beside NumPy and the standard library.
NEEDED_MODULES = """
import runpy, sys
import numpy, numpy.linalg, numpy.random
before = set(sys.modules)
runpy.run_path(sys.argv[1])
top = {name.partition(".")[0] for name in sys.modules.keys() - before}
print(*sorted(top - sys.stdlib_module_names))
"""


def run_main(name: str) -> Any:
    """What `main()` of an example returns."""
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"]()


def test_the_quickstart_runs_as_a_script_in_another_folder(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "quickstart.py")],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        timeout=120,
    )
    assert "read right:" in done.stdout
    assert "Hessian-vector product:" in done.stdout
    assert "agree with finite differences" in done.stdout
    assert done.stderr == ""


def test_the_quickstart_reports_progress_in_lines_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_progress = runpy.run_path(str(EXAMPLES / "quickstart.py"))["show_progress"]
    for epoch in range(1, 17):
        show_progress(epoch, 16, "loss 1.0")
    printed = capsys.readouterr().out
    assert "\r" not in printed
    assert printed.count("\n") == 8
    assert printed.isascii()


def test_the_quickstart_reads_digits_and_differentiates_right() -> None:
    found = run_main("quickstart")
    assert found["error"] < 1e-15
    assert found["accuracy"] >= 0.95
    assert np.isfinite(found["curvature"])


def test_the_curvature_of_the_quickstart_is_a_second_difference_of_its_loss() -> None:
    names = runpy.run_path(str(EXAMPLES / "quickstart.py"))
    rng = np.random.default_rng(3)
    (images, digits), _ = names["load_digits"]()
    network = names["init_network"]([64, 5, 10], rng)
    directions: list[Any] = []

    class Recorded:
        """The generator, which remembers the direction that `check` draws from it."""

        def normal(self, size: tuple[int, ...]) -> Any:
            directions.append(rng.normal(size=size))
            return directions[-1]

    curvature = names["check"](network, images[:20], digits[:20], Recorded())
    direction = [{"b": b, "w": w} for b, w in zip(directions[::2], directions[1::2], strict=True)]

    def loss(step: float) -> float:
        moved = [
            {name: layer[name] + step * move[name] for name in layer}
            for layer, move in zip(network, direction, strict=True)
        ]
        return names["cross_entropy"](moved, images[:20], digits[:20])

    step = 1e-3
    difference = (loss(step) - 2 * loss(0.0) + loss(-step)) / step**2
    assert curvature == pytest.approx(difference, rel=1e-4)  # error of the difference: O(step²)


def test_newton_steps_find_the_optimum_of_the_logistic_regression() -> None:
    found = run_main("logistic_newton")
    assert found["steps"] < 10
    assert found["accuracy"] > 0.95
    assert found["weights"].shape == found["errors"].shape == (31,)


def test_the_hessian_of_the_logistic_regression_is_the_one_of_the_textbook() -> None:
    names = runpy.run_path(str(EXAMPLES / "logistic_newton.py"))
    (features, labels), _, _ = names["load_tumours"]()
    weights = np.random.default_rng(0).normal(scale=0.1, size=31)
    design = np.column_stack([features, np.ones(len(features))])
    p = 1 / (1 + np.exp(-design @ weights))
    ridge = np.diag([1.0] * 30 + [0.0]) / names["PRIOR_DEVIATION"] ** 2
    expected = design.T @ (design * (p * (1 - p))[:, None]) + ridge
    hessian = names["funcgrad"].hessian(names["loss"])(weights, features, labels)
    np.testing.assert_allclose(hessian, expected, rtol=1e-9, atol=1e-9)


def test_the_fit_recovers_gravity_within_its_own_error() -> None:
    found = run_main("ode_fit")
    assert np.all(np.abs(found["fitted"] - found["truth"]) < 4 * found["errors"])
    np.testing.assert_allclose(found["fitted"], found["truth"], rtol=0.02)
    assert abs(found["harmonic"] - found["truth"][0]) > 0.5


def test_per_example_gradients_are_those_of_a_loop() -> None:
    found = run_main("per_example_gradients")
    assert found["difference"] < 1e-12
    assert found["norms"].shape == found["digits"].shape == (1797,)
    assert found["norms"][found["digits"] == 8].mean() > found["norms"][found["digits"] == 0].mean()
    assert found["noise_scale"] > 1


def printed_by(*command: str) -> list[str]:
    """Lines that a script prints, without addresses in memory."""
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stderr == ""
    return re.sub(r"0x[0-9a-f]+", "0x", done.stdout).splitlines()


def test_the_torch_tutorial_prints_nodes_and_gradients() -> None:
    lines = printed_by("-m", "examples.torch_tutorial")
    assert lines[0] == "Gradient function for z = <AddBackward0 object at 0x>"
    assert "<BinaryCrossEntropyWithLogitsBackward0 object at 0x>" in lines[1]
    assert lines[2].startswith("tensor([[")
    assert lines[8:11] == ["True", "False", "False"]
    assert lines.count("tensor([[4., 2., 2., 2., 2.],") == 2  # the first call and after zeroing


def test_the_torch_tutorial_in_korean_prints_the_same_numbers() -> None:
    english, korean = (
        printed_by("-m", f"examples.{name}") for name in ("torch_tutorial", "torch_tutorial_ko")
    )
    numbers = [[line for line in lines if "tensor" in line] for lines in (english, korean)]
    assert numbers[0] == numbers[1]
    assert len(english) == len(korean)


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["torch_tutorial", "torch_tutorial_ko"])
def test_the_torch_tutorial_prints_what_pytorch_prints(name: str, tmp_path: Path) -> None:
    pytest.importorskip("torch", minversion="2.13")
    source = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
    script = tmp_path / f"{name}.py"
    plain = source.replace("from funcgrad.compat import torch", "import torch")
    script.write_text(plain, encoding="utf-8")
    expected = printed_by(str(script))
    assert printed_by("-m", f"examples.{name}") == expected
    assert printed_by("-m", "funcgrad.compat.torch", str(script)) == expected


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_needs_only_numpy_and_funcgrad(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", NEEDED_MODULES, str(path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert set(done.stdout.splitlines()[-1].split()) <= {"funcgrad", "numpy", "typing_extensions"}
