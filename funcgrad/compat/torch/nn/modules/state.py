"""The state of a module as a dictionary: `state_dict`, `load_state_dict` and their hooks."""

import warnings
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Mapping
from typing import Any

from typing_extensions import override

from funcgrad.compat.torch.grad_mode import no_grad
from funcgrad.compat.torch.nn.parameter import Parameter
from funcgrad.compat.torch.node import RemovableHandle
from funcgrad.compat.torch.tensor import Tensor

__all__ = ["EXTRA_STATE", "Stateful"]

EXTRA_STATE = "_extra_state"
"""Last part of the name under which `get_extra_state()` stands in a state dictionary."""


BY_POSITION = (
    "Positional args are being deprecated, use kwargs instead. Refer to "
    "https://pytorch.org/docs/main/generated/torch.nn.Module.html#torch.nn.Module.state_dict for "
    "details."
)


class _IncompatibleKeys(namedtuple("_IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """Names that a loaded dictionary lacked, and those it had in excess."""

    __slots__ = ()

    @override
    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__()

    __str__ = __repr__


class Stateful:
    """The part of `Module` that saves and loads its state."""

    _version: int
    _parameters: dict[str, Any]
    _buffers: dict[str, Any]
    _modules: dict[str, Any]
    _non_persistent_buffers_set: set[str]
    _state_dict_hooks: dict[int, Any]
    _state_dict_pre_hooks: dict[int, Any]
    _load_state_dict_pre_hooks: dict[int, Any]
    _load_state_dict_post_hooks: dict[int, Any]

    # --- hooks ----------------------------------------------------------------------------

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, prefix, keep_vars)` before the state is written down."""
        return RemovableHandle(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata)` after it; it changes in place."""
        hook._from_public_api = True  # type: ignore[attr-defined]  # tells it from the older kind
        return RemovableHandle(self._state_dict_hooks, hook)

    def _register_state_dict_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        if getattr(hook, "_from_public_api", False):
            raise RuntimeError(
                "Cannot register the same function as the state dict post hook that was "
                "previously registered via register_state_dict_post_hook"
            )
        return RemovableHandle(self._state_dict_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call a hook before a state is read.

        Args:
            hook: `(module, state_dict, prefix, local_metadata, strict, missing_keys,
                unexpected_keys, error_msgs)`; it may change the dictionary and the lists.
        """
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], with_module: bool = False
    ) -> RemovableHandle:
        if not with_module:
            return RemovableHandle(self._load_state_dict_pre_hooks, hook)
        return RemovableHandle(self._load_state_dict_pre_hooks, _WithModule(hook, self))

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, incompatible_keys)` after a state was read."""
        return RemovableHandle(self._load_state_dict_post_hooks, hook)

    # --- writing --------------------------------------------------------------------------

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        """Enter what belongs to this module itself."""
        for name, parameter in self._parameters.items():
            if parameter is not None:
                destination[prefix + name] = parameter if keep_vars else parameter.detach()
        for name, buffer in self._buffers.items():
            if buffer is not None and name not in self._non_persistent_buffers_set:
                destination[prefix + name] = buffer if keep_vars else buffer.detach()
        if _defines(self, "get_extra_state"):
            destination[prefix + EXTRA_STATE] = self.get_extra_state()  # type: ignore[attr-defined]  # of the tree

    def state_dict(
        self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> Any:
        """All parameters and persistent buffers by name, sharing memory with the module's.

        Args:
            args: the following three by position, which is deprecated.
            destination: a dictionary to enter them into.
            prefix: put before every name.
            keep_vars: whether tensors stay in the graph; else they are detached.
        """
        if args:
            warnings.warn(BY_POSITION, FutureWarning, stacklevel=2)
            named = dict(zip(("destination", "prefix", "keep_vars"), args, strict=False))
            destination = named["destination"] if destination is None else destination
            prefix = prefix or named.get("prefix", "")
            keep_vars = keep_vars or named.get("keep_vars", False)
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = metadata
        for hook in list(self._state_dict_pre_hooks.values()):
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(
                    destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
                )
        for hook in list(self._state_dict_hooks.values()):
            result = hook(self, destination, prefix, metadata)
            if not getattr(hook, "_from_public_api", False):
                destination = destination if result is None else result
            elif result is not None:
                raise RuntimeError("state_dict post-hook must return None")
        return destination

    # --- reading --------------------------------------------------------------------------

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Read what belongs to this module itself; errors are noted, not raised."""
        for hook in list(self._load_state_dict_pre_hooks.values()):
            hook(
                state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys,
                error_msgs,
            )  # fmt: skip
        persistent = {
            name: buffer
            for name, buffer in self._buffers.items()
            if name not in self._non_persistent_buffers_set
        }
        assign = bool(local_metadata.get("assign_to_params_buffers", False))
        own = {
            name: tensor
            for name, tensor in (*self._parameters.items(), *persistent.items())
            if tensor is not None
        }
        for name, tensor in own.items():
            key = prefix + name
            if key in state_dict:
                self._load_one(name, tensor, key, state_dict[key], assign, error_msgs)
            elif strict:
                missing_keys.append(key)
        key = prefix + EXTRA_STATE
        if _defines(self, "set_extra_state"):
            if key in state_dict:
                self.set_extra_state(state_dict[key])  # type: ignore[attr-defined]  # of the tree
            elif strict:
                missing_keys.append(key)
        elif strict and key in state_dict:
            unexpected_keys.append(key)
        if strict:
            unexpected_keys += self._strangers(state_dict, prefix, own)

    def _strangers(self, state_dict: Any, prefix: str, own: dict[str, Any]) -> list[str]:
        """Names of a dictionary with the prefix that are none of the module's."""
        found = []
        for key in state_dict:
            if key.startswith(prefix) and key != prefix + EXTRA_STATE:
                first, *rest = key[len(prefix) :].split(".", 1)
                if first not in (self._modules if rest else own):
                    found.append(key)
        return found

    def _load_one(
        self, name: str, own: Any, key: str, found: Any, assign: bool, error_msgs: list[str]
    ) -> None:
        given: Any = found
        if not isinstance(found, Tensor):
            error_msgs.append(
                f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like '
                f"object from checkpoint but received {type(given)}"
            )
            return
        lazy = getattr(own, "is_lazy", False)
        if not lazy and own.dim() == 0 and given.dim() == 1 and given.numel() == 1:
            given = given[0]  # as files of early versions have it
        if not lazy and given.shape != own.shape:
            error_msgs.append(
                f"size mismatch for {key}: copying a param with shape {given.shape} from "
                f"checkpoint, the shape in current model is {own.shape}."
            )
            return
        if own.is_meta and not given.is_meta and not assign:
            warnings.warn(
                f"for {key}: copying from a non-meta parameter in the checkpoint to a meta "
                "parameter in the current model, which is a no-op. (Did you mean to pass "
                "`assign=True` to assign items in the state dictionary to their corresponding key "
                "in the module instead of copying them in place?)",
                stacklevel=2,
            )
        try:
            with no_grad():
                if assign:
                    if isinstance(own, Parameter) and not isinstance(given, Parameter):
                        given = Parameter(given, requires_grad=own.requires_grad)
                    setattr(self, name, given)
                elif not own.is_meta:
                    own.copy_(given)
        except Exception as error:  # noqa: BLE001  # noted with the others
            error_msgs.append(
                f'While {"assigning" if assign else "copying"} the parameter named "{key}", whose '
                f"dimensions in the model are {own.size()} and whose dimensions in the checkpoint "
                f"are {given.size()}, an exception occurred : {error.args}."
            )

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> _IncompatibleKeys:
        """Copy the tensors of a dictionary into the parameters and buffers of the same names.

        Args:
            state_dict: what `state_dict()` gave.
            strict: whether all names must be in both.
            assign: whether the tensors themselves take the places, in place of a copy.

        Returns:
            The names that were missing and those in excess.

        Raises:
            RuntimeError: if names differ and `strict`, or if shapes differ; it lists all of them.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        missing: list[str] = []
        unexpected: list[str] = []
        errors: list[str] = []
        metadata = getattr(state_dict, "_metadata", None)
        copied: Any = OrderedDict(state_dict)
        if metadata is not None:
            copied._metadata = metadata

        _load(self, copied, "", metadata, assign, _IncompatibleKeys(missing, unexpected), errors)
        if strict:
            for keys, what in ((unexpected, "Unexpected"), (missing, "Missing")):
                if keys:
                    listed = ", ".join(f'"{key}"' for key in keys)
                    errors.insert(0, f"{what} key(s) in state_dict: {listed}. ")
        if errors:
            raise RuntimeError(
                "\n\t".join([f"Error(s) in loading state_dict for {type(self).__name__}:", *errors])
            )
        return _IncompatibleKeys(missing, unexpected)


def _load(
    module: Any,
    state: Any,
    prefix: str,
    metadata: Any,
    assign: bool,
    keys: _IncompatibleKeys,
    errors: list[str],
) -> None:
    """Read a dictionary into a module and those below; what is wrong is entered into the lists."""
    noted = {} if metadata is None else dict(metadata.get(prefix[:-1], {}))
    if assign:
        noted["assign_to_params_buffers"] = True
    missing, unexpected = keys
    module._load_from_state_dict(state, prefix, noted, True, missing, unexpected, errors)
    for name, child in module._modules.items():
        if child is not None:
            inner = f"{prefix}{name}."
            part = {key: value for key, value in state.items() if key.startswith(inner)}
            _load(child, part, inner, metadata, assign, keys, errors)
    for hook in list(module._load_state_dict_post_hooks.values()):
        if hook(module, keys) is not None:
            raise AssertionError(
                "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to "
                "return new values, if incompatible_keys need to be modified, it should be done "
                "inplace."
            )


class _WithModule:
    """A hook that is given its module."""

    def __init__(self, hook: Callable[..., Any], module: Any) -> None:
        self.hook = hook
        self.module = module

    def __call__(self, *args: Any) -> Any:
        """The hook, with the module first."""
        return self.hook(self.module, *args)


def _defines(module: Any, name: str) -> bool:
    """Whether a subclass defines one of the methods about extra state."""
    return bool(getattr(type(module), name).__module__ != _TREE)


_TREE = "funcgrad.compat.torch.nn.modules.tree"
