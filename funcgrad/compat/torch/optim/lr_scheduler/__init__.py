"""Schedules: how the rates of an optimiser change from step to step."""

from funcgrad.compat.torch.optim.lr_scheduler.base import EPOCH_DEPRECATION_WARNING, LRScheduler
from funcgrad.compat.torch.optim.lr_scheduler.composed import ChainedScheduler, SequentialLR
from funcgrad.compat.torch.optim.lr_scheduler.cosine import (
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
)
from funcgrad.compat.torch.optim.lr_scheduler.cycles import CyclicLR, OneCycleLR
from funcgrad.compat.torch.optim.lr_scheduler.plateau import ReduceLROnPlateau
from funcgrad.compat.torch.optim.lr_scheduler.simple import (
    ConstantLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)

__all__ = [
    "EPOCH_DEPRECATION_WARNING",
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]


class _LRScheduler(LRScheduler):
    """The old name of `LRScheduler`."""
