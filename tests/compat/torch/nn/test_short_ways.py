"""The short ways of `torch.nn.functional`: plain arrays, few passes, the same results."""

import gc
import itertools
import math
import weakref
from functools import partial

import numpy as np
import pytest

import funcgrad.compat.torch as torch_layer
from funcgrad.compat.torch.nn import (
    activations,
    attention,
    convolution,
    correlation,
    gathering,
    maxima,
    pooling,
)
from funcgrad.compat.torch.nn.correlation import Grid, correlate, spread, weigh
from funcgrad.compat.torch.sweeping import shares
from funcgrad.primitives import fused

F = torch_layer.nn.functional
RNG = np.random.default_rng(0)


def draw(*shape: int) -> np.ndarray:
    """Normal numbers."""
    return RNG.standard_normal(shape)


def leaf(array: np.ndarray) -> torch_layer.Tensor:
    """A tensor that requires grad."""
    return torch_layer.tensor(array, requires_grad=True)


def grid_of(
    sizes: tuple[int, ...], kernel: tuple[int, ...], stride: int, padding: int, dilation: int
) -> Grid:
    """The same stride, padding and dilation for all axes."""
    axes = len(sizes)
    return convolution._grid_of(
        sizes, kernel, (stride,) * axes, (padding,) * axes, (dilation,) * axes
    )


# --- correlations -----------------------------------------------------------------------------

GRIDS = [
    (sizes, kernel, stride, padding, dilation, groups)
    for (sizes, kernel), stride, padding, dilation, groups in itertools.product(
        [((9,), (3,)), ((7, 8), (3, 2)), ((6, 5, 7), (2, 1, 3))],
        (1, 2),
        (0, 1),
        (1, 2),
        (1, 2, 4),
    )
]


@pytest.fixture(params=[1, 1 << 11, 1 << 19], ids=["one", "few", "all"])
def _blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of one example, of a few, and of all of them."""
    monkeypatch.setattr(correlation, "BLOCK_BYTES", request.param)


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("case", GRIDS, ids=str)
def test_correlations_are_those_of_the_general_way(case: tuple) -> None:
    sizes, kernel, stride, padding, dilation, groups = case
    grid = grid_of(sizes, kernel, stride, padding, dilation)
    x, weight, bias = draw(5, 4, *sizes), draw(8, 4 // groups, *kernel), draw(8)
    axes = len(sizes)
    expected = convolution.convolution_of(
        x, weight, bias, stride=(stride,) * axes, padding=(padding,) * axes,
        dilation=(dilation,) * axes, groups=groups,
    )  # fmt: skip
    np.testing.assert_allclose(correlate(x, weight, bias, grid, groups), expected, atol=1e-12)


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("case", GRIDS, ids=str)
def test_both_transposes_give_the_same_product(case: tuple) -> None:
    sizes, kernel, stride, padding, dilation, groups = case
    grid = grid_of(sizes, kernel, stride, padding, dilation)
    x, weight = draw(5, 4, *sizes), draw(8, 4 // groups, *kernel)
    y = correlate(x, weight, None, grid, groups)
    ct = draw(*y.shape)
    product = np.vdot(ct, y)
    assert np.vdot(spread(ct, weight, grid, groups), x) == pytest.approx(product, rel=1e-10)
    assert np.vdot(weigh(x, ct, grid, groups), weight) == pytest.approx(product, rel=1e-10)


def test_an_infinite_weight_reaches_only_what_it_meets() -> None:
    grid = grid_of((4, 4), (2, 2), 1, 0, 1)
    weight = np.zeros((1, 1, 2, 2))
    weight[0, 0, 0, 0] = np.inf
    found = spread(np.ones((1, 1, 3, 3)), weight, grid, 1)
    assert np.isinf(found[0, 0, :3, :3]).all()
    assert (found[0, 0, 3] == 0).all()
    assert (found[0, 0, :, 3] == 0).all()


def test_a_convolution_may_not_use_a_weight_that_was_changed() -> None:
    x, weight = leaf(draw(1, 1, 4, 4)), leaf(draw(1, 1, 2, 2))
    y = F.conv2d(x, weight)
    with torch_layer.no_grad():
        weight.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_a_convolution_does_not_mind_a_bias_that_was_changed() -> None:
    x, weight, bias = leaf(draw(1, 1, 4, 4)), leaf(draw(1, 1, 2, 2)), leaf(draw(1))
    y = F.conv2d(x, weight, bias)
    with torch_layer.no_grad():
        bias.mul_(2)
    y.sum().backward()
    assert bias.grad.tolist() == [9.0]


@pytest.mark.parametrize("transposed", [False, True])
def test_a_convolution_is_differentiated_twice_as_in_the_general_way(transposed: bool) -> None:
    options = {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 1), "groups": 2}
    x, weight, bias = draw(2, 4, 5, 5), draw(4, 2, 3, 2), draw(4)
    operation = convolution.convolution_op
    function = F.conv2d
    if transposed:
        operation = partial(convolution.transposed_op, out=(9, 6))
        function = F.conv_transpose2d
    found = []
    for apply in (function, operation):
        leaves = [leaf(v) for v in (x, weight, bias)]
        y = apply(*leaves, **options)
        parts = torch_layer.autograd.grad((y**3).sum(), leaves, create_graph=True)
        inner = sum((part**2).sum() for part in parts)
        found.append([y, *parts, *torch_layer.autograd.grad(inner, leaves)])
    for short, general in zip(*found, strict=True):
        np.testing.assert_allclose(short.detach().numpy(), general.detach().numpy(), rtol=1e-9)


# --- maxima of windows ------------------------------------------------------------------------

POOLS = [
    dict(zip(("kernel_size", "stride", "padding", "dilation", "ceil_mode"), options, strict=True))
    for options in itertools.product((2, 3, (3, 2)), (1, 2, 3), (0, 1), (1, 2), (False, True))
]


@pytest.mark.parametrize("options", POOLS, ids=str)
def test_equal_elements_of_windows_are_told_apart_as_in_the_general_way(options: dict) -> None:
    array = RNG.integers(0, 3, (2, 3, 7, 8)).astype(np.float64)
    found = []
    for both in (False, True):  # with the places of the maxima it takes the general way
        x = leaf(array)
        y = F.max_pool2d(x, **options, return_indices=both)
        y = y[0] if both else y
        ct = np.arange(1.0, y.numel() + 1).reshape(y.shape)
        y.backward(torch_layer.tensor(ct))
        found.append((y.detach().numpy(), x.grad.numpy()))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_array_equal(found[0][1], found[1][1])


def test_windows_that_are_not_finite_take_the_general_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    used = []
    monkeypatch.setattr(pooling, "places_of", lambda *_: used.append(1))
    x = leaf(np.array([[[[1.0, np.inf], [np.nan, 0.0]]]]))
    y = F.max_pool2d(x, 2)
    y.sum().backward()
    assert math.isnan(y.item())
    assert not used


def test_cotangents_of_maxima_need_not_be_finite() -> None:
    x = leaf(np.array([[[[1.0, 2.0], [4.0, 3.0]]]]))
    F.max_pool2d(x, 2).backward(torch_layer.tensor([[[[np.inf]]]]))
    np.testing.assert_array_equal(x.grad.numpy(), [[[[0, 0], [np.inf, 0]]]])


def test_the_result_of_a_pool_may_be_overwritten() -> None:
    x = leaf(draw(1, 1, 4, 4))
    y = F.max_pool2d(x, 2)
    y.mul_(0)
    y.sum().backward()
    assert (x.grad.numpy() == 0).all()


def test_maxima_are_in_memory_of_their_own() -> None:
    x = draw(1, 1, 3, 3)
    line = maxima.Line(1, 1, 1, 3, 0, 0)
    found = maxima.maxima(x, (line, line), keep=False)
    assert found is not None
    assert not np.shares_memory(found[0], x)


# --- softmax and attention --------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("axis", [0, -1])
def test_softmax_without_a_shift_is_that_with_one(dtype: type, axis: int) -> None:
    x = (draw(64, 64) * 8).clip(-30, 30).astype(dtype)
    assert x.size >= fused.MANY
    found = fused.without_shift(x, axis)
    below = x - x.max(axis, keepdims=True)
    expected = np.exp(below) / np.exp(below).sum(axis, keepdims=True)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=3e-6 if dtype is np.float32 else 1e-13)


@pytest.mark.parametrize("row", [-100.0, -np.inf, 40.0, np.nan])
def test_softmax_shifts_where_a_row_asks_for_it(row: float) -> None:
    x = draw(64, 64).astype(np.float32)
    x[3] = row
    assert fused.without_shift(x, -1) is None


def test_softmax_of_far_rows_is_even_in_each_of_them() -> None:
    x = np.zeros((64, 64), np.float32)
    x[3] = -1000
    np.testing.assert_allclose(fused.softmax_of(x, -1), 1 / 64, rtol=1e-6)


def _attend(way: str, arrays: list, bias: np.ndarray | None) -> list:
    leaves = [leaf(v) for v in arrays]
    if way == "short":
        mask = None if bias is None else torch_layer.tensor(bias)
        y = F.scaled_dot_product_attention(*leaves, attn_mask=mask)
    else:
        y = attention.flash_op(*leaves, bias=bias, scale=1 / math.sqrt(arrays[0].shape[-1]))
    parts = torch_layer.autograd.grad((y**3).sum(), leaves, create_graph=True)
    inner = sum((part**2).sum() for part in parts)
    return [y, *parts, *torch_layer.autograd.grad(inner, leaves)]


@pytest.mark.parametrize("masked", ["nowhere", "above", "a row"])
def test_attention_is_that_of_the_general_way(masked: str) -> None:
    arrays = [draw(2, 2, 5, 3), draw(2, 2, 4, 3), draw(2, 2, 4, 3)]
    bias = None if masked == "nowhere" else np.zeros((5, 4))
    if masked == "above":
        bias[~np.tri(5, 4, dtype=bool)] = -np.inf
    elif masked == "a row":
        bias[2] = -np.inf
    short, general = (_attend(way, arrays, bias) for way in ("short", "general"))
    for a, b in zip(short, general, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-8, atol=1e-12)


# --- embeddings -------------------------------------------------------------------------------


@pytest.mark.parametrize("few", [0, 1 << 20], ids=["in turns", "as a product"])
@pytest.mark.parametrize("often", [0, 64], ids=["one by one", "in turns"])
@pytest.mark.parametrize("padding", [None, 2])
def test_cotangents_of_rows_are_added(
    few: int, often: int, padding: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "FEW", few)
    monkeypatch.setattr(gathering, "OFTEN", often)
    weight, indices, ct = leaf(draw(5, 3)), RNG.integers(0, 4, (4, 6)), draw(4, 6, 3)
    y = F.embedding(torch_layer.tensor(indices), weight, padding)
    y.backward(torch_layer.tensor(ct))
    expected = np.zeros((5, 3))
    np.add.at(expected, indices, ct)
    if padding is not None:
        expected[padding] = 0
    np.testing.assert_array_equal(y.detach().numpy(), weight.detach().numpy()[indices])
    np.testing.assert_allclose(weight.grad.numpy(), expected, rtol=1e-12)


def test_a_cotangent_that_is_not_finite_stays_in_its_row() -> None:
    weight = leaf(draw(3, 2))
    ct = np.array([[np.inf, 1.0], [1.0, 1.0]])
    F.embedding(torch_layer.tensor([0, 1]), weight).backward(torch_layer.tensor(ct))
    np.testing.assert_array_equal(weight.grad.numpy(), [[np.inf, 1], [1, 1], [0, 0]])


# --- gelu -------------------------------------------------------------------------------------


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu_and_its_derivative_keep_the_digits_of_float32(approximate: str) -> None:
    x = np.concatenate([np.linspace(-15, 15, 40001), [0.0, -0.0, 1e-30, -1e-30, 1e4, -1e4]])
    x = x.astype(np.float32)
    found = []
    for values in (x, x.astype(np.float64)):  # float64 takes the general way
        leaf_ = leaf(values)
        y = F.gelu(leaf_, approximate=approximate)
        y.sum().backward()
        found.append((y.detach().numpy(), leaf_.grad.numpy()))
    for short, general in zip(*found, strict=True):
        assert short.dtype == np.float32
        np.testing.assert_allclose(short, general, rtol=4e-7, atol=2e-6)  # 1 + tanh cancels


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_gelu_of_what_is_not_finite_takes_the_general_way(value: float) -> None:
    for requires_grad in (False, True):
        x = torch_layer.tensor(np.float32([value, 1]), requires_grad=requires_grad)
        general = activations.gelu_op(x, approximate=False)
        short = F.gelu(x)
        np.testing.assert_array_equal(short.detach().numpy()[0], general.detach().numpy()[0])


# --- all of them ------------------------------------------------------------------------------

CALLS = {
    "conv2d": (lambda x, w: F.conv2d(x, w, padding=1), (2, 3, 5, 5), (4, 3, 3, 3)),
    "conv_transpose2d": (lambda x, w: F.conv_transpose2d(x, w, stride=2), (2, 3, 4, 4),
                         (3, 2, 3, 3)),
    "max_pool2d": (lambda x: F.max_pool2d(x, 3, 2, 1), (2, 3, 7, 7)),
    "softmax": (lambda x: F.softmax(x, -1), (48, 48)),
    "bmm": (lambda x, y: x @ y, (4, 3, 5), (4, 5, 2)),
    "attention": (F.scaled_dot_product_attention, (2, 2, 5, 3), (2, 2, 4, 3), (2, 2, 4, 3)),
    "linear": (F.linear, (3, 5), (4, 5), (4,)),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_a_batch_of_cotangents_gives_the_gradients_of_each(name: str) -> None:
    function, *shapes = CALLS[name]
    leaves = [leaf(draw(*shape)) for shape in shapes]
    y = function(*leaves)
    cts = torch_layer.tensor(draw(3, *y.shape))
    together = torch_layer.autograd.grad(y, leaves, cts, is_grads_batched=True, retain_graph=True)
    for i in range(3):
        alone = torch_layer.autograd.grad(y, leaves, cts[i], retain_graph=True)
        for a, b in zip(together, alone, strict=True):
            np.testing.assert_allclose(a[i].numpy(), b.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", CALLS)
def test_only_what_requires_grad_gets_a_gradient(name: str) -> None:
    function, *shapes = CALLS[name]
    arrays = [draw(*shape) for shape in shapes]
    leaves = [leaf(v) for v in arrays]
    whole = torch_layer.autograd.grad(function(*leaves).sum(), leaves)
    for chosen in range(len(arrays)):
        tensors = [torch_layer.tensor(v) for v in arrays]
        tensors[chosen].requires_grad_()
        function(*tensors).sum().backward()
        np.testing.assert_allclose(
            tensors[chosen].grad.numpy(), whole[chosen].numpy(), rtol=1e-9, atol=1e-12
        )
        assert all(t.grad is None for i, t in enumerate(tensors) if i != chosen)


@pytest.mark.parametrize("name", [*CALLS, "rnn"])
def test_a_graph_goes_with_its_last_user(name: str) -> None:
    if name == "rnn":
        y = torch_layer.nn.RNN(3, 4)(torch_layer.tensor(np.float32(draw(5, 2, 3))))[0]
    else:
        function, *shapes = CALLS[name]
        y = function(*[leaf(draw(*shape)) for shape in shapes])
    node = weakref.ref(y.grad_fn)
    gc.disable()
    try:
        y.sum().backward()
        del y
        assert node() is None
    finally:
        gc.enable()


# --- gradients of leaves ----------------------------------------------------------------------


def test_the_gradient_of_the_weight_of_a_linear_map_lies_in_rows() -> None:
    x, weight, bias = leaf(draw(7, 5)), leaf(draw(4, 5)), leaf(draw(4))
    F.linear(x, weight, bias).sum().backward()
    (x @ weight.t()).sum().backward()
    assert weight.grad.is_contiguous()
    assert weight.grad.stride() == weight.stride()


def test_gradients_share_no_memory_with_cotangents_that_others_hold() -> None:
    x, y = leaf(draw(2, 3)), leaf(draw(2, 3))
    ct = torch_layer.tensor(draw(6))
    (x + y).view(6).backward(ct)
    arrays = [x.grad.numpy(), y.grad.numpy(), ct.numpy()]
    for a, b in itertools.combinations(arrays, 2):
        assert not np.shares_memory(a, b)


def test_a_view_of_memory_that_nobody_else_holds_is_not_shared() -> None:
    view = draw(2, 3).T
    is_shared = shares(view)
    assert not is_shared
    held = draw(2, 3)
    assert shares(held.T)
    assert shares(np.arange(4)[:2])
    assert shares(np.broadcast_to(np.float64(1), (3,)))
