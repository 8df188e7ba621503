"""What is shipped, and what importing it costs."""

import json
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).resolve().parent.parent

# Printed by a fresh interpreter: the top-level modules that importing funcgrad adds to NumPy's.
NEW_MODULES = """
import json, sys
import numpy, numpy.linalg, numpy.fft, numpy.random
before = {name.partition(".")[0] for name in sys.modules}
import funcgrad
after = {name.partition(".")[0] for name in sys.modules}
print(json.dumps(sorted(after - before)))
"""


def run_python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return done.stdout


def test_importing_funcgrad_imports_only_numpy_typing_extensions_and_the_standard_library() -> None:
    new = set(json.loads(run_python(NEW_MODULES)))
    assert "funcgrad" in new
    assert new - sys.stdlib_module_names <= {"funcgrad", "typing_extensions"}


def test_importing_funcgrad_prints_nothing() -> None:
    assert run_python("import funcgrad") == ""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """Sizes of the files of a freshly built wheel, by name."""
    folder = tmp_path_factory.mktemp("wheel")
    (path,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    with zipfile.ZipFile(path) as archive:
        return {item.filename: item.file_size for item in archive.infolist()}


def test_the_wheel_ships_the_marker_of_typed_packages(wheel: dict[str, int]) -> None:
    assert "funcgrad/py.typed" in wheel


def test_the_wheel_ships_every_module_and_nothing_but_the_package(wheel: dict[str, int]) -> None:
    shipped = {name for name in wheel if ".dist-info/" not in name}
    modules = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("funcgrad/**/*.py")}
    assert shipped == modules | {"funcgrad/py.typed"}


def test_the_wheel_ships_the_licence(wheel: dict[str, int]) -> None:
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in wheel)


def test_the_wheel_unpacks_to_less_than_six_megabytes(wheel: dict[str, int]) -> None:
    assert sum(wheel.values()) < 6_000_000


def test_the_version_is_that_of_the_distribution() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert run_python("import funcgrad; print(funcgrad.__version__)").strip() == project["version"]
