"""Functions to differentiate and where: what record_jax.py records and test_recorded_jax.py reads.

A case is written once, as a function of a namespace `xp` (`tests.oracles.namespaces`) and arrays.
Points are away from kinks and ties, except in `CONVENTIONS`, where funcgrad and JAX are known to
differ.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["CASES", "CONVENTIONS", "Case", "Convention", "draw", "drawz", "well"]


@dataclass(frozen=True)
class Case:
    """A function and a point.

    Attributes:
        name: unique.
        call: `call(xp, *args)` is an array or a pytree of arrays.
        args: floating-point arrays.
        rtol: allowed relative error; larger than 1e-9 only with a reason beside the case.
    """

    name: str
    call: Callable[..., Any]
    args: tuple[Any, ...]
    rtol: float = 1e-9


@dataclass(frozen=True)
class Convention:
    """A point where a derivative is a matter of convention, and funcgrad's differs from JAX's.

    Attributes:
        name: unique.
        call: as in a case; the gradient of its sum is compared.
        args: the point.
        gradient: funcgrad's, by the first argument (the convention is explained in the docs).
    """

    name: str
    call: Callable[..., Any]
    args: tuple[Any, ...]
    gradient: Any


# --- points -----------------------------------------------------------------------------------


def draw(*shape: int, low: float = -2.0, high: float = 2.0, seed: int = 0) -> Any:
    """Numbers of three decimals in an interval."""
    rng = np.random.default_rng([seed, *shape])
    return np.round(rng.uniform(low, high, shape), 3)


def drawz(*shape: int, seed: int = 0) -> Any:
    """Complex numbers of the square |Re z|, |Im z| < 1.5."""
    return draw(*shape, low=-1.5, high=1.5, seed=seed) + 1j * draw(
        *shape, low=-1.5, high=1.5, seed=seed + 100
    )


def distinct(*shape: int, seed: int = 0) -> Any:
    """Numbers in any order of which no two are close together, and none is close to zero."""
    count = int(np.prod(shape))
    rng = np.random.default_rng([seed, *shape])
    return np.round((rng.permutation(count) - count / 2 + 0.3) * (4 / count), 3).reshape(shape)


def well(*shape: int, seed: int = 0) -> Any:
    """Well-conditioned matrices."""
    return draw(*shape, seed=seed) + 3 * np.eye(shape[-2], shape[-1])


def definite(*shape: int, seed: int = 0) -> Any:
    """Positive definite matrices."""
    a = draw(*shape, low=-1.0, high=1.0, seed=seed)
    return a @ np.swapaxes(a, -1, -2) + 2 * np.eye(shape[-1])


def hermitian(n: int) -> Any:
    """A positive definite Hermitian matrix."""
    a = drawz(n, n)
    return a @ a.conj().T + 2 * np.eye(n)


V, W, M, N, T = draw(5), draw(5, seed=1), draw(3, 4), draw(3, 4, seed=1), draw(2, 3, 4)
Z, ZM, ZN = drawz(5), drawz(3, 4), drawz(3, 4, seed=1)
D, DM, DT = distinct(6), distinct(3, 4), distinct(2, 3, 4)
ONE_ZERO, TWO_ZEROS = np.array([2.0, 0.0, 3.0, -1.5]), np.array([0.0, 2.0, 0.0, 3.0])
ROWS_OF_ZEROS = np.array([[2.0, 0.0, 3.0], [0.0, 0.0, 1.5], [1.0, -2.0, 0.5]])
MASK = np.array([[True, False, True, False], [False] * 4, [True] * 4])
ROWS, COLUMNS = np.array([2, 0, 2]), np.array([1, 3, 0])
ORDER = np.array([[3, 0, 0], [1, 1, 2], [0, 2, 3]])
Table = dict[str, tuple[Any, ...]]

# --- ufuncs -----------------------------------------------------------------------------------

# Interval in which the function is smooth, and whether complex points are compared too.
UNARY: dict[str, tuple[float, float, bool]] = {
    "sin": (-4, 4, True),
    "cos": (-4, 4, True),
    "tan": (-1.4, 1.4, True),
    "arcsin": (-0.95, 0.95, True),
    "arccos": (-0.95, 0.95, True),
    "arctan": (-3, 3, True),
    "sinh": (-3, 3, True),
    "cosh": (-3, 3, True),
    "tanh": (-3, 3, True),
    "arcsinh": (-3, 3, True),
    "arccosh": (1.1, 4, False),
    "arctanh": (-0.9, 0.9, True),
    "exp": (-3, 3, True),
    "exp2": (-3, 3, True),
    "expm1": (-3, 3, True),
    "log": (0.1, 5, True),
    "log2": (0.1, 5, True),
    "log10": (0.1, 5, True),
    "log1p": (-0.9, 4, True),
    "sqrt": (0.1, 5, True),
    "cbrt": (0.1, 5, False),
    "square": (-3, 3, True),
    "reciprocal": (0.2, 3, True),
    "negative": (-3, 3, True),
    "positive": (-3, 3, True),
    "conjugate": (-3, 3, True),
    "absolute": (-3, -0.1, True),
    "fabs": (0.1, 3, False),
    "deg2rad": (-180, 180, False),
    "rad2deg": (-3, 3, False),
    "radians": (-180, 180, False),
    "degrees": (-3, 3, False),
    "sinc": (0.1, 3, False),
    "sign": (0.1, 3, False),
    "floor": (0.1, 0.9, False),
    "ceil": (0.1, 0.9, False),
    "trunc": (0.1, 0.9, False),
    "rint": (0.6, 0.9, False),
    "real": (-3, 3, True),
    "imag": (-3, 3, True),
    "angle": (0.1, 3, True),
    "nan_to_num": (-3, 3, False),
}

# Intervals of both operands, and whether complex points are compared too.
BINARY: dict[str, tuple[float, float, float, float, bool]] = {
    "add": (-3, 3, -3, 3, True),
    "subtract": (-3, 3, -3, 3, True),
    "multiply": (-3, 3, -3, 3, True),
    "divide": (-3, 3, 0.3, 3, True),
    "power": (0.2, 3, -2, 2, True),
    "float_power": (0.2, 3, -2, 2, True),
    "remainder": (0.1, 0.9, 1, 1.5, False),
    "fmod": (2.1, 2.9, -1.05, -0.99, False),
    "floor_divide": (0.1, 0.9, 1, 1.5, False),
    "arctan2": (0.3, 3, -3, 3, False),
    "hypot": (0.3, 3, -3, 3, False),
    "logaddexp": (-3, 3, -3, 3, False),
    "logaddexp2": (-3, 3, -3, 3, False),
    "maximum": (-3, 0, 0.1, 3, False),
    "minimum": (-3, 0, 0.1, 3, False),
    "fmax": (-3, 0, 0.1, 3, False),
    "fmin": (-3, 0, 0.1, 3, False),
    "copysign": (0.1, 3, -3, -0.1, False),
    "heaviside": (0.1, 3, 0.1, 3, False),
}


def ufuncs() -> Iterator[Case]:
    """Each ufunc on real and complex arrays, broadcasting, and with Python scalars."""
    for seed, (name, (low, high, analytic)) in enumerate(UNARY.items()):

        def unary(xp: Any, x: Any, name: str = name) -> Any:
            return getattr(xp, name)(x)

        yield Case(name, unary, (draw(5, low=low, high=high, seed=seed),))
        if analytic:
            yield Case(f"{name} complex", unary, (drawz(5, seed=seed),))
    for seed, (name, (a, b, c, d, analytic)) in enumerate(BINARY.items()):

        def binary(xp: Any, x: Any, y: Any, name: str = name) -> Any:
            return getattr(xp, name)(x, y)

        x, y = draw(2, 3, low=a, high=b, seed=seed), draw(2, 3, low=c, high=d, seed=50 + seed)
        yield Case(name, binary, (x, y))
        yield Case(f"{name} broadcast", binary, (x[:, :1], y[0]))
        if analytic:
            yield Case(f"{name} complex", binary, (drawz(2, 3, seed=seed), drawz(3, seed=seed)))
            yield Case(f"{name} real and complex", binary, (x, drawz(3, seed=seed)))


OPERATORS: Table = {
    "scalars": (lambda xp, x: 2 / x + 3 * x - x / 4 + 1 - (-x), M),
    "x ** 0": (lambda xp, x: x**0, np.array([0.0, 1.5, -2.0])),
    "x ** 1": (lambda xp, x: x**1, np.array([0.0, 1.5, -2.0])),
    "x ** 2": (lambda xp, x: x**2, np.array([0.0, 1.5, -2.0])),
    "x ** 3": (lambda xp, x: x**3, np.array([0.0, 1.5, -2.0])),
    "x ** -2": (lambda xp, x: x**-2, np.array([0.5, 1.5, -2.0])),
    "x ** 2.5": (lambda xp, x: x**2.5, draw(4, low=0.1, high=3)),
    "2 ** x": (lambda xp, x: 2.0**x, V),
    "complex ** 3": (lambda xp, z: z**3, Z),
    "complex ** x": (lambda xp, z, x: z**x, Z, V),
    "% and //": (lambda xp, x: (x % 0.7) * (x // 0.7), np.array([0.5, 1.0, -1.2])),
    "abs": (lambda xp, x: abs(x), DM),
    "divmod": (lambda xp, x: xp.divmod(x, 0.7), np.array([0.5, 1.0, -1.2])),
    "modf": (lambda xp, x: xp.modf(x)[0] * x, np.array([0.5, 1.3, -1.2])),
    "ldexp": (lambda xp, x: xp.ldexp(x, np.array([1, -2, 3])), draw(3)),
    "frexp": (lambda xp, x: xp.frexp(x)[0], np.array([0.6, 1.3, -5.2])),
    "shared operand": (lambda xp, x: x * x + xp.sin(x) * x - x / (2 + x * x), M),
    "real part of complex": (lambda xp, z: z.real**2 - z.imag * z.real, Z),
    "conj": (lambda xp, z: z * xp.conj(z) + z.conj(), Z),
    "modulus squared": (lambda xp, z: xp.abs(z) ** 2, Z),
    "arccosh complex": (lambda xp, z: xp.arccosh(z), np.abs(Z.real) + 0.1 + 1j * Z.imag),
    "to complex": (lambda xp, x: xp.exp(1j * x) * (1 + 2j), V),
    "from polar": (lambda xp, r, a: r * xp.exp(1j * a), V, W),
    "cast to complex": (lambda xp, x: x.astype(complex) * 1j, V),
    "real_if_close": (lambda xp, x: xp.real(x + 0j), V),
}

# --- reductions -------------------------------------------------------------------------------

REDUCTIONS: Table = {
    "sum": (lambda xp, x: xp.sum(x), M),
    "sum axes": (lambda xp, x: xp.sum(x, axis=(0, -1)), T),
    "sum keepdims": (lambda xp, x: xp.sum(x, axis=1, keepdims=True), T),
    "sum where": (lambda xp, x: xp.sum(x, axis=1, where=MASK), M),
    "sum initial": (lambda xp, x: xp.sum(x, axis=0, initial=2.0), M),
    "sum method": (lambda xp, x: x.sum(-1) * x.mean() + x.prod(0).sum() + x.max(), DM),
    "sum complex": (lambda xp, x: xp.sum(x, axis=0), ZM),
    "sum of no axes": (lambda xp, x: xp.sum(x, axis=()), M),
    "prod": (lambda xp, x: xp.prod(x), V),
    "prod axis": (lambda xp, x: xp.prod(x, axis=1), M),
    "prod axes": (lambda xp, x: xp.prod(x, axis=(0, 2), keepdims=True), T),
    "prod complex": (lambda xp, x: xp.prod(x, axis=0), ZM),
    "prod with a zero": (lambda xp, x: xp.prod(x), ONE_ZERO),
    "prod with zeros": (lambda xp, x: xp.prod(x), TWO_ZEROS),
    "prod rows of zeros": (lambda xp, x: xp.prod(x, axis=1), ROWS_OF_ZEROS),
    "prod columns of zeros": (lambda xp, x: xp.prod(x, axis=0), ROWS_OF_ZEROS),
    "mean": (lambda xp, x: xp.mean(x), M),
    "mean axis": (lambda xp, x: xp.mean(x, axis=(0, 2), keepdims=True), T),
    "mean where": (lambda xp, x: xp.mean(x, axis=0, where=MASK), M),
    "mean complex": (lambda xp, x: xp.mean(x, axis=1), ZM),
    "var": (lambda xp, x: xp.var(x), M),
    "var axis ddof": (lambda xp, x: xp.var(x, axis=1, ddof=1, keepdims=True), M),
    "var complex": (lambda xp, x: xp.var(x, axis=0), ZM),
    "std": (lambda xp, x: xp.std(x), M),
    "std axis ddof": (lambda xp, x: xp.std(x, axis=0, ddof=1), M),
    "std complex": (lambda xp, x: xp.std(x, axis=0), ZM),
    "max": (lambda xp, x: xp.max(x), DM),
    "max axis": (lambda xp, x: xp.max(x, axis=1, keepdims=True), DM),
    "max axes": (lambda xp, x: xp.max(x, axis=(0, 2)), DT),
    "min": (lambda xp, x: xp.min(x), DM),
    "min axis": (lambda xp, x: xp.min(x, axis=0), DM),
    "amax initial": (lambda xp, x: xp.amax(x, axis=1, initial=0.5), DM),
    "ties of max": (lambda xp, x: xp.max(x, axis=1), np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])),
    "ptp": (lambda xp, x: xp.ptp(x), DM),
    "ptp axis": (lambda xp, x: xp.ptp(x, axis=1), DM),
    "average": (lambda xp, x, w: xp.average(x, axis=0, weights=w), M, draw(3, low=0.5, high=2)),
    "nansum": (lambda xp, x: xp.nansum(x, axis=0), M),
    "nanmean": (lambda xp, x: xp.nanmean(xp.where(MASK, x, np.nan), axis=0), M),
    "nanprod": (lambda xp, x: xp.nanprod(xp.where(MASK, x, np.nan), axis=1), M),
    "nanvar": (lambda xp, x: xp.nanvar(xp.where(MASK, x, np.nan), axis=0), M),
    "nanstd": (lambda xp, x: xp.nanstd(x, axis=0), M),
    "nanmax": (lambda xp, x: xp.nanmax(xp.where(MASK, x, np.nan), axis=0), DM),
    "nanmin": (lambda xp, x: xp.nanmin(x, axis=1), DM),
    "cumsum": (lambda xp, x: xp.cumsum(x), M),
    "cumsum axis": (lambda xp, x: xp.cumsum(x, axis=-1), T),
    "cumsum complex": (lambda xp, x: xp.cumsum(x, axis=0), ZM),
    "cumprod": (lambda xp, x: xp.cumprod(x), V),
    "cumprod axis": (lambda xp, x: xp.cumprod(x, axis=0), M),
    "cumprod with a zero": (lambda xp, x: xp.cumprod(x), ONE_ZERO),
    "cumprod with zeros": (lambda xp, x: xp.cumprod(x), TWO_ZEROS),
    "cumprod complex": (lambda xp, x: xp.cumprod(x, axis=1), ZM),
    "cumulative_sum": (lambda xp, x: xp.cumulative_sum(x, axis=0, include_initial=True), M),
    "cumulative_prod": (lambda xp, x: xp.cumulative_prod(x, axis=1), M),
    "nancumsum": (lambda xp, x: xp.nancumsum(x, axis=1), M),
    "nancumprod": (lambda xp, x: xp.nancumprod(x, axis=1), M),
    "add.reduce": (lambda xp, x: xp.add.reduce(x, axis=1), M),
    "multiply.reduce": (lambda xp, x: xp.multiply.reduce(x, axis=0), M),
    "logaddexp.reduce": (lambda xp, x: xp.logaddexp.reduce(x, axis=1), M),
    "logaddexp2.reduce": (lambda xp, x: xp.logaddexp2.reduce(x), V),
    "maximum.reduce": (lambda xp, x: xp.maximum.reduce(x, axis=1), DM),
    "minimum.reduce": (lambda xp, x: xp.minimum.reduce(x, axis=0), DM),
    "add.accumulate": (lambda xp, x: xp.add.accumulate(x, axis=1), M),
    "multiply.accumulate": (lambda xp, x: xp.multiply.accumulate(x, axis=0), M),
    "maximum.accumulate": (lambda xp, x: xp.maximum.accumulate(x), D),
    "minimum.accumulate": (lambda xp, x: xp.minimum.accumulate(x), D),
    "multiply.outer": (lambda xp, x, y: xp.multiply.outer(x, y), V, M),
    "add.outer": (lambda xp, x, y: xp.add.outer(x, y), V, W),
    "add.reduceat": (lambda xp, x: xp.add.reduceat(x, np.array([0, 2])), V),
    "diff": (lambda xp, x: xp.diff(x, n=2, axis=1), M),
    "diff prepend": (lambda xp, x: xp.diff(x, prepend=1.0), V),
    "ediff1d": (lambda xp, x: xp.ediff1d(x, to_begin=1.0), V),
    "gradient": (lambda xp, x: xp.gradient(x), V),
    "gradient axes": (lambda xp, x: xp.gradient(x, 0.5, axis=1), M),
    "trapezoid": (lambda xp, y, x: xp.trapezoid(y, x), V, np.sort(W)),
    "trapezoid axis": (lambda xp, y: xp.trapezoid(y, dx=0.5, axis=0), M),
}

# --- structure --------------------------------------------------------------------------------

STRUCTURE: Table = {
    "reshape": (lambda xp, x: xp.reshape(x, (2, -1)), M),
    "reshape F": (lambda xp, x: xp.reshape(x, (4, 3), order="F"), M),
    "ravel": (lambda xp, x: xp.ravel(x), ZM),
    "flatten": (lambda xp, x: x.flatten() * x.reshape(-1), M),
    "transpose": (lambda xp, x: xp.transpose(x, (1, 2, 0)), T),
    "x.T": (lambda xp, x: x.T @ x + x.mT @ x, M),
    "permute_dims": (lambda xp, x: xp.permute_dims(x, (2, 0, 1)), T),
    "matrix_transpose": (lambda xp, x: xp.matrix_transpose(x), T),
    "swapaxes": (lambda xp, x: xp.swapaxes(x, 0, -1), T),
    "moveaxis": (lambda xp, x: xp.moveaxis(x, (0, 1), (-1, 0)), T),
    "rollaxis": (lambda xp, x: xp.rollaxis(x, 2), T),
    "broadcast_to": (lambda xp, x: xp.broadcast_to(x, (2, 3, 4)), draw(3, 1)),
    "broadcast_arrays": (lambda xp, x, y: tuple(xp.broadcast_arrays(x, y)), draw(3, 1), draw(4)),
    "concatenate": (lambda xp, x, y: xp.concatenate([x, y, x], axis=1), M, draw(3, 2)),
    "concatenate flat": (lambda xp, x, y: xp.concatenate([x, y], axis=None), M, V),
    "concatenate complex": (lambda xp, x, y: xp.concatenate([x, y]), V, Z),
    "append": (lambda xp, x, y: xp.append(x, y, axis=0), M, draw(1, 4)),
    "stack": (lambda xp, x, y: xp.stack([x, y, x], axis=-1), M, N),
    "vstack": (lambda xp, x, y: xp.vstack([x, y]), M, draw(4)),
    "hstack": (lambda xp, x, y: xp.hstack([x, y]), V, draw(2)),
    "dstack": (lambda xp, x, y: xp.dstack([x, y]), M, N),
    "column_stack": (lambda xp, x, y: xp.column_stack([x, y]), V, W),
    "block": (lambda xp, x, y: xp.block([[x, y], [y, x]]), M, N),
    "split": (lambda xp, x: xp.split(x, [1, 3], axis=1), M),
    "array_split": (lambda xp, x: xp.array_split(x, 3), V),
    "vsplit": (lambda xp, x: xp.vsplit(x, 3), M),
    "hsplit": (lambda xp, x: xp.hsplit(x, 2), M),
    "unstack": (lambda xp, x: xp.unstack(x, axis=1), M),
    "iteration": (lambda xp, x: sum(row * k for k, row in enumerate(x)), M),
    "pad": (lambda xp, x: xp.pad(x, ((1, 0), (2, 1)), constant_values=0.5), M),
    "pad edge": (lambda xp, x: xp.pad(x, 2, mode="edge"), M),
    "pad reflect": (lambda xp, x: xp.pad(x, 2, mode="reflect"), M),
    "pad symmetric": (lambda xp, x: xp.pad(x, 2, mode="symmetric"), M),
    "pad wrap": (lambda xp, x: xp.pad(x, 1, mode="wrap"), M),
    "pad linear_ramp": (lambda xp, x: xp.pad(x, 2, mode="linear_ramp"), V),
    "pad mean": (lambda xp, x: xp.pad(x, 1, mode="mean"), M),
    "tile": (lambda xp, x: xp.tile(x, (2, 1, 3)), M),
    "repeat": (lambda xp, x: xp.repeat(x, np.array([1, 0, 2]), axis=0), M),
    "repeat flat": (lambda xp, x: xp.repeat(x, 2), M),
    "resize": (lambda xp, x: xp.resize(x, (4, 5)), M),
    "roll": (lambda xp, x: xp.roll(x, 2), M),
    "roll axes": (lambda xp, x: xp.roll(x, (1, -2), axis=(0, 1)), M),
    "flip": (lambda xp, x: xp.flip(x, axis=1), M),
    "flip all": (lambda xp, x: xp.flip(x), M),
    "flipud fliplr": (lambda xp, x: xp.flipud(x) * xp.fliplr(x), M),
    "rot90": (lambda xp, x: xp.rot90(x, 3), M),
    "squeeze": (lambda xp, x: xp.squeeze(x, axis=1), draw(3, 1, 1)),
    "expand_dims": (lambda xp, x: xp.expand_dims(x, (0, -1)), M),
    "atleast": (lambda xp, x: (xp.atleast_1d(x), xp.atleast_2d(x), xp.atleast_3d(x)), V),
    "diag of a vector": (lambda xp, x: xp.diag(x, 1), V),
    "diag of a matrix": (lambda xp, x: xp.diag(x, -1), M),
    "diagonal": (lambda xp, x: xp.diagonal(x, 1, 0, 2), T),
    "diagflat": (lambda xp, x: xp.diagflat(x), draw(2, 2)),
    "tril": (lambda xp, x: xp.tril(x, -1), M),
    "triu": (lambda xp, x: xp.triu(x, 1), T),
    "trace": (lambda xp, x: xp.trace(x, offset=1), M),
    "trace axes": (lambda xp, x: xp.trace(x, axis1=2, axis2=0), T),
    "meshgrid": (lambda xp, x, y: tuple(xp.meshgrid(x, y)), V, draw(3)),
    "meshgrid ij": (lambda xp, x, y: tuple(xp.meshgrid(x, y, indexing="ij")), V, draw(3)),
    "copy astype": (lambda xp, x: xp.copy(x).astype(float) * x, M),
    "delete": (lambda xp, x: xp.delete(x, np.array([0, 2]), axis=1), M),
    "insert": (lambda xp, x, y: xp.insert(x, 1, y, axis=0), M, draw(4)),
    "empty": (lambda xp, x: xp.sum(x[1:1] * 2, axis=0), M),
    "zeros_like": (lambda xp, x: xp.zeros_like(x) + xp.ones_like(x) * x + xp.full_like(x, 2.0), M),
    "array of numbers": (lambda xp, x: xp.stack([x[0] * x[1], xp.sin(x[2]), 3.0 * x[0]]), V),
}

# --- indexing and updates ---------------------------------------------------------------------

INDEXING: Table = {
    "x[1]": (lambda xp, x: x[1], M),
    "x[-1, 2]": (lambda xp, x: x[-1, 2], M),
    "x[..., ::-2, None]": (lambda xp, x: x[..., ::-2, None], T),
    "x[1:, :2]": (lambda xp, x: x[1:, :2], ZM),
    "x[rows]": (lambda xp, x: x[ROWS], M),
    "x[:, rows]": (lambda xp, x: x[:, ROWS], ZM),
    "x[rows, columns]": (lambda xp, x: x[ROWS, COLUMNS], M),
    "x[rows, :, columns]": (lambda xp, x: x[ROWS[:2] % 2, :, COLUMNS[:2]], T),
    "x[:, rows, columns]": (lambda xp, x: x[:, ROWS, COLUMNS], T),
    "x[0, :, columns]": (lambda xp, x: x[0, :, COLUMNS], T),
    "x[open mesh]": (lambda xp, x: x[np.ix_(ROWS, COLUMNS)], M),
    "x[mask]": (lambda xp, x: x[MASK], M),
    "x[row mask]": (lambda xp, x: x[MASK[:, 0], 1:], M),
    "x[x > 0]": (lambda xp, x: xp.where(x > 0, x, 0.0) ** 2, DM),
    "take": (lambda xp, x: xp.take(x, ORDER), M),
    "take axis": (lambda xp, x: xp.take(x, ROWS, axis=0), M),
    "take clip": (lambda xp, x: xp.take(x, np.array([-9, 2, 9]), axis=1, mode="clip"), M),
    "take wrap": (lambda xp, x: xp.take(x, np.array([-9, 2, 9]), axis=1, mode="wrap"), M),
    "take_along_axis": (lambda xp, x: xp.take_along_axis(x, ORDER, axis=1), M),
    "take_along_axis sorted": (lambda xp, x: xp.take_along_axis(x, xp.argsort(x, 0), axis=0), DM),
    "compress": (lambda xp, x: xp.compress(np.array([True, False, True]), x, axis=0), M),
    "where": (lambda xp, x, y: xp.where(MASK, x, y), M, draw(4)),
    "where scalar": (lambda xp, x: xp.where(x > 0.1, x * x, -1.0), DM),
    "where complex": (lambda xp, x, y: xp.where(MASK, x, y), M, ZM),
    "clip": (lambda xp, x: xp.clip(x, -0.5, 0.55), DM),
    "clip arrays": (
        lambda xp, x, a, b: xp.clip(x, a, b),
        DM,
        draw(4, low=-0.9, high=-0.3),
        draw(3, 1, low=0.3, high=0.9),
    ),
    "clip one side": (lambda xp, x: xp.clip(x, None, 0.55), DM),
    "select": (lambda xp, x, y: xp.select([x > 0.6, x < -0.6], [x * y, y], 2.0 * x), DM, N),
    "choose": (lambda xp, x, y: xp.choose(MASK.astype(int), [x, y]), M, N),
    "piecewise": (
        lambda xp, x: xp.piecewise(x, [x < 0, x >= 0], [lambda v: v * v, lambda v: xp.sin(v)]),
        DM,
    ),
    "sort": (lambda xp, x: xp.sort(x), DM),
    "sort axis": (lambda xp, x: xp.sort(x, axis=0), DM),
    "sort flat": (lambda xp, x: xp.sort(x, axis=None), DM),
    "argsort": (lambda xp, x: x[xp.argsort(x)] * xp.arange(6), D),
    "argmax": (lambda xp, x: x[xp.argmax(x[:, 1])] * x[xp.argmin(x[:, 0])], DM),
    "searchsorted": (lambda xp, x: x * xp.searchsorted(np.array([-1.0, 0.0, 1.0]), x), D),
    "at.set": (lambda xp, x, v: xp.at(x)[1].set(v), M, draw(4)),
    "at.set rows": (lambda xp, x, v: xp.at(x)[COLUMNS[:2]].set(v), draw(4, 3), draw(2, 3)),
    "at.set slice": (lambda xp, x, v: xp.at(x)[:, 1:3].set(v * x[:, :1]), M, draw(2)),
    "at.set mask": (lambda xp, x: xp.at(x)[MASK].set(2.0) * x, M),
    "at.set scalar": (lambda xp, x, v: xp.at(x)[0, 1].set(xp.sin(v)), M, draw()),
    "at.add": (lambda xp, x, v: xp.at(x)[ROWS].add(v), M, draw(3, 4)),
    "at.add pairs": (lambda xp, x, v: xp.at(x)[ROWS, COLUMNS].add(v), M, draw(3)),
    "at.add complex": (lambda xp, x, v: xp.at(x)[ROWS].add(v), ZM, ZN),
    "at.subtract": (lambda xp, x, v: xp.at(x)[1:].subtract(v), M, draw(4)),
    "at.multiply": (lambda xp, x, v: xp.at(x)[1:].multiply(v), M, draw(2, 4)),
    "at.divide": (lambda xp, x, v: xp.at(x)[:, 1].divide(v), M, draw(3, low=0.5, high=2)),
    "at.power": (lambda xp, x: xp.at(x)[1:3].power(2.5), draw(4, low=0.3, high=2)),
    "at.min": (lambda xp, x, v: xp.at(x)[:, 1].min(v), DM, np.array([0.05, -0.1, 0.07])),
    "at.max": (lambda xp, x, v: xp.at(x)[np.array([2, 0])].max(v), DM, distinct(2, 4, seed=5) / 3),
    "at.get": (lambda xp, x: xp.at(x)[ROWS].get() ** 2, M),
}

# --- contractions -----------------------------------------------------------------------------

CONTRACTIONS: Table = {
    "dot vectors": (lambda xp, a, b: xp.dot(a, b), V, W),
    "dot matrices": (lambda xp, a, b: xp.dot(a, b), M, draw(4, 2)),
    "dot ranks": (lambda xp, a, b: xp.dot(a, b), T, draw(2, 4, 3)),
    "dot scalar": (lambda xp, a, b: xp.dot(a, b), draw(), M),
    "dot complex": (lambda xp, a, b: xp.dot(a, b), ZM, draw(4)),
    "matmul 1 1": (lambda xp, a, b: xp.matmul(a, b), V, W),
    "matmul 1 2": (lambda xp, a, b: xp.matmul(a, b), draw(3), M),
    "matmul 2 1": (lambda xp, a, b: xp.matmul(a, b), M, draw(4)),
    "matmul 2 2": (lambda xp, a, b: a @ b, M, draw(4, 2)),
    "matmul 3 1": (lambda xp, a, b: a @ b, T, draw(4)),
    "matmul 1 3": (lambda xp, a, b: a @ b, draw(3), T),
    "matmul 3 2": (lambda xp, a, b: a @ b, T, draw(4, 2)),
    "matmul 2 3": (lambda xp, a, b: a @ b, draw(2, 3), T),
    "matmul 3 3": (lambda xp, a, b: a @ b, T, draw(2, 4, 2)),
    "matmul broadcast": (lambda xp, a, b: a @ b, draw(2, 1, 3, 4), draw(3, 4, 2)),
    "matmul complex": (lambda xp, a, b: a @ b, ZM, ZN.T),
    "matmul mixed": (lambda xp, a, b: a @ b, M, ZN.T),
    "matmul itself": (lambda xp, a: a @ a.T @ a, M),
    "matvec": (lambda xp, a, b: xp.matvec(a, b), T, draw(4)),
    "vecmat": (lambda xp, a, b: xp.vecmat(a, b), drawz(3), ZM),
    "vecdot": (lambda xp, a, b: xp.vecdot(a, b), ZM, ZN),
    "vdot": (lambda xp, a, b: xp.vdot(a, b), M, N),
    "vdot complex": (lambda xp, a, b: xp.vdot(a, b), ZM, ZN),
    "inner": (lambda xp, a, b: xp.inner(a, b), M, T),
    "outer": (lambda xp, a, b: xp.outer(a, b), V, draw(2, 2)),
    "tensordot 1": (lambda xp, a, b: xp.tensordot(a, b, axes=1), T, draw(4, 2)),
    "tensordot 2": (lambda xp, a, b: xp.tensordot(a, b, axes=2), T, draw(3, 4)),
    "tensordot 0": (lambda xp, a, b: xp.tensordot(a, b, axes=0), V, draw(2)),
    "tensordot axes": (
        lambda xp, a, b: xp.tensordot(a, b, axes=([2, 0], [1, 0])),
        T,
        draw(2, 4, 5),
    ),
    "kron": (lambda xp, a, b: xp.kron(a, b), draw(2, 3), draw(3, 2)),
    "kron ranks": (lambda xp, a, b: xp.kron(a, b), V, draw(2, 2)),
    "cross": (lambda xp, a, b: xp.cross(a, b), draw(4, 3), draw(3)),
    "cross axes": (lambda xp, a, b: xp.cross(a, b, axis=0), draw(3, 2), draw(3, 2, seed=1)),
    "einsum matmul": (lambda xp, a, b: xp.einsum("ij,jk->ik", a, b), M, draw(4, 2)),
    "einsum implicit": (lambda xp, a, b: xp.einsum("ij,kj", a, b), M, N),
    "einsum scalar": (lambda xp, a, b: xp.einsum("ij,ij->", a, b), M, N),
    "einsum trace": (lambda xp, a: xp.einsum("ii", a), draw(3, 3)),
    "einsum diagonal": (lambda xp, a: xp.einsum("ii->i", a), draw(3, 3)),
    "einsum sum": (lambda xp, a: xp.einsum("ijk->j", a), T),
    "einsum batch": (lambda xp, a, b: xp.einsum("bij,bjk->bik", a, b), T, draw(2, 4, 2)),
    "einsum ellipsis": (lambda xp, a, b: xp.einsum("...ij,...j->...i", a, b), T, draw(4)),
    "einsum three": (
        lambda xp, a, b, c: xp.einsum("i,ij,jk->k", a, b, c),
        draw(3),
        M,
        draw(4, 2),
    ),
    "einsum outer": (lambda xp, a, b: xp.einsum("i,j,i->ij", a, b, a), V, draw(2)),
    "einsum complex": (lambda xp, a, b: xp.einsum("ij,ij->j", a, b), ZM, N),
    "multi_dot": (
        lambda xp, a, b, c: xp.linalg.multi_dot([a, b, c]),
        draw(2, 3),
        M,
        draw(4, 2),
    ),
    "quadratic form": (lambda xp, x, a: xp.tanh(x @ a @ x) + x @ a.T @ x, V, draw(5, 5)),
}

# --- linear algebra ---------------------------------------------------------------------------

LINALG: Table = {
    "inv": (lambda xp, a: xp.linalg.inv(a), well(3, 3)),
    "inv stack": (lambda xp, a: xp.linalg.inv(a), well(2, 3, 3)),
    "inv complex": (lambda xp, a: xp.linalg.inv(a), drawz(3, 3) + 3 * np.eye(3)),
    "solve vector": (lambda xp, a, b: xp.linalg.solve(a, b), well(3, 3), draw(3)),
    "solve matrix": (lambda xp, a, b: xp.linalg.solve(a, b), well(3, 3), draw(3, 2)),
    "solve stack": (lambda xp, a, b: xp.linalg.solve(a, b), well(2, 3, 3), draw(2, 3, 2)),
    "solve complex": (
        lambda xp, a, b: xp.linalg.solve(a, b),
        drawz(3, 3) + 3 * np.eye(3),
        drawz(3),
    ),
    "det": (lambda xp, a: xp.linalg.det(a), well(3, 3)),
    "det stack": (lambda xp, a: xp.linalg.det(a), well(2, 2, 2)),
    "det 4": (lambda xp, a: xp.linalg.det(a), well(4, 4)),
    "det complex": (lambda xp, a: xp.linalg.det(a), drawz(3, 3) + 3 * np.eye(3)),
    "slogdet": (lambda xp, a: xp.linalg.slogdet(a)[1], well(3, 3)),
    "slogdet stack": (lambda xp, a: xp.linalg.slogdet(a)[1], well(2, 3, 3)),
    "slogdet complex": (
        lambda xp, a: tuple(xp.linalg.slogdet(a)),
        drawz(3, 3) + 3 * np.eye(3),
    ),
    "cholesky": (lambda xp, a: xp.linalg.cholesky(a), definite(3, 3)),
    "cholesky stack": (lambda xp, a: xp.linalg.cholesky(a), definite(2, 3, 3)),
    "cholesky complex": (lambda xp, a: xp.linalg.cholesky(a), hermitian(3)),
    "log-likelihood": (
        lambda xp, a, x: (
            xp.sum(xp.log(xp.diag(xp.linalg.cholesky(a)))) + x @ xp.linalg.solve(a, x) / 2
        ),
        definite(3, 3),
        draw(3),
    ),
    "norm": (lambda xp, x: xp.linalg.norm(x), V),
    "norm complex": (lambda xp, x: xp.linalg.norm(x), Z),
    "norm axis": (lambda xp, x: xp.linalg.norm(x, axis=-1, keepdims=True), T),
    "norm 1": (lambda xp, x: xp.linalg.norm(x, 1), D),
    "norm 3": (lambda xp, x: xp.linalg.norm(x, 3), D),
    "norm inf": (lambda xp, x: xp.linalg.norm(x, np.inf), D + 0.01),
    "norm -inf": (lambda xp, x: xp.linalg.norm(x, -np.inf), D + 0.01),
    "norm fro": (lambda xp, x: xp.linalg.norm(x, "fro"), M),
    "norm matrix 1": (lambda xp, x: xp.linalg.norm(x, 1), M),
    "norm matrix inf": (lambda xp, x: xp.linalg.norm(x, np.inf), M),
    "norm matrix axes": (lambda xp, x: xp.linalg.norm(x, axis=(0, 2)), T),
    "matrix_power": (lambda xp, a: xp.linalg.matrix_power(a, 3), well(3, 3)),
    "matrix_power -2": (lambda xp, a: xp.linalg.matrix_power(a, -2), well(3, 3)),
    "vector_norm": (lambda xp, x: xp.linalg.vector_norm(x, axis=0), M),
    "matrix_norm": (lambda xp, x: xp.linalg.matrix_norm(x), T),
    "linalg.trace": (lambda xp, x: xp.linalg.trace(x, offset=1), T),
    "linalg.diagonal": (lambda xp, x: xp.linalg.diagonal(x), T),
    "linalg.cross": (lambda xp, a, b: xp.linalg.cross(a, b), draw(4, 3), draw(4, 3, seed=1)),
    "linalg.outer": (lambda xp, a, b: xp.linalg.outer(a, b), V, W),
    "linalg.tensordot": (lambda xp, a, b: xp.linalg.tensordot(a, b, axes=1), T, draw(4, 2)),
    "linalg.vecdot": (lambda xp, a, b: xp.linalg.vecdot(a, b), M, N),
    "svdvals": (lambda xp, x: xp.linalg.svdvals(x), M),
    "norm 2": (lambda xp, x: xp.linalg.norm(x, 2), M),
    "norm -2": (lambda xp, x: xp.linalg.norm(x, -2), well(3, 3)),
    "norm nuc": (lambda xp, x: xp.linalg.norm(x, "nuc"), M),
}

# --- neural networks and special functions ----------------------------------------------------

LOGITS = draw(3, 4, low=-4, high=4, seed=3)
NN: Table = {
    name: (lambda xp, x, name=name: getattr(xp.nn, name)(x), distinct(8, seed=seed) * 2)
    for seed, name in enumerate(
        [
            "relu",
            "relu6",
            "sigmoid",
            "log_sigmoid",
            "softplus",
            "silu",
            "swish",
            "gelu",
            "elu",
            "selu",
            "celu",
            "leaky_relu",
            "hard_tanh",
            "erf",
            "erfc",
            "expit",
            "softmax",
            "log_softmax",
            "logsumexp",
        ]
    )
}
NN |= {
    "gelu exact": (lambda xp, x: xp.nn.gelu(x, approximate=False), D * 2),
    "elu 0.5": (lambda xp, x: xp.nn.elu(x, 0.5), D * 2),
    "celu 2": (lambda xp, x: xp.nn.celu(x, 2.0), D * 2),
    "leaky_relu 0.3": (lambda xp, x: xp.nn.leaky_relu(x, 0.3), D * 2),
    "elu of alpha": (lambda xp, x, a: xp.nn.elu(x, a), D * 2, draw(low=0.5)),
    "celu of alpha": (lambda xp, x, a: xp.nn.celu(x, a), D * 2, draw(6, low=0.5)),
    "leaky_relu of slope": (lambda xp, x, a: xp.nn.leaky_relu(x, a), D * 2, draw(low=0.1)),
    "softmax axis": (lambda xp, x: xp.nn.softmax(x, axis=0), LOGITS),
    "softmax axes": (lambda xp, x: xp.nn.softmax(x, axis=(0, 1)), LOGITS),
    "log_softmax axis": (lambda xp, x: xp.nn.log_softmax(x, axis=0), LOGITS),
    "softmax where": (lambda xp, x: xp.nn.softmax(x, axis=0, where=MASK), LOGITS),
    "logsumexp axis": (lambda xp, x: xp.nn.logsumexp(x, axis=1, keepdims=True), LOGITS),
    "logsumexp b": (
        lambda xp, x, b: xp.nn.logsumexp(x, axis=1, b=b),
        LOGITS,
        draw(3, 4, low=0.5, high=2),
    ),
    "large logits": (lambda xp, x: xp.nn.log_softmax(x * 100), LOGITS),
    "cross-entropy": (
        lambda xp, x: -xp.mean(xp.take_along_axis(xp.nn.log_softmax(x), COLUMNS[:, None], axis=1)),
        LOGITS,
    ),
    "layer": (
        lambda xp, w, b, x: xp.nn.gelu(x @ w + b) @ w.T,
        draw(4, 2),
        draw(2),
        LOGITS,
    ),
    "lgamma": (lambda xp, x: xp.nn.lgamma(x), draw(6, low=0.1, high=20)),
    "digamma": (lambda xp, x: xp.nn.digamma(x), draw(6, low=0.1, high=20)),
    "polygamma 1": (lambda xp, x: xp.nn.polygamma(1, x), draw(6, low=0.1, high=20)),
    "polygamma 2": (lambda xp, x: xp.nn.polygamma(2, x), draw(6, low=0.1, high=20)),
}

# --- pytrees ----------------------------------------------------------------------------------

PYTREES: Table = {
    "two results": (lambda xp, x, y: (x * y, xp.sum(x) + y), M, draw(4)),
    "dictionary": (lambda xp, x, y: {"b": [x @ y, x * 2], "a": (y,)}, M, draw(4)),
    "unused argument": (lambda xp, x, y: x * 2, M, draw(4)),
    "constant result": (lambda xp, x: (x * x, xp.zeros(3)), M),
    "result is argument": (lambda xp, x, y: (x, y, x), V, W),
}

# --- composed functions -----------------------------------------------------------------------


def newton(xp: Any, a: Any) -> Any:
    """Square roots by Newton's method: a loop whose derivative goes through every step."""
    y = a
    for _ in range(6):
        y = 0.5 * (y + a / y)
    return y


def pendulum(xp: Any, state: Any) -> Any:
    """A damped pendulum after ten steps of Euler's method."""
    for _ in range(10):
        angle, speed = state[0], state[1]
        state = state + 0.1 * xp.stack([speed, -xp.sin(angle) - 0.1 * speed])
    return state


def kernel(xp: Any, x: Any, scale: Any) -> Any:
    """A Gaussian kernel matrix."""
    differences = x[:, None, :] - x[None, :, :]
    return xp.exp(-xp.sum(differences**2, axis=-1) / (2 * scale**2))


COMPOSED: Table = {
    "newton": (newton, draw(4, low=0.5, high=4)),
    "pendulum": (pendulum, np.array([0.5, -0.2])),
    "kernel": (kernel, draw(4, 2), draw(low=0.5, high=1.5)),
    "convolution": (
        lambda xp, x, k: xp.stack([xp.sum(x[i : i + 3] * k[::-1]) for i in range(3)]),
        V,
        draw(3),
    ),
    "standardise": (lambda xp, x: (x - xp.mean(x, 0)) / (xp.std(x, 0) + 0.1), M),
    "rosenbrock": (lambda xp, x: xp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2), V),
    "complex product": (
        lambda xp, z, w: xp.real(xp.sum(z * xp.conj(w)) * xp.exp(z[0])),
        Z,
        Z[::-1],
    ),
    "not holomorphic": (lambda xp, z: xp.conj(z) * z**2 + xp.abs(z) * z.imag, Z),
}


HX, HM, HZ = np.float32(V), np.float32(M), np.complex64(Z)
HALVES: Table = {
    "float32 and Python scalars": (lambda xp, x: xp.sin(2.0 * x) / 3 + xp.where(x > 0, x, 1), HX),
    "float32 and float64": (lambda xp, x, y: xp.exp(x) * y, HX, W),
    "float32 and complex128": (lambda xp, x, z: x * z, HX, Z),
    "float32 means": (lambda xp, x: xp.mean(x, 0) + xp.std(x, 0) + xp.var(x) + xp.prod(x, 0), HM),
    "float32 matrix products": (lambda xp, a, b: xp.dot(a, a.T) @ b[:3], HM, W),
    "float32 rows": (lambda xp, x: x[ROWS] ** 2 + xp.cumsum(x, axis=1)[:, :1], HM),
    "float32 updates": (lambda xp, x, v: xp.at(x)[ROWS].add(v) * x, HM, np.float32(N[0])),
    "float32 solve": (lambda xp, a, b: xp.linalg.solve(a, b), np.float32(well(3, 3)), HX[:3]),
    "float32 softmax": (lambda xp, x: xp.nn.softmax(x) * xp.nn.gelu(x), HX),
    "cast to float64 and back": (lambda xp, x: (x.astype(np.float64) ** 2).astype(np.float32), HX),
    "complex64": (lambda xp, z: xp.abs(z) + xp.exp(z) * z.imag, HZ),
}
# JAX adds halves up in float32, NumPy in float16: three digits.
QUARTERS: Table = {
    "float16 means": (lambda xp, x: xp.mean(x, 0) * xp.tanh(x) + xp.sum(x), np.float16(M / 4)),
    "float16 products": (
        lambda xp, x, y: x @ y / 2 + 0.5 * x[:, :1],
        np.float16(M),
        np.float16(N.T),
    ),
}


def tables() -> Iterator[Case]:
    """The cases of all tables above."""
    structured = (STRUCTURE, INDEXING, CONTRACTIONS, LINALG)
    for table in (OPERATORS, REDUCTIONS, *structured, NN, PYTREES, COMPOSED):
        for name, (call, *args) in table.items():
            yield Case(name, call, tuple(args))
    for name, (call, *args) in HALVES.items():
        # Dtypes are compared here, and numbers to what seven digits leave.
        yield Case(name, call, tuple(args), rtol=1e-4)
    for name, (call, *args) in QUARTERS.items():
        yield Case(name, call, tuple(args), rtol=1e-2)


CASES = [*ufuncs(), *tables()]

ZERO, LEFT = np.zeros(2), np.array([-0.5 + 0.3j, -1.2 - 0.7j])
CONVENTIONS = [
    # The subgradient of least norm, where JAX takes one side or divides zero by zero.
    Convention("abs at 0", lambda xp, x: xp.abs(x), (ZERO,), ZERO),
    Convention("norm of zeros", lambda xp, x: xp.linalg.norm(x), (ZERO,), ZERO),
    Convention("std of equal values", lambda xp, x: xp.std(x), (np.ones(2),), ZERO),
    Convention("arctan2 at the origin", lambda xp, x: xp.arctan2(x, ZERO), (ZERO,), ZERO),
    Convention("hypot at the origin", lambda xp, x: xp.hypot(x, x), (ZERO,), ZERO),
    # The value is x itself at both edges; JAX splits the derivative with the edge.
    Convention(
        "clip at its edges", lambda xp, x: xp.clip(x, 0.0, 1.0), (np.array([0.0, 1.0]),), np.ones(2)
    ),
    # 1/(√(z−1) √(z+1)); JAX takes the other root of z² − 1 in the left half-plane.
    Convention(
        "arccosh in the left half-plane",
        lambda xp, z: xp.real(xp.arccosh(z)),
        (LEFT,),
        1 / (np.sqrt(LEFT - 1) * np.sqrt(LEFT + 1)),
    ),
    # sign(x + iy) = (x + iy)/r turns with z: ∂(x/r)/∂x − i ∂(x/r)/∂y = (y² + ixy)/r³. JAX says 0.
    Convention(
        "sign of complex numbers",
        lambda xp, z: xp.real(xp.sign(z)),
        (LEFT,),
        (LEFT.imag**2 + 1j * LEFT.real * LEFT.imag) / np.abs(LEFT) ** 3,
    ),
]
