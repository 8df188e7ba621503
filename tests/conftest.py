"""Settings of the whole suite: Hypothesis profiles.

``quick`` (the default, also in CI) draws the same examples every time. ``deep`` is run by hand
before a release: ``HYPOTHESIS_PROFILE=deep pytest`` or ``pytest --hypothesis-profile=deep``.

Costs of operations are the built-in ones, so that every machine compiles the same source.
"""

import os

from hypothesis import settings

os.environ.setdefault("FUNCGRAD_COSTS", "default")

settings.register_profile(
    "quick", derandomize=True, print_blob=True, deadline=None, max_examples=25
)
settings.register_profile("deep", print_blob=True, deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
