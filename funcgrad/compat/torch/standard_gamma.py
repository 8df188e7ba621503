"""`torch._standard_gamma` and its like: gamma and Dirichlet numbers that know their derivatives."""

from collections.abc import Callable
from typing import Any

from funcgrad.compat.torch import gamma_draws as drawn_gammas
from funcgrad.compat.torch.creation import made
from funcgrad.compat.torch.mapped_draws import PerExample, as_values, weights_of
from funcgrad.compat.torch.mersenne import Generator, default_generator
from funcgrad.compat.torch.op import Op
from funcgrad.compat.torch.pointwise_more import without_rule
from funcgrad.compat.torch.registry import expose
from funcgrad.compat.torch.state import STATE
from funcgrad.compat.torch.tensor import Tensor
from funcgrad.core.tracer import Tracer
from funcgrad.transforms.callback import pure_callback
from funcgrad.transforms.custom import custom_vjp

__all__ = ["dirichlet_sample"]

gamma_draws = PerExample(drawn_gammas)


def _drawn(draw: Callable[..., Any], word: str, input: Tensor, generator: Generator | None) -> Any:
    if input.dtype.category != 2:
        raise NotImplementedError(f"\"{word}\" not implemented for '{input.dtype.legacy}'")
    generator = default_generator() if generator is None else generator
    return as_values(draw(generator, weights_of(input), input.dtype.name))


def _without_second(slope: Callable[..., Any], name: str) -> Callable[..., Any]:
    """A slope as an opaque function, whose own derivative raises."""

    def call(*args: Any) -> Any:
        return pure_callback(slope, args[0], *args, vmap_method="broadcast_all")

    message = f"the derivative for '{name}' is not implemented."
    return without_rule(call, message, NotImplementedError)


_gamma_slope = _without_second(drawn_gammas.gamma_slope, "_standard_gamma_grad")
_dirichlet_slope = _without_second(drawn_gammas.dirichlet_slope, "_dirichlet_grad")


@custom_vjp
def _gamma_value(shapes: Any, values: Any) -> Any:
    return shapes * 0 + values


def _gamma_forward(shapes: Any, values: Any) -> Any:
    return _gamma_value(shapes, values), (shapes, values)


def _gamma_backward(kept: Any, ct: Any) -> Any:
    return ct * _gamma_slope(*kept), None


_gamma_value.defvjp(_gamma_forward, _gamma_backward)
_gamma_op = Op("StandardGammaBackward0", lambda a, *, values: _gamma_value(a, values))


def standard_gamma(self: Tensor, generator: Generator | None = None) -> Tensor:
    """Gamma numbers with the given shapes and rate 1; dx/da keeps P(a, x)."""
    values = _drawn(gamma_draws.standard_gamma, "gamma_cpu", self, generator)
    return _with_slope(_gamma_op, self, values)


def _with_slope(op: Op, input: Tensor, values: Any) -> Tensor:
    active = input._requires and STATE.grad
    if not active and not isinstance(input._value, Tracer):
        return made(values, input.dtype)
    return op(input, values=values)  # type: ignore[no-any-return]  # a tensor


@custom_vjp
def _dirichlet_value(concentrations: Any, values: Any) -> Any:
    return concentrations * 0 + values


def _dirichlet_forward(concentrations: Any, values: Any) -> Any:
    return _dirichlet_value(concentrations, values), (concentrations, values)


def _dirichlet_backward(kept: Any, ct: Any) -> Any:
    """Each share moves as a beta number, and the others shrink in proportion."""
    concentrations, values = kept
    totals = concentrations.sum(-1, keepdims=True) + concentrations * 0
    slopes = _dirichlet_slope(values, concentrations, totals)
    return slopes * (ct - (values * ct).sum(-1, keepdims=True)), None


_dirichlet_value.defvjp(_dirichlet_forward, _dirichlet_backward)
_dirichlet_op = Op("_DirichletBackward", lambda a, *, values: _dirichlet_value(a, values))


def sample_dirichlet(self: Tensor, generator: Generator | None = None) -> Tensor:
    """Points of the simplex with the given concentrations, without derivative."""
    return made(_drawn(gamma_draws.dirichlet, "dirichlet", self, generator), self.dtype)


def dirichlet_sample(concentration: Tensor) -> Tensor:
    """Points of the simplex, whose derivative keeps each share's distribution function."""
    values = _drawn(gamma_draws.dirichlet, "dirichlet", concentration, None)
    return _with_slope(_dirichlet_op, concentration, values)


_gamma_grad_op = Op("StandardGammaGradBackward0", _gamma_slope)
_dirichlet_grad_op = Op("DirichletGradBackward0", _dirichlet_slope)


def standard_gamma_grad(self: Tensor, output: Tensor) -> Tensor:
    """dx/da of a gamma number x = output of shape a."""
    return _gamma_grad_op(self, output)  # type: ignore[no-any-return]  # a tensor


def dirichlet_grad(x: Tensor, alpha: Tensor, total: Tensor) -> Tensor:
    """dx/da / (1 − x) of a beta number x with parameters alpha and total − alpha."""
    return _dirichlet_grad_op(x, alpha, total)  # type: ignore[no-any-return]  # a tensor


expose("_standard_gamma", standard_gamma, method=False)
expose("_sample_dirichlet", sample_dirichlet, method=False)
expose("_standard_gamma_grad", standard_gamma_grad, method=False)
expose("_dirichlet_grad", dirichlet_grad, method=False)
