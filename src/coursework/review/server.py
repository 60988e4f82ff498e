"""The desk as a web page, on this machine alone and for whoever was given its address.

It listens on 127.0.0.1, every path begins with a random token, a request must name this very host, and what changes
something must come from the page itself. A web site that the instructor has open elsewhere gets nothing and does
nothing here. It is no server for a network, and one person marks at a time.
"""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Mapping
from functools import cached_property, partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from coursework.gradebook import GradebookError
from coursework.report.pages import asset, environment, policy
from coursework.review.desk import Desk, ReviewError, read_mark

MAX_BODY = 256 * 1024


class ReviewServer(ThreadingHTTPServer):
    """One desk at one address."""

    daemon_threads = True

    def __init__(self, desk: Desk, port: int = 0, token: str | None = None) -> None:
        self.desk, self.token = desk, token or secrets.token_urlsafe(24)
        super().__init__(("127.0.0.1", port), partial(Handler))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A page that was closed before it had its answer is no error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/{self.token}/"

    @cached_property
    def hosts(self) -> frozenset[str]:
        return frozenset(f"{name}:{self.server_port}" for name in ("127.0.0.1", "localhost"))

    @cached_property
    def security(self) -> str:
        may = policy([asset("report.css") + asset("review.css")], [asset("review.js")])
        return f"{may}; connect-src 'self'; frame-ancestors 'none'"

    @cached_property
    def page(self) -> bytes:
        return environment().get_template("review.html.j2").render().encode()


class Refused(Exception):
    """A request that is not answered: the status, and words for a person who reads them."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class Handler(BaseHTTPRequestHandler):
    """One request. Each answer closes its connection."""

    server: ReviewServer
    server_version, sys_version = "coursework", ""
    timeout = 30

    def log_message(self, *_: object) -> None:
        """Say nothing: the address in a log would hold the token."""

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def _answer(self, make: Any) -> None:
        try:
            path, query = self._admitted()
            kind, body = make(path, query)
        except Refused as refused:
            self._send(refused.status, "application/json", _json({"error": str(refused)}))
        except (ReviewError, GradebookError) as error:
            self._send(409, "application/json", _json({"error": str(error)}))
        else:
            self._send(200, kind, body)

    def _admitted(self) -> tuple[str, Mapping[str, str]]:
        """The path below the token, and the query."""
        host = self.headers.get("Host", "")
        if host not in self.server.hosts:  # a name that a stranger's site made to lead here
            raise Refused(403, "this address is not the one that was printed")
        url = urlsplit(self.path)
        _, token, *rest = url.path.split("/", 2)
        if not secrets.compare_digest(token.encode(), self.server.token.encode()) or not rest:
            raise Refused(404, "there is nothing here: use the address that `coursework review` printed")
        if self.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            raise Refused(403, "another site may not ask here")
        if self.command == "POST":
            if self.headers.get("Origin") != f"http://{host}":
                raise Refused(403, "only the page itself may change something")
            if self.headers.get_content_type() != "application/json":
                raise Refused(415, "only JSON is taken")
        return rest[0], {name: values[-1] for name, values in parse_qs(url.query).items()}

    def _get(self, path: str, query: Mapping[str, str]) -> tuple[str, bytes]:
        desk, names = self.server.desk, query.get("names") == "1"
        match path:
            case "":
                return "text/html; charset=utf-8", self.server.page
            case "questions":
                return _data(desk.questions())
            case "answers":
                which, search = query.get("which", "all"), query.get("search", "")
                items = desk.items(query.get("exercise", ""), query.get("question", ""), which, search, names)
                return _data([desk.line(item, names) for item in items])
            case "answer":
                return _data(desk.page(desk.item(query.get("id", "")), names))
        raise Refused(404, "there is no such page")

    def _post(self, path: str, query: Mapping[str, str]) -> tuple[str, bytes]:
        if path != "mark":
            raise Refused(404, "there is no such page")
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MAX_BODY:
            raise Refused(413, "this is too long for a mark")
        try:
            data = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            raise Refused(400, "this is not JSON") from None
        if not isinstance(data, dict):
            raise Refused(400, "this is no mark")
        desk = self.server.desk
        return _data(desk.page(desk.give(*read_mark(data)), query.get("names") == "1"))

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
            "Content-Security-Policy": self.server.security,
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _json(data: Any) -> bytes:
    return json.dumps(data).encode()


def _data(data: Any) -> tuple[str, bytes]:
    return "application/json", _json(data)


def serve(desk: Desk, port: int = 0, opened: Any = lambda address: None) -> None:
    """Serve until interrupted; `opened` is told the address.

    Raises:
        ReviewError: the port cannot be had.
    """
    try:
        server = ReviewServer(desk, port)
    except OSError as error:
        raise ReviewError(f"port {port} cannot be used ({error.strerror}): choose another with --port") from None
    with server:
        opened(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass
