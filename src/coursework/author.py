"""What an author does with a notebook's text: open it in an editor, write it back, run it, bring it to normal form."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tempfile
from pathlib import Path

from coursework import notebook as nb
from coursework.kernel import kernel_config
from coursework.model import AuthoringError
from coursework.notebook import NotebookNode, nbformat
from coursework.project import Project
from coursework.release import project_colab


def about(project: Project, path: Path) -> dict[str, str]:
    """Which exercise or lesson a notebook's place makes it."""
    try:
        folder, *rest = path.resolve().relative_to(project.root).with_suffix("").parts
    except ValueError:
        raise AuthoringError(f"{path} lies outside the course in {project.root}") from None
    role = {"notebooks": "lesson", "solutions": "solution", "exercises": "exercise"}.get(folder)
    if role is None or len(rest) != 2:
        raise AuthoringError(f"{path}: a notebook's place is notebooks/ or solutions/, then <part>/<slug>.ipynb")
    return {"exercise" if role != "lesson" else "lesson": "/".join(rest), "role": role}


def read(path: Path) -> NotebookNode:
    """The notebook at `path`.

    Raises:
        AuthoringError: it is none; the message names the file.
    """
    try:
        return nb.read(path)
    except nb.NotebookError as error:
        raise AuthoringError(f"{path}: {error}") from None


def as_text(notebook: NotebookNode) -> str:
    """A notebook as percent text (`# %%` cells), without the cell that the project writes itself."""
    import jupytext

    copy = nbformat.from_dict(notebook)
    copy.cells = [cell for cell in notebook.cells if "colab" not in nb.tags(cell)]
    text = jupytext.writes(copy, fmt="py:percent")
    return re.sub(r"\A# ---\n.*?# ---\n\n?", "", text, flags=re.S)


def from_text(project: Project, path: Path, text: str) -> bool:
    """Make the notebook at `path` say what percent text says, keeping ids and the outputs of unchanged cells.

    Raises:
        AuthoringError: the place is wrong, or the text holds no cell.
    """
    import jupytext

    kind = about(project, path)
    fresh = jupytext.reads(text, fmt="py:percent")
    if not fresh.cells:
        raise AuthoringError(f"{path}: the text holds no cell; a cell starts with a line `# %%`")
    for cell in fresh.cells:
        cell.pop("id", None)
    if path.is_file():
        _carry_over(read(path), fresh)
    for cell in fresh.cells:
        cell.setdefault("id", "")
    nb.normalise(fresh, colab=project_colab(project), about=kind)
    return nb.write(path, fresh)


def _carry_over(old: NotebookNode, fresh: NotebookNode) -> None:
    """Ids and outputs from the old notebook, for the same source and for a changed cell between two kept ones."""
    from difflib import SequenceMatcher

    before = [c for c in old.cells if "colab" not in nb.tags(c)]
    blocks = SequenceMatcher(
        None, [(c.cell_type, c.source) for c in before], [(c.cell_type, c.source) for c in fresh.cells], autojunk=False
    ).get_opcodes()
    for tag, a, b, c, d in blocks:
        if tag == "equal" or (tag == "replace" and b - a == d - c):
            for was, now in zip(before[a:b], fresh.cells[c:d], strict=True):
                if was.cell_type == now.cell_type:
                    now.id = was.id
                    if tag == "equal" and was.cell_type == "code":
                        now.outputs, now.execution_count = was.outputs, was.execution_count
    fresh.cells = [c for c in old.cells if "colab" in nb.tags(c)] + fresh.cells


def edit(project: Project, path: Path) -> bool:
    """Open a notebook's text in `$EDITOR`; False where nothing was changed.

    Raises:
        AuthoringError: there is no editor, it failed, or the text cannot be written back (the text is then kept).
    """
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor:
        raise AuthoringError("no editor is set: export EDITOR=vim (or code --wait), or use --text and --from")
    before = as_text(read(path))
    with tempfile.NamedTemporaryFile("w", suffix=f"-{path.stem}.py", delete=False, encoding="utf-8") as file:
        file.write(before)
    draft = Path(file.name)
    done = subprocess.run([*shlex.split(editor), str(draft)])
    after = draft.read_text(encoding="utf-8")
    if done.returncode:
        raise AuthoringError(f"{editor} ended with {done.returncode}; your text is kept in {draft}")
    try:
        changed = after != before and from_text(project, path, after)
    except AuthoringError as error:
        raise AuthoringError(f"{error}; your text is kept in {draft}") from None
    draft.unlink()
    return changed


def format_notebook(project: Project, path: Path, *, write: bool = True) -> bool:
    """Bring a notebook to normal form; True where that changes it."""
    notebook = nb.normalise(read(path), colab=project_colab(project), about=about(project, path))
    if not write:
        return path.read_text(encoding="utf-8") != nb.text_of(notebook)
    return nb.write(path, notebook)


#: What must not be stored in an output: it differs between machines or runs.
UNSTABLE = re.compile(r"\bat 0x[0-9a-f]{6,}|/(?:home|Users|root|tmp|private/var)/\S+|\b[A-Z]:\\Users\\")


def run_notebook(project: Project, path: Path, timeout: int = 300) -> None:
    """Execute a lesson or a solution and store its outputs in normal form.

    Raises:
        AuthoringError: a cell raises, writes to standard error, or prints what differs from run to run.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    kind = about(project, path)
    where = path.resolve().relative_to(project.root).as_posix()
    if kind["role"] == "exercise":
        raise AuthoringError(f"{where}: an exercise is derived and stored without outputs; run its solution")
    notebook = nb.clear_outputs(nb.normalise(read(path), colab=project_colab(project), about=kind))
    with tempfile.TemporaryDirectory(prefix="cw-") as scratch:
        client = NotebookClient(
            notebook,
            config=kernel_config(scratch),
            timeout=timeout,
            shutdown_kernel="immediate",
            kernel_name="python3",
            resources={"metadata": {"path": str(path.resolve().parent)}},
            record_timing=False,
            coalesce_streams=True,
        )
        environment = {**os.environ, "COURSEWORK_DATA": scratch, "IPYTHONDIR": scratch, "PYTHONHASHSEED": "0"}
        try:
            # Not `client.execute`, which answers an interrupt by losing its kernel, and fails over that.
            with client.setup_kernel(env=environment):
                for i, cell in enumerate(notebook.cells):
                    client.execute_cell(cell, i)
        except CellExecutionError as error:
            raise AuthoringError(f"{where}: a cell raises {error.ename}: {error.evalue}") from None
        except (CellTimeoutError, DeadKernelError) as error:
            raise AuthoringError(f"{where}: {str(error).splitlines()[0]}") from None
    for i, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            text = "\n".join([output.get("text", ""), *(str(data[kind]) for kind in data if kind.startswith("text/"))])
            if output.get("name") == "stderr":
                raise AuthoringError(f"{where}: cell {i} writes to standard error: {text[:200].strip()}")
            found = UNSTABLE.search(text)
            if found:
                raise AuthoringError(f"{where}: cell {i} prints {found.group()!r}, which differs from run to run")
    nb.write(path, nb.normalise(notebook, colab=project_colab(project), about=kind))
