"""What bad input gets: the class of the error, what its message says, and nothing left behind."""

import math
import operator
import os
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad import errors

X = np.array([1.0, 2.0, 3.0])
LARGE = 5000
THIS_FILE = "test_mistakes.py"


def assign_element(x: Any) -> Any:
    z = np.zeros(3)
    z[0] = x[0]
    return z.sum()


def assign_slice(x: Any) -> Any:
    z = np.zeros(3)
    z[:] = x
    return z.sum()


def add_into_plain(x: Any) -> Any:
    z = np.zeros(3)
    z += x
    return z.sum()


def assign_to_traced(x: Any) -> Any:
    x[0] = 1.0
    return x.sum()


def multiply_elements(x: Any) -> Any:
    x[x > 2] *= 2
    return x.sum()


def add_to_view(x: Any) -> Any:
    row = x[:2]
    row += 1.0
    return x.sum()


def change_captured(x: Any) -> Any:
    c = np.ones(LARGE)
    y = x * c
    c[0] = 5.0
    return y.sum()


def leak(use: Callable[[Any], Any]) -> Callable[[], Any]:
    def program() -> Any:
        kept: list[Any] = []
        fg.grad(lambda x: (kept.append(x), np.sum(x * x))[1])(X)
        return use(kept[0])

    return program


def of(f: Callable[[Any], Any], x: Any = X) -> Callable[[], Any]:
    return lambda: fg.grad(f)(x)


Mistake = tuple[Callable[[], Any], type[Exception], tuple[str, ...]]
MISTAKES: dict[str, Mistake] = {
    "non-scalar": (
        of(np.sin), errors.NonScalarOutputError, ("(3,)", "scalar", "f(x).sum()", "jacrev")),
    "no number": (
        of(lambda _x: None), errors.NonScalarOutputError, ("NoneType", "has_aux")),
    "integer": (
        of(lambda x: x * 1.0, 3), errors.InputDtypeError, ("argument 0", "int", "3.0")),
    "integer array": (
        of(np.sum, np.arange(3)), errors.InputDtypeError, ("int64", "x.astype(float)")),
    "object array": (
        of(np.sum, np.array([None, 1.0])), errors.ObjectArrayError, ("argument 0", "object")),
    "text": (of(lambda _x: 1.0, "a"), errors.InputDtypeError, ("str", "argnums")),
    "leaf of a pytree": (
        of(lambda p: p["b"] * 1.0, {"a": 1.0, "b": 2}), errors.InputDtypeError, ("['b']", "int")),
    "argnums": (
        lambda: fg.grad(lambda x: x, argnums=3)(1.0),
        errors.ArgumentSelectionError, ("argnums=3", "1 positional", "-1 to 0")),
    "argnums twice": (
        lambda: fg.grad(lambda x, y: x * y, argnums=(0, -2))(1.0, 2.0),
        errors.ArgumentSelectionError, ("twice",)),
    "argnames": (
        lambda: fg.grad(lambda x: x, argnames="y")(1.0),
        errors.ArgumentSelectionError, ("argnames='y'", "['x']")),
    "has_aux": (
        lambda: fg.grad(lambda x: x, has_aux=True)(1.0), errors.PytreeError, ("has_aux", "pair")),
    "complex result": (
        of(lambda x: x * 1j, 1.0), errors.OutputDtypeError, ("complex128", "holomorphic=True")),
    "cotangent shape": (
        lambda: fg.vjp(np.sin, X)[1](np.ones(4)), errors.CotangentError, ("(4,)", "(3,)")),
    "cotangent structure": (
        lambda: fg.vjp(np.sin, X)[1]((X, X)), errors.CotangentError, ("structure",)),
    "cotangent dtype": (
        lambda: fg.vjp(np.sin, X)[1](X * 1j), errors.CotangentError, ("complex128", "float64")),
    "tangent shape": (
        lambda: fg.jvp(np.sin, (X,), (np.ones(4),)), errors.TangentError, ("(4,)", "(3,)")),
    "tangent structure": (
        lambda: fg.jvp(lambda p: p[0], ((X, X),), (X,)), errors.TangentError, ("[0]", "tuple")),
    "tangents not in a tuple": (
        lambda: fg.jvp(np.sin, X, X), errors.TangentError, ("jvp(f, (x,), (x_dot,))",)),
    "float()": (of(float, 1.0), errors.DroppedDerivativeError, ("float()", "np.*")),
    "complex()": (of(lambda x: complex(x), 1.0), errors.DroppedDerivativeError, (THIS_FILE,)),
    "int()": (of(lambda x: int(x) * x, 1.0), errors.DroppedDerivativeError, (THIS_FILE,)),
    ".item()": (of(lambda x: x.item(), 1.0), errors.DroppedDerivativeError, (THIS_FILE,)),
    "math": (
        of(lambda x: math.sin(x) * x, 1.0),
        errors.DroppedDerivativeError, (THIS_FILE, "in place of math.*")),
    "np.asarray": (
        of(lambda x: np.asarray(x).sum()),
        errors.TracerArrayConversionError, (THIS_FILE, "funcgrad.numpy.asarray")),
    "np.array of a list": (
        of(lambda x: np.array([x[0], x[1]]).sum()),
        errors.TracerArrayConversionError, (THIS_FILE, "np.stack")),
    "np.array of objects": (
        of(lambda x: np.array([x[0], x[1]], dtype=object).sum()),
        errors.TracerArrayConversionError, (THIS_FILE, "np.stack")),
    "a[i] = x": (
        of(assign_element), errors.DroppedDerivativeError,
        (THIS_FILE, "assignment y[i] = x", "y = funcgrad.numpy.at(y)[i].set(x)")),
    "a[:] = x": (
        of(assign_slice), errors.TracerArrayConversionError,
        (THIS_FILE, "a = funcgrad.numpy.at(a)[i].set(x)")),
    "a += x": (of(add_into_plain), errors.TracerAssignmentError, (THIS_FILE, "a = a + x")),
    "x[i] = v": (of(assign_to_traced), errors.TracerAssignmentError, ("x.at[i].set(v)",)),
    "x[i] *= v": (
        of(multiply_elements), errors.TracerAssignmentError,
        (THIS_FILE, "x.at[i].add(v) in place of x[i] += v", "multiply")),
    "view += v": (
        of(add_to_view), errors.TracerAssignmentError, (THIS_FILE, "view", "a.at[idx].add(y)")),
    "view *= v": (
        of(lambda x: operator.imul(x[:2], 2.0).sum()),
        errors.TracerAssignmentError, (THIS_FILE, "a.at[idx].multiply(y)")),
    "view %= v": (
        of(lambda x: operator.imod(x[:2], 2.0).sum()),
        errors.TracerAssignmentError, (THIS_FILE, "a.at[idx].set(a[idx] % y)")),
    "x.shape = s": (
        of(lambda x: setattr(x, "shape", (3, 1))),
        errors.TracerAssignmentError, (THIS_FILE, "x.shape = v", "x = x.reshape(shape)")),
    "x.real = v": (
        of(lambda x: setattr(x, "real", 3.0)),
        errors.TracerAssignmentError, (THIS_FILE, "x.real = v", "v + 1j * x.imag")),
    "x.shape = s of an example": (
        lambda: fg.vmap(lambda x: setattr(x, "shape", (1, 3)))(np.ones((2, 3))),
        errors.TracerAssignmentError, (THIS_FILE, "x = x.reshape(shape)")),
    "pickle": (
        of(lambda x: pickle.dumps(x)),
        errors.DroppedDerivativeError, (THIS_FILE, "pickling", "stop_gradient(x)")),
    "bins of floats": (
        of(lambda x: np.bincount(x).sum()),
        errors.InputDtypeError, ("bincount: x has dtype float64", "weights=")),
    "trim_zeros of a batch": (
        lambda: fg.vmap(np.trim_zeros)(np.ones((2, 3))),
        errors.BatchedValueError, ("trim_zeros", THIS_FILE, "np.where")),
    "require": (
        of(lambda x: fg.numpy.require(x).sum()),
        errors.UnsupportedFunctionError, (THIS_FILE, "no memory layout", ".astype(dtype)")),
    "nditer": (
        of(lambda x: sum(fg.numpy.nditer(x))),
        errors.UnsupportedFunctionError, (THIS_FILE, "np.ndindex(x.shape)")),
    "fromiter": (
        of(lambda x: fg.numpy.fromiter(iter(x), float).sum()),
        errors.TracerArrayConversionError, (THIS_FILE, "funcgrad.numpy.array(list(items))")),
    "matrix of r_": (
        of(lambda x: fg.numpy.r_["r", x].sum()),
        errors.UnsupportedFunctionError, (THIS_FILE, "np.matrix", "np.concatenate")),
    "number of points of a window": (
        of(lambda m: fg.numpy.kaiser(m, 2.0).sum(), 5.0),
        errors.DroppedDerivativeError, (THIS_FILE, "integer index")),
    "ufunc of another library": (
        of(np.frompyfunc(abs, 1, 1), 1.0),
        errors.UnsupportedFunctionError,
        ("a ufunc of another library", "custom_jvp", "pure_callback")),
    "out=": (
        of(lambda x: np.sin(x, out=np.zeros(3)).sum()),
        errors.TracerAssignmentError, (THIS_FILE, "out=")),
    "ufunc.at": (
        of(lambda x: np.add.at(x, [0], 1.0)),
        errors.TracerAssignmentError, ("add.at", "funcgrad.numpy.at(x)")),
    "object operand": (
        of(lambda x: (x + np.array([1, None, 2.0], object)).sum()),
        errors.ObjectArrayError, ("add", "object")),
    "masked operand": (
        of(lambda x: (x * np.ma.masked_array(X, [0, 1, 0])).sum()),
        errors.ObjectArrayError, ("MaskedArray", "np.where")),
    "unsupported function": (
        of(lambda x: np.savetxt(os.devnull, x)),
        errors.UnsupportedFunctionError, ("numpy.savetxt", THIS_FILE)),
    "in-place function": (
        of(lambda x: np.put(x, [0], 1.0)),
        errors.UnsupportedFunctionError, ("numpy.put", "set")),
    "captured array changed": (
        of(change_captured, np.ones(LARGE)), errors.MutatedArrayError, ("(5000,)", "a = a + b")),
    "leak into arithmetic": (leak(lambda x: x + 1), errors.LeakedTracerError, ("grad", "has_aux")),
    "leak into a ufunc": (leak(np.sin), errors.LeakedTracerError, ("stop_gradient",)),
    "leak into bool": (leak(lambda x: bool(x[0] > 0)), errors.LeakedTracerError, ("grad",)),
    "leak into grad": (
        leak(lambda x: fg.grad(lambda y: np.sum(x * y))(X)), errors.LeakedTracerError, ("grad",)),
    "leak as result": (
        leak(lambda x: fg.grad(lambda _y: x[0])(1.0)), errors.LeakedTracerError, ("grad",)),
    "vmap sizes": (
        lambda: fg.vmap(lambda x, y: x * y)(np.ones(3), np.ones(4)),
        errors.BatchSizeError, ("3", "4")),
    "bool of a batch": (
        lambda: fg.vmap(lambda x: x if x > 0 else -x)(X),
        errors.BatchedValueError, (THIS_FILE, "np.where")),
    "shape from a batch": (
        lambda: fg.vmap(lambda x: x[x > 0])(np.ones((2, 3))),
        errors.BatchedValueError, (THIS_FILE, "shape")),
    "not linear": (
        lambda: fg.linear_transpose(np.sin, X), errors.NonLinearError, ("sin", "vjp")),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_the_error_says_what_was_given_and_what_to_do(name: str):
    program, kind, fragments = MISTAKES[name]
    with pytest.raises(kind) as caught:
        program()
    message = str(caught.value)
    assert isinstance(caught.value, errors.FuncgradError)
    for fragment in fragments:
        assert fragment in message


@pytest.mark.parametrize("name", MISTAKES)
def test_nothing_is_left_behind(name: str):
    program, kind, _ = MISTAKES[name]
    with pytest.raises(kind):
        program()
    np.testing.assert_array_equal(X, [1.0, 2.0, 3.0])
    np.testing.assert_allclose(fg.grad(lambda x: np.sum(np.sin(x)))(X), np.cos(X), rtol=1e-15)
    np.testing.assert_allclose(fg.vmap(fg.grad(np.sin))(X), np.cos(X), rtol=1e-15)


@pytest.mark.parametrize(
    ("name", "instead"),
    {
        "erf": "funcgrad.nn.erf(x)",
        "erfinv": "funcgrad.nn.erfinv(x)",
        "gammaln": "funcgrad.nn.lgamma(x)",
        "psi": "funcgrad.nn.digamma(x)",
        "logit": "np.log(x) - np.log1p(-x)",
        "ndtr": "0.5 * funcgrad.nn.erfc(-x / np.sqrt(2))",
        "j1": "custom_jvp",
    }.items(),
)
def test_a_ufunc_of_scipy_is_named_with_what_stands_for_it(name: str, instead: str):
    special = pytest.importorskip("scipy.special")
    with pytest.raises(errors.UnsupportedFunctionError) as caught:
        fg.grad(getattr(special, name))(0.5)
    assert str(caught.value).startswith(f"scipy.special.{name}: ")
    assert instead in str(caught.value)


ONE_OPERAND = {
    "digamma": fg.nn.digamma,
    "erf": fg.nn.erf,
    "erfc": fg.nn.erfc,
    "erfcinv": lambda x: fg.nn.erfinv(1 - x),
    "erfcx": fg.nn.erfcx,
    "erfinv": fg.nn.erfinv,
    "exp10": lambda x: 10.0**x,
    "expit": fg.nn.expit,
    "gamma": lambda x: np.exp(fg.nn.lgamma(x)),
    "gammaln": fg.nn.lgamma,
    "log_expit": fg.nn.log_sigmoid,
    "log_ndtr": fg.nn.log_ndtr,
    "logit": lambda x: np.log(x) - np.log1p(-x),
    "ndtr": lambda x: 0.5 * fg.nn.erfc(-x / np.sqrt(2)),
    "ndtri": fg.nn.ndtri,
}


@pytest.mark.parametrize("name", ONE_OPERAND)
def test_what_the_message_names_in_place_of_scipys_function_is_the_same(name: str):
    special = pytest.importorskip("scipy.special")
    x = np.array([0.1, 0.4, 0.9])
    np.testing.assert_allclose(ONE_OPERAND[name](x), getattr(special, name)(x), rtol=1e-13)


def test_an_error_of_the_users_passes_through():
    def fails(x: Any) -> Any:
        raise KeyError("mine")

    for transform in (fg.grad, fg.vmap, fg.jacfwd, fg.hessian):
        with pytest.raises(KeyError, match="mine"):
            transform(fails)(X)


def test_a_custom_rule_of_the_wrong_structure_names_the_function():
    @fg.custom_vjp
    def twice(x: Any, y: Any) -> Any:
        return 2 * x * y

    twice.defvjp(lambda x, y: (2 * x * y, (x, y)), lambda residuals, ct: (2 * ct * residuals[1],))
    with pytest.raises(errors.CustomRuleError, match="twice"):
        fg.grad(twice)(1.0, 2.0)


def test_objects_in_an_array_filled_by_assignment_are_right():
    def f(x: Any) -> Any:
        z = np.empty(3, object)
        for i in range(3):
            z[i] = x[i] ** 2
        return z.sum()

    np.testing.assert_allclose(fg.grad(f)(X), 2 * X, rtol=1e-15)


def test_nan_flows_through():
    with np.errstate(invalid="ignore"):
        assert np.isnan(fg.grad(np.sqrt)(-1.0))


def test_results_share_no_memory_with_inputs():
    big = np.ones(LARGE)
    for x in (X, big):
        out, pull = fg.vjp(lambda a: (a, a[1:], a.reshape(-1, 1)), x)
        parts = [*out, *pull((x, x[1:], x.reshape(-1, 1)))]
        for i, part in enumerate(parts):
            assert part.flags.writeable
            assert not np.shares_memory(part, x)
            assert not any(np.shares_memory(part, other) for other in parts[i + 1 :])


def test_a_changed_result_does_not_change_the_pullback():
    out, pull = fg.vjp(np.exp, X.copy())
    out[:] = 0.0
    np.testing.assert_allclose(pull(np.ones(3))[0], np.exp(X), rtol=1e-15)


def test_a_million_operations_need_no_recursion():
    count = 1_000_000

    def chain(x: Any) -> Any:
        for _ in range(count):
            x = x * 1.000001
        return x

    assert np.isclose(fg.grad(chain)(1.0), 1.000001**count, rtol=1e-9)
