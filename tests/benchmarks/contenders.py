"""Who computes a workload: one function per library, from a workload to a call without arguments.

Peers are loaded by `import_module` when they take part, because none of them has to be installed.
Each is used as its own documentation would: fused losses, its fastest eager second-order API.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from tests.benchmarks.targets import EXACT, JIT, NUMBA, OTHER_WAYS, SCAN, SPARSE
from tests.benchmarks.workload import Data, Loss, Run, Workload


@dataclass(frozen=True, slots=True)
class Contender:
    """A way to compute a workload.

    Attributes:
        name: As in the reports.
        requires: The package it needs.
        build: Prepares everything that a caller of many gradients would prepare once.
        takes: Whether it takes part in a workload.
    """

    name: str
    requires: str
    build: Callable[[Workload, Data], Run]
    takes: Callable[[Workload], bool] = lambda _: True

    @property
    def is_installed(self) -> bool:
        """Whether its package can be imported."""
        return find_spec(self.requires) is not None


def _by_hand(workload: Workload, data: Data) -> Run:
    return partial(workload.hand, *data.arguments)


def _transformed(library: Any, jacobian: str, workload: Workload, loss: Loss, data: Data) -> Run:
    """For libraries with JAX's transforms; ``jacobian`` names the one to use."""
    match workload.task:
        case "value and gradient":
            return partial(library.value_and_grad(loss, argnums=data.argnums), *data.arguments)
        case "hessian":
            return partial(library.hessian(loss), *data.params)
        case "jacobian":
            return partial(getattr(library, jacobian)(loss), *data.arguments)
        case "hvp":
            gradient = library.grad(loss)
            return lambda: library.jvp(gradient, data.params, data.constants)[1]


def _compiled(
    library: Any, jacobian: str, workload: Workload, loss: Loss, data: Data, **options: Any
) -> Run:
    """The derivative under `library.jit`, as a function of all arguments."""
    if workload.task == "hvp":
        gradient = library.grad(loss)
        product = library.jit(lambda x, v: library.jvp(gradient, (x,), (v,))[1], **options)
        return partial(product, *data.arguments)
    whole = _transformed(library, jacobian, workload, loss, data)
    assert isinstance(whole, partial)
    return partial(library.jit(whole.func, **options), *whole.args)


def _funcgrad(namespace: str, workload: Workload, data: Data) -> Run:
    funcgrad = import_module("funcgrad")
    loss = partial(workload.loss, import_module(namespace))
    return _transformed(funcgrad, "jacobian", workload, loss, data)


def _funcgrad_jit(workload: Workload, data: Data, **options: Any) -> Run:
    funcgrad = import_module("funcgrad")
    loss = partial(workload.loss, import_module("funcgrad.numpy"))
    return _compiled(funcgrad, "jacobian", workload, loss, data, **options)


def _funcgrad_sparse(workload: Workload, data: Data) -> Run:
    """The Hessian's entries, by a plan that is made once."""
    derivatives = import_module("funcgrad.sparse.derivatives")
    loss = partial(workload.loss, import_module("funcgrad.numpy"))
    return partial(derivatives.sparse_hessian(loss).prepare(*data.params), *data.params)


def _funcgrad_nn(workload: Workload, data: Data) -> Run:
    assert workload.nn_loss is not None
    loss = partial(workload.nn_loss, import_module("funcgrad.nn"))
    return _transformed(import_module("funcgrad"), "jacobian", workload, loss, data)


def _torch_style(module: str, workload: Workload, data: Data) -> Run:
    torch = import_module(module)
    torch.set_num_threads(1)
    # Copies: PyTorch warns when it shares memory with an array that it may not write to.
    params = [torch.from_numpy(np.array(a)).requires_grad_() for a in data.params]
    constants = [torch.from_numpy(np.array(a)) for a in data.constants]
    loss = partial(workload.torch_loss or workload.loss, torch)

    def value_and_gradient() -> Any:
        value = loss(*params, *constants)
        return value, torch.autograd.grad(value, params)

    def double_backward() -> Any:
        (gradient,) = torch.autograd.grad(loss(*params), params, create_graph=True)
        return torch.autograd.grad(gradient, params, *constants)

    def hessian() -> Any:
        return torch.autograd.functional.hessian(loss, *params, vectorize=True)

    match workload.task:
        case "value and gradient":
            return value_and_gradient
        case "hvp":
            return double_backward
        case "hessian":
            return hessian
        case "jacobian":
            point = (a.detach() for a in params)
            return partial(torch.func.jacrev(loss), *point, *constants)


def _autograd(workload: Workload, data: Data) -> Run:
    autograd = import_module("autograd")
    loss = partial(workload.loss, import_module("autograd.numpy"))
    match workload.task:
        case "value and gradient":
            if len(data.params) == 1:
                return partial(autograd.value_and_grad(loss), *data.arguments)
            packed = autograd.value_and_grad(lambda params: loss(*params, *data.constants))
            return partial(packed, data.params)
        case "hessian":
            return partial(autograd.hessian(loss), *data.params)
        case "jacobian":
            return partial(autograd.jacobian(loss), *data.arguments)
        case "hvp":
            hvp = autograd.differential_operators.make_hvp(loss)
            return lambda: hvp(*data.params)[0](*data.constants)


def _jax(workload: Workload, data: Data, *, jit: bool, scan: bool = False) -> Run:
    jax = import_module("jax")
    if scan:
        assert workload.scan_loss is not None
        loss: Loss = partial(workload.scan_loss, jax.lax.scan, import_module("jax.numpy"))
    else:
        loss = partial(workload.loss, import_module("jax.numpy"))
    on_device = Data(
        params=tuple(map(jax.numpy.asarray, data.params)),
        constants=tuple(map(jax.numpy.asarray, data.constants)),
    )
    derivative = _compiled if jit else _transformed
    run = derivative(jax, "jacfwd", workload, loss, on_device)
    return lambda: jax.block_until_ready(run())


CONTENDERS: dict[str, Contender] = {
    contender.name: contender
    for contender in (
        Contender("hand", "numpy", _by_hand),
        Contender("funcgrad", "funcgrad", partial(_funcgrad, "funcgrad.numpy")),
        Contender("funcgrad np.*", "funcgrad", partial(_funcgrad, "numpy")),
        Contender(JIT, "funcgrad", _funcgrad_jit),
        Contender(EXACT, "funcgrad", partial(_funcgrad_jit, exact=True)),
        Contender(
            NUMBA,
            "numba",
            partial(_funcgrad_jit, backend="numba"),
            lambda w: w.name in {workload for workload, own, _, _ in OTHER_WAYS if own == NUMBA},
        ),
        Contender(SPARSE, "funcgrad", _funcgrad_sparse, lambda w: w.task == "hessian"),
        Contender("funcgrad nn", "funcgrad", _funcgrad_nn, lambda w: w.nn_loss is not None),
        Contender("funcgrad torch", "funcgrad", partial(_torch_style, "funcgrad.compat.torch")),
        Contender("torch eager", "torch", partial(_torch_style, "torch")),
        Contender("autograd", "autograd", _autograd),
        Contender("jax.jit", "jax", partial(_jax, jit=True)),
        Contender(
            SCAN, "jax", partial(_jax, jit=True, scan=True), lambda w: w.scan_loss is not None
        ),
        Contender("jax eager", "jax", partial(_jax, jit=False)),
    )
}
