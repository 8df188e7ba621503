"""One recording of a function of tensors: a transaction, of which nothing is left but the program.

The tensors that the function reads (arguments, parameters, buffers, what closures and globals hold)
get traced values while it runs, and their own values back afterwards. Writes into them become
results of the program. What else the function does to objects that it reaches is undone, and it
then runs eagerly; so it does if it raises, or asks for a number that would become a constant.
"""

import gc
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from sys import getrefcount
from typing import Any, NamedTuple, NoReturn

import numpy as np

from funcgrad.compat.torch import mersenne
from funcgrad.compat.torch.compilation_blocks import block
from funcgrad.compat.torch.compilation_breaks import Break, refuse
from funcgrad.compat.torch.compilation_held import Held, Write, holding
from funcgrad.compat.torch.compilation_walk import CONSTANTS
from funcgrad.compat.torch.levels import LEVELS, watching
from funcgrad.compat.torch.mersenne import Generator
from funcgrad.compat.torch.pytrees import Structure, flatten, unflatten
from funcgrad.compat.torch.state import STATE
from funcgrad.compat.torch.tensor import Tensor
from funcgrad.core.tracer import Tracer
from funcgrad.jitting.staging import JitStage

__all__ = ["Draw", "Inputs", "MoreDraws", "Recorder", "Result", "Spec"]


@dataclass(frozen=True, slots=True)
class Draw:
    """Random numbers that a function draws: they are drawn before each call, and are inputs.

    Attributes:
        function: of the generator and the arguments.
        generator: `None` for the default one.
        args: what is drawn.
        options: the same by name.
    """

    function: Callable[..., Any]
    generator: Generator | None
    args: tuple[Any, ...]
    options: tuple[tuple[str, Any], ...]

    def source(self) -> Generator:
        """The generator that it draws from."""
        return self.generator or mersenne.default_generator()

    def __call__(self) -> Any:
        """New numbers."""
        return self.function(self.source(), *self.args, **dict(self.options))


class MoreDraws(Exception):  # noqa: N818  # no error: the recording starts anew
    """The function draws other numbers than those that were drawn for it.

    Attributes:
        draws: those that it draws.
    """

    def __init__(self, draws: tuple[Draw, ...]) -> None:
        super().__init__()
        self.draws = draws


@dataclass(frozen=True, slots=True)
class Result:
    """How a result of the function is made of what the program returns.

    Attributes:
        kind: "value" (a tensor of the program's result `place`), "input" (the input tensor `place`
            itself), "view" (what `path` shows of that), "constant" (a new tensor of `value`), or
            "static" (`value` itself).
        place: of a result or an input.
        value: see above.
        path: steps of a view.
        attributes: what is set of the new tensor besides.
    """

    kind: str
    place: int = 0
    value: Any = None
    path: tuple[Any, ...] = ()
    attributes: tuple[tuple[str, Any], ...] = ()


@dataclass(eq=False, slots=True)
class Spec:
    """What a recorded path knows besides its program.

    Attributes:
        structure: of what the function returns.
        results: its leaves.
        writes: into inputs.
        backward: the backward programs, for the results that have cotangents.
        used: which of the inputs that require grad the results depend on.
        shared: for each number of residuals which inputs they share memory with.
        checked: values of the tensors of which it is known that no memory is shared.
    """

    structure: Structure
    results: tuple[Result, ...]
    writes: tuple[Write, ...]
    backward: dict[Any, Any] = field(default_factory=dict)
    used: tuple[bool, ...] | None = None
    shared: dict[int, tuple[tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)
    checked: list[Any] = field(default_factory=list)


class Inputs(NamedTuple):
    """The arguments of one call, and everything else that the function reads.

    Attributes:
        fun: the function.
        args: leaves of the arguments.
        structure: of the pair of positional and named arguments.
        tensors: all tensors, each once: those among the arguments first.
        own: number of these.
        reach: what is reached besides.
    """

    fun: Callable[..., Any]
    args: Sequence[Any]
    structure: Structure
    tensors: list[Tensor]
    own: int
    reach: Any


@dataclass(slots=True)
class Recorder:
    """A running recording; `STATE.compiling` while the function runs.

    Attributes:
        inputs: of the call.
        draws: the numbers that were drawn before, as planned.
        values: traced values of these.
        stage: the staging; `None` if the function is only run on other values.
        found: what has been drawn so far.
        states: of the generators that were drawn from, before that.
        written: plain memory that was written to, what it held, and its version.
        reason: why the recording was broken off.
    """

    inputs: Inputs
    draws: tuple[Draw, ...]
    values: Sequence[Any]
    stage: JitStage | None
    found: list[Draw] = field(default_factory=list)
    states: dict[int, tuple[Generator, Any]] = field(default_factory=dict)
    written: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    reason: str = ""

    # --- random numbers -------------------------------------------------------------------

    def drawn(
        self,
        function: Callable[..., Any],
        generator: Generator,
        what: Any,
        rest: tuple[Any, ...],
        options: dict[str, Any],
    ) -> Any:
        """The next random numbers: an input of the program, if they were planned."""
        if LEVELS.maps:
            refuse("it draws random numbers inside vmap")
        args = (what, *rest)
        if not all(_is_static(x) for x in (*args, *options.values())):
            refuse("it draws random numbers that depend on values")
        own = mersenne.default_generator()
        draw = Draw(function, None if generator is own else generator, args, tuple(options.items()))
        place = len(self.found)
        self.found.append(draw)
        if tuple(self.found) == self.draws[: place + 1]:
            return self.values[place]
        if generator is not own and id(generator) not in self.states:
            self.states[id(generator)] = (generator, generator.get_state())
        return draw()

    def stop(self, reason: str) -> NoReturn:
        """Break the recording off, even if the function lets nothing through.

        Raises:
            Break: always.
        """
        self.reason = reason
        raise Break(reason)

    @property
    def takes_blocks(self) -> bool:
        """Whether functions of the layer become single operations."""
        return self.stage is not None and not LEVELS.maps and not LEVELS.grads

    def note_write(self, array: np.ndarray[Any, Any], cell: list[Any]) -> None:
        """Remember what plain memory holds that is written to."""
        root = array
        while type(root.base) is np.ndarray:
            root = root.base
        if id(root) not in self.written:
            self.written[id(root)] = (root, np.array(root), cell, list(cell))

    def _check_writes(self, out: Any) -> None:
        """Refuse writes into memory that was there before; what was made here has gone by now."""
        own = {id(_root(x._value)) for x in flatten(out)[0] if isinstance(x, Tensor)}
        for key, (root, *_) in self.written.items():
            # 4: the dictionary's tuple, the loop's, the name here and the argument.
            if key not in own and getrefcount(root) > 3:
                refuse("it writes into a tensor that was not found")

    def undo_writes(self) -> None:
        """Give plain memory back what it held."""
        for root, values, cell, version in self.written.values():
            root[...] = values
            cell[:] = version

    def block(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """A function of the layer, as one operation of the program."""
        if not self.takes_blocks:
            return function(*args, **kwargs)
        return block(function, args, kwargs)

    # --- the run --------------------------------------------------------------------------

    def run(self, leaves: Sequence[Any]) -> tuple[Spec, list[Any]]:
        """The function on other values of its tensors.

        Raises:
            Break: if it cannot be compiled.
            MoreDraws: if it draws other numbers.
        """
        inputs = self.inputs
        before = STATE.compiling
        args, kwargs = unflatten(inputs.structure, inputs.args)
        with _rolled_back(self), holding(inputs.tensors, leaves) as held:
            STATE.compiling = self
            try:
                with watching(self.stage) as watch:
                    out = inputs.fun(*args, **kwargs)
                if self.reason:
                    raise Break(self.reason)
                spec, outs = self._results(out, leaves, held)
                if self.stage is not None:
                    self._check(out, args, kwargs, watch, held)
            finally:
                STATE.compiling = before
        if tuple(self.found) != self.draws:
            raise MoreDraws(tuple(self.found))
        return spec, outs

    def _check(self, out: Any, args: Any, kwargs: Any, watch: Any, held: "Held") -> None:
        """Refuse what the program would not do again."""
        inputs, stage = self.inputs, self.stage
        assert stage is not None
        if stage.captured:
            refuse("it reads a tensor with a graph that was not found")
        leaves, structure = flatten((args, kwargs))
        same = len(leaves) == len(inputs.args) and structure == inputs.structure
        if not same or any(a is not b for a, b in zip(leaves, inputs.args, strict=True)):
            refuse("it changes a container among its arguments")
        if not inputs.reach.unchanged():
            refuse("it changes an attribute, a variable or a container")
        own = {id(x) for x in flatten(out)[0]}
        for tensor, _ in watch.undo():
            if id(tensor) not in own and not held.has(tensor):
                refuse("it writes into a tensor that was not found")
        held.check_attributes()
        self._check_writes(out)
        _check_found(stage, held)

    # --- what it returns ------------------------------------------------------------------

    def _results(self, out: Any, leaves: Sequence[Any], held: "Held") -> tuple[Spec, list[Any]]:
        found, structure = flatten(out)
        outs: list[Any] = []
        seen: dict[int, Result] = {}
        results = []
        for leaf in found:
            result = seen.get(id(leaf))
            if result is None:
                result = seen[id(leaf)] = self._result(leaf, outs, held)
            results.append(result)
        writes = tuple(held.writes(leaves, outs))
        bases = [x._base for x in found if isinstance(x, Tensor) and x._base is not None]
        shown = [id(base) for base in bases if not held.has(base)]
        if len(set(shown)) < len(shown) or any(id(x) in shown for x in found):
            refuse("it returns several views of the same memory")
        return Spec(structure, tuple(results), writes), outs

    def _result(self, leaf: Any, outs: list[Any], held: "Held") -> Result:
        if not isinstance(leaf, Tensor):
            if not _is_static(leaf):
                refuse(f"it returns a {type(leaf).__name__}")
            return Result("static", value=leaf)
        place = held.place(leaf)
        if place is not None:
            return Result("input", place)
        shown = held.shown_by(leaf)
        if shown is not None:
            if any(isinstance(x, Tensor) for _, operands, _ in shown[1] for x in operands):
                refuse("it returns a view that depends on values")
            return Result("view", shown[0], path=shown[1])
        if type(leaf) is not Tensor or leaf._where is not None:
            refuse(f"it returns a new {type(leaf).__name__}")
        attributes = tuple(
            (name, vars(leaf)[name]) for name in ("_inference",) if name in vars(leaf)
        )
        value = leaf._value
        if isinstance(value, Tracer):
            outs.append(value)
            return Result("value", len(outs) - 1, attributes=attributes)
        if leaf._requires:
            refuse("it returns a new leaf that requires grad")
        if leaf._dtype is not None:
            attributes = (*attributes, ("_dtype", leaf._dtype))
        return Result("constant", value=np.array(value), attributes=attributes)


def _root(array: Any) -> Any:
    while type(getattr(array, "base", None)) is np.ndarray:
        array = array.base
    return array


def _is_static(x: Any) -> bool:
    cls = type(x)
    if cls in CONSTANTS or isinstance(x, type):
        return True
    return cls is tuple and all(map(_is_static, x))


# --- everything else ---------------------------------------------------------------------------


@contextmanager
def _rolled_back(recorder: Recorder) -> Iterator[None]:
    """Undo what the function does to random states and to what it reaches.

    Raises:
        Break: if it has drawn random numbers that are not seen.
    """
    own, python, numpy, grad = _own_state(), random.getstate(), _numpy_state(), STATE.grad
    try:
        yield
        if recorder.stage is not None:
            if python != random.getstate() or numpy != _numpy_state():
                raise Break("it draws random numbers that are not PyTorch's")
            if STATE.grad is not grad:
                raise Break("it leaves another grad mode")
            if tuple(recorder.found) == recorder.draws and not _same(own, _own_state()):
                raise Break("it draws random numbers in a way that is not seen")
    finally:
        STATE.grad = grad
        if own is not None:
            mersenne.default_generator().set_state(own)
        for generator, state in recorder.states.values():
            generator.set_state(state)
        if python != random.getstate():
            random.setstate(python)
        if numpy is not None and numpy != _numpy_state():
            sys.modules["numpy.random"].set_state(_as_numpy_state(numpy))
        if recorder.stage is not None:
            recorder.inputs.reach.restore()
            recorder.undo_writes()


def _own_state() -> Any:
    """The state of the default generator; `None` before it is used."""
    made = mersenne.default_generator.cache_info().currsize > 0
    return mersenne.default_generator().get_state() if made else None


def _same(x: Any, y: Any) -> bool:
    return (x is None and y is None) or (x is not None and np.array_equal(x, y))


def _numpy_state() -> Any:
    """The state of NumPy's global generator, to be compared; `None` before it is used."""
    module = sys.modules.get("numpy.random")
    if module is None:
        return None
    name, key, *rest = module.get_state()
    return name, key.tobytes(), *rest


def _as_numpy_state(state: Any) -> Any:
    name, key, *rest = state
    return name, np.frombuffer(key, np.uint32), *rest


def _check_found(stage: JitStage, held: Held) -> None:
    """Refuse tensors from outside that were not found: they could be bound to something else."""
    known = {id(state["_value"]) for _, state, _ in held.saved}
    arrays = []
    for kept in stage._kept:
        array = kept.array()
        if array is not None and id(array) not in known:
            arrays.append(array)
    if not arrays:
        return
    own = set(map(id, arrays))
    for holder in gc.get_referrers(*arrays):
        if isinstance(holder, Tensor) or (
            isinstance(holder, dict) and "_cell" in holder and id(holder.get("_value")) in own
        ):
            refuse("it reads a tensor that was not found")
