"""`torch.nn.modules.adaptive`: a softmax over very many classes, most of them rare."""

from collections import namedtuple
from collections.abc import Sequence
from typing import Any

from typing_extensions import override

from funcgrad.compat.torch.nn.functional import log_softmax
from funcgrad.compat.torch.nn.modules.container import ModuleList, Sequential
from funcgrad.compat.torch.nn.modules.linear import Linear
from funcgrad.compat.torch.nn.modules.module import Module

__all__ = ["AdaptiveLogSoftmaxWithLoss"]

_ASMoutput = namedtuple("_ASMoutput", ["output", "loss"])  # it prints as PyTorch's


class AdaptiveLogSoftmaxWithLoss(Module):
    """Log-probability of the target, with rare classes in clusters (E. Grave et al., 2017).

    The head tells frequent classes and clusters apart; the tail of a cluster, whose inner width
    falls by `div_value` from one cluster to the next, tells its classes apart:
    log p(class) = log p(cluster) + log p(class | cluster).

    Args:
        in_features: length of an input.
        n_classes: number of classes, ordered from frequent to rare.
        cutoffs: numbers of the first class of each cluster.
        div_value: by which the width of a cluster is divided.
        head_bias: whether the head has a bias.
        device: where the parameters are.
        dtype: their type.
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        bounds = list(cutoffs)
        if not bounds:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        if (
            bounds != sorted(set(bounds))
            or bounds[0] <= 0
            or bounds[-1] > n_classes - 1
            or any(int(c) != c for c in bounds)
        ):
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing "
                "order, where each value is between 1 and n_classes-1"
            )
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*bounds, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = bounds[0]
        self.n_clusters = len(bounds)
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, head_bias, device, dtype)
        self.tail = ModuleList()
        for i, (low, high) in enumerate(zip(bounds, self.cutoffs[1:], strict=True)):
            width = int(in_features // div_value ** (i + 1))
            self.tail.append(
                Sequential(
                    Linear(in_features, width, False, device, dtype),
                    Linear(width, high - low, False, device, dtype),
                )
            )

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        self.head.reset_parameters()
        for first, second in self.tail:
            first.reset_parameters()
            second.reset_parameters()

    @override
    def forward(self, input_: Any, target_: Any) -> Any:
        """Log-probability of each target, and minus their mean.

        Args:
            input_: (N, in_features) or (in_features).
            target_: (N) or ().
        """
        if target_.dim() > 1:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        single = target_.dim() == 0
        if single:
            if input_.dim() != 1:
                raise RuntimeError(
                    "0D target tensor expects 1D input tensors, but found inputs with size "
                    f"{input_.size()}"
                )
        elif input_.size(0) != target_.size(0):
            raise RuntimeError("Input and target should have the same size in the batch dimension.")
        input = input_.unsqueeze(0) if single else input_
        target = target_.unsqueeze(0) if single else target_
        self._check_range(target)
        in_head, parts = self._clusters_of(input, target)
        logs = log_softmax(self.head(input), dim=1)
        output = parts + logs.gather(1, in_head.unsqueeze(1)).squeeze()
        loss = (-output).mean()
        return _ASMoutput(output.squeeze(0) if single else output, loss)

    def _check_range(self, target: Any) -> None:
        if target.numel() and not bool(((target >= 0) & (target < self.n_classes)).all()):
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], but values in range "
                f"[{target.min().item()}, {target.max().item()}] were found. "
            )

    def _clusters_of(self, input: Any, target: Any) -> tuple[Any, Any]:
        """Number of each target in the head, and its log-probability within its cluster."""
        in_head = target.clone()
        parts = input.new_zeros(target.size(0))
        for i, low in enumerate(self.cutoffs[:-1]):
            inside = (target >= low) & (target < self.cutoffs[i + 1])
            rows = inside.nonzero().squeeze(1)
            if not rows.numel():
                continue
            logs = log_softmax(self.tail[i](input.index_select(0, rows)), dim=1)
            inner = (target[inside] - low).unsqueeze(1)
            parts = parts.index_copy(0, rows, logs.gather(1, inner).squeeze(1))
            in_head[inside] = self.shortlist_size + i
        return in_head, parts

    def _get_full_log_prob(self, input: Any, head_output: Any) -> Any:
        """Log-probabilities of all classes, from the result of the head."""
        out = input.new_empty((head_output.size(0), self.n_classes))
        head = log_softmax(head_output, dim=1)
        first = self.shortlist_size
        out[:, :first] = head[:, :first]
        for i, low in enumerate(self.cutoffs[:-1]):
            inner = log_softmax(self.tail[i](input), dim=1)
            out[:, low : self.cutoffs[i + 1]] = inner + head[:, first + i].unsqueeze(1)
        return out

    def log_prob(self, input: Any) -> Any:
        """Log-probabilities (N, n_classes) of all classes."""
        return self._get_full_log_prob(input, self.head(input))

    def predict(self, input: Any) -> Any:
        """The likeliest class of each input; clusters that are not likeliest are not computed."""
        head_output = self.head(input)
        output = head_output.argmax(dim=1)
        rare = output >= self.shortlist_size
        if bool(rare.any()):
            rows = rare.nonzero().squeeze(1)
            logs = self._get_full_log_prob(input[rows], head_output[rows])
            output[rows] = logs.argmax(dim=1)
        return output
