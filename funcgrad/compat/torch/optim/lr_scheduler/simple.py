"""Rates that are multiplied by functions, constants or powers."""

import types
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from typing import Any

from typing_extensions import override

from funcgrad.compat.torch.optim.lr_scheduler.base import Schedule
from funcgrad.compat.torch.optim.optimizer import Optimizer

__all__ = [
    "ConstantLR", "ExponentialLR", "LambdaLR", "LinearLR", "MultiStepLR", "MultiplicativeLR",
    "PolynomialLR", "StepLR",
]  # fmt: skip


class _Functions(Schedule):
    """A schedule by Python functions, of which the state keeps only those that are objects."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Any, last_epoch: int = -1) -> None:
        self.optimizer = optimizer
        groups = len(optimizer.param_groups)
        if isinstance(lr_lambda, list | tuple):
            if len(lr_lambda) != groups:
                raise ValueError(f"Expected {groups} lr_lambdas, but got {len(lr_lambda)}")
            self.lr_lambdas = list(lr_lambda)
        else:
            self.lr_lambdas = [lr_lambda] * groups
        super().__init__(optimizer, last_epoch)

    @override
    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimiser, and but functions: of objects their attributes."""
        found = {
            key: value
            for key, value in self.__dict__.items()
            if key not in ("optimizer", "lr_lambdas")
        }
        found["lr_lambdas"] = [
            None if isinstance(one, types.FunctionType) else one.__dict__.copy()
            for one in self.lr_lambdas
        ]
        return found

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` gave; functions stay."""
        rest = dict(state_dict)
        attributes = rest.pop("lr_lambdas")
        self.__dict__.update(rest)
        for one, values in zip(self.lr_lambdas, attributes, strict=False):
            if values is not None:
                one.__dict__.update(values)


class LambdaLR(_Functions):
    """lrₜ = lr₀ f(t).

    Args:
        optimizer: whose rates are set.
        lr_lambda: f, or one for each group.
        last_epoch: steps that were made before.
    """

    __module__ = "funcgrad.compat.torch.optim.lr_scheduler"

    @override
    def get_lr(self) -> list[Any]:
        """The next rates."""
        self._current()
        return [
            base * f(self.last_epoch)
            for f, base in zip(self.lr_lambdas, self.base_lrs, strict=True)
        ]


class MultiplicativeLR(_Functions):
    """lrₜ = lrₜ₋₁ f(t).

    Args:
        optimizer: whose rates are set.
        lr_lambda: f, or one for each group.
        last_epoch: steps that were made before.
    """

    __module__ = "funcgrad.compat.torch.optim.lr_scheduler"

    @override
    def get_lr(self) -> list[Any]:
        """The next rates."""
        rates = self._current()
        if self._is_initial:
            return rates
        return [lr * f(self.last_epoch) for f, lr in zip(self.lr_lambdas, rates, strict=True)]


class StepLR(Schedule):
    """lrₜ = lr₀ γ^⌊t / size⌋.

    Args:
        optimizer: whose rates are set.
        step_size: steps between two changes.
        gamma: γ.
        last_epoch: steps that were made before.
    """

    __module__ = "funcgrad.compat.torch.optim.lr_scheduler"

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    @override
    def get_lr(self) -> list[Any]:
        """The next rates."""
        rates = self._current()
        if self.last_epoch == 0 or self.last_epoch % self.step_size:
            return rates
        return [lr * self.gamma for lr in rates]

    def _get_closed_form_lr(self) -> list[Any]:
        factor = self.gamma ** (self.last_epoch // self.step_size)
        return [base * factor for base in self.base_lrs]


class MultiStepLR(Schedule):
    """lrₜ = lr₀ γⁿ after n of the milestones.

    Args:
        optimizer: whose rates are set.
        milestones: steps at which the rates change.
        gamma: γ.
        last_epoch: steps that were made before.
    """

    __module__ = "funcgrad.compat.torch.optim.lr_scheduler"

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        self.milestones = Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    @override
    def get_lr(self) -> list[Any]:
        """The next rates."""
        rates = self._current()
        if self.last_epoch not in self.milestones:
            return rates
        return [lr * self.gamma ** self.milestones[self.last_epoch] for lr in rates]

    def _get_closed_form_lr(self) -> list[Any]:
        passed = bisect_right(sorted(self.milestones.elements()), self.last_epoch)
        return [base * self.gamma**passed for base in self.base_lrs]


class ConstantLR(Schedule):
    """lrₜ = factor · lr₀ for the first steps, then lr₀.

    Args:
        optimizer: whose rates are set.
        factor: on [0, 1].
        total_iters: so many first steps.
        last_epoch: steps that were made before.
    """

    __module__ = "funcgrad.compat.torch.optim.lr_scheduler"

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1.0 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if factor > 1.0 or factor < 0:
            raise ValueError("Constant multiplicative factor expected to be between 0 and 1.")
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    @override
    def get_lr(self) -> list[Any]:
        """The next rates."""
        rates = self._current()
        if self.last_epoch == 0:
            return [lr * self.factor for lr in rates]
        if self.last_epoch != self.total_iters:
            return rates
        return [lr * (1.0 / self.factor) for lr in rates]

    def _get_closed_form_lr(self) -> list[Any]:
        early = self.last_epoch < self.total_iters
        return [base * (self.factor + (not early) * (1 - self.factor)) for base in self.base_lrs]


class LinearLR(Schedule):
    """lrₜ = lr₀ (a + (b - a) min(t, n) / n).

    Args:
        optimizer: whose rates are set.
        start_factor: a, on (0, 1].
        end_factor: b, on [0, 1].
        total_iters: n.
        last_epoch: steps that were made before.
    """

    __module__ = "funcgrad.compat.torch.optim.lr_scheduler"

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if start_factor > 1.0 or start_factor <= 0:
            raise ValueError(
                "Starting multiplicative factor expected to be greater than 0 and less or equal to "
                "1."
            )
        if end_factor > 1.0 or end_factor < 0:
            raise ValueError("Ending multiplicative factor expected to be between 0 and 1.")
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    @override
    def get_lr(self) -> list[Any]:
        """The next rates."""
        rates = self._current()
        if self.last_epoch == 0:
            return [lr * self.start_factor for lr in rates]
        if self._is_initial or self.last_epoch > self.total_iters:
            return rates
        change = self.end_factor - self.start_factor
        before = self.total_iters * self.start_factor + (self.last_epoch - 1) * change
        return [lr * (1.0 + change / before) for lr in rates]

    def _get_closed_form_lr(self) -> list[Any]:
        change = self.end_factor - self.start_factor
        change = change * min(self.total_iters, self.last_epoch) / self.total_iters
        return [base * (self.start_factor + change) for base in self.base_lrs]


class ExponentialLR(Schedule):
    """lrₜ = lr₀ γᵗ.

    Args:
        optimizer: whose rates are set.
        gamma: γ.
        last_epoch: steps that were made before.
    """

    __module__ = "funcgrad.compat.torch.optim.lr_scheduler"

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    @override
    def get_lr(self) -> list[Any]:
        """The next rates."""
        rates = self._current()
        return rates if self._is_initial else [lr * self.gamma for lr in rates]

    def _get_closed_form_lr(self) -> list[Any]:
        return [base * self.gamma**self.last_epoch for base in self.base_lrs]


class PolynomialLR(Schedule):
    """lrₜ = lr₀ (1 - min(t, n) / n)^power.

    Args:
        optimizer: whose rates are set.
        total_iters: n.
        power: of the polynomial.
        last_epoch: steps that were made before.
    """

    __module__ = "funcgrad.compat.torch.optim.lr_scheduler"

    def __init__(
        self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1
    ) -> None:
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    @override
    def get_lr(self) -> list[Any]:
        """The next rates."""
        rates = self._current()
        if self._is_initial or self.last_epoch > self.total_iters:
            return rates
        now = 1.0 - self.last_epoch / self.total_iters
        before = 1.0 - (self.last_epoch - 1) / self.total_iters
        return [lr * (now / before) ** self.power for lr in rates]

    def _get_closed_form_lr(self) -> list[Any]:
        part = min(self.total_iters, self.last_epoch) / self.total_iters
        return [base * (1.0 - part) ** self.power for base in self.base_lrs]
