"""Where a course keeps its chapters: the root folder, its notebooks, its checks modules, its repository's address.

The layout is the contract (`solutions/<part>/<slug>.ipynb` and so on); only two things are read from
`pyproject.toml`: `[tool.coursework] checks` and `[project.urls] Repository`.
"""

from __future__ import annotations

import importlib
import sys
import tomllib
from pathlib import Path

from attrs import frozen

from coursework.model import AuthoringError, Exercise


class NotACourse(Exception):
    """There is no course here; the message says where it was looked for."""


@frozen
class Project:
    """A checkout of a course."""

    root: Path
    checks: str
    repository: str

    @classmethod
    def find(cls, start: Path | None = None) -> Project:
        """The course that `start` (the current folder by default) lies in.

        Raises:
            NotACourse: no `pyproject.toml` with a `[tool.coursework]` table is there or above.
        """
        start = (start or Path.cwd()).resolve()
        for folder in (start, *start.parents):
            path = folder / "pyproject.toml"
            if not path.is_file():
                continue
            try:
                settings = tomllib.loads(path.read_text(encoding="utf-8"))
            except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
                raise NotACourse(f"{path} cannot be read: {error}") from None
            table = settings.get("tool", {}).get("coursework")
            if table is not None:
                urls = settings.get("project", {}).get("urls", {})
                return cls(folder, table["checks"], urls.get("Repository", ""))
        raise NotACourse(
            f"no course in {start} or above it: run this inside a checkout (a pyproject.toml with [tool.coursework])"
        )

    def lesson(self, id: str) -> Path:
        return self.root / "notebooks" / f"{id}.ipynb"

    def solution(self, id: str) -> Path:
        return self.root / "solutions" / f"{id}.ipynb"

    def exercise(self, id: str) -> Path:
        return self.root / "exercises" / f"{id}.ipynb"

    def checks_module(self, id: str) -> str:
        return f"{self.checks}.{id.replace('/', '.')}"

    def checks_file(self, id: str, suffix: str = ".py") -> Path:
        """A file of the checks package.

        Raises:
            AuthoringError: the package is not installed, or is the one of another checkout.
        """
        try:
            package = importlib.import_module(self.checks)
        except ModuleNotFoundError:
            raise AuthoringError(f"{self.checks} is not installed: run `pip install -e .` in {self.root}") from None
        folder = Path(package.__file__).resolve().parent
        if not folder.is_relative_to(self.root):
            raise AuthoringError(
                f"the installed {self.checks} lies in {folder}, not in this checkout: `pip install -e .` in {self.root}"
            )
        return folder / f"{id}{suffix}"

    def ids(self) -> list[str]:
        """The ids of all exercises, sorted: every solution is one."""
        paths = sorted((self.root / "solutions").glob("*/*.ipynb"))
        return [path.relative_to(self.root / "solutions").with_suffix("").as_posix() for path in paths]

    def resolve(self, names: list[str]) -> list[str]:
        """Ids for what a person typed: an id, or the path of any of an exercise's files; all ids for nothing.

        Raises:
            AuthoringError: it names no exercise of this course.
        """
        from difflib import get_close_matches

        known = self.ids()
        if not names:
            return known
        found = []
        for name in names:
            path = Path(name)
            id = "/".join(path.with_suffix("").parts[-2:])
            if id not in known:
                close = get_close_matches(id, known, 1)
                remedy = f"Did you mean {close[0]}?" if close else f"The course has {', '.join(known) or 'none yet'}."
                raise AuthoringError(f"{name}: there is no solutions/{id}.ipynb. {remedy}")
            found.append(id)
        return found

    def load(self, id: str) -> Exercise:
        """The exercise that the checks module of `id` makes.

        Raises:
            AuthoringError: the module is missing, does not run, or makes something else.
        """
        name = self.checks_module(id)
        self.checks_file(id)
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name and name.startswith(error.name):
                raise AuthoringError(f"{id}: its checks, {name}, do not exist: `coursework new` makes them") from None
            raise AuthoringError(f"{id}: its checks, {name}, import {error.name!r}, which is not installed") from None
        except AuthoringError:
            raise
        except Exception as error:
            sys.modules.pop(name, None)
            raise AuthoringError(f"{id}: its checks, {name}, do not run: {type(error).__name__}: {error}") from error
        exercise = getattr(module, "exercise", None)
        if not isinstance(exercise, Exercise) or exercise.id != id:
            raise AuthoringError(f"{id}: {name} must make `exercise = Exercise({id!r}, ...)`")
        return exercise
