"""How the generators of structural functions write calls: one line a function."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tests.surface.sample import Sample, draw, shape

__all__ = ["Rng", "array", "arrays", "call", "chosen", "listed", "one_of", "some"]

Rng = np.random.Generator
COARSE = (np.float32, np.complex64)
DTYPES = (np.float64, np.float64, np.float32, np.complex128, np.complex64)


def one_of(rng: Rng, *values: Any) -> Any:
    """One of the values, each as likely."""
    return values[int(rng.integers(len(values)))]


def some(rng: Rng, **options: Callable[[], Any]) -> dict[str, Any]:
    """Each option with a chance of one half; its value is drawn only then."""
    return {name: value() for name, value in options.items() if rng.random() < 0.5}


def array(rng: Rng, low: int = 0, high: int = 3, longest: int = 4, **options: Any) -> Any:
    """An array of any dtype with `low` to `high` axes."""
    return draw(rng, shape(rng, low, high, longest), one_of(rng, *DTYPES), **options)


def arrays(rng: Rng, shapes: Sequence[tuple[int, ...]], *, mixed: bool = True) -> tuple[Any, ...]:
    """Arrays of these shapes, now and then of several dtypes."""
    dtype = one_of(rng, *DTYPES)
    several = mixed and rng.random() < 0.3
    return tuple(draw(rng, one, one_of(rng, *DTYPES) if several else dtype) for one in shapes)


def _text(positional: Sequence[Any], options: dict[str, Any]) -> str:
    parts = [f"{value!r}" for value in positional]
    parts += [f"{name}={value!r}" for name, value in options.items()]
    return ", ".join(part.replace("\n", " ") for part in parts)


def _function(xp: Any, name: str) -> Any:
    for part in name.split("."):
        xp = getattr(xp, part)
    return xp


def call(name: str, args: Any, *positional: Any, laws: Any = (), **options: Any) -> Sample:
    """`np.name(*args, *positional, **options)`; `laws` are attributes of the sample."""
    args = args if isinstance(args, tuple) else (args,)
    return Sample(
        f"{name}({', '.join(['_'] * len(args))}, {_text(positional, options)})",
        lambda xp, *xs: _function(xp, name)(*xs, *positional, **options),
        args,
        **{"smooth": options.get("dtype") not in COARSE} | dict(laws),
    )


def listed(name: str, args: tuple[Any, ...], *positional: Any, **options: Any) -> Sample:
    """`np.name([*args], *positional, **options)`; fewer digits have no difference quotient."""
    return Sample(
        f"{name}([{', '.join(['_'] * len(args))}], {_text(positional, options)})",
        lambda xp, *xs: _function(xp, name)(list(xs), *positional, **options),
        args,
        smooth=options.get("dtype") not in COARSE,
    )


def chosen(generators: Sequence[Callable[[Rng], Sample]]) -> Callable[[Rng], Sample]:
    """A generator that uses one of several."""
    return lambda rng: one_of(rng, *generators)(rng)
