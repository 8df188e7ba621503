"""The laws of derivatives that the checks are made of, each on one function at one point."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from funcgrad import tree
from funcgrad.testing.comparison import (
    Law,
    directions,
    eps_of,
    largest,
    leaf_paths,
    pairing,
    require_like,
    tangents_like,
)
from funcgrad.testing.diagnosis import Disagreement, Tolerance, find_disagreement
from funcgrad.testing.extrapolation import noise_level
from funcgrad.testing.line import Entry, Line, Vector, is_differentiable
from funcgrad.testing.numerical import paired
from funcgrad.testing.triangles import explained
from funcgrad.transforms.autodiff import vjp
from funcgrad.transforms.forward import jvp

__all__ = ["Function", "adjoint_law", "forward_law", "reverse_law", "superposition_law"]

Function = Callable[..., Any]

# A derivative that overflows is reported as what it is; a warning would come in between.
IGNORE = np.errstate(all="ignore")
# Leaves of at most this many entries are searched for the entry that is wrong.
MAX_SEARCHED = 64


@IGNORE
def forward_law(
    law: Law,
    f: Function,
    f_jvp: Function,
    args: Any,
    tolerance: Tolerance,
    rng: np.random.Generator,
) -> None:
    """Check value, structure and tangent of a jvp rule, one input leaf after the other."""
    expected = f(*args)
    tangents = tangents_like(args, rng)

    def compare(moving: Any) -> tuple[Line, Disagreement | None]:
        out, out_dot = f_jvp(args, moving)
        require_value(law, out, expected, tolerance)
        require_like(law.check, out_dot, expected, "the tangent of output")
        line = Line(f, args, moving)
        claimed, eps = claim(line, out_dot, expected)
        eps = np.maximum(eps, largest_eps(moving))
        return line, find_disagreement(line, claimed, eps, tolerance)

    def check(along: str, moving: Any) -> None:
        line, found = compare(moving)
        if found is not None and along:
            found = explained(found, f, args, moving, lambda other: compare(other)[1] is None)
            law.fail(found, line.entry(found.position), f" along {along}")
        if found is not None:
            for path, single in directions(args, tangents, separate=True):
                check(path, single)
            law.fail(found, line.entry(found.position), "")

    for path, moving in directions(args, tangents):
        check(path, moving)


def largest_eps(tangents: Any) -> float:
    """The unit roundoff of the shortest dtype among the tangents that are not zero."""
    return max(eps_of(v) for v in tree.leaves(tangents) if is_differentiable(v) and np.any(v))


def claim(line: Line, out_dot: Any, expected: Any) -> tuple[Vector, Vector]:
    """What a jvp rule says φ'(0) is, and the unit roundoff of each entry."""
    flat, eps = [np.zeros(0, line.dtype)], [np.zeros(0)]
    for x_dot, y in zip(tree.leaves(out_dot), tree.leaves(expected), strict=True):
        if is_differentiable(y):
            flat.append(np.asarray(x_dot, line.dtype).ravel())
            eps.append(np.full(np.size(y), eps_of(y)))
    return np.concatenate(flat), np.concatenate(eps)


@IGNORE
def reverse_law(
    law: Law,
    f: Function,
    f_vjp: Function,
    args: Any,
    tolerance: Tolerance,
    rng: np.random.Generator,
) -> None:
    """Check value, structure and cotangents of a vjp rule, one input leaf after the other."""
    expected = f(*args)
    out, pullback = f_vjp(*args)
    require_value(law, out, expected, tolerance)
    cotangent = tangents_like(out, rng)
    gradient = pullback(cotangent)
    require_like(law.check, gradient, args, "the cotangent of args")
    scalar = paired(f, cotangent)
    tangents = tangents_like(args, rng)
    eps = max(map(eps_of, filter(is_differentiable, tree.leaves((args, expected)))))

    def compare(moving: Any) -> Disagreement | None:
        line = Line(scalar, args, moving)
        claimed, size = pairing(gradient, moving)
        allowance = replace(tolerance, rounding=8 * eps * size)
        return find_disagreement(line, np.array([claimed]), np.array([eps]), allowance)

    for path, moving in directions(args, tangents):
        found = compare(moving)
        if found is None:
            continue
        for single_path, single in directions(args, tangents, separate=True):
            if path in {"", single_path}:
                narrowed = compare(single)
                if narrowed is not None:
                    entry, worst = search(compare, args, single_path)
                    mended = explained(
                        narrowed, f, args, single, lambda other: compare(other) is None
                    )
                    worst = replace(worst or narrowed, verdict=mended.verdict, why=mended.why)
                    law.fail(worst, entry, "")
        law.fail(found, Entry(path or "args", ()), "")


def search(
    compare: Callable[[Any], Disagreement | None], args: Any, path: str
) -> tuple[Entry, Disagreement | None]:
    """The entry of a small leaf whose partial derivative is most wrong."""
    leaves, structure = tree.flatten(args)
    number = leaf_paths(args).index(path)
    best: tuple[Entry, Disagreement | None] = Entry(path, ()), None
    if np.size(leaves[number]) > MAX_SEARCHED or np.ndim(leaves[number]) == 0:
        return best
    zeros = [
        np.zeros_like(x) if is_differentiable(x) else t
        for x, t in zip(
            leaves, tree.leaves(tangents_like(args, np.random.default_rng(0))), strict=True
        )
    ]
    for index in np.ndindex(np.shape(leaves[number])):
        unit = np.zeros_like(leaves[number])
        unit[index] = 1.0 if unit.dtype.kind == "f" else 1.0 + 0.7j
        moving = [unit if i == number else zero for i, zero in enumerate(zeros)]
        found = compare(tree.unflatten(structure, moving))
        if found is not None and (best[1] is None or found.mismatch > best[1].mismatch):
            best = Entry(path, index), found
    return best


@IGNORE
def adjoint_law(
    law: Law, f: Function, args: Any, tolerance: Tolerance, rng: np.random.Generator
) -> None:
    """Check that forward and reverse mode are transposes of each other, leaf by leaf."""
    out, pullback = vjp(f, *args)
    cotangent = tangents_like(out, rng)
    gradient = pullback(cotangent)
    eps = max(map(eps_of, filter(is_differentiable, tree.leaves((args, out)))))
    _, out_size = pairing(cotangent, out)

    def digits(moving: Any) -> float:
        return relative_noise(Line(paired(f, cotangent), args, moving), out_size)

    for path, moving in directions(args, tangents_like(args, rng)):
        left, left_size = pairing(cotangent, jvp(f, args, moving)[1])
        right, right_size = pairing(gradient, moving)
        law.require_equal(
            left,
            right,
            Entry(path or "args", ()),
            left_size + right_size,
            eps=eps,
            input_size=out_size + largest(cotangent) * largest(moving),
            atol=tolerance.atol,
            rtol=tolerance.rtol,
            digits=partial(digits, moving),
        )


def relative_noise(line: Line, size: float) -> float:
    """Rounding noise of a scalar φ, relative to the terms that it is a sum of; 1 at most."""
    noise = float(noise_level(line).level[0])
    return min(noise / size, 1.0) if size > 0 else 1.0


def superposition_law(
    law: Law,
    f: Function,
    x: Any,
    rng: np.random.Generator,
    atol: float | None,
    rtol: float | None,
) -> None:
    """Check that f(α x + β y) = α f(x) + β f(y) for a drawn y."""
    alpha, beta = 1.75, -0.6875  # few binary digits: exact in every dtype

    def combined(a: Any, b: Any) -> Any:
        return alpha * a + beta * b if is_differentiable(a) else a

    y = tangents_like(x, rng)
    at_x, at_y = f(x), f(y)

    def digits(place: int, of_x: Any) -> float:
        weights = [leaf * 0 if is_differentiable(leaf) else leaf for leaf in tree.leaves(at_x)]
        weights[place] = tangents_like(of_x, np.random.default_rng(0))
        weight = tree.unflatten(tree.structure(at_x), weights)
        return relative_noise(Line(paired(f, weight), (x,), (y,)), pairing(weight, at_x)[1])

    together = f(tree.map(combined, x, y))
    require_like(law.check, at_y, at_x, "output")
    require_like(law.check, together, at_x, "output")
    leaves, _ = tree.flatten_with_path(at_x)
    rest = zip(tree.leaves(at_y), tree.leaves(together), strict=True)
    for place, ((path, of_x), (of_y, of_both)) in enumerate(zip(leaves, rest, strict=True)):
        if is_differentiable(of_x) and np.size(of_x):
            size = np.max(np.abs(alpha * of_x) + np.abs(beta * of_y))
            entry = Entry(f"output{tree.keystr(path)}", ())
            law.require_equal(
                of_both,
                alpha * of_x + beta * of_y,
                entry,
                size,
                eps=eps_of(of_x),
                input_size=max(largest(x), largest(y)),
                atol=atol,
                rtol=rtol,
                digits=partial(digits, place, of_x),
            )


def require_value(law: Law, out: Any, expected: Any, tolerance: Tolerance) -> None:
    """Require that a rule returns the function's own value."""
    value_law = Law(law.check, "value of the rule = value of the function")
    value_law.require_equal_trees(out, expected, "output", atol=tolerance.atol, rtol=tolerance.rtol)
