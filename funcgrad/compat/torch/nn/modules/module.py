"""`torch.nn.Module`: functions that own their parameters.

The class is put together of parts: the tree of modules and what they own (here and in
`tree`), hooks around the call (`hooks`), the state as a dictionary (`state`), and conversions of
all tensors at once (`conversion`).
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from typing_extensions import override

from funcgrad.compat.torch.arguments import FAILURES
from funcgrad.compat.torch.guarding import traced_back
from funcgrad.compat.torch.nn.modules.conversion import Converting
from funcgrad.compat.torch.nn.modules.hooks import (
    GLOBAL,
    Hooked,
    hooked_call,
    register_module_backward_hook,
    register_module_buffer_registration_hook,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from funcgrad.compat.torch.nn.modules.state import Stateful
from funcgrad.compat.torch.nn.modules.tree import Tree
from funcgrad.compat.torch.nn.parameter import Buffer, Parameter
from funcgrad.compat.torch.settings import typename
from funcgrad.compat.torch.tensor import Tensor

__all__ = [
    "Module",
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]


class Module(Tree, Hooked, Stateful, Converting):
    """A part of a network: a function that owns parameters, buffers and further modules.

    A subclass sets them as attributes in `__init__`, after `super().__init__()`, and defines
    `forward`. What is an attribute is found by `parameters`, `state_dict`, `to`, ...

    Example:
        >>> import funcgrad.compat.torch as torch
        >>> class Scale(torch.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.factor = torch.nn.Parameter(torch.tensor(2.0))
        ...
        ...     def forward(self, x):
        ...         return self.factor * x
        >>> Scale()(torch.ones(2))
        tensor([2., 2.], grad_fn=<MulBackward0>)
    """

    dump_patches: bool = False
    _version: int = 1
    call_super_init: bool = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not self.call_super_init:
            name = type(self).__name__
            if kwargs:
                raise TypeError(
                    f"{name}.__init__() got an unexpected keyword argument '{next(iter(kwargs))}'"
                )
            if args:
                raise TypeError(
                    f"{name}.__init__() takes 1 positional argument but {len(args) + 1} were given"
                )
        self.__dict__.update(
            training=True,
            _parameters={},
            _buffers={},
            _non_persistent_buffers_set=set(),
            _backward_pre_hooks=OrderedDict(),
            _backward_hooks=OrderedDict(),
            _is_full_backward_hook=None,
            _forward_hooks=OrderedDict(),
            _forward_hooks_with_kwargs=OrderedDict(),
            _forward_hooks_always_called=OrderedDict(),
            _forward_pre_hooks=OrderedDict(),
            _forward_pre_hooks_with_kwargs=OrderedDict(),
            _state_dict_hooks=OrderedDict(),
            _state_dict_pre_hooks=OrderedDict(),
            _load_state_dict_pre_hooks=OrderedDict(),
            _load_state_dict_post_hooks=OrderedDict(),
            _modules={},
        )
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    # --- the call -------------------------------------------------------------------------

    def forward(self, *input: Any) -> Any:
        """What the module computes; every subclass defines it."""
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """`forward`, with the hooks before and after it."""
        d = self.__dict__
        if "_compiled_call_impl" in d:
            return d["_compiled_call_impl"](*args, **kwargs)
        try:
            hooked = (
                d["_backward_hooks"]
                or d["_forward_hooks"]
                or d["_forward_pre_hooks"]
                or d["_backward_pre_hooks"]
                or GLOBAL.any
            )
        except KeyError as error:
            raise AttributeError(
                f"'{type(self).__name__}' object has no attribute '{error.args[0]}'"
            ) from None
        try:
            if hooked:
                return hooked_call(self, args, kwargs)
            return self.forward(*args, **kwargs)
        except FAILURES as error:
            found = traced_back(error)
            if found is None:
                raise
            raise found from None

    def _call_impl(self, *args: Any, **kwargs: Any) -> Any:
        return hooked_call(self, args, kwargs)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile the calls of this module, in place; arguments as of `torch.compile`."""
        COMPILING["compile"](self, *args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        state.pop("_compiled_call_impl", None)
        return state

    # --- attributes -----------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        d = self.__dict__
        for table in ("_parameters", "_buffers", "_modules"):
            found = d.get(table)
            if found is not None and name in found:
                return found[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    @override
    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Parameter):
            if "_parameters" not in self.__dict__:
                raise AttributeError("cannot assign parameters before Module.__init__() call")
            self._forget(name, "_buffers", "_modules", "_non_persistent_buffers_set")
            self.register_parameter(name, value)
            return
        d = self.__dict__
        parameters = d.get("_parameters")
        if parameters is not None and name in parameters:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{typename(value)}' as parameter '{name}' "
                    "(torch.nn.Parameter or None expected)"
                )
            self.register_parameter(name, value)
            return
        modules = d.get("_modules")
        if isinstance(value, Module):
            if modules is None:
                raise AttributeError("cannot assign module before Module.__init__() call")
            self._forget(name, "_parameters", "_buffers", "_non_persistent_buffers_set")
            modules[name] = GLOBAL.registered(GLOBAL.modules, self, name, value)
            return
        if modules is not None and name in modules:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{typename(value)}' as child module '{name}' "
                    "(torch.nn.Module or None expected)"
                )
            modules[name] = GLOBAL.registered(GLOBAL.modules, self, name, value)
            return
        buffers = d.get("_buffers")
        if isinstance(value, Buffer) or (buffers is not None and name in buffers):
            self._set_buffer(name, value)
            return
        super().__setattr__(name, value)

    def _set_buffer(self, name: str, value: Any) -> None:
        if value is not None and not isinstance(value, Tensor):
            raise TypeError(
                f"cannot assign '{typename(value)}' as buffer '{name}' "
                "(torch.nn.Buffer, torch.Tensor or None expected)"
            )
        if isinstance(value, Buffer):
            self._forget(name, "_parameters", "_modules")
            self.register_buffer(name, value, value.persistent)  # type: ignore[attr-defined]  # a mark
        else:
            self._buffers[name] = GLOBAL.registered(GLOBAL.buffers, self, name, value)

    def _forget(self, name: str, *tables: str) -> None:
        """Take a name out of where an older attribute of this name stands."""
        d = self.__dict__
        d.pop(name, None)
        for table in tables:
            found = d.get(table)
            if found is not None and name in found:
                if isinstance(found, set):
                    found.discard(name)
                else:
                    del found[name]

    @override
    def __delattr__(self, name: str) -> None:
        for table in (self._parameters, self._buffers, self._modules):
            if name in table:
                del table[name]
                self._non_persistent_buffers_set.discard(name)
                return
        super().__delattr__(name)

    @override
    def __dir__(self) -> list[str]:
        names = {*dir(type(self)), *self.__dict__, *self._parameters, *self._modules}
        names |= set(self._buffers)
        return sorted(name for name in names if not name[0].isdigit())

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for table in _LATER_TABLES:
            self.__dict__.setdefault(table, OrderedDict())
        self.__dict__.setdefault("_non_persistent_buffers_set", set())
        self.__dict__.setdefault("_is_full_backward_hook", None)

    # --- training -------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Any:
        """Set `training` here and in all modules below: dropout and batch statistics read it."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Any:
        """`train(False)`."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Set `requires_grad` of all parameters."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or set them to zero."""
        for parameter in self.parameters():
            gradient = parameter._grad
            if gradient is None:
                continue
            if set_to_none:
                parameter.grad = None
                continue
            if gradient._node is not None:
                gradient.detach_()
            else:
                gradient.requires_grad_(False)
            gradient.zero_()

    def apply(self, fn: Callable[[Any], Any]) -> Any:
        """Call `fn(module)` for all modules below, then for this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    # --- text -----------------------------------------------------------------------------

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What stands between the brackets of its text."""
        return ""

    @override
    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [f"({name}): {_indented(repr(one))}" for name, one in self._modules.items()]
        if len(lines) == 1 and not children:
            return f"{self._get_name()}({lines[0]})"
        if not lines and not children:
            return f"{self._get_name()}()"
        return f"{self._get_name()}(\n  " + "\n  ".join([*lines, *children]) + "\n)"


COMPILING: dict[str, Callable[..., None]] = {}
"""`{"compile": ...}`; entered by `funcgrad.compat.torch.compilation`."""

_LATER_TABLES = (
    "_forward_pre_hooks", "_forward_pre_hooks_with_kwargs", "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called", "_state_dict_hooks", "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks", "_backward_pre_hooks",
)  # fmt: skip
"""Tables that modules in old files lack."""


def _indented(text: str) -> str:
    """Text whose lines after the first stand further right."""
    return text.replace("\n", "\n  ")
