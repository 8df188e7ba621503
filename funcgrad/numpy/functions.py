"""NumPy's functions on plain and traced values, one name a line: the same objects as in `DISPATCH`.

Calling them directly saves the detour through NumPy's protocols.
"""

import numpy as np

from funcgrad import primitives
from funcgrad.core.protocols import DISPATCH

__all__ = [
    "abs",
    "absolute",
    "acos",
    "acosh",
    "add",
    "all",
    "allclose",
    "amax",
    "amin",
    "any",
    "append",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "argwhere",
    "array2string",
    "array_equal",
    "array_equiv",
    "array_repr",
    "array_split",
    "array_str",
    "asin",
    "asinh",
    "astype",
    "atan",
    "atan2",
    "atanh",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "bitwise_and",
    "bitwise_count",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "block",
    "broadcast_arrays",
    "broadcast_to",
    "can_cast",
    "cbrt",
    "ceil",
    "column_stack",
    "common_type",
    "concat",
    "concatenate",
    "conj",
    "conjugate",
    "copy",
    "copysign",
    "cos",
    "cosh",
    "count_nonzero",
    "deg2rad",
    "degrees",
    "diag_indices_from",
    "divide",
    "dsplit",
    "dstack",
    "empty_like",
    "equal",
    "exp",
    "exp2",
    "expand_dims",
    "expm1",
    "fabs",
    "flatnonzero",
    "floor",
    "floor_divide",
    "fmax",
    "fmin",
    "fmod",
    "full_like",
    "gcd",
    "greater",
    "greater_equal",
    "heaviside",
    "hsplit",
    "hstack",
    "hypot",
    "imag",
    "invert",
    "isclose",
    "iscomplex",
    "iscomplexobj",
    "isfinite",
    "isinf",
    "isnan",
    "isreal",
    "isrealobj",
    "lcm",
    "ldexp",
    "left_shift",
    "less",
    "less_equal",
    "log",
    "log10",
    "log1p",
    "log2",
    "logaddexp",
    "logaddexp2",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "matmul",
    "matrix_transpose",
    "max",
    "maximum",
    "may_share_memory",
    "mean",
    "min",
    "min_scalar_type",
    "minimum",
    "mod",
    "moveaxis",
    "multiply",
    "ndim",
    "negative",
    "nonzero",
    "not_equal",
    "ones_like",
    "permute_dims",
    "positive",
    "pow",
    "power",
    "prod",
    "ptp",
    "rad2deg",
    "radians",
    "ravel",
    "ravel_multi_index",
    "real",
    "real_if_close",
    "reciprocal",
    "remainder",
    "reshape",
    "result_type",
    "right_shift",
    "rint",
    "rollaxis",
    "shape",
    "shares_memory",
    "sign",
    "signbit",
    "sin",
    "sinh",
    "size",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "subtract",
    "sum",
    "swapaxes",
    "tan",
    "tanh",
    "transpose",
    "tril_indices_from",
    "triu_indices_from",
    "true_divide",
    "trunc",
    "unravel_index",
    "unstack",
    "vsplit",
    "vstack",
    "where",
    "zeros_like",
]

_FILLED_BY = primitives  # importing it fills the table

abs = DISPATCH[np.abs]
absolute = DISPATCH[np.absolute]
acos = DISPATCH[np.acos]
acosh = DISPATCH[np.acosh]
add = DISPATCH[np.add]
all = DISPATCH[np.all]
allclose = DISPATCH[np.allclose]
amax = DISPATCH[np.amax]
amin = DISPATCH[np.amin]
any = DISPATCH[np.any]
append = DISPATCH[np.append]
arccos = DISPATCH[np.arccos]
arccosh = DISPATCH[np.arccosh]
arcsin = DISPATCH[np.arcsin]
arcsinh = DISPATCH[np.arcsinh]
arctan = DISPATCH[np.arctan]
arctan2 = DISPATCH[np.arctan2]
arctanh = DISPATCH[np.arctanh]
argwhere = DISPATCH[np.argwhere]
array2string = DISPATCH[np.array2string]
array_equal = DISPATCH[np.array_equal]
array_equiv = DISPATCH[np.array_equiv]
array_repr = DISPATCH[np.array_repr]
array_split = DISPATCH[np.array_split]
array_str = DISPATCH[np.array_str]
asin = DISPATCH[np.asin]
asinh = DISPATCH[np.asinh]
astype = DISPATCH[np.astype]
atan = DISPATCH[np.atan]
atan2 = DISPATCH[np.atan2]
atanh = DISPATCH[np.atanh]
atleast_1d = DISPATCH[np.atleast_1d]
atleast_2d = DISPATCH[np.atleast_2d]
atleast_3d = DISPATCH[np.atleast_3d]
bitwise_and = DISPATCH[np.bitwise_and]
bitwise_count = DISPATCH[np.bitwise_count]
bitwise_invert = DISPATCH[np.bitwise_invert]
bitwise_left_shift = DISPATCH[np.bitwise_left_shift]
bitwise_not = DISPATCH[np.bitwise_not]
bitwise_or = DISPATCH[np.bitwise_or]
bitwise_right_shift = DISPATCH[np.bitwise_right_shift]
bitwise_xor = DISPATCH[np.bitwise_xor]
block = DISPATCH[np.block]
broadcast_arrays = DISPATCH[np.broadcast_arrays]
broadcast_to = DISPATCH[np.broadcast_to]
can_cast = DISPATCH[np.can_cast]
cbrt = DISPATCH[np.cbrt]
ceil = DISPATCH[np.ceil]
column_stack = DISPATCH[np.column_stack]
common_type = DISPATCH[np.common_type]
concat = DISPATCH[np.concat]
concatenate = DISPATCH[np.concatenate]
conj = DISPATCH[np.conj]
conjugate = DISPATCH[np.conjugate]
copy = DISPATCH[np.copy]
copysign = DISPATCH[np.copysign]
cos = DISPATCH[np.cos]
cosh = DISPATCH[np.cosh]
count_nonzero = DISPATCH[np.count_nonzero]
deg2rad = DISPATCH[np.deg2rad]
degrees = DISPATCH[np.degrees]
diag_indices_from = DISPATCH[np.diag_indices_from]
divide = DISPATCH[np.divide]
dsplit = DISPATCH[np.dsplit]
dstack = DISPATCH[np.dstack]
empty_like = DISPATCH[np.empty_like]
equal = DISPATCH[np.equal]
exp = DISPATCH[np.exp]
exp2 = DISPATCH[np.exp2]
expand_dims = DISPATCH[np.expand_dims]
expm1 = DISPATCH[np.expm1]
fabs = DISPATCH[np.fabs]
flatnonzero = DISPATCH[np.flatnonzero]
floor = DISPATCH[np.floor]
floor_divide = DISPATCH[np.floor_divide]
fmax = DISPATCH[np.fmax]
fmin = DISPATCH[np.fmin]
fmod = DISPATCH[np.fmod]
full_like = DISPATCH[np.full_like]
gcd = DISPATCH[np.gcd]
greater = DISPATCH[np.greater]
greater_equal = DISPATCH[np.greater_equal]
heaviside = DISPATCH[np.heaviside]
hsplit = DISPATCH[np.hsplit]
hstack = DISPATCH[np.hstack]
hypot = DISPATCH[np.hypot]
imag = DISPATCH[np.imag]
invert = DISPATCH[np.invert]
isclose = DISPATCH[np.isclose]
iscomplex = DISPATCH[np.iscomplex]
iscomplexobj = DISPATCH[np.iscomplexobj]
isfinite = DISPATCH[np.isfinite]
isinf = DISPATCH[np.isinf]
isnan = DISPATCH[np.isnan]
isreal = DISPATCH[np.isreal]
isrealobj = DISPATCH[np.isrealobj]
lcm = DISPATCH[np.lcm]
ldexp = DISPATCH[np.ldexp]
left_shift = DISPATCH[np.left_shift]
less = DISPATCH[np.less]
less_equal = DISPATCH[np.less_equal]
log = DISPATCH[np.log]
log10 = DISPATCH[np.log10]
log1p = DISPATCH[np.log1p]
log2 = DISPATCH[np.log2]
logaddexp = DISPATCH[np.logaddexp]
logaddexp2 = DISPATCH[np.logaddexp2]
logical_and = DISPATCH[np.logical_and]
logical_not = DISPATCH[np.logical_not]
logical_or = DISPATCH[np.logical_or]
logical_xor = DISPATCH[np.logical_xor]
matmul = DISPATCH[np.matmul]
matrix_transpose = DISPATCH[np.matrix_transpose]
max = DISPATCH[np.max]
maximum = DISPATCH[np.maximum]
may_share_memory = DISPATCH[np.may_share_memory]
mean = DISPATCH[np.mean]
min = DISPATCH[np.min]
min_scalar_type = DISPATCH[np.min_scalar_type]
minimum = DISPATCH[np.minimum]
mod = DISPATCH[np.mod]
moveaxis = DISPATCH[np.moveaxis]
multiply = DISPATCH[np.multiply]
ndim = DISPATCH[np.ndim]
negative = DISPATCH[np.negative]
nonzero = DISPATCH[np.nonzero]
not_equal = DISPATCH[np.not_equal]
ones_like = DISPATCH[np.ones_like]
permute_dims = DISPATCH[np.permute_dims]
positive = DISPATCH[np.positive]
pow = DISPATCH[np.pow]
power = DISPATCH[np.power]
prod = DISPATCH[np.prod]
ptp = DISPATCH[np.ptp]
rad2deg = DISPATCH[np.rad2deg]
radians = DISPATCH[np.radians]
ravel = DISPATCH[np.ravel]
ravel_multi_index = DISPATCH[np.ravel_multi_index]
real = DISPATCH[np.real]
real_if_close = DISPATCH[np.real_if_close]
reciprocal = DISPATCH[np.reciprocal]
remainder = DISPATCH[np.remainder]
reshape = DISPATCH[np.reshape]
result_type = DISPATCH[np.result_type]
right_shift = DISPATCH[np.right_shift]
rint = DISPATCH[np.rint]
rollaxis = DISPATCH[np.rollaxis]
shape = DISPATCH[np.shape]
shares_memory = DISPATCH[np.shares_memory]
sign = DISPATCH[np.sign]
signbit = DISPATCH[np.signbit]
sin = DISPATCH[np.sin]
sinh = DISPATCH[np.sinh]
size = DISPATCH[np.size]
split = DISPATCH[np.split]
sqrt = DISPATCH[np.sqrt]
square = DISPATCH[np.square]
squeeze = DISPATCH[np.squeeze]
stack = DISPATCH[np.stack]
subtract = DISPATCH[np.subtract]
sum = DISPATCH[np.sum]
swapaxes = DISPATCH[np.swapaxes]
tan = DISPATCH[np.tan]
tanh = DISPATCH[np.tanh]
transpose = DISPATCH[np.transpose]
tril_indices_from = DISPATCH[np.tril_indices_from]
triu_indices_from = DISPATCH[np.triu_indices_from]
true_divide = DISPATCH[np.true_divide]
trunc = DISPATCH[np.trunc]
unravel_index = DISPATCH[np.unravel_index]
unstack = DISPATCH[np.unstack]
vsplit = DISPATCH[np.vsplit]
vstack = DISPATCH[np.vstack]
where = DISPATCH[np.where]
zeros_like = DISPATCH[np.zeros_like]
