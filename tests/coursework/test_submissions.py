"""What was handed in is found in every layout and store; nothing about it can stop the batch or leave its folder."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import fsspec
import pytest

from coursework import notebook as nb
from coursework import submissions
from coursework.graded import GradingError
from coursework.submissions import File, Submission, find_submissions, handed_in

STATS, ROBUST = "demo/stats", "demo/robust"
IDS = [STATS, ROBUST]
EARLY, LATE = "2026-11-30 12:00:00.250000 UTC", "2026-12-01 09:30:00 UTC"


def notebook(id: str | None = None, text: str = "1") -> bytes:
    about = {"coursework": {"exercise": id}} if id else {}
    cells = [{"cell_type": "code", "source": text, "metadata": {}, "outputs": [], "execution_count": None}]
    return json.dumps({"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5}).encode()


def put(root: Path, **files: bytes) -> Path:
    for place, data in files.items():
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def seen(found: list[Submission]) -> dict[tuple[str, str, str], str | None]:
    return {(s.student, s.exercise, s.attempt): s.file.place if s.file else None for s in found}


def moment(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()


# -------------------------------------------------------------------------------------------------- the layouts


def test_the_courses_own_layout_by_place_by_content_or_by_name(tmp_path):
    put(tmp_path, **{
        "ann/demo/stats.ipynb": notebook(), "ann/demo/robust.ipynb": notebook(STATS),
        "bea/hw 1.ipynb": notebook(STATS), "bea/copy.ipynb": notebook(STATS), "bea/x/robust.ipynb": notebook(),
        "cem/stats.pdf": b"%PDF",
    })  # fmt: skip
    found = find_submissions(tmp_path, IDS)
    assert seen(found) == {
        ("ann", STATS, ""): "demo/stats.ipynb", ("ann", ROBUST, ""): "demo/robust.ipynb",
        ("bea", STATS, ""): "copy.ipynb", ("bea", ROBUST, ""): "x/robust.ipynb",
        ("cem", STATS, ""): None, ("cem", ROBUST, ""): None,
    }  # fmt: skip
    notes = {(s.student, s.exercise): s.notes for s in found}
    assert notes["bea", STATS] == ("handed in as copy.ipynb", "also found, not graded: hw 1.ipynb")
    assert notes["cem", STATS] == ("found stats.pdf, which is not a notebook",)
    assert handed_in(found, IDS) == {STATS, ROBUST} == handed_in(tmp_path, IDS)


def exchange(root: Path) -> Path:
    return put(root, **{
        f"inbound/ann+stats+{EARLY}+AbC=/stats.ipynb": notebook(text="1"),
        f"inbound/ann+stats+{EARLY}+AbC=/timestamp.txt": EARLY.encode(),
        f"inbound/ann+stats+{LATE}+x-Y_/stats.ipynb": notebook(text="2"),
        f"inbound/o+brien+stats+{EARLY}/stats.ipynb": notebook(),
        f"inbound/bea+both+{LATE}+zz/demo/stats.ipynb": notebook(),
        f"inbound/bea+both+{LATE}+zz/other.ipynb": notebook(ROBUST),
        "outbound/stats/stats.ipynb": notebook(),
    })  # fmt: skip


@pytest.mark.parametrize("below", ["", "inbound"])
def test_nbgraders_exchange_with_every_attempt_and_its_time(tmp_path, below):
    exchange(tmp_path)
    found = find_submissions(tmp_path / below, IDS)
    assert seen(found) == {
        ("ann", STATS, EARLY): "stats.ipynb", ("ann", STATS, LATE): "stats.ipynb", ("ann", ROBUST, ""): None,
        ("o+brien", STATS, EARLY): "stats.ipynb", ("o+brien", ROBUST, ""): None,
        ("bea", STATS, LATE): "demo/stats.ipynb", ("bea", ROBUST, LATE): "other.ipynb",
    }  # fmt: skip
    at = {(s.student, s.attempt): s.at for s in found if s.file}
    assert at["ann", EARLY] == moment(2026, 11, 30, 12) + 0.25 and at["ann", LATE] == moment(2026, 12, 1, 9, 30)
    assert {s.notes for s in found if s.student != "bea"} == {()}


def test_two_attempts_in_one_second_are_two(tmp_path):
    put(tmp_path, **{f"inbound/ann+stats+{LATE}+{r}/stats.ipynb": notebook(text=r) for r in ("aa", "bb")})
    assert set(seen(find_submissions(tmp_path, [STATS]))) == {("ann", STATS, "aa"), ("ann", STATS, "bb")}


def test_what_nbgrader_collected_with_the_time_that_it_wrote(tmp_path):
    put(tmp_path, **{
        "source/stats/stats.ipynb": notebook(), "submitted/ann/stats/stats.ipynb": notebook(),
        "submitted/ann/stats/timestamp.txt": f"{EARLY}\n".encode(), "submitted/bea/stats/stats.ipynb": notebook(),
        "submitted/bea/stats/timestamp.txt": b"yesterday",
    })  # fmt: skip
    os.utime(tmp_path / "submitted/bea/stats/stats.ipynb", (5000, 5000))
    for root in (tmp_path, tmp_path / "submitted"):
        found = {s.student: s for s in find_submissions(root, [STATS])}
        assert found["ann"].at == moment(2026, 11, 30, 12) + 0.25 and found["bea"].at == 5000
        assert all(s.file.read() == notebook() for s in found.values())


def test_a_timestamp_that_a_student_could_have_written_is_not_believed(tmp_path):
    put(tmp_path, **{"ann/demo/stats.ipynb": notebook(), "ann/demo/timestamp.txt": b"1999-01-01 00:00:00 UTC"})
    os.utime(tmp_path / "ann/demo/stats.ipynb", (5000, 5000))
    assert find_submissions(tmp_path, [STATS])[0].at == 5000


# ---------------------------------------------------------------------------------------------------- the stores


def test_a_store_gives_what_a_folder_gives(tmp_path):
    fs = fsspec.filesystem("memory")
    local = put(tmp_path / "plain", **{
        "ann/demo/stats.ipynb": notebook(), "bea/hw 1.ipynb": notebook(STATS), "cem/.hidden/demo/stats.ipynb": b"",
        "dan/demo/stats.ipynb": b"\xff\xfe", "cem/stats.txt": b"",
    })  # fmt: skip
    exchange(tmp_path / "exchange")
    for name, folder in (
        ("plain", local),
        ("exchange", tmp_path / "exchange"),
        ("inbound", tmp_path / "exchange" / "inbound"),
    ):
        fs.put(f"{folder}/", f"/{name}/", recursive=True)
        here, there = find_submissions(folder, IDS), find_submissions(f"memory://{name}", IDS)
        assert seen(here) == seen(there) == seen(find_submissions(f"file://{folder}", IDS))
        for one, other in zip(here, there, strict=True):
            assert one.notes == other.notes
            assert one.file is None or one.file.digest() == other.file.digest()
            assert one.file is None or other.at is not None


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("nosuch://bucket/class", "nosuch://bucket/class cannot be read: "),
        ("memory://nothing/here", "there is no such folder of submissions"),
        ("file:///nothing/here", "there is no such folder of submissions"),
        ("abfs://class", "abfs://class cannot be read: "),
    ],
)
def test_an_address_that_cannot_be_read_is_named(where, says):
    with pytest.raises(GradingError) as refused:
        find_submissions(where, IDS)
    assert str(refused.value).startswith(where) and says in str(refused.value)


def test_an_address_where_nobody_answers_is_not_taken_for_an_empty_one():
    with pytest.raises(GradingError, match=r"^webhdfs://127.0.0.1:9/class cannot be listed: \w*Error: ") as refused:
        find_submissions("webhdfs://127.0.0.1:9/class", IDS)
    assert "\n" not in str(refused.value)


class Partly(fsspec.AbstractFileSystem):
    """Holds what ann and bea handed in, and lists bea's folder to nobody, or to all."""

    protocol = "partly"
    cachable = False
    open_to_all = False

    def ls(self, path, detail=True, **_):
        if path.endswith("/bea") and not self.open_to_all:
            raise PermissionError("bea's folder is another's")
        if path.endswith(("/ann", "/bea")):
            return [{"name": f"{path}/stats.ipynb", "type": "file", "size": 0}]
        students = [f"{path}/{student}" for student in ("ann", "bea")]
        return [{"name": name, "type": "directory", "size": 0} for name in (path, *students)]  # itself as well

    def cat_file(self, path, start=None, end=None, **_):
        return notebook()


def test_a_folder_that_cannot_be_listed_stops_the_run_and_no_student_is_missed(monkeypatch):
    fsspec.register_implementation("partly", Partly, clobber=True)
    with pytest.raises(GradingError, match=r"partly://class cannot be listed: PermissionError: bea's folder"):
        find_submissions("partly://class", [STATS])
    monkeypatch.setattr(Partly, "open_to_all", True)
    assert {one.student for one in find_submissions("partly://class", [STATS])} == {"ann", "bea"}


def test_a_store_that_fails_half_way_costs_one_file(monkeypatch):
    fs = fsspec.filesystem("memory")
    fs.pipe("/failing/ann/demo/stats.ipynb", notebook())
    (one,) = find_submissions("memory://failing", [STATS])
    fs.rm("/failing/ann/demo/stats.ipynb")
    with pytest.raises(nb.NotebookError, match="it cannot be read: FileNotFoundError"):
        one.file.read()
    assert one.file.digest() == one.file.digest()


# ------------------------------------------------------------------------------------------------- odd and hostile


def read(path: Path) -> str:
    try:
        return File(path.name, lambda: submissions._read_local(path), lambda: None).read().decode()
    except nb.NotebookError as error:
        return str(error)


def test_a_link_a_pipe_a_folder_and_a_large_file_are_refused_in_words(tmp_path, monkeypatch):
    monkeypatch.setattr(nb, "MAX_BYTES", 10**6)
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "folder").mkdir()
    (tmp_path / "large").write_bytes(b"x" * (10**6 + 1))
    (tmp_path / "just").write_bytes(b"x" * 10**6)
    assert read(tmp_path / "link") == "it is a link, and links are not followed: hand in the file"
    assert read(tmp_path / "large") == "it is larger than 1 MB: clear its outputs"
    assert len(read(tmp_path / "just")) == 10**6
    assert read(tmp_path / "none") == "there is no such file"
    assert read(tmp_path / "folder").startswith("it cannot be read: ")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")  # opening one for reading would wait for ever
        assert read(tmp_path / "pipe") == "it is not a regular file"


def test_a_link_that_replaces_the_file_after_the_look_is_not_followed(tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "secret").write_text("secret")
    monkeypatch.setattr(Path, "is_symlink", lambda self: False)
    assert "secret" not in read(tmp_path / "link") and "link" in read(tmp_path / "link")


def test_folders_that_are_links_and_names_of_any_bytes_are_listed_and_not_followed(tmp_path):
    put(tmp_path, **{"ann/demo/stats.ipynb": notebook(), "outside/demo/stats.ipynb": notebook()})
    folder = tmp_path / "class"
    folder.mkdir()
    (tmp_path / "ann").rename(folder / "ann")
    (folder / "lin").symlink_to(tmp_path / "outside")
    (folder / "tom").mkdir()
    (folder / "tom" / "demo").symlink_to(tmp_path / "outside" / "demo")
    os.makedirs(os.fsencode(folder) + b"/\xff\n;rm/demo")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff\n;rm/demo/stats.ipynb")).write_bytes(notebook())
    found = {s.student: s for s in find_submissions(folder, [STATS])}
    assert found["lin"].file is None and "links are not followed" in found["lin"].notes[0]
    assert found["tom"].file is None
    assert found["?\n;rm"].file.read() == notebook()


def test_ten_thousand_files_are_looked_through_and_more_are_not(tmp_path, monkeypatch):
    monkeypatch.setattr(submissions, "MAX_FILES", 300)
    monkeypatch.setattr(submissions, "MAX_OPENED", 20)
    (tmp_path / "ann").mkdir()
    (tmp_path / "bea").mkdir()
    for i in range(400):
        (tmp_path / "ann" / f"{i:03}.txt").touch()
        (tmp_path / "bea" / f"{i:03}.ipynb").write_bytes(b"{}")
    opened = []
    monkeypatch.setattr(submissions, "names_exercise", lambda file: opened.append(file))
    found = {s.student: s for s in find_submissions(tmp_path, [STATS])}
    assert found["ann"].notes == ("only 300 of its files were looked at",)
    assert len(opened) == 20 and "of 300 other notebooks, only 20 were looked at" in found["bea"].notes


def test_folders_that_hold_nothing_of_a_class_are_refused(tmp_path):
    with pytest.raises(GradingError, match="no such folder"):
        find_submissions(tmp_path / "nowhere", IDS)
    (tmp_path / "file.ipynb").touch()
    (tmp_path / ".git").mkdir()
    with pytest.raises(GradingError, match="holds no student's folder"):
        find_submissions(tmp_path, IDS)
    (tmp_path / "ann").mkdir()
    with pytest.raises(GradingError, match="no student's folder holds a notebook of any of demo/stats, demo/robust"):
        handed_in(tmp_path, IDS)
