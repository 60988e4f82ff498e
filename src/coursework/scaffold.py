"""A new chapter that passes the gate as it stands: lesson, quiz, solution, checks and an entry in the contents."""

from __future__ import annotations

import importlib
import keyword
import re
from pathlib import Path

import jinja2

from coursework.author import from_text, run_notebook
from coursework.model import AuthoringError
from coursework.project import Project
from coursework.release import release


def new_chapter(project: Project, part: str, slug: str, title: str = "") -> list[Path]:
    """Write the files of chapter `part`/`slug`; returns them.

    Raises:
        AuthoringError: a name is not usable, or a file of the chapter is already there (nothing is then written).
    """
    for what, name in (("part", part), ("slug", slug)):
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
            raise AuthoringError(f"the {what} {name!r} must be a lower-case Python name, such as least_squares")
    id = f"{part}/{slug}"
    title = title or slug.replace("_", " ").capitalize()
    if '"' in title or "\\" in title or "\n" in title:
        raise AuthoringError("the title may hold no double quote, backslash or line break")
    checks = project.checks_file(id)
    files = [project.lesson(id), project.solution(id), checks, project.exercise(id), checks.with_suffix(".json")]
    for path in files:
        if path.exists():
            raise AuthoringError(f"{path.relative_to(project.root).as_posix()} is already there: choose another slug")
    contents = project.root / "_toc.yml"
    toc = with_chapter(contents.read_text(encoding="utf-8"), part, slug) if contents.is_file() else None

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("coursework"), keep_trailing_newline=True, undefined=jinja2.StrictUndefined
    )
    words = {"part": part, "slug": slug, "title": title, "checks": project.checks}
    checks.parent.mkdir(parents=True, exist_ok=True)
    package = checks.parent / "__init__.py"
    if not package.exists():
        package.write_text(f'"""The checks of part `{part}`."""\n', encoding="utf-8")
    checks.write_text(environment.get_template("checks.py.j2").render(words), encoding="utf-8")
    importlib.invalidate_caches()
    for name, path in (("lesson", project.lesson(id)), ("solution", project.solution(id))):
        path.parent.mkdir(parents=True, exist_ok=True)
        from_text(project, path, environment.get_template(f"{name}.py.j2").render(words))
    release(project, id)
    for path in (project.lesson(id), project.solution(id)):
        run_notebook(project, path)
    if toc is not None:
        contents.write_text(toc, encoding="utf-8")
        files.append(contents)
    return files


def with_chapter(contents: str, part: str, slug: str) -> str:
    """The text of `_toc.yml` with a chapter added at the end of its part; comments and order stay.

    Raises:
        AuthoringError: the file has no `parts:` to add to.
    """
    lines = contents.rstrip("\n").split("\n")
    own = [i for i, line in enumerate(lines) if re.search(rf"\bfile: (?:notebooks|exercises)/{part}/", line)]
    if own:
        lesson = next((lines[i] for i in own if f"notebooks/{part}/" in lines[i]), lines[own[0]])
        indent, at = lesson[: len(lesson) - len(lesson.lstrip())], own[-1] + 1
    else:
        if not any(line.startswith("parts:") for line in lines):
            raise AuthoringError("_toc.yml has no `parts:`; add the chapter by hand")
        # After the last part that holds chapters: what follows it is for other readers.
        chapters = [i for i, line in enumerate(lines) if re.search(r"\bfile: (?:notebooks|exercises)/", line)]
        at = chapters[-1] + 1 if chapters else len(lines)
        lines[at:at] = [f"  - caption: {part.capitalize()}", "    chapters:"]
        indent, at = "      ", at + 2
    lines[at:at] = [
        f"{indent}- file: notebooks/{part}/{slug}",
        f"{indent}  sections:",
        f"{indent}    - file: exercises/{part}/{slug}",
    ]
    return "\n".join(lines) + "\n"
