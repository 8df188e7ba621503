"""What needs no rule: constants, dtypes, and functions of plain arrays, as they are in NumPy."""

import numpy as np

__all__ = [
    "False_",
    "ScalarType",
    "True_",
    "bartlett",
    "base_repr",
    "binary_repr",
    "blackman",
    "bool",
    "bool_",
    "broadcast",
    "broadcast_shapes",
    "busday_count",
    "busday_offset",
    "busdaycalendar",
    "byte",
    "bytes_",
    "cdouble",
    "character",
    "clongdouble",
    "complex64",
    "complex128",
    "complexfloating",
    "csingle",
    "datetime64",
    "datetime_as_string",
    "datetime_data",
    "diag_indices",
    "double",
    "dtype",
    "dtypes",
    "e",
    "empty",
    "errstate",
    "euler_gamma",
    "exceptions",
    "eye",
    "finfo",
    "flatiter",
    "flexible",
    "float16",
    "float32",
    "float64",
    "floating",
    "format_float_positional",
    "format_float_scientific",
    "from_dlpack",
    "frombuffer",
    "fromfunction",
    "frompyfunc",
    "fromstring",
    "generic",
    "get_printoptions",
    "getbufsize",
    "geterr",
    "geterrcall",
    "half",
    "hamming",
    "hanning",
    "identity",
    "iinfo",
    "index_exp",
    "indices",
    "inexact",
    "inf",
    "int8",
    "int16",
    "int32",
    "int64",
    "int_",
    "intc",
    "integer",
    "intp",
    "is_busday",
    "isdtype",
    "isfortran",
    "isnat",
    "isscalar",
    "issubdtype",
    "iterable",
    "little_endian",
    "long",
    "longdouble",
    "longlong",
    "mask_indices",
    "mgrid",
    "mintypecode",
    "nan",
    "ndarray",
    "ndindex",
    "nested_iters",
    "newaxis",
    "number",
    "object_",
    "ogrid",
    "ones",
    "pi",
    "printoptions",
    "promote_types",
    "s_",
    "sctypeDict",
    "set_printoptions",
    "setbufsize",
    "seterr",
    "seterrcall",
    "short",
    "signedinteger",
    "single",
    "str_",
    "timedelta64",
    "tri",
    "tril_indices",
    "triu_indices",
    "typecodes",
    "typename",
    "ubyte",
    "ufunc",
    "uint",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "uintc",
    "uintp",
    "ulong",
    "ulonglong",
    "unsignedinteger",
    "ushort",
    "void",
    "zeros",
]

False_ = np.False_
ScalarType = np.ScalarType
True_ = np.True_
bartlett = np.bartlett
base_repr = np.base_repr
binary_repr = np.binary_repr
blackman = np.blackman
bool = np.bool
bool_ = np.bool_
broadcast = np.broadcast
broadcast_shapes = np.broadcast_shapes
busday_count = np.busday_count
busday_offset = np.busday_offset
busdaycalendar = np.busdaycalendar
byte = np.byte
bytes_ = np.bytes_
cdouble = np.cdouble
character = np.character
clongdouble = np.clongdouble
complex128 = np.complex128
complex64 = np.complex64
complexfloating = np.complexfloating
csingle = np.csingle
datetime64 = np.datetime64
datetime_as_string = np.datetime_as_string
datetime_data = np.datetime_data
diag_indices = np.diag_indices
double = np.double
dtype = np.dtype
dtypes = np.dtypes
e = np.e
empty = np.empty
errstate = np.errstate
euler_gamma = np.euler_gamma
exceptions = np.exceptions
eye = np.eye
finfo = np.finfo
flatiter = np.flatiter
flexible = np.flexible
float16 = np.float16
float32 = np.float32
float64 = np.float64
floating = np.floating
format_float_positional = np.format_float_positional
format_float_scientific = np.format_float_scientific
from_dlpack = np.from_dlpack
frombuffer = np.frombuffer
fromfunction = np.fromfunction
frompyfunc = np.frompyfunc
fromstring = np.fromstring
generic = np.generic
get_printoptions = np.get_printoptions
getbufsize = np.getbufsize
geterr = np.geterr
geterrcall = np.geterrcall
half = np.half
hamming = np.hamming
hanning = np.hanning
identity = np.identity
iinfo = np.iinfo
index_exp = np.index_exp
indices = np.indices
inexact = np.inexact
inf = np.inf
int16 = np.int16
int32 = np.int32
int64 = np.int64
int8 = np.int8
int_ = np.int_
intc = np.intc
integer = np.integer
intp = np.intp
is_busday = np.is_busday
isdtype = np.isdtype
isfortran = np.isfortran
isnat = np.isnat
isscalar = np.isscalar
issubdtype = np.issubdtype
iterable = np.iterable
little_endian = np.little_endian
long = np.long
longdouble = np.longdouble
longlong = np.longlong
mask_indices = np.mask_indices
mgrid = np.mgrid
mintypecode = np.mintypecode
nan = np.nan
ndarray = np.ndarray
ndindex = np.ndindex
nested_iters = np.nested_iters
newaxis = np.newaxis
number = np.number
object_ = np.object_
ogrid = np.ogrid
ones = np.ones
pi = np.pi
printoptions = np.printoptions
promote_types = np.promote_types
s_ = np.s_
sctypeDict = np.sctypeDict  # noqa: N816  # NumPy's name
set_printoptions = np.set_printoptions
setbufsize = np.setbufsize
seterr = np.seterr
seterrcall = np.seterrcall
short = np.short
signedinteger = np.signedinteger
single = np.single
str_ = np.str_
timedelta64 = np.timedelta64
tri = np.tri
tril_indices = np.tril_indices
triu_indices = np.triu_indices
typecodes = np.typecodes
typename = np.typename
ubyte = np.ubyte
ufunc = np.ufunc
uint = np.uint
uint16 = np.uint16
uint32 = np.uint32
uint64 = np.uint64
uint8 = np.uint8
uintc = np.uintc
uintp = np.uintp
ulong = np.ulong
ulonglong = np.ulonglong
unsignedinteger = np.unsignedinteger
ushort = np.ushort
void = np.void
zeros = np.zeros

if hasattr(np, "float128"):  # where a long double of C has 16 bytes
    float128, complex256 = np.float128, np.complex256
    __all__ += ["complex256", "float128"]
