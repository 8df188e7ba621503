"""Functions as they are written in a module that stands alone: no annotations, no traced values.

Names are looked up where the function was made, and replaced by what the bundle calls their values.
What is known about plain arrays (`is_foreign(x)` is false) is used to leave branches out, before
the names in them are looked at.
"""

import ast
import copy
from collections.abc import Callable
from types import ModuleType
from typing import Any

from typing_extensions import override

from funcgrad.compile.bundling_substitutes import (
    FALSE,
    HERE,
    IDENTITIES,
    SKIPPED,
    is_traced_class,
)
from funcgrad.core.primitive import Primitive
from funcgrad.core.protocols import DISPATCH
from funcgrad.core.tracer import bind

__all__ = ["rewritten", "written_literal"]

_MISSING = object()
_ELSEWHERE = ("dask", "trac", "foreign", "funcgrad", "plain")
Named = Callable[[Any, str], str]
"""`(value, name in the source) -> expression` that the bundle has for a value."""


def rewritten(
    tree: ast.FunctionDef | ast.Lambda | ast.ClassDef, known: dict[str, Any], named: Named
) -> Any:
    """A copy of a syntax tree in which every name from outside is one of the bundle's."""
    return _Rewriter(known, named).visit(copy.deepcopy(tree))


def written_literal(text: str) -> ast.expr:
    """An expression as a tree."""
    return ast.parse(text, mode="eval").body


class _Rewriter(ast.NodeTransformer):
    """Rewrites one function."""

    def __init__(self, known: dict[str, Any], named: Named) -> None:
        self.known = known
        self.named = named
        self.scopes: list[set[str]] = []

    # --- names ------------------------------------------------------------------------------

    def value(self, node: ast.AST) -> Any:
        """What an expression of names and attributes means outside of the function."""
        if isinstance(node, ast.Name):
            if any(node.id in scope for scope in self.scopes):
                return _MISSING
            return self.known.get(node.id, _MISSING)
        if isinstance(node, ast.Attribute):
            owner = self.value(node.value)
            if isinstance(owner, ModuleType):
                return getattr(owner, node.attr, _MISSING)
        return _MISSING

    @override
    def visit_Name(self, node: ast.Name) -> ast.expr:
        value = self.value(node)
        if value is _MISSING or not isinstance(node.ctx, ast.Load):
            return node
        return written_literal(self.named(value, node.id))

    @override
    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        value = self.value(node)
        if value is _MISSING or isinstance(value, ModuleType):
            return self.generic_visit(node)
        return written_literal(self.named(value, node.attr))

    @override
    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        if self.value(node.value) is DISPATCH:
            key = self.value(node.slice)
            if isinstance(node.slice, ast.Constant):
                key = node.slice.value
            return written_literal(self.named(DISPATCH[key], str(key)))
        return self.generic_visit(node)

    # --- scopes -----------------------------------------------------------------------------

    def _arguments(self, arguments: ast.arguments) -> set[str]:
        listed = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        listed += [one for one in (arguments.vararg, arguments.kwarg) if one is not None]
        for one in listed:
            one.annotation = None
        arguments.defaults = [self.visit(one) for one in arguments.defaults]
        arguments.kw_defaults = [
            None if one is None else self.visit(one) for one in arguments.kw_defaults
        ]
        return {one.arg for one in listed}

    @override
    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.decorator_list = [
            self.visit(one) for one in node.decorator_list if self.scopes and _is_kept(one)
        ]
        node.returns = None
        self.scopes.append(self._arguments(node.args) | _assigned(node.body))
        node.body = self._block(node.body)
        self.scopes.pop()
        _shorten_docstring(node.body)
        return node

    @override
    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        self.scopes.append(self._arguments(node.args) | _assigned([node.body]))
        node.body = self.visit(node.body)
        self.scopes.pop()
        return node

    @override
    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        is_dataclass = any("dataclass" in ast.unparse(one) for one in node.decorator_list)
        fields = [one for one in node.body if isinstance(one, ast.AnnAssign)]
        node.decorator_list, node.bases, node.keywords = [], [], []
        self.scopes.append(set())
        body = [one for one in node.body if one not in fields]
        node.body = [self.visit(one) for one in body]
        if is_dataclass:
            node.body.insert(1 if _is_docstring(body[0]) else 0, self._constructor(fields))
        self.scopes.pop()
        _shorten_docstring(node.body)
        return node

    def _constructor(self, fields: list[ast.AnnAssign]) -> ast.stmt:
        names = [ast.unparse(field.target) for field in fields]
        arguments = [
            name if field.value is None else f"{name}={ast.unparse(self.visit(field.value))}"
            for name, field in zip(names, fields, strict=True)
        ]
        lines = [f"    self.{name} = {name}" for name in names]
        text = f"def __init__(self, {', '.join(arguments)}):\n" + "\n".join(lines)
        return ast.parse(text).body[0]

    # --- statements -------------------------------------------------------------------------

    def _block(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        """Statements up to the first one behind which nothing is reached."""
        found: list[ast.stmt] = []
        for statement in statements:
            visited = self.visit(statement)
            if visited is None:
                continue
            found += visited if isinstance(visited, list) else [visited]
            if found and isinstance(found[-1], ast.Return | ast.Raise | ast.Continue | ast.Break):
                break
        return found or [ast.Pass()]

    @override
    def visit_If(self, node: ast.If) -> Any:
        node.test = self.visit(node.test)
        truth = _truth(node.test)
        if truth is not None:
            chosen = node.body if truth else node.orelse
            return self._block(chosen) if chosen else None
        node.body = self._block(node.body)
        node.orelse = self._block(node.orelse) if node.orelse else []
        return node

    @override
    def visit_For(self, node: ast.For) -> ast.AST:
        node.target, node.iter = self.visit(node.target), self.visit(node.iter)
        node.body = self._block(node.body)
        return node

    @override
    def visit_While(self, node: ast.While) -> ast.AST:
        node.test, node.body = self.visit(node.test), self._block(node.body)
        return node

    @override
    def visit_With(self, node: ast.With) -> ast.AST:
        node.items = [self.visit(one) for one in node.items]
        node.body = self._block(node.body)
        return node

    @override
    def visit_Try(self, node: ast.Try) -> ast.AST:
        node.body = self._block(node.body)
        for handler in node.handlers:
            handler.type = None if handler.type is None else self.visit(handler.type)
            handler.body = self._block(handler.body)
        return node

    @override
    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        if node.value is None:
            return None
        return ast.Assign([self.visit(node.target)], self.visit(node.value), lineno=node.lineno)

    @override
    def visit_Expr(self, node: ast.Expr) -> Any:
        if isinstance(node.value, ast.Call) and _among(self.value(node.value.func), SKIPPED):
            return None
        return self.generic_visit(node)

    @override
    def visit_Delete(self, node: ast.Delete) -> Any:
        plain = all(isinstance(target, ast.Name) for target in node.targets)
        return None if plain else self.generic_visit(node)

    # --- expressions ------------------------------------------------------------------------

    @override
    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        test = self.visit(node.test)
        truth = _truth(test)
        if truth is not None:
            chosen: ast.AST = self.visit(node.body if truth else node.orelse)
            return chosen
        node.test, node.body, node.orelse = test, self.visit(node.body), self.visit(node.orelse)
        return node

    @override
    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        decides = isinstance(node.op, ast.Or)
        values = []
        for one in node.values:
            value = self.visit(one)
            if _truth(value) is decides:
                return ast.Constant(decides)
            if _truth(value) is None:
                values.append(value)
        if not values:
            return ast.Constant(not decides)
        node.values = values
        return node if len(values) > 1 else values[0]

    @override
    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        node.operand = self.visit(node.operand)
        if isinstance(node.op, ast.Not) and (truth := _truth(node.operand)) is not None:
            return ast.Constant(not truth)
        return node

    @override
    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        if any(is_traced_class(self.value(one)) for one in node.comparators):
            return ast.Constant(isinstance(node.ops[0], ast.IsNot | ast.NotIn | ast.NotEq))
        return self.generic_visit(node)

    @override
    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        self.generic_visit(node)
        for place, part in enumerate(node.values):
            if isinstance(part, ast.FormattedValue) and isinstance(part.value, ast.Constant):
                node.values[place] = ast.Constant(str(part.value.value))
        return node

    @override
    def visit_Call(self, node: ast.Call) -> ast.AST:
        function = self.value(node.func)
        if function is not _MISSING:
            if _among(function, FALSE):
                return ast.Constant(False)
            if _among(function, IDENTITIES):
                same: ast.AST = self.visit(node.args[0])
                return same
            if _among(function, HERE):
                return ast.Constant("this call")
            if function is bind and isinstance(self.value(node.args[0]), Primitive):
                node.func = node.args.pop(0)
        elif isinstance(node.func, ast.Name) and node.func.id == "isinstance":
            return self._isinstance(node)
        elif isinstance(node.func, ast.Name) and node.func.id == "any" and _is_call_of_map(node):
            inner: Any = node.args[0]
            if _among(self.value(inner.args[0]), FALSE):
                return ast.Constant(False)
        return self.generic_visit(node)

    def _isinstance(self, node: ast.Call) -> ast.AST:
        kinds = [one for one in _kinds(node.args[1]) if not is_traced_class(self.value(one))]
        if not kinds:
            return ast.Constant(False)
        node.args[1] = kinds[0] if len(kinds) == 1 else ast.Tuple(kinds, ast.Load())
        return self.generic_visit(node)


def _among(value: Any, listed: tuple[Any, ...]) -> bool:
    return any(value is one for one in listed)


def _is_call_of_map(node: ast.Call) -> bool:
    inner = node.args[0] if node.args else None
    return (
        isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name) and inner.func.id == "map"
    )


def _is_kept(decorator: ast.expr) -> bool:
    return ast.unparse(decorator) in ("property", "staticmethod", "classmethod")


def _truth(node: ast.AST) -> bool | None:
    if isinstance(node, ast.Constant) and type(node.value) is bool:
        return node.value
    return None


def _kinds(node: ast.expr) -> list[ast.expr]:
    """The classes in the second argument of isinstance."""
    if isinstance(node, ast.BinOp):
        return _kinds(node.left) + _kinds(node.right)
    if isinstance(node, ast.Tuple):
        return [kind for part in node.elts for kind in _kinds(part)]
    return [node]


def _assigned(body: list[Any]) -> set[str]:
    """Names that are assigned in a scope, without those of the functions in it."""
    found: set[str] = set()
    pending: list[ast.AST] = list(body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            found.add(node.name)
        if not isinstance(node, ast.FunctionDef | ast.Lambda):
            pending += ast.iter_child_nodes(node)
    return found


def _is_docstring(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _shorten_docstring(body: list[ast.stmt]) -> None:
    """Keep the first line of a docstring, unless it is about what is left out."""
    if body and _is_docstring(body[0]):
        text: Any = body[0].value.value  # type: ignore[attr-defined]  # a text
        first = text.strip().splitlines()[0]
        if any(word in first for word in _ELSEWHERE):
            del body[0]
        else:
            body[0] = ast.Expr(ast.Constant(first))
        if not body or (len(body) == 1 and _is_docstring(body[0])):
            body.append(ast.Pass())
