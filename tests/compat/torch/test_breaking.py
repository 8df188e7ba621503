"""Attempts to get a wrong gradient: memory that changes or is shared, errors, hooks, threads."""

import threading
from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import pytest

import funcgrad.compat.torch as layer

torch: Any = layer
F: Any = torch.nn.functional
CHANGED = "modified by an inplace operation"


def _leaf(*values: float, dtype: Any = None) -> Any:
    return torch.tensor(list(values), dtype=dtype, requires_grad=True)


def _with_row(x: Any, places: Any, values: Any) -> Any:
    x[places] = values
    return x


# --- operands without derivative that change before the backward --------------------------------

INDEXED: dict[str, tuple[Callable[[Any, Any], Any], list[float]]] = {
    "x[i]": (lambda x, i: x[i], [1, 1, 0]),
    "index_select": (lambda x, i: x.index_select(0, i), [1, 1, 0]),
    "gather": (lambda x, i: x.gather(0, i), [1, 1, 0]),
    "take": (torch.take, [1, 1, 0]),
    "scatter_add": (lambda x, i: torch.zeros(3).scatter_add(0, i, x) ** 2, [0, 2, 0]),
    "index_add": (lambda x, i: (x * 1).index_add(0, i, x[:2] * 2), [3, 3, 1]),
    "x[i] = y": (lambda x, i: _with_row(x * 1, i, x[:2] ** 2), [0, 2, 1]),
    "index_put": (lambda x, i: (x * 1).index_put((i,), x[:2] ** 2), [0, 2, 1]),
    "masked_select": (lambda x, i: x.masked_select(torch.tensor([True, False, True])), [1, 0, 1]),
}


@pytest.mark.parametrize("name", INDEXED)
def test_places_that_change_after_an_operation_do_not_change_its_gradient(name: str) -> None:
    function, expected = INDEXED[name]
    x = _leaf(0.0, 1.0, 2.0)
    places = torch.tensor([0, 1])
    y = function(x, places)
    places.fill_(2)
    y.sum().backward()
    assert x.grad.tolist() == expected


def test_a_mask_that_changes_after_an_operation_does_not_change_its_gradient() -> None:
    x = _leaf(1.0, 2.0, 3.0)
    mask = torch.tensor([True, False, True])
    parts = x.masked_fill(mask, 0.0), x.masked_select(mask)
    mask.logical_not_()
    assert torch.autograd.grad(parts[0].sum(), x)[0].tolist() == [0, 1, 0]
    assert torch.autograd.grad(parts[1].sum(), x)[0].tolist() == [1, 0, 1]


LOSSES: dict[str, Callable[[Any, Any], Any]] = {
    "cross_entropy": lambda x, t: F.cross_entropy(x, t),
    "nll_loss": lambda x, t: F.nll_loss(x * x, t),
    "nll_loss with weights": lambda x, t: F.nll_loss(x * x, t, torch.tensor([1.0, 2.0, 3.0])),
    "multi_margin_loss": lambda x, t: F.multi_margin_loss(x * x, t),
    "embedding": lambda x, t: F.embedding(t, x * x).pow(2).sum(),
}


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("name", LOSSES)
def test_labels_that_change_after_a_loss_do_not_change_its_gradient(
    name: str, create_graph: bool
) -> None:
    def gradient(change: bool) -> Any:
        x = torch.arange(6.0).reshape(2, 3).div(5).requires_grad_()
        labels = torch.tensor([1, 1])
        loss = LOSSES[name](x, labels)
        if change:
            labels.fill_(0)
        return torch.autograd.grad(loss, x, create_graph=create_graph)[0].detach().numpy()

    assert np.array_equal(gradient(True), gradient(False))


def test_a_constant_operand_that_changes_is_refused_where_the_operation_is_recorded_again() -> None:
    x = _leaf(1.0, 2.0)
    weight = torch.tensor([1.0, 2.0])
    y = F.prelu(x - 1.5, weight[:1]) + torch.atan2(x, weight)
    weight.mul_(3)
    with pytest.raises(RuntimeError, match=CHANGED):
        torch.autograd.grad(y.sum(), x, create_graph=True)


def test_constants_of_a_loss_that_change_do_not_change_its_gradient() -> None:
    x = _leaf(1.0, 2.0)
    weight, target = torch.tensor([1.0, 2.0]), torch.tensor([1.0, -1.0])
    crossed = F.binary_cross_entropy_with_logits(x, torch.ones(2), weight, reduction="sum")
    margin = F.soft_margin_loss(x * 1, target, reduction="sum")
    weight.mul_(3)
    target.neg_()
    (a,) = torch.autograd.grad(crossed, x, create_graph=True)
    (b,) = torch.autograd.grad(margin, x, create_graph=True)
    one, two = 1 / (1 + np.exp(1.0)), 1 / (1 + np.exp(2.0))
    assert np.allclose(a.tolist(), [-one, -2 * two])
    assert np.allclose(b.tolist(), [-one, 1 - two])


def test_an_operand_of_another_type_that_changes_does_not_change_the_gradient() -> None:
    x = _leaf(1.0, 2.0)
    factor = torch.tensor([1.0, 2.0], dtype=torch.float64)
    y = (x * factor).sum()
    factor.add_(5)
    (g,) = torch.autograd.grad(y, x, retain_graph=True)
    assert g.tolist() == [1, 2]
    with pytest.raises(RuntimeError, match=CHANGED):
        torch.autograd.grad(y, x, create_graph=True)


CHANGING: dict[str, Callable[[], tuple[Any, Any]]] = {}


def _changing(function: Callable[[], tuple[Any, Any]]) -> Callable[[], tuple[Any, Any]]:
    CHANGING[function.__name__.strip("_").replace("_", " ")] = function
    return function


@_changing
def _a_vector_times_a_matrix() -> tuple[Any, Any]:
    h = _leaf(1.0, 2.0) * 1
    return h, h @ torch.ones(2, 3, requires_grad=True)


@_changing
def _kron() -> tuple[Any, Any]:
    h = _leaf(1.0, 2.0) * 1
    return h, torch.kron(h, _leaf(3.0, 4.0))


@_changing
def _the_result_of_cholesky() -> tuple[Any, Any]:
    h = torch.linalg.cholesky(torch.eye(2).mul(4).requires_grad_())
    return h, h * 1


@_changing
def _the_result_of_solve() -> tuple[Any, Any]:
    h = torch.linalg.solve(torch.eye(2).mul(4).requires_grad_(), torch.ones(2, 2))
    return h, h * 1


@pytest.mark.parametrize("name", CHANGING)
def test_a_saved_value_that_changes_is_refused(name: str) -> None:
    saved, result = CHANGING[name]()
    with torch.no_grad():
        saved.mul_(3)
    with pytest.raises(RuntimeError, match=CHANGED):
        result.sum().backward()


# --- writes in place ----------------------------------------------------------------------------


def test_a_write_to_an_imaginary_part_passes_the_gradient_with_its_sign() -> None:
    z = torch.tensor([1 + 2j], requires_grad=True)
    u = z * 1
    u.real.mul_(3)
    u.imag.add_(u.real)
    (g,) = torch.autograd.grad(u.abs().sum(), z)  # |3a + (b + 3a) i|
    size = abs(3 + 5j)
    assert np.allclose(g.tolist(), [(3 * 3 + 5 * 3) / size + 5j / size])


class _Tripled(torch.autograd.Function):  # type: ignore[misc]  # the layer, as Any
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.mark_dirty(x)
        x.mul_(3)
        return x

    @staticmethod
    def backward(_ctx: Any, g: Any) -> Any:
        return g * 3


def test_views_follow_a_tensor_that_a_function_marks_dirty() -> None:
    x = _leaf(2.0, 3.0)
    h = x * 1
    view = h[0:1]
    _Tripled.apply(h)
    (h * h + view).sum().backward()
    assert x.grad.tolist() == [42, 54]


def test_a_base_follows_a_view_that_a_function_marks_dirty() -> None:
    x = _leaf(2.0, 3.0)
    h = x * 1
    _Tripled.apply(h[0:1])
    (h * h).sum().backward()
    assert x.grad.tolist() == [36, 6]


@pytest.mark.parametrize("through", ["tensor", "base", "view"])
def test_a_retained_gradient_is_that_of_the_values_after_a_write(through: str) -> None:
    x = _leaf(1.0, 1.0)
    y = x * 2
    view = y.view(2)
    kept = view if through == "base" else y
    kept.retain_grad()
    (view if through == "view" else y).mul_(3)
    (kept * kept).sum().backward()
    assert kept.grad.tolist() == [12, 12]
    assert x.grad.tolist() == [72, 72]


# --- memory of results --------------------------------------------------------------------------


def test_a_gradient_with_a_graph_shares_no_memory_with_the_cotangent() -> None:
    x, y, v = _leaf(1.0, 2.0), _leaf(3.0, 4.0), _leaf(5.0, 6.0)
    a, b = torch.autograd.grad(x + y, (x, y), v, create_graph=True)
    a.mul_(7)
    assert (v.tolist(), b.tolist()) == ([5, 6], [5, 6])
    (wide,) = torch.autograd.grad((x * 1).sum(), x, torch.tensor(2.0, requires_grad=True),
                                  create_graph=True)  # fmt: skip
    wide.mul_(3)
    assert wide.tolist() == [6, 6]


SAME_VALUES: dict[str, Callable[[Any], Any]] = {
    "pixel_shuffle": lambda x: F.pixel_shuffle(x.view(1, 2, 1, 1), 1),
    "pixel_unshuffle": lambda x: F.pixel_unshuffle(x.view(1, 2, 1, 1), 1),
    "embedding": lambda x: F.embedding(torch.tensor(0), x.view(1, 2)),
    "logcumsumexp": lambda x: torch.logcumsumexp(x.view(2, 1), 1),
}


@pytest.mark.parametrize("name", SAME_VALUES)
def test_a_result_that_equals_its_operand_has_memory_of_its_own(name: str) -> None:
    x = torch.tensor([1.0, 2.0])
    SAME_VALUES[name](x).zero_()
    assert x.tolist() == [1, 2]


def test_the_old_gradient_is_added_to_in_place_also_if_it_has_a_graph() -> None:
    x = _leaf(1.0, 1.0)
    with pytest.warns(UserWarning, match="create_graph"):
        (x**3).sum().backward(create_graph=True)
    before = x.grad
    (x**3).sum().backward()
    assert x.grad is before
    assert before.tolist() == [6, 6]


# --- hooks, errors, threads, modes --------------------------------------------------------------


def test_a_hook_may_change_a_gradient_without_axes_in_place() -> None:
    x = torch.tensor(3.0, requires_grad=True)
    y = x * x

    def double(g: Any) -> None:
        g.mul_(2)

    y.register_hook(double)
    y.backward()
    assert x.grad.item() == 12


def test_a_hook_may_not_change_the_type_of_a_gradient() -> None:
    x = _leaf(1.0)
    y = x * x
    y.register_hook(lambda g: g.double())
    with pytest.raises(RuntimeError, match="changed the type of value"):
        y.sum().backward()


def test_gradients_and_their_sums_in_bfloat16_are_rounded() -> None:
    x = _leaf(1.0, dtype=torch.bfloat16)
    seen = []
    h = x * 1
    h.register_hook(lambda g: seen.append((g.dtype, g.float().tolist())))
    (h * 1.0 + h * 0.00390625).sum().backward()
    (x * 0.00390625).sum().backward()
    assert (x.grad * 256).float().tolist() == [256]
    assert seen == [(torch.bfloat16, [1.0])]


def test_an_error_on_the_way_leaves_the_nodes_that_were_not_reached() -> None:
    x = _leaf(1.0, 2.0)
    y = x * x

    def stop(_g: Any) -> None:
        raise ValueError("stop")

    handle = y.register_hook(stop)
    with pytest.raises(ValueError, match="stop"):
        (y * 3).sum().backward()
    handle.remove()
    y.sum().backward()
    assert x.grad.tolist() == [2, 4]


def test_threads_that_accumulate_into_one_leaf_lose_nothing() -> None:
    x = torch.zeros(200_000, requires_grad=True)

    def work() -> None:
        for _ in range(10):
            (x * 1.0).sum().backward()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (x.grad.min().item(), x.grad.max().item()) == (40, 40)


def test_a_leaf_that_no_longer_requires_grad_gets_none() -> None:
    x, w = _leaf(1.0), _leaf(2.0)
    y = x * w
    x.requires_grad_(False)
    y.sum().backward()
    assert x.grad is None
    assert w.grad.tolist() == [1]


@pytest.mark.parametrize(("values", "seed"), [("float32", "complex64"), ("complex64", "float32")])
def test_a_cotangent_is_complex_where_the_result_is(values: str, seed: str) -> None:
    x = torch.ones(2, dtype=getattr(torch, values), requires_grad=True)
    with pytest.raises(RuntimeError, match="required to have the same dtype"):
        (x * 2).backward(torch.ones(2, dtype=getattr(torch, seed)))


def test_a_gradient_of_another_size_than_the_old_one_is_refused() -> None:
    x = _leaf(1.0, 2.0)
    (x * x).sum().backward()
    x.data = torch.ones(3)
    with pytest.raises(RuntimeError, match="another size"):
        (x * x).sum().backward()


def test_a_generator_under_no_grad_takes_errors_returns_a_value_and_is_closed_there() -> None:
    seen: list[Any] = []

    @torch.no_grad()  # type: ignore[untyped-decorator]  # the layer, as Any
    def generate() -> Generator[Any, Any, int]:
        try:
            given = yield torch.is_grad_enabled()
            try:
                yield given
            except KeyError:
                yield "caught", torch.is_grad_enabled()
        finally:
            seen.append(torch.is_grad_enabled())
        return 7

    generator: Any = generate()
    assert next(generator) is False
    assert torch.is_grad_enabled()
    assert generator.send(5) == 5
    assert generator.throw(KeyError("x")) == ("caught", False)
    with pytest.raises(StopIteration) as end:
        next(generator)
    assert end.value.value == 7
    generator = generate()
    next(generator)
    generator.close()
    assert seen == [False, False]
