"""`coursework serve` and `coursework site`: what was written is what is served, a failed build stays failed, and
nothing is left running."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil
import pytest

from coursework import serve as serving

CONFIG = 'title: Small\nonly_build_toc_files: true\nexecute: {execute_notebooks: "off"}\nhtml: {baseurl: ""}\n'
TOC = "format: jb-book\nroot: book/index\nchapters:\n- file: book/other\n"
STATUS = "/api/status"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A book of two pages, built."""
    root = tmp_path_factory.mktemp("book")
    (root / "book").mkdir()
    pages = {
        "_config.yml": CONFIG,
        "_toc.yml": TOC,
        "book/index.md": "# One\n\n[two](other.md)\n",
        "book/other.md": "# Two\n",
    }
    for name, text in pages.items():
        (root / name).write_text(text, encoding="utf-8")
    assert serving.build(root) == 0
    return root


@pytest.fixture
def restored(root: Path) -> Iterator[Path]:
    """The book, whose pages a test may change."""
    before = {path: path.read_text() for path in serving.files(root / "book")}
    yield root
    for path, text in before.items():
        path.write_text(text)


# Building ------------------------------------------------------------------------------------------------------------


def test_an_unchanged_site_is_not_built_again(root, monkeypatch, capsys):
    monkeypatch.setattr(subprocess, "call", lambda *_, **__: pytest.fail("it was built"))
    assert serving.build(root) == 0
    assert "up to date" in capsys.readouterr().out


def test_a_failed_build_fails_again_names_the_page_and_keeps_the_last_good_site(restored, capsys):
    good = (restored / "_build/html/book/index.html").read_bytes()
    with (restored / "book/index.md").open("a") as file:
        file.write("\n[nowhere](nothing.md)\n")
    for _ in range(2):
        assert serving.build(restored) != 0
        said = capsys.readouterr().err
        assert re.search(r"book/index\.md:\d+: WARNING: .*nothing\.md", said) and "was not built" in said
        assert "\x1b" not in said
    assert (restored / "_build/html/book/index.html").read_bytes() == good
    assert not (restored / "_build/fresh").exists()


def test_a_link_that_breaks_because_another_page_went_fails_the_build(restored):
    (restored / "book/other.md").unlink()
    toc = (restored / "_toc.yml").read_text()
    (restored / "_toc.yml").write_text("format: jb-book\nroot: book/index\n")
    try:
        assert serving.build(restored) != 0
    finally:
        (restored / "_toc.yml").write_text(toc)


def test_what_jupyterlab_and_python_leave_beside_pages_does_not_make_the_site_stale(restored):
    before = serving.fingerprint(restored)
    for name in (
        "book/.ipynb_checkpoints/index.md",
        "src/__pycache__/x.pyc",
        "src/small.egg-info/PKG-INFO",
        "tests/x.py",
    ):
        (restored / name).parent.mkdir(parents=True, exist_ok=True)
        (restored / name).touch()
    assert serving.fingerprint(restored) == before
    (restored / "book/new.md").touch()
    assert serving.fingerprint(restored) != before
    (restored / "book/new.md").unlink()


def test_a_quick_rebuild_shows_what_was_edited_and_leaves_the_proof_to_a_whole_build(restored, capsys):
    assert serving.build(restored, quick=True) == 0
    with (restored / "book/other.md").open("a") as file:
        file.write("\nAn edit. [nowhere](nothing.md)\n")
    assert serving.build(restored, quick=True) != 0
    assert "nothing.md" in capsys.readouterr().err
    assert "An edit." in (restored / "_build/html/book/other.html").read_text()
    assert serving.build(restored) != 0, "a page that was complained about is not taken for up to date"


# Serving -------------------------------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@contextmanager
def served(root: Path) -> Iterator[tuple[subprocess.Popen, str, str, str]]:
    """`serve` in a process of its own: it, the two addresses that it prints, and the token."""
    code = "import sys; from pathlib import Path; from coursework.serve import serve; "
    code += f"sys.exit(serve(Path({str(root)!r}), {free_port()}, {free_port()}, False))"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    watchdog = threading.Timer(180, process.kill)
    watchdog.start()
    try:
        printed = ""
        while "Ctrl-C stops both." not in printed:
            line = process.stdout.readline()
            assert line, f"it ended: {printed}"
            printed += line
        site = re.search(r"The course +(http://127\.0\.0\.1:\d+/)\n", printed)[1]
        lab, token = re.search(r"JupyterLab +(http://127\.0\.0\.1:\d+)/lab\?token=(\w+)\n", printed).groups()
        yield process, site, lab, token
    finally:
        watchdog.cancel()
        process.terminate()
        process.wait(timeout=60)
        process.stdout.close()


def ask(url: str, token: str, data: bytes | None = None) -> dict:
    with urlopen(Request(url, data, {"Authorization": f"token {token}"}), timeout=60) as answer:
        return json.load(answer)


@pytest.mark.skipif(os.name != "posix", reason="not on this platform: signals")
@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGHUP])
def test_site_and_jupyterlab_are_served_together_and_end_together(root, by):
    with served(root) as (process, site, lab, token):
        with urlopen(site + "book/index.html") as page:
            assert "<h1>One" in page.read().decode()
            assert page.headers["Cache-Control"] == "no-cache"
        assert ask(lab + "/api/contents/book", token)["type"] == "directory"
        with pytest.raises(HTTPError, match="403"):
            ask(lab + STATUS, "wrong")
        ask(lab + "/api/kernels", token, b'{"name": "python3"}')
        family = psutil.Process(process.pid).children(recursive=True)
        assert len(family) >= 2 and not any(token in word for each in family for word in each.cmdline())
        process.send_signal(by)
        assert process.wait(timeout=60) == 0
        _, alive = psutil.wait_procs(family, timeout=10)
        assert not alive


@pytest.mark.parametrize("of", ["site", "lab"])
def test_a_taken_port_ends_it_with_one_sentence_and_nothing_is_built(tmp_path, capsys, of):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ports = (port, free_port()) if of == "site" else (free_port(), port)
        assert serving.serve(tmp_path, *ports, open_browser=False) == 1
    said = capsys.readouterr().err.strip()
    assert said.startswith(f"coursework: port {port} is taken by another program") and "\n" not in said
    assert not (tmp_path / "_build").exists()


def test_without_any_site_nothing_is_served(tmp_path, capsys):
    (tmp_path / "_config.yml").write_text(CONFIG)
    assert serving.serve(tmp_path, free_port(), free_port(), open_browser=False) == 1
    assert "The site was not built" in capsys.readouterr().err


def test_a_jupyterlab_that_does_not_start_is_said_with_its_own_last_words(root, monkeypatch, capsys):
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(root / "configuration"))
    (root / "configuration").mkdir()
    (root / "configuration" / "jupyter_server_config.py").write_text(
        "c.ServerApp.root_dir = 1\nraise SystemExit('Not today')"
    )
    assert serving.serve(root, free_port(), free_port(), open_browser=False) == 1
    said = capsys.readouterr().err
    assert "JupyterLab did not start: " in said and "Not today" in said
