"""What every distribution is: shapes, parameters and their constraints, samples, densities."""

import warnings
from typing import Any, ClassVar

from funcgrad.compat.torch.distributions import constraints
from funcgrad.compat.torch.distributions.names import torch
from funcgrad.compat.torch.distributions.utils import all_true, lazy_property
from funcgrad.compat.torch.dtypes import Size
from funcgrad.compat.torch.tensor import Tensor

__all__ = ["Distribution"]


class Distribution:
    """A probability distribution, or a batch of independent ones.

    A sample has the shape `sample_shape + batch_shape + event_shape`, its log-density the shape
    `sample_shape + batch_shape`.

    Args:
        batch_shape: of the parameters that differ from one distribution of the batch to the next.
        event_shape: of a single draw.
        validate_args: whether parameters, and later values, are checked against their constraints;
            by default as `set_default_validate_args` says.
    """

    has_rsample = False
    has_enumerate_support = False
    _validate_args = __debug__
    _fields: ClassVar[dict[str, int]]
    """Parameters that have the batch's shape, and how many axes of an event follow."""

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Say whether distributions check their arguments when they are not told.

        Raises:
            ValueError: the value is not a boolean.
        """
        if value not in (True, False):
            raise ValueError
        Distribution._validate_args = value

    def __init__(
        self, batch_shape: Any = (), event_shape: Any = (), validate_args: Any = None
    ) -> None:
        self._batch_shape = Size(batch_shape)
        self._event_shape = Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._check_parameters()

    def _check_parameters(self) -> None:
        try:
            wanted = self.arg_constraints
        except NotImplementedError:
            wanted = {}
            warnings.warn(
                f"{self.__class__} does not define `arg_constraints`. Please set `arg_constraints "
                "= {}` or initialize the distribution with `validate_args=False` to turn off "
                "validation.",
                stacklevel=3,
            )
        for name, constraint in wanted.items():
            if constraints.is_dependent(constraint):
                continue
            if name not in self.__dict__ and isinstance(
                getattr(type(self), name, None), lazy_property
            ):
                continue  # computed of another, which is checked
            value = getattr(self, name)
            if not all_true(constraint.check(value)):
                raise ValueError(
                    f"Expected parameter {name} ({type(value).__name__} of shape "
                    f"{tuple(value.shape)}) of distribution {self!r} to satisfy the constraint "
                    f"{constraint!r}, but found invalid values:\n{value}"
                )

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same distributions, repeated to a larger batch."""
        owner = next((kind for kind in type(self).__mro__ if "_fields" in vars(kind)), None)
        if owner is None:
            raise NotImplementedError
        new = self._get_checked_instance(owner, _instance)
        batch_shape = Size(batch_shape)
        for name, dims in self._fields.items():
            if name in self.__dict__:
                value = self.__dict__[name]
                event = value.shape[value.dim() - dims :]
                new.__dict__[name] = value.expand(batch_shape + event)
        return self._completed(new, batch_shape)

    def _completed(self, new: Any, batch_shape: Any, event_shape: Any = None) -> Any:
        """A copy that has its parameters, with its shapes and its way of validation."""
        event = self._event_shape if event_shape is None else event_shape
        Distribution.__init__(new, Size(batch_shape), event, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def batch_shape(self) -> Any:
        """Shape of the batch."""
        return self._batch_shape

    @property
    def event_shape(self) -> Any:
        """Shape of a single draw."""
        return self._event_shape

    @property
    def arg_constraints(self) -> dict[str, Any]:
        """Which values the parameters may have, by name."""
        raise NotImplementedError

    @property
    def support(self) -> Any:
        """The constraint that every value satisfies."""
        raise NotImplementedError

    @property
    def mean(self) -> Any:
        """The mean."""
        raise NotImplementedError

    @property
    def mode(self) -> Any:
        """Where the density is largest."""
        raise NotImplementedError(f"{self.__class__} does not implement mode")

    @property
    def variance(self) -> Any:
        """The mean squared distance from the mean."""
        raise NotImplementedError

    @property
    def stddev(self) -> Any:
        """The root of the variance."""
        return self.variance.sqrt()

    def sample(self, sample_shape: Any = ()) -> Any:
        """Values drawn from the distribution, without derivative."""
        with torch.no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Values drawn as a differentiable function of the parameters and of noise."""
        raise NotImplementedError

    def sample_n(self, n: int) -> Any:
        """`sample((n,))`."""
        warnings.warn(
            "`sample_n(n)` will be deprecated. Use `sample((n,))` instead.",
            FutureWarning,
            stacklevel=2,
        )
        return self.sample(Size((n,)))

    def log_prob(self, value: Any) -> Any:
        """Logarithm of the density, or of the probability, at a value."""
        raise NotImplementedError

    def cdf(self, value: Any) -> Any:
        """Probability of the values up to this one."""
        raise NotImplementedError

    def icdf(self, value: Any) -> Any:
        """The value up to which lies this probability."""
        raise NotImplementedError

    def enumerate_support(self, expand: bool = True) -> Any:
        """Every value of a discrete distribution along a new first axis.

        Args:
            expand: whether to repeat them for the whole batch, rather than leave lengths of 1.
        """
        raise NotImplementedError

    def entropy(self) -> Any:
        """The mean of −log p."""
        raise NotImplementedError

    def perplexity(self) -> Any:
        """exp of the entropy."""
        return torch.exp(self.entropy())

    def _extended_shape(self, sample_shape: Any = ()) -> Any:
        """Shape of a sample."""
        if not isinstance(sample_shape, Size):
            sample_shape = Size(sample_shape)
        return Size(sample_shape + self._batch_shape + self._event_shape)

    def _validate_sample(self, value: Any) -> None:
        """Refuse a value that cannot have been drawn.

        Raises:
            ValueError: it is no tensor, of another shape, or outside of the support.
        """
        if not isinstance(value, Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")  # PyTorch's
        shape = value.size()
        event = self._event_shape
        if shape[len(shape) - len(event) :] != event:
            raise ValueError(
                f"The right-most size of value must match event_shape: {shape} vs {event}."
            )
        whole = self._batch_shape + event
        if any(a not in (1, b) and b != 1 for a, b in zip(shape[::-1], whole[::-1], strict=False)):
            raise ValueError(
                "Value is not broadcastable with batch_shape+event_shape: "
                f"{shape} vs {Size(whole)}."
            )
        try:
            support = self.support
        except NotImplementedError:
            warnings.warn(
                f"{self.__class__} does not define `support` to enable sample validation. Please "
                "initialize the distribution with `validate_args=False` to turn off validation.",
                stacklevel=3,
            )
            return
        if not all_true(support.check(value)):
            raise ValueError(
                f"Expected value argument ({type(value).__name__} of shape {tuple(shape)}) to be "
                f"within the support ({support!r}) of the distribution {self!r}, but found invalid "
                f"values:\n{value}"
            )

    def _get_checked_instance(self, cls: Any, _instance: Any = None) -> Any:
        """A bare object for `expand` to complete, or the one that is given.

        Raises:
            NotImplementedError: a subclass has another constructor, and no `expand` of its own.
        """
        if _instance is not None:
            return _instance
        if type(self).__init__ is not cls.__init__:
            raise NotImplementedError(
                f"Subclass {type(self).__name__} of {cls.__name__} that defines a custom __init__ "
                "method must also define a custom .expand() method."
            )
        return self.__new__(type(self))

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{name}: {value if value.numel() == 1 else value.size()}"
            for name in self.arg_constraints
            if (value := self.__dict__.get(name)) is not None
        )
        return f"{type(self).__name__}({shown})"
