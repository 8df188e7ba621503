"""Functions that move, join, repeat or choose elements: each against NumPy in every mode."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from funcgrad import errors, grad, jvp, vjp
from funcgrad.core.protocols import DISPATCH
from funcgrad.transforms.vmap import vmap
from tests.primitives.checking import check, normal

Function = Callable[..., Any]
V, W, M, T = (5,), (4,), (3, 4), (2, 3, 4)

# {name: (function, shapes of its arguments)}
CASES: dict[str, tuple[Function, list[tuple[int, ...]]]] = {
    # shape
    "reshape": (lambda x: np.reshape(x, (4, -1)), [T]),
    "reshape to a vector": (lambda x: np.reshape(x, -1), [M]),
    "reshape in Fortran order": (lambda x: np.reshape(x, (6, 4), order="F"), [T]),
    "reshape method": (lambda x: x.reshape(4, 6), [T]),
    "reshape of a scalar": (lambda x: np.reshape(x, (1, 1)), [()]),
    "reshape of nothing": (lambda x: np.reshape(x, (3, -1)), [(0, 6)]),
    "ravel": (np.ravel, [T]),
    "ravel in Fortran order": (lambda x: np.ravel(x, order="F"), [M]),
    "flatten": (lambda x: x.flatten(), [M]),
    "squeeze": (np.squeeze, [(1, 3, 1)]),
    "squeeze an axis": (lambda x: np.squeeze(x, -1), [(1, 3, 1)]),
    "squeeze two axes": (lambda x: np.squeeze(x, (0, -1)), [(1, 3, 1)]),
    "expand_dims": (lambda x: np.expand_dims(x, 1), [M]),
    "expand_dims by two": (lambda x: np.expand_dims(x, (0, -1)), [M]),
    "expand_dims of a scalar": (lambda x: np.expand_dims(x, 0), [()]),
    "atleast_1d": (np.atleast_1d, [()]),
    "atleast_2d": (np.atleast_2d, [V]),
    "atleast_3d of a vector": (np.atleast_3d, [V]),
    "atleast_3d of a matrix": (np.atleast_3d, [M]),
    "broadcast_to": (lambda x: np.broadcast_to(x, (2, 3, 4)), [(3, 1)]),
    "broadcast_to of a scalar": (lambda x: np.broadcast_to(x, (2, 2)), [()]),
    "broadcast_arrays": (lambda x, y: np.stack(np.broadcast_arrays(x, y)), [(3, 1), (4,)]),
    # order of axes
    "transpose": (np.transpose, [T]),
    "T": (lambda x: x.T, [M]),
    "mT": (lambda x: x.mT, [T]),
    "transpose by axes": (lambda x: np.transpose(x, (1, -1, 0)), [T]),
    "transpose method": (lambda x: x.transpose(2, 0, 1), [T]),
    "transpose of a vector": (np.transpose, [V]),
    "permute_dims": (lambda x: np.permute_dims(x, (2, 1, 0)), [T]),
    "matrix_transpose": (np.matrix_transpose, [T]),
    "moveaxis": (lambda x: np.moveaxis(x, 0, -1), [T]),
    "moveaxis of two": (lambda x: np.moveaxis(x, (0, 1), (-1, 0)), [T]),
    "rollaxis": (lambda x: np.rollaxis(x, 2, 1), [T]),
    "rollaxis to the end": (lambda x: np.rollaxis(x, 0, 3), [T]),
    "swapaxes": (lambda x: np.swapaxes(x, 0, -1), [T]),
    # joining
    "concatenate": (lambda x, y: np.concatenate([x, y], axis=1), [(2, 3), (2, 1)]),
    "concatenate flat": (lambda x, y: np.concatenate([x, y], axis=None), [(2, 3), (2,)]),
    "concatenate with a constant": (lambda x: np.concatenate([x, np.ones((1, 4)), x]), [M]),
    "concatenate one": (lambda x: np.concatenate([x]), [M]),
    "concatenate with nothing": (lambda x, y: np.concatenate([x, y]), [V, (0,)]),
    "concat": (lambda x, y: np.concat([x, y], axis=-1), [M, M]),
    "stack": (lambda x, y: np.stack([x, y]), [M, M]),
    "stack behind": (lambda x, y: np.stack([x, y, x], axis=-1), [M, M]),
    "stack between": (lambda x: np.stack([np.zeros((3, 4)), x], axis=1), [M]),
    "stack of scalars": (lambda x, y: np.stack([x, y]), [(), ()]),
    "vstack": (lambda x, y: np.vstack([x, y]), [W, M]),
    "hstack": (lambda x, y: np.hstack([x, y]), [V, W]),
    "hstack of matrices": (lambda x, y: np.hstack([x, y]), [M, M]),
    "dstack": (lambda x, y: np.dstack([x, y]), [M, M]),
    "column_stack": (lambda x, y: np.column_stack([x, y]), [(3,), M]),
    "block": (lambda x, y: np.block([[x, y], [y, x]]), [(2, 2), (2, 2)]),
    "block of vectors": (lambda x, y: np.block([x, 1.0, y]), [V, W]),
    "append": (lambda x, y: np.append(x, y), [M, V]),
    "append along an axis": (lambda x, y: np.append(x, y, axis=0), [M, (1, 4)]),
    # splitting
    "split": (lambda x: np.split(x, 2, axis=1)[1], [M]),
    "split at": (lambda x: np.concatenate(np.split(x, [1, 4])[::-1]), [V]),
    "array_split": (lambda x: np.concatenate(np.array_split(x, 3)[::-1]), [V]),
    "hsplit": (lambda x: np.hsplit(x, 2)[0], [M]),
    "vsplit": (lambda x: np.vsplit(x, 3)[1], [M]),
    "dsplit": (lambda x: np.dsplit(x, [1])[1], [T]),
    "iteration": (lambda x: sum(row * i for i, row in enumerate(x)), [M]),
    # repetition and order
    "tile": (lambda x: np.tile(x, 3), [M]),
    "tile in front": (lambda x: np.tile(x, (2, 1, 2)), [M]),
    "tile of a scalar": (lambda x: np.tile(x, (2, 2)), [()]),
    "tile once": (lambda x: np.tile(x, 1), [V]),
    "repeat": (lambda x: np.repeat(x, 3), [M]),
    "repeat along an axis": (lambda x: np.repeat(x, 2, axis=-1), [M]),
    "repeat by counts": (lambda x: np.repeat(x, [2, 0, 1], axis=0), [M]),
    "repeat of a scalar": (lambda x: np.repeat(x, 3), [()]),
    "repeat never": (lambda x: np.repeat(x, 0, axis=1), [M]),
    "resize up": (lambda x: np.resize(x, (3, 5)), [M]),
    "resize down": (lambda x: np.resize(x, 2), [M]),
    "roll": (lambda x: np.roll(x, 2), [M]),
    "roll an axis": (lambda x: np.roll(x, -1, axis=1), [M]),
    "roll two axes": (lambda x: np.roll(x, (1, 2), axis=(0, -1)), [M]),
    "roll by nothing": (lambda x: np.roll(x, 5), [V]),
    "flip": (np.flip, [T]),
    "flip an axis": (lambda x: np.flip(x, -1), [T]),
    "fliplr": (np.fliplr, [T]),
    "flipud": (np.flipud, [M]),
    "rot90": (np.rot90, [M]),
    "rot90 twice": (lambda x: np.rot90(x, 2), [M]),
    "rot90 back": (lambda x: np.rot90(x, -1, axes=(1, 2)), [T]),
    "delete": (lambda x: np.delete(x, 1), [V]),
    "delete rows": (lambda x: np.delete(x, [0, -1], axis=0), [M]),
    "delete a slice": (lambda x: np.delete(x, slice(1, 3), axis=1), [M]),
    "delete by a mask": (lambda x: np.delete(x, [True, False, True], 0), [M]),
    "insert": (lambda x, y: np.insert(x, 2, y), [V, ()]),
    "insert a row": (lambda x, y: np.insert(x, 1, y, axis=0), [M, W]),
    "insert a column": (lambda x, y: np.insert(x, 1, y, axis=1), [M, (3,)]),
    "insert several": (lambda x, y: np.insert(x, [0, 2, 2], y), [V, (3,)]),
    "insert columns": (lambda x, y: np.insert(x, [1, 1], y, axis=-1), [M, (3, 2)]),
    "insert many at one place": (lambda x, y: np.insert(x, [1], y, axis=1), [M, (3, 2)]),
    "insert a constant": (lambda x: np.insert(x, 0, [1.0, 2.0], axis=None), [M]),
    "copy": (np.copy, [M]),
    # diagonals, triangles, grids
    "diag of a vector": (np.diag, [W]),
    "diag below": (lambda x: np.diag(x, -2), [W]),
    "diag of a matrix": (lambda x: np.diag(x, 1), [M]),
    "diag outside": (lambda x: np.diag(x, 7), [M]),
    "diagflat": (lambda x: np.diagflat(x, 1), [(2, 2)]),
    "diagonal": (np.diagonal, [T]),
    "diagonal of the last axes": (lambda x: np.diagonal(x, -1, -2, -1), [T]),
    "linalg.diagonal": (lambda x: np.linalg.diagonal(x[0]), [T]),
    "trace": (np.trace, [M]),
    "trace of a stack": (lambda x: np.trace(x, 1, 1, 2), [T]),
    "tril": (np.tril, [M]),
    "tril above": (lambda x: np.tril(x, 1), [T]),
    "tril of a vector": (np.tril, [W]),
    "triu": (lambda x: np.triu(x, -1), [T]),
    "meshgrid": (lambda x, y: np.stack(np.meshgrid(x, y)), [V, W]),
    "meshgrid ij": (lambda x, y: np.stack(np.meshgrid(x, y, indexing="ij")), [V, W]),
    "meshgrid sparse": (lambda x, y: np.multiply(*np.meshgrid(x, y, sparse=True)), [V, W]),
    "ix_": (lambda x: x[np.ix_([0, 2], [True, False, True, True])], [M]),
    "ix_ of traced order": (lambda x: x[np.ix_(np.argsort(x[:, 0]), [1])], [M]),
    "sliding windows": (lambda x: np.lib.stride_tricks.sliding_window_view(x, 2, 1), [M]),
    "windows of two axes": (
        lambda x: np.lib.stride_tricks.sliding_window_view(x, (2, 3)),
        [M],
    ),
    "apply_along_axis": (lambda x: np.apply_along_axis(lambda v: v[:2] * v[1], 1, x), [T]),
    "apply_along_axis to scalars": (lambda x: np.apply_along_axis(np.max, 0, x), [T]),
    "apply_over_axes": (lambda x: np.apply_over_axes(np.sum, x, [0, 2]), [T]),
    # choice
    "where": (lambda x, y: np.where(np.arange(4) > 1, x, y), [M, M]),
    "where broadcasting": (lambda x, y: np.where(np.eye(3) > 0, x, y), [(3, 1), ()]),
    "where with a number": (lambda x: np.where(x > 0, x, 0.5), [M]),
    "where with a number first": (lambda x: np.where(x > 0, 0.5, x), [M]),
    "where by a traced number": (lambda x, y: np.where(x, x, y), [W, W]),
    "select": (lambda x: np.select([x < -0.5, x > 0.5], [x, -x], 2.0), [M]),
    "choose": (lambda x, y: np.choose([0, 1, 1, 0], [x, y]), [M, W]),
    "choose with wrap": (lambda x, y: np.choose([2, -1], [x, y], mode="wrap"), [(2,), (2,)]),
    "piecewise": (
        lambda x: np.piecewise(x, [x < 0, x > 1], [lambda v: v * v, 3.0, lambda v: -v]), [V]
    ),
    "compress": (lambda x: np.compress([True, False, True], x, axis=0), [M]),
    "extract": (lambda x: np.extract(np.arange(12) % 5 > 1, x), [M]),
    "take": (lambda x: np.take(x, [[3, 0], [0, -1]], axis=1), [M]),
    "take flat": (lambda x: np.take(x, [5, 5, 1]), [M]),
    "take one": (lambda x: np.take(x, 2, axis=-1), [M]),
    "take with wrap": (lambda x: np.take(x, [7, -8], axis=0, mode="wrap"), [M]),
    "take with clip": (lambda x: np.take(x, [7, -8, 1], axis=1, mode="clip"), [M]),
    "take nothing": (lambda x: np.take(x, [], axis=0), [M]),
    "take_along_axis": (
        lambda x: np.take_along_axis(x, np.array([[0, 0, 3], [1, 1, 1], [3, 2, 0]]), 1), [M]
    ),
    "take_along_axis broadcast": (lambda x: np.take_along_axis(x, np.array([[2, 0, 2]]), 1), [M]),
    "take_along_axis flat": (lambda x: np.take_along_axis(x, np.array([4, 4, 0]), None), [M]),
    "take_along_axis in front": (lambda x: np.take_along_axis(x, np.array([[1], [-1]]), 0), [M]),
    "trim_zeros": (lambda x: np.trim_zeros(np.where(np.arange(5) % 4 == 0, 0.0, x)), [V]),
    # values
    "clip": (lambda x: np.clip(x, -0.5, 0.5), [M]),
    "clip below": (lambda x: np.clip(x, 0.1, None), [M]),
    "clip above": (lambda x: x.clip(max=0.1), [M]),
    "clip by limits": (lambda x, y, z: np.clip(x, y - 1, z + 1), [M, W, ()]),
    "clip of a constant": (lambda x: np.clip(np.linspace(-2, 2, 4), x, 1.5), [M]),
    "clip method of a constant": (lambda x: np.linspace(-2, 2, 4).clip(x, 1.5), [M]),
    "nan_to_num": (np.nan_to_num, [M]),
    "full_like": (lambda x, y: np.full_like(x, y), [M, ()]),
    "full_like of a shape": (lambda x, y: np.full_like(x, y, shape=(2, 4)), [M, W]),
    "zeros_like": (lambda x: x + np.zeros_like(x), [M]),
    "ones_like": (lambda x: x * np.ones_like(x), [()]),
    "astype": (lambda x: x.astype(np.float32).astype(np.float64) * 0 + x, [M]),
}  # fmt: skip
SIDES = [(1, 2), (0, 3)]
PAD_MODES: dict[str, dict[str, Any]] = {
    "constant": {},
    "edge": {},
    "empty": {},
    "linear_ramp": {"end_values": (1.5, -2.0)},
    "maximum": {},
    "mean": {"stat_length": 2},
    "median": {"stat_length": 3},
    "minimum": {"stat_length": ((2, 1), (1, 3))},
    "reflect": {},
    "symmetric": {},
    "wrap": {},
}
VALUE_DEPENDENT = {
    "piecewise", "trim_zeros",
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_value_and_derivatives_of_every_order_and_batch_agree_with_numpy(name: str) -> None:
    f, shapes = CASES[name]
    args = [normal(*shape, seed=i)[()] for i, shape in enumerate(shapes)]
    check(f, *args, batch=name not in VALUE_DEPENDENT)


@pytest.mark.parametrize(
    "name",
    [
        n
        for n in CASES
        if "clip" not in n
        and "piecewise" not in n
        and "select" not in n
        and "number" not in n
        and n != "astype"
    ],
)
def test_complex_numbers_keep_their_derivatives(name: str) -> None:
    f, shapes = CASES[name]
    args = [normal(*shape, seed=i, dtype=complex)[()] for i, shape in enumerate(shapes)]
    check(f, *args, second=False, batch=False)


@pytest.mark.parametrize("name", [n for n in CASES if n != "astype"])
def test_float32_stays_float32(name: str) -> None:
    f, shapes = CASES[name]
    args = [normal(*shape, seed=i, dtype=np.float32)[()] for i, shape in enumerate(shapes)]
    plain = f(*args)
    out, pullback = vjp(f, *args)
    assert out.dtype == plain.dtype
    ct = np.ones(np.shape(plain), plain.dtype)[()]
    assert [part.dtype for part in pullback(ct)] == [np.float32] * len(args)
    _, out_dot = jvp(f, tuple(args), tuple(np.ones_like(arg) for arg in args))
    assert out_dot.dtype == plain.dtype


@pytest.mark.parametrize("mode", PAD_MODES)
def test_pad_agrees_with_numpy(mode: str) -> None:
    if mode == "empty":  # what stands around is not defined, so it is cut off again
        check(lambda x: np.pad(x, SIDES, mode)[1:-2, :-3], normal(3, 4))
        return
    exact = mode not in ("mean", "linear_ramp")  # sums in another order
    check(lambda x: np.pad(x, SIDES, mode, **PAD_MODES[mode]), normal(3, 4), exact=exact)


@pytest.mark.parametrize("mode", ["reflect", "symmetric"])
def test_pad_by_odd_reflection_agrees_with_numpy(mode: Any) -> None:
    def f(x: Any) -> Any:
        return np.pad(x, (3, 2), mode, reflect_type="odd")

    check(f, normal(3), exact=False)


@pytest.mark.parametrize("mode", ["constant", "linear_ramp"])
def test_pad_by_traced_values_carries_their_derivative(mode: Any) -> None:
    option = {"constant": "constant_values", "linear_ramp": "end_values"}[mode]

    def f(x: Any, y: Any, z: Any) -> Any:
        return np.pad(x, 2, mode, **{option: ((y, z), (z, 0.5))})

    check(f, normal(3, 2), np.float64(0.3), np.float64(-2.0), exact=False)
    x, y = normal(3), np.array([1.5, 2.5])
    slope = grad(lambda y: np.sum(DISPATCH[np.pad](x, (1, 2), constant_values=y)))(y)
    np.testing.assert_array_equal(slope, [1.0, 2.0])


@pytest.mark.parametrize("width", [2, (1, 2), ((1, 2),), {0: 1}, {-1: (2, 0)}, [[1, 0]]])
def test_pad_widths_are_read_as_numpy_reads_them(width: Any) -> None:
    x = normal(3)
    try:
        expected = np.pad(x, width)
    except (TypeError, ValueError):  # a dict is understood since NumPy 2.?
        pytest.skip("this NumPy does not take it")
    out, _ = vjp(lambda x: np.pad(x, width), x)
    np.testing.assert_array_equal(out, expected)


def test_unstack_gives_the_parts_along_an_axis() -> None:
    if not hasattr(np, "unstack"):
        pytest.skip("NumPy has it since 2.1")
    check(lambda x: np.unstack(x, axis=1)[2] * 2, normal(2, 3, 4))


def test_roll_by_a_batched_shift_is_the_loop() -> None:
    xs, shifts = normal(3, 4), np.array([0, 1, -2])
    expected = np.stack([np.roll(x, s) for x, s in zip(xs, shifts, strict=True)])
    np.testing.assert_array_equal(vmap(np.roll)(xs, shifts), expected)


def test_clip_passes_one_at_its_edges() -> None:
    slope = grad(lambda x: np.sum(np.clip(x, 0.0, 1.0)))(np.array([-1.0, 0.0, 0.5, 1.0, 2.0]))
    np.testing.assert_array_equal(slope, [0.0, 1.0, 1.0, 1.0, 0.0])


def test_clip_between_crossed_limits_is_the_upper_one() -> None:
    low, high = grad(lambda a, b: np.clip(0.5, a, b), argnums=(0, 1))(2.0, 1.0)
    assert (low, high) == (0.0, 1.0)


def test_nan_to_num_has_derivative_zero_where_it_replaces() -> None:
    x = np.array([np.nan, np.inf, -np.inf, 2.0])
    np.testing.assert_array_equal(grad(lambda x: np.sum(np.nan_to_num(x)))(x), [0, 0, 0, 1])


def test_nan_to_num_replaces_both_parts_of_complex_numbers() -> None:
    z = np.array([complex(np.nan, 1.0), complex(2.0, np.inf)])
    out, _ = vjp(lambda z: np.nan_to_num(z, nan=5.0, posinf=7.0), z)
    np.testing.assert_array_equal(out, [5 + 1j, 2 + 7j])


def test_full_like_with_a_traced_value_carries_its_derivative() -> None:
    assert grad(lambda x: np.sum(np.full_like(x * np.ones(3), x)))(2.0) == 3.0


def test_a_cast_to_integers_has_derivative_zero() -> None:
    assert grad(lambda x: x * x.astype(int))(2.5) == 2.0


def test_a_cast_of_complex_numbers_to_real_ones_is_the_real_part() -> None:
    out, pullback = vjp(lambda z: z.astype(np.float64), np.array([1 + 2j]))
    assert out.dtype == np.float64
    np.testing.assert_array_equal(pullback(np.array([3.0]))[0], [3 + 0j])


def test_a_cast_to_objects_is_refused() -> None:
    with pytest.raises(errors.ObjectArrayError, match="astype: dtype object"):
        grad(lambda x: np.sum(x.astype(object)))(np.ones(2))


@pytest.mark.parametrize("part", [np.real, np.imag])
def test_real_and_imaginary_parts_are_adjoint_to_what_makes_them(part: Function) -> None:
    check(part, normal(3, dtype=complex), second=False)
    check(lambda x: part(x * (1 + 2j)), normal(3))


def test_the_real_part_of_real_numbers_is_the_number_itself() -> None:
    check(lambda x: np.real(x) + np.imag(x), normal(3))


def test_real_if_close_looks_at_the_values() -> None:
    out, _ = vjp(np.real_if_close, np.array([1 + 1e-20j]))
    assert out.dtype == np.float64
    out, _ = vjp(np.real_if_close, np.array([1 + 1j]))
    assert out.dtype == np.complex128


def test_operands_of_two_dtypes_get_cotangents_of_their_own() -> None:
    x, y = normal(2, dtype=np.float32), normal(2)
    for f in (lambda x, y: np.concatenate([x, y]), lambda x, y: np.stack([x, y])):
        out, pullback = vjp(f, x, y)
        assert out.dtype == np.float64
        assert [part.dtype for part in pullback(np.ones_like(out))] == [np.float32, np.float64]


@pytest.mark.parametrize("f", [np.concatenate, np.stack])
def test_a_real_operand_next_to_a_complex_one_gets_a_real_cotangent(f: Function) -> None:
    _, pullback = vjp(lambda x, z: f([x, z]), normal(2), normal(2, dtype=complex))
    assert pullback(f([np.ones(2), 1j * np.ones(2)]))[0].dtype == np.float64


def test_concatenate_takes_a_dtype() -> None:
    out, pullback = vjp(lambda x: np.concatenate([x, x], dtype=np.float32), normal(3))
    assert out.dtype == np.float32
    np.testing.assert_array_equal(pullback(np.ones(6, np.float32))[0], [2.0, 2.0, 2.0])


def test_joining_many_parts_takes_linear_time() -> None:
    """The parts of one join are found in one walk: no quadratic rule is called."""
    parts = 3000
    x = np.ones(parts)
    found = grad(lambda x: np.sum(np.stack([x[i] * i for i in range(parts)])))(x)
    np.testing.assert_array_equal(found, np.arange(parts))


@pytest.mark.parametrize("function", [np.copyto, np.fill_diagonal, np.place, np.putmask])
def test_functions_that_write_in_place_name_what_to_use_instead(function: Function) -> None:
    arguments = {np.place: (True, 1.0), np.putmask: (True, 1.0)}.get(function, (1.0,))
    with pytest.raises(errors.UnsupportedFunctionError, match=r"immutable.* Use "):
        grad(lambda x: function(x, *arguments))(np.ones((2, 2)))


@pytest.mark.parametrize(
    "call",
    [
        lambda x, out: np.concatenate([x, x], out=out),
        lambda x, out: np.stack([x], out=out),
        lambda x, out: np.take(x, [0], out=out),
        lambda x, out: np.clip(x, 0, 1, out=out),
        lambda x, out: np.compress([True], x, out=out),
    ],
)
def test_an_out_argument_is_refused(call: Function) -> None:
    with pytest.raises(errors.TracerAssignmentError, match="out="):
        grad(lambda x: np.sum(call(x, np.zeros(4))))(np.ones(2))


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda x: np.reshape(x, (5, -1)), ValueError),
        (lambda x: np.squeeze(x, 0), ValueError),
        (lambda x: np.transpose(x, (0, 0)), ValueError),
        (lambda x: np.moveaxis(x, 0, 5), np.exceptions.AxisError),
        (lambda x: np.concatenate([x, x[0]]), ValueError),
        (lambda x: np.stack([x, x[0]]), ValueError),
        (lambda x: np.split(x, 2), ValueError),
        (lambda x: np.take(x, [99]), IndexError),
        (lambda x: np.diag(x[0, 0]), ValueError),
        (lambda x: np.pad(x, -1), ValueError),
        (lambda x: np.broadcast_to(x, (3, 5)), ValueError),
    ],
)
def test_what_numpy_refuses_is_refused_with_the_same_class(call: Function, error: type) -> None:
    x = normal(3, 4)
    with pytest.raises(error):
        call(x)
    with pytest.raises(error):
        grad(lambda x: np.sum(call(x)))(x)


def test_a_view_of_a_traced_value_cannot_be_changed_in_place() -> None:
    def f(x: Any) -> Any:
        row = x[0]
        row += 1
        return np.sum(x)

    with pytest.raises(errors.TracerAssignmentError, match="view"):
        grad(f)(np.ones((2, 2)))


def test_a_copy_of_a_view_can_be_added_to() -> None:
    def f(x: Any) -> Any:
        row = x[0].copy()
        row += 1
        return np.sum(row * x[1])

    np.testing.assert_array_equal(grad(f)(np.ones((2, 2))), [[1, 1], [2, 2]])


@given(st.data())
def test_moved_axes_and_shapes_agree_with_numpy_for_any_array(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=4)))
    rank = len(shape)
    order = data.draw(st.permutations(range(-rank, 0)))
    axis = data.draw(st.integers(-rank, rank - 1))
    shift = data.draw(st.integers(-4, 4))

    def f(x: Any) -> Any:
        y = np.roll(np.transpose(x, order), shift, axis)
        return np.flip(np.concatenate([y, 2 * y], axis), axis).reshape(-1)

    check(f, normal(*shape), second=False)


@pytest.mark.parametrize(
    "parts",
    [
        lambda m: [m[0], m],
        lambda m: [m, m, m[0]],
        lambda m: [m[0, 0], m],
        lambda m: [m[0, 0], m[0, 0]],
    ],
)
def test_parts_of_different_rank_are_refused_in_the_words_of_numpy(parts: Any) -> None:
    with pytest.raises(ValueError, match="dimension") as plain:
        np.concatenate(parts(np.ones((2, 3))))
    with pytest.raises(ValueError, match=re.escape(str(plain.value))):
        grad(lambda m: np.sum(np.concatenate(parts(m))))(np.ones((2, 3)))
