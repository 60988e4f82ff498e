"""The system calls of Linux that Python 3.11 does not offer: namespaces, mounts, capabilities, seccomp. No policy."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import platform
import struct
import sys
from collections.abc import Iterable, Sequence

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
NEW_NAMESPACES = (
    CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET
)

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 8, 4096, 16384, 1 << 18

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 4, 24, 38
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 47, 4

#: Where `descend` puts what another user is to find; in a mount namespace of its own.
STAGE = "/tmp"

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    _call("unshare", ctypes.c_int(flags))


def enter(namespace: int, kind: int) -> None:
    """Move this process (for a process-id namespace: its next children) into an open namespace."""
    _call("setns", ctypes.c_int(namespace), ctypes.c_int(kind))


def mount(source: str, target: str, kind: str | None = None, flags: int = 0, options: str = "") -> None:
    encoded = [None if text is None else text.encode() for text in (source, target, kind)]
    _call("mount", *encoded, ctypes.c_ulong(flags), options.encode() or None)


def close_others(keep: Iterable[int]) -> None:
    """Close every open file but the three standard ones and `keep`."""
    low = 3
    for kept in sorted(keep):
        os.closerange(low, kept)
        low = kept + 1
    os.closerange(low, 65536)


def prctl(option: int, *values: int) -> None:
    filled = [ctypes.c_ulong(v) for v in (*values, 0, 0, 0, 0)[:4]]
    _call("prctl", ctypes.c_int(option), *filled)


def drop_capabilities() -> None:
    """Give up every capability for good: also those that a set-user-id program would bring."""
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    for number in range(64):
        try:
            prctl(PR_CAPBSET_DROP, number)
        except OSError as error:
            if error.errno == errno.EINVAL:  # past the last one that this kernel has
                break
            if error.errno != errno.EPERM:
                raise
    header = struct.pack("Ii", 0x20080522, 0)
    _call("capset", ctypes.c_char_p(header), ctypes.c_char_p(bytes(24)))
    prctl(PR_SET_NO_NEW_PRIVS, 1)


# ------------------------------------------------------------------------------------------------------ seccomp

_LOAD, _JUMP_EQUAL, _JUMP_ANY_BIT, _JUMP_GREATER, _RETURN = 0x20, 0x15, 0x45, 0x25, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000

#: machine -> (audit architecture, numbers of the calls below)
_MACHINES: dict[str, tuple[int, dict[str, int]]] = {
    "x86_64": (
        0xC000003E,
        dict(
            ptrace=101, shmget=29, semget=64, msgget=68, mq_open=240, mount=165, umount2=166, pivot_root=155,
            chroot=161, unshare=272, setns=308, swapon=167, swapoff=168, reboot=169, sethostname=170,
            setdomainname=171, init_module=175, delete_module=176, finit_module=313, kexec_load=246,
            kexec_file_load=320, quotactl=179, acct=163, settimeofday=164, clock_settime=227, adjtimex=159,
            clock_adjtime=305, add_key=248, request_key=249, keyctl=250, perf_event_open=298, bpf=321,
            userfaultfd=323, open_by_handle_at=304, name_to_handle_at=303, process_vm_readv=310,
            process_vm_writev=311, kcmp=312, memfd_create=319, syslog=103, fanotify_init=300, vhangup=153,
            iopl=172, ioperm=173, socket=41, socketpair=53, clone=56, prlimit64=302, ioctl=16,
        ),
    ),
    "aarch64": (
        0xC00000B7,
        dict(
            ptrace=117, shmget=194, semget=190, msgget=186, mq_open=180, mount=40, umount2=39, pivot_root=41,
            chroot=51, unshare=97, setns=268, swapon=224, swapoff=225, reboot=142, sethostname=161,
            setdomainname=162, init_module=105, delete_module=106, finit_module=273, kexec_load=104,
            kexec_file_load=294, quotactl=60, acct=89, settimeofday=170, clock_settime=112, adjtimex=171,
            clock_adjtime=266, add_key=217, request_key=218, keyctl=219, perf_event_open=241, bpf=280,
            userfaultfd=282, open_by_handle_at=265, name_to_handle_at=264, process_vm_readv=270,
            process_vm_writev=271, kcmp=272, memfd_create=279, syslog=116, fanotify_init=262, vhangup=58,
            socket=198, socketpair=199, clone=220, prlimit64=261, ioctl=29,
        ),
    ),
}  # fmt: skip
#: the same on every machine
_COMMON = dict(
    io_uring_setup=425, io_uring_enter=426, io_uring_register=427, open_tree=428, move_mount=429, fsopen=430,
    fsconfig=431, fsmount=432, fspick=433, clone3=435, pidfd_getfd=438, process_madvise=440, mount_setattr=442,
    memfd_secret=447,
)  # fmt: skip
#: looked at by argument and not refused outright
_BY_ARGUMENT = ("socket", "socketpair", "clone", "prlimit64", "ioctl", "clone3", "memfd_create")
#: Unix, IPv4, IPv6, netlink. The others matter: virtual machine sockets (vsock) know no network namespaces.
_FAMILIES = (1, 2, 10, 16)
_TERMINAL_INPUT = (0x5412, 0x541C)  # pushing keys into a terminal, and the Linux console's paste


def seccomp_machine() -> bool:
    """Whether this machine's system call numbers are known here."""
    return platform.machine() in _MACHINES


def forbid_system_calls() -> None:
    """Refuse, from here on and in every child, calls that reach past what the namespaces bound.

    Refused: mounts and namespaces, tracing, keys, other machines' socket families, memory that no limit counts
    (memfd, System V), and calls whose implementations were the way out of sandboxes.

    Raises:
        OSError: the machine is unknown, or the kernel has no seccomp.
    """
    known = _MACHINES.get(platform.machine())
    if known is None:
        raise OSError(errno.ENOSYS, f"no system call filter for {platform.machine()}")
    audit, numbers = known
    numbers = {**numbers, **_COMMON}
    program = [(_LOAD, 0, 0, 4), (_JUMP_EQUAL, 1, 0, audit), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, 0)]
    if platform.machine() == "x86_64":  # the x32 numbers
        program += [(_JUMP_GREATER, 0, 1, 0x3FFFFFFF), (_RETURN, 0, 0, _KILL)]

    def refuse(
        name: str, error: int, argument: int | None = None, tests: Sequence[tuple[int, int]] = (), hit: bool = True
    ) -> None:
        """Refuse call `name`; with an argument, when a test (operation, value) holds of it, or when none does."""
        body: list[tuple[int, int, int, int]] = []
        if argument is not None:
            body.append((_LOAD, 0, 0, 16 + 8 * argument))
            for i, (operation, value) in enumerate(tests):
                left = len(tests) - 1 - i
                body.append((operation, left if hit else left + 1, 0, value))
            # All tests failed: over the refusal if a hit is what is refused.
            if hit:
                last = body.pop()
                body.append((last[0], last[1], 1, last[3]))
        body.append((_RETURN, 0, 0, _ERRNO | error))
        body.append((_LOAD, 0, 0, 0))
        program.append((_JUMP_EQUAL, 0, len(body), numbers[name]))
        program.extend(body)

    for name in ("socket", "socketpair"):
        refuse(name, errno.EAFNOSUPPORT, 0, [(_JUMP_EQUAL, family) for family in _FAMILIES], hit=False)
    refuse("clone", errno.EPERM, 0, [(_JUMP_ANY_BIT, NEW_NAMESPACES)])
    refuse("prlimit64", errno.EPERM, 0, [(_JUMP_EQUAL, 0)], hit=False)
    refuse("ioctl", errno.EPERM, 1, [(_JUMP_EQUAL, request) for request in _TERMINAL_INPUT])
    for name in ("clone3", "memfd_create"):  # so that their callers fall back
        refuse(name, errno.ENOSYS)
    for name in numbers:
        if name not in _BY_ARGUMENT:
            refuse(name, errno.EPERM)
    program.append((_RETURN, 0, 0, _ALLOW))
    _install(program)


def _install(program: Iterable[tuple[int, int, int, int]]) -> None:
    code = b"".join(struct.pack("HBBI", *step) for step in program)
    buffer = ctypes.create_string_buffer(code, len(code))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    filled = Program(len(code) // 8, ctypes.addressof(buffer))
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    _call("prctl", PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), ctypes.byref(filled))


# ------------------------------------------------------------------------------------------------ leaving root


def descend(order: int) -> None:
    """Become another user and run a command, having laid before that user what only root could walk to.

    `order` is an open file with JSON: `stage`, pairs of a path and its place below STAGE; `user`; `command`.
    Nothing of this shows outside: the mounts are this process's own.
    """
    with open(order) as stream:
        asked = json.load(stream)
    unshare(CLONE_NEWNS)
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    opened = [(os.open(path, os.O_PATH), place) for path, place in asked["stage"]]
    mount("tmpfs", STAGE, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    for descriptor, place in opened:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            os.mkdir(place)
        else:
            os.close(os.open(place, os.O_CREAT | os.O_WRONLY, 0o644))
        mount(f"/proc/self/fd/{descriptor}", place, None, MS_BIND | MS_REC)
        os.close(descriptor)
    os.chdir("/")
    os.setgroups([])
    os.setresgid(*[asked["user"]] * 3)
    os.setresuid(*[asked["user"]] * 3)
    os.execv(asked["command"][0], asked["command"])


if __name__ == "__main__":
    descend(int(sys.argv[1]))
