"""Samples of NumPy's functions: elementwise."""

from tests.surface.sample import Generator, Sample, broadcast_shape, draw, shape

__all__ = ["GENERATORS"]


def _hypot(rng):
    whole = shape(rng)
    return Sample(
        "hypot(x, y)",
        lambda xp, x, y: xp.hypot(x, y),
        (draw(rng, whole), draw(rng, broadcast_shape(rng, whole))),
    )


GENERATORS: dict[str, Generator] = {"hypot": _hypot}
