"""The code of a notebook's cell as a syntax tree: what it defines. Whatever a learner wrote, nothing here raises."""

from __future__ import annotations

import ast


def parsed(source: str) -> ast.Module | None:
    """The syntax tree of one cell; its magics are left out. None where it does not parse, for whatever reason."""
    plain = "\n".join("" if line.lstrip()[:1] in ("%", "!") else line for line in source.split("\n"))
    for text in (source, plain):
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return None


def defined_by(node: ast.stmt) -> set[str]:
    """The names that a statement defines, imports or assigns to; not what is inside a loop or a condition."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {(item.asname or item.name).partition(".")[0] for item in node.names}
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return {n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)}
    return set()
