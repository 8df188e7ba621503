"""to_source: a function as a module of its own, which needs NumPy and nothing else."""

import inspect
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from funcgrad import tree
from funcgrad.compile.bundling import Bundle
from funcgrad.compile.emit import emit
from funcgrad.compile.naming import Names
from funcgrad.compile.writer import Writer
from funcgrad.core.primitive import Primitive
from funcgrad.core.program import Equation, Guard, Program, Reference, Variable
from funcgrad.errors import ExportError
from funcgrad.jitting.export_check import (
    CHECK,
    DIFFERENCE,
    expected_text,
    given_values,
)
from funcgrad.jitting.export_containers import (
    container_text,
    leaf_places,
    nodes_of,
    plain_containers,
)
from funcgrad.jitting.jitted import Jitted, jit
from funcgrad.jitting.staged import Path
from funcgrad.transforms.arguments import check_callable, function_name

__all__ = ["to_source"]

NEVER = 1 << 62
"""No array is so large that its memory is used again: the text reads better without."""


def to_source(fun: Callable[..., Any], /, *args: Any, **kwargs: Any) -> str:
    """A function as Python source that imports only numpy and math: f, x ↦ the text of a module.

    The function is recorded at the arguments, as `jit` does it. The module holds a function of the
    same name and parameters for arguments of these shapes and dtypes, with the user's variable
    names and lines, and the source of what NumPy does not have. Pytrees come and go as dicts, lists
    and tuples (a named tuple, or any other registered node, is a tuple of its children). Arrays
    that the function reads besides its arguments are written into the module. Where the function
    branches on a value, the module holds the recorded path, and raises ValueError on another one;
    of a jitted function it holds all paths that have been recorded.

    Run as a script, the module calls the function on the recorded arguments (on random ones of the
    same range, if they have more than 64 KB), compares the results with those of `fun`, prints
    "ok", or else what differs.

    Args:
        fun: a pure function of pytrees of arrays and numbers, plain, jitted or transformed.
        *args: arguments it is recorded at.
        **kwargs: further ones.

    Returns:
        The text.

    Raises:
        ExportError: if the function calls back into Python (`pure_callback`), or uses traced values
            or arrays of other libraries.

    Example:
        >>> import funcgrad as fg, numpy as np
        >>> print(fg.to_source(fg.grad(lambda x: np.sum(x * x)), np.ones(3)).splitlines()[2])
        Written by funcgrad. It needs NumPy alone.
    """
    check_callable("to_source", fun)
    jitted = fun if isinstance(fun, Jitted) else jit(fun, exact=True)
    return _Export(jitted, args, kwargs).text()


class _Scope:
    """Puts values and functions into a bundle."""

    def __init__(self, bundle: Bundle, name: str) -> None:
        self.bundle = bundle
        self.name = name

    def constant(self, value: Any) -> str:
        """An expression for a value."""
        hint = "c"
        if isinstance(value, Reference):
            value, hint = value.value, value.name or "c"
        try:
            text = self.bundle.constant(value, hint)
        except LookupError as error:
            raise self.refusal(f"uses {error}") from error
        return f"({text})" if text[0] == "-" else text

    def helper(self, function: Any, name: str) -> str:
        """An expression for a function."""
        try:
            return self.bundle.function(function, name)
        except LookupError as error:
            raise self.refusal(f"uses {name}, whose code needs {error}") from error

    def refusal(self, what: str) -> ExportError:
        """The error for what cannot be written down."""
        return ExportError(
            f"to_source: {self.name} {what}. That cannot be written down as NumPy. Write it with "
            "functions of NumPy and funcgrad, or export the functions before and after it."
        )


class _Export:
    """One module in the making."""

    def __init__(self, jitted: Jitted, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.jitted = jitted
        self.args = args
        self.kwargs = kwargs
        self.user_name = function_name(jitted.fun)
        staged, unit = jitted._unit(args, kwargs)
        if not unit.paths:
            raise ExportError(
                f"to_source: {self.user_name} could not be recorded: it uses traced values of a "
                "transform around it, or arrays of another library. A module holds plain arrays "
                "only. Export outside of the transform, or convert the arrays to NumPy's."
            )
        self.paths: list[Path] = unit.paths
        for path in self.paths:
            self._check(path.program)
        dynamic = jitted._split(args, kwargs)[1]
        self.leaves, self.structure = tree.flatten(dynamic)
        self.names = Names()
        self.name = self.names.fresh(self.user_name if self.user_name.isidentifier() else "fun")
        self.bundle = Bundle(fresh=self.names.fresh)
        self.scope: Any = _Scope(self.bundle, self.user_name)
        del staged

    def _check(self, program: Program) -> None:
        """Refuse what calls back into Python."""
        for equation in _equations(program):
            if equation.primitive.family == "callback":
                call = dict(equation.params)["call"]
                name = function_name(call.callback)
                raise ExportError(
                    f"to_source: {self.user_name} calls {name} through pure_callback at "
                    f"{equation.origin}. A module of NumPy alone cannot call back into your "
                    f"program. Write {name} with functions of NumPy, or pass what it returns as an "
                    "argument."
                )

    # --- the function -----------------------------------------------------------------------

    def text(self) -> str:
        """The module."""
        check_argument = self.names.fresh("check_argument")
        function, out_structure = self._function(check_argument)
        main = self._main(function, out_structure, check_argument)
        head = [f'"""{self._title()}', "", "Written by funcgrad. It needs NumPy alone."]
        where = self._where()
        if where:
            head[2] = f"Written by funcgrad, from {where}. It needs NumPy alone."
        body = self.bundle.text()
        parts = [
            "import numpy as np\n\n",
            body + "\n" if body else "",
            CHECK.replace("check_argument", check_argument) + "\n",
            function + "\n",
            main,
        ]
        whole = "\n".join(part for part in parts if part)
        if "math." in whole:
            whole = "import math\n\n" + whole
        return "\n".join([*head, '"""', "", whole])

    def _title(self) -> str:
        text = (inspect.getdoc(self.jitted.fun) or "").strip().splitlines()
        title = f"{self.user_name}: {text[0]}" if text else f"The function {self.user_name}."
        return title.replace("\\", "\\\\").replace('"', "'")

    def _where(self) -> str:
        code = getattr(inspect.unwrap(self.jitted.fun), "__code__", None)
        if code is None or code.co_filename.startswith("<"):
            return ""
        return f"{PurePath(code.co_filename).name}:{code.co_firstlineno}"

    def _parameters(self) -> list[str]:
        """Names of the arguments that are left, positional ones first."""
        (rest, keywords), (numbers, statics) = self.structure.children, self.jitted._statics
        names: list[str] = []
        try:
            listed = list(inspect.signature(self.jitted.fun).parameters.values())
        except (TypeError, ValueError):
            listed = []
        count = len(self.args)
        skipped = {number % count for number in numbers if -count <= number < count}
        for place in range(count):
            parameter = listed[min(place, len(listed) - 1)] if listed else None
            if parameter is None:
                name = f"arg{place}"
            elif parameter.kind is parameter.VAR_POSITIONAL:
                name = f"{parameter.name}_{place}"
            else:
                name = parameter.name
            if place not in skipped and name not in statics:
                names.append(name)
        assert len(names) == len(rest.children)
        return [*names, *map(str, keywords.meta)]

    def _function(self, check: str) -> tuple[str, tree.Structure]:
        """The function with its documentation, and the structure of its result."""
        (rest, keywords) = self.structure.children
        children = [*rest.children, *keywords.children]
        parameters = [
            "" if child is tree.LEAF else self.names.fresh(name)
            for name, child in zip(self._parameters(), children, strict=True)
        ]
        writer = Writer(self.scope, self.names, smallest=NEVER, fast=False)
        emitted = emit(
            self.name,
            [path.program for path in self.paths],
            writer,
            lambda number, texts: container_text(self.paths[number].static, iter(texts)),
            self._missed,
        )
        header, *lines = emitted.lines
        inputs = [one for one in header[header.index("(") + 1 : -2].split(", ") if one]
        count, own, unpacked, checks, described = 0, [], [], [], []
        variables = self.paths[0].program.inputs
        for parameter, child in zip(parameters, children, strict=True):
            places = list(leaf_places(child, parameter))
            own.append(inputs[count] if child is tree.LEAF else parameter)
            for _, place in places:
                variable, name = variables[count], inputs[count]
                if child is not tree.LEAF:
                    unpacked.append(f"    {name} = {place}")
                    shown = place
                else:
                    shown = name
                described.append(f"        {shown}: {_type(variable)}.")
                checks.append(
                    f"    {check}({shown!r}, {name}, {variable.shape}, {str(variable.dtype)!r})"
                )
                count += 1
            described += [f"        {parameter} holds {node}." for node in nodes_of(child)]
        split = len(rest.children)
        if len(own) > split:
            own.insert(split, "*")
        documented = self._documentation(described)
        text = [f"def {self.name}({', '.join(own)}):", *documented, *unpacked, *checks, *lines]
        return "\n".join(text) + "\n", self.paths[0].static

    def _documentation(self, described: Sequence[str]) -> list[str]:
        path = self.paths[0]
        results = [
            f"        {place}: {_type(output)}."
            for (_, place), output in zip(
                leaf_places(path.static, "the result"), path.program.outputs, strict=True
            )
        ]
        results += [f"        It holds {node}." for node in nodes_of(path.static)]
        lines = [f'    """{self._title()}']
        if described:
            lines += ["", "    Args:", *described]
        if results:
            lines += ["", "    Returns:", *results]
        asked = [item for item in path.program.items if isinstance(item, Guard)]
        if asked:
            lines += [
                "",
                "    Raises:",
                "        ValueError: for values that take a path that was not recorded.",
            ]
        return [*lines, '    """']

    def _missed(self, guard: Guard) -> str:
        origin = guard.origin
        where = f" ({PurePath(origin.file).name}:{origin.line})" if origin.file else ""
        answers = {
            repr(item.answer)
            for path in self.paths
            for item in path.program.items
            if isinstance(item, Guard) and item.origin == origin and item.kind == guard.kind
        }
        known = " or ".join(sorted(answers))
        asked = origin.text.removesuffix(":") if origin.text else "a value"
        kind = "" if guard.kind == "bool" else f"{guard.kind}() of "
        message = (
            f"{self.user_name}: this module is the path where {kind}{asked!r} is {known}{where}"
        )
        return f"raise ValueError({message!r})"

    # --- the check --------------------------------------------------------------------------

    def _main(self, function: str, out_structure: tree.Structure, check: str) -> str:
        """What the module does when it is run."""

        def holds(leaves: Sequence[Any]) -> bool:
            try:
                self._run(function, check, leaves)
            except Exception:  # noqa: BLE001  # the path is another one, or the values are no good
                return False
            return True

        given = given_values(self.leaves, self.bundle, holds)
        rest, keywords = tree.unflatten(self.structure, given.values)
        split = self.jitted._split(self.args, self.kwargs)
        statics = {place: value for place, _, value in split[0]}
        positional = iter(rest)
        args = [statics[i] if i in statics else next(positional) for i in range(len(self.args))]
        named = {name: value for name, value in statics.items() if isinstance(name, str)}
        out = self.jitted.fun(*_copied(args), **_copied({**keywords, **named}))
        expected, structure = tree.flatten(out)
        if structure != out_structure:
            structure = out_structure
        texts = iter(given.texts)
        positions, words = self.structure.children
        arguments = [container_text(child, texts) for child in positions.children]
        arguments += [
            f"{name}={container_text(child, texts)}"
            for name, child in zip(words.meta, words.children, strict=True)
        ]
        places = [place for _, place in leaf_places(structure, "out")]
        compared = [
            f"difference({place!r}, {place}, {text})"
            for place, text in zip(places, expected_text(expected), strict=True)
        ]
        lines = ['if __name__ == "__main__":', ""]
        lines += ["    " + line if line else "" for line in DIFFERENCE.splitlines()]
        lines.append("")
        if given.generated:
            lines.append("    rng = np.random.default_rng(0)")
        lines.append(f"    out = {self.name}(")
        lines += [f"        {line}" for one in arguments for line in f"{one},".splitlines()]
        lines += ["    )", "    found = ["]
        lines += [f"        {line}" for one in compared for line in f"{one},".splitlines()]
        lines += [
            "    ]",
            '    print("\\n".join(filter(None, found)) or "ok")',
            "    raise SystemExit(any(found))",
        ]
        return "\n".join(lines) + "\n"

    def _run(self, function: str, check: str, leaves: Sequence[Any]) -> Any:
        """Call the written function."""
        text = "\n".join(
            [
                "import math",
                "import numpy as np",
                self.bundle.text(),
                CHECK.replace("check_argument", check),
                function,
            ]
        )
        namespace: dict[str, Any] = {}
        exec(compile(text, "<funcgrad to_source>", "exec"), namespace)  # written above
        rest, keywords = (
            plain_containers(child, leaves_of)
            for leaves_of in [iter(leaves)]
            for child in self.structure.children
        )
        return namespace[self.name](*rest, **keywords)


def _copied(x: Any) -> Any:
    """Containers with copies of their arrays."""
    return tree.map(lambda leaf: leaf.copy() if isinstance(leaf, np.ndarray) else leaf, x)


def _type(value: Any) -> str:
    if isinstance(value, Variable):
        return f"a number ({value.dtype})" if value.weak else value.type
    return f"the number {value}"


def _equations(program: Program) -> Iterator[Equation]:
    """All equations, also of programs inside of others."""
    for equation in program.equations:
        yield equation
        for _, value in equation.params:
            for inner in _programs(value):
                yield from _equations(inner)


def _programs(value: Any, depth: int = 0) -> Iterator[Program]:
    if isinstance(value, Program):
        yield value
    elif isinstance(value, tuple | list):
        yield from itertools.chain.from_iterable(_programs(item, depth) for item in value)
    elif depth < 2 and not isinstance(value, Primitive):  # bodies keep their programs in attributes
        for name in getattr(type(value), "__slots__", ()):
            yield from _programs(getattr(value, name, None), depth + 1)
