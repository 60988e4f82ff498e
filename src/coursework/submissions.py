"""What a class handed in, wherever it lies: a folder, an object store, nbgrader's exchange.

Finds and reads; believes nothing about what it finds, follows no link, and runs nothing.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from attrs import field, frozen

from coursework import notebook as nb
from coursework.graded import GradingError

#: One student's folder is looked through so far.
MAX_FILES = 10_000
#: So many notebooks of other names are opened to see which exercise they are.
MAX_OPENED = 100
#: `<student>+<assignment>+<timestamp>+<random>`, as nbgrader's exchange names what was submitted.
RECORD = re.compile(
    r"(?P<student>.+)\+(?P<assignment>[^+]+)\+(?P<time>\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)? ?[A-Za-z]*)(\+[^+]*)?"
)
LINK = "it is a link, and links are not followed: hand in the file"


@frozen
class File:
    """One file that was handed in."""

    #: its place in the student's folder
    place: str
    _load: Callable[[], bytes] = field(repr=False, eq=False)
    _time: Callable[[], float | None] = field(repr=False, eq=False)

    @property
    def name(self) -> str:
        return PurePosixPath(self.place).name

    @property
    def stem(self) -> str:
        return PurePosixPath(self.place).stem

    def read(self) -> bytes:
        """What it holds.

        Raises:
            NotebookError: it is a link, no regular file, too large, or cannot be read.
        """
        return self._load()

    def modified(self) -> float | None:
        """When it was last written, in seconds since 1970, as far as whatever keeps it knows."""
        return self._time()

    def digest(self) -> str:
        """A digest of what it holds, or of why it cannot be read."""
        try:
            return hashlib.sha256(self.read()).hexdigest()
        except nb.NotebookError as error:
            return hashlib.sha256(f"unreadable: {error}".encode("utf-8", "replace")).hexdigest()


@frozen
class Submission:
    """What a student handed in for one exercise, at one time; `file` is None where that is nothing."""

    student: str
    exercise: str
    file: File | None
    notes: tuple[str, ...] = ()
    #: which of several; "" where there is one place to hand in
    attempt: str = ""
    #: when, in seconds since 1970, where that is known
    at: float | None = None


def find_submissions(where: Path | str, ids: Sequence[str]) -> list[Submission]:
    """One submission for every student, exercise and attempt; one without a file where nothing was handed in.

    `where` is a folder or an address that fsspec knows (`s3://...`, `hdfs://...`, `memory://...`), laid out as
    `<student>/<part>/<slug>.ipynb`, as a course folder of nbgrader (`submitted/<student>/<assignment>/`), or as its
    exchange (`inbound/<student>+<assignment>+<timestamp>+<random>/`). A file counts by its place or, if it was renamed
    or moved, by the exercise that its content names. Links are not followed.

    Raises:
        GradingError: the folder is missing, or holds no folder.
    """
    store = _store(where)
    top = store.folders("")
    if "inbound" in top and any(RECORD.fullmatch(name) for name in store.folders("inbound")):
        store, top = store.inside("inbound"), store.folders("inbound")
    elif "submitted" in top and {"source", "release", "autograded"} & set(top):
        store, top = store.inside("submitted"), store.folders("submitted")
    if not top:
        raise GradingError(f"{where} holds no student's folder: expected {where}/<student>/<part>/<slug>.ipynb")
    records = {name: found for name in top if (found := RECORD.fullmatch(name))}
    if records:
        return list(_of_exchange(store, records, ids))
    return [one for name in top for one in _of_student(store, name, ids)]


def handed_in(where: Iterable[Submission] | Path | str, ids: Sequence[str]) -> set[str]:
    """Those of `ids` that at least one student handed in.

    Raises:
        GradingError: as for `find_submissions`, or there is none.
    """
    submissions = find_submissions(where, ids) if isinstance(where, Path | str) else where
    named = {one.exercise for one in submissions if one.file is not None}
    if not named:
        raise GradingError(f"no student's folder holds a notebook of any of {', '.join(ids)}")
    return named


# ------------------------------------------------------------------------------------------------- the layouts


def _of_student(store: _Store, folder: str, ids: Sequence[str]) -> Iterator[Submission]:
    student = _shown(folder)
    if store.is_link(folder):
        yield from (Submission(student, id, None, ("the folder is a link; links are not followed",)) for id in ids)
        return
    files, notes = _files(store, folder)
    matched = _matched(files, ids)
    for id in ids:
        file, own = matched[id]
        at = None
        if file is not None:
            at = (_stamped(file, files) if store.name == "submitted" else None) or file.modified()
        yield Submission(student, id, file, (*own, *notes), "", at)


def _of_exchange(store: _Store, records: dict[str, re.Match], ids: Sequence[str]) -> Iterator[Submission]:
    """Every submission that was made is an attempt; the timestamp is the one that the exchange wrote."""
    by_student: dict[str, list[tuple[float, str, str]]] = {}
    for name, found in records.items():
        moment = _moment(found["time"])
        by_student.setdefault(_shown(found["student"]), []).append((moment or 0.0, found["time"], name))
    for student, made in sorted(by_student.items()):
        seen: set[str] = set()
        for at, time, name in sorted(made):
            if store.is_link(name):
                continue
            files, notes = _files(store, name)
            for id, (file, own) in _matched(files, ids, quiet=True).items():
                if file is not None:
                    seen.add(id)
                    label = time if sum(t == time for _, t, _ in made) == 1 else name.rpartition("+")[2]
                    yield Submission(student, id, file, (*own, *notes), label, at)
        yield from (Submission(student, id, None) for id in ids if id not in seen)


def _files(store: _Store, folder: str) -> tuple[list[File], tuple[str, ...]]:
    files = []
    for file in store.files(folder):
        if len(files) == MAX_FILES:
            return sorted(files, key=lambda f: f.place), (f"only {MAX_FILES:,} of its files were looked at",)
        if not any(part.startswith(".") for part in PurePosixPath(file.place).parts):
            files.append(file)
    return sorted(files, key=lambda f: f.place), ()


def _matched(
    files: Sequence[File], ids: Sequence[str], quiet: bool = False
) -> dict[str, tuple[File | None, tuple[str, ...]]]:
    """For each exercise, the file that counts, and what is to be said of it."""
    by_place = {file.place.removesuffix(".ipynb"): file for file in files if file.place.endswith(".ipynb")}
    slugs = [id.partition("/")[2] for id in ids]
    by_slug = {slug: id for slug, id in zip(slugs, ids, strict=True) if slugs.count(slug) == 1}
    strays = [file for place, file in by_place.items() if place not in ids]
    named: list[tuple[File, str | None]] = []
    for file in strays[:MAX_OPENED]:
        named.append((file, names_exercise(file) or by_slug.get(file.stem)))
    found: dict[str, tuple[File | None, tuple[str, ...]]] = {}
    for id in ids:
        file, notes = by_place.get(id), []
        claims = [stray for stray, name in named if name == id]
        if file is None and claims:
            file = claims.pop(0)
            if not quiet or file.stem != id.partition("/")[2]:
                notes.append(f"handed in as {_shown(file.place)}")
        if claims:
            notes.append(f"also found, not graded: {', '.join(_shown(claim.place) for claim in claims)}")
        if file is None:
            others = [f.name for f in files if f.stem == id.partition("/")[2] and not f.place.endswith(".ipynb")]
            notes += [f"found {_shown(name)}, which is not a notebook" for name in others[:1]]
            if len(strays) > MAX_OPENED:
                notes.append(f"of {len(strays):,} other notebooks, only {MAX_OPENED} were looked at")
        found[id] = (file, tuple(notes))
    return found


def names_exercise(file: File) -> str | None:
    """The exercise that a notebook says it is: by its metadata, or by the checks that it imports."""
    try:
        notebook = nb.parse_bytes(file.read())
    except nb.NotebookError:
        return None
    about = notebook.metadata.get("coursework")
    if isinstance(about, dict) and isinstance(about.get("exercise"), str):
        return about["exercise"]
    for cell in notebook.cells:
        found = re.search(r"\bfrom\s+[\w.]+\.checks\.(\w+)\.(\w+)\s+import\b", cell.source)
        if found:
            return f"{found.group(1)}/{found.group(2)}"
    return None


def _shown(name: str) -> str:
    """What the gradebook and the pages can hold of a name."""
    return name.encode("utf-8", "replace").decode()


def _stamped(file: File, files: Sequence[File]) -> float | None:
    """The time in `<assignment>/timestamp.txt`, which nbgrader writes when it collects."""
    wanted = f"{PurePosixPath(file.place).parts[0]}/timestamp.txt"
    stamp = next((one for one in files if one.place == wanted), None)
    if stamp is None:
        return None
    try:
        return _moment(stamp.read()[:100].decode("ascii", "replace").strip())
    except nb.NotebookError:
        return None


def _moment(text: str) -> float | None:
    """nbgrader's timestamp, such as `2026-11-30 18:00:00.123456 UTC`; a zone that is not known counts as UTC."""
    try:
        moment = datetime.fromisoformat(re.sub(r"\s*[A-Za-z]+$", "", text.strip()))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


# --------------------------------------------------------------------------------------------- where files lie


def _store(where: Path | str) -> _Store:
    text = str(where)
    if isinstance(where, str) and re.match(r"[a-z][a-z0-9+.-]*(://|::)", text):
        import fsspec

        try:
            fs, root = fsspec.core.url_to_fs(text)
        except (ImportError, ValueError, OSError) as error:
            raise GradingError(f"{text} cannot be read: {_line(error)}") from None
        if "file" not in fs.protocol:
            return _Remote(fs, root.rstrip("/"), text)
        text = root
    if not Path(text).is_dir():
        raise GradingError(f"{where}: there is no such folder of submissions")
    return _Local(Path(text))


@frozen
class _Local:
    root: Path

    @property
    def name(self) -> str:
        return self.root.resolve().name

    def inside(self, name: str) -> _Local:
        return _Local(self.root / name)

    def folders(self, name: str) -> list[str]:
        try:
            return sorted(p.name for p in (self.root / name).iterdir() if p.is_dir() and not p.name.startswith("."))
        except OSError as error:
            raise GradingError(f"{self.root / name} cannot be read: {error.strerror}") from None

    def is_link(self, name: str) -> bool:
        return (self.root / name).is_symlink()

    def files(self, name: str) -> Iterator[File]:
        """os.walk follows no links and passes over folders that it may not read."""
        folder = self.root / name
        for top, inner, names in os.walk(folder):
            inner[:] = [one for one in inner if not one.startswith(".")]
            for one in names:
                path = Path(top, one)
                place = path.relative_to(folder).as_posix()
                yield File(place, lambda path=path: _read_local(path), lambda path=path: _local_time(path))


def _read_local(path: Path) -> bytes:
    """One open, and no link followed at it, so that what was looked at is what is read."""
    if path.is_symlink():
        raise nb.NotebookError(LINK)
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        with open(os.open(path, flags), "rb") as stream:
            about = os.fstat(stream.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise nb.NotebookError("it is not a regular file")
            return _bounded(stream.read(nb.MAX_BYTES + 1))
    except FileNotFoundError:
        raise nb.NotebookError("there is no such file") from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise nb.NotebookError(LINK) from None
        if error.errno == errno.ENXIO:
            raise nb.NotebookError("it is not a regular file") from None
        raise nb.NotebookError(f"it cannot be read: {error.strerror or error}") from None


def _bounded(data: bytes) -> bytes:
    if len(data) > nb.MAX_BYTES:
        raise nb.NotebookError(f"it is larger than {nb.MAX_BYTES // 10**6} MB: clear its outputs")
    return data


def _local_time(path: Path) -> float | None:
    try:
        return path.lstat().st_mtime
    except OSError:
        return None


def _line(error: Exception) -> str:
    """The first line of what an error says: of a library that cannot be loaded it lists every place."""
    return (str(error).strip().splitlines() or ["it says no more"])[0]


def _is_there(fs: Any, path: str) -> bool:
    try:
        return bool(fs.exists(path))
    except Exception:
        return True


def _listed(fs: Any, root: str) -> dict[str, dict]:
    """Every file below `root`. The way that most stores share leaves out, without a word, a folder that it cannot list.

    Raises:
        Exception: whatever the store raises.
    """
    from fsspec import AbstractFileSystem
    from fsspec.asyn import AsyncFileSystem

    if isinstance(fs, AsyncFileSystem):
        shared = type(fs)._find is AsyncFileSystem._find
    else:
        shared = type(fs).find is AbstractFileSystem.find
    if not shared:
        return fs.find(root, detail=True)
    found, waiting, seen = {}, [root], {root}
    while waiting:
        for about in fs.ls(waiting.pop(), detail=True):
            if about["type"] == "directory":
                if about["name"] not in seen:  # some list a folder as its own first entry
                    seen.add(about["name"])
                    waiting.append(about["name"])
            elif about["name"] != root:
                found[about["name"]] = about
    return found


class _Remote:
    """A folder of a file system that fsspec speaks for, listed once."""

    def __init__(self, fs: Any, root: str, shown: str) -> None:
        self.fs, self.root, self.shown = fs, root, shown
        self.name = PurePosixPath(root).name
        try:
            listed = _listed(fs, root)
            missing = not listed and not fs.exists(root)
        except NotADirectoryError:
            missing = True
        except Exception as error:  # every store has its own
            if not isinstance(error, FileNotFoundError) or _is_there(fs, root):
                said = f"{type(error).__name__}: {_line(error)}"
                raise GradingError(f"{shown} cannot be listed: {said}") from None
            missing = True
        if missing:
            raise GradingError(f"{shown}: there is no such folder of submissions")
        self.by_folder: dict[str, list[tuple[str, dict]]] = {}
        for path, about in sorted(listed.items()):
            first, _, rest = path.removeprefix(root).strip("/").partition("/")
            if rest and not first.startswith("."):
                self.by_folder.setdefault(first, []).append((rest, about))

    def inside(self, name: str) -> _Remote:
        return _Remote(self.fs, f"{self.root}/{name}", f"{self.shown.rstrip('/')}/{name}")

    def folders(self, name: str) -> list[str]:
        if not name:
            return sorted(self.by_folder)
        inner = {rest.partition("/")[0] for rest, _ in self.by_folder.get(name, []) if "/" in rest}
        return sorted(one for one in inner if not one.startswith("."))

    def is_link(self, name: str) -> bool:
        return False

    def files(self, name: str) -> Iterator[File]:
        for rest, about in self.by_folder.get(name, []):
            path = f"{self.root}/{name}/{rest}"
            yield File(
                rest, lambda path=path, about=about: self._read(path, about), lambda about=about: _stored_time(about)
            )

    def _read(self, path: str, about: dict) -> bytes:
        if about.get("islink") or about.get("type") == "link":
            raise nb.NotebookError(LINK)
        try:
            with self.fs.open(path, "rb") as stream:
                return _bounded(stream.read(nb.MAX_BYTES + 1))
        except nb.NotebookError:
            raise
        except Exception as error:  # every store has its own; one file must not stop the batch
            raise nb.NotebookError(f"it cannot be read: {type(error).__name__}") from None


_Store = _Local | _Remote


def _stored_time(about: dict) -> float | None:
    for name in ("mtime", "LastModified", "last_modified", "modificationTime", "updated", "created"):
        value = about.get(name)
        if isinstance(value, int | float):
            return float(value) / (1000 if value > 1e11 else 1)
        if isinstance(value, datetime):
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
        if isinstance(value, str) and (moment := _moment(value)) is not None:
            return moment
    return None
