"""`torch.nn.modules.rnn`: recurrent layers over sequences."""

import math
import numbers
import warnings
from typing import Any

from typing_extensions import override

from funcgrad.compat.torch.constructors import empty, zeros
from funcgrad.compat.torch.nn.modules.cells import GRUCell, LSTMCell, RNNCell, RNNCellBase
from funcgrad.compat.torch.nn.modules.module import Module
from funcgrad.compat.torch.nn.parameter import Parameter
from funcgrad.compat.torch.nn.recurrent import recurrent
from funcgrad.compat.torch.nn.utils.rnn import PackedSequence
from funcgrad.compat.torch.tensor import Tensor

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNBase", "RNNCell", "RNNCellBase"]

GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}
"""How many gates a kind of layer has: the rows of its weights, in multiples of the hidden size."""


_SHOWN = (("proj_size", 0), ("num_layers", 1), ("bias", True), ("batch_first", False),
          ("dropout", 0), ("bidirectional", False))  # fmt: skip
"""Options that its text shows where they differ from these."""


def apply_permutation(tensor: Any, permutation: Any, dim: int = 1) -> Any:
    """The slices along an axis in another order."""
    return tensor.index_select(dim, permutation)


class RNNBase(Module):
    """What recurrent layers have in common: parameters, checks, and the walk over the layers.

    Args:
        mode: kind of layer: "RNN_TANH", "RNN_RELU", "LSTM" or "GRU".
        input_size: m, length of an element of the input.
        hidden_size: n, length of the state.
        num_layers: number of layers, each on the results of the one before.
        bias: whether there are biases.
        batch_first: whether inputs and results are (batch, steps, ...) and not (steps, batch, ...).
        dropout: probability of a zero between layers.
        bidirectional: whether each layer also goes from the end to the start.
        proj_size: length of the projected state of an LSTM; 0: none.
        device: where the parameters are.
        dtype: type of the parameters.
    """

    __constants__ = [  # noqa: RUF012  # PyTorch's name and type
        "mode", "input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout",
        "bidirectional", "proj_size",
    ]  # fmt: skip
    __jit_unused_properties__ = ["all_weights"]  # noqa: RUF012  # PyTorch's name and type

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        for name, value in (("batch_first", batch_first), ("bias", bias)):
            if not isinstance(value, bool):
                raise TypeError(f"{name} should be of type bool, got: {type(value).__name__}")
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self._check_options(dropout)
        if mode not in GATES:
            raise ValueError(f"Unrecognized RNN mode: {mode}")
        self._make_weights({"device": device, "dtype": dtype})
        self.reset_parameters()

    def _check_options(self, dropout: Any) -> None:
        """Refuse sizes and probabilities that make no sense."""
        if (
            not isinstance(dropout, numbers.Number)
            or not 0 <= dropout <= 1  # type: ignore[operator]  # a real number
            or isinstance(dropout, bool)
        ):
            raise ValueError(
                "dropout should be a number in range [0, 1] representing the probability of an "
                "element being zeroed"
            )
        if dropout > 0 and self.num_layers == 1:  # type: ignore[operator]  # a real number
            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero "
                "dropout expects num_layers greater than 1, but got "
                f"dropout={dropout} and num_layers={self.num_layers}",
                UserWarning,
                stacklevel=4,
            )
        for name, size in (("input_size", self.input_size), ("hidden_size", self.hidden_size)):
            if not isinstance(size, int):
                raise TypeError(f"{name} should be of type int, got: {type(size).__name__}")
        for name in ("input_size", "hidden_size", "num_layers"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be greater than zero")
        if self.proj_size < 0:
            raise ValueError(
                "proj_size should be a positive integer or zero to disable projections"
            )
        if self.proj_size >= self.hidden_size:
            raise ValueError("proj_size has to be smaller than hidden_size")

    def _make_weights(self, where: dict[str, Any]) -> None:
        """Enter the parameters of each direction of each layer, under PyTorch's names."""
        rows = GATES[self.mode] * self.hidden_size
        state = self.proj_size or self.hidden_size
        directions = 2 if self.bidirectional else 1
        self._flat_weights_names: list[str] = []
        self._all_weights: list[list[str]] = []
        for layer in range(self.num_layers):
            inputs = state * directions if layer else self.input_size
            for direction in range(directions):
                suffix = f"_l{layer}" + "_reverse" * direction
                shapes: dict[str, tuple[int, ...]] = {}
                shapes |= {"weight_ih": (rows, inputs), "weight_hh": (rows, state)}
                if self.bias:
                    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
                if self.proj_size > 0:
                    shapes["weight_hr"] = (self.proj_size, self.hidden_size)
                names = [f"{kind}{suffix}" for kind in shapes]
                for name, shape in zip(names, shapes.values(), strict=True):
                    setattr(self, name, Parameter(empty(shape, **where)))
                self._flat_weights_names += names
                self._all_weights.append(names)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_flat_weights": self._flat_weights}  # PyTorch wants it in files

    @override
    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({key: state[key] for key in state if key != "_flat_weights"})

    @property
    def _flat_weights(self) -> list[Any]:
        """All parameters in order."""
        parameters = self._parameters
        return [
            parameters[name] if name in parameters else getattr(self, name, None)
            for name in self._flat_weights_names
        ]

    @property
    def all_weights(self) -> list[list[Any]]:
        """The parameters of each direction of each layer."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def flatten_parameters(self) -> None:
        """Nothing: parameters stay where they are."""

    def reset_parameters(self) -> None:
        """Draw all from the uniform distribution on ±1 / √n."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            weight.data.uniform_(-bound, bound)

    # --- checks ---------------------------------------------------------------------------

    def check_input(self, input: Any, batch_sizes: Any) -> None:
        """Refuse an input of the wrong type or shape."""
        wanted = self._flat_weights[0].dtype
        if input.dtype is not wanted:
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({wanted}). Convert "
                f"input: input.to({wanted}), or convert model: model.to({input.dtype})"
            )
        expected = 3 if batch_sizes is None else 2
        shape = input._value.shape
        if len(shape) != expected:
            raise RuntimeError(f"input must have {expected} dimensions, got {len(shape)}")
        if self.input_size != shape[-1]:
            raise RuntimeError(
                "input.size(-1) must be equal to input_size. Expected "
                f"{self.input_size}, got {shape[-1]}"
            )

    def _expected(self, input: Any, batch_sizes: Any, size: int) -> tuple[int, int, int]:
        if batch_sizes is not None:
            batch = int(batch_sizes[0])
        else:
            batch = input._value.shape[0 if self.batch_first else 1]
        return self.num_layers * (2 if self.bidirectional else 1), batch, size

    def get_expected_hidden_size(self, input: Any, batch_sizes: Any) -> tuple[int, int, int]:
        """The shape that h must have."""
        return self._expected(input, batch_sizes, self.proj_size or self.hidden_size)

    def check_hidden_size(
        self, hx: Any, expected_hidden_size: Any, msg: str = "Expected hidden size {}, got {}"
    ) -> None:
        """Refuse a state of another shape."""
        if hx._value.shape != expected_hidden_size:
            raise RuntimeError(msg.format(expected_hidden_size, list(hx._value.shape)))

    def check_forward_args(self, input: Any, hidden: Any, batch_sizes: Any) -> None:
        """Refuse an input and states that do not fit."""
        self.check_input(input, batch_sizes)
        self.check_hidden_size(hidden, self.get_expected_hidden_size(input, batch_sizes))

    def permute_hidden(self, hx: Any, permutation: Any) -> Any:
        """The states with the sequences in another order."""
        return hx if permutation is None else apply_permutation(hx, permutation)

    # --- the call -------------------------------------------------------------------------

    def _check_ranks(self, hx: Any, batched: bool) -> None:
        """Refuse states with another number of axes than the input has."""
        if hx.dim() != (3 if batched else 2):
            kind = "batched 3-D input" if batched else "unbatched 2-D input"
            raise RuntimeError(
                f"For {kind}, hx should also be {3 if batched else 2}-D but got {hx.dim()}-D tensor"
            )

    def _rank_error(self, input: Any) -> Exception:
        return ValueError(
            f"{type(self).__name__}: Expected input to be 2D or 3D, got {input.dim()}D instead"
        )

    def _given(self, hx: Any) -> list[Any]:
        """The states that were given, one by one."""
        return [hx]

    def _joined(self, states: list[Any]) -> Any:
        """The states as the user gets them."""
        return states[0]

    def _sizes(self) -> list[int]:
        """Lengths of the states."""
        return [self.proj_size or self.hidden_size]

    def _forward(self, input: Any, hx: Any) -> tuple[Any, Any]:
        packed = isinstance(input, PackedSequence)
        order = unsorted = batch_sizes = None
        batched = True
        if packed:
            input, batch_sizes, order, unsorted = input
        else:
            rank = input.dim()
            if rank not in (2, 3):
                raise self._rank_error(input)
            batched = rank == 3
            if not batched:
                input = input.unsqueeze(0 if self.batch_first else 1)
        if hx is None:
            shapes = [self._expected(input, batch_sizes, size) for size in self._sizes()]
            states = [zeros(shape, dtype=input.dtype, device=input.device) for shape in shapes]
        else:
            if not packed:
                self._check_ranks(hx, batched)
            states = self._given(hx)
            if not batched:
                states = [state.unsqueeze(1) for state in states]
            states = [self.permute_hidden(state, order) for state in states]
        self.check_forward_args(input, self._joined(states), batch_sizes)
        result, last = recurrent(
            self.mode,
            input,
            states,
            self._flat_weights,
            biases=self.bias,
            layers=self.num_layers,
            dropout=self.dropout,
            train=self.training,
            bidirectional=self.bidirectional,
            batch_first=self.batch_first,
            sizes=None if batch_sizes is None else tuple(batch_sizes.tolist()),
        )
        if packed:
            last = [self.permute_hidden(state, unsorted) for state in last]
            return PackedSequence(result, batch_sizes, order, unsorted), self._joined(last)
        if not batched:
            result = result.squeeze(0 if self.batch_first else 1)
            last = [state.squeeze(1) for state in last]
        return result, self._joined(last)

    @override
    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        for name, default in _SHOWN:
            value = getattr(self, name)
            if value != default:
                text += f", {name}={value}"
        return text


class RNN(RNNBase):
    """hₜ = tanh(W xₜ + a + U hₜ₋₁ + b), or with relu.

    Args:
        *args: as of `RNNBase`, without the mode; the fourth is the nonlinearity.
        nonlinearity: "tanh" or "relu".
        **kwargs: as of `RNNBase`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        if len(args) > 3:
            self.nonlinearity = args[3]
            args = (*args[:3], *args[4:])
        else:
            self.nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if self.nonlinearity not in ("tanh", "relu"):
            raise ValueError(
                f"Unknown nonlinearity '{self.nonlinearity}'. Select from 'tanh' or 'relu'."
            )
        super().__init__(f"RNN_{self.nonlinearity.upper()}", *args, **kwargs)

    @override
    def _rank_error(self, input: Any) -> Exception:
        return ValueError(f"RNN: Expected input to be 2D or 3D, got {input.dim()}D tensor instead")

    @override
    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """The states of the last layer after each step, and those of all layers at the end.

        Args:
            input: (steps, batch, m), (steps, m), or packed.
            hx: first states, (layers · directions, batch, n); by default 0.
        """
        return self._forward(input, hx)


class GRU(RNNBase):
    """r, z = σ(…), m = tanh(W xₜ + a + r (U hₜ₋₁ + b)), hₜ = (1 - z) m + z hₜ₋₁.

    Args:
        *args: as of `RNNBase`, without the mode.
        **kwargs: likewise.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        super().__init__("GRU", *args, **kwargs)

    @override
    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """As of `RNN`."""
        return self._forward(input, hx)


class LSTM(RNNBase):
    """i, f, o = σ(…), g = tanh(…), cₜ = f cₜ₋₁ + i g, hₜ = o tanh(cₜ).

    Args:
        *args: as of `RNNBase`, without the mode.
        **kwargs: likewise; with `proj_size` p, h is (batch, p), a projection of o tanh(c).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)

    def get_expected_cell_size(self, input: Any, batch_sizes: Any) -> tuple[int, int, int]:
        """The shape that c must have."""
        return self._expected(input, batch_sizes, self.hidden_size)

    @override
    def check_forward_args(self, input: Any, hidden: Any, batch_sizes: Any) -> None:
        self.check_input(input, batch_sizes)
        for at, shape in enumerate((
            self.get_expected_hidden_size(input, batch_sizes),
            self.get_expected_cell_size(input, batch_sizes),
        )):  # fmt: skip
            self.check_hidden_size(hidden[at], shape, f"Expected hidden[{at}] size {{}}, got {{}}")

    @override
    def permute_hidden(self, hx: Any, permutation: Any) -> Any:
        if permutation is None or isinstance(hx, Tensor):
            return super().permute_hidden(hx, permutation)
        return tuple(apply_permutation(one, permutation) for one in hx)

    @override
    def _check_ranks(self, hx: Any, batched: bool) -> None:
        rank = 3 if batched else 2
        if hx[0].dim() != rank or hx[1].dim() != rank:
            kind = "batched 3-D input" if batched else "unbatched 2-D input"
            raise RuntimeError(
                f"For {kind}, hx and cx should also be {rank}-D but got "
                f"({hx[0].dim()}-D, {hx[1].dim()}-D) tensors"
            )

    @override
    def _given(self, hx: Any) -> list[Any]:
        return [hx[0], hx[1]]

    @override
    def _joined(self, states: list[Any]) -> Any:
        return tuple(states)

    @override
    def _sizes(self) -> list[int]:
        return [self.proj_size or self.hidden_size, self.hidden_size]

    @override
    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """The states h of the last layer after each step, and (h, c) of all layers at the end.

        Args:
            input: (steps, batch, m), (steps, m), or packed.
            hx: first states (h, c), each (layers · directions, batch, n); by default 0.
        """
        return self._forward(input, hx)
