"""The `coursework` command. Thin: every subcommand calls one module and words its errors."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from coursework.model import AuthoringError
from coursework.notebook import NotebookError
from coursework.project import NotACourse, Project

app = typer.Typer(
    name="coursework",
    help="Write, check, release and grade exercises in notebooks.",
    epilog="An exercise is named part/slug, such as math/least_squares; the path of one of its notebooks does too.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

Names = Annotated[list[str] | None, typer.Argument(help="Exercises (part/slug, or a notebook's path); all if none.")]
Notebooks = Annotated[list[Path], typer.Argument(help="Notebooks, under notebooks/ or solutions/.")]


@app.command()
def new(
    part: Annotated[str, typer.Argument(help="The part, such as math; an existing one or a new one.")],
    slug: Annotated[str, typer.Argument(help="The chapter, in lower case with underscores.")],
    title: Annotated[str, typer.Option(help="The chapter's title; made from the slug if left out.")] = "",
) -> None:
    """Make a chapter that passes the gate as it stands: lesson, quiz, solution, checks, contents entry."""
    from coursework.scaffold import new_chapter

    project = Project.find()
    for path in new_chapter(project, part, slug, title):
        out.print(f"wrote {path.relative_to(project.root).as_posix()}")
    out.print(f"Next: `coursework gate {part}/{slug}`, then change it: `coursework edit solutions/{part}/{slug}.ipynb`")


@app.command()
def edit(
    notebook: Annotated[Path, typer.Argument(help="A notebook under notebooks/ or solutions/; need not exist yet.")],
    text: Annotated[bool, typer.Option("--text", help="Print the notebook's text instead of opening it.")] = False,
    from_: Annotated[
        Path | None, typer.Option("--from", help="Take the text from this file instead of an editor.")
    ] = None,
) -> None:
    """Open a notebook as text (one `# %%` line a cell) in $EDITOR and write it back in normal form."""
    from coursework import author

    project = Project.find(notebook.resolve().parent if notebook.parent.is_dir() else None)
    if text:
        sys.stdout.write(author.as_text(author.read(notebook)))
        return
    if from_ is not None:
        changed = author.from_text(project, notebook, from_.read_text(encoding="utf-8"))
    else:
        changed = author.edit(project, notebook)
    out.print(f"{notebook}: {'written' if changed else 'unchanged'}")


@app.command()
def run(notebooks: Notebooks) -> None:
    """Execute lessons and solutions and store their outputs, which the site prints and the tests compare."""
    from coursework.author import run_notebook

    project = Project.find()
    for path in notebooks:
        run_notebook(project, path)
        out.print(f"{path}: run, outputs stored")


@app.command("format")
def format_(
    notebooks: Annotated[list[Path] | None, typer.Argument(help="Notebooks; all of the course if none.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 if something would change.")] = False,
) -> None:
    """Bring notebooks to normal form: stable ids, no timestamps, the Colab cell."""
    from coursework.author import format_notebook

    project = Project.find()
    paths = notebooks or sorted(p for f in ("notebooks", "solutions") for p in (project.root / f).glob("*/*.ipynb"))
    changed = [path for path in paths if format_notebook(project, path, write=not check)]
    for path in changed:
        out.print(f"{path}: {'not in normal form' if check else 'formatted'}")
    if check and changed:
        raise typer.Exit(1)


@app.command()
def release(names: Names = None) -> None:
    """Derive exercises/ and the published answers from solutions/."""
    from coursework.release import release as release_one

    project = Project.find()
    for id in project.resolve(names or []):
        changed = release_one(project, id)
        said = ", ".join(path.relative_to(project.root).as_posix() for path in changed) or "nothing changed"
        out.print(f"{id}: {said}")


@app.command()
def gate(
    names: Names = None,
    sets: Annotated[int, typer.Option(help="How many parameter sets to draw beside the published one.")] = 20,
) -> None:
    """Prove that an exercise's checks accept the reference and refuse the stub and every named mistake."""
    from coursework.gate import gate as gate_one

    project = Project.find()
    failed = 0
    for id in project.resolve(names or []):
        with err.status(id) as status:
            objections = gate_one(project, id, sets=sets, progress=lambda s, id=id: status.update(f"{id}: {s}"))
        failed += bool(objections)
        exercise = project.load(id) if not objections else None
        if exercise is not None:
            mistakes = sum(len(question.mistakes) for question in exercise.questions.values())
            out.print(f"{id}: passes ({len(exercise.questions)} questions, {mistakes} mistakes, {sets + 1} sets)")
        for objection in objections:
            out.print(str(objection), markup=False)
    if failed:
        raise typer.Exit(1)


@app.command()
def catalogue(
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 if something would change.")] = False,
) -> None:
    """Make the pages of skills, mistakes and sources, from book/skills.yml, the lessons and the checks."""
    from coursework import catalogue as made

    project = Project.find()
    if check:
        stale = [p for p, text in made.pages(project).items() if not p.is_file() or p.read_text("utf-8") != text]
    else:
        stale = made.write(project)
    for path in stale:
        out.print(f"{path.relative_to(project.root).as_posix()}: {'out of date' if check else 'written'}")
    if check and stale:
        raise typer.Exit(1)


@app.command()
def site(
    force: Annotated[bool, typer.Option("--force", help="Build even if nothing changed.")] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Read again only what changed, to look at it; proves nothing.")
    ] = False,
) -> None:
    """Build the site into _build/html; a warning is an error."""
    from coursework.serve import build

    raise typer.Exit(build(Project.find().root, force, quick))


@app.command()
def pdf(
    names: Names = None,
    book: Annotated[bool, typer.Option("--book", help="The whole course in one file, exercises and all.")] = False,
    to: Annotated[Path | None, typer.Option("--out", "-o", help="Folder to write to; _build/pdf if left out.")] = None,
) -> None:
    """Print lessons, or the whole book, as PDF files with working links. Needs a Chromium."""
    from coursework.pdf import pages_of_book, print_pages
    from coursework.serve import build

    project = Project.find()
    folder = to or project.root / "_build" / "pdf"
    if book:
        documents = {folder / "book.pdf": pages_of_book(project.root)}
    else:
        ids = project.resolve(names or [])
        documents = {folder / f"{id.replace('/', '-')}.pdf": [f"notebooks/{id}"] for id in ids}
    if code := build(project.root):
        raise typer.Exit(code)
    for path in print_pages(project.root, documents):
        out.print(f"wrote {path}", markup=False)


@app.command()
def pyodide(
    from_: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar="SOURCE",
            help="A folder, an archive or an address to take the files from; may be given several times.",
        ),
    ] = None,
    python: Annotated[
        str | None, typer.Option(help="A Python 3.12 to compile it with; the one on the path if left out.")
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take it out again.")] = False,
) -> None:
    """Give the site a Python for browsers of its own, so that "Run here" asks nobody else; downloads up to 50 MB.

    Without --from the files come from the Pyodide project's distribution. Each is checked against sums pinned here.
    Every later `coursework site` carries them, compiled where there is a Python 3.12 for it, which starts sooner.
    """
    from coursework import pyodide as distribution

    root = Project.find().root
    folder = distribution.folder_of(root)
    where = folder.relative_to(root).as_posix()
    if remove:
        import shutil

        shutil.rmtree(folder, ignore_errors=True)
        out.print(f"{where} is gone: the next `coursework site` sends readers to the address in _config.yml.")
        return
    compiler = distribution.interpreter(python)
    packages = {name for names in distribution.needed(root).values() for name in names}
    with err.status("Pyodide") as status:
        gained = distribution.fetch(folder, packages, from_ or distribution.SOURCES, status.update)
        if compiler:
            distribution.compile_archives(folder, compiler, status.update)
    what = ", ".join(gained.packages)
    size = f"{gained.size / 1e6:.0f} MB, {gained.fetched} files fetched, {gained.kept} there already"
    out.print(f"Pyodide {distribution.VERSION} with {what} lies in {where} ({size}).", markup=False)
    if not distribution.is_compiled(folder):
        out.print("No Python 3.12 is on the path to compile it with: it works, and a reader waits a second longer.")
    out.print("The next `coursework site` carries it, and its pages ask nobody else.")


@app.command()
def serve(
    port: Annotated[int, typer.Option(help="Port of the site.")] = 8000,
    lab_port: Annotated[int, typer.Option(help="Port of JupyterLab.")] = 8888,
    show: Annotated[bool, typer.Option("--open", help="Open the site in a browser.")] = False,
) -> None:
    """Serve the site and JupyterLab on this machine until Ctrl-C; the site is built first if it is out of date."""
    from coursework.serve import serve as serve_both

    raise typer.Exit(serve_both(Project.find().root, port, lab_port, show))


@app.command()
def grade(
    submissions: Annotated[
        str,
        typer.Argument(
            help="Folder with <student>/<part>/<slug>.ipynb, an nbgrader course or exchange, or an address (s3://...)."
        ),
    ],
    exercise: Annotated[
        list[str] | None,
        typer.Option(
            "--exercise", "-e", help="Grade this one only; may be repeated. All that anybody handed in if none."
        ),
    ] = None,
    parameters: Annotated[
        Path | None,
        typer.Option(
            help="YAML file of hidden parameters: `part/slug: [{seed: 7, ...}, ...]`. Without it, one set is drawn."
        ),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(
            help="YAML file of rules: late penalties, attempts, extra credit. It holds until another is given."
        ),
    ] = None,
    to: Annotated[Path, typer.Option("--out", "-o", help="Folder for the gradebook and the report.")] = Path("grades"),
    put: Annotated[
        str, typer.Option(help="Copy report, notebooks and gradebook there as well: an address such as s3://...")
    ] = "",
    workers: Annotated[int, typer.Option(min=0, help="Notebooks run at once; 0 for three on two cores.")] = 0,
    scheduler: Annotated[
        str,
        typer.Option(
            help="Run on the workers of this Dask scheduler, such as tcp://10.0.0.5:8786; `local` starts one here."
        ),
    ] = "",
    cell_timeout: Annotated[int, typer.Option(min=1, help="Seconds that one cell may take.")] = 30,
    limit: Annotated[
        list[str] | None,
        typer.Option(help="Bound of a submission, as memory=1GB, disk=500MB or run_seconds=60; may be repeated."),
    ] = None,
    keep_notebooks: Annotated[
        bool, typer.Option("--keep-notebooks", help="Keep what was executed; it holds the hidden parameters.")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Print what this run changed, and why.")] = False,
    unsandboxed: Annotated[
        bool, typer.Option("--unsandboxed", help="Run the submissions as you, on this machine. You trust their code.")
    ] = False,
    show: Annotated[bool, typer.Option("--open", help="Open the class page in a browser.")] = False,
) -> None:
    """Grade a class: hidden parameters, partial credit, which mistake, a report. Run again to go on."""
    from coursework import grade as grading
    from coursework.kernel.limits import Limits
    from coursework.policy import read_policy
    from coursework.report import write_report

    project = Project.find()
    try:
        limits = Limits.from_words(limit or [])
    except ValueError as error:
        raise grading.GradingError(f"--limit: {error}") from None
    if not unsandboxed:
        _demand_sandbox()
    ids = project.resolve(exercise or [])
    hidden = grading.read_parameters(parameters, ids) if parameters else {}
    rules = read_policy(policy, project.ids(), lambda id: list(project.load(id).questions)) if policy else None
    found = grading.find_submissions(submissions, ids)
    if not exercise:
        handed_in = grading.handed_in(found, ids)
        ids = [id for id in ids if id in hidden or id in handed_in]
    settings = grading.Settings(
        cell_timeout=cell_timeout,
        sandbox=not unsandboxed,
        limits=limits,
        scheduler=scheduler or None,
        keep_notebooks=keep_notebooks,
        **({"workers": workers} if workers else {}),
    )
    bar = _bar()
    task = bar.add_task("preparing", total=None)

    def shown(p: grading.Progress) -> None:
        left = f", {_minutes(p.left)} left" if p.left is not None and p.done < p.total else ""
        kept = f" ({p.skipped} from before)" if p.skipped else ""
        bar.update(task, total=p.total, completed=p.done, description=f"{p.done} of {p.total} graded{kept}{left}")

    try:
        graded = grading.grade(
            project, found, to, ids, hidden=hidden, policy=rules, settings=settings, begun=bar.start, progress=shown
        )
    finally:
        bar.stop()
    page = write_report(to / "report", graded, [project.load(id) for id in sorted({g.exercise for g in graded})])
    _said(graded)
    if diff:
        _changes(to)
    if put:
        from coursework.deposit import deposit

        out.print(f"{deposit(to, put)} files put to {put}", markup=False)
    out.print(f"The class page: {page}")
    if show:
        typer.launch(page.resolve().as_uri())


def _minutes(seconds: float) -> str:
    if seconds < 90:
        return f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"


def _changes(folder: Path) -> None:
    """What the last run changed, a line a question."""
    from coursework.gradebook import Gradebook

    with Gradebook(folder / "gradebook.sqlite") as book:
        changes = book.changes()
    for c in changes:
        if c.before or not c.after:
            before, after = (f"{v[0]} {v[1]:g}" if v else "nothing" for v in (c.before, c.after))
            out.print(f"{c.student}, {c.exercise}, {c.question}: {before} -> {after} ({c.why})", markup=False)
    new = sum(c.before is None for c in changes)
    if new:
        out.print(f"{new} answers were graded for the first time.")
    if not changes:
        out.print("Nothing changed.")


def _demand_sandbox() -> None:
    """Refuse to run strangers' code where it cannot be isolated."""
    from coursework.kernel import isolation, spec

    why = isolation.missing()
    if why:
        raise isolation.NoSandbox(
            f"submissions cannot be isolated here: {why}. If you trust their code, say --unsandboxed: it then runs "
            "with your rights, and sees your files and your network"
        )
    if not spec.installed():
        spec.install()


Results = Annotated[Path, typer.Argument(help="The folder that `coursework grade --out` wrote.")]


@app.command()
def report(folder: Results = Path("grades")) -> None:
    """Write the report again from the gradebook, without running anything."""
    from coursework.report import write_report

    graded, exercises = _results(folder)
    page = write_report(folder / "report", graded, exercises)
    _said(graded)
    out.print(f"The class page: {page}")


@app.command()
def export(
    format: Annotated[
        str, typer.Option("--format", "-f", help="canvas, moodle, gradescope, csv, parquet or notebooks.")
    ],
    folder: Results = Path("grades"),
    to: Annotated[
        Path | None, typer.Option("--to", help="File or folder to write; in the results' own export/ if left out.")
    ] = None,
    roster: Annotated[
        Path | None,
        typer.Option(help="CSV that Canvas or Moodle exported: says who the folders' names are there."),
    ] = None,
) -> None:
    """Write the grades as a file for another system, without running anything."""
    from coursework.report.export import write_export

    graded, exercises = _results(folder)
    path, said = write_export(format, graded, exercises, folder, to, roster)
    for sentence in said:
        err.print(sentence, markup=False)
    out.print(f"wrote {path}", markup=False)


@app.command()
def review(
    folder: Results = Path("grades"),
    by: Annotated[str, typer.Option(help="Who marks; kept with every mark. Your login name if left out.")] = "",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on this machine; a free one if 0.")] = 0,
    show: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
) -> None:
    """Mark prose against its rubric, or change any points by hand, in a page on this machine. Ctrl-C ends it."""
    import getpass

    from coursework.report import write_report
    from coursework.review import Desk, serve

    graded, exercises = _results(folder)
    desk = Desk(folder / "gradebook.sqlite", exercises, by or getpass.getuser())

    def opened(address: str) -> None:
        out.print(f"Review: {address}\nFor this machine and for you alone: the address is the key. Ctrl-C ends it.")
        if show:
            typer.launch(address)

    serve(desk, port, opened)
    if desk.given:
        graded, exercises = _results(folder)
        out.print(f"Marks are kept. The report is written again: {write_report(folder / 'report', graded, exercises)}")


def _results(folder: Path) -> tuple[list, list]:
    """What is graded in a folder of results, and the exercises in the order of the course."""
    from coursework.gradebook import Gradebook, GradebookError

    project = Project.find()
    path = folder / "gradebook.sqlite"
    if not path.is_file():
        raise GradebookError(f"{path}: there is no gradebook; `coursework grade --out {folder}` makes one")
    with Gradebook(path) as book:
        graded = book.current()
    return graded, [project.load(id) for id in sorted({one.exercise for one in graded})]


def _bar() -> Any:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    return Progress(*columns, console=err, transient=True, disable=not err.is_terminal)


def _said(graded: list) -> None:
    from collections import Counter

    students = {g.student for g in graded}
    states = Counter(g.state for g in graded)
    flags = sum(bool(g.flags) for g in graded)
    said = [f"{n} {state}" for state, n in states.items()]
    out.print(f"{len(students)} students, {len(graded)} submissions: {', '.join(said)}; {flags} flagged.")


@app.command()
def progress() -> None:
    """Show where you stand: the chapters of the course, and which questions you have passed, from your own record."""
    from coursework.progress import data_folder, standings

    found = standings()
    _picture(found)
    if not found:
        out.print(f"Nothing tried yet. Open a notebook under exercises/ and run a check. (Record: {data_folder()})")
        return
    from rich.table import Table

    table = Table("exercise", "question", "state", "tries", "mistakes met")
    for s in found:
        state = "[green]✓ passed[/]" if s.passed else "written" if s.written else "not yet"
        table.add_row(s.exercise, s.question, state, str(s.attempts), ", ".join(s.mistakes))
    out.print(table)
    out.print(f"{sum(s.passed for s in found)} of {len(found)} questions tried are passed. Record: {data_folder()}")


#: How a chapter's state is drawn; the same picture as on the page of the self-assessment.
SIGNS = {"passed": "[bold green]■[/]", "begun": "[yellow]◧[/]", "open": "□", "planned": "[dim]·[/]"}


def _picture(found: list) -> None:
    """The parts of the course with a sign for each chapter; nothing outside a checkout."""
    from rich.table import Table

    from coursework import curriculum

    try:
        project = Project.find()
        parts = curriculum.read(project.root)
    except (NotACourse, AuthoringError):
        return
    states = {c.id: curriculum.state(project, c.id, found) for part in parts for c in part.chapters}
    grid = Table.grid(padding=(0, 2))
    for part in parts:
        mine = [states[chapter.id] for chapter in part.chapters]
        grid.add_row(part.title, " ".join(SIGNS[one] for one in mine), f"{mine.count('passed')} of {len(mine)}")
    out.print(grid)
    words = {"passed": "exercise passed", "begun": "begun", "open": "not begun", "planned": "not written yet"}
    out.print("  ".join(f"{SIGNS[one]} {said}" for one, said in words.items()), end="\n\n")


kernel_app = typer.Typer(help="The warm kernels: what runs, and putting them where Jupyter finds them.")
app.add_typer(kernel_app, name="kernel")


@kernel_app.callback(invoke_without_command=True)
def kernel(context: typer.Context) -> None:
    """Show which fork servers run, and the kernels of each."""
    if context.invoked_subcommand is None:
        from coursework.kernel.status import lines

        for line in lines():
            out.print(line, markup=False)


@kernel_app.command("install")
def kernel_install(
    prefix: Annotated[Path | None, typer.Option(help="Where to; this Python's environment if left out.")] = None,
) -> None:
    """Make the kernels `coursework` and `coursework-sandbox` known to Jupyter."""
    from coursework.kernel.spec import install

    for folder in install(prefix):
        out.print(f"wrote {folder}")


@kernel_app.command("stop")
def kernel_stop() -> None:
    """End every fork server of yours, and the kernels that it started."""
    from coursework.kernel.pool import servers

    ended = servers("stop")
    kernels = sum(len(one["kernels"]) for one in ended)
    out.print(f"{len(ended)} fork servers and {kernels} kernels ended.")


def _late_errors() -> tuple[type[Exception], ...]:
    """Errors of modules that only some commands import."""
    late = (
        ("coursework.graded", "GradingError"),
        ("coursework.gradebook", "GradebookError"),
        ("coursework.kernel.pool", "NoServer"),
        ("coursework.kernel.isolation", "NoSandbox"),
        ("coursework.pdf", "CannotPrint"),
        ("coursework.pyodide", "NotHad"),
        ("coursework.report.export", "ExportError"),
        ("coursework.review", "ReviewError"),
    )
    return tuple(getattr(sys.modules[module], name) for module, name in late if module in sys.modules)


def main() -> None:
    """Entry point: expected errors become one sentence and exit code 2, an interrupt 130."""
    import sqlite3

    try:
        app()
    except (AuthoringError, NotACourse, NotebookError, *_late_errors()) as error:
        err.print(f"coursework: {error}", markup=False)
        sys.exit(2)
    except sqlite3.DatabaseError as error:
        err.print(f"coursework: the database cannot be read ({error}); move it away or restore it", markup=False)
        sys.exit(2)
    except UnicodeDecodeError:
        err.print("coursework: a file that should be text is not UTF-8: save it so", markup=False)
        sys.exit(2)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        err.print(f"coursework: {where}{error.strerror or error}", markup=False)
        sys.exit(2)
    except KeyboardInterrupt:
        err.print("coursework: interrupted")
        sys.exit(130)


if __name__ == "__main__":
    main()
