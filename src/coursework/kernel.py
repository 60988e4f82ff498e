"""How this project's own runs start a kernel."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from traitlets.config import Config


def kernel_config(folder: str | Path) -> Config:
    """Kernels over Unix sockets below `folder`, where there are any: no open port, no other user listening.

    `folder` is a short-lived one of ours; its path must be short, since a socket's may not exceed some hundred bytes.
    """
    if os.name != "posix":
        return Config()
    return Config({"KernelManager": {"transport": "ipc", "ip": tempfile.mkdtemp(prefix="k", dir=folder) + "/s"}})
