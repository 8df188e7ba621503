"""L-BFGS: quasi-Newton steps from the last changes of the gradient."""

from collections.abc import Callable
from typing import Any

import numpy as np
from typing_extensions import override

from funcgrad.compat.torch.dtypes import DTYPES
from funcgrad.compat.torch.grad_mode import enable_grad
from funcgrad.compat.torch.optim.line_search import strong_wolfe
from funcgrad.compat.torch.optim.optimizer import Optimizer, ParamsT
from funcgrad.compat.torch.optim.stepping import check, number
from funcgrad.compat.torch.rounding import round_to_bfloat16
from funcgrad.compat.torch.state import STATE
from funcgrad.compat.torch.tensor import Tensor, holder

__all__ = ["LBFGS"]


class LBFGS(Optimizer):
    """x ← x + t d with d = -H g, H the inverse Hessian guessed from the last m changes.

    J. Nocedal and S. Wright, Numerical Optimization (2006), algorithms 7.4 and 3.5.

    Args:
        params: tensors, or pairs of names and tensors: one group only.
        lr: t, or with a line search where it begins.
        max_iter: directions in a step.
        max_eval: evaluations in a step; 1¼ times as many by default.
        tolerance_grad: below which the largest derivative ends a step.
        tolerance_change: below which a change of the loss or of a parameter does.
        history_size: m.
        line_search_fn: `"strong_wolfe"` or `None`.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check(lr)
        defaults = {
            "lr": lr, "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change,
            "history_size": history_size, "line_search_fn": line_search_fn,
        }  # fmt: skip
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        self._params = self.param_groups[0]["params"]
        self._numel_cache: int | None = None

    # --- all parameters as one vector ---------------------------------------------------------

    def _gradient(self) -> Any:
        """All gradients, complex ones by their parts, as one vector."""
        return np.concatenate([
            np.zeros(p._value.size * (1 + p.dtype.is_complex), _real(p))
            if p._grad is None
            else _flat(p._grad._array())
            for p in self._params
        ])  # fmt: skip

    def _point(self) -> list[Any]:
        return [p._array().copy() for p in self._params]

    def _move(self, start: list[Any] | None, rate: Any, direction: Any) -> None:
        """x ← start + rate d; from where it is without a start."""
        offset = 0
        for i, p in enumerate(self._params):
            array = p._array()
            size = array.size * (1 + p.dtype.is_complex)
            part = direction[offset : offset + size].astype(_real(p), copy=False)
            part = part * part.dtype.type(rate)
            part = part.view(array.dtype).reshape(array.shape)
            np.add(array if start is None else start[i], part, out=array)
            if p._dtype is not None:
                np.copyto(array, round_to_bfloat16(array))
            p._cell[0] += 1
            offset += size

    @override
    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]  # it must be given
        """Follow up to `max_iter` directions.

        Args:
            closure: computes the loss, and the gradients anew.

        Returns:
            The first loss.
        """
        before = STATE.grad
        STATE.grad = False
        try:
            with np.errstate(all="ignore"):
                return self._descend(enable_grad()(closure))
        finally:
            STATE.grad = before

    def _descend(self, closure: Callable[[], Any]) -> Any:
        group = self.param_groups[0]
        lr = number(group["lr"])
        max_iter, max_eval, search = group["max_iter"], group["max_eval"], group["line_search_fn"]
        tolerance, least_change = group["tolerance_grad"], group["tolerance_change"]
        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first = closure()
        loss, evaluations = _number(first), 1
        state["func_evals"] += 1
        g = self._gradient()
        if _largest(g) <= tolerance:
            return first
        history = _History(state, group["history_size"], self._params)
        d, t = history.direction, history.rate
        before, prev_loss = history.gradient, state.get("prev_loss")
        for count in range(1, max_iter + 1):
            state["n_iter"] += 1
            fresh = state["n_iter"] == 1
            d = history.start(g) if fresh else history.next(g, g - before, d * g.dtype.type(t))
            before, prev_loss = g, loss
            t = lr
            if fresh:
                t = min(1.0, g.dtype.type(1) / np.abs(g).sum()) * lr
            slope = g @ d
            if slope > -least_change:
                break
            evaluated = 0
            if search is not None:
                if search != "strong_wolfe":
                    raise RuntimeError("only 'strong_wolfe' is supported")
                line = _Line(self, closure, self._point(), d)
                left = min(25, max_eval - evaluations)
                found, evaluated = strong_wolfe(line, t, _largest(d), loss, g, slope, left)
                t, loss, g = found.t, found.loss, found.gradient
                self._move(line.start, t, d)
            else:
                self._move(None, t, d)
                if count < max_iter:
                    loss, evaluated = _number(closure()), 1
                    g = self._gradient()
            evaluations += evaluated
            state["func_evals"] += evaluated
            if (
                evaluations >= max_eval
                or _largest(g) <= tolerance
                or _largest(d * g.dtype.type(t)) <= least_change
                or abs(loss - prev_loss) < least_change
            ):
                break
        if t is lr:
            t = group["lr"]  # a tensor is kept itself, as PyTorch does
        history.keep(d, t, before, prev_loss)
        return first


class _Line:
    """The loss along a line: t ↦ f(x + t d) and its gradient there."""

    def __init__(self, owner: LBFGS, closure: Callable[[], Any], start: list[Any], d: Any) -> None:
        self.owner, self.closure, self.start, self.direction = owner, closure, start, d

    def __call__(self, t: Any) -> tuple[float, Any, Any]:
        """Loss, gradient and slope at t."""
        self.owner._move(self.start, t, self.direction)
        loss = _number(self.closure())
        g = self.owner._gradient()
        return loss, g, g @ self.direction


class _History:
    """The last changes of place and gradient, in the state of the first parameter."""

    def __init__(self, state: dict[str, Any], size: int, params: list[Tensor]) -> None:
        self.state, self.size = state, size
        self.kind = params[0]
        self.direction = _array(state.get("d"))
        self.rate = number(state.get("t"))
        self.gradient = _array(state.get("prev_flat_grad"))
        self.changes = [_array(one) for one in state.get("old_dirs", ())]
        self.moves = [_array(one) for one in state.get("old_stps", ())]
        self.inverses = [number(one) for one in state.get("ro", ())]
        self.scale = number(state.get("H_diag"))

    def start(self, g: Any) -> Any:
        """The first direction: the steepest."""
        self.changes, self.moves, self.inverses, self.scale = [], [], [], 1
        return -g

    def next(self, g: Any, y: Any, s: Any) -> Any:
        """-H g after a further move s that changed the gradient by y (two loops)."""
        product = y @ s
        if product > 1e-10:
            if len(self.changes) == self.size:
                for past in (self.changes, self.moves, self.inverses):
                    past.pop(0)
            self.changes.append(y)
            self.moves.append(s)
            self.inverses.append(product.dtype.type(1) / product)
            self.scale = product / (y @ y)
        shares: list[Any] = self.state.setdefault("al", [None] * self.size)
        q = -g
        for i in reversed(range(len(self.changes))):
            share = (self.moves[i] @ q) * self.inverses[i]
            shares[i] = holder(share)
            q -= share * self.changes[i]
        q *= self.scale
        for i, (y_i, s_i) in enumerate(zip(self.changes, self.moves, strict=True)):
            q += s_i * (number(shares[i]) - (y_i @ q) * self.inverses[i])
        return q

    def keep(self, d: Any, t: Any, g: Any, loss: Any) -> None:
        """Write everything into the state."""
        state = self.state
        state["d"] = holder(d)
        state["t"] = holder(t) if isinstance(t, np.generic) else t
        state["old_dirs"] = [holder(one) for one in self.changes]
        state["old_stps"] = [holder(one) for one in self.moves]
        state["ro"] = [holder(one) for one in self.inverses]
        state["H_diag"] = self.scale if type(self.scale) is int else holder(self.scale)
        state["prev_flat_grad"] = holder(g)
        state["prev_loss"] = loss


def _array(tensor: Any) -> Any:
    return None if tensor is None else tensor._array()


def _real(p: Tensor) -> Any:
    """The type of the parts of a parameter."""
    kind = p.dtype.to_real()
    return DTYPES["float32"].numpy if p._dtype is not None else kind.numpy


def _flat(array: Any) -> Any:
    flat = array.reshape(-1)
    return flat.view(flat.real.dtype) if flat.dtype.kind == "c" else flat


def _largest(x: Any) -> Any:
    return np.abs(x).max()


def _number(loss: Any) -> float:
    return float(loss.item() if isinstance(loss, Tensor) else loss)
