"""What the course costs: wall-clock and CPU seconds of its jobs, as a table. Never a test: machines differ.

    python benchmarks/run.py course --cold    a fresh copy set up, built and served, until its addresses are printed
    python benchmarks/run.py course           the same in this checkout, where all is there
    python benchmarks/run.py site             one build of the site, and its share a page
    python benchmarks/run.py check            one `check(...)` of each question, in a notebook's kernel
    python benchmarks/run.py kernel           a kernel's start and a reference notebook's run: cold, warm, isolated
    python benchmarks/run.py grade            the demo class, and its share a submission
    python benchmarks/run.py test             `make test`

Run it with the Python of .venv (`.venv/bin/python`); `course` and `test` need any Python that the course runs on.
CPU is user plus system time of a command and of every process that it waited for.
"""

from __future__ import annotations

import argparse
import functools
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BOOTSTRAP = ["tools/bootstrap.py"]
Cost = tuple[float, float]  # wall-clock and CPU seconds


def cost(command: list[str], folder: Path = ROOT, until: str | None = None, **variables: str) -> Cost:
    """Run a command to its end, or until it prints a text, when the clock stops and it is interrupted as by Ctrl-C."""
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said = []
    for line in process.stdout:
        said.append(line)
        if until and until in line:
            wall = time.perf_counter() - started
            process.send_signal(signal.SIGINT)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode or (until and not any(until in line for line in said)):
        sys.exit(f"{' '.join(command)} ended with exit code {process.returncode}:\n{''.join(said[-20:])}")
    if not until:
        wall = time.perf_counter() - started
    return wall, usage.ru_utime + usage.ru_stime


def table(rows: dict[str, list[Cost]], unit: str = "s", scale: float = 1) -> None:
    """Median, least and most of each row's repeats."""
    print(f"| what | repeats | wall {unit}: median | least | most | CPU {unit}: median | least | most |")
    print("|---|---|---|---|---|---|---|---|")
    for name, costs in rows.items():
        cells = []
        for values in zip(*costs, strict=True):
            cells += [statistics.median(values), min(values), max(values)]
        print(f"| {name} | {len(costs)} | " + " | ".join(f"{scale * cell:,.2f}" for cell in cells) + " |")


def repeat(times: int, job: Callable[[], Cost]) -> list[Cost]:
    return [job() for _ in range(times)]


def course(asked: argparse.Namespace) -> None:
    words = ["course", "--port", str(asked.port), "--lab-port", str(asked.port + 1)]
    ready = "Ctrl-C stops both."
    if not asked.cold:
        command = [sys.executable, *BOOTSTRAP, *words]
        cost(command, until=ready)
        table({"make course, all there": repeat(asked.repeats, lambda: cost(command, until=ready))})
        return
    cache = {"PIP_NO_CACHE_DIR": "1"} if asked.no_pip_cache else {}

    def cold() -> Cost:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "course"
            listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
            for name in filter(None, subprocess.check_output(listed, cwd=ROOT, text=True).split("\0")):
                if (ROOT / name).is_file():
                    (copy / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(ROOT / name, copy / name)
            return cost([asked.python, *BOOTSTRAP, *words], copy, ready, **cache)

    name = "make course, nothing there" + (", nothing downloaded yet" if asked.no_pip_cache else "")
    table({name: repeat(asked.repeats, cold)})


def site(asked: argparse.Namespace) -> None:
    costs = repeat(asked.repeats, lambda: cost([sys.executable, "-m", "coursework.cli", "site", "--force"]))
    built = ROOT / "_build" / "html"
    pages = sum(1 for folder in ("book", "notebooks", "exercises") for _ in (built / folder).rglob("*.html"))
    share = [(wall / pages, cpu / pages) for wall, cpu in costs]
    table({f"the site, {pages} pages": costs, "a page": share})


def check(asked: argparse.Namespace) -> None:
    """Every question of every exercise: answered as in its solution, checked as a cell of a notebook."""
    import nbformat
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    rows: dict[str, list[Cost]] = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["COURSEWORK_DATA"] = folder
        for path in sorted((ROOT / "solutions").glob("*/*.ipynb")):
            InteractiveShell.clear_instance()
            shell = InteractiveShell.instance()
            for cell in nbformat.read(path, as_version=4).cells:
                if cell.cell_type != "code":
                    continue
                times = asked.repeats if "check" in cell.metadata.get("tags", []) else 1
                costs = []
                for _ in range(times):
                    wall, cpu = time.perf_counter(), time.process_time()
                    with capture_output():
                        result = shell.run_cell(cell.source)
                    costs.append((time.perf_counter() - wall, time.process_time() - cpu))
                    result.raise_error()
                if times > 1:
                    question = f"{path.parent.name}/{path.stem}: {cell.source.splitlines()[0]}"
                    rows[f"{question}, first"], rows[f"{question}, again"] = costs[:1], costs[1:]
    table(rows, "ms", 1000)


def kernel(asked: argparse.Namespace) -> None:
    """Client and kernel together; the loading of the stack, once for each fork server, is left out."""
    import papermill.engines  # the engine below is loaded by it, and not the other way round
    from jupyter_client.manager import start_new_kernel

    from coursework import notebook as nb
    from coursework.grade import run_submission
    from coursework.kernel import pool

    assert papermill.engines

    # Servers of this run's own: nobody else's kernels are counted.
    os.environ[pool.RUNTIME_VARIABLE] = folder = tempfile.mkdtemp(prefix="cw", dir="/tmp")

    def spent() -> float:
        here = sum(sum(resource.getrusage(whose)[:2]) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return here + sum(one["cpu"] for one in pool.servers())

    def measured(job: Callable[[], object]) -> Cost:
        wall, cpu = time.perf_counter(), spent()
        job()
        time.sleep(0.5)  # until the server has taken its child in
        return time.perf_counter() - wall - 0.5, spent() - cpu

    def start(name: str) -> None:
        manager, client = start_new_kernel(kernel_name=name)
        client.execute_interactive("import numpy, pandas, sklearn, matplotlib.pyplot", timeout=120)
        client.stop_channels()
        manager.shutdown_kernel(now=True)

    texts = {}
    for path in sorted((ROOT / "solutions").glob("*/*.ipynb")):
        notebook = nb.read(path)
        texts[f"{path.parent.name}/{path.stem}"] = (nb.text_of(notebook), nb.parameters(notebook))
    rows: dict[str, list[Cost]] = {}
    for name in ("python3", "coursework", "coursework-sandbox"):
        start(name)
        rows[f"{name}: started, the stack imported"] = repeat(
            asked.repeats, lambda name=name: measured(lambda: start(name))
        )
    for name, sandbox in (("python3", False), ("coursework-sandbox", True)):
        for id, (text, parameters) in texts.items():
            run = functools.partial(run_submission, text, [parameters], 120, sandbox)
            rows[f"{name}: {id}, as answered in its solution"] = repeat(asked.repeats, functools.partial(measured, run))
    pool.servers("stop")
    shutil.rmtree(folder)
    table(rows)


def grade(asked: argparse.Namespace) -> None:
    submissions = ROOT / "demo" / "submissions"
    count = sum(1 for path in submissions.glob("*/*/*") if path.is_file())

    def graded() -> Cost:
        with tempfile.TemporaryDirectory() as folder:
            hidden = ["--parameters", "demo/private.yml", "--out", folder]
            return cost([sys.executable, "-m", "coursework.cli", "grade", str(submissions), *hidden])

    costs = repeat(asked.repeats, graded)
    table({f"the class, {count} files": costs, "a file": [(wall / count, cpu / count) for wall, cpu in costs]})


def test(asked: argparse.Namespace) -> None:
    table({"make test": repeat(asked.repeats, lambda: cost([sys.executable, *BOOTSTRAP, "test"]))})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    jobs = parser.add_subparsers(dest="job", metavar="job", required=True)
    for job, times in ((course, 3), (site, 3), (check, 20), (kernel, 3), (grade, 3), (test, 1)):
        options = jobs.add_parser(job.__name__)
        options.set_defaults(job=job)
        options.add_argument("--repeats", type=int, default=times, help=f"how often (default: {times})")
        if job is course:
            options.add_argument("--cold", action="store_true", help="in a fresh copy, which is removed afterwards")
            options.add_argument("--no-pip-cache", action="store_true", help="download everything, with --cold")
            options.add_argument(
                "--python", default="python3", help="with --cold, the Python that a person starts with"
            )
            options.add_argument("--port", type=int, default=8300, help="of the site; JupyterLab takes the next")
    asked = parser.parse_args()
    asked.job(asked)


if __name__ == "__main__":
    main()
