"""Python for browsers (Pyodide), brought into a site of one's own by an explicit command, each file checked by its sum.

The sums are pinned here and beside this file, so that no source need be trusted. Not for building pages or running
anything: the site's extension `run_here` carries the files along, and the page's own scripts start them.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path, PurePosixPath
from urllib.parse import quote
from urllib.request import Request, urlopen

from attrs import frozen

VERSION = "0.27.7"
#: Files of npm's pyodide@0.27.7, which its lock file does not list.
CORE = {
    "pyodide.js": "b4cb23a53aba19c221659b9fb40a2f18281d685691dc06647fb0afd0681baf98",
    "pyodide.asm.js": "6b4c90de5b7172873f04f21884d0e9d2274e305fe32116558fe3e4fbe3618d51",
    "pyodide.asm.wasm": "a50dd1843f805a0b7c45b61037ee0d7b26dfe85efe0e18ef95a34ad24e401f5f",
    "python_stdlib.zip": "16611534726e5d8ac2bd8f926410b2dcb8d6f49aa24913463533b457a2115c16",
}
#: Which packages a folder holds; written last, so that a folder without it is unfinished.
LOCK = "pyodide-lock.json"
LIBRARY = "python_stdlib.zip"
#: How the bytecode begins that this Pyodide's Python reads: that of every 3.12.
MAGIC = "cb0d0d0a"
#: Below the folder: the same packages with their modules compiled, and from what each was made.
COMPILED, SUMS = "compiled", "sums.json"
#: Where the files are had from unless something else is named: the project's distribution, and npm's package.
SOURCES = (f"https://cdn.jsdelivr.net/pyodide/v{VERSION}/full/", f"https://cdn.jsdelivr.net/npm/pyodide@{VERSION}/")
UNREADABLE = (OSError, EOFError, zlib.error, tarfile.TarError, zipfile.BadZipFile)
PATIENCE = 20  # seconds without a byte
AGENT = f"coursework (pyodide {VERSION})"  # some hosts refuse Python's own name
LICENCES = f"""Pyodide {VERSION}, its modules as they are or compiled: Mozilla Public License 2.0, source at https://github.com/pyodide/pyodide/tree/{VERSION}
The licence of each package lies in its wheel, in the folder whose name ends in .dist-info. OpenBLAS: BSD, source at
https://github.com/OpenMathLib/OpenBLAS
"""


class NotHad(Exception):
    """A sentence for the person who can act: which file, what is wrong with it, and what to do."""


@frozen
class Gained:
    """What a call of `fetch` did."""

    packages: tuple[str, ...]
    fetched: int
    kept: int
    size: int


def folder_of(root: Path) -> Path:
    """Where a checkout keeps the Pyodide that its site carries."""
    return root / "_build" / "pyodide"


@cache
def excerpt() -> dict:
    """Of Pyodide's own lock file what exercises may need: each package's file, sum, and what it depends on."""
    return json.loads(Path(__file__).with_name("pyodide.json").read_text(encoding="utf-8"))


def closure(packages: Iterable[str]) -> list[str]:
    """The packages, and those that they depend on.

    Raises:
        NotHad: one of them is none that the excerpt knows.
    """
    known, found, left = excerpt()["packages"], set(), list(packages)
    while left:
        name = left.pop()
        if name not in known:
            raise NotHad(f"Pyodide's package {name!r} has no sum here: add its entry of {LOCK} to {__package__}")
        if name not in found:
            found.add(name)
            left += known[name]["depends"]
    return sorted(found)


def files(packages: Iterable[str]) -> dict[str, str]:
    """The files that a browser fetches to run code with these packages, and each one's SHA-256."""
    known = excerpt()["packages"]
    return CORE | {known[name]["file_name"]: known[name]["sha256"] for name in closure(packages)}


def held(folder: Path) -> list[str] | None:
    """The packages of a finished folder; None where there is none, or it is unfinished or not of our making."""
    try:
        lock = json.loads((folder / LOCK).read_text(encoding="utf-8"))
        ours = lock["info"] == excerpt()["info"] and lock["packages"].items() <= excerpt()["packages"].items()
        return sorted(lock["packages"]) if ours else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def damaged(folder: Path, packages: Iterable[str]) -> str | None:
    """The first file that is missing or not what its sum says; None where all are sound."""
    wanted = files(packages)
    if is_compiled(folder):
        wanted |= {f"{COMPILED}/{name}": made["sum"] for name, made in sums(folder).items()}
    return next((name for name, expected in wanted.items() if sum_of(folder / name) != expected), None)


def sum_of(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None


def fetch(
    folder: Path,
    packages: Iterable[str],
    sources: Sequence[str] = SOURCES,
    progress: Callable[[str], None] = lambda name: None,
) -> Gained:
    """Bring the files into `folder`, from the first source that has each; those that lie there and are sound stay.

    A source is an address, a folder, or an archive: npm's package, a release of Pyodide, a wheel with a copy of it.
    A file gets its name only once its sum is right, so a run that was interrupted is continued by the next.

    Raises:
        NotHad: no source has a file, or what it has is another one.
    """
    names = closure(packages)
    folder.mkdir(parents=True, exist_ok=True)
    fetched = kept = size = 0
    with ExitStack() as stack:
        opened: dict[str, Callable[[str], bytes]] = {}
        for name, expected in files(names).items():
            if sum_of(folder / name) == expected:
                kept += 1
            else:
                progress(name)
                put(folder / name, obtained(name, expected, sources, opened, stack))
                fetched += 1
            size += (folder / name).stat().st_size
    lock = excerpt() | {"packages": {name: excerpt()["packages"][name] for name in names}}
    put(folder / "LICENCES.txt", LICENCES.encode())
    put(folder / LOCK, json.dumps(lock).encode())
    # What is left of another version, of packages that are needed no more, or of an interrupted run.
    for path in folder.iterdir():
        if path.name not in {*files(names), LOCK, "LICENCES.txt"} and path.is_file():
            path.unlink()
    return Gained(tuple(names), fetched, kept, size)


def put(path: Path, content: bytes) -> None:
    """The whole file or none of it."""
    partial = path.with_name(f"{path.name}.part")
    partial.write_bytes(content)
    os.replace(partial, path)


def obtained(
    name: str, expected: str, sources: Sequence[str], opened: dict[str, Callable[[str], bytes]], stack: ExitStack
) -> bytes:
    """A file's content from the first source where it is the right one; `opened` holds the sources in use."""
    complaints = []
    for source in sources:
        try:
            if source not in opened:
                opened[source] = reader(source, stack)
            content = opened[source](name)
        except NotHad as problem:
            complaints.append(str(problem))
            continue
        found = hashlib.sha256(content).hexdigest()
        if found == expected:
            return content
        sums = f"SHA-256 {found[:12]}… in the place of {expected[:12]}…"
        complaints.append(f"{source} has another {name} than Pyodide {VERSION}'s ({sums})")
    raise NotHad(f"{'; '.join(complaints)}. Name a folder, an archive or an address that has it: --from SOURCE")


def reader(source: str, stack: ExitStack) -> Callable[[str], bytes]:
    """What reads a named file from a source, open until the stack ends; in folders and archives it may lie anywhere."""
    if source.startswith(("http://", "https://")):
        return lambda name: download(source, name)
    path = Path(source).expanduser()
    try:
        if path.is_dir():
            # The outermost wins.
            found = sorted(path.rglob("*"), key=lambda found: len(found.parts), reverse=True)
            inside, read = {each.name: each for each in found}, Path.read_bytes
        elif zipfile.is_zipfile(path):
            archive = stack.enter_context(zipfile.ZipFile(path))
            inside, read = {PurePosixPath(name).name: name for name in archive.namelist()}, archive.read
        elif path.is_file() and tarfile.is_tarfile(path):
            packed = stack.enter_context(tarfile.open(path))
            inside = {PurePosixPath(member.name).name: member for member in packed if member.isfile()}

            def read(member: tarfile.TarInfo) -> bytes:
                return packed.extractfile(member).read()

        elif path.exists():
            raise NotHad(f"{source} is neither a folder nor an archive (.tgz, .tar.bz2, .zip, .whl)")
        else:
            raise NotHad(f"{source} does not exist")
    except UNREADABLE as error:
        raise NotHad(f"{source} cannot be read ({error})") from None

    def one(name: str) -> bytes:
        if name not in inside:
            raise NotHad(f"{source} has no {name}")
        try:
            return read(inside[name])
        except UNREADABLE as error:
            raise NotHad(f"{name} in {source} cannot be read ({error})") from None

    return one


def download(address: str, name: str) -> bytes:
    request = Request(address.rstrip("/") + "/" + quote(name), headers={"User-Agent": AGENT})
    try:
        with urlopen(request, timeout=PATIENCE) as response:
            return response.read()
    except (OSError, http.client.HTTPException) as error:  # a URLError is an OSError; an HTTPError too, with its code
        reason = getattr(error, "reason", error)
        why = f"it answered {error.code}" if hasattr(error, "code") else getattr(reason, "strerror", None) or reason
        raise NotHad(f"{name} cannot be had from {address} ({why})") from None


def needed(root: Path) -> dict[str, list[str]]:
    """What each exercise that can run in its page needs of Pyodide's packages; the site's own extension knows it.

    Raises:
        NotHad: this course's site has no such extension.
    """
    path = root / "book" / "_ext" / "run_here.py"
    if not path.is_file():
        raise NotHad(f"{path} is not there: this course's exercises do not run in their pages")
    spec = spec_from_file_location("run_here", path)
    run_here = module_from_spec(spec)
    spec.loader.exec_module(run_here)
    return run_here.runnable(root)


def interpreter(named: str | None = None) -> str | None:
    """A Python whose bytecode this Pyodide reads: the one that is named, else ours or the path's; None if none is.

    Raises:
        NotHad: the one that is named is another.
    """
    for python in [named] if named else [sys.executable, shutil.which("python3.12")]:
        command = [str(python), "-c", "import importlib.util; print(importlib.util.MAGIC_NUMBER.hex())"]
        try:
            if python and subprocess.run(command, capture_output=True, text=True).stdout.strip() == MAGIC:
                return python
        except OSError:
            pass
    if named:
        raise NotHad(f"{named} is no Python 3.12, whose bytecode Pyodide {VERSION} reads: name one that is")
    return None


def sums(folder: Path) -> dict[str, dict[str, str]]:
    """Of each compiled archive its own sum, and that of the archive that it was made from."""
    try:
        return json.loads((folder / COMPILED / SUMS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def to_compile(folder: Path) -> dict[str, str]:
    """The archives of modules in a finished folder, and their sums."""
    return {n: s for n, s in files(held(folder) or ()).items() if n == LIBRARY or n.endswith(".whl")}


def is_compiled(folder: Path) -> bool:
    """Whether every archive of a finished folder is there compiled."""
    return {name: made["from"] for name, made in sums(folder).items()} == to_compile(folder)


def compile_archives(folder: Path, python: str, progress: Callable[[str], None] = lambda name: None) -> int:
    """Compile the modules of a finished folder, which a browser would do again at each visit; how many archives it did.

    Raises:
        NotHad: it cannot be done.
    """
    target, made, wanted = folder / COMPILED, sums(folder), to_compile(folder)
    target.mkdir(exist_ok=True)
    done = 0
    for name, original in wanted.items():
        if made.get(name, {}).get("from") == original and made[name]["sum"] == sum_of(target / name):
            continue
        progress(f"compiling {name}")
        partial = target / f"{name}.part"
        command = [python, str(Path(__file__).with_name("bytecode.py")), str(folder / name), str(partial)]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode:
            last = (result.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise NotHad(f"{python} could not compile {name} ({last})")
        os.replace(partial, target / name)
        made[name] = {"from": original, "sum": sum_of(target / name)}
        put(target / SUMS, json.dumps(made).encode())
        done += 1
    put(target / SUMS, json.dumps({name: made[name] for name in wanted}).encode())
    for path in target.iterdir():
        if path.name not in {*wanted, SUMS}:
            path.unlink()
    return done


def address(folder: Path) -> str:
    """What the files' folder is called in a site: another name for other files, since browsers keep them for long."""
    return f"{VERSION}-compiled" if is_compiled(folder) else VERSION


def carry(folder: Path, shared: Path) -> None:
    """Copy a finished folder into a built site, compiled where it is; what is there already, unchanged, stays."""
    target = shared / address(folder)
    target.mkdir(parents=True, exist_ok=True)
    for other in shared.iterdir():
        if other != target:
            shutil.rmtree(other)
    made = sums(folder) if is_compiled(folder) else {}
    sources = {name: folder / COMPILED / name if name in made else folder / name for name in files(held(folder) or ())}
    lock = json.loads((folder / LOCK).read_text(encoding="utf-8"))
    for package in lock["packages"].values():
        if package["file_name"] in made:
            package["sha256"] = made[package["file_name"]]["sum"]
    put(target / LOCK, json.dumps(lock).encode())
    for path in target.iterdir():
        if path.name not in {*sources, LOCK, "LICENCES.txt"}:
            path.unlink()
    for name, source in {**sources, "LICENCES.txt": folder / "LICENCES.txt"}.items():
        copy, ours = target / name, source.stat()
        if not copy.is_file() or (copy.stat().st_size, int(copy.stat().st_mtime)) != (ours.st_size, int(ours.st_mtime)):
            shutil.copy2(source, copy)
