"""The benchmarks compute what they say: no times are looked at here."""

import math

import numpy as np
import pytest

from tests.benchmarks import layer
from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.report import ratios
from tests.benchmarks.targets import TARGETS, Target
from tests.benchmarks.timing import Timing
from tests.benchmarks.workload import Workload, as_arrays, relative_error
from tests.benchmarks.workloads import WORKLOADS

OWN = [name for name in CONTENDERS if name.startswith("funcgrad")]
PAIRS = [
    pytest.param(workload, contender, id=f"{workload.name}-{contender}")
    for workload in WORKLOADS.values()
    for contender in OWN
    if CONTENDERS[contender].takes(workload)
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
    assert {name for targets in TARGETS.values() for name in targets} <= set(WORKLOADS)


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
