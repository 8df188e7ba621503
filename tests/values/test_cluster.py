"""The example on a cluster of two worker processes: it trains, agrees with NumPy, shuts down."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytest.importorskip("dask.array")
pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the example prints for data of 41 MB; it ends by itself and has nothing to complain of.

    It has a process of its own, as its workers and its memory are to be those of a script's.
    """
    done = subprocess.run(
        [
            sys.executable,
            str(ROOT / "examples" / "dask_regression.py"),
            *("--rows", "80000", "--steps", "4", "--chunks", "16"),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path_factory.mktemp("elsewhere"),
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        timeout=180,
    )
    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout


def number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    assert found, text
    return float(found[1])


def test_two_workers_compute_the_gradient(printed: str) -> None:
    assert "41 MB in 16 chunks, 2 workers" in printed


def test_the_loss_falls_from_log_2(printed: str) -> None:
    losses = [float(value) for value in re.findall(r"loss (\d\.\d+)", printed)]
    assert len(losses) == 4
    assert losses[0] == pytest.approx(0.693147, abs=1e-6)  # all weights are zero
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.61
    assert number(r"error of a weight: (\S+)", printed) < 0.05


def test_the_gradient_is_numpys(printed: str) -> None:
    assert number(r"difference to NumPy's gradient: (\S+)", printed) < 1e-12


def test_the_client_never_holds_the_data(printed: str) -> None:
    assert number(r"allocated at most (\d+) MB", printed) < 41 / 2
    assert "resident memory" in printed or sys.platform == "win32"
