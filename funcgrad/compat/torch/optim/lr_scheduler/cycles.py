"""Rates, and momenta against them, that rise and fall."""

import math
import types
import weakref
from collections.abc import Callable
from typing import Any, Literal

from typing_extensions import override

from funcgrad.compat.torch.optim.lr_scheduler.base import (
    Schedule,
    checked_optimizer,
    copied,
    one_each,
    set_option,
)
from funcgrad.compat.torch.optim.optimizer import Optimizer

__all__ = ["CyclicLR", "OneCycleLR"]

_NO_MOMENTUM = "optimizer must support momentum or beta1 with `cycle_momentum` option enabled"


def _set_momentum(group: dict[str, Any], value: Any, use_beta1: bool) -> None:
    if use_beta1:
        group["betas"] = (value, *group["betas"][1:])
    else:
        group["momentum"] = value


class CyclicLR(Schedule):
    """The rates go up and down between two limits, in straight lines (L. N. Smith, 2017).

    Args:
        optimizer: whose rates are set.
        base_lr: the lower limit, or one for each group.
        max_lr: the upper limit, or one for each group.
        step_size_up: steps of a rise.
        step_size_down: steps of a fall, as many by default.
        mode: "triangular", "triangular2" (each cycle half as high), or "exp_range" (γᵗ as high).
        gamma: γ.
        scale_fn: a height of one's own in the place of the mode's.
        scale_mode: whether it takes the number of the "cycle" or of the step ("iterations").
        cycle_momentum: whether the momentum goes down and up.
        base_momentum: its lower limit, or one for each group.
        max_momentum: its upper limit, or one for each group.
        last_epoch: steps that were made before.
    """

    __module__ = "funcgrad.compat.torch.optim.lr_scheduler"

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: Literal["triangular", "triangular2", "exp_range"] = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: Literal["cycle", "iterations"] = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float = 0.8,
        max_momentum: float = 0.9,
        last_epoch: int = -1,
    ) -> None:
        self.optimizer = checked_optimizer(optimizer)
        lowest = one_each("base_lr", optimizer, base_lr)
        if last_epoch == -1:
            for lr, group in zip(lowest, optimizer.param_groups, strict=True):
                set_option(group, "lr", lr)
        self.max_lrs = one_each("max_lr", optimizer, max_lr)
        up = float(step_size_up)
        down = up if step_size_down is None else float(step_size_down)
        self.total_size = up + down
        self.step_ratio = up / self.total_size
        if mode not in _HEIGHTS and scale_fn is None:
            raise ValueError("mode is invalid and scale_fn is None")
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_custom = scale_fn
        self.scale_mode: str = scale_mode
        self._init_scale_fn()
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
                raise ValueError(_NO_MOMENTUM)
            self.use_beta1 = "betas" in optimizer.defaults
            self.base_momentums = one_each("base_momentum", optimizer, base_momentum)
            self.max_momentums = one_each("max_momentum", optimizer, max_momentum)
            if last_epoch == -1:
                for high, low, group in zip(
                    self.max_momentums, self.base_momentums, optimizer.param_groups, strict=True
                ):
                    _set_momentum(group, high, self.use_beta1)
                    group["max_momentum"] = high
                    group["base_momentum"] = low
        super().__init__(optimizer, last_epoch)
        self.base_lrs = lowest

    def _init_scale_fn(self) -> None:
        if self._scale_fn_custom is not None:
            return
        name, self.scale_mode = _HEIGHTS[self.mode]
        self._scale_fn_ref: Any = weakref.WeakMethod(getattr(self, name))

    def scale_fn(self, x: float) -> float:
        """The height of a cycle or step."""
        own: Any = self._scale_fn_custom
        height: float = self._scale_fn_ref()(x) if own is None else own(x)
        return height

    def _triangular_scale_fn(self, x: float) -> float:
        return 1.0

    def _triangular2_scale_fn(self, x: float) -> float:
        return float(1 / (2.0 ** (x - 1)))

    def _exp_range_scale_fn(self, x: float) -> float:
        return float(self.gamma**x)

    @override
    def get_lr(self) -> list[Any]:
        """The next rates; the momenta are set at once."""
        self._current()
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        rising = x <= self.step_ratio
        height = x / self.step_ratio if rising else (x - 1) / (self.step_ratio - 1)
        height *= self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            for low, high, group in zip(
                self.base_momentums, self.max_momentums, self.optimizer.param_groups, strict=True
            ):
                _set_momentum(group, high - (high - low) * height, self.use_beta1)
        return [
            low + (high - low) * height
            for low, high in zip(self.base_lrs, self.max_lrs, strict=True)
        ]

    @override
    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimiser, and but a function of one's own that is no object."""
        found = super().state_dict()
        found.pop("_scale_fn_ref", None)
        own = found.pop("_scale_fn_custom")
        found["_scale_fn_custom"] = None
        if own is not None and not isinstance(own, types.FunctionType):
            found["_scale_fn_custom"] = own.__dict__.copy()
        return found

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` gave; a function of one's own stays."""
        rest = dict(state_dict)
        attributes = rest.pop("_scale_fn_custom", None)
        super().load_state_dict(rest)
        if attributes is not None and self._scale_fn_custom is not None:
            self._scale_fn_custom.__dict__.update(attributes)
        self._init_scale_fn()


_HEIGHTS = {
    "triangular": ("_triangular_scale_fn", "cycle"),
    "triangular2": ("_triangular2_scale_fn", "cycle"),
    "exp_range": ("_exp_range_scale_fn", "iterations"),
}


class OneCycleLR(Schedule):
    """The rates rise once to a maximum and fall to almost nothing (L. N. Smith, 2018).

    Args:
        optimizer: whose rates are set.
        max_lr: the maximum, or one for each group.
        total_steps: length of the cycle; or
        epochs: and
        steps_per_epoch: whose product it is.
        pct_start: part of the steps that the rise takes.
        anneal_strategy: "cos" or "linear".
        cycle_momentum: whether the momentum falls and rises.
        base_momentum: its lower limit, or one for each group.
        max_momentum: its upper limit, or one for each group.
        div_factor: the maximum divided by the first rate.
        final_div_factor: the first rate divided by the last.
        three_phase: whether it falls to the first rate as fast as it rose, and then on.
        last_epoch: steps that were made before.
    """

    __module__ = "funcgrad.compat.torch.optim.lr_scheduler"

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        self.optimizer = checked_optimizer(optimizer)
        self.total_steps = _total(total_steps, epochs, steps_per_epoch)
        self._schedule_phases = _phases(self.total_steps, pct_start, three_phase)
        if not isinstance(pct_start, float) or not 0 <= pct_start <= 1:
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        self._anneal_func_type = anneal_strategy
        highest = one_each("max_lr", optimizer, max_lr)
        if last_epoch == -1:
            for high, group in zip(highest, optimizer.param_groups, strict=True):
                group["initial_lr"] = high / div_factor
                group["max_lr"] = high
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
                raise ValueError(_NO_MOMENTUM)
            self.use_beta1 = "betas" in optimizer.defaults
            upper = one_each("max_momentum", optimizer, max_momentum)
            lower = one_each("base_momentum", optimizer, base_momentum)
            if last_epoch == -1:
                for m, b, group in zip(upper, lower, optimizer.param_groups, strict=True):
                    _set_momentum(group, m, self.use_beta1)
                    group["max_momentum"] = m
                    group["base_momentum"] = b
        super().__init__(optimizer, last_epoch)

    def _anneal_func(self, start: Any, end: Any, part: float) -> Any:
        if self._anneal_func_type == "cos":
            return self._annealing_cos(start, end, part)
        return self._annealing_linear(start, end, part)

    @staticmethod
    def _annealing_cos(start: Any, end: Any, pct: float) -> Any:
        return end + (start - end) / 2.0 * (math.cos(math.pi * pct) + 1)

    @staticmethod
    def _annealing_linear(start: Any, end: Any, pct: float) -> Any:
        return (end - start) * pct + start

    @override
    def get_lr(self) -> list[Any]:
        """The next rates; the momenta are set at once.

        Raises:
            ValueError: after the last step.
        """
        self._current()
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(
                f"Tried to step {step} times. The specified number of total steps is "
                f"{self.total_steps}"
            )
        begin = 0.0
        phases = self._schedule_phases
        for phase in phases:
            end = phase["end_step"]
            if step <= end or phase is phases[-1]:
                break
            begin = end
        part = (step - begin) / (end - begin)
        rates = []
        for group in self.optimizer.param_groups:
            start, stop = group[phase["start_lr"]], group[phase["end_lr"]]
            rates.append(self._anneal_func(copied(start), copied(stop), part))
            if self.cycle_momentum:
                first, last = group[phase["start_momentum"]], group[phase["end_momentum"]]
                _set_momentum(group, self._anneal_func(first, last, part), self.use_beta1)
        return rates


def _total(total_steps: Any, epochs: Any, steps_per_epoch: Any) -> int:
    """Number of steps."""
    if total_steps is None and (epochs is None or steps_per_epoch is None):
        raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
    given = (
        {"epochs": epochs, "steps_per_epoch": steps_per_epoch}
        if total_steps is None
        else {"total_steps": total_steps}
    )
    product = 1
    for name, value in given.items():
        if value <= 0 or not isinstance(value, int):
            raise ValueError(f"Expected positive integer {name}, but got {value}")
        product *= value
    return product


def _phases(total: int, share: Any, three: bool) -> list[dict[str, Any]]:
    """What goes from where to where, up to which step."""
    rising = float(share * total)
    rows: list[tuple[Any, str, str, str, str]] = [
        (rising - 1, "initial_lr", "max_lr", "max_momentum", "base_momentum")
    ]
    if three:
        rows += [
            (2 * share * total - 2, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
            (total - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
        ]
    else:
        rows.append((total - 1, "max_lr", "min_lr", "base_momentum", "max_momentum"))
    names = ("end_step", "start_lr", "end_lr", "start_momentum", "end_momentum")
    return [dict(zip(names, row, strict=True)) for row in rows]
