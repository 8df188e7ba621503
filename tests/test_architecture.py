"""The rules of the house: who may import whom, how long a file may be, what a module may hold.

Everything is read from the source with `ast`, nothing is imported. A rule is a function from a
source text to its violations, so that each has a test that it can fail.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "funcgrad"

# A file imports only from what stands above it. Within a package the order is given where there is
# one; files that stand in no order (`()` or not listed) may import each other, but not in a circle.
# A package's `__init__` stands below all of the package.
LAYERS: dict[str, tuple[str, ...]] = {
    "errors": (),
    "tree": (),
    "special_values": (),
    "core": (
        "modes",
        "primitive",
        "protocols",
        "foreign",
        "tracer",
        "wengert",
        "origins",
        "program",
    ),
    "interpreters": ("record", "specialise", "sweep", "dual", "batch", "stage", "notes"),
    "families": (),
    "primitives": (),
    "numpy": (),
    "nn": (),
    "compile": (),
    "transforms": ("arguments", "autodiff", "vmap", "jacobian", "custom", "program"),
    "random": (),
    "jitting": ("randomness", "staging", "closures", "scopes", "staged", "derived", "jitted"),
    "sparse": (),
    "flatten_util": (),
    "testing": (),
    "drawing": ("layout", "picture", "programs"),
    "coverage": (),
    "__init__": (),
    "compat": (),
}

# What funcgrad may import besides the standard library, and where.
THIRD_PARTY: dict[str, str] = {
    "numpy": "funcgrad",
    "typing_extensions": "funcgrad",
    "hypothesis": "funcgrad.testing.strategies",
    "numba": "funcgrad.compile.regions.numba_backend",
    "safetensors": "funcgrad.compat.torch.files.tensors",
}

# Module-level state that changes after its module is imported, and why it has to.
MUTABLE_STATE: dict[str, str] = {
    "funcgrad.core.modes.MODES": "one set a thread, changed by context managers that restore it",
    "funcgrad.core.primitive.PRIMITIVES": "registry, filled while funcgrad.primitives is imported",
    "funcgrad.core.protocols.DISPATCH": "NumPy's callables, filled by funcgrad.primitives likewise",
    "funcgrad.interpreters.series.RULES": "rules for series, filled by funcgrad.primitives",
    "funcgrad.tree.registry.KINDS": "containers, filled by users through tree.register_node",
    "funcgrad.compile.regions.tiles_threads.IDLE": "workers for tiles, waiting; none after a fork",
    "funcgrad.compile.regions.tiles_threads._started": "all workers, held so that they go on",
    "funcgrad.compile.scratch._POOLS": "memory kept between calls, held weakly by its users",
    "funcgrad.compat.torch.state.STATE": "PyTorch's modes, one set a thread",
    "funcgrad.compat.torch.state.SETTINGS": "set_default_dtype and its like, as in PyTorch",
    "funcgrad.compat.torch.formatting.OPTIONS": "set_printoptions, one setting for the process",
    "funcgrad.compat.torch.levels.LEVELS": "open transforms of torch.func, one list a thread",
    "funcgrad.compat.torch.compilation.EVERY": "compiled functions, to be reset; held weakly",
    "funcgrad.compat.torch.node.CAREFUL": "whether a mode asks for the long way, one a thread",
    "funcgrad.compat.torch.registry.MODULES": "functions, filled while the layer is imported",
    "funcgrad.compat.torch.guarding._LABELS": "names of functions, filled while it is imported",
    "funcgrad.compat.torch.elementary.UNARY": "functions, filled while the layer is imported",
    "funcgrad.compat.torch.node._CLASSES": "one class for each name of nodes, made when needed",
    "funcgrad.compat.torch.files.allowed.USER": "classes in files, vouched for by the user",
    "funcgrad.compat.torch.files.locations.PACKAGES": "devices in files, entered by the user",
    "funcgrad.compat.torch.serialization.OPTIONS": "PyTorch's settings of saving and loading",
    "funcgrad.compat.torch.randomness._ZERO_SLOPES": "one operation for each kind of draw",
    "funcgrad.compat.torch.distributions.kl._KL_REGISTRY": "divergences, filled by register_kl",
    "funcgrad.compat.torch.nn.modules.hooks.GLOBAL": "hooks of all modules, entered by the user",
    "funcgrad.compat.torch.pytrees.CUSTOM": "containers, entered by the user",
    "funcgrad.compat.torch.utils.data._utils.worker._CURRENT": "which worker this process is",
    "funcgrad.compat.torch.autograd.functional_function._PRIMITIVES": (
        "one primitive for each user's Function"
    ),
}

# Modules whose public names PyTorch fixes, wherever they are defined here.
PYTORCH_MODULES = frozenset(
    {
        "funcgrad.compat.torch.autograd.graph",
        "funcgrad.compat.torch.distributions.transforms",
        "funcgrad.compat.torch.nn.functional",
        "funcgrad.compat.torch.nn.modules.activation",
        "funcgrad.compat.torch.nn.modules.loss",
        "funcgrad.compat.torch.nn.modules.module",
        "funcgrad.compat.torch.nn.modules.rnn",
        "funcgrad.compat.torch.nn.modules.transformer",
        "funcgrad.compat.torch.serialization",
        "funcgrad.compat.torch.utils.data.dataloader",
    }
)

MAX_LINES = 500

# fmt: off
MUTATING_METHODS = frozenset({
    "add", "append", "appendleft", "clear", "difference_update", "discard", "extend",
    "extendleft", "insert", "intersection_update", "move_to_end", "pop", "popitem", "popleft",
    "remove", "reverse", "rotate", "setdefault", "sort", "symmetric_difference_update", "update",
})
# fmt: on


@dataclass(frozen=True)
class Module:
    """A source file: its dotted name, its text and its tree."""

    name: str
    is_package: bool
    text: str

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)


def read_modules() -> dict[str, Module]:
    """Every module of funcgrad by its dotted name."""
    modules = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        modules[name] = Module(name, is_package, path.read_text(encoding="utf-8"))
    return modules


MODULES = read_modules()


@pytest.fixture(params=MODULES.values(), ids=MODULES.keys())
def module(request: pytest.FixtureRequest) -> Module:
    return request.param


# ---------------------------------------------------------------------------------------------
# Imports


def imported_names(module: Module, known: set[str]) -> Iterator[str]:
    """Every module that a module imports; a submodule of `known` where a name is one."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = absolute_source(module, node)
            for alias in node.names:
                inner = f"{source}.{alias.name}"
                yield inner if inner in known else source


def absolute_source(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    parents = parts[: len(parts) - node.level + module.is_package]
    return ".".join([*parents, *([node.module] if node.module else [])])


def own_imports(module: Module, known: set[str]) -> set[str]:
    return {
        name
        for name in imported_names(module, known)
        if name.split(".")[0] == "funcgrad" and name != module.name
    }


def position(name: str, packages: set[str]) -> tuple[int, float | None]:
    """Where a module stands: its layer, and its place in the layer if it has one."""
    _, *inner = name.split(".")
    layer = inner[0] if inner else "__init__"
    if layer not in LAYERS:
        pytest.fail(f"{name} stands in no layer: enter {layer!r} into LAYERS")
    index = list(LAYERS).index(layer)
    if len(inner) < 2:
        return index, float("inf") if name in packages else None
    order = LAYERS[layer]
    return index, order.index(inner[1]) if inner[1] in order else None


def is_above(upper: str, lower: str, packages: set[str]) -> bool:
    """Whether `lower` may import `upper`."""
    (upper_layer, upper_place), (lower_layer, lower_place) = (
        position(name, packages) for name in (upper, lower)
    )
    if upper_layer != lower_layer:
        return upper_layer < lower_layer
    if upper_place == float("inf"):  # a subpackage's own __init__ is no place in the layer's order
        return lower_place == float("inf")
    return upper_place is None or lower_place is None or upper_place <= lower_place


PACKAGES = {name for name, module in MODULES.items() if module.is_package}


def test_a_file_imports_only_from_what_stands_above_it(module: Module) -> None:
    wrong = {
        name
        for name in own_imports(module, set(MODULES))
        if not is_above(name, module.name, PACKAGES)
    }
    assert not wrong, f"{module.name} imports from below itself: {sorted(wrong)}"


@pytest.mark.parametrize(
    ("upper", "lower", "allowed"),
    [
        ("funcgrad.errors", "funcgrad.core.tracer", True),
        ("funcgrad.core.tracer", "funcgrad.errors", False),
        ("funcgrad.core.primitive", "funcgrad.core.tracer", True),
        ("funcgrad.core.wengert", "funcgrad.core.tracer", False),
        ("funcgrad.core", "funcgrad.core.tracer", False),
        ("funcgrad.core.tracer", "funcgrad.core", True),
        ("funcgrad.core", "funcgrad.families.linear", True),
        ("funcgrad", "funcgrad.tree", False),
        ("funcgrad.tree", "funcgrad", True),
    ],
)
def test_the_order_of_the_layers_is_read_from_the_table(
    upper: str, lower: str, *, allowed: bool
) -> None:
    packages = {"funcgrad", "funcgrad.core", "funcgrad.families"}
    assert is_above(upper, lower, packages) is allowed


def test_relative_and_absolute_imports_are_both_seen() -> None:
    known = {"funcgrad.core", "funcgrad.core.primitive", "funcgrad.tree"}
    module = Module(
        "funcgrad.core.tracer",
        is_package=False,
        text="from . import primitive\nfrom .. import tree\nfrom funcgrad.core import x\n",
    )
    assert own_imports(module, known) == {
        "funcgrad.core.primitive",
        "funcgrad.tree",
        "funcgrad.core",
    }


def test_no_file_imports_itself_through_others() -> None:
    known = set(MODULES)
    graph = {name: own_imports(module, known) & known for name, module in MODULES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"import cycle: {' -> '.join(error.args[1])}")


def test_only_numpy_typing_extensions_and_the_standard_library_are_imported(
    module: Module,
) -> None:
    wrong = {
        name
        for name in imported_names(module, set(MODULES))
        if (top := name.split(".")[0]) != "funcgrad"
        and top not in sys.stdlib_module_names
        and not (top in THIRD_PARTY and f"{module.name}.".startswith(f"{THIRD_PARTY[top]}."))
    }
    assert not wrong, f"{module.name} imports {sorted(wrong)}, which funcgrad does not depend on"


def late_imports_without_reason(text: str) -> list[int]:
    """Lines that import inside a function, with no comment beside or above that says why."""
    markers = r"#\s*(noqa(: ?[A-Z]+\d+(, ?[A-Z]+\d+)*)?|type: ignore(\[.*?\])?)"
    comments = {
        token.start[0]: re.sub(markers, "", token.string)
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT
    }
    lines = {
        node.lineno
        for function in ast.walk(ast.parse(text))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    return sorted(
        line
        for line in lines
        if not any(
            len(re.findall(r"\w+", comments.get(near, ""))) >= 3 for near in (line, line - 1)
        )
    )


def test_an_import_inside_a_function_says_why_beside_it(module: Module) -> None:
    lines = late_imports_without_reason(module.text)
    assert not lines, f"{module.name}: imports inside functions without a reason, lines {lines}"


@pytest.mark.parametrize(
    ("comment", "lines"),
    [
        ("", [2]),
        ("  # noqa: PLC0415", [2]),
        ("  # noqa: PLC0415 - pytest is optional here", []),
    ],
)
def test_a_noqa_alone_is_no_reason_for_a_late_import(comment: str, lines: list[int]) -> None:
    assert late_imports_without_reason(f"def f():\n    import pytest{comment}\n") == lines


def test_only_init_files_reexport(module: Module) -> None:
    if module.is_package or module.name in PYTORCH_MODULES:
        return
    imported = {
        alias.asname or alias.name
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom) and node.module != "__future__"
        for alias in node.names
    }
    wrong = imported & set(listed_all(module.tree))
    assert not wrong, f"{module.name} lists names of other modules in __all__: {sorted(wrong)}"


def listed_all(tree: ast.Module) -> list[str]:
    """The names in a literal `__all__`."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and "__all__" in map(ast.unparse, node.targets):
            return [
                item.value
                for item in ast.walk(node.value)
                if isinstance(item, ast.Constant) and isinstance(item.value, str)
            ]
    return []


# ---------------------------------------------------------------------------------------------
# Size and state


def test_a_file_fits_into_a_head(module: Module) -> None:
    lines = len(module.text.splitlines())
    assert lines <= MAX_LINES, f"{module.name} has {lines} lines, at most {MAX_LINES} are allowed"


def global_names(tree: ast.Module) -> set[str]:
    """Names assigned at the top of a module."""
    return {
        name.id
        for statement in tree.body
        if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign)
        for name in ast.walk(statement)
        if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
    }


def imported_globals(module: Module, known: set[str]) -> dict[str, str]:
    """What an expression of a module means in others: `{"tracer.X" or "X": dotted name}`."""
    meanings = {}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom):
            source = absolute_source(module, node)
            for alias in node.names:
                meanings[alias.asname or alias.name] = f"{source}.{alias.name}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                meanings[alias.asname or alias.name] = alias.name
    return {name: meaning for name, meaning in meanings.items() if meaning.startswith("funcgrad")}


def written_targets(node: ast.AST) -> Iterator[ast.expr]:
    """Expressions whose value a node changes in place."""
    match node:
        case ast.Subscript(value=value, ctx=ast.Store() | ast.Del()):
            yield value
        case ast.Attribute(value=value, ctx=ast.Store() | ast.Del()):
            yield value
        case ast.Call(func=ast.Attribute(value=value, attr=attr)) if attr in MUTATING_METHODS:
            yield value
        case ast.Call(func=ast.Name(id="next"), args=[value, *_]):
            yield value
        case ast.AugAssign(target=ast.Name() as value):
            yield ast.Name(value.id, ast.Load())


def local_names(function: ast.AST) -> set[str]:
    """Names that a function binds: arguments and assignments (except those declared global)."""
    declared = {
        name for node in ast.walk(function) if isinstance(node, ast.Global) for name in node.names
    }
    bound = {
        node.id
        for node in ast.walk(function)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    arguments = {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
    return (bound | arguments) - declared


def mutated_globals(module: Module, known: set[str]) -> set[str]:
    """Dotted names of module-level values that functions of a module rebind or change in place."""
    own = global_names(module.tree)
    foreign = imported_globals(module, known)
    found = set()
    functions = [
        node
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    ]
    for function in functions:
        shadowed = local_names(function)
        for node in ast.walk(function):
            if isinstance(node, ast.Global):
                found |= {f"{module.name}.{name}" for name in node.names}
            for target in written_targets(node):
                if any(isinstance(part, ast.Call) for part in ast.walk(target)):
                    continue  # a new value, such as at(x)[key].add(y)
                head, *rest = ast.unparse(target).split(".")
                if head in shadowed or not head.isidentifier():
                    continue
                if head in own and not rest:
                    found.add(f"{module.name}.{head}")
                elif head in foreign:
                    found.add(".".join([foreign[head], *rest]))
    return found


def test_no_module_holds_state_that_functions_change(module: Module) -> None:
    wrong = mutated_globals(module, set(MODULES)) - set(MUTABLE_STATE)
    assert not wrong, (
        f"{module.name} changes module-level state: {sorted(wrong)}. Pass it as an argument, "
        "or enter it into MUTABLE_STATE with the reason."
    )


def test_the_allowed_mutable_state_exists() -> None:
    known = set(MODULES)
    found = set().union(*(mutated_globals(module, known) for module in MODULES.values()))
    assert set(MUTABLE_STATE) <= found, "MUTABLE_STATE lists names that nothing changes"


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("table['a'] = 1", {"funcgrad.m.table"}),
        ("del table['a']", {"funcgrad.m.table"}),
        ("table.update(a=1)", {"funcgrad.m.table"}),
        ("next(counter)", {"funcgrad.m.counter"}),
        ("global counter\n    counter += 1", {"funcgrad.m.counter"}),
        ("other.append(1)", {"funcgrad.core.other"}),
        ("tree.registry['a'] = 1", {"funcgrad.tree.registry"}),
        ("table = {}\n    table['a'] = 1", set()),
        ("return table['a']", set()),
    ],
)
def test_changes_of_module_level_state_are_found(body: str, found: set[str]) -> None:
    text = (
        "from funcgrad.core import other\nfrom funcgrad import tree\n"
        f"table = {{}}\ncounter = iter([])\ndef f():\n    {body}\n"
    )
    module = Module("funcgrad.m", is_package=False, text=text)
    assert mutated_globals(module, {"funcgrad.tree"}) == found
