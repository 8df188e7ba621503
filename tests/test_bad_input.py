"""What bad arguments of a transform get: the error says what was given, why, and two ways out."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import funcgrad as fg
from funcgrad.errors import (
    ArgumentSelectionError,
    BatchedValueError,
    BatchSizeError,
    CotangentError,
    CustomRuleError,
    FuncgradError,
    GuardError,
    InputDtypeError,
    NonLinearError,
    NonScalarOutputError,
    ObjectArrayError,
    OutputDtypeError,
    PytreeError,
    TangentError,
)
from tests.robustness.modes import line_of

X = np.array([1.0, 2.0, 3.0])
TREE = {"a": X, "b": (1.0, X)}


def product(a: Any, b: Any) -> Any:
    return a * b


def says(error: type[FuncgradError], *parts: str) -> Callable[[Callable[[], Any]], None]:
    """Check the class of an error, parts of its message, and that a sentence with a fix follows."""

    def check(call: Callable[[], Any]) -> None:
        with pytest.raises(error) as caught:
            call()
        text = str(caught.value)
        assert type(caught.value) is error
        for part in parts:
            assert part in text
        assert len(re.findall(r"[.?](?= [A-Z]|$)", text)) >= 2, text

    return check


def each(*cases: tuple[str, Any, type[FuncgradError], str]) -> Any:
    """Parametrize over (name, call, error, part of the message)."""
    return pytest.mark.parametrize(
        ("call", "error", "part"), [case[1:] for case in cases], ids=[case[0] for case in cases]
    )


# --- results --------------------------------------------------------------------------------------


@pytest.mark.parametrize("transform", [fg.grad, fg.value_and_grad], ids=["grad", "value_and_grad"])
def test_a_result_with_axes_names_its_shape_and_both_ways_out(transform: Any) -> None:
    name = transform.__name__
    says(
        NonScalarOutputError,
        f"{name}: sin returned shape (3,), but a gradient needs a scalar.",
        "f(x).sum()",
        "jacrev",
    )(lambda: transform(np.sin)(X))


def test_a_result_with_one_element_and_an_axis_is_no_scalar() -> None:
    says(NonScalarOutputError, "shape (1,)")(lambda: fg.grad(lambda x: x[:1])(X))


@pytest.mark.parametrize(
    ("result", "kind"),
    [([1.0], "list"), ((1.0,), "tuple"), (None, "NoneType"), ("a", "str"), (len, "builtin")],
)
def test_a_result_that_is_no_number_names_its_type(result: Any, kind: str) -> None:
    with pytest.raises(NonScalarOutputError, match=rf"returned {kind}.*has_aux=True"):
        fg.grad(lambda _x: result)(1.0)


def test_a_non_scalar_inner_gradient_is_named_inside_vmap() -> None:
    with pytest.raises(NonScalarOutputError, match=r"returned shape \(3,\)"):
        fg.vmap(fg.grad(np.sin))(np.ones((2, 3)))


def test_a_complex_result_asks_for_a_part_or_holomorphic() -> None:
    says(OutputDtypeError, "grad: <lambda> returned dtype complex128", "holomorphic=True")(
        lambda: fg.grad(lambda x: x * 1j)(1.0)
    )


@each(
    ("real argument", lambda: fg.grad(np.sin, holomorphic=True)(1.0), OutputDtypeError,
     "holomorphic=True, but argument 0 has type float"),
    ("real result", lambda: fg.grad(np.abs, holomorphic=True)(1j), OutputDtypeError,
     "holomorphic=True, but absolute returned dtype float64"),
    ("object result", lambda: fg.grad(lambda _x: np.array(None))(1.0), OutputDtypeError,
     "returned an array of dtype object"),
)  # fmt: skip
def test_a_result_of_the_wrong_dtype_is_named(call: Any, error: Any, part: str) -> None:
    says(error, part)(call)


def test_has_aux_asks_for_a_pair() -> None:
    says(
        PytreeError,
        "grad: has_aux=True, but <lambda> returned one traced value, not a pair",
        "(value, aux)",
    )(lambda: fg.grad(lambda x: x, has_aux=True)(1.0))


def test_aux_may_hold_anything() -> None:
    kept = np.array(["text", None], dtype=object)
    aux = fg.grad(lambda x: (x * x, {"a": "text", "b": kept, "c": None, "d": x}), has_aux=True)(3.0)
    assert aux[1]["a"] == "text"
    assert list(aux[1]["b"]) == ["text", None]
    assert aux[1]["c"] is None
    assert aux[1]["d"] == 3.0


# --- arguments ------------------------------------------------------------------------------------


@each(
    ("int", lambda: fg.grad(lambda x: x**2)(3), InputDtypeError,
     "grad: argument 0 has type int. The derivative by an integer or boolean is not defined."),
    ("int array", lambda: fg.grad(np.sum)(np.arange(3)), InputDtypeError, "dtype int64"),
    ("bool", lambda: fg.value_and_grad(np.sum)(True), InputDtypeError, "type bool"),
    ("numpy int", lambda: fg.jacrev(np.sin)(np.int32(1)), InputDtypeError, "dtype int32"),
    ("jacfwd", lambda: fg.jacfwd(np.sin)(3), InputDtypeError, "jacfwd: argument 0 has type int"),
    ("hessian", lambda: fg.hessian(np.sum)(np.arange(2)), InputDtypeError, "hessian: argument 0"),
    ("leaf", lambda: fg.grad(lambda p: p["w"])({"w": 3}), InputDtypeError, "leaf ['w'], has type"),
    ("text", lambda: fg.grad(lambda x: x)("a"), InputDtypeError, "argument 0 has type str"),
    ("text leaf", lambda: fg.grad(lambda p: p["w"])({"w": 1.0, "n": ["x"]}), InputDtypeError,
     "leaf ['n'][0], has type str"),
    ("object", lambda: fg.grad(lambda x: x)(object()), InputDtypeError, "has type object"),
    ("vjp", lambda: fg.vjp(np.sin, "a"), InputDtypeError, "vjp: primal 0 has type str"),
    ("jvp", lambda: fg.jvp(lambda p: p["a"], ({"a": "b"},), ({"a": "b"},)), InputDtypeError,
     "jvp: primals[0]['a'] has type str"),
    ("linearize", lambda: fg.linearize(np.sin, "a"), InputDtypeError, "linearize: primal 0"),
    ("program", lambda: fg.make_program(np.sin)("a"), InputDtypeError, "args[0] has type str"),
    ("vmap", lambda: fg.vmap(np.sin)("a"), InputDtypeError, "vmap: args[0] has type str"),
    ("objects", lambda: fg.grad(np.sum)(np.array([None, 1.0])), ObjectArrayError,
     "grad: argument 0 is an array of dtype object"),
    ("objects in vmap", lambda: fg.vmap(np.sum)(np.array([None])), ObjectArrayError,
     "vmap: args[0] is an array of dtype object"),
    ("masked", lambda: fg.grad(np.sum)(np.ma.array(X, mask=[0, 1, 0])), ObjectArrayError,
     "argument 0 is a MaskedArray"),
    ("matrix", lambda: fg.linearize(np.sum, np.ones((1, 3)).view(np.matrix)), ObjectArrayError,
     "primal 0 is a matrix"),
)  # fmt: skip
def test_an_argument_that_cannot_be_differentiated_is_named(
    call: Any, error: Any, part: str
) -> None:
    says(error, part)(call)


@each(
    ("too large", lambda: fg.grad(product, 2)(1.0, 2.0), ArgumentSelectionError,
     "grad: argnums=2, but product was called with 2 positional arguments. There is no such "
     "argument. Choose from -2 to 1, or select a keyword argument with argnames."),
    ("too small", lambda: fg.grad(product, -3)(1.0, 2.0), ArgumentSelectionError, "argnums=-3"),
    ("no positional", lambda: fg.grad(product)(a=1.0, b=2.0), ArgumentSelectionError,
     "called with 0 positional arguments. There is no such argument. Pass one by position"),
    ("twice", lambda: fg.grad(product, (0, -2))(1.0, 2.0), ArgumentSelectionError,
     "argnums=(0, -2) select an argument twice"),
    ("name twice", lambda: fg.grad(product, argnames=("b", "b"))(1.0, 2.0),
     ArgumentSelectionError, "argnames=('b', 'b') select an argument twice"),
    ("name and number", lambda: fg.grad(product, 1, argnames="b")(1.0, 2.0),
     ArgumentSelectionError, "argnums=(1,) and argnames=('b',) select an argument twice"),
    ("text", lambda: fg.grad(product, "a")(1.0, 2.0), ArgumentSelectionError,
     "argnums='a'. Positions are integers."),
    ("float", lambda: fg.grad(product, 1.0)(1.0, 2.0), ArgumentSelectionError, "argnums=1.0."),
    ("unknown name", lambda: fg.grad(product, argnames="c")(1.0, 2.0), ArgumentSelectionError,
     "argnames='c', but product was called without it"),
    ("jacrev", lambda: fg.jacrev(np.sin, 1)(1.0), ArgumentSelectionError, "jacrev: argnums=1"),
    ("static", lambda: fg.make_program(np.sin, 1)(1.0), ArgumentSelectionError, "argnums=1"),
)  # fmt: skip
def test_an_argument_that_is_not_there_or_selected_twice_is_named(
    call: Any, error: Any, part: str
) -> None:
    says(error, part)(call)


# --- cotangents and tangents ----------------------------------------------------------------------


def pull(ct: Any, f: Any = np.sin, x: Any = X) -> Any:
    return fg.vjp(f, x)[1](ct)


def push(x_dot: Any, f: Any = np.sin, x: Any = X) -> Any:
    return fg.jvp(f, (x,), (x_dot,))


def identity(tree: Any) -> Any:
    return tree


@each(
    ("shape", lambda: pull(np.ones(4)), CotangentError,
     "vjp: the cotangent has shape (4,), but the result has shape (3,)."),
    ("scalar", lambda: pull(1.0), CotangentError, "has shape (), but the result has shape (3,)"),
    ("leaf", lambda: pull({"a": X, "b": (1.0, X[:2])}, identity, TREE), CotangentError,
     "the cotangent at ['b'][1] has shape (2,)"),
    ("complex", lambda: pull(X * 1j), CotangentError, "dtype complex128"),
    ("objects", lambda: pull(np.array([1, None, 2])), CotangentError, "dtype object"),
    ("text", lambda: pull("a", np.sum), CotangentError, "dtype <U"),
    ("structure", lambda: pull((X, X)), CotangentError,
     "another structure of the cotangent than of the result: a tuple of 2 at the root"),
    ("short tuple", lambda: pull({"a": X, "b": (1.0,)}, identity, TREE), CotangentError,
     "a tuple of 1 at ['b'], where a tuple of 2 is expected"),
    ("other key", lambda: pull({"a": X, "c": (1.0, X)}, identity, TREE), CotangentError, "'c'"),
    ("None", lambda: pull(None), CotangentError, "None at the root"),
    ("matrix", lambda: pull(np.ones((2, 2)).view(np.matrix), np.sin, np.ones((2, 2))),
     ObjectArrayError, "a matrix next to a traced value"),
    ("linear", lambda: fg.linear_transpose(np.sum, X)(X), CotangentError,
     "linear_transpose: cotangent has shape (3,)"),
    ("tangent shape", lambda: push(np.ones(4)), TangentError,
     "jvp: tangents[0] has shape (4,), but its primal has shape (3,)."),
    ("tangent leaf", lambda: push({"a": X, "b": (1.0, X[:2])}, identity, TREE), TangentError,
     "tangents[0]['b'][1] has shape (2,)"),
    ("tangent complex", lambda: push(X * 1j), TangentError, "tangents[0] has dtype complex128"),
    ("tangent text", lambda: push("a", np.sin, 1.0), TangentError, "dtype <U"),
    ("tangent structure", lambda: push({"a": X, "b": (1.0,)}, identity, TREE), TangentError,
     "a tuple of 1 at [0]['b'], where a tuple of 2 is expected"),
    ("tangent None", lambda: push(None), TangentError, "None at [0]"),
    ("tangents missing", lambda: fg.jvp(np.sin, (X,), ()), TangentError, "a tuple of 0"),
    ("no lists", lambda: fg.jvp(np.sin, X, X), TangentError, "jvp(f, (x,), (x_dot,))"),
    ("of an integer", lambda: fg.jvp(product, (2, 1.0), (1, 1.0)), TangentError,
     "primals[0] has dtype int64, and its tangent int64"),
    ("hvp", lambda: fg.hvp(np.sum, (X,), (X[:2],)), TangentError, "tangents[0] has shape (2,)"),
    ("linearize", lambda: fg.linearize(identity, TREE)[1]({"a": X, "b": (1.0, X[:2])}),
     TangentError, "linearize: tangents[0]['b'][1] has shape (2,)"),
)  # fmt: skip
def test_a_cotangent_or_tangent_that_does_not_fit_names_its_place(
    call: Any, error: Any, part: str
) -> None:
    says(error, part)(call)


@pytest.mark.parametrize("ct", [np.ones(3, int), np.ones(3, np.float32), np.ones(3, bool)])
def test_a_cotangent_of_a_dtype_that_fits_is_converted(ct: Any) -> None:
    np.testing.assert_array_equal(pull(ct)[0], np.cos(X))


# --- vmap -----------------------------------------------------------------------------------------


@each(
    ("sizes", lambda: fg.vmap(np.add)(X, np.ones(4)), BatchSizeError,
     "args[0] has size 3 along axis 0, args[1] has size 4 along axis 0"),
    ("leaf sizes", lambda: fg.vmap(identity)({"a": X, "b": np.ones(2)}), BatchSizeError,
     "args[0]['b'] has size 2"),
    ("axis_size", lambda: fg.vmap(np.sin, axis_size=4)(X), BatchSizeError, "axis_size is 4"),
    ("no axis", lambda: fg.vmap(np.sin)(1.0), BatchSizeError, "args[0] has shape ()"),
    ("axis out of range", lambda: fg.vmap(np.sin, in_axes=1)(X), BatchSizeError,
     "in_axes asks for its axis 1. There is no such axis. Choose from -1 to 0"),
    ("out axis", lambda: fg.vmap(np.sin, out_axes=2)(X), BatchSizeError, "at 2"),
    ("nothing mapped", lambda: fg.vmap(np.sin, in_axes=None)(X), BatchSizeError, "axis_size"),
    ("axis of text", lambda: fg.vmap(np.sin, in_axes="a")(X), BatchSizeError, "in_axes='a'"),
    ("chunk", lambda: fg.vmap(np.sin, chunk_size=0)(X), BatchSizeError, "chunk_size=0"),
    ("in_axes tree", lambda: fg.vmap(identity, ({"a": 0},))({"a": X, "b": X}), PytreeError,
     "(without 'b') at [0]"),
    ("out_axes tree", lambda: fg.vmap(lambda x: (x, x), out_axes=(0, 0, 0))(X), PytreeError,
     "a tuple of 3 at the root, where the full tree has a tuple of 2"),
    ("out None", lambda: fg.vmap(np.sin, out_axes=None)(X), BatchedValueError, "out_axes is None"),
    ("text out", lambda: fg.vmap(lambda _x: "a")(X), OutputDtypeError, "returned a str"),
)  # fmt: skip
def test_axes_that_cannot_be_mapped_are_named(call: Any, error: Any, part: str) -> None:
    says(error, part)(call)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x if x > 1 else 0.0,
        lambda x: max(x, 1.0),
        lambda x: 2.0 * float(x),
        lambda x: x * (x > 1 and 2.0),
        lambda x: x * [1.0, 2.0][int(x)],
    ],
)
def test_a_plain_answer_from_a_batch_names_the_line_and_where(f: Any) -> None:
    says(BatchedValueError, line_of(f), "np.where", "Python loop", "size 3")(lambda: fg.vmap(f)(X))


def test_a_mask_of_a_batch_names_the_line() -> None:
    f = lambda row: row[row > 0]  # one line, which the message names
    says(BatchedValueError, line_of(f), "shape depends on values")(
        lambda: fg.vmap(f)(np.ones((2, 3)))
    )


# --- programs and linear functions ----------------------------------------------------------------


@each(
    ("shape", lambda: fg.make_program(np.mean)(X)(np.ones(6)), GuardError,
     "its input a: float64[3] was given dtype float64 and shape (6,)"),
    ("dtype", lambda: fg.make_program(np.sin)(X)(X * 1j), GuardError, "dtype complex128"),
    ("structure", lambda: fg.make_program(np.sin)(X)(X, X), PytreeError, "a tuple of 2"),
    ("path", lambda: fg.make_program(lambda x: x if x > 0 else -x)(1.0)(-1.0), GuardError,
     "bool(b) == True, but it is False"),
    ("not linear", lambda: fg.linear_transpose(np.exp, X), NonLinearError, "because of exp at"),
    ("affine", lambda: fg.linear_transpose(lambda x: x + 1, X), NonLinearError, "add at"),
)  # fmt: skip
def test_a_program_or_linear_map_refuses_what_it_does_not_hold_for(
    call: Any, error: Any, part: str
) -> None:
    says(error, part)(call)


# --- custom rules ---------------------------------------------------------------------------------


def with_vjp(fwd: Any, bwd: Any) -> Any:
    @fg.custom_vjp
    def scaled(a: Any, b: Any) -> Any:
        return a * b

    scaled.defvjp(fwd, bwd)
    return scaled


def forward(a: Any, b: Any) -> Any:
    return a * b, (a, b)


@each(
    ("no rule", lambda: fg.grad(fg.custom_vjp(product))(1.0, 2.0), CustomRuleError,
     "product: it has no derivative rule yet"),
    ("not a tuple", lambda: fg.grad(with_vjp(forward, lambda _, ct: ct))(1.0, 2.0),
     CustomRuleError, "scaled: its bwd returned a float64"),
    ("too few", lambda: fg.grad(with_vjp(forward, lambda _, ct: (ct,)))(1.0, 2.0),
     CustomRuleError, "returned a tuple of 1, but scaled has 2 arguments"),
    ("shape", lambda: fg.grad(with_vjp(forward, lambda _, ct: (X, ct)))(1.0, 2.0),
     CustomRuleError, "returned shape (3,) as cotangent of argument 0"),
    ("structure", lambda: fg.grad(with_vjp(forward, lambda _, ct: ([ct], ct)))(1.0, 2.0),
     CustomRuleError, "a list of 1 as cotangent of argument 0"),
    ("no pair", lambda: fg.grad(with_vjp(product, lambda _, ct: (ct, ct)))(1.0, 2.0),
     CustomRuleError, "scaled: its fwd returned a"),
    ("text", lambda: fg.grad(with_vjp(forward, lambda _, ct: ("a", ct)))(1.0, 2.0),
     CustomRuleError, "returned a str as cotangent of argument 0"),
    ("jvp", lambda: fg.jvp(fg.custom_rule(np.sin, jvp=lambda p, t: t), (1.0,), (1.0,)),
     CustomRuleError, "its jvp returned a tuple of 1"),
    ("under vmap", lambda: fg.vmap(fg.grad(with_vjp(forward, lambda _, ct: (ct,))))(X, X),
     CustomRuleError, "returned a tuple of 1, but scaled has 2 arguments"),
)  # fmt: skip
def test_a_rule_that_returns_something_else_names_its_function(
    call: Any, error: Any, part: str
) -> None:
    says(error, part)(call)


def test_after_a_refused_call_the_same_transform_works() -> None:
    gradient = fg.grad(product, (0, 1))
    for bad in ((1, 2.0), ("a", 2.0), (X, X)):
        with pytest.raises(FuncgradError):
            gradient(*bad)
        assert gradient(3.0, 4.0) == (4.0, 3.0)
