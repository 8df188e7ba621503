"""The vjp that is derived from a jvp."""

from typing import Any

import numpy as np

from funcgrad.core.wengert import Partials
from funcgrad.families.smooth import transposed_jvp


def test_cotangents_of_results_with_one_tangent_add_up() -> None:
    def jvp(_out: Any, _x: Any, t: Any) -> tuple[Any, Any]:
        moved = 3.0 * t
        return moved, moved

    x = np.ones(2)
    pull, residuals = transposed_jvp(jvp)((x, x), (x,), (True,), {})
    assert pull is not None
    found = pull(Partials({0: np.array([1.0, 2.0]), 1: np.array([10.0, 20.0])}), residuals)
    np.testing.assert_array_equal(found, [33.0, 66.0])
