"""What the functions of `autograd.functional` share: arguments, checks, walks of the graph."""

from collections.abc import Sequence
from typing import Any

from funcgrad.compat.torch.autograd_core import grad
from funcgrad.compat.torch.tensor import Tensor

__all__ = [
    "BY_ENTRY",
    "BY_INPUT",
    "FROM_FUNCTION",
    "HESSIAN_BY_ENTRY",
    "JACOBIAN_BY_INPUT",
    "NOT_STRICT",
    "OUTPUTS",
    "TO_FUNCTION",
    "Tensors",
    "check_jacobian",
    "check_outputs",
    "filled",
    "inputs_of",
    "results_of",
    "vector",
    "walk",
    "zeros_like",
]

NOT_STRICT = "This is not allowed in strict mode"


class Tensors:
    """One tensor or several, as the user gave or returned them.

    Attributes:
        items: the tensors.
        several: whether they came as a tuple.
    """

    def __init__(self, given: Any, what: str, name: str) -> None:
        self.several = isinstance(given, tuple)
        self.items: tuple[Any, ...] = given if self.several else (given,)
        for number, item in enumerate(self.items):
            if not isinstance(item, Tensor):
                where = f"value at index {number}" if self.several else f"given {what}"
                raise TypeError(
                    f"The {what} given to {name} must be either a Tensor or a tuple of Tensors but "
                    f"the {where} has type {type(item)}."
                )

    def like(self, items: Sequence[Any]) -> Any:
        """Other things, one for each, in the same form."""
        return tuple(items) if self.several else items[0]


OUTPUTS = "outputs of the user-provided function"


def inputs_of(given: Tensors, create_graph: bool, *, active: bool = True) -> tuple[Any, ...]:
    """The tensors to differentiate by: new ones, in the old graph or outside it."""
    return tuple(
        x.view_as(x) if create_graph and x.requires_grad else x.detach().requires_grad_(active)
        for x in given.items
    )


def results_of(items: Sequence[Any], create_graph: bool) -> tuple[Any, ...]:
    """Results as they are handed out: outside the graph, unless it is wanted."""
    return tuple(items) if create_graph else tuple(item.detach() for item in items)


def vector(
    v: Any, like: Tensors, create_graph: bool, name: str, what: str
) -> tuple[Any, ...] | None:
    """The vector, checked; `None` for a single element."""
    if v is None:
        if len(like.items) != 1 or like.items[0].numel() != 1:
            raise RuntimeError(
                f"The vector v can only be None if {what} a single Tensor with a single element."
            )
        return None
    vectors = Tensors(v, "v", name)
    if len(vectors.items) != len(like.items):
        if like.several:
            raise RuntimeError(
                f"v is a tuple of invalid length: should be {len(like.items)} but got "
                f"{len(vectors.items)}."
            )
        raise RuntimeError("The given v should contain a single Tensor.")
    for number, (one, item) in enumerate(zip(vectors.items, like.items, strict=True)):
        if one.shape != item.shape:
            where = f"Entry {number} in v" if like.several else "v"
            raise RuntimeError(
                f"{where} has invalid size: should be {item.shape} but got {one.shape}."
            )
    return inputs_of(vectors, create_graph, active=False)


FROM_FUNCTION = "the user-provided function returns"
TO_FUNCTION = "the input to the user-provided function is"


def check_outputs(outputs: Sequence[Any], strict: bool) -> None:
    """In strict mode refuse outputs without a graph."""
    for number, output in enumerate(outputs):
        if strict and not output.requires_grad:
            raise RuntimeError(
                f"Output {number} of the user-provided function does not require gradients. The "
                "outputs must be computed in a differentiable manner from the input when running "
                "in strict mode."
            )


def check_jacobian(gradients: Sequence[Any], strict: bool) -> None:
    """In strict mode refuse a gradient that does not depend on the inputs."""
    for number, gradient in enumerate(gradients):
        if strict and gradient is None:
            raise RuntimeError(f"{BY_INPUT.format(number)} {NOT_STRICT}.")
        if strict and not gradient.requires_grad:
            raise RuntimeError(
                "While computing the hessian, found that the jacobian of the user-provided "
                f"function with respect to input {number} is independent of the input. "
                f"{NOT_STRICT}. You should ensure that your function is twice differentiable and "
                "that the jacobian depends on the inputs (this would be violated by a linear "
                "function for example)."
            )


def walk(
    outputs: Sequence[Any],
    inputs: Sequence[Any],
    vectors: Sequence[Any] | None,
    *,
    create_graph: bool = False,
    retain_graph: bool | None = None,
    batched: bool = False,
) -> list[Any]:
    """Gradients of the inputs, `None` for those without influence."""
    vectors = [None] * len(outputs) if vectors is None else vectors
    pairs = [(out, v) for out, v in zip(outputs, vectors, strict=True) if _depends(out)]
    if not pairs:
        return [None] * len(inputs)
    return list(
        grad(
            [out for out, _ in pairs],
            inputs,
            [v for _, v in pairs],
            retain_graph=retain_graph,
            create_graph=create_graph,
            allow_unused=True,
            is_grads_batched=batched,
        )
    )


def _depends(output: Any) -> bool:
    return output is not None and bool(output.requires_grad)


def filled(
    gradients: Sequence[Any],
    likes: Sequence[Any],
    strict: bool,
    create_graph: bool,
    missing: str,
    order: str,
) -> list[Any]:
    """Gradients, with zeros for `None`; in strict mode an error for it."""
    found = []
    for number, (gradient, like) in enumerate(zip(gradients, likes, strict=True)):
        if gradient is None:
            if strict:
                raise RuntimeError(f"{missing.format(number)} {NOT_STRICT}.")
            gradient = zeros_like(like)
        elif strict and create_graph and not gradient.requires_grad:
            raise RuntimeError(
                f"The {order} of the user-provided function is independent of input {number}. "
                f"{NOT_STRICT} when create_graph=True."
            )
        found.append(gradient)
    return found


def zeros_like(tensor: Any, requires_grad: bool = False) -> Any:
    """Zeros of the size and type of a tensor."""
    zeros = tensor.new_zeros(tuple(tensor.shape))
    return zeros.requires_grad_() if requires_grad else zeros


BY_INPUT = "The output of the user-provided function is independent of input {}."
BY_ENTRY = (
    "The gradient with respect to the input is independent of entry {} in the grad_outputs when "
    "using the double backward trick to compute forward mode gradients."
)
JACOBIAN_BY_INPUT = "The jacobian of the user-provided function is independent of input {}."
HESSIAN_BY_ENTRY = (
    "The hessian of the user-provided function is independent of entry {} in the grad_jacobian, as "
    "the double backward trick needs it."
)
