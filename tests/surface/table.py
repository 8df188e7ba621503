"""Every function of numpy, numpy.linalg and numpy.fft that has a derivative: how to draw a call."""

import zlib
from typing import Any

import numpy as np

from tests.surface import (
    contraction,
    creation,
    elementwise,
    fourier,
    linalg,
    polynomials,
    reductions,
    selecting,
    statistics,
    structure,
)
from tests.surface.sample import Generator, Sample

__all__ = ["GENERATORS", "samples"]

GENERATORS: dict[str, Generator] = {}
for _family in (
    elementwise, reductions, structure, creation, selecting, contraction, fourier, polynomials,
    statistics, linalg,
):  # fmt: skip
    _again = GENERATORS.keys() & _family.GENERATORS.keys()
    if _again:
        raise ValueError(f"two files draw {sorted(_again)}")
    GENERATORS.update(_family.GENERATORS)


def samples(name: str, count: int, seed: int = 0) -> list[Sample]:
    """The first samples of a function; the same in every run."""
    rng: Any = np.random.default_rng([seed, zlib.crc32(name.encode())])
    return [GENERATORS[name](rng) for _ in range(count)]
