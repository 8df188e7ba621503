"""Activation functions: elementwise, on real arrays and traced values, dtype kept."""

from typing import Any

import numpy as np

from funcgrad.primitives import activations, special

__all__ = [
    "celu",
    "elu",
    "gelu",
    "hard_tanh",
    "leaky_relu",
    "log_sigmoid",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softplus",
    "swish",
]

# Equation (14) of "Self-normalizing neural networks" by G. Klambauer, T. Unterthiner, A. Mayr and
# S. Hochreiter, 2017.
SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805


def relu(x: Any) -> Any:
    """max(x, 0), with derivative 0 at 0.

    Args:
        x: real array of any shape.

    Returns:
        An array of the same shape and dtype.

    Example:
        >>> relu(np.array([-1.0, 0.0, 2.0]))
        array([0., 0., 2.])
    """
    return activations.relu(x)


def relu6(x: Any) -> Any:
    """min(max(x, 0), 6), with derivative 0 at 0 and at 6.

    Args:
        x: real array of any shape.

    Returns:
        An array of the same shape and dtype.
    """
    return activations.relu6(x)


def sigmoid(x: Any) -> Any:
    """Logistic function 1 / (1 + exp(-x)); the same as `expit`.

    Args:
        x: real array of any shape.

    Returns:
        An array of the same shape and dtype.

    Example:
        >>> sigmoid(np.array([-1000.0, 0.0, 1000.0]))
        array([0. , 0.5, 1. ])
    """
    return special.expit(x)


def log_sigmoid(x: Any) -> Any:
    """log(1 / (1 + exp(-x))) = min(x, 0) - log(1 + exp(-|x|)).

    Args:
        x: real array of any shape.

    Returns:
        An array of the same shape and dtype.

    Example:
        >>> log_sigmoid(np.array([-1000.0, 1000.0]))
        array([-1000.,     0.])
    """
    return special.log_expit(x)


def softplus(x: Any) -> Any:
    """log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)).

    Args:
        x: real array of any shape.

    Returns:
        An array of the same shape and dtype.

    Example:
        >>> softplus(np.array([-1000.0, 1000.0]))
        array([   0., 1000.])
    """
    return special.softplus(x)


def silu(x: Any) -> Any:
    """x sigmoid(x), also called swish.

    Args:
        x: real array of any shape.

    Returns:
        An array of the same shape and dtype.
    """
    return activations.silu(x)


swish = silu


def gelu(x: Any, approximate: bool = True) -> Any:
    """x Φ(x), where Φ is the distribution function of the standard normal distribution.

    D. Hendrycks, K. Gimpel, "Gaussian error linear units" (2016). As in JAX, the default is their
    approximation x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2, which is within 5e-4; PyTorch's
    default is the exact function.

    Args:
        x: real array of any shape.
        approximate: whether to use the approximation.

    Returns:
        An array of the same shape and dtype.

    Example:
        >>> gelu(np.array([-1.0, 1.0]), approximate=False)
        array([-0.15865525,  0.84134475])
    """
    return activations.gelu_tanh(x) if approximate else activations.gelu(x)


def elu(x: Any, alpha: Any = 1.0) -> Any:
    """x where x > 0, else α (exp(x) - 1); the derivative at 0 is α.

    Args:
        x: real array of any shape.
        alpha: minus the limit at -inf.

    Returns:
        An array of the same shape and dtype.

    Example:
        >>> elu(np.array([-np.inf, 0.0, 2.0]))
        array([-1.,  0.,  2.])
    """
    return activations.relu(x) + alpha * np.expm1(activations.negative_part(x))


def selu(x: Any) -> Any:
    """1.0507 elu(x, 1.6733): keeps mean 0 and variance 1 from layer to layer.

    Args:
        x: real array of any shape.

    Returns:
        An array of the same shape and dtype.
    """
    return SELU_SCALE * elu(x, SELU_ALPHA)


def celu(x: Any, alpha: Any = 1.0) -> Any:
    """x where x > 0, else α (exp(x/α) - 1), which is differentiable at 0.

    Args:
        x: real array of any shape.
        alpha: minus the limit at -inf.

    Returns:
        An array of the same shape and dtype.
    """
    return activations.relu(x) + alpha * np.expm1(activations.negative_part(x) / alpha)


def leaky_relu(x: Any, negative_slope: Any = 0.01) -> Any:
    """x where x >= 0, else `negative_slope` times x; the derivative at 0 is 1.

    Args:
        x: real array of any shape.
        negative_slope: factor of negative elements.

    Returns:
        An array of the same shape and dtype.
    """
    return activations.leaky_relu(x, negative_slope)


def hard_tanh(x: Any) -> Any:
    """min(max(x, -1), 1), with derivative 1 at both ends.

    Args:
        x: real array of any shape.

    Returns:
        An array of the same shape and dtype.
    """
    return activations.hard_tanh(x)
