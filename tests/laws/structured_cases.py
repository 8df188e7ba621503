"""Cases of the primitives with parameters, taken from calls of NumPy's functions.

Each call is recorded as a program; every application of a primitive in it becomes a case, with the
operands and parameters that the NumPy function chose. So the table below is in the users' words,
and `test_every_primitive_has_cases` says what it does not reach.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import funcgrad as fg
import funcgrad.numpy as fnp
from funcgrad.core.primitive import PRIMITIVES
from funcgrad.core.program import Constant, Equation
from funcgrad.core.tracer import bind
from funcgrad.primitives.folding import folded, product_folded
from tests.laws.case import Case
from tests.laws.control_cases import CALLS as CONTROL
from tests.laws.fourier_cases import CALLS as FOURIER
from tests.laws.linalg_cases import CALLS as LINALG
from tests.laws.random_cases import CALLS as RANDOM
from tests.laws.statistics_cases import CALLS as STATISTICS
from tests.laws.ufunc_cases import CALLS as UFUNCS

__all__ = ["CALLS", "structured_cases"]

Call = tuple[Callable[..., Any], tuple[Any, ...]]


def draw(*shape: int, low: float = -2.0, high: float = 2.0, seed: int = 0) -> Any:
    return np.random.default_rng(seed + 7 * len(shape) + sum(shape)).uniform(low, high, shape)


def complex_draw(*shape: int) -> Any:
    return draw(*shape, seed=1) + 1j * draw(*shape, seed=2)


def spd(*shape: int) -> Any:
    a = draw(*shape)
    return a @ np.swapaxes(a, -1, -2) + 2 * np.eye(shape[-1])


def half(x: Any) -> Any:
    return np.asarray(x, np.float32)


M, V, T = draw(3, 4), draw(5), draw(2, 3, 4)
SQUARE, STACK = draw(3, 3) + 2 * np.eye(3), draw(2, 3, 3) + 2 * np.eye(3)
POSITIVE = draw(3, 4, low=0.5, high=2.0)
WITH_ZERO, WITH_ZEROS = np.array([2.0, 0.0, 3.0]), np.array([0.0, 2.0, 0.0, 3.0])
TIED = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
ROWS = np.array([2, 0, 2])
MASK = np.array([[True, False, True, False], [False] * 4, [True] * 4])

STRUCTURE: list[Call] = [
    (lambda x: x.astype(np.float32), (M,)),
    (lambda x: x.astype(complex), (M,)),
    (lambda x: x.astype(np.int64), (M,)),
    (lambda x: np.copy(x), (M,)),
    (lambda x: np.reshape(x, (2, -1)), (M,)),
    (lambda x: np.reshape(x, (4, 3), order="F"), (half(M),)),
    (lambda x: np.transpose(x), (M,)),
    (lambda x: np.moveaxis(x, 0, -1), (T,)),
    (lambda x: np.broadcast_to(x, (2, 3, 4)), (M,)),
    (lambda x: np.broadcast_to(x, (3, 4)), (draw(3, 1),)),
    (lambda x: np.broadcast_to(x, (0, 4)), (draw(1, 4),)),
    (lambda x, y: np.concatenate([x, y], axis=-1), (M, draw(3, 2))),
    (lambda x, y: np.concatenate([x, y]), (complex_draw(3), V)),
    (lambda x, y: np.stack([x, y], axis=1), (M, M + 1)),
    (lambda c, x, y: np.where(c, x, y), (MASK, M, draw(4))),
    (lambda c, x: np.where(c, x, 0.0), (MASK, half(M))),
    (lambda z: np.real(z), (complex_draw(3, 2),)),
    (lambda z: np.imag(z), (complex_draw(3, 2),)),
    (lambda x: x[1], (M,)),
    (lambda x: x[..., ::-2, None], (M,)),
    (lambda x: x[1:1], (V,)),
    (lambda x: x[ROWS], (M,)),
    (lambda x: x[:, ROWS], (complex_draw(3, 4),)),
    (lambda x: x[ROWS, :, [1, 0, 1]], (T[:, :, :].repeat(2, 0),)),
    (lambda x: x[MASK], (M,)),
    (lambda x: np.take_along_axis(x, np.argsort(x, axis=1), axis=1), (M,)),
    (lambda x: np.sort(x, axis=0), (M,)),
    (lambda x: np.partition(x, 2), (V,)),
    (lambda x: np.pad(x, 1, mode="reflect"), (M,)),
    (lambda x: np.roll(x, 1, axis=0), (M,)),
    (lambda x: np.tril(x), (M,)),
    (lambda x: np.trace(x), (SQUARE,)),
    (lambda x: np.diag(x), (V,)),
    (lambda x: np.repeat(x, [1, 0, 2], axis=0), (M,)),
    (lambda x: np.clip(x, -0.5, 0.5), (M,)),
    (lambda x, a: np.clip(x, a, 1.5), (M, draw(4, low=-1.0, high=0.0))),
    (lambda x: np.round(x, 1), (M,)),
    (lambda x: np.nonzero(x)[0], (M,)),
    (lambda x, v: fnp.at(x)[1].set(v), (M, draw(4))),
    (lambda x, v: fnp.at(x)[ROWS].set(v), (M, draw(3, 4))),
    (lambda x, v: fnp.at(x)[ROWS].add(v), (M, draw(3, 4))),
    (lambda x, v: fnp.at(x)[ROWS].multiply(v), (POSITIVE, POSITIVE)),
    (lambda x, v: fnp.at(x)[:, 1].max(v), (M, V[:3])),
]
REDUCTIONS: list[Call] = [
    (lambda x: np.sum(x), (M,)),
    (lambda x: np.sum(x, axis=(0, -1), keepdims=True), (half(T),)),
    (lambda x: np.sum(x, axis=1, where=MASK), (M,)),
    (lambda x: np.mean(x, axis=0), (M,)),
    (lambda x: np.mean(x), (complex_draw(3, 2),)),
    (lambda x: np.prod(x, axis=1), (M,)),
    (lambda x: np.prod(x), (WITH_ZERO,)),
    (lambda x: np.prod(x), (WITH_ZEROS,)),
    (lambda x: np.max(x, axis=1), (M,)),
    (lambda x: np.min(x, keepdims=True), (M,)),
    (lambda x: np.var(x, axis=0, ddof=1), (M,)),
    (lambda x: np.std(x, axis=1), (M,)),
    (lambda x: np.cumsum(x, axis=0), (M,)),
    (lambda x: np.cumsum(x), (M,)),
    (lambda x: np.cumprod(x, axis=1), (M,)),
    (lambda x: np.cumprod(x), (WITH_ZERO,)),
    (lambda x: np.maximum.accumulate(x), (V,)),
    (lambda x: np.minimum.accumulate(x, axis=1), (M,)),
    (lambda x: np.fmax.accumulate(x), (V,)),
    (lambda x: np.fmin.accumulate(x), (V,)),
    (lambda x: np.logaddexp.reduce(x, axis=1), (M,)),
    (lambda x: np.logaddexp2.reduce(x, axis=0), (M,)),
    (lambda x: np.add.reduceat(x, [0, 2]), (V,)),
    (lambda x: np.logical_or.reduce(x > 0), (M,)),
    (lambda x: np.logical_or.accumulate(x > 0), (M,)),
    (lambda x: np.all(x > 0, axis=0), (M,)),
    (lambda x: np.any(x > 0, axis=0), (M,)),
    (lambda x: np.isclose(x, 1.0), (M,)),
    (lambda x: np.argmax(x, axis=1), (M,)),
    (lambda x: np.argmin(x), (M,)),
    (lambda x: np.argpartition(x, 2), (V,)),
    (lambda x: np.lexsort((x, -x)), (V,)),
    (lambda x: np.searchsorted(np.sort(x), x), (V,)),
    (lambda x: np.nanargmax(x, axis=0), (M,)),
    (lambda x: np.nanargmin(x, axis=0), (M,)),
]
ALGEBRA: list[Call] = [
    (lambda a, b: a @ b, (M, draw(4, 2))),
    (lambda a, b: a @ b, (draw(4), draw(4, 2))),
    (lambda a, b: a @ b, (M, draw(4))),
    (lambda a, b: a @ b, (V, V + 1)),
    (lambda a, b: a @ b, (T, draw(4, 3))),
    (lambda a, b: a @ b, (draw(3), draw(2, 3, 3))),
    (lambda a, b: a @ b, (draw(2, 1, 3, 3), draw(2, 3, 1))),
    (lambda a, b: a @ b, (complex_draw(2, 3), draw(3, 2))),
    (lambda a, b: a @ b, (half(M), half(draw(4, 2)))),
    (lambda a, b: np.einsum("ij,kj->ik", a, b), (M, draw(2, 4))),
    (lambda a: np.einsum("ii->i", a), (SQUARE,)),
    (lambda a, b, c: np.einsum("...i,ij,j", a, b, c), (T[..., :3], SQUARE, draw(3))),
    (lambda a, b: np.tensordot(a, b, axes=([1], [0])), (M, draw(4, 2))),
    (np.linalg.inv, (SQUARE,)),
    (np.linalg.inv, (STACK,)),
    (np.linalg.inv, (complex_draw(2, 2) + 2 * np.eye(2),)),
    (np.linalg.solve, (SQUARE, draw(3))),
    (np.linalg.solve, (STACK, draw(3, 2))),
    (np.linalg.det, (SQUARE,)),
    (np.linalg.det, (STACK,)),
    (lambda a: np.linalg.slogdet(a)[1], (STACK,)),
    (lambda a: np.linalg.slogdet(a)[0], (complex_draw(2, 2) + 2 * np.eye(2),)),
    (np.linalg.cholesky, (spd(3, 3),)),
    (np.linalg.cholesky, (spd(2, 3, 3),)),
    (np.linalg.norm, (M,)),
    (lambda x: np.linalg.norm(x, axis=-1), (T,)),
    (lambda x: np.linalg.norm(x, "nuc"), (M,)),
    (lambda x: np.linalg.norm(x, 2), (SQUARE,)),
    (np.linalg.svdvals, (M,)),
]
FUNCTIONS: list[Call] = [
    (np.sinc, (V,)),
    (np.abs, (complex_draw(3),)),
    (np.sign, (complex_draw(3),)),
    (fg.nn.softmax, (M,)),
    (fg.nn.log_softmax, (M,)),
    (fg.nn.logsumexp, (M,)),
    (fg.nn.bce_with_logits, (M, draw(3, 4, low=0.1, high=0.9))),
    (fg.nn.softmax_cross_entropy, (M, np.abs(draw(3, 4)))),
    (fg.nn.softmax_cross_entropy, (M, ROWS)),
    (lambda x: np.floor(fg.stop_gradient(x)), (M,)),
]


def gradient(call: Callable[..., Any]) -> Callable[..., Any]:
    """The gradient of the sum of squares of what a call returns."""
    return fg.grad(lambda *args: np.sum(call(*args) ** 2), 0)


# Primitives that only derivatives apply.
DERIVATIVES: list[Call] = [
    (gradient(np.linalg.det), (SQUARE,)),
    (gradient(gradient(np.linalg.det)), (SQUARE,)),
    (gradient(lambda x: np.linalg.norm(x, "nuc")), (M,)),
    (gradient(fg.nn.silu), (V,)),
    (gradient(fg.nn.digamma), (POSITIVE,)),
    (gradient(lambda x: np.sort(x, axis=1)), (M,)),
    (gradient(lambda x: fnp.at(x)[ROWS].set(x * x)), (draw(3),)),
    (gradient(lambda x: fnp.at(x)[ROWS].multiply(x + 1)), (draw(3),)),
    (lambda x, i: gradient(lambda a: fnp.at(a)[i].set(a * a))(x), (draw(3), ROWS)),
    (lambda x, i: gradient(lambda a: fnp.at(a)[i].multiply(a + 1))(x), (draw(3), ROWS)),
    (lambda x: fg.jvp(fg.nn.logsumexp, (x,), (x,))[1], (M,)),
    (lambda x: fg.nn.logsumexp(x, b=x * x), (M,)),
    (gradient(gradient(fg.nn.softmax_cross_entropy)), (M, np.abs(draw(3, 4)))),
    (lambda x: np.unravel_index(np.argmax(x), (3, 4))[0], (M,)),
    (lambda x: np.ravel_multi_index((np.argmax(x), np.argmin(x)), (12, 12)), (M,)),
]

# What is bound in compiled functions only, in place of plain computations.
COMPILED: list[Call] = [
    *(
        (lambda x, p=PRIMITIVES[name]: bind(p, x), (M,))
        for name in PRIMITIVES
        if name.endswith("_and_slope")
    ),
    (lambda x: folded(x, (4,)), (M,)),
    (lambda x: folded(x, (3, 1)), (M,)),
    (lambda x: folded(x, ()), (M,)),
    (lambda x: folded(x, (1, 4)), (T,)),
    (lambda x, y: product_folded(x, y, (4,)), (M, POSITIVE)),
    (lambda x, y: product_folded(x, y, (3, 1)), (M, POSITIVE)),
    (lambda x, y: product_folded(x, y, ()), (V, V)),
]

CALLS = [
    *STRUCTURE, *COMPILED, *REDUCTIONS, *ALGEBRA, *FUNCTIONS, *DERIVATIVES, *STATISTICS,
    *UFUNCS, *FOURIER, *LINALG, *CONTROL, *RANDOM,
]  # fmt: skip


def structured_cases() -> Iterator[Case]:
    """One for each different application of a primitive that the calls make."""
    seen = set()
    for call, args in CALLS:
        for case in _applications(call, args):
            key = (str(case), repr(case.params))
            if key not in seen and case.primitive.family != "elementwise":
                seen.add(key)
                yield case


def _applications(call: Callable[..., Any], args: tuple[Any, ...]) -> Iterator[Case]:
    program = fg.make_program(call)(*args)
    values = {v.number: a for v, a in zip(program.inputs, args, strict=True)}
    for item in program.items:
        if not isinstance(item, Equation):
            continue
        operands = tuple(
            o.value if isinstance(o, Constant) else values[o.number] for o in item.operands
        )
        params = dict(item.params)
        out = bind(item.primitive, *operands, **params)
        results = out if isinstance(out, tuple) else (out,)
        values.update((v.number, r) for v, r in zip(item.results, results, strict=True))
        # A cast to fewer digits has no difference quotient. The derivatives of these functions of
        # Hermitian matrices are those of the symmetrised matrix, which the surface compares. Gamma
        # numbers of one key are not those along which their implicit derivative is taken.
        rough = item.primitive.name in ("cholesky", "eigh", "eigvalsh", "astype", "random_gamma")
        alike = (1,) if item.primitive.name.endswith(".reduceat") else ()
        yield Case(item.primitive.name, operands, params, smooth=not rough, alike=alike)
