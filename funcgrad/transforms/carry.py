"""What loops carry from step to step, and what they collect: checked, so that all steps are alike.

Plain arrays are handed to the body read-only. Traced values cannot be changed in place either, so a
body does the same with both, and neither the user's arrays nor results collected earlier change
under its hands.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import numpy as np

from funcgrad import tree
from funcgrad.core.modes import handed_over
from funcgrad.core.protocols import DISPATCH
from funcgrad.core.tracer import Tracer
from funcgrad.errors import CarryError, ControlFlowError, TracerAssignmentError
from funcgrad.families.shapes import as_operand, dtype_of, shape_of
from funcgrad.transforms.arguments import own, result_dtype

__all__ = ["Carry", "Collected", "array_leaf", "described", "read_only", "sealed", "strong"]

_KINDS = "biufc"
_PYTHON: dict[type, Any] = {
    bool: np.bool_,
    int: np.int64,
    float: np.float64,
    complex: np.complex128,
}


def sealed(x: Any) -> Any:
    """A read-only view of a plain array; other values as they are."""
    if type(x) is np.ndarray and x.flags.writeable:
        x = x.view()
        x.flags.writeable = False
    return x


def strong(x: Any) -> Any:
    """A Python number as a NumPy scalar, with a dtype that does not give way to others."""
    made = _PYTHON.get(type(x))
    if made is not None:
        return made(x)
    if isinstance(x, Tracer) and dtype_of(x) is None:
        return DISPATCH[np.multiply](x, x.dtype.type(1))
    return x


def array_leaf(transform: str, place: str, x: Any) -> Any:
    """A leaf as an array, tracer or number.

    Raises:
        ControlFlowError: if it is none.
    """
    if isinstance(x, np.ndarray):
        x = as_operand(x)
    kind = getattr(getattr(x, "dtype", None), "kind", "")
    if type(x) in _PYTHON or (kind and kind in _KINDS):
        return x
    what = f"an array of dtype {x.dtype}" if kind else f"a {type(x).__name__}"
    raise ControlFlowError(
        f"{transform}: {place} is {what}. It takes and passes on numbers and arrays of numbers, in "
        "pytrees. Keep other things in the closure of the function, or pass them as meta data of a "
        "registered pytree node."
    )


def described(x: Any) -> str:
    """Dtype and shape, for messages."""
    return f"dtype {result_dtype(x)} and shape {shape_of(x)}"


@contextmanager
def read_only(carry: "Carry") -> Iterator[None]:
    """Refuse changes in place of what a body is given, plain or traced.

    Raises:
        TracerAssignmentError: in place of NumPy's error about an array that is not writeable.
    """
    try:
        with handed_over(carry.transform, carry.handed):
            yield
    except ValueError as error:
        if not str(error).endswith(("array is read-only", "destination is read-only")):
            raise
        raise TracerAssignmentError(
            f"{carry.transform}: an array was to be changed in place at {_line_of(error)}, but it "
            "is read-only. So are those that a body is given, because traced values cannot be "
            "changed in place either. Write c = c + x in place of c += x, "
            "funcgrad.numpy.at(c)[i].set(x) in place of c[i] = x, or change a copy, c.copy()."
        ) from error


def _line_of(error: BaseException) -> str:
    """The user's line in which an exception was raised."""
    line, step = "an unknown line", error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        module = step.tb_frame.f_globals.get("__name__", "")
        if module.split(".", 1)[0] not in ("contextlib", "funcgrad", "numpy"):
            line = f"{code.co_filename}:{step.tb_lineno}, in {code.co_name}"
        step = step.tb_next
    return line


class Carry:
    """The structure, shapes and dtypes of what a loop carries.

    Args:
        transform: name of the loop.
        init: the value that it starts with.
        name: of `init` in messages.

    Attributes:
        handed: identities of the traced values that the step which runs was given.
    """

    __slots__ = ("_given", "_leaves", "avals", "handed", "structure", "transform")

    def __init__(self, transform: str, init: Any, name: str = "init") -> None:
        self.transform = transform
        self._given, self.structure = tree.flatten(init)
        self._leaves = [
            strong(array_leaf(transform, f"{name}{tree.keystr(path)}", leaf))
            for path, leaf in zip(self.structure.paths(), self._given, strict=True)
        ]
        self.avals = [(leaf.shape, leaf.dtype) for leaf in self._leaves]
        self.handed: set[int] = set()

    def start(self) -> Any:
        """What the first step is given."""
        self.hand(self._leaves)
        return tree.unflatten(self.structure, map(sealed, self._leaves))

    def hand(self, leaves: Sequence[Any]) -> None:
        """Note what the next step is given: its traced values cannot be changed in place."""
        self.handed.clear()
        self.handed.update(id(leaf) for leaf in leaves if isinstance(leaf, Tracer))

    def leaves(self) -> list[Any]:
        """The leaves of the value that the loop starts with."""
        return self._leaves

    def checked(self, new: Any, step: int) -> Any:
        """What the next step is given, from what this one returned.

        Raises:
            CarryError: if it differs from `init` in structure, shape or dtype.
        """
        leaves, structure = tree.flatten(new)
        if structure is not self.structure and structure != self.structure:
            self._refuse_structure(structure, step)
        changed = False
        self.handed.clear()
        for number, leaf in enumerate(leaves):
            shape, dtype = self.avals[number]
            value = leaf
            if (
                getattr(leaf, "dtype", None) is not dtype
                or leaf.shape != shape
                or (isinstance(leaf, Tracer) and dtype_of(leaf) is None)
            ):
                value = self._fitted(leaf, number, step)
            if type(value) is np.ndarray and value.flags.writeable:
                value = value.view()
                value.flags.writeable = False
            elif isinstance(value, Tracer):
                self.handed.add(id(value))
            if value is not leaf:
                leaves[number] = value
                changed = True
        return tree.unflatten(structure, leaves) if changed else new

    def finished(self, carry: Any) -> Any:
        """The last carry as the user gets it: arrays in memory of their own."""
        forbidden = set(map(id, self._given))
        return tree.map(lambda leaf: own(leaf, forbidden), carry)

    def _fitted(self, leaf: Any, number: int, step: int) -> Any:
        shape, dtype = self.avals[number]
        path = tree.keystr([*self.structure.paths()][number])
        given = array_leaf(self.transform, f"the carry{path} that step {step} returned", leaf)
        weak = dtype_of(given) is None
        same_kind = _KINDS.index(result_dtype(given).kind) <= _KINDS.index(dtype.kind)
        if shape_of(given) == shape and (result_dtype(given) == dtype or (weak and same_kind)):
            if not weak:
                return given
            if isinstance(given, Tracer):
                return DISPATCH[np.multiply](given, dtype.type(1))
            return dtype.type(given)
        found = result_dtype(given)
        fixes = []
        if shape_of(given) != shape:
            fixes.append(f"Return it in shape {shape}, or start with an init of what it becomes")
        elif weak or np.can_cast(found, dtype, "same_kind"):
            fixes.append(
                f"Cast what the body returns with .astype(np.{dtype}), or start with an init of "
                f"dtype {found}"
            )
        else:
            fixes.append(
                f"Start with an init of dtype {found}, such as init.astype(np.{found}) or a number "
                "of that kind (0.0 for a float), or let the body return the other dtype"
            )
        raise CarryError(
            f"{self.transform}: the carry{path} has dtype {dtype} and shape {shape} in init, but "
            f"step {step} returned {described(given)}. What a loop carries keeps its dtype and "
            f"shape. {fixes[0]}."
        )

    def _refuse_structure(self, structure: tree.Structure, step: int) -> NoReturn:
        raise CarryError(
            f"{self.transform}: step {step} returned another structure than the carry has in init: "
            f"{tree.difference(self.structure, structure)}. What a loop carries keeps its "
            "structure. Return the same structure, or start with an init of what the body returns."
        )


class Collected:
    """What the steps of a loop return beside the carry, to be stacked in the end."""

    __slots__ = ("_columns", "_structure", "_transform")

    def __init__(self, transform: str) -> None:
        self._transform = transform
        self._structure: tree.Structure | None = None
        self._columns: list[list[Any]] = []

    def add(self, y: Any) -> None:
        """Take the result of one step."""
        leaves, structure = tree.flatten(y)
        if structure is not self._structure:
            if self._structure is None:
                self._structure = structure
                self._columns = [[] for _ in leaves]
            elif structure != self._structure:
                raise CarryError(
                    f"{self._transform}: the steps returned results of different structures: "
                    f"{tree.difference(self._structure, structure)}. They are stacked, so they "
                    "must be alike. Return the same structure in every step."
                )
        for column, leaf in zip(self._columns, leaves, strict=True):
            column.append(leaf)

    def stacked(self, reverse: bool) -> Any:
        """All results, stacked along a new first axis."""
        assert self._structure is not None  # there was a step
        paths = self._structure.paths()
        stacks = []
        for path, column in zip(paths, self._columns, strict=True):
            self._check(tree.keystr(path), column)
            stacks.append(_stack(column[::-1] if reverse else column))
        return tree.unflatten(self._structure, stacks)

    def _check(self, path: str, column: list[Any]) -> None:
        kinds: dict[Any, int] = {}
        for number, leaf in enumerate(column):
            dtype = getattr(leaf, "dtype", None)
            kind = (type(leaf), None) if dtype is None else (dtype, leaf.shape)
            if kind not in kinds:
                kinds[kind] = number
        if len(kinds) == 1:
            array_leaf(self._transform, f"the result{path} of a step", column[0])
            return
        first, *others = (
            array_leaf(self._transform, f"the result{path} of step {number}", column[number])
            for number in kinds.values()
        )
        for number, other in zip([*kinds.values()][1:], others, strict=True):
            if shape_of(other) != shape_of(first) or result_dtype(other) != result_dtype(first):
                raise CarryError(
                    f"{self._transform}: the result{path} has {described(first)} in step 0, but "
                    f"{described(other)} in step {number}. They are stacked, so they must be "
                    "alike. Return the same shape and dtype in every step."
                )


_SCALARS = frozenset({np.float64, np.float32, np.int64, np.bool_, float, int, bool})


def _stack(column: Sequence[Any]) -> Any:
    if type(column[0]) in _SCALARS and set(map(type, column)) <= _SCALARS:
        return np.array(column)
    return DISPATCH[np.stack](column)
