"""The kernels of this project: warm ones, forked from a process that has the stack loaded, and isolated ones.

Reached by kernel name, from any Jupyter client; this module holds the names and no more than a client needs to ask.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from traitlets.config import Config

#: Kernel names, as in `papermill -k coursework` or in a notebook's metadata.
WARM = "coursework"
SANDBOX = "coursework-sandbox"


def kernel_config(folder: str | Path) -> Config:
    """Ordinary kernels over Unix sockets below `folder`, where there are any: no open port, no other user listening.

    `folder` is a short-lived one of ours; its path must be short, since a socket's may not exceed some hundred bytes.
    The kernels of this package choose their own sockets and pass this over.
    """
    if os.name != "posix":
        return Config()
    return Config({"KernelManager": {"transport": "ipc", "ip": tempfile.mkdtemp(prefix="k", dir=folder) + "/s"}})
