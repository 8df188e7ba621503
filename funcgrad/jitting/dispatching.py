"""The way from a call to the compiled function, written out for the kinds of arguments met.

A general look-up flattens pytrees, makes a key and asks a dict, which takes longer than many small
functions run. So the checks for the kinds of arguments met last are written as a function of their
own: types, shapes and dtypes by comparison, entries of containers by their keys.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from funcgrad import tree
from funcgrad.jitting.closures import Closure
from funcgrad.jitting.staged import MISSED, Unit
from funcgrad.jitting.statics import has_attributes, same_static, told_apart

__all__ = ["Entry", "dispatcher"]

_CONTAINERS = (dict, list, tuple)
_NUMBERS = frozenset({float, int, bool, complex})


class Entry:
    """The checks for one kind of arguments.

    Attributes:
        unit: what is compiled for it.
        run: its compiled function.
        count: number of arguments.
        tests: texts that must hold.
        leaves: texts of the leaves.
        values: what the texts name.
    """

    __slots__ = ("count", "leaves", "locals", "run", "tests", "unit", "values")

    def __init__(self, unit: Unit, count: int) -> None:
        self.unit = unit
        self.run = unit.run
        self.count = count
        self.locals = 0
        self.tests: list[str] = []
        self.leaves: list[str] = []
        self.values: list[Any] = []

    @classmethod
    def of(
        cls,
        args: Sequence[Any],
        statics: tuple[frozenset[int], frozenset[str]],
        names: Sequence[str],
        unit: Unit,
    ) -> "Entry | None":
        """For a call with these arguments; `None` if there is no short way."""
        entry = cls(unit, len(args))
        for number, arg in enumerate(args):
            name = names[number] if number < len(names) else ""
            if number in statics[0] or number - len(args) in statics[0] or name in statics[1]:
                entry.static(f"a{number}", arg)
            elif not entry.argument(f"a{number}", arg):
                return None
        return entry

    def value(self, x: Any) -> str:
        """A name for a value; `{}` is filled in by the dispatcher."""
        self.values.append(x)
        return f"{{prefix}}{len(self.values) - 1}"

    def static(self, text: str, x: Any) -> None:
        """Test a static argument."""
        value = self.value(x)
        if has_attributes(x):
            told = self.value(told_apart(x))
            self.tests.append(f"{text} == {value} and told_apart({text}) == {told}")
            return
        self.tests.append(f"({text} is {value} or same_static({text}, {value}))")

    def argument(self, text: str, x: Any) -> bool:
        """Test an argument or a part of one; whether that is possible."""
        cls = type(x)
        if cls is np.ndarray:
            self.tests.append(f"type({text}) is ndarray")
            self.tests.append(f"{text}.dtype is {self.value(x.dtype)}")
            self.tests.append(f"{text}.shape == {x.shape!r}")
            self.leaves.append(text)
            return True
        if cls in _NUMBERS or isinstance(x, np.generic):
            self.tests.append(f"type({text}) is {self.value(cls)}")
            self.leaves.append(text)
            return True
        if x is None:
            self.tests.append(f"{text} is None")
            return True
        if cls not in _CONTAINERS:
            return self.node(text, x)
        self.tests.append(f"type({text}) is {cls.__name__}")
        self.tests.append(f"len({text}) == {len(x)}")
        if cls is not dict:
            return all(self.argument(f"{text}[{i}]", item) for i, item in enumerate(x))
        if not all(type(key) is str for key in x):
            return False
        self.tests += [f"{key!r} in {text}" for key in x]
        return all(self.argument(f"{text}[{key!r}]", x[key]) for key in sorted(x))

    def node(self, text: str, x: Any) -> bool:
        """Test a container of another type: it is flattened, and its structure compared."""
        leaves, structure = tree.flatten(x)
        if structure is tree.LEAF:
            return False
        parts = self.name()
        self.tests.append(f"({parts} := flatten({text}))[1] == {self.value(structure)}")
        return all(self.argument(f"{parts}[0][{i}]", leaf) for i, leaf in enumerate(leaves))

    def name(self) -> str:
        """A name for a local variable."""
        self.locals += 1
        return f"{{prefix}}t{self.locals}"


def dispatcher(
    closure: Closure,
    entries: Sequence[Entry],
    slow: Callable[..., Any],
    failed: Callable[..., Any],
    hit: Callable[[], int],
) -> Callable[..., Any]:
    """A function of the arguments that calls what is compiled for them.

    Args:
        closure: what the function reads.
        entries: the kinds of arguments that are known.
        slow: is called for others.
        failed: is called where compiled code raised.
        hit: counts calls.
    """
    if not entries:
        return slow
    namespace: dict[str, Any] = {
        "MISSED": MISSED,
        "flatten": tree.flatten,
        "hit": hit,
        "ndarray": np.ndarray,
        "__name__": __name__,
        "same_static": same_static,
        "told_apart": told_apart,
        "failed": failed,
        "slow": slow,
    }
    lines = ["def dispatch(*args):"]
    if closure.sites:
        namespace["unchanged"] = closure.unchanged
        lines += ["    if not unchanged():", "        return slow(*args)"]
    for number, entry in enumerate(entries):
        prefix = f"v{number}_"
        namespace[f"run{number}"] = entry.run
        namespace |= {f"{prefix}{i}": value for i, value in enumerate(entry.values)}
        lines.append(f"    if len(args) == {entry.count}:")
        targets = ", ".join(f"a{i}" for i in range(entry.count))
        if entry.count:
            lines.append(f"        {targets}, = args")
        tests = " and ".join(entry.tests).replace("{prefix}", prefix) or "True"
        leaves = ", ".join(entry.leaves).replace("{prefix}", prefix)
        lines += [
            f"        if {tests}:",
            "            try:",
            f"                out = run{number}({leaves})",
            "            except Exception:",
            "                return failed(*args)",
            "            if out is not MISSED:",
            "                hit()",
            "                return out",
        ]
    lines.append("    return slow(*args)")
    exec(compile("\n".join(lines), "<funcgrad dispatch>", "exec"), namespace)  # written above
    found: Callable[..., Any] = namespace["dispatch"]
    return found
