"""The benchmarks compute what they say: no times are looked at here."""

import itertools
import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.compile.passes import forward
from tests.benchmarks import jit_dispatch, layer
from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.jit_compilation import PHASES, derivative, phases, recorded, written
from tests.benchmarks.report import compiled, ratios
from tests.benchmarks.targets import JIT_TARGETS, TARGETS, Target
from tests.benchmarks.timing import Timing
from tests.benchmarks.workload import Workload, as_arrays, relative_error
from tests.benchmarks.workloads import WORKLOADS

OWN = [name for name in CONTENDERS if name.startswith("funcgrad")]
PAIRS = [
    pytest.param(workload, contender, id=f"{workload.name}-{contender}")
    for workload in WORKLOADS.values()
    for contender in OWN
    if CONTENDERS[contender].is_installed and CONTENDERS[contender].takes(workload)
]


@pytest.mark.parametrize(("workload", "contender"), PAIRS)
def test_funcgrad_computes_the_derivative_written_by_hand(
    workload: Workload, contender: str
) -> None:
    data = workload.small()
    result = CONTENDERS[contender].build(workload, data)()
    by_hand = workload.hand(*data.arguments)
    # Chains of 999 operations lose a few digits more than one operation does.
    tolerance = 1000 * float(np.finfo(np.result_type(*data.params)).eps)
    assert relative_error(result, by_hand) < tolerance


@pytest.mark.parametrize(
    "workload",
    [w for w in WORKLOADS.values() if w.task == "value and gradient"],
    ids=lambda workload: workload.name,
)
def test_the_value_by_hand_is_the_value_of_the_loss(workload: Workload) -> None:
    data = workload.small()
    value, gradients = workload.hand(*data.arguments)
    assert value == pytest.approx(workload.loss(np, *data.arguments), rel=1e-5)
    assert [np.shape(g) for g in gradients] == [np.shape(p) for p in data.params]


def test_every_target_names_a_workload() -> None:
    for table in (TARGETS, JIT_TARGETS):
        assert {name for targets in table.values() for name in targets} <= set(WORKLOADS)


def test_relative_error_is_infinite_where_shapes_differ() -> None:
    assert relative_error((1.0, np.ones((2, 1))), (1.0, np.ones(2))) == math.inf


def test_relative_error_is_infinite_where_a_result_is_not_a_number() -> None:
    assert relative_error(np.array([1.0, np.nan]), np.ones(2)) == math.inf


def test_relative_error_is_measured_against_the_largest_entry_of_its_array() -> None:
    assert relative_error([np.array([10.0, 1.1])], [np.array([10.0, 1.0])]) == pytest.approx(0.01)


def test_results_are_flattened_in_order() -> None:
    assert [a.tolist() for a in as_arrays((1.0, (np.ones(2), [2]))) if a.ndim < 2] == [1, [1, 1], 2]


@pytest.mark.parametrize(
    ("ratio", "verdict"), [(2.9, "missed"), (3.0, "met"), (3.9, "met"), (4.0, "aim met")]
)
def test_a_target_tells_what_was_reached(ratio: float, verdict: str) -> None:
    assert Target(reach=3, aim=4).verdict(ratio) == verdict


def test_times_are_divided_within_each_round() -> None:
    slowed_down_later = Timing(samples=[2.0, 2.0, 2.0, 40.0, 40.0])
    assert Timing(samples=[6.0, 6.0, 6.0]).over(slowed_down_later) == 3.0


def test_the_report_divides_the_peers_time_by_funcgrads() -> None:
    measured = {
        "W3": {
            "hand": Timing(samples=[1.0, 1.0, 1.0]),
            "funcgrad": Timing(samples=[9.0, 2.0, 2.0]),
            "torch eager": Timing(samples=[5.0, 5.0, 5.0]),
        }
    }
    assert "| W3 | 1 s | 2 s | 2 | 2.5 | 1 | met | - | 1.5 | - |" in ratios(measured)


@pytest.mark.parametrize("name", layer.STEPS)
def test_the_layer_trains_as_pytorch_does(name: str) -> None:
    pytest.importorskip("torch")
    found = layer.built(layer.STEPS[name])
    own, peer = (found[contender][1] for contender in (layer.OWN, layer.PEER))
    assert own == pytest.approx(peer, rel=layer.TOLERANCE)


# --- compiled functions -----------------------------------------------------------------------


def test_the_report_divides_times_by_those_of_the_compiled_function() -> None:
    measured = {
        "W1": {
            "funcgrad.jit": Timing(samples=[2.0, 2.0]),
            "funcgrad": Timing(samples=[6.0, 1.0]),
            "torch eager": Timing(samples=[18.0, 18.0]),
        }
    }
    row = "| W1 | 2 s | - | 1.75 | met | 9 | 18 | missed | - | 2.5 | - | - | 45 | - |"
    assert row in compiled(measured)
    assert row in ratios(measured)


@pytest.mark.parametrize(
    ("name", "most"),
    # Each statement costs a fifth of a microsecond or more, so none may be added unnoticed.
    [("W1", 26), ("W2", 203), ("W3", 60), ("W5", 26), ("W7a", 17), ("W8", 17), ("W11", 63)],
)
def test_the_number_of_statements_of_a_gradient_does_not_grow(name: str, most: int) -> None:
    workload = WORKLOADS[name]
    program, _ = forward(recorded(workload, workload.small()))
    assert written(program)[2] <= most


@pytest.mark.parametrize("name", list(WORKLOADS))
def test_a_compiled_gradient_has_the_bits_of_the_plain_one(name: str) -> None:
    workload = WORKLOADS[name]
    data = workload.small()
    fun = derivative(workload, data)
    jitted = fg.jit(fun, exact=True)
    expected = fg.tree.leaves(fun(*data.arguments))
    for _ in range(2):
        results = fg.tree.leaves(jitted(*data.arguments))
        assert [np.asarray(x).tobytes() for x in results] == [
            np.asarray(x).tobytes() for x in expected
        ]


def _chain(steps: int) -> Callable[[Any], Any]:
    def loss(x: Any) -> Any:
        for _ in range(steps):
            x = np.tanh(x * 1.5 + 0.25)
        return np.sum(x)

    return fg.value_and_grad(loss)


def _calls_of(work: Callable[[], Any]) -> int:
    """How many functions are called, of Python's or of C."""
    count = itertools.count()

    def note(_frame: Any, event: str, _argument: Any) -> None:
        if event in ("call", "c_call"):
            next(count)

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return next(count)


@pytest.mark.parametrize(
    ("size", "most"),
    # Arrays of ten are unrolled: an expression is written for every element.
    [(10, 310), (100, 275)],
)
def test_compilation_takes_as_many_steps_for_the_last_operation_as_for_the_first(
    size: int, most: int
) -> None:
    x = np.linspace(0.1, 1.0, size)
    steps = {n: _calls_of(lambda n=n: fg.jit(_chain(n))(x)) for n in (4, 40, 80, 160)}
    first, later = (steps[80] - steps[40]) / 40, (steps[160] - steps[80]) / 80
    assert later <= 1.01 * first
    # For the 7 operations that a step of the chain records; JAX calls thousands for each.
    assert later <= 7 * most


@pytest.mark.parametrize("case", jit_dispatch.CASES, ids=lambda case: case.title)
def test_a_call_that_is_timed_is_dispatched_by_the_short_way(case: jit_dispatch.Case) -> None:
    compiled_nothing = fg.jit(jit_dispatch.nothing, **case.options)
    for _ in range(5):
        assert compiled_nothing(*case.args) == 1.0
    info = compiled_nothing.cache_info()
    assert (info.hits, info.recordings) == (4, 1)


def test_the_phases_of_a_compilation_are_all_timed() -> None:
    found = phases(WORKLOADS["W1"])
    assert tuple(found.seconds) == PHASES
    assert all(spent >= 0 for spent in found.seconds.values())
    assert 0 < found.statements <= found.equations
