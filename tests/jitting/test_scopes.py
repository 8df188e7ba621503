"""What stands in the namespace of a compiled function."""

from typing import Any

import numpy as np

import funcgrad as fg
from funcgrad.compile.naming import Names
from funcgrad.jitting.scopes import JitScope


def test_numpy_is_there_without_the_function_that_looks_for_missing_names() -> None:
    module = JitScope(Names()).namespace["np"]
    assert not hasattr(module, "__getattr__")
    assert module.add is np.add
    assert module.linalg.solve is np.linalg.solve


def test_modules_that_numpy_imports_late_are_there() -> None:
    def f(x: Any) -> Any:
        return np.fft.irfft(np.fft.rfft(x)) + np.linalg.norm(x)

    jitted, x = fg.jit(f), np.arange(4.0)
    for _ in range(2):
        np.testing.assert_array_equal(jitted(x), f(x))
    assert "np.fft.rfft" in jitted.source(x)
