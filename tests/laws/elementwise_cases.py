"""Cases of the elementwise primitives, made from the domain that each declares."""

from collections.abc import Iterator

import numpy as np

from funcgrad.core.primitive import PRIMITIVES, Primitive
from tests.laws.case import Case, arrays

UNARY = [((),), ((3,),), ((2, 0),), ((2, 3),)]
BINARY = [
    ((), ()), ((3,), (3,)), ((3,), ()), ((), (2, 3)),
    ((2, 1), (3,)), ((1,), (2, 3)), ((0, 3), (3,)),
]  # fmt: skip
INTEGERS = {"ldexp", "left_shift", "right_shift", "gcd", "lcm", "invert", "bitwise_and",
            "bitwise_or", "bitwise_xor", "bitwise_count"}  # fmt: skip


def elementwise_cases() -> Iterator[Case]:
    yield from special_cases()
    for seed, primitive in enumerate(PRIMITIVES.values()):
        if primitive.family in ("elementwise", "piecewise constant") and primitive.domain:
            yield from _cases(seed, primitive)


def special_cases() -> Iterator[Case]:
    """Points inside the domains at which a rule takes a branch."""
    zeros = np.array([0.0, 1.0, 2.0])
    yield Case("power", (np.array([1.7, 0.6, 2.0]), zeros), label="exponents 0, 1, 2")
    yield Case("power", (np.float64(1.7), np.float64(0.0)), label="exponent 0")
    yield Case("logaddexp", (zeros, zeros), label="equal")
    yield Case("logaddexp2", (zeros, zeros), label="equal")


def _cases(seed: int, primitive: Primitive) -> Iterator[Case]:
    count = len(primitive.domain)
    layouts = UNARY if count == 1 else BINARY
    for dtype in (np.float64, np.float32, np.float16, np.complex128):
        if dtype is np.complex128 and not primitive.analytic:
            continue
        for shapes in layouts if dtype is np.float64 else layouts[1:3]:
            args = arrays(seed, shapes, primitive.domain, dtype)
            if primitive.name in INTEGERS:
                if dtype is not np.float64:
                    continue
                if primitive.name == "ldexp":
                    args = (args[0], (args[1] * 2).astype(np.int64))
                else:
                    args = tuple((np.abs(a) * 3).astype(np.int64) for a in args)
            yield Case(primitive.name, args, label=np.dtype(dtype).name)
