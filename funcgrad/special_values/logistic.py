"""The logistic function."""

import numpy as np
import numpy.typing as npt

from funcgrad.special_values.evaluation import FloatArray, RealValues, evaluate

__all__ = ["expit"]


def expit(x: npt.ArrayLike) -> RealValues:
    """Logistic function: 1/(1 + e⁻ˣ).

    Computed as e⁻|ˣ| / (1 + e⁻|ˣ|) or 1 / (1 + e⁻|ˣ|), by the sign of x: nothing overflows, and
    the left tail keeps its relative accuracy until it underflows at x = −745.13.

    Args:
        x: real array-like of any shape.

    Returns:
        Values between 0 and 1, of the shape and floating dtype of `x`; float64 for integers.

    Raises:
        TypeError: `x` is complex, wider than float64, or holds no numbers.

    Example:
        >>> expit(np.array([-1000.0, 0.0, 2.0]))
        array([0.        , 0.5       , 0.88079708])
    """
    return evaluate("expit", _expit, x)


def _expit(x: FloatArray) -> FloatArray:
    decay = np.abs(x)
    np.negative(decay, out=decay)
    np.exp(decay, out=decay)
    out = np.where(x < 0.0, decay, 1.0)
    decay += 1.0
    out /= decay
    return out
