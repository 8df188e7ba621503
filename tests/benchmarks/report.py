"""Measurements as Markdown and as JSON."""

import math
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from tests.benchmarks.targets import (
    JIT,
    JIT_TARGETS,
    LAYER_TARGETS,
    NN_TARGET,
    NO_SLOWER,
    OTHER_WAYS,
    PLAIN_NUMPY_SHARE,
    TARGETS,
    Target,
)
from tests.benchmarks.timing import Timing
from tests.benchmarks.workloads import WORKLOADS

Timings = Mapping[str, Mapping[str, Timing]]
"""Workload, then contender."""

LAYER = "funcgrad torch"
WITHOUT_TARGET = ("jax.jit", "jax eager")
NOTHING = "-"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the first column holds names, the others numbers."""
    rule = ["---", *("---:" for _ in head[1:])]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def seconds(t: float) -> str:
    """With three digits and a unit."""
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if t * factor >= 1:
            return f"{t * factor:.3g} {unit}" if t * factor < 999.5 else f"{t * factor:.0f} {unit}"
    return f"{t * 1e9:.0f} ns" if t >= 0 else NOTHING


def quotient(ratio: float) -> str:
    """With three digits."""
    return NOTHING if math.isnan(ratio) else f"{ratio:.3g}"


def _judged(ratio: float, target: Target | None) -> list[str]:
    """Ratio, target, verdict."""
    if target is None:
        return [quotient(ratio), NOTHING, NOTHING]
    verdict = NOTHING if math.isnan(ratio) else target.verdict(ratio)
    return [quotient(ratio), str(target), verdict]


def _target(peer: str, workload: str, contender: str) -> Target | None:
    if contender == "funcgrad nn":
        return NN_TARGET if peer == "torch eager" else None
    target = TARGETS[peer].get(workload)
    if target is not None and contender == "funcgrad np.*":
        return target.scaled(PLAIN_NUMPY_SHARE)
    return target


def _row(workload: str, timings: Mapping[str, Timing], contender: str) -> list[str]:
    own = timings[contender]

    def known(name: str) -> Timing:
        return timings.get(name, Timing())

    hand = known("hand")
    cells = [workload + contender.removeprefix("funcgrad"), seconds(hand.median)]
    cells += [seconds(own.median), quotient(own.over(hand))]
    for peer in TARGETS:
        cells += _judged(known(peer).over(own), _target(peer, workload, contender))
    return cells + [quotient(known(peer).over(own)) for peer in WITHOUT_TARGET]


def ratios(measured: Timings) -> str:
    """The tables of ratios: through ``funcgrad.numpy``, then through plain ``np.*``."""
    head = ["workload", "hand", "funcgrad", "÷ hand"]
    for peer in TARGETS:
        head += [f"{peer} ÷ funcgrad", "target (aim)", "verdict"]
    head += [f"{peer} ÷ funcgrad" for peer in WITHOUT_TARGET]
    own = [
        _row(name, timings, contender)
        for name, timings in measured.items()
        for contender in ("funcgrad", "funcgrad nn")
        if contender in timings
    ]
    plain = [
        _row(name, timings, "funcgrad np.*")
        for name, timings in measured.items()
        if "funcgrad np.*" in timings
    ]
    parts = ["## Through `funcgrad.numpy` and operators", table(head, own)] if own else []
    if plain:
        parts += [f"## Through plain `np.*` (targets × {PLAIN_NUMPY_SHARE})", table(head, plain)]
    layer = [_layer_row(name, timings) for name, timings in measured.items() if LAYER in timings]
    if layer:
        head = ["workload", "torch eager", LAYER, f"torch eager ÷ {LAYER}", "target", "verdict"]
        parts += ["## Through `funcgrad.compat.torch`", table(head, layer)]
    if any(JIT in timings for timings in measured.values()):
        parts.append(compiled(measured, everybody=False))
    return "\n\n".join([*parts, "## All contenders", _everybody(measured)])


def compiled(measured: Timings, *, everybody: bool = True) -> str:
    """The table of ratios of `funcgrad.jit`."""
    head = ["workload", JIT, "hand ÷", "eager ÷", "no slower"]
    for peer in JIT_TARGETS:
        head += [f"{peer} ÷", "target (aim)", "verdict"]
    rows = [_compiled_row(name, timings) for name, timings in measured.items() if JIT in timings]
    parts = [f"## Through `{JIT}`", table(head, rows)]
    others = [
        [
            f"{name} by {own}",
            seconds(measured[name][own].median),
            peer,
            *_judged(measured[name].get(peer, Timing()).over(measured[name][own]), target),
        ]
        for name, own, peer, target in OTHER_WAYS
        if own in measured.get(name, {}) and (own != JIT or peer in measured[name])
    ]
    if others:
        head = ["workload", "time", "peer", "peer ÷", "target (aim)", "verdict"]
        parts.append(table(head, others))
    return "\n\n".join(parts + [_everybody(measured)] * everybody)


def _compiled_row(workload: str, timings: Mapping[str, Timing]) -> list[str]:
    own = timings[JIT]

    def over(peer: str) -> float:
        return timings.get(peer, Timing()).over(own)

    eager = over("funcgrad")
    verdict = NOTHING if math.isnan(eager) else NO_SLOWER.verdict(eager)
    cells = [workload, seconds(own.median), quotient(over("hand")), quotient(eager), verdict]
    for peer, targets in JIT_TARGETS.items():
        cells += _judged(over(peer), targets.get(workload))
    return cells


def _layer_row(workload: str, timings: Mapping[str, Timing]) -> list[str]:
    own, peer = timings[LAYER], timings.get("torch eager", Timing())
    cells = [workload, seconds(peer.median), seconds(own.median)]
    return cells + _judged(peer.over(own), LAYER_TARGETS.get(workload))


def _everybody(measured: Timings) -> str:
    """Median seconds of each contender."""
    contenders = list(dict.fromkeys(name for timings in measured.values() for name in timings))
    rows = (
        [
            f"{name}: {WORKLOADS[name].title}",
            *(seconds(timings.get(c, Timing()).median) for c in contenders),
        ]
        for name, timings in measured.items()
    )
    return table(["workload", *contenders], rows)


def problems(workload: str, timings: Mapping[str, Timing]) -> list[str]:
    """A line for every contender that failed or was wrong."""
    return [f"{workload}: {name}: {t.problem}" for name, t in timings.items() if t.problem]


def machine() -> dict[str, str]:
    """What the numbers depend on."""
    known = {"python": platform.python_version(), "processor": platform.machine()}
    if hasattr(os, "sched_getaffinity"):
        known["cores"] = ", ".join(map(str, sorted(os.sched_getaffinity(0))))
    for package in ("numpy", "torch", "jax", "autograd"):
        try:
            known[package] = version(package)
        except PackageNotFoundError:
            known[package] = "not installed"
    return known


def raw(measured: Timings) -> dict[str, Any]:
    """Everything, for ``--json``: seconds throughout."""
    return {
        "machine": machine(),
        "workloads": {
            workload: {
                contender: {
                    "median": None if t.problem else t.median,
                    "minimum": None if t.problem else min(t.samples),
                    "first": None if math.isnan(t.first) else t.first,
                    "error": t.error if math.isfinite(t.error) else None,
                    "problem": t.problem,
                    "samples": t.samples,
                }
                for contender, t in timings.items()
            }
            for workload, timings in measured.items()
        },
    }
