"""Backward and its switches: what `Tensor.backward`, `autograd.grad` and `no_grad` do."""

import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from funcgrad.compat.torch.ambient import AmbientTracer
from funcgrad.compat.torch.compilation_breaks import refuse
from funcgrad.compat.torch.grad_mode import enable_grad, no_grad, set_grad_enabled
from funcgrad.compat.torch.levels import LEVELS, strip_finished
from funcgrad.compat.torch.node import AccumulateGrad, Node
from funcgrad.compat.torch.quick_sweep import quick_backward
from funcgrad.compat.torch.rounding import round_to_bfloat16
from funcgrad.compat.torch.state import STATE
from funcgrad.compat.torch.sweeping import CALLS, Root, in_order, run_backward
from funcgrad.compat.torch.tensor import Tensor, holder, payload_of
from funcgrad.core.tracer import Tracer
from funcgrad.families.shapes import in_front
from funcgrad.interpreters.batch import Batch, BatchTracer
from funcgrad.transforms.vmap import unlift

__all__ = ["GradientEdge", "as_gradient", "backward", "conjugated", "grad", "own"]

NO_GRAPH = "element 0 of tensors does not require grad and does not have a grad_fn"
NOT_USED = (
    "One of the differentiated Tensors appears to not have been used in the graph. Set "
    "allow_unused=True if this is the desired behavior."
)
CYCLE = (
    "Using backward() with create_graph=True will create a reference cycle between the parameter "
    "and its gradient which can cause a memory leak. We recommend using autograd.grad when "
    "creating the graph to avoid this. If you have to use this function, make sure to reset the "
    ".grad fields of your parameters to None after use to break the cycle and avoid the leak."
)
NOT_SCALAR = "grad can be implicitly created only for scalar outputs"


# --- backward ---------------------------------------------------------------------------------


class GradientEdge(NamedTuple):
    """A place in the graph: a node, and which of its results; stands for a tensor."""

    node: Any
    output_nr: int
    ownership_token: Any = None


def _listed(values: Any) -> list[Any]:
    if values is None:
        return []
    return [values] if isinstance(values, Tensor | Node | GradientEdge) else list(values)


def _place(tensor: Any) -> tuple[Any, int]:
    """Node or leaf, and number of the result, of a tensor or an edge."""
    if isinstance(tensor, GradientEdge):
        node = tensor.node
        return (node.variable if isinstance(node, AccumulateGrad) else node), tensor.output_nr
    strip_finished(tensor)
    return (tensor if tensor._node is None else tensor._node), tensor._port


def conjugated(value: Any) -> Any:
    """PyTorch's gradient of a complex value is the conjugate of the core's cotangent."""
    return np.conjugate(value) if value.dtype.kind == "c" else value


def _roots(outputs: Sequence[Any], gradients: Any, create_graph: bool) -> list[Root]:
    if isinstance(gradients, Tensor) or gradients is None:
        gradients = [gradients] * len(outputs) if gradients is None else [gradients]
    return [
        _edge_root(output, gradient, create_graph)
        if isinstance(output, GradientEdge)
        else (*_place(output), _seed(output, gradient, number, create_graph))
        for number, (output, gradient) in enumerate(zip(outputs, gradients, strict=True))
    ]


def _seed(output: Tensor, gradient: Any, number: int, create_graph: bool) -> Any:
    """The cotangent of one result."""
    strip_finished(output)
    if not output._requires:
        if isinstance(output._value, Tracer):
            raise RuntimeError(
                "backward: called on a tensor inside a functional transform (torch.func) or a dual "
                "level, which has no graph of its own. Use torch.func.grad or vjp there."
            )
        raise RuntimeError(NO_GRAPH.replace("0", str(number), 1))
    if gradient is None:
        return _one(output)
    if not isinstance(gradient, Tensor):
        kind = type(gradient[0] if isinstance(gradient, list) else gradient).__name__
        raise TypeError(f"gradients can be either Tensors or None, but got {kind}")
    value = output._value
    if gradient._value.shape != value.shape:
        raise RuntimeError(
            f"Mismatch in shape: grad_output[{number}] has a shape of {gradient.shape} "
            f"and output[{number}] has a shape of {output.shape}."
        )
    ct = payload_of(gradient) if create_graph else gradient._value
    if (ct.dtype.kind == "c") != (value.dtype.kind == "c"):
        raise RuntimeError(
            "For complex Tensors, both grad_output and output are required to have the same dtype. "
            f"Mismatch in dtype: grad_output[{number}] has a dtype of {gradient.dtype} and "
            f"output[{number}] has a dtype of {output.dtype}."
        )
    return conjugated(ct if ct.dtype == value.dtype else ct.astype(value.dtype))


def _one(output: Tensor) -> Any:
    """The cotangent of a scalar by itself."""
    value = output._value
    if value.size != 1:
        raise RuntimeError(NOT_SCALAR)
    if value.dtype.kind == "c":
        raise RuntimeError(
            f"grad can be implicitly created only for real scalar outputs but got {output.dtype}"
        )
    return np.ones(value.shape, value.dtype) if value.shape else value.dtype.type(1)


def _edge_root(edge: GradientEdge, gradient: Any, create_graph: bool) -> Root:
    if not isinstance(gradient, Tensor):
        raise RuntimeError(
            "grad can be implicitly created only for scalar outputs. If you passed a GradientEdge, "
            "grad_outputs must be given."
        )
    ct = conjugated(payload_of(gradient) if create_graph else gradient._value)
    return (*_place(edge), ct)


def as_gradient(ct: Any, like: Tensor | None = None) -> Tensor:
    """A cotangent as PyTorch's gradient."""
    result = holder(conjugated(ct), like)
    if result._dtype is not None and not isinstance(result._value, Tracer):
        result._value = round_to_bfloat16(result._value)[()]
    return result


def own(value: Any) -> Any:
    """Values of a gradient that share memory with nothing else."""
    if type(value) is AmbientTracer and isinstance(value.value, np.ndarray):
        return AmbientTracer(np.array(value.value), value.target, value.port, [0, None])
    return np.array(value) if isinstance(value, np.ndarray) else value


_ADDING = threading.RLock()
"""Held while a gradient is added to that of a leaf, which several threads may do at once."""


def _delivered(create_graph: bool) -> Callable[[Any, Any], None]:
    def deliver(leaf: Tensor, ct: Any) -> None:
        if not leaf._requires:  # not any more
            return
        hooks = leaf._hooks
        if hooks is not None:
            for hook in in_order(hooks.of_tensor(0)):
                ct = hook(ct, create_graph)
        node = None if leaf._accumulator is None else leaf._accumulator()
        if node is not None and node.hooks is not None:
            for function in list(node.hooks.before.values()):
                ct = _before(function, [ct])[0]
        with _ADDING:
            _accumulate(leaf, ct, create_graph, alone=hooks is None and node is None)
        if hooks is not None:
            for hook in list(hooks.after.values()):
                hook(leaf)
        if node is not None and node.hooks is not None:
            for function in list(node.hooks.after.values()):
                _after(function, (), [ct], ())

    return deliver


def _accumulate(leaf: Tensor, ct: Any, create_graph: bool, alone: bool) -> None:
    """Add what arrived to the gradient of a leaf; `alone` if nobody else holds it."""
    before = leaf._grad
    if create_graph:
        new = as_gradient(own(ct), leaf)
        with enable_grad():
            leaf._grad = new if before is None else before + new
        return
    value = conjugated(ct)
    if before is None:
        leaf._grad = as_gradient(ct if alone else own(ct), leaf)
    elif isinstance(before._value, Tracer):
        with no_grad():
            leaf._grad = before.detach() + holder(value, leaf)
    elif before._value.shape != value.shape:
        raise RuntimeError(
            f"backward: the gradient of shape {list(value.shape)} cannot be added to the .grad of "
            f"shape {list(before._value.shape)}: the leaf has another size than before. Set its "
            ".grad to None after a change of its .data."
        )
    else:
        array = before._array()
        np.add(array, value, out=array, casting="unsafe")
        if before._dtype is not None:
            array[...] = round_to_bfloat16(array)
        before._cell[0] += 1


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Any = None,
) -> None:
    """Add the gradients of `tensors` to the `.grad` of the leaves they came from.

    Args:
        tensors: one or several results.
        grad_tensors: their cotangents; may be left out for scalars.
        retain_graph: whether the graph is kept for another backward.
        create_graph: whether the gradients can be differentiated again.
        grad_variables: the old name of `grad_tensors`.
        inputs: the tensors to accumulate into; all leaves by default.
    """
    refuse("it calls backward")
    if LEVELS.grads or LEVELS.maps:
        raise RuntimeError(
            "backward() called inside a functorch transform. This is not supported, please use "
            "functorch.grad or functorch.vjp instead or call backward() outside of functorch "
            "transforms."
        )
    outputs = _listed(tensors)
    if grad_variables is not None:
        warnings.warn("`grad_variables` is deprecated. Use `grad_tensors` instead.",
                      FutureWarning, stacklevel=2)  # fmt: skip
        if grad_tensors is not None:
            raise RuntimeError(
                "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to "
                "`backward()`. Please only use `grad_tensors`."
            )
        grad_tensors = grad_variables
    if create_graph:
        warnings.warn(CYCLE, UserWarning, stacklevel=2)
    if inputs is not None and not isinstance(inputs, Tensor) and not len(inputs):
        raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    retain = create_graph if retain_graph is None else retain_graph
    roots = _roots(outputs, grad_tensors, create_graph)
    deliver = _delivered(create_graph)
    chosen = _listed(inputs)
    with set_grad_enabled(create_graph):
        if not chosen:
            if len(roots) == 1 and not (create_graph or roots[0][1] or STATE.anomaly):
                quick = quick_backward(roots[0][0], roots[0][2], None, retain)
                if quick is not None:
                    for leaf, ct in quick.values():
                        deliver(leaf, ct)
                    return
            run_backward(roots, retain_graph=retain, create_graph=create_graph, deliver=deliver)
            return
        places = [_place(t) for t in chosen]
        found = run_backward(
            roots,
            retain_graph=retain,
            create_graph=create_graph,
            wanted={id(target) for target, _ in places},
            captures=[place for place in places if isinstance(place[0], Node)],
            deliver=deliver,
        )
        rest = iter(found)
        for tensor, (target, _) in zip(chosen, places, strict=True):
            ct = next(rest) if isinstance(target, Node) else None
            if ct is not None and isinstance(tensor, Tensor):
                new = as_gradient(own(ct), tensor)
                tensor._grad = new if tensor._grad is None else tensor._grad + new


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """The gradients of `outputs` by `inputs`, as a tuple; nothing is accumulated.

    Args:
        outputs: one or several results.
        inputs: one or several tensors of the graph (or edges of it).
        grad_outputs: cotangents of the outputs; with `is_grads_batched` with a leading axis.
        retain_graph: whether the graph is kept.
        create_graph: whether the gradients can be differentiated again.
        only_inputs: must be true.
        allow_unused: whether an input without influence gives `None` in place of an error.
        is_grads_batched: whether to differentiate for each cotangent along the leading axis.
        materialize_grads: whether an input without influence gives zeros.
    """
    refuse("it calls autograd.grad")
    if not only_inputs:
        warnings.warn("only_inputs argument is deprecated and is ignored now", FutureWarning,
                      stacklevel=2)  # fmt: skip
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: "
            "allow_unused=False."
        )
    outs, ins = _listed(outputs), _listed(inputs)
    retain = create_graph if retain_graph is None else retain_graph
    if is_grads_batched:
        return _batched(outs, ins, grad_outputs, retain, create_graph, allow_unused,
                        materialize_grads)  # fmt: skip
    roots = _roots(outs, grad_outputs, create_graph)
    found = _captured(roots, ins, retain, create_graph)
    return tuple(
        _handed(tensor, ct, number, allow_unused,
                materialize_grads)
        for number, (tensor, ct) in enumerate(zip(ins, found, strict=True))
    )  # fmt: skip


def _captured(
    roots: Sequence[Root], ins: Sequence[Any], retain: bool, create_graph: bool
) -> list[Any]:
    """Cotangents of the inputs; `None` where nothing arrives."""
    places = []
    for tensor in ins:
        if isinstance(tensor, Tensor):
            strip_finished(tensor)
            if not tensor._requires:
                raise RuntimeError("One of the differentiated Tensors does not require grad")
        places.append(_place(tensor))
    before, STATE.grad = STATE.grad, create_graph
    wanted = {id(target) for target, _ in places}
    try:
        if not create_graph and len(roots) == 1 and not STATE.anomaly:
            root, port, ct = roots[0]
            if not port and all(isinstance(t, Tensor) and t._node is None for t in ins):
                quick = quick_backward(root, ct, wanted, retain)
                if quick is not None:
                    return [quick[id(tensor)][1] if id(tensor) in quick else None for tensor in ins]
        return run_backward(
            roots,
            retain_graph=retain,
            create_graph=create_graph,
            wanted=wanted,
            captures=places,
        )
    finally:
        STATE.grad = before


def _handed(
    tensor: Any, ct: Any, number: int, allow_unused: bool | None, materialize: bool
) -> Tensor | None:
    """One gradient as `grad` returns it."""
    like = tensor if isinstance(tensor, Tensor) else None
    if ct is not None:
        interior = like is None or like._node is not None or like._hooks is not None
        return as_gradient(own(ct) if interior or type(ct) is AmbientTracer else ct, like)
    if materialize and like is not None:
        return holder(np.zeros(like._value.shape, like._value.dtype), like)
    if allow_unused:
        return None
    raise RuntimeError(
        f"The differentiated Tensor at index {number} appears to not have been used in the graph. "
        "Set allow_unused=True if this is the desired behavior."
    )


def _batched(
    outs: list[Any],
    ins: list[Any],
    grad_outputs: Any,
    retain: bool,
    create_graph: bool,
    allow_unused: bool | None,
    materialize: bool,
) -> tuple[Any, ...]:
    """One sweep for all cotangents along the leading axis, as a batch."""
    batches = _listed(grad_outputs)
    size = len(batches[0])
    trace = Batch("vmap", size)
    lifted = []
    for number, (out, given) in enumerate(zip(outs, batches, strict=True)):
        if given._value.shape[1:] != out._value.shape:
            raise RuntimeError(
                "If `is_grads_batched=True`, we interpret the first dimension of each grad_output "
                "as the batch dimension. The sizes of the remaining dimensions are expected to "
                "match the shape of corresponding output, but a mismatch was detected: "
                f"grad_output[{number}] has a shape of {given.shape[1:]} and output[{number}] has "
                f"a shape of {out.shape}. If you only want some tensors in `grad_output` to be "
                "considered batched, consider using vmap."
            )
        ct = payload_of(given) if create_graph else given._value
        lifted.append(holder(BatchTracer(ct, True, trace)))
    roots = _roots(outs, lifted, create_graph)
    try:
        found = _captured(roots, ins, retain, create_graph)
    finally:
        trace.close()
    results = []
    for number, (tensor, ct) in enumerate(zip(ins, found, strict=True)):
        if ct is not None:
            value, batched = unlift(trace, ct)
            ct = own(in_front(size, value, batched))
        results.append(_handed(tensor, ct, number, allow_unused, materialize))
    return tuple(results)


# --- hooks of nodes ---------------------------------------------------------------------------


def _wrapped(part: Any) -> Any:
    return None if part is None else as_gradient(part)


def _unwrapped(value: Any, before: Any) -> Any:
    if value is None:
        return None
    if not isinstance(value, Tensor):
        raise TypeError(f"expected Tensor, but hook returned {type(value).__name__}")
    return conjugated(payload_of(value) if isinstance(before, Tracer) else value._value)


def _before(function: Callable[..., Any], parts: Sequence[Any]) -> list[Any]:
    result = function(tuple(map(_wrapped, parts)))
    if result is None:
        return list(parts)
    if isinstance(result, Tensor):
        result = (result,)
    return [_unwrapped(value, part) for value, part in zip(result, parts, strict=True)]


def _after(
    function: Callable[..., Any], ins: Sequence[Any], outs: Sequence[Any], mask: Any
) -> tuple[Any, ...]:
    """Call a hook with the cotangents of all operands, `None` for inactive ones."""
    flags = [True] * len(ins) if mask is None or not len(mask) else list(mask)
    rest = iter(ins)
    given = tuple(_wrapped(next(rest)) if flag else None for flag in flags)
    result = function(given, tuple(map(_wrapped, outs)))
    if result is None:
        return tuple(ins)
    if isinstance(result, Tensor):
        result = (result,)
    new = [value for value, flag in zip(result, flags, strict=True) if flag]
    return tuple(_unwrapped(value, part) for value, part in zip(new, ins, strict=True))


CALLS["before"] = _before
CALLS["after"] = _after


def tensor_backward(
    self: Tensor,
    gradient: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """See `torch.autograd.backward`."""
    backward(self, gradient, retain_graph, create_graph, inputs=inputs)


Tensor.backward = tensor_backward  # type: ignore[attr-defined]  # a method, entered here
