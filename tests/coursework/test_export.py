"""Exports are what Canvas, Moodle and Gradescope read, and say nothing that is not yet decided."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from attrs import evolve
from paper_class import EVIL, ID, exercise, graded, right, the_class, verdict

from coursework.model import Status
from coursework.report.export import FORMATS, ExportError, read_roster, write_export

MARKED = [
    evolve(one, verdicts=(*one.verdicts[:2], one.verdicts[2].but(status=Status.PASSED, points=3.0)))
    for one in the_class()[:3]
]
CLASS = [*MARKED, *the_class()[3:]]
CANVAS = """Student,ID,SIS User ID,SIS Login ID,Root Account,Section,Averages & sums (77),Total
    Points Possible,,,,,,7,(read only)
"Lovelace, Ada",101,s-1,ada@uni.edu,uni.edu,A1,,
"B., Bea",102,bea,b@uni.edu,uni.edu,A1,,
"C., Cem",103,s-3,c@uni.edu,uni.edu,A1,,
"C., Cem the second",104,s-4,cem@uni.edu,uni.edu,A1,,
"C., Cem the third",105,cem,x@uni.edu,uni.edu,A1,,
"""


def export(format: str, tmp_path: Path, units=CLASS, **more) -> tuple[Path, list[str]]:
    return write_export(format, units, [exercise()], tmp_path, **more)


def table(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.reader(stream))


def roster(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "roster.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_canvas_gets_its_identity_columns_the_points_possible_and_a_column_an_assignment(tmp_path):
    path, _ = export("canvas", tmp_path)
    rows = table(path)
    assert path == tmp_path / "export" / "canvas.csv"
    assert rows[0] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Averages & sums"]
    assert rows[1] == ["    Points Possible", "", "", "", "", "7"]
    by_student = {row[0]: row for row in rows[2:]}
    assert by_student["ada"] == ["ada", "", "", "ada", "", "7"]
    assert by_student["bea"][5] == "5.5" and by_student["gus"][5] == "0"


def test_what_a_person_has_still_to_mark_is_left_empty_and_said(tmp_path):
    path, said = export("canvas", tmp_path)
    assert {row[0]: row[5] for row in table(path)}["dan"] == ""
    assert said == ["4 submissions wait for a person (`coursework review`): their cells are empty."]
    failed = graded("zoe", right("mean"), state="not run", problem="Again.")
    path, said = export("canvas", tmp_path, [failed])
    assert table(path)[2][5] == "" and "could not be run" in said[0]


def test_a_roster_gives_names_and_ids_and_whoever_is_not_one_person_in_it_is_left_out_and_named(tmp_path):
    path, said = export("canvas", tmp_path, MARKED, roster=roster(tmp_path, CANVAS))
    rows = table(path)
    assert rows[0][-2:] == ["Section", "Averages & sums (77)"] and rows[0][4] == "Root Account"
    assert rows[2:] == [
        ["Lovelace, Ada", "101", "s-1", "ada@uni.edu", "uni.edu", "A1", "7"],
        ["B., Bea", "102", "bea", "b@uni.edu", "uni.edu", "A1", "5.5"],
    ]
    assert said == ["Left out, since the roster has no or no single row for them: cem."]


def test_moodle_gets_points_and_feedback_side_by_side_escaped(tmp_path):
    attack = graded("eve", right("mean"), right("total"), verdict("memo", Status.ERROR, 0, f"raised {EVIL}"))
    path, _ = export("moodle", tmp_path, [*MARKED, attack, the_class()[3]])
    rows = table(path)
    assert rows[0] == ["username", "Averages & sums", "Averages & sums (feedback)"]
    own = {row[0]: row for row in rows}
    assert own["bea"][1:] == ["5.5", "mean: 0.5 of 2. This is the `total`.<br>total: 2 of 2.<br>memo: 3 of 3."]
    assert own["dan"][1:] == ["", ""], "feedback alone would empty a grade"
    assert "<script" not in own["eve"][2] and "&lt;script&gt;" in own["eve"][2]


def test_moodle_s_own_columns_and_semicolons_are_read(tmp_path):
    text = "\ufeffFirst name;Last name;ID number;Email address;Course total (Real)\nAda;Lovelace;7;ada@uni.edu;3\n"
    path, said = export("moodle", tmp_path, MARKED, roster=roster(tmp_path, text))
    rows = table(path)
    assert rows[0][:4] == ["First name", "Last name", "ID number", "Email address"]
    assert [row[:5] for row in rows[1:]] == [["Ada", "Lovelace", "7", "ada@uni.edu", "7"]]
    assert "bea, cem" in said[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "no column says who"), ("points,grade\n1,2\n", "no column says who"), ("Nachname;x\n", "no column")],
)
def test_a_roster_that_says_nobody_is_refused(tmp_path, text, says):
    with pytest.raises(ExportError, match=says):
        read_roster(roster(tmp_path, text))
    with pytest.raises(ExportError, match="cannot be read"):
        read_roster(tmp_path / "none.csv")
    with pytest.raises(ExportError, match="Student to Section"):
        export("canvas", tmp_path, roster=roster(tmp_path, "Email address\nada@uni.edu\n"))


def test_gradescope_gets_one_result_a_student_and_exercise_as_text_until_published(tmp_path):
    path, _ = export("gradescope", tmp_path)
    found = sorted(path.glob("*/demo-stats/results.json"))
    assert len(found) == len(CLASS)
    for file in found:
        data = json.loads(file.read_text(encoding="utf-8"))
        assert data["score"] == sum(test["score"] for test in data["tests"])
        assert {data["output_format"], *(test["output_format"] for test in data["tests"])} == {"text"}
        assert {data["visibility"], *(test["visibility"] for test in data["tests"])} == {"after_published"}
        assert data["stdout_visibility"] == "hidden" and data["extra_data"] == {"exercise": ID}
        assert "same code" not in file.read_text(encoding="utf-8")
    bea = json.loads((path / "bea" / "demo-stats" / "results.json").read_text(encoding="utf-8"))
    assert bea["tests"][0] | {"output": ""} == {
        "name": "mean", "number": "1", "score": 0.5, "max_score": 2.0, "status": "failed", "output": "",
        "output_format": "text", "visibility": "after_published",
    }  # fmt: skip
    assert bea["tests"][0]["output"].splitlines() == [
        "This is the `total`.", "Called: mean(values)", "Expected: a number", "Got: 7"
    ]  # fmt: skip


def test_a_late_penalty_and_a_dropped_question_count_in_every_export(tmp_path):
    late = evolve(MARKED[0], scale=0.5, dropped=("total",))
    data = json.loads(next(export("gradescope", tmp_path, [late])[0].rglob("*.json")).read_text(encoding="utf-8"))
    assert (data["score"], [test["max_score"] for test in data["tests"]]) == (2.5, [2.0, 0.0, 3.0])
    assert table(export("canvas", tmp_path, [late])[0])[1:] == [
        ["    Points Possible", "", "", "", "", "5"], ["ada", "", "", "ada", "", "2.5"]
    ]  # fmt: skip


def test_parquet_has_one_typed_row_a_question(tmp_path):
    import pandas as pd

    path, _ = export("parquet", tmp_path, [*CLASS, evolve(MARKED[0], student="half \ud800", at=86400.5)])
    found = pd.read_parquet(path)
    assert len(found) == 3 * (len(CLASS) + 1)
    assert found.points.dtype == found.out_of.dtype == float and str(found.handed_in.dtype) == "datetime64[us, UTC]"
    assert found.handed_in.max() == pd.Timestamp("1970-01-02 00:00:00.5", tz="UTC")
    assert list(found[found.student == "eve"]["flags"].iloc[0]) == ["total: the same code, names aside, as fay"]


def test_no_cell_of_any_csv_is_a_formula(tmp_path):
    for format in ("canvas", "moodle", "csv"):
        cells = [cell for row in table(export(format, tmp_path)[0]) for cell in row]
        assert "'=cmd|x" in cells
        assert not [cell for cell in cells if cell.lstrip()[:1] in ("=", "+", "-", "@")]


def test_executed_notebooks_are_copied_where_they_were_kept_and_the_secret_in_them_is_said(tmp_path):
    with pytest.raises(ExportError, match="--keep-notebooks"):
        export("notebooks", tmp_path)
    (tmp_path / "notebooks" / "ada").mkdir(parents=True)
    (tmp_path / "notebooks" / "ada" / "x.ipynb").write_text("{}")
    path, said = export("notebooks", tmp_path, to=tmp_path / "there")
    assert (path / "ada" / "x.ipynb").is_file() and "hidden parameters" in said[0]


def test_an_unknown_format_and_a_place_that_cannot_be_written_are_refused_in_words(tmp_path):
    with pytest.raises(ExportError, match=f"there are {', '.join(FORMATS)}"):
        export("blackboard", tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(ExportError, match="cannot be written"):
        export("csv", tmp_path, to=tmp_path / "file" / "x.csv")
