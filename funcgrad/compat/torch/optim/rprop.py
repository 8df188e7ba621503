"""Rprop: steps whose length grows while the gradient keeps its sign."""

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

__all__ = ["Rprop"]


def _moved(
    xp: Any, p: Any, g: Any, before: Any, length: Any, shrink: Any, grow: Any, least: Any,
    most: Any, sign: int,
) -> None:  # fmt: skip
    """s ← s η± where g keeps or changes its sign; p ← p - s sign(g), but not where it changed."""
    if sign < 0:
        g = -g
    kept = g * before
    factor = xp.where(kept > 0, grow, xp.where(kept < 0, shrink, 1.0 + 0 * length))
    xp.copyto(length, xp.clip(length * factor, least, most))
    g = xp.where(kept < 0, 0 * length, g)
    p -= xp.where(g == g, xp.sign(g), 0 * length) * length  # noqa: PLR0124  # NaN: no step
    xp.copyto(before, g)


class Rprop(Stepper):
    """p ← p - s sign(g), where each s grows while g keeps its sign (M. Riedmiller, 1993).

    Args:
        params: tensors, pairs of names and tensors, or dicts of a group each.
        lr: s at the beginning.
        etas: factors of s, of a change of sign and otherwise.
        step_sizes: limits of s.
        capturable: for other devices only.
        foreach: taken as it is.
        maximize: climb.
        differentiable: whether the step itself is recorded.
    """

    _captured = "params and state_steps", ", 'xla'", ", 'xla'"
    _later = (("foreach", None), ("maximize", False), ("differentiable", False),
              ("capturable", False))  # fmt: skip

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = {
            "lr": lr, "etas": etas, "step_sizes": step_sizes, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable, "capturable": capturable,
        }  # fmt: skip
        super().__init__(params, defaults)

    @override
    def _step_group(self, group: dict[str, Any]) -> None:
        for p in group["params"]:
            if p._grad is None:
                continue
            state = self.state[p]
            if not state:
                first: Any = float(number(group["lr"]))
                state["step"] = counter()
                state["prev"] = like(p)
                state["step_size"] = like(p, complex(first, first) if p.dtype.is_complex else first)
            advance(state["step"])
            numbers = (*group["etas"], *group["step_sizes"], -1 if group["maximize"] else 1)
            tensors = (p, p._grad, state["prev"], state["step_size"])
            run(_moved, tensors, numbers, is_recorded(group, p))
