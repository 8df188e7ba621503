"""In-place writes inside torch.func, and custom operations called by keyword.

The expected values were found with PyTorch 2.13.
"""

from typing import Any

import pytest

from funcgrad.compat import torch as layer

torch: Any = layer

CAPTURED = "would mutate a captured Tensor"
MAPPED = "vmap: inplace arithmetic.*has more elements than `self`"


def _set_first(y: Any, x: Any) -> Any:
    y[0] = x[0]
    return x.sum()


def _mut(x: Any) -> Any:
    x += 1
    return x**2


@pytest.mark.parametrize(
    "write", [lambda y, x: y.add_(x), lambda y, x: y.copy_(x), lambda y, x: y[:2].add_(x[:2]),
              _set_first],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["vmap", "grad", "vjp", "jvp"])
def test_captured(kind: str, write: Any) -> None:
    """The write raises, and the captured tensor and its views stay as they were."""
    y = torch.zeros(3)
    view = y[1:]

    def f(x: Any) -> Any:
        return (write(y, x) * 2).sum()

    one = torch.ones(3)
    calls: dict[str, Any] = {
        "vmap": lambda: torch.vmap(f)(torch.ones(2, 3)),
        "grad": lambda: torch.func.grad(f)(one),
        "vjp": lambda: torch.func.vjp(f, one),
        "jvp": lambda: torch.func.jvp(f, (one,), (one,)),
    }
    with pytest.raises(RuntimeError, match=MAPPED if kind == "vmap" else CAPTURED):
        calls[kind]()
    assert y.tolist() == [0, 0, 0]
    assert view.tolist() == [0, 0]
    assert y._version == 0
    y.add_(1)
    assert view.tolist() == [1, 1]


def test_captured_and_raising() -> None:
    """An error of the function's own leaves no traced value behind either."""
    y = torch.zeros(3)

    def f(x: Any) -> Any:
        y.copy_(x)
        raise KeyError("own")

    with pytest.raises(KeyError, match="own"):
        torch.func.grad(f)(torch.ones(3))
    assert y.tolist() == [0, 0, 0]


def test_captured_by_inner_level() -> None:
    """A tensor of the outer level is captured for the inner one."""

    def f(z: Any) -> Any:
        w = z * 1
        return torch.func.grad(lambda x: w.add_(x).sum())(z)

    with pytest.raises(RuntimeError, match=CAPTURED):
        torch.vmap(f)(torch.ones(2, 3))
    with pytest.raises(RuntimeError, match=CAPTURED):
        torch.func.grad(lambda z: f(z).sum())(torch.ones(3))


def test_made_inside() -> None:
    """A tensor made inside the function may be written to, but not values of a batch."""
    assert torch.func.grad(lambda x: torch.zeros(3).copy_(x).sum())(torch.ones(3)).tolist() == [
        1, 1, 1,
    ]  # fmt: skip
    out, pull = torch.func.vjp(lambda x: torch.zeros(4)[1:].copy_(x), torch.ones(3))
    assert out.tolist() == [1, 1, 1]
    assert pull(torch.ones(3))[0].tolist() == [1, 1, 1]
    with pytest.raises(RuntimeError, match=MAPPED):
        torch.vmap(lambda x: torch.zeros(3).copy_(x))(torch.ones(2, 3))


def test_other_argument() -> None:
    """An argument that is not differentiated takes the values."""
    y = torch.ones(3)
    found = torch.func.grad(lambda x, y: y.add_(x).sum())(torch.ones(3), y)
    assert found.tolist() == [1, 1, 1]
    assert y.tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    "call",
    [
        lambda x: torch.func.grad(lambda z: _mut(z).sum())(x),
        lambda x: torch.func.vjp(_mut, x),
        lambda x: torch.func.jacrev(_mut)(x),
        lambda x: torch.func.hessian(lambda z: _mut(z).sum())(x),
        lambda x: torch.vmap(torch.func.grad(_mut))(x),
        lambda x: torch.func.grad(lambda z: torch.vmap(_mut)(z).sum())(x),
        lambda x: torch.func.grad(lambda z: _set_first(z, z * 2))(x),
        lambda x: torch.vmap(_mut)(x.requires_grad_()),
    ],
)
def test_argument_is_a_leaf(call: Any) -> None:
    """What reverse mode differentiates by cannot be changed."""
    x = torch.ones(3)
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        call(x)
    assert x.tolist() == [1, 1, 1]


def test_copy_of_argument() -> None:
    """A clone of it can."""
    assert torch.func.grad(lambda x: _mut(x.clone()).sum())(torch.ones(3)).tolist() == [4, 4, 4]


def test_argument_written_back() -> None:
    """Forward mode and vmap write into the tensors that were given."""
    x = torch.ones(3)
    out, dot = torch.func.jvp(_mut, (x,), (torch.ones(3),))
    assert (out.tolist(), dot.tolist(), x.tolist()) == ([4] * 3, [4] * 3, [2] * 3)
    x = torch.ones(3)
    assert torch.func.jacfwd(_mut)(x).diagonal().tolist() == [4, 4, 4]
    assert x.tolist() == [2, 2, 2]
    for chunk in (None, 2):
        x = torch.ones(2, 3)
        assert torch.vmap(_mut, 1, 1, chunk_size=chunk)(x).tolist() == [[4] * 3] * 2
        assert x.tolist() == [[2] * 3] * 2


class _Rev(layer.autograd.Function):
    seen: tuple[Any, ...] = ()

    @staticmethod
    def forward(ctx: Any, x: Any, y: Any = 2.0, z: Any = None) -> Any:
        _Rev.seen = ctx.needs_input_grad
        return x * y

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g * 100, g * 7 if ctx.needs_input_grad[1:2] == (True,) else None


class _Setup(layer.autograd.Function):
    @staticmethod
    def forward(x: Any, y: Any = 2.0) -> Any:
        return x * y

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        assert len(inputs) == 2

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g * 100, None


def test_apply_by_keyword() -> None:
    """Arguments given by keyword are inputs, in the order of forward."""
    for function in (_Rev, _Setup):
        e = torch.ones(2, requires_grad=True)
        function.apply(x=e).sum().backward()
        assert e.grad.tolist() == [100, 100]
        e = torch.ones(2, requires_grad=True)
        function.apply(y=3.0, x=e).sum().backward()
        assert e.grad.tolist() == [100, 100]
    _Rev.apply(x=e)
    assert list(_Rev.seen) == [True]
    other = torch.ones(2, requires_grad=True)
    _Rev.apply(torch.ones(2), y=other).sum().backward()
    assert list(_Rev.seen) == [False, True]
    assert other.grad.tolist() == [7, 7]
    assert torch.func.grad(lambda x: _Setup.apply(x=x).sum())(torch.ones(2)).tolist() == [100, 100]


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((1.0,), {"w": 1}, "unexpected keyword argument 'w'"),
        ((1.0,), {"x": 1}, "multiple values for argument 'x'"),
        ((), {"y": 1}, "missing 1 required positional argument: 'x'"),
    ],
)
def test_apply_refuses(args: Any, kwargs: Any, message: str) -> None:
    """Names that do not fit forward raise."""
    with pytest.raises(TypeError, match=message):
        _Rev.apply(*args, **kwargs)
