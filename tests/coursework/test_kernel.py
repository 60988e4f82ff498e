"""The warm kernel: every client reaches it by its name, and two of its children share nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel

from coursework.kernel import SANDBOX, WARM, isolation, pool, provisioner, spec
from coursework.kernel.application import BoundedOutStream

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="not on this platform: there is no forking"),
]


@pytest.fixture(scope="module", autouse=True)
def own_servers() -> Iterator[Path]:
    """Fork servers of these tests' own, which are gone after them."""
    folder = Path(tempfile.mkdtemp(prefix="cw", dir="/tmp"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(pool.RUNTIME_VARIABLE, str(folder))
        if not spec.installed():
            spec.install()
        yield folder
        pool.servers("stop")
    shutil.rmtree(folder, ignore_errors=True)


class Kernel:
    """A kernel and a client of it, for a `with` block."""

    def __init__(self, name: str = WARM, **options: object) -> None:
        self.manager, self.client = start_new_kernel(kernel_name=name, startup_timeout=120, **options)

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def run(self, code: str) -> str:
        said: list[str] = []

        def hear(message: dict) -> None:
            if message["msg_type"] in ("stream", "error"):
                content = message["content"]
                said.append(content.get("text") or f"{content['ename']}: {content['evalue']}")

        self.client.execute_interactive(code, output_hook=hear, timeout=240)
        return "".join(said).strip()


def notebook(folder: Path, *sources: str, kernel: str = WARM) -> Path:
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    made = nbformat.v4.new_notebook(cells=cells)
    made.metadata["kernelspec"] = {"name": kernel, "display_name": kernel, "language": "python"}
    path = folder / "notebook.ipynb"
    nbformat.write(made, path)
    return path


def is_warm(path: Path) -> bool:
    text = "".join(o.get("text", "") for cell in nbformat.read(path, 4).cells for o in cell.get("outputs", []))
    return "warm True" in text


#: True in a kernel whose stack was there before its first cell.
ASK = "import sys\nprint('warm', 'sklearn' in sys.modules)"


def command(name: str, *arguments: object) -> subprocess.CompletedProcess:
    words = [str(Path(sys.executable).with_name(name)), *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)


# ------------------------------------------------------------------------------------------------- its clients


def test_papermill_reaches_it_by_name(tmp_path):
    path = notebook(tmp_path, ASK, kernel="python3")
    done = command("papermill", "-k", WARM, "--no-progress-bar", path, tmp_path / "out.ipynb")
    assert done.returncode == 0, done.stderr
    assert is_warm(tmp_path / "out.ipynb")


def test_nbclient_reaches_it_by_the_notebooks_own_word(tmp_path):
    from nbclient import NotebookClient

    path = notebook(tmp_path, ASK)
    made = nbformat.read(path, 4)
    NotebookClient(made).execute()
    nbformat.write(made, path)
    assert is_warm(path)


def test_nbval_reaches_it_and_compares_outputs(tmp_path):
    path = notebook(tmp_path, ASK, kernel="python3")
    made = nbformat.read(path, 4)
    made.cells[0].outputs = [nbformat.v4.new_output("stream", name="stdout", text="warm True\n")]
    made.cells[0].execution_count = 1
    nbformat.write(made, path)
    options = ["-p", "no:cacheprovider", "--nbval", "--nbval-cell-timeout", "60", path]
    assert command("pytest", "--nbval-kernel-name", WARM, *options).returncode == 0
    assert command("pytest", "--nbval-kernel-name", "python3", *options).returncode == 1


def test_jupyter_book_executes_pages_on_it(tmp_path):
    notebook(tmp_path, ASK)
    (tmp_path / "_config.yml").write_text(
        "title: t\nexecute:\n  execute_notebooks: force\nonly_build_toc_files: true\n"
    )
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: notebook\n")
    made = nbformat.read(tmp_path / "notebook.ipynb", 4)
    made.cells.insert(0, nbformat.v4.new_markdown_cell("# A page"))
    nbformat.write(made, tmp_path / "notebook.ipynb")
    done = command("jupyter-book", "build", tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "warm True" in (tmp_path / "_build/html/notebook.html").read_text()


def test_jupyterlabs_server_starts_restarts_interrupts_and_ends_it(tmp_path):
    words = [Path(sys.executable).with_name("jupyter"), "server", "--no-browser", "--allow-root"]
    words += ["--ServerApp.port=0", "--IdentityProvider.token=t", f"--ServerApp.root_dir={tmp_path}"]
    environment = {**os.environ, "JUPYTER_RUNTIME_DIR": str(tmp_path / "r")}
    server = subprocess.Popen([str(w) for w in words], env=environment, stderr=subprocess.DEVNULL)
    try:
        files: list[Path] = []
        for _ in range(300):
            files = list(tmp_path.glob("r/jpserver-*.json"))
            if files:
                break
            time.sleep(0.2)
        url = json.loads(files[0].read_text())["url"]

        def ask(method: str, path: str, body: object = None) -> object:
            data = None if body is None else json.dumps(body).encode()
            request = urllib.request.Request(f"{url}api/{path}?token=t", data, method=method)
            with urllib.request.urlopen(request, timeout=120) as answer:
                text = answer.read()
            return json.loads(text) if text else None

        for _ in range(100):
            try:
                assert WARM in ask("GET", "kernelspecs")["kernelspecs"]
                break
            except OSError:
                time.sleep(0.2)
        kernel = ask("POST", "kernels", {"name": WARM})
        ours = [one for one in pool.servers() if one["kernels"]]
        assert len(ours) == 1 and len(ours[0]["kernels"]) == 1
        before = ours[0]["kernels"][0]["pid"]
        ask("POST", f"kernels/{kernel['id']}/interrupt", {})
        ask("POST", f"kernels/{kernel['id']}/restart", {})
        after = [k["pid"] for one in pool.servers() for k in one["kernels"]]
        assert len(after) == 1 and after != [before]
        assert ask("GET", f"kernels/{kernel['id']}")["name"] == WARM
        ask("DELETE", f"kernels/{kernel['id']}")
        assert not [k for one in pool.servers() for k in one["kernels"]]
    finally:
        server.terminate()
        server.wait(30)


def test_an_interrupt_ends_a_cell_and_not_the_kernel():
    with Kernel() as kernel:
        assert kernel.run("x = 5") == ""
        asked = kernel.client.execute("import time\nprint('begun')\nwhile True: time.sleep(0.01)")
        while kernel.client.get_iopub_msg(timeout=30)["msg_type"] != "stream":  # on a busy machine it takes a while
            pass
        kernel.manager.interrupt_kernel()
        while (reply := kernel.client.get_shell_msg(timeout=30))["parent_header"].get("msg_id") != asked:
            pass
        assert reply["content"]["ename"] == "KeyboardInterrupt"
        assert kernel.run("print(x)") == "5"


# ------------------------------------------------------------------------------------------- what is not shared


def test_a_wide_table_prints_as_on_an_ordinary_kernel():
    """pandas looks once, at its import, whether it stands in a terminal."""
    code = "import pandas as pd\nprint(repr(pd.DataFrame({f'a column of some length {i}': [i] for i in range(8)})))"
    with Kernel() as warm, Kernel("python3") as cold:
        assert warm.run(code) == cold.run(code)


def test_random_numbers_differ_from_kernel_to_kernel():
    code = "import random, numpy as np, scipy.stats\n"
    code += "print(random.random(), np.random.rand(), scipy.stats.norm.rvs())"
    drawn = []
    for _ in range(3):
        with Kernel() as kernel:
            drawn.append(kernel.run(code).split())
    for same in zip(*drawn, strict=True):
        assert len(set(same)) == 3


def test_each_kernel_has_its_clients_environment_folder_and_modules_of_its_own(tmp_path):
    code = "import os, numpy, time\nnumpy.mine = 1\nprint(os.environ.get('MARK'), os.getcwd(), 'first' in globals())"
    for mark in ("one", "two"):
        (tmp_path / mark).mkdir()
        with Kernel(cwd=str(tmp_path / mark), env={**os.environ, "MARK": mark, "TZ": "Asia/Tokyo"}) as kernel:
            assert kernel.run(f"import numpy\nprint(hasattr(numpy, 'mine'))\n{code}\nfirst = 1") == (
                f"False\n{mark} {tmp_path / mark} False"
            )
            assert kernel.run("print(time.tzname[0])") == "JST"


def test_no_file_of_the_servers_is_open_in_a_kernel(own_servers):
    with Kernel() as kernel:
        said = kernel.run("""
import os, json
found = []
for name in os.listdir("/proc/self/fd"):
    try: found.append(os.readlink(f"/proc/self/fd/{name}"))
    except OSError: pass
print(json.dumps(found))""")
    files = [name for name in json.loads(said) if name.startswith("/") and not name.startswith(("/dev/", "/proc/"))]
    assert not [name for name in files if str(own_servers) in name], files
    assert sum(name.startswith("/proc") and "ns/pid" in name for name in json.loads(said)) == 0


def test_linear_algebra_and_openmp_work_with_threads_in_many_kernels_at_once():
    code = """
import numpy as np, threadpoolctl
from sklearn.cluster import KMeans
from sklearn.ensemble import HistGradientBoostingRegressor
X = np.random.default_rng(0).normal(size=(400, 20))
for _ in range(3): np.linalg.svd(X @ X.T)
KMeans(3, n_init=1).fit(X); HistGradientBoostingRegressor(max_iter=5).fit(X, X[:, 0])
print(max(p["num_threads"] for p in threadpoolctl.threadpool_info()))"""
    kernels = [Kernel() for _ in range(3)]
    try:
        for kernel in kernels:
            assert int(kernel.run(code)) == os.cpu_count()
    finally:
        for kernel in kernels:
            kernel.__exit__()


def test_locks_held_nowhere_threads_started_nowhere():
    with Kernel() as kernel:
        kernel.run("import logging, threading\nlogging.warning('x')")
        kernel.run("t = threading.Thread(target=print)\nt.start()\nt.join(5)")
        assert kernel.run("print(t.is_alive())") == "False"
        assert kernel.run("from multiprocessing import Pool\nprint(sum(Pool(2).map(abs, [-1, -2])))") == "3"


# ---------------------------------------------------------------------------------------------- the fork server


def test_there_is_one_server_for_many_clients_and_it_says_what_runs():
    with Kernel(), Kernel(), Kernel():
        busy = [one for one in pool.servers() if one["kernels"]]
        assert len(busy) == 1 and len(busy[0]["kernels"]) == 3
        done = command("coursework", "kernel")
        assert "3 kernels now" in done.stdout and done.returncode == 0


def test_clients_that_start_at_once_share_one_server(tmp_path):
    script = "from jupyter_client.manager import start_new_kernel\n"
    script += "manager, _ = start_new_kernel(kernel_name='coursework')\nmanager.shutdown_kernel(now=True)"
    environment = {**os.environ, "COURSEWORK_RUNTIME": str(tmp_path)[:80], "OMP_NUM_THREADS": "1"}
    (tmp_path).chmod(0o700)
    clients = [subprocess.Popen([sys.executable, "-c", script], env=environment) for _ in range(3)]
    assert [client.wait(120) for client in clients] == [0, 0, 0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(pool.RUNTIME_VARIABLE, environment["COURSEWORK_RUNTIME"])
        ended = pool.servers("stop")
    assert [one["count"] for one in ended] == [3]


def test_a_changed_course_or_environment_gets_a_new_server(tmp_path):
    package = tmp_path / "src" / "changing"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("said = 'before'")
    environment = {**os.environ, "PYTHONPATH": str(package.parent)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(package.parent))
        for word in ("before", "now"):
            (package / "__init__.py").write_text(f"said = {word!r}")
            with Kernel(env=environment) as kernel:
                assert kernel.run("import changing\nprint(changing.said)") == word
                pids = [one["pid"] for one in pool.servers() if one["kernels"]]
        first = pool.fingerprint()
        (package / "more.py").touch()
        assert pool.fingerprint() != first
        assert len(pids) == 1


def test_an_idle_server_ends_and_leaves_no_process(tmp_path, monkeypatch):
    folder = Path(tempfile.mkdtemp(prefix="cw", dir="/tmp"))
    monkeypatch.setenv(pool.RUNTIME_VARIABLE, str(folder))
    monkeypatch.setenv(pool.IDLE_VARIABLE, "1")
    try:
        with Kernel() as kernel:
            kernel.run("1")
            (one,) = pool.servers()
        for _ in range(100):
            if not pool.servers():
                break
            time.sleep(0.1)
        assert pool.servers() == []
        assert not is_alive(one["pid"])
        with Kernel() as kernel:  # and another takes its place
            assert kernel.run("print(1)") == "1"
    finally:
        pool.servers("stop")
        shutil.rmtree(folder, ignore_errors=True)


def is_alive(pid: int) -> bool:
    for _ in range(50):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return False
        if state == "Z":
            return False
        time.sleep(0.1)
    return True


def test_a_kernel_ends_with_the_client_that_was_killed():
    script = (
        "import time\nfrom jupyter_client.manager import start_new_kernel\n"
        "km, kc = start_new_kernel(kernel_name='coursework')\n"
        "print(km.provisioner.pid, flush=True)\ntime.sleep(600)"
    )
    client = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    kernel = int(client.stdout.readline())
    os.kill(kernel, 0)
    client.kill()
    client.wait()
    assert not is_alive(kernel)


def test_a_killed_server_takes_its_kernels_along_and_its_clients_notice():
    with Kernel() as kernel:
        (busy,) = [one for one in pool.servers() if one["kernels"]]
        os.kill(busy["pid"], signal.SIGKILL)
        assert not is_alive(busy["kernels"][0]["pid"])
        deadline = time.monotonic() + 10
        while kernel.manager.is_alive() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not kernel.manager.is_alive()
    with Kernel() as kernel:
        assert kernel.run("print(1)") == "1"


def test_a_kernel_that_died_is_noticed():
    with Kernel() as kernel:
        kernel.client.execute("import os; os._exit(3)")
        for _ in range(100):
            if not kernel.manager.is_alive():
                break
            time.sleep(0.05)
        assert not kernel.manager.is_alive() and kernel.manager.provisioner.exit_code == 3


def test_a_folder_that_others_may_enter_is_refused(tmp_path, monkeypatch):
    (tmp_path / "r").mkdir(mode=0o755)
    monkeypatch.setenv(pool.RUNTIME_VARIABLE, str(tmp_path / "r"))
    with pytest.raises(pool.NoServer, match="nobody else may enter"):
        pool.runtime_folder()


def test_where_forking_cannot_be_had_the_same_name_starts_an_ordinary_kernel_and_says_so(monkeypatch, caplog):
    monkeypatch.setattr(provisioner.pool, "can_fork", lambda: False)
    monkeypatch.setattr("traitlets.log.get_logger", lambda: __import__("logging").getLogger("traitlets"))
    said: list[str] = []
    monkeypatch.setattr(
        provisioner.WarmProvisioner, "_without", _noting(provisioner.WarmProvisioner._without, said), raising=True
    )
    with Kernel() as kernel:
        assert kernel.run(ASK) == "warm False"
        assert kernel.manager.provisioner.process is not None
    assert said and "has no safe fork" in said[0]


def _noting(method, said):
    def noted(self, why):
        said.append(why)
        method(self, why)

    return noted


def test_the_kernelspecs_say_their_language_and_can_be_installed_anywhere(tmp_path):
    assert not spec.installed(tmp_path)
    done = command("coursework", "kernel", "install", "--prefix", tmp_path)
    assert done.returncode == 0 and spec.installed(tmp_path)
    for name in spec.SPECS:
        stored = json.loads((spec.folder_of(name, tmp_path) / "kernel.json").read_text())
        assert stored["language"] == "python"
    (spec.folder_of(WARM, tmp_path) / "kernel.json").write_text("{}")
    assert not spec.installed(tmp_path)


def test_a_kernelspec_knows_its_interpreter_by_each_of_its_names_and_no_other(tmp_path):
    for folder in (tmp_path / "one", tmp_path / "other"):
        folder.mkdir()
        for name in ("python", "python3"):
            (folder / name).symlink_to(sys.executable)
    wanted = {**spec.kernelspec(WARM), "argv": [str(tmp_path / "one" / "python"), "-m", "ipykernel_launcher"]}

    def stored(*argv: str) -> dict:
        return {**wanted, "argv": [*argv, "-m", "ipykernel_launcher"]}

    assert spec._says(stored(str(tmp_path / "one" / "python3")), wanted)
    assert not spec._says(stored(str(tmp_path / "other" / "python")), wanted)
    assert not spec._says({**stored(str(tmp_path / "one" / "python")), "language": "R"}, wanted)


ABOUT = """import os, random, threading
import numpy as np
shell = get_ipython()
kernel = shell.kernel
print(kernel.session.session, kernel.ident, random.random(), np.random.rand(), os.getpid())"""


@pytest.mark.skipif(bool(isolation.missing()), reason="no sandbox here")
def test_isolated_kernels_are_prepared_before_the_fork_and_share_nothing():
    with Kernel(SANDBOX) as one, Kernel(SANDBOX) as other:
        assert one.run("x = 1; import json; json.left_behind = 1\n%store x") == "Stored 'x' (int)"
        said = [kernel.run(ABOUT).split() for kernel in (one, other)]
        assert all(mine != theirs for mine, theirs in zip(said[0][:4], said[1][:4], strict=True))
        assert said[0][4] == said[1][4] == "2"
        assert other.run("import json; print('x' in globals(), hasattr(json, 'left_behind'))") == "False False"
        assert other.run("%store -r x") == "no stored variable or alias x"
        for kernel in (one, other):
            # Everything that publishes does it in this kernel's session, and `_dh` is its own folder.
            same = "shell.display_pub.session is shell.displayhook.session is kernel.session"
            assert kernel.run(f"print({same}, os.getcwd() == str(_dh[0]) == shell.starting_dir)") == "True True"


@pytest.mark.skipif(bool(isolation.missing()), reason="no sandbox here")
def test_guards_of_isolated_kernels_are_small_and_a_lost_keeper_is_replaced(own_servers):
    import psutil

    with Kernel(SANDBOX) as kernel:
        assert kernel.run("print(2)") == "2"
        family = [p for p in psutil.process_iter() if _is_ours(p, own_servers)]
        private = sorted(p.memory_full_info().uss + p.memory_info().rss for p in family)
        server = max(family, key=lambda p: (len(p.children()), p.memory_info().rss))
        keeper = min(server.children(), key=lambda p: p.memory_info().rss)
        (guard,) = keeper.children()
        assert guard.memory_info().rss < server.memory_info().rss / 2, private
        keeper.kill()
        assert kernel.run("print(3)") == "3"  # its guard is there still
    with Kernel(SANDBOX) as kernel:
        assert kernel.run("print(4)") == "4"
    assert server.is_running()


def _is_ours(process, folder: Path) -> bool:
    """Whether a process came of the isolated server whose log lies below `folder`."""
    try:
        return os.readlink(f"/proc/{process.pid}/fd/2").startswith(str(folder)) and "--sandboxed" in process.cmdline()
    except OSError:
        return False


def test_the_sandbox_is_given_the_list_of_those_fonts_that_it_shows(tmp_path, monkeypatch):
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path))
    names = ("fonts/ttf/DejaVuSans.ttf", "/usr/share/fonts/a.ttf", "/home/me/b.ttf", "/usr/share/../../home/me/c.ttf")
    known = {"afmlist": [], "ttflist": [{"fname": name} for name in names]}
    (tmp_path / "fontlist-v1.json").write_text(json.dumps(known))
    (tmp_path / "fontlist-v2.json").write_text("{")
    (tmp_path / "fontlist-v3.json").write_text("[]")
    found = isolation._fonts()
    assert list(found) == ["fontlist-v1.json"]
    assert [one["fname"] for one in json.loads(found["fontlist-v1.json"])["ttflist"]] == list(names[:2])


def test_printing_is_bounded_only_where_a_bound_is_set():
    assert BoundedOutStream.limit == 0
