"""Adafactor: mean squares of matrices kept as those of rows and columns."""

import math
from typing import Any

import numpy as np
from typing_extensions import override

from funcgrad.compat.torch.optim.optimizer import ParamsT
from funcgrad.compat.torch.optim.stepping import Stepper, advance, counter, like, number
from funcgrad.compat.torch.rounding import round_to_bfloat16
from funcgrad.compat.torch.tensor import Tensor, holder

__all__ = ["Adafactor"]


class Adafactor(Stepper):
    """p ← p - α u / max(1, rms(u) / d), u = g / √v̂ (N. Shazeer and M. Stern, 2018).

    Of a matrix v̂ is r cᵀ / mean(r), from the running means r and c of g² along rows and columns;
    the part of the past that is kept is 1 - t^γ, and α = max(ε₂, rms(p)) min(lr, 1/√t).

    Args:
        params: tensors, pairs of names and tensors, or dicts of a group each.
        lr: the largest rate.
        beta2_decay: γ.
        eps: ε₁ below which no mean falls (of the type, if `None`), and ε₂.
        d: d.
        weight_decay: λ; p ← (1 - lr λ) p.
        foreach: taken as it is.
        maximize: climb.
    """

    __module__ = "funcgrad.compat.torch.optim"
    _later = (("foreach", None),)

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        limits: tuple[tuple[str, Any, float], ...] = (
            ("Learning rate", lr, 0.0), ("epsilon1", eps[0], 0.0), ("epsilon2", eps[1], 0.0),
            ("Clipping threshold d", d, 1.0), ("weight_decay", weight_decay, 0.0),
        )  # fmt: skip
        for name, value, low in limits:
            if value is not None and not low <= value:
                raise ValueError(f"{name} should be >= {low:g} but is: {value}")
        if not beta2_decay <= 0.0:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        defaults = {
            "lr": lr, "beta2_decay": beta2_decay, "eps": eps, "d": d,
            "weight_decay": weight_decay, "foreach": foreach, "maximize": maximize,
        }  # fmt: skip
        super().__init__(params, defaults)

    @override
    def _step_group(self, group: dict[str, Any]) -> None:
        for p in group["params"]:
            if p._grad is None:
                continue
            if p.dtype.is_complex:
                raise RuntimeError("Adafactor does not support complex parameters")
            state = self.state[p]
            if not state:
                state["step"] = counter()
                if p.dim() > 1:
                    *rest, rows, columns = p.shape
                    zeros = np.zeros((*rest, rows, columns), p._array().dtype)
                    state["row_var"] = holder(np.array(zeros[..., :1]), p)
                    state["col_var"] = holder(np.array(zeros[..., :1, :]), p)
                else:
                    state["variance"] = like(p)
            self._move(group, p, state)

    @staticmethod
    def _move(group: dict[str, Any], p: Tensor, state: dict[str, Any]) -> None:
        array, g = p._array(), p._grad._array()
        if group["maximize"]:
            g = -g
        eps1, eps2 = group["eps"]
        if eps1 is None:
            eps1 = 2.0**-7 if p._dtype is not None else float(np.finfo(array.dtype).eps)
        count = advance(state["step"])
        lr = number(group["lr"])
        share = count ** group["beta2_decay"]
        rms = float(np.linalg.norm(array)) / math.sqrt(array.size)
        alpha = max(eps2, rms) * min(lr, 1 / math.sqrt(count))
        if group["weight_decay"]:
            array *= float(1 - lr * group["weight_decay"])
        square = g * g
        if p.dim() > 1:
            rows, columns = state["row_var"]._array(), state["col_var"]._array()
            rows += (square.mean(-1, keepdims=True) - rows) * share
            columns += (square.mean(-2, keepdims=True) - columns) * share
            v = rows @ columns
            v /= np.maximum(rows.mean(-2, keepdims=True), eps1)
        else:
            held = state["variance"]._array()
            held += (square - held) * share
            v = held
        u = g / np.sqrt(np.maximum(v, eps1 * eps1))
        size = float(np.linalg.norm(u)) / math.sqrt(u.size)
        array -= u * float(alpha / max(1.0, size / group["d"]))
        for tensor in (p, *state.values()):
            tensor._cell[0] += 1
            if tensor._dtype is not None:
                np.copyto(tensor._value, round_to_bfloat16(tensor._value))
