"""`torch.nn.utils.prune`: weights set to zero by masks."""

import numbers
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any

from typing_extensions import override

from funcgrad.compat.torch.nn.utils.convert_parameters import parameters_to_vector
from funcgrad.compat.torch.registry import MODULES

__all__ = [
    "BasePruningMethod",
    "CustomFromMask",
    "Identity",
    "L1Unstructured",
    "LnStructured",
    "PruningContainer",
    "RandomStructured",
    "RandomUnstructured",
    "custom_from_mask",
    "global_unstructured",
    "identity",
    "is_pruned",
    "l1_unstructured",
    "ln_structured",
    "random_structured",
    "random_unstructured",
    "remove",
]

TORCH = MODULES["torch"]


class BasePruningMethod(ABC):
    """A way to choose which elements of a tensor become zero.

    It is a hook that multiplies `name_orig` by `name_mask` before each call of the module.
    A subclass defines `compute_mask` and `PRUNING_TYPE`: "unstructured", "structured" or "global".
    """

    _tensor_name: str
    PRUNING_TYPE: str

    def __call__(self, module: Any, inputs: Any) -> None:
        """The hook."""
        setattr(module, self._tensor_name, self.apply_mask(module))

    @abstractmethod
    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The mask of a tensor: zeros where it is pruned, else the given mask.

        Args:
            t: how important the elements are.
            default_mask: the mask so far.
        """

    def apply_mask(self, module: Any) -> Any:
        """The masked tensor."""
        if not hasattr(self, "_tensor_name"):
            raise AssertionError(f"Module {module} has to be pruned")
        mask = getattr(module, self._tensor_name + "_mask")
        original = getattr(module, self._tensor_name + "_orig")
        return mask.to(dtype=original.dtype) * original

    @classmethod
    def apply(
        cls, module: Any, name: str, *args: Any, importance_scores: Any = None, **kwargs: Any
    ) -> Any:
        """Prune a tensor of a module, on top of earlier prunings.

        Args:
            module: the owner.
            name: of the tensor.
            args: of the method.
            importance_scores: what decides, in place of the values.
            kwargs: of the method.

        Returns:
            The method, which is now a hook of the module.
        """
        old = [
            (key, hook)
            for key, hook in module._forward_pre_hooks.items()
            if isinstance(hook, BasePruningMethod) and hook._tensor_name == name
        ]
        if len(old) > 1:
            raise AssertionError(
                f"Avoid adding multiple pruning hooks to the same tensor {name} of module "
                f"{module}. Use a PruningContainer."
            )
        method: Any = cls(*args, **kwargs)
        method._tensor_name = name
        if old:
            key, before = old[0]
            del module._forward_pre_hooks[key]
            if isinstance(before, PruningContainer):
                before.add_pruning_method(method)
                method = before
            else:
                method = PruningContainer(before, method)
        original = getattr(module, name)
        if importance_scores is None:
            importance_scores = original
        elif importance_scores.shape != original.shape:
            raise AssertionError(
                f"importance_scores should have the same shape as parameter {name} of {module}, "
                f"got {importance_scores.shape} vs {original.shape}"
            )
        if not isinstance(method, PruningContainer):
            module.register_parameter(name + "_orig", original)
            del module._parameters[name]
            default = TORCH["ones_like"](original)
        else:
            default = getattr(module, name + "_mask").detach().clone()
        try:
            mask = method.compute_mask(importance_scores, default_mask=default)
        except Exception:
            if not isinstance(method, PruningContainer):
                delattr(module, name + "_orig")
                module.register_parameter(name, original)
            elif old:
                module.register_forward_pre_hook(old[0][1])
            raise
        module.register_buffer(name + "_mask", mask)
        setattr(module, name, method.apply_mask(module))
        module.register_forward_pre_hook(method)
        return method

    def prune(self, t: Any, default_mask: Any = None, importance_scores: Any = None) -> Any:
        """The pruned copy of a tensor.

        Args:
            t: the tensor.
            default_mask: the mask so far; by default nothing is pruned.
            importance_scores: what decides, in place of the values.
        """
        scores = t if importance_scores is None else importance_scores
        if scores.shape != t.shape:
            raise AssertionError("importance_scores should have the same shape as tensor t")
        default = TORCH["ones_like"](t) if default_mask is None else default_mask
        return t * self.compute_mask(scores, default_mask=default)

    def remove(self, module: Any) -> None:
        """Make a parameter of the pruned tensor."""
        if not hasattr(self, "_tensor_name"):
            raise AssertionError(f"Module {module} has to be pruned before pruning can be removed")
        weight = self.apply_mask(module)
        name = self._tensor_name
        if hasattr(module, name):
            delattr(module, name)
        original = module._parameters[name + "_orig"]
        original.data = weight.data
        del module._parameters[name + "_orig"]
        del module._buffers[name + "_mask"]
        setattr(module, name, original)


class PruningContainer(BasePruningMethod):
    """Several methods one after another, each on what the earlier ones have left."""

    def __init__(self, *args: Any) -> None:
        self._pruning_methods: tuple[BasePruningMethod, ...] = ()
        if args:
            self._tensor_name = args[0]._tensor_name
        for method in args:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: Any) -> None:
        """Add a method at the end."""
        if not isinstance(method, BasePruningMethod) and method is not None:
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
        if method is None:
            return
        if self._tensor_name != method._tensor_name:
            raise ValueError(
                "Can only add pruning methods acting on the parameter named "
                f"'{self._tensor_name}' to PruningContainer {self}. Found '{method._tensor_name}'"
            )
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._pruning_methods)

    def __getitem__(self, idx: Any) -> Any:
        return self._pruning_methods[idx]

    @override
    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The mask of the last method, on what the mask so far has left."""
        method = self._pruning_methods[-1]
        mask = default_mask.to(dtype=t.dtype)
        kind = method.PRUNING_TYPE
        if kind == "unstructured":
            left: Any = mask == 1
        elif kind == "structured":
            axis = getattr(method, "dim", 0)
            axis = axis + t.dim() if axis < 0 else axis
            kept = mask.sum(dim=[d for d in range(t.dim()) if d != axis]) != 0
            left = (slice(None),) * axis + (kept,)
        elif kind == "global":
            left = (slice(None),) * t.dim()
        else:
            raise ValueError(f"Unrecognized PRUNING_TYPE {kind}")
        combined = mask.clone()
        combined[left] = method.compute_mask(t[left], default_mask=mask[left]).to(combined.dtype)
        return combined


class Identity(BasePruningMethod):
    """Prunes nothing; the tensor gets a mask of ones."""

    PRUNING_TYPE = "unstructured"

    @override
    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The mask so far."""
        return default_mask


class _Amount(BasePruningMethod):
    """A method that prunes a given number, or part, of the elements or channels."""

    def __init__(self, amount: Any) -> None:
        if not isinstance(amount, numbers.Real):
            raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
        whole = isinstance(amount, numbers.Integral)
        number = float(amount)
        if number < 0 or (not whole and not number <= 1.0):
            raise ValueError(
                f"amount={amount} should either be a float in the range [0, 1] or a non-negative "
                "integer"
            )
        self.amount: Any = amount

    def _count(self, size: int) -> int:
        """How many of so many."""
        if isinstance(self.amount, numbers.Integral):
            if int(self.amount) > size:
                raise ValueError(
                    f"amount={self.amount} should be smaller than the number of parameters to "
                    f"prune={size}"
                )
            return int(self.amount)
        return round(float(self.amount) * size)


class RandomUnstructured(_Amount):
    """Prunes elements at random."""

    PRUNING_TYPE = "unstructured"

    @override
    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """Zeros at the largest of uniform random numbers."""
        count = self._count(t.nelement())
        mask = default_mask.clone()
        if count:
            chosen = TORCH["topk"](TORCH["rand_like"](t).view(-1), k=count)
            mask.view(-1)[chosen.indices] = 0
        return mask


class L1Unstructured(_Amount):
    """Prunes the elements with the smallest absolute values."""

    PRUNING_TYPE = "unstructured"

    @override
    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """Zeros at the smallest absolute values."""
        count = self._count(t.nelement())
        mask = default_mask.clone()
        if count:
            chosen = TORCH["topk"](t.abs().reshape(-1), k=count, largest=False)
            mask.view(-1)[chosen.indices] = 0
        return mask


class _Channels(_Amount):
    """A method that prunes whole channels: places of one axis."""

    def __init__(self, amount: Any, dim: int = -1) -> None:
        super().__init__(amount)
        self.dim = dim

    def _channels(self, t: Any) -> int:
        if t.dim() <= 1:
            raise ValueError(
                "Structured pruning can only be applied to multidimensional tensors. Found tensor "
                f"of shape {t.shape} with {t.dim()} dims"
            )
        if self.dim >= t.dim():
            raise IndexError(f"Invalid index {self.dim} for tensor of size {t.shape}")
        return int(t.shape[self.dim])

    def _masked(self, t: Any, kept: Any, default_mask: Any) -> Any:
        """The mask so far with zeros in all other channels."""
        shape = [1] * t.dim()
        shape[self.dim] = -1
        return default_mask * kept.reshape(shape).to(default_mask.dtype)


class RandomStructured(_Channels):
    """Prunes channels at random."""

    PRUNING_TYPE = "structured"

    @override
    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """Zeros in the channels with the smallest of uniform random numbers."""
        size = self._channels(t)
        count = self._count(size)
        if not count:
            return default_mask
        drawn = TORCH["rand"](size)
        return self._masked(t, drawn > TORCH["kthvalue"](drawn, k=count).values, default_mask)


class LnStructured(_Channels):
    """Prunes the channels with the smallest norms."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount: Any, n: Any, dim: int = -1) -> None:
        super().__init__(amount, dim)
        self.n = n

    @override
    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """Zeros in the channels with the smallest norms of order n."""
        size = self._channels(t)
        count = self._count(size)
        if not count:
            return default_mask
        axis = self.dim + t.dim() if self.dim < 0 else self.dim
        norms = TORCH["norm"](t, p=self.n, dim=[d for d in range(t.dim()) if d != axis])
        best = TORCH["topk"](norms, k=size - count, largest=True)
        kept = TORCH["zeros_like"](norms)
        kept[best.indices] = 1
        return self._masked(t, kept, default_mask)


class CustomFromMask(BasePruningMethod):
    """Prunes where a mask is zero."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: Any) -> None:
        self.mask = mask

    @override
    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The product of both masks."""
        if default_mask.shape != self.mask.shape:
            raise AssertionError(
                f"mask and default_mask must have the same shape, got {self.mask.shape} and "
                f"{default_mask.shape}"
            )
        return default_mask * self.mask.to(dtype=default_mask.dtype)


def identity(module: Any, name: str) -> Any:
    """Give a tensor a mask of ones."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: Any, name: str, amount: Any) -> Any:
    """Prune elements at random: so many, or such a part of them."""
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module: Any, name: str, amount: Any, importance_scores: Any = None) -> Any:
    """Prune the elements with the smallest absolute values."""
    L1Unstructured.apply(module, name, amount=amount, importance_scores=importance_scores)
    return module


def random_structured(module: Any, name: str, amount: Any, dim: int) -> Any:
    """Prune channels at random."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(
    module: Any, name: str, amount: Any, n: Any, dim: int, importance_scores: Any = None
) -> Any:
    """Prune the channels with the smallest norms of order n."""
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: Any, name: str, mask: Any) -> Any:
    """Prune where a mask is zero."""
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(
    parameters: Any, pruning_method: Any, importance_scores: Any = None, **kwargs: Any
) -> None:
    """Prune elements of several tensors as if they were one.

    Args:
        parameters: pairs of a module and the name of its tensor.
        pruning_method: a class of unstructured methods.
        importance_scores: `{(module, name): scores}`.
        kwargs: of the method, such as `amount`.
    """
    if not isinstance(parameters, Iterable):
        raise TypeError("global_unstructured(): parameters is not an Iterable")
    scores = {} if importance_scores is None else importance_scores
    if not isinstance(scores, dict):
        raise TypeError("global_unstructured(): importance_scores must be of type dict")
    pairs = list(parameters)
    flat = parameters_to_vector(
        [scores.get((module, name), getattr(module, name)) for module, name in pairs]
    )
    masks = [
        getattr(module, name + "_mask", TORCH["ones_like"](getattr(module, name)))
        for module, name in pairs
    ]
    container = PruningContainer()
    container._tensor_name = "temp"
    method = pruning_method(**kwargs)
    method._tensor_name = "temp"
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found method '
            f"{pruning_method} of type {method.PRUNING_TYPE}"
        )
    container.add_pruning_method(method)
    final = container.compute_mask(flat, parameters_to_vector(masks))
    start = 0
    for module, name in pairs:
        value = getattr(module, name)
        end = start + value.numel()
        custom_from_mask(module, name, mask=final[start:end].view_as(value))
        start = end


def remove(module: Any, name: str) -> Any:
    """Make a parameter of a pruned tensor, which stays pruned.

    Raises:
        ValueError: if it is not pruned.
    """
    for key, hook in list(module._forward_pre_hooks.items()):
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:
            hook.remove(module)
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(
        f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed"
    )


def is_pruned(module: Any) -> bool:
    """Whether a tensor of the module, or of one below, is pruned."""
    return any(
        isinstance(hook, BasePruningMethod)
        for _, one in module.named_modules()
        for hook in one._forward_pre_hooks.values()
    )
