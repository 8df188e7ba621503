"""Functions whose generators draw real numbers only, at complex ones that NumPy takes as well."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from tests.surface.laws import LAWS
from tests.surface.sample import Sample
from tests.surface.table import samples

NAMES = (
    "abs", "absolute", "amax", "amin", "apply_over_axes", "clip", "fmax", "fmin", "geomspace",
    "linspace", "logspace", "max", "maximum", "min", "minimum", "nanmax", "nanmin", "ptp",
)  # fmt: skip


def complex_samples(name: str) -> list[Sample]:
    """The samples that NumPy computes with complex arguments, of the same order as before."""
    found = []
    for sample in samples(name, 12):
        args = tuple(
            (np.asarray(a, np.complex128) * (1 + 0.1j))[()] if i in sample.active else a
            for i, a in enumerate(sample.args)
        )
        turned = dataclasses.replace(sample, args=args)
        try:
            turned.results(np, *args)
        except (TypeError, ValueError, np.exceptions.ComplexWarning):
            continue
        if sample.active and "dtype=" not in sample.label:  # which names a real one
            found.append(turned)
    return found[:3]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("name", NAMES)
def test_complex_numbers_keep_the_laws(name: str, law: Callable[[Sample], None]):
    chosen = complex_samples(name)
    assert chosen
    for sample in chosen:
        law(sample)
