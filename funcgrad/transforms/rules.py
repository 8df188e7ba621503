"""One call of a function with derivative rules of its own, on flat lists of leaves.

A call knows up to four things: `run` (the value), `forward` and `backward` (reverse mode), `push`
(forward mode). `vmap` turns a call into a `BatchedCall`, which does the same for all examples; the
mode that the user gave no rule for is derived in `funcgrad.transforms.custom`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from typing_extensions import override

from funcgrad import tree
from funcgrad.core.modes import named_axis
from funcgrad.core.primitive import Primitive
from funcgrad.core.program import Constant, Program, Variable
from funcgrad.core.wengert import Aval
from funcgrad.errors import CustomRuleError
from funcgrad.families.shapes import cast_like, dtype_of, in_front, shape_of, zeros_like
from funcgrad.interpreters.batch import Batch
from funcgrad.transforms.arguments import dtype_name, float0, is_differentiable, result_dtype, run
from funcgrad.transforms.later import equations
from funcgrad.transforms.vmap import lift, unlift
from funcgrad.tree.mismatch import children_like, describe

_FLOAT64 = np.dtype(np.float64)

__all__ = ["BatchedCall", "Call", "Rules", "UserCall", "input_avals", "sealed"]


@dataclass(eq=False, slots=True, weakref_slot=True)
class Rules:
    """What the user gave: a function and its rules, as they were written.

    Attributes:
        name: of the function.
        primitive: what stands for it in Wengert lists and programs.
        fun: the function.
        jvp: `(*nondiff, primals, tangents) -> (out, out_dot)`, or `None`.
        fwd: `(*args) -> (out, residuals)`, or `None`.
        bwd: `(*nondiff, residuals, ct) -> cotangents`, or `None`.
    """

    name: str
    primitive: Primitive
    fun: Callable[..., Any]
    jvp: Callable[..., Any] | None = None
    fwd: Callable[..., Any] | None = None
    bwd: Callable[..., Any] | None = None


class Call:
    """The interface of a call; see the module."""

    __slots__ = ()
    rules: Rules

    def run(self, leaves: Sequence[Any]) -> list[Any]:
        """Results."""
        raise NotImplementedError

    def as_program(self, operands: Sequence[Variable | Constant]) -> Program | None:
        """What it does with operands like these; `None` if that depends on their values."""
        program: Program | None = equations("branches_emission").program_of(
            self.run, operands, self.rules.name
        )
        return program

    def forward(self, leaves: Sequence[Any]) -> tuple[list[Any], list[Any], Any]:
        """Results, and the residuals as leaves and static data."""
        raise NotImplementedError

    def backward(
        self, residuals: Sequence[Any], static: Any, cts: Sequence[Any], inputs: Sequence[Any]
    ) -> list[Any]:
        """Cotangents of all leaves (`None` is zero), checked against the avals `inputs`."""
        raise NotImplementedError

    def push(self, leaves: Sequence[Any], dots: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Results and their tangents; a tangent that is zero is `None`, on either side."""
        raise NotImplementedError


def sealed(x: Any) -> Any:
    """A value as a user's rule sees it: traced values are immutable, so plain ones are too."""
    if type(x) is np.ndarray and x.flags.writeable:
        x = x.view()
        x.flags.writeable = False
    return x


def input_avals(leaves: Sequence[Any]) -> list[Any]:
    """What cotangents must be like: an `Aval` with dtype `None` for a Python number.

    It is `None` for leaves that have no derivative at all.
    """
    return [
        Aval(shape_of(leaf), dtype_of(leaf))  # type: ignore[arg-type]  # None says weak
        if is_differentiable(leaf)
        else None
        for leaf in leaves
    ]


class UserCall(Call):
    """A call of the user's own functions, with pytrees put together and taken apart.

    Attributes:
        structure: of the tuple of differentiable arguments.
        nondiff: the other arguments by position.
        out_structure: of the result, once the function has run.
    """

    __slots__ = ("_key", "nondiff", "out_structure", "rules", "structure")

    def __init__(
        self, rules: Rules, structure: tree.Structure, nondiff: tuple[tuple[int, Any], ...]
    ) -> None:
        self.rules = rules
        self.structure = structure
        self.nondiff = nondiff
        self.out_structure: tree.Structure = tree.LEAF
        self._key: Any = None

    # Programs that are recorded twice are equal, so calls in their equations have to be.
    def _identity(self) -> Any:
        if self._key is None:
            key = (id(self.rules), self.structure, self.nondiff)
            try:
                hash(key)
            except TypeError:
                self._key = (id(self),)
            else:
                self._key = key
        return self._key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UserCall) and bool(self._identity() == other._identity())

    def __hash__(self) -> int:
        return hash(self._identity())

    def __repr__(self) -> str:
        values = "".join(f", {position}: {value!r}" for position, value in self.nondiff)
        return f"<{self.structure.abbreviated(60)}{values}>"

    def _arguments(self, leaves: Sequence[Any]) -> list[Any]:
        args = list(tree.unflatten(self.structure, map(sealed, leaves)))
        for position, value in self.nondiff:
            args.insert(position, value)
        return args

    def _statics(self) -> list[Any]:
        return [value for _, value in self.nondiff]

    def _flat_result(self, out: Any) -> list[Any]:
        leaves, self.out_structure = tree.flatten(out)
        return leaves

    @override
    def run(self, leaves: Sequence[Any]) -> list[Any]:
        return self._flat_result(run(self.rules.fun, self._arguments(leaves), {}))

    @override
    def forward(self, leaves: Sequence[Any]) -> tuple[list[Any], list[Any], Any]:
        assert self.rules.fwd is not None
        pair = run(self.rules.fwd, self._arguments(leaves), {})
        out, residuals = self._pair("fwd", pair, "(result, residuals)")
        kept, static = tree.flatten(residuals)
        return self._flat_result(out), kept, static

    @override
    def backward(
        self, residuals: Sequence[Any], static: Any, cts: Sequence[Any], inputs: Sequence[Any]
    ) -> list[Any]:
        assert self.rules.bwd is not None
        ct = tree.unflatten(self.out_structure, map(sealed, cts))
        kept = tree.unflatten(static, map(sealed, residuals))
        given = run(self.rules.bwd, [*self._statics(), kept, ct], {})
        count = len(self.structure.children)
        if not isinstance(given, tuple | list) or len(given) != count:
            what = f"a {type(given).__name__}"
            if isinstance(given, tuple | list):
                what += f" of {len(given)}"
            raise self._error(
                "bwd",
                f"returned {what}, but {self.rules.name} has {count} arguments to differentiate by",
                f"Return a tuple of {count} cotangents, with None for one that is zero",
            )
        found = self._matching(
            "bwd", self.structure, tuple(given), lambda path: f"cotangent of {self._argument(path)}"
        )
        if all(map(_fits, found, inputs)):  # the texts of messages take longer than the checks
            return found
        return [
            self._checked(
                "bwd",
                ct,
                aval,
                f"cotangent of {self._argument(path)}",
                weak=aval is not None and aval.dtype is None,
            )
            for ct, aval, path in zip(found, inputs, self.structure.paths(), strict=True)
        ]

    @override
    def push(self, leaves: Sequence[Any], dots: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        assert self.rules.jvp is not None
        primals = tree.unflatten(self.structure, map(sealed, leaves))
        filled = [
            sealed(_tangent(leaf) if dot is None else dot)
            for leaf, dot in zip(leaves, dots, strict=True)
        ]
        tangents = tree.unflatten(self.structure, filled)
        pair = run(self.rules.jvp, [*self._statics(), primals, tangents], {})
        out, out_dot = self._pair("jvp", pair, "(result, tangent of the result)")
        outs = self._flat_result(out)
        found = self._matching("jvp", self.out_structure, out_dot, _result_tangent)
        avals = [
            Aval(shape_of(out), result_dtype(out)) if is_differentiable(out) else None
            for out in outs
        ]
        if all(map(_fits, found, avals)):
            return outs, found
        weak = any(is_differentiable(leaf) and dtype_of(leaf) is None for leaf in leaves)
        paths = self.out_structure.paths()
        return outs, [
            self._checked("jvp", dot, aval, _result_tangent(path), weak or dtype_of(out) is None)
            for dot, out, aval, path in zip(found, outs, avals, paths, strict=True)
        ]

    # checks -----------------------------------------------------------------------------------
    def _error(self, rule: str, what: str, fix: str) -> CustomRuleError:
        return CustomRuleError(f"{self.rules.name}: its {rule} {what}. {fix}.")

    def _pair(self, rule: str, given: Any, needed: str) -> tuple[Any, Any]:
        if not isinstance(given, tuple | list) or len(given) != 2:
            size = f" of {len(given)}" if isinstance(given, tuple | list) else ""
            raise self._error(
                rule,
                f"returned a {type(given).__name__}{size}, but a pair {needed} is needed",
                f"Return {needed}",
            )
        return given[0], given[1]

    def _matching(
        self, rule: str, structure: tree.Structure, given: Any, what: Callable[[Any], str]
    ) -> list[Any]:
        """Leaves of what a rule returned; `None` stands for a zero of any structure."""
        found, came = tree.flatten(given)
        if came is structure:
            return found
        found = []
        mismatch = _collect(structure, given, found, ())
        if mismatch is not None:
            path, there, needed = mismatch
            raise self._error(
                rule,
                f"returned {there} as {what(path)}, where {needed} is needed",
                "Return the structure of what it belongs to, or None for zero",
            )
        return found

    def _argument(self, path: Any) -> str:
        position = path[0].idx if path else 0
        for nondiff, _ in self.nondiff:
            position += nondiff <= position
        return f"argument {position}{tree.keystr(path[1:])}"

    def _checked(self, rule: str, x: Any, aval: Any, what: str, weak: bool) -> Any:
        """A cotangent or tangent of exactly the shape and dtype it needs; `None` for zero."""
        if x is None or getattr(x, "dtype", None) == float0:
            return None
        if aval is None:
            raise self._error(
                rule,
                f"returned {dtype_name(x)} as {what}, which is not floating-point",
                "Its derivative is zero: return None, or zeros of dtype funcgrad.float0",
            )
        if not isinstance(x, int | float | complex) and not hasattr(x, "dtype"):
            raise self._error(
                rule,
                f"returned a {type(x).__name__} as {what}",
                f"Return an array of shape {aval.shape}, or None for zero",
            )
        if shape_of(x) != aval.shape:
            raise self._error(
                rule,
                f"returned shape {shape_of(x)} as {what}, which has shape {aval.shape}",
                f"Return an array of shape {aval.shape}, or None for zero",
            )
        dtype = aval.dtype or np.dtype(np.float64)
        found = result_dtype(x)
        if found == dtype and hasattr(x, "dtype"):
            return x
        lossless = found.kind in "biu" or (found.kind == "f" and dtype.kind in "fc")
        if not hasattr(x, "dtype") and (lossless or found.kind == dtype.kind):
            return dtype.type(x)
        if weak and found.kind == dtype.kind:
            return cast_like(x, dtype)
        raise self._error(
            rule,
            f"returned dtype {found} as {what}, which has dtype {dtype}",
            f"Return it in that dtype, e.g. x.astype(np.{dtype.name})",
        )


def _fits(x: Any, aval: Any) -> bool:
    """Whether a cotangent or tangent is exactly as it has to be."""
    if x is None:
        return True
    dtype = getattr(x, "dtype", None)
    if dtype is None or aval is None:  # NumPy takes None for float64 in comparisons
        return False
    return bool(dtype == (aval.dtype or _FLOAT64)) and x.shape == aval.shape


def _result_tangent(path: Any) -> str:
    return f"tangent of the result{tree.keystr(path)}"


def _collect(
    node: tree.Structure, given: Any, found: list[Any], path: tuple[Any, ...]
) -> tuple[Any, str, str] | None:
    """Append the leaves of a tree to `found`, with `None` repeated for what it stands for.

    Returns:
        The first place that does not fit, what is there, and what is needed; `None` if all fits.
    """
    if given is None:
        found += [None] * node.num_leaves
        return None
    if node is tree.LEAF:
        found.append(given)
        structure = tree.structure(given)
        return None if structure is tree.LEAF else (path, describe(structure), "an array")
    children = children_like(node, given)
    if children is None:
        structure = tree.structure(given)
        came = "an array" if structure is tree.LEAF else describe(structure)
        return path, came, describe(node)
    for key, child, below in zip(node.child_keys(), node.children, children, strict=True):
        mismatch = _collect(child, below, found, (*path, key))
        if mismatch is not None:
            return mismatch
    return None


def _tangent(leaf: Any) -> Any:
    """A zero tangent as a user's jvp gets it."""
    if is_differentiable(leaf):
        return zeros_like(leaf, dtype=result_dtype(leaf))
    is_number = hasattr(leaf, "dtype") or isinstance(leaf, int)
    return np.zeros(shape_of(leaf), float0) if is_number else None


class BatchedCall(Call):
    """A call for all examples of a batch: some leaves have the batch axis in front.

    All results have it too; residuals have it where they differ between the examples. `batch` is
    the trace whose examples they are, if there is one.
    """

    __slots__ = ("batch", "flags", "inner", "rules", "size")

    def __init__(
        self, inner: Call, size: int, flags: tuple[bool, ...], batch: Batch | None = None
    ) -> None:
        self.inner = inner
        self.rules = inner.rules
        self.size = size
        self.flags = flags
        self.batch = batch

    @property
    def name(self) -> Any:
        """What collectives call the axis; `None` if it has no name."""
        return None if self.batch is None else self.batch.name

    def _identity(self) -> Any:
        return (self.inner, self.size, self.flags, self.name)

    @contextmanager
    def _batch(self) -> Iterator[Batch]:
        """A trace for all examples, open and known by its name inside the context."""
        trace = Batch("vmap", self.size, self.name, self.batch)
        try:
            with named_axis(self.name, trace):
                yield trace
        finally:
            trace.close()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BatchedCall) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def __repr__(self) -> str:
        return f"<{self.inner!r} for {self.size}>"

    def _front(self, trace: Batch, x: Any) -> Any:
        return None if x is None else in_front(self.size, *unlift(trace, x))

    def _lifted(self, trace: Batch, leaves: Sequence[Any], flags: Sequence[bool]) -> list[Any]:
        return [_lift(trace, leaf, flag) for leaf, flag in zip(leaves, flags, strict=True)]

    @override
    def run(self, leaves: Sequence[Any]) -> list[Any]:
        with self._batch() as trace:
            outs = self.inner.run(self._lifted(trace, leaves, self.flags))
        return [self._front(trace, out) for out in outs]

    @override
    def forward(self, leaves: Sequence[Any]) -> tuple[list[Any], list[Any], Any]:
        with self._batch() as trace:
            outs, kept, static = self.inner.forward(self._lifted(trace, leaves, self.flags))
        pairs = [unlift(trace, x) if hasattr(x, "dtype") else (x, False) for x in kept]
        flags = tuple(flag for _, flag in pairs)
        fronts = [self._front(trace, out) for out in outs]
        return fronts, [value for value, _ in pairs], (static, flags)

    @override
    def backward(
        self, residuals: Sequence[Any], static: Any, cts: Sequence[Any], inputs: Sequence[Any]
    ) -> list[Any]:
        inner_static, flags = static
        one = [
            Aval(aval.shape[1:], aval.dtype) if flag and aval is not None else aval
            for aval, flag in zip(inputs, self.flags, strict=True)
        ]
        with self._batch() as trace:
            found = self.inner.backward(
                self._lifted(trace, residuals, flags),
                inner_static,
                self._lifted(trace, cts, [True] * len(cts)),
                one,
            )
        return [
            None if ct is None else self._gathered(*unlift(trace, ct), flag)
            for ct, flag in zip(found, self.flags, strict=True)
        ]

    def _gathered(self, ct: Any, batched: bool, wanted: bool) -> Any:
        """The cotangent of a batched leaf, or the sum over the examples for a shared one."""
        if wanted:
            return in_front(self.size, ct, batched)
        return np.sum(ct, axis=0) if batched else ct * self.size

    @override
    def push(self, leaves: Sequence[Any], dots: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        with self._batch() as trace:
            tangents = [
                None if dot is None else _lift(trace, dot, flag)
                for dot, flag in zip(dots, self.flags, strict=True)
            ]
            outs, moved = self.inner.push(self._lifted(trace, leaves, self.flags), tangents)
        fronts = [self._front(trace, out) for out in outs]
        return fronts, [self._front(trace, dot) for dot in moved]


def _lift(trace: Batch, value: Any, batched: bool) -> Any:
    if getattr(value, "dtype", None) == float0:
        return np.zeros(shape_of(value)[int(batched) :], float0)
    return lift(trace, value, batched)
