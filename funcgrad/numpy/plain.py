"""What needs no rule: constants, dtypes, and constructors of plain arrays, as they are in NumPy."""

import numpy as np

__all__ = [
    "arange",
    "bartlett",
    "blackman",
    "bool_",
    "broadcast_shapes",
    "complex64",
    "complex128",
    "complexfloating",
    "diag_indices",
    "dtype",
    "e",
    "empty",
    "errstate",
    "euler_gamma",
    "eye",
    "finfo",
    "float16",
    "float32",
    "float64",
    "floating",
    "frombuffer",
    "fromiter",
    "generic",
    "hamming",
    "hanning",
    "identity",
    "iinfo",
    "indices",
    "inexact",
    "inf",
    "int8",
    "int16",
    "int32",
    "int64",
    "integer",
    "isscalar",
    "issubdtype",
    "kaiser",
    "mgrid",
    "nan",
    "ndarray",
    "ndenumerate",
    "ndindex",
    "newaxis",
    "number",
    "ogrid",
    "ones",
    "pi",
    "printoptions",
    "promote_types",
    "s_",
    "set_printoptions",
    "tri",
    "tril_indices",
    "triu_indices",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "zeros",
]

arange = np.arange
bartlett = np.bartlett
blackman = np.blackman
bool_ = np.bool_
broadcast_shapes = np.broadcast_shapes
complex128 = np.complex128
complex64 = np.complex64
complexfloating = np.complexfloating
diag_indices = np.diag_indices
dtype = np.dtype
e = np.e
empty = np.empty
errstate = np.errstate
euler_gamma = np.euler_gamma
eye = np.eye
finfo = np.finfo
float16 = np.float16
float32 = np.float32
float64 = np.float64
floating = np.floating
frombuffer = np.frombuffer
fromiter = np.fromiter
generic = np.generic
hamming = np.hamming
hanning = np.hanning
identity = np.identity
iinfo = np.iinfo
indices = np.indices
inexact = np.inexact
inf = np.inf
int16 = np.int16
int32 = np.int32
int64 = np.int64
int8 = np.int8
integer = np.integer
isscalar = np.isscalar
issubdtype = np.issubdtype
kaiser = np.kaiser
mgrid = np.mgrid
nan = np.nan
ndarray = np.ndarray
ndenumerate = np.ndenumerate
ndindex = np.ndindex
newaxis = np.newaxis
number = np.number
ogrid = np.ogrid
ones = np.ones
pi = np.pi
printoptions = np.printoptions
promote_types = np.promote_types
s_ = np.s_
set_printoptions = np.set_printoptions
tri = np.tri
tril_indices = np.tril_indices
triu_indices = np.triu_indices
uint16 = np.uint16
uint32 = np.uint32
uint64 = np.uint64
uint8 = np.uint8
zeros = np.zeros
