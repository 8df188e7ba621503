"""Special functions of real arrays and traced values."""

from typing import Any

from funcgrad.primitives import special, special_functions

__all__ = [
    "digamma",
    "erf",
    "erfc",
    "erfcx",
    "erfinv",
    "expit",
    "lgamma",
    "log_ndtr",
    "ndtri",
    "polygamma",
]


def erf(x: Any) -> Any:
    """Error function (2/√π) ∫₀ˣ exp(-t²) dt.

    Args:
        x: real array of any shape.

    Returns:
        An array of the same shape and dtype, within 4 ulp.

    Example:
        >>> erf(0.5)
        np.float64(0.5204998778130465)
    """
    return special.erf(x)


def erfc(x: Any) -> Any:
    """Complementary error function 1 - erf(x), without cancellation.

    Args:
        x: real array of any shape.

    Returns:
        An array of the same shape and dtype, within 4 ulp.

    Example:
        >>> erfc(10.0)
        np.float64(2.088487583762545e-45)
    """
    return special.erfc(x)


def erfcx(x: Any) -> Any:
    """Scaled complementary error function exp(x²) erfc(x).

    Args:
        x: real array of any shape.

    Returns:
        An array of the same shape and dtype, within 8 ulp.

    Example:
        >>> erfcx(100.0)
        np.float64(0.00564161)
    """
    return special_functions.erfcx(x)


def erfinv(x: Any) -> Any:
    """The y with erf(y) = x.

    Args:
        x: real array of any shape; outside of [-1, 1] the result is nan.

    Returns:
        An array of the same shape and dtype, within 8 ulp.

    Example:
        >>> erfinv(0.5)
        np.float64(0.47693628)
    """
    return special_functions.erfinv(x)


def ndtri(p: Any) -> Any:
    """Quantile of the normal distribution: the x below which a share p lies.

    Args:
        p: real array of any shape; outside of [0, 1] the result is nan.

    Returns:
        An array of the same shape and dtype, within 8 ulp.

    Example:
        >>> ndtri(0.2)
        np.float64(-0.84162123)
    """
    return special_functions.ndtri(p)


def log_ndtr(x: Any) -> Any:
    """log Φ(x), the logarithm of the normal distribution function, right in both tails.

    Args:
        x: real array of any shape.

    Returns:
        An array of the same shape and dtype.

    Example:
        >>> log_ndtr(-40.0)
        np.float64(-804.60844201)
    """
    return special_functions.log_ndtr(x)


def lgamma(x: Any) -> Any:
    """log |Γ(x)|, with derivative `digamma`.

    Args:
        x: real array of any shape.

    Returns:
        An array of the same shape and dtype.

    Example:
        >>> lgamma(5.0)  # log(4!)
        np.float64(3.17805383)
    """
    return special.lgamma(x)


def digamma(x: Any) -> Any:
    """ψ(x), the derivative of `lgamma`.

    Args:
        x: real array of any shape.

    Returns:
        An array of the same shape and dtype.

    Example:
        >>> digamma(1.0)  # minus Euler's constant
        np.float64(-0.5772156649015329)
    """
    return special.digamma(x)


def polygamma(n: int, x: Any) -> Any:
    """ψ⁽ⁿ⁾(x), the n-th derivative of `digamma`.

    Args:
        n: order, a plain int from 0 to 100.
        x: real array of any shape.

    Returns:
        An array of the same shape and dtype.

    Example:
        >>> polygamma(1, 1.0)  # π²/6
        np.float64(1.6449340668482264)
    """
    return special.polygamma(n, x)


def expit(x: Any) -> Any:
    """Logistic function 1 / (1 + exp(-x)), accurate in the left tail too.

    Args:
        x: real array of any shape.

    Returns:
        An array of the same shape and dtype.

    Example:
        >>> expit(-700.0)
        np.float64(9.859676543759771e-305)
    """
    return special.expit(x)
