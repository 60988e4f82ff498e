"""An archive of Python modules with each compiled, for a Python that reads archives and has no time to compile.

Runs by itself on whichever Python is to read the result: `python bytecode.py ARCHIVE RESULT [ARCHIVE RESULT ...]`.
Not for this machine's own Python, which keeps what it compiled.
"""

from __future__ import annotations

import importlib._bootstrap_external as loader
import importlib.util
import sys
import warnings
import zipfile


def compiled(source: bytes, name: str) -> bytes | None:
    """The content of a module's .pyc, the same for the same source; None where it is no module that compiles."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = compile(source, name, "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError):
        return None
    return loader._code_to_hash_pyc(code, importlib.util.source_hash(source), False)


def compile_archive(archive: str, result: str) -> None:
    """Write the archive anew, each module's .pyc in the place of its source: smaller than both, found by its name."""
    with zipfile.ZipFile(archive) as given, zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as made:
        for entry in given.infolist():
            content, name = given.read(entry), entry.filename
            code = compiled(content, name) if name.endswith(".py") else None
            kept = zipfile.ZipInfo(name if code is None else f"{name}c", (2013, 1, 1, 0, 0, 0))
            kept.external_attr = entry.external_attr
            made.writestr(kept, content if code is None else code, zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    for archive, result in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
        compile_archive(archive, result)
