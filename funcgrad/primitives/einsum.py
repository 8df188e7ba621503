"""`numpy.einsum`: every form of its arguments, brought to one explicit spec of letters.

What the primitive sees has no ellipsis, no implicit result, and no axis of length 1 that stands for
a longer one, so its transpose is an einsum too.
"""

import math
import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from funcgrad.core.protocols import implements
from funcgrad.core.tracer import bind
from funcgrad.families.shapes import as_operand, rank_of, shape_of
from funcgrad.primitives.contraction import einsum_p, matmul_p
from funcgrad.primitives.plain import implements_traced, is_traced, refuse_out
from funcgrad.primitives.structural import astype, reshape

__all__ = ["einsum", "explicit_spec"]


@implements_traced(np.einsum)
def einsum(
    *operands: Any,
    out: Any = None,
    dtype: Any = None,
    order: str = "K",
    casting: str = "safe",
    optimize: Any = False,
) -> Any:
    """`numpy.einsum`; `optimize` is chosen by the size of the operands."""
    del order, casting, optimize
    refuse_out("einsum", out)
    spec, arrays = _arguments(operands)
    terms, result = explicit_spec(spec, [rank_of(array) for array in arrays])
    is_view = len(terms) == 1 and set(terms[0]) == set(result)  # nothing is computed, nor cast
    if dtype is not None and not is_view:
        arrays = [astype(array, dtype) for array in arrays]
    arrays, terms = _without_stretched_axes(arrays, terms)
    return bind(einsum_p, *arrays, spec=",".join(terms) + "->" + result)


@implements(np.einsum_path)
def einsum_path(*operands: Any, optimize: Any = "greedy", einsum_call: bool = False) -> Any:
    """`numpy.einsum_path`: it depends on shapes only."""
    shapes = [
        np.broadcast_to(np.empty((), operand.dtype), operand.shape)
        if is_traced(operand) and not isinstance(operand, list | tuple)
        else operand
        for operand in operands
    ]
    del einsum_call
    return np.einsum_path(*shapes, optimize=optimize)


def _arguments(operands: Sequence[Any]) -> tuple[str, list[Any]]:
    """The spec and the arrays of both forms: `("ij,jk", a, b)` and `(a, [0, 1], b, [1, 2])`."""
    if isinstance(operands[0], str):
        return operands[0].replace(" ", ""), [as_operand(array) for array in operands[1:]]
    pairs = len(operands) // 2
    arrays = [as_operand(array) for array in operands[: 2 * pairs : 2]]
    lists = [list(numbers) for numbers in operands[1 : 2 * pairs : 2]]
    result = list(operands[-1]) if len(operands) % 2 else None
    used = {n for numbers in [*lists, result or []] for n in numbers if n is not Ellipsis}
    letters = dict(zip(sorted(used), string.ascii_letters, strict=False))

    def word(numbers: list[Any]) -> str:
        return "".join("..." if n is Ellipsis else letters[n] for n in numbers)

    spec = ",".join(map(word, lists))
    return spec if result is None else f"{spec}->{word(result)}", arrays


def explicit_spec(spec: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """One word of letters for each operand, and that of the result.

    Example:
        >>> explicit_spec("...ij,...jk", [3, 2])
        (['Zij', 'jk'], 'Zik')
    """
    left, arrow, right = spec.partition("->")
    words = left.split(",")
    if len(words) != len(ranks):
        raise ValueError(
            f"einsum: {len(words)} terms in {spec!r}, but {len(ranks)} operands. Each operand has "
            "one term. Separate them by commas."
        )
    spare = [letter for letter in reversed(string.ascii_letters) if letter not in spec]
    widths = [rank - len(word.replace("...", "")) for word, rank in zip(words, ranks, strict=True)]
    for word, width in zip(words, widths, strict=True):
        if width < 0 or (width and "..." not in word):
            raise ValueError(
                f"einsum: the term {word!r} stands for an operand of {width + len(word)} axes. The "
                "numbers differ. Give each axis a letter, or write an ellipsis."
            )
    extra = "".join(spare[: max(widths)])[::-1]
    terms = [
        word.replace("...", extra[len(extra) - width :] if width else "")
        for word, width in zip(words, widths, strict=True)
    ]
    if arrow:
        return terms, right.replace("...", extra)
    letters = "".join(words).replace("...", "")
    return terms, extra + "".join(sorted(c for c in set(letters) if letters.count(c) == 1))


def _without_stretched_axes(
    arrays: Sequence[Any], terms: Sequence[str]
) -> tuple[list[Any], list[str]]:
    """Drop the axes of length 1 where another operand has a longer one for the letter."""
    sizes: dict[str, int] = {}
    for array, term in zip(arrays, terms, strict=True):
        for letter, length in zip(term, shape_of(array), strict=True):
            known = sizes.get(letter, 1)
            if known not in (1, length) and length != 1:
                raise ValueError(
                    f"einsum: the letter {letter!r} stands for lengths {known} and {length}. They "
                    "must be the same. Use two letters."
                )
            sizes[letter] = length if known == 1 else known
    kept_arrays, kept_terms = [], []
    for array, term in zip(arrays, terms, strict=True):
        shape = shape_of(array)
        kept = [i for i, letter in enumerate(term) if shape[i] == sizes[letter]]
        if len(kept) != len(term):
            array = reshape(array, tuple(shape[i] for i in kept))
            term = "".join(term[i] for i in kept)
        kept_arrays.append(array)
        kept_terms.append(term)
    return kept_arrays, kept_terms


@implements_traced(np.linalg.multi_dot)
def multi_dot(arrays: Sequence[Any], *, out: Any = None) -> Any:
    """`numpy.linalg.multi_dot`: a product of matrices in the cheapest order."""
    refuse_out("multi_dot", out)
    chain = [as_operand(array) for array in arrays]
    if len(chain) < 2:
        raise ValueError("Expecting at least two arrays.")
    row, column = rank_of(chain[0]) == 1, rank_of(chain[-1]) == 1
    if row:
        chain[0] = reshape(chain[0], (1, -1))
    if column:
        chain[-1] = reshape(chain[-1], (-1, 1))
    for matrix in chain:
        if rank_of(matrix) != 2:
            raise np.linalg.LinAlgError(
                f"{rank_of(matrix)}-dimensional array given. Array must be two-dimensional"
            )
    cuts = _cheapest_cuts([shape_of(chain[0])[0], *(shape_of(matrix)[1] for matrix in chain)])

    def product(first: int, last: int) -> Any:
        if first == last:
            return chain[first]
        cut = cuts[first, last]
        return bind(matmul_p, product(first, cut), product(cut + 1, last))

    result = product(0, len(chain) - 1)
    if row or column:
        return result[(0 if row else slice(None), 0 if column else slice(None))]
    return result


def _cheapest_cuts(lengths: Sequence[int]) -> dict[tuple[int, int], int]:
    """Where to split the chain from i to j so that it takes the fewest multiplications."""
    n = len(lengths) - 1
    cost = {(i, i): 0 for i in range(n)}
    cuts = {}
    for span in range(1, n):
        for i in range(n - span):
            j = i + span
            cost[i, j], cuts[i, j] = min(
                (
                    cost[i, k] + cost[k + 1, j] + math.prod(lengths[m] for m in (i, k + 1, j + 1)),
                    k,
                )
                for k in range(i, j)
            )
    return cuts
