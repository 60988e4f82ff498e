"""What grading costs: CPU seconds a submission beside nbgrader, otter-grader and papermill; throughput; memory; kills.

    python benchmarks/grading/run.py rivals      the same assignment for each tool, in one run: a table of ratios
    python benchmarks/grading/run.py workers     1, 2 and 4 workers, and what the cost model says of them
    python benchmarks/grading/run.py scale       2,000 submissions without a kernel: the grader's own time and memory
    python benchmarks/grading/run.py kills       a run killed at 50 random moments and resumed, against one that was not

Run it with the Python of .venv. The rivals are installed into benchmarks/grading/.cache, which git ignores. CPU is user
plus system time of a command and of every process that it started, also of those that it did not wait for.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import psutil

HERE = Path(__file__).resolve().parent
CACHE = HERE / ".cache"
RIVALS = {"nbgrader": "nbgrader==0.9.6", "otter": "otter-grader==7.0.0"}
#: What the submissions need, in the versions of this course.
WITH = ("numpy==2.4.6", "pandas==3.1.1", "scikit-learn==1.9.1", "matplotlib==3.11.2", "ipykernel==7.4.0")
#: Seconds to wait for what a command left behind, such as a server that ends when it is idle.
LEFT_BEHIND = 60
SET_CHILD_SUBREAPER = 36


class Cost(NamedTuple):
    wall: float
    cpu: float
    #: of the command's own process, in MB
    peak: float


def adopt_orphans() -> None:
    """Make this process the parent of whatever its children leave behind, so that their CPU is counted."""
    ctypes.CDLL(None, use_errno=True).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def cost(command: list[str], folder: Path, check: bool = True, **variables: str) -> Cost:
    """Run a command to its end and count all that it started."""
    left_out = ("PYTHONPATH", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE")  # the last costs each tool what it would keep
    environment = {k: v for k, v in os.environ.items() if k not in left_out}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            command, cwd=folder, env={**environment, **variables}, stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
        peak = _peak(process)
        wall = time.perf_counter() - started
        if process.returncode and check:
            said.seek(0)
            sys.exit(f"{' '.join(command)} ended with exit code {process.returncode}:\n{said.read()[-3000:]}")
    deadline, alive = time.monotonic() + LEFT_BEHIND, 0.0
    while time.monotonic() < deadline:
        try:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.1)
        except ChildProcessError:
            break
    for child in psutil.Process().children():  # it stays: count what it has used so far
        times = child.cpu_times()
        alive += times.user + times.system + times.children_user + times.children_system
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime + alive
    return Cost(wall, cpu, peak)


def _peak(process: subprocess.Popen) -> float:
    """Wait for a process; the most memory that it had resident."""
    most = 0
    while process.poll() is None:
        try:
            for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    most = max(most, int(line.split()[1]))
        except OSError:
            pass
        time.sleep(0.05)
    return most / 1024


def environment(tool: str) -> Path:
    """The `bin` of a rival's own virtual environment, made where it is not there yet."""
    folder = CACHE / tool
    done = folder / "done"
    packages = [RIVALS[tool], *WITH]
    if not done.exists() or done.read_text() != "\n".join(packages):
        shutil.rmtree(folder, ignore_errors=True)
        print(f"installing {RIVALS[tool]} ...", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        packages = [RIVALS[tool], *WITH]
        subprocess.run(
            [folder / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages],
            check=True,
        )
        done.write_text("\n".join(packages))
    return folder / "bin"


@contextmanager
def course(count: int) -> Iterator[tuple[Path, Path]]:
    """The assignment in this project's form: the course's root, and a folder of submissions."""
    import assignment

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        root = folder / "course"
        (root / "src").mkdir(parents=True)
        sys.path.insert(0, str(root / "src"))
        os.environ["PYTHONPATH"] = str(root / "src")
        assignment.course(folder)
        assignment.ours(root, folder / "submissions", count)
        hidden = ", ".join(f"{name}: {value}" for name, value in assignment.HIDDEN.items())
        (folder / "private.yml").write_text(f"{assignment.ID}: {{{hidden}}}\n")
        yield root, folder
        sys.path.remove(str(root / "src"))
        for name in [name for name in sys.modules if name.partition(".")[0] == "fourcourse"]:
            del sys.modules[name]


def grade(root: Path, folder: Path, workers: int, asked: argparse.Namespace) -> Cost:
    """`coursework grade` of the submissions in `folder`, from an empty gradebook."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "coursework.cli", "grade", str(folder / "submissions"), "--out", out]
        command += [
            "--parameters",
            str(folder / "private.yml"),
            "--workers",
            str(workers),
            *(["--unsandboxed"] if asked.unsandboxed else []),
        ]
        # A fork server of its own, which is counted, and ends soon after the last kernel.
        own = {"COURSEWORK_RUNTIME": f"{out}/r", "COURSEWORK_KERNEL_IDLE": "5", "COURSEWORK_DATA": out}
        return cost(command, root, PYTHONPATH=str(root / "src"), **own)


# ------------------------------------------------------------------------------------------------------ rivals


class _Rows(dict[str, Cost]):
    """Says each result when it is there: the run is long."""

    def __setitem__(self, name: str, value: Cost) -> None:
        super().__setitem__(name, value)
        print(f"{name}: {value.cpu:.1f} CPU s, {value.wall:.0f} wall s, {value.peak:.0f} MB", file=sys.stderr)


def rivals(asked: argparse.Namespace) -> None:
    import assignment

    rows = _Rows()
    bins = {tool: environment(tool) for tool in RIVALS}
    with course(asked.count) as (root, folder):
        rows["this project"] = grade(root, folder, asked.workers, asked)
        few = folder / "few"
        assignment.ours(root, few / "submissions", 2)
        shutil.copy(folder / "private.yml", few)
        small = grade(root, few, asked.workers, asked)
        place = folder / "nbgrader"
        assignment.nbgrader(place, asked.count)
        tool = bins["nbgrader"]
        path = f"{tool}{os.pathsep}{os.environ['PATH']}"
        cost([str(tool / "nbgrader"), "generate_assignment", assignment.NAME], place, PATH=path)
        rows["nbgrader 0.9.6"] = cost([str(tool / "nbgrader"), "autograde", assignment.NAME], place, PATH=path)
        graded = len(list((place / "autograded").glob(f"*/{assignment.NAME}/*.ipynb")))
        if graded != asked.count:
            sys.exit(f"nbgrader graded {graded} of {asked.count}")
        place = folder / "otter"
        assignment.otter(place, asked.count)
        tool = bins["otter"]
        path = f"{tool}{os.pathsep}{os.environ['PATH']}"
        made = ["assign", f"master/{assignment.NAME}.ipynb", "dist", "--no-run-tests", "--no-pdfs"]
        cost([str(tool / "otter"), *made], place, PATH=path)
        archive = next((place / "dist" / "autograder").glob("*.zip"))
        command, each = [str(tool / "otter"), "run", "--no-logo", "-a", str(archive)], []
        for one in sorted((place / "submissions").glob("*.ipynb")):
            (place / "out" / one.stem).mkdir(parents=True)
            each.append(cost([*command, "-o", f"out/{one.stem}", str(one)], place, PATH=path))
        if len(list((place / "out").glob("*/results.json"))) != asked.count:
            sys.exit("otter left some submissions without a result")
        rows["otter-grader 7.0.0"] = summed(each)
        place = folder / "papermill"
        assignment.papermill(place, asked.count)
        tool = Path(sys.executable).parent
        each = [
            cost([str(tool / "papermill"), "--no-progress-bar", str(path_), os.devnull, "-p", "seed", "7"], place)
            for path_ in sorted(place.glob("*.ipynb"))
        ]
        rows["papermill, a process each"] = summed(each)
    ours = rows["this project"].cpu
    how, load = "" if asked.unsandboxed else ", ours isolated", f"{os.getloadavg()[0]:.1f}"
    print(f"{asked.count} submissions of four questions{how}; load {load} on {os.cpu_count()} cores")
    print("| tool | CPU s a submission | times this project | wall s in all | peak memory of its process, MB |")
    print("|---|---|---|---|---|")
    for name, one in rows.items():
        print(f"| {name} | {one.cpu / asked.count:.2f} | {one.cpu / ours:.1f} | {one.wall:.0f} | {one.peak:.0f} |")

    slope = (ours - small.cpu) / (asked.count - 2)
    start = ours - slope * asked.count
    print(f"Of ours {start:.1f} s are the start, once a run, and {slope:.2f} s each submission. By that share alone:")
    for name, one in list(rows.items())[1:]:
        print(f"  {name}: {one.cpu / asked.count / slope:.1f} times ours")


def summed(each: list[Cost]) -> Cost:
    return Cost(sum(c.wall for c in each), sum(c.cpu for c in each), max(c.peak for c in each))


# ----------------------------------------------------------------------------------------- throughput, the model


class Model(NamedTuple):
    """What a class costs; see `seconds`."""

    #: CPU seconds to start, once, and once a worker
    start: float
    a_worker: float
    #: CPU seconds of workers and kernels, and of the grader's own process, a submission
    run: float
    judge: float

    def cpu(self, count: int, workers: int) -> float:
        return self.start + self.a_worker * workers + count * (self.run + self.judge)

    def seconds(self, count: int, workers: int, cores: int) -> float:
        """Wall-clock seconds on idle machines of `cores` in all: kernels side by side, judging in one process."""
        side_by_side = min(workers, cores)
        start = self.start + self.a_worker * max(1.0, workers / cores)
        # On as many cores as workers the grader shares their cores; it is never faster than its own part.
        share = (self.run + self.judge) / side_by_side if workers >= cores else self.run / side_by_side
        return start + count * max(share, self.judge)


def workers(asked: argparse.Namespace) -> None:
    """Each number of workers with few and with many submissions: the difference is what a submission costs."""
    few = max(2, asked.count // 4)
    found: dict[int, tuple[Cost, Cost]] = {}
    for count in (1, 2, 4):
        with course(few) as (root, folder):
            small = grade(root, folder, count, asked)
        with course(asked.count) as (root, folder):
            found[count] = small, grade(root, folder, count, asked)
    slopes = [(big.cpu - small.cpu) / (asked.count - few) for small, big in found.values()]
    each = sum(slopes) / len(slopes)
    starts = {count: small.cpu - few * each for count, (small, _) in found.items()}
    a_worker = max(0.0, (starts[4] - starts[1]) / 3)
    judge = asked.judge
    model = Model(max(0.0, starts[1] - a_worker), a_worker, each - judge, judge)
    cores = os.cpu_count() or 1
    print(
        f"load {os.getloadavg()[0]:.1f} on {cores} cores; {asked.count} submissions, and {few} to tell the start apart"
    )
    print(
        "| workers | CPU s | model | wall s | model, idle machine | CPU per wall s | submissions a minute | peak MB |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for count, (_, big) in found.items():
        told, idle = model.cpu(asked.count, count), model.seconds(asked.count, count, cores)
        rate, busy = 60 * asked.count / big.wall, big.cpu / big.wall
        print(f"| {count} | {big.cpu:.1f} | {told:.1f} | {big.wall:.1f} | {idle:.1f} | ", end="")
        print(f"{busy:.2f} | {rate:.0f} | {big.peak:.0f} |")
    print(f"\n{model}")
    print("100,000 submissions:")
    for machines, each_ in ((1, 2), (1, 16), (4, 16), (16, 16), (64, 16)):
        hours = model.seconds(100_000, machines * each_, machines * each_) / 3600
        print(f"  {machines} x {each_} cores: {hours:.2f} h")


# ------------------------------------------------------------------------------------------- 2,000 submissions


def scale(asked: argparse.Namespace) -> None:
    """The grader with workers that answer at once: time and memory by how many are graded."""
    import assignment

    with course(asked.count) as (root, folder):
        os.environ["FOUR_ANSWERS"] = str(folder / "answers.json")
        assignment.keep_answers(root, folder / "answers.json")
        from coursework.grade import Settings
        from coursework.grade import grade as grade_all
        from coursework.project import Project

        me, steps = psutil.Process(), []
        step = max(1, asked.count // 8)

        def progress(p) -> None:
            if p.done and p.done % step == 0 and (not steps or steps[-1][0] != p.done):
                steps.append((p.done, time.perf_counter(), time.process_time(), me.memory_info().rss / 2**20))

        found = grade_all(
            Project.find(root), folder / "submissions", folder / "out", [assignment.ID],
            hidden={assignment.ID: [assignment.HIDDEN]}, settings=Settings(asked.workers), progress=progress,
            run=assignment.without_kernel,
        )  # fmt: skip
        size = (folder / "out" / "gradebook.sqlite").stat().st_size / 2**20
    print(f"{len(found)} submissions, {asked.workers} workers that run nothing; load {os.getloadavg()[0]:.1f}")
    print("| graded | wall s since the step before | CPU s of the grader's process since | resident MB |")
    print("|---|---|---|---|")
    for before, now in pairwise(steps):
        print(f"| {now[0]:,} | {now[1] - before[1]:.1f} | {now[2] - before[2]:.2f} | {now[3]:.0f} |")
    first, last = steps[0], steps[-1]
    each = 1000 * (last[2] - first[2]) / (last[0] - first[0])
    print(f"{each:.1f} ms of the grader's CPU a submission; {1024 * size / len(found):.1f} KB of gradebook")


# --------------------------------------------------------------------------------------------------- killed


def kills(asked: argparse.Namespace) -> None:
    """Kill runs at random moments until so many were killed; each gradebook must end like the undisturbed one."""
    import assignment
    from attrs import evolve

    from coursework.gradebook import Gradebook

    def results(out: Path) -> list:
        with Gradebook(out / "gradebook.sqlite") as book:
            return [evolve(one, seconds=0.0) for one in book.current()]

    def start(root: Path, folder: Path, out: Path) -> subprocess.Popen:
        command = [sys.executable, "-m", "coursework.cli", "grade", str(folder / "submissions"), "--out", str(out)]
        command += [
            "--parameters",
            str(folder / "private.yml"),
            "--workers",
            str(asked.workers),
            *(["--unsandboxed"] if asked.unsandboxed else []),
        ]
        if not asked.kernels:
            command = [sys.executable, str(HERE / "assignment.py"), *map(str, (root, folder, out, asked.workers))]
        variables = {"PYTHONPATH": str(root / "src"), "COURSEWORK_DATA": str(folder), "FOUR_PAUSE": "0.1"}
        return subprocess.Popen(
            command, cwd=root, env={**os.environ, **variables}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )

    def whole(root: Path, folder: Path, out: Path) -> float:
        began, process = time.monotonic(), start(root, folder, out)
        said = process.communicate()[1]
        if process.returncode:
            sys.exit(f"ended with {process.returncode}: {said.decode()}")
        return time.monotonic() - began

    killed = rounds = left = early = 0
    with course(asked.count) as (root, folder):
        os.environ["FOUR_ANSWERS"] = str(folder / "answers.json")
        assignment.keep_answers(root, folder / "answers.json")
        whole(root, folder, folder / "undisturbed")
        span = whole(root, folder, folder / "timed")
        wanted = results(folder / "undisturbed")
        chance = random.Random(asked.seed)
        while killed < asked.kills:
            out, rounds = folder / f"disturbed{rounds}", rounds + 1
            while killed < asked.kills:
                process = start(root, folder, out)
                timer = threading.Timer(chance.uniform(0, 1.1 * span), process.kill)
                timer.start()
                said = process.communicate()[1]
                timer.cancel()
                if process.returncode == 0:
                    break
                if process.returncode != -9:
                    sys.exit(f"ended with {process.returncode}: {said.decode()}")
                killed += 1
                early += not (out / "gradebook.sqlite").exists()
                time.sleep(3)  # workers and kernels of a grader that was killed end by themselves
                for one in psutil.Process().children(recursive=True):
                    if one.status() != "zombie":
                        left += 1
                        print(f"alive 3 s after a kill: {' '.join(one.cmdline())[:200]}", file=sys.stderr)
            else:
                whole(root, folder, out)
            if results(out) != wanted:
                sys.exit(f"round {rounds}: the gradebook differs from that of an undisturbed run (seed {asked.seed})")
    print(
        f"{killed} kills ({early} before there was a gradebook) in {rounds} rounds of {asked.count} submissions, "
        f"{'with' if asked.kernels else 'without'} kernels: every gradebook equals the undisturbed one; "
        f"{left} processes were alive 3 s after a kill"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    jobs = parser.add_subparsers(dest="job", metavar="job", required=True)
    for job, count in ((rivals, 20), (workers, 24), (scale, 2000), (kills, 60)):
        options = jobs.add_parser(job.__name__)
        options.set_defaults(job=job)
        options.add_argument("--count", type=int, default=count, help=f"submissions (default: {count})")
        options.add_argument(
            "--workers", type=int, default=os.cpu_count(), help="worker processes (default: one a core)"
        )
        options.add_argument("--imports", choices=("course", "light"), default="course", help="what a notebook imports")
        options.add_argument("--unsandboxed", action="store_true", help="ordinary kernels without isolation")
        options.add_argument("--judge", type=float, default=0.02, help="CPU s of the grader a submission, from `scale`")
        if job is kills:
            options.add_argument("--kills", type=int, default=50)
            options.add_argument("--seed", type=int, default=1)
            options.add_argument("--kernels", action="store_true", help="run the submissions (with a smaller --count)")
    asked = parser.parse_args()
    import assignment

    assignment.setup[0] = assignment.IMPORTS[asked.imports] + assignment.SETUP
    adopt_orphans()
    asked.job(asked)


if __name__ == "__main__":
    import run  # by its own name, so that workers that are spawned do not run it again

    run.main()
