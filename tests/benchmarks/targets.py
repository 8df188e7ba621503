"""How much faster than its peers funcgrad has to be: peer time / funcgrad time."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """A ratio to reach and a more ambitious one to aim at."""

    reach: float
    aim: float

    def scaled(self, share: float) -> "Target":
        """The same demands, multiplied."""
        return Target(self.reach * share, self.aim * share)

    def verdict(self, ratio: float) -> str:
        """``aim met``, ``met`` or ``missed``."""
        if ratio >= self.aim:
            return "met" if self.aim == self.reach else "aim met"
        return "met" if ratio >= self.reach else "missed"

    def __str__(self) -> str:
        return f"{self.reach:.3g}" + (f" ({self.aim:.3g})" if self.aim != self.reach else "")


def _targets(**ratios: tuple[float, float]) -> dict[str, Target]:
    return {workload: Target(*ratio) for workload, ratio in ratios.items()}


NN_TARGET = Target(5, 5)
"""W1 through `funcgrad.nn`, over torch eager."""

PLAIN_NUMPY_SHARE = 0.75
"""What plain ``np.*`` calls have to reach of each target."""

PER_OPERATION = 0.8
"""Microseconds of overhead over the hand-written gradient per operation of W10_10."""

IMPORT = 0.060
"""Seconds of import time over NumPy's."""

TARGETS: dict[str, dict[str, Target]] = {
    "torch eager": _targets(
        W1=(3, 4),
        W2=(8, 12),
        W3=(1, 1),
        W4=(1.3, 1.5),
        W5=(1, 1),
        W6=(1.5, 1.8),
        W6n=(1.5, 1.8),
        W9=(1.4, 1.4),
        W10_1=(2.5, 3),
        W10_10=(2.5, 3),
        W10_1000=(2, 2.2),
        W11=(1, 1),
    ),
    "autograd": _targets(
        W1=(8, 10),
        W2=(15, 24),
        W3=(1.5, 1.5),
        W4=(1.15, 1.5),
        W5=(1, 1),
        W6=(4, 4),
        W6n=(4, 4),
        W9=(1.5, 1.5),
        W10_1=(6.5, 6.5),
        W10_10=(6.5, 6.5),
        W10_1000=(3.5, 3.5),
        W11=(1.5, 1.5),
    ),
}

LAYER_TARGETS: dict[str, Target] = _targets(
    W1=(1, 1),
    W2=(1, 1),
    W10_1=(1, 1),
    W10_10=(1, 1),
    W10_1000=(1, 1),
    W4=(1 / 1.3, 1 / 1.3),
    W9=(1 / 1.3, 1 / 1.3),
    W11=(1 / 1.3, 1 / 1.3),
)
"""Time of PyTorch / time of `funcgrad.compat.torch`, forward and backward."""

JIT = "funcgrad.jit"
EXACT = "funcgrad.jit exact"
SPARSE = "funcgrad sparse"
NUMBA = "funcgrad.jit numba"
SCAN = "jax.jit scan"


def _reached(**ratios: float) -> dict[str, Target]:
    return {workload: Target(ratio, ratio) for workload, ratio in ratios.items()}


JIT_TARGETS: dict[str, dict[str, Target]] = {
    "torch eager": _reached(
        W1=18,
        W2=130,
        W3=1.15,
        W4=3,
        W5=1.6,
        W6=5,
        W6n=5,
        W7b=6,
        W8=4,
        W9=2,
        W10_1=100,
        W10_10=9,
        W10_1000=4,
        W11=1,
    ),
    "jax.jit": _reached(
        W1=2.5,
        W2=2.3,
        W3=0.95,
        W4=3,
        W5=1.6,
        W6=2.2,
        W6n=2.2,
        W7a=0.45,
        W7b=0.5,
        W8=0.9,
        W10_1=0.8,
        W10_10=0.17,
        W10_1000=0.75,
        W11=1.15,
    )
    | _targets(W9=(0.75, 1.5)),
    "autograd": _reached(
        W1=45,
        W2=250,
        W3=2,
        W4=3,
        W5=1.35,
        W6=11,
        W6n=11,
        W7b=20,
        W8=45,
        W9=2.3,
        W10_1=250,
        W10_10=18,
        W10_1000=6,
        W11=2,
    ),
}
"""Time of a peer / time of the compiled function."""

OTHER_WAYS: tuple[tuple[str, str, str, Target], ...] = (
    ("W6", JIT, SCAN, Target(1.3, 1.3)),
    ("W6n", JIT, SCAN, Target(1.3, 1.3)),
    ("W7a", SPARSE, "torch eager", Target(100, 100)),
    ("W7a", SPARSE, "autograd", Target(700, 700)),
    ("W7a", SPARSE, "jax.jit", Target(3, 3)),
    ("W2", NUMBA, "jax.jit", Target(5, 5)),
    ("W10_1", NUMBA, "jax.jit", Target(2, 2)),
)
"""Workload, contender, peer, time of the peer / time of the contender."""

MEMORY: dict[str, float] = {"W4": 100, "W6": 10}
"""MiB that calls of a compiled gradient may add, at most."""

NO_SLOWER = Target(1, 1)
"""Over funcgrad's own eager mode, on every workload."""

DISPATCH = 1e-6
"""Seconds of a call of a compiled function that does nothing."""

DISPATCH_ARRAY = 0.1e-6
"""Seconds more for each argument that is an array."""

DISPATCH_NODE = 0.3e-6
"""Seconds more for each container and leaf of a pytree."""

PER_EQUATION = Target(1 / 100e-6, 1 / 50e-6)
"""Recorded operations a second: recorded, simplified, written and compiled."""

UNROLLED = 0.4
"""Seconds until W6, 200 unrolled steps, is compiled."""
