"""Notebooks as the course writes them: cells by tag, stubs, parameters, ids, a submission set into its exercise.

Reads and rewrites; executes nothing.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from attrs import frozen

from coursework.lean import without
from coursework.source import defined_by, parsed

with without("rfc3987_syntax", "rfc3986_validator", "isoduration"):
    # nbformat brings jsonschema, which loads what checks formats that no notebook has, if it is there: one of them
    # compiles a grammar of internationalised addresses, 0.9 s of CPU in each process. So all take nbformat from here.
    import nbformat as nbformat
    from nbformat import NotebookNode as NotebookNode

MAX_BYTES = 20_000_000
MAX_CELLS = 2_000
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}


class NotebookError(Exception):
    """A file is not a notebook that can be used; the message says what is wrong with it."""


# -------------------------------------------------------------------------------------- reading and writing


def read(path: Path) -> NotebookNode:
    """Read a notebook, whatever its minor version; nothing in it is trusted.

    Raises:
        NotebookError: missing, too large, not JSON, not a notebook.
    """
    try:
        if not path.is_file():
            raise NotebookError("there is no such file" if not path.exists() else "it is not a regular file")
        if path.stat().st_size > MAX_BYTES:
            raise NotebookError(f"it is larger than {MAX_BYTES // 10**6} MB: clear its outputs")
        data = path.read_bytes()
    except OSError as error:
        raise NotebookError(f"it cannot be read: {error.strerror or error}") from None
    return parse_bytes(data)


def parse_bytes(data: bytes) -> NotebookNode:
    """A notebook from what a file holds; errors as for `read`."""
    try:
        return parse(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise NotebookError("it is not a notebook: its bytes are not UTF-8 text") from None


def parse(text: str) -> NotebookNode:
    """A notebook from its JSON text; errors as for `read`."""
    if not text.strip():
        raise NotebookError("the file is empty")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: a number of thousands of digits
        line = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise NotebookError(f"it is not a notebook: not valid JSON{line}") from None
    if not isinstance(data, dict) or not isinstance(data.get("cells"), list):
        raise NotebookError("it is not a notebook: it has no list of cells")
    if len(data["cells"]) > MAX_CELLS:
        raise NotebookError(f"it has more than {MAX_CELLS:,} cells")
    cells = [_plain_cell(cell) for cell in data["cells"]]
    try:
        return nbformat.from_dict(
            {"cells": cells, "metadata": _mapping(data.get("metadata")), "nbformat": 4, "nbformat_minor": 5}
        )
    except RecursionError:
        raise NotebookError("it is not a notebook: its metadata or outputs are nested too deeply") from None


def _mapping(value: Any) -> dict:
    return value if isinstance(value, dict) else {}


def _plain_cell(cell: Any) -> dict:
    """A cell of any origin with the fields that we rely on, and of the types that we rely on."""
    cell = _mapping(cell)
    source = cell.get("source", "")
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    kind = cell.get("cell_type") if cell.get("cell_type") in ("code", "markdown", "raw") else "raw"
    # Half of a surrogate pair is JSON, but no text that a file, a kernel or a database takes.
    text = source.encode("utf-8", "replace").decode() if isinstance(source, str) else ""
    plain = {"cell_type": kind, "metadata": _mapping(cell.get("metadata")), "source": text}
    if isinstance(cell.get("id"), str) and re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", cell["id"]):
        plain["id"] = cell["id"]
    if kind == "code":
        outputs = cell.get("outputs")
        count = cell.get("execution_count")
        plain["outputs"] = [o for o in outputs if isinstance(o, dict)] if isinstance(outputs, list) else []
        plain["execution_count"] = count if isinstance(count, int) else None
    if kind == "markdown" and isinstance(cell.get("attachments"), dict):
        plain["attachments"] = cell["attachments"]
    return plain


def warm() -> None:
    """Compile what checks notebooks against their schema, once for this process and those that are forked from it."""
    empty = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(id="empty")])
    parse(text_of(empty))


def text_of(notebook: NotebookNode) -> str:
    """The one text that a notebook is written as."""
    return nbformat.writes(notebook, version=4) + "\n"


def write(path: Path, notebook: NotebookNode) -> bool:
    """Write a notebook whole or not at all; False where the file already says the same."""
    text = text_of(notebook)
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
    return True


# ------------------------------------------------------------------------------------------- cells by tag


def tags(cell: NotebookNode) -> set[str]:
    found = cell.get("metadata", {}).get("tags", [])
    return {tag for tag in found if isinstance(tag, str)} if isinstance(found, list) else set()


def checked_question(cell: NotebookNode) -> str | None:
    """The question that a check cell is about: the first argument of its call of `check`."""
    for node in ast.walk(parsed(cell.source) or ast.Module([], [])):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "check" and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                return first.value
    return None


@frozen
class Part:
    """The cells of one question, as indices: where it is answered and where it is checked."""

    question: str
    answers: tuple[int, ...]
    check: int


def parts(notebook: NotebookNode) -> list[Part]:
    """The questions of an exercise or a solution, in order: an answer cell belongs to the next check cell.

    Raises:
        NotebookError: a check cell names no question, two name the same, or an answer is never checked.
    """
    found: list[Part] = []
    answers: list[int] = []
    for i, cell in enumerate(notebook.cells):
        if "answer" in tags(cell):
            answers.append(i)
        elif "check" in tags(cell):
            name = checked_question(cell)
            if name is None:
                raise NotebookError(f'cell {i}, tagged check, must hold check("question", object)')
            if any(part.question == name for part in found):
                raise NotebookError(f"two check cells ask about {name!r}; keep one")
            found.append(Part(name, tuple(answers), i))
            answers = []
    if answers:
        raise NotebookError(f"cell {answers[0]}, tagged answer, is followed by no check cell")
    return found


def parameters_cell(notebook: NotebookNode) -> int | None:
    for i, cell in enumerate(notebook.cells):
        if cell.cell_type == "code" and "parameters" in tags(cell):
            return i
    return None


def parameters(notebook: NotebookNode) -> dict[str, Any]:
    """The values that the parameters cell sets.

    Raises:
        NotebookError: there is no such cell, or it holds something other than `name = literal`.
    """
    i = parameters_cell(notebook)
    if i is None:
        raise NotebookError("no cell is tagged parameters")
    values: dict[str, Any] = {}
    try:
        for node in ast.parse(notebook.cells[i].source).body:
            if not (isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)):
                raise ValueError
            values[node.targets[0].id] = ast.literal_eval(node.value)
    except (SyntaxError, ValueError):
        raise NotebookError("the parameters cell may hold nothing but `name = literal` lines") from None
    return values


# -------------------------------------------------------------------------------------------------- stubs


def has_solution(source: str) -> bool:
    return any(line.strip() == BEGIN for line in source.splitlines())


def solution_lines(source: str) -> list[str]:
    """The lines between BEGIN and END markers, stripped."""
    inside, lines = False, []
    for line in source.splitlines():
        if line.strip() == BEGIN:
            inside = True
        elif line.strip() == END:
            inside = False
        elif inside:
            lines.append(line.strip())
    return lines


def stub(source: str) -> str:
    """An answer cell with each solution region replaced: `...  # your code here` inside a body, else a comment.

    Raises:
        NotebookError: a marker is missing or doubled.
    """
    kept: list[str] = []
    inside = False
    for line in source.splitlines():
        mark = line.strip()
        if mark == BEGIN:
            if inside:
                raise NotebookError(f"{BEGIN} stands twice before {END}")
            inside = True
            indent = line[: len(line) - len(line.lstrip())]
            kept.append(f"{indent}...  # your code here" if indent else "# your code here")
        elif mark == END:
            if not inside:
                raise NotebookError(f"{END} without {BEGIN}")
            inside = False
        elif not inside:
            kept.append(line)
    if inside:
        raise NotebookError(f"{BEGIN} without {END}")
    return "\n".join(kept)


# --------------------------------------------------------------------------------------------- normal form

COLAB_TAGS = ["colab", "remove-cell"]


def colab_source(repository: str, distribution: str) -> str:
    return (
        "# On Colab, install the course's packages; elsewhere this does nothing.\n"
        "import sys\n\n"
        'if "google.colab" in sys.modules:\n'
        f'    %pip install -q "{distribution} @ git+{repository}"'
    )


def normalise(notebook: NotebookNode, *, colab: str = "", about: Mapping[str, str] | None = None) -> NotebookNode:
    """The form in which notebooks are committed: stable ids, no timestamps, no machine's kernel, Colab cell first.

    Args:
        notebook: changed in place, and returned.
        colab: source of the first cell; none is written where it is empty.
        about: what to keep under `metadata.coursework`.
    """
    cells = [c for c in notebook.cells if c.source.strip() and "colab" not in tags(c)]
    if colab:
        first = nbformat.v4.new_code_cell(colab, metadata={"tags": list(COLAB_TAGS)})
        old = next((c for c in notebook.cells if "colab" in tags(c)), None)
        if old is not None:
            first.outputs, first.execution_count = old.outputs, old.execution_count
        cells.insert(0, first)
    notebook.cells = cells
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": dict(KERNELSPEC), "language_info": {"name": "python"}}
        | ({"coursework": dict(about)} if about else {})
    )
    for cell in cells:
        cell.source = "\n".join(line.rstrip() for line in cell.source.split("\n")).strip("\n")
        kept = {k: v for k, v in cell.metadata.items() if k in ("tags", "mystnb", "slideshow")}
        if tags(cell):
            kept["tags"] = sorted(tags(cell))
        else:
            kept.pop("tags", None)
        cell.metadata = nbformat.from_dict(kept)
        for output in cell.get("outputs", []):
            if output.get("output_type") == "stream":
                output["text"] = "".join(output["text"])
    _set_ids(notebook)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def _set_ids(notebook: NotebookNode) -> None:
    names: dict[int, str] = {}
    try:
        for part in parts(notebook):
            names[part.check] = f"check-{part.question}"
            for n, i in enumerate(part.answers):
                names[i] = f"answer-{part.question}" + (f"-{n + 1}" if n else "")
    except NotebookError:
        pass
    reserved = ("check-", "answer-", "parameters", "colab", "injected-")
    taken: set[str] = set(names.values()) | {"parameters", "colab"}
    for i, cell in enumerate(notebook.cells):
        if i in names:
            cell.id = names[i]
            continue
        if "parameters" in tags(cell):
            cell.id = "parameters"
            continue
        if "colab" in tags(cell):
            cell.id = "colab"
            continue
        wanted = cell.get("id", "")
        if not re.fullmatch(r"[a-z0-9-]{1,64}", wanted) or wanted.startswith(reserved) or wanted in taken:
            wanted = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:8]
            while wanted in taken:
                wanted = hashlib.sha256(wanted.encode()).hexdigest()[:8]
        cell.id = wanted
        taken.add(wanted)


def clear_outputs(notebook: NotebookNode) -> NotebookNode:
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


# -------------------------------------------------------------------- a submission, set into its exercise


@frozen
class Spliced:
    """A submission set into the pristine exercise."""

    notebook: NotebookNode
    #: what the learner wrote for each question, cell by cell; nothing where the answer cell is gone
    sources: dict[str, tuple[str, ...]]
    #: code of the learner's own cells
    extras: tuple[str, ...]
    #: what was repaired, in words
    repairs: tuple[str, ...]


def splice(pristine: NotebookNode, submitted: NotebookNode) -> Spliced:
    """Set a learner's answers, and the cells they added, into the exercise as it was handed out.

    An answer cell is recognised by its id, its tag, or, where the metadata is gone, by the names that it defines.
    Check and parameter cells always come from the exercise, so it does not matter what became of the learner's. A
    doubled answer counts as a notebook would run it: one after the other, and none after the last check.
    """
    questions = parts(pristine)
    ours = {cell.id: i for i, cell in enumerate(pristine.cells)}
    plain_sources = {_essence(c.source): i for i, c in enumerate(pristine.cells) if "answer" not in tags(c)}
    owner = {i: part.question for part in questions for i in part.answers}
    defined = {name: i for i in owner for name in top_names(pristine.cells[i].source)}
    protected = set(parameters(pristine)) if parameters_cell(pristine) is not None else set()
    protected |= {name for i, c in enumerate(pristine.cells) if i not in owner for name in top_names(c.source)}
    answers: dict[int, list[str]] = {i: [] for i in owner}
    extras: list[tuple[int, str]] = []
    repairs: list[str] = []
    order: list[int] = []
    upcoming = 0
    code = [cell for cell in submitted.cells if cell.cell_type == "code"]
    last_check = {checked_question(cell): at for at, cell in enumerate(code)}
    for at, cell in enumerate(code):
        i = _belongs(cell, pristine, ours, owner, defined, plain_sources)
        blank = i in owner and all(_essence(text) == _essence(pristine.cells[i].source) for text in answers[i])
        if i in owner and not blank and at > last_check.get(owner[i], at) and ours.get(cell.get("id")) != i:
            # It uses the name again, after the answer was checked for the last time.
            extras.append((upcoming, cell.source))
        elif i in owner:
            if answers[i]:
                repairs.append(f"the answer cell of {owner[i]} stands more than once; the last one counts")
            answers[i].append(cell.source)
            order.append(i)
            upcoming = i
        elif i is not None:
            upcoming = i
            added = _additions(pristine.cells[i].source, cell.source, protected)
            if added:
                extras.append((i, added))
                repairs.append(f"code added to the cell {pristine.cells[i].id!r} was kept, the cell itself set back")
        elif cell.source.strip() and not _is_check_or_setup(cell):
            extras.append((upcoming, cell.source))
    if order != sorted(order):
        repairs.append("answer cells were moved; each was set back to its place")
    sources: dict[str, tuple[str, ...]] = {}
    for part in questions:
        sources[part.question] = tuple(text for i in part.answers for text in answers[i])
        if not sources[part.question]:
            repairs.append(f"the answer cell of {part.question} is missing")
    notebook = _set_in(deepcopy(pristine), owner, answers, extras)
    return Spliced(notebook, sources, tuple(text for _, text in extras), tuple(repairs))


def _set_in(
    notebook: NotebookNode, owner: dict[int, str], answers: dict[int, list[str]], extras: list[tuple[int, str]]
) -> NotebookNode:
    """The pristine cells with the learner's texts in the answers' places, extra cells where they stood."""
    cells: list[NotebookNode] = []
    start = (parameters_cell(notebook) or 0) + 1
    # A helper written below the setup may need its imports: never set one in above the first question's setup.
    first_answer = min(owner, default=len(notebook.cells))
    waiting = [(max(at, first_answer - 1, start), text) for at, text in extras]
    for i, cell in enumerate(notebook.cells):
        if i in owner:
            for n, text in enumerate(answers[i]):
                copy = deepcopy(cell)
                copy.source, copy.id = text, cell.id if n == 0 else f"{cell.id}-again{n}"
                cells.append(copy)
        else:
            cells.append(cell)
        for n, text in enumerate([text for at, text in waiting if at == i]):
            cells.append(nbformat.v4.new_code_cell(text, id=f"extra-{i}-{n}", metadata={"tags": ["extra"]}))
    notebook.cells = cells
    return notebook


def _belongs(
    cell: NotebookNode,
    pristine: NotebookNode,
    ours: Mapping[str, int],
    owner: Mapping[int, str],
    defined: Mapping[str, int],
    plain_sources: Mapping[str, int],
) -> int | None:
    """The pristine cell that a submitted one is, or None for one that the learner added."""
    names = top_names(cell.source)
    by_id = ours.get(re.sub(r"-again\d+$", "", cell.get("id", "")))
    if by_id is not None and by_id in owner:
        return by_id
    if by_id is not None and not (names & set(defined)):
        return by_id
    same = plain_sources.get(_essence(cell.source))
    if same is not None:
        return same
    hits = {defined[name] for name in names if name in defined}
    return min(hits) if hits else None


def _is_check_or_setup(cell: NotebookNode) -> bool:
    """A check, parameter or set-up cell that was edited beyond recognition: ours is used instead."""
    if tags(cell) & {"check", "parameters", "injected-parameters", "colab"}:
        return True
    body = getattr(parsed(cell.source), "body", [])
    return bool(body) and all(isinstance(node, ast.Expr) for node in body) and checked_question(cell) is not None


def _additions(pristine: str, edited: str, protected: set[str]) -> str:
    """Imports, definitions and assignments that a learner added to one of our cells, less those of protected names."""
    if _essence(pristine) == _essence(edited):
        return ""
    ours, theirs = parsed(pristine), parsed(edited)
    if ours is None or theirs is None:
        return ""
    try:
        known = {ast.dump(node) for node in ours.body}
        added = [node for node in theirs.body if ast.dump(node) not in known]
        return "\n".join(ast.unparse(n) for n in added if defined_by(n) and not defined_by(n) & protected)
    except RecursionError:
        return ""


def _essence(source: str) -> str:
    return "".join(source.split())


def top_names(source: str) -> set[str]:
    """Names that a cell defines at its top level; also of a cell that does not parse, by its `def` and `=` lines."""
    tree = parsed(source)
    if tree is None:
        return set(re.findall(r"^(?:def|class)\s+(\w+)", source, re.M)) | set(re.findall(r"^(\w+)\s*=", source, re.M))
    definitions = (node for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom))
    return {name for node in definitions for name in defined_by(node)}
