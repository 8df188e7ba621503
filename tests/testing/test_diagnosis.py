"""Why a rule and the numerical derivative disagree: each verdict where it belongs."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from funcgrad.testing.diagnosis import Disagreement, Tolerance, Verdict, find_disagreement
from funcgrad.testing.line import Line


def diagnose(
    f: Callable[[Any], Any],
    x: Any,
    claimed: Any,
    dtype: Any = np.float64,
    tolerance: Tolerance | None = None,
) -> Disagreement | None:
    """Judge the claim that the derivative of f at x in direction 1 is `claimed`."""
    primal = np.atleast_1d(np.asarray(x, dtype))
    line = Line(f, (primal,), (np.ones_like(primal),))
    rule = np.atleast_1d(np.asarray(claimed, np.float64))
    eps = np.full(rule.shape, np.finfo(dtype).eps)
    return find_disagreement(line, rule, eps, tolerance or Tolerance())


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_right_rule_agrees_in_its_own_precision(dtype: Any) -> None:
    x = np.linspace(0.1, 3.0, 20).astype(dtype)
    assert diagnose(np.sin, x, np.cos(x), dtype) is None


@pytest.mark.parametrize(
    ("dtype", "off"), [(np.float64, 1e-7), (np.float32, 1e-3), (np.float16, 0.1)]
)
def test_a_rule_that_is_slightly_off_is_wrong(dtype: Any, off: float) -> None:
    found = diagnose(np.sin, 0.5, np.cos(0.5) * (1 + off), dtype)
    assert found is not None
    assert found.verdict == Verdict.WRONG_RULE
    assert found.mismatch == pytest.approx(off * np.cos(0.5), rel=0.01)


@pytest.mark.parametrize("claimed", [-np.cos(0.5), 0.0, np.nan, np.inf])
def test_a_wrong_sign_a_missing_term_and_no_number_are_wrong(claimed: float) -> None:
    found = diagnose(np.sin, 0.5, claimed)
    assert found is not None
    assert found.verdict == Verdict.WRONG_RULE


@pytest.mark.parametrize(
    ("f", "x", "claimed", "left", "right"),
    [
        (np.abs, 0.0, 1.0, -1.0, 1.0),
        (lambda x: np.maximum(x, 0.0), 0.0, 0.0, 0.0, 1.0),
        (lambda x: np.maximum(x, 2.0 - x), 1.0, 1.0, -1.0, 1.0),
        (lambda x: np.clip(x, 0.0, 1.0), 1.0, 1.0, 1.0, 0.0),
        (lambda x: x**2 + 0.001 * np.abs(x), 0.0, 0.001, -0.001, 0.001),
    ],
)
def test_a_kink_is_told_by_its_two_slopes(
    f: Callable[[Any], Any], x: float, claimed: float, left: float, right: float
) -> None:
    found = diagnose(f, x, claimed)
    assert found is not None
    assert found.verdict == Verdict.KINK
    assert found.left == pytest.approx(left, abs=1e-9)
    assert found.right == pytest.approx(right, abs=1e-9)
    assert "left derivative" in found.why


@pytest.mark.parametrize(
    ("f", "x", "claimed", "why"),
    [
        (np.floor, 1.0, 0.0, "jumps on the left, by 1"),
        (np.sign, 0.0, 0.0, "jumps"),
        (np.sqrt, 0.0, np.inf, "grows without bound|not defined"),
        (np.cbrt, 0.0, np.inf, "grows without bound"),
        (lambda x: np.sqrt(1 - x) ** 3, 1.0, 1.0, "not defined on the right"),
    ],
)
def test_jumps_vertical_slopes_and_edges_are_kinks(
    f: Callable[[Any], Any], x: float, claimed: float, why: str
) -> None:
    found = diagnose(f, x, claimed)
    assert found is not None
    assert found.verdict == Verdict.KINK
    assert re.search(why, found.why)


@pytest.mark.parametrize(
    ("f", "x", "claimed", "why"),
    [
        (lambda x: (x + 1e14) - 1e14, 0.3, 1.0, "staircase"),
        (np.log, -1.0, -1.0, "value is nan"),
        (lambda x: np.sin(1e17 * x), 0.3, 1e17 * np.cos(3e16), "known to|converge"),
    ],
)
def test_a_function_that_cannot_be_differentiated_numerically_is_ill_conditioned(
    f: Callable[[Any], Any], x: float, claimed: float, why: str
) -> None:
    found = diagnose(f, x, claimed)
    assert found is not None
    assert found.verdict == Verdict.ILL_CONDITIONED
    assert re.search(why, found.why)


def test_a_wrong_rule_is_told_from_a_kink_beside_it() -> None:
    found = diagnose(np.abs, [0.0, 2.0, -1.0], [1.0, 1.0, 1.0])
    assert found is not None
    assert found.verdict == Verdict.WRONG_RULE
    assert found.position == 2
    assert found.failing == 2


def test_a_rule_that_gives_the_mean_of_both_slopes_passes_at_a_kink() -> None:
    assert diagnose(np.abs, 0.0, 0.0) is None


def test_the_worst_entry_is_reported() -> None:
    x = np.array([0.1, 0.2, 0.3])
    found = diagnose(np.sin, x, np.cos(x) + np.array([1e-5, 1e-2, 0.0]))
    assert found is not None
    assert (found.position, found.failing) == (1, 2)


def test_a_given_tolerance_is_used() -> None:
    loose = Tolerance(atol=1e-2, rtol=0.0)
    assert diagnose(np.sin, 0.5, np.cos(0.5) + 9e-3, tolerance=loose) is None
    assert diagnose(np.sin, 0.5, np.cos(0.5) + 2e-2, tolerance=loose) is not None


def test_a_derivative_of_zero_leaves_room_for_rounding_only() -> None:
    x = np.pi / 4
    slope = np.cos(x) ** 2 - np.sin(x) ** 2
    assert diagnose(lambda x: np.sin(x) * np.cos(x), x, slope) is None
    assert diagnose(lambda x: np.sin(x) * np.cos(x), x, slope + 1e-12) is not None
