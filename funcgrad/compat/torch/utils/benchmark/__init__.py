"""`torch.utils.benchmark`: how long statements take, and tables that compare them."""

from funcgrad.compat.torch.utils.benchmark import utils
from funcgrad.compat.torch.utils.benchmark.utils.common import (
    Measurement,
    TaskSpec,
    ordered_unique,
    select_unit,
    set_torch_threads,
    trim_sigfig,
    unit_to_english,
)
from funcgrad.compat.torch.utils.benchmark.utils.compare import Colorize, Compare
from funcgrad.compat.torch.utils.benchmark.utils.timer import Language, Timer, timer

__all__ = [
    "Colorize",
    "Compare",
    "Language",
    "Measurement",
    "TaskSpec",
    "Timer",
    "ordered_unique",
    "select_unit",
    "set_torch_threads",
    "timer",
    "trim_sigfig",
    "unit_to_english",
    "utils",
]
