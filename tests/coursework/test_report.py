"""The report says what a class did, shows hostile text as text, and tells a student nothing about anybody else."""

from __future__ import annotations

import base64
import hashlib
import re
from html import unescape
from pathlib import Path

import jinja2
import numpy as np
import pytest
from attrs import evolve
from bs4 import BeautifulSoup
from paper_class import EVIL, ID, UNSEEN, exercise, graded, right, the_class, verdict, write_book

from coursework.gradebook import Gradebook
from coursework.graded import Mark
from coursework.model import Status
from coursework.report import page_name, plain, prose, write_report
from coursework.report.summary import MANY, Spread, correlation, flag_groups, most_made, stopped_runs, summaries


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    write_report(folder, the_class(), [exercise()])
    return folder


def soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def text(page: BeautifulSoup) -> str:
    for tag in page(["style", "script"]):
        tag.decompose()
    return " ".join(page.get_text(" ").split())


def summary_of(question: str, units=None):
    return next(s for s in summaries(units or the_class()) if s.question == question)


# ---------------------------------------------------------------------------------------------- what is hostile


def test_the_only_script_of_any_page_is_ours_and_the_policy_names_it_and_nothing_else(folder):
    pages = [folder / "index.html", *(folder / "students").iterdir()]
    assert len(pages) == 10
    for path in pages:
        page = soup(path)
        may = page.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"]
        scripts, styles = ([str(tag.string) for tag in page(name)] for name in ("script", "style"))
        assert len(scripts) == (path.name == "index.html") and len(styles) == 1
        digests = ["'sha256-" + base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() + "'" for s in scripts]
        assert re.search(r"script-src ([^;]*)", may)[1] == (" ".join(digests) or "'none'")
        assert may.startswith("default-src 'none'; ") and "unsafe" not in may
        assert not page(["img", "iframe", "link", "object", "base"])
        assert not [name for tag in page(True) for name in tag.attrs if name.startswith("on") or name == "style"]
        links = [tag[name] for tag in page(True) for name in ("href", "src") if tag.has_attr(name)]
        assert not [link for link in links if ":" in link or link.startswith("//")]


def test_hostile_text_is_shown_as_text_and_what_cannot_be_seen_by_name(folder):
    said = text(soup(folder / "students" / f"{page_name(EVIL + UNSEEN)}.html"))
    assert EVIL in said and "␀␇␛[31m⟨U+202E⟩⟨U+2066⟩⟨U+200B⟩⟨U+FEFF⟩⟨U+0085⟩" in said
    for path in folder.rglob("*.html"):
        assert not set(UNSEEN) - set("[31m") & set(path.read_text(encoding="utf-8")), path


def test_text_is_made_visible_and_ordinary_text_of_any_language_is_left_alone():
    for fine in ("naïve\n\tעברית 日本語 👍", "a`b", "x < y & z"):
        assert plain(fine) == fine
    assert plain("\r\x7f\u200f\ud800") == "␍␡⟨U+200F⟩⟨U+D800⟩"
    assert prose("`<b>` & `c`") == "<code>&lt;b&gt;</code> &amp; <code>c</code>"
    assert (
        prose("*no <more>* than `*x*`, 2*3*4 or a * b * c")
        == "*no &lt;more&gt;* than <code>*x*</code>, 2*3*4 or a * b * c"
    )
    assert prose("say *more than* 30") == "say <em>more than</em> 30"


def test_every_link_leads_somewhere(folder):
    for path in folder.rglob("*.html"):
        for link in soup(path)("a", href=True):
            file, _, anchor = link["href"].partition("#")
            target = path.parent / file if file else path
            assert target.is_file(), link
            assert not anchor or soup(target).find(id=anchor) is not None, f"{path.name}: {link}"


# ------------------------------------------------------------------------------------------------ a student's page


def test_a_student_s_page_says_what_was_called_expected_and_got_and_gives_every_hint(folder):
    said = text(soup(folder / "students" / "bea.html"))
    for words in ("Likely cause This is the total", "Called mean(values)", "Expected a number", "Got 7"):
        assert words in said
    assert "Hint 1 of 2 Think." in said and "Hint 2 of 2 Share it ." in said
    assert "The advice comes first (1)" in said and "waits for a person, 0 of 3" in said


def test_a_student_s_page_tells_nothing_of_others_nor_of_flags_nor_a_mistake_s_name(folder):
    names = {one.student for one in the_class()} - {"ada"}
    for path in (folder / "students").iterdir():
        said = text(soup(path))
        others = {name for name in names | {"ada"} if page_name(name) != path.stem}
        assert not [name for name in others if re.search(rf"\b{re.escape(name)}\b", said)], path
        assert "same code" not in said and "total_only" not in said


def test_a_person_s_points_and_comment_reach_the_student_and_the_class_page(tmp_path):
    path = write_book(tmp_path, the_class())
    with Gradebook(path) as book:
        book.set_mark("ada", ID, "memo", 2.5, f"✓ The advice comes first\n\nGood. {EVIL}", by="Prof. Secret")
        book.set_mark("bea", ID, "mean", None, "Nearly.", by="me")
        write_report(tmp_path / "report", book.current(), [exercise()])
    ada, bea = (text(soup(tmp_path / "report" / "students" / f"{name}.html")) for name in ("ada", "bea"))
    assert f"Marked by a person ✓ The advice comes first Good. {EVIL}" in ada and "6.5 of 7 points" in ada
    assert "Prof. Secret" not in ada and ada.count("Good.") == 1
    assert "A person's comment Nearly." in bea and "Likely cause This is the total" in bea
    index = soup(tmp_path / "report" / "index.html")
    assert "2.5 of 3, by hand" in index.get_text() and "1 marked by hand." in text(index)


def test_what_the_policy_did_is_told_and_a_question_that_does_not_count_says_so(tmp_path):
    one = evolve(the_class()[0], scale=0.5, dropped=("total",), adjustments=("2 days late: half of the points",))
    write_report(tmp_path, [one], [exercise()])
    said = text(soup(tmp_path / "students" / "ada.html"))
    assert "2 days late: half of the points" in said and "(does not count)" in said and "1 of 5 points" in said


# --------------------------------------------------------------------------------------------------- the class page


def test_the_table_says_each_answer_in_words_and_marks_flagged_students(folder):
    page = soup(folder / "index.html")
    rows = {row.th.get_text(): row for row in page.select("#marks tbody tr")}
    assert len(rows) == 9
    cells = [cell.get_text() for cell in rows["bea"]("td")]
    assert cells == ["0.5 of 2", "right", "waits for a person", "2.5", "2.5"]
    assert [cell.get_text() for cell in rows["gus"]("td")][:3] == ["not handed in"] * 3
    assert "f" in rows["dan"]["class"] and not rows["ada"].has_attr("class")
    heads = [head.get_text() for head in page.select("#marks thead tr:nth-of-type(2) th")]
    assert heads == ["mean", "total", "memo", "of 7"]


def test_mistakes_are_ranked_and_named_with_who_made_them(folder):
    first = most_made(summaries(the_class()))[0]
    assert (first.question, first.students, first.among) == ("mean", ("bea", "cem"), 7)
    said = text(soup(folder / "index.html"))
    assert "2 of 7 This is the total . Averages & sums, question mean bea , cem" in said


def test_answers_wrong_alike_without_a_name_are_listed_and_single_ones_are_not(folder):
    (same,) = summary_of("total").unexplained
    assert same.students == ("eve", "fay") and same.words == "7 is outside the tolerance."
    assert summary_of("mean").unexplained == ()


def test_flags_and_stopped_runs_are_told_apart_with_their_reasons(folder):
    groups = {group.title: group for group in flag_groups(the_class())}
    assert [f.student for f in groups["The same as another student's"].flags] == ["eve", "fay"]
    assert list(groups) == ["The same as another student's", "Other"]
    assert [(s.student, s.question) for s in stopped_runs(the_class())] == [("dan", "total"), ("=cmd|x", "")]
    said = text(soup(folder / "index.html"))
    assert "dan Averages & sums total The answer ran out of time." in said


def test_pictures_have_words(folder):
    page = soup(folder / "index.html")
    for picture in page("svg"):
        named = picture.get("aria-label") or picture.get("aria-hidden") or picture.find("desc")
        assert named, picture
    assert page.find("desc").get_text(strip=True).startswith("0 to 10 %: 2. 10 to 20 %: 0.")


def test_a_page_for_thousands_stays_light(tmp_path):
    units = [evolve(one, student=f"{one.student[:3]}-{i}") for i in range(60) for one in the_class()[:6]]
    few = write_report(tmp_path / "few", units[:60], [exercise()]).stat().st_size
    many = write_report(tmp_path / "many", units, [exercise()]).stat().st_size
    assert (many - few) / (len(units) - 60) < 1000, "bytes a student"


def test_long_lists_are_folded(tmp_path):
    units = [evolve(the_class()[1], student=f"s{i}") for i in range(40)]
    page = soup(write_report(tmp_path, units, [exercise()]))
    assert len(page.select_one(".mistakes details")("a")) == 40


# ------------------------------------------------------------------------------------------------------- the figures


def scored(points: list[tuple[float, float]]) -> list:
    return [
        graded(
            f"s{i}",
            verdict("mean", Status.WRONG, a),
            verdict("total", Status.WRONG, b),
            verdict("memo", Status.WRONG, b),
        )
        for i, (a, b) in enumerate(points)
    ]


def test_discrimination_is_the_correlation_with_the_rest_of_the_exercise_without_the_question():
    rng = np.random.default_rng(3)
    points = [(float(a), float(b)) for a, b in rng.uniform(0, 2, size=(30, 2))]
    found = summary_of("mean", scored(points))
    a, b = np.array(points).T
    assert found.discrimination == pytest.approx(np.corrcoef(a, 2 * b)[0, 1])
    assert found.discrimination != pytest.approx(np.corrcoef(a, a + 2 * b)[0, 1], abs=0.05)
    assert found.earned == pytest.approx(a.mean() / 2) and found.right == 0


def test_the_time_of_a_question_is_that_of_the_answer_in_the_middle_and_of_the_slowest(tmp_path):
    times = [0.21, 0.34, 12.0]
    units = [graded(name, right("mean").but(seconds=s)) for name, s in zip("abc", times, strict=True)]
    assert summary_of("mean", units).seconds == (0.34, 12.0)
    assert summary_of("mean", scored([(1, 1)])).seconds is None
    write_report(tmp_path, units, [exercise()])
    assert "0.34 s to 12.0 s" in text(soup(tmp_path / "index.html"))


def test_discrimination_cannot_be_computed_where_nothing_varies():
    assert correlation([1, 1, 1], [1, 2, 3]) is correlation([1, 2], [1, 2]) is None
    assert correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)


def test_a_question_that_turns_the_class_around_is_warned_of_and_only_with_enough_answers():
    turned = [(2 - i % 3, i % 3) for i in range(MANY)]
    assert "does worse here" in summary_of("mean", scored(turned)).warning
    assert summary_of("mean", scored(turned[:-1])).warning == ""
    assert summary_of("mean", scored([(i % 3, i % 3) for i in range(MANY)])).warning == ""


def test_while_answers_wait_for_a_person_their_question_has_no_figures_and_leaves_those_of_others_alone():
    units = [*the_class(), graded("zoe", right("mean"), right("total"), verdict("memo", Status.BLANK))]
    waiting = summary_of("memo", units)
    assert waiting.right is waiting.earned is waiting.discrimination is None and waiting.answers == 8
    without = [evolve(one, verdicts=one.verdicts[:2]) for one in units]
    assert summary_of("mean", units).discrimination == summary_of("mean", without).discrimination


def test_the_spread_counts_everybody_once():
    assert Spread((0, 0.1, 0.3, 0.999, 1.0, 1.2)).bins == [1, 1, 0, 1, 0, 0, 0, 0, 0, 3]
    assert Spread(()).bins == [0] * 10


def test_a_report_of_nobody_and_of_an_exercise_that_grew_can_be_written(tmp_path):
    assert "0 students" in text(soup(write_report(tmp_path / "none", [], [exercise()])))
    old = graded("ada", right("mean"))
    row = soup(write_report(tmp_path / "old", [old], [exercise()])).select_one("#marks tbody tr")
    assert [cell.get_text() for cell in row("td")] == ["right", "", "", "2", "2"]


def test_marks_name_nobody_but_the_marked(tmp_path):
    mark = Mark("ada", ID, "memo", 1.0, "Fine.", "the tutor", 0.0)
    write_report(tmp_path, [the_class()[0].marked([mark])], [exercise()])
    assert "the tutor" not in unescape((tmp_path / "students" / "ada.html").read_text(encoding="utf-8"))


def test_kept_templates_are_those_of_an_environment_that_escapes(tmp_path, monkeypatch):
    from coursework.report.pages import environment

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def shown(escapes: bool) -> str:
        made = environment()
        made.autoescape = escapes
        made.loader = jinja2.DictLoader({"page.html": "{{ text }}"})
        return made.get_template("page.html").render(text="<b>")

    assert [shown(escapes) for escapes in (False, True, True, False)] == ["<b>", "&lt;b&gt;", "&lt;b&gt;", "<b>"]
    (kept,) = (tmp_path / "coursework" / "templates").iterdir()
    assert kept.stat().st_size


def test_where_no_compiled_template_can_be_kept_pages_are_written_all_the_same(tmp_path, monkeypatch):
    from coursework.report.pages import environment

    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert environment().bytecode_cache is None
    assert environment().get_template("student.html.j2")
