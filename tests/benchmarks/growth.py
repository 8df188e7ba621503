"""How gradients grow with the size of their arguments: `python -m tests.benchmarks.growth`.

For every function of NumPy that has a derivative, the value and the gradient are timed at two
sizes. A gradient that grows more than `LIMIT` times as fast as its value is reported, or as a copy
of the arguments and the result, where that grows faster: a gradient is as large as its argument,
and memory beyond the caches is slower for both. The times are the least of several runs; pin the
process to one core (`taskset -c 0`).
"""

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import funcgrad as fg
import funcgrad.numpy as fnp
from tests.surface.names import NAMES

__all__ = ["CALLS", "LIMIT", "measure"]

FACTOR = 8
LIMIT = 2.0

Call = Callable[[int], tuple[Callable[..., Any], tuple[Any, ...]]]
"""A size to a function of `(xp, *args)` and its arguments, which are differentiated."""

RNG = np.random.default_rng(0)


def vector(n: int, low: float = 0.1, high: float = 0.9) -> Any:
    return RNG.uniform(low, high, n)


def matrix(n: int) -> Any:
    """About n elements."""
    side = int(n**0.5)
    return RNG.uniform(0.1, 0.9, (side, side)) + side * np.eye(side)


def symmetric(n: int) -> Any:
    a = matrix(n)
    return a @ a.T / a.shape[0] + np.diag(np.arange(1.0, a.shape[0] + 1))


def names_in(text: str) -> list[str]:
    return text.split()


def resolve(xp: Any, name: str) -> Any:
    for part in name.split("."):
        xp = getattr(xp, part)
    return xp


def call(name: str, *makers: Callable[[int], Any], **options: Any) -> Call:
    return lambda n: (
        lambda xp, *args: resolve(xp, name)(*args, **options),
        tuple(make(n) for make in makers),
    )


def named(names: str, *makers: Callable[[int], Any], **options: Any) -> dict[str, Call]:
    return {name: call(name, *makers, **options) for name in names.split()}


def written(function: Callable[..., Any], *makers: Callable[[int], Any]) -> Call:
    return lambda n: (function, tuple(make(n) for make in makers))


def small(_n: int) -> Any:
    return vector(5)


def tall(n: int) -> Any:
    return RNG.uniform(0.1, 0.9, (n // 8, 8))


def cube(n: int) -> Any:
    return RNG.uniform(0.1, 0.9, (n // 64, 8, 8)) + np.eye(8)


def in_fours(n: int) -> Any:
    return vector(n // 4 * 4)


def few(n: int) -> Any:
    return vector(n // 1000)


def above(n: int) -> Any:
    return vector(n, 1.5, 2.5)


CALLS: dict[str, Call] = {
    **named(
        """absolute abs fabs conj conjugate negative positive square cos sin tan tanh sinh cosh
        arctan atan arcsinh asinh exp exp2 expm1 deg2rad rad2deg degrees radians sinc real imag
        reciprocal ravel cumsum cumprod cumulative_sum cumulative_prod diff sum prod mean std var
        min max amin amax sort nan_to_num gradient angle real_if_close atleast_1d atleast_2d
        atleast_3d squeeze sqrt log log2 log10 log1p arccos acos arcsin asin arctanh atanh cbrt
        flip nancumsum nancumprod ediff1d nansum nanprod nanmean nanstd nanvar nanmin nanmax median
        nanmedian ptp trapezoid i0 copy unwrap sort_complex asarray asanyarray
        ascontiguousarray asfortranarray asarray_chkfinite array trim_zeros average
        broadcast_arrays modf unique transpose permute_dims fft.fft fft.ifft fft.rfft
        fft.hfft fft.ihfft fft.irfft fft.fftshift fft.ifftshift linalg.vector_norm linalg.norm""",
        vector,
    ),
    **named("arccosh acosh", above),
    **named(
        """add subtract multiply divide true_divide maximum minimum fmax fmin logaddexp logaddexp2
        hypot arctan2 atan2 dot inner power pow mod remainder fmod float_power divmod copysign vdot
        vecdot append linalg.vecdot""",
        vector,
        vector,
    ),
    "meshgrid": written(lambda xp, x: xp.meshgrid(x, x[:4]), vector),
    **named("outer kron convolve correlate linalg.outer polymul", vector, small),
    **named("polyadd polysub", vector, vector),
    "polydiv": written(lambda xp, x, y: xp.polydiv(x, y + 1)[0], lambda n: vector(n // 8), small),
    "polyval": call("polyval", small, vector),
    "polyder": call("polyder", vector),
    "polyint": call("polyint", vector),
    "polyfit": written(lambda xp, x, y: xp.polyfit(x, y, 3), vector, vector),
    "poly": call("poly", lambda n: vector(int(n**0.5))),
    "roots": call("roots", lambda n: RNG.normal(size=int((4 * n) ** (1 / 3)))),
    "vander": call("vander", vector, N=5),
    "ldexp": written(lambda xp, x: xp.ldexp(x, 3), vector),
    "interp": written(
        lambda xp, x, y: xp.interp(x, np.linspace(0, 1, y.size), y), vector, vector
    ),
    "clip": call("clip", vector, a_min=0.2, a_max=0.6),
    "cross": call("cross", lambda n: tall(n)[:, :3], lambda n: tall(n)[:, :3]),
    "linalg.cross": call("linalg.cross", lambda n: tall(n)[:, :3], lambda n: tall(n)[:, :3]),
    **named("matmul tensordot linalg.matmul linalg.tensordot", matrix, matrix, **{}),
    "tensordot": call("tensordot", matrix, matrix, axes=1),
    "linalg.tensordot": call("linalg.tensordot", matrix, matrix, axes=1),
    "matvec": call("matvec", matrix, lambda n: vector(int(n**0.5))),
    "vecmat": call("vecmat", lambda n: vector(int(n**0.5)), matrix),
    "einsum": written(lambda xp, x, y: xp.einsum("ij,jk->ik", x, y), matrix, matrix),
    "reshape": call("reshape", vector, shape=(-1, 2)),
    "swapaxes": call("swapaxes", matrix, axis1=0, axis2=1),
    "moveaxis": call("moveaxis", cube, source=0, destination=2),
    "rollaxis": call("rollaxis", cube, axis=2),
    "roll": call("roll", vector, shift=3),
    **named("rot90 fliplr flipud matrix_transpose linalg.matrix_transpose", matrix),
    "expand_dims": call("expand_dims", vector, axis=0),
    "repeat": call("repeat", vector, repeats=3),
    "tile": call("tile", vector, reps=3),
    "resize": written(lambda xp, x: xp.resize(x, 3 * x.size), vector),
    "broadcast_to": written(lambda xp, x: xp.broadcast_to(x, (3, x.size)), vector),
    **{
        name: written(
            lambda xp, x, y, name=name: resolve(xp, name)([x, y, x]), vector, vector
        )
        for name in names_in(
            "concatenate concat stack vstack hstack dstack column_stack row_stack block"
        )
    },
    **{
        name: written(lambda xp, x, name=name: resolve(xp, name)(x, 4), in_fours)
        for name in names_in("split array_split hsplit")
    },
    "vsplit": written(lambda xp, x: xp.vsplit(x, 2), lambda n: tall(n // 16 * 16)),
    "dsplit": written(lambda xp, x: xp.dsplit(x, 2), cube),
    "unstack": written(lambda xp, x: xp.unstack(x, axis=1), tall),
    "pad": call("pad", vector, pad_width=3, mode="reflect"),
    **named("triu tril trace linalg.trace linalg.diagonal diagonal", matrix),
    "diag": call("diag", matrix),
    "diagflat": call("diagflat", lambda n: vector(int(n**0.5))),
    "where": written(lambda xp, x, y: xp.where(x > y, x, y), vector, vector),
    "select": written(lambda xp, x, y: xp.select([x > y, x < 0.5], [x, y]), vector, vector),
    "choose": written(lambda xp, x, y: xp.choose(np.arange(x.size) % 2, [x, y]), vector, vector),
    "piecewise": written(
        lambda xp, x: xp.piecewise(x, [x > 0.5, x <= 0.5], [lambda v: v * v, lambda v: -v]), vector
    ),
    "partition": written(lambda xp, x: xp.partition(x, x.size // 2), vector),
    "histogram": written(lambda xp, w: xp.histogram(w * 0 + 0.5, bins=10, weights=w)[0], vector),
    "bincount": written(lambda xp, w: xp.bincount(np.arange(w.size) % 7, weights=w), vector),
    **{
        name: written(lambda xp, a, b, name=name: resolve(xp, name)(a, b, 1000), few, few)
        for name in names_in("linspace logspace geomspace")
    },
    "full": written(lambda xp, x: xp.full((3, x.size), x), vector),
    "full_like": written(lambda xp, x: xp.full_like(np.zeros((3, x.size)), x), vector),
    "astype": written(lambda xp, x: xp.astype(x, np.float32), vector),
    "fromfunction": written(lambda xp, x: xp.fromfunction(lambda i: x * i, (x.size,)), vector),
    "vectorize": written(lambda xp, x: xp.vectorize(lambda v: v * v)(x), vector),
    "take": written(lambda xp, x: xp.take(x, np.arange(x.size)[::-1]), vector),
    "take_along_axis": written(
        lambda xp, x: xp.take_along_axis(x, np.argsort(fg.stop_gradient(x)), axis=0), vector
    ),
    "compress": written(lambda xp, x: xp.compress(np.arange(x.size) % 2 == 0, x), vector),
    "extract": written(lambda xp, x: xp.extract(np.arange(x.size) % 2 == 0, x), vector),
    "delete": written(lambda xp, x: xp.delete(x, [1, 5]), vector),
    "insert": written(lambda xp, x: xp.insert(x, [1, 5], 2.0), vector),
    **{
        name: written(lambda xp, x, name=name, q=q: resolve(xp, name)(x, q), vector)
        for name, q in (
            ("quantile", 0.3), ("percentile", 30), ("nanquantile", 0.3), ("nanpercentile", 30)
        )
    },
    **named("cov corrcoef", lambda n: tall(n).T),
    "apply_along_axis": written(
        lambda xp, x: xp.apply_along_axis(lambda v: v * np.sum(v), 0, x), tall
    ),
    "apply_over_axes": written(lambda xp, x: xp.apply_over_axes(np.sum, x, [0, 2]), cube),
    **named("linalg.cholesky linalg.eigh linalg.eigvalsh", symmetric),
    **named(
        """linalg.det linalg.inv linalg.pinv linalg.slogdet linalg.svd linalg.svdvals linalg.qr
        linalg.cond linalg.eig linalg.eigvals linalg.matrix_norm""",
        matrix,
    ),
    "linalg.multi_dot": written(lambda xp, a, b: xp.linalg.multi_dot([a, b, a]), matrix, matrix),
    "linalg.matrix_power": call("linalg.matrix_power", matrix, n=5),
    "linalg.solve": call("linalg.solve", matrix, lambda n: vector(int(n**0.5))),
    "linalg.lstsq": written(
        lambda xp, a, b: xp.linalg.lstsq(a, b)[0], matrix, lambda n: vector(int(n**0.5))
    ),
    "linalg.tensorsolve": call("linalg.tensorsolve", matrix, lambda n: vector(int(n**0.5))),
    "linalg.tensorinv": call("linalg.tensorinv", matrix, ind=1),
    **named("fft.fft2 fft.ifft2 fft.fftn fft.ifftn fft.rfft2 fft.rfftn", matrix),
    **named("fft.irfft2 fft.irfftn", matrix),
}  # fmt: skip


def measure(name: str, size: int) -> tuple[float, float, float]:
    """Seconds of the value, of the gradient, and of copying arguments and result."""
    function, args = CALLS[name](size)
    whole = [*args, *(np.array(leaf) for leaf in fg.tree.leaves(function(fnp, *args)))]

    def total(*xs: Any) -> Any:
        leaves = fg.tree.leaves(function(fnp, *xs))
        parts = [leaf for leaf in leaves if np.result_type(leaf).kind in "fc"]
        return sum(fnp.sum(fnp.real(part * part.conj())) for part in parts)

    def value() -> Any:
        return total(*args)

    gradient = fg.grad(total, tuple(range(len(args))))
    return least(value), least(lambda: gradient(*args)), least(lambda: [a.copy() for a in whole])


def least(run: Callable[[], Any], runs: int = 5) -> float:
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def grown(name: str, size: int) -> tuple[float, str, int, float, float, float, float]:
    """How many times as fast the gradient grew; name, size, and seconds at both sizes."""
    least_size = size
    while True:
        small_value, small_gradient, small_copy = measure(name, size)
        large_value, large_gradient, large_copy = measure(name, size * FACTOR)
        if large_value > 0.004 or size >= 40 * least_size:  # else calls, not arrays
            break
        size *= 4
    allowed = max(large_value / small_value, large_copy / small_copy, 1.0)
    growth = large_gradient / small_gradient / allowed
    return growth, name, size, small_value, small_gradient, large_value, large_gradient


def main() -> int:
    """Print a row a function, the fastest growing first; fail if one is over the limit."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.growth")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--size", type=int, default=20_000, help="elements at the smaller size")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = []
    for name in options.names or NAMES:
        row = grown(name, options.size)
        for _ in range(3):  # a disturbed run is no finding
            if row[0] > LIMIT:
                row = min(row, grown(name, options.size))
        rows.append(row)
    rows.sort(reverse=True)
    print(f"{'function':<24}{'size':>9}{'value ms':>20}{'gradient ms':>20}{'growth':>8}")
    for growth, name, size, v, g, big_v, big_g in rows:
        print(
            f"{name:<24}{size:>9}{v * 1e3:>10.3f}{big_v * 1e3:>10.3f}{g * 1e3:>10.3f}"
            f"{big_g * 1e3:>10.3f}{growth:>8.2f}"
        )
    over = [row[1] for row in rows if row[0] > LIMIT]
    print(f"{len(rows)} functions, size x {FACTOR}; growing {LIMIT} times faster: {over or 'none'}")
    return 1 if over else 0


if __name__ == "__main__":
    raise SystemExit(main())
