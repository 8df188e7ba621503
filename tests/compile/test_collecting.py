"""Cyclic garbage is not looked for while a program is compiled, and is again afterwards."""

import gc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.compile.collecting import no_collections
from funcgrad.compile.schedule import planned


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = gc.isenabled()
    yield
    (gc.enable if before else gc.disable)()


@pytest.mark.parametrize("enabled", [True, False])
def test_the_state_is_what_it_was(enabled: bool) -> None:
    (gc.enable if enabled else gc.disable)()
    with no_collections():
        assert not gc.isenabled()
        with no_collections():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled() is enabled


def test_an_error_leaves_it_as_it_was() -> None:
    gc.enable()
    with pytest.raises(ZeroDivisionError), no_collections():
        _ = 1 / 0
    assert gc.isenabled()


def test_passes_run_without_collections(monkeypatch: pytest.MonkeyPatch) -> None:
    gc.enable()
    seen: list[bool] = []

    def noted(*args: Any, **options: Any) -> Any:
        seen.append(gc.isenabled())
        return planned(*args, **options)

    monkeypatch.setattr("funcgrad.compile.emit.planned", noted)
    assert fg.jit(lambda x: np.sin(x) * 2.0)(np.float64(0.0)) == 0.0
    assert seen == [False]
    assert gc.isenabled()
