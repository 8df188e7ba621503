"""What `funcgrad.testing` offers, and what it needs."""

import subprocess
import sys

import pytest

from funcgrad import testing
from funcgrad.testing import strategies


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_checks_work_without_hypothesis() -> None:
    code = (
        "import sys; sys.modules['hypothesis'] = None; import numpy as np, funcgrad.testing as t; "
        "t.check_grads(np.sin, (np.ones(3),))"
    )
    done = run(code)
    assert done.returncode == 0, done.stderr


def test_strategies_without_hypothesis_say_what_to_install() -> None:
    code = "import sys; sys.modules['hypothesis'] = None; from funcgrad.testing import strategies"
    done = run(code)
    assert done.returncode == 1
    assert "ImportError: funcgrad.testing.strategies: Hypothesis is not installed" in done.stderr
    assert "pip install hypothesis" in done.stderr


def test_importing_the_package_does_not_import_hypothesis() -> None:
    done = run("import sys, funcgrad.testing; print('hypothesis' in sys.modules)")
    assert done.stdout.strip() == "False", done.stderr


def test_strategies_are_an_attribute_of_the_package() -> None:
    assert testing.strategies is strategies


def test_other_names_are_no_attributes() -> None:
    with pytest.raises(AttributeError, match="no attribute 'strategy'"):
        testing.strategy  # type: ignore[attr-defined]  # noqa: B018  # there is none
