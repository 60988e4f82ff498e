"""What a submission must not exhaust: time, memory, processes, disk, the grader's memory. Nothing outlives its run."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from coursework.kernel.limits import MB

#: The grader's own memory, in MB: what it holds before it grades, and what it may take on.
MOST = 300


def running(word: str) -> list[int]:
    """Processes of this machine whose command line holds a word."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            pass
    return [pid for pid in found if pid != os.getpid()]


def is_gone(word: str) -> bool:
    for _ in range(50):
        if not running(word):
            return True
        time.sleep(0.1)
    return False


# --------------------------------------------------------------------------------------------------- processes


def test_a_fork_bomb_reaches_its_bound_and_the_run_goes_on(attack):
    ran = attack("""
        import json, os, time
        made = 0
        for _ in range(300):
            try:
                pid = os.fork()
            except OSError:
                break
            if pid == 0:
                time.sleep(60)
                os._exit(0)
            made += 1
        print(json.dumps(made))
    """, processes=40)  # fmt: skip
    assert 5 < ran.value() < 40 and not ran.stopped


@pytest.mark.parametrize("detached", [False, True], ids=["child", "detached"])
def test_no_process_survives_its_run(attack, detached):
    word = f"86{os.getpid()}{int(detached)}"
    ran = attack(f"""
        import json, os, signal, subprocess
        if {detached} and os.fork() == 0:
            os.setsid()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            if os.fork() == 0:
                os.execvp("sleep", ["sleep", "{word}"])
            os._exit(0)
        if not {detached}:
            subprocess.Popen(["sleep", "{word}"])
        import time
        time.sleep(0.5)
        words = [open(f"/proc/{{p}}/cmdline").read() for p in os.listdir("/proc") if p.isdigit()]
        print(json.dumps(any("{word}" in text for text in words)))
    """)
    assert ran.value() is True
    assert is_gone(word)


def test_one_that_ignores_signals_and_loops_runs_out_of_time_and_is_gone(attack):
    word = f"87{os.getpid()}"
    ran = attack(f"""
        import signal, subprocess
        subprocess.Popen(["sleep", "{word}"], preexec_fn=lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN))
        for number in set(signal.Signals) - {{signal.SIGKILL, signal.SIGSTOP}}:
            try:
                signal.signal(number, signal.SIG_IGN)
            except OSError:
                pass
        while True:
            try:
                while True:
                    pass
            except BaseException:
                pass
    """, timeout=3)  # fmt: skip
    assert list(ran.stopped.values()) == ["timeout"] and ran.seconds < 60
    assert is_gone(word)


def test_a_loop_in_c_code_runs_out_of_time(attack):
    ran = attack("import itertools, collections\ncollections.deque(itertools.repeat(0), maxlen=0)", timeout=3)
    assert list(ran.stopped.values()) == ["timeout"] and ran.seconds < 60


def test_parents_and_siblings_cannot_be_killed(attack):
    ran = attack("""
        import json, os, signal
        said = []
        for pid in (1, 0x7FFF, *range(300, 800)):  # the lower ones are its own threads
            for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGINT, signal.SIGSEGV):
                try:
                    os.kill(pid, number)
                    said.append(pid)
                except OSError:
                    pass
        print(json.dumps(sorted(set(said))))
    """)
    assert ran.value() in ([], [1]) and not ran.stopped  # the first process of a namespace takes no signal from inside


def test_killing_itself_costs_its_own_question_alone(attack):
    ran = attack("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert list(ran.stopped.values()) == ["crashed"]


def test_cpu_is_bounded_over_all_processes(attack):
    ran = attack("""
        import os
        for _ in range(3):
            if os.fork() == 0:
                while True:
                    pass
        while True:
            pass
    """, cpu_seconds=4)  # fmt: skip
    assert "more than 4 s of CPU" in ran.why


def test_a_runs_time_is_bounded(attack):
    ran = attack("import time\ntime.sleep(600)", run_seconds=30, timeout=8)
    assert list(ran.stopped.values()) == ["timeout"]


# ------------------------------------------------------------------------------------------------------ memory


def test_one_process_that_wants_too_much_gets_a_memory_error(attack):
    ran = attack("""
        import json
        import numpy as np
        try:
            np.ones(900 * 2**20 // 8)
            print(json.dumps("had it"))
        except MemoryError:
            print(json.dumps("MemoryError"))
    """, memory=400 * MB)  # fmt: skip
    assert ran.value() == "MemoryError" and not ran.stopped


@pytest.mark.parametrize("how", ["private", "shared"])
def test_memory_is_bounded_over_all_processes(attack, how):
    ran = attack(f"""
        import mmap, os, time
        for i in range(6):
            if os.fork() == 0:
                if "{how}" == "private":
                    held = bytearray(b'x') * (120 * 2**20)
                else:
                    held = mmap.mmap(-1, 120 * 2**20)
                    held.write(b'x' * (120 * 2**20))
                time.sleep(60)
                os._exit(0)
        time.sleep(30)
    """, memory=300 * MB, timeout=40)  # fmt: skip
    assert "more than 300 MB of memory" in ran.why


def test_memory_that_no_bound_counts_cannot_be_had(attack):
    ran = attack("""
        import ctypes, json, os
        libc = ctypes.CDLL(None, use_errno=True)
        answers = [libc.shmget(0, 1 << 20, 0o1600), libc.memfd_create(b"x", 0), libc.msgget(0, 0o1600)]
        print(json.dumps(answers))
    """)
    assert ran.value() == [-1, -1, -1]


# -------------------------------------------------------------------------------------------------------- disk


def test_the_disk_fills_up_and_only_inside(attack):
    ran = attack("""
        import json, os
        written = 0
        names = ("/sandbox/work/a", "/sandbox/tmp/b", "/dev/shm/c", "/sandbox/d")
        for name in names:
            try:
                with open(name, "wb") as file:
                    for _ in range(100):
                        written += file.write(bytes(2**20))
                        file.flush()
            except OSError:
                pass
        made = 0
        for name in names:
            if os.path.exists(name):
                os.unlink(name)
        try:
            for made in range(10_000):
                open(f"/sandbox/work/{made}", "w").close()
        except OSError:
            pass
        print(json.dumps([written / 2**20, made]))
    """, disk=40 * MB, file_size=20 * MB, files=1000)  # fmt: skip
    megabytes, files = ran.value()
    assert 15 < megabytes <= 41 and 500 < files < 1000


# ------------------------------------------------------------------------------------------------------ output


@pytest.mark.parametrize(
    "code",
    [
        "for _ in range(2_000_000):\n    print('x' * 99)",
        "print('x' * 200_000_000)",
        "import os\nfor _ in range(3200):\n    os.write(1, b'x' * 62_500)",
        "import sys\nfor _ in range(200):\n    sys.stderr.write('x' * 1_000_000)",
    ],
    ids=["as lines", "as one line", "past Python", "on standard error"],
)
def test_200_mb_of_output_leave_the_grader_small_and_the_question_graded(attack, code):
    ran = attack(code, timeout=120)
    assert len(ran.said) < 3_000_000
    assert ran.peak < MOST, f"{ran.peak} MB"
    assert not ran.stopped and "left out" in ran.said


UNCOUNTED = """
import coursework.kernel.application as application
application.BoundedOutStream.limit = 0
"""


def test_output_without_the_kernels_own_courtesy_ends_the_kernel(attack):
    ran = attack(UNCOUNTED + "import sys\nfor _ in range(200):\n    print('x' * 1_000_000)\n    sys.stdout.flush()")
    assert "MB of output" in ran.why and ran.peak < MOST
    ran = attack(UNCOUNTED + "print('x' * 200_000_000)")
    assert "a message of more than" in ran.why and ran.peak < MOST


def test_a_million_display_messages_leave_the_grader_small(attack):
    ran = attack("""
        from IPython.display import display
        for i in range(1_000_000):
            display({"text/plain": "x"}, raw=True)
    """, timeout=120)  # fmt: skip
    assert "more than 20,000 messages" in ran.why and ran.peak < MOST


@pytest.mark.parametrize("kind", ["display_data", "execute_result", "comm_open", "comm_msg", "update_display_data"])
def test_many_large_messages_of_any_kind_leave_the_grader_small(attack, kind):
    ran = attack(f"""
        from IPython import get_ipython
        kernel = get_ipython().kernel
        content = {{"data": {{"text/plain": "x" * 3_000_000, "state": {{"x": "x" * 1_000_000}}}}, "metadata": {{}},
                    "transient": {{"display_id": "1"}}, "execution_count": 1, "comm_id": "1", "target_name": "t"}}
        for _ in range(11):
            kernel.session.send(kernel.iopub_socket, "{kind}", content, parent=kernel.get_parent())
    """)
    assert ran.peak < MOST


def test_a_small_message_that_is_large_once_it_is_read_is_refused(attack):
    ran = attack("""
        from IPython.display import display
        display({"application/json": [[]] * 3_000_000}, raw=True)
    """)
    assert list(ran.stopped.values()) == ["crashed"] and "ValueError" in ran.why and ran.peak < MOST


RAW = """
import os, socket, struct, time
from IPython import get_ipython
# The connections that are open already, past ZeroMQ.
links = []
for number in range(3, 200):
    try:
        link = socket.socket(fileno=os.dup(number))
        if link.getpeername() is not None:
            links.append(link)
    except OSError:
        pass
def flood(data, times):
    for link in links:
        link.settimeout(3)
        try:
            for _ in range(times):
                link.sendall(data)
        except OSError:
            pass
"""


@pytest.mark.parametrize(
    "data",
    [
        "b'\\x01\\x01x' * 10_000",
        "b'\\x03' + struct.pack('>Q', 2**62)",
        "b'\\x00\\x00' * 10_000",
        "b'\\x04\\x00' * 10_000",
        "os.urandom(60_000)",
    ],
    ids=["an endless message", "a frame without end", "empty frames", "empty commands", "noise"],
)
def test_raw_frames_on_the_kernels_sockets_leave_the_grader_small(attack, data):
    ran = attack(RAW + f"print(len(links))\nflood({data}, 2000)\ntime.sleep(600)", timeout=15)
    assert ran.stopped and ran.peak < MOST


@pytest.mark.parametrize(
    "frames",
    [
        "[b'']",
        "[b'<IDS|MSG>']",
        "[b'<IDS|MSG>', b'wrong', b'{}', b'{}', b'{}', b'{}']",
        "[b'<IDS|MSG>', *signed(b'[' * 100_000, b'{}', b'{}', b'{}')]",
        "[b'<IDS|MSG>', *signed(b'{\"msg_type\": 7}', b'{\"msg_id\": []}', b'7', b'null')]",
        "[b'<IDS|MSG>', *signed(b'\\xff\\xfe', b'{}', b'{}', b'{}')]",
    ],
    ids=["empty", "cut short", "unsigned", "deep", "of other types", "not text"],
)
def test_malformed_messages_cost_their_own_question_alone(attack, frames):
    ran = attack(f"""
        import time
        from IPython import get_ipython
        kernel = get_ipython().kernel
        def signed(*parts):
            return [kernel.session.sign(list(parts)), *parts]
        for _ in range(3):
            kernel.iopub_socket.send_multipart({frames})
        time.sleep(600)
    """, timeout=8)  # fmt: skip
    assert len(ran.stopped) == 1 and ran.peak < MOST
