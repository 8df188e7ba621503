"""Samples of NumPy's functions: means and spreads, order, quantiles, covariances, counts, sets."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.surface.calls import DTYPES, Rng, call, one_of, some
from tests.surface.sample import (
    Generator,
    Sample,
    axis_of,
    broadcast_shape,
    distinct,
    draw,
    shape,
)

__all__ = ["GENERATORS"]

REAL = (np.float64, np.float64, np.float32)
ROUGH = {"smooth": False, "second": False}


def _some_array(rng: Rng, low: int = 1, dtypes: Any = DTYPES) -> Any:
    return distinct(rng, shape(rng, low), one_of(rng, *dtypes))


# --- means and spreads ------------------------------------------------------------------------


def _mask(rng: Rng, x: Any, axis: Any, least: int) -> Any:
    """A mask that lets at least so many elements of each reduction through."""
    mask = rng.random(broadcast_shape(rng, x.shape)) < 0.7
    number = np.sum(np.broadcast_to(mask, x.shape), axis=axis)
    return mask if np.all(number >= least) else np.True_


def _holed(rng: Rng, x: Any, axis: Any, least: int) -> Any:
    """The array with NaN in it, but so many numbers in each reduction."""
    for _ in range(5):
        holes = rng.random(x.shape) < 0.3
        if np.all(np.sum(~holes, axis=axis) >= least):
            return np.where(holes, x.dtype.type(np.nan), x)
    return x


def _moment(name: str, *, spread: bool) -> Generator:
    nan = name.startswith("nan")

    def generate(rng: Rng) -> Sample:
        x = distinct(rng, shape(rng, 1), one_of(rng, *DTYPES))
        axis = axis_of(rng, x.ndim, many=True)
        least = 3 if spread else 1
        options: dict[str, Any] = {"axis": axis, **some(rng, keepdims=lambda: True)}
        wide = "c16" if x.dtype.kind == "c" else "f8"
        options |= some(rng, dtype=lambda: wide)
        if rng.random() < 0.4:
            options["where"] = _mask(rng, x, axis, least)
        if spread and rng.random() < 0.5:
            options[one_of(rng, "ddof", "correction")] = one_of(rng, 1, 0.5)
        if nan and "where" not in options:
            x = _holed(rng, x, axis, least)
        enough = np.sum(~np.isnan(x), axis=axis, where=options.get("where", True))
        if spread and np.any(enough < least):  # a constant, at the kink of the deviation
            return call("var" if "var" in name else "std", draw(rng, (3, 4)), axis=0)
        # NumPy's nan functions square the deviations in the dtype of x
        rounding = 1e9 if nan and x.dtype.char in "fF" and "dtype" in options else 1.0
        if spread and rng.random() < 0.3:
            count = np.mean(x, axis=axis, keepdims=True).shape
            center = draw(rng, count, x.dtype)
            return Sample(
                f"{name}(x, mean=m, {options})",
                lambda xp, x, m: getattr(xp, name)(x, mean=m, **options),
                (x, center),
                rounding=rounding,
            )
        return call(name, x, laws={"rounding": rounding}, **options)

    return generate


def _average(rng: Rng) -> Sample:
    x = _some_array(rng)
    axis = axis_of(rng, x.ndim, many=True)
    options: dict[str, Any] = {"axis": axis}
    options |= some(rng, returned=lambda: True, keepdims=lambda: True)
    if rng.random() < 0.3:
        return call("average", x, **options)
    own = x.shape
    if axis is not None and rng.random() < 0.5:
        own = tuple(x.shape[one] for one in (axis if isinstance(axis, tuple) else (axis,)))
    weights = draw(rng, own, one_of(rng, *REAL), low=0.5)
    return Sample(
        f"average(x, weights=w, {options})",
        lambda xp, x, w: xp.average(x, weights=w, **options),
        (x, weights),
    )


def _ptp(rng: Rng) -> Sample:
    x = _some_array(rng, dtypes=REAL)
    options = {"axis": axis_of(rng, x.ndim, many=True), **some(rng, keepdims=lambda: True)}
    return call("ptp", x, **options)


# --- order ------------------------------------------------------------------------------------


def _sorting(name: str) -> Generator:
    def generate(rng: Rng) -> Sample:
        x = _some_array(rng)
        options = {"axis": axis_of(rng, x.ndim)} | some(rng, kind=lambda: "stable")
        return call(name, x, **options)

    return generate


def _partitioning(name: str) -> Generator:
    def generate(rng: Rng) -> Sample:
        x = _some_array(rng)
        axis = axis_of(rng, x.ndim)
        length = x.size if axis is None else x.shape[axis]
        kth = one_of(rng, int(rng.integers(-length, length)), (0, length - 1))
        return call(name, x, kth, axis=axis)

    return generate


def _lexsort(rng: Rng) -> Sample:
    whole = shape(rng, 1)
    keys = tuple(distinct(rng, whole) for _ in range(2))
    axis = axis_of(rng, len(whole), none=False)
    return Sample(f"lexsort, axis={axis}", lambda xp, *k: xp.lexsort(k, axis=axis), keys)


def _searching(rng: Rng) -> Sample:
    table = np.sort(distinct(rng, (int(rng.integers(1, 6)),), one_of(rng, *REAL)))
    sought = draw(rng, shape(rng), one_of(rng, *REAL))
    side = one_of(rng, "left", "right")
    return call("searchsorted", (table, sought), side=side)


def _digitize(rng: Rng) -> Sample:
    bins = np.sort(distinct(rng, (int(rng.integers(1, 6)),), one_of(rng, *REAL)))
    bins = one_of(rng, bins, bins[::-1])
    return call("digitize", (draw(rng, shape(rng)), bins), right=one_of(rng, True, False))


# --- quantiles --------------------------------------------------------------------------------

METHODS = (
    "linear", "inverted_cdf", "averaged_inverted_cdf", "closest_observation",
    "interpolated_inverted_cdf", "hazen", "weibull", "median_unbiased", "normal_unbiased",
    "lower", "higher", "midpoint", "nearest",
)  # fmt: skip


def _median(name: str) -> Generator:
    def generate(rng: Rng) -> Sample:
        x = _some_array(rng)
        axis = axis_of(rng, x.ndim, many=True)
        if name == "nanmedian":
            x = _holed(rng, x, axis, 1)
        return call(name, x, axis=axis, **some(rng, keepdims=lambda: True))

    return generate


def _is_straight(f: Callable[[Any], Any], q: Any) -> bool:
    """Whether a function of q is linear near by, so that no quotient crosses an element."""
    h = 0.03
    if not (np.all(q > h) and np.all(q < 1 - h)):
        return False
    bent = f(q + h) - 2 * f(q) + f(q - h)
    return bool(np.all(np.abs(bent) < 1e-9))


def _quantile(name: str) -> Generator:
    whole = 100 if "percentile" in name else 1

    def generate(rng: Rng) -> Sample:
        x = _some_array(rng, dtypes=REAL)
        axis = axis_of(rng, x.ndim, many=True)
        if name.startswith("nan"):
            x = _holed(rng, x, axis, 1)
        options: dict[str, Any] = {"axis": axis, "method": one_of(rng, *METHODS)}
        options |= some(rng, keepdims=lambda: True)
        function = getattr(np, name)
        if rng.random() < 0.2:
            options |= {"method": "inverted_cdf"}
            whole_weights = rng.integers(1, 5, x.shape)
            q = float(rng.uniform(0.1, 0.9)) * whole
            return Sample(
                f"{name}(x, {q}, weights=w, {options})",
                lambda xp, x, w: getattr(xp, name)(x, q, weights=w, **options),
                (x, whole_weights),
            )
        # NumPy's nanquantile mixes up the axes of a two-dimensional q on several axes
        mixed_up = name.startswith("nan") and np.ndim(axis) == 1
        if rng.random() < 0.4:
            table = np.array([0.1, 0.5] if mixed_up else [[0.1, 0.5], [0.9, 1.0]])
            q = one_of(rng, 0.3, 1, 0.0, [0.2, 0.71], table)
            q = np.multiply(q, whole).tolist() if isinstance(q, list) else q * whole
            return call(name, x, q, **options)
        size = one_of(rng, (), (2,), (3,) if mixed_up else (1, 2))
        for _ in range(20):
            q = rng.uniform(0.05, 0.95, size)
            smooth = _is_straight(lambda q: function(np.float64(x), q * whole, **options), q)
            if smooth:
                break
        q = np.asarray(q * whole, one_of(rng, *REAL))
        return call(name, (x, q), laws={"smooth": smooth}, **options)

    return generate


# --- covariances ------------------------------------------------------------------------------


def _observations(rng: Rng, count: int, rowvar: bool) -> Any:
    x = draw(rng, (int(rng.integers(1, 4)), count), one_of(rng, *DTYPES))
    x = x if rowvar else x.T
    return one_of(rng, x, x, x[0] if rowvar else x[:, 0])


def _covariance(name: str) -> Generator:
    def generate(rng: Rng) -> Sample:
        count = int(rng.integers(4, 7))
        rowvar = bool(rng.random() < 0.6)
        args = {"m" if name == "cov" else "x": _observations(rng, count, rowvar)}
        options: dict[str, Any] = {"rowvar": rowvar}
        if rng.random() < 0.4:
            args["y"] = _observations(rng, count, rowvar)
        if name == "cov":
            options |= some(rng, bias=lambda: True, ddof=lambda: one_of(rng, 0, 1))
            if rng.random() < 0.4:
                args["aweights"] = draw(rng, (count,), one_of(rng, *REAL), low=0.5)
            if rng.random() < 0.4:
                args["fweights"] = rng.integers(1, 4, count)
        is_complex = any(x.dtype.kind == "c" for x in args.values())
        options |= some(rng, dtype=lambda: np.complex64 if is_complex else np.float32)
        names = list(args)
        return Sample(
            f"{name}({', '.join(names)}, {options})",
            lambda xp, *xs: getattr(xp, name)(**dict(zip(names, xs, strict=True)), **options),
            tuple(args.values()),
            smooth="dtype" not in options,
            # float32 sums inside, whatever the dtype of the arguments
            rounding=1e9 if "dtype" in options else 10.0,
        )

    return generate


# --- counts -----------------------------------------------------------------------------------


def _bincount(rng: Rng) -> Sample:
    count = int(rng.integers(0, 7))
    x = rng.integers(0, 5, count)
    options = some(rng, minlength=lambda: 7)
    if rng.random() < 0.2:
        return call("bincount", x, **options)
    weights = draw(rng, (count,), one_of(rng, *REAL))
    return Sample(
        f"bincount(x, weights=w, {options})",
        lambda xp, x, w: xp.bincount(x, weights=w, **options),
        (x, weights),
    )


def _is_inside(x: Any, edges: Any) -> bool:
    """Whether no element comes near an edge, but those that are the outer edges."""
    inner = x[(x != edges[0]) & (x != edges[-1])]
    return bool(np.all(np.abs(inner[:, None] - edges) > 0.1))


def _spread_out(rng: Rng, count: int, dtype: Any = np.float64) -> Any:
    return np.asarray(distinct(rng, (count,)) + rng.uniform(-0.1, 0.1, count), dtype)


def _bins(rng: Rng) -> dict[str, Any]:
    edges = np.array([-1.5, -0.51, 0.2, 0.9, 1.6])
    options = one_of(rng, {}, {"bins": 4}, {"bins": 3, "range": (-1.0, 1.5)}, {"bins": edges})
    return dict(options)


def _edges(rng: Rng) -> Sample:
    x = _spread_out(rng, int(rng.integers(1, 9)), one_of(rng, *REAL))
    options = _bins(rng) if rng.random() < 0.7 else {"bins": one_of(rng, "sturges", "rice", "fd")}
    laws = {"mapped": False, "smooth": False} if isinstance(options.get("bins"), str) else {}
    return call("histogram_bin_edges", x, laws=laws, **options)


def _histogram(rng: Rng) -> Sample:
    x = _spread_out(rng, int(rng.integers(2, 9)), one_of(rng, *REAL))
    options = _bins(rng) | some(rng, density=lambda: True)
    smooth = _is_inside(x, np.histogram(x, **options)[1])
    if rng.random() < 0.3:
        if options.get("density") and not np.any(np.histogram(x, **options)[0] > 0):
            options["density"] = False
        return call("histogram", x, laws={"smooth": smooth, "mapped": False}, **options)
    dtype = np.float64 if options.get("density") else one_of(rng, *DTYPES)
    weights = draw(rng, x.shape, dtype, low=0.5)
    if not np.sum(np.histogram(x, **options, weights=weights)[0]):
        options["density"] = False
    return Sample(
        f"histogram(x, weights=w, {options})",
        lambda xp, x, w: xp.histogram(x, weights=w, **options),
        (x, weights),
        smooth=smooth,
        # scaled examples may change bins, of which some then hold nothing to divide by
        mapped=not options.get("density"),
    )


def _histogram_of_points(name: str) -> Generator:
    def generate(rng: Rng) -> Sample:
        count = int(rng.integers(3, 8))
        rank = 2 if name == "histogram2d" else int(rng.integers(1, 4))
        rows = [_spread_out(rng, count, one_of(rng, *REAL)) for _ in range(rank)]
        bins = one_of(rng, 3, [2] * rank, [np.array([-3.0, 0.01, 3.0])] * rank)
        options: dict[str, Any] = {"bins": bins} | some(rng, density=lambda: True)
        if rng.random() < 0.2 and not isinstance(bins, list):
            options["range"] = [(-2.5, 2.5)] * rank
        edges = np.histogramdd(np.stack(rows, 1), **options)[1]
        smooth = all(_is_inside(x, one) for x, one in zip(rows, edges, strict=True))
        weights = draw(rng, (count,), one_of(rng, *REAL), low=0.5)
        mapped = not options.get("density")
        if name == "histogram2d":
            return Sample(
                f"histogram2d(x, y, weights=w, {options})",
                lambda xp, x, y, w: xp.histogram2d(x, y, weights=w, **options),
                (*rows, weights),
                smooth=smooth,
                mapped=mapped,
            )
        return Sample(
            f"histogramdd(x, weights=w, {options})",
            lambda xp, x, w: xp.histogramdd(x, weights=w, **options),
            (np.stack(rows, 1), weights),
            smooth=smooth,
            mapped=mapped,
        )

    return generate


# --- sets -------------------------------------------------------------------------------------


def _repeated(rng: Rng, x: Any) -> Any:
    """Some of the elements of an array, in its shape, some of them more than once."""
    return rng.choice(x.reshape(-1), x.shape)


def _unique(rng: Rng) -> Sample:
    x = _some_array(rng, 1)
    repeat = rng.random() < 0.5
    axis = axis_of(rng, x.ndim)
    if repeat:
        x = _repeated(rng, x) if axis is None else np.take(x, [0, 0, -1], axis)
    flags = ("return_index", "return_inverse", "return_counts")
    options = some(rng, **{flag: lambda: True for flag in flags}, equal_nan=lambda: False)
    if np.lib.NumpyVersion(np.__version__) >= "2.3.0":
        options |= some(rng, sorted=lambda: False)
    laws = {"mapped": False} | (ROUGH if repeat or "sorted" in options else {})
    return call("unique", x, axis=axis, laws=laws, **options)


def _unique_kind(name: str) -> Generator:
    def generate(rng: Rng) -> Sample:
        x = _some_array(rng, 0)
        repeat = rng.random() < 0.5
        # the order of unique_values may be that of a hash table
        laws = {"mapped": False} | (ROUGH if repeat or name == "unique_values" else {})
        return call(name, _repeated(rng, x) if repeat else x, laws=laws)

    return generate


def _two_sets(name: str) -> Generator:
    def generate(rng: Rng) -> Sample:
        pool = distinct(rng, (8,), one_of(rng, *DTYPES))
        options: dict[str, Any] = {}
        if name != "union1d":
            options |= some(rng, assume_unique=lambda: True)
        unique = "assume_unique" in options
        sizes = [int(rng.integers(0, 6)) for _ in range(2)]
        args = tuple(rng.choice(pool, size, replace=not unique) for size in sizes)
        if name == "intersect1d":
            options |= some(rng, return_indices=lambda: True)
        return call(name, args, laws={"mapped": False, **ROUGH}, **options)

    return generate


def _isin(rng: Rng) -> Sample:
    pool = distinct(rng, (8,), one_of(rng, *DTYPES))
    args = tuple(rng.choice(pool, shape(rng)) for _ in range(2))
    return call("isin", args, **some(rng, invert=lambda: True))


def _bits(name: str) -> Generator:
    def generate(rng: Rng) -> Sample:
        kind = np.uint8 if name == "unpackbits" else bool
        x = rng.integers(0, 2, shape(rng, 1)).astype(kind)
        options = {"axis": axis_of(rng, x.ndim)} | some(rng, bitorder=lambda: "little")
        return call(name, x, **options)

    return generate


GENERATORS: dict[str, Generator] = {
    "average": _average,
    "ptp": _ptp,
    "mean": _moment("mean", spread=False),
    "nanmean": _moment("nanmean", spread=False),
    **{name: _moment(name, spread=True) for name in ("std", "var", "nanstd", "nanvar")},
    "sort": _sorting("sort"),
    "argsort": _sorting("argsort"),
    "partition": _partitioning("partition"),
    "argpartition": _partitioning("argpartition"),
    "lexsort": _lexsort,
    "sort_complex": lambda rng: call("sort_complex", _some_array(rng)),
    "searchsorted": _searching,
    "digitize": _digitize,
    "median": _median("median"),
    "nanmedian": _median("nanmedian"),
    **{
        name: _quantile(name) for name in ("quantile", "percentile", "nanquantile", "nanpercentile")
    },
    "cov": _covariance("cov"),
    "corrcoef": _covariance("corrcoef"),
    "bincount": _bincount,
    "histogram_bin_edges": _edges,
    "histogram": _histogram,
    "histogram2d": _histogram_of_points("histogram2d"),
    "histogramdd": _histogram_of_points("histogramdd"),
    "unique": _unique,
    **{
        name: _unique_kind(name)
        for name in ("unique_all", "unique_counts", "unique_inverse", "unique_values")
    },
    **{name: _two_sets(name) for name in ("union1d", "intersect1d", "setdiff1d", "setxor1d")},
    "isin": _isin,
    "packbits": _bits("packbits"),
    "unpackbits": _bits("unpackbits"),
}
