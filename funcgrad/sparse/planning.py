"""Plans: all that a sparse derivative needs besides values, made once and used many times."""

import inspect
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from funcgrad import tree
from funcgrad.core.protocols import DISPATCH
from funcgrad.errors import ObjectArrayError, SparsityError, StaticArgumentError
from funcgrad.families.shapes import shape_of
from funcgrad.jitting.jitted import Jitted, jit
from funcgrad.sparse.colouring import column_colours, row_colours, star_colours, star_sources
from funcgrad.sparse.compressed import (
    Layout,
    Seeding,
    Watch,
    compressed,
    is_array,
)
from funcgrad.sparse.finding import Found, find, is_symmetric, outside
from funcgrad.sparse.matrix import SparseMatrix
from funcgrad.sparse.pattern import Indices, Pattern, as_pattern
from funcgrad.sparse.problem import Call, Problem, argument, example_of, size_of
from funcgrad.transforms.arguments import result_dtype
from funcgrad.transforms.forward import jvp
from funcgrad.transforms.shapes import ShapeDtypeStruct

__all__ = ["Plan", "check_leaves", "make_plan"]


class Plan:
    """A sparse derivative, planned for arguments of some structure, shapes and dtypes; call it.

    Attributes:
        pattern: of the whole matrix: a row for each element of the results, a column for each
            element of the selected arguments, leaf after leaf.
        mode: "forward" if columns share products with the derivative, "reverse" if rows do.
        colouring: which column (or row) belongs to which product: `(n,)`, counted from 0 on.
    """

    __slots__ = (
        "_blocks",
        "_call",
        "_eps",
        "_found",
        "_is_plain",
        "_known",
        "_numbers",
        "_problem",
        "_run",
        "_seeding",
        "_single",
        "_watch",
        "colouring",
        "mode",
        "pattern",
    )

    def __init__(
        self,
        problem: Problem,
        call: Call,
        found: Found,
        pattern: Pattern,
        layout: Layout,
        is_given: bool,
    ) -> None:
        self.pattern = pattern
        self.mode = layout.mode
        self.colouring = layout.colouring
        self.colouring.flags.writeable = False
        self._problem = problem
        self._call = hollow = call.hollow()
        self._found = found
        self._eps = found.eps
        self._known = () if is_given else found.known
        self._watch = Watch(problem, hollow, pattern, is_given, call.leaves, layout.is_star)
        seeded = hollow.primals if layout.mode == "forward" else found.outs
        self._seeding = Seeding(layout, seeded)
        run = compressed(problem, problem.fun, hollow, self._seeding, self._watch)
        self._run: Jitted = jit(run)
        self._numbers = [i for i, leaf in enumerate(call.leaves) if is_array(leaf)]
        self._blocks = _blocks(pattern, found.outs, hollow.primals, layout.mode)
        one = tree.structure((0.0,))
        self._single = (
            problem.selection.single_number
            and call.primals_structure == one
            and found.out_structure == (one if problem.is_hessian else tree.LEAF)
        )
        flat = call.structure == tree.structure((call.leaves, {}))
        self._is_plain = self._single and flat and self._seeding.is_one and not problem.has_aux

    @property
    def outs(self) -> tuple[Any, ...]:
        """The leaves of the results that are differentiated: zeros of their shapes and dtypes."""
        return self._found.outs

    @property
    def is_star(self) -> bool:
        """Whether entries are taken from their mirror images, too."""
        return self._watch.is_star

    @property
    def colours(self) -> int:
        """Number of colours: so many products give the whole matrix."""
        return int(self.colouring.max(initial=0)) + 1

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The derivative at arguments like those of the plan, in the layout of `sparse_jacobian`.

        Raises:
            SparsityError: if it has entries outside of the plan's structure, or the arguments have
                other shapes or dtypes.
            PytreeError: if they have another structure.
        """
        if (
            self._is_plain
            and not self._known
            and not kwargs
            and len(args) == len(self._numbers)
            and all(type(x) is np.ndarray for x in args)
        ):  # nearly always
            try:
                return SparseMatrix(self._run(*args)[0], self.pattern)
            except (StaticArgumentError, ObjectArrayError):
                check_leaves(self._problem, args, kwargs)
                raise
        check_leaves(self._problem, args, kwargs)
        leaves, structure = tree.flatten((args, kwargs))
        if structure != self._call.structure:  # perhaps only by the names of parameters
            args, kwargs = self._as_prepared(args, kwargs)
            leaves, structure = tree.flatten((args, kwargs))
        if structure != self._call.structure:
            raise SparsityError(
                f"{self._problem.transform}: a plan of {self._problem.name} was called with other "
                f"arguments than it was made for: "
                f"{tree.difference(self._call.structure, structure)}. Call prepare for these, or "
                "call the sparse derivative itself, which keeps a plan for each."
            )
        for number, (old, new) in enumerate(zip(self._call.leaves, leaves, strict=True)):
            if is_array(old) != is_array(new) or not (is_array(old) or _is_same(old, new)):
                path, _ = tree.leaves_with_path((args, kwargs))[number]
                raise SparsityError(
                    f"{self._problem.transform}: argument {argument(path)} of "
                    f"{self._problem.name} is {_shown(new)}, but the plan was made for "
                    f"{_shown(old)}. What is no array is part of the plan. Call prepare for this "
                    "one, or call the sparse derivative itself, which keeps a plan for each."
                )
        return self.evaluate(leaves)

    def __repr__(self) -> str:
        height, width = self.pattern.shape
        return (
            f"<Plan of {height} x {width}, {self.pattern.nnz} entries, {self.colours} "
            f"colour{'s' * (self.colours != 1)}, {self.mode} mode>"
        )

    def __copy__(self) -> "Plan":
        return self  # a plan does not change

    def __deepcopy__(self, _memo: Any) -> "Plan":
        return self

    def __reduce__(self) -> NoReturn:
        """Refused: functions and compiled code have no bytes that another process could use."""
        raise SparsityError(
            f"{self._problem.transform}: pickle of a plan of {self._problem.name}. It holds a "
            "function and compiled code, which cannot be pickled. Pickle plan.pattern, and make "
            f"the plan anew with {self._problem.transform}({self._problem.name}, "
            "structure=pattern).prepare(...)."
        )

    def evaluate(self, leaves: Sequence[Any]) -> Any:
        """The same for the leaves of the arguments."""
        if self._known and not all(one.is_same(leaves) for one in self._known):
            self._renew(leaves)
        values, aux = self.entries(leaves)
        result = self._nested(values)
        return (result, aux) if self._problem.has_aux else result

    def entries(self, leaves: Sequence[Any]) -> tuple[Any, Any]:
        """The values of all entries, and `aux`."""
        arrays = [leaves[i] for i in self._numbers]
        if self._seeding.is_one:
            values, aux = self._run(*arrays)
            return values, aux
        parts, numbers, aux = [], [], None
        for chunk in self._seeding.chunks():
            part, aux = self._run(chunk.places, *chunk.arrays, *arrays)
            parts.append(part)
            numbers.append(chunk.entries)
        order = np.argsort(np.concatenate(numbers))
        return DISPATCH[np.take](DISPATCH[np.concatenate](parts), order), aux

    def _as_prepared(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The same arguments, by position and by name as when the plan was made."""
        made, _ = tree.unflatten(self._call.structure, self._call.leaves)
        try:
            parameters = inspect.signature(self._problem.fun).parameters.values()
        except (TypeError, ValueError):  # it has no signature
            return args, kwargs
        names = [p.name for p in parameters if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
        given = dict(zip(names, args, strict=False))
        if len(args) > len(names) or given.keys() & kwargs.keys():
            return args, kwargs
        given |= kwargs
        front = names[: len(made)]
        if len(front) < len(made) or not set(front) <= given.keys():
            return args, kwargs
        return tuple(given.pop(name) for name in front), given

    def _nested(self, values: Any) -> Any:
        """The blocks in the structures of results and arguments."""
        if self._single:
            return SparseMatrix(values, self.pattern)
        blocks = []
        for pattern, numbers, dtype in self._blocks:
            part = values if numbers is None else DISPATCH[np.take](values, numbers, axis=-1)
            blocks.append(
                SparseMatrix(part if part.dtype == dtype else part.astype(dtype), pattern)
            )
        width = len(self._call.chosen)
        rows = []
        for start in range(0, len(blocks), width):
            row = tree.unflatten(self._call.primals_structure, blocks[start : start + width])
            rows.append(row[0] if self._problem.selection.single_number else row)
        result = tree.unflatten(self._found.out_structure, rows)
        single = self._problem.is_hessian and self._problem.selection.single_number
        return result[0] if single else result

    # checks -----------------------------------------------------------------------------------
    def _renew(self, leaves: Sequence[Any]) -> None:
        """Look whether the structure still holds after a change of what it depends on."""
        call = self._call.at(leaves)
        found = find(self._problem, call, self.pattern)
        assert found.pattern is not None  # it was asked for
        if found.pattern != self.pattern:
            raise outside(self._problem, found.pattern, self.pattern)
        self._known = found.known

    def check(self, *args: Any, **kwargs: Any) -> None:
        """Compare the product with a random vector with the one that needs no structure.

        Raises:
            SparsityError: if they differ: then an entry is missing in the structure.
        """
        self.check_at(list(map(example_of, self._problem.call(args, kwargs).leaves)))

    def check_at(self, leaves: Sequence[Any]) -> None:
        """The same for the leaves of the arguments."""
        problem = self._problem
        call = self._call.at(leaves)
        values, _ = self.entries(leaves)
        matrix = SparseMatrix(values, self.pattern)
        target = call.target(problem, problem.fun, leaves)
        rng = np.random.default_rng(0)
        vectors = [_random(rng, x) for x in call.primals]
        with np.errstate(all="ignore"):
            _, dot, *_ = jvp(target, tuple(call.primals), tuple(vectors), problem.has_aux)
            vector = np.concatenate([np.ravel(v) for v in vectors])
            given = np.concatenate([np.ravel(d) for d in tree.leaves(dot)])
            product = matrix @ vector
            scale = SparseMatrix(np.abs(values), self.pattern) @ np.abs(vector)
            scale = scale + np.abs(given)
            eps = max(*(float(np.finfo(d).eps) for d in (values.dtype, given.dtype)), self._eps)
            slack = eps ** (1 / 3) * scale + eps * np.max(
                scale, initial=0, where=np.isfinite(scale)
            )
            wrong = np.flatnonzero(np.abs(product - given) > slack)  # nans are no mistake of ours
        if wrong.size:
            raise _missing(problem, self.pattern, int(wrong[0]), wrong.size, self._watch.is_given)


def check_leaves(problem: Problem, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Refuse arguments that are no arrays of numbers, but have a dtype.

    Raises:
        SparsityError: if there is such an argument.
    """
    for path, leaf in tree.leaves_with_path((args, kwargs)):
        place = f"{problem.transform}: argument {argument(path)} of {problem.name}"
        if isinstance(leaf, ShapeDtypeStruct):
            raise SparsityError(
                f"{place} is {leaf!r}. It has no values, and these may decide about the structure, "
                f"which is tried with them, too. Pass an array, e.g. numpy.ones({leaf.shape})."
            )
        dtype = getattr(leaf, "dtype", None)
        if isinstance(dtype, np.dtype) and dtype.kind not in "biufcO":
            raise SparsityError(
                f"{place} is an array of dtype {dtype}. Derivatives are computed with numbers. "
                "Pass a list of strings or other objects (each is part of the plan), or give it "
                "to the function by a closure or functools.partial."
            )


def _is_same(old: Any, new: Any) -> bool:
    """Whether an argument that is no array is what it was."""
    try:
        return old is new or (type(old) is type(new) and bool(old == new))
    except Exception:  # noqa: BLE001  # whatever objects do that cannot be compared
        return False


def _shown(leaf: Any) -> str:
    return "an array" if hasattr(leaf, "dtype") else repr(leaf)


def _random(rng: np.random.Generator, x: Any) -> Any:
    dtype = result_dtype(x)
    drawn = rng.standard_normal(shape_of(x))
    if dtype.kind == "c":
        drawn = drawn + 1j * rng.standard_normal(shape_of(x))
    return np.asarray(drawn, dtype)[()] if not shape_of(x) else drawn.astype(dtype)


def _missing(
    problem: Problem, pattern: Pattern, row: int, count: int, is_given: bool
) -> SparsityError:
    columns = pattern.columns[pattern.rows == row].tolist()
    shown = ", ".join(map(str, columns[:_SHOWN])) + (", ..." if len(columns) > _SHOWN else "")
    if is_given:
        fix = "Add the missing entries to structure=, or leave it away to have it found"
    else:
        dense = "hessian" if problem.is_hessian else "jacobian"
        fix = f"Pass structure= with all entries that there can be, or use {dense}"
    return SparsityError(
        f"{problem.transform}: along a random vector the derivative of {problem.name} is another "
        f"one than by its structure, in {count} row{'s' * (count != 1)}, the first one {row}, "
        f"whose entries are in the columns [{shown}]. There are others that are not zero. {fix}."
    )


_SHOWN = 8
"""So many columns are shown in a message."""

_Block = tuple[Pattern, Indices | None, Any]


def _blocks(
    pattern: Pattern, outs: Sequence[Any], primals: Sequence[Any], mode: str
) -> list[_Block]:
    """For each result and argument the pattern, the numbers of its entries, and the dtype."""
    tops = np.cumsum([0, *map(size_of, outs)]).tolist()
    lefts = np.cumsum([0, *map(size_of, primals)]).tolist()
    blocks: list[_Block] = []
    for out, top, bottom in zip(outs, tops, tops[1:], strict=False):
        for primal, left, right in zip(primals, lefts, lefts[1:], strict=False):
            inside = (pattern.rows >= top) & (pattern.rows < bottom)
            inside &= (pattern.columns >= left) & (pattern.columns < right)
            numbers = np.flatnonzero(inside)
            part = Pattern(
                (bottom - top, right - left),
                pattern.rows[numbers] - top,
                pattern.columns[numbers] - left,
            )
            dtype = result_dtype(out if mode == "forward" else primal)
            whole = numbers.size == pattern.nnz
            blocks.append((part, None if whole else numbers, dtype))
    return blocks


def layout_of(problem: Problem, call: Call, pattern: Pattern, method: str) -> Layout:
    """Colours, and where each entry is found with them."""
    if is_symmetric(problem, call):
        colouring = star_colours(pattern)
        lines, colours = star_sources(pattern, colouring)
        return Layout("forward", colouring, lines, colours, pattern.shape[0], is_star=True)
    columns = column_colours(pattern) if method != "reverse" else None
    rows = None
    if columns is None or (method == "auto" and _may_be_fewer(pattern, columns)):
        rows = row_colours(pattern)
    if columns is None or (rows is not None and rows.max(initial=0) < columns.max(initial=0)):
        assert rows is not None  # if there are no colours of columns
        return Layout("reverse", rows, pattern.columns, rows[pattern.rows], pattern.shape[1])
    return Layout("forward", columns, pattern.rows, columns[pattern.columns], pattern.shape[0])


def _may_be_fewer(pattern: Pattern, columns: Indices) -> bool:
    """Whether rows may need fewer colours: as many as the fullest column has entries."""
    return bool(np.bincount(pattern.columns, minlength=1).max() <= columns.max(initial=0))


def make_plan(
    problem: Problem,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    structure: Any = None,
    method: str = "auto",
    check: bool = True,
    besides: Pattern | None = None,
) -> Plan:
    """Find the structure at some arguments (unless it is given), colour it, and try it.

    Args:
        problem: the derivative.
        args: of the function.
        kwargs: of the function.
        structure: as users give it; `None` to have it found.
        method: "auto", "forward" or "reverse".
        check: whether it is tried.
        besides: entries to have besides those that are found.
    """
    check_leaves(problem, args, kwargs)
    call = problem.call(args, kwargs)
    found = find(problem, call, besides, pattern=structure is None)
    if not found.outs or not call.chosen:
        what = "returned" if call.chosen else "was given, for the selected arguments,"
        raise SparsityError(
            f"{problem.transform}: {problem.name} {what} a pytree without arrays. There is no "
            "matrix of derivatives then. Return an array, and select arguments that hold arrays."
        )
    shape = (sum(map(size_of, found.outs)), sum(map(size_of, call.primals)))
    pattern = found.pattern
    if pattern is None:
        pattern = as_pattern(problem.transform, structure, shape)
        pattern = pattern.symmetric if problem.is_hessian else pattern
    layout = layout_of(problem, call, pattern, method)
    examples = call.plain()
    plan = Plan(problem, examples, found, pattern, layout, found.pattern is None)
    if check:
        plan.check_at(examples.leaves)
    return plan
