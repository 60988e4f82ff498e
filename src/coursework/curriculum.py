"""The planned course: its parts and chapters, from `book/curriculum.yml`, and how far a learner has come in it.

Whether a chapter is written is not said there: it is when its solution exists.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml
from attrs import frozen

from coursework import notebook as nb
from coursework.model import AuthoringError
from coursework.progress import Standing
from coursework.project import Project


@frozen
class Chapter:
    """A chapter, written or not: `number` counts through the whole course, `tracks` are letters such as AB.

    `needs` are the ids of the chapters that its lesson leans on.
    """

    number: int
    id: str
    title: str
    tracks: str
    needs: tuple[str, ...] = ()


@frozen
class Part:
    slug: str
    title: str
    chapters: tuple[Chapter, ...]


def read(root: Path) -> list[Part]:
    """The parts of the course whose checkout is `root`.

    Raises:
        AuthoringError: `book/curriculum.yml` is missing or is no curriculum.
    """
    path = root / "book" / "curriculum.yml"
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        parts, number = [], 0
        for part, entry in data.items():
            chapters = []
            for slug, (title, tracks, *needs) in entry["chapters"].items():
                number += 1
                chapters.append(Chapter(number, f"{part}/{slug}", title, tracks, tuple(needs[0]) if needs else ()))
            parts.append(Part(part, entry["title"], tuple(chapters)))
    except FileNotFoundError:
        raise AuthoringError(f"{path} is missing: it names the parts and chapters of the course") from None
    except yaml.YAMLError as error:
        raise AuthoringError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        rule = "a part needs `title` and `chapters`, a chapter its title and tracks"
        raise AuthoringError(f"{path}: {rule} ({type(error).__name__}: {error})") from None
    known = {chapter.id for part in parts for chapter in part.chapters}
    for chapter in (chapter for part in parts for chapter in part.chapters):
        for need in chapter.needs:
            if need not in known:
                raise AuthoringError(f"{path}: {chapter.id} needs {need!r}, which is no chapter of the plan")
    return parts


#: From nothing to done; each has its own sign in a picture of where a learner stands.
STATES = ("planned", "open", "begun", "passed")


def state(project: Project, id: str, standings: Sequence[Standing]) -> str:
    """`planned` without an exercise, `passed` when every question of it is, `begun` when one was tried, else `open`.

    Prose counts as passed once it is written: whoever marks it keeps the mark elsewhere.
    """
    if not project.exercise(id).is_file():
        return "planned"
    mine = {standing.question: standing.passed or standing.written for standing in standings if standing.exercise == id}
    if not mine:
        return "open"
    asked = [part.question for part in nb.parts(nb.read(project.exercise(id)))]
    return "passed" if all(mine.get(question) for question in asked) else "begun"
