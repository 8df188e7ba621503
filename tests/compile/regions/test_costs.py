"""What operations take on a machine: measured, rounded, kept for other processes."""

import dataclasses
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.compile.regions import costs as module
from funcgrad.compile.regions.costs import (
    DEFAULT,
    SETTING,
    Costs,
    cache_file,
    costs_here,
    measured,
    quantised,
)
from funcgrad.compile.regions.measuring import MEASUREMENTS, level_two

TIMES = {name: getattr(DEFAULT, name) for name in MEASUREMENTS}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache directory of one's own, and a process that has not measured yet."""
    monkeypatch.delenv(SETTING, raising=False)
    monkeypatch.setenv("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(module, "_HERE", module._Known(lambda: ODD))
    return tmp_path


ODD = dataclasses.replace(DEFAULT, ufunc=777.0)


# Rounding


def test_every_time_is_measured() -> None:
    fields = {field.name for field in dataclasses.fields(Costs)}
    assert fields == {*MEASUREMENTS, "level_two"}


def test_the_built_in_figures_are_their_own_rounding() -> None:
    assert quantised(TIMES) == DEFAULT


def test_noise_of_a_sixth_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        noisy = {name: t * rng.uniform(0.87, 1.17) for name, t in TIMES.items()}
        assert quantised(noisy) == DEFAULT


def test_a_machine_half_as_fast_throughout_compares_all_costs_alike() -> None:
    slow = quantised({name: 1.9 * t for name, t in TIMES.items()})
    assert {getattr(slow, name) / t for name, t in TIMES.items()} == {2.0}


def test_one_slow_operation_is_seen_whatever_the_speed_of_the_machine() -> None:
    for speed in (1.0, 0.26, 3.7):
        found = quantised({name: speed * t for name, t in TIMES.items()} | {"exp": 8 * speed})
        assert found.exp / found.ufunc == 8 * DEFAULT.exp / DEFAULT.ufunc


@pytest.mark.parametrize("broken", [0.0, -1.0, float("nan"), float("inf")])
def test_what_could_not_be_measured_keeps_the_built_in_figure(broken: float) -> None:
    assert quantised(TIMES | {"tanh": broken}) == DEFAULT
    assert quantised(dict.fromkeys(TIMES, broken)) == DEFAULT


# Measuring


def test_a_measurement_is_short_and_plausible() -> None:
    start = time.process_time()
    found = measured()
    assert time.process_time() - start < 0.2  # ten milliseconds; more where others compete
    for name, t in TIMES.items():
        assert t / 40 < getattr(found, name) < t * 40, name


def test_two_measurements_agree_but_for_one_step_of_rounding() -> None:
    first, second = measured(), measured()
    for name in TIMES:
        assert 1 / 4 <= getattr(first, name) / getattr(second, name) <= 4, name


def test_the_second_level_cache_is_read_from_the_system(tmp_path: Path) -> None:
    assert level_two(tmp_path) is None
    for number, (level, size) in enumerate([("1", "32K"), ("2", "512K"), ("3", "9999K")]):
        (tmp_path / f"index{number}").mkdir()
        (tmp_path / f"index{number}" / "level").write_text(level + "\n")
        (tmp_path / f"index{number}" / "size").write_text(size + "\n")
    assert level_two(tmp_path) == 512 << 10
    (tmp_path / "index1" / "size").write_text("unknown\n")
    assert level_two(tmp_path) is None


# The file


def test_the_variable_asks_for_the_built_in_figures(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SETTING, "default")
    assert costs_here() is DEFAULT
    assert not list(home.iterdir())


def test_costs_are_kept_for_the_next_process(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert costs_here() == ODD
    path = cache_file()
    assert path is not None
    assert [path] == list((home / "funcgrad").iterdir())

    def again() -> Costs:
        raise AssertionError("measured a second time")

    monkeypatch.setattr(module, "_HERE", module._Known(again))
    assert costs_here() == ODD


def test_the_file_is_named_after_numpy_and_the_machine(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = cache_file()
    assert path is not None
    assert path.parent == home / "funcgrad"
    assert np.__version__ in path.name
    monkeypatch.setattr(np, "__version__", "99.0")
    assert cache_file() != path


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[1, 2]",
        "{}",
        json.dumps(dataclasses.asdict(DEFAULT) | {"ufunc": -1.0}),
        json.dumps(dataclasses.asdict(DEFAULT) | {"ufunc": float("nan")}),
        json.dumps(dataclasses.asdict(DEFAULT) | {"ufunc": "fast"}),
        json.dumps(dataclasses.asdict(DEFAULT) | {"ufunc": True}),
        json.dumps(dataclasses.asdict(DEFAULT) | {"other": 1.0}),
        "\udcff",
    ],
)
def test_a_file_that_is_not_ours_is_written_anew(home: Path, text: str) -> None:
    path = cache_file()
    assert path is not None
    path.parent.mkdir()
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert costs_here() == ODD
    assert json.loads(path.read_text()) == dataclasses.asdict(ODD)


def test_without_a_directory_to_write_to_costs_are_measured_all_the_same(home: Path) -> None:
    (home / "funcgrad").write_text("a file where the directory should be")
    assert costs_here() == ODD


def test_nothing_is_left_behind_where_the_file_cannot_take_its_place(home: Path) -> None:
    path = cache_file()
    assert path is not None
    path.mkdir(parents=True)  # a directory where the file should be
    assert costs_here() == ODD
    assert list((home / "funcgrad").iterdir()) == [path]


def test_without_a_home_costs_are_measured_all_the_same(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere() -> Path:
        raise RuntimeError("no home directory")

    monkeypatch.delenv("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", nowhere)
    assert cache_file() is None
    assert costs_here() == ODD


def test_threads_that_ask_at_once_measure_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    together = threading.Barrier(8)

    def measure() -> Costs:
        calls.append(1)
        time.sleep(0.02)
        return ODD

    monkeypatch.setattr(module, "_HERE", module._Known(measure))
    found: list[Costs] = []

    def ask() -> None:
        together.wait()
        found.append(costs_here())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(calls), found) == (1, [ODD] * 8)
    assert cache_file() is not None


def test_processes_that_write_at_once_leave_a_whole_file(home: Path) -> None:
    program = (
        "from funcgrad.compile.regions.costs import costs_here, cache_file\n"
        "print(costs_here() is not None, cache_file().exists())"
    )
    command = [sys.executable, "-c", program]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path.cwd())
        for _ in range(3)
    ]
    assert [child.communicate()[0].split() for child in running] == [["True", "True"]] * 3
    assert costs_here() == module._read(cache_file() or home)
    assert len(list((home / "funcgrad").iterdir())) == 1


def test_jit_asks_for_the_costs_of_this_machine(home: Path) -> None:
    double = fg.jit(lambda x: 2 * x)
    assert not (home / "funcgrad").exists()
    double(np.ones(3))
    assert (home / "funcgrad").exists()
