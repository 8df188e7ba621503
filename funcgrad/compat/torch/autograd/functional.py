"""`torch.autograd.functional`: derivatives of functions of tensors, by the graph.

Inputs are taken out of their graph (kept in it with `create_graph`), the function is run once, and
the graph it leaves is walked; a Jacobian takes one walk a row, or one batched walk for all.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from funcgrad.compat.torch import func as functional_transforms
from funcgrad.compat.torch import jacobians
from funcgrad.compat.torch.autograd.functional_parts import (
    BY_ENTRY,
    BY_INPUT,
    FROM_FUNCTION,
    HESSIAN_BY_ENTRY,
    JACOBIAN_BY_INPUT,
    NOT_STRICT,
    OUTPUTS,
    TO_FUNCTION,
    Tensors,
    check_jacobian,
    check_outputs,
    filled,
    inputs_of,
    results_of,
    vector,
    walk,
    zeros_like,
)
from funcgrad.compat.torch.creation import made
from funcgrad.compat.torch.grad_mode import enable_grad, is_grad_enabled, set_grad_enabled
from funcgrad.compat.torch.registry import MODULES

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


def vjp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """Vector-Jacobian product: f(x), and vᵀ ∂f(x).

    Args:
        func: function of tensors that returns a tensor or a tuple of them.
        inputs: its arguments, a tensor or a tuple of them.
        v: of the sizes of the result; may be left out for one element.
        create_graph: whether the results can be differentiated.
        strict: whether an input without influence is an error, in place of zeros.
    """
    with enable_grad():
        given = Tensors(inputs, "inputs", "vjp")
        args = inputs_of(given, create_graph)
        out = Tensors(func(*args), OUTPUTS, "vjp")
        check_outputs(out.items, strict)
        vectors = vector(v, out, create_graph, "vjp", FROM_FUNCTION)
    with set_grad_enabled(create_graph or is_grad_enabled()):
        gradients = walk(out.items, args, vectors, create_graph=create_graph)
        gradients = filled(gradients, args, strict, create_graph, BY_INPUT, "jacobian")
    return (
        out.like(results_of(out.items, create_graph)),
        given.like(results_of(gradients, create_graph)),
    )


def jvp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """Jacobian-vector product: f(x), and ∂f(x) v, as the derivative of u ↦ uᵀ ∂f(x) along v.

    Args:
        func: function of tensors that returns a tensor or a tuple of them.
        inputs: its arguments.
        v: of the sizes of the inputs; may be left out for one element.
        create_graph: whether the results can be differentiated.
        strict: whether an input without influence is an error.
    """
    with enable_grad():
        given = Tensors(inputs, "inputs", "jvp")
        args = inputs_of(given, create_graph)
        vectors = vector(v, _with_items(given, args), create_graph, "jvp", TO_FUNCTION)
        out = Tensors(func(*args), OUTPUTS, "jvp")
        check_outputs(out.items, strict)
        dummies = [zeros_like(item, requires_grad=True) for item in out.items]
        pulled = walk(out.items, args, dummies, create_graph=True)
        for number, gradient in enumerate(pulled):
            if strict and gradient is None:
                raise RuntimeError(f"{BY_INPUT.format(number)} {NOT_STRICT}.")
            if strict and not gradient.requires_grad:
                raise RuntimeError(
                    f"The gradient with respect to input {number} is independent of the inputs of "
                    f"the user-provided function. {NOT_STRICT}."
                )
        if vectors is None:
            vectors = tuple(zeros_like(x) + 1 for x in args)
        dots = walk(pulled, dummies, vectors, create_graph=create_graph)
        dots = filled(dots, out.items, strict, create_graph, BY_ENTRY, "jacobian")
    return out.like(results_of(out.items, create_graph)), out.like(results_of(dots, create_graph))


def _with_items(tensors: Tensors, items: Sequence[Any]) -> Tensors:
    return Tensors(tuple(items) if tensors.several else items[0], "inputs", "jvp")


def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """Jacobian of a function: Jᵢⱼ = ∂fᵢ/∂xⱼ, of the output's size followed by the input's.

    Args:
        func: function of tensors that returns a tensor or a tuple of them.
        inputs: its arguments.
        create_graph: whether the result can be differentiated.
        strict: whether an input without influence is an error.
        vectorize: whether all rows are computed at once.
        strategy: "reverse-mode", or (with `vectorize`) "forward-mode".
    """
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your '
            'function has more outputs than inputs, "forward-mode" tends to be more performant. '
            'Otherwise, prefer to use "reverse-mode".'
        )
    if strategy == "forward-mode":
        if create_graph:
            raise NotImplementedError(
                "torch.autograd.functional.jacobian: `create_graph=True` and "
                '`strategy="forward-mode"` are not supported together (yet). Please either set '
                '`create_graph=False` or `strategy="reverse-mode"`.'
            )
        return _forward_jacobian(func, inputs, strict, vectorize)
    if strict and vectorize:
        raise RuntimeError(
            "torch.autograd.functional.jacobian: `strict=True` and `vectorize=True` are not "
            "supported together. Please either set `strict=False` or `vectorize=False`."
        )
    with enable_grad():
        given = Tensors(inputs, "inputs", "jacobian")
        args = inputs_of(given, create_graph)
        out = Tensors(func(*args), OUTPUTS, "jacobian")
        check_outputs(out.items, strict)
        rows = [
            _batched_block(out.items, number, args, create_graph)
            if vectorize
            else _block(out.items[number], number, args, create_graph, strict)
            for number in range(len(out.items))
        ]
    return out.like([given.like(results_of(row, create_graph)) for row in rows])


def _block(
    output: Any, number: int, args: Sequence[Any], create_graph: bool, strict: bool
) -> list[Any]:
    """Rows of one output: a walk for each of its elements."""
    columns: list[list[Any]] = [[] for _ in args]
    flat = output.reshape(-1)
    for j in range(flat.numel()):
        gradients = walk([flat[j]], args, None, create_graph=create_graph, retain_graph=True)
        for i, (gradient, x) in enumerate(zip(gradients, args, strict=True)):
            if gradient is None:
                if strict:
                    raise RuntimeError(
                        f"Output {number} of the user-provided function is independent of input "
                        f"{i}. {NOT_STRICT}."
                    )
                gradient = zeros_like(x)
            elif strict and create_graph and not gradient.requires_grad:
                raise RuntimeError(
                    "The jacobian of the user-provided function is independent of input "
                    f"{i}. {NOT_STRICT} when create_graph=True."
                )
            columns[i].append(gradient)
    stack = MODULES["torch"]["stack"]
    return [
        (stack(column, 0) if column else x.new_zeros((0,))).reshape(
            tuple(output.shape) + tuple(x.shape)
        )
        for column, x in zip(columns, args, strict=True)
    ]


def _batched_block(
    outputs: Sequence[Any], number: int, args: Sequence[Any], create_graph: bool
) -> list[Any]:
    """Rows of one output, in one batched walk."""
    output = outputs[number]
    size = output.numel()
    eye = made(np.eye(size, dtype=output._value.dtype)).reshape((size, *output.shape))  # type: ignore[attr-defined]  # entered
    gradients = walk(
        [output], args, [eye], create_graph=create_graph, retain_graph=True, batched=True
    )
    return [
        x.new_zeros(tuple(output.shape) + tuple(x.shape))
        if gradient is None
        else gradient.reshape(tuple(output.shape) + tuple(x.shape))
        for gradient, x in zip(gradients, args, strict=True)
    ]


def _forward_jacobian(func: Callable[..., Any], inputs: Any, strict: bool, vectorize: bool) -> Any:
    if strict:
        raise RuntimeError(
            'torch.autograd.functional.jacobian: `strict=True` and `strategy="forward-mode"` are '
            "not supported together (yet). Please either set `strict=False` or "
            '`strategy="reverse-mode"`.'
        )
    if not vectorize:
        raise NotImplementedError(
            "Computing Jacobian using forward-AD or forward-over-reverse Hessian is only "
            "implemented for `vectorize=True`."
        )
    given = Tensors(inputs, "inputs", "jacobian")
    numbers = tuple(range(len(given.items)))

    def checked(*args: Any) -> Any:
        out = func(*args)
        Tensors(out, OUTPUTS, "jacobian")
        return out

    rows = jacobians.jacfwd(checked, numbers)(*(x.detach() for x in given.items))
    several = isinstance(rows[0], tuple)  # a tuple of inputs for each of several outputs
    blocks = [[x.detach() for x in row] for row in (rows if several else (rows,))]
    if given.several:  # PyTorch returns lists here
        return blocks if several else blocks[0]
    return tuple(block[0] for block in blocks) if several else blocks[0][0]


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """Second derivatives of a function with one element: Hᵢⱼ = ∂²f/∂xᵢ∂xⱼ.

    Args:
        func: function of tensors that returns a tensor of one element.
        inputs: its arguments.
        create_graph: whether the result can be differentiated.
        strict: whether an input without influence is an error.
        vectorize: whether all rows are computed at once.
        outer_jacobian_strategy: as for `jacobian`, of the second derivative.
    """
    given = Tensors(inputs, "inputs", "hessian")
    if outer_jacobian_strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError('Expected strategy to be either "forward-mode" or "reverse-mode".')

    def scalar(*args: Any) -> Any:
        out = Tensors(func(*args), OUTPUTS, "hessian")
        check_outputs(out.items, strict)
        _check_single(out)
        return out.items[0].squeeze() if out.items[0].dim() else out.items[0]

    if outer_jacobian_strategy == "forward-mode":
        numbers = tuple(range(len(given.items)))
        gradient = functional_transforms.grad(scalar, numbers)
        return jacobian(
            lambda *args: given.like(gradient(*args)), inputs, create_graph, strict, vectorize,
            outer_jacobian_strategy,
        )  # fmt: skip

    def gradients(*args: Any) -> Any:
        found = jacobian(scalar, tuple(args), create_graph=True)
        check_jacobian(found, strict)
        return found

    return _hessian_form(
        given,
        jacobian(gradients, given.items, create_graph, strict, vectorize, outer_jacobian_strategy),
    )


def _hessian_form(given: Tensors, rows: Any) -> Any:
    return rows if given.several else rows[0][0]


def _check_single(out: Tensors) -> None:
    if out.several or len(out.items) != 1:
        raise RuntimeError("The function given to hessian should return a single Tensor")
    if out.items[0].numel() != 1:
        raise RuntimeError(
            "The Tensor returned by the function given to hessian should contain a single element"
        )


def vhp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """Vector-Hessian product: f(x), and vᵀ H.

    Args:
        func: function of tensors that returns a tensor of one element.
        inputs: its arguments.
        v: of the sizes of the inputs; may be left out for one element.
        create_graph: whether the results can be differentiated.
        strict: whether an input without influence is an error.
    """
    with enable_grad():
        given, args, vectors, out, gradients = _first_order(
            "vhp", func, inputs, v, create_graph, strict
        )
    with set_grad_enabled(create_graph or is_grad_enabled()):
        products = walk(gradients, args, vectors, create_graph=create_graph)
        products = filled(products, args, strict, create_graph, JACOBIAN_BY_INPUT, "hessian")
    return (
        out.like(results_of(out.items, create_graph)),
        given.like(results_of(products, create_graph)),
    )


def hvp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """Hessian-vector product: f(x), and H v, by the derivative of u ↦ uᵀ H along v.

    Args:
        func: function of tensors that returns a tensor of one element.
        inputs: its arguments.
        v: of the sizes of the inputs; may be left out for one element.
        create_graph: whether the results can be differentiated.
        strict: whether an input without influence is an error.
    """
    with enable_grad():
        given, args, vectors, out, gradients = _first_order(
            "hvp", func, inputs, v, create_graph, strict
        )
        dummies = [zeros_like(x, requires_grad=True) for x in args]
        rows = walk(gradients, args, dummies, create_graph=True)
        for number, row in enumerate(rows):
            if strict and (row is None or not row.requires_grad):
                raise RuntimeError(
                    f"The hessian of the user-provided function with respect to input {number} is "
                    f"independent of the input. {NOT_STRICT}. You should ensure that your function "
                    "is thrice differentiable and that the hessian depends on the inputs."
                )
    with set_grad_enabled(create_graph or is_grad_enabled()):
        products = walk(rows, dummies, vectors, create_graph=create_graph)
        products = filled(products, args, strict, create_graph, HESSIAN_BY_ENTRY, "hessian")
    return (
        out.like(results_of(out.items, create_graph)),
        given.like(results_of(products, create_graph)),
    )


def _first_order(
    name: str, func: Callable[..., Any], inputs: Any, v: Any, create_graph: bool, strict: bool
) -> tuple[Tensors, tuple[Any, ...], Any, Tensors, list[Any]]:
    """The gradient, in a graph, and what was checked on the way."""
    given = Tensors(inputs, "inputs", name)
    args = inputs_of(given, create_graph)
    vectors = vector(v, _with_items(given, args), create_graph, name, TO_FUNCTION)
    out = Tensors(func(*args), OUTPUTS, name)
    check_outputs(out.items, strict)
    if out.several or len(out.items) != 1:
        raise RuntimeError(f"The function given to {name} should return a single Tensor")
    if out.items[0].numel() != 1:
        raise RuntimeError(
            f"The Tensor returned by the function given to {name} should contain a single element"
        )
    gradients = walk(out.items, args, None, create_graph=True)
    check_jacobian(gradients, strict)
    if vectors is None:
        vectors = tuple(zeros_like(x) + 1 for x in args)
    return given, args, vectors, out, gradients
