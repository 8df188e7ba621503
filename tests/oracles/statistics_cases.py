"""Quantiles, covariances, counts and order: a table of functions and points."""

import numpy as np

from tests.oracles.points import DM, DT, MASK, ZM, D, M, N, T, Table, V, W, Z, distinct, draw

__all__ = ["STATISTICS"]

HOLES = np.array([[0, 1, 0, 0], [0, 0, 0, 1], [1, 0, 0, 0]], bool)
HOLED = np.where(HOLES, np.nan, DM)
SHARES = draw(3, low=0.5, high=2)
FULL_SHARES = draw(3, 4, low=0.5, high=2)
COUNTS = np.array([1, 3, 2, 4])
PLACES = np.array([0, 3, 1, 1, 0])
EDGES = np.array([-2.0, -0.5, 0.4, 2.0])
SAMPLE, OTHERS = draw(5, low=-1.9, high=1.9, seed=3), draw(5, low=-1.9, high=1.9, seed=4)
LEVELS = np.array([0.13, 0.62, 0.9])
METHODS = ("linear", "lower", "higher", "midpoint", "nearest")

STATISTICS: Table = {
    **{
        f"quantile {method}": (
            lambda xp, x, method=method: xp.quantile(x, LEVELS, axis=1, method=method),
            DM,
        )
        for method in METHODS
    },
    **{
        f"percentile {method}": (
            lambda xp, x, method=method: xp.percentile(x, 37.0, axis=(0, 2), method=method),
            DT,
        )
        for method in METHODS
    },
    **{
        f"nanquantile {method}": (
            lambda xp, x, method=method: xp.nanquantile(
                xp.where(HOLES, np.nan, x), 0.37, axis=1, keepdims=True, method=method
            ),
            DM,
        )
        for method in METHODS
    },
    "quantile": (lambda xp, x: xp.quantile(x, 0.3), D),
    "quantile by level": (lambda xp, x, q: xp.quantile(x, q, axis=0), DM, LEVELS),
    "quantile of columns": (lambda xp, x: xp.quantile(x, LEVELS, axis=0, keepdims=True), DM),
    "quantile at the ends": (lambda xp, x: xp.quantile(x, np.array([0.0, 1.0])), DM),
    "percentile by level": (lambda xp, x, q: xp.percentile(x, 100 * q), D, LEVELS),
    "nanpercentile": (lambda xp, x: xp.nanpercentile(xp.where(HOLES, np.nan, x), 37.0, axis=0), DM),
    "nanquantile of all": (lambda xp, x: xp.nanquantile(xp.where(HOLES, np.nan, x), LEVELS), DM),
    "median": (lambda xp, x: xp.median(x), D),
    "median of an odd number": (lambda xp, x: xp.median(x, axis=0), DM),
    "median axes": (lambda xp, x: xp.median(x, axis=(0, 1), keepdims=True), DT),
    "nanmedian": (lambda xp, x: xp.nanmedian(xp.where(HOLES, np.nan, x), axis=1), DM),
    "nanmedian of all": (lambda xp, x: xp.nanmedian(xp.where(HOLES, np.nan, x)), DM),
    "iqr": (lambda xp, x: (x - xp.median(x)) / xp.ptp(xp.quantile(x, LEVELS)), D),
    "nansum axes": (lambda xp, x: xp.nansum(xp.where(HOLES, np.nan, x), keepdims=True), M),
    "nansum complex": (lambda xp, x: xp.nansum(xp.where(HOLES, np.nan, x), axis=0), ZM),
    "nanmean of all": (lambda xp, x: xp.nanmean(xp.where(HOLES, np.nan, x)) * x, M),
    "nanmean complex": (lambda xp, x: xp.nanmean(xp.where(HOLES, np.nan, x), axis=1), ZM),
    "nanvar ddof": (lambda xp, x: xp.nanvar(xp.where(HOLES, np.nan, x), axis=1, ddof=1), M),
    "nanstd ddof": (
        lambda xp, x: xp.nanstd(xp.where(HOLES, np.nan, x), axis=0, ddof=1, keepdims=True),
        M,
    ),
    "nanmin with holes": (lambda xp, x: xp.nanmin(xp.where(HOLES, np.nan, x), axis=1), DM),
    "nanmax of all": (lambda xp, x: xp.nanmax(xp.where(HOLES, np.nan, x)), DM),
    "nancumsum with holes": (lambda xp, x: xp.nancumsum(xp.where(HOLES, np.nan, x), axis=0), M),
    "nancumprod with holes": (lambda xp, x: xp.nancumprod(xp.where(HOLES, np.nan, x)), M),
    "nan_to_num holes": (lambda xp, x: xp.nan_to_num(xp.where(HOLES, np.nan, x), nan=2.5), M),
    "mean dtype": (lambda xp, x: xp.mean(x, axis=0, dtype=np.complex128), M),
    "var correction": (lambda xp, x: xp.var(x, axis=0, correction=1.5), M),
    "var where": (lambda xp, x: xp.var(x, axis=1, where=COUNTS > 1), M),
    "std where": (lambda xp, x: xp.std(x, axis=1, ddof=1, where=COUNTS > 1), M),
    "var of all complex": (lambda xp, x: xp.var(x, ddof=1), ZM),
    "prod where initial": (lambda xp, x: xp.prod(x, axis=1, where=MASK, initial=3.0), M),
    "max where": (lambda xp, x: xp.max(x, axis=1, where=MASK, initial=-9.0), DM),
    "min initial": (lambda xp, x: xp.min(x, axis=(0, 1), initial=0.2), DM),
    "average by weights": (lambda xp, x, w: xp.average(x, 0, w), M, SHARES),
    "average of all by weights": (lambda xp, x, w: xp.average(x, weights=w), M, FULL_SHARES),
    "average with sums": (
        lambda xp, x, w: xp.average(x, axis=1, weights=w, returned=True),
        M,
        FULL_SHARES,
    ),
    "average keepdims": (lambda xp, x: xp.average(x, axis=1, keepdims=True) * x, T),
    "average complex": (lambda xp, x, w: xp.average(x, axis=0, weights=w), ZM, SHARES),
    "cov": (lambda xp, x: xp.cov(x), M),
    "cov of a vector": (lambda xp, x: xp.cov(x), V),
    "cov of two": (lambda xp, x, y: xp.cov(x, y), M, N),
    "cov of columns": (lambda xp, x: xp.cov(x, rowvar=False, ddof=0), M),
    "cov bias": (lambda xp, x: xp.cov(x, bias=True), M),
    "cov complex": (lambda xp, x: xp.cov(x), ZM),
    "cov by weights": (lambda xp, x, w: xp.cov(x, aweights=w), M, draw(4, low=0.5, high=2)),
    "cov with counts": (lambda xp, x: xp.cov(x, fweights=COUNTS), M),
    "cov with counts and weights": (
        lambda xp, x, w: xp.cov(x, fweights=COUNTS, aweights=w, ddof=0),
        M,
        draw(4, low=0.5, high=2),
    ),
    "corrcoef": (lambda xp, x: xp.corrcoef(x), M),
    "corrcoef of two": (lambda xp, x, y: xp.corrcoef(x, y), V, W),
    "corrcoef of columns": (lambda xp, x: xp.corrcoef(x, rowvar=False), M),
    "corrcoef complex": (lambda xp, x: xp.corrcoef(x), ZM),
    "bincount": (lambda xp, w: xp.bincount(PLACES, w), V),
    "bincount longer": (lambda xp, w: xp.bincount(PLACES, weights=w, minlength=7) ** 2, V),
    "histogram": (lambda xp, w: xp.histogram(SAMPLE, EDGES, weights=w)[0], V),
    "histogram of equal bins": (
        lambda xp, w: xp.histogram(SAMPLE, 3, (-2.0, 2.0), weights=w)[0],
        V,
    ),
    "histogram density": (
        lambda xp, w: xp.histogram(SAMPLE, EDGES, weights=w, density=True)[0],
        draw(5, low=0.5, high=2),
    ),
    "histogram complex": (lambda xp, w: xp.histogram(SAMPLE, EDGES, weights=w)[0], Z),
    "histogram edges": (lambda xp, x: xp.histogram(x, 4)[1], D),
    "histogram_bin_edges": (lambda xp, x: xp.histogram_bin_edges(x, 3), D),
    "histogram2d": (lambda xp, w: xp.histogram2d(SAMPLE, OTHERS, 3, weights=w)[0], V),
    "histogram2d edges": (
        lambda xp, w: xp.histogram2d(SAMPLE, OTHERS, [EDGES, EDGES], weights=w)[0],
        V,
    ),
    "histogramdd": (
        lambda xp, w: xp.histogramdd(np.stack([SAMPLE, OTHERS, SAMPLE**2], 1), 2, weights=w)[0],
        V,
    ),
    "cumulative_sum of a vector": (lambda xp, x: xp.cumulative_sum(x), V),
    "cumulative_sum complex": (
        lambda xp, x: xp.cumulative_sum(x, axis=1, include_initial=True) ** 2,
        ZM,
    ),
    "cumulative_prod initial": (
        lambda xp, x: xp.cumulative_prod(x, axis=0, include_initial=True),
        M,
    ),
    "cumprod of all": (lambda xp, x: xp.cumprod(x), draw(2, 3)),
    "lexsort": (lambda xp, x: x[:, xp.lexsort((x[0], x[1]))] * xp.arange(4.0), DM),
    "digitize": (lambda xp, x: x * xp.digitize(x, EDGES), D),
    "searchsorted right": (lambda xp, x: x * xp.searchsorted(EDGES, x, side="right"), D),
    "sort stable": (lambda xp, x: xp.sort(x, axis=1, stable=True) * xp.arange(4.0), DT),
    "sort_complex": (lambda xp, x: xp.sort_complex(x), Z),
    "sort complex": (lambda xp, x: xp.sort(x, axis=0), ZM),
    "partition": (lambda xp, x: xp.partition(x, 2)[2] ** 2, D),
    "argpartition": (lambda xp, x: xp.sum(x[xp.argpartition(x, 2)[:2]] ** 2), D),
    "nanargmax": (lambda xp, x: x[0] * x[0, xp.nanargmax(HOLED[2])], DM),
    "unique": (lambda xp, x: xp.unique(x), D),
    "unique of rows": (lambda xp, x: xp.unique(x, return_index=True)[0], distinct(2, 3)),
    "count_nonzero": (lambda xp, x: x * xp.count_nonzero(x > 0), D),
}
