"""NumPy's elementwise functions on plain and traced values: the functions in `DISPATCH`.

Calling them directly saves the detour through NumPy's protocols.
"""

import numpy as np

import funcgrad.primitives  # noqa: F401  # importing it fills the table
from funcgrad.core.protocols import DISPATCH

__all__ = [
    "abs",
    "absolute",
    "acos",
    "acosh",
    "add",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "bitwise_and",
    "bitwise_count",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "cbrt",
    "ceil",
    "conj",
    "conjugate",
    "copysign",
    "cos",
    "cosh",
    "deg2rad",
    "degrees",
    "divide",
    "divmod",
    "equal",
    "exp",
    "exp2",
    "expm1",
    "fabs",
    "float_power",
    "floor",
    "floor_divide",
    "fmax",
    "fmin",
    "fmod",
    "frexp",
    "gcd",
    "greater",
    "greater_equal",
    "heaviside",
    "hypot",
    "invert",
    "isfinite",
    "isinf",
    "isnan",
    "lcm",
    "ldexp",
    "left_shift",
    "less",
    "less_equal",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "logaddexp2",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "matmul",
    "matvec",
    "maximum",
    "minimum",
    "mod",
    "modf",
    "multiply",
    "negative",
    "nextafter",
    "not_equal",
    "positive",
    "pow",
    "power",
    "rad2deg",
    "radians",
    "reciprocal",
    "remainder",
    "right_shift",
    "rint",
    "sign",
    "signbit",
    "sin",
    "sinh",
    "spacing",
    "sqrt",
    "square",
    "subtract",
    "tan",
    "tanh",
    "true_divide",
    "trunc",
    "vecdot",
    "vecmat",
]

abs = DISPATCH[np.abs]
absolute = DISPATCH[np.absolute]
acos = DISPATCH[np.acos]
acosh = DISPATCH[np.acosh]
add = DISPATCH[np.add]
arccos = DISPATCH[np.arccos]
arccosh = DISPATCH[np.arccosh]
arcsin = DISPATCH[np.arcsin]
arcsinh = DISPATCH[np.arcsinh]
arctan = DISPATCH[np.arctan]
arctan2 = DISPATCH[np.arctan2]
arctanh = DISPATCH[np.arctanh]
asin = DISPATCH[np.asin]
asinh = DISPATCH[np.asinh]
atan = DISPATCH[np.atan]
atan2 = DISPATCH[np.atan2]
atanh = DISPATCH[np.atanh]
bitwise_and = DISPATCH[np.bitwise_and]
bitwise_count = DISPATCH[np.bitwise_count]
bitwise_invert = DISPATCH[np.bitwise_invert]
bitwise_left_shift = DISPATCH[np.bitwise_left_shift]
bitwise_not = DISPATCH[np.bitwise_not]
bitwise_or = DISPATCH[np.bitwise_or]
bitwise_right_shift = DISPATCH[np.bitwise_right_shift]
bitwise_xor = DISPATCH[np.bitwise_xor]
cbrt = DISPATCH[np.cbrt]
ceil = DISPATCH[np.ceil]
conj = DISPATCH[np.conj]
conjugate = DISPATCH[np.conjugate]
copysign = DISPATCH[np.copysign]
cos = DISPATCH[np.cos]
cosh = DISPATCH[np.cosh]
deg2rad = DISPATCH[np.deg2rad]
degrees = DISPATCH[np.degrees]
divide = DISPATCH[np.divide]
divmod = DISPATCH[np.divmod]
equal = DISPATCH[np.equal]
exp = DISPATCH[np.exp]
exp2 = DISPATCH[np.exp2]
expm1 = DISPATCH[np.expm1]
fabs = DISPATCH[np.fabs]
float_power = DISPATCH[np.float_power]
floor = DISPATCH[np.floor]
floor_divide = DISPATCH[np.floor_divide]
fmax = DISPATCH[np.fmax]
fmin = DISPATCH[np.fmin]
fmod = DISPATCH[np.fmod]
frexp = DISPATCH[np.frexp]
gcd = DISPATCH[np.gcd]
greater = DISPATCH[np.greater]
greater_equal = DISPATCH[np.greater_equal]
heaviside = DISPATCH[np.heaviside]
hypot = DISPATCH[np.hypot]
invert = DISPATCH[np.invert]
isfinite = DISPATCH[np.isfinite]
isinf = DISPATCH[np.isinf]
isnan = DISPATCH[np.isnan]
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
matvec = DISPATCH[np.matvec]
maximum = DISPATCH[np.maximum]
minimum = DISPATCH[np.minimum]
mod = DISPATCH[np.mod]
modf = DISPATCH[np.modf]
multiply = DISPATCH[np.multiply]
negative = DISPATCH[np.negative]
nextafter = DISPATCH[np.nextafter]
not_equal = DISPATCH[np.not_equal]
positive = DISPATCH[np.positive]
pow = DISPATCH[np.pow]
power = DISPATCH[np.power]
rad2deg = DISPATCH[np.rad2deg]
radians = DISPATCH[np.radians]
reciprocal = DISPATCH[np.reciprocal]
remainder = DISPATCH[np.remainder]
right_shift = DISPATCH[np.right_shift]
rint = DISPATCH[np.rint]
sign = DISPATCH[np.sign]
signbit = DISPATCH[np.signbit]
sin = DISPATCH[np.sin]
sinh = DISPATCH[np.sinh]
spacing = DISPATCH[np.spacing]
sqrt = DISPATCH[np.sqrt]
square = DISPATCH[np.square]
subtract = DISPATCH[np.subtract]
tan = DISPATCH[np.tan]
tanh = DISPATCH[np.tanh]
true_divide = DISPATCH[np.true_divide]
trunc = DISPATCH[np.trunc]
vecdot = DISPATCH[np.vecdot]
vecmat = DISPATCH[np.vecmat]
