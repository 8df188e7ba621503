"""Calls of compiled functions: which program answers.

There is a program for each kind of arguments and of everything else that the function reads. A
function that cannot be compiled runs eagerly, from then on.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from funcgrad.compat.torch.compilation_breaks import MOST, Break, is_recorded
from funcgrad.compat.torch.compilation_derivative import RECORDING
from funcgrad.compat.torch.compilation_held import OWN
from funcgrad.compat.torch.compilation_programs import Program
from funcgrad.compat.torch.compilation_recording import Inputs
from funcgrad.compat.torch.compilation_walk import CONSTANTS, Reach
from funcgrad.compat.torch.levels import LEVELS
from funcgrad.compat.torch.pytrees import Structure, flatten
from funcgrad.compat.torch.state import SETTINGS, STATE
from funcgrad.compat.torch.tensor import Tensor
from funcgrad.core.tracer import Tracer
from funcgrad.transforms.arguments import function_name

__all__ = ["Compiled"]


class _Arguments:
    """The leaves of arguments, by what becomes of them.

    Attributes:
        tensors: each once.
        places: `{identity of a tensor: its number}`.
        objects: what is looked into.
        statics: a number for each tensor, and the others' values.
        reason: why the function has to run eagerly, if so.
    """

    __slots__ = ("objects", "places", "reason", "statics", "tensors")

    def __init__(self, leaves: Sequence[Any]) -> None:
        self.objects: list[Any] = []
        self.statics: list[Any] = []
        self.tensors: list[Tensor] = []
        self.places: dict[int, int] = {}
        self.reason = ""
        for leaf in leaves:
            cls = type(leaf)
            if isinstance(leaf, Tensor):
                place = self.places.setdefault(id(leaf), len(self.tensors))
                if place == len(self.tensors):
                    self.tensors.append(leaf)
                self.statics.append(place)
                if not vars(leaf).keys() <= OWN:
                    self.extras(leaf)
            elif cls in CONSTANTS:
                number = cls in (float, complex, slice)
                self.statics.append((cls, repr(leaf) if number else leaf))
            elif isinstance(leaf, np.ndarray | np.generic):
                self.reason = "an argument is a NumPy array"
            else:
                self.objects.append(leaf)
                self.statics.append("object")

    def extras(self, tensor: Tensor) -> None:
        """Note attributes that the user has given a tensor."""
        for name, value in vars(tensor).items():
            if name not in OWN:
                self.statics.append(name)
                if type(value) in CONSTANTS:
                    self.statics.append((type(value), repr(value)))
                else:
                    self.objects.append(value)


@functools.cache
def _plain_structure(count: int) -> Structure:
    """The structure of so many positional arguments that are no containers."""
    return flatten(((None,) * count, {}))[1]


def _is_leaf(x: Any) -> bool:
    return isinstance(x, Tensor) or type(x) in CONSTANTS


# --- the function -------------------------------------------------------------------------------


class Compiled:
    """A function of tensors, compiled for each kind of arguments.

    Args:
        fun: the function, or a module.
        limit: so many versions are compiled.
        error: raised if the function cannot be compiled; `None`: it then runs eagerly.
    """

    def __init__(
        self, fun: Callable[..., Any], limit: int = MOST, error: type[Exception] | None = None
    ) -> None:
        self.fun = fun
        self.error = error
        self.fullgraph = error is not None
        self.name = function_name(fun)
        self.limit = limit
        self.programs: dict[Any, Program] = {}
        self.reaches: dict[tuple[int, ...], Reach] = {}
        self.keys: dict[Any, int] = {}
        self.refused: list[str] = []

    def reset(self) -> None:
        """Forget everything that was compiled."""
        self.programs = {}
        self.reaches = {}
        self.keys = {}

    @property
    def reasons(self) -> list[str]:
        """Why versions of the function run eagerly; "" for one that is compiled."""
        return [program.eager for program in self.programs.values()]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function's results, by a compiled program where there is one."""
        if (
            STATE.compiling is not None
            or LEVELS.grads
            or LEVELS.maps
            or STATE.anomaly
            or STATE.saved_hooks
            or STATE.dual_levels
            or STATE.parametrized is not None
            or SETTINGS.stance == "force_eager"
        ):
            return self.fun(*args, **kwargs)
        if kwargs or not all(map(_is_leaf, args)):
            leaves, structure = flatten((args, kwargs))
        else:
            leaves, structure = list(args), _plain_structure(len(args))
        key, inputs = self._inputs(leaves, structure)
        if inputs is None:
            return self._eager(key, args, kwargs)
        program = self.programs.get(key)
        if program is None:
            stop = self._stop()
            if stop:
                return self._eager(stop, args, kwargs)
            program = self.programs.setdefault(key, Program(self.name))
        if program.eager:
            return self._eager(program.eager, args, kwargs)
        try:
            with np.errstate(all="ignore"):
                return program.call(inputs)
        except Break as stop:
            if not stop.lasting:
                return self._eager(stop.reason, args, kwargs)
            program.eager = stop.reason
        except Exception as error:  # noqa: BLE001  # the eager run raises what there is to be raised
            reason = f"recording it raises {type(error).__name__}: {error}"
            out = self._eager(reason, args, kwargs)
            program.eager = reason
            return out
        return self._eager(program.eager, args, kwargs)

    def _stop(self) -> str:
        """Why no further version is compiled, if so."""
        if self.programs and SETTINGS.stance == "fail_on_recompile":
            raise RuntimeError(
                "Detected recompile when torch.compile stance is 'fail_on_recompile'."
            )
        if self.programs and SETTINGS.stance == "eager_on_recompile":
            return "the stance is eager_on_recompile"
        stopped = [reason for reason in self.reasons if reason]
        if len(stopped) > 1:  # and the next one would be, too
            return stopped[-1]
        return "there are too many versions of it" if len(self.programs) >= self.limit else ""

    def _eager(self, reason: str, args: Any, kwargs: Any) -> Any:
        """The function itself.

        Raises:
            Exception: `error`, if there is one, and the function raises nothing itself.
        """
        if reason not in self.refused:
            self.refused.append(reason)
        out = self.fun(*args, **kwargs)
        if self.error is not None:
            raise self.error(
                f"torch.compile: {self.name} cannot be compiled, because {reason}. With "
                "fullgraph=True this is an error. Leave fullgraph out to run it eagerly, or change "
                "the function."
            )
        return out

    def _inputs(self, leaves: list[Any], structure: Structure) -> tuple[Any, Inputs | None]:
        """The key of a call and what it reads; the reason and `None` if it has to run eagerly."""
        arguments = _Arguments(leaves)
        if arguments.reason:
            return arguments.reason, None
        reach = self._reach(arguments.objects)
        if reach.reason:
            return reach.reason, None
        tensors, own = arguments.tensors, len(arguments.tensors)
        if own:
            shared = tuple([arguments.places.get(id(t), -1) for t in reach.tensors])
            tensors += [t for t, place in zip(reach.tensors, shared, strict=True) if place < 0]
        else:
            shared = ()
            tensors = list(reach.tensors)
        kinds: list[Any] = []
        for tensor in tensors:
            value = tensor._value
            if isinstance(value, Tracer):
                if is_recorded(value):
                    with RECORDING:  # another thread records
                        return self._inputs(leaves, structure)
                return "a tensor belongs to a transform", None
            if tensor._where is not None or tensor._dtype is not None or tensor._sealed:
                return "a tensor is bfloat16, on another device, or one of several views", None
            kinds.append(tensor._requires)
            if type(tensor) is not Tensor:
                kinds.append(type(tensor))
            if type(value) is np.ndarray and not value.flags.c_contiguous:
                kinds.append(value.strides)
        key = (
            reach.number, structure, tuple(arguments.statics), tuple(kinds), shared, STATE.grad,
            STATE.inference, STATE.device, SETTINGS.default_dtype, SETTINGS.deterministic,
        )  # fmt: skip
        return key, Inputs(self.fun, leaves, structure, tensors, own, reach)

    def _reach(self, objects: list[Any]) -> Reach:
        """What the function, and the objects among its arguments, reach now."""
        ids = tuple(map(id, objects))
        found = self.reaches.get(ids)
        if found is None or not found.unchanged():
            found = Reach((self.fun, *objects))
            if len(self.reaches) > MOST:
                self.reaches.clear()
            self.reaches[ids] = found
            found.number = self.keys.setdefault(found.key, len(self.keys))
        return found
