"""Limits of difference quotients as the step goes to zero, each with an honest error.

Richardson's extrapolation in the table of C. J. F. Ridders (Accurate computation of F'(x) and
F'(x)F''(x), Adv. Eng. Softw. 4, 1982): quotients at steps h, h/r, h/r² … are the first column,
and each further column removes one more power of h. The step is not chosen by the caller. Every
entry of the table has an error made of two parts: how far it is from its neighbours (truncation)
and how much rounding noise in φ it amplifies. Each component of φ takes the entry where the sum is
least. The noise of φ is measured, not assumed, as in J. J. Moré and S. M. Wild, Estimating
Computational Noise (SIAM J. Sci. Comput. 33, 2011): it is what a cubic leaves over of φ on an
interval so short that a smooth φ is nothing but a cubic there. The points are not equally spaced,
since then the rounding errors of a simple function are regular too, and pass for its slope.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from funcgrad.testing.line import Line, Vector

__all__ = ["Limit", "Noise", "central_limit", "noise_level", "one_sided_limit", "shortest_step"]

# Ratio of successive steps; not 2, which rounds the values of φ at two steps alike.
RATIO = 1.9
COLUMNS = 7
# Rows that are always computed: an agreement seen earlier may be an accident.
MIN_ROWS = 8
# Where φ is looked at to measure its noise, in units of the shortest step: k + (√2 k² modulo 1), so
# that the distances have no common measure.
NOISE_POINTS = np.array([k + math.sqrt(2) * k**2 % 1 for k in range(1, 9)])
# Distances, relative to the input's size, over which a φ that is flat nearby is looked at again.
WIDER_WINDOWS = np.array([1.37e-5, 2.71e-3, 1.93e-2])
# The noise of an entry as a multiple of the root mean square that is measured from few points.
NOISE_SAFETY = 4.0


@dataclass(frozen=True, slots=True)
class Limit:
    """The limit of a difference quotient, each field of shape (m,).

    Attributes:
        value: the limit.
        error: its estimated error; ∞ where no limit is seen.
        scale: |φ| / h at the longest step h where φ is defined: what counts as a small error.
    """

    value: Vector
    error: Vector
    scale: Vector


@dataclass(frozen=True, slots=True)
class Noise:
    """What the values of φ near t = 0 are worth, each field of shape (m,).

    Attributes:
        level: rounding noise of φ, an absolute size, at least `least`.
        least: half a unit in the last place of φ(0).
        is_staircase: whether φ is exactly constant nearby, but changes by jumps further out on both
            sides: as (10¹⁴ + x) − 10¹⁴ does, and as the slope of a sum of |x| does.
        flat: how far φ is constant at least, where it is a staircase.
    """

    level: Vector
    least: Vector
    is_staircase: Vector
    flat: float


def noise_level(line: Line) -> Noise:
    """Rounding noise of each component of φ near t = 0, and where φ is a staircase."""
    delta = shortest_step(line)
    # Two sizes of windows: the quanta of a rounded function may happen to fit one of them.
    right, left = window(line, delta), window(line, -delta * math.sqrt(3))
    level = np.nan_to_num(np.fmax(spread(right), spread(left)), posinf=0.0)
    is_flat = np.all(right == line.origin, axis=0) & np.all(left == line.origin, axis=0)
    coarse = np.zeros(line.origin.shape)
    if np.any(is_flat):
        for wider in (WIDER_WINDOWS * line.position) / line.speed:
            # A kink or a single jump stands on one side, the noise of a staircase on both.
            sides = [spread(window(line, sign * wider)) for sign in (1.0, -1.0)]
            coarse = np.fmax(coarse, np.min(sides, axis=0))
    is_staircase = is_flat & (coarse > 0)
    level = NOISE_SAFETY * np.where(is_staircase, coarse, level)
    least = line.eps / 2 * np.abs(line.origin)
    flat = float(NOISE_POINTS[-1]) * delta
    return Noise(np.maximum(level, least), least, is_staircase, flat)


def window(line: Line, delta: float) -> Vector:
    """φ at a few points beside 0, but not at 0: φ may jump there."""
    return np.stack([line(k * delta) for k in NOISE_POINTS.tolist()])


def spread(values: Vector) -> Vector:
    """Root mean square distance of the values in a window from a cubic."""
    cubic, _ = np.linalg.qr(np.vander(NOISE_POINTS, 4))
    with np.errstate(all="ignore"):
        change = values - values[0]
        rest = change - cubic @ (cubic.T @ change)
        degrees_of_freedom = len(values) - cubic.shape[1]
        return np.asarray(np.sqrt(np.sum(np.abs(rest) ** 2, axis=0) / degrees_of_freedom))


def central_limit(line: Line, noise: Vector, largest_step: float | None = None) -> Limit:
    """φ'(0) = lim (φ(h) − φ(−h)) / 2h; even powers of h are removed.

    Args:
        line: φ.
        noise: rounding noise of φ, shape (m,).
        largest_step: h of the first row; chosen from the size of the input if None.

    Returns:
        The limit; error ∞ in components that have none.
    """

    def quotient(h: float) -> tuple[Vector, Vector]:
        right, left = line(h), line(-h)
        return (right - left) / (2 * h), np.maximum(np.abs(right), np.abs(left))

    return extrapolate(quotient, line, noise, power=2, largest_step=largest_step)


def one_sided_limit(
    line: Line, noise: Vector, sign: int, largest_step: float | None = None
) -> Limit:
    """The right (sign = 1) or left (sign = −1) derivative of φ at 0; all powers of h are removed.

    Args:
        line: φ.
        noise: rounding noise of φ, shape (m,).
        sign: the side.
        largest_step: h of the first row; chosen from the size of the input if None.

    Returns:
        The limit; error ∞ in components that have none.
    """

    def quotient(h: float) -> tuple[Vector, Vector]:
        side = line(sign * h)
        return (side - line.origin) / (sign * h), np.abs(side)

    return extrapolate(quotient, line, noise, power=1, largest_step=largest_step)


def shortest_step(line: Line) -> float:
    """The t below which a move along the line is lost in the input's rounding."""
    # The factor is no dyadic fraction: rounding errors at its multiples look random.
    return 1.37 * math.sqrt(line.input_eps) * line.position / line.speed


def steps(line: Line, largest_step: float | None) -> Iterator[float]:
    """The steps h of the rows, from a good part of the input's size to √eps of it."""
    if largest_step is None:
        # 0.23 is no simple fraction of a period that a user would choose: no aliasing.
        largest_step = max(0.23, 8 * line.input_eps ** (1 / 3) * line.position) / line.speed
    h = largest_step
    last = min(shortest_step(line), largest_step / RATIO**MIN_ROWS)
    while h >= last:
        yield h
        h /= RATIO


def extrapolate(
    quotient: Callable[[float], tuple[Vector, Vector]],
    line: Line,
    noise: Vector,
    *,
    power: int,
    largest_step: float | None,
) -> Limit:
    """The limit of quotient(h) as h → 0, whose error has the powers h^power, h^(2 power) etc."""
    shape = line.origin.shape
    value: Vector = np.full(shape, np.nan, line.dtype)
    error: Vector = np.full(shape, np.inf)
    last_raw, last_drift = value, error
    scale: Vector = np.full(shape, np.nan)
    row: list[tuple[Vector, Vector]] = []
    with np.errstate(all="ignore"):
        for number, h in enumerate(steps(line, largest_step)):
            raw, size = quotient(h)
            # The rounding of x + h v counts as a part of the noise, by the slope that it meets.
            moved = line.input_eps / 2 * line.position / line.speed * np.abs(raw)
            rounding = np.fmax(np.maximum(noise, line.eps * size), moved)
            level = 2 * rounding / (2 * h if power == 2 else h)
            scale = np.where(np.isfinite(scale), scale, size / h)
            drift = np.abs(raw - last_raw)
            # A limit that a shorter step contradicts was an accident of the longer ones.
            contradiction = np.abs(raw - value) - level - drift
            error = np.where(contradiction > error, contradiction, error)
            previous, row = row, extrapolated_row(raw, level, row, power)
            for column, (entry, amplified) in enumerate(row if previous else []):
                estimate = amplified + truncation(entry, previous, row, column)
                is_better = estimate < error
                value = np.where(is_better, entry, value)
                error = np.where(is_better, estimate, error)
            is_settled = (level >= error) & ~(drift > last_drift + 2 * level)
            if number >= MIN_ROWS and np.all(is_settled):
                break
            last_raw, last_drift = raw, drift
    return Limit(value + 0.0, np.asarray(error), np.nan_to_num(scale))


def extrapolated_row(
    raw: Vector, level: Vector, previous: list[tuple[Vector, Vector]], power: int
) -> list[tuple[Vector, Vector]]:
    """The next row of the table: its entries and the noise that each carries."""
    row = [(raw, level)]
    for column, (above, noise_above) in enumerate(previous[: COLUMNS - 1], start=1):
        entry, noise = row[-1]
        weight = 1 / (RATIO ** (power * column) - 1)
        row.append((entry + weight * (entry - above), noise + weight * (noise + noise_above)))
    return row


def truncation(
    entry: Vector,
    previous: list[tuple[Vector, Vector]],
    row: list[tuple[Vector, Vector]],
    column: int,
) -> Any:
    """How far an entry is from the entries that it was made of."""
    if column == 0:
        return np.abs(entry - previous[0][0])
    return np.maximum(np.abs(entry - row[column - 1][0]), np.abs(entry - previous[column - 1][0]))
