"""`make course` on a bare machine: set up once, renewed when a pin changes, repaired after an interruption, and refused
in one sentence where it cannot work."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from importlib.metadata import distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BOOTSTRAP = ROOT / "tools" / "bootstrap.py"
PINS = {"requirements.txt": "setuptools==80.9.0\n", "constraints.txt": "# none\n"}
PYPROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "small"
version = "1"
[project.scripts]
coursework = "small:main"
[tool.setuptools]
py-modules = ["small"]
"""
COMMAND = "import sys\ndef main(): print('coursework', *sys.argv[1:])\n"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="not on this platform: written for POSIX")


def small_course(folder: Path) -> Path:
    """A course with one pinned package and a command `coursework` that says how it was called."""
    (folder / "tools").mkdir(parents=True)
    shutil.copy(BOOTSTRAP, folder / "tools")
    for name, text in {**PINS, "pyproject.toml": PYPROJECT, "small.py": COMMAND}.items():
        (folder / name).write_text(text)
    return folder


def bootstrap(folder: Path, *words: str, preamble: str = "", **environment: str) -> subprocess.CompletedProcess:
    """Run the bootstrap of `folder`; `preamble` is run before it, in its process."""
    script = str(folder / "tools" / "bootstrap.py")
    code = f"import runpy, sys; sys.argv = {[script, *words]}\n{preamble}\nrunpy.run_path({script!r}, None, '__main__')"
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        timeout=300,
    )


def refusal(done: subprocess.CompletedProcess) -> str:
    """The one sentence that a refused command printed."""
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    sentence = done.stderr.strip()
    assert sentence.endswith(".") and "\n" not in sentence, sentence
    return sentence


def load(folder: Path):
    """The bootstrap of a folder as a module."""
    spec = importlib.util.spec_from_file_location("bootstrap", folder / "tools" / "bootstrap.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def module():
    return load(ROOT)


# The set-up ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small course, set up."""
    folder = small_course(tmp_path_factory.mktemp("set-up") / "a course")
    done = bootstrap(folder, "setup")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "The course is set up."
    return folder


def test_a_course_that_is_set_up_is_handed_over_at_once(folder):
    before = (folder / ".venv" / "set-up.log").stat().st_mtime_ns
    done = bootstrap(folder, "run", "coursework", "grade", "--open")
    assert (done.returncode, done.stdout, done.stderr) == (0, "coursework grade --open\n", "")
    assert (folder / ".venv" / "set-up.log").stat().st_mtime_ns == before


def test_a_changed_pin_renews_the_set_up_in_place(folder):
    bootstrap(folder, "setup")
    (folder / ".venv" / "kept").touch()
    with (folder / "constraints.txt").open("a") as file:
        file.write("# changed\n")
    done = bootstrap(folder, "setup")
    assert done.returncode == 0 and "The course is set up." in done.stdout
    assert (folder / ".venv" / "kept").exists()
    assert bootstrap(folder, "setup").stdout == ""


@pytest.mark.parametrize("name", ["requirements.txt", "constraints.txt", "pyproject.toml"])
def test_the_set_up_depends_on_every_pin(module, monkeypatch, tmp_path, name):
    monkeypatch.setattr(module, "ROOT", small_course(tmp_path / "course"))
    before = module.fingerprint()
    assert module.fingerprint() == before
    with (module.ROOT / name).open("a") as file:
        file.write("# changed\n")
    assert module.fingerprint() != before


def test_a_set_up_that_was_killed_half_way_is_made_anew_by_the_next_run(folder):
    with (folder / "requirements.txt").open("a") as file:
        file.write("# another\n")
    running = subprocess.Popen(
        [sys.executable, str(folder / "tools" / "bootstrap.py"), "setup"],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
    )
    while not (folder / ".venv" / "unfinished").exists():
        assert running.poll() is None
        time.sleep(0.005)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    for package in (folder / ".venv" / "lib").glob("python*/site-packages/setuptools"):
        shutil.rmtree(package)  # what a half-written package looks like: known to pip, and not there
    assert bootstrap(folder, "setup").returncode == 0
    assert bootstrap(folder, "run", "python", "-c", "import setuptools; print('there')").stdout == "there\n"


def test_a_broken_environment_is_made_anew(folder):
    (folder / ".venv" / "bin" / "python").unlink()
    assert "Making .venv" in bootstrap(folder, "setup").stdout
    assert bootstrap(folder, "run", "coursework").stdout == "coursework\n"


def test_an_environment_whose_folder_was_moved_is_not_taken_for_good(folder):
    assert load(folder).answers()
    moved = folder.rename(folder.with_name("moved"))
    try:
        assert not load(moved).answers()
    finally:
        moved.rename(folder)


# What is refused -----------------------------------------------------------------------------------------------------


def test_an_old_python_reads_the_bootstrap_and_refuses_itself(tmp_path):
    ast.parse(BOOTSTRAP.read_text(encoding="utf-8"), feature_version=(3, 6))
    folder = small_course(tmp_path / "course")
    old = "sys.version_info = (3, 10, 13, 'final', 0)"
    for words in (["course"], ["test"], ["setup"], ["run", "coursework"]):
        sentence = refusal(bootstrap(folder, *words, preamble=old))
        assert sentence.startswith("Python 3.10.13 is too old: the course needs 3.11 or newer")
    assert not (folder / ".venv").exists()


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_a_missing_venv_module_is_said_with_the_package_that_has_it(tmp_path, module):
    folder = small_course(tmp_path / "course")
    sentence = refusal(bootstrap(folder, "setup", preamble=f"sys.modules[{module!r}] = None"))
    assert f"sudo apt-get install python3.{sys.version_info[1]}-venv" in sentence
    assert not (folder / ".venv").exists()


def test_a_registry_out_of_reach_is_said_and_the_next_run_goes_on(tmp_path):
    folder = small_course(tmp_path / "course")
    away = {
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_RETRIES": "1",
        "PIP_FIND_LINKS": "",
        "PIP_NO_CACHE_DIR": "1",
    }
    sentence = refusal(bootstrap(folder, "setup", **away))
    assert sentence.startswith("The package registry") and "check the network" in sentence
    done = bootstrap(folder, "run", "coursework")
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "coursework"


def test_a_full_disk_is_said_before_anything_is_written(tmp_path):
    folder = small_course(tmp_path / "course")
    full = "import shutil; shutil.disk_usage = lambda path: shutil._ntuple_diskusage(10**9, 10**9 - 10**8, 10**8)"
    assert "has 100 MB free and the set-up takes 1900 MB" in refusal(bootstrap(folder, "setup", preamble=full))
    assert not (folder / ".venv").exists()


@pytest.mark.parametrize("option", ["--port", "--lab-port"])
def test_a_taken_port_is_said_before_the_set_up(tmp_path, option):
    folder = small_course(tmp_path / "course")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        sentence = refusal(bootstrap(folder, "course", option, str(port)))
    assert sentence.startswith(f"Port {port} is taken by another program") and "port=8100" in sentence
    assert not (folder / ".venv").exists()


def test_one_port_for_both_and_a_port_that_is_none_are_refused(tmp_path):
    folder = small_course(tmp_path / "course")
    assert "cannot share port 8123" in refusal(bootstrap(folder, "course", "--port", "8123", "--lab-port", "8123"))
    assert refusal(bootstrap(folder, "course", "--port", "70000")).startswith("Port 70000 cannot be used here")


RETRYING = "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(...)': /simple/numpy/\n"
NOT_FOUND = "ERROR: Could not find a version\nERROR: No matching distribution found for numpy==9\n"


@pytest.mark.parametrize(
    "said, starts",
    [
        (RETRYING + NOT_FOUND, "The package registry"),
        ("ERROR: HTTPSConnectionPool(host='files', port=443): Read timed out.", "The package registry"),
        (NOT_FOUND, "No matching distribution found for numpy==9"),
        (RETRYING + "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", "The set-up failed: THESE PACKAGES DO NOT MATCH"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "The disk"),
        ("", "The set-up failed: no reason was given"),
    ],
)
def test_what_pip_says_becomes_one_sentence(module, said, starts):
    sentence = module.why(said)
    assert sentence.startswith(starts) and sentence.endswith(".") and "\n" not in sentence


# The closing line ----------------------------------------------------------------------------------------------------


def report(passed: int, failed: int = 0, skipped: int = 0) -> str:
    cases = ["<testcase/>"] * passed + ["<testcase><failure/></testcase>"] * failed
    cases += ['<testcase><skipped message="no Chromium is installed"/></testcase>'] * skipped
    counts = f'tests="{len(cases)}" failures="{failed}" errors="0" skipped="{skipped}"'
    return f"<testsuites><testsuite {counts}>{''.join(cases)}</testsuite></testsuites>"


@pytest.mark.parametrize(
    "reports, fine, says",
    [
        ([report(3), report(2, skipped=1)], True, ["5 passed, 0 failed, 1 skipped", "Left out: 1 because no Chromium"]),
        ([report(3), report(2, failed=1)], False, ["5 passed, 1 failed"]),
        ([report(3), None], False, ["3 passed, 0 failed", "1: nothing was run"]),
        ([report(3), report(0)], False, ["3 passed, 0 failed", "1: nothing was run"]),
        ([report(3), "<testsuites>"], False, ["3 passed, 0 failed", "1: nothing was run"]),
    ],
)
def test_the_closing_line_adds_up_the_runs_and_counts_what_was_left_out(
    module, monkeypatch, tmp_path, capsys, reports, fine, says
):
    monkeypatch.setattr(module, "RESULTS", tmp_path)
    for number, text in enumerate(reports):
        if text is not None:
            (tmp_path / f"{number}.xml").write_text(text)
    assert module.sum_up([str(number) for number in range(len(reports))]) is fine
    printed = capsys.readouterr().out
    assert printed.splitlines()[-1] == says[0]
    assert all(sentence in printed for sentence in says)


LEFT_OUT = """
import sys, pytest
def test_skipped(): pytest.skip({reason!r})
@pytest.mark.skipif(True, reason={reason!r})
def test_marked(): pass
@pytest.mark.xfail
def test_expected_to_fail(): assert False
"""
COLLECTED = "import pytest\npytest.importorskip('no_such_module_here')\ndef test_it(): pass\n"


@pytest.mark.parametrize(
    "ci, text, outcome",
    [
        ("", LEFT_OUT.format(reason="no Chromium is installed"), "2 skipped, 1 xfailed"),
        ("true", LEFT_OUT.format(reason="no Chromium is installed"), "1 failed, 1 xfailed, 1 error"),
        ("true", LEFT_OUT.format(reason="not on this platform: signals"), "2 skipped, 1 xfailed"),
        ("", COLLECTED, "1 skipped"),
        ("true", COLLECTED, "1 error"),
    ],
)
def test_a_test_that_is_left_out_fails_where_ci_is_set(tmp_path, ci, text, outcome):
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    (tmp_path / "test_it.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "--rootdir", str(tmp_path), str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "CI": ci})
    assert re.search(rf"= {outcome} in ", done.stdout), done.stdout


# The pins and the targets --------------------------------------------------------------------------------------------


def pins(name: str) -> dict[str, str]:
    found = {}
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            match = re.fullmatch(r"([a-z0-9._-]+)==([0-9a-z.]+)(; .+)?", line)
            assert match, f"{name}: {line!r} is not a pin, `name==version`"
            found[normal(match[1])] = match[2]
    return found


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_everything_that_is_installed_is_pinned_once():
    direct, pulled_in = pins("requirements.txt"), pins("constraints.txt")
    assert not direct.keys() & pulled_in.keys()
    tools = {"pip", "wheel", "machine-learning-engineer"}
    installed = {normal(found.metadata["Name"]): found.version for found in distributions()}
    wrong = {
        name: version
        for name, version in installed.items()
        if name not in tools and {**direct, **pulled_in}.get(name) != version
    }
    assert not wrong, f"not in requirements.txt or constraints.txt in this version: {wrong}"


@pytest.mark.skipif(
    shutil.which("make") is None, reason="make is not installed: install it with your system's packages"
)
def test_make_alone_prints_every_target():
    targets = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()
    command = ["make", "--no-print-directory"]  # make says the folder where these tests are themselves run by make
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [line.split()[1] for line in printed.splitlines()] == targets
    assert all(len(line.split()) > 3 for line in printed.splitlines())
