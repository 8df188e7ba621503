"""A line search for a point that fulfils the strong Wolfe conditions."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Point", "strong_wolfe"]

DECREASE, CURVATURE, LEAST = 1e-4, 0.9, 1e-9
"""c₁, c₂, and the shortest interval."""


class Point(NamedTuple):
    """A point of the line: its place, and loss, gradient and slope there."""

    t: Any
    loss: float
    gradient: Any
    slope: Any


def _lowest(a: Point, b: Point, bounds: tuple[Any, Any] | None = None) -> Any:
    """Where the cubic through two points and their slopes is lowest within bounds."""
    low, high = bounds or ((a.t, b.t) if a.t <= b.t else (b.t, a.t))
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if square < 0:
        return (low + high) / 2.0
    d2 = np.sqrt(square)
    if a.t <= b.t:
        place = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2))
    else:
        place = a.t - (a.t - b.t) * ((a.slope + d2 - d1) / (a.slope - b.slope + 2 * d2))
    return min(max(place, low), high)


def strong_wolfe(
    evaluate: Callable[[Any], tuple[float, Any, Any]],
    t: Any,
    size: Any,
    loss: float,
    gradient: Any,
    slope: Any,
    most: int = 25,
) -> tuple[Point, int]:
    """A point with f(t) ≤ f(0) + c₁ t f'(0) and |f'(t)| ≤ c₂ |f'(0)|, and how often f was computed.

    Args:
        evaluate: t ↦ loss, gradient and slope.
        t: where it begins.
        size: the largest component of the direction.
        loss: f(0).
        gradient: at 0.
        slope: f'(0); the slopes' precision is that of the search.
        most: evaluations, but for one.
    """
    start = previous = Point(0, loss, gradient, slope)
    now = Point(t, *evaluate(t))
    count = 1
    bracket: list[Point] = []
    done = False
    tries = 0
    while tries < most:
        if now.loss > loss + DECREASE * now.t * slope or (tries > 1 and now.loss >= previous.loss):
            bracket = [previous, now]
            break
        if abs(now.slope) <= -CURVATURE * slope:
            bracket, done = [now], True
            break
        if now.slope >= 0:
            bracket = [previous, now]
            break
        bounds = now.t + 0.01 * (now.t - previous.t), now.t * 10
        t = _lowest(previous, now, bounds)
        previous, now = now, Point(t, *evaluate(t))
        count += 1
        tries += 1
    else:
        bracket = [start, now]
    slow = False
    low, high = (0, 1) if bracket[0].loss <= bracket[-1].loss else (1, 0)
    while not done and tries < most:
        first, last = bracket
        if abs(last.t - first.t) * size < LEAST:
            break
        t, slow = _inside(first, last, slow)
        now = Point(t, *evaluate(t))
        count += 1
        tries += 1
        if now.loss > loss + DECREASE * t * slope or now.loss >= bracket[low].loss:
            bracket[high] = now
            low, high = (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)
        else:
            if abs(now.slope) <= -CURVATURE * slope:
                done = True
            elif now.slope * (bracket[high].t - bracket[low].t) >= 0:
                bracket[high] = bracket[low]
            bracket[low] = now
    return bracket[low], count


def _inside(first: Point, last: Point, slow: bool) -> tuple[Any, bool]:
    """A place in an interval; after two near its ends, a tenth of it away from the nearer end."""
    t = _lowest(first, last)
    lower, upper = min(first.t, last.t), max(first.t, last.t)
    margin = 0.1 * (upper - lower)
    if min(upper - t, t - lower) >= margin:
        return t, False
    if slow or t >= upper or t <= lower:
        return (upper - margin if abs(t - upper) < abs(t - lower) else lower + margin), False
    return t, True
