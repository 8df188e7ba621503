"""Things that are saved in the tests, and what is compared after they have been loaded.

A content is a short program that sets `it`; it is run with the layer and with PyTorch. `describe`
gives everything that a file keeps of it: types, values, strides, offsets, and which tensors share
memory.
"""

from collections import Counter, OrderedDict, namedtuple
from typing import Any

import numpy as np

__all__ = ["CONTENTS", "WHOLE", "Point", "describe", "make"]

Point = namedtuple("Point", "x y")

KINDS = ("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64",
         "float16", "bfloat16", "float32", "float64", "complex64", "complex128")  # fmt: skip

CONTENTS: dict[str, str] = {
    "tensor": "it = torch.arange(6.0).reshape(2, 3)",
    "scalar": "it = torch.tensor(1.5, dtype=torch.float64)",
    "empty": "it = [torch.empty(0), torch.empty(2, 0, 3, dtype=torch.int64)]",
    "requires_grad": "it = torch.ones(2, requires_grad=True)",
    "interior": "it = torch.ones(2, requires_grad=True) * 2",
    "parameter": "it = torch.nn.Parameter(torch.arange(4.0).reshape(2, 2))",
    "frozen_parameter": "it = torch.nn.Parameter(torch.ones(2), requires_grad=False)",
    "parameter_with_attributes": "it = torch.nn.Parameter(torch.ones(2)); it.tag = 'first'",
    "tensor_with_attributes": "it = torch.ones(2); it.tag = [1]; it._more = 2.5",
    "buffer": "it = torch.nn.Buffer(torch.ones(2), persistent=False)",
    **{
        kind: f"it = torch.tensor([0, 1, 1, 0]).to(torch.{kind}).reshape(2, 2)" for kind in KINDS
    },
    "bfloat16_values": "it = torch.tensor([1.5, -3.140625, float('inf'), 1e-40, -0.0]).bfloat16()",
    "complex_values": "it = torch.tensor([1 + 2j, -0.5j])",
    "views": "x = torch.arange(12.0).reshape(3, 4); it = [x, x[1], x.t(), x[:, 1:3], x[::2, ::2]]",
    "part": "it = torch.arange(6.0)[2:4]",
    "expanded": "it = torch.arange(3.0).expand(2, 3)",
    "diagonal": "it = torch.arange(9.0).reshape(3, 3).diagonal()",
    "windows": "it = torch.arange(5.0).unfold(0, 3, 1)",
    "strided": "it = torch.arange(10.0).as_strided((2, 3), (1, 2), 1)",
    "bfloat16_views": "x = torch.arange(6.0).bfloat16(); it = {'x': x, 'part': x[2:], 'odd': "
                      "x[1::2]}",
    "same_tensor": "x = torch.ones(3); it = {'a': x, 'b': x}",
    "real_parts": "x = torch.tensor([1 + 2j, 3 - 1j]); it = [torch.view_as_real(x)]",
    "tied_parameters": "p = torch.nn.Parameter(torch.ones(2)); it = {'a': p, 'b': p}",
    "detached": "p = torch.nn.Parameter(torch.ones(2)); it = [p, p.detach(), p.data]",
    "permuted": "it = torch.arange(8.0).reshape(1, 2, 2, 2).permute(0, 2, 3, 1)",
    "dtypes": f"it = [getattr(torch, kind) for kind in {KINDS!r}]",
    "sizes": "it = [torch.Size([2, 3]), torch.Size([]), torch.ones(2, 3).shape]",
    "devices": "it = [torch.device('cpu'), torch.device('cuda', 1), torch.device('meta')]",
    "layout": "it = torch.strided",
    "numbers": "it = [0, -1, 255, 256, 65536, -(2**31), 2**31, 2**70, -(2**70), 1.5, float('inf'), "
               "True, False, None, 1 - 2j]",
    "texts": "it = ['', 'a', 'é', '\\U0001f600', '\\ud800', 'x' * 300]",
    "bytes": "it = [b'ab', b'\\x00\\xff', bytearray(b'xyz'), bytearray()]",
    "containers": "it = {'list': [1, [2, []]], 'tuple': (), 'one': (1,), 'four': (1, 2, 3, 4), "
                  "'dict': {1: {2: 3}}, 'set': {7}, 'none': set(), (1, 2): 'key'}",
    "ordered": "it = OrderedDict([('b', torch.ones(1)), ('a', torch.zeros(1))])",
    "ordered_with_attributes": "it = OrderedDict(a=1); it._metadata = OrderedDict(version=1)",
    "counter": "it = Counter('aab')",
    "many": "it = {i: [i] for i in range(1100)}",
    "recursive": "it = [1]; it.append(it); it.append({'self': it})",
    "generator_state": "it = torch.get_rng_state()[:64].clone()",
    "state_dict": "it = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.ReLU()).state_dict()",
    "nested_state_dict": "m = nn.ModuleDict({'a': nn.Linear(1, 1), 'b': nn.ModuleList([nn.Linear("
                         "1, 1)])}); it = m.state_dict()",
    "sgd": "p = nn.Parameter(torch.ones(2)); o = optim.SGD([p], lr=0.1, momentum=0.9); "
           "p.grad = torch.ones(2); o.step(); it = o.state_dict()",
    "adam": "p = nn.Parameter(torch.ones(2)); o = optim.Adam([p], lr=0.1); p.grad = torch.ones(2); "
            "o.step(); it = o.state_dict()",
    "scheduler": "p = nn.Parameter(torch.ones(2)); o = optim.SGD([p], lr=0.1); "
                 "s = optim.lr_scheduler.StepLR(o, 2); o.step(); s.step(); it = s.state_dict()",
    "checkpoint": "m = nn.Linear(2, 1); o = optim.SGD(m.parameters(), lr=0.01); it = {'epoch': 4, "
                  "'model': m.state_dict(), 'optimizer': o.state_dict(), 'loss': "
                  "torch.tensor(0.5)}",
    "storages": "x = torch.arange(3.0); it = x.untyped_storage()",
}  # fmt: skip
"""What `weights_only` reads."""

WHOLE: dict[str, str] = {
    "generator": "it = torch.Generator().manual_seed(3)",
    "linear": "it = nn.Linear(2, 1)",
    "sequential": "it = nn.Sequential(OrderedDict(a=nn.Linear(2, 3), b=nn.Tanh(), c=nn.Linear("
                  "3, 1)))",
    "convolutions": "it = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.MaxPool2d(2), "
                    "nn.Flatten(), nn.Dropout(0.25))",
    "lists": "it = nn.ModuleList([nn.ReLU(), nn.ModuleDict({'k': nn.Identity()}), "
             "nn.ParameterList([torch.ones(1)])])",
    "functions": "it = {'f': nn.functional.relu, 'g': nn.functional.softmax}",
    "optimizer": "it = optim.SGD([nn.Parameter(torch.ones(2))], lr=0.1, momentum=0.9)",
    "parts": "it = [slice(1, 2), range(3), frozenset([1]), ..., b'', torch.nn.Linear, dict]",
}  # fmt: skip
"""What only `weights_only=False` reads."""


OWN = ("_zero_grad_profile_name", "_warned_capturable_if_run_uncaptured")
"""What PyTorch's optimizers note for themselves when they are loaded."""


def make(torch: Any, source: str) -> Any:
    """The thing that a program sets."""
    torch.manual_seed(0)
    names: dict[str, Any] = {
        "torch": torch, "nn": torch.nn, "optim": getattr(torch, "optim", None), "Point": Point,
        "OrderedDict": OrderedDict, "Counter": Counter, "np": np,
    }  # fmt: skip
    exec(source, names)
    return names["it"]


class _Description:
    def __init__(self, torch: Any) -> None:
        self.torch = torch
        self.seen: dict[int, int] = {}
        self.memories: list[int] = []
        self.kept: list[Any] = []

    def of(self, thing: Any) -> Any:
        torch = self.torch
        if isinstance(thing, torch.Tensor):
            return self.of_tensor(thing)
        if thing is None or isinstance(thing, bool | int | str):
            return thing
        if isinstance(thing, float | complex | bytes | bytearray | slice | range | type(...)):
            return {type(thing).__name__: repr(thing)}
        if isinstance(thing, torch.dtype | torch.device | torch.Size | torch.layout):
            return {"constant": repr(thing)}
        if isinstance(thing, type):
            return {"class": thing.__name__}
        if id(thing) in self.seen:
            return {"again": self.seen[id(thing)]}
        self.seen[id(thing)] = len(self.seen)
        self.kept.append(thing)
        return self.of_container(thing)

    def of_container(self, thing: Any) -> Any:
        kind = type(thing).__name__
        if isinstance(thing, dict):
            items = [[self.of(key), self.of(value)] for key, value in thing.items()]
            return {kind: items, "attributes": self.of(getattr(thing, "__dict__", None))}
        if isinstance(thing, list | tuple):
            return {kind: [self.of(one) for one in thing]}
        if isinstance(thing, set | frozenset):
            return {kind: sorted(repr(one) for one in thing)}
        if isinstance(thing, np.ndarray):
            return {kind: str(thing.dtype), "values": thing.tolist()}
        if kind == "UntypedStorage":
            return {kind: thing.tolist()}
        if kind == "TypedStorage":
            return {kind: thing.tolist(), "dtype": str(thing.dtype)}
        if isinstance(thing, self.torch.Generator):
            return {kind: thing.initial_seed()}
        state = getattr(thing, "__dict__", None)
        if isinstance(thing, self.torch.nn.Module):
            state = {key: state[key] for key in sorted(state)}
        if state is not None:
            state = {key: value for key, value in state.items() if key not in OWN}
        return {kind: getattr(thing, "__name__", None) or self.of(state)}

    def memory(self, address: int) -> int | None:
        if not address:
            return None
        if address not in self.memories:
            self.memories.append(address)
        return self.memories.index(address)

    def of_tensor(self, tensor: Any) -> Any:
        if tensor.is_meta:
            return {"meta": [str(tensor.dtype), list(tensor.shape), tensor.requires_grad]}
        values = tensor.detach().resolve_conj().resolve_neg()
        if values.dtype in (self.torch.bfloat16, self.torch.float16):
            values = values.double()
        storage = tensor.untyped_storage()
        self.kept += [tensor, storage]
        return {
            "class": type(tensor).__name__,
            "dtype": str(tensor.dtype),
            "shape": list(tensor.shape),
            "stride": list(tensor.stride()),
            "offset": tensor.storage_offset(),
            "memory": self.memory(storage.data_ptr()) if tensor.numel() else None,
            "bytes": storage.nbytes(),
            "requires_grad": tensor.requires_grad,
            "leaf": tensor.is_leaf,
            "values": [repr(value) for value in values.reshape(-1).tolist()],
            "attributes": {
                name: repr(getattr(tensor, name))
                for name in ("tag", "_more", "persistent", "_is_buffer")
                if hasattr(tensor, name)
            },
        }


def describe(torch: Any, thing: Any) -> Any:
    """Everything that a file keeps of a thing, as JSON values."""
    return _Description(torch).of(thing)
