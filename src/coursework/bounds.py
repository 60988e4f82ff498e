"""Names that a question puts out of bounds: found in an answer's source, and seen when they are called.

Two nets, since each has holes: the syntax tree is read outside the learner's process and cannot be tampered with;
the profiler inside it sees a call whatever it is spelt like. Neither decides what an answer is worth.
"""

from __future__ import annotations

import ast
import builtins
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from types import CodeType
from typing import Any

from coursework.source import defined_by, parsed

#: Source that could be anything, and ways to blind the profiler.
DEVIOUS = {"eval", "exec", "compile", "sys.setprofile", "sys.settrace", "sys._getframe", "sys.monitoring"}
#: Calls whose text argument is a name, and the position of that argument.
BY_TEXT = {"getattr": 1, "import_module": 0, "__import__": 0, "attrgetter": 0, "methodcaller": 0}
#: Names of the functions that decorators put between a caller and a library function.
WRAPPERS = {"wrapper", "inner", "inner_f", "_wrapper", "axis_nan_policy_wrapper"}
#: What a notebook usually imports before the first answer.
USUAL = {"np": "numpy", "pd": "pandas", "plt": "matplotlib.pyplot", "__builtins__": "builtins"}

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


# ---------------------------------------------------------------------------------------- in the source


def reached_by_source(source: str, names: Sequence[str], given: Iterable[str] = ()) -> tuple[str, ...]:
    """The out-of-bounds names that a piece of code mentions, directly or through an alias, in the order of `names`.

    `eval`, `exec` and computed attribute names count as reaching round about, since they could hide one. A variable of
    the learner's own that is called like a builtin or a module does not count. Code that does not parse reaches
    nothing.

    Args:
        source: an answer, with whatever else of the learner's it uses (see `reachable`).
        names: functions, methods of builtin types (`list.sort`), modules or packages.
        given: cells of the exercise itself, read for what they import.
    """
    tree = parsed(source) if names else None
    if tree is None:
        return ()
    visitor = _Visitor(names, tree, [t for t in map(parsed, given) if t is not None])
    try:
        visitor.visit(tree)
    except RecursionError:  # an expression some hundred levels deep: the profiler has to do
        pass
    return (*(name for name in names if name in visitor.found), *sorted(visitor.devious))


def reachable(answer: Sequence[str], others: Iterable[str]) -> str:
    """An answer's cells and, of the learner's other cells, the statements that define what it uses, one by one."""
    trees = [tree for tree in map(parsed, answer) if tree is not None]
    body = [node for tree in trees for node in tree.body]
    waiting = [node for tree in map(parsed, others) if tree is not None for node in tree.body]
    used = {name for node in body for name in _loaded(node)}
    while True:
        wanted = [node for node in waiting if _binds(node) & (used | {"*"})]
        if not wanted:
            return ast.unparse(ast.Module(body, []))
        waiting = [node for node in waiting if node not in wanted]
        body += wanted
        used |= {name for node in wanted for name in _loaded(node)}


def _loaded(tree: ast.AST) -> Iterator[str]:
    return (node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load))


def _binds(node: ast.stmt) -> set[str]:
    """What a statement defines, inside a loop or a condition too."""
    inner = {name for child in ast.walk(node) if isinstance(child, ast.stmt) for name in defined_by(child)}
    return defined_by(node) or inner


class _Visitor(ast.NodeVisitor):
    def __init__(self, names: Sequence[str], tree: ast.Module, given: Sequence[ast.Module]) -> None:
        self.names = names
        self.found: set[str] = set()
        self.devious: set[str] = set()
        self.alias = dict(USUAL)
        self.scopes: list[set[str]] = []
        for module in (*given, tree):
            for node in ast.walk(module):
                self._import(node)
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                dotted = self.dotted(node.value)
                if dotted:
                    self.alias[node.targets[0].id] = dotted
        self.scopes = [self._bound(tree)]
        methods = {n.rpartition(".")[2]: n for n in names if n.partition(".")[0] in vars(builtins) and "." in n}
        # A method of that name in a class of the learner's own: only the profiler can tell whose is called.
        own = {f.name for c in ast.walk(tree) if isinstance(c, ast.ClassDef) for f in c.body if isinstance(f, Function)}
        self.methods = {last: name for last, name in methods.items() if last not in own}

    def _import(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            for item in node.names:
                name = item.asname or item.name.partition(".")[0]
                self.alias[name] = item.name if item.asname else name
        elif isinstance(node, ast.ImportFrom) and node.module:
            for item in node.names:
                self.alias[item.asname or item.name] = f"{node.module}.{item.name}"
                if item.name == "*":
                    for name in self.names:
                        if name.startswith(f"{node.module}."):
                            first = name[len(node.module) + 1 :].partition(".")[0]
                            self.alias[first] = f"{node.module}.{first}"

    def _bound(self, scope: ast.AST) -> set[str]:
        """The names that are variables of this scope's own: parameters, and what is assigned but no alias."""
        stored: set[str] = set()
        parameters: set[str] = set()
        if isinstance(scope, Function):
            a = scope.args
            every = [*a.posonlyargs, *a.args, *a.kwonlyargs, *filter(None, (a.vararg, a.kwarg))]
            parameters = {argument.arg for argument in every}
        waiting = list(ast.iter_child_nodes(scope))
        while waiting:
            node = waiting.pop()
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                stored.add(node.id)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                stored.add(node.name)
            if not isinstance(node, Function | ast.ClassDef | Comprehension):
                waiting += ast.iter_child_nodes(node)
        return parameters | (stored - self.alias.keys())

    def reach(self, dotted: str | None) -> None:
        if not dotted:
            return
        for name in self.names:
            if dotted == name or dotted.startswith(name + "."):
                self.found.add(name)
        for name in DEVIOUS:
            if dotted == name or dotted.startswith(name + "."):
                self.devious.add(name)

    def dotted(self, node: ast.AST) -> str | None:
        """The full name that an expression stands for; None for anything but modules, what is in them, and builtins."""
        found = None
        if isinstance(node, ast.Name):
            if not any(node.id in scope for scope in self.scopes):
                found = self.alias.get(node.id, node.id if hasattr(builtins, node.id) else None)
        elif isinstance(node, ast.Attribute):
            owner = self.dotted(node.value)
            found = f"{owner}.{node.attr}" if owner else None
        elif isinstance(node, ast.Call):
            text = self._text(node)
            called = self._called(node)
            if isinstance(text, str) and called == "getattr":
                owner = self.dotted(node.args[0])
                found = f"{owner}.{text}" if owner else None
            elif isinstance(text, str) and called in ("import_module", "__import__"):
                found = text
        return found.removeprefix("builtins.") if found else None

    def _called(self, call: ast.Call) -> str:
        if isinstance(call.func, ast.Attribute | ast.Name):
            return (self.dotted(call.func) or "").rpartition(".")[2]
        return ""

    def _text(self, call: ast.Call) -> Any:
        """The name that a call takes as text: a string, None where the call takes none, the node if it is computed."""
        at = BY_TEXT.get(self._called(call))
        if at is None or len(call.args) <= at:
            return None
        argument = call.args[at]
        return argument.value if isinstance(argument, ast.Constant) else argument

    def visit_Import(self, node: ast.Import) -> None:
        for item in node.names:
            self.reach(item.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for item in node.names:
            self.reach(f"{node.module or ''}.{item.name}")

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.reach(self.dotted(node))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        dotted = self.dotted(node)
        self.reach(dotted)
        if node.attr in self.methods and (dotted or "").partition(".")[0] not in ("numpy", "pandas"):
            self.found.add(self.methods[node.attr])
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        text, called = self._text(node), self._called(node)
        if isinstance(text, str):
            self.reach(self.dotted(node))
            if called in ("attrgetter", "methodcaller"):
                self.found |= {name for name in self.names if name == text or name.endswith(f".{text}")}
            if called == "getattr" and text in self.methods and not self.dotted(node):
                self.found.add(self.methods[text])
        elif isinstance(text, ast.AST) and not isinstance(text, ast.Name | ast.Attribute | ast.Subscript):
            self.devious.add(called)
        self.generic_visit(node)

    def _visit_scope(self, node: ast.AST) -> None:
        outer: list[ast.AST] = []
        if isinstance(node, Function):
            outer = [*node.args.defaults, *filter(None, node.args.kw_defaults), *getattr(node, "decorator_list", [])]
        for child in outer:
            self.visit(child)
        self.scopes.append(self._bound(node))
        for child in ast.iter_child_nodes(node):
            if child not in outer and not isinstance(child, ast.arguments):
                self.visit(child)
        self.scopes.pop()

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = _visit_scope
    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _visit_scope


# ------------------------------------------------------------------------------------------ when it runs


class Watch:
    """Context manager that notes, by profiling, which out-of-bounds names are called while it is open; it may be
    opened again and again, and adds up.

    Only calls from the learner's own code count, whatever the name they use: libraries sort, average and solve for
    reasons of their own. A library function that does the whole task by another name has to be listed too.

    Args:
        names: what is out of bounds; nothing is watched where there is nothing.
        ours: packages whose code is not the learner's, installed or not.
    """

    def __init__(self, names: Iterable[str], ours: Iterable[str] = ()) -> None:
        self.names = tuple(names)
        self._ours = ("coursework", *ours)
        self._profiler: Any = None
        if self.names:
            with suppress(ImportError):  # a Python without it
                # The C profiler: a hook in Python makes small functions some fifty times slower, this one four.
                from cProfile import Profile

                self._profiler = Profile()

    def __enter__(self) -> Watch:
        if self._profiler is not None:
            with suppress(ValueError):  # another profiler is at work
                self._profiler.enable()
        return self

    def __exit__(self, *_: object) -> None:
        if self._profiler is not None:
            self._profiler.disable()

    @property
    def reached(self) -> tuple[str, ...]:
        """The names that were called, in the order of `names`."""
        if self._profiler is None:
            return ()
        modules = {getattr(m, "__file__", None): name for name, m in list(sys.modules.items())}
        entries = {e.code: e for e in self._profiler.getstats()}
        library = _library(self._ours)
        called: list[Any] = []
        for entry in entries.values():
            if isinstance(entry.code, CodeType) and not entry.code.co_filename.startswith(library):
                called += entry.calls or ()
        # Through a library's decorator, where nobody but the learner called what it wraps.
        for call in list(called):
            entry = entries.get(call.code)
            if isinstance(call.code, CodeType) and call.code.co_name in WRAPPERS and entry.calls:
                if sum(c.callcount for c in called if c.code is call.code) == entry.callcount:
                    called += entry.calls
        seen = {match for call in called for match in self._matches(*_named(call.code, modules))}
        return tuple(name for name in self.names if name in seen)

    def _matches(self, module: list[str], qualified: list[str]) -> Iterator[str]:
        """The out-of-bounds names that a function of this module and qualified name, in parts, answers to.

        A library may define a function deeper than where it is imported from: numpy.linalg.lstsq is one of
        numpy.linalg._linalg.
        """
        for name in self.names:
            parts = name.split(".")
            for split in range(len(parts) + 1):
                above, below = parts[:split], parts[split:]
                if bool(above) == bool(module) and module[:split] == above and qualified[: len(below)] == below:
                    yield name


def _library(ours: Iterable[str]) -> tuple[str, ...]:
    """Beginnings of the file names of code that is not the learner's."""
    found = ["<frozen "]
    found += [sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")]
    for package in ours:
        module = sys.modules.get(package)
        found += list(getattr(module, "__path__", None) or filter(None, [getattr(module, "__file__", None)]))
    return tuple(found)


def _named(code: Any, modules: dict) -> tuple[list[str], list[str]]:
    """Module and qualified name, in parts, of what the profiler calls a function; the builtins have no module."""
    if isinstance(code, CodeType):
        module, qualified = modules.get(code.co_filename, ""), code.co_qualname
    else:
        # '<built-in method builtins.sorted>' or "<method 'sort' of 'list' objects>"
        words = code.strip("<>").replace("'", "").split(" ")
        if words[0] == "built-in" and len(words) == 3:
            module, _, qualified = words[2].rpartition(".")
        elif words[0] == "method" and len(words) == 5:
            module, _, owner = words[3].rpartition(".")
            qualified = f"{owner}.{words[1]}"
        else:
            module, qualified = "", ""
    module = module.removeprefix("builtins").lstrip("_")
    return module.split(".") if module else [], qualified.split(".")
