"""funcgrad.compat.torch.summation beside a slow model of the order, and beside torch itself."""

import random
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from funcgrad.compat.torch.summation import mean_of, sum_of

Array = np.ndarray[Any, np.dtype[Any]]

WIDTHS = {"float32": 8, "float64": 4, "complex64": 4, "complex128": 2}
each_dtype = pytest.mark.parametrize("dtype", WIDTHS)


def draw(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Array:
    """Numbers of many sizes and signs: nearly every order of adding them rounds differently."""
    numbers = rng.standard_normal(shape) * 10.0 ** rng.integers(-3, 4, shape)
    if dtype.startswith("complex"):
        numbers = numbers + 1j * rng.standard_normal(shape)
    return numbers.astype(dtype)


# ---------------------------------------------------------------------------------------------
# The model: one addition after the other, elements along the first axis


def cascade(x: Array) -> Array:
    """Accumulators of four levels, each emptied into the next after 2^p additions."""
    zero = np.zeros(x.shape[1:], x.dtype)
    levels = [zero, zero, zero, zero]
    power = max(4, (len(x) - 1).bit_length() // 4) if len(x) else 4
    for count, element in enumerate(x, 1):
        levels[0] = levels[0] + element
        for j in range(1, 4):
            if count % 2 ** (j * power):
                break
            levels[j], levels[j - 1] = levels[j] + levels[j - 1], zero
    return ((levels[0] + levels[1]) + levels[2]) + levels[3]


def four_way(x: Array) -> Array:
    whole = len(x) // 4 * 4
    first, *others = (cascade(x[k:whole:4]) for k in range(4))
    for element in (*x[whole:], *others):
        first = first + element
    return first


def row(x: Array, width: int) -> Any:
    """A contiguous row: vectors four-way, then the elements behind them, then the lanes."""
    if len(x) < width:
        return four_way(x)
    whole = len(x) // width * width
    total = x.dtype.type(0)
    for element in (*x[whole:], *four_way(x[:whole].reshape(-1, width))):
        total = total + element
    return total


def columns(x: Array, width: int) -> Array:
    """The columns of a contiguous matrix."""
    group = 4 * width if x.shape[1] >= width else 4
    whole = x.shape[1] // group * group
    return np.concatenate((cascade(x[:, :whole]), four_way(x[:, whole:])))


# ---------------------------------------------------------------------------------------------
# Against the model

LENGTHS = (
    *range(1, 72), 95, 96, 100, 127, 128, 129, 255, 256, 257, 383, 511, 512, 513, 543, 544, 575,
    640, 1000, 1023, 1024, 1025, 2000, 2047, 2048, 4103, 8191, 8192, 8193, 8704, 8735, 20011,
)  # fmt: skip


@each_dtype
def test_a_vector_is_summed_in_the_order_of_vectors_and_lanes(dtype: str):
    rng = np.random.default_rng(0)
    for n in LENGTHS:
        x = draw(rng, (n,), dtype)
        assert sum_of(x) == row(x, WIDTHS[dtype]), n


@each_dtype
@pytest.mark.parametrize("m", [1, 2, 40, 300])
def test_rows_are_summed_as_vectors_are(dtype: str, m: int):
    rng = np.random.default_rng(m)
    for n in (1, 3, 5, 8, 10, 19, 33, 64, 100, 300, 530, 1100):
        x = draw(rng, (m, n), dtype)
        some = range(0, m, 37)
        expected = [row(x[i], WIDTHS[dtype]) for i in some]
        np.testing.assert_array_equal(sum_of(x, (1,), always=True)[some], expected, f"{n}")


@each_dtype
@pytest.mark.parametrize("c", [2, 3, 4, 7, 8, 10, 31, 32, 40, 64, 77])
def test_columns_are_summed_in_groups(dtype: str, c: int):
    rng = np.random.default_rng(c)
    for n in (2, 4, 5, 7, 16, 17, 31, 64, 65, 100, 257, 300):
        x = draw(rng, (n, c), dtype)
        expected = columns(x, WIDTHS[dtype])
        np.testing.assert_array_equal(sum_of(x, (0,), always=True), expected, f"{n}")


@each_dtype
def test_a_middle_axis_is_summed_as_the_columns_of_each_matrix(dtype: str):
    x = draw(np.random.default_rng(1), (3, 70, 40), dtype)
    expected = [columns(matrix, WIDTHS[dtype]) for matrix in x]
    np.testing.assert_array_equal(sum_of(x, (1,), always=True), expected)


@each_dtype
def test_sums_over_axes_apart_are_chains_of_sums_of_rows(dtype: str):
    x = draw(np.random.default_rng(2), (20, 3, 50), dtype)
    expected = np.zeros(3, dtype)
    for matrix in x:
        expected = expected + [row(line, WIDTHS[dtype]) for line in matrix]
    np.testing.assert_array_equal(sum_of(x, (0, 2), always=True), expected)


@each_dtype
def test_every_other_element_is_summed_four_ways(dtype: str):
    x = draw(np.random.default_rng(3), (4001,), dtype)[::2]
    assert sum_of(x) == four_way(x)


def test_axes_that_lie_behind_one_another_are_one():
    x = draw(np.random.default_rng(4), (7, 30, 11), "float32")
    assert sum_of(x) == row(x.ravel(), 8)
    assert sum_of(x.T) == row(x.ravel(), 8)
    np.testing.assert_array_equal(sum_of(x, (0, 1), always=True), columns(x.reshape(210, 11), 8))


def test_16_bit_floats_add_the_halves_of_a_vector_first():
    x = draw(np.random.default_rng(5), (1000,), "float32").astype(np.float16)
    wide = x[:992].astype(np.float32).reshape(62, 2, 8)
    total = np.float32(0)
    for element in (*x[992:].astype(np.float32), *four_way(wide[:, 0] + wide[:, 1])):
        total = total + element
    assert sum_of(x) == np.float16(total)
    assert sum_of(x).dtype == np.float16
    assert sum_of(x.astype(np.float32), narrow=True) == total


# ---------------------------------------------------------------------------------------------
# What holds for any order


@pytest.mark.parametrize("axes", [None, (0,), (1,), (-1,), (0, 2), (0, 1, 2), (2, 0)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_shape_and_dtype_are_numpy_s(axes: tuple[int, ...] | None, *, keepdims: bool):
    for dtype in ("float16", "float32", "float64", "complex64"):
        x = draw(np.random.default_rng(6), (4, 9, 34), dtype)
        for array in (x, x.T, x[:, ::2], x[:1]):
            found = sum_of(array, axes, keepdims=keepdims, always=True)
            expected = np.add.reduce(array, axes, keepdims=keepdims)
            assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
            np.testing.assert_allclose(found, expected, rtol=1e-2, atol=3.0)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int32", "int64"])
def test_integers_and_booleans_are_summed_as_int64(dtype: str):
    total = sum_of(np.ones((300, 2), dtype), (0,))
    assert total.dtype == np.int64
    assert total.tolist() == [300, 300]


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 3)])
def test_the_sum_of_nothing_is_zero_and_its_mean_nan(shape: tuple[int, ...]):
    x = np.zeros(shape, np.float32)
    assert sum_of(x) == 0
    assert np.isnan(mean_of(x))


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 40, 600])
def test_a_sum_of_negative_zeros_is_zero(n: int):
    x = np.full((n, n), -0.0, np.float32)
    for total in (sum_of(x[0]), sum_of(x), sum_of(x, (0,)), sum_of(x[:, ::2], (1,), always=True)):
        assert not np.signbit(total).any()


def test_the_mean_is_the_sum_divided_by_the_count():
    x = draw(np.random.default_rng(7), (50, 31), "float32")
    assert mean_of(x) == row(x.ravel(), 8) / np.float32(1550)
    expected = columns(x, 8)[np.newaxis] / np.float32(50)
    np.testing.assert_array_equal(mean_of(x, (0,), keepdims=True, always=True), expected)


def test_the_argument_stays_as_it_is():
    for n in (5, 7, 61, 1003):
        x = draw(np.random.default_rng(8), (n, n % 50), "float32")
        before = x.copy()
        for axes in (None, (0,), (1,)):
            sum_of(x, axes, always=True)
        np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize(
    "array",
    [
        np.broadcast_to(np.float32([[0.1], [0.7]]), (2, 50)),
        np.arange(60, dtype=np.float32)[::-1],
    ],
    ids=["shared", "reversed"],
)
def test_shared_and_reversed_memory_is_left_to_numpy(array: Array):
    assert sum_of(array) == np.add.reduce(array, None)


def test_small_matrices_are_left_to_numpy_along_an_axis_unless_asked_for():
    x = draw(np.random.default_rng(9), (4, 100), "float32")
    cheap, asked = sum_of(x, (1,)), sum_of(x, (1,), always=True)
    np.testing.assert_array_equal(cheap, np.add.reduce(x, 1))
    np.testing.assert_array_equal(asked, [row(line, 8) for line in x])
    assert (cheap != asked).any()


# ---------------------------------------------------------------------------------------------
# Against torch


@pytest.fixture
def torch() -> Iterator[ModuleType]:
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield torch
    torch.set_num_threads(threads)


def random_layout(choose: random.Random) -> tuple[tuple[int, ...], Callable[[Any], Any]]:
    """The shape of a block of memory, and a view of it."""
    ndim = choose.choice([1, 1, 2, 2, 3, 4])
    room = choose.choice([50, 500, 5000, 50_000])
    shape = []
    for _ in range(ndim):
        shape.append(min(room, choose.choice([1, 2, 3, 5, 8, 10, 17, 31, 32, 33, 64, 100, room])))
        room //= shape[-1]
    choose.shuffle(shape)
    shape = [max(1, size) for size in shape]
    order = choose.sample(range(ndim), ndim)
    views = (
        lambda x: x,
        lambda x: x[(slice(None, None, 2),) * ndim],
        lambda x: x[tuple(slice(int(size > 3), None) for size in shape)],
        lambda x: x.permute(order) if hasattr(x, "permute") else x.transpose(order),
    )
    return tuple(shape), choose.choice(views)


@pytest.mark.oracle
@pytest.mark.parametrize("dtype", [*WIDTHS, "float16", "bfloat16"])
def test_sums_and_means_of_random_layouts_are_torch_s_bit_for_bit(torch: ModuleType, dtype: str):
    choose, rng = random.Random(dtype), np.random.default_rng(10)
    for _ in range(150):
        shape, view = random_layout(choose)
        numbers = draw(rng, shape, "float32" if dtype == "bfloat16" else dtype)
        tensor = torch.from_numpy(numbers).to(getattr(torch, dtype))
        narrow = dtype == "bfloat16"
        array = tensor.float().numpy() if narrow else numbers
        tensor, array = view(tensor), view(array)
        axes = choose.choice(
            [None, choose.sample(range(array.ndim), choose.randint(1, array.ndim))]
        )
        axes = axes and tuple(axes)
        for name, function in (("sum", sum_of), ("mean", mean_of)):
            expected = getattr(tensor, name)(axes) if axes else getattr(tensor, name)()
            with np.errstate(over="ignore"):  # a sum beyond float16 is inf
                result = function(array, axes, narrow=narrow, always=True)
            found = torch.from_numpy(np.asarray(result))
            same = torch.equal(found.to(expected.dtype), expected)
            assert same, f"{name} of {array.shape}, strides {array.strides}, axes {axes}"


CANCELLING = [
    ((300,), (0,)), ((90, 40), (0,)), ((90, 100), (0,)), ((64, 15), (0,)), ((40, 100), (0, 1)),
    ((8, 3, 100), (0, 2)), ((32, 20, 15), (0, 2)), ((6, 70, 33), (0, 1)), ((20, 2, 5, 9), (0, 2)),
]  # fmt: skip


@pytest.mark.oracle
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize(("shape", "axes"), CANCELLING)
def test_16_bit_sums_whose_roundings_show_are_torch_s(
    torch: ModuleType, dtype: str, shape: tuple[int, ...], axes: tuple[int, ...]
):
    """Most of a sum cancels, so that the errors of its float32 parts are left."""
    rng = np.random.default_rng(11)
    numbers = rng.standard_normal(shape) * 10.0 ** rng.uniform(-6, 4, shape)
    half = shape[0] // 2
    numbers[half : 2 * half] = -numbers[:half][::-1]
    tensor = torch.from_numpy(numbers).to(getattr(torch, dtype))
    narrow = dtype == "bfloat16"
    array = tensor.float().numpy() if narrow else tensor.numpy()
    found = np.asarray(sum_of(array, axes, narrow=narrow, always=True))
    expected = tensor.sum(axes)
    assert torch.equal(torch.from_numpy(found).to(expected.dtype), expected)
