"""How many modules agree with PyTorch's: initialisation, names, text, values, gradients.

`python -m tests.compat.torch.module_db [names]` needs PyTorch. It makes every module of PyTorch's
own database, and those of `MORE`, with each of the database's constructor arguments in both
libraries after the same seed, and compares: the parameters drawn (to the last bit), the keys of
`state_dict`, the text, and, in training and in evaluation mode, results, buffers afterwards, and
the gradients of a weighted sum of the results by inputs and parameters.
"""

import argparse
import collections
import copy
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

import funcgrad.compat.torch as layer
from tests.compat.torch.op_db import close, plain, tensors_of, translated

MORE: dict[str, list[tuple[tuple[Any, ...], dict[str, Any], list[Any]]]] = {
    "AdaptiveLogSoftmaxWithLoss": [((8, 12, [4, 8]), {}, [(5, 8), ("int", 12, (5,))]),
                                   ((8, 12, [4, 8]), {"head_bias": True, "div_value": 2.0},
                                    [(5, 8), ("int", 12, (5,))])],
    "AlphaDropout": [((0.5,), {}, [(3, 4)]), ((0.0,), {}, [(3, 4)])],
    "ChannelShuffle": [((2,), {}, [(2, 4, 3, 3)])],
    "CosineSimilarity": [((), {}, [(3, 4), (3, 4)]), ((0, 1e-3), {}, [(3, 4), (4,)])],
    "CrossMapLRN2d": [((3,), {}, [(2, 4, 3, 3)])],
    "Dropout": [((0.0,), {}, [(3, 4)]), ((1.0,), {}, [(3, 4)])],
    "Dropout1d": [((0.0,), {}, [(3, 4)]), ((1.0,), {}, [(2, 3, 4)])],
    "Dropout2d": [((0.0,), {}, [(2, 3, 4, 4)]), ((1.0,), {}, [(2, 3, 4, 4)])],
    "Dropout3d": [((0.0,), {}, [(2, 3, 2, 2, 2)]), ((1.0,), {}, [(2, 3, 2, 2, 2)])],
    "EmbeddingBag": [((9, 3), {"mode": mode}, [("int", 9, (4, 5))])
                     for mode in ("sum", "mean", "max")]
                    + [((9, 3), {"padding_idx": 2}, [("int", 9, (4, 5))])],
    "FeatureAlphaDropout": [((0.0,), {}, [(2, 3, 4)])],
    "Flatten": [((), {}, [(2, 3, 4)]), ((0, -2), {}, [(2, 3, 4)])],
    "Fold": [(((4, 5), (2, 2)), {}, [(2, 12, 12)]),
             (((4, 4), 2), {"stride": 2, "padding": 1}, [(1, 4, 9)])],
    "Hardsigmoid": [((), {}, [(3, 4)])],
    "Identity": [((3,), {"a": 4}, [(3, 4)])],
    "LazyBatchNorm1d": [((), {}, [(4, 3)])],
    "LazyBatchNorm2d": [((), {}, [(4, 3, 2, 2)])],
    "LazyBatchNorm3d": [((), {}, [(2, 3, 2, 2, 2)])],
    "LazyInstanceNorm1d": [((), {"affine": True}, [(2, 3, 5)])],
    "LazyInstanceNorm2d": [((), {"track_running_stats": True}, [(2, 3, 4, 4)])],
    "LazyInstanceNorm3d": [((), {}, [(2, 3, 2, 2, 2)])],
    "LazyLinear": [((5,), {}, [(2, 3)]), ((5,), {"bias": False}, [(3,)])],
    "MaxUnpool1d": [((2,), {}, [(1, 2, 3), ("places", (1, 2, 3))])],
    "MaxUnpool2d": [((2,), {}, [(1, 2, 3, 2), ("places", (1, 2, 3, 2))])],
    "MaxUnpool3d": [((2,), {}, [(1, 2, 2, 2, 2), ("places", (1, 2, 2, 2, 2))])],
    "PairwiseDistance": [((), {}, [(3, 4), (3, 4)]), ((1,), {"keepdim": True}, [(3, 4), (3, 4)])],
    "PixelShuffle": [((2,), {}, [(2, 8, 3, 3)])],
    "PixelUnshuffle": [((2,), {}, [(2, 3, 4, 6)])],
    "RReLU": [((), {}, [(3, 4)])],
    "TransformerDecoder": [],
    "TripletMarginLoss": [((), {}, [(3, 4)] * 3), ((), {"swap": True, "p": 1.0}, [(3, 4)] * 3)],
    "TripletMarginWithDistanceLoss": [((), {}, [(3, 4)] * 3),
                                      ((), {"margin": 0.5, "swap": True}, [(3, 4)] * 3)],
    "Unflatten": [((1, (2, 3)), {}, [(4, 6)]), ((-1, (2, -1)), {}, [(4, 6)])],
    "Unfold": [((2,), {}, [(2, 3, 4, 5)]),
               (((2, 3),), {"stride": 2, "padding": 1, "dilation": 1}, [(2, 3, 5, 6)])],
    "Upsample": [((), {"scale_factor": 2}, [(1, 2, 3, 3)]),
                 (((5, 7),), {"mode": "bilinear", "align_corners": True}, [(1, 2, 3, 3)]),
                 ((), {"scale_factor": 1.5, "mode": "bicubic"}, [(1, 2, 4, 4)]),
                 ((), {"size": 7, "mode": "linear"}, [(1, 2, 3)]),
                 ((), {"size": 4, "mode": "trilinear"}, [(1, 1, 2, 3, 2)])],
    "UpsamplingBilinear2d": [((), {"scale_factor": 2}, [(1, 2, 3, 3)])],
    "UpsamplingNearest2d": [(((5, 4),), {}, [(1, 2, 3, 3)])],
}  # fmt: skip
"""Modules that the database lacks: constructor arguments and the shapes of the inputs."""

DRAWS = frozenset({"AlphaDropout", "RReLU"})
"""Modules whose draws PyTorch takes from the processor's vendor: only evaluation is compared."""

NOT_CALLED = frozenset(
    {"Container", "DataParallel", "Module", "ModuleDict", "ModuleList", "NLLLoss2d",
     "ParameterDict", "ParameterList", "RNNBase", "RNNCellBase", "Sequential", "SyncBatchNorm",
     "TransformerDecoder"}
)  # fmt: skip
"""Classes without a call of their own; programs/modules.txt and others have them."""


def inputs_of(shapes: list[Any], torch: Any, kind: Any) -> list[Any]:
    """Inputs of a row of `MORE`."""
    made = []
    for shape in shapes:
        if shape[0] == "int":
            made.append(torch.randint(shape[1], shape[2]))
        elif shape[0] == "places":
            size = shape[1]
            count = int(np.prod(size[2:])) * 2 ** len(size[2:])
            rows = [
                torch.randperm(count)[: int(np.prod(size[2:]))] for _ in range(size[0] * size[1])
            ]
            made.append(torch.stack(rows).reshape(size))
        else:
            made.append(torch.randn(shape, dtype=kind, requires_grad=True))
    return made


def cases(torch: Any, kind: Any, training: bool) -> Iterator[tuple[str, Any, Any, Any, Any]]:
    """Name, class, constructor arguments (both kinds), and forward arguments of every case."""
    from torch.testing._internal.common_modules import module_db  # noqa: PLC0415  # needs PyTorch

    for info in module_db:
        inputs = info.module_inputs_func(
            info, device="cpu", dtype=kind, requires_grad=True, training=training
        )
        for one in inputs:
            made, given = one.constructor_input, one.forward_input
            if given is not None:
                name = info.module_cls.__name__
                yield name, info.module_cls, (made.args, made.kwargs), given.args, given.kwargs
    for name, rows in MORE.items():
        for args, kwargs, shapes in rows:
            given = inputs_of(shapes, torch, kind)
            yield name, getattr(torch.nn, name), (args, kwargs), given, {}


def encoder_layer(theirs: Any) -> Any:
    """PyTorch's encoder layer as one of the layer, with the same parameters."""
    kind = next(theirs.parameters()).dtype
    ours = layer.nn.TransformerEncoderLayer(
        theirs.self_attn.embed_dim,
        theirs.self_attn.num_heads,
        theirs.linear1.out_features,
        theirs.dropout.p,
        activation(theirs.activation),
        theirs.norm1.eps,
        theirs.self_attn.batch_first,
        theirs.norm_first,
        theirs.linear1.bias is not None,
        dtype=getattr(layer, str(kind)[6:]),
    )
    ours.load_state_dict(
        {key: layer.from_numpy(plain(value)) for key, value in theirs.state_dict().items()}
    )
    return ours


def with_kind(kwargs: dict[str, Any], cls: Any, kind: Any) -> dict[str, Any]:
    """Arguments with the type of the parameters, where the class takes one."""
    import inspect  # noqa: PLC0415  # only here

    takes = "dtype" in inspect.signature(cls.__init__).parameters
    return {**kwargs, "dtype": kind} if takes and "dtype" not in kwargs else kwargs


def activation(value: Any) -> Any:
    """Functions and modules of PyTorch among constructor arguments as those of the layer."""
    if type(value).__name__ == "TransformerEncoderLayer":
        return encoder_layer(value)
    if callable(value) and getattr(value, "__module__", "").startswith("torch"):
        found = getattr(layer.nn.functional, getattr(value, "__name__", ""), None)
        return found or value
    return value


def compare(
    cls: Any, made: Any, args: Any, kwargs: Any, torch: Any, kind: Any, training: bool
) -> str:
    """`"ok"`, or what differs first."""
    name = cls.__name__
    own = getattr(layer.nn, name, None)
    if own is None:
        return "missing"
    theirs_kwargs = with_kind(made[1], cls, kind)
    ours_kwargs = {k: activation(translated(v, torch)) for k, v in theirs_kwargs.items()}
    torch.manual_seed(3)
    layer.manual_seed(3)
    theirs = cls(*made[0], **theirs_kwargs).train(training)
    ours = own(*[activation(translated(x, torch)) for x in made[0]], **ours_kwargs).train(training)
    if not name.startswith("Lazy"):
        theirs, ours = theirs.to(kind), ours.to(getattr(layer, str(kind)[6:]))
    leaves: list[tuple[Any, Any]] = []
    our_args = [translated(x, torch, leaves) for x in args]
    for i, one in enumerate(args):  # the database gives one tensor twice to some losses
        first = next(j for j, other in enumerate(args) if other is one)
        if first != i:
            leaves = [pair for pair in leaves if pair[1] is not our_args[i]]
            our_args[i] = our_args[first]
    our_kwargs = translated(kwargs, torch, leaves)
    lazy = name.startswith("Lazy")
    if lazy:
        with torch.no_grad(), layer.no_grad():
            theirs(*copy.deepcopy(list(args)), **kwargs)
            ours(*our_args, **our_kwargs)
    verdict = made_alike(theirs, ours, close if lazy else np.array_equal)
    if verdict != "ok":
        return verdict
    if name in DRAWS and training:
        return "ok"
    verdict = results(theirs, ours, args, kwargs, our_args, our_kwargs, leaves, torch)
    if verdict != "ok":
        return verdict
    for key, value in theirs.state_dict().items():
        if not close(plain(value), plain(ours.state_dict()[key])):
            return f"{key} afterwards"
    return "ok"


def made_alike(theirs: Any, ours: Any, same: Any) -> str:
    """Compare text, names, types and initial values; those of lazy modules after a call."""
    if repr(theirs) != repr(ours):
        return f"text: {ours!r} and not {theirs!r}"
    left, right = theirs.state_dict(), ours.state_dict()
    if list(left) != list(right):
        return f"keys {list(right)}"
    if left._metadata != right._metadata:
        return "metadata"
    for key, value in left.items():
        if str(value.dtype) != str(right[key].dtype):
            return f"type of {key}"
        if not same(plain(value), plain(right[key])):
            return f"initial {key}"
    return "ok"


def refused(cls: Any, made: Any, args: Any, kwargs: Any, torch: Any, kind: Any) -> bool:
    """Whether PyTorch itself raises an error: then the database's case is for other types."""
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            one = cls(*made[0], **with_kind(made[1], cls, kind)).to(kind)
            one(*copy.deepcopy([x.detach() if hasattr(x, "detach") else x for x in args]), **kwargs)
    except Exception:  # noqa: BLE001  # whatever it is
        return True
    return False


def results(
    theirs: Any, ours: Any, args: Any, kwargs: Any, our_args: Any, our_kwargs: Any,
    leaves: list[tuple[Any, Any]], torch: Any,
) -> str:  # fmt: skip
    """Compare the results of a call and the gradients of their weighted sum."""
    torch.manual_seed(4)
    layer.manual_seed(4)
    a = list(tensors_of(theirs(*args, **kwargs), torch.Tensor))
    b = list(tensors_of(ours(*our_args, **our_kwargs), layer.Tensor))
    if len(a) != len(b):
        return "number of results"
    random = np.random.default_rng(0)
    sums: list[Any] = [0.0, 0.0]
    for one, other in zip(a, b, strict=True):
        if str(one.dtype) != str(other.dtype):
            return f"type {other.dtype}, not {one.dtype}"
        if not close(plain(one), plain(other)):
            return "value"
        if one.requires_grad != other.requires_grad:
            return f"requires_grad {other.requires_grad}"
        if one.requires_grad:
            weight = random.normal(size=tuple(one.shape)).astype(plain(one).dtype)
            sums[0] = sums[0] + (one * torch.from_numpy(np.array(weight))).sum()
            sums[1] = sums[1] + (other * layer.from_numpy(np.array(weight))).sum()
    if isinstance(sums[0], float):
        return "ok"
    pairs = [*leaves, *zip(theirs.parameters(), ours.parameters(), strict=True)]
    pairs = [(one, other) for one, other in pairs if one.requires_grad]
    found = [
        differentiate(total, [pair[side] for pair in pairs], allow_unused=True)
        for side, (total, differentiate) in enumerate(
            zip(sums, (torch.autograd.grad, layer.autograd.grad), strict=True)
        )
    ]
    for number, (one, other) in enumerate(zip(*found, strict=True)):
        if (one is None) != (other is None):
            return f"gradient {number} is {None if other is None else 'there'}"
        if one is not None and not close(plain(one), plain(other)):
            worst = np.abs(plain(one) - plain(other)).max()
            return f"gradient {number}, by {worst:.0e} of {np.abs(plain(one)).max():.0e}"
    return "ok"


def main() -> None:
    """Print what differs, and the counts."""
    import torch  # noqa: PLC0415  # only here is PyTorch needed

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    torch.set_num_threads(1)
    public = {
        name
        for name in dir(torch.nn)
        if isinstance(getattr(torch.nn, name), type)
        and issubclass(getattr(torch.nn, name), torch.nn.Module)
    }
    found: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for kind in (torch.float64, torch.float32):
        for training in (True, False):
            torch.manual_seed(0)
            for name, cls, made, args, kwargs in cases(torch, kind, training):
                if options.names and name not in options.names:
                    continue
                if refused(cls, made, args, kwargs, torch, kind):
                    continue
                try:
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        verdict = compare(cls, made, args, kwargs, torch, kind, training)
                except Exception as error:  # noqa: BLE001  # whatever it is, the case differs
                    verdict = f"raises {type(error).__name__}: {str(error).splitlines()[:1]}"
                found[name][verdict] += 1
                if verdict != "ok" and found[name][verdict] == 1:  # one of a kind
                    line = f"{name:30s} {verdict}; {str(kind)[6:]}, training={training}, {made}"
                    print(" ".join(line.split())[:300])
    total = sum(sum(counts.values()) for counts in found.values())
    agree = sum(counts["ok"] for counts in found.values())
    whole = sum(set(counts) == {"ok"} for counts in found.values())
    print(f"{agree} of {total} cases agree; {whole} of {len(found)} modules in all their cases")
    if not options.names:
        print("not in the database:", ", ".join(sorted(public - set(found) - NOT_CALLED)) or "none")
        absent = sorted(name for name in public if not hasattr(layer.nn, name))
        print("missing in the layer:", ", ".join(absent) or "none")


if __name__ == "__main__":
    main()
