"""What the tests of passes share: programs of functions, and equality to the last bit."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.core.program import Equation, Program

SPECIAL = (0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.5, 5e-324, 1e300, -3.0, 0.1, 2.0)


def points(dtype: Any = np.float64, factor: float = 1.0) -> Iterator[Any]:
    """Twelve special values in arrays of several shapes and orders in memory, and alone."""
    with np.errstate(all="ignore"):
        flat = (np.array(SPECIAL) * factor).astype(dtype)
    if flat.dtype.kind == "c":
        flat.imag = np.roll(flat.real, 5)
    yield flat
    yield flat.reshape(3, 4)
    yield flat.reshape(4, 3).T
    yield flat.reshape(2, 3, 2).transpose(2, 0, 1)
    yield np.stack([flat, flat], axis=1)[::-1, 0]
    yield np.broadcast_to(flat[:4], (3, 4))
    yield flat[:0]
    yield flat[:1]
    yield flat[3:4].reshape(1, 1)
    yield from (np.array(x) for x in flat[:5])
    yield from flat[:5]


def recorded(f: Callable[..., Any], *args: Any) -> Program:
    with np.errstate(all="ignore"):
        program: Program = fg.make_program(f)(*args)
    return program


def everything(program: Program) -> Program:
    """The program with all that it computes as outputs."""
    found = [v for equation in program.equations for v in equation.results]
    return Program(program.name, program.inputs, program.items, (*program.outputs, *found))


def require_same(before: Program, after: Program, args: Sequence[Any]) -> None:
    """Require of two programs the same values, bit for bit, kinds, dtypes and order in memory."""
    with np.errstate(all="ignore"):
        expected, found = before.evaluate(*args), after.evaluate(*args)
    for number, (x, y) in enumerate(zip(found, expected, strict=True)):
        if type(x) is type(y) and same_bits(x, y) and steps(x) == steps(y):
            continue
        pytest.fail(
            f"output {number} of\n{before}\nis {describe(y)}; of\n{after}\nit is {describe(x)}"
        )


def describe(x: Any) -> str:
    return f"{x!r} ({type(x).__name__}, strides {steps(x)})"


def same_bits(x: Any, y: Any) -> bool:
    """Whether dtype, shape and bytes are equal; of nan neither sign nor payload counts."""
    x, y = np.asarray(x), np.asarray(y)
    if x.dtype != y.dtype or x.shape != y.shape:
        return False
    if x.dtype.kind == "c":
        return same_bits(x.real, y.real) and same_bits(x.imag, y.imag)
    if x.dtype.kind == "f":
        missing = np.isnan(x)
        if not np.array_equal(missing, np.isnan(y)):
            return False
        x, y = x[~missing], y[~missing]
    return x.tobytes() == y.tobytes()


def steps(x: Any) -> tuple[int, ...]:
    """The strides that matter; of an axis of length 1 the sign does, to vectorised functions."""
    if not isinstance(x, np.ndarray) or not x.size:
        return ()
    pairs = zip(x.strides, x.shape, strict=True)
    return tuple(step if n != 1 else -int(step < 0) for step, n in pairs)


def names(program: Program) -> list[str]:
    return [equation.primitive.name for equation in program.equations]


def with_errors(program: Program, **errors: str) -> Program:
    """The program with all equations under `np.errstate`."""
    items = tuple(
        dataclasses.replace(item, errors=tuple(sorted({**np.geterr(), **errors}.items())))
        if isinstance(item, Equation)
        else item
        for item in program.items
    )
    return dataclasses.replace(program, items=items)
