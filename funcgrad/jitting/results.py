"""Results in the user's structure, as text of the compiled function."""

from collections.abc import Sequence

from funcgrad import tree
from funcgrad.jitting.scopes import JitScope

__all__ = ["literal_of"]


def literal_of(structure: tree.Structure, names: Sequence[str], scope: JitScope) -> str:
    """An expression that puts named values into a structure."""
    if structure is tree.LEAF:
        return names[0]
    text = _written(structure, list(names))
    if text is not None:
        return text
    unflatten = scope.helper(tree.unflatten, "unflatten")
    return f"{unflatten}({scope.constant(structure)}, [{', '.join(names)}])"


def _written(structure: tree.Structure, names: list[str]) -> str | None:
    """Tuples, lists, dicts and None; `None` for other containers. Names are used up."""
    if structure is tree.LEAF:
        return names.pop(0)
    parts = []
    for child in structure.children:
        text = _written(child, names)
        if text is None:
            return None
        parts.append(text)
    kind = structure.node_type
    if kind is tuple:
        return f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})"
    if kind is list:
        return f"[{', '.join(parts)}]"
    if kind is dict and all(type(key) in (str, int) for key in structure.meta):
        pairs = zip(structure.meta, parts, strict=True)
        return "{" + ", ".join(f"{key!r}: {part}" for key, part in pairs) + "}"
    if kind is type(None):
        return "None"
    return None
