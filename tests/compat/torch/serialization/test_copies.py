"""Python's own copies and pickles of tensors, and storages."""

import copy
import multiprocessing
import pickle
from typing import Any

import pytest

from funcgrad.compat import torch


def again(thing: Any, protocol: int = pickle.DEFAULT_PROTOCOL) -> Any:
    return pickle.loads(pickle.dumps(thing, protocol))


KINDS = ["float32", "bfloat16", "int64", "bool", "complex64", "uint16"]


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", KINDS)
def test_a_tensor_is_pickled(kind: str, protocol: int) -> None:
    x = torch.tensor([[0, 1], [1, 1]]).to(getattr(torch, kind))
    found = again(x.t(), protocol)
    assert torch.equal(found, x.t())
    assert found.dtype is x.dtype
    assert found.stride() == (1, 2)


def test_pickles_keep_what_files_keep() -> None:
    x = torch.ones(2, requires_grad=True)
    x.tag = "first"
    found = again(x)
    assert found.requires_grad
    assert found.tag == "first"
    weight = again(torch.nn.Parameter(torch.ones(2), requires_grad=False))
    assert type(weight) is torch.nn.Parameter
    assert not weight.requires_grad
    buffer = again(torch.nn.Buffer(torch.ones(2), persistent=False))
    assert isinstance(buffer, torch.nn.Buffer)
    assert buffer.persistent is False
    assert again(torch.Tensor) is torch.Tensor
    assert again(torch.nn.Parameter) is torch.nn.Parameter
    assert again(torch.ones(2, 3, device="meta")).is_meta


def test_an_interior_tensor_is_pickled_as_a_leaf() -> None:
    found = again(torch.ones(2, requires_grad=True) * 3)
    assert found.is_leaf
    assert found.requires_grad
    assert found.tolist() == [3.0, 3.0]


def test_pickles_do_not_share_memory() -> None:
    x = torch.arange(4.0)
    a, b = again((x, x[1:]))
    a[1] = 50.0
    assert b[0] == 1.0
    assert again((x, x))[0] is not x


def test_modules_and_optimizers_are_pickled() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.BatchNorm1d(1))
    found = again(net)
    assert str(found) == str(net)
    assert torch.equal(found[0].weight, net[0].weight)
    optimizer = again(torch.optim.SGD(net.parameters(), lr=0.5))
    assert optimizer.param_groups[0]["lr"] == 0.5


def test_a_copied_recurrent_module_has_parameters_of_its_own() -> None:
    net = torch.nn.LSTM(2, 3)
    found = copy.deepcopy(net)
    assert set(vars(found)) == set(vars(net))
    assert found._flat_weights[0] is found.weight_ih_l0
    assert found.weight_ih_l0 is not net.weight_ih_l0


def double(x: Any) -> Any:
    return x * 2


def test_tensors_go_to_other_processes_and_back() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.map(double, [torch.ones(2), torch.arange(3)])
    assert [one.tolist() for one in found] == [[2.0, 2.0], [0, 2, 4]]


# --- deep copies --------------------------------------------------------------------------------


def test_a_deep_copy_has_memory_of_its_own() -> None:
    x = torch.arange(6.0).reshape(2, 3).t()
    found = copy.deepcopy(x)
    found[0, 0] = 9.0
    assert x[0, 0] == 0.0
    assert found.stride() == (1, 3)


def test_deep_copies_of_views_share_their_memory() -> None:
    x = torch.arange(6.0)
    a, b = copy.deepcopy([x, x[2:]])
    a[2] = 50.0
    assert b[0] == 50.0
    assert x[2] == 2.0
    assert copy.deepcopy(x[0].expand(3)).stride() == (0,)


def test_a_deep_copy_keeps_the_gradient_of_a_tensor() -> None:
    x = torch.ones(2, requires_grad=True)
    (x * 3).sum().backward()
    found = copy.deepcopy(x)
    assert found.grad.tolist() == [3.0, 3.0]
    assert found.grad is not x.grad
    assert found.requires_grad


def test_one_tensor_is_copied_once() -> None:
    x = torch.ones(2)
    a, b = copy.deepcopy([x, x])
    assert a is b


def test_an_interior_tensor_is_not_deep_copied() -> None:
    with pytest.raises(RuntimeError, match="Only Tensors created explicitly by the user"):
        copy.deepcopy(torch.ones(2, requires_grad=True) * 2)


def test_a_shallow_copy_shares_memory() -> None:
    x = torch.ones(2)
    found = copy.copy(x)
    found[0] = 5.0
    assert x[0] == 5.0


def test_a_deep_copy_of_bfloat16() -> None:
    found = copy.deepcopy(torch.tensor([1.5, 2.0]).bfloat16())
    assert found.dtype is torch.bfloat16
    assert found.tolist() == [1.5, 2.0]


# --- storages -----------------------------------------------------------------------------------


def test_the_storage_of_a_tensor() -> None:
    x = torch.arange(6.0)
    storage = x[2:].untyped_storage()
    assert storage.data_ptr() == x.data_ptr()
    assert storage.nbytes() == storage.size() == len(storage) == 24
    assert storage.tolist()[4:8] == [0, 0, 128, 63]
    assert storage[6] == 128
    assert storage == x.untyped_storage()
    assert storage.device == torch.device("cpu")
    assert repr(torch.ones(1, dtype=torch.int8).untyped_storage()) == (
        " 1\n[torch.storage.UntypedStorage(device=cpu) of size 1]"
    )


def test_views_by_strides_show_the_memory_of_their_tensor() -> None:
    x = torch.arange(6.0)
    for view in (x.as_strided((2,), (3,), 1), x.unfold(0, 2, 2), x.expand(2, 6)):
        assert view.untyped_storage().data_ptr() == x.data_ptr()
        assert view.untyped_storage().nbytes() == 24


def test_the_storage_of_bfloat16_has_two_bytes_for_each_element() -> None:
    assert torch.ones(3).bfloat16().untyped_storage().nbytes() == 6
    assert torch.ones(1).bfloat16().untyped_storage().tolist() == [128, 63]


def test_typed_storages() -> None:
    x = torch.tensor([1.0, 2.0])
    with pytest.warns(UserWarning, match="TypedStorage is deprecated"):
        storage = x.storage()
    assert storage.tolist() == [1.0, 2.0]
    assert (storage.size(), storage.nbytes(), storage.element_size()) == (2, 8, 4)
    assert storage.dtype is torch.float32
    assert repr(storage) == (
        " 1.0\n 2.0\n[torch.storage.TypedStorage(dtype=torch.float32, device=cpu) of size 2]"
    )
    assert torch.FloatStorage([1, 2]).tolist() == [1.0, 2.0]
    assert torch.LongStorage(3).tolist() == [0, 0, 0]
    assert torch.UntypedStorage(2).tolist() == [0, 0]
    assert copy.deepcopy(storage).data_ptr() != storage.data_ptr()
    assert again(storage).tolist() == [1.0, 2.0]
