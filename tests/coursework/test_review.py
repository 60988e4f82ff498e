"""A person's marks are kept at once and hold; the desk hides names; its page answers nobody but itself."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from attrs import evolve
from paper_class import EVIL, ID, RUBRIC, UNSEEN, exercise, memo, right, the_class, write_book

from coursework.gradebook import Gradebook
from coursework.model import Status
from coursework.review.desk import HIDDEN, Desk, ReviewError, compose, parse
from coursework.review.server import ReviewServer


@pytest.fixture
def book(tmp_path: Path) -> Path:
    return write_book(tmp_path, the_class())


@pytest.fixture
def desk(book: Path) -> Desk:
    return Desk(book, [exercise()], "tutor")


def of(desk: Desk, student: str, question: str = "memo"):
    return next(item for item in desk.items(ID, question) if item.graded.student == student)


# ---------------------------------------------------------------------------------------------------------- the desk


def test_prose_that_waits_comes_first_and_only_what_was_graded_is_on_the_desk(desk):
    first, *rest = desk.questions()
    assert (first["question"], first["waiting"], first["prose"]) == ("memo", 7, True)
    assert {q["question"] for q in rest} == {"mean", "total"} and not any(q["waiting"] for q in rest)


def test_the_order_is_the_same_tomorrow_differs_by_question_and_is_not_that_of_names(tmp_path):
    units = [evolve(the_class()[0], student=f"s{i:02}") for i in range(40)]
    book = write_book(tmp_path, units)

    def order(desk: Desk, question: str) -> list[str]:
        return [item.graded.student for item in desk.items(ID, question)]

    one, two = (Desk(book, [exercise()]) for _ in range(2))
    assert order(one, "memo") == order(two, "memo")
    assert sorted(order(one, "memo")) != order(one, "memo") != order(one, "mean")


def test_nothing_that_is_shown_names_the_student_until_asked(desk):
    for item in desk.items(ID, "memo"):
        if item.graded.student != EVIL + UNSEEN:
            assert re.fullmatch("[0-9a-f]{20}", item.id)  # drawn by chance, so it may spell a name: it says nothing
            shown = json.dumps([desk.line(item, False), desk.page(item, False)]).replace(item.id, "")
            assert item.graded.student not in shown.casefold()
    assert desk.page(of(desk, "cem"), False)["text"] == f"I, {HIDDEN}, say wait."
    assert desk.page(of(desk, "cem"), True)["text"] == "I, Cem, say wait."
    assert desk.line(of(desk, "cem"), True)["name"] == "cem"


def test_flags_name_others_and_so_are_shown_with_names_only(desk):
    eve = of(desk, "eve", "total")
    assert desk.page(eve, False)["flags"] == [] and "as fay" in desk.page(eve, True)["flags"][0]


def test_search_finds_words_of_answers_and_of_names_only_when_they_are_shown(desk):
    assert [i.graded.student for i in desk.items(ID, "memo", search="SHIP it")] == ["ada"]
    assert desk.items(ID, "memo", search="bea") == []
    assert [i.graded.student for i in desk.items(ID, "memo", search="bea", names=True)] == ["bea"]


def test_a_mark_is_in_the_gradebook_when_it_was_given_with_who_gave_it(desk, book):
    item = desk.give(of(desk, "ada").id, 2.0, [False, True], "Name the cost.")
    assert (item.state, item.verdict.points, item.verdict.status) == ("marked", 2.0, Status.WRONG)
    with Gradebook(book) as opened:
        (mark,) = opened.marks("ada")
    assert (mark.points, mark.by) == (2.0, "tutor")
    assert mark.comment == "✗ The advice comes first\n✓ It names a cost\n\nName the cost."
    page = desk.page(of(desk, "ada"), False)
    assert (page["ticks"], page["comment"], page["by_hand"]) == ([False, True], "Name the cost.", 2.0)
    assert [i.graded.student for i in desk.items(ID, "memo", "marked")] == ["ada"]


def test_any_question_s_points_can_be_changed_and_given_back_and_both_hold_through_a_regrade(desk, book):
    desk.give(of(desk, "dan", "total").id, 2.0, None, "Our clock was slow.")
    desk.give(of(desk, "bea", "mean").id, 2.0, None, "")
    desk.give(of(desk, "bea", "mean").id, None, None, "")
    with Gradebook(book) as opened:
        for i, one in enumerate(the_class()):
            opened.keep(f"again{i}", one, {"file": f"f{i}", "checks": "new"})
    again = Desk(book, [exercise()])
    assert (of(again, "dan", "total").verdict.points, of(again, "bea", "mean").verdict.points) == (2.0, 0.5)
    assert again.page(of(again, "dan", "total"), False)["automatic"]["words"] == "ran out of time"


def test_a_comment_alone_leaves_the_answer_waiting(desk):
    item = desk.give(of(desk, "ada").id, None, None, "Let us talk.")
    assert item.state == "waiting" and desk.page(item, False)["comment"] == "Let us talk."


def test_marks_given_by_another_process_are_seen(desk, book):
    with Gradebook(book) as opened:
        opened.set_mark("ada", ID, "memo", 3.0, "", by="other")
    assert desk.questions()[0]["marked"] == 1


@pytest.mark.parametrize("points", [-1, float("nan"), float("inf"), 1e9])
def test_points_that_are_none_are_refused_and_change_nothing(desk, book, points):
    with pytest.raises(Exception, match="points must be a number"):
        desk.give(of(desk, "ada").id, points, None, "")
    with Gradebook(book) as opened:
        assert opened.marks() == []


def test_an_answer_that_is_gone_a_rubric_that_changed_and_a_book_for_a_comment_are_refused(desk):
    with pytest.raises(ReviewError, match="no such answer"):
        desk.give("0" * 20, 1.0)
    with pytest.raises(ReviewError, match="rubric has changed"):
        desk.give(of(desk, "ada").id, 1.0, [True])
    with pytest.raises(ReviewError, match="longer than"):
        desk.give(of(desk, "ada").id, 1.0, None, "x" * 20_001)


@pytest.mark.parametrize("ticks", [[True, False], [True, True], [False, True]])
@pytest.mark.parametrize("comment", ["", "Well.", "✓ The advice comes first\nis what I'd say"])
def test_ticks_and_comment_come_back_as_they_were_given(ticks, comment):
    assert parse(compose(ticks, comment, RUBRIC), RUBRIC) == (ticks, comment)


def test_a_comment_without_ticks_stays_a_comment():
    assert parse(compose(None, "✓ fine", RUBRIC), RUBRIC) == ([False, False], "✓ fine")
    assert parse(compose([False, False], "fine", RUBRIC), RUBRIC) == ([False, False], "fine")


# -------------------------------------------------------------------------------------------------------- the server


@pytest.fixture
def server(desk: Desk) -> Iterator[ReviewServer]:
    with ReviewServer(desk) as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def ask(server: ReviewServer, path: str, method: str = "GET", body: bytes | None = None, **headers: str):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, {"Host": f"127.0.0.1:{server.server_port}", **given})
    reply = connection.getresponse()
    data = reply.read()
    connection.close()
    return reply, data


def post(server: ReviewServer, data, path: str = "mark", **headers: str):
    own = {"Origin": f"http://127.0.0.1:{server.server_port}", "Content_Type": "application/json"}
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    return ask(server, f"/{server.token}/{path}", "POST", body, **{**own, **headers})


def test_the_page_and_its_data_come_with_the_token_and_may_be_kept_nowhere(server):
    reply, page = ask(server, f"/{server.token}/")
    assert reply.status == 200 and b"<title>Review</title>" in page
    assert reply.headers["Cache-Control"] == "no-store" and reply.headers["Referrer-Policy"] == "no-referrer"
    may = reply.headers["Content-Security-Policy"]
    assert may.startswith("default-src 'none'") and "frame-ancestors 'none'" in may and "unsafe" not in may
    reply, data = ask(server, f"/{server.token}/answers?exercise={ID}&question=memo")
    assert len(json.loads(data)) == 7 and reply.headers["Content-Type"] == "application/json"


def test_it_listens_on_this_machine_alone_with_a_new_token_each_time(server, desk):
    assert server.server_address[0] == "127.0.0.1" and len(server.token) >= 32
    with ReviewServer(desk) as other:
        assert other.token != server.token


@pytest.mark.parametrize("path", ["/", "/x/", "/x/questions", "//", "/{token}", "/{token}x/questions", "/../{token}/"])
def test_without_the_token_there_is_nothing(server, path):
    reply, data = ask(server, path.format(token=server.token))
    assert reply.status == 404 and b"memo" not in data


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", ""])
def test_a_name_that_was_made_to_lead_here_is_refused(server, host):
    reply, data = ask(server, f"/{server.token}/questions", Host=host.format(port=server.server_port))
    assert reply.status == 403 and b"memo" not in data


def test_another_site_may_neither_read_nor_write(server, desk):
    mark = {"id": of(desk, "ada").id, "points": 3, "ticks": None, "comment": ""}
    assert ask(server, f"/{server.token}/questions", Sec_Fetch_Site="cross-site")[0].status == 403
    for headers in (
        {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": f"https://127.0.0.1:{server.server_port}"},
        {"Content_Type": "text/plain"}, {"Sec_Fetch_Site": "same-site"},
    ):  # fmt: skip
        assert post(server, mark, **headers)[0].status in (403, 415), headers
    reply, _ = ask(server, f"/{server.token}/mark", "POST", json.dumps(mark).encode(), Content_Type="application/json")
    assert reply.status == 403
    assert desk.given == 0
    assert post(server, mark)[0].status == 200 and desk.given == 1


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"{", 400), (b"[]", 400), (b"[" * 9000, 400), ({}, 409), ({"id": 1, "points": 1, "comment": ""}, 409),
        ({"id": "x", "points": True, "comment": ""}, 409), ({"id": "x", "points": 1, "ticks": [1], "comment": ""}, 409),
        (b" " * 300_000, 413),
    ],
)  # fmt: skip
def test_what_is_no_mark_is_refused_in_words_and_the_server_goes_on(server, data, status):
    reply, said = post(server, data)
    assert reply.status == status and len(json.loads(said)["error"]) > 10
    assert ask(server, f"/{server.token}/")[0].status == 200


def test_a_gradebook_in_trouble_is_told_and_nothing_is_said_to_be_kept(server, desk, book, monkeypatch):
    from coursework.gradebook import GradebookError

    def full(*_, **__):
        raise GradebookError("the disk is full")

    id = of(desk, "ada").id
    monkeypatch.setattr(Gradebook, "set_mark", full)
    reply, said = post(server, {"id": id, "points": 1, "ticks": None, "comment": ""})
    assert reply.status == 409 and "disk is full" in json.loads(said)["error"] and desk.given == 0


def test_a_page_that_is_closed_early_is_no_error_to_be_told(server, capsys):
    with socket.create_connection(("127.0.0.1", server.server_port)) as line:
        # Closed with a reset, as by a browser that goes away while it is being answered.
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        line.sendall(f"GET /{server.token}/ HTTP/1.1\r\nHost: 127.0.0.1:{server.server_port}\r\nX: ".encode())
    assert ask(server, f"/{server.token}/")[0].status == 200
    try:
        raise BrokenPipeError
    except BrokenPipeError:
        server.handle_error(None, None)
    assert capsys.readouterr().err == ""


def test_ctrl_c_ends_it_with_the_report_written_again(course, tmp_path):
    path = write_book(tmp_path, [evolve(the_class()[0], verdicts=(memo("Ship it."),))])
    command = [sys.executable, "-m", "coursework.cli", "review", str(tmp_path), "--by", "me"]
    running = subprocess.Popen(command, cwd=course.root, stdout=subprocess.PIPE, text=True)
    address = urlsplit(running.stdout.readline().split()[1])
    desk = Desk(path, [course.load(ID)])
    (id,) = (item.id for item in desk.items(ID, "memo"))
    connection = http.client.HTTPConnection(address.netloc, timeout=10)
    origin = {"Origin": f"http://{address.netloc}", "Content-Type": "application/json"}
    mark = {"id": id, "points": 2.5, "ticks": None, "comment": "Why?"}
    connection.request("POST", f"{address.path}mark", json.dumps(mark), origin)
    assert connection.getresponse().status == 200
    running.send_signal(signal.SIGINT)
    said, _ = running.communicate(timeout=60)
    assert running.returncode == 0 and "The report is written again" in said
    assert "2.5" in (tmp_path / "report" / "grades.csv").read_text(encoding="utf-8")


def test_whatever_a_student_wrote_leaves_as_data_and_made_visible(server, desk):
    reply, data = ask(server, f"/{server.token}/answer?id={of(desk, EVIL + UNSEEN).id}&names=1")
    page = json.loads(data)
    assert page["text"].startswith(EVIL + "␀") and reply.headers["X-Content-Type-Options"] == "nosniff"
    _, page = ask(server, f"/{server.token}/")
    assert EVIL.encode() not in page


def test_prose_and_code_are_told_apart(desk):
    assert desk.page(of(desk, "ada"), False)["prose"] and not desk.page(of(desk, "ada", "mean"), False)["prose"]
    assert of(desk, "ada", "mean").verdict == right("mean") and of(desk, "bea").verdict == memo("Wait.")
