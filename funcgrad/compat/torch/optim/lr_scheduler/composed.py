"""Schedules made of schedules."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from typing_extensions import override

from funcgrad.compat.torch.optim.lr_scheduler.base import (
    LRScheduler,
    optimizers_agree,
    rates_of,
    set_option,
)
from funcgrad.compat.torch.optim.lr_scheduler.plateau import ReduceLROnPlateau
from funcgrad.compat.torch.optim.optimizer import Optimizer

__all__ = ["ChainedScheduler", "SequentialLR"]


class _Composed(LRScheduler):
    _schedulers: Any

    @override
    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimiser; of each schedule its own state."""
        found = {
            key: value
            for key, value in self.__dict__.items()
            if key not in ("optimizer", "_schedulers")
        }
        found["_schedulers"] = [one.state_dict() for one in self._schedulers]
        return found

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        rest = dict(state_dict)
        states = rest.pop("_schedulers")
        self.__dict__.update(rest)
        for one, state in zip(self._schedulers, states, strict=False):
            one.load_state_dict(state)


class SequentialLR(_Composed):
    """One schedule after the other.

    Args:
        optimizer: whose rates are set.
        schedulers: the schedules.
        milestones: steps at which the next one begins.
        last_epoch: steps that were made before.
    """

    __module__ = "funcgrad.compat.torch.optim.lr_scheduler"

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: list[LRScheduler],
        milestones: list[int],
        last_epoch: int = -1,
    ) -> None:
        if len(schedulers) < 1:
            raise ValueError("SequentialLR expects at least one scheduler, but got no scheduler.")
        optimizers_agree("SequentialLR", optimizer, schedulers, ReduceLROnPlateau)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                "Sequential Schedulers expects number of schedulers provided to be one more than "
                "the number of milestone points, but got number of schedulers "
                f"{len(schedulers)} and the number of milestones to be equal to {len(milestones)}"
            )
        self._schedulers = schedulers
        self._milestones = milestones
        self.last_epoch = last_epoch + 1
        self.optimizer = optimizer
        for group in optimizer.param_groups:  # undo the first steps of all schedules
            set_option(group, "lr", group["initial_lr"])
        for one in schedulers:
            self.recursive_undo(one)
        schedulers[0]._initial_step()
        self._last_lr = schedulers[0].get_last_lr()

    def recursive_undo(self, sched: Any = None) -> None:
        """Take back the first step of schedules, however deep."""
        found = self if sched is None else sched
        if hasattr(found, "_schedulers"):
            for one in found._schedulers:
                self.recursive_undo(one)
        elif hasattr(found, "last_epoch"):
            found.last_epoch -= 1

    @override
    def step(self) -> None:  # type: ignore[override]  # as in PyTorch
        """Set the next rates."""
        self.last_epoch += 1
        number = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[number]
        if number > 0 and self._milestones[number - 1] == self.last_epoch:
            scheduler._update_lr(0)
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()


class ChainedScheduler(_Composed):
    """Several schedules at once: each changes what the one before it has set.

    Args:
        schedulers: the schedules.
        optimizer: whose rates are set; that of the first schedule by default.
    """

    __module__ = "funcgrad.compat.torch.optim.lr_scheduler"

    def __init__(
        self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None
    ) -> None:
        if len(schedulers) < 1:
            raise ValueError(
                "ChainedScheduler expects at least one scheduler to be chained, but got no "
                "scheduler."
            )
        found = optimizer or getattr(schedulers[0], "optimizer", None)
        optimizers_agree("ChainedScheduler", found, schedulers, ReduceLROnPlateau)
        self._schedulers = schedulers
        self.optimizer = found
        self._last_lr = rates_of(self.optimizer)

    @override
    def step(self) -> None:  # type: ignore[override]  # as in PyTorch
        """Let each schedule set its next rates."""
        for one in self._schedulers:
            one.step()
        self._last_lr = rates_of(self.optimizer)
