"""How many functions of PyTorch's own operator database agree: values, gradients, types.

`python -m tests.compat.torch.op_db [names]` needs PyTorch. For every entry of the database it calls
PyTorch and the layer on the same sample inputs, and compares results and the gradients of
a weighted sum of them. An entry agrees if all its samples do.
"""

import argparse
import collections
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

import funcgrad.compat.torch as layer
from funcgrad.compat.torch import autograd_core

RTOL = {4: 1e-3, 8: 1e-7}
"""Tolerance, by the bytes of a real number."""

SAMPLES = 12


def array_of(tensor: Any) -> Any:
    """A copy of a tensor's values, in a copy of the whole memory that it shows a part of."""
    values = tensor.detach().resolve_conj().resolve_neg()
    size = values.untyped_storage().nbytes() // values.element_size()
    if size <= values.numel() or values.dtype in (values.half().dtype, values.bfloat16().dtype):
        return np.array(values.numpy(force=True))
    memory = values.as_strided((size,), (1,), 0).numpy(force=True).copy()
    bytes_each = values.element_size()
    return np.ndarray(
        tuple(values.shape),
        memory.dtype,
        memory,
        values.storage_offset() * bytes_each,
        [step * bytes_each for step in values.stride()],
    )


def plain(tensor: Any) -> Any:
    """The values of a tensor of either kind as an array that NumPy has a type for."""
    values = tensor.detach()
    if str(values.dtype) == "torch.bfloat16":
        values = values.float()
    return values.resolve_conj().resolve_neg().numpy(force=True)


def translated(value: Any, torch: Any, leaves: list[tuple[Any, Any]] | None = None) -> Any:
    """An argument of PyTorch as one of the layer; tensors that require grad become leaves."""
    if isinstance(value, torch.Tensor):
        ours = layer.from_numpy(array_of(value))
        if value.requires_grad:
            ours.requires_grad_(True)
            if leaves is not None:
                leaves.append((value, ours))
        return ours
    if isinstance(value, torch.dtype):
        return getattr(layer, str(value).removeprefix("torch."))
    if isinstance(value, torch.Size):
        return layer.Size(value)
    if isinstance(value, torch.device):
        return layer.device(str(value))
    if isinstance(value, torch.memory_format | torch.layout):
        return getattr(layer, str(value).removeprefix("torch."))
    if isinstance(value, torch.nn.PairwiseDistance):
        return layer.nn.functional.pairwise_distance
    if isinstance(value, dict):
        return {key: translated(item, torch, leaves) for key, item in value.items()}
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return type(value)(translated(item, torch, leaves) for item in value)
    return value


SWAPPED = {
    "where": lambda x, condition, y: layer.where(condition, x, y),
    "polygamma": lambda x, n: layer.polygamma(n, x),
    "special.polygamma": lambda x, n: layer.special.polygamma(n, x),
    "nn.functional.embedding": lambda weight, index, **kwargs: layer.nn.functional.embedding(
        index, weight, **kwargs
    ),
    "einsum": lambda operands, equation: layer.einsum(equation, operands),
    "linalg.lstsq.grad_oriented": lambda a, b, driver: layer.linalg.lstsq(a, b, driver=driver)[:2],
    "linalg.pinv.singular": lambda a, b: layer.linalg.pinv(a @ b.mT),
    "pca_lowrank": lambda a, b, **kwargs: layer.pca_lowrank(a @ b.mT, **kwargs),
    "svd_lowrank": lambda a, b, **kwargs: layer.svd_lowrank(a @ b.mT, **kwargs),
    "nn.functional.embedding_bag": lambda weight, index, **kwargs: (
        layer.nn.functional.embedding_bag(index, weight, **kwargs)
    ),
    "rand_like": lambda *args, **kwargs: layer.randn_like(*args, **kwargs),
    "normal.number_mean": lambda std, mean, *args, **kwargs: layer.normal(
        mean, std, *args, **kwargs
    ),
    "normal.in_place": lambda x, *args: x.normal_(*args),
    "_segment_reduce.lengths": lambda *args, **kwargs: layer.segment_reduce(*args, **kwargs),
    "_segment_reduce.offsets": lambda *args, **kwargs: layer.segment_reduce(*args, **kwargs),
}
"""Entries of which the database calls another function, or with arguments in another order."""

AMBIGUOUS = frozenset(
    {"linalg.eig", "linalg.eigh", "linalg.svd", "pca_lowrank", "svd", "svd_lowrank"}
)
"""Entries whose results are unique only after what the database does to them."""

TRIANGULAR = frozenset({"cholesky_inverse", "cholesky_solve"})
"""Entries that read a triangle only; beyond it PyTorch gives a gradient all the same."""

UNINITIALISED = frozenset(
    {"empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided", "empty_permuted"}
)
"""Entries whose values are whatever is in memory."""


def function_of(op: Any) -> Any:
    """The layer's function of an entry, or `None`."""
    name = f"{op.name}.{op.variant_test_name}" if op.variant_test_name else op.name
    for key in (name, op.name):
        if key in SWAPPED:
            return SWAPPED[key]
    found: Any = layer
    try:
        for part in op.name.split("."):
            found = getattr(found, part)
    except AttributeError:
        found = None
    if callable(found) and not isinstance(found, layer.dtype):
        return found
    method = getattr(layer.Tensor, op.name, None) or getattr(layer.Tensor, f"{op.name}_", None)
    if isinstance(method, property):
        return method.fget
    return method


def tensors_of(value: Any, kind: Any) -> Iterator[Any]:
    """The tensors in a result, in order."""
    if isinstance(value, kind):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from tensors_of(item, kind)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from tensors_of(item, kind)


def close(a: Any, b: Any) -> bool:
    """Whether two arrays agree, NaN with NaN."""
    rtol = RTOL[4 if a.dtype.char in "efF" else 8]
    return a.shape == b.shape and bool(np.allclose(a, b, rtol, rtol / 100, equal_nan=True))


def gradients(
    out: list[Any], leaves: list[Any], weights: list[Any], differentiate: Any
) -> list[Any]:
    """Gradients of Re Σ weight · result by the leaves."""
    grads = differentiate(out, leaves, weights, allow_unused=True)
    return [None if g is None else plain(g) for g in grads]


def compare(op: Any, sample: Any, torch: Any) -> str:
    """`"ok"`, or what differs."""
    leaves: list[tuple[Any, Any]] = []
    ours_args = [translated(x, torch, leaves) for x in (sample.input, *sample.args)]
    ours_kwargs = translated(sample.kwargs, torch, leaves)
    torch.manual_seed(42)
    layer.manual_seed(42)
    if op.inplace_variant is op.op or op.name.endswith("_"):
        sample.input.requires_grad_(False)
        ours_args[0].requires_grad_(False)
        leaves = [pair for pair in leaves if pair[1].requires_grad]
    theirs = op.op(sample.input, *sample.args, **sample.kwargs)
    ours = function_of(op)(*ours_args, **ours_kwargs)
    if op.name in AMBIGUOUS:
        theirs, ours = sample.output_process_fn_grad(theirs), sample.output_process_fn_grad(ours)
    left, right = list(tensors_of(theirs, torch.Tensor)), list(tensors_of(ours, layer.Tensor))
    if len(left) != len(right):
        return "number of results"
    random = np.random.default_rng(0)
    weights = []
    for a, b in zip(left, right, strict=True):
        if str(a.dtype) != str(b.dtype):
            return f"type {b.dtype}, not {a.dtype}"
        if op.name not in UNINITIALISED and not close(plain(a), plain(b)):
            return "value"
        if a.requires_grad != b.requires_grad:
            return f"requires_grad {b.requires_grad}"
        weights.append((random.normal(size=(*a.shape, 2)) @ [1, 1j]).astype(plain(b).dtype))
    active = [i for i, a in enumerate(left) if a.requires_grad]
    if not active or not leaves:
        return "ok"
    expected = gradients(
        [left[i] for i in active],
        [a for a, _ in leaves],
        [torch.from_numpy(np.array(weights[i])).to(left[i].dtype) for i in active],
        torch.autograd.grad,
    )
    found = gradients(
        [right[i] for i in active],
        [b for _, b in leaves],
        [layer.from_numpy(np.array(weights[i])).to(right[i].dtype) for i in active],
        autograd_core.grad,
    )
    pairs = zip(expected, found, strict=True)
    if all(same_gradients(op, a, b, sample) for a, b in pairs):
        return "ok"
    return "gradient"


def same_gradients(op: Any, a: Any, b: Any, sample: Any) -> bool:
    """Whether two gradients agree, of which `None` stands for zeros."""
    if a is None and b is None:
        return True
    a, b = (np.zeros_like(b) if a is None else a), (np.zeros_like(a) if b is None else b)
    if op.name in TRIANGULAR:
        read = np.triu if sample.kwargs.get("upper", False) else np.tril
        a, b = read(a), read(b)
    return close(a, b)


def judge(op: Any, torch: Any, kind: Any) -> str:
    """`"ok"`, `"missing"`, `"no samples"` or the first difference of an entry."""
    if function_of(op) is None:
        return "missing"
    try:
        differentiable = op.supports_autograd and (kind.is_floating_point or kind.is_complex)
        samples = op.sample_inputs("cpu", kind, requires_grad=differentiable)
        samples = list(samples)[:SAMPLES]
    except Exception as error:  # noqa: BLE001  # the database's own trouble is not ours
        return f"no samples: {type(error).__name__}"
    if not samples:
        return "no samples"
    for sample in samples:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                verdict = compare(op, sample, torch)
        except Exception as error:  # noqa: BLE001  # whatever it is, the entry does not agree
            text = str(error).split("\n")[0][:90]
            return f"raises {type(error).__name__}: {text}"
        if verdict != "ok":
            return verdict
    return "ok"


def main() -> None:
    """Print the verdicts that are not "ok", and the counts."""
    import torch  # noqa: PLC0415  # only here is PyTorch needed
    from torch.testing._internal.common_methods_invocations import op_db  # noqa: PLC0415  # as above

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--all", action="store_true", help="print the agreeing ones too")
    parser.add_argument("--dtype", default="float64", help="of the samples")
    options = parser.parse_args()
    kind = getattr(torch, options.dtype)
    torch.set_num_threads(1)
    counts: collections.Counter[str] = collections.Counter()
    for op in op_db:
        name = f"{op.name}.{op.variant_test_name}" if op.variant_test_name else op.name
        if options.names and op.name not in options.names:
            continue
        if kind not in op.dtypes:
            continue
        torch.manual_seed(0)
        verdict = judge(op, torch, kind)
        counts[verdict.split(":")[0].split(" ")[0]] += 1
        if verdict != "ok" or options.all:
            print(f"{name:45s} {verdict}")
            sys.stdout.flush()
    total = sum(counts.values())
    print(
        f"{counts['ok']} of {total} entries agree; "
        + ", ".join(f"{kind} {count}" for kind, count in counts.most_common() if kind != "ok")
    )


if __name__ == "__main__":
    main()
