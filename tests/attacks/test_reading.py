"""What a submission must not see: host files, the environment, other processes, other submissions, any network."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from jupyter_client.manager import KernelManager, start_new_kernel
from traitlets.config import Config

from coursework.kernel import isolation, pool
from coursework.kernel.hiding import out_of_sight

ROOT = Path(__file__).resolve().parents[2]
CANARY = "canary-7e1f5b"


def reading(path: Path | str) -> str:
    return f"""
import json
try:
    found = open({str(path)!r}, "rb").read().decode("utf-8", "replace")
except OSError as error:
    found = type(error).__name__
print(json.dumps(found))
"""


def test_a_host_file_is_read_by_an_ordinary_kernel_and_not_by_an_isolated_one(attack, tmp_path):
    (tmp_path / "gradebook.sqlite").write_text(CANARY)
    os.chmod(tmp_path / "gradebook.sqlite", 0o644)
    code = reading(tmp_path / "gradebook.sqlite")
    assert attack(code, sandbox=False).value() == CANARY
    assert attack(code).value() == "FileNotFoundError"


@pytest.mark.parametrize(
    "path",
    [
        "solutions/math/least_squares.ipynb",
        "exercises/math/least_squares.ipynb",
        "demo/private.yml",
        "tests/mle/test_least_squares.py",
        ".git",
        "pyproject.toml",
    ],
)
def test_of_the_course_only_its_packages_are_there(attack, path):
    assert attack(reading(ROOT / path)).value() == "FileNotFoundError"


def test_the_published_answers_beside_the_checks_are_empty(attack):
    answers = ROOT / "src/mle/checks/math/least_squares.json"
    assert len(answers.read_text()) > 100
    assert attack(reading(answers)).value() == ""
    assert "the_job" in attack(reading(ROOT / "src/mle/checks/role/the_job.py")).value()


def test_no_text_of_the_host_is_anywhere_in_the_sandbox(attack, tmp_path):
    """A walk over every file that can be read, but for the operating system's and Python's own."""
    for folder in (Path.home(), Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"), pool.runtime_folder(), tmp_path):
        (folder / CANARY).write_text(CANARY)
    code = f"""
import json, os
found, seen = [], 0
spared = ("/usr", "/proc/sys", {sys.prefix!r}, {sys.base_prefix!r})
for top, folders, names in os.walk("/"):
    folders[:] = [f for f in folders if not os.path.join(top, f).startswith(spared)]
    for name in [*names, *folders]:
        path = os.path.join(top, name)
        seen += 1
        if {CANARY!r} in name:
            found.append(path)
        try:
            if os.path.isfile(path) and os.access(path, os.R_OK) and "kmsg" not in path and "kcore" not in path:
                with open(path, "rb") as file:
                    if {CANARY.encode()!r} in file.read(1 << 20) and "/task/" not in path and "self" not in path:
                        found.append(path)
        except OSError:
            pass
print(json.dumps([found, seen]))
"""
    try:
        found, seen = attack(code, timeout=300, environment={"CANARY": CANARY}).value()
    finally:
        for folder in (Path.home(), Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"), pool.runtime_folder()):
            (folder / CANARY).unlink()
    assert found == [] and seen > 200


def test_the_graders_environment_does_not_come_along(attack):
    code = "import os, json; print(json.dumps(dict(os.environ)))"
    environment = {"GRADER_TOKEN": CANARY, "HOME": str(Path.home())}
    assert attack(code, sandbox=False, environment=environment).value()["GRADER_TOKEN"] == CANARY
    seen = attack(code, environment=environment).value()
    assert CANARY not in json.dumps(seen) and seen["HOME"] == isolation.WORK


def test_the_process_that_watches_can_be_neither_read_nor_traced(attack):
    code = """
import ctypes, glob, json, os
found = {}
for name in ("environ", "mem", "maps", "root", "cwd", "fd", "cmdline"):
    path = f"/proc/1/{name}"
    try:
        found[name] = str(os.listdir(path) if name in ("root", "cwd", "fd") else open(path, "rb").read(10))
    except OSError as error:
        found[name] = type(error).__name__
libc = ctypes.CDLL(None, use_errno=True)
found["ptrace"] = libc.ptrace(16, 1, 0, 0)
found["pids"] = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
print(json.dumps(found))
"""
    found = attack(code).value()
    assert found.pop("ptrace") == -1
    assert found.pop("pids") == [2]
    assert set(found.values()) <= {"PermissionError", "FileNotFoundError", "ProcessLookupError"}, found


def test_two_submissions_at_once_see_nothing_of_each_other(tmp_path):
    first, one = start_new_kernel(kernel_name="coursework-sandbox")
    second, other = start_new_kernel(kernel_name="coursework-sandbox")
    try:
        _execute(
            one,
            f"""
import os, subprocess
for folder in ("/sandbox/work", "/sandbox/tmp", "/tmp", "/dev/shm"):
    try:
        open(f"{{folder}}/{CANARY}", "w").write("x")
    except OSError as error:
        print(folder, error)
child = subprocess.Popen(["sleep", "7755"])
from multiprocessing import shared_memory
""",
        )
        said = _execute(
            other,
            f"""
import os
found = [f for f in ("/sandbox/work", "/sandbox/tmp", "/tmp", "/dev/shm") if os.path.exists(f"{{f}}/{CANARY}")]
pids = [name for name in os.listdir("/proc") if name.isdigit()]
words = b"".join(open(f"/proc/{{pid}}/cmdline", "rb").read() for pid in pids)
print(found, b"7755" in words, len(pids))
""",
        )
        assert said == "[] False 1\n"
    finally:
        for manager, client in ((first, one), (second, other)):
            client.stop_channels()
            manager.shutdown_kernel(now=True)


def _execute(client, code: str) -> str:
    said = []

    def hear(message):
        if message["msg_type"] in ("stream", "error"):
            said.append(message["content"].get("text") or str(message["content"].get("evalue")))

    client.execute_interactive(code, output_hook=hear, timeout=60)
    return "".join(said)


def test_a_listener_on_loopback_is_reached_by_an_ordinary_kernel_and_not_by_an_isolated_one(attack, tmp_path):
    heard = []
    listener = socket.create_server(("127.0.0.1", 0))
    by_path = socket.socket(socket.AF_UNIX)
    by_path.bind(str(tmp_path / "s"))
    by_path.listen()
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind(f"\0{CANARY}")
    abstract.listen()
    os.chmod(tmp_path / "s", 0o777)

    def hear(one):
        while True:
            try:
                link, _ = one.accept()
            except OSError:
                return
            heard.append(link.recv(100))
            link.close()

    for one in (listener, by_path, abstract):
        threading.Thread(target=hear, args=(one,), daemon=True).start()
    code = f"""
import json, socket
errors = []
for family, address in ((socket.AF_INET, ("127.0.0.1", {listener.getsockname()[1]})),
                        (socket.AF_UNIX, {str(tmp_path / "s")!r}), (socket.AF_UNIX, "\\0{CANARY}")):
    link = socket.socket(family)
    link.settimeout(5)
    try:
        link.connect(address)
        link.sendall(b"{CANARY}")
        link.recv(1)
        errors.append("connected")
    except OSError as error:
        errors.append(type(error).__name__)
print(json.dumps(errors))
"""
    try:
        assert attack(code, sandbox=False).value() == ["connected"] * 3
        assert heard == [CANARY.encode()] * 3
        heard.clear()
        assert "connected" not in attack(code).value()
        time.sleep(0.2)
        assert heard == []
    finally:
        for one in (listener, by_path, abstract):
            one.close()


def test_there_is_no_interface_and_no_route_and_no_other_kind_of_socket(attack):
    code = """
import json, socket
interfaces = [line.split(":")[0].strip() for line in open("/proc/net/dev").readlines()[2:]]
up = []
import fcntl, struct
probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for name in interfaces:
    flags = fcntl.ioctl(probe, 0x8913, struct.pack("256s", name.encode()))
    if struct.unpack("H", flags[16:18])[0] & 1:
        up.append(name)
routes = sum(not line.startswith("Iface") for line in open("/proc/net/route"))
rejects = 0x200  # the kernel's own "unreachable", which every network namespace has
routes += sum(not int(line.split()[8], 16) & rejects for line in open("/proc/net/ipv6_route"))
refused = {}
for family in (40, 17, 31, 38, 44):  # vsock, packet, bluetooth, the kernel's ciphers, XDP
    try:
        socket.socket(family, socket.SOCK_STREAM)
        refused[family] = "made"
    except OSError as error:
        refused[family] = type(error).__name__
print(json.dumps([up, routes, sorted(set(refused.values()))]))
"""
    assert attack(code).value() == [[], 0, ["OSError"]]


def test_the_environment_of_python_cannot_be_written(attack):
    code = f"""
import json, os
found = []
for path in ({sys.prefix!r} + "/lib/planted.pth", {str(ROOT / "src/coursework/judge.py")!r}, "/usr/planted",
             "/planted", "/etc/passwd", "/proc/sys/kernel/core_pattern", "/proc/1/oom_score_adj"):
    try:
        open(path, "a").write("x")
        found.append(path)
    except OSError:
        pass
print(json.dumps(found))
"""
    before = (ROOT / "src/coursework/judge.py").read_bytes()
    assert attack(code).value() == []
    assert (ROOT / "src/coursework/judge.py").read_bytes() == before


@pytest.mark.skipif(
    os.geteuid() != 0, reason="not on this platform: all of these tests run as an ordinary user already"
)
def test_the_same_walls_stand_around_an_ordinary_users_kernels():
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # pytest's own lie where only root may walk
        _as_ordinary_user(Path(folder))


def _as_ordinary_user(home: Path) -> None:
    home.chmod(0o755)
    (home / "secret").write_text(CANARY)
    script = home / "attack.py"
    script.write_text(f"""
import json, os, sys
from jupyter_client.manager import KernelManager, start_new_kernel
from traitlets.config import Config
assert os.geteuid() != 0
answers = {{}}
for kernel in ("coursework", "coursework-sandbox"):
    manager, client = start_new_kernel(kernel_name=kernel)
    said = []
    code = '''
import os
try: print(open({str(home / "secret")!r}).read(), end=" ")
except OSError as error: print(type(error).__name__, end=" ")
print([p for p in os.listdir("/proc") if p.isdigit()] == ["2"], "GRADER_TOKEN" in os.environ)
'''
    client.execute_interactive(code, output_hook=lambda m: said.append(m["content"].get("text", "")), timeout=60)
    answers[kernel] = "".join(said).strip()
    client.stop_channels()
    manager.shutdown_kernel(now=True)
from coursework.kernel.pool import servers
servers("stop")
print(json.dumps(answers))
""")
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("ordinary.py"), home, sys.executable, script],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "HOME": str(home), "COURSEWORK_RUNTIME": str(home / "r"), "GRADER_TOKEN": CANARY},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers = json.loads(done.stdout.splitlines()[-1])
    assert answers == {
        "coursework": f"{CANARY} False True",
        "coursework-sandbox": "FileNotFoundError True False",
    }


def test_modules_that_are_out_of_bounds_can_be_hidden_where_nothing_given_needs_them(prey, tmp_path):
    source = prey.root / "src" / "prey" / "scratch"
    source.mkdir()
    (source / "__init__.py").write_text("def average(values):\n    return 1")
    exercise = prey.load("demo/stats")
    question = exercise.questions["average"]
    object.__setattr__(question, "out_of_bounds", ("numpy.mean", "prey.scratch"))
    try:
        assert out_of_sight(exercise, "import numpy") == [str(source)]
        assert out_of_sight(exercise, "if n:\n    from prey.scratch import average") == []
        assert out_of_sight(exercise, "from prey import scratch") == []
    finally:
        object.__setattr__(question, "out_of_bounds", ("numpy.mean",))
    config = Config({"SandboxProvisioner": {"hidden": [str(source)]}})
    manager = KernelManager(kernel_name="coursework-sandbox", config=config)
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    try:
        assert "prey.scratch" in _execute(client, "import prey\nfrom prey.scratch import average")
        assert "Permission denied" in _execute(client, f"open({str(source / '__init__.py')!r})")
        assert _execute(client, "import prey.checks.demo.stats\nprint(1)") == "1\n"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
