"""Lazy modules in pickles and copies, names in messages, and a warning that comes once."""

import copy
import pickle
import warnings

import pytest

from funcgrad.compat import torch
from funcgrad.compat.torch.nn.convolution import warn_of_even_kernels

nn = torch.nn


def test_a_kernel_of_even_length_with_padding_same_is_warned_of_once() -> None:
    warn_of_even_kernels.cache_clear()
    layer = nn.Conv1d(1, 1, 4, padding="same")
    with pytest.warns(UserWarning, match="Using padding='same' with even kernel lengths"):
        layer(torch.ones(1, 1, 5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer(torch.ones(1, 1, 5))


@pytest.mark.parametrize("again", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_lazy_module_is_lazy_after_a_copy(again) -> None:  # type: ignore[no-untyped-def]  # functions of a module
    layer = again(nn.LazyConv2d(3, 2))
    assert repr(layer) == "LazyConv2d(0, 3, kernel_size=(2, 2), stride=(1, 1))"
    assert layer.has_uninitialized_params()
    assert layer(torch.ones(1, 5, 4, 4)).shape == (1, 3, 3, 3)
    assert type(layer) is nn.Conv2d
    assert layer.in_channels == 5


def test_a_lazy_parameter_stays_the_parameter_that_an_optimiser_holds() -> None:
    layer = nn.LazyLinear(2)
    optimiser = torch.optim.SGD(layer.parameters(), lr=1.0)
    layer(torch.ones(1, 3)).sum().backward()
    before = layer.weight.detach().clone()
    optimiser.step()
    assert torch.equal(layer.weight, before - 1)


def test_a_function_of_a_lazy_parameter_is_named_in_the_message() -> None:
    with pytest.raises(ValueError, match=r"uninitialized parameter in <function \w+>"):
        nn.LazyLinear(2).weight.exp()


def test_a_lazy_module_learns_its_shapes_without_grad_mode() -> None:
    layer = nn.LazyLinear(2)
    with torch.no_grad():
        layer(torch.ones(1, 3))
    assert layer.weight.requires_grad


@pytest.mark.parametrize(
    "name", ["Conv2d", "ConvTranspose1d", "ConstantPad2d", "AvgPool3d", "FractionalMaxPool2d"]
)
def test_a_layer_made_without_arguments_is_refused_by_its_own_name(name: str) -> None:
    with pytest.raises(TypeError, match=rf"^{name}.__init__\(\) missing"):
        getattr(nn, name)()


def test_a_layer_tells_its_arguments() -> None:
    for name in ("Conv2d", "LazyConvTranspose3d", "MaxPool2d", "ReflectionPad1d"):
        assert "\n\nArgs:\n" in getattr(nn, name).__doc__


def test_unpooling_adds_up_the_derivatives_of_a_place_taken_several_times() -> None:
    x = torch.tensor([[[1.0, 3.0, 2.0]]], requires_grad=True)
    pooled, places = nn.MaxPool1d(2, 1, return_indices=True)(x)
    result = nn.MaxUnpool1d(2, 1)(pooled, places)
    (result * torch.tensor([1.0, 10.0, 100.0])).sum().backward()
    assert x.grad.tolist() == [[[0.0, 20.0, 0.0]]]


def test_a_bag_divides_gradients_by_how_often_each_word_occurs() -> None:
    """PyTorch divides by the number of another word here: its loop counts rows, not words."""
    layer = nn.EmbeddingBag(4, 1, mode="sum", scale_grad_by_freq=True)
    layer(torch.tensor([0, 1, 1, 2, 1]), torch.tensor([0, 2, 3])).sum().backward()
    assert layer.weight.grad.reshape(-1).tolist() == [1.0, 1.0, 1.0, 0.0]


def test_layers_of_this_kind_warn_of_nothing_else() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nn.Sequential(nn.Conv2d(1, 2, 3, padding="same"), nn.AvgPool2d(2), nn.Flatten())(
            torch.ones(1, 1, 4, 4)
        )
