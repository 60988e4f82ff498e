"""Stands in for a worker's kernel: answers the tiny course's question `total` without running anything.

What a submission's answer cell says decides: a number, the right sum, a pause, a bound, the end of the worker.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from pathlib import Path

ID = "demo/stats"
HIDDEN = {"seed": 90210, "n": 57}


def run(text: str, sets: list[dict], how: dict) -> str:
    from tiny.checks.demo.stats import data

    source = next(
        "".join(cell["source"]) for cell in json.loads(text)["cells"] if "total = " in "".join(cell["source"])
    )
    if found := re.search(r"# pause (\S+)", source):
        time.sleep(float(found.group(1)))
    if found := re.search(r"# end the worker (\S+)", source):
        with Path(found.group(1)).open("a") as stream:
            stream.write("x")
        if Path(found.group(1)).stat().st_size <= int(re.search(r"(\d+) times", source).group(1)):
            os.kill(os.getpid(), signal.SIGKILL)
    if "raise" in source:
        raise RuntimeError("the kernel's channel is closed")
    number = re.search(r"total = (-?[\d.]+)", source)
    results = []
    for one in sets:
        value = float(number.group(1)) if number else float(data(**one).sum())
        observed = {"question": "total", "blank": False, "reached": [], "outcomes": [{"value": value}]}
        result = {"observed": {"total": observed}, "stopped": {}, "errors": {}, "seconds": time.monotonic() % 1}
        if found := re.search(r"# stopped: ?(.*)", source):
            result |= {"observed": {}, "stopped": {"total": "crashed"}, "why": {"total": found.group(1)}}
        results.append(result | ({"notebook": text} if how["keep"] else {}))
    return json.dumps(results)


def main(root: str, folder: str, out: str, workers: int) -> None:
    """Grade a class in a process of its own, which a test may end."""
    from coursework.grade import Settings, grade
    from coursework.project import Project

    hidden, settings = {ID: [HIDDEN]}, Settings(workers)
    graded = grade(Project.find(Path(root)), Path(folder), Path(out), [ID], hidden=hidden, settings=settings, run=run)
    print(f"{len(graded)} graded")


_ready = False


def ready() -> None:
    """What workers call once, before they are forked."""
    global _ready
    _ready = True


def about() -> str:
    """What a worker says of itself: whether it is ready, its parent, its session, the files that it has open."""
    links = (f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd"))
    files = [os.readlink(link) for link in links if os.path.lexists(link)]
    return json.dumps([_ready, os.getppid(), os.getsid(0), files])


if __name__ == "__main__":
    import cheap  # by its own name, by which the workers find it

    cheap.main(*sys.argv[1:4], int(sys.argv[4]))
