"""What the checks share: directions to look into, results to compare, words for what is wrong."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from funcgrad import tree
from funcgrad.testing.diagnosis import Disagreement, Verdict
from funcgrad.testing.errors import DerivativeCheckError, StructureCheckError
from funcgrad.testing.line import Entry, Vector, dtype_of, is_differentiable
from funcgrad.transforms.arguments import float0

__all__ = [
    "Law",
    "directions",
    "eps_of",
    "largest",
    "leaf_paths",
    "pairing",
    "require_args",
    "require_like",
    "tangents_like",
]

# More leaves than this are moved together; which of them is wrong is found out on failure.
MAX_SEPARATE_LEAVES = 8
# Functions in double precision that use single precision inside have this noise at most.
MAX_NOISE = 2.0**-20
# Noise above this part of the function itself is no explanation.
MAX_EXCUSE = 0.01
# How often the measured noise of a function may be found in a sum of its derivatives.
NOISE_SAFETY = 32.0

ADVICE = {
    Verdict.WRONG_RULE: "Mend the rule, or give atol and rtol if it is meant to be less accurate.",
    Verdict.ILL_CONDITIONED: "Check at another point or in float64, or give atol and rtol.",
    Verdict.KINK: "Check at another point, or draw inputs with arrays(away_from=...).",
    Verdict.ONE_TRIANGLE: "",
}


@dataclass(frozen=True, slots=True)
class Law:
    """A law and who checks it: how failures introduce themselves.

    Attributes:
        check: name of the check, e.g. `"check_jvp"`.
        name: the law as a formula.
    """

    check: str
    name: str

    def fail(self, found: Disagreement, entry: Entry, along: str) -> NoReturn:
        """Report a disagreement with the numerical derivative.

        Args:
            found: the disagreement.
            entry: where it is.
            along: what was varied, in words; may be empty.
        """
        count = f", and {found.failing - 1} more entries fail" if found.failing > 1 else ""
        verdict = str(found.verdict)
        raise DerivativeCheckError(
            f"{self.check}: the law {self.name} fails at {entry}{along}: the rule says "
            f"{found.claimed:.10g}, the numerical derivative is {found.numerical:.10g} "
            f"± {found.error:.1g} (they differ by {found.mismatch:.3g}, {found.allowed:.2g} is "
            f"allowed{count}). {verdict[0].upper()}{verdict[1:]}: {found.why}. "
            f"{ADVICE[found.verdict]}".rstrip(),
            law=self.name,
            path=str(entry),
            verdict=verdict,
            mismatch=found.mismatch,
            error=found.error,
        )

    def require_equal(
        self,
        left: Any,
        right: Any,
        entry: Entry,
        size: Any,
        *,
        eps: float,
        input_size: float = 0.0,
        atol: float | None = None,
        rtol: float | None = None,
        digits: Callable[[], float] | None = None,
    ) -> None:
        """Require that both sides of a law are equal but for rounding.

        Args:
            left: an array or number.
            right: the same.
            entry: the leaf they belong to.
            size: how large the terms of their sums are; rounding errors are relative to that.
            eps: unit roundoff of their dtype.
            input_size: how large the numbers are that both sides were computed from; terms of that
                size may have cancelled on the way.
            atol: allowed absolute difference; by default 256 ε of `input_size`.
            rtol: of size; by default eps^(3/4).
            digits: measures the rounding noise of the function, relative to its terms. It is asked
                where the sides differ by more than that: the function may round in the middle.

        Raises:
            DerivativeCheckError: if they are not.
        """
        left, right = np.asarray(left), np.asarray(right)
        is_given = rtol is not None
        rtol = eps**0.75 if rtol is None else rtol
        atol = 256 * eps * input_size if atol is None else atol
        with np.errstate(all="ignore"):
            mismatch = np.abs(left - right)
            allowed = np.broadcast_to(atol + rtol * np.abs(size), mismatch.shape)
            same = (mismatch <= allowed) | (left == right) | (np.isnan(left) & np.isnan(right))
            rounds = ""
            if digits is not None and not is_given and not np.all(same):
                noise = digits()
                if noise <= MAX_NOISE:
                    same |= mismatch <= allowed + NOISE_SAFETY * noise * np.abs(size)
                elif noise < MAX_EXCUSE and np.all(
                    mismatch <= allowed + NOISE_SAFETY * noise * np.abs(size)
                ):
                    rounds = (
                        f"The function rounds to about {noise:.1g} of its size inside, so this may "
                        f"be rounding: pass rtol={NOISE_SAFETY * noise:.0g}. Otherwise, b"
                    )
        if np.all(same):
            return
        excess = np.where(same, -1.0, np.nan_to_num(mismatch, nan=np.inf))
        index = tuple(int(i) for i in np.unravel_index(np.argmax(excess), excess.shape))
        place = Entry(entry.path, index or entry.index)
        raise DerivativeCheckError(
            f"{self.check}: the law {self.name} fails at {place}: the left side is "
            f"{left[index]:.10g}, the right side {right[index]:.10g} (they differ by "
            f"{mismatch[index]:.3g}, {allowed[index]:.2g} is allowed). "
            f"{rounds or 'B'}oth sides are computed, nothing is estimated, so it is a wrong rule. "
            "Mend it, or give atol and rtol if it is meant to be less accurate.",
            law=self.name,
            path=str(place),
            verdict=str(Verdict.WRONG_RULE),
            mismatch=float(mismatch[index]),
            error=0.0,
        )

    def require_equal_trees(
        self, left: Any, right: Any, what: str, *, atol: float | None, rtol: float | None
    ) -> None:
        """Require that two results are equal leaf by leaf, but for rounding."""
        require_like(self.check, left, right, what)
        leaves, _ = tree.flatten_with_path(right)
        for (path, y), x in zip(leaves, tree.leaves(left), strict=True):
            entry = Entry(f"{what}{tree.keystr(path)}", ())
            eps = eps_of(y) if is_differentiable(y) else 0.0
            if dtype_of(y) == float0:
                continue
            size = finite_size(y) if is_differentiable(y) else 0.0
            self.require_equal(x, y, entry, size, eps=eps, atol=atol, rtol=rtol)


def largest(values: Any) -> float:
    """The largest finite absolute value in the floating point leaves of a pytree."""
    return max(map(finite_size, filter(is_differentiable, tree.leaves(values))), default=0.0)


def finite_size(x: Any) -> float:
    """The largest finite absolute value in an array; 0 of an empty one."""
    size = np.abs(np.asarray(x))
    return float(np.max(np.where(np.isfinite(size), size, 0.0), initial=0.0))


def eps_of(leaf: Any) -> float:
    """Unit roundoff of a floating point leaf."""
    return float(np.finfo(dtype_of(leaf)).eps)


def require_args(check: str, args: Any) -> tuple[Any, ...]:
    """The arguments of the checked function as a tuple; there must be something to differentiate.

    Raises:
        TypeError: if they are no tuple or list.
        ValueError: if they hold no floating point number.
    """
    if not isinstance(args, tuple | list):
        raise TypeError(
            f"{check}: args of type {type(args).__name__}. They are the list of arguments of f. "
            "Write (x,) for one argument x, or (x, y) for two."
        )
    if not any(is_differentiable(leaf) for leaf in tree.leaves(tuple(args))):
        raise ValueError(
            f"{check}: none of the args is floating point. There is no derivative by integers. "
            "Pass floats, e.g. x.astype(float), or another function."
        )
    return tuple(args)


def require_like(check: str, given: Any, expected: Any, what: str) -> None:
    """Require the structure, shapes and dtypes of a derivative or a value.

    Args:
        check: the name of the check.
        given: what a rule returned.
        expected: what has the right structure; a derivative by or of an integer leaf may have any
            dtype.
        what: the name of the thing.

    Raises:
        StructureCheckError: at the first difference.
    """
    difference = tree.difference(
        tree.structure(without_classes(expected)), tree.structure(without_classes(given))
    )
    if difference:
        raise StructureCheckError(
            f"{check}: {what} has {difference}. Derivatives have the structure of what they belong "
            "to. Return one leaf for each, or zeros where there is nothing to say."
        )
    leaves, _ = tree.flatten_with_path(expected)
    for (path, y), x in zip(leaves, tree.leaves(given), strict=True):
        wrong_dtype = is_differentiable(y) and dtype_of(x) != dtype_of(y)
        if np.shape(x) != np.shape(y) or wrong_dtype:
            raise StructureCheckError(
                f"{check}: {what}{tree.keystr(path)} has shape {np.shape(x)} and dtype "
                f"{dtype_of(x)}, but it belongs to shape {np.shape(y)} and dtype {dtype_of(y)}. "
                "Derivatives have the shape and dtype of what they belong to. Sum over the axes "
                "that were broadcast, or convert with astype."
            )


def without_classes(values: Any) -> Any:
    """A pytree with namedtuples as `{name: fields}`: funcgrad's EighResult is not NumPy's class."""
    if isinstance(values, tuple) and hasattr(values, "_fields"):
        return {type(values).__name__: tuple(map(without_classes, values))}
    if type(values) in {tuple, list}:
        return type(values)(map(without_classes, values))
    if type(values) is dict:
        return {key: without_classes(value) for key, value in values.items()}
    return values


def tangents_like(values: Any, rng: np.random.Generator) -> Any:
    """Random tangents (or cotangents): entries of size 0.5 to 1.5; float0 of integers."""

    def draw(leaf: Any) -> Any:
        shape = np.shape(leaf)
        if not is_differentiable(leaf):
            return np.zeros(shape, float0)
        dtype = dtype_of(leaf)
        drawn = rng.uniform(0.5, 1.5, shape) * rng.choice((-1.0, 1.0), shape)
        if dtype.kind == "c":
            drawn = drawn + 1j * rng.uniform(0.5, 1.5, shape) * rng.choice((-1.0, 1.0), shape)
        return np.asarray(drawn).astype(dtype)[()] if np.ndim(leaf) == 0 else drawn.astype(dtype)

    return tree.map(draw, values)


def leaf_paths(args: Any) -> list[str]:
    """Names of the leaves of the arguments: `args[0]['w']`."""
    return [f"args{tree.keystr(path)}" for path, _ in tree.flatten_with_path(args)[0]]


def directions(args: Any, tangents: Any, *, separate: bool = False) -> list[tuple[str, Any]]:
    """Tangents that move one leaf each, or all together where there are many leaves.

    Args:
        args: the arguments.
        tangents: a tangent for every leaf.
        separate: one leaf each in any case.

    Returns:
        Pairs of the moving leaf's path ("" for all) and tangents that are zero elsewhere.
    """
    leaves, structure = tree.flatten(args)
    vs = tree.leaves(tangents)
    moving = [i for i, leaf in enumerate(leaves) if is_differentiable(leaf) and np.size(leaf)]
    if len(moving) > MAX_SEPARATE_LEAVES and not separate:
        return [("", tangents)]
    paths = leaf_paths(args)
    return [(paths[i], tree.unflatten(structure, only(vs, (i,)))) for i in moving]


def only(tangents: Sequence[Any], chosen: Sequence[int]) -> list[Any]:
    """The chosen tangents, and zeros of the others' shapes and dtypes."""
    return [
        v if i in chosen else v * 0 if is_differentiable(v) else v for i, v in enumerate(tangents)
    ]


def pairing(left: Any, right: Any) -> tuple[float, float]:
    """Re Σ left · right over all leaves, without conjugation, and Σ |left · right|."""
    total, size = 0.0, 0.0
    for a, b in zip(tree.leaves(left), tree.leaves(right), strict=True):
        if is_differentiable(a) and is_differentiable(b):
            product = as_double(a) * as_double(b)
            total += float(np.sum(product.real))
            size += float(np.sum(np.abs(product)))
    return total, size


def as_double(x: Any) -> Vector:
    """An array in double precision."""
    return np.asarray(x, np.result_type(dtype_of(x), np.float64))
