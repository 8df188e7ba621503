"""Sets through products of arrays: matmul, einsum, convolve.

z[i, j] = Σₖ a[i, k] b[k, j] depends on all b[k, j] with a[i, k] ≠ 0, and on all a[i, k] with
b[k, j] ≠ 0. Zeros of operands are those that are known, such as those of a sparse constant.
"""

import math
import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from funcgrad.core.primitive import Primitive
from funcgrad.sparse.structure_flow import (
    Flow,
    Mask,
    Rule,
    Shape,
    broadcast,
    reduced,
    shaped,
)
from funcgrad.sparse.structure_rules import LINKS, along
from funcgrad.sparse.structure_sets import NOTHING, Layer, Sets, joined, linked

__all__ = ["RULES"]

Operands = Sequence[Flow]
Params = dict[str, Any]
Shapes = Sequence[Shape]

MASKED = 1 << 24
"""Masks of products are made of at most so many elements."""


def _matmul(primitive: Primitive, operands: Operands, params: Params, shapes: Shapes) -> list[Flow]:
    del primitive, params
    a, b = operands
    vector_a, vector_b = len(a.shape) == 1, len(b.shape) == 1
    rank = max(len(a.shape) - 2, len(b.shape) - 2, 0)
    lead = string.ascii_lowercase[:rank]
    term_a = lead[rank - max(len(a.shape) - 2, 0) :] + ("Z" if vector_a else "YZ")
    term_b = lead[rank - max(len(b.shape) - 2, 0) :] + ("Z" if vector_b else "ZX")
    out = lead + ("" if vector_a else "Y") + ("" if vector_b else "X")
    return _contracted((term_a, term_b), out, operands, shapes[0])


def _einsum(primitive: Primitive, operands: Operands, params: Params, shapes: Shapes) -> list[Flow]:
    del primitive
    left, out = params["spec"].split("->")
    return _contracted(left.split(","), out, operands, shapes[0])


def _contracted(terms: Sequence[str], out: str, operands: Operands, shape: Shape) -> list[Flow]:
    """Sums of products over all letters that the result has not."""
    parts = [_plain(term, x) for term, x in zip(terms, operands, strict=True)]
    lengths = {letter: n for term, x in parts for letter, n in zip(term, x.shape, strict=True)}
    shape = tuple(lengths.get(letter, 1) for letter in out)
    masks = [x.nonzero() for _, x in parts]
    found: list[Sets] = []
    for i, (term, x) in enumerate(parts):
        if not x.sets:
            continue
        others = [
            (parts[j][0], mask) for j, mask in enumerate(masks) if j != i and mask is not None
        ]
        sets = _masked(term, x, out, others, lengths) if others else None
        found.append(_unmasked(term, x, out, shape) if sets is None else sets)
    zeros = _zeros(parts, masks, out, lengths)
    return [Flow(shape, joined(found), zeros)]


def _plain(term: str, x: Flow) -> tuple[str, Flow]:
    """Without axes of length 1, which may stand for longer ones, and with each letter once."""
    kept = [(letter, n) for letter, n in zip(term, x.shape, strict=True) if n != 1]
    letters = "".join(letter for letter, _ in kept)
    shape = tuple(n for _, n in kept)
    once = "".join(dict.fromkeys(letters))
    if shape == x.shape and once == letters:
        return term, x

    def view(array: Any) -> Any:
        return np.einsum(f"{letters}->{once}", array.reshape(shape))

    sets = tuple(Layer(layer.table, view(layer.rows)) for layer in x.sets)
    mask = x.known_zeros()
    zeros = None if mask is None else view(mask)
    lengths = dict(kept)
    return once, Flow(tuple(lengths[letter] for letter in once), sets, zeros)


def _unmasked(term: str, x: Flow, out: str, shape: Shape) -> Sets:
    """Joined over the letters that the result has not, and spread over the others."""
    gone = [axis for axis, letter in enumerate(term) if letter not in out]
    sets = reduced(x.sets, gone)
    left = [letter for letter in term if letter in out]
    sets = shaped(sets, tuple(n for n, c in zip(x.shape, term, strict=True) if c in out))
    order = sorted(range(len(left)), key=lambda i: out.index(left[i]))
    wide = tuple(x.shape[term.index(letter)] if letter in left else 1 for letter in out)
    if not math.prod(shape):
        return NOTHING
    return broadcast(
        tuple(Layer(y.table, y.rows.transpose(order).reshape(wide)) for y in sets), shape
    )


def _masked(
    term: str, x: Flow, out: str, others: Sequence[tuple[str, Mask]], lengths: dict[str, int]
) -> Sets | None:
    """Links where no other factor is zero; `None` if there are too many."""
    both = "".join(dict.fromkeys(out + term))
    both = "".join(letter for letter in both if letter in lengths)
    mask = _product(others, both, lengths)
    if mask is None:
        return None
    letters = "".join(c for c in both if any(c in own for own, _ in others))
    free = "".join(letter for letter in both if letter not in letters)
    count = int(np.count_nonzero(mask)) * math.prod(lengths[c] for c in free)
    if count > LINKS:
        return None
    places = dict(zip(letters, np.nonzero(mask), strict=True)) if letters else {}
    found = next(iter(places.values())).size if places else int(bool(mask))
    full = {letter: place[:, None] for letter, place in places.items()}
    spare = math.prod(lengths[c] for c in free)
    grid = np.indices([lengths[c] for c in free]).reshape(len(free), spare)
    full.update({letter: grid[i][None, :] for i, letter in enumerate(free)})
    size = (found, spare)
    targets = _flat(full, [c for c in out if c in lengths], lengths, size)
    sources = _flat(full, term, lengths, size)
    shape = tuple(lengths.get(letter, 1) for letter in out)
    return shaped(linked(x.sets, targets, sources, math.prod(shape)), shape)


def _flat(
    places: dict[str, Any], letters: Sequence[str], lengths: dict[str, int], size: tuple[int, int]
) -> Any:
    """Numbers of elements in C order."""
    number: Any = np.zeros((1, 1), np.intp)
    for letter in letters:
        number = number * lengths[letter] + places[letter]
    return np.broadcast_to(number, size).reshape(-1)


def _product(factors: Sequence[tuple[str, Mask]], kept: str, lengths: dict[str, int]) -> Any:
    """Where, along the letters that are kept, a product of factors may be other than zero."""
    letters = "".join(dict.fromkeys("".join(term for term, _ in factors)))
    if len(factors) == 1 or math.prod(lengths[c] for c in letters) <= MASKED:
        whole: Any = None
        for term, mask in factors:
            order = sorted(range(len(term)), key=list(map(letters.index, term)).__getitem__)
            wide = mask.transpose(order).reshape([lengths[c] if c in term else 1 for c in letters])
            whole = wide if whole is None else whole & wide
        gone = tuple(i for i, c in enumerate(letters) if c not in kept)
        left = "".join(c for c in letters if c in kept)
        found = np.any(whole, axis=gone) if gone else whole
        order = [left.index(c) for c in kept if c in left]
        return np.transpose(found, order)
    return None


def _zeros(
    parts: Sequence[tuple[str, Flow]],
    masks: Sequence[Mask | None],
    out: str,
    lengths: dict[str, int],
) -> Mask | None:
    """Where the result is known to be zero."""
    pairs = zip(parts, masks, strict=True)
    factors = [(term, mask) for (term, _), mask in pairs if mask is not None]
    if not factors:
        return None
    found = _product(factors, out, lengths)
    if found is None or np.all(found):
        return None
    present = [c for c in out if any(c in term for term, _ in factors)]
    wide = found.reshape([lengths[c] if c in present else 1 for c in out])
    return ~np.broadcast_to(wide, [lengths.get(c, 1) for c in out])


# --- convolutions -------------------------------------------------------------------------------


def _convolve(
    primitive: Primitive, operands: Operands, params: Params, shapes: Shapes
) -> list[Flow]:
    """z[i + j] = Σ a[i] v[j]."""
    del primitive
    shape = shapes[0]
    a, v = operands
    fewer = min(a.shape[-1], v.shape[-1])
    start = {"full": 0, "same": (fewer - 1) // 2, "valid": fewer - 1}[params["mode"]]
    pairs = ((a, v), (v, a))
    return [Flow(shape, joined(_convolved(x, other, start, shape) for x, other in pairs))]


def _convolved(x: Flow, other: Flow, start: int, shape: Shape) -> Sets:
    """Of one operand, where the other one may be other than zero."""
    n, m, length = x.shape[-1], other.shape[-1], shape[-1]
    if not x.sets:
        return NOTHING
    if n * m > LINKS:
        return broadcast(reduced(x.sets, (-1,)), shape)
    mask = other.nonzero()
    steps = np.arange(m)
    if mask is not None:
        steps = np.flatnonzero(np.any(mask.reshape(-1, m), axis=0))
    sources = np.repeat(np.arange(n), steps.size)
    targets = sources + np.tile(steps, n) - start
    inside = (targets >= 0) & (targets < length)
    own = (*x.shape[:-1], length)
    return broadcast(along(x, -1, own, targets[inside], sources[inside]), shape)


RULES: dict[str, Rule] = {"matmul": _matmul, "einsum": _einsum, "convolve": _convolve}
"""By name of the primitive."""
