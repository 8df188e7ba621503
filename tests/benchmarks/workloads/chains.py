"""W2 and W10: long chains of small operations, where a library's overhead is what is measured."""

import math
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.workload import Data, Workload

Array = NDArray[Any]

SCALAR_STEPS = 34
ARRAY_STEPS = 333
OPERATIONS = 3 * ARRAY_STEPS


def scalar_data() -> Data:
    """One Python number."""
    return Data(params=(0.7,))


def scalar_chain(xp: Any, x: Any) -> Any:
    """x ← 1.01 sin x + 0.1, 34 times: 102 operations on one number."""
    for _ in range(SCALAR_STEPS):
        x = xp.sin(x) * 1.01 + 0.1
    return x


def scalar_chain_by_hand(x: float) -> tuple[float, tuple[float]]:
    """On Python floats with ``math``."""
    states = []
    for _ in range(SCALAR_STEPS):
        states.append(x)
        x = math.sin(x) * 1.01 + 0.1
    slope = 1.0
    for state in reversed(states):
        slope *= 1.01 * math.cos(state)
    return x, (slope,)


def array_data(n: int) -> Data:
    """Start (n,); factor (n,) and offset (n,)."""
    factor, offset = np.linspace(1.9, 2.0, n), np.linspace(0.1, 0.11, n)
    return Data(params=(np.linspace(0.1, 1.0, n),), constants=(factor, offset))


def array_chain(xp: Any, x: Any, factor: Any, offset: Any) -> Any:
    """x ← tanh(x ∘ factor + offset), 333 times, then the sum: 999 array operations."""
    for _ in range(ARRAY_STEPS):
        x = xp.tanh(x * factor + offset)
    return xp.sum(x)


def array_chain_by_hand(x: Array, factor: Array, offset: Array) -> tuple[Any, tuple[Array]]:
    """By the states after each step: d tanh(u) = (1 - tanh² u) du."""
    states = []
    for _ in range(ARRAY_STEPS):
        x = np.tanh(x * factor + offset)
        states.append(x)
    ct = np.ones_like(x)
    for state in reversed(states):
        ct = ct * (1 - state * state) * factor
    return x.sum(), (ct,)


CHAINS = (
    Workload(
        name="W2",
        title="102 operations on one number",
        data=scalar_data,
        small=scalar_data,
        loss=scalar_chain,
        hand=scalar_chain_by_hand,
    ),
    *(
        Workload(
            name=f"W10_{n}",
            title=f"999 operations on arrays of {n}",
            data=partial(array_data, n),
            small=partial(array_data, min(n, 20)),
            loss=array_chain,
            hand=array_chain_by_hand,
        )
        for n in (1, 10, 1000)
    ),
)
