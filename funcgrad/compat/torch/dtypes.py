"""Data types, devices, sizes and layouts, with PyTorch's names, texts and rules of promotion."""

import operator
from collections.abc import Iterable
from typing import Any, SupportsIndex

import numpy as np
from typing_extensions import override

__all__ = [
    "DTYPES",
    "Size",
    "as_dtype",
    "can_cast",
    "category_of",
    "check_device",
    "device",
    "dtype",
    "dtype_of_numpy",
    "finfo",
    "iinfo",
    "layout",
    "memory_format",
    "promote_types",
]


class dtype:
    """A data type; `torch.float32` and the like are its only instances.

    Attributes:
        name: the text after "torch.".
        numpy: the NumPy type its values are kept in (float32 for bfloat16, whose values are
            rounded after each operation).
        legacy: the word in type names, as in torch.FloatTensor.
        c_name: the word in messages, as in "float != double".
    """

    __slots__ = ("c_name", "category", "itemsize", "legacy", "name", "numpy")
    __module__ = "torch"

    name: str
    numpy: np.dtype[Any]
    legacy: str
    c_name: str
    itemsize: int
    category: int

    def __init__(self, *row: Any) -> None:
        if not row or row[0] not in _NAMES:
            raise TypeError("cannot create 'torch.dtype' instances")
        name, kept_in, legacy, c_name, itemsize = row
        self.name = name
        self.numpy = np.dtype(kept_in)
        self.legacy = legacy
        self.c_name = c_name
        self.itemsize = itemsize
        self.category = {"b": 0, "u": 1, "i": 1, "f": 2, "c": 3}[self.numpy.kind]

    @property
    def is_floating_point(self) -> bool:
        """Whether it is a real floating-point type."""
        return self.category == 2

    @property
    def is_complex(self) -> bool:
        """Whether it is a complex type."""
        return self.category == 3

    @property
    def is_signed(self) -> bool:
        """Whether it can hold negative values."""
        return self.numpy.kind not in "bu"

    def to_real(self) -> "dtype":
        """The type of the real part."""
        return _REAL.get(self, self)

    def to_complex(self) -> "dtype":
        """The complex type of this precision."""
        if self.category < 2:
            raise RuntimeError(f"Unknown Complex ScalarType for {self.legacy}")
        return _COMPLEX.get(self, self)

    @override
    def __repr__(self) -> str:
        return f"torch.{self.name}"

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        return (_named, (self.name,))

    def __copy__(self) -> "dtype":
        return self

    def __deepcopy__(self, _memo: Any) -> "dtype":
        return self


def _named(name: str) -> dtype:
    return DTYPES[name]


_TABLE: tuple[tuple[Any, ...], ...] = (
    ("bool", np.bool_, "Bool", "bool", 1),
    ("uint8", np.uint8, "Byte", "unsigned char", 1),
    ("int8", np.int8, "Char", "signed char", 1),
    ("uint16", np.uint16, "UInt16", "uint16", 2),
    ("int16", np.int16, "Short", "short int", 2),
    ("uint32", np.uint32, "UInt32", "uint32", 4),
    ("int32", np.int32, "Int", "int", 4),
    ("uint64", np.uint64, "UInt64", "uint64", 8),
    ("int64", np.int64, "Long", "long int", 8),
    ("float16", np.float16, "Half", "c10::Half", 2),
    ("bfloat16", np.float32, "BFloat16", "c10::BFloat16", 2),
    ("float32", np.float32, "Float", "float", 4),
    ("float64", np.float64, "Double", "double", 8),
    ("complex64", np.complex64, "ComplexFloat", "c10::complex<float>", 8),
    ("complex128", np.complex128, "ComplexDouble", "c10::complex<double>", 16),
)
_NAMES = frozenset(row[0] for row in _TABLE)
DTYPES: dict[str, dtype] = {row[0]: dtype(*row) for row in _TABLE}
"""Every data type by name."""

_ALIASES = {
    "half": "float16",
    "float": "float32",
    "double": "float64",
    "short": "int16",
    "int": "int32",
    "long": "int64",
    "cfloat": "complex64",
    "cdouble": "complex128",
}
ALIASES: dict[str, dtype] = {alias: DTYPES[name] for alias, name in _ALIASES.items()}
"""Other names of data types."""

_D = DTYPES
_REAL = {_D["complex64"]: _D["float32"], _D["complex128"]: _D["float64"]}
_COMPLEX = {
    _D["float32"]: _D["complex64"],
    _D["float64"]: _D["complex128"],
    _D["float16"]: _D["complex64"],
    _D["bfloat16"]: _D["complex64"],
}
_OF_NUMPY: dict[Any, dtype] = {
    entry.numpy: entry for entry in DTYPES.values() if entry.name != "bfloat16"
}


def dtype_of_numpy(kept_in: Any) -> dtype:
    """The data type of a NumPy type.

    Raises:
        TypeError: for NumPy types without a counterpart (text, objects, longdouble, ...).
    """
    found = _OF_NUMPY.get(kept_in)
    if found is None:
        found = _OF_NUMPY.get(np.dtype(kept_in).newbyteorder("="))
    if found is None:
        raise TypeError(
            f"can't convert np.ndarray of type numpy.{np.dtype(kept_in).type.__name__}. The only "
            "supported types are: float64, float32, float16, complex64, complex128, int64, int32, "
            "int16, int8, uint64, uint32, uint16, uint8, and bool."
        )
    return found


_PYTHON_TYPES: dict[Any, str] = {
    bool: "bool",
    int: "int64",
    float: "float64",
    complex: "complex128",
}


def as_dtype(given: Any, function: str, name: str = "dtype") -> dtype | None:
    """The data type given as an argument; Python's types stand for the widest of their kind.

    Raises:
        TypeError: if it is no type.
    """
    if given is None or type(given) is dtype:
        return given
    if isinstance(given, type) and given in _PYTHON_TYPES:
        return DTYPES[_PYTHON_TYPES[given]]
    raise TypeError(
        f"{function}(): argument '{name}' must be torch.dtype, not {type(given).__name__}"
    )


def category_of(number: Any) -> int:
    """Category of a Python number: bool 0, int 1, float 2, complex 3."""
    if type(number) is bool or isinstance(number, np.bool_):
        return 0
    if isinstance(number, int | np.integer):
        return 1
    return 3 if isinstance(number, complex) and not isinstance(number, float) else 2


def promote_types(type1: dtype, type2: dtype) -> dtype:
    """The smallest type that both can be cast to, by PyTorch's lattice."""
    for number, given in enumerate((type1, type2), 1):
        if type(given) is not dtype:
            raise TypeError(
                f"promote_types(): argument 'type{number}' (position {number}) must be "
                f"torch.dtype, not {type(given).__name__}"
            )
    if type1 is type2:
        return type1
    a, b = (type1, type2) if type1.category <= type2.category else (type2, type1)
    if b.category != 2 and {a.name, b.name} & _LIMITED:
        raise RuntimeError(
            "Promotion for uint16, uint32, uint64 types is not supported, attempted to promote "
            f"{type1.legacy} and {type2.legacy}"
        )
    if a.category < b.category:
        if b.category == 3 and a.category == 2:  # complex precision follows the real one
            return promote_types(a.to_complex(), b)
        return b
    if a.category == 2:
        if "bfloat16" in (a.name, b.name) and "float16" in (a.name, b.name):
            return DTYPES["float32"]
        return a if a.itemsize >= b.itemsize else b
    return _OF_NUMPY[np.promote_types(a.numpy, b.numpy)]


_LIMITED = frozenset({"uint16", "uint32", "uint64"})
"""Types that combine with floating-point types only."""


def can_cast(from_: dtype, to: dtype) -> bool:
    """Whether values of one type may be written into another: categories only go up."""
    if from_.category == 3 and to.category != 3:
        return False
    if from_.category == 2 and to.category < 2:
        return False
    return not (from_.category > 0 and to.category == 0)


class device:
    """Where a tensor is kept: the CPU (or "meta" in texts); others exist only by name."""

    __slots__ = ("index", "type")
    __module__ = "torch"
    # fmt: off
    _TYPES = (
        "cpu", "cuda", "ipu", "xpu", "mkldnn", "opengl", "opencl", "ideep", "hip", "ve", "fpga",
        "maia", "xla", "lazy", "vulkan", "mps", "meta", "hpu", "mtia", "privateuseone",
    )
    # fmt: on

    type: str
    index: int | None

    def __init__(self, type: Any = None, index: int | None = None) -> None:
        kind: Any = type
        if isinstance(kind, device):
            kind, index = kind.type, kind.index
        elif isinstance(kind, int):
            raise RuntimeError("Cannot access accelerator device when none is available.")
        elif not isinstance(kind, str):
            given = "" if kind is None else kind.__class__.__name__
            raise TypeError(
                f"device() received an invalid combination of arguments - got ({given})"
            )
        elif ":" in kind:
            kind, _, text = kind.partition(":")
            if not text.isdecimal():
                raise RuntimeError(f"Invalid device string: '{kind}:{text}'")
            index = int(text)
        if kind not in self._TYPES:
            raise RuntimeError(
                f"Expected one of {', '.join(self._TYPES)} device type at start of device string: "
                f"{kind}"
            )
        self.type = kind
        self.index = index

    @override
    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type={self.type!r}{index})"

    @override
    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    @override
    def __hash__(self) -> int:
        return hash((self.type, self.index))

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        return (_device, (self.type, self.index))


def _device(type: str, index: int | None) -> device:
    return device(type, index)


_MISSING = {
    "cuda": "Torch not compiled with CUDA enabled",
    "xpu": "Torch not compiled with XPU enabled",
}


def check_device(where: Any) -> device:
    """The device asked for, which must be the CPU (or meta).

    Raises:
        AssertionError: for a GPU of CUDA or XPU, with PyTorch's message.
        NotImplementedError: for any other device.
    """
    if where is None:
        return CPU
    found = device(where)
    if found.type in ("cpu", "meta"):
        return found
    if found.type in _MISSING:
        raise AssertionError(_MISSING[found.type])
    raise NotImplementedError(
        "Could not run 'aten::empty.memory_format' with arguments from the "
        f"'{found.type.upper()}' backend. This layer keeps its tensors on the CPU."
    )


CPU = device("cpu")


class _Named:
    """A constant that prints as torch.<name>."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    @override
    def __repr__(self) -> str:
        return f"torch.{self.name}"

    @override
    def __reduce__(self) -> str:
        return self.name


class layout(_Named):
    """How elements are laid out; always `torch.strided`."""

    __slots__ = ()
    __module__ = "torch"


class memory_format(_Named):
    """Order of the axes in memory; accepted and, beside the default, without effect."""

    __slots__ = ()
    __module__ = "torch"


strided = layout("strided")
sparse_coo = layout("sparse_coo")
contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")


class Size(tuple[int, ...]):
    """The lengths of a tensor's axes: a tuple that prints and combines as torch.Size."""

    __slots__ = ()
    __module__ = "torch"

    def __new__(cls, lengths: Iterable[Any] = ()) -> "Size":
        """A size from anything that gives integers."""
        if type(lengths) is tuple and all(type(length) is int for length in lengths):
            return super().__new__(cls, lengths)
        return super().__new__(cls, [_length(place, item) for place, item in enumerate(lengths)])

    def numel(self) -> int:
        """Number of elements."""
        count = 1
        for length in self:
            count *= length
        return count

    @override
    def __repr__(self) -> str:
        return f"torch.Size({list(self)})"

    @override
    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        return Size(found) if isinstance(key, slice) else found

    @override
    def __add__(self, other: Any) -> "Size":
        return Size(super().__add__(tuple(other)))

    def __radd__(self, other: Any) -> "Size":
        return Size(tuple(other) + tuple(self))

    @override
    def __mul__(self, number: SupportsIndex) -> "Size":
        return Size(super().__mul__(number))

    __rmul__ = __mul__

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        return (_size, (tuple(self),))


def _length(place: int, item: Any) -> int:
    try:
        return operator.index(item)
    except TypeError:
        raise TypeError(
            f"torch.Size() takes an iterable of 'int' (item {place} is '{type(item).__name__}')"
        ) from None


def _size(lengths: tuple[int, ...]) -> Size:
    return Size(lengths)


class finfo:
    """Limits of a floating-point type (by default of float32)."""

    __module__ = "torch"

    def __init__(self, type: dtype | None = None) -> None:
        kind = DTYPES["float32"] if type is None else type
        if kind.category < 2:
            raise TypeError(
                "torch.finfo() requires a floating point input type. Use torch.iinfo to handle "
                "'torch.finfo'"
            )
        self.dtype = kind.to_real().name
        self.bits = kind.to_real().itemsize * 8
        if kind.name == "bfloat16":
            self.eps, self.max, self.tiny = 2.0**-7, (2 - 2.0**-7) * 2.0**127, 2.0**-126
            digits = 2
        else:
            limits = np.finfo(kind.to_real().numpy)
            self.eps, self.max, self.tiny = float(limits.eps), float(limits.max), float(limits.tiny)
            digits = int(limits.precision)
        self.resolution = float(f"1e-{digits}")
        self.min = -self.max
        self.smallest_normal = self.tiny

    @override
    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, "
            f"eps={self.eps:g}, smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, "
            f"dtype={self.dtype})"
        )


class iinfo:
    """Limits of an integer type."""

    __module__ = "torch"

    def __init__(self, type: dtype) -> None:
        if type.category == 0:
            raise TypeError("torch.bool is not supported by torch.iinfo")
        if type.category > 1:
            raise TypeError(
                "torch.iinfo() requires an integer input type. Use torch.finfo to handle "
                "'torch.iinfo'"
            )
        limits = np.iinfo(type.numpy)
        self.bits, self.min, self.max = int(limits.bits), int(limits.min), int(limits.max)
        self.dtype = type.name

    @override
    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"
