"""Functions of flat lists of arrays that are recorded once for each kind of arguments.

A `Staged` keeps, for each tuple of kinds (shapes, dtypes, types of numbers), the paths through the
function that have been recorded, and one compiled function that finds its way among them.
"""

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from funcgrad.compile.collecting import no_collections
from funcgrad.compile.emit import Emitted, emit
from funcgrad.compile.load import load
from funcgrad.compile.naming import Names
from funcgrad.compile.passes import Savings, forward
from funcgrad.compile.regions.context import Context
from funcgrad.compile.regions.costs import costs_here
from funcgrad.compile.regions.tiles_threads import processors
from funcgrad.compile.tree import PathsDifferError
from funcgrad.compile.writer import Writer
from funcgrad.core.modes import MODES
from funcgrad.core.program import Guard, Program
from funcgrad.core.tracer import Tracer
from funcgrad.errors import FuncgradError, PathLimitWarning, warn_user
from funcgrad.interpreters.stage import StageTracer
from funcgrad.jitting.scopes import JitScope
from funcgrad.jitting.staging import JitStage
from funcgrad.transforms.arguments import own

__all__ = ["MISSED", "Options", "Path", "Staged", "Unit", "kind_of_leaf", "source_of"]

Body = Callable[[Sequence[Any], JitStage | None], tuple[Any, list[Any]]]
"""`(leaves, staging) -> (what is known without values, results)`."""


class _Missed:
    """What a compiled function returns where no path has been recorded."""

    __slots__ = ()


MISSED = _Missed()
_WORDS = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Options:
    """How functions are recorded and compiled.

    Attributes:
        max_traces: number of paths for one kind of arguments.
        exact: whether passes that may change the last bits are left out.
        fast_math: whether passes that change infinities, nans and zeros' signs are used.
        backend: what small programs are compiled with, `"numpy"` or `"numba"`.
        threads: how many threads may work on one call.
    """

    max_traces: int = 16
    exact: bool = False
    fast_math: bool = False
    backend: str = "numpy"
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Path:
    """One way through a function.

    Attributes:
        raw: its program as recorded.
        program: after the passes that go forwards.
        static: what the function returned that is known without values.
        savings: what each pass saved.
    """

    raw: Program
    program: Program
    static: Any
    savings: Savings


class Unit:
    """What has been recorded for one kind of arguments.

    Attributes:
        paths: the ways through the function.
        run: the compiled function of the leaves; `None` before there is one.
        eager: whether there were too many paths.
        restarts: how often the function did something else than before with the same answers.
        emitted: the source.
        scope: the values that it names.
        ordered: whether each leaf was in C order when the function was recorded first.
    """

    __slots__ = ("__weakref__", "eager", "emitted", "ordered", "paths", "restarts", "run", "scope")

    def __init__(self) -> None:
        self.paths: list[Path] = []
        self.run: Callable[..., Any] | None = None
        self.eager = False
        self.restarts = 0
        self.emitted: Emitted | None = None
        self.scope: JitScope | None = None
        self.ordered: tuple[bool, ...] = ()


def source_of(unit: Unit) -> str:
    """The source, with what its names stand for."""
    if unit.emitted is None or unit.scope is None:
        return ""
    text = unit.emitted.text
    used = set(_WORDS.findall(text)) - {unit.emitted.name}
    head = [f"# {name} = {what}" for name, what in unit.scope.listing if name in used]
    return "\n".join([*head, text])


def kind_of_leaf(x: Any) -> Any:
    """What a compiled function depends on of an argument; `None` if it cannot be one."""
    cls = type(x)
    if cls is np.ndarray:
        return (x.shape, x.dtype) if x.dtype.kind in "biufc" else None
    if cls in _NUMBERS or (isinstance(x, np.generic) and x.dtype.kind in "biufc"):
        return cls
    return None


_NUMBERS = frozenset({float, int, bool, complex, np.float64, np.float32, np.int64, np.bool_})


class Staged:
    """A function of a flat list of leaves, recorded for each kind of them.

    Args:
        body: the function; it is given tracers and the staging, or any values and `None`.
        name: for messages and the source.
        leaf_names: names of the leaves.
        options: see `Options`.
    """

    __slots__ = ("_lock", "body", "derived", "leaf_names", "name", "options", "recordings", "units")

    def __init__(self, body: Body, name: str, leaf_names: Sequence[str], options: Options) -> None:
        self.body = body
        self.name = name
        self.leaf_names = leaf_names
        self.options = options
        self.units: dict[tuple[Any, ...], Unit] = {}
        self.derived: dict[Any, Staged] = {}
        self.recordings = 0
        self._lock = threading.RLock()

    def derive(self, key: Any, make: Callable[[], "Staged"]) -> "Staged":
        """A function made of this one, once for each key."""
        found = self.derived.get(key)
        if found is None:
            with self._lock:
                found = self.derived.get(key)
                if found is None:
                    found = self.derived[key] = make()
        return found

    # what is returned -------------------------------------------------------------------------
    def result(self, static: Any, values: list[Any]) -> Any:
        """What a call returns."""
        return static, values

    def written_result(self, unit: Unit, path: Path, names: Sequence[str], scope: JitScope) -> str:
        """The same as text, for the compiled function."""
        values = f"[{', '.join(names)}]"
        return f"{scope.constant(path.static)}, {values}"

    def owned(self, path: Path) -> int | None:
        """How many results of a path have memory of their own; `None`: all."""
        del path
        return None

    # calls ------------------------------------------------------------------------------------
    def unit(self, leaves: Sequence[Any]) -> Unit:
        """What there is for leaves of these kinds."""
        key = tuple(map(kind_of_leaf, leaves))
        found = self.units.get(key)
        return found if found is not None else self.units.setdefault(key, Unit())

    def call(self, leaves: Sequence[Any]) -> Any:
        """The result for plain leaves."""
        unit = self.unit(leaves)
        run = unit.run
        if run is not None:
            try:
                out = run(*leaves)
            except Exception:  # noqa: BLE001  # the function may catch it: it is asked again
                return self.plainly(unit, leaves)
            if out is not MISSED:
                return out
        return self.plainly(unit, leaves)

    def asked(self, leaves: Sequence[Any]) -> Any:
        """The result for plain leaves for which compiled code has raised."""
        return self.plainly(self.unit(leaves), leaves)

    def plainly(self, unit: Unit, leaves: Sequence[Any]) -> Any:
        """Call the function itself, and record it unless that has been given up."""
        if not unit.eager:
            return self.record(unit, leaves)
        static, outs = self.body(leaves, None)
        forbidden = set(map(id, leaves))
        return self.result(static, [_separate(out, forbidden) for out in outs])

    def record(self, unit: Unit, leaves: Sequence[Any]) -> Any:
        """Call the function while its program is written down."""
        stage = JitStage(self.name, self.options.exact)
        MODES.staging += 1
        copies, MODES.copies = MODES.copies, {}
        try:
            inputs = [
                stage.input(leaf, name) for leaf, name in zip(leaves, self.leaf_names, strict=True)
            ]
            static, outs = self.body(inputs, stage)
        finally:
            MODES.staging -= 1
            MODES.copies = copies
            stage.close()
        forbidden = stage.arrays().union(map(id, leaves))
        values = [_plain(stage, out, forbidden) for out in outs]
        if stage.captured or any(isinstance(value, Tracer) for value in values):
            stage.finish(self.name, inputs, [])
            return self.result(static, values)  # a value of a transform around it is in there
        if stage.caught:  # its program would not know what the function does then
            self._give_up(unit)
            return self.result(static, values)
        raw = stage.finish(self.name, inputs, outs)
        self.recordings += 1
        options = self.options
        with no_collections():
            program, savings = forward(raw, exact=options.exact, fast_math=options.fast_math)
            with self._lock:
                if all(path.raw != raw for path in unit.paths):
                    unit.ordered = unit.ordered or tuple(map(_in_order, leaves))
                    self._add(unit, Path(raw, program, static, savings))
        return self.result(static, values)

    def _give_up(self, unit: Unit) -> None:
        """Count a call that cannot be compiled; after too many of them none is."""
        unit.restarts += 1
        if unit.restarts > self.options.max_traces:
            unit.eager = True
            unit.run = None

    def _add(self, unit: Unit, path: Path) -> None:
        if unit.eager:
            return
        paths = [*unit.paths, path]
        if max(len(paths), unit.restarts) > self.options.max_traces:
            unit.eager = True
            unit.run = None
            warn_user(_too_many(self.name, unit.paths), PathLimitWarning)
            return
        try:
            self.install(unit, paths)
        except PathsDifferError:  # what the function reads elsewhere has changed
            unit.restarts += 1
            self.install(unit, [path])

    def install(self, unit: Unit, paths: list[Path]) -> None:
        """Compile these paths, and use them from now on."""
        names = Names()
        scope = JitScope(names)
        name = names.fresh(self.name if self.name.isidentifier() else "compiled")
        options = self.options
        threads = min(options.threads, processors())
        context = Context(options.exact, options.backend, threads, costs_here())
        writer = Writer(scope, names, context=context, scratch=True)
        missed = scope.helper(MISSED, "MISSED")
        emitted = emit(
            name,
            [path.program for path in paths],
            writer,
            lambda number, texts: self.written_result(unit, paths[number], texts, scope),
            lambda _guard: f"return {missed}",
            owned=lambda number: self.owned(paths[number]),
            ordered=() if options.exact else unit.ordered,
        )
        run = load(emitted.rows, name, scope.namespace)
        scope.close()
        if any(_may_be_degenerate(path.program) for path in paths):
            run = self._careful(run)
        unit.paths = paths
        unit.emitted = emitted
        unit.scope = scope
        unit.run = run

    def _careful(self, run: Callable[..., Any]) -> Callable[..., Any]:
        """The compiled function; the plain one where it meets equal eigenvalues.

        Their derivatives are series of arrays, for which the source is not written.
        """

        def careful(*leaves: Any) -> Any:
            try:
                return run(*leaves)
            except (FuncgradError, TypeError):
                return self.result(*self.body(leaves, None))

        return careful


def _in_order(leaf: Any) -> bool:
    return not isinstance(leaf, np.ndarray) or leaf.flags.c_contiguous


def _may_be_degenerate(program: Program) -> bool:
    return any(name == "levels" and value for e in program.equations for name, value in e.params)


def _plain(stage: JitStage, out: Any, forbidden: set[int]) -> Any:
    """A result of the recorded call, in memory of its own."""
    if type(out) is np.ndarray:
        return out.copy("K")  # the program may keep it as a constant
    value = out.value if isinstance(out, StageTracer) and out.owner is stage else out
    return _separate(value, forbidden)


def _separate(value: Any, forbidden: set[int]) -> Any:
    """A value in memory of its own."""
    if type(value) is np.ndarray and (value.base is not None or id(value) in forbidden):
        return value.copy("K")  # products of matrices depend on the order in memory
    return own(value, forbidden) if isinstance(value, np.ndarray) else value


def _too_many(name: str, paths: Sequence[Path]) -> str:
    counts: dict[str, tuple[int, Guard]] = {}
    for path in paths:
        for item in path.raw.items:
            if isinstance(item, Guard):
                where = str(item.origin)
                count, _ = counts.get(where, (0, item))
                counts[where] = (count + 1, item)
    answers: dict[str, set[str]] = {}
    for path in paths:
        for item in path.raw.items:
            if isinstance(item, Guard):
                answers.setdefault(str(item.origin), set()).add(repr(item.answer))
    where = max(answers, key=lambda place: (len(answers[place]), counts[place][0]))
    guard = counts[where][1]
    text = f" ({guard.origin.text})" if guard.origin.text else ""
    asks = {
        "bool": "a branch on a value",
        "shape": "a shape that depends on values",
    }.get(guard.kind, f"{guard.kind}() of a value")
    return (
        f"jit: {name} has taken {len(paths)} paths for arguments of one kind, because of {asks} at "
        f"{where}{text}. From now on it runs without compilation for these. Use np.where, cond, "
        "while_loop or scan there, pass the value as a static argument, or raise max_traces."
    )
