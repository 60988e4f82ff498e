"""What holds for every test: none is left out in silence, and none writes into anybody's own record of progress."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
#: How the reason of a skip begins that nothing could be installed against. Any other skip fails where `CI` is set.
ELSEWHERE = "not on this platform"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes more than half a minute; `pytest -m 'not slow'` leaves it out")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow files first, so that several workers end at about the same time."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session", autouse=True)
def _nobodys_progress(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSEWORK_DATA", str(tmp_path_factory.mktemp("progress")))
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    return refuse_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector):
    return refuse_skip((yield))


def refuse_skip(report):
    """On a person's machine a test may be skipped, and is counted at the end; where `CI` is set it must run."""
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[-1].removeprefix("Skipped: ")
        if not reason.startswith(ELSEWHERE):
            report.outcome = "failed"
            report.longrepr = f"left out, which is not allowed where CI is set: {reason}"
    return report


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this checkout as a clone would have it: nothing that git ignores."""
    target = tmp_path_factory.mktemp("checkout") / "course"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True
    )
    if listed.returncode:  # downloaded without its history
        built = shutil.ignore_patterns(
            ".venv", "_build", "__pycache__", "*.egg-info", ".*_cache", ".hypothesis", "grades"
        )
        shutil.copytree(ROOT, target, ignore=built)
        return target
    for name in filter(None, os.fsdecode(listed.stdout).split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)
    return target
