"""Why a derivative disagrees with the numerical one: wrong rule, ill-conditioned here, kink here.

Nothing is believed more than it can prove. A rule is called wrong only where the numerical
derivative has converged, with an error far below the disagreement, and the left and the right
derivative are the same number.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from funcgrad.testing.extrapolation import Limit, one_sided_limit, shortest_step
from funcgrad.testing.line import Line, Vector
from funcgrad.testing.numerical import LineDerivative, differentiate

__all__ = ["Disagreement", "Tolerance", "Verdict", "find_disagreement"]

# The error estimate counts this often: it is an estimate.
ERROR_SAFETY = 3.0
# Errors of more than this part of the derivative's natural size are no excuse for a mismatch.
MAX_RELATIVE_ERROR = 1e-3
# More noise, as a part of the function, may be jumps very close by: then nothing is proved.
MAX_NOISE = 1e-5
# Rounding errors of the rule, as a multiple of those of the function.
ROUNDING_SAFETY = 64.0


class Verdict(StrEnum):
    """What a disagreement between a rule and the numerical derivative means."""

    WRONG_RULE = "wrong rule"
    ILL_CONDITIONED = "ill-conditioned here"
    KINK = "kink here"
    ONE_TRIANGLE = "one triangle is read"


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a rule may differ from the truth by, besides the numerical error.

    Attributes:
        atol: absolute; if None, what the rounding noise of f in the rule's dtype makes likely.
        rtol: relative; if None, the square root of the unit roundoff of the rule's dtype.
        largest_step: first step of the differences; if None, chosen from the size of the input.
        rounding: absolute; rounding errors of the comparison itself.
    """

    atol: float | None = None
    rtol: float | None = None
    largest_step: float | None = None
    rounding: float = 0.0

    def allowed(self, line: Line, derivative: LineDerivative, rule_eps: Vector) -> Vector:
        """The allowed difference of each entry, numerical error included, shape (m,)."""
        size = np.where(np.isfinite(derivative.value), np.abs(derivative.value), 0.0)
        rtol = np.sqrt(rule_eps) if self.rtol is None else self.rtol
        error = ERROR_SAFETY * derivative.error
        if self.atol is None:
            noise = derivative.noise * np.maximum(rule_eps / line.eps, 1.0)
            error = error + ROUNDING_SAFETY * noise * line.speed + 4 * rule_eps * derivative.scale
        limit = np.maximum(MAX_RELATIVE_ERROR, np.sqrt(np.maximum(line.eps, rule_eps)))
        # A function that is zero but for rounding has no size of its own.
        natural = np.maximum(np.maximum(size, derivative.scale), np.sqrt(rule_eps))
        excused = np.minimum(error, limit * natural)
        return np.asarray((self.atol or 0.0) + self.rounding + rtol * size + excused)


@dataclass(frozen=True, slots=True)
class Disagreement:
    """The entry of φ where a rule and the numerical derivative disagree most.

    Attributes:
        position: of the entry in φ.
        claimed: what the rule says.
        numerical: what the numerical derivative is.
        error: its estimated error.
        allowed: the tolerance there.
        left: the left derivative of φ.
        right: the right derivative of φ.
        verdict: what the disagreement means.
        why: the verdict in a sentence, with numbers.
        failing: how many entries fail.
    """

    position: int
    claimed: Any
    numerical: Any
    error: float
    allowed: float
    left: Any
    right: Any
    verdict: Verdict
    why: str
    failing: int

    @property
    def mismatch(self) -> float:
        """The absolute difference between rule and numerical derivative."""
        return float(abs(self.claimed - self.numerical))


def find_disagreement(
    line: Line, claimed: Vector, rule_eps: Vector, tolerance: Tolerance
) -> Disagreement | None:
    """Compare the derivative that a rule claims with the numerical one.

    Args:
        line: φ, with m entries.
        claimed: what the rule says φ'(0) is, shape (m,).
        rule_eps: unit roundoff of the rule's result, shape (m,).
        tolerance: what is allowed besides the numerical error.

    Returns:
        The worst failing entry (a wrong rule is worse than a kink), None if all entries agree.
    """
    derivative = differentiate(line, largest_step=tolerance.largest_step)
    with np.errstate(all="ignore"):
        mismatch = np.abs(claimed - derivative.value)
        allowed = tolerance.allowed(line, derivative, rule_eps)
        failing = ~(mismatch <= allowed)
        if not np.any(failing):
            return None
        sides = [
            one_sided_limit(line, derivative.noise, sign, tolerance.largest_step)
            for sign in (-1, 1)
        ]
        # An infinite or NaN claim is judged by the size of the derivative itself.
        finite_claim = np.where(np.isfinite(mismatch), mismatch, np.abs(derivative.value))
        size = np.maximum(np.abs(derivative.value), derivative.scale)
        is_converged = np.isfinite(derivative.error) & (
            10 * derivative.error <= np.minimum(finite_claim, size)
        )
        is_converged &= derivative.doubt == 0
        nearby = np.maximum(np.abs(line.origin), derivative.scale * line.position / line.speed)
        is_converged &= derivative.noise <= np.maximum(MAX_NOISE, 64 * line.eps) * nearby
        reasons = kinks(line, derivative, sides[0], sides[1], is_converged)
        is_kink = reasons != ""
        is_inaccurate = ~is_kink & ~is_converged
        is_wrong = ~is_kink & ~is_inaccurate
        blame = next(
            mask for mask in (failing & is_wrong, failing & is_kink, failing) if np.any(mask)
        )
        excess = np.where(np.isnan(mismatch), np.inf, mismatch / np.maximum(allowed, 1e-300))
        worst = int(np.argmax(np.where(blame, excess, -1.0)))
    if is_wrong[worst]:
        verdict, why = Verdict.WRONG_RULE, "the numerical derivative has converged"
    elif is_kink[worst]:
        verdict, why = Verdict.KINK, str(reasons[worst])
    else:
        verdict, why = Verdict.ILL_CONDITIONED, inaccuracy(line, derivative, worst)
    return Disagreement(
        position=worst,
        claimed=claimed[worst],
        numerical=derivative.value[worst],
        error=float(derivative.error[worst]),
        allowed=float(allowed[worst]),
        left=sides[0].value[worst],
        right=sides[1].value[worst],
        verdict=verdict,
        why=why,
        failing=int(np.count_nonzero(failing)),
    )


def inaccuracy(line: Line, derivative: LineDerivative, position: int) -> str:
    """Why the numerical derivative of an entry says little."""
    if not np.isfinite(line.origin[position]):
        return f"the function's own value is {line.origin[position]}"
    if derivative.doubt[position]:
        return (
            "the function is a staircase: constant nearby, with jumps on both sides; unless these "
            "are rounding errors, the derivative is 0"
        )
    if not np.isfinite(derivative.error[position]):
        return "the difference quotients do not converge"
    if derivative.error[position] == abs(derivative.value[position]):
        return "the function is a staircase of rounding errors"
    return (
        f"the numerical derivative is known to ±{derivative.error[position]:.1g} only "
        f"(rounding noise of the function: {derivative.noise[position]:.1g})"
    )


def kinks(
    line: Line, derivative: LineDerivative, left: Limit, right: Limit, is_converged: Vector
) -> Any:
    """Why φ has no derivative at 0, entry by entry; an empty string where it has one."""
    near, far = 4 * shortest_step(line), 4e4 * shortest_step(line)
    reasons = np.full(line.origin.shape, "", dtype=object)
    gap = np.abs(right.value - left.value)
    sizes = np.abs(left.value) + np.abs(right.value)
    differ = gap > 4 * (left.error + right.error) + 1e-6 * sizes
    for i in np.flatnonzero(differ):
        reasons[i] = (
            f"the left derivative is {left.value[i]:.6g} ± {left.error[i]:.1g}, "
            f"the right one {right.value[i]:.6g} ± {right.error[i]:.1g}"
        )
    for name, sign in (("left", -1), ("right", 1)):
        close = np.abs(line(sign * near) - line.origin)
        change = np.abs(line(sign * far) - line.origin)
        is_clear = close > 4 * derivative.noise
        is_jump = is_clear & (close > 0.3 * change)
        is_vertical = is_clear & ~is_jump & ~is_converged & (close / near > 30 * change / far)
        is_edge = np.isfinite(line.origin) & np.isnan(close)
        for i in np.flatnonzero(is_jump):
            reasons[i] = f"the function jumps on the {name}, by {close[i]:.6g}"
        for i in np.flatnonzero(is_vertical):
            reasons[i] = f"the slope on the {name} grows without bound"
        for i in np.flatnonzero(is_edge):
            reasons[i] = f"the function is not defined on the {name}"
    return reasons
