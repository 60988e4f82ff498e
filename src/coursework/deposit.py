"""Puts what a run gave where others fetch it: an object store, a file system of a cluster, another folder.

Copies; the gradebook that counts stays on the grader's own disk.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from coursework.gradebook import Gradebook
from coursework.graded import GradingError

#: What of a results folder is put, beside a copy of the gradebook.
FOLDERS = ("report", "notebooks")


def deposit(folder: Path, address: str) -> int:
    """Copy the report, the executed notebooks and the gradebook of `folder` to an address that fsspec knows.

    Returns how many files were put. What is there under other names stays.

    Raises:
        GradingError: the address cannot be written to; everything is still in `folder`.
    """
    import fsspec

    files = [path for name in FOLDERS for path in sorted((folder / name).rglob("*")) if path.is_file()]
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "gradebook.sqlite"
        with Gradebook(folder / copy.name) as book:
            book.copy_to(copy)
        pairs = [(path, path.relative_to(folder).as_posix()) for path in files] + [(copy, copy.name)]
        try:
            fs, root = fsspec.core.url_to_fs(address)
            made = set()
            for path, place in pairs:
                target = f"{root.rstrip('/')}/{place}"
                above = target.rpartition("/")[0]
                if above not in made:
                    fs.makedirs(above, exist_ok=True)
                    made.add(above)
                fs.put_file(str(path), target)
        except Exception as error:  # every store has its own
            said = f"{type(error).__name__}: {error}"
            raise GradingError(
                f"the results could not be put to {address} ({said}). They are in {folder}: run the same command "
                "again when this is mended, and nothing is graded anew"
            ) from None
    return len(pairs)
