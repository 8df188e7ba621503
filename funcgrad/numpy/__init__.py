"""NumPy's namespace for plain and traced values: `import funcgrad.numpy as fnp`.

Every function gives NumPy's result on plain arrays, and can be differentiated, mapped and recorded
on traced ones. `array`, `asarray` and `full` can hold traced values, which NumPy's own cannot.
"""

import sys as _sys
from typing import Any

import numpy as _np

from funcgrad.core.protocols import DISPATCH as _DISPATCH
from funcgrad.numpy import fft, linalg
from funcgrad.numpy.choice import safe_where
from funcgrad.numpy.construction import (
    arange,
    array,
    asanyarray,
    asarray,
    asarray_chkfinite,
    ascontiguousarray,
    asfortranarray,
    at,
    full,
    kaiser,
)
from funcgrad.numpy.functions import *  # noqa: F403  # its __all__ is one name a line
from funcgrad.numpy.functions import __all__ as _functions
from funcgrad.numpy.index_tricks import c_, fromiter, ndenumerate, nditer, r_, require
from funcgrad.numpy.plain import *  # noqa: F403  # likewise
from funcgrad.numpy.plain import __all__ as _plain
from funcgrad.numpy.ufuncs import *  # noqa: F403  # likewise
from funcgrad.numpy.ufuncs import __all__ as _ufuncs
from funcgrad.numpy.vectorizing import vectorize
from funcgrad.primitives.replacing import (
    copyto,
    fill_diagonal,
    place,
    put,
    put_along_axis,
    putmask,
)

__all__ = [
    "arange",
    "array",
    "asanyarray",
    "asarray",
    "asarray_chkfinite",
    "ascontiguousarray",
    "asfortranarray",
    "at",
    "c_",
    "copyto",
    "fft",
    "fill_diagonal",
    "fromiter",
    "full",
    "kaiser",
    "linalg",
    "ndenumerate",
    "nditer",
    "place",
    "put",
    "put_along_axis",
    "putmask",
    "r_",
    "require",
    "safe_where",
    "vectorize",
]
# The array API standard's questions to a namespace: devices, dtypes and capabilities are NumPy's.
__array_api_version__ = _np.__array_api_version__
__array_namespace_info__ = _np.__array_namespace_info__
_DISPATCH["namespace"] = lambda: _sys.modules[__name__]  # what traced values answer

__all__ += _functions
__all__ += _plain
__all__ += _ufuncs


def __getattr__(name: str) -> Any:
    if not hasattr(_np, name):
        raise AttributeError(f"funcgrad.numpy has no {name!r}. Neither has numpy.")
    value = getattr(_np, name)
    if isinstance(value, type(_np)):
        what = f"numpy.{name} is a module of plain arrays. Use it as it is"
    elif name in ("asmatrix", "bmat", "matrix", "recarray", "record"):
        what = "Their operators do not mean what those of arrays mean. Use plain arrays"
    else:
        what = f"numpy.{name} can be used on plain arrays, or on stop_gradient(x)"
    raise AttributeError(f"funcgrad.numpy has no {name!r}. {what}.")
