"""Derivatives at kinks: of max(x, 0), and of max(x, 0) and |x| together in log(1 + exp(x)).

The derivative of max(x, 0) is one half at zero, where recorded programs choose twice. Zeros are
rare: they are looked for, and only if there are some is chosen twice.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from funcgrad.compile.quick import drop
from funcgrad.compile.regions.cluster import cluster, kind_of_cluster
from funcgrad.compile.regions.softmax_rewriting import Operand, Rewriting, number_of
from funcgrad.compile.structured import WRITERS
from funcgrad.core.program import Constant, Equation, Variable

__all__ = ["KIND", "past_kink", "sigmoid_slope", "slope_past_kink"]

KIND = kind_of_cluster("past kink")

FEWEST, MOST = 512, 1 << 18
"""Elements of arrays that are chosen from at once; larger ones do not stay in the caches."""


class _Kink(NamedTuple):
    """where(x > 0, ct, where(x == 0, ct / 2, 0)), with nan taken as greater."""

    x: Operand
    ct: Operand
    members: tuple[Equation, ...]


def _kink(rewriting: Rewriting, operand: Operand) -> _Kink | None:
    made, same = rewriting.made, rewriting.same
    outer = made(operand, "where")
    if outer is None:
        return None
    above, ct, rest = outer.operands
    inner = made(rest, "where")
    if inner is None or not rewriting.is_alone(rest):
        return None
    at, half, zero = inner.operands
    negated, equal = made(above, "logical_not"), made(at, "equal")
    if negated is None or equal is None or number_of(rewriting.seen(zero)) != 0:
        return None
    below = made(negated.operands[0], "less_equal")
    if below is None:
        return None
    x = below.operands[0]
    if not same(equal.operands[0], x):
        return None
    if number_of(below.operands[1]) != 0 or number_of(equal.operands[1]) != 0:
        return None
    halved = _halved(rewriting, ct, half)
    if halved is None:
        return None
    members = (equal, below, negated, *halved, inner, outer)
    return _Kink(rewriting.seen(x), rewriting.seen(ct), members)


def _halved(rewriting: Rewriting, ct: Operand, half: Operand) -> tuple[Equation, ...] | None:
    """The equation that makes half of a cotangent, if one is needed; `None` if it is not half."""
    whole, part = number_of(rewriting.seen(ct)), number_of(rewriting.seen(half))
    if whole is not None or part is not None:
        if whole is None or part is None:
            return None
        return () if math.isclose(part, whole / 2, rel_tol=1e-7) else None
    found = rewriting.made(half, "multiply")
    if found is None:
        return None
    for one, other in (found.operands, found.operands[::-1]):
        if number_of(one) == 0.5 and rewriting.same(other, ct):
            return (found,)
    return None


def slope_past_kink(rewriting: Rewriting, equation: Equation) -> bool:
    """The derivative of max(x, 0) times a cotangent, as one step."""
    result = equation.results[0]
    if (
        equation.primitive.name != "where"
        or result.dtype.kind != "f"
        or result.dtype.itemsize not in (4, 8)
        or not FEWEST <= math.prod(result.shape) <= MOST
    ):
        return False
    found = _kink(rewriting, result)
    if found is None:
        return False
    for operand in (found.x, found.ct):
        if not isinstance(operand, Variable):
            return False
        if operand.shape != result.shape or operand.dtype != result.dtype:
            return False
    # The members as they are now, of operands as they are now.
    members = [
        Equation(e.primitive, tuple(map(rewriting.seen, e.operands)), e.params, e.results)
        for e in found.members
    ]
    made = cluster(KIND, members, {result.number})
    order = [v.number if isinstance(v, Variable) else None for v in made.operands]
    ways = (("x", order.index(found.x.number)), ("ct", order.index(found.ct.number)))  # type: ignore[union-attr]  # variables
    params = (*made.params, *ways)
    made = Equation(KIND, made.operands, params, made.results, None, equation.origin)
    rewriting.replace_by(equation, made)
    return True


def past_kink(x: Any, ct: Any, mask: Any, out: Any) -> Any:
    """`ct` where x > 0 or nan, half of it where x = 0, else 0; of one shape and dtype.

    Args:
        x: where the kink is at zero.
        ct: the cotangent.
        mask: memory for truth values.
        out: memory for the result, in C order.
    """
    zero = x.dtype.type(0)
    drop(np.less_equal(x, zero, mask), ct, out)
    if np.equal(x, zero, mask).any():
        np.copyto(out, 0.5 * ct, where=mask)
    return out


def _write(writer: Any, equation: Equation, operands: Sequence[str]) -> list[str]:
    params = dict(equation.params)
    result = equation.results[0]
    name: str = writer.fresh(result.name)
    helper = writer.scope.helper(past_kink, "past_kink")
    x, ct = operands[params["x"]], operands[params["ct"]]
    mask = writer.scratch(result.shape, np.dtype(np.bool_))
    writer.line(f"{name} = {helper}({x}, {ct}, {mask}, {writer.memory(result)})", equation.origin)
    return [name]


WRITERS[KIND.name] = _write


def sigmoid_slope(rewriting: Rewriting, equation: Equation) -> bool:
    """c [x > 0] - c e / (1 + e) sign(x) with e = exp(-|x|), which is c exp(min(x, 0)) / (1 + e)."""
    if equation.primitive.name not in ("add", "subtract"):
        return False
    terms = _terms(rewriting, equation)
    for number, (sign, operand) in enumerate(terms):
        kink = _kink(rewriting, operand)
        if kink is None or not rewriting.is_alone(operand) or not _is_like(kink.x, equation):
            continue
        for other, (other_sign, term) in enumerate(terms):
            if other == number or other_sign == sign:
                continue
            share = _signed_share(rewriting, term, kink)
            rest = [t for i, t in enumerate(terms) if i not in (number, other)]
            if share is None or not all(_is_like(t, equation) for _, t in ((1, share), *rest)):
                continue
            _as_sigmoid(rewriting, equation, sign, share, kink, rest)
            return True
    return False


def _is_like(operand: Operand, equation: Equation) -> bool:
    """Whether a variable has the shape and dtype of the result."""
    result = equation.results[0]
    return (
        isinstance(operand, Variable)
        and operand.shape == result.shape
        and operand.dtype == result.dtype
        and not operand.weak
    )


DEEP = 3
"""So many additions are looked through for the two parts of a derivative."""


def _terms(
    rewriting: Rewriting, equation: Equation, sign: int = 1, deep: int = DEEP
) -> list[tuple[int, Operand]]:
    """The terms of a sum of arrays of one shape, with their signs."""
    found: list[tuple[int, Operand]] = []
    shape = equation.results[0].shape
    for place, operand in enumerate(equation.operands):
        own = -sign if place and equation.primitive.name == "subtract" else sign
        inner = rewriting.made(operand, "add", "subtract")
        if (
            deep
            and inner is not None
            and inner.results[0].shape == shape
            and rewriting.is_alone(operand)
        ):
            found += _terms(rewriting, inner, own, deep - 1)
        else:
            found.append((own, rewriting.seen(operand)))
    return found


def _signed_share(rewriting: Rewriting, term: Operand, kink: _Kink) -> Operand | None:
    """c / (1 + e), if the term is c / (1 + e) * e * sign(x) with e = exp(-|x|)."""
    made, same = rewriting.made, rewriting.same
    product = made(term, "multiply")
    if product is None or not rewriting.is_alone(term):
        return None
    for sloped, signed in (product.operands, product.operands[::-1]):
        sign = made(signed, "sign")
        scaled = made(sloped, "multiply")
        if sign is None or scaled is None or not same(sign.operands[0], kink.x):
            continue
        for share, grown in (scaled.operands, scaled.operands[::-1]):
            divided = made(share, "divide")
            if divided is None or not same(divided.operands[0], kink.ct):
                continue
            if _is_decay(rewriting, grown, kink.x) and _is_one_more(
                rewriting, divided.operands[1], grown
            ):
                return rewriting.seen(share)
    return None


def _is_decay(rewriting: Rewriting, operand: Operand, x: Operand) -> bool:
    """Whether it is exp(-|x|)."""
    grown = rewriting.made(operand, "exp")
    negated = rewriting.made(grown.operands[0], "negative") if grown is not None else None
    size = rewriting.made(negated.operands[0], "absolute") if negated is not None else None
    return size is not None and rewriting.same(size.operands[0], x)


def _is_one_more(rewriting: Rewriting, operand: Operand, grown: Operand) -> bool:
    """Whether it is 1 + e."""
    more = rewriting.made(operand, "add")
    if more is None:
        return False
    pairs = (more.operands, more.operands[::-1])
    return any(number_of(a) == 1 and rewriting.same(b, grown) for a, b in pairs)


def _as_sigmoid(rewriting: Rewriting, equation: Equation, sign: int, share: Operand, kink: _Kink,
                rest: list[tuple[int, Operand]]) -> None:  # fmt: skip
    x = kink.x
    assert isinstance(x, Variable)
    assert isinstance(share, Variable)
    low = rewriting.put(equation, "minimum", [x, Constant(0.0)], x)
    grown = rewriting.put(equation, "exp", [low], x)
    if not rest:
        if sign > 0:
            rewriting.replace(equation, "multiply", [share, grown])
            return
        slope = rewriting.put(equation, "multiply", [share, grown], equation.results[0])
        rewriting.replace(equation, "negative", [slope])
        return
    slope = rewriting.put(equation, "multiply", [share, grown], equation.results[0])
    terms = [*rest, (sign, slope)]
    terms.sort(key=lambda term: -term[0])
    (first, total), *others = terms
    if first < 0:
        total = rewriting.put(equation, "negative", [total], equation.results[0])
    for number, (own, operand) in enumerate(others):
        name = "add" if own > 0 else "subtract"
        if number + 1 == len(others):
            rewriting.replace(equation, name, [total, operand])
        else:
            total = rewriting.put(equation, name, [total, operand], equation.results[0])
