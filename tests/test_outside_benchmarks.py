"""Programs outside of the benchmark, and what is said about passes over regions."""

import math
from functools import partial
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
import funcgrad.numpy as fnp
from funcgrad.compile.regions.table import REGIONS
from tests.benchmarks import jit_regions, memory
from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.jit_regions import Gain, compiled_without
from tests.benchmarks.outside import table, verdict
from tests.benchmarks.outside_programs_more import PROGRAMS
from tests.benchmarks.report import compiled
from tests.benchmarks.timing import Timing
from tests.benchmarks.workload import Workload, relative_error
from tests.benchmarks.workloads import WORKLOADS

EVERY = pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS.keys())


@EVERY
def test_the_gradient_is_the_slope_of_the_loss(program: Workload) -> None:
    data = program.small()
    value, gradients = program.hand(*data.arguments)
    rng = np.random.default_rng(0)
    wide = [np.asarray(p, np.float64) for p in data.params]
    rest = [a.astype(np.float64) if a.dtype == np.float32 else a for a in data.constants]
    directions = [rng.normal(size=p.shape) for p in wide]

    def loss(step: float) -> float:
        moved = [p + step * d for p, d in zip(wide, directions, strict=True)]
        return float(program.loss(fnp, *moved, *rest))

    slope = sum(float(np.sum(g * d)) for g, d in zip(gradients, directions, strict=True))
    measured = (loss(1e-5) - loss(-1e-5)) / 2e-5
    assert float(value) == pytest.approx(loss(0.0), rel=1e-5)
    # Central differences lose half the digits; the block of a transformer is float32.
    assert slope == pytest.approx(measured, rel=1e-3 if program.name == "block" else 1e-6)


@EVERY
def test_compiled_it_is_the_same(program: Workload) -> None:
    data = program.small()
    run = CONTENDERS["funcgrad.jit"].build(program, data)
    expected = program.hand(*data.arguments)
    eps = float(np.finfo(np.result_type(*data.params)).eps)
    for _ in range(3):  # the first call is recorded
        assert relative_error(run(), expected) < 100 * eps


@EVERY
def test_compiled_exactly_it_has_the_same_bits(program: Workload) -> None:
    data = program.small()
    run = CONTENDERS["funcgrad.jit exact"].build(program, data)
    expected = [np.asarray(x).tobytes() for x in fg.tree.leaves(program.hand(*data.arguments))]
    for _ in range(2):
        assert [np.asarray(x).tobytes() for x in fg.tree.leaves(run())] == expected


@EVERY
@pytest.mark.parametrize("region", [region.name for region in REGIONS])
def test_without_any_pass_over_regions_it_is_the_same(program: Workload, region: str) -> None:
    data = program.small()
    run = partial(compiled_without(region, program, data), *data.arguments)
    eps = float(np.finfo(np.result_type(*data.params)).eps)
    assert relative_error(run(), program.hand(*data.arguments)) < 100 * eps


def test_sources_that_differ_by_names_and_comments_alone_are_of_one_shape() -> None:
    shape = jit_regions.shape_of("t1 = x * c_2# line 3\nreturn t1")
    assert shape == jit_regions.shape_of("y = a * b\nreturn y")
    assert shape != jit_regions.shape_of("y = a * a\nreturn y")
    assert shape != jit_regions.shape_of("y = a / b\nreturn y")


def test_a_pass_that_is_left_out_is_there_again_afterwards() -> None:
    before = jit_regions.regions.REGIONS
    compiled_without(before[0].name, PROGRAMS["n-body"], PROGRAMS["n-body"].small())
    assert jit_regions.regions.REGIONS is before


@pytest.mark.parametrize(
    ("ratio", "word"), [(1.2, "met"), (0.98, "met"), (0.96, "SLOWER"), (math.nan, "-")]
)
def test_what_is_slower_than_eager_is_marked(ratio: float, word: str) -> None:
    assert verdict(ratio) == word


def test_the_least_of_all_times_are_divided() -> None:
    row = table(
        {
            "heat": {
                "funcgrad": Timing(samples=[3.0, 9.0]),
                "funcgrad.jit": Timing(samples=[5.0, 2.0]),
                "funcgrad.jit exact": Timing(samples=[4.0]),
                "torch eager": Timing(samples=[6.0]),
            }
        }
    ).splitlines()[-1]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == [
        "heat", "3 s", "2 s", "4 s", "6 s", "-", "-", "1.5", "met", "0.75", "SLOWER", "3", "-", "-",
    ]  # fmt: skip


def test_passes_are_told_by_what_they_bring() -> None:
    found = {"heat": {"tiles": Gain(2.0, 1.0, ())}, "lstm": {"tiles": Gain(1.0, 4.0, ())}}
    rows = jit_regions.table(found, ["rows", "tiles"]).splitlines()[-3:]
    assert rows == [
        "| rows | none of them | - | - | - | - |",
        "| tiles | heat | 2 s | 1 s | 2 | gains |",
        "| tiles | lstm | 1 s | 4 s | 0.25 | LOSES |",
    ]


def test_another_way_has_a_row_of_its_own() -> None:
    measured = {
        "W7a": {
            "funcgrad sparse": Timing(samples=[1.0]),
            "jax.jit": Timing(samples=[4.0]),
        },
        "W6": {"funcgrad.jit": Timing(samples=[1.0]), "jax.jit scan": Timing(samples=[1.0])},
    }
    text = compiled(measured)
    assert "| W7a by funcgrad sparse | 1 s | jax.jit | 4 | 3 | met |" in text
    assert "| W6 by funcgrad.jit | 1 s | jax.jit scan | 1 | 1.3 | missed |" in text


def test_the_loop_of_w6_is_the_same_by_scan() -> None:
    workload = WORKLOADS["W6"]
    data = workload.small()
    assert workload.scan_loss is not None
    by_scan: Any = fg.value_and_grad(partial(workload.scan_loss, fg.scan, fnp), argnums=(0, 1, 2))
    assert relative_error(by_scan(*data.arguments), workload.hand(*data.arguments)) < 1e-4


@pytest.mark.skipif(not memory.CLEAR.exists(), reason="peak memory is read from /proc")
def test_memory_of_later_calls_is_told_apart_from_that_of_the_first() -> None:
    later, first = memory.added("heat", "funcgrad.jit")
    assert later >= 0
    assert first > 0
    with pytest.raises(RuntimeError, match="heat at last"):
        memory.added("heat at last", "funcgrad.jit")
