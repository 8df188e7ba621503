"""Every law for drawn calls of every function of the surface."""

from collections.abc import Callable

import pytest

from tests.surface.laws import LAWS
from tests.surface.sample import Sample
from tests.surface.table import GENERATORS, samples

COUNT = 4  # samples of each function; `python -m tests.surface` draws many more


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("name", sorted(GENERATORS))
def test_surface(name: str, law: Callable[[Sample], None]):
    for sample in samples(name, COUNT):
        try:
            law(sample)
        except Exception as error:
            error.add_note(str(sample))
            raise
