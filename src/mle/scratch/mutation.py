"""How good tests are: small faults put into a program, one at a time, and the lines that a call executes.

Not a coverage tool, and no mutation tool for a whole project: one file of source at a time, in this process.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any

SWAPPED: dict[type, type] = {
    ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.Mod: ast.FloorDiv,
    ast.Div: ast.Mult,
}  # fmt: skip


def alternatives(node: ast.AST) -> list[tuple[str, Any]]:
    """The (field, new value) by which one node of a program may be changed: an operator, or a number by one."""
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return [("value", node.value + 1), ("value", node.value - 1)]
    if isinstance(node, ast.Compare):
        swaps = [(i, SWAPPED[type(op)]()) for i, op in enumerate(node.ops) if type(op) in SWAPPED]
        return [("ops", [*node.ops[:i], new, *node.ops[i + 1 :]]) for i, new in swaps]
    if isinstance(node, ast.BinOp | ast.BoolOp) and type(node.op) in SWAPPED:
        return [("op", SWAPPED[type(node.op)]())]
    return []


def mutants(source: str) -> Iterator[tuple[str, str]]:
    """Every program that differs from `source` in one operator or one number: (where and what, its source).

    A mutant may behave as the original does (an equivalent mutant): whether it does cannot be decided in general.

    Raises:
        SyntaxError: `source` is no Python.

    Source: DeMillo, Lipton and Sayward, Hints on Test Data Selection (1978).
    """
    places = [len(alternatives(node)) for node in ast.walk(ast.parse(source))]
    for place, count in enumerate(places):
        for choice in range(count):
            tree = ast.parse(source)
            node = list(ast.walk(tree))[place]
            before = ast.unparse(node)
            field, new = alternatives(node)[choice]
            setattr(node, field, new)
            where = f"line {node.lineno}, column {node.col_offset + 1}"  # type: ignore[attr-defined]
            yield f"{where}: {before} -> {ast.unparse(node)}", ast.unparse(tree)


def lines_run(filename: str, call: Callable[[], object]) -> set[int]:
    """Numbers of the lines of the file `filename` that are executed while `call` runs, whether it raises or not."""
    found: set[int] = set()

    def trace(frame: Any, event: str, _: Any) -> Any:
        if frame.f_code.co_filename != filename:
            return None
        if event == "line":
            found.add(frame.f_lineno)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    except Exception:
        pass
    finally:
        sys.settrace(before)
    return found


def lines_of(code: CodeType) -> set[int]:
    """Numbers of the lines in the bodies of all functions of a compiled file: what `lines_run` could find."""
    inner = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    own = (
        {line for *_, line in code.co_lines() if line} - {code.co_firstlineno} if code.co_name != "<module>" else set()
    )
    return own.union(*(lines_of(function) for function in inner))
