"""What `coursework kernel` says: servers, kernels, and whether there is forking and a sandbox. Changes nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

from coursework.kernel import SANDBOX, WARM, isolation, pool, spec


def lines() -> Iterator[str]:
    if not spec.installed():
        yield "The kernels are not installed for this Python, or not these versions: `coursework kernel install`."
    if pool.can_fork():
        yield f"{WARM}: warm kernels, forked from a server with the stack loaded."
    else:
        yield f"{WARM}: an ordinary kernel, since {sys.platform} has no safe fork."
    missing = isolation.missing()
    yield f"{SANDBOX}: " + (f"refuses to start: {missing}" if missing else "warm kernels, isolated by bubblewrap.")
    found = pool.servers() if pool.can_fork() else []
    if not found:
        yield "No fork server runs; the first kernel starts one."
    for one in found:
        kind = SANDBOX if one["sandboxed"] else WARM
        kernels = f"{len(one['kernels'])} kernels now, {one['count']} so far"
        ends = "ends with its last kernel" if one["retired"] else f"ends when idle for {one['idle']:.0f} s"
        yield f"{kind} server: {kernels}, up {_ago(one['started'])}, {one['memory'] // 2**20} MB, {ends}"
        if one["missing"]:
            yield f"  could not load {', '.join(one['missing'])}"
        for kernel in one["kernels"]:
            yield f"  kernel {kernel['pid']}, up {_ago(kernel['since'])}"


def _ago(since: float) -> str:
    seconds = int(time.time() - since)
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
