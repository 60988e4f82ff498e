"""What the site costs a reader and its author: bytes and requests a page, CPU a page of a build, Lighthouse's scores.

    python benchmarks/site.py weight       a page's bytes and requests in a real browser, from a server that compresses
    python benchmarks/site.py lighthouse   Lighthouse's mobile profile; needs node and npx (npm fetches lighthouse)
    python benchmarks/site.py build        one build from nothing, one rebuild after an edit, their CPU
    python benchmarks/site.py run_here     seconds from the click on "Run here" to the first check's word

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
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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


def run_here(asked: argparse.Namespace) -> None:
    """Seconds from the click on "Run here" until the first check has spoken: a browser that was never here, and again.

    Warm is the page opened again in the same profile, whose browser was ended in between. CPU is all of the browser's.
    """
    from browser import ARGUMENTS, chromium
    from playwright.sync_api import sync_playwright

    rows: dict[str, list[tuple[float, float]]] = {}
    with served(asked.site) as address, sync_playwright() as playwright:
        for name in asked.pages or THREE[2:]:
            for _ in range(asked.repeats):
                with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
                    for turn in ("cold", "warm", "warm"):  # a browser keeps what it compiled at the second visit only
                        context = playwright.chromium.launch_persistent_context(
                            profile, executable_path=chromium(), args=ARGUMENTS
                        )
                        page = context.new_page()
                        page.goto(f"{address}{name}.html", wait_until="load")
                        page.wait_for_timeout(asked.rest)
                        before = browser_cpu(profile)
                        started = time.perf_counter()
                        page.locator(".run-primary").click()
                        page.locator(".coursework-verdict").first.wait_for(timeout=120_000)
                        wall = time.perf_counter() - started
                        rows.setdefault(f"{name}, {turn}", []).append((wall, browser_cpu(profile) - before))
                        page.wait_for_timeout(3000)  # what it compiled is written down a while after
                        context.close()
    from run import table

    table(rows)


def browser_cpu(profile: str) -> float:
    """CPU seconds so far of the browser with this profile and of all its processes (Linux only; else 0)."""
    if not Path("/proc/self/stat").is_file():
        return 0.0
    parents, ticks, chosen = {}, {}, set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            values = (folder / "stat").read_text().rpartition(")")[2].split()
            pid = int(folder.name)
            parents[pid], ticks[pid] = int(values[1]), int(values[11]) + int(values[12])
            if f"--user-data-dir={profile}" in (folder / "cmdline").read_text().split("\0"):
                chosen.add(pid)
    grown = True
    while grown:
        grown = {pid for pid, parent in parents.items() if parent in chosen} - chosen
        chosen |= grown
    return sum(ticks[pid] for pid in chosen) / os.sysconf("SC_CLK_TCK")


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
    for job, times in ((weight, 1), (lighthouse, 3), (build, 3), (run_here, 3)):
        options = jobs.add_parser(job.__name__)
        options.set_defaults(job=job)
        options.add_argument("--repeats", type=int, default=times, help=f"how often (default: {times})")
        if job is lighthouse:
            options.add_argument("pages", nargs="*", help=f"pages, such as {THREE[1]}")
            options.add_argument("--desktop", action="store_true", help="the desktop profile")
            options.add_argument("--modules", help="a folder whose node_modules has lighthouse")
            options.add_argument("--keep", help="a file for the last report")
        if job is run_here:
            options.add_argument("pages", nargs="*", help=f"pages of exercises, such as {THREE[2]}")
            options.add_argument("--site", type=Path, default=SITE, help="another folder than _build/html")
            options.add_argument("--rest", type=int, default=500, help="ms to look at the page before the click")
    asked = parser.parse_args()
    if asked.job is not build and not getattr(asked, "site", SITE).is_dir():
        sys.exit("benchmarks/site.py: there is no site yet: `make site`")
    asked.job(asked)


if __name__ == "__main__":
    main()
