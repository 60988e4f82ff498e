"""A learner's own record of what was tried and passed: one SQLite file in their data folder, never in the repository.

Keeps the attempts' verdicts, not the answers. A record that cannot be written never gets in a learner's way.
"""

from __future__ import annotations

import os
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    import sqlite3

SCHEMA = """
CREATE TABLE IF NOT EXISTS attempt (
    exercise TEXT NOT NULL, question TEXT NOT NULL, at REAL NOT NULL,
    status TEXT NOT NULL, points REAL NOT NULL, mistake TEXT
);
CREATE INDEX IF NOT EXISTS attempt_of ON attempt (exercise, question);
"""


def data_folder() -> Path:
    """Where this learner's record lies: `$COURSEWORK_DATA`, or the platform's folder for application data."""
    if os.environ.get("COURSEWORK_DATA"):
        return Path(os.environ["COURSEWORK_DATA"])
    from platformdirs import user_data_path

    return user_data_path("coursework", appauthor=False)


def _open(folder: Path) -> sqlite3.Connection:
    import sqlite3

    folder.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(folder / "progress.sqlite", timeout=2)
    # A record of tries is not worth the wait for a disk, which is longer than everything else that a check does.
    connection.execute("PRAGMA synchronous = OFF")
    connection.executescript(SCHEMA)
    return connection


def record(exercise: str, question: str, status: str, points: float, mistake: str | None) -> bool:
    """Append one attempt; False where it cannot be written: a read-only home, a full disk, a browser."""
    try:
        import sqlite3
    except ImportError:  # Pyodide leaves it out
        return False
    try:
        with closing(_open(data_folder())) as connection, connection:
            row = (exercise, question, time.time(), status, points, mistake)
            connection.execute("INSERT INTO attempt VALUES (?, ?, ?, ?, ?, ?)", row)
    except (OSError, sqlite3.Error):
        return False
    return True


@frozen
class Standing:
    """Where a learner stands with one question."""

    exercise: str
    question: str
    attempts: int
    passed: bool
    mistakes: tuple[str, ...]
    #: handed in as prose, which a person marks
    written: bool = False


def standings() -> list[Standing]:
    """Every question ever tried, in the order of the first attempt.

    Raises:
        OSError, sqlite3.Error: the record exists and cannot be read.
    """
    import sqlite3

    path = data_folder() / "progress.sqlite"
    if not path.exists():
        return []
    query = """
        SELECT exercise, question, COUNT(*), MAX(status = 'passed'), GROUP_CONCAT(DISTINCT mistake),
            MAX(status = 'unmarked')
        FROM attempt WHERE status != 'blank' GROUP BY exercise, question ORDER BY MIN(at)
    """
    with closing(sqlite3.connect(path, timeout=2)) as connection:
        rows = connection.execute(query).fetchall()
    return [Standing(e, q, n, bool(ok), tuple(m.split(",")) if m else (), bool(w)) for e, q, n, ok, m, w in rows]
