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
print(*sorted(top - sys.stdlib_module_names - {"__mp_main__"}))  # multiprocessing's own name
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


def test_the_spectral_fit_resolves_two_tones_in_one_line() -> None:
    found = run_main("spectral_fit")
    assert np.all(np.abs(found["fitted"] - found["truth"]) < 4 * found["errors"])
    frequencies, errors = found["fitted"][:, 2], found["errors"][:, 2]
    assert np.diff(frequencies)[0] > 10 * np.max(errors)  # two tones, not one
    assert np.all(errors < 0.1)  # the lines of the spectrum are 2 Hz apart
    assert np.all(np.abs(frequencies - found["peak"]) > 4 * errors)


def test_per_example_gradients_are_those_of_a_loop() -> None:
    found = run_main("per_example_gradients")
    assert found["difference"] < 1e-12
    assert found["norms"].shape == found["digits"].shape == (1797,)
    assert found["norms"][found["digits"] == 8].mean() > found["norms"][found["digits"] == 0].mean()
    assert found["noise_scale"] > 1


def test_the_gaussian_process_finds_its_lengths_by_the_gradient_of_the_textbook() -> None:
    found = run_main("gaussian_process")
    assert found["error"] < 1e-10
    assert found["rms"] < found["linear"] < 0.6
    assert 0.9 < found["inside"] < 0.98
    assert np.argmax(found["lengths"]) == 1  # the texture tells nothing


def test_the_loss_of_the_gaussian_process_is_the_density_of_a_normal_distribution() -> None:
    names = runpy.run_path(str(EXAMPLES / "gaussian_process.py"))
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 5)), rng.normal(size=6)
    parameters = {"log amplitude": 0.3, "log lengths": 0.1 * np.arange(5), "log noise": -0.5}
    k = names["covariance"](parameters, x, x) + np.exp(-1.0) * np.eye(6)
    density = np.exp(-y @ np.linalg.inv(k) @ y / 2) / np.sqrt(np.linalg.det(2 * np.pi * k))
    assert names["loss"](parameters, x, y) == pytest.approx(-np.log(density), rel=1e-12)


def test_the_variances_of_the_nile_are_those_of_the_textbook() -> None:
    """Durbin and Koopman 2012, Time series analysis by state space methods, section 2.10.3."""
    found = run_main("kalman_filter")
    np.testing.assert_allclose(found["variances"], [15099, 1469.1], rtol=1e-4)
    assert found["log_likelihood"] == pytest.approx(-632.5456, abs=1e-4)


def test_the_likelihood_of_the_kalman_filter_is_the_density_of_the_differences() -> None:
    """y[t] - y[t-1] is Gaussian with covariance 2 noise + drift, and -noise between neighbours."""
    names = runpy.run_path(str(EXAMPLES / "kalman_filter.py"))
    flow = names["NILE"][:30]

    def density(log_variances: Any, flow: Any) -> Any:
        noise, drift = np.exp(log_variances)
        n = len(flow) - 1
        neighbours = np.eye(n, k=1) + np.eye(n, k=-1)
        covariance = (2 * noise + drift) * np.eye(n) - noise * neighbours
        differences = np.diff(flow)
        quadratic = differences @ np.linalg.solve(covariance, differences)
        return -0.5 * (n * np.log(2 * np.pi) + np.linalg.slogdet(covariance)[1] + quadratic)

    at = np.log([9000.0, 2500.0])
    filtered = names["log_likelihood"]
    assert filtered(at, flow) == pytest.approx(density(at, flow), rel=1e-12)
    for transform in (names["funcgrad"].grad, names["funcgrad"].hessian):
        for argument in (0, 1):
            found, expected = (transform(f, argument)(at, flow) for f in (filtered, density))
            np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)


def test_the_smoothed_level_is_the_mean_of_the_level_given_all_measurements() -> None:
    """The best linear estimate of the levels, from the normal equations of the model."""
    names = runpy.run_path(str(EXAMPLES / "kalman_filter.py"))
    flow, log_variances = names["NILE"], np.log([15099.0, 1469.1])
    noise, drift = np.exp(log_variances)
    steps = np.diff(np.eye(len(flow)), axis=0)
    expected = np.linalg.solve(np.eye(len(flow)) / noise + steps.T @ steps / drift, flow / noise)
    np.testing.assert_allclose(names["smooth"](log_variances, flow), expected, rtol=1e-9)


def test_derivatives_through_the_iteration_are_those_of_the_theorem() -> None:
    found = run_main("fixed_point")
    assert found["difference"] < 1e-12
    assert found["steps"].min() < found["steps"].max()
    assert np.all(np.abs(found["orbit"] - found["truth"]) < 4 * found["errors"])
    assert np.all(found["errors"] < [1.0, 0.01, 0.03, 0.02])


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


ON_DASK = "dask_regression"  # needs an extra; tests/values/test_cluster.py runs it
ON_NUMPY = sorted(path for path in EXAMPLES.glob("*.py") if path.stem != ON_DASK)


@pytest.mark.parametrize("path", ON_NUMPY, ids=lambda path: path.stem)
def test_an_example_needs_only_numpy_and_funcgrad(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", NEEDED_MODULES, str(path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(EXAMPLES)])},
    )
    needed = set(done.stdout.splitlines()[-1].split()) - {one.stem for one in ON_NUMPY}
    assert needed <= {"funcgrad", "numpy", "typing_extensions"}


def test_the_torch_style_digits_are_read_and_resumed_to_the_same_numbers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)
    found = run_main("torch_digits")
    assert found["accuracy"] >= 0.95
    assert found["same"]
    assert found["difference"] < 1e-6
    printed = capsys.readouterr().out
    assert printed.count("held-out accuracy") == 12  # 8 epochs, and the last 4 again
    assert "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)" in printed


@pytest.mark.oracle
def test_the_torch_style_digits_train_to_pytorchs_numbers(tmp_path: Path) -> None:
    pytest.importorskip("torch", minversion="2.13")
    source = (EXAMPLES / "torch_digits.py").read_text(encoding="utf-8")
    plain = (
        source.replace("from funcgrad.compat import torch", "import torch")
        .replace("funcgrad.compat.torch", "torch")
        .replace("Path(__file__).parent", f"Path({str(EXAMPLES)!r})")
    )
    (tmp_path / "digits_with_torch.py").write_text(plain, encoding="utf-8")
    lines = []
    for script in (tmp_path / "digits_with_torch.py", EXAMPLES / "torch_digits.py"):
        done = subprocess.run(
            [sys.executable, str(script)],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(EXAMPLES)])},
        )
        lines.append([line for line in done.stdout.splitlines() if "epoch" in line])
    assert lines[0] == lines[1]


def test_the_confusion_matrix_is_drawn(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.syspath_prepend(EXAMPLES)
    names = runpy.run_path(str(EXAMPLES / "torch_digits.py"))
    picture = tmp_path / "confusion.png"
    names["draw"](names["torch"].eye(10, dtype=names["torch"].int64), picture)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert str(picture) in capsys.readouterr().out


def test_the_functional_digits_are_read() -> None:
    assert run_main("digits_functional")["accuracy"] >= 0.95
