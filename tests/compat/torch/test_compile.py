"""`torch.compile`: compiled functions give what eager ones give, to the last bit."""

import contextlib
import copy
import gc
import io
import pickle
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from funcgrad.compat import torch
from tests.compat.torch.snippets import Program, programs_of, run

nn, F = torch.nn, torch.nn.functional

DIFFERENT = {
    "second derivatives": "the function is recorded anew, by composed programs in place of kernels",
    "torch.compiler inside": "the program asks whether it is compiled",
}
PROGRAMS = [
    program
    for program in programs_of("compile")
    if "torch.compile(" not in program.source and program.name not in DIFFERENT
]


class Eager:
    """The layer with a `compile` that does nothing."""

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    def compile(self, model: Any, **_options: Any) -> Any:
        return model


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_program_shows_the_same_bits_compiled_and_eager(program: Program) -> None:
    assert repr(run(torch, program)) == repr(run(Eager(), program))


def compiled_of(function: Any) -> Any:
    """What is compiled of a function or module."""
    return vars(function)["_compiled"]


def recordings_of(function: Any) -> int:
    plans = [p for one in compiled_of(function).programs.values() for p in one.plans]
    return sum(plan.forward.recordings for plan in plans if plan.forward is not None)


# --- what is compiled --------------------------------------------------------------------------


def test_a_function_is_recorded_once_for_each_kind_of_arguments() -> None:
    f = torch.compile(lambda x: (x * x).sum())
    for _ in range(3):
        f(torch.ones(3))
    assert recordings_of(f) == 1
    f(torch.ones(4))
    f(torch.ones(3, requires_grad=True))
    f(torch.ones(4))
    assert recordings_of(f) == 3
    assert compiled_of(f).reasons == ["", ""]


def test_python_runs_only_while_the_function_is_recorded() -> None:
    def f(x: Any) -> Any:
        print("recorded")
        return x * 2

    compiled = torch.compile(f)
    written = io.StringIO()
    with contextlib.redirect_stdout(written):
        for _ in range(3):
            compiled(torch.ones(2))
    assert written.getvalue() == "recorded\n"


def test_a_function_that_appends_to_a_list_runs_eagerly() -> None:
    seen: list[Any] = []

    @torch.compile
    def f(x: Any) -> Any:
        seen.append(x)
        return x * 2

    for _ in range(4):
        f(torch.ones(2))
    assert len(seen) == 4
    assert all(type(x._value) is np.ndarray for x in seen)
    assert compiled_of(f).reasons == ["it changes an attribute, a variable or a container"] * 2


def test_a_training_step_runs_eagerly_and_says_why() -> None:
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    @torch.compile
    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = model(x).sum()
        loss.backward()
        optimizer.step()
        return loss

    before = model.weight.detach().clone()
    step(torch.ones(1, 2))
    assert not torch.equal(before, model.weight)
    assert compiled_of(step).reasons in (
        ["it sets the gradient of a tensor"],
        ["it calls backward"],
        ["it reads the gradient of a tensor"],
    )


def test_fullgraph_raises_where_the_function_cannot_be_compiled() -> None:
    f = torch.compile(lambda x: x * float(x.sum()), fullgraph=True)
    with pytest.raises(torch._dynamo.exc.Unsupported, match="asks for the values of a tensor"):
        f(torch.ones(2))
    g = torch.compile(lambda x: x * 2 if x.sum() > 0 else x, fullgraph=True)
    assert g(torch.ones(2)).tolist() == [2.0, 2.0]


def test_no_more_versions_are_compiled_than_the_limit() -> None:
    f = torch.compile(lambda x, k: x * k, recompile_limit=3)
    for k in range(6):
        assert f(torch.ones(1), k).item() == k
    assert len(compiled_of(f).programs) == 3


def test_ways_through_a_function_are_limited() -> None:
    f = torch.compile(lambda x, n: x * n.item())
    with pytest.warns(Warning, match="paths"):
        found = [f(torch.ones(1), torch.tensor(n)).item() for n in range(12)]
    assert found == list(range(12))
    assert f(torch.ones(1), torch.tensor(3)).item() == 3


def test_reset_forgets_what_was_compiled() -> None:
    f = torch.compile(lambda x: x * 2)
    f(torch.ones(2))
    torch.compiler.reset()
    assert not compiled_of(f).programs
    assert f(torch.ones(2)).tolist() == [2.0, 2.0]


def test_explain_says_why_a_function_runs_eagerly() -> None:
    found = torch._dynamo.explain(lambda x: x.numpy())(torch.ones(2))
    assert found.graph_break_count == 1
    assert ".numpy()" in str(found)
    assert torch._dynamo.explain(lambda x: x * 2)(torch.ones(2)).graph_count == 1


def test_a_function_of_a_numpy_array_runs_eagerly() -> None:
    f = torch.compile(lambda x: torch.from_numpy(x) * 2)
    for k in range(3):
        assert f(np.full(2, float(k))).tolist() == [2.0 * k, 2.0 * k]


# --- nothing is left behind ---------------------------------------------------------------------


def test_tensors_are_as_before_after_an_error() -> None:
    model = nn.BatchNorm1d(3)

    class Fails(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = model
            self.wrong = True

        def forward(self, x: Any) -> Any:
            y = self.inner(x)
            if self.wrong:
                raise ValueError("mine")
            return y

    f = torch.compile(Fails())
    with pytest.raises(ValueError, match="mine"):
        f(torch.ones(2, 3))
    assert type(model.weight._value) is np.ndarray
    assert model.num_batches_tracked.item() == 1, "as if it had run once"
    assert torch.compiler.is_compiling() is False
    f.wrong = False
    f(torch.ones(2, 3))
    assert model.num_batches_tracked.item() == 2


def test_an_error_draws_random_numbers_once() -> None:
    def draw(x: Any) -> Any:
        y = x * torch.rand(3)
        raise ValueError(str(y))

    def drawn(function: Any) -> tuple[str, float]:
        torch.manual_seed(0)
        with pytest.raises(ValueError, match="tensor") as caught:
            function(torch.ones(3))
        return str(caught.value), torch.rand(1).item()

    assert drawn(torch.compile(draw)) == drawn(draw)


def test_graphs_are_freed_with_their_results() -> None:
    f = torch.compile(nn.Linear(3, 3))
    f(torch.ones(1, 3))
    x = torch.ones(1, 3, requires_grad=True)
    gone = weakref.ref(x)
    y = f(x)
    del x, y
    gc.collect()
    assert gone() is None


class Remembers(nn.Module):
    """A module with an attribute that its calls do not read."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.unused = nn.Linear(3, 3), nn.Linear(2, 2)
        self.last: Any = None

    def forward(self, x: Any) -> Any:
        return self.inner(x).sum()


def test_what_is_reached_and_not_used_stays_out_of_the_graph() -> None:
    model = Remembers()
    compiled = torch.compile(model)
    gone = []
    for _ in range(4):
        out = compiled(torch.ones(2, 3))
        assert len(out.grad_fn.next_functions) == 2
        out.backward()
        model.last = out
        gone.append(weakref.ref(out))
    del out
    gc.collect()
    assert [one() is None for one in gone[:2]] == [True, True]
    assert model.unused.weight.grad is None


def test_a_function_that_reaches_too_much_runs_eagerly() -> None:
    class Item:
        pass

    many = [Item() for _ in range(30_000)]
    f = torch.compile(lambda x: x * len(many))
    assert [f(torch.ones(1)).item() for _ in range(2)] == [30_000, 30_000]
    assert compiled_of(f).refused == ["it reaches too many objects"]


def test_a_compiled_module_pickles_and_copies_without_its_programs() -> None:
    model = nn.Linear(2, 2)
    model.compile()
    wrapped = torch.compile(nn.Linear(2, 2))
    x = torch.ones(1, 2)
    model(x), wrapped(x)
    assert torch.equal(pickle.loads(pickle.dumps(model))(x), model(x))
    assert torch.equal(pickle.loads(pickle.dumps(wrapped))(x), wrapped(x))
    assert torch.equal(copy.deepcopy(wrapped)(x), wrapped(x))


def test_files_of_a_compiled_module_are_those_of_the_module_with_a_prefix(tmp_path: Any) -> None:
    wrapped = torch.compile(nn.Linear(2, 2))
    torch.save(wrapped.state_dict(), tmp_path / "state.pt")
    found = torch.load(tmp_path / "state.pt")
    assert list(found) == ["_orig_mod.weight", "_orig_mod.bias"]
    assert torch.equal(found["_orig_mod.weight"], wrapped._orig_mod.weight)


# --- threads ------------------------------------------------------------------------------------


def test_threads_share_a_compiled_module() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    f = torch.compile(model)
    wanted = {
        (i, n): model(torch.full((n, 3), float(i))).tolist() for i in range(4) for n in (1, 2)
    }
    found: dict[tuple[int, int], Any] = {}

    def work(i: int) -> None:
        for n in (1, 2):
            found[i, n] = f(torch.full((n, 3), float(i))).tolist()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == wanted


# --- hooks, modes and indices that PyTorch's own compile treats otherwise ------------------------


def test_hooks_set_after_the_first_call_are_called() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    f = torch.compile(model)
    x = torch.ones(1, 2)
    before = f(x)
    handle = model[0].register_forward_hook(lambda _m, _i, out: out * 2)
    assert torch.equal(f(x), before * 2)
    handle.remove()
    assert torch.equal(f(x), before)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (F.cross_entropy, lambda y: (torch.eye(2), torch.tensor(y))),
        (F.embedding, lambda y: (torch.tensor(y), torch.eye(2))),
        (lambda x, i: x.gather(1, i), lambda y: (torch.eye(2), torch.tensor([y]))),
        (lambda x, i: x[i], lambda y: (torch.eye(2), torch.tensor(y))),
        (lambda x, i: x.index_select(0, i), lambda y: (torch.eye(2), torch.tensor(y))),
        (lambda i, x: F.one_hot(i, 2) + x, lambda y: (torch.tensor(y), torch.ones(1))),
    ],
)
def test_indices_out_of_bounds_raise_as_in_eager_mode(
    function: Any, arguments: Callable[[list[int]], tuple[Any, ...]]
) -> None:
    def told(fun: Any, y: list[int]) -> Any:
        try:
            return fun(*arguments(y)).tolist()
        except (IndexError, RuntimeError) as error:
            return type(error), str(error)

    f = torch.compile(function)
    for y in ([0, 1], [1, 1], [0, 5], [-1, 0], [1, 0], [-7, 0]):
        assert told(f, y) == told(function, y)


def test_second_derivatives_of_a_compiled_function_are_right() -> None:
    def f(x: Any, w: Any) -> Any:
        return (torch.tanh(x @ w) ** 3).sum()

    x = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    w = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(torch.compile(f), (x, w))
    assert torch.autograd.gradgradcheck(torch.compile(f), (x, w))


def test_a_second_derivative_after_a_change_of_mode_is_refused() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    x = torch.ones(1, 2, requires_grad=True)
    out = torch.compile(model)(x).pow(2).sum()
    model.eval()
    with pytest.raises(RuntimeError, match="has changed since the call"):
        torch.autograd.grad(out, x, create_graph=True)


def test_functional_transforms_of_a_compiled_function_are_those_of_the_function() -> None:
    f = torch.compile(lambda x: (x**3).sum())
    x = torch.arange(3.0)
    assert torch.func.grad(f)(x).tolist() == [0.0, 3.0, 12.0]
    assert torch.func.vmap(f)(torch.ones(2, 3)).tolist() == [3.0, 3.0]
    assert torch.func.hessian(f)(x).diagonal().tolist() == [0.0, 6.0, 12.0]


def test_outputs_that_are_not_used_send_no_cotangent_back() -> None:
    f = torch.compile(lambda x: (x.sqrt().sum(), (x * 2).sum()))
    x = torch.zeros(2, requires_grad=True)
    f(x)[1].backward()
    assert x.grad.tolist() == [2.0, 2.0], "a zero times the infinite slope of sqrt is no number"
