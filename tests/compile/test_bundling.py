"""Bundled source computes the same where nothing but NumPy and math can be imported."""

import math
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.compile.bundling import Bundle, array_text
from funcgrad.core.primitive import PRIMITIVES
from funcgrad.primitives.fused import softmax_p
from tests.laws.test_laws import CASES

HEADER = "import math\n\nimport numpy as np\n\n\n"

CHECK = '''
"""Executes a bundle with guarded imports, and compares it with recorded values."""
import builtins, pickle, sys, warnings
import numpy as np
warnings.simplefilter("ignore")
sys.modules["funcgrad"] = None
asked = []

def guarded(name, *args, **kwargs):
    asked.append(name)
    if name.split(".")[0] not in ("numpy", "math"):
        raise ImportError(name)
    return __import__(name, *args, **kwargs)

own = {**vars(builtins), "__import__": guarded}
namespace = {"__builtins__": own, "__name__": "bundle"}
exec(compile(open("bundle.py").read(), "bundle.py", "exec"), namespace)

def bits(x):
    if isinstance(x, tuple):
        return tuple(map(bits, x))
    array = np.asarray(x)
    kept = np.where(np.isnan(array), np.nan, array) if array.dtype.kind in "fc" else array
    return array.dtype.str, array.shape, kept.astype(array.dtype).tobytes()

bad = []
cases = pickle.load(open("cases.pickle", "rb"))
for label, expression, args, params, expected in cases:
    try:
        found = bits(eval(expression, namespace)(*args, **params))
    except Exception as error:
        found = repr(error)
    if found != expected:
        bad.append(label + ": " + (found if type(found) is str else "other bits"))

print(len(cases), "cases")
print("\\n".join(bad))
'''


def bits(x: Any) -> Any:
    if isinstance(x, tuple):
        return tuple(map(bits, x))
    array = np.asarray(x)
    kept = np.where(np.isnan(array), np.nan, array) if array.dtype.kind in "fc" else array
    return array.dtype.str, array.shape, kept.astype(array.dtype).tobytes()


def run(text: str, **namespace: Any) -> dict[str, Any]:
    names: dict[str, Any] = {**namespace}
    exec(compile(HEADER + text, "bundle", "exec"), names)  # what is tested
    return names


@pytest.fixture(scope="module")
def bundle() -> tuple[str, dict[str, str]]:
    one = Bundle()
    return one, {name: one.function(p.value, name) for name, p in PRIMITIVES.items()}


def test_bundled_primitives_give_the_same_bits_without_funcgrad(bundle: Any, tmp_path: Path):
    one, names = bundle
    cases = []
    with np.errstate(all="ignore"):
        for case in CASES:
            if case.name == "einsum" and len(case.args) > 2:
                continue  # the order in which NumPy sums depends on the hashes of strings
            try:
                expected = bits(case.primitive.value(*case.args, **case.params))
            except Exception as error:  # noqa: BLE001  # the bundle has to raise it too
                expected = repr(error)
            cases.append((str(case), names[case.name], case.args, case.params, expected))
    (tmp_path / "bundle.py").write_text(HEADER + one.text(), encoding="utf-8")
    (tmp_path / "cases.pickle").write_bytes(pickle.dumps(cases))
    (tmp_path / "check.py").write_text(CHECK)
    done = subprocess.run(  # our own file
        [sys.executable, "-I", "check.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    count, _, bad = done.stdout.partition("\n")
    assert count == f"{len(cases)} cases"
    assert not bad.strip(), bad


def test_bundled_text_says_nothing_of_traced_values(bundle: Any):
    text = bundle[0].text()
    for word in ("is_foreign", "RecordTracer", "DISPATCH", "user_line", "import ", "Any", "bind("):
        assert word not in text


def test_bundled_functions_are_written_as_a_person_would():
    one = Bundle()
    assert one.function(softmax_p.value, "softmax") == "softmax"
    text = one.text()
    assert "def softmax(x, *, axis):\n" in text
    assert "def shifted(x, axis):\n" in text
    assert "MANY = 2048\n" in text
    assert text.index("def shifted") < text.index("def softmax(")


def test_names_of_the_user_are_left_alone():
    one = Bundle({"softmax", "total", "shifted"})
    name = one.function(softmax_p.value, "softmax")
    assert name == "softmax_2"
    assert "def shifted_2(" in one.text()
    found = run(one.text(), softmax="the user's")
    assert found["softmax"] == "the user's"
    np.testing.assert_array_equal(found[name](np.zeros(2), axis=(-1,)), [0.5, 0.5])


def test_one_function_is_written_once():
    one = Bundle()
    assert one.function(softmax_p.value, "softmax") == one.function(softmax_p.value, "again")
    assert one.text().count("def softmax(") == 1


def test_functions_of_numpy_are_called_by_their_names():
    one = Bundle()
    assert one.function(np.linalg.inv, "inv") == "np.linalg.inv"
    assert one.function(np.add.reduce, "sum") == "np.add.reduce"
    assert one.function(PRIMITIVES["sin"].value, "sin") == "np.sin"
    assert one.text() == ""


def test_functions_of_others_are_refused_by_name():
    with pytest.raises(LookupError, match="test_functions_of_others_are_refused_by_name"):
        Bundle().function(lambda x: x, "f")


def test_a_traced_branch_is_left_out_before_its_names_are_looked_at():
    text = Bundle().function(PRIMITIVES["gather"].value, "gather")
    one = Bundle()
    one.function(PRIMITIVES["gather"].value, "gather")
    assert text == "gather"
    assert "foreign" not in one.text()
    assert "dask" not in one.text()


ARRAYS = [
    np.array(0.1), np.array([0.1, -0.0, 1e-320, 1e308]), np.array([np.nan, np.inf, -np.inf]),
    np.arange(6, dtype=np.int8).reshape(2, 3), np.array([True, False]), np.zeros((0, 3)),
    np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32),
    np.array([1 + 2j, complex(np.inf, -0.0)]), np.array([complex(-0.0, -0.0), 1j]),
    np.asfortranarray(np.random.default_rng(0).normal(size=(7, 5))),
    np.array([0.1], np.float16), np.arange(3, dtype=">f8"), np.array([2**63], np.uint64),
]  # fmt: skip


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype} {a.shape}")
def test_arrays_are_written_so_that_no_bit_is_lost(array: Any):
    found = eval(array_text(array), {"np": np})
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert found.tobytes() == array.tobytes()
    assert found.flags.fnc == array.flags.fnc


VALUES = [
    0.1, -0.0, math.inf, -math.inf, 1, True, None, "text", (1, 2.5), (0,), slice(None, 2), ...,
    np.float64(0.1), np.float32(0.1), np.int8(-3), np.bool_(True), np.dtype(np.float32), 1 - 2j,
    complex(math.inf, -0.0), np.dtype(">f8"), {"a": 1}, [1, 2], (1.5, (2, 3), None, "x", 4),
    frozenset([1]), np.complex128(1 - 2j), float, np.float64, np.ndarray,
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_are_written_so_that_they_come_back(value: Any):
    one = Bundle()
    text = one.constant(value, "value")
    found = eval(text, run(one.text()))
    assert repr(found) == repr(value)
    assert type(found) is type(value)


def test_nan_is_written():
    found = eval(Bundle().constant(math.nan, "x"), {"math": math})
    assert math.isnan(found)


def test_errors_of_funcgrad_become_those_of_python():
    one = Bundle()
    name = one.function(PRIMITIVES["erf"].value, "erf")
    with pytest.raises(TypeError, match=r"erf: the operand has dtype complex128"):
        run(one.text())[name](np.ones(2) * 1j)


def test_equal_eigenvalues_are_refused():
    one = Bundle()
    name = one.function(PRIMITIVES["eigvalsh"].value, "eigvalsh")
    value = run(one.text())[name]
    np.testing.assert_array_equal(value(np.diag([1.0, 2.0]), lower=True, levels=1), [1, 2])
    params = dict(
        fg.make_program(fg.grad(lambda a: np.linalg.eigvalsh(a)[0]))(np.diag([1.0, 2.0]))
        .equations[0]
        .params
    )
    with pytest.raises(ValueError, match="equal eigenvalues or singular values"):
        value(np.eye(2), **{**params, "levels": 2})
