"""Whole modules and optimizers go both ways: their classes have PyTorch's names in files."""

import importlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

import funcgrad.compat.torch as layer
from funcgrad.compat.torch.files.names import find, path_of
from tests.compat.torch.serialization.contents import describe, make
from tests.compat.torch.serialization.record import FOLDER, PUBLIC

SOURCES = (Path(__file__).parent / "modules.txt").read_text().splitlines()
NAMES: dict[str, dict[str, str]] = json.loads(
    (FOLDER.parent / "torch_class_names.json").read_text()
)
CLASSES = [
    pytest.param(module, name, id=f"{module}.{name}")
    for module in PUBLIC
    for name in NAMES[module]
    if isinstance(vars(importlib.import_module(f"funcgrad.compat.{module}")).get(name), type)
]


def passed(writer: Any, thing: Any, reader: Any) -> Any:
    stream = io.BytesIO()
    writer.save(thing, stream)
    stream.seek(0)
    return reader.load(stream, weights_only=False)


def state(torch: Any, thing: Any) -> Any:
    return repr(thing), describe(torch, thing.state_dict())


def test_there_are_many_classes() -> None:
    assert len(CLASSES) > 200


@pytest.mark.parametrize(("module", "name"), CLASSES)
def test_a_class_is_written_under_the_name_that_pytorch_writes(module: str, name: str) -> None:
    cls = getattr(importlib.import_module(f"funcgrad.compat.{module}"), name)
    assert path_of(cls) == (NAMES[module][name], cls.__qualname__)
    assert find(NAMES[module][name], cls.__qualname__) is cls


@pytest.mark.parametrize("source", SOURCES)
def test_the_layer_reads_a_module_that_it_wrote(source: str) -> None:
    thing = make(layer, f"it = {source}")
    assert state(layer, passed(layer, thing, layer)) == state(layer, thing)


@pytest.mark.oracle
@pytest.mark.parametrize("source", SOURCES)
def test_a_module_goes_from_the_layer_to_pytorch(source: str) -> None:
    torch = pytest.importorskip("torch", minversion="2.13")
    thing = make(layer, f"it = {source}")
    assert state(torch, passed(layer, thing, torch)) == state(layer, thing)


@pytest.mark.oracle
@pytest.mark.parametrize("source", SOURCES)
def test_a_module_goes_from_pytorch_to_the_layer(source: str) -> None:
    torch = pytest.importorskip("torch", minversion="2.13")
    thing = make(torch, f"it = {source}")
    assert state(layer, passed(torch, thing, layer)) == state(torch, thing)


@pytest.mark.oracle
def test_the_recorded_names_are_those_of_pytorch() -> None:
    pytest.importorskip("torch", minversion="2.13")
    for module, names in NAMES.items():
        for name, path in names.items():
            assert getattr(importlib.import_module(module), name).__module__ == path
