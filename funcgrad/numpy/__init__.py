"""NumPy's namespace for plain and traced values: `import funcgrad.numpy as fnp`.

Every function gives NumPy's result on plain arrays, and can be differentiated, mapped and recorded
on traced ones. `array`, `asarray` and `full` can hold traced values, which NumPy's own cannot.
"""

from typing import Any

import numpy as _np

from funcgrad.numpy import linalg
from funcgrad.numpy.construction import (
    array,
    asanyarray,
    asarray,
    ascontiguousarray,
    asfortranarray,
    at,
    full,
)
from funcgrad.numpy.functions import *  # noqa: F403  # its __all__ is one name a line
from funcgrad.numpy.functions import __all__ as _functions
from funcgrad.numpy.plain import *  # noqa: F403  # likewise
from funcgrad.numpy.plain import __all__ as _plain
from funcgrad.numpy.ufuncs import *  # noqa: F403  # likewise
from funcgrad.numpy.ufuncs import __all__ as _ufuncs

__all__ = [
    "array",
    "asanyarray",
    "asarray",
    "ascontiguousarray",
    "asfortranarray",
    "at",
    "full",
    "linalg",
]
__all__ += _functions
__all__ += _plain
__all__ += _ufuncs


def __getattr__(name: str) -> Any:
    known = hasattr(_np, name)
    raise AttributeError(
        f"funcgrad.numpy has no {name!r}. "
        + (
            f"numpy.{name} can be used on plain arrays, or on stop_gradient(x)."
            if known
            else "Neither has numpy."
        )
    )
