"""Samples of NumPy's functions: discrete Fourier transforms."""

from typing import Any

import numpy as np

from tests.surface.calls import DTYPES, Rng, call, one_of, some
from tests.surface.sample import Generator, Sample, axis_of, draw, shape

__all__ = ["GENERATORS"]

REAL_ONLY = {"rfft", "ihfft", "rfft2", "rfftn"}


def _operand(rng: Rng, name: str, rank: int) -> Any:
    dtypes = (np.float64, np.float32) if name in REAL_ONLY else DTYPES
    return draw(rng, tuple(map(int, rng.integers(2, 5, rank))), one_of(rng, *dtypes))


def _norm(rng: Rng) -> Any:
    return one_of(rng, None, "backward", "ortho", "forward")


def _one(name: str) -> Generator:
    def generator(rng: Rng) -> Sample:
        x = _operand(rng, name, int(rng.integers(1, 4)))
        options = some(
            rng,
            n=lambda: int(rng.integers(1, 8)),
            axis=lambda: int(rng.integers(-x.ndim, x.ndim)),
            norm=lambda: _norm(rng),
        )
        return call(f"fft.{name}", x, **options)

    return generator


def _several(name: str, count: int | None) -> Generator:
    """Lengths and axes; with axes that occur twice, and lengths of -1."""

    def generator(rng: Rng) -> Sample:
        x = _operand(rng, name, int(rng.integers(2, 4)))
        options = some(rng, norm=lambda: _norm(rng))
        axes: Any = None
        if rng.random() < 0.7:
            number = int(rng.integers(1, x.ndim + 1))
            axes = tuple(int(i) for i in rng.integers(-x.ndim, x.ndim, number))
            options["axes"] = axes
        if axes is not None or count == 2:
            number = 2 if axes is None else len(axes)
            if rng.random() < 0.6:
                options["s"] = tuple(int(one_of(rng, -1, 2, 3, 5)) for _ in range(number))
        return call(f"fft.{name}", x, **options)

    return generator


def _shift(name: str) -> Generator:
    def generator(rng: Rng) -> Sample:
        x = draw(rng, shape(rng, low=1), one_of(rng, *DTYPES))
        return call(f"fft.{name}", x, axes=axis_of(rng, x.ndim, many=True))

    return generator


GENERATORS: dict[str, Generator] = {
    **{f"fft.{name}": _one(name) for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")},
    **{f"fft.{name}": _several(name, 2) for name in ("fft2", "ifft2", "rfft2", "irfft2")},
    **{f"fft.{name}": _several(name, None) for name in ("fftn", "ifftn", "rfftn", "irfftn")},
    **{f"fft.{name}": _shift(name) for name in ("fftshift", "ifftshift")},
}
