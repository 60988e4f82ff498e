"""Bringing Pyodide into a site: any source will do, none is trusted, and a run that was cut short is continued."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tarfile
import zipfile
from importlib.util import MAGIC_NUMBER
from pathlib import Path

import pytest
import yaml

from coursework import pyodide

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from browser import serve  # noqa: E402

CONTENT = {"pyodide.js": b"start", "python_stdlib.zip": b"library", "numpy.whl": b"arrays", "scipy.whl": b"more"}


def total(name: str) -> str:
    return hashlib.sha256(CONTENT[name]).hexdigest()


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch):
    """A Pyodide of four little files."""
    packages = {
        "numpy": {"file_name": "numpy.whl", "sha256": total("numpy.whl"), "depends": []},
        "scipy": {"file_name": "scipy.whl", "sha256": total("scipy.whl"), "depends": ["numpy"]},
    }
    lock = {"info": {"version": "0"}, "packages": packages}
    monkeypatch.setattr(pyodide, "CORE", {name: total(name) for name in ("pyodide.js", "python_stdlib.zip")})
    monkeypatch.setattr(pyodide, "excerpt", lambda: lock)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    for name, content in CONTENT.items():
        (folder / name).write_bytes(content)
    return folder


def packed(source: Path, kind: str) -> Path:
    path = source.with_name(f"archive.{kind}")
    if kind == "whl":
        with zipfile.ZipFile(path, "w") as archive:
            for name in CONTENT:
                archive.write(source / name, f"deep/inside/{name}")
    else:
        with tarfile.open(path, "w:gz" if kind == "tgz" else "w:bz2") as archive:
            archive.add(source, "package")
    return path


@pytest.mark.parametrize("kind", ["folder", "folder above", "whl", "tgz", "tar.bz2", "address"])
def test_a_folder_an_archive_or_an_address_will_do(source, tmp_path, kind):
    target = tmp_path / "site" / "pyodide"
    if kind == "address":
        with serve(source) as address:
            gained = pyodide.fetch(target, ["scipy"], [address])
    else:
        where = {"folder": source, "folder above": tmp_path}.get(kind) or packed(source, kind)
        gained = pyodide.fetch(target, ["scipy"], [str(where)])
    assert (gained.packages, gained.fetched, gained.kept) == (("numpy", "scipy"), 4, 0)
    assert {name: (target / name).read_bytes() for name in CONTENT} == CONTENT
    assert pyodide.held(target) == ["numpy", "scipy"]
    assert pyodide.damaged(target, ["scipy"]) is None


def test_only_what_is_needed_is_taken_and_what_is_needed_no_more_goes(source, tmp_path):
    target = tmp_path / "pyodide"
    pyodide.fetch(target, ["scipy"], [str(source)])
    pyodide.fetch(target, ["numpy"], [str(source)])
    assert pyodide.held(target) == ["numpy"]
    assert not (target / "scipy.whl").exists()


def test_a_file_with_another_sum_is_refused_and_leaves_nothing(source, tmp_path):
    (source / "numpy.whl").write_bytes(b"something else")
    target = tmp_path / "pyodide"
    with pytest.raises(pyodide.NotHad, match=r"has another numpy\.whl than Pyodide 0\.27\.7's \(SHA-256"):
        pyodide.fetch(target, ["numpy"], [str(source)])
    assert not list(target.glob("numpy*"))
    assert pyodide.held(target) is None, "a site must not carry an unfinished copy"


def test_what_a_source_lacks_the_next_may_have(source, tmp_path):
    core = tmp_path / "core"
    core.mkdir()
    for name in ("pyodide.js", "python_stdlib.zip"):
        (source / name).rename(core / name)
    with pytest.raises(pyodide.NotHad, match=r"core has no numpy\.whl.*--from SOURCE"):
        pyodide.fetch(tmp_path / "a", ["numpy"], [str(core)])
    assert pyodide.fetch(tmp_path / "b", ["numpy"], [str(core), str(source)]).fetched == 3


def test_an_interrupted_run_is_continued_by_the_next(source, tmp_path, monkeypatch):
    target, seen = tmp_path / "pyodide", []

    def interrupt(name: str) -> None:
        seen.append(name)
        if name == "numpy.whl":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pyodide.fetch(target, ["numpy"], [str(source)], interrupt)
    assert pyodide.held(target) is None
    (target / "numpy.whl.part").write_bytes(b"arr")
    (target / "pyodide.js").write_bytes(b"st")  # the disk lost the end
    gained = pyodide.fetch(target, ["numpy"], [str(source)])
    assert (gained.fetched, gained.kept) == (2, 1)
    assert sorted(path.name for path in target.iterdir()) == sorted(
        ["pyodide.js", "python_stdlib.zip", "numpy.whl", pyodide.LOCK, "LICENCES.txt"]
    )


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ("http://127.0.0.1:9/", "pyodide.js cannot be had from http://127.0.0.1:9/ (Connection refused)"),
        ("nowhere", "nowhere does not exist"),
        ("pyproject.toml", "pyproject.toml is neither a folder nor an archive"),
    ],
)
def test_the_command_says_in_a_sentence_what_it_could_not_have(checkout, tmp_path, named, sentence):
    command = [sys.executable, "-m", "coursework.cli", "pyodide", "--from", named]
    done = subprocess.run(command, capture_output=True, text=True, cwd=checkout, timeout=120)
    assert done.returncode == 2
    assert done.stderr.startswith("coursework: ")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_an_address_that_lacks_a_file_answers_with_its_code(source, tmp_path):
    (source / "numpy.whl").unlink()
    with serve(source) as address, pytest.raises(pyodide.NotHad, match=r"numpy\.whl cannot be had from .*404"):
        pyodide.fetch(tmp_path / "pyodide", ["numpy"], [address])


def test_the_site_carries_the_finished_folder_and_nothing_of_an_older_one(source, tmp_path):
    kept, site = tmp_path / "kept", tmp_path / "site"
    pyodide.fetch(kept, ["scipy"], [str(source)])
    pyodide.carry(kept, site)
    pyodide.fetch(kept, ["numpy"], [str(source)])
    pyodide.carry(kept, site)
    copy = site / pyodide.address(kept)
    assert {path.name for path in copy.iterdir()} == {path.name for path in kept.iterdir()}
    assert pyodide.held(copy) == ["numpy"]


def test_a_folder_of_another_making_is_no_finished_one(source, tmp_path):
    target = tmp_path / "pyodide"
    pyodide.fetch(target, ["numpy"], [str(source)])
    lock = json.loads((target / pyodide.LOCK).read_text())
    lock["packages"]["wcwidth"] = {"file_name": "wcwidth.whl", "sha256": "00", "depends": []}
    (target / pyodide.LOCK).write_text(json.dumps(lock))
    assert pyodide.held(target) is None
    pyodide.fetch(target, ["numpy"], [str(source)])
    assert pyodide.held(target) == ["numpy"]


def test_the_pinned_version_is_that_of_the_address_that_pages_ask(monkeypatch):
    monkeypatch.undo()
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    assert f"/v{pyodide.VERSION}/" in config["sphinx"]["config"]["run_here_pyodide"]
    assert pyodide.excerpt()["info"]["version"] == pyodide.VERSION
    for packages in pyodide.needed(ROOT).values():
        assert set(packages) <= set(pyodide.closure(packages))


@pytest.fixture
def modules(source: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source whose archives hold modules, and this Python's bytecode for the one that Pyodide reads."""
    sums = dict(pyodide.CORE)
    archives = {"python_stdlib.zip": {"lib_a.py": "VALUE = 1\n"}, "numpy.whl": {"np_a/__init__.py": "X = 2"}}
    for name, inside in archives.items():
        with zipfile.ZipFile(source / name, "w") as archive:
            for path, text in {**inside, "broken.py": "print 'two'", "data.txt": "kept"}.items():
                archive.writestr(path, text)
        sums[name] = hashlib.sha256((source / name).read_bytes()).hexdigest()
    lock = pyodide.excerpt()
    lock["packages"]["numpy"]["sha256"] = sums.pop("numpy.whl")
    monkeypatch.setattr(pyodide, "CORE", sums)
    monkeypatch.setattr(pyodide, "MAGIC", MAGIC_NUMBER.hex())
    return source


def test_a_compiled_copy_runs_without_sources_under_another_address_and_its_lock_file_has_its_sums(modules, tmp_path):
    kept, shared = tmp_path / "kept", tmp_path / "shared"
    pyodide.fetch(kept, ["numpy"], [str(modules)])
    pyodide.carry(kept, shared)
    plain = pyodide.address(kept)
    assert pyodide.compile_archives(kept, pyodide.interpreter()) == 2
    assert pyodide.compile_archives(kept, pyodide.interpreter()) == 0
    pyodide.carry(kept, shared)
    (site,) = shared.iterdir()
    assert site.name == pyodide.address(kept) != plain, "a browser may hold the other files under the old name"

    with zipfile.ZipFile(site / "python_stdlib.zip") as archive:
        assert sorted(archive.namelist()) == ["broken.py", "data.txt", "lib_a.pyc"]
    code = "import sys; sys.path[:0] = sys.argv[1:]; import lib_a, np_a; print(lib_a.VALUE + np_a.X)"
    command = [sys.executable, "-c", code, str(site / "python_stdlib.zip"), str(site / "numpy.whl")]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "3\n"
    locked = json.loads((site / pyodide.LOCK).read_text())["packages"]["numpy"]["sha256"]
    assert locked == pyodide.sum_of(site / "numpy.whl") != pyodide.sum_of(kept / "numpy.whl")

    (kept / pyodide.COMPILED / "numpy.whl").write_bytes(b"cut sh")
    assert pyodide.damaged(kept, ["numpy"]) == "compiled/numpy.whl"
    assert pyodide.compile_archives(kept, pyodide.interpreter()) == 1
    assert pyodide.damaged(kept, ["numpy"]) is None


def test_what_came_after_the_compiling_is_carried_as_it_is(modules, tmp_path):
    kept = tmp_path / "kept"
    pyodide.fetch(kept, ["numpy"], [str(modules)])
    pyodide.compile_archives(kept, pyodide.interpreter())
    pyodide.fetch(kept, ["scipy"], [str(modules)])
    assert not pyodide.is_compiled(kept)
    pyodide.carry(kept, tmp_path / "shared")
    site = tmp_path / "shared" / pyodide.address(kept)
    assert pyodide.sum_of(site / "numpy.whl") == pyodide.sum_of(kept / "numpy.whl")
    assert pyodide.held(site) == ["numpy", "scipy"]


def test_another_python_is_not_taken_to_compile_with(monkeypatch):
    monkeypatch.setattr(pyodide, "MAGIC", "00")
    with pytest.raises(pyodide.NotHad, match=r"is no Python 3\.12, whose bytecode Pyodide 0\.27\.7 reads"):
        pyodide.interpreter(sys.executable)
    assert pyodide.interpreter() is None
