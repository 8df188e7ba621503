"""A traced value never becomes a plain number or array silently: that would drop derivatives."""

import copy
import functools
import math
import operator
import os
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.errors import (
    BatchedValueError,
    DroppedDerivativeError,
    TracerArrayConversionError,
    TracerAssignmentError,
    UnsupportedFunctionError,
)
from tests.robustness.modes import DERIVATIVES, TRACED, X, central, line_of

modes = pytest.mark.parametrize("mode", TRACED)


def refused(mode: str, f: Callable[..., Any], error: Any, *parts: str) -> None:
    """Under a transform a function raises the error, which names its line."""
    kinds = error if isinstance(error, tuple) else (error,)
    with pytest.raises((*kinds, BatchedValueError) if "vmap" in mode else kinds) as caught:
        TRACED[mode](f)
    assert line_of(f) in str(caught.value)
    if isinstance(caught.value, error):
        for part in parts:
            assert part in str(caught.value)


# --- numbers --------------------------------------------------------------------------------------

NUMBERS: dict[str, Callable[..., Any]] = {
    "float()": lambda x: float(x[0]) * x[0],
    "complex()": lambda x: complex(x[0]).real,
    "int()": lambda x: int(x[0]) * x[0],
    ".item()": lambda x: x[0].item() * x[0],
    ".tolist()": lambda x: sum(x.tolist()),
    "math.sin": lambda x: math.sin(x[0]) * x[0],
    "math.pow": lambda x: math.pow(x[0], 2.0),
    "math.hypot": lambda x: math.hypot(x[0], x[1]),
    "math.fsum": lambda x: math.fsum(x),
    "math.isclose": lambda x: x[0] if math.isclose(x[0], 0.5) else x[1],
    "math.floor": lambda x: math.floor(x[0]) * x[0],
    "%f": lambda x: float("%f" % x[0]) * x[0],  # noqa: UP031  # it asks for float()
    "index": lambda x: [1.0, 2.0][x[0]] * x[0],
    "range": lambda x: len(range(x[0])) * x[0],
    "slice": lambda x: np.sum(x[: x[0]]),
}


@modes
@pytest.mark.parametrize("name", NUMBERS)
def test_a_plain_number_is_refused_at_its_line(mode: str, name: str) -> None:
    refused(mode, NUMBERS[name], DroppedDerivativeError, "without a derivative", "stop_gradient(x)")


def test_the_message_says_which_conversion_and_both_ways_out() -> None:
    f = lambda x: math.sin(x) * x  # one line, which the message names
    with pytest.raises(DroppedDerivativeError) as caught:
        fg.grad(f)(1.0)
    assert str(caught.value) == (
        f"float() of a traced value of shape () at {line_of(f)}, in <lambda>. The result would be "
        "a plain number without a derivative, which gives silently wrong gradients. Use the np.* "
        "function in place of math.*, build arrays with np.stack([...]), write "
        "y = funcgrad.numpy.at(y)[i].set(x) in place of the assignment y[i] = x into a plain array "
        "y, or convert stop_gradient(x) if no derivative is wanted."
    )


def test_stop_gradient_gives_a_plain_number_in_nested_transforms() -> None:
    f = lambda x: x * math.exp(fg.stop_gradient(x))
    assert fg.grad(f)(1.0) == math.exp(1.0)
    assert fg.grad(fg.grad(f))(1.0) == 0.0
    assert fg.jvp(fg.grad(f), (1.0,), (1.0,)) == (math.exp(1.0), 0.0)


@pytest.mark.parametrize("shape", [(), (3,), (1,)])
def test_float_of_any_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises((DroppedDerivativeError, TypeError)):
        fg.grad(lambda x: float(x) * np.sum(x))(np.ones(shape))


def test_integers_that_carry_no_derivative_convert() -> None:
    f = lambda x: x[int(np.argmax(x))] * float(np.floor(x[2])) * len(range(np.argsort(x)[1]))
    np.testing.assert_array_equal(fg.grad(f)(X), [0.0, 0.0, 2.0])


# --- arrays ---------------------------------------------------------------------------------------

ARRAYS: dict[str, Callable[..., Any]] = {
    "asarray": lambda x: np.asarray(x).sum(),
    "array": lambda x: np.array(x).sum(),
    "array of list": lambda x: np.array([x[0], x[1]]).sum(),
    "array of mixed list": lambda x: np.array([1.0, x[0]]).sum(),
    "array of nested list": lambda x: np.array([[x[0], 1.0], [2.0, x[1]]]).sum(),
    "array of arrays": lambda x: np.array([x, x]).sum(),
    "array of objects": lambda x: np.array([x[0], x[1]], dtype=object).sum(),
    "asanyarray": lambda x: np.asanyarray([x[0]]).sum(),
    "ascontiguousarray": lambda x: np.ascontiguousarray(x).sum(),
    "float64": lambda x: np.float64(x[0]) * 2.0,
    "float32 of an array": lambda x: np.float32(x).sum(),
    "full": lambda x: np.full(3, x[0]).sum(),
    "masked": lambda x: np.ma.array(x).sum(),
    "vectorize": lambda x: np.vectorize(lambda v: v * v)(x).sum(),
    "as_strided": lambda x: np.lib.stride_tricks.as_strided(x, (2,), (8,)).sum(),
    "table": lambda x: np.arange(3.0)[x].sum(),
    "random": lambda x: np.random.default_rng(0).normal(x).sum(),
}


@modes
@pytest.mark.parametrize("name", ARRAYS)
def test_a_plain_array_is_refused_at_its_line(mode: str, name: str) -> None:
    errors = (TracerArrayConversionError, DroppedDerivativeError, IndexError)
    refused(mode, ARRAYS[name], errors)


def test_the_message_of_an_array_of_traced_values_names_the_ways_to_build_one() -> None:
    f = lambda x: np.array([x[0], x[1]]).sum()
    with pytest.raises(TracerArrayConversionError) as caught:
        fg.grad(f)(X)
    for part in ("np.stack([...])", "funcgrad.numpy.asarray(x)", "at(a)[i].set(x)", line_of(f)):
        assert part in str(caught.value)


# --- writing --------------------------------------------------------------------------------------


def writes(code: str, make: str = "np.zeros(3)") -> Callable[..., Any]:
    """A function that makes a plain array z, writes x into it, and sums it."""
    body = compile(code, f"<{code}>", "exec")

    def f(x: Any) -> Any:
        names = {"x": x, "np": np, "z": eval(make)}  # the test's own table
        exec(body, names)
        return names["z"].sum()

    return f


WRITES = [
    "z[0] = x[0]", "z[:] = x", "z[...] = x", "z[1:] = x[1:]", "z[[0, 1]] = x[:2]",
    "z[z == 0] = x", "z[0:1] = x[0]", "z[0] += x[0]", "z += x", "z *= x", "z[:] -= x",
    "z.fill(x[0])", "z.put(0, x[0])", "z.flat[0] = x[0]", "z.flat = x", "z.real = x",
    "memoryview(z)[0] = x[0]", "z.setfield(x[0], float)", "z.view(np.recarray)[:] = x",
    "np.put(z, [0, 1, 2], x)", "np.place(z, z == 0, x)", "np.putmask(z, z == 0, x)",
    "np.copyto(z, x)", "np.add.at(z, [0, 1, 2], x)",
    "np.put_along_axis(z, np.array([0]), x[:1], 0)",
    "np.add(x, x, out=z)", "np.sin(x, z)", "np.sum(x, out=z[:1].reshape(()))",
    "np.cumsum(x, out=z)", "np.matmul(np.eye(3), x, out=z)", "np.clip(x, 0, 1, out=z)",
    "np.concatenate([x], out=z)", "np.einsum('i->i', x, out=z)", "x.clip(0, 1, z)",
    "np.mean(x, out=z[:1].reshape(()))", "np.take(x, [0, 1, 2], out=z)", "np.round(x, out=z)",
    "np.add.accumulate(x, out=z)", "np.add.reduce(x, out=z[:1].reshape(()))",
    "for a in np.nditer(z, op_flags=['readwrite']): a[...] = x[0]",
]  # fmt: skip
SQUARE = [
    "z[0] = x", "z[:, 1] = x", "z[0, 0] = x[0]", "np.fill_diagonal(z, x)", "z.flat[::4] = x",
    "np.fill_diagonal(z, x[0])", "z[np.eye(3) > 0] = x", "z[:] = [x, x, x]", "z[0] = list(x)",
    "z[np.ix_([0], [1])] = x[0]", "z.T[...] = x", "z[0][:] = x",
]  # fmt: skip
KINDS = [
    "np.zeros(3, int)", "np.zeros(3, complex)", "np.zeros(3, np.float32)", "np.ma.zeros(3)",
    "np.zeros(3, 'm8[s]')", "np.zeros(3, np.longdouble)",
]  # fmt: skip


@modes
@pytest.mark.parametrize("code", WRITES)
def test_writing_into_a_plain_array_is_refused(mode: str, code: str) -> None:
    with pytest.raises((TypeError, ValueError)):
        TRACED[mode](writes(code))


@modes
@pytest.mark.parametrize("code", SQUARE)
def test_writing_into_a_plain_matrix_is_refused(mode: str, code: str) -> None:
    with pytest.raises((TypeError, ValueError)):
        TRACED[mode](writes(code, "np.zeros((3, 3))"))


@modes
@pytest.mark.parametrize("make", KINDS)
def test_writing_into_an_array_of_any_kind_is_refused(mode: str, make: str) -> None:
    with pytest.raises((TypeError, ValueError)):
        TRACED[mode](writes("z[0] = x[0]", make))


@modes
def test_writing_names_the_line_and_at(mode: str) -> None:
    refused(
        mode,
        lambda x: operator.setitem(np.zeros(3), 0, x[0]),
        DroppedDerivativeError,
        "y = funcgrad.numpy.at(y)[i].set(x) in place of the assignment y[i] = x",
    )
    refused(
        mode,
        lambda x: operator.setitem(np.zeros(3), slice(None), x),
        (DroppedDerivativeError, TracerArrayConversionError),
        "[i].set(x)",
    )
    refused(
        mode,
        lambda x: operator.iadd(np.zeros(3), x),
        TracerAssignmentError,
        "Write a = a + x in place of a += x",
    )
    refused(mode, lambda x: np.sin(x, out=np.zeros(3)), TracerAssignmentError, "leave out= away")


def test_a_hidden_cause_is_brought_to_light() -> None:
    """NumPy reports `a[0] = x` for a vector x as "setting an array element with a sequence"."""
    f = lambda x: operator.setitem(np.zeros(3), 0, x)
    for run in TRACED.values():
        with pytest.raises((DroppedDerivativeError, BatchedValueError)) as caught:
            run(f)
        assert line_of(f) in str(caught.value)


TRACED_WRITES: dict[str, tuple[Callable[..., Any], str]] = {
    "x[i] = v": (lambda x: operator.setitem(x, 0, 1.0), "x = x.at[i].set(v)"),
    "x[i] += v": (lambda x: operator.setitem(x, 0, x[0] + 1.0), "x = x.at[i].set(v)"),
    "del x[i]": (lambda x: operator.delitem(x, 0), "np.delete(x, i)"),
    "fill": (lambda x: x.fill(0.0), "np.full_like(x, v)"),
    "put": (lambda x: x.put(0, 1.0), "x.at[i].set(v)"),
    "sort": (lambda x: x.sort(), "np.sort(x)"),
    "partition": (lambda x: x.partition(1), "np.partition(x, k)"),
    "resize": (lambda x: x.resize(2), "np.resize(x, shape)"),
    "view": (lambda x: x.view("i8"), "x.astype(dtype)"),
    "setflags": (lambda x: x.setflags(write=True), "never writable"),
}


@modes
@pytest.mark.parametrize("name", TRACED_WRITES)
def test_a_traced_value_cannot_be_changed(mode: str, name: str) -> None:
    f, fix = TRACED_WRITES[name]
    with pytest.raises(TracerAssignmentError) as caught:
        TRACED[mode](f)
    for part in (line_of(f), "immutable", fix):
        assert part in str(caught.value)


IN_PLACE: dict[str, Callable[..., Any]] = {
    "put": lambda x: np.put(x, 0, 1.0),
    "place": lambda x: np.place(x, x > 1, 0.0),
    "putmask": lambda x: np.putmask(x, x > 1, 0.0),
    "copyto": lambda x: np.copyto(x, 1.0),
    "fill_diagonal": lambda x: np.fill_diagonal(np.outer(x, x), 0.0),
    "put_along_axis": lambda x: np.put_along_axis(x, np.array([0]), 1.0, 0),
    "add.at": lambda x: np.add.at(x, [0], 1.0),
}


@modes
@pytest.mark.parametrize("name", IN_PLACE)
def test_functions_that_work_in_place_are_refused_with_their_replacement(
    mode: str, name: str
) -> None:
    f = IN_PLACE[name]
    with pytest.raises((UnsupportedFunctionError, TracerAssignmentError)) as caught:
        TRACED[mode](f)
    for part in (line_of(f), name, "in place", "which returns the result"):
        assert part in str(caught.value)


# --- functions without rules ----------------------------------------------------------------------


def cube(x: float) -> float:
    return x**3


UNSUPPORTED: dict[str, tuple[Callable[..., Any], str]] = {
    "savetxt": (lambda x: np.savetxt(os.devnull, x), "numpy.savetxt"),
    "frompyfunc": (
        lambda x: np.sum(np.frompyfunc(cube, 1, 1)(x)),
        "cube (vectorized), a ufunc of another library",
    ),
}


@modes
@pytest.mark.parametrize("name", ["savetxt", "frompyfunc"])
def test_an_unsupported_function_is_named_with_its_line(mode: str, name: str) -> None:
    f, called = UNSUPPORTED[name]
    message = f"{called}: called with a traced value at"
    refused(mode, f, UnsupportedFunctionError, message, "stop_gradient(x)")


@modes
def test_an_unknown_attribute_is_named_with_its_line(mode: str) -> None:
    f = lambda x: x.strides
    with pytest.raises(AttributeError, match="a traced value has no attribute 'strides'") as caught:
        TRACED[mode](f)
    assert line_of(f) in str(caught.value)
    assert "stop_gradient(x).strides" in str(caught.value)


# --- Python's protocols ---------------------------------------------------------------------------

PYTHON: dict[str, Callable[..., Any]] = {
    "sum": lambda x: sum(x),
    "sum with start": lambda x: sum(x, start=x[0]),
    "math.prod": lambda x: math.prod(x),
    "reduce": lambda x: functools.reduce(lambda a, b: a * b, x),
    "unpack": lambda x: (lambda a, b, c: a * b / c)(*x),
    "zip": lambda x: sum(a * b for a, b in zip(x, x, strict=True)),
    "reversed": lambda x: next(reversed(x)) ** 2,
    "enumerate": lambda x: sum(i * v for i, v in enumerate(x)),
    "round": lambda x: round(x[1], 1) * x[1],
    "divmod": lambda x: divmod(x[2], 0.75)[1] * 2.0,
    "abs and pow": lambda x: pow(abs(-x[1]), 3),
    "copy": lambda x: copy.copy(x)[0] * copy.deepcopy({"x": x})["x"][1],
    "formats": lambda x: x[0] * len(f"{x} {x!r:>40} {x[0]!s}" % ()) ** 0,
    "len": lambda x: x[0] * len(x) * x.size * x.ndim,
    "fromiter of integers": lambda x: np.sum(x * np.fromiter(range(3), float)),
    "augmented": lambda x: functools.reduce(operator.iadd, [x[0], x[1], 2.0 * x[2]]),
    "list operand": lambda x: np.sum([1, 2, 3] * x + (4, 5, 6)),
    "range operand": lambda x: np.sum(x * range(3)),
}
BRANCHES: dict[str, Callable[..., Any]] = {
    "max": lambda x: max(x) * 2.0,
    "min with key": lambda x: min(x, key=lambda v: (v - 1.0) ** 2),
    "sorted": lambda x: sorted(x, reverse=True)[1] ** 2,
    "chained": lambda x: x[1] ** 2 if 1 <= x[1] < 2 else x[0],
    "and or not": lambda x: (x[0] > 1 and x[1]) or (not x[2] < 0 and x[2] * 3.0),
    "while": lambda x: functools.reduce(lambda y, _: y * y if y < 10 else y, range(6), x[2]),
    "in": lambda x: x[0] if x[1] in x else x[2],
}


@pytest.mark.parametrize("mode", DERIVATIVES)
@pytest.mark.parametrize("name", PYTHON)
def test_pythons_own_functions_are_differentiated(mode: str, name: str) -> None:
    f = PYTHON[name]
    np.testing.assert_allclose(DERIVATIVES[mode](f), central(f), atol=1e-6)


@pytest.mark.parametrize("mode", ["grad", "jvp", "linearize", "program"])
@pytest.mark.parametrize("name", BRANCHES)
def test_branches_on_values_are_differentiated(mode: str, name: str) -> None:
    f = BRANCHES[name]
    np.testing.assert_allclose(DERIVATIVES[mode](f), central(f), atol=1e-5)


@modes
@pytest.mark.parametrize(
    "f",
    [
        lambda x: {x: 1},
        lambda x: {x},
        lambda x: pickle.dumps(x),
        lambda x: x * None,
        lambda x: None + x,
        lambda x: x * {},
        lambda x: x + "a",
        lambda x: pow(x, 2, 3),
        lambda x: memoryview(x),
    ],
    ids=[
        "dict key",
        "set",
        "pickle",
        "x * None",
        "None + x",
        "x * {}",
        "x + text",
        "pow 3",
        "memory",
    ],
)
def test_what_an_array_refuses_a_traced_value_refuses(mode: str, f: Callable[..., Any]) -> None:
    with pytest.raises(TypeError):
        TRACED[mode](f)


@modes
def test_none_is_compared_as_any_other_object(mode: str) -> None:
    TRACED[mode](lambda x: x[0] if x != None and (x == None) is False else 1 / 0)  # noqa: E711  # what is tested


class Foreign:
    """An operand with operators of its own."""

    def __rmul__(self, other: Any) -> Any:
        return other + 1.0

    def __radd__(self, other: Any) -> Any:
        return other - 1.0


@pytest.mark.parametrize("mode", DERIVATIVES)
def test_an_operand_with_operators_of_its_own_is_asked(mode: str) -> None:
    f = lambda x: np.sum(((x * Foreign()) + Foreign()) ** 2)
    np.testing.assert_allclose(DERIVATIVES[mode](f), 2 * X)


def test_printing_does_not_change_a_gradient(capsys: pytest.CaptureFixture[str]) -> None:
    def f(x: Any) -> Any:
        with np.printoptions(precision=3):
            print(x, f"{x[0]:.2f}", np.array2string(fg.stop_gradient(x)))
        return np.sum(x**2)

    np.testing.assert_array_equal(fg.grad(f)(X), 2 * X)
    assert "0.50" in capsys.readouterr().out
