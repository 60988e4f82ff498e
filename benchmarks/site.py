"""What the site costs a reader and its author: bytes and requests a page, CPU a page of a build, Lighthouse's scores.

    python benchmarks/site.py weight       a page's bytes and requests in a real browser, from a server that compresses
    python benchmarks/site.py lighthouse   Lighthouse's mobile profile; needs node and npx (npm fetches lighthouse)
    python benchmarks/site.py build        one build from nothing, one rebuild after an edit, their CPU

Run it with the Python of .venv, after `make site`. Never a test: machines differ, though bytes do not.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "_build" / "html"
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]
TEXT = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
THREE = ("book/index", "notebooks/math/least_squares", "exercises/math/least_squares")
VERSION = "13.5.0"  # of lighthouse

SHIFTS = """window.shift = 0; new PerformanceObserver((list) => {
  for (const each of list.getEntries()) if (!each.hadRecentInput) window.shift += each.value;
}).observe({type: "layout-shift", buffered: true});"""
COLUMNS = "page speed accessibility practices search FCP,s LCP,s shift blocked,ms KB requests".split()


@cache
def zipped(path: Path) -> bytes:
    return gzip.compress(path.read_bytes(), 6)


class Compressing(SimpleHTTPRequestHandler):
    """Static pages as a web host serves them: text zipped, everything else as it is, all of it kept for a while."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        body, kind = path.read_bytes(), self.guess_type(str(path))
        self.send_response(200)
        if path.suffix in TEXT:
            body, kind = zipped(path), f"{TEXT[path.suffix]}; charset=utf-8"
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "public, max-age=31536000")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(folder: Path = SITE) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Compressing, directory=str(folder)))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def names() -> list[str]:
    found = (path.relative_to(SITE).with_suffix("").as_posix() for path in SITE.rglob("*.html"))
    return sorted(name for name in found if "/" in name and not name.startswith("_static"))


def weight(asked: argparse.Namespace) -> None:
    """Of each page, before anybody touches it: KB over the line, in how many answers; KB once it is read to its end."""
    from browser import open_browser

    print("| page | KB at once | requests | KB when read to its end | layout shift |\n|---|---|---|---|---|")
    rows = []
    with served() as address, open_browser() as browser:
        for name in names():
            page = browser.new_context(viewport={"width": 412, "height": 823}, device_scale_factor=1.75).new_page()
            sizes: list[int] = []
            page.on("requestfinished", lambda request, sizes=sizes: sizes.append(carried(request)))
            page.add_init_script(SHIFTS)
            page.goto(f"{address}{name}.html", wait_until="networkidle")
            first, count = sum(sizes), len(sizes)
            for _ in range(60):
                page.mouse.wheel(0, 2000)
                page.wait_for_timeout(30)
            page.wait_for_load_state("networkidle")
            rows.append((name, first / 1000, count, sum(sizes) / 1000, page.evaluate("window.shift")))
            page.context.close()
            print("| {} | {:.0f} | {} | {:.0f} | {:.3f} |".format(*rows[-1]))
    most = [max(row[column] for row in rows) for column in range(1, 5)]
    print("| most | {:.0f} | {} | {:.0f} | {:.3f} |".format(*most))


def carried(request: Any) -> int:
    sizes = request.sizes()
    return sizes["responseBodySize"] + sizes["responseHeadersSize"]


def lighthouse(asked: argparse.Namespace) -> None:
    """Scores of three kinds of page, the median of several runs."""
    from browser import ARGUMENTS, chromium

    npx = shutil.which("npx")
    if npx is None:
        sys.exit("benchmarks/site.py: Lighthouse needs node and npx, and npx is not on the PATH")
    kinds = ("performance", "accessibility", "best-practices", "seo")
    print(f"| {' | '.join(COLUMNS)} |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    with served() as address, tempfile.TemporaryDirectory() as folder:
        for name in asked.pages or THREE:
            runs = []
            for run in range(asked.repeats):
                report = Path(folder, f"{run}.json")
                command = [npx, "--yes", f"lighthouse@{VERSION}", f"{address}{name}.html", "--quiet", "--output=json"]
                command += [f"--output-path={report}", f"--only-categories={','.join(kinds)}"]
                command += [f"--chrome-flags=--headless=new {' '.join(ARGUMENTS)}"]
                if asked.desktop:
                    command.append("--preset=desktop")
                subprocess.run(command, check=True, env={**os.environ, "CHROME_PATH": chromium()}, cwd=asked.modules)
                runs.append(json.loads(report.read_text(encoding="utf-8")))
            if asked.keep:
                shutil.copy(report, asked.keep)

            def middle(*path: str, runs: list = runs) -> float:
                values = []
                for value in runs:
                    for step in path:
                        value = value[step]
                    values.append(value)
                return statistics.median(values)

            cells = [f"{100 * middle('categories', kind, 'score'):.0f}" for kind in kinds]
            for audit in ("first-contentful-paint", "largest-contentful-paint"):
                cells.append(f"{middle('audits', audit, 'numericValue') / 1000:.2f}")
            cells.append(f"{middle('audits', 'cumulative-layout-shift', 'numericValue'):.3f}")
            cells.append(f"{middle('audits', 'total-blocking-time', 'numericValue'):.0f}")
            cells.append(f"{middle('audits', 'total-byte-weight', 'numericValue') / 1000:.0f}")
            cells.append(str(len(runs[0]["audits"]["network-requests"]["details"]["items"])))
            print(f"| {name} | {' | '.join(cells)} |", flush=True)
            failing = {
                audit["id"]
                for audit in runs[-1]["audits"].values()
                if audit.get("score") is not None
                and audit["score"] < 0.9
                and audit["scoreDisplayMode"] != "informative"
            }
            print(f"<!-- below 0.9: {', '.join(sorted(failing)) or 'nothing'} -->", flush=True)


def build(asked: argparse.Namespace) -> None:
    """CPU of a build from nothing and its share a page; of a quick rebuild after one edit."""
    from run import cost, table

    coursework = [sys.executable, "-m", "coursework.cli", "site"]
    whole = [cost([*coursework, "--force"]) for _ in range(asked.repeats)]
    pages = len(names())
    rows = {f"the site, {pages} pages": whole, "a page": [(wall / pages, cpu / pages) for wall, cpu in whole]}
    lesson, quick = ROOT / "book" / "start.md", []
    text = lesson.read_text(encoding="utf-8")
    try:
        cost([*coursework, "--quick"])
        for turn in range(asked.repeats):
            lesson.write_text(f"{text}\nAn edit, number {turn}.\n", encoding="utf-8")
            quick.append(cost([*coursework, "--quick"]))
    finally:
        lesson.write_text(text, encoding="utf-8")
    cost([*coursework, "--force"])
    table({**rows, "a rebuild after one edit (--quick)": quick})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    jobs = parser.add_subparsers(dest="job", metavar="job", required=True)
    for job, times in ((weight, 1), (lighthouse, 3), (build, 3)):
        options = jobs.add_parser(job.__name__)
        options.set_defaults(job=job)
        options.add_argument("--repeats", type=int, default=times, help=f"how often (default: {times})")
        if job is lighthouse:
            options.add_argument("pages", nargs="*", help=f"pages, such as {THREE[1]}")
            options.add_argument("--desktop", action="store_true", help="the desktop profile")
            options.add_argument("--modules", help="a folder whose node_modules has lighthouse")
            options.add_argument("--keep", help="a file for the last report")
    asked = parser.parse_args()
    if asked.job is not build and not SITE.is_dir():
        sys.exit("benchmarks/site.py: there is no site yet: `make site`")
    asked.job(asked)


if __name__ == "__main__":
    main()
