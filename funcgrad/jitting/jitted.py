"""jit: a function compiled to NumPy source for each kind of arguments it is called with."""

import functools
import itertools
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from funcgrad import tree
from funcgrad.compile.regions.numba_backend import check_backend
from funcgrad.core.foreign import is_foreign
from funcgrad.core.program import Program
from funcgrad.core.tracer import Tracer
from funcgrad.errors import (
    ArgumentSelectionError,
    FuncgradError,
    PathLimitWarning,
    SideEffectWarning,
    StaticArgumentError,
    warn_user,
)
from funcgrad.families.shapes import as_operand
from funcgrad.jitting.closures import Closure, Wrapper
from funcgrad.jitting.derived import apply, is_staged
from funcgrad.jitting.dispatching import Entry, dispatcher
from funcgrad.jitting.explaining import Explanation, Log, explain
from funcgrad.jitting.randomness import snapshot
from funcgrad.jitting.results import literal_of
from funcgrad.jitting.scopes import JitScope
from funcgrad.jitting.staged import Options, Path, Staged, Unit, kind_of_leaf, source_of
from funcgrad.jitting.staging import JitStage
from funcgrad.jitting.statics import statics_of, told_apart
from funcgrad.transforms.arguments import (
    check_callable,
    check_primal,
    function_name,
    run,
)
from funcgrad.transforms.leaf_names import described_leaves, named_leaves, parameter_names

__all__ = ["CacheInfo", "Jitted", "jit"]

STATES = 8
"""So many bindings of what a function reads are remembered."""

ENTRIES = 8
"""So many kinds of arguments have a short way; the others are looked up."""


class CacheInfo(NamedTuple):
    """What a jitted function has compiled.

    Attributes:
        hits: calls that were answered by compiled code without looking anything up.
        recordings: calls that were recorded.
        signatures: kinds of arguments.
        paths: ways through the function, over all kinds of arguments.
        eager: kinds of arguments for which there were too many paths.
    """

    hits: int
    recordings: int
    signatures: int
    paths: int
    eager: int


class _State:
    """What has been compiled for one binding of what the function reads."""

    __slots__ = ("closure", "entries", "staged")

    def __init__(self, closure: Closure) -> None:
        self.closure = closure
        self.staged: dict[Any, _Call] = {}
        self.entries: list[Entry] = []


class _Call(Staged):
    """A function for one structure of arguments: pytrees in and out."""

    __slots__ = ("inner",)

    def result(self, static: Any, values: list[Any]) -> Any:
        """The user's result."""
        return tree.unflatten(static, values)

    def written_result(self, unit: Unit, path: Path, names: Sequence[str], scope: JitScope) -> str:
        """Containers of Python's are written down."""
        del unit
        return literal_of(path.static, names, scope)


class Jitted(Wrapper):
    """A compiled function; see `funcgrad.jit`."""

    __slots__ = (
        "__dict__",
        "__weakref__",
        "_fast",
        "_frozen",
        "_hits",
        "_lock",
        "_log",
        "_names",
        "_numbers",
        "_options",
        "_rebound",
        "_states",
        "_statics",
        "_warned",
        "fun",
    )

    def __init__(
        self,
        fun: Callable[..., Any],
        static_argnums: int | Sequence[int],
        static_argnames: str | Sequence[str],
        options: Options,
    ) -> None:
        functools.update_wrapper(self, fun)
        self.fun = fun
        self._options = options
        self._names = parameter_names(fun)
        self._statics = statics_of(fun, self._names, static_argnums, static_argnames)
        self._states: list[_State] = []
        self._lock = threading.RLock()
        self._log = Log()
        self._frozen = False
        self._warned = False
        self._rebound = 0
        self._hits = itertools.count()
        self._fast: Callable[..., Any] = self._slow

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the compiled function; compile it first for new kinds of arguments."""
        if kwargs:
            return self._general(args, kwargs)
        return self._fast(*args)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __copy__(self) -> "Jitted":
        return self

    def __deepcopy__(self, _memo: Any) -> "Jitted":
        return self

    def __reduce__(self) -> Any:
        """By its name, as a function; one that has none is compiled anew where it is loaded."""
        name, module = getattr(self, "__qualname__", ""), getattr(self, "__module__", "")
        found: Any = sys.modules.get(module)
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is self:
            return name
        return _rebuilt, (self.fun, *map(tuple, self._statics), self._options)

    def __repr__(self) -> str:
        return f"<jit of {function_name(self.fun)}>"

    # one call ---------------------------------------------------------------------------------
    def _slow(self, *args: Any) -> Any:
        return self._general(args, {})

    def _failed(self, *args: Any) -> Any:
        """What compiled code raised may be caught by the function, or it may tell more."""
        return self._general(args, {}, compiled=False)

    def _general(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], *, compiled: bool = True
    ) -> Any:
        """The way of a call that the dispatcher does not know, or where compiled code raised."""
        statics, dynamic = self._split(args, kwargs)
        leaves, structure = tree.flatten(dynamic)
        traced = any(isinstance(leaf, Tracer) for leaf in leaves)
        if traced and is_staged(leaves):
            return self.fun(*args, **kwargs)
        state = self._state()
        if state.closure.traced or any(map(is_foreign, leaves)):
            return self.fun(*args, **kwargs)
        key = structure, statics, len(args)
        staged = state.staged.get(key)
        if staged is None:
            staged = self._staged(state, key, dynamic)
        if None in map(kind_of_leaf, leaves):
            leaves = [self._checked(x, i, dynamic) for i, x in enumerate(leaves)]
        before = staged.recordings
        try:
            if traced:
                static, values = apply(staged, leaves)
                return tree.unflatten(static, values)
            out = staged.call(leaves) if compiled else staged.asked(leaves)
        except (FuncgradError, AttributeError, TypeError, ValueError):
            if not state.closure.can_freeze or self._frozen:
                raise
            self._frozen = True  # it does with an array of its closure what tracers cannot do
            try:
                return self._general(args, kwargs)
            except Exception:
                self._frozen = False
                raise
        unit = staged.unit(leaves)
        if staged.recordings != before:
            self._log.recorded(state.closure, structure, statics, leaves, unit)
        if not kwargs and unit.run is not None:
            self._enter(state, args, unit)
        return out

    def _split(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
        """Static arguments, and the others."""
        numbers, names = self._statics
        if not numbers and not names:
            return (), (args, kwargs)
        count = len(args)
        places = {i % count for i in numbers if -count <= i < count} if count else set()
        places |= {i for i, name in enumerate(self._names[:count]) if name in names}
        statics: list[tuple[int | str, Any]] = [(i, args[i]) for i in sorted(places)]
        statics += [(name, kwargs[name]) for name in sorted(kwargs) if name in names]
        for place, value in statics:
            try:
                hash(value)
            except TypeError as error:
                raise StaticArgumentError(
                    f"jit: the static argument {self._argument(place)} is a "
                    f"{type(value).__name__}, which has no hash. Functions are compiled once for "
                    "each value of a static argument, so values are compared. Pass a tuple, a "
                    "string or a number, or leave it out of static_argnums and static_argnames."
                ) from error
        rest = tuple(x for i, x in enumerate(args) if i not in places)
        keywords = {name: x for name, x in kwargs.items() if name not in names}
        return tuple((p, told_apart(v), v) for p, v in statics), (rest, keywords)

    def _argument(self, place: int | str) -> str:
        if isinstance(place, int):
            return repr(self._names[place]) if place < len(self._names) else str(place)
        return repr(place)

    def _checked(self, leaf: Any, number: int, dynamic: Any) -> Any:
        """A leaf as it can be compiled, or the error that says what to do."""
        if isinstance(leaf, np.ndarray) and kind_of_leaf(leaf) is None:
            leaf = as_operand(leaf)
        if isinstance(leaf, Tracer) or kind_of_leaf(leaf) is not None:
            return leaf
        where = described_leaves(self._names, dynamic, self._left_out())[number]
        if isinstance(leaf, np.ndarray | np.generic) and leaf.dtype.kind == "O":
            check_primal("jit", leaf, f"argument {where}", allow_int=True)
        what = f"{type(leaf).__name__}"
        if isinstance(leaf, np.ndarray | np.generic):
            what = f"{what} of dtype {leaf.dtype}"
        raise StaticArgumentError(
            f"jit: the argument {where} is a {what}. Functions are compiled for "
            "arrays and numbers. Name it in static_argnames (or static_argnums) to compile the "
            "function anew for each of its values, or pass it through the closure."
        )

    def _left_out(self) -> set[int | str]:
        return {*self._statics[0], *self._statics[1]}

    # what is known ----------------------------------------------------------------------------
    def _state(self) -> _State:
        """What has been compiled for what the function reads now."""
        states = self._states
        if states and states[-1].closure.frozen is self._frozen and states[-1].closure.unchanged():
            return states[-1]
        with self._lock:
            closure = Closure(self.fun, frozen=self._frozen)
            if closure.asks_types and closure.can_freeze:
                self._frozen = True
                closure = Closure(self.fun, frozen=True)
            for state in self._states:
                if state.closure.same_as(closure):
                    break
            else:
                if states:
                    self._note_rebinding(closure.difference(states[-1].closure))
                state = _State(closure)
            others = [old for old in self._states if old is not state]
            self._states = [*others[1 - STATES :], state]
            self._renew(state)
        return state

    def _note_rebinding(self, what: str) -> None:
        """Warn once of a name that is bound to something else again and again."""
        self._rebound += 1
        if self._rebound == self._options.max_traces:
            warn_user(
                f"jit: {function_name(self.fun)} has been recorded anew {self._rebound} times, "
                f"because {what}. Each time takes about as long as many calls. Pass the value as "
                "an argument, or change an array in place.",
                PathLimitWarning,
            )

    def _staged(self, state: _State, key: tuple[Any, Any, int], dynamic: Any) -> _Call:
        """The function for one structure of arguments, one tuple of static ones."""
        names = named_leaves(self._names, dynamic, self._left_out())
        made = _Call(self._body(state, *key), function_name(self.fun), names, self._options)
        return state.staged.setdefault(key, made)

    def _body(self, state: _State, structure: Any, statics: Any, count: int) -> Any:
        fixed = {place: value for place, _, value in statics}

        def body(leaves: Sequence[Any], stage: JitStage | None) -> tuple[Any, list[Any]]:
            given, keywords = tree.unflatten(structure, leaves)
            rest = iter(given)
            args = [fixed[i] if i in fixed else next(rest) for i in range(count)]
            named = {name: value for name, value in fixed.items() if isinstance(name, str)}
            named |= keywords
            if stage is None:
                outs, static = tree.flatten(run(self.fun, args, named))
            else:
                drawn = snapshot(self.fun, tuple(args), named)
                before = Closure(self.fun) if state.closure.written else state.closure
                fun = state.closure.lifted(stage.lift)
                outs, static = tree.flatten(run(fun, args, named))
                drawn.check("jit")
                if before.written:
                    self._warn(before.changed())
            return static, outs

        return body

    def _warn(self, names: list[str]) -> None:
        """Tell once of assignments that compiled calls will not make."""
        if names and not self._warned:
            self._warned = True
            warn_user(
                f"jit: {function_name(self.fun)} assigns to {' and '.join(names)} outside of it. "
                "That happens where it is recorded, and not in compiled calls. Return the new "
                "value, and pass it as an argument.",
                SideEffectWarning,
            )

    def _enter(self, state: _State, args: tuple[Any, ...], unit: Unit) -> None:
        """Let the dispatcher know a kind of arguments."""
        with self._lock:
            others = [entry for entry in state.entries if entry.unit is not unit]
            known = any(e.unit is unit and e.run is unit.run for e in state.entries)
            if known or len(others) >= ENTRIES:
                return
            entry = Entry.of(args, self._statics, self._names, unit)
            if entry is not None:
                state.entries = [entry, *others]
                if self._states and self._states[-1] is state:
                    self._renew(state)

    def _renew(self, state: _State) -> None:
        slow, failed, hit = self._slow, self._failed, self._hits.__next__
        self._fast = dispatcher(state.closure, state.entries, slow, failed, hit)

    # what users ask ---------------------------------------------------------------------------
    def _unit(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[_Call, Unit]:
        """What is compiled for these arguments; they are called with if there is nothing yet."""
        for _ in range(2):
            statics, dynamic = self._split(args, kwargs)
            leaves, structure = tree.flatten(dynamic)
            leaves = [self._checked(leaf, i, dynamic) for i, leaf in enumerate(leaves)]
            state = self._state()
            key = structure, statics, len(args)
            staged = state.staged.get(key) or self._staged(state, key, dynamic)
            unit = staged.unit(leaves)
            if unit.paths:
                break
            self._general(args, kwargs)
        return staged, unit

    def source(self, *args: Any, **kwargs: Any) -> str:
        """The source of the function that is run for such arguments."""
        return source_of(self._unit(args, kwargs)[1])

    def program(self, *args: Any, **kwargs: Any) -> Program:
        """The program of the first path for such arguments, after the passes."""
        return self._unit(args, kwargs)[1].paths[0].program.pruned()

    def cache_info(self) -> CacheInfo:
        """How much has been compiled, and how often it was used."""
        staged = [call for state in self._states for call in state.staged.values()]
        units = [unit for call in staged for unit in call.units.values()]
        return CacheInfo(
            int(self._hits.__reduce__()[1][0]),
            sum(call.recordings for call in staged),
            len(units),
            sum(len(unit.paths) for unit in units),
            sum(unit.eager for unit in units),
        )

    def cache_clear(self) -> None:
        """Forget everything that was compiled."""
        with self._lock:
            self._states = []
            self._fast = self._slow

    def explain(self, *args: Any, **kwargs: Any) -> Explanation:
        """Why calls were recorded again, and what the passes saved for such arguments."""
        unit = self._unit(args, kwargs)[1] if args or kwargs else None
        return explain(function_name(self.fun), self._log, unit)


def _rebuilt(
    fun: Callable[..., Any], numbers: Sequence[int], names: Sequence[str], options: Options
) -> Jitted:
    return Jitted(fun, numbers, names, options)


def jit(
    fun: Callable[..., Any] | None = None,
    /,
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    max_traces: int = 16,
    exact: bool = False,
    fast_math: bool = False,
    backend: str = "numpy",
    threads: int = 1,
) -> Any:
    """A function compiled to straight-line NumPy source: the same results, without the overhead.

    The first call for a kind of arguments (structure, shapes, dtypes) records the function's
    operations while it computes; they are simplified, written as NumPy source and compiled, which
    takes milliseconds. Later calls run that source. Where the function branches on a value, the
    source checks that it goes the recorded way; if not, the other way is recorded and joins it. So
    `if` and `while` on values are right in every call.

    Arrays that the function reads from its closure, default arguments or globals are read anew in
    each call; if one of these names is bound to another object, the function is recorded again.
    What functions in other places read (helpers found through globals, attributes of objects) is
    read when it is recorded. Results never share memory with arguments. An operation that no result
    needs is not run, so it does not warn either.

    Args:
        fun: a pure function of pytrees of arrays and numbers; left out, a decorator is returned.
        static_argnums: positions of arguments that are no arrays: the function is recorded for each
            of their values, which need a hash.
        static_argnames: names of such arguments.
        max_traces: how many paths are recorded for one kind of arguments, before the function runs
            without compilation for them, with a warning that names the line that branches.
        exact: whether to leave out all passes that may change the last bits of results.
        fast_math: whether rules of algebra are used that may change signs of zeros, infinities,
            nans and last bits.
        backend: `"numpy"`, or `"numba"` for programs of numbers and small arrays, which Numba
            compiles to machine code (an optional extra; compiling takes seconds).
        threads: how many threads may share the work of one call on large arrays.

    Returns:
        A callable with the same arguments and results, which can be transformed as any function.
        `source(*args)`, `program(*args)`, `explain(*args)`, `cache_info()` and `cache_clear()` tell
        what has been compiled.

    Raises:
        StaticArgumentError: if an argument is no array or number, or a static one has no hash.
        ArgumentSelectionError: if `static_argnames` names no parameter; for unknown backends.
        ImportError: for `backend="numba"` where Numba is not installed.
        RandomnessError: if the function draws from a random generator with a state of its own.

    Warns:
        SideEffectWarning: if the function assigns to names or attributes outside of it.
        PathLimitWarning: if there are more than `max_traces` paths, or if names that the function
            reads have been bound to something else so many times.

    Example:
        >>> import funcgrad as fg, numpy as np
        >>> @fg.jit
        ... def f(x):
        ...     return x * x if x > 0 else -x
        >>> f(3.0), f(-2.0), fg.grad(f)(-2.0)
        (9.0, 2.0, np.float64(-1.0))
    """
    if fun is None:
        return functools.partial(
            jit,
            static_argnums=static_argnums,
            static_argnames=static_argnames,
            max_traces=max_traces,
            exact=exact,
            fast_math=fast_math,
            backend=backend,
            threads=threads,
        )
    check_callable("jit", fun)
    if not hasattr(max_traces, "__index__") or int(max_traces) < 1:
        raise ArgumentSelectionError(
            f"jit: max_traces={max_traces!r}. It is the number of paths that are recorded for one "
            "kind of arguments. Pass an integer from 1 on, or leave it away."
        )
    check_backend(backend)
    if not hasattr(threads, "__index__") or int(threads) < 1:
        raise ArgumentSelectionError(
            f"jit: threads={threads!r}. It is the number of threads that may share the work of one "
            "call. Pass an integer from 1 on, or leave it away."
        )
    options = Options(max_traces, exact, fast_math, backend, threads)
    return Jitted(fun, static_argnums, static_argnames, options)
