"""Exported modules run, and say the same, where funcgrad cannot be imported."""

import ast
import subprocess
import sys
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.errors import ExportError
from funcgrad.jitting.export import to_source
from tests.laws.test_laws import CASES

BLOCK = (
    'import sys; sys.modules["funcgrad"] = None; import runpy; runpy.run_path({!r}, run_name={!r})'
)


def imports_of(text: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module))
    return found


def run_alone(text: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """The module run as a script in a fresh interpreter without funcgrad."""
    file = tmp_path / "module.py"
    file.write_text(text, encoding="utf-8")
    return subprocess.run(  # our own file
        [sys.executable, "-I", "-W", "error", "-c", BLOCK.format(str(file), "__main__")],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip


def loaded(text: str) -> dict[str, Any]:
    """The names of the module, executed here."""
    assert imports_of(text) <= {"numpy", "math"}
    names: dict[str, Any] = {"__name__": "exported"}
    exec(compile(text, "<exported>", "exec"), names)  # what is tested
    return names


def same(found: Any, expected: Any) -> None:
    """Equal to the last bit, with dtype and type."""
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for key, value in expected.items():
            same(found[key], value)
    elif isinstance(expected, tuple | list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            same(one, other)
    else:
        assert np.asarray(found).dtype == np.asarray(expected).dtype
        np.testing.assert_array_equal(found, expected)


RNG = np.random.default_rng(0)
X, W = RNG.normal(size=(4, 3)), RNG.normal(size=(3, 2))
LABELS = np.array([0, 1, 1, 0])


def model(params: Any, x: Any, labels: Any) -> Any:
    """A net with one layer."""
    hidden = fg.nn.gelu(x @ params["w"] + params["b"])
    return fg.nn.softmax_cross_entropy_with_integer_labels(hidden, labels).mean()


def distance(x: Any, y: Any) -> Any:
    if np.sum(x) > 0:
        return np.sqrt(np.sum((x - y) ** 2))
    return np.sum(np.abs(x - y))


PARAMS = {"w": W, "b": np.zeros(2)}


def test_a_gradient_runs_without_funcgrad(tmp_path: Path):
    text = to_source(fg.value_and_grad(model), PARAMS, X, LABELS)
    done = run_alone(text, tmp_path)
    assert done.stdout == "ok\n", done.stdout + done.stderr
    assert done.returncode == 0
    assert imports_of(text) <= {"numpy", "math"}


def test_the_module_computes_the_same_to_the_last_bit():
    f = fg.jit(fg.value_and_grad(model), exact=True)
    found = loaded(to_source(f, PARAMS, X, LABELS))["model"]
    other = {"w": 3 * W, "b": np.ones(2)}
    same(found(other, -X, 1 - LABELS), f(other, -X, 1 - LABELS))


def test_the_text_has_the_users_names_lines_and_shapes():
    def scaled(x: Any, rate: Any) -> Any:
        """Rate times sine."""
        wave = np.sin(x)
        return rate * wave

    text = to_source(scaled, np.ones(3, np.float32), 2.0)
    assert text.startswith('"""scaled: Rate times sine.\n')
    assert "def scaled(x, rate):" in text
    assert "wave = np.sin(x)  # test_export.py:" in text
    assert ": wave = np.sin(x)\n" in text
    assert "        x: float32[3]." in text
    assert "        rate: a number (float64)." in text
    assert "        the result: float32[3]." in text


def test_a_check_that_fails_says_what_differs(tmp_path: Path):
    text = to_source(lambda x: np.exp(x), np.array([1.0, 2.0]))
    done = run_alone(text.replace("np.exp(x)", "np.exp(x + 1e-6)", 1), tmp_path)
    assert done.returncode == 1
    assert done.stdout.startswith("out: differs by ")


def test_pytrees_come_and_go_as_plain_containers():
    Point = namedtuple("Point", "x y")

    def f(a: Any, b: Any) -> Any:
        return {"sum": (a.x + a.y, [b["k"][0]]), 3: None, "again": Point(b["k"][1], a.x)}

    text = to_source(f, Point(X, 2.0), OrderedDict(k=[np.ones(2), np.zeros(3)]))
    found = loaded(text)["f"]((X, 2.0), {"k": [np.ones(2), np.zeros(3)]})
    assert sorted(map(str, found)) == ["3", "again", "sum"]
    same(found["sum"], (X + 2.0, [np.ones(2)]))
    same(found["again"], (np.zeros(3), X))
    assert found[3] is None
    assert "a holds Point: a tuple of .x, .y." in text


def test_registered_nodes_become_tuples_and_this_is_documented():
    @fg.tree.register_dataclass
    @dataclass(frozen=True)
    class State:
        position: Any
        speed: Any

    def step(state: Any) -> Any:
        return State(state.position + state.speed, state.speed)

    text = to_source(step, State(np.ones(2), np.full(2, 0.5)))
    found = loaded(text)["step"]((np.ones(2), np.full(2, 0.5)))
    same(found, (np.full(2, 1.5), np.full(2, 0.5)))
    assert "State: a tuple of .position, .speed" in text


def test_keyword_arguments_stay_keywords():
    def f(x: Any, *, rate: Any) -> Any:
        return x * rate["a"]

    found = loaded(to_source(f, X, rate={"a": 2.0}))["f"]
    same(found(X, rate={"a": 3.0}), X * 3.0)


def test_static_arguments_are_written_in():
    def f(x: Any, power: int) -> Any:
        return x**power

    text = to_source(fg.jit(f, static_argnums=1), X, 3)
    same(loaded(text)["f"](X), X**3)


def test_arrays_of_the_closure_are_embedded(tmp_path: Path):
    weights = RNG.normal(size=40)

    def f(x: Any) -> Any:
        return np.sum(weights * x)

    text = to_source(f, np.ones(40))
    same(loaded(text)["f"](np.arange(40.0)), f(np.arange(40.0)))
    assert "weights = np.frombuffer(bytes.fromhex(" in text
    assert run_alone(text, tmp_path).stdout == "ok\n"


def test_another_path_is_refused_with_the_line():
    text = to_source(distance, X + 9, X)
    found = loaded(text)["distance"]
    same(found(X + 8, X), distance(X + 8, X))
    with pytest.raises(ValueError, match=r"path where 'if np.sum\(x\) > 0' is True \(test_export"):
        found(X - 9, X)


def test_a_jitted_function_is_exported_with_all_its_paths():
    f = fg.jit(distance)
    f(X + 9, X)
    f(X - 9, X)
    found = loaded(to_source(f, X + 9, X))["distance"]
    same(found(X - 7, X), distance(X - 7, X))
    same(found(X + 7, X), distance(X + 7, X))


def test_arguments_of_another_shape_or_dtype_are_refused():
    found = loaded(to_source(lambda x: np.mean(x), np.ones(3)))["fun"]
    for wrong in (np.ones(4), np.ones(3, np.float32), [1.0, 2.0, 3.0], 1.0):
        with pytest.raises(TypeError, match=r"x: this module was written for shape \(3,\)"):
            found(wrong)


def test_large_arguments_are_drawn_anew(tmp_path: Path):
    x = RNG.uniform(1.0, 2.0, (200, 100))
    chosen = RNG.integers(0, 200, 30000)

    def f(x: Any, chosen: Any) -> Any:
        return np.log(x)[chosen], chosen > 3

    text = to_source(f, x, chosen)
    assert len(text) < 40_000
    assert "rng.uniform(1.0" in text
    assert "rng.integers(0, 199, (30000,), endpoint=True)" in text
    assert run_alone(text, tmp_path).stdout == "ok\n"


def test_large_arguments_that_would_take_another_path_are_embedded(tmp_path: Path):
    x = np.sort(RNG.normal(size=10000))

    def f(x: Any) -> Any:
        return np.sum(x) if x[0] < x[1] < x[2] < x[3] < x[4] < x[5] else x

    text = to_source(f, x)
    assert "rng" not in text
    assert run_alone(text, tmp_path).stdout == "ok\n"


def test_names_of_the_user_that_helpers_have_are_kept(tmp_path: Path):
    def shifted(total: Any, np_: Any, difference: Any) -> Any:
        softmax = fg.nn.softmax(total) * np_
        out = fg.nn.log_softmax(softmax) + difference
        math = out * 2
        return math * out

    text = to_source(shifted, X, X, X)
    names = loaded(text)
    same(names["shifted"](X, -X, X), shifted(X, -X, X))
    assert "def shifted(total, np_, difference):" in text
    assert run_alone(text, tmp_path).stdout == "ok\n"


def test_callbacks_are_refused_by_name():
    def outside(x: Any) -> Any:
        return x

    with pytest.raises(ExportError, match=r"calls outside through pure_callback at .*test_export"):
        to_source(lambda x: fg.pure_callback(outside, x, x), X)


def test_custom_derivatives_are_written_in_line():
    @fg.custom_vjp
    def f(x: Any) -> Any:
        return np.sin(x)

    f.defvjp(lambda x: (np.sin(x), x), lambda x, ct: (ct * 7 * np.cos(x),))
    found = loaded(to_source(fg.grad(lambda x: np.sum(f(x))), X))["fun"]
    same(found(X), 7 * np.cos(X))


def test_float32_stays_float32_and_numbers_stay_weak(tmp_path: Path):
    def f(x: Any, rate: Any) -> Any:
        return np.sum(x * rate) + 1.0, rate * 2

    x = np.ones(3, np.float32)
    text = to_source(f, x, 0.1)
    same(loaded(text)["f"](x, 0.3), f(x, 0.3))
    assert run_alone(text, tmp_path).stdout == "ok\n"


def test_special_values_and_results_that_are_not_finite(tmp_path: Path):
    def f(x: Any) -> Any:
        with np.errstate(all="ignore"):
            return np.log(x), x > 0, np.inf, -0.0

    x = np.array([0.0, -1.0, np.nan, np.inf, -0.0])
    text = to_source(f, x)
    assert run_alone(text, tmp_path).stdout == "ok\n"
    assert np.signbit(loaded(text)["f"](x)[3])


@pytest.mark.parametrize("form", ["vmap", "jit", "hessian", "jvp"])
def test_transforms_can_be_exported(form: str, tmp_path: Path):
    def f(x: Any) -> Any:
        return np.sum(np.tanh(x) ** 2) * np.exp(x[0])

    functions = {
        "vmap": (fg.vmap(fg.grad(f)), X),
        "jit": (fg.grad(fg.jit(f)), X[0]),
        "hessian": (fg.hessian(f), X[0]),
        "jvp": (lambda x: fg.jvp(f, (x,), (x,))[1], X[0]),
    }
    function, x = functions[form]
    text = to_source(function, x)
    names = loaded(text)
    name = "fun" if form == "jvp" else "f"
    same(names[name](2 * x), function(2 * x))
    assert run_alone(text, tmp_path).stdout == "ok\n"


SCRIPT = (
    "import sys\nsys.modules['funcgrad'] = None\nimport pathlib, warnings\n"
    + """
warnings.simplefilter("ignore")
for file in sorted(pathlib.Path(".").glob("case_*.py")):
    try:
        exec(compile(file.read_text(), file.name, "exec"), {"__name__": "__main__"})
    except SystemExit as end:
        if end.code:
            print("failed:", file.name)
    except Exception as error:
        print("failed:", file.name, repr(error))
"""
)


def test_every_primitive_can_be_exported(tmp_path: Path):
    seen: set[str] = set()
    for number, case in enumerate(CASES):
        if case.name in seen or not case.args or any(np.size(a) == 0 for a in case.args):
            continue
        seen.add(case.name)
        with np.errstate(all="ignore"):
            f, args = case.function()
            if not args:
                continue
            text = to_source(f, *args)
        assert imports_of(text) <= {"numpy", "math"}
        (tmp_path / f"case_{number}_{case.name.replace('.', '_')}.py").write_text(text)
    (tmp_path / "run.py").write_text(SCRIPT)
    done = subprocess.run(  # our own file
        [sys.executable, "-I", "run.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    lines = done.stdout.splitlines()
    assert [line for line in lines if line != "ok"] == [], done.stderr
    assert len(lines) == len(list(tmp_path.glob("case_*.py"))) > 150


def test_loops_are_written_as_loops(tmp_path: Path):
    def f(x: Any) -> Any:
        carry, rows = fg.scan(lambda c, a: (c * 0.5 + np.sin(a), c * a), np.zeros(3), x)
        return np.sum(carry) + np.sum(rows)

    text = to_source(fg.grad(f), X)
    same(loaded(text)["f"](2 * X), fg.jit(fg.grad(f), exact=True)(2 * X))
    assert "for k in range(4):" in text
    assert run_alone(text, tmp_path).stdout == "ok\n"


def test_draws_are_those_of_the_key(tmp_path: Path):
    def f(key: Any) -> Any:
        return fg.random.normal(key, (3,)), fg.random.permutation(fg.random.split(key)[0], 5)

    text = to_source(f, fg.random.key(0))
    same(loaded(text)["f"](fg.random.key(7)), f(fg.random.key(7)))
    assert run_alone(text, tmp_path).stdout == "ok\n"
