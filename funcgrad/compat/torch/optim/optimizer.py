"""What all optimisers share: groups of parameters, their state, hooks, and the state as a dict."""

import functools
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Hashable, Iterable
from copy import deepcopy
from itertools import chain
from typing import Any, TypeAlias, cast

from typing_extensions import override

from funcgrad.compat.torch.compilation_breaks import refuse
from funcgrad.compat.torch.grad_mode import enable_grad
from funcgrad.compat.torch.node import RemovableHandle
from funcgrad.compat.torch.tensor import Tensor

__all__ = [
    "Optimizer",
    "register_optimizer_step_post_hook",
    "register_optimizer_step_pre_hook",
]

ParamsT: TypeAlias = Iterable[Any]
"""Tensors, `(name, tensor)` pairs, or dicts of a group each."""

Closure: TypeAlias = Callable[[], Any] | None
"""Computes the loss again, with gradients."""

_global_optimizer_pre_hooks: dict[int, Callable[..., Any]] = OrderedDict()
_global_optimizer_post_hooks: dict[int, Callable[..., Any]] = OrderedDict()


class _RequiredParameter:
    """Stands for an option that has no default."""

    @override
    def __repr__(self) -> str:
        return "<required parameter>"


required = _RequiredParameter()

_HOOKS = (
    "_optimizer_step_pre_hooks",
    "_optimizer_step_post_hooks",
    "_optimizer_state_dict_pre_hooks",
    "_optimizer_state_dict_post_hooks",
    "_optimizer_load_state_dict_pre_hooks",
    "_optimizer_load_state_dict_post_hooks",
)
_MIXED = "all optimizer params should be with/without names. Some param names are missing"
_MIXED_GROUPS = (
    "all optimizer param groups should be with/without names. cannot add param group {} names to "
    "the optimizer"
)
_DUPLICATES = (
    "optimizer contains a parameter group with duplicate parameters; in future, this will cause an "
    "error; see github.com/pytorch/pytorch/issues/40967 for more information"
)


def register_optimizer_step_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(optimizer, args, kwargs)` before each step of any optimiser."""
    return RemovableHandle(_global_optimizer_pre_hooks, hook)


def register_optimizer_step_post_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(optimizer, args, kwargs)` after each step of any optimiser."""
    return RemovableHandle(_global_optimizer_post_hooks, hook)


def _type_name(thing: Any) -> str:
    if isinstance(thing, Tensor):
        return str(thing.type())  # type: ignore[attr-defined]  # entered
    kind = type(thing)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


class Optimizer:
    """Moves parameters along their gradients; a subclass says how, in `step`.

    Attributes:
        defaults: options of groups that do not give their own.
        param_groups: `{"params": [...], option: value, ...}` for each group.
        state: what the optimiser remembers of each parameter.
    """

    defaults: dict[str, Any]
    param_groups: list[dict[str, Any]]
    state: Any

    _later: tuple[tuple[str, Any], ...] = ()
    """Options that files written long ago may lack, with what they meant then."""

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self._make_hooks()
        self._patch_step_function()
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, "
                f"but got {_type_name(params)}"
            )
        self.state = defaultdict(dict)
        self.param_groups = []
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(cast(dict[str, Any], group))

    def _make_hooks(self) -> None:
        for name in _HOOKS:
            if name not in self.__dict__:
                self.__dict__[name] = OrderedDict()

    # --- copies and files ---------------------------------------------------------------------

    @override
    def __getstate__(self) -> dict[str, Any]:
        return {
            "defaults": self.defaults,
            "state": self.state,
            "param_groups": self.param_groups,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._make_hooks()
        self._patch_step_function()
        self.defaults.setdefault("differentiable", False)
        for group in self.param_groups:
            for name, value in self._later:
                group.setdefault(name, value)

    @override
    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for number, group in enumerate(self.param_groups):
            lines += [*([""] if number else []), f"Parameter Group {number}"]
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join([*lines, ")"])

    # --- steps --------------------------------------------------------------------------------

    @staticmethod
    def profile_hook_step(func: Callable[..., Any]) -> Callable[..., Any]:
        """A step that calls the hooks before and after it."""

        @functools.wraps(func)
        def step(*args: Any, **kwargs: Any) -> Any:
            refuse("it calls the step of an optimiser")
            self: Optimizer = args[0]
            for hook in chain(
                _global_optimizer_pre_hooks.values(), self._optimizer_step_pre_hooks.values()
            ):
                result = hook(self, args, kwargs)
                if result is None:
                    continue
                if not isinstance(result, tuple) or len(result) != 2:
                    raise RuntimeError(
                        f"{func} must return None or a tuple of (new_args, new_kwargs), but got "
                        f"{result}."
                    )
                args, kwargs = result
            out = func(*args, **kwargs)
            for hook in chain(
                self._optimizer_step_post_hooks.values(), _global_optimizer_post_hooks.values()
            ):
                hook(self, args, kwargs)
            return out

        return step

    def _patch_step_function(self) -> None:
        kind: Any = type(self)
        if not getattr(kind.step, "hooked", False):
            kind.step = self.profile_hook_step(kind.step)
            kind.step.hooked = True

    def step(self, closure: Closure = None) -> Any:
        """Move the parameters once.

        Args:
            closure: computes the loss again.

        Returns:
            What the closure returned.
        """
        raise NotImplementedError

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or make them zeros."""
        for group in self.param_groups:
            for p in group["params"]:
                grad = p._grad
                if grad is None:
                    continue
                if set_to_none:
                    p._grad = None
                    continue
                if grad._node is not None:
                    grad.detach_()
                else:
                    grad._requires = False
                grad.zero_()

    @staticmethod
    def _loss_of(closure: Closure) -> Any:
        """The loss again, with gradients; `None` without a closure."""
        if closure is None:
            return None
        with enable_grad():
            return closure()

    # --- hooks --------------------------------------------------------------------------------

    _optimizer_step_pre_hooks: dict[int, Callable[..., Any]]
    _optimizer_step_post_hooks: dict[int, Callable[..., Any]]
    _optimizer_state_dict_pre_hooks: "OrderedDict[int, Callable[..., Any]]"
    _optimizer_state_dict_post_hooks: "OrderedDict[int, Callable[..., Any]]"
    _optimizer_load_state_dict_pre_hooks: "OrderedDict[int, Callable[..., Any]]"
    _optimizer_load_state_dict_post_hooks: "OrderedDict[int, Callable[..., Any]]"

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` before each step; it may return new arguments."""
        return RemovableHandle(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` after each step."""
        return RemovableHandle(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer)` before `state_dict`."""
        return _registered(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` after `state_dict`; it may return another one."""
        return _registered(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` before loading; it may return another one."""
        return _registered(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer)` after loading."""
        return _registered(self._optimizer_load_state_dict_post_hooks, hook, prepend)

    # --- the state as a dict ------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Groups and state, with a number in the place of each parameter."""
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        numbers: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            for p in group["params"]:
                numbers.setdefault(id(p), len(numbers))
            packed = {key: value for key, value in group.items() if key != "params"}
            packed["params"] = [numbers[id(p)] for p in group["params"]]
            groups.append(packed)
        state = {
            numbers[id(key)] if isinstance(key, Tensor) else key: value
            for key, value in self.state.items()
        }
        found: dict[str, Any] = {"state": state, "param_groups": groups}
        for hook in self._optimizer_state_dict_post_hooks.values():
            changed = hook(self, found)
            if changed is not None:
                found = changed
        return found

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over groups and state: tensors of the state get the types of their parameters.

        Raises:
            ValueError: if the groups have other numbers of parameters.
        """
        state_dict = state_dict.copy()
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            changed = hook(self, state_dict)
            if changed is not None:
                state_dict = changed
        groups, saved = self.param_groups, deepcopy(state_dict["param_groups"])
        if len(groups) != len(saved):
            raise ValueError("loaded state dict has a different number of parameter groups")
        if any(len(a["params"]) != len(b["params"]) for a, b in zip(groups, saved, strict=True)):
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of "
                "optimizer's group"
            )
        parameters = chain.from_iterable(group["params"] for group in groups)
        numbers = chain.from_iterable(group["params"] for group in saved)
        by_number = dict(zip(numbers, parameters, strict=True))
        state: Any = defaultdict(dict)
        for number, value in state_dict["state"].items():
            if number in by_number:
                p = by_number[number]
                state[p] = self._fitted(p, value, number, state_dict["param_groups"])
            else:
                state[number] = value
        for old, new in zip(groups, saved, strict=True):
            new["params"] = old["params"]
            if "param_names" in old and "param_names" not in new:
                new["param_names"] = old["param_names"]
        self.__setstate__({"state": state, "param_groups": saved})
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    def _fitted(
        self, p: Tensor, value: Any, number: Any, groups: list[Any], key: Hashable = None
    ) -> Any:
        """A saved value for a parameter: its tensors, however deep, with the type they need."""
        if isinstance(value, Tensor):
            return Optimizer._process_value_according_to_param_policy(p, value, number, groups, key)
        if isinstance(value, dict):
            return {k: self._fitted(p, v, number, groups, k) for k, v in value.items()}
        if isinstance(value, str | bytes) or not isinstance(value, Iterable):
            return value
        kind: Any = type(value)
        return kind(self._fitted(p, item, number, groups) for item in value)

    @staticmethod
    def _process_value_according_to_param_policy(
        param: Tensor,
        value: Tensor,
        param_id: Any,
        param_groups: list[dict[str, Any]],
        key: Hashable = None,
    ) -> Tensor:
        """Counts stay as they are (float32 if captured or fused), the rest gets p's type."""
        if key == "step":
            group = next((one for one in param_groups if param_id in one["params"]), {})
            if group.get("fused") or group.get("capturable"):
                return value.float()  # type: ignore[attr-defined,no-any-return]  # a tensor
            return value
        if param.dtype.is_floating_point:
            return value.to(param.dtype)  # type: ignore[attr-defined,no-any-return]  # a tensor
        return value

    # --- groups -------------------------------------------------------------------------------

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Optimise further parameters, with options of their own.

        Raises:
            TypeError: if a parameter is no tensor, or they come in no order.
            ValueError: if a parameter is no leaf or is optimised already, if some have names and
                some have none, or if a required option is missing.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params = param_group["params"]
        if isinstance(params, Tensor):
            param_group["params"] = [params]
        elif isinstance(params, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the "
                "ordering of tensors in sets will change between runs. Please use a list instead."
            )
        else:
            param_group["params"] = list(params)
        _take_names(param_group)
        self._check_params(param_group["params"])
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(
                    "parameter group didn't specify a value of required optimization parameter "
                    f"{name}"
                )
            param_group.setdefault(name, default)
        self._check_group(param_group)
        self.param_groups.append(param_group)

    def _check_params(self, params: list[Any]) -> None:
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(
                    f"optimizer can only optimize Tensors, but one of the params is {_type_name(p)}"
                )
            if not self.defaults.get("differentiable") and p._node is not None and not p._retains:
                raise ValueError("can't optimize a non-leaf Tensor")

    def _check_group(self, param_group: dict[str, Any]) -> None:
        params = param_group["params"]
        own = {id(p) for p in params}
        if len(own) != len(params):
            warnings.warn(_DUPLICATES, UserWarning, stacklevel=4)
        named = "param_names" in param_group
        for group in self.param_groups:
            if ("param_names" in group) is not named:
                raise ValueError(_MIXED_GROUPS.format("with" if named else "without"))
        if any(id(p) in own for group in self.param_groups for p in group["params"]):
            raise ValueError("some parameters appear in more than one parameter group")


def _registered(hooks: Any, hook: Callable[..., Any], prepend: bool) -> RemovableHandle:
    handle = RemovableHandle(hooks, hook)
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


def _take_names(param_group: dict[str, Any]) -> None:
    """Part `(name, tensor)` pairs into `params` and `param_names`."""
    params = param_group["params"]
    named = [isinstance(p, tuple) for p in params]
    if not any(named):
        return
    if not all(named):
        raise ValueError(_MIXED)
    param_group["params"] = [p for _, p in params]
    param_group["param_names"] = [name for name, _ in params]
