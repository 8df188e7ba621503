"""RMSprop: steps divided by the root of the mean squared gradient."""

from typing import Any

from typing_extensions import override

from funcgrad.compat.torch.optim.optimizer import ParamsT
from funcgrad.compat.torch.optim.stepping import (
    Stepper,
    advance,
    check,
    counter,
    is_recorded,
    like,
    number,
    run,
)
from funcgrad.compat.torch.tensor import Tensor

__all__ = ["RMSprop"]


def _root(xp: Any, g: Any, v: Any, mean: Any, alpha: Any, eps: Any) -> Any:
    """v ← α v + (1-α) g²; √v + ε, of the variance if the mean is given."""
    v *= alpha
    v += g * g * (1 - alpha)
    if mean is None:
        return xp.sqrt(v) + eps
    mean *= alpha
    mean += g * (1 - alpha)
    return xp.sqrt(v - mean * mean) + eps


def _gradient(p: Any, g: Any, decay: Any, sign: int) -> Any:
    if sign < 0:
        g = -g
    return g + p * decay if decay else g


def _moved(
    xp: Any, p: Any, g: Any, v: Any, rate: Any, alpha: Any, eps: Any, decay: Any, sign: int,
    momentum: Any,
) -> None:  # fmt: skip
    """p ← p - rate g / (√v + ε)."""
    g = _gradient(p, g, decay, sign)
    p -= g / _root(xp, g, v, None, alpha, eps) * rate


def _moved_centered(
    xp: Any, p: Any, g: Any, v: Any, mean: Any, rate: Any, alpha: Any, eps: Any, decay: Any,
    sign: int, momentum: Any,
) -> None:  # fmt: skip
    """The same with the variance."""
    g = _gradient(p, g, decay, sign)
    p -= g / _root(xp, g, v, mean, alpha, eps) * rate


def _moved_on(
    xp: Any, p: Any, g: Any, v: Any, b: Any, rate: Any, alpha: Any, eps: Any, decay: Any,
    sign: int, momentum: Any,
) -> None:  # fmt: skip
    """b ← μ b + g / (√v + ε), p ← p - rate b."""
    g = _gradient(p, g, decay, sign)
    b *= momentum
    b += g / _root(xp, g, v, None, alpha, eps)
    p -= b * rate


def _moved_on_centered(
    xp: Any, p: Any, g: Any, v: Any, b: Any, mean: Any, rate: Any, alpha: Any, eps: Any,
    decay: Any, sign: int, momentum: Any,
) -> None:  # fmt: skip
    """The same with the variance."""
    g = _gradient(p, g, decay, sign)
    b *= momentum
    b += g / _root(xp, g, v, mean, alpha, eps)
    p -= b * rate


_UPDATES: dict[tuple[bool, bool], Any] = {
    (False, False): _moved,
    (False, True): _moved_centered,
    (True, False): _moved_on,
    (True, True): _moved_on_centered,
}


class RMSprop(Stepper):
    """p ← p - lr g / (√v + ε), with the mean v of g² (T. Tieleman and G. Hinton, 2012).

    Args:
        params: tensors, pairs of names and tensors, or dicts of a group each.
        lr: the rate.
        alpha: how much of v is kept in a step.
        eps: ε.
        weight_decay: λ; the gradient is g + λ p.
        momentum: μ; steps add up as in SGD.
        centered: divide by the root of the variance.
        capturable: for other devices only.
        foreach: taken as it is.
        maximize: climb.
        differentiable: whether the step itself is recorded.
    """

    _captured = "params and state_steps", ", 'xla'", ", 'xla'"
    _later = (("momentum", 0), ("centered", False), ("foreach", None), ("maximize", False),
              ("differentiable", False), ("capturable", False))  # fmt: skip

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check(lr, eps=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha)
        defaults = {
            "lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered,
            "weight_decay": weight_decay, "capturable": capturable, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    @override
    def _step_group(self, group: dict[str, Any]) -> None:
        momentum, centered = group["momentum"], group["centered"]
        update = _UPDATES[momentum > 0, bool(centered)]
        for p in group["params"]:
            if p._grad is None:
                continue
            state = self.state[p]
            if not state:
                state["step"] = counter()
                state["square_avg"] = like(p)
                if momentum > 0:
                    state["momentum_buffer"] = like(p)
                if centered:
                    state["grad_avg"] = like(p)
            advance(state["step"])
            recorded = is_recorded(group, p)
            tensors = [p, p._grad, state["square_avg"]]
            if momentum > 0:
                tensors.append(state["momentum_buffer"])
            if centered:
                tensors.append(state["grad_avg"])
            numbers = (
                group["lr"] if recorded else float(number(group["lr"])), group["alpha"],
                group["eps"], group["weight_decay"], -1 if group["maximize"] else 1, momentum,
            )  # fmt: skip
            run(update, tensors, numbers, recorded)
