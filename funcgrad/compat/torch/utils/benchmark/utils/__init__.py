"""Timers, measurements and their tables."""

from funcgrad.compat.torch.utils.benchmark.utils import common, compare, timer

__all__ = ["common", "compare", "timer"]
