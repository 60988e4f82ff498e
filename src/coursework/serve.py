"""The course on this machine: the site, rebuilt when a page changed, served beside JupyterLab on the same checkout.

Both listen on 127.0.0.1 only and end together. Not for publishing: any web server can do that with `_build/html`.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.error import URLError
from urllib.request import Request, urlopen

HOST = "127.0.0.1"
#: What pages are made from: a change in any of these makes the site stale.
INPUTS = (
    "_config.yml",
    "_toc.yml",
    "requirements.txt",
    "constraints.txt",
    "book",
    "notebooks",
    "solutions",
    "exercises",
    "src",
    "_build/pyodide/pyodide-lock.json",  # whether the site carries a Python of its own
    "_build/pyodide/compiled/sums.json",
)
#: What makes every page: a quick rebuild cannot be had when one of these changed.
MAKERS = (
    "_config.yml",
    "_toc.yml",
    "requirements.txt",
    "constraints.txt",
    "book/_ext",
    "book/_theme",
    "book/curriculum.yml",
    "_build/pyodide/pyodide-lock.json",
    "_build/pyodide/compiled/sums.json",
)
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
PATIENCE = 90  # seconds for JupyterLab to answer; it takes 3 on an idle laptop


class CannotServe(Exception):
    """A sentence for the person who can act: what, where, and what to do."""


# The site ------------------------------------------------------------------------------------------------------------


def build(root: Path, force: bool = False, quick: bool = False) -> int:
    """Build the site into `_build/html` if a page, or what makes pages, changed since; 0 where it is then up to date.

    Every build starts from nothing, in a folder of its own. Sphinx does not repeat the warnings of a page that it need
    not read again: after a failed build, or when a page that others link to has gone, a second run would pass. A failed
    build leaves the last good site where it was.
    """
    if quick:
        return rebuild(root)
    site, stamp, log, fresh = (root / "_build" / name for name in ("html", "site-built-from", "site.log", "fresh"))
    wanted = fingerprint(root)
    if not force and (site / "index.html").is_file() and stamp.is_file() and stamp.read_text() == wanted:
        print(f"The site is up to date: {site / 'index.html'}", flush=True)
        return 0
    print("Building the site ...", flush=True)
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    started = time.perf_counter()
    code = run_jupyter_book(root, fresh, log)
    built = fresh / "_build" / "html"
    if code == 0 and (built / "index.html").is_file():
        stamp.unlink(missing_ok=True)
        shutil.rmtree(site, ignore_errors=True)
        shutil.move(built, site)
        stamp.write_text(wanted)
        print(f"Built in {time.perf_counter() - started:.0f} s: {site / 'index.html'}", flush=True)
    else:
        code = code or 1
        for complaint in complaints(log):
            print(complaint, file=sys.stderr)
        print(f"The site was not built: mend the pages named above (all that was said is in {log}).", file=sys.stderr)
    shutil.rmtree(fresh, ignore_errors=True)
    return code


def run_jupyter_book(root: Path, target: Path, log: Path) -> int:
    """One run, a warning being an error; its exit code."""
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", str(root)]
    command += ["-W", "-n", "--keep-going", "--path-output", str(target)]
    with log.open("w", encoding="utf-8") as file:
        return subprocess.call(command, cwd=root, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)


def rebuild(root: Path) -> int:
    """For a person who edits and looks: read again what changed, in a folder kept for that, and show the result anyway.

    It says what it complains about, and never that the site is sound: warnings of pages that it did not read again
    are not repeated, and no stamp is written, so the next whole build starts from nothing.
    """
    site, stamp, log, kept = (root / "_build" / name for name in ("html", "site-built-from", "site.log", "quick"))
    made_by = kept / "made-by"
    makers = fingerprint(root, MAKERS)
    if not made_by.is_file() or made_by.read_text() != makers:  # what makes pages changed: every page may
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
    started = time.perf_counter()
    code = run_jupyter_book(root, kept, log)
    built = kept / "_build" / "html"
    if (built / "index.html").is_file():
        made_by.write_text(makers)
        stamp.unlink(missing_ok=True)
        shutil.rmtree(site, ignore_errors=True)
        shutil.copytree(built, site)
    for complaint in complaints(log) if code else ():
        print(complaint, file=sys.stderr)
    said = "with the complaints above" if code else "what changed is read again"
    print(f"Rebuilt in {time.perf_counter() - started:.0f} s, {said}; `coursework site` proves the whole: {site}")
    return code


def fingerprint(root: Path, names: tuple[str, ...] = INPUTS) -> str:
    """A digest of everything that pages are made from."""
    digest = hashlib.sha256()
    for path in sorted(path for name in names for path in files(root / name)):
        digest.update(
            f"{path.relative_to(root).as_posix()}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\0".encode()
        )
    return digest.hexdigest()


def files(path: Path) -> Iterator[Path]:
    """The file at `path`, or the files below it that a person wrote."""
    if path.is_file():
        yield path
    elif path.is_dir():
        for inner in path.iterdir():
            if not inner.name.startswith((".", "__pycache__")) and inner.suffix != ".egg-info":
                yield from files(inner)


def complaints(log: Path) -> list[str]:
    """Sphinx's warnings and errors, or the end of the log where the build died of something else."""
    lines = COLOUR.sub("", log.read_text(encoding="utf-8", errors="replace")).splitlines()
    return [line for line in lines if "WARNING" in line or "ERROR" in line] or lines[-15:]


# Serving -------------------------------------------------------------------------------------------------------------


def serve(root: Path, port: int, lab_port: int, open_browser: bool) -> int:
    """Serve the site on `port` and JupyterLab on `lab_port` until Ctrl-C; nothing is left running.

    Returns 0 after Ctrl-C, 1 where a port is taken, there is no site, or JupyterLab ends by itself.
    """
    site = root / "_build" / "html"
    try:
        with stopped_by_signals(), site_server(site, port) as address:
            demand_free(lab_port)
            if build(root):
                if not (site / "index.html").is_file():
                    return 1
                print("Serving the site as it was last built.", file=sys.stderr)
            with jupyterlab(root, lab_port) as (lab, lab_address):
                print(f"\n  The course   {address}\n  JupyterLab   {lab_address}\n\nCtrl-C stops both.", flush=True)
                if open_browser:
                    webbrowser.open(address)
                code = lab.wait()
                log = root / "_build" / "jupyterlab.log"
                raise CannotServe(f"JupyterLab ended by itself (exit code {code}); its log is {log}.")
    except CannotServe as problem:
        print(f"coursework: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.", flush=True)
        return 0


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Let a closed terminal or a `kill` stop everything as Ctrl-C does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {name: signal.signal(getattr(signal, name), interrupt) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)


class Pages(SimpleHTTPRequestHandler):
    """Static pages, always the present ones, and no line printed for each."""

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = os.name != "nt"  # on Windows it would let two servers share a port


@contextmanager
def site_server(folder: Path, port: int) -> Iterator[str]:
    """The folder's pages on a port; gives their address.

    Raises:
        CannotServe: the port is taken or not allowed.
    """
    try:
        server = Server((HOST, port), partial(Pages, directory=str(folder)))
    except (OSError, OverflowError) as error:
        raise refused_port(port, error) from None
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def demand_free(port: int) -> None:
    """Raise CannotServe where a port cannot be listened on; JupyterLab's own words for that are many."""
    try:
        Server((HOST, port), Pages).server_close()
    except (OSError, OverflowError) as error:
        raise refused_port(port, error) from None


def refused_port(port: int, error: Exception) -> CannotServe:
    if getattr(error, "errno", None) in (errno.EADDRINUSE, 10048):
        what = f"port {port} is taken by another program: stop it, or"
    else:
        what = f"port {port} cannot be used here ({error}):"
    return CannotServe(f"{what} choose other ports, as in `make course port=8100 lab_port=8101`.")


@contextmanager
def jupyterlab(root: Path, port: int) -> Iterator[tuple[subprocess.Popen, str]]:
    """JupyterLab on the checkout, with a token of its own; gives its process and its address once it answers.

    Raises:
        CannotServe: it does not come up.
    """
    token = secrets.token_hex(24)
    log = root / "_build" / "jupyterlab.log"
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", f"--ServerApp.ip={HOST}", f"--ServerApp.port={port}"]
    command += ["--ServerApp.port_retries=0", f"--ServerApp.root_dir={root}", "--LabApp.news_url=None"]
    command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    with log.open("w", encoding="utf-8") as file:
        lab = subprocess.Popen(
            command,
            cwd=root,
            env={**os.environ, "JUPYTER_TOKEN": token},  # on the command line every user of the machine would see it
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C comes to us, and we end it in order
        )
    try:
        wait_for(lab, port, token, log)
        yield lab, f"http://{HOST}:{port}/lab?token={token}"
    finally:
        end(lab)


def wait_for(lab: subprocess.Popen, port: int, token: str, log: Path) -> None:
    """Return once JupyterLab answers to its token."""
    question = Request(f"http://{HOST}:{port}/api/status", headers={"Authorization": f"token {token}"})
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if lab.poll() is not None:
            last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
            raise CannotServe(f"JupyterLab did not start: {last[0].strip()} (its log is {log}).")
        try:
            with urlopen(question, timeout=2):
                return
        except (URLError, OSError):
            time.sleep(0.1)
    raise CannotServe(f"JupyterLab did not answer on port {port} within {PATIENCE} s; its log is {log}.")


def end(lab: subprocess.Popen) -> None:
    """End JupyterLab; asked politely, it ends its kernels first."""
    if lab.poll() is None:
        lab.terminate()
        try:
            lab.wait(timeout=15)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):  # it hangs, or Ctrl-C was pressed again
            lab.kill()
            lab.wait()
