"""NumPy's array functions on plain and traced values: the functions in `DISPATCH`.

Calling them directly saves the detour through NumPy's protocols.
"""

import numpy as np

import funcgrad.primitives  # noqa: F401  # importing it fills the table
from funcgrad.core.protocols import DISPATCH

__all__ = [
    "all",
    "allclose",
    "amax",
    "amin",
    "angle",
    "any",
    "append",
    "apply_along_axis",
    "apply_over_axes",
    "argmax",
    "argmin",
    "argpartition",
    "argsort",
    "argwhere",
    "around",
    "array2string",
    "array_equal",
    "array_equiv",
    "array_repr",
    "array_split",
    "array_str",
    "astype",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "average",
    "bincount",
    "block",
    "broadcast_arrays",
    "broadcast_to",
    "can_cast",
    "choose",
    "clip",
    "column_stack",
    "common_type",
    "compress",
    "concat",
    "concatenate",
    "convolve",
    "copy",
    "corrcoef",
    "correlate",
    "count_nonzero",
    "cov",
    "cross",
    "cumprod",
    "cumsum",
    "cumulative_prod",
    "cumulative_sum",
    "delete",
    "diag",
    "diag_indices_from",
    "diagflat",
    "diagonal",
    "diff",
    "digitize",
    "dot",
    "dsplit",
    "dstack",
    "ediff1d",
    "einsum",
    "einsum_path",
    "empty_like",
    "expand_dims",
    "extract",
    "fix",
    "flatnonzero",
    "flip",
    "fliplr",
    "flipud",
    "full_like",
    "geomspace",
    "gradient",
    "histogram",
    "histogram2d",
    "histogram_bin_edges",
    "histogramdd",
    "hsplit",
    "hstack",
    "i0",
    "imag",
    "inner",
    "insert",
    "interp",
    "intersect1d",
    "isclose",
    "iscomplex",
    "iscomplexobj",
    "isin",
    "isneginf",
    "isposinf",
    "isreal",
    "isrealobj",
    "ix_",
    "kron",
    "lexsort",
    "linspace",
    "logspace",
    "matrix_transpose",
    "max",
    "may_share_memory",
    "mean",
    "median",
    "meshgrid",
    "min",
    "min_scalar_type",
    "moveaxis",
    "nan_to_num",
    "nanargmax",
    "nanargmin",
    "nancumprod",
    "nancumsum",
    "nanmax",
    "nanmean",
    "nanmedian",
    "nanmin",
    "nanpercentile",
    "nanprod",
    "nanquantile",
    "nanstd",
    "nansum",
    "nanvar",
    "ndim",
    "nonzero",
    "ones_like",
    "outer",
    "packbits",
    "pad",
    "partition",
    "percentile",
    "permute_dims",
    "piecewise",
    "poly",
    "polyadd",
    "polyder",
    "polydiv",
    "polyfit",
    "polyint",
    "polymul",
    "polysub",
    "polyval",
    "prod",
    "ptp",
    "quantile",
    "ravel",
    "ravel_multi_index",
    "real",
    "real_if_close",
    "repeat",
    "reshape",
    "resize",
    "result_type",
    "roll",
    "rollaxis",
    "roots",
    "rot90",
    "round",
    "row_stack",
    "searchsorted",
    "select",
    "setdiff1d",
    "setxor1d",
    "shape",
    "shares_memory",
    "sinc",
    "size",
    "sort",
    "sort_complex",
    "split",
    "squeeze",
    "stack",
    "std",
    "sum",
    "swapaxes",
    "take",
    "take_along_axis",
    "tensordot",
    "tile",
    "trace",
    "transpose",
    "trapezoid",
    "tril",
    "tril_indices_from",
    "trim_zeros",
    "triu",
    "triu_indices_from",
    "union1d",
    "unique",
    "unique_all",
    "unique_counts",
    "unique_inverse",
    "unique_values",
    "unpackbits",
    "unravel_index",
    "unstack",
    "unwrap",
    "vander",
    "var",
    "vdot",
    "vsplit",
    "vstack",
    "where",
    "zeros_like",
]

all = DISPATCH[np.all]
allclose = DISPATCH[np.allclose]
amax = DISPATCH[np.amax]
amin = DISPATCH[np.amin]
angle = DISPATCH[np.angle]
any = DISPATCH[np.any]
append = DISPATCH[np.append]
apply_along_axis = DISPATCH[np.apply_along_axis]
apply_over_axes = DISPATCH[np.apply_over_axes]
argmax = DISPATCH[np.argmax]
argmin = DISPATCH[np.argmin]
argpartition = DISPATCH[np.argpartition]
argsort = DISPATCH[np.argsort]
argwhere = DISPATCH[np.argwhere]
around = DISPATCH[np.around]
array2string = DISPATCH[np.array2string]
array_equal = DISPATCH[np.array_equal]
array_equiv = DISPATCH[np.array_equiv]
array_repr = DISPATCH[np.array_repr]
array_split = DISPATCH[np.array_split]
array_str = DISPATCH[np.array_str]
astype = DISPATCH[np.astype]
atleast_1d = DISPATCH[np.atleast_1d]
atleast_2d = DISPATCH[np.atleast_2d]
atleast_3d = DISPATCH[np.atleast_3d]
average = DISPATCH[np.average]
bincount = DISPATCH[np.bincount]
block = DISPATCH[np.block]
broadcast_arrays = DISPATCH[np.broadcast_arrays]
broadcast_to = DISPATCH[np.broadcast_to]
can_cast = DISPATCH[np.can_cast]
choose = DISPATCH[np.choose]
clip = DISPATCH[np.clip]
column_stack = DISPATCH[np.column_stack]
common_type = DISPATCH[np.common_type]
compress = DISPATCH[np.compress]
concat = DISPATCH[np.concat]
concatenate = DISPATCH[np.concatenate]
convolve = DISPATCH[np.convolve]
copy = DISPATCH[np.copy]
corrcoef = DISPATCH[np.corrcoef]
correlate = DISPATCH[np.correlate]
count_nonzero = DISPATCH[np.count_nonzero]
cov = DISPATCH[np.cov]
cross = DISPATCH[np.cross]
cumprod = DISPATCH[np.cumprod]
cumsum = DISPATCH[np.cumsum]
cumulative_prod = DISPATCH[np.cumulative_prod]
cumulative_sum = DISPATCH[np.cumulative_sum]
delete = DISPATCH[np.delete]
diag = DISPATCH[np.diag]
diag_indices_from = DISPATCH[np.diag_indices_from]
diagflat = DISPATCH[np.diagflat]
diagonal = DISPATCH[np.diagonal]
diff = DISPATCH[np.diff]
digitize = DISPATCH[np.digitize]
dot = DISPATCH[np.dot]
dsplit = DISPATCH[np.dsplit]
dstack = DISPATCH[np.dstack]
ediff1d = DISPATCH[np.ediff1d]
einsum = DISPATCH[np.einsum]
einsum_path = DISPATCH[np.einsum_path]
empty_like = DISPATCH[np.empty_like]
expand_dims = DISPATCH[np.expand_dims]
extract = DISPATCH[np.extract]
fix = DISPATCH[np.fix]
flatnonzero = DISPATCH[np.flatnonzero]
flip = DISPATCH[np.flip]
fliplr = DISPATCH[np.fliplr]
flipud = DISPATCH[np.flipud]
full_like = DISPATCH[np.full_like]
geomspace = DISPATCH[np.geomspace]
gradient = DISPATCH[np.gradient]
histogram = DISPATCH[np.histogram]
histogram2d = DISPATCH[np.histogram2d]
histogram_bin_edges = DISPATCH[np.histogram_bin_edges]
histogramdd = DISPATCH[np.histogramdd]
hsplit = DISPATCH[np.hsplit]
hstack = DISPATCH[np.hstack]
i0 = DISPATCH[np.i0]
imag = DISPATCH[np.imag]
inner = DISPATCH[np.inner]
insert = DISPATCH[np.insert]
interp = DISPATCH[np.interp]
intersect1d = DISPATCH[np.intersect1d]
isclose = DISPATCH[np.isclose]
iscomplex = DISPATCH[np.iscomplex]
iscomplexobj = DISPATCH[np.iscomplexobj]
isin = DISPATCH[np.isin]
isneginf = DISPATCH[np.isneginf]
isposinf = DISPATCH[np.isposinf]
isreal = DISPATCH[np.isreal]
isrealobj = DISPATCH[np.isrealobj]
ix_ = DISPATCH[np.ix_]
kron = DISPATCH[np.kron]
lexsort = DISPATCH[np.lexsort]
linspace = DISPATCH[np.linspace]
logspace = DISPATCH[np.logspace]
matrix_transpose = DISPATCH[np.matrix_transpose]
max = DISPATCH[np.max]
may_share_memory = DISPATCH[np.may_share_memory]
mean = DISPATCH[np.mean]
median = DISPATCH[np.median]
meshgrid = DISPATCH[np.meshgrid]
min = DISPATCH[np.min]
min_scalar_type = DISPATCH[np.min_scalar_type]
moveaxis = DISPATCH[np.moveaxis]
nan_to_num = DISPATCH[np.nan_to_num]
nanargmax = DISPATCH[np.nanargmax]
nanargmin = DISPATCH[np.nanargmin]
nancumprod = DISPATCH[np.nancumprod]
nancumsum = DISPATCH[np.nancumsum]
nanmax = DISPATCH[np.nanmax]
nanmean = DISPATCH[np.nanmean]
nanmedian = DISPATCH[np.nanmedian]
nanmin = DISPATCH[np.nanmin]
nanpercentile = DISPATCH[np.nanpercentile]
nanprod = DISPATCH[np.nanprod]
nanquantile = DISPATCH[np.nanquantile]
nanstd = DISPATCH[np.nanstd]
nansum = DISPATCH[np.nansum]
nanvar = DISPATCH[np.nanvar]
ndim = DISPATCH[np.ndim]
nonzero = DISPATCH[np.nonzero]
ones_like = DISPATCH[np.ones_like]
outer = DISPATCH[np.outer]
packbits = DISPATCH[np.packbits]
pad = DISPATCH[np.pad]
partition = DISPATCH[np.partition]
percentile = DISPATCH[np.percentile]
permute_dims = DISPATCH[np.permute_dims]
piecewise = DISPATCH[np.piecewise]
poly = DISPATCH[np.poly]
polyadd = DISPATCH[np.polyadd]
polyder = DISPATCH[np.polyder]
polydiv = DISPATCH[np.polydiv]
polyfit = DISPATCH[np.polyfit]
polyint = DISPATCH[np.polyint]
polymul = DISPATCH[np.polymul]
polysub = DISPATCH[np.polysub]
polyval = DISPATCH[np.polyval]
prod = DISPATCH[np.prod]
ptp = DISPATCH[np.ptp]
quantile = DISPATCH[np.quantile]
ravel = DISPATCH[np.ravel]
ravel_multi_index = DISPATCH[np.ravel_multi_index]
real = DISPATCH[np.real]
real_if_close = DISPATCH[np.real_if_close]
repeat = DISPATCH[np.repeat]
reshape = DISPATCH[np.reshape]
resize = DISPATCH[np.resize]
result_type = DISPATCH[np.result_type]
roll = DISPATCH[np.roll]
rollaxis = DISPATCH[np.rollaxis]
roots = DISPATCH[np.roots]
rot90 = DISPATCH[np.rot90]
round = DISPATCH[np.round]
row_stack = DISPATCH[np.vstack]
searchsorted = DISPATCH[np.searchsorted]
select = DISPATCH[np.select]
setdiff1d = DISPATCH[np.setdiff1d]
setxor1d = DISPATCH[np.setxor1d]
shape = DISPATCH[np.shape]
shares_memory = DISPATCH[np.shares_memory]
sinc = DISPATCH[np.sinc]
size = DISPATCH[np.size]
sort = DISPATCH[np.sort]
sort_complex = DISPATCH[np.sort_complex]
split = DISPATCH[np.split]
squeeze = DISPATCH[np.squeeze]
stack = DISPATCH[np.stack]
std = DISPATCH[np.std]
sum = DISPATCH[np.sum]
swapaxes = DISPATCH[np.swapaxes]
take = DISPATCH[np.take]
take_along_axis = DISPATCH[np.take_along_axis]
tensordot = DISPATCH[np.tensordot]
tile = DISPATCH[np.tile]
trace = DISPATCH[np.trace]
transpose = DISPATCH[np.transpose]
trapezoid = DISPATCH[np.trapezoid]
tril = DISPATCH[np.tril]
tril_indices_from = DISPATCH[np.tril_indices_from]
trim_zeros = DISPATCH[np.trim_zeros]
triu = DISPATCH[np.triu]
triu_indices_from = DISPATCH[np.triu_indices_from]
union1d = DISPATCH[np.union1d]
unique = DISPATCH[np.unique]
unique_all = DISPATCH[np.unique_all]
unique_counts = DISPATCH[np.unique_counts]
unique_inverse = DISPATCH[np.unique_inverse]
unique_values = DISPATCH[np.unique_values]
unpackbits = DISPATCH[np.unpackbits]
unravel_index = DISPATCH[np.unravel_index]
unstack = DISPATCH[np.unstack]
unwrap = DISPATCH[np.unwrap]
vander = DISPATCH[np.vander]
var = DISPATCH[np.var]
vdot = DISPATCH[np.vdot]
vsplit = DISPATCH[np.vsplit]
vstack = DISPATCH[np.vstack]
where = DISPATCH[np.where]
zeros_like = DISPATCH[np.zeros_like]
