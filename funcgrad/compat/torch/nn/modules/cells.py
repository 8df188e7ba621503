"""Single steps of recurrent networks as modules; PyTorch has them in `torch.nn.modules.rnn`."""

import math
from typing import Any

from typing_extensions import override

from funcgrad.compat.torch.constructors import empty, zeros
from funcgrad.compat.torch.nn.cell_steps import gru_cell, lstm_cell, rnn_relu_cell, rnn_tanh_cell
from funcgrad.compat.torch.nn.modules.module import Module
from funcgrad.compat.torch.nn.parameter import Parameter

__all__ = ["GRUCell", "LSTMCell", "RNNCell", "RNNCellBase"]

HOME = "funcgrad.compat.torch.nn.modules.rnn"
"""Where PyTorch has these classes, and files look for them."""


class RNNCellBase(Module):
    """What single steps have in common: their parameters.

    Args:
        input_size: m, length of the input.
        hidden_size: n, length of the state.
        bias: whether there are biases.
        num_chunks: number of gates.
        device: where the parameters are.
        dtype: type of the parameters.
    """

    __module__ = HOME
    __constants__ = ["input_size", "hidden_size", "bias"]  # noqa: RUF012  # PyTorch's name and type

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        where = {"device": device, "dtype": dtype}
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows = num_chunks * hidden_size
        self.weight_ih = Parameter(empty((rows, input_size), **where))
        self.weight_hh = Parameter(empty((rows, hidden_size), **where))
        if bias:
            self.bias_ih = Parameter(empty(rows, **where))
            self.bias_hh = Parameter(empty(rows, **where))
        else:
            self.register_parameter("bias_ih", None)
            self.register_parameter("bias_hh", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all from the uniform distribution on ±1 / √n."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            weight.data.uniform_(-bound, bound)

    @override
    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if "bias" in self.__dict__ and self.bias is not True:
            text += f", bias={self.bias}"
        nonlinearity = self.__dict__.get("nonlinearity", "tanh")
        return text if nonlinearity == "tanh" else f"{text}, nonlinearity={nonlinearity}"

    def _input(self, input: Any, name: str) -> Any:
        """The input as a batch, and whether it was one."""
        rank = input.dim()
        if rank not in (1, 2):
            raise ValueError(f"{name}: Expected input to be 1D or 2D, got {rank}D instead")
        return input if rank == 2 else input.unsqueeze(0)

    def _state(self, input: Any, hx: Any, batched: bool) -> Any:
        """The state as a batch; zeros where none is given."""
        if hx is None:
            shape = (input._value.shape[0], self.hidden_size)
            return zeros(shape, dtype=input.dtype, device=input.device)
        return hx if batched else hx.unsqueeze(0)

    def _weights(self) -> tuple[Any, Any, Any, Any]:
        parameters = self._parameters
        try:
            return (
                parameters["weight_ih"], parameters["weight_hh"],
                parameters["bias_ih"], parameters["bias_hh"],
            )  # fmt: skip
        except KeyError:  # a parametrized one
            return self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh

    def _single(self, function: Any, input: Any, hx: Any, name: str) -> Any:
        """One step of a cell with one state."""
        if hx is not None and hx.dim() not in (1, 2):
            _refuse_input(input, name)
            raise ValueError(f"{name}: Expected hidden to be 1D or 2D, got {hx.dim()}D instead")
        batched = input.dim() == 2
        x = self._input(input, name)
        y = function(x, self._state(x, hx, batched), *self._weights())
        return y if batched else y.squeeze(0)


def _refuse_input(input: Any, name: str) -> None:
    if input.dim() not in (1, 2):
        raise ValueError(f"{name}: Expected input to be 1D or 2D, got {input.dim()}D instead")


class RNNCell(RNNCellBase):
    """h′ = tanh(W x + a + U h + b), or with relu.

    Args:
        input_size: m, length of the input.
        hidden_size: n, length of the state.
        bias: whether there are a and b.
        nonlinearity: "tanh" or "relu".
        device: where the parameters are.
        dtype: type of the parameters.
    """

    __module__ = HOME
    __constants__ = ["input_size", "hidden_size", "bias", "nonlinearity"]  # noqa: RUF012  # PyTorch's name and type

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    @override
    def forward(self, input: Any, hx: Any = None) -> Any:
        """The next state.

        Args:
            input: x, (batch, m) or (m).
            hx: h, (batch, n) or (n); by default 0.
        """
        if self.nonlinearity == "tanh":
            return self._single(rnn_tanh_cell, input, hx, "RNNCell")
        if self.nonlinearity == "relu":
            return self._single(rnn_relu_cell, input, hx, "RNNCell")
        raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")


class GRUCell(RNNCellBase):
    """r, z = σ(…), m = tanh(W x + a + r (U h + b)), h′ = (1 - z) m + z h.

    Args:
        input_size: m, length of the input.
        hidden_size: n, length of the state.
        bias: whether there are a and b.
        device: where the parameters are.
        dtype: type of the parameters.
    """

    __module__ = HOME

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    @override
    def forward(self, input: Any, hx: Any = None) -> Any:
        """As of `RNNCell`."""
        return self._single(gru_cell, input, hx, "GRUCell")


class LSTMCell(RNNCellBase):
    """i, f, o = σ(…), g = tanh(…), c′ = f c + i g, h′ = o tanh(c′).

    Args:
        input_size: m, length of the input.
        hidden_size: n, length of the state.
        bias: whether there are biases.
        device: where the parameters are.
        dtype: type of the parameters.
    """

    __module__ = HOME

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    @override
    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """The next state (h, c).

        Args:
            input: x, (batch, m) or (m).
            hx: (h, c), each (batch, n) or (n); by default 0.
        """
        batched = input.dim() == 2
        x = self._input(input, "LSTMCell")
        if hx is None:
            zero = self._state(x, None, batched)
            states: Any = (zero, zero)
        else:
            for at, state in enumerate(hx):
                if state.dim() not in (1, 2):
                    raise ValueError(
                        f"LSTMCell: Expected hx[{at}] to be 1D or 2D, got {state.dim()}D instead"
                    )
            states = hx if batched else tuple(state.unsqueeze(0) for state in hx)
        h, c = lstm_cell(x, states, *self._weights())
        return (h, c) if batched else (h.squeeze(0), c.squeeze(0))
