"""What one run of a submission may use, as settings with defaults. Enforces nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import asdict, fields, frozen

MB = 2**20
UNITS = {"": 1, "KB": 2**10, "MB": MB, "GB": 2**30}


@frozen
class Limits:
    """Bounds of one isolated kernel. A number of bytes, of seconds or of things."""

    #: wall-clock seconds of a kernel's life, from its start
    run_seconds: int = 900
    #: CPU seconds of all its processes together
    cpu_seconds: int = 600
    #: memory of all its processes together, above what the warm kernel came with; files in its folders count apart
    memory: int = 2048 * MB
    #: processes and threads together; a kernel itself has about ten threads
    processes: int = 96
    #: open files of one process
    open_files: int = 512
    #: the largest file
    file_size: int = 128 * MB
    #: all files of its work folder, /tmp and /dev/shm together: they lie in memory, never on the disk
    disk: int = 256 * MB
    #: how many files those may be
    files: int = 20_000
    #: bytes that leave the kernel, by all channels together
    output: int = 48 * MB
    #: bytes of one message: an answer may be encoded in 8 MB
    message: int = 12 * MB
    #: messages that leave the kernel
    messages: int = 20_000
    #: characters printed by one cell before the kernel itself leaves the rest out
    printed: int = 1 * MB

    def to_json(self) -> dict[str, int]:
        return asdict(self)

    @classmethod
    def from_words(cls, said: Sequence[str]) -> dict[str, int]:
        """What a person typed, as disk=1GB or run_seconds=60, as plain data.

        Raises:
            ValueError: one is no limit, or no number.
        """
        found = {}
        for one in said:
            name, _, value = one.partition("=")
            number = re.fullmatch(r"\s*([0-9][0-9_]*)\s*(KB|MB|GB)?\s*", value, re.I)
            if number is None:
                raise ValueError(f"the limit {one!r} is not of the form name=number, as disk=1GB or run_seconds=60")
            found[name.strip()] = int(number[1]) * UNITS[(number[2] or "").upper()]
        cls.from_json(found)
        return found

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Limits:
        """Raises ValueError for a name that is no limit or a value that is no positive number."""
        known = {one.name for one in fields(cls)}
        for name, value in data.items():
            if name not in known:
                raise ValueError(f"there is no limit {name!r}: the limits are {', '.join(sorted(known))}")
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"the limit {name} must be a whole number of at least 1, not {value!r}")
        return cls(**data)
