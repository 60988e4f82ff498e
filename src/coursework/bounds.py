"""Names that a question puts out of bounds: found in an answer's source, and seen when they are called.

Two nets, since each has holes: the syntax tree is read outside the learner's process and cannot be tampered with;
the profile hook inside it sees a call whatever it is spelt like. Neither decides what an answer is worth.
"""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Iterable, Sequence
from types import FrameType
from typing import Any

#: Ways to reach a name without writing it.
ROUND_ABOUT = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "import_module",
    "getattr",
    "attrgetter",
    "methodcaller",
}
#: Names of the frames that decorators put between a caller and a library function.
WRAPPERS = {"wrapper", "inner", "inner_f", "_wrapper"}
TAMPERING = {"setprofile", "settrace", "_getframe"}


def reached_by_source(source: str, names: Sequence[str]) -> tuple[str, ...]:
    """The out-of-bounds names that a piece of code mentions, directly or through an alias, in the order of `names`.

    `eval`, `exec` and computed attribute names count as reaching round about when they could hide one. Code that does
    not parse reaches nothing. IPython magics are left out.
    """
    if not names:
        return ()
    try:
        tree = ast.parse(_without_magics(source))
    except (SyntaxError, ValueError, RecursionError):
        return ()
    visitor = _Visitor(names)
    visitor.visit(tree)
    return tuple(
        name for name in (*names, *sorted(visitor.devious)) if name in visitor.found or name in visitor.devious
    )


def _without_magics(source: str) -> str:
    return "\n".join("" if line.lstrip()[:1] in ("%", "!") else line for line in source.splitlines())


class _Visitor(ast.NodeVisitor):
    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self.alias: dict[str, str] = {"np": "numpy", "pd": "pandas", "plt": "matplotlib.pyplot"}
        self.methods = {n.rpartition(".")[2]: n for n in names if n.partition(".")[0] in vars(builtins) and "." in n}
        self.found: set[str] = set()
        self.devious: set[str] = set()

    def reach(self, dotted: str) -> None:
        for name in self.names:
            if dotted == name or dotted.startswith(name + "."):
                self.found.add(name)

    def visit_Import(self, node: ast.Import) -> None:
        for item in node.names:
            self.alias[item.asname or item.name.partition(".")[0]] = (
                item.name if item.asname else item.name.partition(".")[0]
            )
            self.reach(item.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for item in node.names:
            dotted = f"{node.module or ''}.{item.name}"
            self.alias[item.asname or item.name] = dotted
            self.reach(dotted)
            self.reach(node.module or "")
            if item.name == "*":
                for name in self.names:
                    if name.rpartition(".")[0] == node.module:
                        self.alias[name.rpartition(".")[2]] = name

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.reach(self.alias.get(node.id, node.id))
            if node.id in ("eval", "exec", "compile", "__import__"):
                self.devious.add(node.id)

    def visit_Assign(self, node: ast.Assign) -> None:
        dotted = self.dotted(node.value)
        if dotted and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            self.alias[node.targets[0].id] = dotted
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        dotted = self.dotted(node)
        if dotted:
            self.reach(dotted)
        if node.attr in self.methods and not (dotted and dotted.partition(".")[0] in ("numpy", "pandas")):
            self.found.add(self.methods[node.attr])
        if node.attr in TAMPERING:
            self.devious.add(f"sys.{node.attr}")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        called = (self.dotted(node.func) or "").rpartition(".")[2]
        if called in ROUND_ABOUT:
            for argument in node.args:
                text = argument.value if isinstance(argument, ast.Constant) else None
                for name in self.names:
                    if isinstance(text, str) and text in (
                        name,
                        name.rpartition(".")[2],
                        name.partition(".")[0],
                    ):
                        self.found.add(name)
                if called in ("getattr", "attrgetter", "methodcaller", "import_module") and text is None:
                    if argument is node.args[-1] and not isinstance(argument, ast.Name | ast.Attribute):
                        self.devious.add(called)
        self.generic_visit(node)

    def dotted(self, node: ast.AST) -> str | None:
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return None
        return ".".join([self.alias.get(node.id, node.id), *reversed(parts)])


class Watch:
    """Context manager that notes, by profiling, which out-of-bounds names are called while it is open.

    Only calls from the learner's own code count, whatever the name they use: libraries sort, average and solve for
    reasons of their own. A library function that does the whole task by another name has to be listed too.
    """

    def __init__(self, names: Iterable[str], ours: Iterable[str] = ()) -> None:
        self.reached: dict[str, None] = {}
        self._names = tuple(names)
        # (module prefix, last name) of every function; a module out of bounds has prefix itself, any name.
        self._functions = {(n.rpartition(".")[0], n.rpartition(".")[2]): n for n in self._names}
        self._ours = ("coursework", *ours)
        self._old: Any = None

    def __enter__(self) -> Watch:
        if self._names:
            self._old = sys.getprofile()
            sys.setprofile(self._event)
        return self

    def __exit__(self, *_: object) -> None:
        if self._names:
            sys.setprofile(self._old if callable(self._old) else None)

    def _event(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            caller = frame.f_back
            while caller is not None and caller.f_code.co_name in WRAPPERS:
                caller = caller.f_back
            if caller is None or self._is_ours(caller) or not self._is_learners(caller):
                return
            self._match(frame.f_globals.get("__name__", ""), frame.f_code.co_name)
        elif event == "c_call" and not self._is_ours(frame) and self._is_learners(frame):
            owner = getattr(argument, "__self__", None)
            if owner is not None and not isinstance(owner, type(sys)):
                self._match(type(owner).__name__, argument.__name__)
            elif getattr(argument, "__objclass__", None) is not None:
                self._match(argument.__objclass__.__name__, argument.__name__)
            else:
                self._match((getattr(argument, "__module__", "") or "").lstrip("_"), argument.__name__)

    def _match(self, module: str, name: str) -> None:
        if module == "builtins":
            module = ""
        for (prefix, last), full in self._functions.items():
            inside = module == full or module.startswith(full + ".")
            if inside or (last == name and (module == prefix or (prefix and module.startswith(prefix + ".")))):
                self.reached[full] = None

    def _is_ours(self, frame: FrameType) -> bool:
        return str(frame.f_globals.get("__name__", "")).startswith(self._ours)

    @staticmethod
    def _is_learners(frame: FrameType) -> bool:
        name = frame.f_code.co_filename
        return "site-packages" not in name and "lib/python" not in name.replace("\\", "/").lower()
