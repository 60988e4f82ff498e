"""Which of the course's modules an isolated kernel need not see: those that are out of bounds. Hides nothing itself.

What a name out of bounds points at in the Python environment stays; only the course's own packages are looked through.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

from coursework.kernel import pool
from coursework.model import Exercise


def out_of_sight(exercise: Exercise, given: str = "") -> list[str]:
    """Paths of the course's own modules that are out of bounds in `exercise` and that nothing it is given imports.

    `given` is the code that the exercise hands out: what that imports, and what its checks import, stays visible.
    """
    roots = pool.import_roots()
    forbidden = {name for question in exercise.questions.values() for name in question.out_of_bounds}
    candidates = {name: path for name in sorted(forbidden) if (path := _path(name, roots)) is not None}
    if not candidates:
        return []
    needed: set[str] = set()
    waiting = [exercise.module, *_imported(given, "")]
    while waiting:
        name = waiting.pop()
        if name in needed:
            continue
        needed.add(name)
        path = _path(name, roots)
        if path is not None:
            file = path / "__init__.py" if path.is_dir() else path
            package = name if path.is_dir() else name.rpartition(".")[0]
            waiting += _imported(file.read_text(encoding="utf-8"), package)
            waiting += [name.rpartition(".")[0]] if "." in name else []
    return [
        str(path)
        for name, path in candidates.items()
        if not any(other == name or other.startswith(f"{name}.") for other in needed)
    ]


def _path(name: str, roots: list[Path]) -> Path | None:
    """The folder or file of a module that lies under one of `roots`."""
    for root in roots:
        for path in (root / name.replace(".", os.sep), root / f"{name.replace('.', os.sep)}.py"):
            if (path.is_dir() and (path / "__init__.py").is_file()) or (path.suffix == ".py" and path.is_file()):
                return path
    return None


def _imported(source: str, package: str) -> Iterator[str]:
    """Every name that some line of `source` may import, also within functions; `package` is what a dot means there."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
