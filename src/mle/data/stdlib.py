"""Write `stdlib_names.csv`, the list behind `mle.data.names`: run once, on CPython 3.11. Not imported by anything."""

from __future__ import annotations

import ast
import sysconfig
from pathlib import Path

LEFT_OUT = {"test", "tests", "idlelib", "lib2to3", "site-packages", "__pycache__", "turtledemo", "ensurepip"}


def public_names(root: Path) -> list[tuple[str, str]]:
    """(name, module) of each public top-level function and class below `root`, in the order of the files."""
    found = []
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if LEFT_OUT & set(parts) or any(part.startswith("_") for part in parts):
            continue
        for node in ast.parse(path.read_bytes()).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name[0] != "_":
                found.append((node.name, ".".join(parts)))
    return found


if __name__ == "__main__":
    rows = public_names(Path(sysconfig.get_path("stdlib")))
    lines = ["name,module", *(f"{name},{module}" for name, module in rows)]
    Path(__file__).with_name("stdlib_names.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(rows)} names")
