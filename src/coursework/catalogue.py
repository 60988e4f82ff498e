"""Pages made from what the course declares: its skills, the mistakes that its checks know, the sources of its lessons.

`book/skills.yml` names the skills and the chapters that run each; `book/curriculum.yml` the chapters, planned ones too.
The rest comes from the lessons' objectives and the checks. Not for a learner's standing: see `coursework.progress`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from attrs import frozen

from coursework import curriculum, lesson
from coursework import notebook as nb
from coursework.model import AuthoringError, Exercise
from coursework.project import Project

MADE = "<!-- Made by `coursework catalogue`; a test holds it against the lessons and the checks. -->"


LOCAL_LINK = re.compile(r"\]\((?!https?:)(?=[^)]*\.ipynb)")
#: Words between stars that were escaped; a product has spaces around its star, or digits.
STRESSED = re.compile(r"(?<!\w)\\\*(?=\w)([^*\\]*?\w)\\\*(?!\w)")


@frozen
class Chapter:
    """A chapter of the curriculum; one that is not written yet has no exercise."""

    id: str
    title: str
    exercise: Exercise | None = None
    objectives: tuple[str, ...] = ()
    #: what the lesson names as its sources, in Markdown
    sources: tuple[str, ...] = ()
    #: question -> the heading above it in the exercise
    headings: Mapping[str, str] = {}


def write(project: Project) -> list[Path]:
    """Write the pages; the paths of those that changed.

    Raises:
        AuthoringError: as for `pages`.
    """
    changed = []
    for path, text in pages(project).items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed


def pages(project: Project) -> dict[Path, str]:
    """The text of `book/skills.md`, `book/mistakes.md` and `book/sources.md`.

    Raises:
        AuthoringError: `book/skills.yml` names a chapter that there is not, or a question names a skill that it lacks.
    """
    chapters = {chapter.id: chapter for chapter in read_chapters(project)}
    skills = _read(project.root / "book" / "skills.yml")
    known = {name for group in skills.values() for name in group}
    for group in skills.values():
        for name, ids in group.items():
            for id in ids:
                if id not in chapters:
                    raise AuthoringError(f"book/skills.yml: {name}: the curriculum has no chapter {id}")
    for chapter in chapters.values():
        for question in chapter.exercise.questions.values() if chapter.exercise else ():
            for name in question.skills:
                if name not in known:
                    raise AuthoringError(
                        f"{chapter.id}: question {question.name!r} names the skill {name!r}, "
                        "which book/skills.yml lacks"
                    )
    book = project.root / "book"
    return {
        book / "skills.md": "\n".join(_skills_page(skills, chapters)) + "\n",
        book / "mistakes.md": "\n".join(_mistakes_page(chapters)) + "\n",
        book / "sources.md": "\n".join(_sources_page(chapters)) + "\n",
    }


def read_chapters(project: Project) -> list[Chapter]:
    """All chapters of the curriculum, in order."""
    written = set(project.ids())
    found = []
    for planned in (chapter for part in curriculum.read(project.root) for chapter in part.chapters):
        if planned.id not in written:
            found.append(Chapter(planned.id, planned.title))
            continue
        text = nb.read(project.lesson(planned.id))
        promised, named = tuple(lesson.objectives(text)), tuple(lesson.sources(text))
        headings = _headings(nb.read(project.solution(planned.id)))
        found.append(Chapter(planned.id, planned.title, project.load(planned.id), promised, named, headings))
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise AuthoringError(f"{path} is missing: the catalogue is made from it") from None
    except yaml.YAMLError as error:
        raise AuthoringError(f"{path} is not YAML: {' '.join(str(error).split())}") from None


def _headings(solution: Any) -> dict[str, str]:
    """For each question the heading that it stands under."""
    found = {}
    for part in nb.parts(solution):
        above = [c.source for c in solution.cells[: part.check] if c.cell_type == "markdown"]
        heading = re.findall(r"^## (.+)$", "\n".join(above), re.MULTILINE)
        found[part.question] = heading[-1] if heading else part.question
    return found


# ------------------------------------------------------------------------------------------------- skills


def _skills_page(skills: Mapping[str, Mapping[str, list[str]]], chapters: Mapping[str, Chapter]) -> Iterator[str]:
    yield "# Skills"
    yield f"\n{MADE}\n"
    yield (
        "What postings and articles about the job ask for, and where this course makes you do it. A skill counts where "
        "a question of an exercise checks it, however well a lesson talks about it. A chapter that is not written says "
        "*not yet*."
    )
    for group, named in skills.items():
        yield f"\n## {group.capitalize()}\n"
        yield "| skill | lesson | questions that check it |"
        yield "|---|---|---|"
        for name, ids in named.items():
            yield f"| {name} | {'; '.join(_lesson(chapters[id]) for id in ids)} | {_checked(name, chapters)} |"
    yield "\n## What each lesson promises\n"
    yield "Every objective is checked by a question of the exercise, and every question knows what people get wrong."
    for chapter in chapters.values():
        if chapter.exercise is None:
            continue
        yield f"\n### {chapter.title}\n"
        yield f"{_lesson(chapter)}, {_exercise(chapter)}, [its mistakes](mistakes.md#{anchor(chapter.title)})\n"
        yield "| you will be able to | checked by |"
        yield "|---|---|"
        for number, text in enumerate(chapter.objectives, start=1):
            by = [q.name for q in chapter.exercise.questions.values() if number in q.objectives]
            yield f"| {_cell(text)} | {'; '.join(_question(chapter, name) for name in by) or 'not yet'} |"


def _lesson(chapter: Chapter) -> str:
    if chapter.exercise is None:
        return f"*not yet: {chapter.title}*"
    return f"[{chapter.title}](../notebooks/{chapter.id}.ipynb)"


def _exercise(chapter: Chapter) -> str:
    return f"[its exercise](../exercises/{chapter.id}.ipynb)"


def _question(chapter: Chapter, name: str) -> str:
    heading = chapter.headings[name]
    count = len(chapter.exercise.questions[name].mistakes) if chapter.exercise else 0
    known = f"{count} mistakes" if count else "marked by a person"
    return f"[{_cell(heading)}](../exercises/{chapter.id}.ipynb#{anchor(heading)}) ({known})"


def _checked(skill: str, chapters: Mapping[str, Chapter]) -> str:
    found = []
    for chapter in chapters.values():
        asked = [q for q in chapter.exercise.questions.values() if skill in q.skills] if chapter.exercise else []
        if asked:
            known = sum(len(question.mistakes) for question in asked)
            questions = "1 question" if len(asked) == 1 else f"{len(asked)} questions"
            found.append(f"[{chapter.title}](../exercises/{chapter.id}.ipynb): {questions}, {known} mistakes")
    return "; ".join(found) or "not yet"


def _cell(text: str) -> str:
    """One line of Markdown that may stand in a table's cell."""
    return " ".join(text.split()).replace("|", r"\|")


def anchor(heading: str) -> str:
    """The anchor that MyST gives a heading, as GitHub does."""
    plain = re.sub(r"[^\w\s-]", "", heading.lower())
    return re.sub(r"\s", "-", plain.strip())


# ----------------------------------------------------------------------------------------------- mistakes


def _mistakes_page(chapters: Mapping[str, Chapter]) -> Iterator[str]:
    standing = [chapter for chapter in chapters.values() if chapter.exercise is not None]
    total = sum(len(q.mistakes) for chapter in standing for q in chapter.exercise.questions.values())
    yield "# What did I do wrong?"
    yield f"\n{MADE}\n"
    yield (
        f"The checks of the exercises know {total} wrong answers by what they give. Here they are, in the words that a "
        "check says when it meets one. If a check sent you here, look for your question; if a colleague did, search "
        "for the symptom."
    )
    for chapter in standing:
        yield f"\n## {chapter.title}\n"
        yield f"{_lesson(chapter)}, {_exercise(chapter)}"
        for question in chapter.exercise.questions.values():
            if not question.mistakes:
                continue
            heading = chapter.headings[question.name]
            yield f"\n**[{_cell(heading)}](../exercises/{chapter.id}.ipynb#{anchor(heading)})**\n"
            yield from (f"- {_plain(mistake.sentence)}" for mistake in question.mistakes)


# ------------------------------------------------------------------------------------------------ sources


def _sources_page(chapters: Mapping[str, Chapter]) -> Iterator[str]:
    yield "# Where it comes from"
    yield f"\n{MADE}\n"
    yield "Every source that a lesson names, by chapter. The lesson says what it took from whom."
    for chapter in chapters.values():
        if not chapter.sources:
            continue
        yield f"\n## {chapter.title}\n\n{_lesson(chapter)}\n"
        # A lesson's links to other notebooks are as seen from its own folder.
        folder = f"](../notebooks/{chapter.id.partition('/')[0]}/"
        for one in chapter.sources:
            yield "- " + LOCAL_LINK.sub(folder, one)


def _plain(sentence: str) -> str:
    """A check's sentence: what is in backticks is set as code, what is between stars as stressed, the rest as it is."""
    pieces = re.split(r"(`[^`]+`)", " ".join(sentence.split()))
    return "".join(piece if piece.startswith("`") else STRESSED.sub(r"*\1*", _bare(piece)) for piece in pieces)


def _bare(text: str) -> str:
    return re.sub(r"([\\*_\[\]<>$#])", r"\\\1", text)
