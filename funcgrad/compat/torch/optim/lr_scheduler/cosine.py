"""Rates that fall along a cosine."""

import math
from typing import Any

from typing_extensions import override

from funcgrad.compat.torch.optim.lr_scheduler.base import (
    Schedule,
    rates_of,
    set_option,
)
from funcgrad.compat.torch.optim.optimizer import Optimizer

__all__ = ["CosineAnnealingLR", "CosineAnnealingWarmRestarts"]


class CosineAnnealingLR(Schedule):
    """lrₜ = lrₘᵢₙ + ½ (lr₀ - lrₘᵢₙ)(1 + cos(π t / T)) (I. Loshchilov and F. Hutter, 2017).

    Args:
        optimizer: whose rates are set.
        T_max: T; after it the rates rise again.
        eta_min: lrₘᵢₙ.
        last_epoch: steps that were made before.
    """

    __module__ = "funcgrad.compat.torch.optim.lr_scheduler"

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    @override
    def get_lr(self) -> list[Any]:
        """The next rates: from the present ones, so that other schedules may act too."""
        rates = self._current()
        t, end, low = self.last_epoch, self.T_max, self.eta_min
        if self._is_initial:
            return rates
        if self._step_count == 1 and t > 0:
            return [
                low + (base - low) * (1 + math.cos(t * math.pi / end)) / 2 for base in self.base_lrs
            ]
        if (t - 1 - end) % (2 * end) == 0:
            rise = (1 - math.cos(math.pi / end)) / 2
            return [lr + (base - low) * rise for base, lr in zip(self.base_lrs, rates, strict=True)]
        ratio = (1 + math.cos(math.pi * t / end)) / (1 + math.cos(math.pi * (t - 1) / end))
        return [ratio * (lr - low) + low for lr in rates]

    def _get_closed_form_lr(self) -> list[Any]:
        part = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return [self.eta_min + (base - self.eta_min) * part for base in self.base_lrs]


class CosineAnnealingWarmRestarts(Schedule):
    """Half a cosine again and again, each longer than the one before (SGDR, 2017).

    Args:
        optimizer: whose rates are set.
        T_0: length of the first.
        T_mult: by what the length grows.
        eta_min: the lowest rate.
        last_epoch: steps that were made before.
    """

    __module__ = "funcgrad.compat.torch.optim.lr_scheduler"

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        if T_0 <= 0 or not isinstance(T_0, int):
            raise ValueError(f"Expected positive integer T_0, but got {T_0}")
        if T_mult < 1 or not isinstance(T_mult, int):
            raise ValueError(f"Expected integer T_mult >= 1, but got {T_mult}")
        if not isinstance(eta_min, float | int):
            raise ValueError(  # PyTorch's kind of error
                f"Expected float or int eta_min, but got {eta_min} of type {type(eta_min)}"
            )
        self.T_0 = T_0
        self.T_i = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        self.T_cur: Any = last_epoch
        super().__init__(optimizer, last_epoch)

    @override
    def get_lr(self) -> list[Any]:
        """The next rates."""
        self._current()
        part = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * part for base in self.base_lrs]

    @override
    def step(self, epoch: float | None = None) -> None:
        """Set the next rates.

        Args:
            epoch: steps so far, also parts of steps.
        """
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur -= self.T_i
                self.T_i *= self.T_mult
        else:
            if epoch < 0:
                raise ValueError(f"Expected non-negative epoch, but got {epoch}")
            self._enter(epoch)
        self.last_epoch = math.floor(epoch)
        self._get_lr_called_within_step = True
        try:
            values = self.get_lr()
        finally:
            self._get_lr_called_within_step = False
        for group, value in zip(self.optimizer.param_groups, values, strict=True):
            set_option(group, "lr", value)
        self._last_lr = rates_of(self.optimizer)

    def _enter(self, epoch: float) -> None:
        """Find the half cosine of a step, and the place in it."""
        first, factor = self.T_0, self.T_mult
        if epoch < first:
            self.T_i, self.T_cur = first, epoch
        elif factor == 1:
            self.T_i, self.T_cur = first, epoch % first
        else:
            n = int(math.log(epoch / first * (factor - 1) + 1, factor))
            self.T_i = first * factor**n
            self.T_cur = epoch - first * (factor**n - 1) / (factor - 1)
